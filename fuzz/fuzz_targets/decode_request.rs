//! Does any frame make the request decoder panic, or ask for memory out of proportion to its size?
//!
//! The input is a frame without its size. A counting allocator holds the decoder to the bound that the reader
//! documents: eight times the input and 64 KiB.
#![no_main]

use bytes::Bytes;
use kafka_wire::RequestHeader;
use kafka_wire::messages::MESSAGES;
use libfuzzer_sys::fuzz_target;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the counters touch no memory of its.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise about the pointer is passed on; it came from `alloc` above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fuzz_target!(|data: &[u8]| {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let Ok((header, body)) = RequestHeader::split(Bytes::copy_from_slice(data)) else { return };
    if let Some(info) = MESSAGES.iter().find(|m| m.key == Some(header.key) && m.name.ends_with("Request"))
        && info.versions.contains(header.version)
    {
        // A body that decodes must also survive being written again.
        let _ = (info.check)(body.clone(), header.version);
    }
    let peak = PEAK.load(Relaxed).saturating_sub(before);
    assert!(peak <= 9 * data.len() + 64 * 1024, "{} bytes of input made {peak} bytes live", data.len());
});

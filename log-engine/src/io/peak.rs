//! An allocator that counts, for tests that hold the engine to a bound on memory.
//!
//! Each thread has its own account, so that tests beside each other do not disturb it: what another thread frees is
//! credited to that one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator with an account; to be made the `#[global_allocator]` of a test or a fuzz target.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakAllocator;

impl PeakAllocator {
    /// Does `work` and answers how many bytes more than before were live at most, as far as this thread asked for them.
    pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = LIVE.get();
        PEAK.set(before);
        let outcome = work();
        (outcome, usize::try_from(PEAK.get() - before).unwrap_or(0))
    }
}

fn account(bytes: usize, sign: isize) {
    let bytes = isize::try_from(bytes).unwrap_or(isize::MAX);
    // A thread that is ending has no account any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().wrapping_add(bytes.wrapping_mul(sign)));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged. The accounts are thread-local cells without a destructor
// that were made at compile time: touching them allocates nothing.
unsafe impl GlobalAlloc for PeakAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        account(layout.size(), 1);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        account(layout.size(), -1);
        // SAFETY: the caller's promise about the pointer is passed on; it came from `alloc` above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

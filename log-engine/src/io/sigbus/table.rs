//! Which addresses are maps of ours: looked up by a signal handler, so without a lock.
//!
//! ```text
//!  CHUNKS -> [slot|slot|...|slot] -> [slot|slot|...|slot] -> null
//!  slot:  version | start | end | writable | lost from | lost to
//! ```
//!
//! # Invariants
//!
//! * Slots are never freed and chunks never unlinked: whoever walks the list at any time walks memory that is there.
//! * A slot is changed by its owner alone, between two steps of its `version` (odd meanwhile). Who looks up an address
//!   skips a slot whose version was odd or has changed: that is not the slot that he looks for, because the map that he
//!   touches is alive and its slot at rest.
//! * What was lost is noted before anything else is put in its place, and only grows until the slot is given back.
//!
//! # Not here
//!
//! Signals, system calls (the module above).

use parking_lot::Mutex;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

/// Slots that are made at once.
const CHUNK: usize = 256;

/// All maps of a process.
#[derive(Debug)]
pub(super) struct Table {
    first: AtomicPtr<Chunk>,
    /// Slots that nobody owns. Never touched by the handler.
    free: Mutex<Vec<&'static Slot>>,
}

#[derive(Debug)]
struct Chunk {
    slots: [Slot; CHUNK],
    next: *const Chunk,
}

// SAFETY: `next` is written before the chunk is shown to anybody, and points to a chunk that is never freed.
unsafe impl Sync for Chunk {}

/// One range of addresses. An `end` of 0 is no range.
#[derive(Debug, Default)]
pub(super) struct Slot {
    version: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
    writable: AtomicBool,
    /// Addresses that were lost, as one range: nothing if `lost_to` is 0.
    lost_from: AtomicUsize,
    lost_to: AtomicUsize,
}

/// What a slot says of an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Hit {
    pub(super) range: Range<usize>,
    pub(super) writable: bool,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()), free: Mutex::new(Vec::new()) }
    }

    /// Takes a range in. It must be mapped already, and stay so until the slot is given back.
    pub(super) fn add(&self, range: Range<usize>, writable: bool) -> &'static Slot {
        let mut free = self.free.lock();
        if free.is_empty() {
            free.extend(self.grow());
        }
        let slot = free.pop().expect("a chunk has slots");
        drop(free);
        slot.change(|| {
            slot.writable.store(writable, Ordering::Relaxed);
            slot.lost_from.store(usize::MAX, Ordering::Relaxed);
            slot.lost_to.store(0, Ordering::Relaxed);
            slot.start.store(range.start, Ordering::Relaxed);
            slot.end.store(range.end, Ordering::Relaxed);
        });
        slot
    }

    /// Gives a slot back, before its range is unmapped.
    pub(super) fn remove(&self, slot: &'static Slot) {
        slot.change(|| slot.end.store(0, Ordering::Relaxed));
        self.free.lock().push(slot);
    }

    /// A new chunk in front of the others. The caller holds the lock.
    fn grow(&self) -> impl Iterator<Item = &'static Slot> {
        let next = self.first.load(Ordering::Relaxed).cast_const();
        let chunk: &'static mut Chunk =
            Box::leak(Box::new(Chunk { slots: std::array::from_fn(|_| Slot::default()), next }));
        self.first.store(ptr::from_mut(chunk), Ordering::Release);
        chunk.slots.iter()
    }

    /// The slot whose range holds an address. Takes no lock and allocates nothing: for a signal handler. O(maps).
    pub(super) fn find(&self, address: usize) -> Option<(&'static Slot, Hit)> {
        let mut at = self.first.load(Ordering::Acquire).cast_const();
        while !at.is_null() {
            // SAFETY: `grow` leaked the chunk before it showed its address, which is never taken back.
            let chunk: &'static Chunk = unsafe { &*at };
            for slot in &chunk.slots {
                if let Some(hit) = slot.hit(address) {
                    return Some((slot, hit));
                }
            }
            at = chunk.next;
        }
        None
    }
}

impl Slot {
    /// Runs the owner's change so that readers take nothing of it for the truth before it is done.
    fn change(&self, change: impl FnOnce()) {
        let before = self.version.load(Ordering::Relaxed);
        self.version.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        self.version.store(before.wrapping_add(2), Ordering::Release);
    }

    fn hit(&self, address: usize) -> Option<Hit> {
        let version = self.version.load(Ordering::Acquire);
        let range = self.start.load(Ordering::Relaxed)..self.end.load(Ordering::Relaxed);
        let writable = self.writable.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let at_rest = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (at_rest && range.contains(&address)).then_some(Hit { range, writable })
    }

    /// Notes that a range of addresses is not what the file holds; before anything is put in its place.
    pub(super) fn lose(&self, range: &Range<usize>) {
        self.lost_from.fetch_min(range.start, Ordering::Relaxed);
        self.lost_to.fetch_max(range.end, Ordering::Relaxed);
        // Before the system call that puts something else there: see `lost`.
        fence(Ordering::SeqCst);
    }

    /// What was lost, counted from the beginning of the range; one range that holds all of it.
    ///
    /// Whoever reads bytes first and asks afterwards is told about all that were not the file's. No lock is needed:
    /// [`Slot::lose`] comes before the page is exchanged, and the exchange before the read of a byte of the new page, on
    /// this thread by program order, on another by the page table. The fence keeps this look behind the reads.
    pub(super) fn lost(&self) -> Option<Range<usize>> {
        fence(Ordering::Acquire);
        let to = self.lost_to.load(Ordering::Relaxed);
        if to == 0 {
            return None;
        }
        let start = self.start.load(Ordering::Relaxed);
        Some(self.lost_from.load(Ordering::Relaxed) - start..to - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn an_address_is_found_in_its_range_and_nowhere_else() {
        let table = Table::new();
        assert!(table.find(0).is_none());
        let a = table.add(4096..8192, false);
        let b = table.add(8192..12288, true);
        for (address, expected) in
            [(4095, None), (4096, Some(false)), (8191, Some(false)), (8192, Some(true))]
        {
            assert_eq!(table.find(address).map(|(_, hit)| hit.writable), expected, "{address}");
        }
        table.remove(a);
        assert!(table.find(5000).is_none());
        assert!(table.find(9000).is_some_and(|(slot, hit)| ptr::eq(slot, b) && hit.range == (8192..12288)));
        table.remove(b);
    }

    #[test]
    fn slots_are_used_again_and_more_are_made_when_all_are_taken() {
        let table = Table::new();
        let many = 3 * CHUNK + 1;
        let slots: Vec<_> = (1..=many).map(|n| table.add(n * 4096..(n + 1) * 4096, false)).collect();
        assert!((1..=many).all(|n| table.find(n * 4096 + 7).is_some_and(|(s, _)| ptr::eq(s, slots[n - 1]))));
        for slot in &slots {
            table.remove(slot);
        }
        assert_eq!(table.free.lock().len(), 4 * CHUNK);
        table.add(4096..8192, false);
        assert_eq!(table.free.lock().len(), 4 * CHUNK - 1);
    }

    #[test]
    fn what_was_lost_grows_and_is_forgotten_with_the_slot() {
        let table = Table::new();
        let slot = table.add(8192..40960, false);
        assert_eq!(slot.lost(), None);
        slot.lose(&(16384..20480));
        assert_eq!(slot.lost(), Some(8192..12288));
        slot.lose(&(8192..12288));
        slot.lose(&(24576..28672));
        assert_eq!(slot.lost(), Some(0..20480));
        table.remove(slot);
        assert_eq!(table.add(4096..8192, false).lost(), None, "the next owner begins anew");
    }

    /// While others come and go, the slots at rest are found, and never as anything else.
    #[test]
    fn a_slot_at_rest_is_found_while_others_change() {
        let table: &'static Table = Box::leak(Box::new(Table::new()));
        let rounds = if cfg!(miri) { 50 } else { 20_000 };
        let mine = table.add(1 << 20..2 << 20, true);
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..2_usize)
            .map(|n| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    let mut len = 1;
                    while !stop.load(Ordering::Relaxed) {
                        // Small ranges below and large ones above the one at rest: mixed up they would hold it.
                        let low = table.add(4096 * (n + 1)..4096 * (n + 1) + len, false);
                        table.remove(low);
                        let high = table.add(4 << 20..(5 << 20) + len, false);
                        table.remove(high);
                        len = len % 4096 + 1;
                    }
                })
            })
            .collect();
        for _ in 0..rounds {
            let (slot, hit) = table.find((1 << 20) + 5).expect("it is there all the time");
            assert!(ptr::eq(slot, mine));
            assert_eq!(hit, Hit { range: 1 << 20..2 << 20, writable: true });
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
    }
}

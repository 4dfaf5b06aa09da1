//! What a log has done since it was opened, and what it holds.
//!
//! # Invariants
//!
//! * Readers do not take a cache line from each other for being counted: each thread counts in one of a few stripes,
//!   which exist only for logs that are read.
//! * Appends are counted under the writer's lock, which they hold in any case.

use super::Log;
use std::array;
use std::ops::AddAssign;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads that read at the same time mostly count in different ones.
const STRIPES: usize = 8;

/// What a log has done since it was opened, and what it holds. Of several logs: add them up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LogStats {
    /// Segments that are there.
    pub segments: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// How many of them have their file open.
    pub open_files: usize,
    /// How many of them are mapped.
    pub maps: usize,
    /// Ranges that are known to be damaged.
    pub damaged_ranges: usize,
    /// How often the indexes of these segments were made anew from their batches.
    pub index_rebuilds: u64,
    /// Batches appended.
    pub appended_batches: u64,
    /// Records in them.
    pub appended_records: u64,
    /// Bytes in them.
    pub appended_bytes: u64,
    /// Bytes that no sync has covered yet.
    pub unsynced_bytes: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Reads of ranges; an iterator makes one for each MiB.
    pub reads: u64,
    /// Bytes that they returned.
    pub read_bytes: u64,
}

impl LogStats {
    /// Batches that one sync has covered, on the average; `None` before the first.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean of counts")]
    pub fn batches_per_sync(&self) -> Option<f64> {
        (self.syncs > 0).then(|| self.appended_batches as f64 / self.syncs as f64)
    }
}

impl AddAssign for LogStats {
    fn add_assign(&mut self, other: Self) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.open_files += other.open_files;
        self.maps += other.maps;
        self.damaged_ranges += other.damaged_ranges;
        self.index_rebuilds += other.index_rebuilds;
        self.appended_batches += other.appended_batches;
        self.appended_records += other.appended_records;
        self.appended_bytes += other.appended_bytes;
        self.unsynced_bytes += other.unsynced_bytes;
        self.syncs += other.syncs;
        self.reads += other.reads;
        self.read_bytes += other.read_bytes;
    }
}

impl std::iter::Sum for LogStats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// What is counted outside the writer's lock.
#[derive(Debug, Default)]
pub(super) struct Counters {
    syncs: AtomicU64,
    reads: OnceLock<Box<[Stripe; STRIPES]>>,
}

/// One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe {
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(super) fn note_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_read(&self, bytes: usize) {
        let stripes = self.reads.get_or_init(|| Box::new(array::from_fn(|_| Stripe::default())));
        let stripe = &stripes[stripe_of_thread()];
        stripe.reads.fetch_add(1, Ordering::Relaxed);
        stripe.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Threads take the stripes in turn.
fn stripe_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    MINE.with(|stripe| *stripe)
}

impl Log {
    /// What the log has done since it was opened, and what it holds: the figures of one moment, but not of the same.
    /// Takes the writer's lock for a few loads; O(segments).
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let mut stats = LogStats::default();
        {
            let writer = self.writer.lock();
            stats.appended_batches = writer.batches;
            stats.appended_records = writer.records;
            stats.appended_bytes = writer.written;
            stats.unsynced_bytes = writer.written - writer.written_synced;
        }
        let view = self.view.load();
        stats.segments = view.segments.len();
        stats.damaged_ranges = view.damage.len();
        for segment in &view.segments {
            let (open, mapped) = segment.is_open();
            stats.bytes += segment.len().to_u64();
            stats.open_files += usize::from(open);
            stats.maps += usize::from(mapped);
            stats.index_rebuilds += u64::from(segment.index_rebuilds());
        }
        stats.syncs = self.counters.syncs.load(Ordering::Relaxed);
        for stripe in self.counters.reads.get().into_iter().flat_map(|stripes| stripes.iter()) {
            stats.reads += stripe.reads.load(Ordering::Relaxed);
            stats.read_bytes += stripe.bytes.load(Ordering::Relaxed);
        }
        stats
    }
}

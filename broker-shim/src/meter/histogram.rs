//! How long things take, by buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in nanoseconds: from what the page cache takes to what a disk in trouble takes.
pub(crate) const BOUNDS: [u64; 15] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// Counts durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The last one is for what is beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What a histogram holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Times {
    /// How many were at or below each bound.
    pub(crate) at_most: [u64; BOUNDS.len()],
    /// How many there were.
    pub(crate) count: u64,
    /// How long all of them took.
    pub(crate) sum: Duration,
}

impl Histogram {
    /// Counts one.
    pub(crate) fn note(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What it holds now. The sum may be ahead of the count by what is being counted.
    pub(crate) fn read(&self) -> Times {
        let mut at_most = [0; BOUNDS.len()];
        let mut count = 0;
        for (bucket, place) in self.buckets.iter().zip(&mut at_most) {
            count += bucket.load(Ordering::Relaxed);
            *place = count;
        }
        count += self.buckets.last().map_or(0, |bucket| bucket.load(Ordering::Relaxed));
        Times { at_most, count, sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_at_or_below_its_bound_and_all_above() {
        let histogram = Histogram::default();
        for nanos in [25_000, 25_001, 10_000_000_000, 10_000_000_001] {
            histogram.note(Duration::from_nanos(nanos));
        }
        let times = histogram.read();
        assert_eq!(times.at_most[..3], [1, 2, 2]);
        assert_eq!(times.at_most[13..], [2, 3]);
        assert_eq!((times.count, times.sum), (4, Duration::from_nanos(20_000_050_002)));
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
    }
}

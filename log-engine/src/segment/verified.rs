//! Which bytes of a segment are known to be what was written.
//!
//! ```text
//!  0        verified         trusted_from          published
//!  +-------+--------+-------+---------------------+
//!  |   ?   | looked |   ?   | written or scanned  |
//!  |       | at once|       | by this process     |
//!  +-------+--------+-------+---------------------+
//! ```
//!
//! # Invariants
//!
//! * A range is noted after its batches were checked; where damage was found it is left out. What was noted for a
//!   whole segment is never forgotten, so that nobody looks through it twice.
//! * All of it is in memory: who opens the log again trusts nothing of an older run.
//!
//! # Not here
//!
//! The checking (`log`).

use super::{FileSlice, Segment};
use crate::types::Position;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// So many ranges that do not touch are remembered of what readers had checked; others are checked again.
const REMEMBERED: usize = 1024;

/// Ranges in order, with a gap between any two.
#[derive(Debug, Default)]
pub(super) struct Verified(Vec<Range<u32>>);

impl Verified {
    fn covers(&self, range: &Range<u32>) -> bool {
        let at = self.0.partition_point(|known| known.end <= range.start);
        self.0.get(at).is_some_and(|known| known.start <= range.start && range.end <= known.end)
    }

    fn add(&mut self, mut range: Range<u32>) {
        let from = self.0.partition_point(|known| known.end < range.start);
        let to = self.0.partition_point(|known| known.start <= range.end);
        if let Some([first, .., last] | [first @ last]) = self.0.get(from..to) {
            range = range.start.min(first.start)..range.end.max(last.end);
        }
        self.0.splice(from..to, [range]);
    }
}

impl Segment {
    /// Where the bytes begin that this process wrote or scanned. For a file that was opened that is its end, until
    /// somebody says that more was scanned.
    pub(crate) fn trusted_from(&self) -> Position {
        Position::new(u64::from(self.trusted_from.load(Ordering::Relaxed))).unwrap_or(Position::MAX)
    }

    /// Everything from `position` on was scanned by this process.
    pub(crate) fn trust_from(&self, position: Position) {
        self.trusted_from.store(position.get(), Ordering::Relaxed);
    }

    /// Whether a range was written, scanned or verified since the log was opened.
    pub(crate) fn is_verified(&self, position: Position, len: usize) -> bool {
        let trusted_from = self.trusted_from();
        // Readers at the end of the log, and most others, pay for this alone.
        if len == 0 || position >= trusted_from {
            return true;
        }
        let end = position.checked_add(len).unwrap_or(Position::MAX).min(trusted_from);
        self.verified.lock().covers(&(position.get()..end.get()))
    }

    /// The batches of a range were checked.
    pub(crate) fn note_verified(&self, range: Range<Position>) {
        let mut verified = self.verified.lock();
        if verified.0.len() < REMEMBERED {
            verified.add(range.start.get()..range.end.get());
        }
    }

    /// The batches of all of these ranges were checked, and what lies between is damaged.
    pub(crate) fn note_examined(&self, sound: impl Iterator<Item = Range<Position>>) {
        let mut verified = self.verified.lock();
        for range in sound {
            verified.add(range.start.get()..range.end.get());
        }
    }
}

impl FileSlice {
    /// Whether its bytes were written, scanned or verified since the log was opened; see
    /// [`Log::verify`](crate::log::Log::verify).
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.segment().is_verified(self.position(), self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ranges = &'static [(u32, u32)];

    fn known(ranges: Ranges) -> Verified {
        let mut verified = Verified::default();
        ranges.iter().for_each(|(start, end)| verified.add(*start..*end));
        verified
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let cases: [(Ranges, Ranges); 5] = [
            (&[(0, 10), (20, 30), (40, 50)], &[(0, 10), (20, 30), (40, 50)]),
            (&[(40, 50), (0, 10), (10, 20)], &[(0, 20), (40, 50)]),
            (&[(0, 10), (20, 30), (40, 50), (5, 41)], &[(0, 50)]),
            (&[(0, 10), (20, 30), (10, 20)], &[(0, 30)]),
            (&[(0, 50), (10, 20)], &[(0, 50)]),
        ];
        for (added, expected) in cases {
            let ranges: Vec<_> = known(added).0.iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(ranges, expected, "{added:?}");
        }
    }

    #[test]
    fn a_range_is_covered_by_one_range_or_not_at_all() {
        let verified = known(&[(10, 20), (30, 40)]);
        for (range, covered) in [
            (10..20, true),
            (12..15, true),
            (9..12, false),
            (15..21, false),
            (15..35, false),
            (40..41, false),
        ] {
            assert_eq!(verified.covers(&range), covered, "{range:?}");
        }
    }
}

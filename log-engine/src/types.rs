//! The units of the log, each a type of its own: a count of records is never a count of bytes.
//!
//! None of these dereferences to its number and none is made by `From<i64>`: a value that came from the wire,
//! a file or a file name passes a checked constructor, and only arithmetic that means something exists.
//! Where a format writes `-1` for "none", the type here is an `Option`.

use std::fmt;

/// A logical record number within one log. Never a byte count.
///
/// Range: `0 ..= i64::MAX`. Offsets are given to records once and never renumbered.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Offset(i64);

impl Offset {
    /// The first offset of a log that never lost its beginning.
    pub const ZERO: Self = Self(0);

    /// Checks a number that came from the wire, a file or a file name; `None` if it is negative.
    #[must_use]
    pub const fn new(raw: i64) -> Option<Self> {
        if raw >= 0 { Some(Self(raw)) } else { None }
    }

    /// The number, `0 ..= i64::MAX`.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The offset `records` further on, or `None` past the end of the range.
    #[must_use]
    pub const fn checked_add(self, records: i64) -> Option<Self> {
        match self.0.checked_add(records) {
            Some(raw) => Self::new(raw),
            None => None,
        }
    }

    /// The offset that follows this one, or `None` past the end of the range.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    /// How many offsets lie between `earlier` and this one; negative if `earlier` is in fact later.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> i64 {
        // Both are non-negative, so the difference cannot overflow.
        self.0 - earlier.0
    }

    /// Distance from a segment's base offset, or `None` if an index entry cannot hold it.
    #[must_use]
    pub const fn relative_to(self, base: Self) -> Option<RelativeOffset> {
        RelativeOffset::new(self.0 - base.0)
    }
}

/// A number that is no offset: it is negative.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is no offset: it is negative")]
pub struct NegativeOffset(pub i64);

impl TryFrom<i64> for Offset {
    type Error = NegativeOffset;

    fn try_from(raw: i64) -> Result<Self, NegativeOffset> {
        Self::new(raw).ok_or(NegativeOffset(raw))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An offset as an index entry holds it: records after the segment's base offset.
///
/// Range: `0 ..= i32::MAX`, because Kafka's index files hold it in a signed 32 bit field.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelativeOffset(u32);

impl RelativeOffset {
    /// Checks a distance in records; `None` if an index entry cannot hold it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub const fn new(raw: i64) -> Option<Self> {
        if raw >= 0 && raw <= i32::MAX as i64 { Some(Self(raw as u32)) } else { None }
    }

    /// The number, `0 ..= i32::MAX`.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The absolute offset, or `None` past the end of the range of offsets.
    #[must_use]
    pub const fn from_base(self, base: Offset) -> Option<Offset> {
        base.checked_add(self.0 as i64)
    }
}

/// A byte position within one `.log` file.
///
/// Range: `0 ..= i32::MAX`: a segment is at most 2 GiB less one byte, as Kafka's index entries demand.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position(u32);

impl Position {
    /// The start of the file.
    pub const ZERO: Self = Self(0);
    /// The greatest position an index entry can hold.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// Checks a byte count; `None` if an index entry cannot hold it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    pub const fn new(raw: u64) -> Option<Self> {
        if raw <= Self::MAX.0 as u64 { Some(Self(raw as u32)) } else { None }
    }

    /// The number of bytes before this position.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The same as a file offset.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0 as u64
    }

    /// The same as a slice index.
    #[must_use]
    pub const fn to_usize(self) -> usize {
        self.0 as usize
    }

    /// The position `bytes` further on, or `None` if an index entry cannot hold it.
    #[must_use]
    pub const fn checked_add(self, bytes: usize) -> Option<Self> {
        match (self.0 as u64).checked_add(bytes as u64) {
            Some(raw) => Self::new(raw),
            None => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z. A record without a time is `Option::<Timestamp>::None`.
///
/// Range: `0 ..= i64::MAX`. Nothing in the engine derives an offset from it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Checks milliseconds from the wire or a file; `None` if negative (the formats write -1 for "none").
    #[must_use]
    pub const fn from_millis(raw: i64) -> Option<Self> {
        if raw >= 0 { Some(Self(raw)) } else { None }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to this time; negative if `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// This time `millis` later, held at the end of the range.
    #[must_use]
    pub const fn saturating_add_millis(self, millis: i64) -> Self {
        let sum = self.0.saturating_add(millis);
        if sum < 0 { Self(0) } else { Self(sum) }
    }

    /// The number the formats write: milliseconds, or -1 for none.
    #[must_use]
    pub const fn to_raw(this: Option<Self>) -> i64 {
        match this {
            Some(t) => t.0,
            None => -1,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which leadership wrote a batch. On one node it starts at 0.
///
/// Range: `0 ..= i32::MAX`; it never falls along a log.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LeaderEpoch(i32);

impl LeaderEpoch {
    /// The epoch of a log that was just created.
    pub const ZERO: Self = Self(0);

    /// Checks a number from the wire or a file; `None` if it is negative.
    #[must_use]
    pub const fn new(raw: i32) -> Option<Self> {
        if raw >= 0 { Some(Self(raw)) } else { None }
    }

    /// The number, `0 ..= i32::MAX`.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who wrote a batch, for idempotence and transactions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProducerId(i64);

impl ProducerId {
    /// Checks a number from the wire or a file; `None` if it is negative.
    #[must_use]
    pub const fn new(raw: i64) -> Option<Self> {
        if raw >= 0 { Some(Self(raw)) } else { None }
    }

    /// The number, `0 ..= i64::MAX`.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A producer's fencing number: a higher one shuts out all lower ones of the same id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProducerEpoch(i16);

impl ProducerEpoch {
    /// The first one of every producer.
    pub const ZERO: Self = Self(0);

    /// Checks a number from the wire or a file; `None` if it is negative.
    #[must_use]
    pub const fn new(raw: i16) -> Option<Self> {
        if raw >= 0 { Some(Self(raw)) } else { None }
    }

    /// The number, `0 ..= i16::MAX`.
    #[must_use]
    pub const fn get(self) -> i16 {
        self.0
    }
}

/// A record's number within one producer and log. It counts up and wraps from `i32::MAX` to 0.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sequence(i32);

impl Sequence {
    /// The first one of every producer epoch.
    pub const ZERO: Self = Self(0);

    /// Checks a number from the wire or a file; `None` if it is negative.
    #[must_use]
    pub const fn new(raw: i32) -> Option<Self> {
        if raw >= 0 { Some(Self(raw)) } else { None }
    }

    /// The number, `0 ..= i32::MAX`.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The sequence `records` further on, wrapping from `i32::MAX` to 0.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 2^31")]
    pub const fn wrapping_add(self, records: u32) -> Self {
        Self(((self.0 as i64 + records as i64) % (i32::MAX as i64 + 1)) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_offset_holds_exactly_what_an_index_entry_holds() {
        let base = Offset::new(100).unwrap();
        let at = |raw: i64| Offset::new(raw).unwrap().relative_to(base);
        assert_eq!(at(99), None);
        assert_eq!(at(100), RelativeOffset::new(0));
        assert_eq!(at(100 + i64::from(i32::MAX)).map(RelativeOffset::get), Some(i32::MAX as u32));
        assert_eq!(at(101 + i64::from(i32::MAX)), None);
    }

    #[test]
    fn sequence_wraps_from_max_to_zero() {
        assert_eq!(Sequence::new(i32::MAX).unwrap().wrapping_add(1), Sequence::ZERO);
        assert_eq!(Sequence::new(i32::MAX - 1).unwrap().wrapping_add(3).get(), 1);
    }

    #[test]
    fn offsets_end_at_the_range() {
        assert_eq!(Offset::new(i64::MAX).unwrap().next(), None);
        assert_eq!(Offset::new(-1), None);
    }
}

//! Entries of the three index files.
//!
//! ```text
//! .index      relative offset int32, position int32                              8 bytes
//! .timeindex  timestamp int64, relative offset int32                            12 bytes
//! .txnindex   version int16 0, producer id int64, first offset int64,
//!             last offset int64 (of the marker), last stable offset int64       34 bytes
//! ```
//!
//! Relative offsets count from the segment's base. All numbers are big-endian.
//!
//! # Invariants
//!
//! * An entry that no writer makes (negative numbers, another version) reads as `None`.
//!
//! # Not here
//!
//! Whether entries rise, where they end in a file with trailing zeros, and when one is due (`index`, `segment`).

use super::batch::{array, read_i32, read_i64};
use crate::types::{Offset, Position, ProducerId, RelativeOffset, Timestamp};

/// One entry of an `.index` file: a scan from `position` on finds every offset from `offset` on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OffsetEntry {
    /// Last offset of the batch at `position`, less the segment's base (2.2.0's cleaner: of a later batch).
    pub offset: RelativeOffset,
    /// Where a batch begins.
    pub position: Position,
}

impl OffsetEntry {
    /// Its size in bytes.
    pub const LEN: usize = 8;

    /// As it is written.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.offset.get().to_be_bytes());
        out[4..].copy_from_slice(&self.position.get().to_be_bytes());
        out
    }

    /// As it is read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        Some(Self {
            offset: relative(bytes, 0)?,
            position: Position::new(u64::try_from(read_i32(bytes, 4)).ok()?)?,
        })
    }
}

/// One entry of a `.timeindex` file: no record up to `offset` is later than `timestamp`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeEntry {
    /// The greatest timestamp in the segment so far.
    pub timestamp: Timestamp,
    /// Last offset of the batch that has it (2.2: of the record), less the segment's base.
    pub offset: RelativeOffset,
}

impl TimeEntry {
    /// Its size in bytes.
    pub const LEN: usize = 12;

    /// As it is written.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.timestamp.as_millis().to_be_bytes());
        out[8..].copy_from_slice(&self.offset.get().to_be_bytes());
        out
    }

    /// As it is read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        Some(Self { timestamp: Timestamp::from_millis(read_i64(bytes, 0))?, offset: relative(bytes, 8)? })
    }
}

/// One entry of a `.txnindex` file: an aborted transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TxnEntry {
    /// Whose it was.
    pub producer: ProducerId,
    /// Its first record.
    pub first: Offset,
    /// Its marker.
    pub last: Offset,
    /// The last stable offset after the abort.
    pub last_stable: Offset,
}

impl TxnEntry {
    /// Its size in bytes.
    pub const LEN: usize = 34;
    const VERSION: [u8; 2] = [0, 0];

    /// As it is written.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..2].copy_from_slice(&Self::VERSION);
        let numbers = [self.producer.get(), self.first.get(), self.last.get(), self.last_stable.get()];
        for (field, number) in out[2..].chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_be_bytes());
        }
        out
    }

    /// As it is read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        if array::<2>(bytes, 0) != Self::VERSION {
            return None;
        }
        Some(Self {
            producer: ProducerId::new(read_i64(bytes, 2))?,
            first: Offset::new(read_i64(bytes, 10))?,
            last: Offset::new(read_i64(bytes, 18))?,
            last_stable: Offset::new(read_i64(bytes, 26))?,
        })
    }
}

fn relative(bytes: &[u8], at: usize) -> Option<RelativeOffset> {
    RelativeOffset::new(i64::from(read_i32(bytes, at)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::unhex;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_of_a_real_index() {
        let bytes = unhex("00000065000012b0");
        let entry = OffsetEntry::from_bytes(&bytes.try_into().unwrap()).unwrap();
        assert_eq!((entry.offset.get(), entry.position.get()), (0x65, 0x12b0));
        let bytes = unhex("000001a206f97d9400000063");
        let entry = TimeEntry::from_bytes(&bytes.try_into().unwrap()).unwrap();
        assert_eq!((entry.timestamp.as_millis(), entry.offset.get()), (0x1a2_06f9_7d94, 0x63));
    }

    #[test]
    fn an_aborted_transaction_of_a_real_broker() {
        let bytes = unhex("00000000000000000001000000000000000000000000000000010000000000000002");
        let entry = TxnEntry::from_bytes(&bytes.clone().try_into().unwrap()).unwrap();
        assert_eq!(entry.producer.get(), 1);
        assert_eq!((entry.first.get(), entry.last.get(), entry.last_stable.get()), (0, 1, 2));
        assert_eq!(entry.to_bytes().as_slice(), bytes);
    }

    #[test]
    fn numbers_nobody_writes_are_refused() {
        assert_eq!(OffsetEntry::from_bytes(&[0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(OffsetEntry::from_bytes(&[0, 0, 0, 0, 0x80, 0, 0, 0]), None);
        assert_eq!(TimeEntry::from_bytes(&[0xff; 12]), None);
        let mut bytes = [0; TxnEntry::LEN];
        bytes[1] = 1;
        assert_eq!(TxnEntry::from_bytes(&bytes), None);
    }

    proptest! {
        #[test]
        fn entries_survive(bytes: [u8; 34]) {
            let head = <[u8; 8]>::try_from(&bytes[..8]).unwrap();
            if let Some(entry) = OffsetEntry::from_bytes(&head) {
                prop_assert_eq!(entry.to_bytes(), head);
            }
            let head = <[u8; 12]>::try_from(&bytes[..12]).unwrap();
            if let Some(entry) = TimeEntry::from_bytes(&head) {
                prop_assert_eq!(entry.to_bytes(), head);
            }
            if let Some(entry) = TxnEntry::from_bytes(&bytes) {
                prop_assert_eq!(entry.to_bytes(), bytes);
            }
        }
    }
}

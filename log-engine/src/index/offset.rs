//! From offsets to positions: `<base offset, 20 digits>.index`, 8 bytes an entry.

use super::table::{Entry, Table};
use crate::format::index_entry::OffsetEntry;
use crate::types::{Offset, Position, RelativeOffset};
use bytes::Bytes;

impl Entry for OffsetEntry {
    const LEN: usize = Self::LEN;

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes.try_into().ok()?)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    fn may_follow(self, before: Option<Self>) -> bool {
        match before {
            Some(before) => self.offset > before.offset && self.position > before.position,
            // All zero is no entry but the rest of a file that was laid out in advance.
            None => self.offset > RelativeOffset::default() || self.position > Position::ZERO,
        }
    }
}

/// The offset index of one segment.
#[derive(Clone, Debug)]
pub struct OffsetIndex {
    base: Offset,
    table: Table<OffsetEntry>,
}

impl OffsetIndex {
    /// Bytes of an entry in the file.
    pub const ENTRY_LEN: usize = OffsetEntry::LEN;

    /// An empty one.
    #[must_use]
    pub fn new(base: Offset) -> Self {
        Self { base, table: Table::default() }
    }

    /// The sound front of a file's content, and whether that is all of it.
    #[must_use]
    pub fn from_file(base: Offset, bytes: &Bytes) -> (Self, bool) {
        let (table, whole) = Table::from_file(bytes);
        (Self { base, table }, whole)
    }

    /// Keeps the entries below `end`.
    pub fn keep_below(&mut self, end: Position) {
        self.table.keep_while(|entry| entry.position < end);
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<OffsetEntry> {
        self.table.last()
    }

    /// The entry with the greatest offset up to `target`; without one, scan from the start of the file.
    #[must_use]
    pub fn lookup(&self, target: Offset) -> Option<OffsetEntry> {
        let target = target.distance_from(self.base);
        self.table.last_where(|entry| i64::from(entry.offset.get()) <= target)
    }

    /// The same, and the entry after it: of the first batch known to end above `target`.
    #[must_use]
    pub fn around(&self, target: Offset) -> [Option<OffsetEntry>; 2] {
        let target = target.distance_from(self.base);
        self.table.around(|entry| i64::from(entry.offset.get()) <= target)
    }

    /// The last entries that lie before a position and below an offset, the last one first: at most two.
    #[must_use]
    pub fn last_before(&self, before: Position, below: Offset) -> [Option<OffsetEntry>; 2] {
        let below = below.distance_from(self.base);
        let last = |entry: OffsetEntry| entry.position < before && i64::from(entry.offset.get()) < below;
        self.table.last_two_where(last)
    }

    /// Adds that the batch at `position` ends with `last_offset`; nothing happens if an entry cannot hold it or if
    /// it does not rise, which only damage can bring about.
    pub fn push(&mut self, last_offset: Offset, position: Position) {
        let Some(offset) = last_offset.relative_to(self.base) else { return };
        let entry = OffsetEntry { offset, position };
        if entry.may_follow(self.table.last()) {
            self.table.push(entry);
        }
    }

    /// Moves the entries to the heap, for a segment that will be written.
    pub(crate) fn make_growable(&mut self) {
        self.table.heap();
    }

    /// The file's bytes of the entries from number `first` on.
    #[must_use]
    pub fn encode_from(&self, first: usize) -> Vec<u8> {
        self.table.encode_from(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    fn position(raw: u64) -> Position {
        Position::new(raw).unwrap()
    }

    fn find(index: &OffsetIndex, target: i64) -> Option<u32> {
        index.lookup(offset(target)).map(|entry| entry.position.get())
    }

    #[test]
    fn lookup_below_the_first_entry_is_the_start_of_the_file() {
        let mut index = OffsetIndex::new(offset(50));
        index.push(offset(55), position(4096));
        assert_eq!(find(&index, 54), None);
        assert_eq!(find(&index, 55), Some(4096));
        assert_eq!(find(&index, i64::MAX), Some(4096));
    }

    #[test]
    fn an_entry_that_does_not_rise_is_not_taken() {
        let mut index = OffsetIndex::new(offset(50));
        index.push(offset(55), position(4096));
        index.push(offset(55), position(5000));
        index.push(offset(56), position(4096));
        index.push(offset(49), position(6000));
        index.push(offset(51 + i64::from(i32::MAX)), position(6000));
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let mut index = OffsetIndex::new(offset(0));
        let golden = [(0x65, 0x12b0), (0x9a, 0x2b32), (0x9b, 0x4200), (0x152, 0x88af)];
        for (last, at) in golden {
            index.push(offset(last), position(at));
        }
        let bytes = index.encode_from(0);
        assert_eq!(hex(&bytes), "00000065000012b00000009a00002b320000009b0000420000000152000088af");
        assert_eq!(hex(&index.encode_from(3)), "00000152000088af");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn a_file_is_believed_up_to_its_first_unsound_entry() {
        let mut index = OffsetIndex::new(offset(0));
        for n in 1..=10 {
            index.push(offset(n * 10), position(n.unsigned_abs() * 100));
        }
        let whole = index.encode_from(0);
        let load = |bytes: &[u8], end| {
            let (mut index, whole) = OffsetIndex::from_file(offset(0), &Bytes::copy_from_slice(bytes));
            assert_eq!(whole, index.len() * 8 == bytes.len());
            index.keep_below(end);
            index.len()
        };
        assert_eq!(load(&whole, Position::MAX), 10);
        assert_eq!(load(&whole[..79], Position::MAX), 9, "a torn entry");
        assert_eq!(load(&whole, position(500)), 4, "entries at or beyond the end of the log");
        let mut zeros = whole.clone();
        zeros.extend([0; 4096]);
        assert_eq!(load(&zeros, Position::MAX), 10, "laid out in advance");
        assert_eq!(load(&[0; 80], Position::MAX), 0);
        zeros[24..32].fill(0);
        assert_eq!(load(&zeros, Position::MAX), 3, "a lost page");
        zeros[24..32].fill(0xff);
        assert_eq!(load(&zeros, Position::MAX), 3);
    }

    proptest! {
        /// The index never sends a reader past the batch that holds the target, on the heap or from a file.
        #[test]
        fn lookup_agrees_with_a_linear_scan(steps in prop::collection::vec((1i64..50, 1u64..500), 0..200), target in 0i64..10_000) {
            let mut index = OffsetIndex::new(offset(7));
            let (mut last, mut at) = (7, 0);
            let mut expected = None;
            for (records, bytes) in steps {
                last += records;
                at += bytes;
                index.push(offset(last), position(at));
                if last <= target {
                    expected = Some(at);
                }
            }
            let file = Bytes::from(index.encode_from(0));
            let (loaded, whole) = OffsetIndex::from_file(offset(7), &file);
            prop_assert!(whole);
            prop_assert_eq!(find(&index, target).map(u64::from), expected);
            prop_assert_eq!(find(&loaded, target).map(u64::from), expected);
        }
    }
}

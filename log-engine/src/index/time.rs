//! From times to offsets: `<base offset, 20 digits>.timeindex`, 12 bytes an entry.

use super::table::{Entry, Table};
use crate::format::index_entry::TimeEntry;
use crate::types::{Offset, RelativeOffset, Timestamp};
use bytes::Bytes;

impl Entry for TimeEntry {
    const LEN: usize = Self::LEN;

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes.try_into().ok()?)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    fn may_follow(self, before: Option<Self>) -> bool {
        match before {
            Some(before) => self.timestamp > before.timestamp && self.offset >= before.offset,
            // All zero is no entry but the rest of a file that was laid out in advance.
            None => self.timestamp > Timestamp::default() || self.offset > RelativeOffset::default(),
        }
    }
}

/// The time index of one segment.
#[derive(Clone, Debug)]
pub struct TimeIndex {
    base: Offset,
    table: Table<TimeEntry>,
}

impl TimeIndex {
    /// Bytes of an entry in the file.
    pub const ENTRY_LEN: usize = TimeEntry::LEN;

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

    /// Keeps the entries of offsets below `end`.
    pub fn keep_below(&mut self, end: Offset) {
        let end = end.distance_from(self.base);
        self.table.keep_while(|entry| i64::from(entry.offset.get()) < end);
    }

    /// The last entry with an offset up to `last_offset`.
    #[must_use]
    pub fn at_offset(&self, last_offset: Offset) -> Option<TimeEntry> {
        let last = last_offset.distance_from(self.base);
        self.table.last_where(|entry| i64::from(entry.offset.get()) <= last)
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

    /// The last entry: the greatest time of the segment once it is sealed.
    #[must_use]
    pub fn last(&self) -> Option<TimeEntry> {
        self.table.last()
    }

    /// All entries.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> Vec<TimeEntry> {
        (0..self.len()).filter_map(|index| self.table.get(index)).collect()
    }

    /// The entry with the greatest time below `target`; without one, scan from the start of the segment.
    #[must_use]
    pub fn lookup(&self, target: Timestamp) -> Option<TimeEntry> {
        self.table.last_where(|entry| entry.timestamp < target)
    }

    /// Adds that the greatest time up to and in the batch that ends with `last_offset` is `timestamp`; nothing happens
    /// unless it is greater than that of the last entry.
    pub fn push(&mut self, timestamp: Timestamp, last_offset: Offset) {
        let Some(offset) = last_offset.relative_to(self.base) else { return };
        // Not `may_follow`: time 0 at the first offset is an entry when we make it.
        if self.table.last().is_none_or(|last| timestamp > last.timestamp && offset >= last.offset) {
            self.table.push(TimeEntry { timestamp, offset });
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

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    fn time(raw: i64) -> Timestamp {
        Timestamp::from_millis(raw).unwrap()
    }

    #[test]
    fn only_a_greater_time_makes_an_entry() {
        let mut index = TimeIndex::new(offset(10));
        index.push(time(5), offset(12));
        index.push(time(5), offset(14));
        index.push(time(4), offset(16));
        index.push(time(6), offset(18));
        assert_eq!(index.len(), 2);
        assert_eq!(
            index.lookup(time(5)),
            None,
            "a record of time 5 may lie before the first entry's batch ends"
        );
        assert_eq!(index.lookup(time(6)).unwrap().offset.get(), 2);
        assert_eq!(index.lookup(time(7)).unwrap().offset.get(), 8);
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let mut index = TimeIndex::new(offset(0));
        index.push(time(0x01a2_06f5_3bd4), offset(0x23));
        let bytes = index.encode_from(0);
        assert_eq!(bytes, [0, 0, 0x01, 0xa2, 0x06, 0xf5, 0x3b, 0xd4, 0, 0, 0, 0x23]);
        let load = |bytes: Vec<u8>, end| {
            let (mut index, whole) = TimeIndex::from_file(offset(0), &Bytes::from(bytes));
            index.keep_below(offset(end));
            (index.len(), whole)
        };
        assert_eq!(load(bytes.clone(), 0x24), (1, true));
        assert_eq!(load(bytes.clone(), 0x23), (0, true), "of a batch that is not there");
        assert_eq!(load([bytes.clone(), vec![0; 24]].concat(), 0x24), (1, false));
        assert_eq!(load(bytes[..11].to_vec(), 0x24), (0, false));
    }
}

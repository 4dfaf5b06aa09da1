//! Aborted transactions: `<base offset, 20 digits>.txnindex`, 34 bytes an entry, made at the first one.

use super::table::{Entry, Table};
use crate::format::index_entry::TxnEntry;
use crate::types::Offset;
use bytes::Bytes;

impl Entry for TxnEntry {
    const LEN: usize = Self::LEN;

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes.try_into().ok()?)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    fn may_follow(self, before: Option<Self>) -> bool {
        // The marker has an offset of its own, so zeros that a power cut left are no entry.
        self.first < self.last && before.is_none_or(|before| self.last > before.last)
    }
}

/// The aborted transactions whose markers lie in one segment, in the order of the markers.
#[derive(Clone, Debug, Default)]
pub struct TxnIndex {
    table: Table<TxnEntry>,
}

impl TxnIndex {
    /// Bytes of an entry in the file.
    pub const ENTRY_LEN: usize = TxnEntry::LEN;

    /// The sound front of a file's content, and whether that is all of it.
    #[must_use]
    pub fn from_file(bytes: &Bytes) -> (Self, bool) {
        let (table, whole) = Table::from_file(bytes);
        (Self { table }, whole)
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

    /// Adds an entry; `false` if its marker does not come after the last one's.
    pub fn push(&mut self, txn: TxnEntry) -> bool {
        let follows = txn.may_follow(self.table.last());
        if follows {
            self.table.push(txn);
        }
        follows
    }

    /// Keeps the entries whose markers lie below `end`.
    pub fn keep_below(&mut self, end: Offset) {
        self.table.keep_while(|txn| txn.last < end);
    }

    /// All entries, in the order of their markers.
    pub fn iter(&self) -> impl Iterator<Item = TxnEntry> + '_ {
        (0..self.table.len()).filter_map(|index| self.table.get(index))
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
    use crate::types::ProducerId;

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    fn txn(first: i64, last: i64, stable: i64) -> TxnEntry {
        TxnEntry {
            producer: ProducerId::new(1).unwrap(),
            first: offset(first),
            last: offset(last),
            last_stable: offset(stable),
        }
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let mut index = TxnIndex::default();
        assert!(index.push(txn(0, 1, 2)));
        let hex: String = index.encode_from(0).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "00000000000000000001000000000000000000000000000000010000000000000002");
    }

    #[test]
    fn a_file_gives_back_what_was_put_in_and_stops_at_damage() {
        let mut index = TxnIndex::default();
        assert!(index.push(txn(0, 4, 5)));
        assert!(index.push(txn(2, 9, 10)));
        assert!(!index.push(txn(3, 9, 10)), "a marker ends one transaction");
        let bytes = index.encode_from(0);
        let all: Vec<_> = TxnIndex::from_file(&Bytes::from(bytes.clone())).0.iter().collect();
        assert_eq!(all, [txn(0, 4, 5), txn(2, 9, 10)]);
        let mut flipped = bytes;
        flipped[34] = 1;
        let (mut index, whole) = TxnIndex::from_file(&Bytes::from(flipped));
        assert!(!whole);
        assert_eq!(index.len(), 1);
        index.keep_below(offset(4));
        assert!(index.is_empty());
    }
}

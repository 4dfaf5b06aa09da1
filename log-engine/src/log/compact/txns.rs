//! What transactions mean to compaction: which data were aborted, and which markers are still needed.
//!
//! A marker is needed as long as a batch of its transaction is in the log, be it an empty one: without it the
//! transaction would look open. That is known when the batches are gone through from the start of the log on.

use crate::format::batch::BatchView;
use crate::format::index_entry::TxnEntry;
use crate::types::{Offset, ProducerId};
use std::collections::{HashMap, HashSet};

/// The aborted transactions of a log.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    by_producer: HashMap<ProducerId, Vec<TxnEntry>>,
}

impl Aborted {
    pub(super) fn new(entries: Vec<TxnEntry>) -> Self {
        let mut by_producer: HashMap<ProducerId, Vec<TxnEntry>> = HashMap::new();
        for entry in entries {
            by_producer.entry(entry.producer).or_default().push(entry);
        }
        for entries in by_producer.values_mut() {
            entries.sort_by_key(|entry| entry.last);
        }
        Self { by_producer }
    }

    /// The aborted transaction whose data, or marker, lie at `offset`.
    pub(super) fn at(&self, producer: ProducerId, offset: Offset) -> Option<&TxnEntry> {
        let entries = self.by_producer.get(&producer)?;
        let after = entries.partition_point(|entry| entry.last < offset);
        entries.get(after).filter(|entry| entry.first <= offset)
    }

    /// Whether a batch holds records that nobody may read.
    pub(super) fn holds(&self, batch: &BatchView<'_>) -> bool {
        let attributes = batch.attributes();
        let data = attributes.is_transactional() && !attributes.is_control();
        data && batch.producer().is_some_and(|stamp| self.at(stamp.id, batch.base_offset()).is_some())
    }
}

/// The transactions of which a batch was seen since their producers' last marker.
#[derive(Clone, Debug, Default)]
pub(super) struct Ongoing(HashSet<ProducerId>);

impl Ongoing {
    /// Takes the next batch of the log. True if it is a marker that nothing needs any more.
    pub(super) fn see(&mut self, batch: &BatchView<'_>) -> bool {
        let Some(stamp) = batch.producer().filter(|_| batch.attributes().is_transactional()) else {
            return false;
        };
        if batch.attributes().is_control() {
            return !self.0.remove(&stamp.id);
        }
        self.0.insert(stamp.id);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_aborted_between_the_first_record_and_the_marker_of_its_producer() {
        let id = |raw| ProducerId::new(raw).unwrap();
        let offset = |raw| Offset::new(raw).unwrap();
        let entry = |producer, first, last| TxnEntry {
            producer: id(producer),
            first: offset(first),
            last: offset(last),
            last_stable: offset(last + 1),
        };
        let aborted = Aborted::new(vec![entry(1, 20, 24), entry(1, 3, 9), entry(2, 5, 6)]);
        let hits = |producer| {
            let is_aborted = |n: &i64| aborted.at(id(producer), offset(*n)).is_some();
            (0..30).filter(is_aborted).collect::<Vec<_>>()
        };
        assert_eq!(hits(1), [3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24]);
        assert_eq!(hits(2), [5, 6]);
        assert!(hits(3).is_empty());
    }
}

//! What transactions mean to compaction: which data were aborted, and which markers are still needed.
//!
//! A marker is needed as long as a batch of its transaction is in the log, be it an empty one: without it the
//! transaction would look open. That is known when the batches are gone through from the start of the log on.
//!
//! Which were aborted is what the index says, a file without a checksum: one flipped bit in it, and data that were
//! committed would be dropped, or aborted ones take the place of committed ones, for ever. So it is not believed: while the
//! keys are learnt, a [`Witness`] holds it against the batches and markers, whose checksums were checked. If it says
//! anything else, what they say is taken, and written.

use crate::format::batch::BatchView;
use crate::format::index_entry::TxnEntry;
use crate::log::recovery::marker_of;
use crate::types::{Offset, ProducerId};
use std::collections::{HashMap, HashSet};

/// The aborted transactions of a log.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    by_producer: HashMap<ProducerId, Vec<TxnEntry>>,
    /// Below it no aborted data are left: an earlier compaction has dropped them.
    from: Offset,
}

impl Aborted {
    /// `from` is where the dirty part begins.
    pub(super) fn new(entries: Vec<TxnEntry>, from: Offset) -> Self {
        let mut by_producer: HashMap<ProducerId, Vec<TxnEntry>> = HashMap::new();
        for entry in entries {
            by_producer.entry(entry.producer).or_default().push(entry);
        }
        for entries in by_producer.values_mut() {
            entries.sort_by_key(|entry| entry.last);
        }
        Self { by_producer, from }
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
        let dirty = batch.next_offset() > self.from;
        data && dirty
            && batch.producer().is_some_and(|stamp| self.at(stamp.id, batch.base_offset()).is_some())
    }
}

/// A transaction whose marker was not seen yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    first: Offset,
    /// Of how many batches the index says that they were aborted, and of how many that they were not.
    said: [u32; 2],
}

/// What batches and markers say of the transactions with data in the dirty part.
#[derive(Debug, Default)]
pub(super) struct Witness {
    open: HashMap<ProducerId, Open>,
    aborted: Vec<TxnEntry>,
    /// Of how many transactions the index says something else.
    differ: u64,
}

impl Witness {
    /// Takes the next batch of the dirty part.
    pub(super) fn see(&mut self, batch: &BatchView<'_>, index: &Aborted) {
        self.take(batch, index, true);
    }

    /// Takes the next batch behind it: only the transactions that began before are of interest.
    pub(super) fn see_behind(&mut self, batch: &BatchView<'_>, index: &Aborted) {
        self.take(batch, index, false);
    }

    /// Whether the ends of all of them were seen.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Of how many transactions the index is wrong.
    pub(super) fn differences(&self) -> u64 {
        self.differ
    }

    fn take(&mut self, batch: &BatchView<'_>, index: &Aborted, begins: bool) {
        let Some(stamp) = batch.producer().filter(|_| batch.attributes().is_transactional()) else { return };
        if batch.attributes().is_control() {
            if let Some(marker) = marker_of(batch)
                && let Some(open) = self.open.remove(&stamp.id)
            {
                self.close(stamp.id, open, batch.last_offset(), marker.commit, index);
            }
            return;
        }
        let said = usize::from(!index.holds(batch));
        if begins {
            let open = Open { first: batch.base_offset(), said: [0; 2] };
            self.open.entry(stamp.id).or_insert(open);
        }
        if let Some(open) = self.open.get_mut(&stamp.id) {
            open.said[said] = open.said[said].saturating_add(1);
        }
    }

    fn close(&mut self, producer: ProducerId, open: Open, last: Offset, commit: bool, index: &Aborted) {
        let [aborted, committed] = open.said;
        if commit {
            self.differ += u64::from(aborted > 0);
            return;
        }
        let known = index.at(producer, last).is_some_and(|entry| entry.last == last);
        self.differ += u64::from(committed > 0 || !known);
        let next = last.next().unwrap_or(last);
        let last_stable = self.open.values().map(|open| open.first).min().unwrap_or(next);
        self.aborted.push(TxnEntry { producer, first: open.first, last, last_stable });
    }

    /// What the index should say: this about the data in the dirty part, up to `end`; of others what it says.
    pub(super) fn correct(self, index: Aborted, end: Offset) -> Aborted {
        let from = index.from;
        let seen: HashSet<_> = self.aborted.iter().map(|txn| (txn.producer, txn.last)).collect();
        let elsewhere = |txn: &TxnEntry| {
            (txn.last < from || txn.last >= end) && !seen.contains(&(txn.producer, txn.last))
        };
        // None of the others has data between: whatever they say of where they begin.
        let begin =
            |txn: TxnEntry| if txn.last < from { txn } else { TxnEntry { first: txn.first.max(end), ..txn } };
        let others = index.by_producer.into_values().flatten().filter(elsewhere).map(begin);
        let entries: Vec<_> = others.chain(self.aborted).collect();
        Aborted::new(entries, from)
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
        let aborted = Aborted::new(vec![entry(1, 20, 24), entry(1, 3, 9), entry(2, 5, 6)], Offset::ZERO);
        let hits = |producer| {
            let is_aborted = |n: &i64| aborted.at(id(producer), offset(*n)).is_some();
            (0..30).filter(is_aborted).collect::<Vec<_>>()
        };
        assert_eq!(hits(1), [3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24]);
        assert_eq!(hits(2), [5, 6]);
        assert!(hits(3).is_empty());
    }
}

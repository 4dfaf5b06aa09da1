//! What stays of a batch.
//!
//! | of a batch | stays |
//! |---|---|
//! | a record with a key | unless a later one has the key |
//! | a record without a key | never |
//! | a tombstone (no value) | until its batch's delete horizon; the first compaction that keeps it sets that |
//! | data of an aborted transaction | never |
//! | a marker | while a batch of its transaction is there; then until its horizon, which is set first |
//! | the batch of a known producer's last data, or last marker | at least its header |
//! | the last batch of what is compacted | at least its header: offsets end where they ended |
//!
//! A batch of which all stays is copied as it is. Otherwise offsets, producer, sequence, epoch, codec and kind of time stay
//! and the rest is made anew. The horizon takes the place of the base timestamp; the times of the records stay.

use super::keys::KeyMap;
use super::txns::{Aborted, Ongoing};
use crate::format::CorruptReason;
use crate::format::batch::BatchView;
use crate::format::build::retain;
use crate::format::validate::Rejected;
use crate::log::producers::Producers;
use crate::types::{Offset, ProducerEpoch, ProducerId, Timestamp};
use std::collections::HashMap;

/// What becomes of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It is copied as it is.
    Stays,
    /// Nothing is left of it.
    Goes,
    /// These bytes take its place.
    Becomes(Vec<u8>),
}

/// The last thing that an active producer wrote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct LastWord {
    epoch: ProducerEpoch,
    /// Offset of its last record; `None` if only markers are known.
    data: Option<Offset>,
}

/// The last words of all producers that are known.
pub(super) fn last_words(producers: &Producers) -> HashMap<ProducerId, LastWord> {
    let word = |p: &crate::log::producers::Producer| LastWord {
        epoch: p.epoch,
        data: p.batches.back().map(|batch| batch.last_offset),
    };
    producers.sorted().into_iter().map(|(id, producer)| (id, word(producer))).collect()
}

/// What one compaction knows.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) keys: KeyMap,
    /// The map speaks of the records below.
    pub(super) end: Offset,
    pub(super) aborted: Aborted,
    pub(super) last_words: HashMap<ProducerId, LastWord>,
    pub(super) now: Timestamp,
    /// The horizon of what gets one now.
    pub(super) horizon: Timestamp,
    pub(super) decompressed_cap: usize,
}

impl Rules {
    /// Takes the keys of a batch. False if there is no room for them: the map ends before this batch.
    pub(super) fn learn(&mut self, batch: &BatchView<'_>) -> Result<bool, CorruptReason> {
        if batch.attributes().is_control() || batch.record_count() == 0 || self.aborted.holds(batch) {
            return Ok(true);
        }
        for record in &batch.records(self.cap_for(batch))? {
            let record = record?;
            // Keys of a batch that is not taken as a whole do no harm: its records stay, and are the later ones.
            if let Some(key) = record.key
                && !self.keys.put(key, record.offset)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What becomes of the next batch of the log. `records` counts those that go.
    pub(super) fn judge(
        &self,
        batch: &BatchView<'_>,
        ongoing: &mut Ongoing,
        records: &mut u64,
    ) -> Result<Fate, CorruptReason> {
        let unneeded = ongoing.see(batch);
        if batch.base_offset() >= self.end {
            return Ok(Fate::Stays);
        }
        let fate = if batch.attributes().is_control() {
            self.judge_marker(batch, unneeded)?
        } else {
            self.judge_data(batch)?
        };
        *records += match &fate {
            Fate::Stays => 0,
            Fate::Goes => u64::from(batch.record_count()),
            Fate::Becomes(bytes) => {
                let left = BatchView::parse(bytes).map_or(0, |left| left.record_count());
                u64::from(batch.record_count().saturating_sub(left))
            }
        };
        Ok(fate)
    }

    fn judge_marker(&self, batch: &BatchView<'_>, unneeded: bool) -> Result<Fate, CorruptReason> {
        // An empty marker would look like data of an open transaction: it stays whole or goes.
        if !unneeded || self.must_stay(batch) {
            return Ok(Fate::Stays);
        }
        match batch.delete_horizon() {
            Some(horizon) if horizon <= self.now => Ok(Fate::Goes),
            Some(_) => Ok(Fate::Stays),
            None => self.rewrite(batch, |_| true, Some(self.horizon)),
        }
    }

    fn judge_data(&self, batch: &BatchView<'_>) -> Result<Fate, CorruptReason> {
        let aborted = self.aborted.holds(batch);
        let horizon = batch.delete_horizon();
        let expired = horizon.is_some_and(|horizon| horizon <= self.now);
        let (mut kept, mut tombstones, mut keep) = (0_u32, false, Vec::new());
        let mut least = batch.base_offset();
        if !aborted {
            for record in &batch.records(self.cap_for(batch))? {
                let record = record?;
                let Some(next) = record.offset.next().filter(|_| record.offset >= least) else {
                    // Kafka has stored batches whose offsets the producer chose; nobody could write a part of one.
                    return Ok(Fate::Stays);
                };
                least = next;
                let last = |key| self.keys.get(key).is_none_or(|last| record.offset >= last);
                let stays = record.key.is_some_and(last) && (record.value.is_some() || !expired);
                kept += u32::from(stays);
                tombstones |= stays && record.value.is_none();
                keep.push(stays);
            }
        }
        if kept == 0 && !self.must_stay(batch) {
            return Ok(Fate::Goes);
        }
        let fresh = Some(self.horizon).filter(|_| tombstones && horizon.is_none());
        if kept == batch.record_count() && fresh.is_none() {
            return Ok(Fate::Stays);
        }
        self.rewrite(batch, |index| keep.get(index).is_some_and(|keep| *keep), fresh.or(horizon))
    }

    /// Whether at least the header is needed.
    fn must_stay(&self, batch: &BatchView<'_>) -> bool {
        let is_last_word = |word: &LastWord, epoch| match word.data {
            Some(offset) => offset == batch.last_offset(),
            None => batch.attributes().is_control() && epoch == word.epoch,
        };
        batch.next_offset() == self.end
            || batch.producer().is_some_and(|stamp| {
                self.last_words.get(&stamp.id).is_some_and(|word| is_last_word(word, stamp.epoch))
            })
    }

    fn rewrite(
        &self,
        batch: &BatchView<'_>,
        keep: impl Fn(usize) -> bool,
        horizon: Option<Timestamp>,
    ) -> Result<Fate, CorruptReason> {
        let made = retain(batch, self.cap_for(batch), keep, horizon);
        made.map(Fate::Becomes).map_err(|why| match why {
            Rejected::Unreadable(reason) | Rejected::Records(reason) => reason,
            other => CorruptReason::Structure(other.to_string()),
        })
    }

    /// A batch that is stored was let in by the limit of its time, which may have been another.
    fn cap_for(&self, batch: &BatchView<'_>) -> usize {
        self.decompressed_cap.max(batch.len().saturating_mul(16))
    }
}

//! State of idempotent and transactional producers: what makes a repeated batch a duplicate.
//!
//! Per producer: its epoch, its last five batches, its open transaction. Five, because a client keeps at most
//! five requests in flight and may repeat any of them.
//!
//! # Invariants
//!
//! * The state is derived: replaying the log gives it again (`Producers::replay` is what append does, unchecked).
//! * A producer with an open transaction is never forgotten.
//! * Idleness counts from the time of the append, not from the records' timestamps: a producer of old records is
//!   not forgotten by a restart.
//!
//! # Not here
//!
//! The files it is kept in (`producer_file`).

use crate::format::batch::{BatchView, ProducerStamp};
use crate::types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many batches of a producer are remembered.
pub(crate) const REMEMBERED_BATCHES: usize = 5;

/// Why an idempotent producer's batch was refused; nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProducerError {
    /// A newer epoch of the producer is known.
    #[error("epoch {found} is fenced by {known}")]
    Fenced {
        /// What the batch has.
        found: i16,
        /// What the log knows.
        known: i16,
    },
    /// Its sequence is not the next one and it is no duplicate that is still remembered.
    #[error("sequence {found}, expected {expected}")]
    OutOfOrder {
        /// What the batch has.
        found: i32,
        /// What would be next.
        expected: i32,
    },
    /// A plain batch inside an open transaction, or the like.
    #[error("invalid transaction state")]
    InvalidTransactionState,
    /// A marker of an older transaction coordinator.
    #[error("coordinator epoch {found} is fenced by {known}")]
    CoordinatorFenced {
        /// What the marker has.
        found: i32,
        /// What the log knows.
        known: i32,
    },
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Marker {
    pub(crate) commit: bool,
    pub(crate) coordinator_epoch: i32,
}

/// What the state needs to know of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Incoming {
    pub(crate) stamp: ProducerStamp,
    pub(crate) last_offset_delta: u32,
    pub(crate) transactional: bool,
    pub(crate) marker: Option<Marker>,
    pub(crate) timestamp: Option<Timestamp>,
}

impl Incoming {
    /// From a batch's header; the marker is what the caller found in it. `None` for a producer without an id.
    pub(crate) fn of(batch: &BatchView<'_>, marker: Option<Marker>) -> Option<Self> {
        Some(Self {
            stamp: batch.producer()?,
            last_offset_delta: batch.last_offset_delta(),
            transactional: batch.attributes().is_transactional(),
            marker,
            timestamp: batch.max_timestamp(),
        })
    }
}

/// One remembered batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Remembered {
    pub(crate) last_sequence: Sequence,
    pub(crate) last_offset: Offset,
    pub(crate) offset_delta: u32,
    pub(crate) timestamp: Option<Timestamp>,
}

impl Remembered {
    pub(crate) fn first_offset(&self) -> Offset {
        Offset::new(self.last_offset.get() - i64::from(self.offset_delta)).unwrap_or_default()
    }

    /// The sequence that lies the delta before the last one, across the wrap.
    fn first_sequence(&self) -> Sequence {
        // 2^31 sequences form a ring, so going back by the delta is going on by the rest of the ring.
        self.last_sequence.wrapping_add(0x8000_0000_u32.wrapping_sub(self.offset_delta))
    }
}

/// All that is known of one producer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Producer {
    pub(crate) epoch: ProducerEpoch,
    /// Oldest first.
    pub(crate) batches: VecDeque<Remembered>,
    pub(crate) coordinator_epoch: Option<i32>,
    pub(crate) open_txn: Option<Offset>,
    /// By the broker's clock.
    pub(crate) last_append: Timestamp,
}

/// The verdict on a batch that may be appended, or was already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    New,
    Duplicate(Remembered),
}

/// A transaction that a marker closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Closed {
    pub(crate) producer: ProducerId,
    pub(crate) first_offset: Offset,
    pub(crate) commit: bool,
}

/// The state of all producers of one log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Producers {
    known: HashMap<ProducerId, Producer>,
    /// Open transactions by first offset: the first one bounds the last stable offset.
    open: BTreeMap<Offset, ProducerId>,
}

impl Producers {
    /// Whether a client's (or coordinator's) batch may be appended. Changes nothing.
    pub(crate) fn check(&self, batch: &Incoming) -> Result<Verdict, ProducerError> {
        let Some(known) = self.known.get(&batch.stamp.id) else { return Ok(Verdict::New) };
        let (found, epoch) = (batch.stamp.epoch, known.epoch);
        if let Some(marker) = batch.marker {
            return check_marker(known, found, marker);
        }
        if found < epoch {
            return Err(ProducerError::Fenced { found: found.get(), known: epoch.get() });
        }
        if let Some(first) = batch.stamp.base_sequence {
            if let Some(duplicate) = known.find_duplicate(found, first, batch.last_offset_delta) {
                return Ok(Verdict::Duplicate(duplicate));
            }
            known.check_sequence(found, first)?;
        }
        if known.open_txn.is_some() && !batch.transactional {
            return Err(ProducerError::InvalidTransactionState);
        }
        Ok(Verdict::New)
    }

    /// Takes in a batch that is in the log at `base`. A marker's transaction is returned if it closed one.
    pub(crate) fn replay(&mut self, batch: &Incoming, base: Offset, appended: Timestamp) -> Option<Closed> {
        let last_offset = base.checked_add(i64::from(batch.last_offset_delta))?;
        let id = batch.stamp.id;
        let producer = self.known.entry(id).or_insert_with(|| Producer::new(batch.stamp.epoch, appended));
        producer.last_append = appended;
        if producer.epoch != batch.stamp.epoch {
            producer.epoch = batch.stamp.epoch;
            producer.batches.clear();
        }
        if let Some(marker) = batch.marker {
            producer.coordinator_epoch = Some(marker.coordinator_epoch);
            let first_offset = producer.open_txn.take()?;
            self.open.remove(&first_offset);
            return Some(Closed { producer: id, first_offset, commit: marker.commit });
        }
        if let Some(first) = batch.stamp.base_sequence {
            let last_sequence = first.wrapping_add(batch.last_offset_delta);
            let delta = batch.last_offset_delta;
            producer.remember(Remembered {
                last_sequence,
                last_offset,
                offset_delta: delta,
                timestamp: batch.timestamp,
            });
        }
        if batch.transactional && producer.open_txn.is_none() {
            producer.open_txn = Some(base);
            self.open.insert(base, id);
        }
        None
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(first, _)| *first)
    }

    /// Forgets producers that have no open transaction and did not append for `idle_ms`.
    pub(crate) fn forget_idle(&mut self, now: Timestamp, idle_ms: i64) {
        self.known.retain(|_, p| p.open_txn.is_some() || now.millis_since(p.last_append) <= idle_ms);
    }

    /// All of them, in order of their ids (files written twice are equal).
    pub(crate) fn sorted(&self) -> Vec<(ProducerId, &Producer)> {
        let mut all: Vec<_> = self.known.iter().map(|(id, producer)| (*id, producer)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Puts in what a file says of one producer.
    pub(crate) fn restore(&mut self, id: ProducerId, producer: Producer) {
        if let Some(first) = producer.open_txn {
            self.open.insert(first, id);
        }
        self.known.insert(id, producer);
    }

    pub(crate) fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.known.get(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Gives a producer the older batches that its snapshot left out; `older` is oldest first.
    pub(crate) fn complete(&mut self, id: ProducerId, older: &[Remembered]) {
        let Some(producer) = self.known.get_mut(&id) else { return };
        let before = producer.batches.front().map(|oldest| oldest.last_offset);
        for batch in older.iter().rev() {
            let is_older = before.is_none_or(|before| batch.last_offset < before);
            if is_older && producer.batches.len() < REMEMBERED_BATCHES {
                producer.batches.push_front(*batch);
            }
        }
    }
}

impl Producer {
    fn new(epoch: ProducerEpoch, appended: Timestamp) -> Self {
        let batches = VecDeque::with_capacity(REMEMBERED_BATCHES);
        Self { epoch, batches, coordinator_epoch: None, open_txn: None, last_append: appended }
    }

    fn remember(&mut self, batch: Remembered) {
        if self.batches.len() == REMEMBERED_BATCHES {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }

    fn find_duplicate(&self, epoch: ProducerEpoch, first: Sequence, delta: u32) -> Option<Remembered> {
        let last = first.wrapping_add(delta);
        let same = |b: &&Remembered| b.last_sequence == last && b.first_sequence() == first;
        if epoch == self.epoch { self.batches.iter().find(same).copied() } else { None }
    }

    fn check_sequence(&self, epoch: ProducerEpoch, first: Sequence) -> Result<(), ProducerError> {
        let expected = match self.batches.back() {
            Some(last) if epoch == self.epoch => last.last_sequence.wrapping_add(1),
            _ => Sequence::ZERO,
        };
        if first == expected {
            return Ok(());
        }
        Err(ProducerError::OutOfOrder { found: first.get(), expected: expected.get() })
    }
}

fn check_marker(known: &Producer, found: ProducerEpoch, marker: Marker) -> Result<Verdict, ProducerError> {
    if found < known.epoch {
        return Err(ProducerError::Fenced { found: found.get(), known: known.epoch.get() });
    }
    match known.coordinator_epoch {
        Some(epoch) if marker.coordinator_epoch < epoch => {
            Err(ProducerError::CoordinatorFenced { found: marker.coordinator_epoch, known: epoch })
        }
        _ => Ok(Verdict::New),
    }
}

#[cfg(test)]
mod tests;

//! Producers and transactions for embedders, without building batches by hand.
//!
//! A *producer* is an id that the embedder gives out, with an epoch that fences off older holders of the id, and a
//! sequence that counts its records. A batch that is sent again is recognised by its sequence, also after a restart, as
//! long as it is one of the producer's last five. A *transaction* is what one producer appends between two markers;
//! readers of committed records ([`RecordBatches::committed`](super::RecordBatches::committed)) see all of it or nothing.
//!
//! # Not here
//!
//! Giving out ids and epochs, transactions over several logs, timeouts of open transactions: whoever coordinates them
//! calls these. One log's transaction is atomic with its marker; several logs need a decision that is kept somewhere.

use super::Log;
use super::append::{Appended, Origin};
use super::producers::Producer;
use crate::error::Result;
use crate::format::batch::ProducerStamp;
use crate::format::build::{NewRecord, control_marker};
use crate::types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// What a log knows of a producer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProducerState {
    /// Its fencing number: batches of a lower one are refused.
    pub epoch: ProducerEpoch,
    /// The sequence that its next batch must begin with. A higher epoch begins at 0 again.
    pub next_sequence: Sequence,
    /// The sequence that its last batch ended with; `None` before the first one of this epoch.
    pub last_sequence: Option<Sequence>,
    /// The greatest time of the records in that batch, if they have one.
    pub last_timestamp: Option<Timestamp>,
    /// Where its last batch ended; `None` before the first one of this epoch.
    pub last_offset: Option<Offset>,
    /// Where its open transaction begins, if it has one.
    pub open_transaction: Option<Offset>,
    /// The epoch of the coordinator that ended its last transaction.
    pub coordinator_epoch: Option<i32>,
}

impl Log {
    /// Appends records as one batch of an idempotent producer: sent again it is not appended again
    /// ([`Appended::duplicate`]).
    ///
    /// ```
    /// use log_engine::{Log, LogConfig, NewRecord, ProducerEpoch, ProducerId, ProducerStamp, Sequence};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let log = Log::open(temp.path().join("log"), LogConfig::default())?;
    /// let (id, epoch) = (ProducerId::new(7).unwrap(), ProducerEpoch::ZERO);
    /// let stamp = ProducerStamp { id, epoch, base_sequence: Some(Sequence::ZERO) };
    /// let first = log.append_as(stamp, &[NewRecord::value(b"pay 5"), NewRecord::value(b"pay 7")])?;
    /// // The answer was lost, so it is sent again:
    /// let again = log.append_as(stamp, &[NewRecord::value(b"pay 5"), NewRecord::value(b"pay 7")])?;
    /// assert!(again.duplicate && again.base_offset == first.base_offset);
    /// assert_eq!(log.producer(id).unwrap().next_sequence, Sequence::new(2).unwrap());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError::Producer`](crate::LogError::Producer): an epoch that is fenced off, a sequence that is not the next
    /// one, or a transaction of the producer that is open. As [`Log::append`], whose rules these records are under;
    /// [`LogError::Rejected`](crate::LogError::Rejected) for a stamp without a sequence.
    pub fn append_as(&self, producer: ProducerStamp, records: &[NewRecord<'_>]) -> Result<Appended> {
        self.append_records(records, Some((producer, false)))
    }

    /// Appends records to the producer's transaction, which begins with the first of them. Readers of committed records
    /// see them after [`Log::commit_transaction`]; until then they hold back [`Log::last_stable_offset`], for whatever comes behind
    /// them too.
    ///
    /// ```
    /// use log_engine::{Log, LogConfig, NewRecord, Offset, ProducerEpoch, ProducerId, ProducerStamp, Sequence};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let log = Log::open(temp.path().join("log"), LogConfig::default())?;
    /// let (id, epoch) = (ProducerId::new(7).unwrap(), ProducerEpoch::ZERO);
    /// let stamp = |n| ProducerStamp { id, epoch, base_sequence: Sequence::new(n) };
    /// log.append_in_transaction(stamp(0), &[NewRecord::value(b"from account 1")])?;
    /// log.append_in_transaction(stamp(1), &[NewRecord::value(b"to account 2")])?;
    /// assert_eq!(log.last_stable_offset(), Offset::ZERO);
    /// log.commit_transaction(id, epoch)?;
    ///
    /// log.append_in_transaction(stamp(2), &[NewRecord::value(b"a mistake")])?;
    /// log.abort_transaction(id, epoch)?;
    ///
    /// let mut committed = log.records(Offset::ZERO).committed().cursor();
    /// let mut values = Vec::new();
    /// while let Some(record) = committed.next()? {
    ///     values.push(record.value.unwrap_or_default().to_vec());
    /// }
    /// assert_eq!(values, [&b"from account 1"[..], b"to account 2"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::append_as`].
    pub fn append_in_transaction(
        &self,
        producer: ProducerStamp,
        records: &[NewRecord<'_>],
    ) -> Result<Appended> {
        self.append_records(records, Some((producer, true)))
    }

    /// Ends the producer's transaction: what it appended counts. One marker is appended, also if nothing is open.
    ///
    /// # Errors
    ///
    /// [`LogError::Producer`](crate::LogError::Producer) for an epoch that is fenced off; as [`Log::append_batch`].
    pub fn commit_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> Result<Appended> {
        self.end_transaction(id, epoch, true)
    }

    /// Ends the producer's transaction: what it appended is passed over by readers of committed records. One marker is
    /// appended, also if nothing is open.
    ///
    /// # Errors
    ///
    /// As [`Log::commit_transaction`].
    pub fn abort_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> Result<Appended> {
        self.end_transaction(id, epoch, false)
    }

    /// What the log knows of a producer; `None` for one that never appended, or not for
    /// [`producer_expiration_ms`](crate::LogConfig::producer_expiration_ms). Where a producer goes on after a restart.
    #[must_use]
    pub fn producer(&self, id: ProducerId) -> Option<ProducerState> {
        self.writer.lock().producers.get(id).map(Producer::state)
    }

    /// What the log knows of all its producers, by their ids.
    #[must_use]
    pub fn producers(&self) -> Vec<(ProducerId, ProducerState)> {
        let writer = self.writer.lock();
        writer.producers.sorted().into_iter().map(|(id, producer)| (id, producer.state())).collect()
    }

    fn end_transaction(&self, id: ProducerId, epoch: ProducerEpoch, commit: bool) -> Result<Appended> {
        self.append_batch(&control_marker(id, epoch, commit, 0, self.clock.now()), Origin::Coordinator)
    }
}

impl Producer {
    fn state(&self) -> ProducerState {
        let last = self.batches.back();
        ProducerState {
            epoch: self.epoch,
            next_sequence: last.map_or(Sequence::ZERO, |batch| batch.last_sequence.wrapping_add(1)),
            last_sequence: last.map(|batch| batch.last_sequence),
            last_timestamp: last.and_then(|batch| batch.timestamp),
            last_offset: last.map(|batch| batch.last_offset),
            open_transaction: self.open_txn,
            coordinator_epoch: self.coordinator_epoch,
        }
    }
}

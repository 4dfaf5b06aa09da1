//! Where the coordinator's records go and come from: the seam to topics and logs.
//!
//! The real one is `__consumer_offsets` ([`TopicJournal`]); tests have one in memory.
//!
//! # Invariants
//!
//! * Records of one partition are replayed in the order in which they were appended.
//! * A commit that survives a power cut never points past data that does not: [`Journal::sync_data`] comes before
//!   the commit's append.

mod batches;
#[cfg(test)]
pub(crate) mod memory;
mod topic;

#[cfg(test)]
pub(crate) use batches::replay_batch;
pub use topic::TopicJournal;

use log_engine::error::LogError;

/// A key, and its value or nothing for taking it back.
pub type JournalRecord = (Vec<u8>, Option<Vec<u8>>);

/// Why records are not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// More than the topic takes in one batch: no use to try again.
    #[error("the records are too large")]
    TooLarge,
    /// The topic cannot be made or found.
    #[error("the offsets topic is not available: {0}")]
    NoTopic(String),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A step of a replay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replayed<'a> {
    /// A record. With a producer it belongs to a transaction and counts when that is committed.
    Record {
        /// Its key; records without one are skipped.
        key: &'a [u8],
        /// Its value; none takes the key back.
        value: Option<&'a [u8]>,
        /// Whose transaction it is in.
        producer: Option<i64>,
    },
    /// The end of a producer's transaction.
    Marker {
        /// Whose.
        producer: i64,
        /// False: aborted.
        commit: bool,
    },
}

/// The coordinator's log. Methods may wait for the disk, as said.
pub trait Journal: Send + Sync {
    /// How many partitions the topic has; it is made if it is not there. Waits for the disk then.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    fn open(&self) -> Result<i32, JournalError>;
    /// How many partitions the topic has, if it is there.
    fn existing(&self) -> Option<i32>;
    /// Whether a partition's log could not be opened: its groups are neither known nor to be made anew.
    fn is_offline(&self, _partition: i32) -> bool {
        false
    }
    /// Appends one batch. Does not wait for the disk.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    fn append(&self, partition: i32, records: &[JournalRecord]) -> Result<(), JournalError>;
    /// Waits until all that was appended to a partition survives a power cut.
    ///
    /// # Errors
    ///
    /// It may not.
    fn sync(&self, partition: i32) -> Result<(), JournalError>;
    /// True if [`Journal::sync_data`] has nothing to wait for.
    fn data_is_synced(&self, topic: &str, partition: i32, up_to: i64) -> bool;
    /// Waits until the data below `up_to` survives a power cut.
    ///
    /// # Errors
    ///
    /// It may not.
    fn sync_data(&self, topic: &str, partition: i32, up_to: i64) -> Result<(), JournalError>;
    /// The end of a data partition; none if it does not exist.
    fn data_end(&self, topic: &str, partition: i32) -> Option<i64>;
    /// Goes through a partition from its start. Waits for the disk.
    ///
    /// # Errors
    ///
    /// The rest cannot be read.
    fn replay(&self, partition: i32, visit: &mut dyn FnMut(Replayed<'_>)) -> Result<(), JournalError>;
}

//! What a client's batch must satisfy before it may be stored.

use super::CorruptReason;

/// Why a batch may not be appended. Nothing of it was written. (`spec` section 2.1; the shim maps these to codes.)
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// No whole batch in the data.
    #[error("no whole batch in {0} bytes")]
    Empty(usize),
    /// More than one batch where one is allowed.
    #[error("more than one batch")]
    MoreThanOneBatch,
    /// Larger than the log's `max.message.bytes`.
    #[error("batch of {size} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Larger than a segment may be.
    #[error("batch of {size} bytes does not fit a segment of {segment}")]
    LargerThanSegment {
        /// Its size.
        size: usize,
        /// The segment size.
        segment: usize,
    },
    /// Wrong checksum.
    #[error(transparent)]
    Corrupt(CorruptReason),
    /// A header that contradicts itself or the rules: base offset, counts, control bit, sequence.
    #[error("{0}")]
    Invalid(String),
    /// Data that cannot be decompressed, or an unknown codec.
    #[error("{0}")]
    Unreadable(CorruptReason),
    /// Records that cannot be walked, whether they were compressed or not.
    #[error("{0}")]
    Records(CorruptReason),
    /// Records without a key in a compacted log: their indexes in the batch.
    #[error("records without a key in a compacted log")]
    MissingKey(Vec<u32>),
    /// Timestamps outside the allowed distance from now: the records' indexes in the batch.
    #[error("timestamps out of range")]
    Timestamp(Vec<u32>),
}

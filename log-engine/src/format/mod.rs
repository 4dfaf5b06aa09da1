//! Bytes to views and back: what a log directory holds, byte for byte Kafka's. No I/O here.
//!
//! | module | bytes |
//! |---|---|
//! | [`batch`] | record batch v2: 61 byte header, then records |
//! | [`record`] | the records in a batch |
//! | [`varint`] | their zigzag integers |
//! | [`codec`] | compressed bodies, opened under a cap |
//! | [`build`] | batches from records |
//! | [`validate`] | what a client's batch must satisfy before it is stored |
//! | [`index_entry`] | entries of the offset, time and transaction indexes |
//! | [`snapshot`] | producer snapshots |
//! | [`checkpoint`] | the text files of a log directory |
//! | [`names`] | file and directory names |
//!
//! # Invariants
//!
//! * No function here panics, allocates more than a stated bound, or recurses on account of the bytes it is given.
//! * Everything that is written can be read by Kafka's own dump tool.

pub mod batch;
pub mod build;
pub mod checkpoint;
pub mod codec;
pub mod index_entry;
pub mod names;
pub mod record;
pub mod snapshot;
pub mod validate;
pub mod varint;
mod walk;

#[cfg(test)]
mod testing;

use crate::types::Offset;

/// What is wrong with bytes on disk: expected against found.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptReason {
    /// The bytes end inside a batch.
    #[error("torn batch: {needed} bytes needed, {available} there")]
    Torn {
        /// Bytes that the header claims (or the size of a header).
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The batch length field is no length a batch can have.
    #[error("batch length {0} is impossible")]
    BatchLength(i32),
    /// Not a v2 batch.
    #[error("magic {0}, expected 2")]
    Magic(i8),
    /// The checksum does not fit.
    #[error("crc32c stored {stored:#010x}, computed {computed:#010x}")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A batch whose base offset is not where the one before ended (or its segment begins).
    #[error("base offset {found}, expected at least {expected}")]
    OffsetOrder {
        /// The end of the batch before, or the segment's base offset.
        expected: Offset,
        /// What the header says; may be negative.
        found: i64,
    },
    /// The leader epoch falls, or is negative.
    #[error("leader epoch {found} after {before}")]
    EpochOrder {
        /// The epoch of the batch before, -1 if none.
        before: i32,
        /// What the header says.
        found: i32,
    },
    /// A header field no writer produces.
    #[error("impossible {field}: {value}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
    /// The records cannot be walked.
    #[error("record {index}: {problem}")]
    Record {
        /// Which record of the batch, from 0.
        index: u32,
        /// What is wrong, as the end of a sentence.
        problem: &'static str,
    },
    /// Compressed data that cannot be opened, or that opens to more than the cap.
    #[error("{codec} data: {problem}")]
    Compression {
        /// The codec's name.
        codec: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A range of the log is lost; what is around it is served.
    #[error("offsets [{from}, {to}) in {bytes} bytes are damaged: {cause}")]
    Hole {
        /// The first offset that is lost.
        from: Offset,
        /// The first one behind it that is not.
        to: Offset,
        /// How many bytes of the file cannot be used.
        bytes: u64,
        /// What was found first.
        cause: Box<Self>,
    },
    /// A segment that should be there is not, or not whole.
    #[error("a segment is missing or ends early")]
    MissingSegment,
    /// The first batch of a segment is not the one that its name says.
    #[error("segment begins with offset {found}, its name says {base}")]
    SegmentBase {
        /// Base offset of its first batch.
        found: Offset,
        /// What its name says.
        base: Offset,
    },
    /// A segment overlaps, or a derived file contradicts the log.
    #[error("{0}")]
    Structure(String),
}

impl CorruptReason {
    /// Whether offsets are missing where a batch or a segment was expected: what compaction leaves looks the same to who
    /// does not know that the log was compacted.
    #[must_use]
    pub const fn is_gap(&self) -> bool {
        matches!(self, Self::OffsetOrder { .. } | Self::MissingSegment | Self::SegmentBase { .. })
    }
}

//! Record batch v2: the unit that is sent, stored and fetched, unchanged.
//!
//! # The bytes
//!
//! ```text
//!  at  size  field
//!   0   8    base offset             given by the log; outside the checksum
//!   8   4    batch length            bytes after this field
//!  12   4    partition leader epoch  given by the log; outside the checksum
//!  16   1    magic                   2
//!  17   4    crc                     CRC-32C of everything from 21 to the end
//!  21   2    attributes              codec 0-2, time type 3, transactional 4, control 5, delete horizon 6
//!  23   4    last offset delta       last offset = base offset + this, also after compaction
//!  27   8    base timestamp          of the first record; the delete horizon if bit 6 is set
//!  35   8    max timestamp
//!  43   8    producer id             -1 none
//!  51   2    producer epoch          -1 none
//!  53   4    base sequence           -1 none
//!  57   4    record count            may be less than last offset delta + 1 after compaction, may be 0
//!  61   ..   records                 one compressed stream if a codec is set
//! ```
//!
//! # Invariants
//!
//! * A [`BatchView`] is structurally sound: magic 2, a length that fits its bytes, non-negative offsets and counts.
//!   Its checksum and its records are not yet: [`BatchView::check_crc`], `record::RecordIter`.
//! * Giving an offset touches 12 bytes ([`patch`]) and no checksum.

use super::CorruptReason;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Where the batch length field lies.
pub const LENGTH_AT: usize = 8;
/// Where the leader epoch lies.
pub const EPOCH_AT: usize = LENGTH_AT + 4;
/// Where the magic byte lies: at the same place in the older message formats.
pub const MAGIC_AT: usize = EPOCH_AT + 4;
/// Where the checksum lies.
pub const CRC_AT: usize = MAGIC_AT + 1;
/// Where the attributes lie, and the bytes that the checksum covers begin.
pub const ATTRIBUTES_AT: usize = CRC_AT + 4;
/// Where the last offset delta lies.
pub const LAST_OFFSET_DELTA_AT: usize = ATTRIBUTES_AT + 2;
/// Where the base timestamp lies.
pub const BASE_TIMESTAMP_AT: usize = LAST_OFFSET_DELTA_AT + 4;
/// Where the greatest timestamp lies.
pub const MAX_TIMESTAMP_AT: usize = BASE_TIMESTAMP_AT + 8;
/// Where the producer id lies.
pub const PRODUCER_ID_AT: usize = MAX_TIMESTAMP_AT + 8;
/// Where the producer epoch lies.
pub const PRODUCER_EPOCH_AT: usize = PRODUCER_ID_AT + 8;
/// Where the base sequence lies.
pub const BASE_SEQUENCE_AT: usize = PRODUCER_EPOCH_AT + 2;
/// Where the record count lies.
pub const RECORD_COUNT_AT: usize = BASE_SEQUENCE_AT + 4;
/// Size of the header: where the records begin.
pub const HEADER_LEN: usize = RECORD_COUNT_AT + 4;
/// Bytes before and in the length field, which it does not count.
pub const LENGTH_OVERHEAD: usize = EPOCH_AT;
/// The only magic that is stored.
pub const MAGIC: i8 = 2;

const _: () = assert!(HEADER_LEN == 61);

/// How the records are compressed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// A gzip member.
    Gzip,
    /// Snappy in xerial's framing (or one bare block, from some clients).
    Snappy,
    /// An LZ4 frame.
    Lz4,
    /// A Zstandard frame.
    Zstd,
}

impl Codec {
    /// The codec with this number in the attributes; `None` for 5, 6 and 7, which no format defines.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The number in the attributes.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The name in configurations: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Whose clock a batch's timestamps are.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    #[default]
    CreateTime,
    /// The log's: every record reads as the batch's greatest timestamp.
    LogAppendTime,
}

/// The attributes field.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Attributes(u16);

impl Attributes {
    const LOG_APPEND_TIME: u16 = 1 << 3;
    const TRANSACTIONAL: u16 = 1 << 4;
    const CONTROL: u16 = 1 << 5;
    const DELETE_HORIZON: u16 = 1 << 6;

    /// The field as it is.
    #[must_use]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The field as it is written.
    #[must_use]
    pub const fn to_raw(self) -> u16 {
        self.0
    }

    /// The codec, or its unknown number.
    pub const fn codec(self) -> Result<Codec, u8> {
        let id = (self.0 & 7) as u8;
        match Codec::from_id(id) {
            Some(codec) => Ok(codec),
            None => Err(id),
        }
    }

    /// The same with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self((self.0 & !7) | codec.id() as u16)
    }

    /// Whose clock the timestamps are.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// The same with another timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, kind: TimestampType) -> Self {
        match kind {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// The same as part of a transaction, or not.
    #[must_use]
    pub const fn with_transactional(self, yes: bool) -> Self {
        if yes { Self(self.0 | Self::TRANSACTIONAL) } else { Self(self.0 & !Self::TRANSACTIONAL) }
    }

    /// Whether the batch holds a marker for readers rather than data.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// The same as a control batch, or not.
    #[must_use]
    pub const fn with_control(self, yes: bool) -> Self {
        if yes { Self(self.0 | Self::CONTROL) } else { Self(self.0 & !Self::CONTROL) }
    }

    /// Whether the base timestamp is the time after which compaction may drop tombstones.
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same with a delete horizon, or without.
    #[must_use]
    pub const fn with_delete_horizon(self, yes: bool) -> Self {
        if yes { Self(self.0 | Self::DELETE_HORIZON) } else { Self(self.0 & !Self::DELETE_HORIZON) }
    }
}

/// Who wrote a batch and which of its batches this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProducerStamp {
    /// The producer.
    pub id: ProducerId,
    /// Its fencing number.
    pub epoch: ProducerEpoch,
    /// Sequence of the first record; `None` in markers, and in transactional batches of no idempotent producer.
    pub base_sequence: Option<Sequence>,
}

/// One structurally sound batch: exactly its bytes, header and records.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// Takes the first batch of `bytes`; what follows it is ignored ([`BatchView::len`] says where).
    ///
    /// Checks structure only: a whole header, magic 2, a length that fits, non-negative base offset, last offset
    /// delta and record count, `record count <= last offset delta + 1`. Not the checksum. O(1).
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Torn`] if `bytes` ends inside the batch, else what is wrong with the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CorruptReason> {
        if bytes.len() < HEADER_LEN {
            return Err(CorruptReason::Torn { needed: HEADER_LEN as u64, available: bytes.len() as u64 });
        }
        let len = batch_len(bytes).ok_or_else(|| CorruptReason::BatchLength(read_i32(bytes, LENGTH_AT)))?;
        let magic = read_i8(bytes, MAGIC_AT);
        if magic != MAGIC {
            return Err(CorruptReason::Magic(magic));
        }
        if bytes.len() < len {
            return Err(CorruptReason::Torn { needed: len as u64, available: bytes.len() as u64 });
        }
        let view = Self { bytes: &bytes[..len] };
        view.check_structure()?;
        Ok(view)
    }

    /// Of exactly the bytes of a batch that was found sound. Some may be zeros by now, if they were a view of a file that
    /// cannot be read any more: what is told is then wrong, but nothing fails over it.
    pub(crate) const fn of_checked(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn check_structure(&self) -> Result<(), CorruptReason> {
        let field = |field, value| Err(CorruptReason::Field { field, value });
        let base = read_i64(self.bytes, 0);
        let delta = read_i32(self.bytes, LAST_OFFSET_DELTA_AT);
        let count = read_i32(self.bytes, RECORD_COUNT_AT);
        if base < 0 || base.checked_add(i64::from(delta) + 1).is_none() {
            return field("base offset", base);
        }
        if delta < 0 {
            return field("last offset delta", i64::from(delta));
        }
        if count < 0 || i64::from(count) > i64::from(delta) + 1 {
            return field("record count", i64::from(count));
        }
        Ok(())
    }

    /// All its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes it has, header included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes after the header: records, compressed or not.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..]
    }

    /// Offset of its first record, or of what was its first record before compaction.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        checked(Offset::new(read_i64(self.bytes, 0)))
    }

    /// Last offset less base offset.
    #[must_use]
    pub fn last_offset_delta(&self) -> u32 {
        read_i32(self.bytes, LAST_OFFSET_DELTA_AT).unsigned_abs()
    }

    /// Offset of its last record, or of what was its last record before compaction.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        checked(self.base_offset().checked_add(i64::from(self.last_offset_delta())))
    }

    /// The first offset after it.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        checked(self.last_offset().next())
    }

    /// The leadership that wrote it; `None` as producers send it.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        LeaderEpoch::new(read_i32(self.bytes, EPOCH_AT))
    }

    /// The attributes field.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes(u16::from_be_bytes(array(self.bytes, ATTRIBUTES_AT)))
    }

    /// The base timestamp field as it is: the delete horizon if the attributes say so, and -1 for none.
    #[must_use]
    pub fn raw_base_timestamp(&self) -> i64 {
        read_i64(self.bytes, BASE_TIMESTAMP_AT)
    }

    /// From when on compaction drops its tombstones, or the marker that it is; `None` before compaction has said so.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        let set = self.attributes().has_delete_horizon();
        // A time before the first second has passed as well.
        set.then(|| Timestamp::from_millis(self.raw_base_timestamp()).unwrap_or_default())
    }

    /// The greatest timestamp of its records.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_millis(read_i64(self.bytes, MAX_TIMESTAMP_AT))
    }

    /// Who wrote it; `None` for a producer without an id.
    #[must_use]
    pub fn producer(&self) -> Option<ProducerStamp> {
        Some(ProducerStamp {
            id: ProducerId::new(read_i64(self.bytes, PRODUCER_ID_AT))?,
            epoch: ProducerEpoch::new(i16::from_be_bytes(array(self.bytes, PRODUCER_EPOCH_AT)))?,
            base_sequence: Sequence::new(read_i32(self.bytes, BASE_SEQUENCE_AT)),
        })
    }

    /// Producer id, epoch and base sequence as they stand in the header, whether they make sense together or not: -1 is
    /// none. For whoever shows the bytes; [`BatchView::producer`] says what they mean.
    #[must_use]
    pub fn raw_producer(&self) -> (i64, i16, i32) {
        let epoch = i16::from_be_bytes(array(self.bytes, PRODUCER_EPOCH_AT));
        (read_i64(self.bytes, PRODUCER_ID_AT), epoch, read_i32(self.bytes, BASE_SEQUENCE_AT))
    }

    /// How many records it holds; fewer than its offsets after compaction, possibly none.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        read_i32(self.bytes, RECORD_COUNT_AT).unsigned_abs()
    }

    /// The checksum in the header.
    #[must_use]
    pub fn stored_crc(&self) -> u32 {
        u32::from_be_bytes(array(self.bytes, CRC_AT))
    }

    /// The checksum of the bytes. O(length).
    #[must_use]
    pub fn computed_crc(&self) -> u32 {
        crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..])
    }

    /// Compares the checksums. O(length).
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Checksum`].
    pub fn check_crc(&self) -> Result<(), CorruptReason> {
        let (stored, computed) = (self.stored_crc(), self.computed_crc());
        if stored == computed { Ok(()) } else { Err(CorruptReason::Checksum { stored, computed }) }
    }
}

/// Size of the batch whose first bytes these are, by its length field alone; `None` if no batch has that length.
///
/// Needs [`LENGTH_OVERHEAD`] bytes; fewer are `None` too.
#[must_use]
pub fn batch_len(head: &[u8]) -> Option<usize> {
    if head.len() < LENGTH_OVERHEAD {
        return None;
    }
    let len = usize::try_from(read_i32(head, LENGTH_AT)).ok()?.checked_add(LENGTH_OVERHEAD)?;
    (len >= HEADER_LEN).then_some(len)
}

/// Writes the base offset and the leader epoch into a batch: the 12 bytes that an append changes.
///
/// # Panics
///
/// If `head` is shorter than 16 bytes.
pub fn patch(head: &mut [u8], base_offset: Offset, epoch: LeaderEpoch) {
    head[..LENGTH_AT].copy_from_slice(&base_offset.get().to_be_bytes());
    head[EPOCH_AT..MAGIC_AT].copy_from_slice(&epoch.get().to_be_bytes());
}

pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

pub(crate) fn read_i8(bytes: &[u8], at: usize) -> i8 {
    i8::from_be_bytes(array(bytes, at))
}

pub(crate) fn read_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array(bytes, at))
}

pub(crate) fn read_i64(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array(bytes, at))
}

/// For values whose range `check_structure` has established.
fn checked<T>(value: Option<T>) -> T {
    value.expect("checked when the view was made")
}

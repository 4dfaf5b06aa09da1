//! What a client's batch must satisfy before it may be stored.
//!
//! The checks come in the order in which Kafka's answers show them; the first that fails refuses the data:
//!
//! | check | refused as |
//! |---|---|
//! | a whole batch is there; what follows it is no batch and is trimmed | [`Rejected::Empty`] |
//! | exactly one batch | [`Rejected::MoreThanOneBatch`] |
//! | magic 2, a length a batch can have | [`Rejected::Magic`], [`Rejected::Corrupt`] |
//! | `max.message.bytes` | [`Rejected::TooLarge`] |
//! | checksum | [`Rejected::Corrupt`] |
//! | base offset 0, offsets 0 to count - 1, not empty, no control bit, a producer with epoch and sequence | [`Rejected::Invalid`] |
//! | a known codec, a body that opens under the cap | [`Rejected::Unreadable`] |
//! | records that can be walked, all of them and nothing behind | [`Rejected::Records`] |
//! | timestamps near enough to now, unless the log's clock is used | [`Rejected::Timestamp`] |
//! | keys, in a compacted log | [`Rejected::MissingKey`] |
//! | the size of a segment | [`Rejected::LargerThanSegment`] |
//!
//! # Invariants
//!
//! * One pass for the checksum, one over the records' heads; keys and values are skipped. Nothing is allocated for an
//!   uncompressed batch, and about one compressor block for another.
//! * Nothing is stored that was not walked.
//!
//! # Not here
//!
//! Which protocol version may carry what, and who may write at all (the broker); sequences (`log::producers`).

use super::CorruptReason;
use super::batch::{self, Attributes, BatchView, HEADER_LEN, TimestampType};
use super::walk::{RecordHead, walk};
use crate::types::{LeaderEpoch, Offset, Timestamp};
use std::ops::RangeInclusive;

/// What the log demands of a client's batch.
#[derive(Clone, Copy, Debug)]
pub struct ClientRules {
    /// Most bytes of a batch as it comes, `max.message.bytes`.
    pub max_message_bytes: usize,
    /// Most bytes of a segment, `segment.bytes`.
    pub segment_bytes: usize,
    /// Whether every record needs a key: `cleanup.policy` has `compact`.
    pub compacted: bool,
    /// Whose clock counts, `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// How far before `now` a record's time may lie, in milliseconds; `i64::MAX` for any.
    pub before_max_ms: i64,
    /// How far after `now` a record's time may lie, in milliseconds; `i64::MAX` for any.
    pub after_max_ms: i64,
    /// The time; also the append time if the log's clock counts.
    pub now: Timestamp,
    /// Most bytes that compressed records may open to.
    pub decompressed_cap: usize,
}

fn nothing_in(bytes: usize) -> String {
    if bytes == 0 { "no records".to_owned() } else { format!("no whole batch in {bytes} bytes") }
}

/// Why a batch may not be appended. Nothing of it was written. (`spec` section 2.1; the shim maps these to codes.)
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// No whole batch in the data.
    #[error("{}", nothing_in(*.0))]
    Empty(usize),
    /// Not a v2 batch: an older message set (0, 1), or no magic at all (anything else).
    #[error("magic {0}, expected 2")]
    Magic(i8),
    /// More than one batch where one is allowed.
    #[error("more than one batch")]
    MoreThanOneBatch,
    /// Larger than the log's `max.message.bytes`.
    #[error("batch of {size} bytes, at most {max} bytes are allowed")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Larger than a segment may be.
    #[error("batch of {size} bytes does not fit a segment of {segment} bytes")]
    LargerThanSegment {
        /// Its size.
        size: usize,
        /// The segment size.
        segment: usize,
    },
    /// Wrong checksum, or a length no batch has.
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
    #[error("{} without a key in a compacted log", of_records(.0))]
    MissingKey(Vec<u32>),
    /// Timestamps outside the allowed distance from now: the records' indexes in the batch. Given before missing keys
    /// if a batch has both.
    #[error("{} out of time: {}", of_records(.records), allowed_text(.allowed.as_ref()))]
    Timestamp {
        /// The records' indexes.
        records: Vec<u32>,
        /// The times that are allowed, in milliseconds; `None` if it is not the client's to say.
        allowed: Option<RangeInclusive<i64>>,
    },
}

/// So many indexes are named in a message.
const NAMED: usize = 5;

/// `record 3`, `records 1, 4`, `records 0, 1, 2, 3, 4 and 12 more`.
fn of_records(indexes: &[u32]) -> String {
    let named: Vec<_> = indexes.iter().take(NAMED).map(u32::to_string).collect();
    let noun = if indexes.len() == 1 { "record" } else { "records" };
    let more = match indexes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{noun} {}{more}", named.join(", "))
}

fn allowed_text(allowed: Option<&RangeInclusive<i64>>) -> String {
    let Some(allowed) = allowed else { return "the log's time is not a client's to give".to_owned() };
    match (*allowed.start(), *allowed.end()) {
        (i64::MIN, to) => format!("at most {to} ms is allowed"),
        (from, i64::MAX) => format!("at least {from} ms is allowed"),
        (from, to) => format!("{from} ms to {to} ms is allowed"),
    }
}

/// A client's batch that may be stored.
#[derive(Clone, Copy, Debug)]
pub struct ValidBatch<'a> {
    view: BatchView<'a>,
    max_timestamp: Option<Timestamp>,
    append_time: Option<Timestamp>,
    numbered: bool,
    trailing: usize,
}

/// Checks what a client sent for one partition.
///
/// # Errors
///
/// The first check that fails, in the order of the table above.
pub fn validate_client_batch<'a>(data: &'a [u8], rules: &ClientRules) -> Result<ValidBatch<'a>, Rejected> {
    let bytes = only_batch(data)?;
    if bytes.len() > rules.max_message_bytes {
        return Err(Rejected::TooLarge { size: bytes.len(), max: rules.max_message_bytes });
    }
    check_crc(bytes)?;
    let view = BatchView::parse(bytes).map_err(|reason| Rejected::Invalid(reason.to_string()))?;
    check_header(&view)?;
    let seen = check_records(&view, rules)?;
    if bytes.len() > rules.segment_bytes {
        return Err(Rejected::LargerThanSegment { size: bytes.len(), segment: rules.segment_bytes });
    }
    Ok(ValidBatch {
        view,
        max_timestamp: Timestamp::from_millis(seen.max_timestamp),
        append_time: (rules.timestamp_type == TimestampType::LogAppendTime).then_some(rules.now),
        numbered: seen.numbered,
        trailing: data.len() - bytes.len(),
    })
}

/// Bytes of an entry before what its length counts, and the least it counts, in any of the formats.
const ENTRY_OVERHEAD: usize = batch::LENGTH_OVERHEAD;
const SMALLEST_ENTRY: usize = 14;

/// The bytes of the one batch that must be there.
fn only_batch(data: &[u8]) -> Result<&[u8], Rejected> {
    if data.len() <= batch::MAGIC_AT {
        return Err(Rejected::Empty(data.len()));
    }
    let impossible =
        || Rejected::Corrupt(CorruptReason::BatchLength(batch::read_i32(data, batch::LENGTH_AT)));
    let size = entry_size(data).ok_or_else(impossible)?;
    let magic = batch::read_i8(data, batch::MAGIC_AT);
    if !(0..=batch::MAGIC).contains(&magic) {
        return Err(Rejected::Magic(magic));
    }
    let Some((bytes, rest)) = data.split_at_checked(size) else {
        return Err(Rejected::Empty(data.len()));
    };
    if magic != batch::MAGIC {
        return Err(Rejected::Magic(magic));
    }
    if size < HEADER_LEN {
        return Err(impossible());
    }
    if begins_an_entry(rest) { Err(Rejected::MoreThanOneBatch) } else { Ok(bytes) }
}

/// Size of what begins here, in any format, by its length field; `None` if nothing has that length.
fn entry_size(data: &[u8]) -> Option<usize> {
    let counted = usize::try_from(batch::read_i32(data, batch::LENGTH_AT)).ok()?;
    (counted >= SMALLEST_ENTRY).then(|| counted.saturating_add(ENTRY_OVERHEAD))
}

fn begins_an_entry(rest: &[u8]) -> bool {
    rest.len() > batch::MAGIC_AT
        && (0..=batch::MAGIC).contains(&batch::read_i8(rest, batch::MAGIC_AT))
        && entry_size(rest).is_some_and(|size| size <= rest.len())
}

fn check_crc(bytes: &[u8]) -> Result<(), Rejected> {
    let stored = u32::from_be_bytes(batch::array(bytes, batch::CRC_AT));
    let computed = crc32c::crc32c(&bytes[batch::ATTRIBUTES_AT..]);
    if stored == computed {
        Ok(())
    } else {
        Err(Rejected::Corrupt(CorruptReason::Checksum { stored, computed }))
    }
}

fn check_header(view: &BatchView<'_>) -> Result<(), Rejected> {
    let invalid = |text: String| Err(Rejected::Invalid(text));
    let (count, delta) = (view.record_count(), view.last_offset_delta());
    if view.base_offset() != Offset::ZERO {
        return invalid(format!("base offset {}, expected 0", view.base_offset()));
    }
    if u64::from(count) != u64::from(delta) + 1 {
        return invalid(format!("record count {count} with last offset delta {delta}"));
    }
    if view.attributes().is_control() {
        return invalid("a control batch from a client".to_owned());
    }
    let raw_id = batch::read_i64(view.bytes(), batch::PRODUCER_ID_AT);
    match view.producer() {
        Some(stamp) if stamp.base_sequence.is_none() => {
            invalid("a producer id without a sequence".to_owned())
        }
        None if raw_id >= 0 => invalid("a producer id without an epoch".to_owned()),
        None if view.attributes().is_transactional() => {
            invalid("a transaction without a producer id".to_owned())
        }
        _ => Ok(()),
    }
}

/// What the walk over the records found.
#[derive(Debug)]
struct Seen {
    max_timestamp: i64,
    /// Whether the offset deltas are 0, 1, 2...
    numbered: bool,
    keyless: Vec<u32>,
    untimely: Vec<u32>,
}

fn check_records(view: &BatchView<'_>, rules: &ClientRules) -> Result<Seen, Rejected> {
    let mut seen = Seen { max_timestamp: -1, numbered: true, keyless: Vec::new(), untimely: Vec::new() };
    let times = allowed_times(rules);
    walk(view, rules.decompressed_cap, |record: RecordHead| {
        seen.max_timestamp = seen.max_timestamp.max(record.timestamp);
        seen.numbered &= u32::try_from(record.delta) == Ok(record.index);
        if rules.compacted && !record.has_key {
            seen.keyless.push(record.index);
        } else if record.timestamp != -1 && !times.contains(&record.timestamp) {
            seen.untimely.push(record.index);
        }
    })
    .map_err(Rejected::from_records)?;
    if !seen.untimely.is_empty() {
        return Err(Rejected::Timestamp { records: seen.untimely, allowed: Some(times) });
    }
    if !seen.keyless.is_empty() {
        return Err(Rejected::MissingKey(seen.keyless));
    }
    Ok(seen)
}

fn allowed_times(rules: &ClientRules) -> RangeInclusive<i64> {
    match rules.timestamp_type {
        TimestampType::LogAppendTime => i64::MIN..=i64::MAX,
        TimestampType::CreateTime => {
            let now = rules.now.as_millis();
            // `now` is not negative: only the unlimited distance reaches below the range, and there means any.
            let earliest =
                if rules.before_max_ms == i64::MAX { i64::MIN } else { now - rules.before_max_ms.max(0) };
            earliest..=now.saturating_add(rules.after_max_ms.max(0))
        }
    }
}

/// From here on the checksum of a changed header is combined with the body's rather than computed anew.
const COMBINE_FROM: usize = 32 * 1024;

impl<'a> ValidBatch<'a> {
    /// The batch as it came, without what followed it.
    #[must_use]
    pub const fn view(&self) -> BatchView<'a> {
        self.view
    }

    /// The greatest timestamp as it will be stored: of the records, or the append time.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<Timestamp> {
        self.append_time.or(self.max_timestamp)
    }

    /// The log's time that all records will read as, if its clock counts.
    #[must_use]
    pub const fn append_time(&self) -> Option<Timestamp> {
        self.append_time
    }

    /// Whether the records are numbered 0, 1, 2...; if not, the batch must be rewritten ([`super::build::rewrite`])
    /// before it is stored.
    #[must_use]
    pub const fn is_numbered(&self) -> bool {
        self.numbered
    }

    /// Bytes that followed the batch and are to be dropped.
    #[must_use]
    pub const fn trailing(&self) -> usize {
        self.trailing
    }

    /// The header as it is stored at `base_offset`: with the log's timestamp type and the true greatest timestamp,
    /// and, only if those changed anything, another checksum. The body follows it unchanged.
    #[must_use]
    pub fn head(&self, base_offset: Offset, epoch: LeaderEpoch) -> [u8; HEADER_LEN] {
        let mut head: [u8; HEADER_LEN] = batch::array(self.view.bytes(), 0);
        batch::patch(&mut head, base_offset, epoch);
        let (kind, time) = match self.append_time {
            Some(now) => (TimestampType::LogAppendTime, Some(now)),
            None => (TimestampType::CreateTime, self.max_timestamp),
        };
        let attributes: Attributes = self.view.attributes().with_timestamp_type(kind);
        let max_timestamp = Timestamp::to_raw(time).to_be_bytes();
        head[batch::ATTRIBUTES_AT..batch::LAST_OFFSET_DELTA_AT]
            .copy_from_slice(&attributes.to_raw().to_be_bytes());
        head[batch::MAX_TIMESTAMP_AT..batch::PRODUCER_ID_AT].copy_from_slice(&max_timestamp);
        if head[batch::ATTRIBUTES_AT..] != self.view.bytes()[batch::ATTRIBUTES_AT..HEADER_LEN] {
            let crc = self.crc_under(&head);
            head[batch::CRC_AT..batch::ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        }
        head
    }

    /// The checksum with another header before the same body.
    fn crc_under(&self, head: &[u8; HEADER_LEN]) -> u32 {
        let (new, body) = (crc32c::crc32c(&head[batch::ATTRIBUTES_AT..]), self.view.body());
        if body.len() < COMBINE_FROM {
            return crc32c::crc32c_append(new, body);
        }
        // A checksum is linear: what the headers differ in, shifted over the body, is what the sums differ in.
        let old = crc32c::crc32c(&self.view.bytes()[batch::ATTRIBUTES_AT..HEADER_LEN]);
        self.view.stored_crc() ^ crc32c::crc32c_combine(new ^ old, 0, body.len())
    }
}

#[cfg(test)]
mod tests;

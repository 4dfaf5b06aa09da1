//! Batches from records: what an embedder appends, what a coordinator writes, what compaction and conversion leave.
//!
//! The bytes are those of [`super::batch`] and [`super::record`]. The base timestamp is the first record's, the
//! greatest timestamp that of the records, as Kafka's own producer does it.
//!
//! # Invariants
//!
//! * What is built passes `validate` (but for control batches and gaps, which no client may send) and reads back
//!   as what was pushed.
//! * An uncompressed batch is built in place: one buffer, no copy of the records at the end.
//!
//! # Not here
//!
//! Offsets and epochs in a log: appending patches them in ([`super::batch::patch`]).

use super::CorruptReason;
use super::batch::{self, Attributes, BatchView, Codec, HEADER_LEN, ProducerStamp, TimestampType};
use super::record::Record;
use super::validate::Rejected;
use super::varint::{put_varint, put_varlong, varlong_len};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// A record that is to be appended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NewRecord<'a> {
    /// What compaction goes by.
    pub key: Option<&'a [u8]>,
    /// The content; `None` deletes the key in a compacted log.
    pub value: Option<&'a [u8]>,
    /// Names and values beside the content.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// When it happened; `None` leaves it to whoever appends.
    pub timestamp: Option<Timestamp>,
}

impl<'a> NewRecord<'a> {
    /// A record without a key.
    #[must_use]
    pub const fn value(value: &'a [u8]) -> Self {
        Self { key: None, value: Some(value), headers: &[], timestamp: None }
    }

    /// A record with a key.
    #[must_use]
    pub const fn keyed(key: &'a [u8], value: &'a [u8]) -> Self {
        Self { key: Some(key), value: Some(value), headers: &[], timestamp: None }
    }

    /// What deletes a key in a compacted log.
    #[must_use]
    pub const fn tombstone(key: &'a [u8]) -> Self {
        Self { key: Some(key), value: None, headers: &[], timestamp: None }
    }

    /// The same with headers.
    #[must_use]
    pub const fn with_headers(mut self, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Self {
        self.headers = headers;
        self
    }

    /// The same with a timestamp. Retention goes by it: a segment whose records are all older than `retention_ms` goes at the
    /// next round, however short a time ago they were appended.
    #[must_use]
    pub const fn at(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }
}

/// Makes one batch. Push records, then [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records, uncompressed.
    bytes: Vec<u8>,
    attributes: Attributes,
    base_offset: Offset,
    epoch: i32,
    producer: Option<ProducerStamp>,
    append_time: Option<Timestamp>,
    count: u32,
    next_delta: u32,
    last_delta: u32,
    /// The first record's, or the delete horizon.
    base_timestamp: Option<i64>,
    max_timestamp: i64,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch: no codec, the producers' times, no producer id, offset 0, as clients send them.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(256)
    }

    /// The same with room for `bytes` of records.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self::reusing(Vec::with_capacity(HEADER_LEN.saturating_add(bytes)))
    }

    /// The same in a buffer that was used before; what is in it is forgotten.
    #[must_use]
    pub fn reusing(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEADER_LEN, 0);
        Self {
            bytes: buffer,
            attributes: Attributes::default(),
            base_offset: Offset::ZERO,
            epoch: -1,
            producer: None,
            append_time: None,
            count: 0,
            next_delta: 0,
            last_delta: 0,
            base_timestamp: None,
            max_timestamp: -1,
        }
    }

    /// Compresses the records when the batch is finished.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.attributes = self.attributes.with_codec(codec);
        self
    }

    /// Makes every record read as of `time`, whatever its own timestamp.
    #[must_use]
    pub fn log_append_time(mut self, time: Timestamp) -> Self {
        self.append_time = Some(time);
        self.attributes = self.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self
    }

    /// Stamps the batch with its producer.
    #[must_use]
    pub fn producer(mut self, stamp: ProducerStamp) -> Self {
        self.producer = Some(stamp);
        self
    }

    /// Makes it part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self, yes: bool) -> Self {
        self.attributes = self.attributes.with_transactional(yes);
        self
    }

    /// Makes it a batch for readers, not for applications.
    #[must_use]
    pub fn control(mut self, yes: bool) -> Self {
        self.attributes = self.attributes.with_control(yes);
        self
    }

    /// Gives the offset and the leader epoch that an append would patch in.
    #[must_use]
    pub fn at(mut self, base_offset: Offset, epoch: Option<LeaderEpoch>) -> Self {
        self.base_offset = base_offset;
        self.epoch = epoch.map_or(-1, LeaderEpoch::get);
        self
    }

    /// Reserves offsets up to `delta` beyond the base even if no record has them: compaction keeps a batch's end.
    #[must_use]
    pub fn last_offset_delta(mut self, delta: u32) -> Self {
        self.last_delta = self.last_delta.max(delta);
        self
    }

    /// How many records were pushed.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far, header included, before compression.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no record was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record at the next offset. A record without a timestamp is stored as having none.
    pub fn push(&mut self, record: &NewRecord<'_>) -> &mut Self {
        let headers = record.headers.iter().map(|(key, value)| (key.as_bytes(), *value));
        let headers_len: usize =
            headers.clone().map(|(key, value)| sized_len(Some(key)) + sized_len(value)).sum();
        self.start(
            self.next_delta,
            record.timestamp,
            record.key,
            record.value,
            headers_len,
            record.headers.len(),
        );
        for (key, value) in headers {
            put_sized(&mut self.bytes, Some(key));
            put_sized(&mut self.bytes, value);
        }
        self
    }

    /// Adds a record that was read from another batch, `delta` offsets behind the base.
    ///
    /// # Panics
    ///
    /// If `delta` is below that of a record pushed before.
    pub fn push_record(&mut self, delta: u32, record: &Record<'_>) -> &mut Self {
        let raw = record.headers.raw();
        self.start(delta, record.timestamp, record.key, record.value, raw.len(), record.headers.len());
        self.bytes.extend_from_slice(raw);
        self
    }

    /// Writes a record up to and with the number of its headers.
    fn start(
        &mut self,
        delta: u32,
        timestamp: Option<Timestamp>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers_len: usize,
        headers: usize,
    ) {
        assert!(delta >= self.next_delta, "records are pushed in the order of their offsets");
        let raw_time = Timestamp::to_raw(timestamp);
        // Wrapping, as readers add it: the greatest timestamp is 2^63 from "none".
        let time_delta = raw_time.wrapping_sub(*self.base_timestamp.get_or_insert(raw_time));
        let (delta_field, headers) = (i64::from(delta), to_i64(headers));
        let len = 1
            + varlong_len(time_delta)
            + varlong_len(delta_field)
            + sized_len(key)
            + sized_len(value)
            + varlong_len(headers)
            + headers_len;
        let out = &mut self.bytes;
        put_varlong(out, to_i64(len));
        out.push(0);
        put_varlong(out, time_delta);
        put_varlong(out, delta_field);
        put_sized(out, key);
        put_sized(out, value);
        put_varlong(out, headers);
        self.count = self.count.saturating_add(1);
        self.next_delta = delta.saturating_add(1);
        self.last_delta = self.last_delta.max(delta);
        self.max_timestamp = self.max_timestamp.max(raw_time);
    }

    /// The batch.
    ///
    /// # Errors
    ///
    /// [`Rejected::TooLarge`] past what the format's 32 bit fields hold; [`Rejected::Unreadable`] if the codec is
    /// not compiled in.
    pub fn finish(mut self) -> Result<Vec<u8>, Rejected> {
        let codec = self.attributes.codec().unwrap_or_default();
        if codec != Codec::None {
            let body =
                super::codec::compress(codec, &self.bytes[HEADER_LEN..]).map_err(Rejected::Unreadable)?;
            self.bytes.truncate(HEADER_LEN);
            self.bytes.extend_from_slice(&body);
        }
        let size = self.bytes.len();
        let too_large = Rejected::TooLarge { size, max: i32::MAX as usize };
        let Ok(length) = i32::try_from(size - batch::LENGTH_OVERHEAD) else {
            return Err(too_large);
        };
        let (Ok(last_delta), Ok(count)) = (i32::try_from(self.last_delta), i32::try_from(self.count)) else {
            return Err(too_large);
        };
        self.write_header(length, last_delta, count);
        Ok(self.bytes)
    }

    fn write_header(&mut self, length: i32, last_delta: i32, count: i32) {
        let max_timestamp = self.append_time.map_or(self.max_timestamp, Timestamp::as_millis);
        let producer = self.producer;
        let head: &mut [u8; HEADER_LEN] = self.bytes.first_chunk_mut().expect("room was left for the header");
        put(head, 0, self.base_offset.get().to_be_bytes());
        put(head, batch::LENGTH_AT, length.to_be_bytes());
        put(head, batch::EPOCH_AT, self.epoch.to_be_bytes());
        put(head, batch::MAGIC_AT, batch::MAGIC.to_be_bytes());
        put(head, batch::ATTRIBUTES_AT, self.attributes.to_raw().to_be_bytes());
        put(head, batch::LAST_OFFSET_DELTA_AT, last_delta.to_be_bytes());
        put(head, batch::BASE_TIMESTAMP_AT, self.base_timestamp.unwrap_or(-1).to_be_bytes());
        put(head, batch::MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
        put(head, batch::PRODUCER_ID_AT, producer.map_or(-1, |p| p.id.get()).to_be_bytes());
        put(head, batch::PRODUCER_EPOCH_AT, producer.map_or(-1, |p| p.epoch.get()).to_be_bytes());
        let sequence = producer.and_then(|p| p.base_sequence).map_or(-1, Sequence::get);
        put(head, batch::BASE_SEQUENCE_AT, sequence.to_be_bytes());
        put(head, batch::RECORD_COUNT_AT, count.to_be_bytes());
        let crc = crc32c::crc32c(&self.bytes[batch::ATTRIBUTES_AT..]);
        self.bytes[batch::CRC_AT..batch::ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    }
}

/// A field of known size: a few instructions where a loop over slices was as many calls.
#[inline]
fn put<const N: usize>(head: &mut [u8; HEADER_LEN], at: usize, field: [u8; N]) {
    head[at..at + N].copy_from_slice(&field);
}

/// The batch that ends a transaction: `k` = version 0, type 0 abort or 1 commit; `v` = version 0, coordinator epoch.
#[must_use]
pub fn control_marker(
    id: ProducerId,
    epoch: ProducerEpoch,
    commit: bool,
    coordinator_epoch: i32,
    time: Timestamp,
) -> Vec<u8> {
    let key = [0, 0, 0, u8::from(commit)];
    let mut value = [0; 6];
    value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
    let mut builder = BatchBuilder::with_capacity(32)
        .producer(ProducerStamp { id, epoch, base_sequence: None })
        .transactional(true)
        .control(true);
    builder.push(&NewRecord::keyed(&key, &value).at(time));
    builder.finish().expect("a marker is 78 bytes, uncompressed")
}

/// Whether a control batch commits or aborts, and under which coordinator epoch; `None` for other control batches.
#[must_use]
pub fn read_marker(record: &Record<'_>) -> Option<(bool, i32)> {
    let (key, value) = (record.key?, record.value?);
    let kind = i16::from_be_bytes(key.get(2..4)?.try_into().ok()?);
    let epoch = i32::from_be_bytes(value.get(2..6)?.try_into().ok()?);
    match kind {
        0 => Some((false, epoch)),
        1 => Some((true, epoch)),
        _ => None,
    }
}

/// The same batch with its records numbered 0, 1, 2... and compressed by `codec`; all else is kept.
///
/// For topics that demand a codec, and for batches whose producer numbered them otherwise.
///
/// # Errors
///
/// What opening the batch under `cap` gives ([`Rejected::Unreadable`]), or [`Rejected::TooLarge`].
pub fn rewrite(view: &BatchView<'_>, codec: Codec, cap: usize) -> Result<Vec<u8>, Rejected> {
    let records = view.records(cap).map_err(Rejected::from_records)?;
    let mut builder = BatchBuilder::with_capacity(view.len()).at(view.base_offset(), view.leader_epoch());
    builder.attributes = view.attributes().with_codec(codec);
    builder.producer = view.producer();
    builder.base_timestamp = Some(view.raw_base_timestamp().max(-1));
    // Under append time records do not show their own times; theirs is not kept.
    if view.attributes().timestamp_type() == TimestampType::LogAppendTime {
        builder.append_time = view.max_timestamp();
    }
    for (delta, record) in (0..).zip(&records) {
        builder.push_record(delta, &record.map_err(Rejected::from_records)?);
    }
    builder.finish()
}

/// The same batch with those of its records whose index `keep` takes, as compaction leaves it: offsets, producer, sequence,
/// epoch, codec and kind of time are kept. With a delete horizon that takes the place of the base timestamp.
///
/// Without records only the header is left, uncompressed, with the greatest time that there was.
///
/// # Errors
///
/// What opening the batch under `cap` gives ([`Rejected::Unreadable`]), or [`Rejected::TooLarge`].
pub(crate) fn retain(
    view: &BatchView<'_>,
    cap: usize,
    keep: impl Fn(usize) -> bool,
    horizon: Option<Timestamp>,
) -> Result<Vec<u8>, Rejected> {
    let mut builder = BatchBuilder::with_capacity(view.body().len())
        .at(view.base_offset(), view.leader_epoch())
        .last_offset_delta(view.last_offset_delta());
    builder.attributes = view.attributes().with_delete_horizon(horizon.is_some());
    builder.producer = view.producer();
    builder.base_timestamp = horizon.map(Timestamp::as_millis);
    if view.attributes().timestamp_type() == TimestampType::LogAppendTime {
        builder.append_time = view.max_timestamp();
    }
    let records = view.records(cap).map_err(Rejected::from_records)?;
    for (index, record) in records.iter().enumerate() {
        let record = record.map_err(Rejected::from_records)?;
        if keep(index) {
            let delta = u32::try_from(record.offset.distance_from(view.base_offset())).unwrap_or(u32::MAX);
            if delta < builder.next_delta {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let problem = "its offset does not rise";
                return Err(Rejected::Records(CorruptReason::Record { index, problem }));
            }
            builder.push_record(delta, &record);
        }
    }
    if builder.is_empty() {
        builder.attributes = builder.attributes.with_codec(Codec::None).with_delete_horizon(false);
        builder.base_timestamp = None;
        builder.max_timestamp = Timestamp::to_raw(view.max_timestamp());
    }
    builder.finish()
}

fn to_i64(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn sized_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |b| varlong_len(to_i64(b.len())) + b.len())
}

fn put_sized(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varlong(out, to_i64(bytes.len()));
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

impl Rejected {
    /// Sorts what opening and walking records gives: a stream that cannot be opened is not the records' fault.
    pub(crate) fn from_records(reason: CorruptReason) -> Self {
        match reason {
            CorruptReason::Compression { .. } => Self::Unreadable(reason),
            other => Self::Records(other),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Batches to a message set, for Fetch v0 to v3.
//!
//! An uncompressed batch becomes plain messages, a compressed one a wrapper with the same codec whose offset is that
//! of the last record it still has. Control batches are dropped, headers are lost, gaps stay.
//!
//! # Departures from Kafka 2.2
//!
//! * The result has its own size: no made-up entry fills it up to the size of the stored range.
//! * Where the first batches convert to nothing the caller is told where to read on ([`DownConverted::next_offset`]);
//!   2.2 sent the batch behind them twice.
//! * A batch with a wrong checksum is not given new right ones: it ends the result, or is the answer.

use super::OldMagic;
use super::message::NewMessage;
use log_engine::format::CorruptReason;
use log_engine::format::batch::{BatchView, Codec};
use log_engine::format::codec::{Lz4Header, compress_for};
use log_engine::format::record::Record;
use log_engine::types::{Offset, Timestamp};

/// How stored batches are to be converted.
#[derive(Clone, Copy, Debug)]
pub struct DownRules {
    /// The format the client reads.
    pub magic: OldMagic,
    /// What the client asked for: earlier records of an uncompressed batch are left out, and wrappers that end before.
    pub from: Offset,
    /// Most bytes of the result; the last entry is cut there, as these clients expect.
    pub max_bytes: usize,
    /// Whether the first entry is given whole even if it is larger: Fetch v3.
    pub first_whole: bool,
    /// Most bytes that one batch may open to.
    pub decompressed_cap: usize,
}

/// A message set and how far it goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DownConverted {
    /// The messages; the last one may be cut.
    pub bytes: Vec<u8>,
    /// What follows the last batch that was converted or dropped; `None` if there was no whole batch. If `bytes` is
    /// empty and this is below the log's end, read on from here: the client cannot know that it should.
    pub next_offset: Option<Offset>,
}

/// Why nothing can be given.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DownConvertError {
    /// Zstandard does not exist in the old formats: error 76 UNSUPPORTED_COMPRESSION_TYPE.
    #[error("zstd cannot be given to a client this old")]
    Zstd,
    /// The stored batch is damaged.
    #[error("stored batch: {0}")]
    Corrupt(#[from] CorruptReason),
}

/// Makes a message set of stored batches, which may end in a cut one.
///
/// Data that are cut inside the first batch are given as they are: the client sees an entry that is larger than
/// what it asked for, which is what it needs to know.
///
/// # Errors
///
/// If the first batch that is not dropped cannot be converted; a later one ends the result before it.
pub fn down_convert(batches: &[u8], rules: &DownRules) -> Result<DownConverted, DownConvertError> {
    let mut out = DownConverted::default();
    let mut first_entry = None;
    let mut rest = batches;
    while out.bytes.len() < rules.max_bytes || out.bytes.is_empty() {
        match convert_next(rest, rules, &mut out.bytes) {
            Ok(Some(batch)) => {
                rest = &rest[batch.len()..];
                out.next_offset = Some(batch.next_offset());
            }
            Ok(None) => break,
            Err(_) if !out.bytes.is_empty() => break,
            Err(error) => return Err(error),
        }
        first_entry = first_entry.or_else(|| entry_len(&out.bytes));
    }
    if out.next_offset.is_none() {
        out.bytes = batches.to_vec();
    }
    let keep = if rules.first_whole { first_entry.unwrap_or(0) } else { 0 };
    out.bytes.truncate(rules.max_bytes.max(keep));
    Ok(out)
}

/// Converts the batch at the front; `None` if none is whole. What it appends is undone if it fails.
fn convert_next<'a>(
    data: &'a [u8],
    rules: &DownRules,
    out: &mut Vec<u8>,
) -> Result<Option<BatchView<'a>>, DownConvertError> {
    let batch = match BatchView::parse(data) {
        Ok(batch) => batch,
        Err(CorruptReason::Torn { .. }) => return Ok(None),
        Err(reason) => return Err(reason.into()),
    };
    batch.check_crc()?;
    if batch.attributes().is_control() {
        return Ok(Some(batch));
    }
    let before = out.len();
    let converted = match batch.known_codec()? {
        Codec::None => put_plain(&batch, rules, out),
        Codec::Zstd => Err(DownConvertError::Zstd),
        codec => put_wrapper(&batch, codec, rules, out),
    };
    if let Err(error) = converted {
        out.truncate(before);
        return Err(error);
    }
    Ok(Some(batch))
}

fn put_plain(batch: &BatchView<'_>, rules: &DownRules, out: &mut Vec<u8>) -> Result<(), DownConvertError> {
    for record in &batch.records(rules.decompressed_cap)? {
        let record = record?;
        if record.offset >= rules.from {
            put(&message(batch, &record, record.offset), rules.magic, out)?;
        }
    }
    Ok(())
}

fn put_wrapper(
    batch: &BatchView<'_>,
    codec: Codec,
    rules: &DownRules,
    out: &mut Vec<u8>,
) -> Result<(), DownConvertError> {
    let records = batch.records(rules.decompressed_cap)?;
    let mut inner = Vec::with_capacity(batch.len());
    let mut ends: Option<(Offset, Offset)> = None;
    let mut newest: Option<Timestamp> = None;
    for record in &records {
        let record = record?;
        let (first, _) = *ends.insert((ends.map_or(record.offset, |(first, _)| first), record.offset));
        let number = match rules.magic {
            OldMagic::V0 => record.offset,
            OldMagic::V1 => relative(record.offset, first)?,
        };
        newest = newest.max(record.timestamp);
        put(&message(batch, &record, number), rules.magic, &mut inner)?;
    }
    // Compaction may have left only records that the client has seen: it would ask for the same again for ever.
    let Some((_, last)) = ends.filter(|(_, last)| *last >= rules.from) else {
        return Ok(());
    };
    let header = match rules.magic {
        OldMagic::V0 => Lz4Header::Legacy,
        OldMagic::V1 => Lz4Header::Correct,
    };
    let packed = compress_for(codec, header, &inner)?;
    let wrapper = NewMessage {
        offset: last,
        codec,
        timestamp_type: batch.attributes().timestamp_type(),
        timestamp: newest,
        key: None,
        value: Some(&packed),
    };
    put(&wrapper, rules.magic, out)
}

fn message<'a>(batch: &BatchView<'_>, record: &Record<'a>, offset: Offset) -> NewMessage<'a> {
    NewMessage {
        offset,
        codec: Codec::None,
        timestamp_type: batch.attributes().timestamp_type(),
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
    }
}

/// Number of a record inside a wrapper of magic 1.
fn relative(offset: Offset, first: Offset) -> Result<Offset, DownConvertError> {
    let distance = offset.distance_from(first);
    Ok(Offset::new(distance).ok_or(CorruptReason::Field { field: "offset delta", value: distance })?)
}

fn put(message: &NewMessage<'_>, magic: OldMagic, out: &mut Vec<u8>) -> Result<(), DownConvertError> {
    let too_large = CorruptReason::Field { field: "record size", value: i64::from(i32::MAX) };
    Ok(message.put(magic, out).ok_or(too_large)?)
}

/// Size of the entry at the front, which is one of ours.
fn entry_len(set: &[u8]) -> Option<usize> {
    let size = u32::from_be_bytes(set.get(8..12)?.try_into().ok()?);
    usize::try_from(size).ok()?.checked_add(12)
}

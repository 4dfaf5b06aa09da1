//! `.log` files: a line for each batch, and one for each record in it if asked for.

use super::{Complaints, Dump, Stop, missing, old};
use log_engine::format::batch::{BatchView, TimestampType};
use log_engine::format::build::read_marker;
use log_engine::format::record::Record;
use log_engine::inspect::{Entry, SegmentReader};
use log_engine::io::Storage;
use log_engine::types::{LeaderEpoch, Offset, Sequence, Timestamp};
use std::path::Path;

/// Most bytes that a batch is opened to.
const CAP: usize = 1 << 28;

/// What a record shows of itself beside its contents.
pub(super) struct Head<'a> {
    pub(super) offset: i64,
    pub(super) time_type: &'static str,
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// What follows the sizes.
    pub(super) rest: String,
    /// No contents are shown.
    pub(super) control: bool,
}

impl Dump<'_> {
    pub(super) fn log(&mut self, path: &Path, base: Offset) -> Result<(), Stop> {
        writeln!(self.out, "Log starting offset: {}", base.get())?;
        if !self.storage.exists(path).map_err(|_| missing(path))? {
            return Err(missing(path));
        }
        let mut reader = SegmentReader::open(&self.storage.clone(), path, base)?;
        let limit = self.options.max_bytes.unwrap_or(u64::MAX).min(reader.len());
        let end = reader.len();
        let mut last = -1;
        // Where the bytes begin that are no batch, up to the end.
        let mut invalid = None;
        while let Some(entry) = reader.next_entry()? {
            match entry {
                Entry::Batch { position, batch, .. } if position + batch.len() as u64 <= limit => {
                    self.batch(path, position, &batch, &mut last)?;
                }
                Entry::Old { position, bytes } if position + bytes.len() as u64 <= limit => {
                    self.old(path, position, bytes, &mut last)?;
                }
                Entry::Batch { .. } | Entry::Old { .. } => break,
                Entry::Unreadable { bytes, .. } if bytes.end < limit => {
                    let (file, size) = (path.display(), bytes.end - bytes.start);
                    writeln!(self.out, "Found {size} invalid bytes at {} in {file}", bytes.start)?;
                }
                Entry::Unreadable { bytes, .. } | Entry::Zeros { bytes } => {
                    invalid = Some(bytes.start);
                    break;
                }
                _ => break,
            }
        }
        if let (Some(start), None) = (invalid, self.options.max_bytes) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            writeln!(self.out, "Found {} invalid bytes at the end of {name}", end - start)?;
        }
        Ok(())
    }

    fn batch(
        &mut self,
        path: &Path,
        position: u64,
        batch: &BatchView<'_>,
        last: &mut i64,
    ) -> Result<(), Stop> {
        let attributes = batch.attributes();
        let (producer, epoch, first) = batch.raw_producer();
        let sequence = |delta: u32| Sequence::new(first).map_or(-1, |first| first.wrapping_add(delta).get());
        let horizon = batch.delete_horizon().map(Timestamp::as_millis);
        let codec = attributes.codec().map_or("unknown", |codec| codec.name());
        let time_type = time_type(attributes.timestamp_type());
        writeln!(
            self.out,
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {first} lastSequence: {} producerId: {producer} \
             producerEpoch: {epoch} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {} \
             position: {position} {time_type}: {} size: {} magic: 2 compresscodec: {codec} crc: {} isvalid: {}",
            batch.base_offset().get(),
            batch.last_offset().get(),
            batch.record_count(),
            sequence(batch.last_offset_delta()),
            batch.leader_epoch().map_or(-1, LeaderEpoch::get),
            attributes.is_transactional(),
            attributes.is_control(),
            optional(horizon),
            Timestamp::to_raw(batch.max_timestamp()),
            batch.len(),
            batch.stored_crc(),
            batch.check_crc().is_ok(),
        )?;
        if !self.options.deep {
            return Ok(());
        }
        let trouble = |reason: log_engine::CorruptReason| {
            Stop::Trouble(format!(
                "{}: the batch at position {position} cannot be opened: {reason}",
                path.display()
            ))
        };
        let base = batch.base_offset().get();
        for record in &batch.records(CAP).map_err(trouble)? {
            let record = record.map_err(trouble)?;
            let delta = u32::try_from(record.offset.get() - base).unwrap_or_default();
            let rest = format!(" sequence: {} headerKeys: [{}]", sequence(delta), header_keys(&record));
            let control = attributes.is_control();
            let rest = if control { rest + &marker(&record) } else { rest };
            let (offset, timestamp) = (record.offset.get(), Timestamp::to_raw(record.timestamp));
            let (key, value) = (record.key, record.value);
            self.record(path, &Head { offset, time_type, timestamp, key, value, rest, control }, last)?;
        }
        Ok(())
    }

    /// One record of any format.
    pub(super) fn record(&mut self, path: &Path, head: &Head<'_>, last: &mut i64) -> Result<(), Stop> {
        if head.offset != *last + 1 {
            Complaints::note(&mut self.complaints.gaps, path, *last, head.offset);
        }
        *last = head.offset;
        let mut line = String::new();
        if !self.options.skip_metadata {
            let size =
                |part: Option<&[u8]>| part.map_or(-1, |part| i64::try_from(part.len()).unwrap_or(i64::MAX));
            line = format!(
                "| offset: {} {}: {} keySize: {} valueSize: {}{}",
                head.offset,
                head.time_type,
                head.timestamp,
                size(head.key),
                size(head.value),
                head.rest
            );
        }
        if self.options.print && !head.control {
            let (key, value) = self.contents(head.offset, head.key, head.value)?;
            for (name, part) in [("key", key), ("payload", value)] {
                if let Some(part) = part {
                    let before = if line.is_empty() { "| " } else { " " };
                    line.push_str(&format!("{before}{name}: {part}"));
                }
            }
        }
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    fn old(&mut self, path: &Path, position: u64, bytes: &[u8], last: &mut i64) -> Result<(), Stop> {
        let entry = old::Entry::of(bytes);
        writeln!(
            self.out,
            "offset: {} position: {position} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
            entry.offset,
            entry.time_type(),
            entry.timestamp(),
            bytes.len(),
            entry.magic,
            entry.codec_name(),
            entry.crc,
            entry.valid,
        )?;
        if !self.options.deep {
            return Ok(());
        }
        let opened = entry.open().map_err(|problem| {
            Stop::Trouble(format!("{}: the message at position {position} {problem}", path.display()))
        })?;
        for message in opened {
            let rest = format!(" isValid: {} crc: {}", message.valid, message.crc);
            let head = Head {
                offset: message.offset,
                time_type: entry.time_type(),
                timestamp: message.timestamp,
                key: message.key.as_deref(),
                value: message.value.as_deref(),
                rest,
                control: false,
            };
            self.record(path, &head, last)?;
        }
        Ok(())
    }
}

fn time_type(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// As Java prints an `OptionalLong`.
pub(super) fn optional(value: Option<i64>) -> String {
    value.map_or_else(|| "OptionalLong.empty".to_owned(), |value| format!("OptionalLong[{value}]"))
}

fn header_keys(record: &Record<'_>) -> String {
    let keys = record.headers.into_iter().map(|header| String::from_utf8_lossy(header.key).into_owned());
    keys.collect::<Vec<_>>().join(",")
}

fn marker(record: &Record<'_>) -> String {
    match read_marker(record) {
        Some((commit, epoch)) => {
            format!(" endTxnMarker: {} coordinatorEpoch: {epoch}", if commit { "COMMIT" } else { "ABORT" })
        }
        None => {
            let kind = record.key.and_then(|key| key.get(2..4)).and_then(<[u8]>::first_chunk);
            format!(" controlType: UNKNOWN({})", kind.map_or(-1, |kind| i16::from_be_bytes(*kind)))
        }
    }
}

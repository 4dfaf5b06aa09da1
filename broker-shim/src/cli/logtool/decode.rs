//! Files to lines: what `dump` prints, and whatever else wants to show the same.

use super::line::{Line, Value};
use crate::convert::{OldMagic, StoredEntry};
use log_engine::format::batch::{BatchView, TimestampType};
use log_engine::format::build::read_marker;
use log_engine::format::checkpoint::{Properties, id_to_text, read_offsets, read_partition_metadata};
use log_engine::format::index_entry::{OffsetEntry, TimeEntry, TxnEntry};
use log_engine::format::names::{CHECKPOINTS, FileKind, META};
use log_engine::format::record::Record;
use log_engine::format::snapshot;
use log_engine::inspect::{Entry, decode};
use log_engine::types::{LeaderEpoch, Offset, ProducerEpoch, Sequence, Timestamp};

/// Most bytes that a batch is opened to.
pub(super) const CAP: usize = 1 << 28;

/// The lines of a stretch of a `.log` file.
pub(super) fn entry(entry: &Entry<'_>, records: bool, put: &mut dyn FnMut(Line)) {
    match entry {
        Entry::Batch { position, batch, problem } => {
            put(batch_line(*position, batch)
                .with("valid", problem.is_none())
                .with("problem", problem.as_ref().map(ToString::to_string)));
            if records {
                batch_records(batch, put);
            }
        }
        Entry::Old { position, bytes } => old_entry(*position, bytes, records, put),
        Entry::Unreadable { bytes, reason } => {
            let line =
                Line::new("unreadable").with("position", bytes.start).with("size", bytes.end - bytes.start);
            put(line.with("problem", reason.to_string()));
        }
        Entry::Zeros { bytes } => {
            put(Line::new("zeros").with("position", bytes.start).with("size", bytes.end - bytes.start));
        }
        _ => {}
    }
}

fn batch_line(position: u64, batch: &BatchView<'_>) -> Line {
    let attributes = batch.attributes();
    let (producer, epoch, first) = batch.raw_producer();
    let some = |raw: i64| Some(raw).filter(|raw| *raw >= 0);
    let last = Sequence::new(first).map(|first| first.wrapping_add(batch.last_offset_delta()).get());
    let codec = attributes.codec().map_or_else(|id| format!("unknown-{id}"), |codec| codec.name().to_owned());
    let append_time = attributes.timestamp_type() == TimestampType::LogAppendTime;
    let base_timestamp = batch.raw_base_timestamp();
    let horizon = attributes.has_delete_horizon();
    Line::new("batch")
        .with("position", position)
        .with("size", batch.len())
        .with("base_offset", batch.base_offset().get())
        .with("last_offset", batch.last_offset().get())
        .with("count", batch.record_count())
        .with("magic", 2)
        .with("codec", codec)
        .with("leader_epoch", batch.leader_epoch().map(LeaderEpoch::get))
        .with("producer_id", some(producer))
        .with("producer_epoch", some(i64::from(epoch)))
        .with("base_sequence", some(i64::from(first)))
        .with("last_sequence", last)
        .with("transactional", attributes.is_transactional())
        .with("control", attributes.is_control())
        .with("time_type", if append_time { "append" } else { "create" })
        .with("base_timestamp", some(base_timestamp).filter(|_| !horizon))
        .with("delete_horizon", some(base_timestamp).filter(|_| horizon))
        .with("max_timestamp", batch.max_timestamp().map(Timestamp::as_millis))
        .with("crc", batch.stored_crc())
}

fn batch_records(batch: &BatchView<'_>, put: &mut dyn FnMut(Line)) {
    let records = match batch.records(CAP) {
        Ok(records) => records,
        Err(reason) => return put(Line::new("unreadable_records").with("problem", reason.to_string())),
    };
    for record in &records {
        match record {
            Ok(record) => put(record_line(&record, batch.attributes().is_control())),
            Err(reason) => put(Line::new("unreadable_records").with("problem", reason.to_string())),
        }
    }
}

fn record_line(record: &Record<'_>, control: bool) -> Line {
    let line = Line::new("record")
        .with("offset", record.offset.get())
        .with("timestamp", record.timestamp.map(Timestamp::as_millis));
    if control && let Some((commit, coordinator_epoch)) = read_marker(record) {
        let marker = if commit { "commit" } else { "abort" };
        return line.with("marker", marker).with("coordinator_epoch", coordinator_epoch);
    }
    let pairs: Vec<_> =
        record.headers.into_iter().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
    let headers = if pairs.is_empty() { Value::Nothing } else { Value::Pairs(pairs) };
    line.with("key", record.key).with("value", record.value).with("headers", headers)
}

fn old_entry(position: u64, bytes: &[u8], records: bool, put: &mut dyn FnMut(Line)) {
    let offset = bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
    let crc = bytes.get(12..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_be_bytes(*bytes));
    let line = Line::new("message").with("position", position).with("size", bytes.len());
    let opened = StoredEntry::open(bytes).and_then(|entry| {
        let first = entry.messages()?.first().map(|message| message.offset.get());
        Ok((entry, first))
    });
    let (entry, first) = match opened {
        Ok(opened) => opened,
        Err(problem) => {
            let line = line.with("last_offset", offset).with("crc", crc);
            return put(line.with("valid", false).with("problem", problem));
        }
    };
    let magic = if entry.outer.magic == OldMagic::V0 { 0 } else { 1 };
    let append_time = entry.outer.timestamp_type() == TimestampType::LogAppendTime;
    let time_type = if append_time { "append" } else { "create" };
    let messages = entry.messages().unwrap_or_default();
    put(line
        .with("base_offset", first)
        .with("last_offset", offset)
        .with("count", messages.len())
        .with("magic", magic)
        .with("codec", entry.codec.name())
        .with("time_type", Some(time_type).filter(|_| magic == 1))
        .with("timestamp", entry.outer.timestamp.map(Timestamp::as_millis))
        .with("crc", crc)
        .with("valid", true));
    if records {
        for message in messages {
            put(Line::new("record")
                .with("offset", message.offset.get())
                .with("timestamp", message.timestamp.map(Timestamp::as_millis))
                .with("key", message.key)
                .with("value", message.value));
        }
    }
}

/// The lines of a file that is read whole; `None` if nothing is known of a file of this name.
pub(super) fn small_file(
    name: &str,
    kind: Option<(Offset, FileKind)>,
    bytes: &[u8],
) -> Option<Result<Vec<Line>, String>> {
    let text = |reason: log_engine::CorruptReason| reason.to_string();
    Some(match (kind, name) {
        (Some((base, FileKind::OffsetIndex)), _) => {
            Ok(entries(bytes, |at, entry: &[u8; 8]| offset_line(base, at, entry)))
        }
        (Some((base, FileKind::TimeIndex)), _) => {
            Ok(entries(bytes, |at, entry: &[u8; 12]| time_line(base, at, entry)))
        }
        (Some((_, FileKind::TxnIndex)), _) => Ok(entries(bytes, txn_line)),
        (Some((_, FileKind::Snapshot)), _) => {
            snapshot::read(bytes).map_err(text).map(|found| found.iter().map(producer_line).collect())
        }
        (_, decode::EPOCH_FILE) => decode::epochs(bytes).map_err(text).map(|epochs| {
            let line = |(epoch, start): &(LeaderEpoch, Offset)| {
                Line::new("leader_epoch").with("epoch", epoch.get()).with("start_offset", start.get())
            };
            epochs.iter().map(line).collect()
        }),
        (_, decode::MARK_FILE) => Ok(mark_lines(bytes)),
        (_, decode::PRODUCER_FILE) => {
            let state = decode::producer_state(bytes).ok_or("it is not as it was written");
            state.map_err(str::to_owned).map(|state| state_lines(&state))
        }
        (_, decode::POINT_FILE) => {
            let point = decode::compaction_point(bytes).ok_or("it is not as it was written");
            let line = |point: decode::CompactionPoint| {
                let segment = |base: &Offset| Line::new("segment").with("base_offset", base.get());
                let point_line = Line::new("compaction_point").with("offset", point.offset.get());
                std::iter::once(point_line).chain(point.segments.iter().map(segment)).collect()
            };
            point.map(line).map_err(str::to_owned)
        }
        (_, "partition.metadata") => read_partition_metadata(bytes)
            .map_err(text)
            .map(|id| vec![Line::new("metadata").with("topic_id", id_to_text(id))]),
        (_, META) => Properties::read(bytes).map_err(text).map(|properties| {
            let line =
                |(key, value): (String, String)| Line::new("property").with("key", key).with("value", value);
            properties.entries.into_iter().map(line).collect()
        }),
        (_, name) if CHECKPOINTS.contains(&name) => read_offsets(bytes).map_err(text).map(|lines| {
            let line = |l: log_engine::format::checkpoint::OffsetLine| {
                Line::new("checkpoint")
                    .with("topic", l.topic)
                    .with("partition", l.partition)
                    .with("offset", l.offset.get())
            };
            lines.into_iter().map(line).collect()
        }),
        _ => return None,
    })
}

/// One line an entry; zeros at the end, which a running broker lays out in advance, are one line.
fn entries<const N: usize>(bytes: &[u8], line: impl Fn(usize, &[u8; N]) -> Line) -> Vec<Line> {
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
        .next_multiple_of(N)
        .min(bytes.len());
    let (front, rest) = bytes.split_at(used);
    let mut lines: Vec<_> = front
        .chunks(N)
        .enumerate()
        .map(|(at, entry)| match entry.first_chunk() {
            Some(entry) => line(at, entry),
            None => Line::new("unreadable").with("position", at * N).with("size", entry.len()),
        })
        .collect();
    if !rest.is_empty() {
        lines.push(Line::new("zeros").with("position", used).with("size", rest.len()));
    }
    lines
}

fn unreadable(at: usize, len: usize) -> Line {
    Line::new("unreadable").with("position", at * len).with("size", len)
}

fn offset_line(base: Offset, at: usize, entry: &[u8; OffsetEntry::LEN]) -> Line {
    let Some(entry) = OffsetEntry::from_bytes(entry) else { return unreadable(at, OffsetEntry::LEN) };
    let offset = entry.offset.from_base(base).map(Offset::get);
    Line::new("offset_entry").with("offset", offset).with("position", entry.position.to_u64())
}

fn time_line(base: Offset, at: usize, entry: &[u8; TimeEntry::LEN]) -> Line {
    let Some(entry) = TimeEntry::from_bytes(entry) else { return unreadable(at, TimeEntry::LEN) };
    let offset = entry.offset.from_base(base).map(Offset::get);
    Line::new("time_entry").with("timestamp", entry.timestamp.as_millis()).with("offset", offset)
}

fn txn_line(at: usize, entry: &[u8; TxnEntry::LEN]) -> Line {
    let Some(txn) = TxnEntry::from_bytes(entry) else { return unreadable(at, TxnEntry::LEN) };
    Line::new("aborted_transaction")
        .with("producer_id", txn.producer.get())
        .with("first_offset", txn.first.get())
        .with("last_offset", txn.last.get())
        .with("last_stable_offset", txn.last_stable.get())
}

fn producer_line(producer: &snapshot::ProducerEntry) -> Line {
    Line::new("producer")
        .with("producer_id", producer.id.get())
        .with("producer_epoch", i32::from(ProducerEpoch::get(producer.epoch)))
        .with("last_sequence", producer.last_sequence.map(Sequence::get))
        .with("last_offset", producer.last_offset.map(Offset::get))
        .with("offset_delta", producer.offset_delta)
        .with("timestamp", producer.timestamp.map(Timestamp::as_millis))
        .with("coordinator_epoch", producer.coordinator_epoch)
        .with("open_transaction", producer.txn_first_offset.map(Offset::get))
}

fn mark_lines(bytes: &[u8]) -> Vec<Line> {
    let slots = decode::mark(bytes);
    let newest = slots.iter().flatten().map(|slot| slot.generation).max();
    let line = |(index, slot): (usize, &Option<decode::MarkSlot>)| {
        let line = Line::new("synced_mark").with("slot", index);
        let Some(slot) = slot else { return line.with("valid", false) };
        line.with("valid", true)
            .with("counts", newest == Some(slot.generation))
            .with("generation", slot.generation)
            .with("truncations", slot.truncations)
            .with("segment", slot.segment.get())
            .with("position", slot.position.to_u64())
            .with("next_offset", slot.next_offset.get())
            .with("log_start", slot.log_start.get())
            .with("inode", slot.inode)
            .with("heir", slot.heir)
            .with("last_batch_position", slot.last_batch.map(|(position, _)| position.to_u64()))
            .with("last_batch_crc", slot.last_batch.map(|(_, crc)| crc))
    };
    slots.iter().enumerate().map(line).collect()
}

fn state_lines(state: &decode::ProducerState) -> Vec<Line> {
    let mut lines = vec![
        Line::new("producer_state")
            .with("offset", state.offset.get())
            .with("segment", state.last_batch.map(|(segment, ..)| segment.get()))
            .with("last_batch_position", state.last_batch.map(|(_, position, _)| position.to_u64()))
            .with("last_batch_crc", state.last_batch.map(|(.., crc)| crc)),
    ];
    for known in &state.producers {
        let last = known.batches.last();
        lines.push(
            Line::new("producer")
                .with("producer_id", known.id.get())
                .with("producer_epoch", i32::from(known.epoch.get()))
                .with("batches", known.batches.len())
                .with("last_sequence", last.map(|(sequence, ..)| sequence.get()))
                .with("last_offset", last.map(|(.., offset)| offset.get()))
                .with("timestamp", known.last_append.as_millis())
                .with("coordinator_epoch", known.coordinator_epoch)
                .with("open_transaction", known.open_txn.map(Offset::get)),
        );
    }
    lines
}

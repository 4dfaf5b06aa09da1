//! Messages of a topic: the newest, from an offset, from a time, with a text in them; and one with all that is known of it.
//!
//! ```text
//!  at=end | start | offset:N | time:MS | <cursor of the answer before>     where reading begins
//!  dir=older | newer                                                       which way it goes
//!  find=text, in=any|key|value|headers                                     only those; 0xCAFE finds bytes
//! ```
//!
//! The answer has at most `limit` messages, merged by their times, a `cursor` to go on with, how much was looked at, and
//! whether the end was reached. A search that finds nothing within [`BYTES`] and [`TIME`] says how far it came; the page
//! asks again. So no question costs the broker more than that, and the routes bound how many there are at once.

use super::scan::{Budget, Found, Reader, Wanted};
use super::{Answer, Desk, Params, Problem, partition};
use crate::metadata::Topic;
use crate::trouble::Chain;
use log_engine::Record;
use log_engine::error::LogError;
use log_engine::log::{Log, RecordBatch};
use log_engine::types::{Offset, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the log that one question reads.
const BYTES: u64 = 8 << 20;
/// How long one question reads.
const TIME: Duration = Duration::from_millis(300);
/// Bytes of a key, a value or a header that a row of the list shows.
const ROW_BYTES: usize = 400;
/// The same of one message that is looked at alone; the rest is downloaded.
const WHOLE_BYTES: usize = 256 << 10;
/// Headers of a row.
const ROW_HEADERS: usize = 8;
/// The longest text to search for.
const MOST_NEEDLE: usize = 1_000;

/// Messages, as the module says.
pub(in super::super) fn messages(desk: &Desk, params: &Params) -> Answer {
    let topic = desk.topic(params, "topic")?;
    let (_, limit) = params.page()?;
    let older = params.text("dir") != Some("newer");
    let mut readers = place(&topic, params, older)?;
    let needle = params.text("find").map(Needle::parse).transpose()?;
    let place = params.text("in").unwrap_or("any").to_owned();
    let wanted = |record: &Record<'_>| needle.as_ref().is_none_or(|needle| needle.is_in(record, &place));
    let before = counted(&readers);
    let spent = read_all(&mut readers, older, limit, (&wanted, needle.is_some()))?;
    desk.live.own_reads(topic.id, counted(&readers).saturating_sub(before));
    let looked_at: u64 = readers.iter().map(|reader| reader.looked_at).sum();
    let damage: Vec<String> = readers.iter_mut().flat_map(|reader| reader.damage.drain(..)).collect();
    let found = merge(&mut readers, older, limit);
    let end = readers.iter().all(|reader| reader.is_done(older));
    Ok(json!({
        "topic": topic.name.as_str(),
        "partitions": topic.partition_count(),
        "messages": found,
        "cursor": cursor(&readers),
        "end": end,
        "partial": spent && !end,
        "looked_at": looked_at,
        "damage": damage,
    }))
}

/// What all partitions have read so far, for the pictures: the console's own reads are not a consumer's.
fn counted(readers: &[Reader]) -> u64 {
    readers.iter().map(|reader| reader.log.stats().read_bytes).sum()
}

/// Reads every partition; true if some of it was left for later.
fn read_all(
    readers: &mut [Reader],
    older: bool,
    limit: usize,
    wanted: (Wanted<'_>, bool),
) -> Result<bool, Problem> {
    let deadline = Instant::now() + TIME;
    let mut left = BYTES;
    let mut spent = false;
    let mut waiting = readers.iter().filter(|reader| !reader.is_done(older)).count();
    for reader in readers.iter_mut().filter(|reader| !reader.is_done(older)) {
        // Each gets its share of what those before it left.
        let share = left / u64::try_from(waiting.max(1)).unwrap_or(1);
        let mut budget = Budget { bytes: share.max(1), deadline };
        reader.read(older, limit, wanted, &mut budget).map_err(|error| unreadable(reader, &error))?;
        left = left.saturating_sub(share.saturating_sub(budget.bytes));
        waiting -= 1;
        spent |= budget.is_spent();
    }
    Ok(spent)
}

fn unreadable(reader: &Reader, error: &LogError) -> Problem {
    Problem::new(503, format!("Partition {} cannot be read: {}.", reader.partition, Chain(error)))
}

/// Where each partition begins.
fn place(topic: &Topic, params: &Params, older: bool) -> Result<Vec<Reader>, Problem> {
    let only: Option<i32> = params.number("partition")?;
    let at = At::parse(params.text("at").unwrap_or("end"))?;
    let logs: Vec<(i32, &Arc<Log>)> = match only {
        Some(number) => vec![(number, partition(topic, number)?)],
        // One that is offline is told on the page of partitions; the others are read.
        None => (0..).zip(&topic.partitions).filter_map(|(n, log)| Some((n, log.as_ref()?))).collect(),
    };
    let reader = |(number, log): (i32, &Arc<Log>)| {
        let first = at.in_partition(number, log, older)?;
        Ok(Reader::new(number, Arc::clone(log), first))
    };
    logs.into_iter().map(reader).collect()
}

/// Where reading begins.
#[derive(Debug)]
enum At {
    Start,
    End,
    Offset(i64),
    Time(Timestamp),
    Cursor(Vec<(i32, i64)>),
}

impl At {
    fn parse(text: &str) -> Result<Self, Problem> {
        let bad = || {
            Problem::bad(
                "The parameter at is start, end, offset:N, time:MILLISECONDS or a cursor of an answer.",
            )
        };
        match text {
            "start" => return Ok(Self::Start),
            "end" => return Ok(Self::End),
            _ => {}
        }
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(bad);
        if let Some(offset) = text.strip_prefix("offset:") {
            return number(offset).map(Self::Offset);
        }
        if let Some(time) = text.strip_prefix("time:") {
            return Timestamp::from_millis(number(time)?).map(Self::Time).ok_or_else(bad);
        }
        let pair = |pair: &str| {
            let (partition, offset) = pair.split_once('.')?;
            Some((partition.parse().ok()?, offset.parse().ok().filter(|offset: &i64| *offset >= 0)?))
        };
        text.split('_').map(pair).collect::<Option<Vec<_>>>().map(Self::Cursor).ok_or_else(bad)
    }

    /// The first offset to read, or behind the first if the way goes back.
    fn in_partition(&self, number: i32, log: &Log, older: bool) -> Result<i64, Problem> {
        let (start, end) = (log.start_offset().get(), log.last_stable_offset().get());
        let at = match self {
            Self::Start => start,
            Self::End => end,
            Self::Offset(offset) if older => offset.saturating_add(1),
            Self::Offset(offset) => *offset,
            Self::Time(time) => match log.offset_for_time(*time) {
                Ok(found) => found.map_or(end, |(offset, _)| offset.get()),
                Err(error) => {
                    let text = format!("Partition {number} cannot be searched by time: {}.", Chain(&error));
                    return Err(Problem::new(503, text));
                }
            },
            // A partition that was added meanwhile begins where the others did.
            Self::Cursor(places) => match places.iter().find(|(partition, _)| *partition == number) {
                Some((_, at)) => *at,
                None if older => end,
                None => start,
            },
        };
        Ok(if older { at.min(end) } else { at.max(start) })
    }
}

fn cursor(readers: &[Reader]) -> String {
    let one = |reader: &Reader| format!("{}.{}", reader.partition, reader.at);
    readers.iter().map(one).collect::<Vec<_>>().join("_")
}

/// Puts the messages of all partitions in one order, each partition's own order kept. What is too much is given back.
fn merge(readers: &mut [Reader], older: bool, limit: usize) -> Vec<Value> {
    let mut merged = Vec::new();
    let mut heads = vec![0_usize; readers.len()];
    while merged.len() < limit {
        let heads_now = readers.iter().zip(&heads).enumerate();
        let next = heads_now.filter_map(|(n, (reader, head))| Some((n, reader.found.get(*head)?)));
        let order = |found: &Found| if older { -found.time } else { found.time };
        let Some((n, found)) = next.min_by_key(|(_, found)| order(found)) else { break };
        merged.push(found.shown.clone());
        heads[n] += 1;
    }
    for (reader, head) in readers.iter_mut().zip(heads) {
        if let Some(first) = reader.found.get(head) {
            reader.at = if older { first.offset + 1 } else { first.offset };
        }
    }
    merged
}

/// What is searched for.
#[derive(Debug)]
struct Needle {
    bytes: Vec<u8>,
    any_case: bool,
}

impl Needle {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MOST_NEEDLE {
            return Err(Problem::bad(format!("The text to search for is longer than {MOST_NEEDLE} bytes.")));
        }
        if let Some(hex) = text.strip_prefix("0x") {
            let digits = hex.as_bytes().chunks(2);
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            if let Some(bytes) = digits.map(byte).collect::<Option<Vec<u8>>>().filter(|_| hex.len() % 2 == 0)
            {
                return Ok(Self { bytes, any_case: false });
            }
        }
        Ok(Self { bytes: text.to_ascii_lowercase().into_bytes(), any_case: true })
    }

    fn is_in(&self, record: &Record<'_>, place: &str) -> bool {
        let key = || record.key.is_some_and(|key| self.found(key));
        let value = || record.value.is_some_and(|value| self.found(value));
        let headers = || {
            let header = |header: log_engine::format::record::Header<'_>| {
                self.found(header.key) || header.value.is_some_and(|value| self.found(value))
            };
            record.headers.into_iter().any(header)
        };
        match place {
            "key" => key(),
            "value" => value(),
            "headers" => headers(),
            _ => value() || key() || headers(),
        }
    }

    fn found(&self, bytes: &[u8]) -> bool {
        let Some(first) = self.bytes.first() else { return true };
        if bytes.len() < self.bytes.len() {
            return false;
        }
        let last = bytes.len() - self.bytes.len();
        let same = |at: usize| {
            let part = &bytes[at..at + self.bytes.len()];
            if self.any_case { part.eq_ignore_ascii_case(&self.bytes) } else { part == self.bytes }
        };
        let begins = |byte: u8| byte == *first || self.any_case && byte.to_ascii_lowercase() == *first;
        (0..=last).any(|at| begins(bytes[at]) && same(at))
    }
}

/// A message as a row of the list.
pub(super) fn row(partition: i32, batch: &RecordBatch, record: &Record<'_>) -> Value {
    json!({
        "partition": partition,
        "offset": record.offset.get(),
        "time": record.timestamp.map(Timestamp::as_millis),
        "broker_time": batch.view().attributes().timestamp_type() == log_engine::TimestampType::LogAppendTime,
        "key": bytes(record.key, ROW_BYTES),
        "value": bytes(record.value, ROW_BYTES),
        "headers": headers(record, ROW_BYTES, ROW_HEADERS),
        "header_count": record.headers.len(),
    })
}

fn headers(record: &Record<'_>, most_bytes: usize, most: usize) -> Vec<Value> {
    let one = |header: log_engine::format::record::Header<'_>| json!({ "key": bytes(Some(header.key), most_bytes), "value": bytes(header.value, most_bytes) });
    record.headers.into_iter().take(most).map(one).collect()
}

/// Bytes as text if that is what they are, else as hexadecimal digits; `null` for null.
pub(super) fn bytes(all: Option<&[u8]>, most: usize) -> Value {
    let Some(all) = all else { return Value::Null };
    let part = &all[..all.len().min(most)];
    let cut = part.len() < all.len();
    let text = match std::str::from_utf8(part) {
        Ok(text) => Some(text),
        // The cut may have gone through a letter.
        Err(e) if cut && e.error_len().is_none() => std::str::from_utf8(&part[..e.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let is_text = |text: &&str| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    match text.filter(is_text) {
        Some(text) => json!({ "text": text, "size": all.len(), "cut": cut }),
        None => {
            let part = &part[..part.len().min(most / 2 + 1)];
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex, "size": all.len(), "cut": part.len() < all.len() })
        }
    }
}

/// The batch that holds a committed message.
fn find(topic: &Topic, params: &Params) -> Result<(i32, Arc<Log>, Offset, RecordBatch), Problem> {
    let number: i32 = params.number("partition")?.unwrap_or(0);
    let raw: i64 = params.number("offset")?.unwrap_or(-1);
    let log = partition(topic, number)?;
    let (start, end) = (log.start_offset(), log.last_stable_offset());
    let offset = Offset::new(raw).filter(|offset| *offset >= start && *offset < end);
    let Some(offset) = offset else {
        let has =
            if start < end { format!("it has {start} to {}", end.get() - 1) } else { "it is empty".into() };
        let name = &topic.name;
        let text = format!("There is no message {raw} in partition {number} of {name} now: {has}.");
        return Err(Problem::gone(text));
    };
    let next = offset.next().unwrap_or(end);
    let found = log.records(offset).committed().up_to(next).next().transpose();
    let found = found
        .map_err(|e| Problem::new(503, format!("Offset {raw} cannot be read: {}.", Chain(&e))))?
        .filter(|batch| batch.base_offset() <= offset);
    let none = || {
        let text =
            format!("Offset {raw} holds no message: compaction took it, or it belongs to a transaction.");
        Problem::gone(text)
    };
    Ok((number, Arc::clone(log), offset, found.ok_or_else(none)?))
}

/// Opens a batch and shows one record of it to `look`.
fn with_record<T>(
    batch: &RecordBatch,
    offset: Offset,
    look: impl FnOnce(&Record<'_>) -> T,
) -> Result<T, Problem> {
    let unreadable = |reason| Problem::new(503, format!("Offset {offset} cannot be opened: {reason}."));
    let records = batch.records().map_err(unreadable)?;
    let record = records.get(offset).map_err(unreadable)?;
    record
        .map(|record| look(&record))
        .ok_or_else(|| Problem::gone(format!("Offset {offset} holds no message: compaction took it.")))
}

/// One message, the batch that it came in, and who has read it.
pub(in super::super) fn message(desk: &Desk, params: &Params) -> Answer {
    let topic = desk.topic(params, "topic")?;
    let (number, log, offset, batch) = find(&topic, params)?;
    let mut shown = with_record(&batch, offset, |record| {
        json!({
            "topic": topic.name.as_str(), "partition": number, "offset": offset.get(),
            "time": record.timestamp.map(Timestamp::as_millis),
            "key": bytes(record.key, WHOLE_BYTES), "value": bytes(record.value, WHOLE_BYTES),
            "headers": headers(record, WHOLE_BYTES, usize::MAX),
        })
    })?;
    let view = batch.view();
    let attributes = view.attributes();
    let more = json!({
        "broker_time": attributes.timestamp_type() == log_engine::TimestampType::LogAppendTime,
        "on_disk": log.synced_end() > offset,
        "start": log.start_offset().get(), "end": log.last_stable_offset().get(),
        "batch": {
            "first": batch.base_offset().get(), "last": batch.next_offset().get() - 1,
            "bytes": batch.bytes().len(),
            "codec": attributes.codec().map_or("unknown", log_engine::Codec::name),
            "transactional": attributes.is_transactional(),
            "producer": view.producer().map(|stamp| stamp.id.get()),
            "epoch": view.leader_epoch().map(log_engine::types::LeaderEpoch::get),
        },
        "readers": readers(desk, &topic, number, offset),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    Ok(shown)
}

/// Which groups have committed a position in the partition, and whether it is behind this message.
fn readers(desk: &Desk, topic: &Topic, number: i32, offset: Offset) -> Vec<Value> {
    let groups = &desk.state.groups;
    let one = |group: crate::coordinators::groups::GroupListing| {
        let look = |offsets: &crate::coordinators::offsets::Offsets| {
            offsets.get(topic.name.as_str(), number).map(|v| (v.offset, v.committed_at.as_millis()))
        };
        let (position, at) = groups.offsets(&group.group_id, look)?;
        Some(json!({
            "group": group.group_id, "state": group.state.name(), "position": position, "committed": at,
            "has_read": position > offset.get(),
        }))
    };
    groups.list().into_iter().filter_map(one).take(super::MOST_ROWS).collect()
}

/// The bytes of a message's value, or its key.
pub(in super::super) fn raw(desk: &Desk, params: &Params) -> Result<(String, Vec<u8>), Problem> {
    let topic = desk.topic(params, "topic")?;
    let (number, _, offset, batch) = find(&topic, params)?;
    let of = if params.text("of") == Some("key") { "key" } else { "value" };
    let found = with_record(&batch, offset, |record| {
        let bytes = if of == "key" { record.key } else { record.value };
        bytes.map(<[u8]>::to_vec)
    })?;
    let name = format!("{}-{number}-{offset}.{of}", topic.name);
    found
        .map(|bytes| (name, bytes))
        .ok_or_else(|| Problem::gone(format!("Message {offset} has no {of}: it is null.")))
}

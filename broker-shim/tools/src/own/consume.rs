//! `corrente consume`: messages with where and when, or only what is in them.
//!
//! ```text
//! $ corrente consume orders --from-beginning --exit
//! orders-0:0  2026-11-24 12:30:53  k  {"id":1}
//! $ corrente consume orders -f -v            values only, from now on
//! $ corrente consume orders --offset 40 --json
//! ```
//!
//! It begins behind the last message and goes on until Ctrl-C, unless it is told otherwise. There is no group, and nothing
//! is committed, unless one is named.

use super::Common;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::client_options::Reset;
use crate::ops::consume::{Consumer, Rules, Wanted};
use crate::ops::when::Moment;
use crate::ops::{interrupt, random};
use kafka_client::{FetchedRecord, FetcherConfig, GroupConfig, Isolation, OffsetSpec, TopicPartition};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const WAIT: Duration = Duration::from_millis(200);
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Arguments of `corrente consume`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The topics
    #[arg(required = true)]
    topics: Vec<String>,
    /// Begin with the first message
    #[arg(short, long)]
    from_beginning: bool,
    /// One partition only
    #[arg(short, long)]
    partition: Option<i32>,
    /// Begin there; with --partition
    #[arg(short, long, requires = "partition")]
    offset: Option<i64>,
    /// End after so many messages
    #[arg(short = 'n', long)]
    max: Option<u64>,
    /// End where the topics end
    #[arg(short, long)]
    exit: bool,
    /// Read as this group and commit how far
    #[arg(short, long)]
    group: Option<String>,
    /// Leave out what belongs to no committed transaction
    #[arg(long)]
    committed: bool,
    /// Print values only
    #[arg(short, long)]
    values: bool,
}

/// Runs it.
pub(crate) fn run(args: &Args, io: &mut Io<'_>) -> Result<(), Failure> {
    let mut client = args.common.connect()?;
    let reset = if args.from_beginning { Reset::Earliest } else { Reset::Latest };
    let isolation = if args.committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let commit = args.group.as_ref().map(|_| Duration::from_secs(5));
    let rules = Rules {
        fetcher: FetcherConfig { isolation, ..FetcherConfig::default() },
        reset,
        commit,
        create: false,
    };
    let wanted = wanted(args)?;
    interrupt::watch();
    let group = args.group.clone().unwrap_or_else(|| format!("corrente-consume-{}", random::below(100_000)));
    let mut consumer = Consumer::start(&mut client, wanted, rules, GroupConfig::new(group, Vec::new()))?;
    let ends = if args.exit { ends(&mut client, &consumer)? } else { BTreeMap::new() };
    let mut count = 0;
    let code = loop {
        let enough = args.max.is_some_and(|max| count >= max);
        if enough || (args.exit && is_over(&consumer, &ends)) {
            break None;
        }
        if let Some(code) = interrupt::asked() {
            break Some(code);
        }
        let fetched = consumer.poll(&mut client, WAIT)?;
        let records =
            fetched.records.iter().flat_map(|(at, list)| list.iter().map(move |record| (at, record)));
        for (at, record) in records {
            if args.max.is_some_and(|max| count >= max) {
                break;
            }
            count += 1;
            let line = line(at, record, args, io.colours());
            io.out.write_all(&line)?;
            consumer.shown(at, record.offset);
        }
        io.out.flush()?;
    };
    consumer.finish(&mut client)?;
    code.map_or(Ok(()), |code| Err(Failure::Silent(code)))
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let Some(partition) = args.partition else { return Ok(Wanted::Topics(args.topics.clone())) };
    let [topic] = &args.topics[..] else {
        return Err(Failure::usage("--partition is for one topic; name one"));
    };
    let at = TopicPartition::new(topic.clone(), partition);
    Ok(match args.offset {
        Some(offset) => Wanted::At(at, offset),
        None if args.from_beginning => Wanted::Partition(at, OffsetSpec::Earliest),
        None => Wanted::Partition(at, OffsetSpec::Latest),
    })
}

/// Where the partitions end now.
fn ends(
    client: &mut kafka_client::Client,
    consumer: &Consumer,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let partitions: Vec<TopicPartition> = consumer.positions().keys().cloned().collect();
    Ok(crate::ops::groups::ends(client, &partitions, OffsetSpec::Latest)?)
}

fn is_over(consumer: &Consumer, ends: &BTreeMap<TopicPartition, i64>) -> bool {
    consumer.positions().iter().all(|(at, position)| ends.get(at).is_none_or(|end| position >= end))
}

fn line(at: &TopicPartition, record: &FetchedRecord, args: &Args, colours: bool) -> Vec<u8> {
    if args.common.json {
        return format!("{}\n", as_json(at, record)).into_bytes();
    }
    let value = record.value.as_deref();
    if args.values {
        let mut line = value.unwrap_or(b"null").to_vec();
        line.push(b'\n');
        return line;
    }
    let (dim, bold, plain) = if colours { (DIM, BOLD, PLAIN) } else { ("", "", "") };
    let time = record.timestamp.map_or_else(|| "-".to_owned(), |ms| Moment::of(ms).to_string());
    let key =
        record.key.as_deref().map_or_else(|| "-".to_owned(), |key| String::from_utf8_lossy(key).into_owned());
    let mut line = format!("{dim}{at}:{}  {time}{plain}  {bold}{key}{plain}  ", record.offset).into_bytes();
    line.extend_from_slice(value.unwrap_or(b"null"));
    line.push(b'\n');
    line
}

/// Bytes that are no text are an object with their hexadecimal digits.
fn as_json(at: &TopicPartition, record: &FetchedRecord) -> Value {
    let bytes = |part: Option<&[u8]>| match part {
        None => Value::Null,
        Some(part) => match std::str::from_utf8(part) {
            Ok(text) => text.into(),
            Err(_) => json!({"hex": part.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
        },
    };
    let headers = record.headers.iter();
    let headers: Vec<Value> = headers
        .map(|(name, value)| json!({"name": String::from_utf8_lossy(name), "value": bytes(value.as_deref())}))
        .collect();
    json!({
        "topic": at.topic,
        "partition": at.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": bytes(record.key.as_deref()),
        "value": bytes(record.value.as_deref()),
        "headers": headers,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, own_with};

    #[test]
    fn messages_are_shown_with_where_and_when_or_alone() {
        let rig = Rig::start();
        let at = rig.address();
        own_with(&format!("produce orders -b {at} -k : k:1 k:2"), "");
        let all = own_with(&format!("consume orders -b {at} --from-beginning --exit"), "");
        let lines: Vec<&str> = all.out.lines().collect();
        assert!(lines[0].starts_with("orders-0:0  20") && lines[0].ends_with("  k  1"), "{lines:?}");
        assert_eq!((lines.len(), all.code), (2, 0));
        let values = own_with(&format!("consume orders -b {at} -p 0 -o 1 -n 1 -v"), "");
        assert_eq!(values.out, "2\n");
        let json = own_with(&format!("consume orders -b {at} -f -n 1 --json"), "");
        let value: serde_json::Value = serde_json::from_str(json.out.trim()).unwrap();
        assert_eq!((value["key"].as_str(), value["offset"].as_i64()), (Some("k"), Some(0)));
    }

    #[test]
    fn a_topic_that_is_not_there_is_said_to_be_so() {
        let rig = Rig::with(&[("auto.create.topics.enable", "false")]);
        let ran = own_with(&format!("consume nope -b {}", rig.address()), "");
        assert!(ran.err.starts_with("corrente: topic nope does not exist"), "{}", ran.err);
        assert_eq!(ran.code, 1);
    }
}

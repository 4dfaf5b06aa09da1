//! `corrente bench`: how fast a broker takes and gives messages.
//!
//! ```text
//! $ corrente bench produce load -n 1000000 -s 100
//! MESSAGES   SECONDS  MESSAGES/S   MIB/S  MEAN MS  P50 MS  P95 MS  P99 MS  MAX MS
//!  1000000      1.27      787401    75.1      3.2       3       5       9      14
//! $ corrente bench consume load -n 1000000
//! ```

use super::Common;
use super::bar::Bar;
use super::table::{Cell, Table};
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::client_options::{self, Reset};
use crate::ops::clock::now;
use crate::ops::consume::{Consumer, Rules, Wanted};
use crate::ops::perf::SendStats;
use crate::ops::random::{self, Row};
use clap::Subcommand;
use kafka_client::{FetcherConfig, GroupConfig, NewRecord, Producer, ProducerConfig};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

const MIB: f64 = 1024.0 * 1024.0;

/// Arguments of `corrente bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send messages
    Produce {
        /// The topic
        topic: String,
        /// How many
        #[arg(short = 'n', long, default_value_t = 100_000)]
        messages: u64,
        /// Bytes in each
        #[arg(short, long, default_value_t = 100)]
        size: usize,
        /// Bytes in a batch
        #[arg(long, default_value_t = 65_536)]
        batch: usize,
        /// How to compress: none, gzip, snappy, lz4, zstd
        #[arg(short = 'z', long, default_value = "none")]
        codec: String,
        /// Who has to have a message before it counts: all, 1 or 0
        #[arg(short, long, default_value = "all", allow_hyphen_values = true)]
        acks: String,
    },
    /// Read messages from the beginning
    Consume {
        /// The topic
        topic: String,
        /// How many
        #[arg(short = 'n', long, default_value_t = 100_000)]
        messages: u64,
        /// Seconds without a message after which it ends
        #[arg(long, default_value_t = 5)]
        patience: u64,
    },
}

/// Names and numbers of the result.
type Row1 = Vec<(&'static str, f64, usize)>;

/// Runs it.
pub(crate) fn run(args: &Args, io: &mut Io<'_>) -> Result<(), Failure> {
    let row = match &args.action {
        Action::Produce { topic, messages, size, batch, codec, acks } => {
            let acks = client_options::acks(acks)?;
            let config = ProducerConfig {
                codec: client_options::codec(codec)?,
                acks,
                idempotent: acks == -1,
                batch_size: (*batch).max(1),
                ..ProducerConfig::default()
            };
            produce(args, topic, *messages, *size, config, io)?
        }
        Action::Consume { topic, messages, patience } => {
            consume(args, topic, *messages, Duration::from_secs(*patience), io)?
        }
    };
    show(&row, args.common.json, io)
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
const fn float(number: u64) -> f64 {
    number as f64
}

fn produce(
    args: &Args,
    topic: &str,
    messages: u64,
    size: usize,
    config: ProducerConfig,
    io: &mut Io<'_>,
) -> Result<Row1, Failure> {
    let mut client = args.common.connect()?;
    let mut producer = Producer::new(config);
    let mut random = Row::new(0);
    let value: Vec<u8> =
        (0..size).map(|_| b'A' + u8::try_from(random.below(26)).unwrap_or_default()).collect();
    let (begin, start) = (now(), Instant::now());
    let mut stats = SendStats::new(messages, begin, i64::MAX);
    let mut bar = Bar::new(messages, io);
    let mut failed = None;
    let mut take = |producer: &mut Producer, stats: &mut SendStats| {
        for delivery in producer.take_deliveries() {
            match delivery.result {
                Ok(_) => {
                    let time = now();
                    for tag in delivery.tags {
                        let latency = u64::try_from(time - begin).unwrap_or_default().saturating_sub(tag);
                        stats.add(u32::try_from(latency).unwrap_or(u32::MAX), size, time);
                    }
                }
                Err(error) => failed = Some(error.words()),
            }
        }
    };
    for _ in 0..messages {
        let tag = u64::try_from(now() - begin).unwrap_or_default();
        producer.send(&mut client, &NewRecord { topic, value: Some(&value), tag, ..Default::default() })?;
        take(&mut producer, &mut stats);
        bar.at(stats.count(), io);
    }
    producer.flush(&mut client)?;
    take(&mut producer, &mut stats);
    bar.end(io);
    if let Some(why) = failed {
        return Err(Failure::told(format!("messages did not arrive: {why}")));
    }
    let seconds = start.elapsed().as_secs_f64().max(1e-9);
    let [p50, p95, p99, _] = stats.percentiles().map(f64::from);
    Ok(vec![
        ("messages", float(stats.count()), 0),
        ("seconds", seconds, 2),
        ("messages/s", float(stats.count()) / seconds, 0),
        ("mib/s", float(stats.bytes()) / MIB / seconds, 1),
        ("mean ms", stats.mean(), 1),
        ("p50 ms", p50, 0),
        ("p95 ms", p95, 0),
        ("p99 ms", p99, 0),
        ("max ms", f64::from(stats.max()), 0),
    ])
}

fn consume(
    args: &Args,
    topic: &str,
    messages: u64,
    patience: Duration,
    io: &mut Io<'_>,
) -> Result<Row1, Failure> {
    let mut client = args.common.connect()?;
    let rules =
        Rules { fetcher: FetcherConfig::default(), reset: Reset::Earliest, commit: None, create: false };
    let group = GroupConfig::new(format!("corrente-bench-{}", random::below(100_000)), Vec::new());
    let mut consumer = Consumer::start(&mut client, Wanted::Topics(vec![topic.to_owned()]), rules, group)?;
    let start = Instant::now();
    let (mut count, mut bytes, mut last) = (0_u64, 0_u64, Instant::now());
    let mut bar = Bar::new(messages, io);
    while count < messages && last.elapsed() < patience {
        for (at, records) in &consumer.poll(&mut client, Duration::from_millis(200))?.records {
            last = Instant::now();
            for record in records {
                count += 1;
                let len = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
                bytes += len(&record.key) + len(&record.value);
                consumer.shown(at, record.offset);
            }
        }
        bar.at(count, io);
    }
    bar.end(io);
    let seconds = last.duration_since(start).as_secs_f64().max(1e-9);
    consumer.finish(&mut client)?;
    if count < messages {
        io.err_line(&format!("corrente: {topic} had {count} messages only"));
    }
    Ok(vec![
        ("messages", float(count), 0),
        ("seconds", seconds, 2),
        ("messages/s", float(count) / seconds, 0),
        ("mib/s", float(bytes) / MIB / seconds, 1),
    ])
}

fn show(row: &Row1, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    if json {
        let all: Map<String, Value> = row
            .iter()
            .map(|(name, number, _)| (name.replace(['/', ' '], "_"), Value::from(*number)))
            .collect();
        return Ok(io.line(&Value::Object(all).to_string())?);
    }
    const HEADS: [&str; 9] =
        ["MESSAGES", "SECONDS", "MESSAGES/S", "MIB/S", "MEAN MS", "P50 MS", "P95 MS", "P99 MS", "MAX MS"];
    let mut table = Table::new(&HEADS[..row.len().min(HEADS.len())]);
    let cell = |(_, number, digits): &(&str, f64, usize)| Cell::number(format!("{number:.digits$}"));
    table.row(row.iter().map(cell).collect());
    table.print(io)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, own_with};

    #[test]
    fn both_ways_are_measured() {
        let rig = Rig::start();
        let at = rig.address();
        let sent = own_with(&format!("bench produce load -b {at} -n 500 -s 10 --json"), "").out;
        let sent: serde_json::Value = serde_json::from_str(sent.trim()).unwrap();
        assert_eq!(sent["messages"], 500.0);
        let read = own_with(&format!("bench consume load -b {at} -n 500"), "").out;
        assert!(read.starts_with("MESSAGES  SECONDS  MESSAGES/S  MIB/S\n     500  "), "{read}");
        let few = own_with(&format!("bench consume load -b {at} -n 501 --patience 1"), "");
        assert_eq!((few.err.as_str(), few.code), ("corrente: load had 500 messages only\n", 0));
    }
}

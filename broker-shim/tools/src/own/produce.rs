//! `corrente produce`: lines as messages, and where they went.
//!
//! ```text
//! $ corrente produce orders < lines
//! 3 messages to orders, the last one at orders-0:41
//! $ corrente produce orders --key-separator : --header source=test --json
//! {"offset":42,"partition":0,"topic":"orders"}
//! ```

use super::Common;
use crate::failure::Failure;
use crate::io::Io;
use crate::kafka::console_producer::send;
use crate::ops::client_options;
use crate::ops::lines::Message;
use crate::ops::stdin::Lines;
use kafka_client::{Client, Producer, ProducerConfig, TopicPartition};
use serde_json::json;

/// Arguments of `corrente produce`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The topic
    topic: String,
    /// What is between key and value in a line; without it lines have no keys
    #[arg(short, long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// A header for each message; may be repeated
    #[arg(short = 'H', long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// How to compress: none, gzip, snappy, lz4, zstd
    #[arg(short = 'z', long, default_value = "none")]
    codec: String,
    /// Who has to have a message before it counts: all, 1 or 0
    #[arg(short, long, default_value = "all", allow_hyphen_values = true)]
    acks: String,
    /// The lines, instead of standard input; each is one message
    lines: Vec<String>,
}

/// Where messages went.
#[derive(Default)]
struct Sent {
    count: u64,
    last: Option<(TopicPartition, i64)>,
    failed: Option<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args, io: &mut Io<'_>) -> Result<(), Failure> {
    let acks = client_options::acks(&args.acks)?;
    let config = ProducerConfig {
        codec: client_options::codec(&args.codec)?,
        acks,
        idempotent: acks == -1,
        ..ProducerConfig::default()
    };
    let headers = args.header.iter().map(|text| header(text)).collect::<Result<Vec<_>, _>>()?;
    let mut client = args.common.connect()?;
    let mut producer = Producer::new(config);
    let mut sent = Sent::default();
    let mut lines = Lines::default();
    let mut given = args.lines.iter();
    loop {
        let line = if args.lines.is_empty() {
            if lines.would_wait() {
                producer.flush(&mut client)?;
                take(&mut producer, &mut sent, args.common.json, io)?;
                io.out.flush()?;
            }
            lines.next(io.input)?
        } else {
            given.next().cloned()
        };
        let Some(line) = line else { break };
        let message = message(args, &line, headers.clone());
        send(&mut client, &mut producer, &args.topic, &message, sent.count)?;
        take(&mut producer, &mut sent, args.common.json, io)?;
    }
    end(&mut client, &mut producer, &mut sent, args, io)
}

fn end(
    client: &mut Client,
    producer: &mut Producer,
    sent: &mut Sent,
    args: &Args,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    producer.flush(client)?;
    take(producer, sent, args.common.json, io)?;
    if let Some(why) = sent.failed.take() {
        return Err(Failure::told(why));
    }
    if !args.common.json {
        let at = sent.last.as_ref().map(|(at, offset)| format!(", the last one at {at}:{offset}"));
        let word = if sent.count == 1 { "message" } else { "messages" };
        io.line(&format!("{} {word} to {}{}", sent.count, args.topic, at.unwrap_or_default()))?;
    }
    Ok(())
}

fn header(text: &str) -> Result<(String, Option<Vec<u8>>), Failure> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| Failure::usage(format!("--header {text}: give NAME=VALUE")))?;
    Ok((name.to_owned(), Some(value.as_bytes().to_vec())))
}

fn message(args: &Args, line: &str, headers: Vec<(String, Option<Vec<u8>>)>) -> Message {
    let split = args.key_separator.as_deref().and_then(|separator| line.split_once(separator));
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    match split {
        Some((key, value)) => Message { key: bytes(key), value: bytes(value), headers },
        None => Message { key: None, value: bytes(line), headers },
    }
}

/// Counts what has arrived, and prints it for programs.
fn take(producer: &mut Producer, sent: &mut Sent, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    for delivery in producer.take_deliveries() {
        let count = delivery.tags.len() as u64;
        let first = match delivery.result {
            Ok(first) => first,
            Err(error) => {
                sent.failed = Some(format!("{count} messages did not arrive: {}", error.words()));
                continue;
            }
        };
        sent.count += count;
        let offsets = (0..).take(delivery.tags.len()).map(|n: i64| first.map(|first| first + n));
        for offset in offsets {
            if json {
                let at = &delivery.at;
                io.line(
                    &json!({"topic": at.topic, "partition": at.partition, "offset": offset}).to_string(),
                )?;
            }
            sent.last = offset.map(|offset| (delivery.at.clone(), offset));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, own_with};

    #[test]
    fn lines_are_sent_and_counted() {
        let rig = Rig::start();
        let line = format!("produce orders -b {} -k : -H a=b", rig.address());
        let ran = own_with(&line, "k:1\nk:2\n");
        assert_eq!(
            (ran.out.as_str(), ran.err.as_str()),
            ("2 messages to orders, the last one at orders-0:1\n", "")
        );
        let ran = own_with(&format!("produce orders -b {} one two --json", rig.address()), "");
        let expected = "{\"offset\":2,\"partition\":0,\"topic\":\"orders\"}\n{\"offset\":3,\"partition\":0,\"topic\":\"orders\"}\n";
        assert_eq!(ran.out, expected);
    }

    #[test]
    fn what_makes_no_sense_is_one_sentence() {
        let ran = own_with("produce orders -b 127.0.0.1:1 -z brotli", "");
        assert!(ran.err.starts_with("corrente: Unknown compression name: brotli"), "{}", ran.err);
        assert_eq!(ran.code, 1);
    }
}

//! `kafka-console-producer`: lines that are typed or piped in, as messages.
//!
//! ```text
//! $ kafka-console-producer.sh --bootstrap-server localhost:9092 --topic t
//! >hello
//! >world
//! ```
//!
//! The prompt is printed only where somebody types. Every line is on its way before the next one is waited for, so
//! that nothing is lost by an interrupt at the prompt; what is piped in goes in batches, several under way.
//!
//! # Not here
//!
//! How a line is taken apart (`ops::lines`).

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::client_options::{self, given};
use crate::ops::lines::{LineReader, Message};
use crate::ops::session::Bootstrap;
use crate::ops::stdin::Lines;
use crate::options::{Arg, Opt, Options, Spec};
use kafka_client::{Client, NewRecord, Producer, ProducerConfig};
use std::time::Duration;

pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-console-producer",
        about: "This tool helps to read data from standard input and publish it to Kafka.",
        options: &[
            Opt::value(
                &["bootstrap-server", "broker-list"],
                "host:port",
                "REQUIRED: The brokers to connect to.",
            ),
            Opt::value(&["topic"], "topic", "REQUIRED: The topic to produce messages to."),
            Opt::flag(&["sync"], "Wait for each message before the next one is sent."),
            Opt {
                names: &["compression-codec"],
                arg: Arg::Optional("codec"),
                help: "none, gzip, snappy, lz4 or zstd; gzip if nothing is said.",
            },
            Opt::value(&["batch-size"], "bytes", "The size at which a batch leaves."),
            Opt::value(
                &["max-partition-memory-bytes"],
                "bytes",
                "The size at which a batch leaves; goes before batch-size.",
            ),
            Opt::value(&["request-required-acks"], "acks", "all, -1, 1 or 0."),
            Opt::value(&["request-timeout-ms"], "ms", "How long the broker may take to answer."),
            Opt::value(&["message-send-max-retries"], "n", "How often a message is tried again."),
            Opt::value(
                &["timeout"],
                "ms",
                "How long a message may wait for company; here it never waits long.",
            ),
            Opt::value(&["retry-backoff-ms"], "ms", "Taken, without effect."),
            Opt::value(&["metadata-expiry-ms"], "ms", "Taken, without effect."),
            Opt::value(
                &["max-block-ms"],
                "ms",
                "How long to wait for a broker that cannot serve the topic yet.",
            ),
            Opt::value(&["max-memory-bytes"], "bytes", "Taken, without effect."),
            Opt::value(&["socket-buffer-size"], "bytes", "Taken, without effect."),
            Opt::value(&["line-reader"], "class", "The reader of lines; Kafka's own is the only one."),
            Opt::value(
                &["reader-property"],
                "key=value",
                "How lines are read: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, \
                 headers.key.separator, null.marker, ignore.error.",
            ),
            Opt::value(&["property"], "key=value", "The old name of --reader-property."),
            Opt::value(&["reader-config"], "file", "A file of such properties."),
            Opt::value(&["command-property"], "key=value", "A property of the producer."),
            Opt::value(&["producer-property"], "key=value", "The old name of --command-property."),
            Opt::value(&["command-config"], "file", "A file of properties of the producer."),
            Opt::value(&["producer.config"], "file", "The old name of --command-config."),
        ],
    },
    before_errors: None,
    run,
};

/// What was asked for.
struct Wanted {
    topic: String,
    sync: bool,
    reader: LineReader,
    config: ProducerConfig,
}

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::Plain(TOOL.spec.help()));
    }
    options.require(&["bootstrap-server", "topic"])?;
    let (bootstrap, mut wanted) = read_options(options)?;
    let mut client = bootstrap.connect()?;
    let prompt = io.input_is_terminal && io.out_is_terminal;
    let mut producer = Producer::new(wanted.config.clone());
    let result = produce(&mut client, &mut producer, &mut wanted, prompt, io);
    // What was read before a bad line is sent all the same.
    let flushed = producer.flush(&mut client).map_err(Failure::from);
    let delivered = deliveries(&mut producer, io);
    result.and(flushed).and(delivered)
}

fn produce(
    client: &mut Client,
    producer: &mut Producer,
    wanted: &mut Wanted,
    prompt: bool,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let mut lines = Lines::default();
    let mut number = 0;
    loop {
        if prompt {
            io.out.write_all(b">")?;
            io.out.flush()?;
        }
        if lines.would_wait() {
            producer.flush(client)?;
            deliveries(producer, io)?;
        }
        let Some(line) = lines.next(io.input)? else { break };
        let message = wanted.reader.message(&line).map_err(Failure::Plain)?;
        number += 1;
        send(client, producer, &wanted.topic, &message, number)?;
        if wanted.sync {
            producer.flush(client)?;
        }
        deliveries(producer, io)?;
    }
    Ok(())
}

/// Sends one message as it was read.
pub(crate) fn send(
    client: &mut Client,
    producer: &mut Producer,
    topic: &str,
    message: &Message,
    tag: u64,
) -> Result<(), Failure> {
    let headers: Vec<(&str, Option<&[u8]>)> =
        message.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let record = NewRecord {
        topic,
        key: message.key.as_deref(),
        value: message.value.as_deref(),
        headers: &headers,
        tag,
        ..Default::default()
    };
    Ok(producer.send(client, &record)?)
}

/// Tells of messages that did not arrive; they make the exit code 1, and the rest goes on.
fn deliveries(producer: &mut Producer, io: &mut Io<'_>) -> Result<(), Failure> {
    let mut failed = None;
    for delivery in producer.take_deliveries() {
        if let Err(error) = delivery.result {
            let (first, count) = (delivery.tags.first().copied().unwrap_or_default(), delivery.tags.len());
            let which = if count == 1 {
                format!("line {first}")
            } else {
                format!("{count} lines from line {first} on")
            };
            failed = Some(format!("{which} did not arrive: {}", error.words()));
        }
    }
    match failed {
        None => Ok(()),
        Some(text) => {
            io.err_line(&text);
            Err(Failure::Silent(1))
        }
    }
}

fn read_options(options: &Options) -> Result<(Bootstrap, Wanted), Failure> {
    let properties = given(options, &["reader-property", "property"], &["reader-config"])?;
    if let Some(class) = options.value("line-reader")?.filter(|class| !class.ends_with("LineMessageReader")) {
        return Err(Failure::Plain(format!(
            "--line-reader {class}: this class is not known here, only Kafka's LineMessageReader"
        )));
    }
    let reader = LineReader::new(&properties).map_err(Failure::Plain)?;
    let given =
        given(options, &["command-property", "producer-property"], &["command-config", "producer.config"])?;
    let list = options.value("bootstrap-server")?.unwrap_or_default();
    let mut bootstrap = Bootstrap::with_properties(list, given)?;
    if !bootstrap.properties.contains_key("client.id") {
        "console-producer".clone_into(&mut bootstrap.config.client_id);
    }
    if let Some(ms) = options.parsed("max-block-ms")? {
        bootstrap.config.patience = Duration::from_millis(ms);
    }
    let mut config = client_options::producer(&bootstrap.properties)?;
    command_line(options, &mut config)?;
    let topic = options.value("topic")?.unwrap_or_default().to_owned();
    Ok((bootstrap, Wanted { topic, sync: options.has("sync"), reader, config }))
}

/// What the tool's own options say, where the properties say nothing.
fn command_line(options: &Options, config: &mut ProducerConfig) -> Result<(), Failure> {
    if options.has("compression-codec") {
        let name = options.value("compression-codec")?.filter(|name| !name.is_empty()).unwrap_or("gzip");
        config.codec = client_options::codec(name)?;
    }
    for name in ["batch-size", "max-partition-memory-bytes"] {
        if let Some(size) = options.parsed(name)? {
            config.batch_size = size;
        }
    }
    if let Some(acks) = options.value("request-required-acks")? {
        config.acks = client_options::acks(acks)?;
    }
    if let Some(ms) = options.parsed("request-timeout-ms")? {
        config.request_timeout = Duration::from_millis(ms);
    }
    if let Some(retries) = options.parsed("message-send-max-retries")? {
        config.retries = retries;
    }
    config.idempotent = config.acks == -1 && config.retries > 0;
    // An empty batch would never be full.
    config.batch_size = config.batch_size.max(1);
    Ok(())
}

#[cfg(test)]
mod tests;

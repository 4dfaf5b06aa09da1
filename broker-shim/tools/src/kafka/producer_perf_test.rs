//! `kafka-producer-perf-test`: sends records as fast as it is let, and says how fast that was.
//!
//! ```text
//! 1000 records sent, 2604.166667 records/sec (0.25 MB/sec), 63.15 ms avg latency, 276.00 ms max latency, 67 ms 50th, ...
//! ```
//!
//! A record's latency is from the call that takes it to the answer for its batch, as the client sees it.
//!
//! # Not here
//!
//! The lines (`ops::perf`).

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::client_options;
use crate::ops::clock::now;
use crate::ops::perf::SendStats;
use crate::ops::random::Row;
use crate::ops::session::Bootstrap;
use crate::ops::words;
use crate::options::{Arg, Opt, Options, Spec};
use kafka_client::properties::{self, Properties};
use kafka_client::{Client, NewRecord, Producer};
use std::path::Path;
use std::time::Duration;

pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-producer-perf-test",
        about: "This tool is used to verify the producer performance.",
        options: &[
            Opt::value(&["bootstrap-server"], "host:port", "The brokers to connect to."),
            Opt::value(&["topic"], "topic", "REQUIRED: Produce records to this topic."),
            Opt::value(&["num-records"], "n", "REQUIRED: Number of records to produce."),
            Opt::value(
                &["throughput"],
                "n",
                "REQUIRED: About so many records a second at most; -1: no limit.",
            ),
            Opt::value(&["record-size"], "bytes", "The size of each record."),
            Opt::value(&["payload-file"], "file", "Instead: records are chosen from this file."),
            Opt::value(&["payload-delimiter"], "text", "What is between records in the file; a line break."),
            Opt::flag(&["payload-monotonic"], "Instead: records are numbers that rise."),
            Opt {
                names: &["producer-props"],
                arg: Arg::Optional("key=value..."),
                help: "Properties of the producer.",
            },
            Opt {
                names: &["command-property"],
                arg: Arg::Optional("key=value..."),
                help: "Properties of the producer; the newer name of producer-props.",
            },
            Opt::value(&["producer.config"], "file", "A file of such properties."),
            Opt::value(&["command-config"], "file", "A file of such properties; the newer name."),
            Opt::value(&["warmup-records"], "n", "The first records have their own line."),
            Opt::value(&["reporting-interval"], "ms", "How often to tell of progress."),
            Opt::flag(&["print-metrics"], "Taken, without effect: there are no metrics."),
            Opt::value(
                &["transactional-id", "transaction-id"],
                "id",
                "Not here: there are no transactions yet.",
            ),
            Opt::value(&["transaction-duration-ms"], "ms", "Not here: there are no transactions yet."),
        ],
    },
    before_errors: None,
    run,
};

/// What is sent.
enum Payload {
    Random(usize),
    Chosen(Vec<Vec<u8>>),
    Rising,
}

struct Wanted {
    topic: String,
    records: u64,
    warmup: u64,
    payload: Payload,
    /// Records a second.
    throughput: Option<f64>,
    interval: i64,
}

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Ok(io.out.write_all(TOOL.spec.help().as_bytes())?);
    }
    let wanted = read_options(options, io)?;
    let (bootstrap, config) = producer_options(options)?;
    let mut client = bootstrap.connect()?;
    let mut producer = Producer::new(config);
    drive(&mut client, &mut producer, &wanted, io)
}

/// Both counts, and what did not arrive.
struct Counts {
    all: SendStats,
    steady: Option<SendStats>,
    failed: Option<String>,
}

fn drive(
    client: &mut Client,
    producer: &mut Producer,
    wanted: &Wanted,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    if wanted.warmup > 0 {
        io.line(&format!(
            "Warmup first {} records. Steady state results will print after the complete test summary.",
            wanted.warmup
        ))?;
    }
    let begin = now();
    let mut counts =
        Counts { all: SendStats::new(wanted.records, begin, wanted.interval), steady: None, failed: None };
    let mut random = Row::new(0);
    let mut buffer = Vec::new();
    for number in 0..wanted.records {
        let size = payload(&wanted.payload, number, &mut random, &mut buffer);
        let sent = now();
        if wanted.warmup > 0 && number == wanted.warmup {
            counts.steady = Some(SendStats::steady(wanted.records - wanted.warmup, sent, wanted.interval));
            counts.all.be_silent();
        }
        // The tag has the time, and the size where sizes differ.
        let tag = u64::try_from(sent - begin).unwrap_or_default() << 24 | (size as u64).min((1 << 24) - 1);
        let record =
            NewRecord { topic: &wanted.topic, value: Some(&buffer[..size]), tag, ..Default::default() };
        producer.send(client, &record)?;
        take(producer, begin, &mut counts, io)?;
        throttle(wanted.throughput, number + 1, begin, client, producer)?;
    }
    producer.flush(client)?;
    take(producer, begin, &mut counts, io)?;
    io.line(&counts.all.total_line(now()))?;
    if let Some(steady) = &counts.steady {
        io.line(&steady.total_line(now()))?;
    }
    match counts.failed {
        None => Ok(()),
        Some(why) => Err(Failure::Plain(why)),
    }
}

/// Fills the buffer with the next record; its size.
fn payload(payload: &Payload, number: u64, random: &mut Row, buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    match payload {
        Payload::Random(size) => {
            buffer.extend((0..*size).map(|_| b'A' + u8::try_from(random.below(26)).unwrap_or_default()));
        }
        Payload::Chosen(all) => {
            let chosen = usize::try_from(random.below(all.len() as u64)).unwrap_or_default();
            buffer.extend_from_slice(all.get(chosen).map_or(&[], Vec::as_slice));
        }
        Payload::Rising => buffer.extend_from_slice(number.to_string().as_bytes()),
    }
    buffer.len()
}

/// Counts what has arrived.
fn take(producer: &mut Producer, begin: i64, counts: &mut Counts, io: &mut Io<'_>) -> Result<(), Failure> {
    for delivery in producer.take_deliveries() {
        if let Err(error) = &delivery.result {
            counts.failed = Some(format!(
                "{} records to {} did not arrive: {}",
                delivery.tags.len(),
                delivery.at,
                error.words()
            ));
            continue;
        }
        let time = now();
        for tag in delivery.tags {
            let sent = begin + i64::try_from(tag >> 24).unwrap_or_default();
            let latency = u32::try_from(time - sent).unwrap_or_default();
            let size = usize::try_from(tag & ((1 << 24) - 1)).unwrap_or_default();
            for line in counts.all.add(latency, size, time) {
                io.line(&line)?;
            }
            for line in
                counts.steady.as_mut().map(|steady| steady.add(latency, size, time)).unwrap_or_default()
            {
                io.line(&line)?;
            }
        }
        io.out.flush()?;
    }
    Ok(())
}

/// Waits until so many records may have been sent.
fn throttle(
    throughput: Option<f64>,
    sent: u64,
    begin: i64,
    client: &mut Client,
    producer: &mut Producer,
) -> Result<(), Failure> {
    let Some(throughput) = throughput else { return Ok(()) };
    #[expect(clippy::cast_precision_loss, reason = "a rate is no exact thing")]
    let due = Duration::from_secs_f64((sent as f64 / throughput).clamp(0.0, 1e9));
    let passed = Duration::from_millis(u64::try_from(now() - begin).unwrap_or_default());
    if due > passed {
        // Nothing is under way while it sleeps, so that latencies are not those of the pause.
        producer.flush(client)?;
        std::thread::sleep(due.saturating_sub(passed));
    }
    Ok(())
}

fn read_options(options: &Options, io: &mut Io<'_>) -> Result<Wanted, Failure> {
    let need = |name: &str| Failure::usage(format!("argument --{name} is required"));
    let topic = options.value("topic")?.ok_or_else(|| need("topic"))?.to_owned();
    let records: u64 =
        options.parsed::<i64>("num-records")?.ok_or_else(|| need("num-records"))?.try_into().unwrap_or(0);
    let throughput: f64 = options.parsed("throughput")?.ok_or_else(|| need("throughput"))?;
    let warmup =
        options.parsed::<i64>("warmup-records")?.map_or(0, |count| u64::try_from(count).unwrap_or(0));
    if records == 0 {
        return Err(Failure::usage("--num-records should be greater than zero"));
    }
    if warmup >= records {
        return Err(Failure::usage(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
        ));
    }
    for name in ["transactional-id", "transaction-duration-ms"] {
        if options.has(name) {
            return Err(Failure::Plain(format!(
                "--{name}: this broker has no transactions yet; leave it out"
            )));
        }
    }
    Ok(Wanted {
        topic,
        records,
        warmup,
        payload: payload_options(options, io)?,
        throughput: Some(throughput).filter(|limit| *limit > 0.0),
        interval: options.parsed("reporting-interval")?.unwrap_or(5000),
    })
}

fn payload_options(options: &Options, io: &mut Io<'_>) -> Result<Payload, Failure> {
    let given =
        ["record-size", "payload-file", "payload-monotonic"].into_iter().filter(|name| options.has(name));
    if given.count() != 1 {
        return Err(Failure::usage(
            "one of the arguments --record-size --payload-file --payload-monotonic is required",
        ));
    }
    if let Some(size) = options.parsed::<i64>("record-size")? {
        let size = usize::try_from(size).unwrap_or_default();
        return match size {
            0 => Err(Failure::usage("--record-size should be greater than zero")),
            size => Ok(Payload::Random(size)),
        };
    }
    let Some(file) = options.value("payload-file")? else { return Ok(Payload::Rising) };
    let path = std::path::absolute(file).unwrap_or_else(|_| file.into());
    io.line(&format!("Reading payloads from: {}", path.display()))?;
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Plain(format!("{file} cannot be read: {error}")))?;
    let delimiter = options.value("payload-delimiter")?.filter(|text| *text != "\\n").unwrap_or("\n");
    let mut parts: Vec<Vec<u8>> = text.split(delimiter).map(|part| part.as_bytes().to_vec()).collect();
    if parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    if parts.is_empty() {
        return Err(Failure::Plain(format!("{file} is empty: there is nothing to send")));
    }
    io.line(&format!("Number of records read: {}", parts.len()))?;
    Ok(Payload::Chosen(parts))
}

fn producer_options(options: &Options) -> Result<(Bootstrap, kafka_client::ProducerConfig), Failure> {
    let mut all = Properties::new();
    for name in ["producer.config", "command-config"] {
        if let Some(file) = options.value(name)? {
            all.extend(properties::load(Path::new(file))?);
        }
    }
    // `--producer-props a=b c=d`: the words behind the first are its too.
    let pairs = options
        .values("producer-props")
        .iter()
        .chain(options.values("command-property"))
        .chain(options.rest());
    all.extend(words::pairs(pairs)?);
    let list = match options.value("bootstrap-server")? {
        Some(list) => list.to_owned(),
        None => all.get("bootstrap.servers").cloned().ok_or_else(|| {
            Failure::usage("At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config must be specified.")
        })?,
    };
    let config = client_options::producer(&all)?;
    let mut bootstrap = Bootstrap::with_properties(&list, all)?;
    if !bootstrap.properties.contains_key("client.id") {
        "perf-producer-client".clone_into(&mut bootstrap.config.client_id);
    }
    Ok((bootstrap, config))
}

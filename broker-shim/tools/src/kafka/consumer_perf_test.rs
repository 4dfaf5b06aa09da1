//! `kafka-consumer-perf-test`: reads a number of messages, and says how fast that was.
//!
//! ```text
//! start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, ...
//! 2026-11-24 12:30:53:631, 2026-11-24 12:30:53:880, 0.0029, 0.0115, 300, 1204.8193, 165, 84, 0.0341, 3571.4286
//! ```
//!
//! Times of day are UTC, where Kafka's are of the local zone: no tool of ours knows the zone.

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::client_options::{self, Reset, given};
use crate::ops::clock::now;
use crate::ops::consume::{Consumer, Rules, Wanted};
use crate::ops::perf::Read;
use crate::ops::random;
use crate::ops::session::Bootstrap;
use crate::ops::when::Moment;
use crate::options::{Arg, Opt, Options, Spec};
use kafka_client::{FetchedRecord, GroupConfig};
use regex::Regex;
use std::time::Duration;

const DATE_FORMAT: &str = "yyyy-MM-dd HH:mm:ss:SSS";
const HEAD: &str = "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
    fetch.MB.sec, fetch.nMsg.sec";

pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-consumer-perf-test",
        about: "This tool is used to verify the consumer performance.",
        options: &[
            Opt::value(
                &["bootstrap-server", "broker-list"],
                "host:port",
                "REQUIRED: The brokers to connect to.",
            ),
            Opt::value(&["topic"], "topic", "The topic to consume from."),
            Opt::value(&["include"], "regex", "The topics to consume from, by their whole names."),
            Opt::value(&["num-records", "messages"], "n", "REQUIRED: The number of messages to consume."),
            Opt::value(&["group"], "group", "The consumer group."),
            Opt::value(&["fetch-size"], "bytes", "How much to ask of a partition at once."),
            Opt::flag(&["from-latest"], "Begin behind the last message instead of with the first."),
            Opt {
                names: &["timeout"],
                arg: Arg::Optional("ms"),
                help: "End if nothing comes for so long; 10000.",
            },
            Opt::value(&["reporting-interval"], "ms", "How often to report with --show-detailed-stats."),
            Opt::flag(&["show-detailed-stats"], "Report in between instead of at the end."),
            Opt::flag(&["hide-header"], "Leave the names of the columns out."),
            Opt::value(&["date-format"], "pattern", "How times are shown, by yyyy MM dd HH mm ss SSS."),
            Opt::value(
                &["command-config", "consumer.config"],
                "file",
                "A file of properties of the consumer.",
            ),
            Opt::value(&["command-property"], "key=value", "A property of the consumer."),
            Opt::value(&["socket-buffer-size"], "bytes", "Taken, without effect."),
            Opt::value(&["threads"], "n", "Taken, without effect: one is enough."),
            Opt::value(&["num-fetch-threads"], "n", "Taken, without effect: one is enough."),
            Opt::flag(&["print-metrics"], "Taken, without effect: there are no metrics."),
        ],
    },
    before_errors: None,
    run,
};

struct Asked {
    wanted: Wanted,
    rules: Rules,
    group: GroupConfig,
    messages: u64,
    timeout: Duration,
    interval: i64,
    detailed: bool,
    header: bool,
    format: String,
}

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::Plain(TOOL.spec.help()));
    }
    let (bootstrap, asked) = read_options(options)?;
    if asked.header {
        let times = if asked.detailed { "time, threadId" } else { "start.time, end.time" };
        io.line(&format!("{times}, {HEAD}"))?;
    }
    let mut client = bootstrap.connect()?;
    let begin = now();
    let mut consumer = Consumer::start(&mut client, asked.wanted, asked.rules, asked.group)?;
    let (mut read, mut reported, mut last) = (Read::default(), (begin, Read::default(), 0), now());
    while read.messages < asked.messages && now() - last <= millis(asked.timeout) {
        let fetched = consumer.poll(&mut client, Duration::from_millis(100))?;
        for (at, records) in &fetched.records {
            last = now();
            for record in records {
                read.messages += 1;
                read.bytes += size(record);
                consumer.shown(at, record.offset);
            }
        }
        if asked.detailed && read.messages > 0 && last - reported.0 >= asked.interval {
            let joining = millis(consumer.joining()) - reported.2;
            let elapsed = last - reported.0;
            io.line(&format!(
                "{}, 0, {}, {}",
                Moment::of(last).format(&asked.format),
                read.columns(reported.1, elapsed),
                read.fetch_columns(reported.1, joining, elapsed - joining, true)
            ))?;
            io.out.flush()?;
            reported = (last, read, millis(consumer.joining()));
        }
    }
    if read.messages < asked.messages {
        io.line(&format!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use the \
             --timeout option to increase the timeout.",
            asked.timeout.as_millis()
        ))?;
    }
    let (end, joining) = (now(), millis(consumer.joining()));
    if !asked.detailed {
        let elapsed = end - begin;
        io.line(&format!(
            "{}, {}, {}, {}",
            Moment::of(begin).format(&asked.format),
            Moment::of(end).format(&asked.format),
            read.columns(Read::default(), elapsed),
            read.fetch_columns(Read::default(), joining, elapsed - joining, false)
        ))?;
    }
    consumer.finish(&mut client)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn size(record: &FetchedRecord) -> u64 {
    let len = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
    len(&record.key) + len(&record.value)
}

fn read_options(options: &Options) -> Result<(Bootstrap, Asked), Failure> {
    options.require(&["num-records"])?;
    if options.has("topic") == options.has("include") {
        return Err(Failure::usage("Exactly one of the following arguments is required: [topic], [include]"));
    }
    options.require(&["bootstrap-server"])?;
    let mut properties = given(options, &["command-property"], &["command-config"])?;
    if let Some(size) = options.value("fetch-size")? {
        properties.insert("max.partition.fetch.bytes".into(), size.to_owned());
    }
    let wanted = match options.value("include")? {
        None => Wanted::Topics(vec![options.value("topic")?.unwrap_or_default().to_owned()]),
        Some(pattern) => Wanted::Pattern(
            Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| Failure::usage(format!("--include {pattern} is no regular expression")))?,
        ),
    };
    let rules = Rules {
        fetcher: client_options::fetcher(&properties)?,
        reset: if options.has("from-latest") { Reset::Latest } else { Reset::Earliest },
        commit: client_options::auto_commit(&properties, true)?,
        create: true,
    };
    let group = match options.value("group")? {
        Some(group) => group.to_owned(),
        None => format!("perf-consumer-{}", random::below(100_000)),
    };
    let group = client_options::member(&properties, &group, Vec::new())?;
    let list = options.value("bootstrap-server")?.unwrap_or_default();
    let mut bootstrap = Bootstrap::with_properties(list, properties)?;
    if !bootstrap.properties.contains_key("client.id") {
        "perf-consumer-client".clone_into(&mut bootstrap.config.client_id);
    }
    let interval: i64 = options.parsed("reporting-interval")?.unwrap_or(5000);
    if interval <= 0 {
        return Err(Failure::usage("Reporting interval must be greater than 0."));
    }
    let asked = Asked {
        wanted,
        rules,
        group,
        messages: options.parsed::<i64>("num-records")?.map_or(0, |n| u64::try_from(n).unwrap_or_default()),
        timeout: Duration::from_millis(options.parsed("timeout")?.unwrap_or(10_000)),
        interval,
        detailed: options.has("show-detailed-stats"),
        header: !options.has("hide-header"),
        format: options.value("date-format")?.unwrap_or(DATE_FORMAT).to_owned(),
    };
    Ok((bootstrap, asked))
}

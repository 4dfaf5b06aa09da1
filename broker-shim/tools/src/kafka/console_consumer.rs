//! `kafka-console-consumer`: messages as lines, until enough, too long a silence, or an interrupt.
//!
//! ```text
//! $ kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic t --from-beginning
//! hello
//! world
//! ^CProcessed a total of 2 messages
//! ```
//!
//! Without `--group` the group is `console-consumer-` and a number, and nothing is committed. With `--partition` there is
//! no group.
//!
//! # Not here
//!
//! Membership and positions (`ops::consume`), the forms of a line (`ops::show`).

mod old;

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::client_options::{self, Reset, given};
use crate::ops::consume::{Consumer, Rules, Wanted};
use crate::ops::session::Bootstrap;
use crate::ops::show::{Formatter, Shown, TimeType};
use crate::ops::{interrupt, random};
use crate::options::{Opt, Options, Spec};
use crate::zookeeper::consumer::OldGroup;
use kafka_client::properties::Properties;
use kafka_client::{Client, Fetched, FetchedRecord, GroupConfig, OffsetSpec, TopicPartition};
use regex::Regex;
use std::time::{Duration, Instant};

/// How long a poll waits at most: Ctrl-C is noticed after it.
const WAIT: Duration = Duration::from_millis(200);
/// The pause before a broker that is away is tried again.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-console-consumer",
        about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
        options: &[
            Opt::value(&["bootstrap-server"], "host:port", "REQUIRED: The brokers to connect to."),
            Opt::value(
                &["zookeeper"],
                "host:port",
                "The old consumer: brokers and offsets are found in ZooKeeper.",
            ),
            Opt::value(&["topic"], "topic", "The topic to consume from."),
            Opt::value(
                &["include", "whitelist"],
                "regex",
                "The topics to consume from, by their whole names.",
            ),
            Opt::value(
                &["partition"],
                "n",
                "The partition to consume from, from its end unless --offset says otherwise.",
            ),
            Opt::value(&["offset"], "offset", "A number, earliest or latest; with --partition."),
            Opt::flag(
                &["from-beginning"],
                "Begin with the first message if the group has committed nothing.",
            ),
            Opt::value(&["max-messages"], "n", "End after so many messages."),
            Opt::value(&["timeout-ms"], "ms", "End if there is no message for so long."),
            Opt::value(&["group"], "group", "The consumer group."),
            Opt::value(&["isolation-level"], "level", "read_uncommitted or read_committed."),
            Opt::value(
                &["formatter"],
                "class",
                "DefaultMessageFormatter and the others of Kafka, by their class names.",
            ),
            Opt::value(
                &["formatter-property"],
                "key=value",
                "print.timestamp, print.partition, print.offset, print.epoch, print.headers, print.key, print.value, \
                 key.separator, line.separator, headers.separator, null.literal, key.deserializer, value.deserializer, \
                 headers.deserializer.",
            ),
            Opt::value(&["property"], "key=value", "The old name of --formatter-property."),
            Opt::value(&["formatter-config"], "file", "A file of such properties."),
            Opt::value(&["key-deserializer"], "class", "What keys are."),
            Opt::value(&["value-deserializer"], "class", "What values are."),
            Opt::value(&["command-property"], "key=value", "A property of the consumer."),
            Opt::value(&["consumer-property"], "key=value", "The old name of --command-property."),
            Opt::value(&["command-config"], "file", "A file of properties of the consumer."),
            Opt::value(&["consumer.config"], "file", "The old name of --command-config."),
            Opt::flag(&["skip-message-on-error"], "Go on behind a message that cannot be shown."),
        ],
    },
    before_errors: None,
    run,
};

/// What was asked for.
struct Asked {
    wanted: Wanted,
    rules: Rules,
    group: GroupConfig,
    formatter: Formatter,
    max: Option<u64>,
    timeout: Option<Duration>,
    skip: bool,
}

/// Why it ended.
enum End {
    Enough,
    Silence(Duration),
    Signal(u8),
    /// Nobody reads any more.
    Closed,
}

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::Plain(TOOL.spec.help()));
    }
    check(options)?;
    if let Some(hosts) = options.value("zookeeper")? {
        return old::run(hosts, options, io);
    }
    let list = options.value("bootstrap-server")?.unwrap_or_default();
    let (bootstrap, asked) = read_options(options, list)?;
    interrupt::watch();
    let mut client = bootstrap.connect()?;
    let consumer =
        Consumer::start(&mut client, asked.wanted.clone(), asked.rules.clone(), asked.group.clone())?;
    to_the_end(&mut client, consumer, &asked, None, io)
}

/// Shows messages until the end, and says how many there were.
fn to_the_end(
    client: &mut Client,
    consumer: Consumer,
    asked: &Asked,
    kept: Option<&OldGroup>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let mut count = 0;
    let result = consume(client, consumer, asked, &mut count, kept, io);
    let ended = io.out.flush();
    match &result {
        Ok(End::Silence(time)) => io.err_line(&format!(
            "No message came for {} ms: org.apache.kafka.common.errors.TimeoutException",
            time.as_millis()
        )),
        Ok(End::Closed) => io.err_line("Unable to write to standard out, closing consumer."),
        Err(Failure::Told(why) | Failure::Away(why) | Failure::Plain(why)) => io.err_line(why),
        _ => {}
    }
    io.err_line(&format!("Processed a total of {count} messages"));
    match result {
        Ok(End::Signal(code)) => Err(Failure::Silent(code)),
        Ok(End::Closed) => Err(Failure::Closed),
        Ok(End::Enough | End::Silence(_)) => Ok(ended?),
        Err(_) => Err(Failure::Silent(1)),
    }
}

fn consume(
    client: &mut Client,
    mut consumer: Consumer,
    asked: &Asked,
    count: &mut u64,
    kept: Option<&OldGroup>,
    io: &mut Io<'_>,
) -> Result<End, Failure> {
    let mut last = Instant::now();
    let mut committed = Instant::now();
    let mut away = false;
    let result = loop {
        if let Some(old) = kept.filter(|_| committed.elapsed() >= old::COMMIT_INTERVAL) {
            committed = Instant::now();
            if let Err(failure) = old::commit(old, &consumer) {
                break Err(failure);
            }
        }
        if asked.max.is_some_and(|max| *count >= max) {
            break Ok(End::Enough);
        }
        if let Some(code) = interrupt::asked() {
            break Ok(End::Signal(code));
        }
        let left = asked.timeout.map_or(WAIT, |timeout| timeout.saturating_sub(last.elapsed()));
        if left.is_zero() {
            break Ok(End::Silence(asked.timeout.unwrap_or_default()));
        }
        let fetched = match consumer.poll(client, left.min(WAIT)) {
            Ok(fetched) => {
                if std::mem::take(&mut away) {
                    io.err_line("The broker is back.");
                }
                fetched
            }
            Err(Failure::Away(why)) => {
                if !std::mem::replace(&mut away, true) {
                    io.err_line(&format!("{why}. Trying again until it is back; Ctrl-C ends this."));
                }
                consumer.recover(client);
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(failure) => break Err(failure),
        };
        if !fetched.records.is_empty() {
            last = Instant::now();
        }
        let mut lines = Vec::new();
        let shown = show(&fetched, &mut consumer, asked, count, &mut lines, io);
        if io.out.write_all(&lines).and_then(|()| io.out.flush()).is_err() {
            break Ok(End::Closed);
        }
        if let Err(bad) = shown {
            break Err(bad);
        }
    };
    let noted = kept.map_or(Ok(()), |old| old::commit(old, &consumer));
    let finished = noted.and(consumer.finish(client));
    let end = result?;
    // Who is told to stop at once need not hear that the goodbye was not heard.
    if !matches!(end, End::Signal(_)) {
        finished?;
    }
    Ok(end)
}

/// Appends the lines of what was fetched, up to the number that is wanted.
fn show(
    fetched: &Fetched,
    consumer: &mut Consumer,
    asked: &Asked,
    count: &mut u64,
    lines: &mut Vec<u8>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let records =
        fetched.records.iter().flat_map(|(at, records)| records.iter().map(move |record| (at, record)));
    for (at, record) in records {
        if asked.max.is_some_and(|max| *count >= max) {
            break;
        }
        *count += 1;
        if let Err(problem) = put(&asked.formatter, at, record, lines) {
            let which = format!("the message at offset {} of {at}", record.offset);
            if !asked.skip {
                return Err(Failure::told(format!("{which}: {problem}")));
            }
            io.err_line(&format!("{which} is left out: {problem}"));
        }
        consumer.shown(at, record.offset);
    }
    Ok(())
}

fn put(
    formatter: &Formatter,
    at: &TopicPartition,
    record: &FetchedRecord,
    lines: &mut Vec<u8>,
) -> Result<(), String> {
    let header = |(name, value): &(bytes::Bytes, Option<bytes::Bytes>)| {
        (String::from_utf8_lossy(name).into_owned(), value.as_deref().map(<[u8]>::to_vec))
    };
    let headers: Vec<_> = record.headers.iter().map(header).collect();
    let shown = Shown {
        partition: at.partition,
        offset: record.offset,
        timestamp: record.timestamp.unwrap_or(-1),
        time_type: if record.log_append_time { TimeType::Append } else { TimeType::Create },
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
    };
    formatter.put(&shown, lines)
}

/// What cannot go together, in Kafka's words.
fn check(options: &Options) -> Result<(), Failure> {
    if options.has("topic") == options.has("include") {
        return Err(Failure::usage("Exactly one of the following arguments is required: [topic], [include]"));
    }
    if options.has("partition") {
        if !options.has("topic") {
            return Err(Failure::usage("The topic is required when partition is specified."));
        }
        if options.has("from-beginning") && options.has("offset") {
            return Err(Failure::usage("Options from-beginning and offset cannot be specified together."));
        }
    } else if options.has("offset") {
        return Err(Failure::usage("The partition is required when offset is specified."));
    }
    match (options.has("bootstrap-server"), options.has("zookeeper")) {
        (true, true) => {
            Err(Failure::usage("Only one of --bootstrap-server or --zookeeper must be specified"))
        }
        (false, true) => Ok(()),
        _ => options.require(&["bootstrap-server"]),
    }
}

/// What the options ask for; the brokers to begin with are `list`.
fn read_options(options: &Options, list: &str) -> Result<(Bootstrap, Asked), Failure> {
    let mut properties =
        given(options, &["command-property", "consumer-property"], &["command-config", "consumer.config"])?;
    if let Some(level) = options.value("isolation-level")? {
        properties.insert("isolation.level".into(), level.to_owned());
    }
    let given_group = group_id(options, &properties)?;
    if given_group.is_some() && options.has("partition") {
        return Err(Failure::usage("Options group and partition cannot be specified together."));
    }
    let rules = Rules {
        fetcher: client_options::fetcher(&properties)?,
        reset: reset(options, &properties)?,
        commit: client_options::auto_commit(&properties, given_group.is_some())?,
        create: properties.get("allow.auto.create.topics").is_none_or(|value| value.trim() != "false"),
    };
    let group = given_group.unwrap_or_else(|| format!("console-consumer-{}", random::below(100_000)));
    let group = client_options::member(&properties, &group, Vec::new())?;
    let formatter = formatter(options)?;
    let timeout = options.parsed::<i64>("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok());
    let max = options.parsed::<i64>("max-messages")?.and_then(|max| u64::try_from(max).ok());
    let mut bootstrap = Bootstrap::with_properties(list, properties)?;
    if !bootstrap.properties.contains_key("client.id") {
        "console-consumer".clone_into(&mut bootstrap.config.client_id);
    }
    let wanted = wanted(options)?;
    let timeout = timeout.map(Duration::from_millis);
    let skip = options.has("skip-message-on-error");
    Ok((bootstrap, Asked { wanted, rules, group, formatter, max, timeout, skip }))
}

fn wanted(options: &Options) -> Result<Wanted, Failure> {
    if let Some(pattern) = options.value("include")? {
        let regex = Regex::new(&format!("^(?:{pattern})$"));
        return regex.map(Wanted::Pattern).map_err(|error| {
            let last = error.to_string();
            let last = last.lines().last().unwrap_or_default().trim().to_owned();
            Failure::usage(format!("--include {pattern} is no regular expression: {last}"))
        });
    }
    let topic = options.value("topic")?.unwrap_or_default();
    let Some(partition) = options.parsed("partition")? else {
        return Ok(Wanted::Topics(vec![topic.to_owned()]));
    };
    let at = TopicPartition::new(topic, partition);
    let beginning = options.has("from-beginning");
    Ok(match options.value("offset")? {
        None if beginning => Wanted::Partition(at, OffsetSpec::Earliest),
        None => Wanted::Partition(at, OffsetSpec::Latest),
        Some(text) if text.eq_ignore_ascii_case("earliest") => Wanted::Partition(at, OffsetSpec::Earliest),
        Some(text) if text.eq_ignore_ascii_case("latest") => Wanted::Partition(at, OffsetSpec::Latest),
        Some(text) => match text.parse::<i64>().ok().filter(|offset| *offset >= 0) {
            Some(offset) => Wanted::At(at, offset),
            None => {
                return Err(Failure::usage(format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
                )));
            }
        },
    })
}

fn group_id(options: &Options, properties: &Properties) -> Result<Option<String>, Failure> {
    let by_option = options.value("group")?;
    let by_property = properties.get("group.id").map(String::as_str);
    match (by_option, by_property) {
        (Some(one), Some(other)) if one != other => Err(Failure::usage(format!(
            "The group ids provided in different places (directly using '--group', via '--command-property', or via \
             '--command-config') do not match. Detected group ids: '{one}', '{other}'"
        ))),
        (one, other) => Ok(one.or(other).map(str::to_owned)),
    }
}

fn reset(options: &Options, properties: &Properties) -> Result<Reset, Failure> {
    let beginning = options.has("from-beginning");
    match properties.get("auto.offset.reset").map(|rule| rule.trim()) {
        None if beginning => Ok(Reset::Earliest),
        None => Ok(Reset::Latest),
        Some(rule) if beginning && rule != "earliest" => Err(Failure::Plain(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={rule}', please remove one option"
        ))),
        Some("earliest") => Ok(Reset::Earliest),
        Some("latest") => Ok(Reset::Latest),
        Some("none") => Ok(Reset::None),
        Some(rule) => Err(Failure::Plain(format!(
            "Invalid value {rule} for configuration auto.offset.reset: it is earliest, latest or none"
        ))),
    }
}

fn formatter(options: &Options) -> Result<Formatter, Failure> {
    let mut properties = given(options, &["formatter-property", "property"], &["formatter-config"])?;
    for (option, property) in
        [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
    {
        if let Some(class) = options.value(option)? {
            properties.entry(property.to_owned()).or_insert_with(|| class.to_owned());
        }
    }
    Formatter::new(options.value("formatter")?, &properties).map_err(Failure::usage)
}

#[cfg(test)]
mod tests;

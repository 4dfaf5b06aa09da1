//! `kafka-get-offsets` (GetOffsetShell): where partitions begin and end, or where a time is.
//!
//! ```text
//! $ kafka-get-offsets.sh --bootstrap-server localhost:9092 --topic test
//! test:0:5
//! ```

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::filter::Filter;
use crate::ops::java;
use crate::ops::session::Bootstrap;
use crate::options::{Opt, Options, Spec};
use kafka_client::{ClientError, Isolation, OffsetSpec, TopicPartition};
use std::collections::BTreeSet;
use std::ops::Range;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-get-offsets",
        about: "An interactive shell for getting topic-partition offsets.",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(
        &["bootstrap-server", "broker-list"],
        "HOST1:PORT1,...,HOST3:PORT3",
        "REQUIRED. The brokers to connect to.",
    ),
    Opt::value(
        &["topic-partitions"],
        "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
        "Patterns of topics and their partitions: one, a range (the end is not in it), or all.",
    ),
    Opt::value(&["topic"], "topic", "The topic, or a regular expression; without it all topics."),
    Opt::value(&["partitions"], "partition ids", "Ids of partitions, with commas; without them all."),
    Opt::value(
        &["time"],
        "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered",
        "The time whose offset is asked for; without it latest.",
    ),
    Opt::value(&["command-config"], "file", "A property file for the client."),
    Opt::flag(&["exclude-internal-topics"], "Leave out the brokers' own topics."),
    Opt::value(&["offsets"], "count", "Accepted for old scripts; there is one offset of a time."),
    Opt::value(&["max-wait-ms"], "ms", "Accepted for old scripts."),
];

fn occurred(text: impl std::fmt::Display) -> Failure {
    Failure::Plain(format!("Error occurred: {text}"))
}

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::usage(TOOL.spec.about));
    }
    options.require(&["bootstrap-server"])?;
    let named = options.has("topic") || options.has("partitions");
    if options.has("topic-partitions") && named {
        return Err(occurred("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let spec = time(options.value("time")?.unwrap_or("latest"))?;
    let rules = Rules::read(options)?;
    let mut client = Bootstrap::of(options).and_then(|bootstrap| bootstrap.connect()).map_err(in_words)?;
    let exclude = options.has("exclude-internal-topics");
    let cluster = client.metadata(None, false).map_err(|error| occurred(error.words()))?;
    let topics = cluster.topics.values().filter(|topic| !(exclude && topic.internal));
    let all = topics.flat_map(|topic| {
        topic.partitions.iter().map(|partition| TopicPartition::new(topic.name.clone(), partition.index))
    });
    let mut wanted: Vec<_> = all.filter(|at| rules.allow(at)).map(|at| (at, spec)).collect();
    if wanted.is_empty() {
        return Err(occurred("Could not match any topic-partitions with the specified filters"));
    }
    wanted.sort_by_cached_key(|(at, _)| at.to_string());
    let found =
        client.list_offsets(&wanted, Isolation::ReadUncommitted).map_err(|error| occurred(error.words()))?;
    let mut lines: Vec<(String, String)> = Vec::new();
    for (at, result) in found {
        match result {
            Ok(found) => {
                if let Some(offset) = found.offset {
                    lines.push((at.to_string(), format!("{}:{}:{offset}", at.topic, at.partition)));
                }
            }
            Err(code) => {
                let error = ClientError::Refused { what: String::new(), code, message: None };
                io.err_line(&format!(
                    "Skip getting offsets for topic-partition {at} due to error: {}",
                    java::shown(&error)
                ));
            }
        }
    }
    lines.sort();
    lines.iter().try_for_each(|(_, line)| io.line(line))?;
    Ok(())
}

fn in_words(failure: Failure) -> Failure {
    match failure {
        Failure::Told(text) | Failure::Away(text) => occurred(text),
        other => other,
    }
}

fn time(text: &str) -> Result<OffsetSpec, Failure> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        _ => match text.parse() {
            Ok(time) => OffsetSpec::Timestamp(time),
            Err(_) => {
                return Err(occurred(format!(
                    "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp"
                )));
            }
        },
    })
}

/// Which partitions are meant.
enum Rules {
    /// Topics by a pattern, partitions by their numbers (none: all).
    Named(Filter, BTreeSet<i32>),
    /// Any of these.
    Patterns(Vec<(Filter, Range<i32>)>),
}

impl Rules {
    fn read(options: &Options) -> Result<Self, Failure> {
        if let Some(list) = options.value("topic-partitions")? {
            return Ok(Self::Patterns(list.split(',').map(rule).collect::<Result<_, _>>()?));
        }
        let filter = Filter::new(options.value("topic")?.unwrap_or(".*")).map_err(in_words)?;
        let list = options.value("partitions")?.unwrap_or_default();
        let ids = list.split(',').filter(|_| !list.is_empty()).map(str::parse);
        let ids = ids.collect::<Result<_, _>>().map_err(|_| {
            occurred(format!(
                "--partitions expects a comma separated list of numeric partition ids, but received: {list}"
            ))
        })?;
        Ok(Self::Named(filter, ids))
    }

    fn allow(&self, at: &TopicPartition) -> bool {
        match self {
            Self::Named(filter, ids) => {
                filter.allows(&at.topic, false) && (ids.is_empty() || ids.contains(&at.partition))
            }
            Self::Patterns(rules) => rules
                .iter()
                .any(|(filter, range)| filter.allows(&at.topic, false) && range.contains(&at.partition)),
        }
    }
}

/// `topic:5`, `topic:0-3`, `topic:5-`, `topic:-3`, `topic`, `:2`.
fn rule(text: &str) -> Result<(Filter, Range<i32>), Failure> {
    let bad = || occurred(format!("Invalid rule specification: {text}"));
    let (topic, partitions) = text.rsplit_once(':').unwrap_or((text, ""));
    let number =
        |text: &str, absent| if text.is_empty() { Ok(absent) } else { text.parse().map_err(|_| bad()) };
    let range = match partitions.split_once('-') {
        Some((from, to)) => number(from, 0)?..number(to, i32::MAX)?,
        None if partitions.is_empty() => 0..i32::MAX,
        None => {
            let one = number(partitions, 0)?;
            one..one.saturating_add(1)
        }
    };
    let filter = Filter::new(if topic.is_empty() { ".*" } else { topic }).map_err(in_words)?;
    Ok((filter, range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, run};

    #[test]
    fn offsets_are_listed_by_topic_and_partition() {
        let rig = Rig::start();
        for topic in ["b --partitions 2", "a"] {
            rig.out(&crate::kafka::topics::TOOL, &format!("--create --topic {topic}"));
        }
        assert_eq!(rig.out(&TOOL, ""), "a:0:0\nb:0:0\nb:1:0\n");
        assert_eq!(rig.out(&TOOL, "--topic b --partitions 1 --time -2"), "b:1:0\n");
        assert_eq!(rig.out(&TOOL, "--topic-partitions :1,a:-1 --time earliest"), "a:0:0\nb:1:0\n");
        assert_eq!(rig.out(&TOOL, "--topic b --time 5"), "", "there is no record");
    }

    #[test]
    fn mistakes_are_one_line() {
        let rig = Rig::start();
        for (line, text) in [
            ("--topic nope", "Could not match any topic-partitions with the specified filters"),
            (
                "--topic a --topic-partitions b",
                "--topic-partitions cannot be used with --topic or --partitions",
            ),
            (
                "--partitions x",
                "--partitions expects a comma separated list of numeric partition ids, but received: x",
            ),
            ("--topic-partitions a:x", "Invalid rule specification: a:x"),
        ] {
            let ran = rig.run(&TOOL, line);
            assert_eq!((ran.code, ran.out.as_str(), ran.err), (1, "", format!("Error occurred: {text}\n")));
        }
        assert!(
            run(&TOOL, "--broker-list h:1 --time noon")
                .err
                .starts_with("Error occurred: Malformed time argument noon.")
        );
        assert!(run(&TOOL, "--topic a").err.starts_with("Missing required argument \"[bootstrap-server]\""));
    }
}

//! `kafka-delete-records`: moves the beginning of partitions.
//!
//! ```text
//! $ cat offsets.json
//! {"partitions":[{"topic":"test","partition":0,"offset":1}],"version":1}
//! $ kafka-delete-records.sh --bootstrap-server localhost:9092 --offset-json-file offsets.json
//! Executing records delete operation
//! Records delete operation completed:
//! partition: test-0    low_watermark: 1
//! ```

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::java;
use crate::ops::session::Bootstrap;
use crate::options::{Opt, Options, Spec};
use kafka_client::{Client, ClientError, Node, TopicPartition};
use kafka_wire::messages::DeleteRecordsRequest;
use kafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use serde_json::Value;
use std::collections::BTreeMap;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-delete-records",
        about: "This tool helps to delete records of the given partitions down to the specified offset.",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(
        &["bootstrap-server"],
        "server(s) to use for bootstrapping",
        "REQUIRED: the broker to connect to, as host:port.",
    ),
    Opt::value(
        &["offset-json-file"],
        "file",
        "REQUIRED: a JSON file: {\"partitions\":[{\"topic\":\"foo\",\"partition\":1,\"offset\":1}],\"version\":1}",
    ),
    Opt::value(&["command-config"], "file", "A property file for the client."),
];

/// How long the broker may take, ms.
const TIMEOUT_MS: i32 = 30_000;

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    options.require(&["bootstrap-server", "offset-json-file"])?;
    let file = options.value("offset-json-file")?.unwrap_or_default();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::told(format!("cannot read {file}: {error}; name a JSON file with offsets"))
    })?;
    let wanted = parse(&text)?;
    let mut client = Bootstrap::of(options)?.connect()?;
    io.line("Executing records delete operation")?;
    let mut results = delete(&mut client, &wanted);
    java::hash_order(&mut results, |(at, _)| java::partition_hash(at));
    io.line("Records delete operation completed:")?;
    for (at, result) in results {
        let end = match result {
            Ok(watermark) => format!("low_watermark: {watermark}"),
            Err(error) => format!("error: {}", java::shown(&error)),
        };
        io.line(&format!("partition: {at}\t{end}"))?;
    }
    Ok(())
}

/// Reads the file.
fn parse(text: &str) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let json: Value =
        serde_json::from_str(text).map_err(|_| Failure::told("The input string is not a valid JSON"))?;
    let version = json.get("version").map_or(Some(1), Value::as_i64);
    if version != Some(1) {
        let found = json.get("version").map(ToString::to_string).unwrap_or_default();
        return Err(Failure::told(format!("Not supported version field value {found}")));
    }
    let list = json.get("partitions").ok_or_else(|| Failure::told("Missing partitions field"))?;
    let list = list.as_array().ok_or_else(|| Failure::told("the partitions field is no list"))?;
    let mut wanted: Vec<(TopicPartition, i64)> = Vec::new();
    for entry in list {
        let read = || {
            let partition = i32::try_from(entry.get("partition")?.as_i64()?).ok()?;
            let at = TopicPartition::new(entry.get("topic")?.as_str()?, partition);
            Some((at, entry.get("offset")?.as_i64()?))
        };
        let pair = read().ok_or_else(|| {
            Failure::told(format!("{entry} is no {{\"topic\":\"...\",\"partition\":0,\"offset\":0}}"))
        })?;
        if wanted.iter().any(|(at, _)| *at == pair.0) {
            let text = format!("Offset json file contains duplicate topic partitions: {}", pair.0);
            return Err(Failure::told(text));
        }
        wanted.push(pair);
    }
    Ok(wanted)
}

type Outcome = (TopicPartition, Result<i64, ClientError>);

fn delete(client: &mut Client, wanted: &[(TopicPartition, i64)]) -> Vec<Outcome> {
    let mut results = Vec::new();
    let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
    for pair in wanted {
        // One that has no leader does not keep the others.
        match client.leaders(std::slice::from_ref(pair)) {
            Ok(found) => found
                .into_iter()
                .for_each(|(leader, pairs)| by_leader.entry(leader).or_default().extend(pairs)),
            Err(error) => results.push((pair.0.clone(), Err(error))),
        }
    }
    for (leader, pairs) in by_leader {
        match ask(client, leader, &pairs) {
            Ok(found) => results.extend(found),
            Err(error) => {
                let text = error.to_string();
                results.extend(pairs.into_iter().map(|(at, _)| (at, Err(ClientError::Config(text.clone())))));
            }
        }
    }
    results
}

fn ask(
    client: &mut Client,
    leader: i32,
    pairs: &[(TopicPartition, i64)],
) -> Result<Vec<Outcome>, ClientError> {
    let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
    for (at, offset) in pairs {
        let partition = DeleteRecordsPartition { partition_index: at.partition, offset: *offset };
        topics.entry(&at.topic).or_default().push(partition);
    }
    let topic = |(name, partitions): (&str, Vec<_>)| DeleteRecordsTopic { name: name.to_owned(), partitions };
    let request =
        DeleteRecordsRequest { topics: topics.into_iter().map(topic).collect(), timeout_ms: TIMEOUT_MS };
    let answer = client.call(Node::Broker(leader), &request)?;
    let topics = answer.topics.into_iter();
    Ok(topics
        .flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |p| {
                let at = TopicPartition::new(name.clone(), p.partition_index);
                let checked = ClientError::check(format!("deleting records of {at}"), p.error_code, None);
                (at, checked.map(|()| p.low_watermark))
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, run};

    fn complaint(text: &str) -> String {
        match parse(text) {
            Err(Failure::Told(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_file_is_read_or_told_off() {
        let entry = r#"{"topic":"t","partition":1,"offset":-1}"#;
        let good = parse(&format!(r#"{{"partitions":[{entry}]}}"#)).unwrap();
        assert_eq!(good, [(TopicPartition::new("t", 1), -1)]);
        assert_eq!(complaint("{"), "The input string is not a valid JSON");
        assert_eq!(complaint("{}"), "Missing partitions field");
        assert_eq!(complaint(r#"{"version":2}"#), "Not supported version field value 2");
        assert!(complaint(r#"{"partitions":[{"topic":"t"}]}"#).starts_with(r#"{"topic":"t"} is no"#));
        assert_eq!(
            complaint(&format!(r#"{{"partitions":[{entry},{entry}]}}"#)),
            "Offset json file contains duplicate topic partitions: t-1"
        );
    }

    #[test]
    fn a_topic_that_is_not_there_is_told_beside_the_others() {
        let rig = Rig::start();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("offsets.json");
        std::fs::write(&file, r#"{"partitions":[{"topic":"nope","partition":0,"offset":0}],"version":1}"#)
            .unwrap();
        let out = rig.out(&TOOL, &format!("--offset-json-file {}", file.display()));
        assert_eq!(
            out,
            "Executing records delete operation\nRecords delete operation completed:\npartition: nope-0\terror: \
             org.apache.kafka.common.errors.UnknownTopicOrPartitionException: This server does not host this topic-partition.\n"
        );
        let ran = run(&TOOL, "--bootstrap-server h:1 --offset-json-file /nowhere/at-all");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(ran.err.starts_with("cannot read /nowhere/at-all: "), "{}", ran.err);
    }
}

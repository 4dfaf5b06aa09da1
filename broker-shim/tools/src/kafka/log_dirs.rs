//! `kafka-log-dirs`: sizes of partitions on each broker's disks.
//!
//! ```text
//! $ kafka-log-dirs.sh --bootstrap-server localhost:9092 --describe --topic-list test
//! Querying brokers for log directories information
//! Received log directory information from brokers 0
//! {"brokers":[{"broker":0,"logDirs":[{"partitions":[{"partition":"test-0",...}],"error":null,"logDir":"/data"}]}],"version":1}
//! ```

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::java;
use crate::ops::session::Bootstrap;
use crate::options::{Opt, Options, Spec};
use kafka_client::{Client, ClientError, Node, TopicPartition, error};
use kafka_wire::messages::DescribeLogDirsRequest;
use kafka_wire::messages::describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult};
use serde_json::json;
use std::collections::BTreeSet;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-log-dirs",
        about: "This tool helps to query log directory usage on the specified brokers.",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(
        &["bootstrap-server"],
        "The server(s) to use for bootstrapping",
        "REQUIRED: the broker to connect to, as host:port.",
    ),
    Opt::value(&["command-config"], "file", "A property file for the client."),
    Opt::flag(&["describe"], "Describe the log directories."),
    Opt::value(&["topic-list"], "topics", "The topics to be shown, with commas; without it all."),
    Opt::value(
        &["broker-list"],
        "brokers",
        "The ids of the brokers to be asked, with commas; without it all.",
    ),
];

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    options.require(&["bootstrap-server", "describe"])?;
    let ids = options.value("broker-list")?.unwrap_or_default();
    let wanted: BTreeSet<i32> = list(ids)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::told(format!("--broker-list {ids:?} is no list of broker ids: write 0,1,2")))?;
    let topics: BTreeSet<&str> = list(options.value("topic-list")?.unwrap_or_default()).collect();
    let mut client = Bootstrap::of(options)?.connect()?;
    let there: BTreeSet<i32> = client.metadata(Some(&[]), false)?.brokers.keys().copied().collect();
    let shown = |ids: &BTreeSet<i32>| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let missing: BTreeSet<i32> = wanted.difference(&there).copied().collect();
    if !missing.is_empty() {
        return Err(Failure::told(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            shown(&missing),
            shown(&there)
        )));
    }
    let asked = if wanted.is_empty() { there } else { wanted };
    io.line("Querying brokers for log directories information")?;
    let mut brokers = Vec::new();
    for id in &asked {
        brokers.push(broker(&mut client, *id, &topics)?);
    }
    io.line(&format!("Received log directory information from brokers {}", shown(&asked)))?;
    Ok(io.line(&format!("{{\"brokers\":[{}],\"version\":1}}", brokers.join(",")))?)
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// One broker's part of the JSON, its keys in the original's order.
fn broker(client: &mut Client, id: i32, topics: &BTreeSet<&str>) -> Result<String, ClientError> {
    let answer = client.call(Node::Broker(id), &DescribeLogDirsRequest { topics: None })?;
    ClientError::check("asking for log directories", answer.error_code, None)?;
    let dirs: Vec<String> = answer.results.iter().map(|dir| directory(dir, topics)).collect();
    Ok(format!("{{\"broker\":{id},\"logDirs\":[{}]}}", dirs.join(",")))
}

fn directory(dir: &DescribeLogDirsResult, topics: &BTreeSet<&str>) -> String {
    let wanted = dir.topics.iter().filter(|topic| topics.is_empty() || topics.contains(topic.name.as_str()));
    let mut partitions: Vec<(TopicPartition, &DescribeLogDirsPartition)> = wanted
        .flat_map(|topic| {
            topic.partitions.iter().map(|p| (TopicPartition::new(topic.name.clone(), p.partition_index), p))
        })
        .collect();
    java::hash_order(&mut partitions, |(at, _)| java::partition_hash(at));
    let partitions: Vec<String> = partitions
        .iter()
        .map(|(at, p)| {
            format!(
                "{{\"partition\":{},\"size\":{},\"offsetLag\":{},\"isFuture\":{}}}",
                json!(at.to_string()),
                p.partition_size,
                p.offset_lag,
                p.is_future_key
            )
        })
        .collect();
    let code = error::known(dir.error_code);
    let error = if code.is_none() { json!(null) } else { json!(java::exception(code)) };
    format!(
        "{{\"partitions\":[{}],\"error\":{error},\"logDir\":{}}}",
        partitions.join(","),
        json!(dir.log_dir)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, run};
    use kafka_wire::messages::describe_log_dirs_response::DescribeLogDirsTopic;

    #[test]
    fn a_directory_is_one_object() {
        let partition = |partition_index, partition_size| DescribeLogDirsPartition {
            partition_index,
            partition_size,
            ..Default::default()
        };
        let topic =
            |name: &str| DescribeLogDirsTopic { name: name.into(), partitions: vec![partition(0, 7)] };
        let dir = DescribeLogDirsResult {
            log_dir: "/d\"".into(),
            topics: vec![topic("a"), topic("b")],
            ..Default::default()
        };
        assert_eq!(
            directory(&dir, &BTreeSet::from(["b"])),
            r#"{"partitions":[{"partition":"b-0","size":7,"offsetLag":0,"isFuture":false}],"error":null,"logDir":"/d\""}"#
        );
        let broken = DescribeLogDirsResult { error_code: 56, ..dir };
        assert!(directory(&broken, &BTreeSet::new()).contains("errors.KafkaStorageException"));
    }

    #[test]
    fn brokers_that_are_not_there_are_named() {
        let rig = Rig::start();
        let ran = rig.run(&TOOL, "--describe --broker-list 0,7");
        assert_eq!(
            ran.err,
            "ERROR: The given brokers do not exist from --broker-list: 7. Current existent brokers: 0\n"
        );
        assert_eq!(ran.code, 1);
        let usage = run(&TOOL, "--bootstrap-server h:1");
        assert!(usage.err.starts_with("Missing required argument \"[describe]\""));
    }
}

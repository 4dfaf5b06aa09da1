//! The tool against a broker of ours: what it prints and how it ends.

use super::*;
use crate::testing::{Rig, run};

fn usage(line: &str) -> String {
    let ran = run(&TOOL, line);
    assert_eq!((ran.out.as_str(), ran.code), ("", 1), "{line}");
    ran.err.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_topic_is_made_listed_described_and_deleted() {
    let rig = Rig::start();
    assert_eq!(rig.out(&TOOL, "--list"), "\n");
    assert_eq!(
        rig.out(&TOOL, "--create --topic test --partitions 2 --config retention.ms=5"),
        "Created topic test.\n"
    );
    assert_eq!(
        rig.out(&TOOL, "--create --topic=a.b --replication-factor 1"),
        format!("{COLLISION}\nCreated topic a.b.\n")
    );
    assert_eq!(rig.out(&TOOL, "--list"), "a.b\ntest\n");
    assert_eq!(rig.out(&TOOL, "--list --topic t.*,x"), "test\n");
    let described = rig.out(&TOOL, "--describe --topic test");
    let lines: Vec<Vec<&str>> = described.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3, "{described}");
    assert_eq!(
        (lines[0][0], lines[0][2], lines[0][3]),
        ("Topic: test", "PartitionCount: 2", "ReplicationFactor: 1")
    );
    assert!(lines[0][4].contains("retention.ms=5"), "{described}");
    assert_eq!(lines[2][1..6], ["Topic: test", "Partition: 1", "Leader: 0", "Replicas: 0", "Isr: 0"]);
    assert_eq!(rig.out(&TOOL, "--delete --topic test"), "");
    assert_eq!(rig.out(&TOOL, "--list"), "a.b\n");
}

#[test]
fn refusals_are_one_line_and_code_1() {
    let rig = Rig::start();
    rig.out(&TOOL, "--create --topic x");
    for (line, text) in [
        ("--create --topic x", "Topic 'x' already exists."),
        ("--describe --topic nope", "Topic 'nope' does not exist as expected"),
        ("--delete --topic nope", "Topic 'nope' does not exist as expected"),
        ("--alter --topic nope --partitions 3", "Topic 'nope' does not exist as expected"),
        ("--create --topic y --partitions 0", "The partitions must be greater than 0"),
        (
            "--create --topic y --config a",
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        ),
        (
            "--create --topic y --replica-assignment 0:0",
            "Partition replica lists may not contain duplicate entries: 0",
        ),
        (
            "--describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ",
            "TopicId 'AAAAAAAAAAAAAAAAAAAAAQ' does not exist as expected",
        ),
        ("--list --topic (", "( is an invalid regex."),
    ] {
        let ran = rig.run(&TOOL, line);
        assert_eq!(ran.out, format!("Error while executing topic command : {text}\n"), "{line}");
        assert_eq!((ran.err.as_str(), ran.code), ("", 1), "{line}");
    }
    for line in [
        "--create --topic x --if-not-exists",
        "--delete --topic nope --if-exists",
        "--describe --topic nope --if-exists",
    ] {
        assert_eq!(rig.out(&TOOL, line), "", "{line}");
    }
}

#[test]
fn what_goes_together_is_checked_before_anybody_is_dialled() {
    let exactly =
        "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
    for (line, text) in [
        ("", "Create, delete, describe, or change a topic."),
        ("--topic x", exactly),
        ("--list --create", exactly),
        ("--list", "--bootstrap-server must be specified"),
        ("--create --bootstrap-server h:1", "Missing required argument \"[topic]\""),
        ("--alter --topic x --bootstrap-server h:1", "Missing required argument \"[partitions]\""),
        (
            "--list --config a=b --bootstrap-server h:1",
            "Option \"[config]\" can't be used with option \"[list]\"",
        ),
        (
            "--list --if-exists --bootstrap-server h:1",
            "Option \"[if-exists]\" can't be used with option \"[list]\"",
        ),
        ("--list --frob", "frob is not a recognized option"),
        (
            "--list --bootstrap-server h:1 --zookeeper z",
            "Only one of --bootstrap-server or --zookeeper must be specified",
        ),
    ] {
        assert_eq!(usage(line), text, "{line}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_one_sentence() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = run(&TOOL, &format!("--list --bootstrap-server 127.0.0.1:{port}"));
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.out,
        format!(
            "Error while executing topic command : cannot reach a broker: 127.0.0.1:{port} refused the connection; is the broker running (kafka-server-start.sh starts one), and is this its address?\n"
        )
    );
}

#[test]
fn reports_choose_partitions() {
    let partition = |leader, isr: &[i32]| PartitionDetail {
        partition: kafka_client::Partition {
            leader,
            isr: isr.to_vec(),
            replicas: vec![1, 2],
            ..Default::default()
        },
        ..Default::default()
    };
    let setting = topics::TopicSetting {
        name: "min.insync.replicas".into(),
        value: Some("2".into()),
        is_default: false,
        source: 1,
    };
    let topic = TopicDetail { settings: vec![setting], ..Default::default() };
    let wants = |report: &str, detail: &PartitionDetail| {
        let args = [format!("--{report}").into()];
        let options = Options::parse(&TOOL.spec, &args).unwrap();
        View::of(&options, BTreeSet::from([1])).wants(&topic, detail)
    };
    let (whole, lacking, away) =
        (partition(Some(1), &[1, 2]), partition(Some(1), &[1]), partition(Some(3), &[1, 2]));
    for (report, expected) in [
        ("under-replicated-partitions", [false, true, false]),
        ("unavailable-partitions", [false, false, true]),
        ("under-min-isr-partitions", [false, true, false]),
        ("at-min-isr-partitions", [true, false, true]),
    ] {
        assert_eq!([&whole, &lacking, &away].map(|detail| wants(report, detail)), expected, "{report}");
    }
}

//! Nodes that somebody wrote by hand.

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;

use crate::tools::{broker_on, create_topic, ours, until};

const ROOT: &str = "/kafka/one";

/// Names and contents that make no sense are logged, and nothing else happens.
pub(crate) fn strange_ones_are_survived() -> Result<(), Missing> {
    let zookeeper = Zookeeper::start_one(false, &[])?;
    let (mut broker, connect) = broker_on(&zookeeper);
    let mut session = zookeeper.session();
    let mut put = |path: &str, data: &str| {
        let made = session.create(&format!("{ROOT}{path}"), data.as_bytes(), 0).expect("connected");
        made.unwrap_or_else(|code| panic!("{path}: {code}"));
    };
    put(
        "/config/topics/wrong-settings",
        r#"{"version":1,"config":{"retention.ms":"x","segment.bytes":"100000"}}"#,
    );
    put("/brokers/topics/wrong-settings", r#"{"version":1,"partitions":{"0":[0]}}"#);
    put("/brokers/topics/bad name", r#"{"version":1,"partitions":{"0":[0]}}"#);
    put("/brokers/topics/no-json", "x");
    put("/brokers/topics/huge", r#"{"version":1,"partitions":{"2000000000":[0]}}"#);
    put("/brokers/topics/elsewhere", r#"{"version":1,"partitions":{"0":[9],"1":[0]}}"#);
    put("/brokers/topics/__corrente_metadata", r#"{"version":1,"partitions":{"0":[0]}}"#);
    put("/config/changes/by-hand", "x");
    put("/admin/delete_topics/never-there", "");
    put("/admin/reassign_partitions", "x");
    until("a log of what can be had", || broker.partition_dir("elsewhere", 1).exists());
    for _ in 0..2 {
        until("what is wrong in the log", || broker.output().contains("bad name"));
        assert!(!broker.partition_dir("elsewhere", 0).exists());
        let mut session = zookeeper.session();
        until("requests that mean nothing are removed", || {
            ["/admin/delete_topics/never-there", "/admin/reassign_partitions"]
                .iter()
                .all(|path| session.get(&format!("{ROOT}{path}")).expect("connected").is_none())
        });
        let described =
            ours("kafka-topics", &["--zookeeper", &connect, "--describe", "--topic", "elsewhere"]).1;
        assert!(
            described.contains("Partition: 0\tLeader: none") && described.contains("Partition: 1\tLeader: 0"),
            "{described}"
        );
        let bootstrap = broker.bootstrap();
        let listed = ours("kafka-topics", &["--bootstrap-server", &bootstrap, "--list"]).1;
        assert_eq!(listed, "elsewhere\nwrong-settings\n");
        let described = ours(
            "kafka-topics",
            &["--bootstrap-server", &bootstrap, "--describe", "--topic", "wrong-settings"],
        )
        .1;
        assert!(
            described.contains("segment.bytes=100000") && !described.contains("retention.ms"),
            "{described}"
        );
        // The next start finds all of it.
        broker.restart();
    }
    Ok(())
}

/// Elections and reassignments are answered, nodes that are removed come back, and a removed topic keeps its data.
pub(crate) fn wishes_and_changes_are_followed() -> Result<(), Missing> {
    let zookeeper = Zookeeper::start_one(false, &[])?;
    let (broker, connect) = broker_on(&zookeeper);
    let mut session = zookeeper.session();
    let at = |path: &str| format!("{ROOT}{path}");
    session
        .create(&at("/brokers/topics/t"), br#"{"version":1,"partitions":{"0":[9]}}"#, 0)
        .expect("connected")
        .expect("made");
    until("a topic without a leader", || {
        ours("kafka-topics", &["--bootstrap-server", &broker.bootstrap(), "--list"]).1 == "t\n"
    });
    assert!(!broker.partition_dir("t", 0).exists());
    let wish = br#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[0]}]}"#;
    for path in ["/admin/preferred_replica_election", "/admin/reassign_partitions"] {
        session.create(&at(path), wish, 0).expect("connected").expect("made");
        until(path, || session.get(&at(path)).expect("connected").is_none());
    }
    until("a partition that came", || broker.partition_dir("t", 0).exists());

    let (data, stat) = session.get(&at("/controller")).expect("connected").expect("a controller");
    assert_eq!(session.delete(&at("/controller")).expect("connected"), 0);
    until("a controller again", || {
        session.get(&at("/controller")).expect("connected").is_some_and(|(_, now)| now.owner == stat.owner)
    });
    assert!(String::from_utf8_lossy(&data).contains("\"brokerid\":0"));

    // As `rmr` does it: no deletion was asked for.
    for path in [
        "/brokers/topics/t/partitions/0/state",
        "/brokers/topics/t/partitions/0",
        "/brokers/topics/t/partitions",
        "/brokers/topics/t",
    ] {
        assert_eq!(session.delete(&at(path)).expect("connected"), 0, "{path}");
    }
    until("a hidden topic", || {
        ours("kafka-topics", &["--bootstrap-server", &broker.bootstrap(), "--list"]).1.trim().is_empty()
    });
    assert!(broker.partition_dir("t", 0).exists(), "its data is left alone");
    create_topic(&connect, "t");
    until("the topic again", || broker.connect().ends("t", 1).is_ok());
    Ok(())
}

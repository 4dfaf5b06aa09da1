//! The original tools of Kafka 2.2.0 with `--zookeeper`, and ours on the same ZooKeeper, line by line.

use std::process::Command;
use std::time::{Duration, Instant};

use corrente_tests::broker::{self, Broker};
use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;
use corrente_tests::{process, runner};

use crate::kafka::{self, Release, Tools};

const TOPICS: &str = "kafka.admin.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const LIMIT: Duration = Duration::from_secs(60);

/// A broker on that ZooKeeper, below a path of its own.
pub(crate) fn broker_on(zookeeper: &Zookeeper) -> (Broker, String) {
    let connect = format!("{}/kafka/one", zookeeper.connect_string());
    let broker = Broker::start(&[("zookeeper.connect", &connect), ("offsets.topic.num.partitions", "3")]);
    (broker, connect)
}

/// Waits for what follows from a node that a tool wrote.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(15), "{what}: not within 15 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a tool of ours.
pub(crate) fn ours(tool: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(broker::binary());
    let finished = process::run(command.arg(tool).args(arguments), &[], LIMIT);
    (finished.status.code(), finished.stdout, finished.stderr)
}

/// Makes a topic of one partition with our tool, through ZooKeeper.
pub(crate) fn create_topic(connect: &str, topic: &str) {
    let words = ["--zookeeper", connect, "--create", "--topic", topic, "--partitions", "1"];
    let created = ours("kafka-topics", &[&words[..], &["--replication-factor", "1"]].concat());
    assert_eq!(created.1, format!("Created topic {topic}.\n"), "{created:?}");
}

/// Texts without the difference that is there on purpose.
fn one_name(text: &str) -> String {
    text.replace("of-ours", "original")
}

/// Each step by the original on the topic `original`, and by ours on `of_ours`: but for the name, the same is printed.
pub(crate) fn original_and_ours(real: bool) -> Result<(), Missing> {
    let release = Release::new(kafka::jars_of_2_2_0()?)?;
    let zookeeper = Zookeeper::start_one(real, &[])?;
    let (broker, connect) = broker_on(&zookeeper);
    let mut jvm = Tools::start(&release);
    let mut both = |class: &str, tool: &str, arguments: &[&str]| -> String {
        let with = |name: &str| -> Vec<String> {
            let words = ["--zookeeper", &connect].into_iter().chain(arguments.iter().copied());
            words.map(|word| word.replace("NAME", name)).collect()
        };
        let original: Vec<String> = with("original");
        let words: Vec<&str> = original.iter().map(String::as_str).collect();
        let told = jvm.run(class, &words, "");
        let own: Vec<String> = with("of-ours");
        let words: Vec<&str> = own.iter().map(String::as_str).collect();
        let (status, out, err) = ours(tool, &words);
        assert_eq!(one_name(&out), one_name(&told.out), "{tool} {arguments:?}: {err} {}", told.err);
        assert_eq!(status, Some(told.status), "{tool} {arguments:?}: {err} {}", told.err);
        // What ours says of a failure stands in what the original says of it, before its stack trace.
        let reason = err.lines().last().filter(|_| told.status != 0).unwrap_or_default();
        assert!(one_name(&told.err).contains(&one_name(reason)), "{tool} {arguments:?}: {err} {}", told.err);
        told.out
    };
    let create = ["--create", "--topic", "NAME", "--partitions", "2", "--replication-factor", "1"];
    let with_config = [&create[..], &["--config", "retention.ms=77000"]].concat();
    assert_eq!(both(TOPICS, "kafka-topics", &with_config), "Created topic original.\n");
    until("logs of both topics", || {
        broker.partition_dir("original", 1).exists() && broker.partition_dir("of-ours", 1).exists()
    });
    assert!(both(TOPICS, "kafka-topics", &create).contains("Topic 'original' already exists."));
    let factor = ["--create", "--topic", "x", "--partitions", "1", "--replication-factor", "2"];
    assert!(
        both(TOPICS, "kafka-topics", &factor)
            .contains("Replication factor: 2 larger than available brokers: 1.")
    );
    for (setting, told) in [
        ("retention.ms=soon", "Invalid value soon for configuration retention.ms: Not a number of type LONG"),
        ("segment.bytes=10", "Invalid value 10 for configuration segment.bytes: Value must be at least 14"),
        ("nope=1", "Unknown topic config name: nope"),
    ] {
        let create =
            ["--create", "--topic", "wrong", "--partitions", "1", "--replication-factor", "1", "--config"];
        let words = [&create[..], &[setting]].concat();
        let told = format!("Error while executing topic command : {told}\n");
        assert_eq!(both(TOPICS, "kafka-topics", &words), told);
        let alter = ["--alter", "--topic", "NAME", "--config", setting];
        assert_eq!(both(TOPICS, "kafka-topics", &alter), told);
        let alter = ["--alter", "--entity-type", "topics", "--entity-name", "NAME", "--add-config", setting];
        assert_eq!(both(CONFIGS, "kafka-configs", &alter), "");
    }
    let unknown = ["--alter", "--topic", "NAME", "--delete-config", "nope"];
    assert!(both(TOPICS, "kafka-topics", &unknown).ends_with(": Unknown topic config name: nope\n"));
    let running = ["--alter", "--entity-type", "brokers", "--entity-name", "0", "--add-config"];
    assert_eq!(both(CONFIGS, "kafka-configs", &[&running[..], &["log.cleaner.threads=2"]].concat()), "");
    let client = ["--alter", "--entity-type", "clients", "--entity-name", "c", "--add-config"];
    assert_eq!(both(CONFIGS, "kafka-configs", &[&client[..], &["producer_byte_rate=x"]].concat()), "");
    assert_eq!(both(TOPICS, "kafka-topics", &["--list"]), "of-ours\noriginal\n");
    let described = || {
        let describe = ["--describe", "--topic", "NAME"];
        let led = "Topic: original\tPartition: 1\tLeader: 0\tReplicas: 0\tIsr: 0";
        (describe, led)
    };
    let (describe, led) = described();
    until("state nodes", || {
        ours("kafka-topics", &["--zookeeper", &connect, "--describe"]).1.matches("Leader: 0").count() == 4
    });
    let text = both(TOPICS, "kafka-topics", &describe);
    assert!(
        text.contains("PartitionCount:2\tReplicationFactor:1\tConfigs:retention.ms=77000")
            && text.contains(led),
        "{text}"
    );

    let grow = ["--alter", "--topic", "NAME", "--partitions", "3"];
    assert!(both(TOPICS, "kafka-topics", &grow).ends_with("Adding partitions succeeded!\n"));
    until("new partitions", || {
        broker.partition_dir("original", 2).exists() && broker.partition_dir("of-ours", 2).exists()
    });
    assert!(
        both(TOPICS, "kafka-topics", &["--alter", "--topic", "NAME", "--partitions", "1"])
            .contains("can only be increased")
    );
    let entity = ["--entity-type", "topics", "--entity-name", "NAME"];
    let alter = [&entity[..], &["--alter", "--add-config", "segment.bytes=100000"]].concat();
    assert_eq!(
        both(CONFIGS, "kafka-configs", &alter),
        "Completed Updating config for entity: topic 'original'.\n"
    );
    let told = both(CONFIGS, "kafka-configs", &[&entity[..], &["--describe"]].concat());
    assert!(told.contains("segment.bytes=100000"), "{told}");
    // In force in the broker, as it tells clients.
    let bootstrap = broker.bootstrap();
    until("settings in force", || {
        let line = ["--bootstrap-server", &bootstrap, "--describe", "--topic", "original"];
        ours("kafka-topics", &line).1.contains("segment.bytes=100000")
    });

    let deleted = both(TOPICS, "kafka-topics", &["--delete", "--topic", "NAME"]);
    assert!(deleted.starts_with("Topic original is marked for deletion.\n"), "{deleted}");
    until("deletion", || {
        !broker.partition_dir("original", 0).exists() && !broker.partition_dir("of-ours", 0).exists()
    });
    until("an empty list", || ours("kafka-topics", &["--zookeeper", &connect, "--list"]).1.is_empty());
    assert!(
        both(TOPICS, "kafka-topics", &["--delete", "--topic", "NAME"])
            .contains("Topics in [] does not exist")
    );
    runner::ran("Apache Kafka tools", "2.2.0 with --zookeeper on our broker");
    runner::ran("ZooKeeper", if real { "3.9.4" } else { "ours" });
    Ok(())
}

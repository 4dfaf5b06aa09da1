//! Kafka's own tools for operators, of 2.2.0 and of today: partitions added, settings changed and their effect seen,
//! records, groups and offsets deleted, directories, elections and reassignments asked for.

use std::fs;
use std::time::{Duration, Instant};

use corrente_tests::broker::Broker;
use corrente_tests::install::Missing;

use crate::java_tools::{Tools, tools_2_2_0, tools_4};

const TOPIC: &str = "ledger";

/// The classes of one release.
struct Classes {
    topics: &'static str,
    configs: &'static str,
    records: &'static str,
    dirs: &'static str,
    groups: &'static str,
}

const OF_2_2: Classes = Classes {
    topics: "kafka.admin.TopicCommand",
    configs: "kafka.admin.ConfigCommand",
    records: "kafka.admin.DeleteRecordsCommand",
    dirs: "kafka.admin.LogDirsCommand",
    groups: "kafka.admin.ConsumerGroupCommand",
};

const OF_4: Classes = Classes {
    topics: "org.apache.kafka.tools.TopicCommand",
    configs: "kafka.admin.ConfigCommand",
    records: "org.apache.kafka.tools.DeleteRecordsCommand",
    dirs: "org.apache.kafka.tools.LogDirsCommand",
    groups: "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
};

/// A broker, and the tools of one release to talk to it.
struct Bench {
    tools: Tools,
    classes: Classes,
    broker: Broker,
    files: tempfile::TempDir,
}

impl Bench {
    fn new(tools: Tools, classes: Classes) -> Self {
        // Old segments are looked for each second.
        let broker = Broker::start(&[("log.retention.check.interval.ms", "500")]);
        Self { tools, classes, broker, files: tempfile::tempdir().expect("a temporary directory") }
    }

    fn run(&self, class: &str, arguments: &[&str]) -> String {
        let bootstrap = self.broker.bootstrap();
        self.tools.run(class, &[&["--bootstrap-server", &bootstrap], arguments].concat(), "").stdout
    }

    fn topics(&self, arguments: &[&str]) -> String {
        self.run(self.classes.topics, arguments)
    }

    fn configs(&self, arguments: &[&str]) -> String {
        self.run(self.classes.configs, arguments)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.files.path().join(name);
        fs::write(&path, content).expect("the directory can be written to");
        path.display().to_string()
    }

    /// A topic of three partitions: one to begin with, two more.
    fn grown_topic(&self) {
        let create = ["--create", "--topic", TOPIC, "--partitions", "1", "--replication-factor", "1"];
        self.topics(&[&create[..], &["--config", "flush.messages=7"]].concat());
        assert_eq!(self.topics(&["--alter", "--topic", TOPIC, "--partitions", "3"]), "");
        let text = self.topics(&["--describe", "--topic", TOPIC]);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("flush.messages=7"), "{text}");
        assert!(text.contains("Partition: 2\tLeader: 0\tReplicas: 0\tIsr: 0"), "{text}");
    }

    /// A message into each of three partitions.
    fn fill(&self) {
        let messages: Vec<(String, String)> =
            (0..30).map(|n| (format!("key-{n}"), format!("value {n}"))).collect();
        self.tools.produce_to(&self.broker, TOPIC, &messages);
        assert!(self.broker.ends(TOPIC, 3).iter().all(|end| *end > 0), "{:?}", self.broker.ends(TOPIC, 3));
    }

    /// Moves the start of one partition by one, of another to its end.
    fn delete_records(&self) {
        let ends = self.broker.ends(TOPIC, 3);
        let file = self.file(
            "records.json",
            &format!(
                r#"{{"partitions":[{{"topic":"{TOPIC}","partition":0,"offset":1}},{{"topic":"{TOPIC}","partition":1,"offset":-1}}],"version":1}}"#
            ),
        );
        let text = self.run(self.classes.records, &["--offset-json-file", &file]);
        let (head, rest) = text.split_once("Records delete operation completed:\n").expect(&text);
        assert_eq!(head, "Executing records delete operation\n");
        let mut lines: Vec<&str> = rest.lines().collect();
        lines.sort_unstable();
        let expected = [
            format!("partition: {TOPIC}-0\tlow_watermark: 1"),
            format!("partition: {TOPIC}-1\tlow_watermark: {}", ends[1]),
        ];
        assert_eq!(lines, expected);
    }

    fn describe_dirs(&self) {
        let text = self.run(self.classes.dirs, &["--describe", "--topic-list", TOPIC]);
        let lines: Vec<&str> = text.lines().collect();
        let [first, second, json] = lines[..] else { panic!("three lines: {text}") };
        assert_eq!(first, "Querying brokers for log directories information");
        assert_eq!(second, "Received log directory information from brokers 0");
        let json: serde_json::Value = serde_json::from_str(json).expect(json);
        let dir = &json["brokers"][0]["logDirs"][0];
        assert_eq!(dir["logDir"], self.broker.log_dir().display().to_string());
        let partitions = dir["partitions"].as_array().expect("an array");
        assert_eq!(partitions.len(), 3, "{dir}");
        assert!(partitions.iter().all(|p| p["offsetLag"] == 0 && p["isFuture"] == false), "{dir}");
    }

    /// Sets the broker's retention, for itself and for all, looks, and takes both back.
    fn broker_settings(&self) {
        let alter = |scope: &[&str], change: [&str; 2]| {
            self.configs(&[&["--alter", "--entity-type", "brokers"], scope, &change].concat())
        };
        let own = ["--entity-name", "0"];
        let all = ["--entity-default"];
        let done = alter(&own, ["--add-config", "log.retention.ms=7200000,log.cleaner.threads=2"]);
        assert_eq!(done, "Completed updating config for broker 0.\n".replace("broker 0", self.broker_0()));
        alter(&all, ["--add-config", "log.retention.ms=7300000"]);
        let text = self.configs(&[&["--describe", "--entity-type", "brokers"], &own[..]].concat());
        let retention = "log.retention.ms=7200000 sensitive=false \
                         synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=7200000, \
                         DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7300000";
        assert!(text.contains(retention), "{text}");
        let threads = "log.cleaner.threads=2 sensitive=false \
                       synonyms={DYNAMIC_BROKER_CONFIG:log.cleaner.threads=2, DEFAULT_CONFIG:log.cleaner.threads=1}";
        assert!(text.contains(threads), "{text}");
        let text = self.configs(&[&["--describe", "--entity-type", "brokers"], &all[..]].concat());
        assert!(text.contains("log.retention.ms=7300000 sensitive=false"), "{text}");
        alter(&own, ["--delete-config", "log.retention.ms,log.cleaner.threads"]);
        alter(&all, ["--delete-config", "log.retention.ms"]);
        let text = self.configs(&[&["--describe", "--entity-type", "brokers"], &own[..]].concat());
        assert!(!text.contains("DYNAMIC"), "{text}");
    }

    /// How the release names the broker in its answer.
    fn broker_0(&self) -> &'static str {
        if self.classes.topics == OF_2_2.topics { "broker: 0" } else { "broker 0" }
    }

    /// Reads everything as group `readers`, and looks at the group.
    fn group(&self) {
        self.tools.consume_as(&self.broker, TOPIC, "readers");
        assert_eq!(self.run(self.classes.groups, &["--list"]), "readers\n");
        let deleted = self.run(self.classes.groups, &["--delete", "--group", "readers"]);
        assert_eq!(deleted.trim(), "Deletion of requested consumer groups ('readers') was successful.");
        let again = self.run(self.classes.groups, &["--delete", "--group", "readers"]);
        assert!(again.contains("Group 'readers' could not be deleted due to:"), "{again}");
    }
}

pub(crate) fn of_2_2_0() -> Result<(), Missing> {
    let bench = Bench::new(tools_2_2_0()?, OF_2_2);
    bench.grown_topic();
    bench.fill();
    bench.delete_records();
    bench.describe_dirs();
    bench.broker_settings();
    bench.group();
    let election = bench.run("kafka.admin.PreferredReplicaLeaderElectionCommand", &[]);
    assert!(
        election.contains("Successfully completed preferred replica election for partitions"),
        "{election}"
    );
    Ok(())
}

pub(crate) fn of_4() -> Result<(), Missing> {
    let bench = Bench::new(tools_4()?, OF_4);
    bench.grown_topic();
    // Pages of two partitions by DescribeTopicPartitions.
    let pages = ["--describe", "--topic", TOPIC, "--partition-size-limit-per-response", "2"];
    let text = bench.topics(&pages);
    assert!(text.lines().filter(|line| line.ends_with("\tElr: \tLastKnownElr: ")).count() == 3, "{text}");
    bench.fill();
    bench.delete_records();
    bench.describe_dirs();
    bench.broker_settings();
    elections(&bench);
    reassignments(&bench);
    bench.tools.consume_as(&bench.broker, TOPIC, "watchers");
    let topic = format!("{TOPIC}:0");
    let offsets = bench.run(OF_4.groups, &["--delete-offsets", "--group", "watchers", "--topic", &topic]);
    assert!(offsets.contains("Request succeeded for deleting offsets from group watchers."), "{offsets}");
    bench.run(OF_4.groups, &["--delete", "--group", "watchers"]);
    bench.group();
    topic_settings(&bench);
    Ok(())
}

fn elections(bench: &Bench) {
    let class = "org.apache.kafka.tools.LeaderElectionCommand";
    let one = ["--election-type", "preferred", "--topic", TOPIC, "--partition", "0"];
    let text = bench.run(class, &one);
    assert!(text.contains(&format!("Valid replica already elected for partitions {TOPIC}-0")), "{text}");
    bench.run(class, &["--election-type", "preferred", "--all-topic-partitions"]);
}

fn reassignments(bench: &Bench) {
    let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    assert_eq!(bench.run(class, &["--list"]).trim(), "No partition reassignments found.");
    let file = bench.file(
        "reassign.json",
        &format!(r#"{{"partitions":[{{"topic":"{TOPIC}","partition":0,"replicas":[0]}}],"version":1}}"#),
    );
    let text = bench.run(class, &["--reassignment-json-file", &file, "--execute"]);
    assert!(text.contains(&format!("Successfully started partition reassignment for {TOPIC}-0")), "{text}");
    let text = bench.run(class, &["--reassignment-json-file", &file, "--verify"]);
    assert!(text.contains(&format!("Reassignment of partition {TOPIC}-0 is completed.")), "{text}");
}

/// A topic is told to keep a second, and a moment later its records are gone.
fn topic_settings(bench: &Bench) {
    let topic = ["--entity-type", "topics", "--entity-name", TOPIC];
    let alter = |change: &[&str]| bench.configs(&[&["--alter"], &topic[..], change].concat());
    let done = format!("Completed updating config for topic {TOPIC}.\n");
    assert_eq!(alter(&["--add-config", "retention.ms=1000,cleanup.policy=[delete]"]), done);
    let text = bench.configs(&[&["--describe"], &topic[..]].concat());
    assert!(
        text.contains("retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000"),
        "{text}"
    );
    let begun = Instant::now();
    let ends = bench.broker.ends(TOPIC, 3);
    while bench.broker.starts_of(TOPIC, 3) != ends {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", bench.broker.starts_of(TOPIC, 3));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(alter(&["--delete-config", "retention.ms"]), done);
}

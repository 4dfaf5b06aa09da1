//! A real Kafka 2.2.0 broker with its own tools: the tutorial's steps, and every kind of end and return of the broker
//! and of the ZooKeeper below it.

use std::time::{Duration, Instant};

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;
use corrente_tests::{process, runner};

use crate::kafka::{self, KafkaBroker, Release, SESSION, Tools};

const TOPICS: &str = "kafka.admin.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const PRODUCER: &str = "kafka.tools.ConsoleProducer";
const CONSUMER: &str = "kafka.tools.ConsoleConsumer";
const LIMIT: Duration = Duration::from_secs(60);
/// A session ends at most two ticks after its time; a busy machine adds its own.
const SLACK: Duration = Duration::from_secs(8);

struct Scene<'a> {
    zookeeper: Zookeeper,
    broker: KafkaBroker<'a>,
    tools: Tools,
    sent: Vec<String>,
    /// What the consumer's class has counted so far: it goes on from run to run of one JVM.
    counted: usize,
}

/// See the module.
pub(crate) fn runs_on_our_zookeeper() -> Result<(), Missing> {
    let release = Release::new(kafka::jars_of_2_2_0()?)?;
    assert!(kafka::has_jar(&release, "zookeeper-3.4.13.jar"), "the client that came with it");
    let zookeeper = Zookeeper::start(&[("tickTime", "2000")])?;
    let tools = Tools::start(&release);
    let broker = KafkaBroker::start(&release, &zookeeper);
    let mut scene = Scene { zookeeper, broker, tools, sent: Vec::new(), counted: 0 };
    scene.topics();
    let list = ["--zookeeper", &scene.zookeeper.connect_string(), "--list"];
    let mut newer = kafka::on_newer_java(&release, TOPICS, &list)?;
    let told = process::run(&mut newer, &[], LIMIT).success("kafka-topics on Java 17 with the client 3.5.9");
    assert_eq!(told.stdout, "words\n");
    runner::ran("ZooKeeper Java client", "3.5.9 under the tools of Kafka 2.2.0");
    scene.configs();
    scene.produce("first", 40);
    scene.consume();
    scene.zookeeper_comes_back();
    scene.broker_comes_back_from_a_clean_stop();
    scene.broker_comes_back_from_a_kill();
    scene.broker_comes_back_from_a_long_pause();
    scene.deletes();
    runner::ran("Apache Kafka broker", "2.2.0 on our ZooKeeper");
    runner::ran("Apache Kafka tools", "2.2.0 with --zookeeper");
    Ok(())
}

impl Scene<'_> {
    fn with_zookeeper(&mut self, class: &str, arguments: &[&str]) -> String {
        let connect = self.zookeeper.connect_string();
        self.tools.done(class, &[&["--zookeeper", &connect], arguments].concat(), "")
    }

    fn topics(&mut self) {
        let create = ["--create", "--topic", "words", "--partitions", "2", "--replication-factor", "1"];
        assert_eq!(self.with_zookeeper(TOPICS, &create), "Created topic words.\n");
        let connect = self.zookeeper.connect_string();
        let again = self.tools.run(TOPICS, &[&["--zookeeper", &connect], &create[..]].concat(), "");
        assert_eq!(again.status, 1, "{again:?}");
        assert!(again.out.contains("Topic 'words' already exists."), "{again:?}");
        assert_eq!(self.with_zookeeper(TOPICS, &["--list"]), "words\n");
        self.describe("words", 2, "");
        let more = self.with_zookeeper(TOPICS, &["--alter", "--topic", "words", "--partitions", "3"]);
        assert!(more.ends_with("Adding partitions succeeded!\n"), "{more}");
        self.describe("words", 3, "");
    }

    /// All partitions have leader 0, once the controller has seen them.
    fn describe(&mut self, topic: &str, partitions: usize, configs: &str) {
        let mut expected = vec![format!(
            "Topic:{topic}\tPartitionCount:{partitions}\tReplicationFactor:1\tConfigs:{configs}"
        )];
        expected.extend(
            (0..partitions)
                .map(|n| format!("\tTopic: {topic}\tPartition: {n}\tLeader: 0\tReplicas: 0\tIsr: 0")),
        );
        let mut told = String::new();
        for _ in 0..100 {
            told = self.with_zookeeper(TOPICS, &["--describe", "--topic", topic]);
            if told.lines().eq(expected.iter().map(String::as_str)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("describe: {told}{}", self.broker.output());
    }

    fn configs(&mut self) {
        let entity = ["--entity-type", "topics", "--entity-name", "words"];
        let add = [&["--alter", "--add-config", "retention.ms=86400000"], &entity[..]].concat();
        assert_eq!(
            self.with_zookeeper(CONFIGS, &add),
            "Completed Updating config for entity: topic 'words'.\n"
        );
        assert_eq!(
            self.with_zookeeper(CONFIGS, &[&["--describe"], &entity[..]].concat()),
            "Configs for topic 'words' are retention.ms=86400000\n"
        );
        self.describe("words", 3, "retention.ms=86400000");
        let gone = [&["--alter", "--delete-config", "retention.ms"], &entity[..]].concat();
        self.with_zookeeper(CONFIGS, &gone);
        self.describe("words", 3, "");
    }

    fn produce(&mut self, label: &str, count: usize) {
        let lines = kafka::lines(label, count);
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let bootstrap = self.broker.bootstrap();
        let arguments = ["--broker-list", &bootstrap, "--topic", "words", "--request-required-acks", "all"];
        self.tools.done(PRODUCER, &arguments, &input);
        self.sent.extend(lines);
    }

    /// Everything that was ever sent, once; the order is that of each partition.
    fn consume(&mut self) {
        self.counted += self.sent.len();
        let (bootstrap, count) = (self.broker.bootstrap(), self.counted.to_string());
        let arguments = ["--bootstrap-server", &bootstrap, "--topic", "words", "--from-beginning"];
        let end = ["--max-messages", &count, "--timeout-ms", "30000"];
        let told = self.tools.run(CONSUMER, &[&arguments[..], &end].concat(), "");
        let mut read: Vec<&str> = told.out.lines().collect();
        let mut sent: Vec<&str> = self.sent.iter().map(String::as_str).collect();
        read.sort_unstable();
        sent.sort_unstable();
        assert_eq!(read, sent, "{}", told.err);
    }

    /// Ours is killed under the running broker: its session, its registration and its watches live on.
    fn zookeeper_comes_back(&mut self) {
        let mut session = self.zookeeper.session();
        let before = kafka::owner(&mut session, "/brokers/ids/0");
        self.zookeeper.kill9_and_restart();
        let mut session = self.zookeeper.session();
        assert_eq!(kafka::owner(&mut session, "/brokers/ids/0"), before);
        assert_eq!(kafka::owner(&mut session, "/controller"), before);
        let create = ["--create", "--topic", "after", "--partitions", "1", "--replication-factor", "1"];
        assert_eq!(self.with_zookeeper(TOPICS, &create), "Created topic after.\n");
        self.describe("after", 1, "");
        assert_eq!(kafka::owner(&mut session, "/brokers/ids/0"), before, "{}", self.broker.output());
        let output = self.broker.output();
        assert!(!output.contains("Session expired"), "the broker's session expired: {output}");
        self.produce("after zookeeper's end", 10);
        self.consume();
    }

    fn broker_comes_back_from_a_clean_stop(&mut self) {
        let mut session = self.zookeeper.session();
        self.broker.stop();
        assert_eq!(session.get("/brokers/ids/0").expect("connected"), None, "closeSession takes it along");
        assert_eq!(session.get("/controller").expect("connected"), None);
        self.broker.spawn();
        self.describe("words", 3, "");
        self.produce("after a stop", 10);
        self.consume();
    }

    fn broker_comes_back_from_a_kill(&mut self) {
        let mut session = self.zookeeper.session();
        self.broker.kill9();
        assert_ne!(kafka::owner(&mut session, "/brokers/ids/0"), 0, "its session is not over yet");
        let lived = kafka::await_end_of(&mut session, "/brokers/ids/0", SESSION + SLACK);
        // The last ping may have been a third of the timeout before.
        assert!(lived > SESSION / 2, "it ended after {lived:?}");
        assert_eq!(session.get("/controller").expect("connected"), None, "both go at once");
        self.broker.spawn();
        self.describe("words", 3, "");
        self.produce("after a kill", 10);
        self.consume();
    }

    /// Its session ends while it stands still; it is told so, and begins a new one with all its nodes.
    fn broker_comes_back_from_a_long_pause(&mut self) {
        let mut session = self.zookeeper.session();
        let before = kafka::owner(&mut session, "/brokers/ids/0");
        self.broker.pause(SESSION + Duration::from_secs(4));
        let begin = Instant::now();
        for path in ["/brokers/ids/0", "/controller"] {
            while session.get(path).expect("connected").is_none_or(|(_, stat)| stat.owner == before) {
                assert!(begin.elapsed() < SLACK, "no new {path}{}", self.broker.output());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.describe("words", 3, "");
        self.produce("after a pause", 10);
        self.consume();
    }

    fn deletes(&mut self) {
        let told = self.with_zookeeper(TOPICS, &["--delete", "--topic", "words"]);
        assert!(told.starts_with("Topic words is marked for deletion.\n"), "{told}");
        let mut session = self.zookeeper.session();
        kafka::await_end_of(&mut session, "/admin/delete_topics/words", Duration::from_secs(30));
        assert_eq!(session.get("/brokers/topics/words").expect("connected"), None);
        assert_eq!(self.with_zookeeper(TOPICS, &["--list"]), "__consumer_offsets\nafter\n");
    }
}

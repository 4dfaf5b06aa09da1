//! Kafka's own console tools, of 2.2.0 and of today: create, list and describe a topic, type messages in, read
//! them back with key, value and timestamp.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use corrente_tests::broker::Broker;
use corrente_tests::install::Missing;
use corrente_tests::kafka::{self, Jars};
use corrente_tests::message::now_ms;
use corrente_tests::process::{self, Finished};
use corrente_tests::runner;

const TOPIC: &str = "words";
/// A JVM on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(120);

/// The command line tools of one release.
#[derive(Debug)]
pub(crate) struct Tools {
    version: &'static str,
    libs: PathBuf,
    logging: String,
    topics: &'static str,
    producer: [&'static str; 2],
    consumer: &'static str,
    /// Options for what the tool reads and prints; 4.2 gave them new names.
    properties: [&'static str; 2],
    /// The class of the dump tool.
    pub(crate) dump: &'static str,
}

/// `kafka_2.11:2.2.0`.
pub(crate) fn tools_2_2_0() -> Result<Tools, Missing> {
    let Jars { libs, logging } = kafka::jars_2_2_0()?;
    let tools = Tools {
        version: "2.2.0",
        libs,
        logging,
        topics: "kafka.admin.TopicCommand",
        producer: ["kafka.tools.ConsoleProducer", "--broker-list"],
        consumer: "kafka.tools.ConsoleConsumer",
        properties: ["--property", "--property"],
        dump: "kafka.tools.DumpLogSegments",
    };
    runner::ran("Apache Kafka tools", tools.version);
    Ok(tools)
}

/// `kafka_2.13:4.3.1`. Its console producer no longer knows `--broker-list`.
pub(crate) fn tools_4() -> Result<Tools, Missing> {
    let Jars { libs, logging } = kafka::jars_4()?;
    let tools = Tools {
        version: "4.3.1",
        libs,
        logging,
        topics: "org.apache.kafka.tools.TopicCommand",
        producer: ["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server"],
        consumer: "org.apache.kafka.tools.consumer.ConsoleConsumer",
        properties: ["--reader-property", "--formatter-property"],
        dump: "org.apache.kafka.tools.DumpLogSegments",
    };
    runner::ran("Apache Kafka tools", tools.version);
    Ok(tools)
}

impl Tools {
    /// Runs a tool to its end.
    pub(crate) fn run(&self, class: &str, arguments: &[&str], input: &str) -> Finished {
        let mut command = Command::new("java");
        // The first compiler only: a tool that lives two seconds gains nothing from the second.
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &self.logging, "-cp"]);
        command.arg(self.libs.join("*")).arg(class).args(arguments);
        process::run(&mut command, input.as_bytes(), LIMIT).success(&format!("{class} {arguments:?}"))
    }

    /// Types messages with keys into a topic.
    pub(crate) fn produce_to(&self, broker: &Broker, topic: &str, typed: &[(String, String)]) {
        let [class, broker_option] = self.producer;
        let input: String = typed.iter().map(|(key, value)| format!("{key}:{value}\n")).collect();
        let bootstrap = broker.bootstrap();
        let arguments = [broker_option, &bootstrap, "--topic", topic];
        let property = self.properties[0];
        let keys = [property, "parse.key=true", property, "key.separator=:"];
        self.run(class, &[arguments, keys].concat(), &input);
    }

    /// Reads a topic as a group, until nothing more comes.
    pub(crate) fn consume_as(&self, broker: &Broker, topic: &str, group: &str) {
        let bootstrap = broker.bootstrap();
        let arguments = ["--bootstrap-server", &bootstrap, "--topic", topic, "--from-beginning"];
        self.run(self.consumer, &[&arguments[..], &["--group", group, "--timeout-ms", "8000"]].concat(), "");
    }

    fn topics(&self, broker: &Broker, arguments: &[&str]) -> String {
        self.run(self.topics, &[&["--bootstrap-server", &broker.bootstrap()], arguments].concat(), "").stdout
    }

    fn produce(&self, broker: &Broker, typed: &[(String, String)]) {
        self.produce_to(broker, TOPIC, typed);
    }

    fn consume(&self, broker: &Broker, count: usize) -> Finished {
        let (bootstrap, count) = (broker.bootstrap(), count.to_string());
        let mut arguments = vec!["--bootstrap-server", &bootstrap, "--topic", TOPIC, "--from-beginning"];
        arguments.extend(["--max-messages", &count, "--timeout-ms", "20000"]);
        for print in ["print.key=true", "print.value=true", "print.timestamp=true"] {
            arguments.extend([self.properties[1], print]);
        }
        self.run(self.consumer, &arguments, "")
    }
}

pub(crate) fn of_2_2_0() -> Result<(), Missing> {
    scenario(&tools_2_2_0()?, "", &["Topic:words\tPartitionCount:1\tReplicationFactor:1\tConfigs:"])
}

pub(crate) fn of_4() -> Result<(), Missing> {
    let described = ["Topic: words\tTopicId: ", "\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: "];
    scenario(&tools_4()?, "Created topic words.\n", &described)
}

fn scenario(tools: &Tools, created: &str, described: &[&str]) -> Result<(), Missing> {
    let mut broker = Broker::start(&[]);
    let create = ["--create", "--replication-factor", "1", "--partitions", "1", "--topic", TOPIC];
    assert_eq!(tools.topics(&broker, &create), created);
    check_topic(tools, &broker, described);

    let begin = now_ms();
    let mut typed = words("first", 40);
    tools.produce(&broker, &typed);
    check_messages(tools, &broker, &typed, begin);

    broker.restart();
    check_topic(tools, &broker, described);
    let more = words("second", 10);
    tools.produce(&broker, &more);
    typed.extend(more);
    check_messages(tools, &broker, &typed, begin);
    Ok(())
}

fn words(label: &str, count: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("key-{}", n % 7), format!("{label} line {n}, \u{e8} con accento"))).collect()
}

/// `--list` names the topic (and maybe Kafka's own); `--describe` says one partition with a leader that is in sync.
fn check_topic(tools: &Tools, broker: &Broker, described: &[&str]) {
    let list = tools.topics(broker, &["--list"]);
    let own: Vec<&str> = list.lines().filter(|name| !name.starts_with("__")).collect();
    assert_eq!(own, [TOPIC], "list of {}: {list}", tools.version);

    let text = tools.topics(broker, &["--describe", "--topic", TOPIC]);
    let lines: Vec<&str> = text.lines().collect();
    let [topic, partition] = lines[..] else { panic!("describe of {}: {text}", tools.version) };
    assert!(described.iter().all(|part| topic.contains(part)), "describe of {}: {text}", tools.version);
    let fields: Vec<&str> = partition.split('\t').map(str::trim).collect();
    let [_, "Topic: words", "Partition: 0", leader, replicas, isr, ..] = fields[..] else {
        panic!("describe of {}: {text}", tools.version)
    };
    let number = |field: &str, name: &str| {
        let value = field.strip_prefix(name).and_then(|value| value.parse::<u32>().ok());
        value.unwrap_or_else(|| panic!("{name} of {}: {text}", tools.version))
    };
    let leader = number(leader, "Leader: ");
    assert_eq!(number(replicas, "Replicas: "), leader);
    assert_eq!(number(isr, "Isr: "), leader);
}

/// `CreateTime:1795413286784 <tab> key <tab> value`, all of them, in order.
fn check_messages(tools: &Tools, broker: &Broker, typed: &[(String, String)], begin: i64) {
    let finished = tools.consume(broker, typed.len());
    let lines: Vec<&str> = finished.stdout.lines().collect();
    for (line, (key, value)) in lines.iter().zip(typed) {
        let (time, rest) = line.split_once('\t').unwrap_or_else(|| panic!("three columns: {line}"));
        assert_eq!(rest, format!("{key}\t{value}"));
        let time = time.strip_prefix("CreateTime:").and_then(|ms| ms.parse().ok());
        assert!(time.is_some_and(|ms| (begin..=now_ms()).contains(&ms)), "time of sending: {line}");
    }
    assert_eq!(lines.len(), typed.len(), "{}", finished.stdout);
    let total = format!("Processed a total of {} messages", typed.len());
    assert!(finished.stderr.contains(&total), "{}", finished.stderr);
}

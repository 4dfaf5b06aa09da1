//! Many runs of original tools in one virtual machine: `tests/clients/java/ManyTools.java`.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use corrente_tests::install::Missing;
use corrente_tests::kafka::{self, Jars};
use corrente_tests::place;
use corrente_tests::process::{Line, Running};
use corrente_tests::runner;

use crate::normal::Output;

/// Above the limit that the driver has for a tool.
const LIMIT: Duration = Duration::from_secs(120);

/// The tools of one release.
pub(crate) struct Tools {
    libs: PathBuf,
    logging: String,
    /// Names and their classes.
    classes: &'static [(&'static str, &'static str)],
}

const CLASSES_4: &[(&str, &str)] = &[
    ("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-configs", "kafka.admin.ConfigCommand"),
    ("kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer"),
    ("kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    ("kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
    ("kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
    ("kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
    ("kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
    ("kafka-broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    ("kafka-producer-perf-test", "org.apache.kafka.tools.ProducerPerformance"),
    ("kafka-consumer-perf-test", "org.apache.kafka.tools.ConsumerPerformance"),
    ("kafka-dump-log", "org.apache.kafka.tools.DumpLogSegments"),
    ("kafka-storage", "kafka.tools.StorageTool"),
];

const CLASSES_2_2: &[(&str, &str)] = &[
    ("kafka-topics", "kafka.admin.TopicCommand"),
    ("kafka-configs", "kafka.admin.ConfigCommand"),
    ("kafka-console-producer", "kafka.tools.ConsoleProducer"),
    ("kafka-console-consumer", "kafka.tools.ConsoleConsumer"),
    ("kafka-consumer-groups", "kafka.admin.ConsumerGroupCommand"),
    ("kafka-get-offsets", "kafka.tools.GetOffsetShell"),
    ("kafka-delete-records", "kafka.admin.DeleteRecordsCommand"),
    ("kafka-log-dirs", "kafka.admin.LogDirsCommand"),
    ("kafka-broker-api-versions", "kafka.admin.BrokerApiVersionsCommand"),
    ("kafka-producer-perf-test", "org.apache.kafka.tools.ProducerPerformance"),
    ("kafka-consumer-perf-test", "kafka.tools.ConsumerPerformance"),
    ("kafka-dump-log", "kafka.tools.DumpLogSegments"),
];

pub(crate) fn tools_4() -> Result<Tools, Missing> {
    let Jars { libs, logging } = kafka::jars_4()?;
    runner::ran("Apache Kafka tools", "4.3.1");
    Ok(Tools { libs, logging, classes: CLASSES_4 })
}

pub(crate) fn tools_2_2_0() -> Result<Tools, Missing> {
    let Jars { libs, logging } = kafka::jars_2_2_0()?;
    runner::ran("Apache Kafka tools", "2.2.0");
    Ok(Tools { libs, logging, classes: CLASSES_2_2 })
}

impl Tools {
    pub(crate) fn class(&self, tool: &str) -> &'static str {
        let found = self.classes.iter().find(|(name, _)| *name == tool);
        found.unwrap_or_else(|| panic!("{tool}: no such tool in that release")).1
    }
}

/// The virtual machine.
pub(crate) struct Java(Running);

impl Java {
    pub(crate) fn start(tools: &Tools) -> Self {
        let mut command = Command::new("java");
        // The first compiler only: a tool that lives a moment gains nothing from the second.
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"]);
        command.args(["-Dlog4j.shutdownHookEnabled=false", "-Duser.timezone=UTC", &tools.logging]);
        command.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp"]).arg(tools.libs.join("*"));
        command.arg(place::client_program("java/ManyTools.java"));
        Self(Running::start(&mut command))
    }

    pub(crate) fn run(&mut self, class: &str, words: &[String], input: &str) -> Output {
        let parts: Vec<String> =
            [class, input].into_iter().chain(words.iter().map(String::as_str)).map(hex).collect();
        self.0.tell(&parts.join("\t"));
        let until = Instant::now() + LIMIT;
        loop {
            match self.0.line(until) {
                Some(Line::Out(line)) => return answer(&line),
                Some(Line::Err(_)) => {}
                None => panic!("{class} {words:?}: no answer{}", self.0.complaints()),
            }
        }
    }
}

fn answer(line: &str) -> Output {
    let parts: Vec<&str> = line.split('\t').collect();
    let [code, out, err] = parts[..] else { panic!("no answer of three parts: {line}") };
    Output { code: code.parse().expect("an exit code"), out: text(out), err: text(err) }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn text(hex: &str) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit");
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("a byte");
    String::from_utf8_lossy(&hex.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>()).into_owned()
}

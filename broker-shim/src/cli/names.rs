//! Kafka's names for what `corrente` does, and its ways to write a command line.
//!
//! ```text
//! kafka-server-start.sh -daemon FILE --override a=b   corrente server --daemon FILE --override a=b
//! kafka-server-stop.sh                                corrente stop server
//! zookeeper-server-start.sh FILE                      corrente zookeeper FILE
//! zookeeper-server-stop.sh                            corrente stop zookeeper
//! kafka-run-class.sh kafka.admin.TopicCommand ...     corrente kafka-topics ...
//! kafka-topics.sh --list                              runs the tool of that name
//! ```
//!
//! The name is the one the program was called under, or its first argument; `.sh` behind it makes no difference.
//!
//! # Not here
//!
//! The tools (`corrente-tools`): they read their command lines themselves.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// What a start script says when it gets no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Usage(pub(super) &'static str);

/// The same command line in our own words.
///
/// # Errors
///
/// What Kafka's script would print when an argument that it needs is missing.
pub(super) fn spelled_out(line: Vec<OsString>) -> Result<Vec<OsString>, Usage> {
    let Some(program) = line.first() else { return Ok(line) };
    let called = script(Path::new(program).file_name().unwrap_or(program));
    if let Some(own) = own_words(&called, &line[1..]) {
        return own;
    }
    match line.get(1).and_then(|first| own_words(&script(first), &line[2..])) {
        Some(own) => own,
        None => Ok(line),
    }
}

/// Runs the tool of Kafka's that the command line names, if it names one.
pub(super) fn run_tool(line: &[OsString]) -> Option<ExitCode> {
    for (at, word) in line.iter().enumerate().take(2) {
        let name = script(Path::new(word).file_name().unwrap_or(word));
        if corrente_tools::is_tool(&name) {
            return corrente_tools::run(&name, &line[at + 1..]);
        }
    }
    None
}

/// A name without `.sh`.
fn script(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    name.strip_suffix(".sh").unwrap_or(&name).to_owned()
}

/// Our own words for a name of Kafka's and what is behind it; `None` if the name is none of those here.
fn own_words(name: &str, rest: &[OsString]) -> Option<Result<Vec<OsString>, Usage>> {
    match name {
        "kafka-server-start" => Some(started("server", rest).ok_or(Usage(
            "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]*",
        ))),
        "zookeeper-server-start" => Some(
            started("zookeeper", rest)
                .ok_or(Usage("USAGE: zookeeper-server-start.sh [-daemon] zookeeper.properties")),
        ),
        "kafka-server-stop" => Some(Ok(words(&["stop", "server"], rest))),
        "zookeeper-server-stop" => Some(Ok(words(&["stop", "zookeeper"], rest))),
        "kafka-run-class" => Some(class(rest)),
        _ => None,
    }
}

/// `corrente`, these words, and the rest of the line.
fn words(first: &[&str], rest: &[OsString]) -> Vec<OsString> {
    let first = std::iter::once("corrente").chain(first.iter().copied()).map(OsString::from);
    first.chain(rest.iter().cloned()).collect()
}

/// A start script's line: `-daemon` comes first, if at all, and then there must be a file.
fn started(command: &str, rest: &[OsString]) -> Option<Vec<OsString>> {
    let (daemon, rest) = match rest.split_first() {
        Some((first, rest)) if first == "-daemon" || first == "--daemon" => (true, rest),
        _ => (false, rest),
    };
    if rest.is_empty() {
        return None;
    }
    Some(if daemon { words(&[command, "--daemon"], rest) } else { words(&[command], rest) })
}

/// The main classes of Kafka's scripts, oldest name first.
const CLASSES: &[(&str, &str)] = &[
    ("kafka.Kafka", "kafka-server-start"),
    ("org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper-server-start"),
    ("kafka.admin.TopicCommand", "kafka-topics"),
    ("org.apache.kafka.tools.TopicCommand", "kafka-topics"),
    ("kafka.admin.ConfigCommand", "kafka-configs"),
    ("kafka.tools.ConsoleProducer", "kafka-console-producer"),
    ("org.apache.kafka.tools.ConsoleProducer", "kafka-console-producer"),
    ("kafka.tools.ConsoleConsumer", "kafka-console-consumer"),
    ("org.apache.kafka.tools.consumer.ConsoleConsumer", "kafka-console-consumer"),
    ("kafka.admin.ConsumerGroupCommand", "kafka-consumer-groups"),
    ("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "kafka-consumer-groups"),
    ("kafka.admin.DeleteRecordsCommand", "kafka-delete-records"),
    ("org.apache.kafka.tools.DeleteRecordsCommand", "kafka-delete-records"),
    ("kafka.tools.DumpLogSegments", "kafka-dump-log"),
    ("org.apache.kafka.tools.DumpLogSegments", "kafka-dump-log"),
    ("kafka.tools.GetOffsetShell", "kafka-get-offsets"),
    ("org.apache.kafka.tools.GetOffsetShell", "kafka-get-offsets"),
    ("kafka.admin.LogDirsCommand", "kafka-log-dirs"),
    ("org.apache.kafka.tools.LogDirsCommand", "kafka-log-dirs"),
    ("kafka.tools.StorageTool", "kafka-storage"),
    ("org.apache.kafka.tools.ClusterTool", "kafka-cluster"),
    ("kafka.admin.BrokerApiVersionsCommand", "kafka-broker-api-versions"),
    ("org.apache.kafka.tools.BrokerApiVersionsCommand", "kafka-broker-api-versions"),
    ("org.apache.kafka.tools.ProducerPerformance", "kafka-producer-perf-test"),
    ("kafka.tools.ConsumerPerformance", "kafka-consumer-perf-test"),
    ("org.apache.kafka.tools.ConsumerPerformance", "kafka-consumer-perf-test"),
];

/// `kafka-run-class.sh [-name NAME] [-loggc] [-daemon] CLASS ARGUMENT...`; what is for a JVM has no effect.
fn class(rest: &[OsString]) -> Result<Vec<OsString>, Usage> {
    const USAGE: Usage =
        Usage("USAGE: kafka-run-class.sh [-daemon] [-name servicename] [-loggc] classname [opts]");
    let (mut daemon, mut rest) = (false, rest);
    let class = loop {
        let (first, more) = rest.split_first().ok_or(USAGE)?;
        rest = more;
        match first.to_str() {
            Some("-name") => rest = rest.get(1..).ok_or(USAGE)?,
            Some("-loggc") => {}
            Some("-daemon") => daemon = true,
            _ => break first.to_string_lossy(),
        }
    };
    let Some((_, name)) = CLASSES.iter().find(|(known, _)| *known == class) else {
        // The command line says what there is.
        return Ok(words(&[&class], rest));
    };
    let flag = daemon.then(|| OsString::from("-daemon"));
    let line: Vec<OsString> = flag.into_iter().chain(rest.iter().cloned()).collect();
    own_words(name, &line).unwrap_or_else(|| Ok(words(&[name], rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(line: &str) -> Result<String, Usage> {
        let words = spelled_out(line.split(' ').map(OsString::from).collect())?;
        Ok(words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn scripts_are_commands_of_ours() {
        for (line, expected) in [
            ("/opt/bin/kafka-server-start.sh s.properties", "corrente server s.properties"),
            ("kafka-server-start s.properties --override a=b", "corrente server s.properties --override a=b"),
            ("corrente kafka-server-start -daemon s.properties", "corrente server --daemon s.properties"),
            ("corrente zookeeper-server-start.sh -daemon z", "corrente zookeeper --daemon z"),
            ("./zookeeper-server-stop.sh", "corrente stop zookeeper"),
            ("corrente kafka-server-stop", "corrente stop server"),
        ] {
            assert_eq!(own(line).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn only_a_tool_is_run() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(run_tool(&words("corrente topics list")).is_none());
        assert!(run_tool(&words("corrente server kafka-topics")).is_none());
        assert!(run_tool(&[]).is_none());
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for line in [
            "corrente",
            "corrente server s.properties --override a=kafka-server-stop",
            "corrente kafka-topics --list",
            "/opt/bin/kafka-topics.sh --list",
        ] {
            assert_eq!(own(line).as_deref(), Ok(line));
        }
    }

    #[test]
    fn a_start_without_a_file_is_told_as_in_kafka() {
        for line in
            ["kafka-server-start.sh", "kafka-server-start.sh -daemon", "corrente kafka-server-start.sh"]
        {
            assert!(own(line).unwrap_err().0.starts_with("USAGE: kafka-server-start.sh [-daemon] server"));
        }
        assert!(own("zookeeper-server-start.sh").unwrap_err().0.contains("zookeeper.properties"));
        assert!(own("kafka-run-class.sh -name").is_err());
    }

    #[test]
    fn a_class_is_the_tool_behind_it() {
        for (line, expected) in [
            (
                "kafka-run-class.sh kafka.tools.GetOffsetShell --topic t",
                "corrente kafka-get-offsets --topic t",
            ),
            ("kafka-run-class.sh -name x -loggc kafka.Kafka s", "corrente server s"),
            ("corrente kafka-run-class -daemon kafka.Kafka s", "corrente server --daemon s"),
            ("kafka-run-class.sh kafka.Unknown a", "corrente kafka.Unknown a"),
        ] {
            assert_eq!(own(line).as_deref(), Ok(expected));
        }
    }
}

//! The names that people type, whichever way: as the name of the program, or as its first word.
//!
//! ```text
//! kafka-topics.sh --list              a link or a script of that name
//! corrente kafka-topics.sh --list     the first word
//! kafka-server-start.sh FILE          as `corrente server FILE`
//! ```

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// Kafka's names of our own commands.
const COMMANDS: &[(&str, &str)] =
    &[("kafka-server-start", "server"), ("zookeeper-server-start", "zookeeper")];

/// The last part of a path, without `.sh`.
fn bare(word: &OsStr) -> Option<&str> {
    let name = Path::new(word).file_name()?.to_str()?;
    Some(name.strip_suffix(".sh").unwrap_or(name))
}

/// Where the name stands on a command line, and which of `known` it is: the program's own, else the first word.
fn named<T>(args: &[OsString], known: impl Fn(&str) -> Option<T>) -> Option<(usize, T)> {
    (0..args.len().min(2)).find_map(|at| Some((at, known(bare(&args[at])?)?)))
}

/// Runs the tool of Kafka's that the command line names, if it names one.
pub(super) fn run_tool(args: &[OsString]) -> Option<ExitCode> {
    let is_tool = |name: &str| corrente_tools::is_tool(name).then(|| name.to_owned());
    let (at, name) = named(args, is_tool)?;
    corrente_tools::run(&name, &args[at + 1..])
}

/// The command line with our own name for a command of Kafka's.
pub(super) fn translated(mut args: Vec<OsString>) -> Vec<OsString> {
    let command = |name: &str| COMMANDS.iter().find(|(kafka, _)| *kafka == name).map(|(_, ours)| *ours);
    if let Some((at, ours)) = named(&args, command) {
        args.splice(..=at, ["corrente".into(), ours.into()]);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn kafka_s_names_of_our_commands_are_ours() {
        for (typed, meant) in [
            ("bin/kafka-server-start.sh a.properties", "corrente server a.properties"),
            ("corrente kafka-server-start a --env", "corrente server a --env"),
            ("zookeeper-server-start", "corrente zookeeper"),
            ("corrente server kafka-server-start", "corrente server kafka-server-start"),
            ("corrente", "corrente"),
        ] {
            assert_eq!(translated(words(typed)), words(meant), "{typed}");
        }
        assert!(translated(Vec::new()).is_empty());
    }

    #[test]
    fn only_a_tool_is_run() {
        assert!(run_tool(&words("corrente topics list")).is_none());
        assert!(run_tool(&words("corrente server kafka-topics")).is_none());
        assert!(run_tool(&[]).is_none());
    }
}

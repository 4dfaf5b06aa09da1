//! The command line: what `corrente` understands, and how it ends.
//!
//! ```text
//! corrente                                                   as `corrente server`
//! corrente server [FILE.properties] [--override key=value]... [--env]
//! corrente log dump | verify | repair | stat PATH...         as `logtool` says
//! corrente metadata convert --to zookeeper|log FILE.properties [--apply]
//! corrente --version | --help
//! ```
//!
//! Exit codes: 0 after a clean stop, 1 for a failure, 2 for a command line that cannot be read; `log` has its own. A
//! failure is one sentence on stderr that says what to do next.
//!
//! # Not here
//!
//! The broker itself (`server`).

mod log;
mod logtool;
mod metadata;
mod server;

use crate::trouble::Chain;
use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

/// A commit log and a broker that Kafka clients of any age can use.
#[derive(Debug, Parser)]
#[command(name = "corrente", version, about, after_help = "Without a command, `corrente server` is run.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker until SIGTERM or SIGINT.
    Server(server::Args),
    /// Look at the files of logs, check them, repair them.
    Log(logtool::Args),
    /// Move the topics between the metadata log and a ZooKeeper; the broker is stopped.
    Metadata(metadata::Args),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = |()| ExitCode::SUCCESS;
    let (result, code): (Result<ExitCode, Box<dyn Error>>, _) = match cli.command {
        Some(Command::Server(args)) => (server::run(&args).map(done), None),
        Some(Command::Log(args)) => {
            let result = logtool::run(&args);
            let code = result.as_ref().err().map(|error| logtool::code_of(&**error));
            (result, code)
        }
        Some(Command::Metadata(args)) => (metadata::run(&args).map(done), None),
        None => (server::run(&server::Args::default()).map(done), None),
    };
    match (result, code) {
        (Ok(code), _) => code,
        // Nobody is left to be told.
        (Err(_), Some(None)) => ExitCode::SUCCESS,
        (Err(error), code) => {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(std::io::stderr(), "corrente: {}", Chain(&*error));
            code.flatten().unwrap_or(ExitCode::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_the_server() {
        assert!(Cli::try_parse_from(["corrente"]).unwrap().command.is_none());
    }

    #[test]
    fn server_takes_a_file_and_overrides() {
        let line =
            ["corrente", "server", "a.properties", "--override", "a=b=c", "--env", "--override", "d=e"];
        let Some(Command::Server(args)) = Cli::try_parse_from(line).unwrap().command else { unreachable!() };
        assert_eq!(args.file.as_deref(), Some(std::path::Path::new("a.properties")));
        assert_eq!(args.overrides, ["a=b=c", "d=e"]);
        assert!(args.env);
    }

    #[test]
    fn what_cannot_be_read_is_a_usage_error() {
        for line in [
            &["corrente", "zookeeper"][..],
            &["corrente", "server", "--override", "novalue"],
            &["corrente", "server", "a", "b"],
            &["corrente", "server", "--frobnicate"],
        ] {
            assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}

//! The command line: what `corrente` understands, and how it ends.
//!
//! ```text
//! corrente                                                   as `corrente server`
//! corrente server [FILE.properties] [--override key=value]... [--env]
//! corrente --version | --help
//! ```
//!
//! Exit codes: 0 after a clean stop, 1 for a failure, 2 for a command line that cannot be read. A failure is one
//! sentence on stderr that says what to do next.
//!
//! # Not here
//!
//! The broker itself (`server`).

mod log;
mod server;

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
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Server(args)) => server::run(&args),
        None => server::run(&server::Args::default()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(std::io::stderr(), "corrente: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
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

    #[test]
    fn causes_are_told_in_one_line() {
        let inner = std::io::Error::other("inner");
        let error = log_engine::error::LogError::io("open", "/x")(inner);
        assert_eq!(chain(&error), "cannot open /x: inner");
    }
}

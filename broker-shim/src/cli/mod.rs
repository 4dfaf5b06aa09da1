//! The command line: what `corrente` understands, and how it ends.
//!
//! ```text
//! corrente                                                   as `corrente server`
//! corrente server [FILE.properties] [--override key=value]... [--env] [--daemon]
//! corrente zookeeper [FILE.properties] [--override key=value]... [--daemon]
//! corrente stop server | zookeeper                           as `stop` says
//! corrente healthcheck [broker | zookeeper]                  as `healthcheck` says
//! corrente log dump | verify | repair | stat PATH...         as `logtool` says
//! corrente metadata convert --to zookeeper|log FILE.properties [--apply]
//! corrente topics | configs | produce | consume | groups | bench ...   as `corrente_tools::own` says
//! corrente completion SHELL | man DIRECTORY                  as `papers` says
//! corrente kafka-topics ...                                  Kafka's tools, also by the program's own name: `names`
//! corrente --version | --help
//! ```
//!
//! Kafka's names for these (`kafka-server-start.sh`, `corrente kafka-server-stop`) are in `names`.
//!
//! Exit codes: 0 after a clean stop, 1 for a failure, 2 for a command line that cannot be read; `log` has its own. A
//! failure is one sentence on stderr that says what to do next.
//!
//! # Not here
//!
//! The broker itself (`server`), and what the tools do (`corrente-tools`).

mod daemon;
mod healthcheck;
mod image;
mod log;
mod logtool;
mod metadata;
mod names;
mod papers;
mod reach;
mod server;
mod stop;
mod zookeeper;

use crate::trouble::Chain;
use clap::{CommandFactory, Parser, Subcommand};
use std::env;
use std::error::Error;
use std::ffi::OsString;
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
    /// Run a ZooKeeper server of one node until SIGTERM or SIGINT.
    Zookeeper(zookeeper::Args),
    /// Stop what this program runs here, and wait until it is gone.
    Stop(stop::Args),
    /// Ask the server of this machine or container whether it answers: exit code 0 if it does, 1 if not.
    Healthcheck(healthcheck::Args),
    /// Look at the files of logs, check them, repair them.
    Log(logtool::Args),
    /// Move the topics between the metadata log and a ZooKeeper; the broker is stopped.
    Metadata(metadata::Args),
    #[command(flatten)]
    Own(corrente_tools::own::Command),
    /// Print a script that completes command lines.
    Completion(papers::CompletionArgs),
    /// Write manual pages.
    Man(papers::ManArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    daemon::settle();
    let line = match names::spelled_out(env::args_os().collect()) {
        Ok(line) => line,
        Err(names::Usage(text)) => {
            // Where and with which code Kafka's scripts say it.
            let _ = writeln!(std::io::stdout(), "{text}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(code) = names::run_tool(&line) {
        return code;
    }
    execute(Cli::parse_from(&line), &line)
}

fn execute(cli: Cli, line: &[OsString]) -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let (result, code): (Result<ExitCode, Box<dyn Error>>, _) = match cli.command {
        Some(Command::Server(args)) if args.daemon.daemon => {
            (daemon::launch("kafkaServer", line).map(done), None)
        }
        Some(Command::Server(args)) => (server::run(&args).map(done), None),
        Some(Command::Zookeeper(args)) if args.daemon.daemon => {
            (daemon::launch("zookeeper", line).map(done), None)
        }
        Some(Command::Zookeeper(args)) => (zookeeper::run(&args).map(done), None),
        Some(Command::Stop(args)) => (stop::run(args), None),
        Some(Command::Healthcheck(args)) => (healthcheck::run(&args).map(done), None),
        Some(Command::Log(args)) => {
            let result = logtool::run(&args);
            let code = result.as_ref().err().map(|error| logtool::code_of(&**error));
            (result, code)
        }
        Some(Command::Metadata(args)) => (metadata::run(&args).map(done), None),
        Some(Command::Own(command)) => (Ok(corrente_tools::own::run(&command)), None),
        Some(Command::Completion(args)) => {
            let result = papers::completion(&args, Cli::command(), &mut std::io::stdout().lock());
            let code = result.as_ref().err().map(|error| logtool::code_of(&**error));
            (result.map(done), code)
        }
        Some(Command::Man(args)) => (papers::man(&args, Cli::command()).map(done), None),
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
            &["corrente", "zookeeper", "--override", "novalue"][..],
            &["corrente", "server", "--override", "novalue"],
            &["corrente", "server", "a", "b"],
            &["corrente", "server", "--frobnicate"],
        ] {
            assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}

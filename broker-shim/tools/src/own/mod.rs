//! Our own commands, parts of `corrente`'s command line: tables for people, `--json` for programs.
//!
//! Each is a variant of [`Command`], which the binary takes over into its own; [`run`] does it.

mod bar;
pub mod bench;
pub mod configs;
pub mod consume;
pub mod groups;
pub mod produce;
pub mod table;
pub mod topics;

use crate::failure::Failure;
use crate::io::{self, Io};
use clap::Subcommand;
use std::process::ExitCode;

/// What there is.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List, describe, create, change and delete topics
    Topics(topics::Args),
    /// Send lines as messages
    Produce(produce::Args),
    /// Read messages
    Consume(consume::Args),
    /// List, describe and delete consumer groups
    Groups(groups::Args),
    /// Measure how fast messages are taken and given
    Bench(bench::Args),
    /// Show and change settings of topics and brokers
    Configs(configs::Args),
}

/// Where the broker is: what all commands take.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The brokers to ask, as host:port; several with commas
    #[arg(short, long, value_name = "HOST:PORT", default_value = "localhost:9092", global = true)]
    pub bootstrap: String,
    /// A property file for the client
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Common {
    /// Dials.
    ///
    /// # Errors
    ///
    /// If no broker answers.
    pub fn connect(&self) -> Result<kafka_client::Client, Failure> {
        crate::ops::session::Bootstrap::new(&self.bootstrap, self.config.as_deref())?.connect()
    }
}

/// Runs a command on this process's standard streams: 0, or 1 after one sentence, or 2 for a command line that cannot be
/// read.
#[must_use]
pub fn run(command: &Command) -> ExitCode {
    ExitCode::from(io::with_standard_streams(|io| execute(command, io)))
}

/// Runs a command.
pub fn execute(command: &Command, io: &mut Io<'_>) -> u8 {
    let result = match command {
        Command::Topics(args) => topics::run(args, io),
        Command::Produce(args) => produce::run(args, io),
        Command::Consume(args) => consume::run(args, io),
        Command::Groups(args) => groups::run(args, io),
        Command::Bench(args) => bench::run(args, io),
        Command::Configs(args) => configs::run(args, io),
    };
    let result = result.and_then(|()| Ok(io.out.flush()?));
    let (text, code) = match result {
        Ok(()) | Err(Failure::Closed) => return 0,
        Err(Failure::Silent(code)) => return code,
        Err(Failure::Usage(text)) => (text, 2),
        Err(Failure::Told(text) | Failure::Away(text) | Failure::Plain(text)) => (text, 1),
    };
    io.err_line(&format!("corrente: {text}"));
    code
}

/// A setting on a command line.
fn setting(text: &str) -> Result<(String, String), Failure> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) =
        pair.ok_or_else(|| Failure::usage(format!("{text:?} is no setting: write key=value")))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;

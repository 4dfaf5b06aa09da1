//! Kafka's command line tools under their own names, and Corrente's.
//!
//! ```text
//!  kafka-topics.sh --list ...          run("kafka-topics.sh", [--list, ...])    kafka/topics.rs
//!  corrente kafka-topics --list ...    the same
//!  corrente topics list                own::Command, a part of the binary's command line    own/topics.rs
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`kafka`] | Kafka's tools: their options, output, prompts and exit codes |
//! | [`own`] | ours: tables, colours, JSON |
//! | [`ops`] | what both do: connect, ask, put in order |
//! | [`options`] | a command line as Kafka's tools read it |
//! | [`zookeeper`] | the `--zookeeper` forms of the old tools: Kafka's znodes, and no broker |
//! | [`io`] | where a tool reads and writes: the terminal, or a test's buffers |
//! | [`failure`] | how a tool ends when it does not end well |
//!
//! # Adding a tool
//!
//! A module under `kafka` with `pub(crate) const TOOL: Tool` (name, options, what to run), and its line in
//! [`kafka::TOOLS`]. A tool writes to its [`Io`](io::Io) only and returns a [`Failure`] rather than printing it: the
//! frame puts Kafka's words before it and gives the exit code.
//!
//! # Invariants
//!
//! * Nothing that a user types or a broker answers is a panic or a stack trace.
//! * A reader who has seen enough (`| head`) is no failure.
//!
//! # Not here
//!
//! The protocol (`kafka-client`), the broker, and which name the process was called by (`broker-shim`'s `cli`).

#![forbid(unsafe_code)]

pub mod failure;
pub mod io;
pub mod kafka;
pub mod ops;
pub mod options;
pub mod own;

#[cfg(test)]
mod testing;
pub mod zookeeper;

pub use failure::Failure;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the tool of Kafka's that is called `name` (with or without `.sh`, with or without a directory before it) on this
/// process's standard streams; `None` if there is none.
#[must_use]
pub fn run(name: &str, args: &[OsString]) -> Option<ExitCode> {
    let tool = kafka::find(name)?;
    Some(ExitCode::from(io::with_standard_streams(|io| tool.execute(args, io))))
}

/// Whether Kafka has a tool of this name that is one here.
#[must_use]
pub fn is_tool(name: &str) -> bool {
    kafka::find(name).is_some()
}

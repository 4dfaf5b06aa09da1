//! `corrente log`: looks at the files of a log, ours or Kafka's, checks them, and puts them right.
//!
//! | command | does | exit code |
//! |---|---|---|
//! | `dump` | shows every batch (and record) with its place, and what the other files hold | 0 |
//! | `verify` | checks everything against everything | 0 nothing is wrong, 1 something is |
//! | `repair` | says what it would do; does it with `--apply` | 0 nothing (left) to do, 1 something to do |
//! | `stat` | sizes, offsets, times, compression, what is not synced | 0 |
//!
//! A path is a file, the directory of one log, or a data directory with many. 2 is for a command line that cannot be
//! read and for a path that cannot be looked at. Only `repair --apply` writes; everything else works on a storage that
//! refuses to, so that it can be interrupted at any time.
//!
//! # Not here
//!
//! How a log is read, checked and repaired (`log_engine::inspect`, `log_engine::repair`).

mod decode;
mod dump;
mod line;
mod output;
mod repair;
mod stat;
mod target;
mod verify;

use clap::{Args as ClapArgs, Subcommand};
use log_engine::error::LogError;
use log_engine::io::{ReadOnlyStorage, RealStorage, Storage};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use target::Target;

/// Exit code where something was found.
const FOUND: u8 = 1;
/// Exit code where the work could not be done.
const TROUBLE: u8 = 2;

/// Arguments of `corrente log`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is in the files: every batch with its place, indexes, snapshots, checkpoints
    Dump(dump::Args),
    /// Check the files: exit code 0 if nothing is wrong, 1 if something is
    Verify(verify::Args),
    /// Say what would put damaged logs right; do it with --apply
    Repair(repair::Args),
    /// Show sizes, offsets, times and compression
    Stat(stat::Args),
}

/// What all of them take.
#[derive(Debug, ClapArgs)]
struct Common {
    /// A file of a log, the directory of one log, or a data directory with many; may be repeated
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Runs a command; an error is one line on stderr and exit code 2.
pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Dump(args) => dump::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Stat(args) => stat::run(args),
    }
}

/// The exit code of an error; `None` for one that is none: whoever read our output has seen enough.
pub(super) fn code_of(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    let closed = error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
    (!closed).then(|| ExitCode::from(TROUBLE))
}

/// The files of this machine, to be looked at.
fn read_only() -> ReadOnlyStorage {
    ReadOnlyStorage::new(Arc::new(RealStorage::new()))
}

/// What a path is, or an error that says what it should be.
fn target(storage: &dyn Storage, path: &Path) -> Result<Target, Box<dyn Error>> {
    if !storage.exists(path).map_err(LogError::io("look for", path))? {
        return Err(format!(
            "{} is not there: name a file of a log, the directory of one, or a data directory",
            path.display()
        )
        .into());
    }
    let found = Target::of(storage, path)?;
    found.ok_or_else(|| {
        format!(
            "{} holds no log: name the directory that the .log files are in, or a data directory",
            path.display()
        )
        .into()
    })
}

/// Bytes of all files in a directory that a look would read.
fn size_of(storage: &dyn Storage, dir: &Path) -> Result<u64, LogError> {
    let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
    Ok(entries.iter().filter(|entry| entry.name.ends_with(".log")).map(|entry| entry.len).sum())
}

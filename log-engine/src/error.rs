//! What can go wrong, by whose fault it is: the caller's, the disk's content, or the operating system's.
//!
//! The three classes never mix ([`LogError::fault`]): a caller's mistake is answered, damage is decided by
//! recovery and reported with its exact range, an operating system error poisons the log (see `log::sync`).
//! Messages are lower case, without a full stop, with units; `source()` carries the cause.

use crate::format::CorruptReason;
use crate::format::validate::Rejected;
use crate::types::{Offset, Position};
use std::io;
use std::path::{Path, PathBuf};

/// The result of an engine call.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// Everything a log or a store can refuse with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The caller asked for an offset the log does not hold; the range it does hold is given.
    #[error("offset {requested} is out of range [{start}, {end}]")]
    OffsetOutOfRange {
        /// What was asked for.
        requested: Offset,
        /// The log start offset.
        start: Offset,
        /// The log end offset: the next record gets it; reading there is empty, beyond it is this error.
        end: Offset,
    },
    /// The batch may not be appended; nothing was written.
    #[error("batch refused: {0}")]
    Rejected(#[from] Rejected),
    /// The batch is out of order for its idempotent producer; nothing was written.
    #[error("producer refused: {0}")]
    Producer(#[from] crate::log::producers::ProducerError),
    /// A setting is outside its range.
    #[error("{key} = {value}: expected {expected}")]
    Config {
        /// The setting's name.
        key: &'static str,
        /// What was given.
        value: String,
        /// The range or form that is allowed.
        expected: &'static str,
    },
    /// No log of this name is in the store, or it already is, or the name cannot be a directory name.
    #[error("log {name:?} {problem}")]
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
    /// The log or store was closed, or the log was deleted.
    #[error("the log is closed")]
    Closed,
    /// Somebody else holds the directory.
    #[error("{dir}: in use by {holder}", dir = .dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who holds it, as far as it can be told: `process 4711`.
        holder: String,
    },
    /// What lies in a directory of the store keeps it from being opened; nothing was changed.
    #[error("{path}: {problem}", path = .path.display())]
    Directory {
        /// What is in the way.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Bytes on disk are not what was written. Offsets outside the damaged range are served.
    #[error("{path}: {reason} at position {position}", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        position: Position,
        /// Expected against found.
        reason: CorruptReason,
    },
    /// An earlier write or sync failed: nothing is appended until the log is opened again.
    #[error("{path}: poisoned by an earlier failure: {cause}", path = .path.display())]
    Poisoned {
        /// The log's directory.
        path: PathBuf,
        /// The first failure, as text.
        cause: String,
    },
    /// The disk is full (or the reserve is all that is left); reads go on, appends work again when space returns.
    #[error("{path}: no space left: {needed} bytes needed", path = .path.display())]
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
        /// Bytes asked for.
        needed: u64,
    },
    /// The operating system refused; `op` and `path` say what was tried.
    #[error("cannot {op} {path}", path = .path.display())]
    Io {
        /// The call, as a verb: `open`, `sync`.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The caller's: another call may succeed, nothing is broken.
    Caller,
    /// The content of the disk is not what was written.
    Corrupt,
    /// The operating system refused.
    Io,
}

impl LogError {
    /// Whose fault this is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Corrupt { .. } => Fault::Corrupt,
            Self::Io { .. } | Self::Poisoned { .. } | Self::NoSpace { .. } => Fault::Io,
            _ => Fault::Caller,
        }
    }

    /// Turns an operating system's answer into an error that says what was tried on which file.
    pub fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { op, path: path.as_ref().to_owned(), source }
    }
}

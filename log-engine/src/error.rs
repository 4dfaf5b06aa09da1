//! What can go wrong, by whose fault it is: the caller's, the disk's content, or the operating system's.
//!
//! The three classes never mix ([`LogError::fault`]): a caller's mistake is answered, damage is decided by
//! recovery and reported with its exact range, an operating system error poisons the log (see `log::sync`).
//! Messages are lower case, without a full stop, with units; `source()` carries the cause.

use crate::format::CorruptReason;
use crate::format::validate::Rejected;
use crate::log::producers::ProducerError;
use crate::types::{Offset, Position};
use std::io::{self, ErrorKind};
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
    #[error("batch refused: {why}{setting}", why = .0, setting = setting_of(.0))]
    Rejected(Rejected),
    /// The batch is out of order for its idempotent producer; nothing was written.
    #[error("producer refused: {0}")]
    Producer(ProducerError),
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
    #[error("{path}: corrupt at position {position}: {reason}", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        position: Position,
        /// Expected against found.
        reason: CorruptReason,
    },
    /// Records of a batch that was checked cannot be read: they contradict their own lengths, or do not decompress. Their writer
    /// made them so. Made by `?` of what a [`RecordBatch`](crate::RecordBatch) answers, which does not know its file.
    #[error("records cannot be read: {0}")]
    Records(CorruptReason),
    /// An earlier write or sync failed: nothing is appended until the log is opened again.
    #[error("{path}: poisoned by an earlier failure: {cause}", path = .path.display())]
    Poisoned {
        /// The log's directory.
        path: PathBuf,
        /// The first failure, as text.
        cause: String,
    },
    /// The disk is full; reads go on, appends work again when space returns. From a close: everything accepted is on the
    /// disk, but no note of the clean stop, so that the next start looks at the logs.
    #[error("{path}: {}", no_space(*.needed, .reserve.as_ref()), path = .path.display())]
    NoSpace {
        /// The file that could not grow or be made.
        path: PathBuf,
        /// Bytes asked for; 0 where it was room for a name or the like.
        needed: u64,
        /// If the disk may have room again, but none is given to appends yet: the data directory whose reserve must be taken
        /// again first, and its bytes.
        reserve: Option<(PathBuf, u64)>,
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

/// What is only derived and found no room is done without; true if it was written.
pub(crate) fn if_room(written: Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.is_no_space() => Ok(false),
        Err(error) => Err(error),
    }
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

// The message holds all that these have to say, so they are not the source as well.
impl From<Rejected> for LogError {
    fn from(why: Rejected) -> Self {
        Self::Rejected(why)
    }
}

impl From<CorruptReason> for LogError {
    fn from(why: CorruptReason) -> Self {
        Self::Records(why)
    }
}

impl From<ProducerError> for LogError {
    fn from(why: ProducerError) -> Self {
        Self::Producer(why)
    }
}

fn no_space(needed: u64, reserve: Option<&(PathBuf, u64)>) -> String {
    match (reserve, needed) {
        (Some((dir, bytes)), _) => format!(
            "appends are refused until maintenance has regained the reserve of {bytes} bytes in {}",
            dir.display()
        ),
        (None, 0) => "no space left".to_owned(),
        (None, _) => format!("no space left for {needed} bytes"),
    }
}

/// The setting that a batch was refused for.
fn setting_of(rejected: &Rejected) -> &'static str {
    match rejected {
        Rejected::TooLarge { .. } => " (max_message_bytes)",
        Rejected::LargerThanSegment { .. } => " (segment_bytes)",
        _ => "",
    }
}

impl LogError {
    /// Whose fault this is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Corrupt { .. } | Self::Records(_) => Fault::Corrupt,
            Self::Io { .. } | Self::Poisoned { .. } | Self::NoSpace { .. } => Fault::Io,
            _ => Fault::Caller,
        }
    }

    /// Whether want of space is all that is wrong.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    /// Whether the process, or the machine, has as many files open as it may: nothing was tried.
    #[must_use]
    pub fn is_too_many_files(&self) -> bool {
        let answers = [Some(libc::EMFILE), Some(libc::ENFILE)];
        matches!(self, Self::Io { source, .. } if answers.contains(&source.raw_os_error()))
    }

    /// Whether a file was there and its sync failed: what the system shows of it may not be on the disk.
    pub(crate) fn is_failed_sync(&self) -> bool {
        matches!(self, Self::Io { op: "sync", source, .. } if source.kind() != io::ErrorKind::NotFound)
    }

    /// Gives a full disk its own name, whatever was tried on it.
    pub(crate) fn into_no_space(self) -> Self {
        let full = self.is_no_space();
        match self {
            Self::Io { path, .. } if full => Self::NoSpace { path, needed: 0, reserve: None },
            other => other,
        }
    }

    /// Says of a directory on a file system that takes no writes what can be done about it.
    pub(crate) fn name_read_only(self, dir: &Path) -> Self {
        match self {
            Self::Io { ref source, .. } if source.kind() == ErrorKind::ReadOnlyFilesystem => {
                let problem = "lies on a file system that is mounted read-only: mount it for writing, or only read \
                               the log (LogReader)";
                Self::Directory { path: dir.to_owned(), problem: problem.to_owned() }
            }
            other => other,
        }
    }

    /// Turns an operating system's answer into an error that says what was tried on which file.
    pub fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { op, path: path.as_ref().to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn all() -> Vec<(LogError, &'static str)> {
        let path = || PathBuf::from("t-0/00000000000000000120.log");
        let dir = || PathBuf::from("data");
        let offset = |raw| Offset::new(raw).unwrap();
        let (requested, start, end) = (offset(900), offset(120), offset(870));
        let position = Position::new(4096).unwrap();
        let hole = || CorruptReason::Structure("a hole".to_owned());
        let reason = hole();
        let too_large = Rejected::TooLarge { size: 9, max: 8 };
        let out_of_order = ProducerError::OutOfOrder { found: 7, expected: 5 };
        let config = |expected| LogError::Config { key: "segment.ms", value: "0".to_owned(), expected };
        vec![
            (LogError::OffsetOutOfRange { requested, start, end }, "offset 900 is out of range [120, 870]"),
            (
                too_large.into(),
                "batch refused: batch of 9 bytes, at most 8 bytes are allowed (max_message_bytes)",
            ),
            (out_of_order.into(), "producer refused: sequence 7, expected 5"),
            (config("at least 1 ms"), "segment.ms = 0: expected at least 1 ms"),
            (LogError::Name { name: "t-0".to_owned(), problem: "is there" }, "log \"t-0\" is there"),
            (LogError::Closed, "the log is closed"),
            (LogError::Locked { dir: dir(), holder: "process 47".to_owned() }, "data: in use by process 47"),
            (LogError::Directory { path: dir(), problem: "is a link".to_owned() }, "data: is a link"),
            (
                LogError::Corrupt { path: path(), position, reason },
                "t-0/00000000000000000120.log: corrupt at position 4096: a hole",
            ),
            (hole().into(), "records cannot be read: a hole"),
            (
                LogError::Poisoned { path: dir(), cause: "cannot sync x".to_owned() },
                "data: poisoned by an earlier failure: cannot sync x",
            ),
            (
                LogError::NoSpace { path: dir(), needed: 512, reserve: None },
                "data: no space left for 512 bytes",
            ),
            (LogError::NoSpace { path: dir(), needed: 0, reserve: None }, "data: no space left"),
            (
                LogError::NoSpace { path: "data/t-0".into(), needed: 5, reserve: Some((dir(), 16)) },
                "data/t-0: appends are refused until maintenance has regained the reserve of 16 bytes in data",
            ),
            (LogError::io("sync", dir())(io::ErrorKind::Other.into()), "cannot sync data"),
        ]
    }

    #[test]
    fn messages_say_what_and_where_and_leave_the_cause_to_the_source() {
        for (error, text) in all() {
            assert_eq!(error.to_string(), text);
            assert!(!text.ends_with('.'), "{text}");
            assert_eq!(error.source().is_some(), matches!(error, LogError::Io { .. }), "{text}");
        }
    }
}

//! Damage that was found: exact ranges, kept until the segment goes by retention or a repair.

use crate::error::LogError;
use crate::format::CorruptReason;
use crate::types::{Offset, Position};
use std::ops::Range;
use std::path::PathBuf;

/// A range of a log that is not what was written. The rest of the log is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// The bytes of it that cannot be used; empty if the file ends early or is missing.
    pub bytes: Range<u64>,
    /// The offsets whose records are lost; empty if the bytes lay between two whole batches.
    pub offsets: Range<Offset>,
    /// What was found first.
    pub reason: CorruptReason,
}

impl Damage {
    /// The answer to who reads an offset in it.
    pub(crate) fn to_error(&self) -> LogError {
        LogError::Corrupt {
            path: self.file.clone(),
            position: Position::new(self.bytes.start).unwrap_or(Position::MAX),
            reason: CorruptReason::Hole {
                from: self.offsets.start,
                to: self.offsets.end,
                bytes: self.bytes.end.saturating_sub(self.bytes.start),
                cause: Box::new(self.reason.clone()),
            },
        }
    }
}

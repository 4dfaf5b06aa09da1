//! Looking at the files of a log without opening it: every batch with its place, and what is between them.
//!
//! For tools. [`SegmentReader`] goes through one `.log` file, ours or Kafka's, sound or not, of batches (magic 2) or of
//! message sets (magic 0 and 1), and gives every byte of it exactly once, in order:
//!
//! ```text
//!   | batch | batch | unreadable .............. | batch | zeros ............|
//!     ok      crc?    up to the next batch that         laid out in advance,
//!                     is what was written               or not yet written
//! ```
//!
//! [`check_log`] holds a whole directory together: the chain of the batches, the indexes, snapshots and checkpoints
//! against them. [`decode`] has the small files that are ours alone.
//!
//! # Invariants
//!
//! * Nothing is written: everything works on an [`io::ReadOnlyStorage`](crate::io::ReadOnlyStorage).
//! * One batch (or 256 KiB) of a file is in memory, and its indexes, which are a thousandth of it.
//!
//! # Not here
//!
//! Names of topics, several directories, how anything is printed (whoever embeds this), and putting right what was
//! found (`repair`).

mod against;
mod check;
pub mod decode;
mod derived;
mod old;

pub use crate::log::files::read_small;
pub use check::{CheckOptions, Finding, Kind, LogCheck, check_log};
pub use old::{CheckOld, OldRange};

use crate::error::Result;
use crate::format::CorruptReason;
use crate::format::batch::{self, BatchView, LENGTH_OVERHEAD, MAGIC_AT};
use crate::io::Storage;
use crate::log::scan::{Expected, Scanner};
use crate::types::Offset;
use std::ops::Range;
use std::path::Path;

/// The least that the size field of a message of magic 0 counts.
const SMALLEST_OLD: u64 = 14;

/// A stretch of a `.log` file. Positions and ranges are in bytes from its begin.
#[derive(Debug)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// A batch whose header can be read.
    Batch {
        /// Where it begins.
        position: u64,
        /// Its bytes.
        batch: BatchView<'a>,
        /// Why it is not what was written, as far as it and the one before it tell.
        problem: Option<CorruptReason>,
    },
    /// An entry of a message set: magic 0 or 1, whole by its size field. What is in it is not looked at here.
    Old {
        /// Where it begins.
        position: u64,
        /// All its bytes, offset and size included.
        bytes: &'a [u8],
    },
    /// Bytes that are neither.
    Unreadable {
        /// Up to the next batch that is intact, or to the end of the file.
        bytes: Range<u64>,
        /// What is wrong where they begin.
        reason: CorruptReason,
    },
    /// Nothing but zeros up to the end of the file.
    Zeros {
        /// Where they lie.
        bytes: Range<u64>,
    },
}

/// What stands at a position, before it is lent out.
enum Look {
    Batch(usize, Option<CorruptReason>),
    Old(usize),
    Unreadable(u64, CorruptReason),
    Zeros,
}

/// Goes through one `.log` file from its begin to its end.
///
/// ```
/// use log_engine::inspect::{Entry, SegmentReader};
/// use log_engine::io::RealStorage;
/// use log_engine::{Log, LogConfig, NewRecord, Offset};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temp = tempfile::tempdir()?;
/// # let dir = temp.path().join("log");
/// let log = Log::open(&dir, LogConfig::default())?;
/// log.append(&[NewRecord::value(b"v")])?;
/// log.close()?;
/// let path = dir.join("00000000000000000000.log");
/// let mut reader = SegmentReader::open(&RealStorage::new(), &path, Offset::ZERO)?;
/// while let Some(entry) = reader.next_entry()? {
///     if let Entry::Batch { position, batch, problem } = entry {
///         assert_eq!((position, batch.record_count(), problem), (0, 1, None));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SegmentReader {
    scanner: Scanner,
    base: Offset,
    at: u64,
    /// The offset after the last sound entry; unknown behind one that is not.
    next: Option<Offset>,
}

impl SegmentReader {
    /// Opens a file; `base` is the offset in its name.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`](crate::LogError::Io).
    pub fn open(storage: &dyn Storage, path: &Path, base: Offset) -> Result<Self> {
        Ok(Self { scanner: Scanner::open(storage, path)?, base, at: 0, next: Some(base) })
    }

    /// Bytes of the file.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
    pub fn len(&self) -> u64 {
        self.scanner.len()
    }

    /// The next stretch; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`](crate::LogError::Io) if the disk refuses to read; damage is an entry and no error.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>> {
        let position = self.at;
        if position >= self.len() {
            return Ok(None);
        }
        Ok(Some(match self.look(position)? {
            Look::Batch(len, problem) => {
                self.at += len as u64;
                let batch = self.scanner.batch(position, len)?;
                self.next = problem.is_none().then(|| batch.next_offset());
                Entry::Batch { position, batch, problem }
            }
            Look::Old(len) => {
                self.at += len as u64;
                let bytes = self.scanner.bytes(position, len)?;
                let offset = Offset::new(batch::read_i64(bytes, 0));
                self.next = offset.and_then(Offset::next).max(self.next);
                Entry::Old { position, bytes }
            }
            Look::Unreadable(end, reason) => {
                self.at = end;
                self.next = None;
                Entry::Unreadable { bytes: position..end, reason }
            }
            Look::Zeros => {
                self.at = self.len();
                Entry::Zeros { bytes: position..self.at }
            }
        }))
    }

    fn look(&mut self, at: u64) -> Result<Look> {
        if let Some(len) = self.old_len(at)? {
            return Ok(Look::Old(len));
        }
        let reason = match self.scanner.load_batch(at)? {
            Ok(len) => {
                let batch = self.scanner.batch(at, len)?;
                let expected = self.next.unwrap_or(batch.base_offset());
                let problem = batch.check_crc().err().or_else(|| {
                    let found = batch.base_offset();
                    let reason = CorruptReason::OffsetOrder { expected, found: found.get() };
                    (found < expected).then_some(reason)
                });
                return Ok(Look::Batch(len, problem));
            }
            Err(reason) => reason,
        };
        if self.scanner.is_zero_from(at)? {
            return Ok(Look::Zeros);
        }
        Ok(Look::Unreadable(self.next_intact(at)?, reason))
    }

    /// Length of the message at `at`, if one lies there.
    fn old_len(&mut self, at: u64) -> Result<Option<usize>> {
        let rest = self.len() - at;
        if rest < LENGTH_OVERHEAD as u64 + SMALLEST_OLD {
            return Ok(None);
        }
        let head = self.scanner.bytes(at, MAGIC_AT + 1)?;
        let size = u64::try_from(batch::read_i32(head, LENGTH_OVERHEAD - 4)).unwrap_or_default();
        let len = size + LENGTH_OVERHEAD as u64;
        let possible = head[MAGIC_AT] <= 1 && size >= SMALLEST_OLD && len <= rest;
        // Zeros have no size, and a flipped bit makes a 0 of the magic of a batch.
        if !possible || self.scanner.is_batch_but_for_magic(at)? {
            return Ok(None);
        }
        Ok(usize::try_from(len).ok())
    }

    /// Where the next intact batch begins: where the length field says, or anywhere.
    fn next_intact(&mut self, at: u64) -> Result<u64> {
        if let Some(len) = self.scanner.claimed_len(at)?
            && self.scanner.intact(at + len)?.is_some()
        {
            return Ok(at + len);
        }
        let offset = self.next.unwrap_or(self.base);
        let found = self.scanner.resync(at + 1, &Expected::from(offset))?.map(|(found, _)| found);
        Ok(found.unwrap_or(self.len()))
    }
}

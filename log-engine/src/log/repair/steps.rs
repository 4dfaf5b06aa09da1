//! What a repair does, in words and in order.

use super::{DAMAGED, named};
use crate::error::Result;
use crate::format::names::{FileKind, SegmentFile};
use crate::io::Storage;
use crate::log::files::with_suffix;
use crate::log::inspect::{Finding, Kind, LogCheck, decode};
use crate::log::recovery::{Looked, TORN, free_name};
use crate::types::Offset;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One step of a repair.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Bytes are copied to a file beside.
    SetAside {
        /// Whose bytes.
        file: PathBuf,
        /// Which.
        bytes: Range<u64>,
        /// The file beside.
        to: PathBuf,
    },
    /// A whole file gets another name.
    Rename {
        /// The file.
        file: PathBuf,
        /// Its new name.
        to: PathBuf,
    },
    /// A file loses everything from a position on.
    Cut {
        /// The file.
        file: PathBuf,
        /// Its new length in bytes.
        at: u64,
    },
    /// An empty batch takes the place of bytes.
    Fill {
        /// The file.
        file: PathBuf,
        /// The bytes that go; empty if the batch goes to the end of the file or is all of it.
        bytes: Range<u64>,
        /// The offsets that it claims; empty if the bytes only go.
        offsets: Range<Offset>,
    },
    /// A derived file is made anew.
    Rebuild {
        /// The file.
        file: PathBuf,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetAside { file, bytes, to } => {
                let (file, to) = (file.display(), to.display());
                write!(f, "copy bytes [{}, {}) of {file} to {to}", bytes.start, bytes.end)
            }
            Self::Rename { file, to } => write!(f, "rename {} to {}", file.display(), to.display()),
            Self::Cut { file, at } => write!(f, "cut {} at {at}", file.display()),
            Self::Fill { file, bytes, offsets } if offsets.is_empty() => {
                write!(f, "take bytes [{}, {}) out of {}", bytes.start, bytes.end, file.display())
            }
            Self::Fill { file, offsets, .. } => {
                let (from, to) = (offsets.start, offsets.end);
                write!(f, "put an empty batch for the lost offsets [{from}, {to}) into {}", file.display())
            }
            Self::Rebuild { file } => write!(f, "make {} anew", file.display()),
        }
    }
}

/// The files that are renamed, since their content is of no use.
pub(super) fn renamed(check: &LogCheck) -> Vec<PathBuf> {
    let of_no_use = |finding: &&Finding| {
        let index =
            [FileKind::OffsetIndex, FileKind::TimeIndex].into_iter().any(|k| named(finding, k).is_some());
        finding.kind == Kind::Derived && !index
    };
    check.findings.iter().filter(of_no_use).map(|finding| finding.file.clone()).collect()
}

pub(super) fn plan(
    storage: &dyn Storage,
    dir: &Path,
    check: &LogCheck,
    looked: &Looked,
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for file in renamed(check) {
        let to = free_name(storage, &file, DAMAGED)?;
        steps.push(Step::Rename { file: file.clone(), to });
        if is_made_anew(&file) {
            steps.push(Step::Rebuild { file });
        }
    }
    for finding in check.findings.iter().filter(|finding| finding.kind == Kind::Torn) {
        torn(storage, finding, &mut steps)?;
    }
    for damage in &looked.decision.damage {
        let (file, bytes, offsets) = (damage.file.clone(), damage.bytes.clone(), damage.offsets.clone());
        if bytes.is_empty() {
            let name = SegmentFile::live(offsets.start, FileKind::Log).name();
            steps.push(Step::Fill { file: dir.join(name), bytes, offsets });
            continue;
        }
        let to = free_name(storage, &with_suffix(&file, &format!(".{}", bytes.start)), DAMAGED)?;
        steps.push(Step::SetAside { file: file.clone(), bytes: bytes.clone(), to });
        steps.push(Step::Fill { file, bytes, offsets });
    }
    let index = |finding: &&Finding| finding.kind == Kind::Derived && !renamed(check).contains(&finding.file);
    steps.extend(check.findings.iter().filter(index).map(|f| Step::Rebuild { file: f.file.clone() }));
    Ok(steps)
}

fn torn(storage: &dyn Storage, finding: &Finding, steps: &mut Vec<Step>) -> Result<()> {
    let (file, bytes) = (finding.file.clone(), finding.bytes.clone());
    if bytes.is_empty() {
        let to = free_name(storage, &file, TORN)?;
        steps.push(Step::Rename { file, to });
        return Ok(());
    }
    let to = free_name(storage, &with_suffix(&file, &format!(".{}", bytes.start)), TORN)?;
    steps.push(Step::SetAside { file: file.clone(), bytes: bytes.clone(), to });
    steps.push(Step::Cut { file, at: bytes.start });
    Ok(())
}

fn is_made_anew(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [decode::EPOCH_FILE, decode::MARK_FILE].contains(&name) || name.ends_with(FileKind::TxnIndex.suffix())
}

//! Putting a damaged log right: what cannot be read is set aside, and everything intact is served.
//!
//! Opening a log never cuts what was synced: a damaged range stays where it is, as a hole that readers are refused. This
//! takes the holes out, for whoever has no better copy:
//!
//! | found | done |
//! |---|---|
//! | a hole in a segment | its bytes are copied to `NAME.log.POSITION.damaged`; an empty batch takes their place |
//! | a missing segment, or synced records missing at the end | a segment is made that holds an empty batch |
//! | the trace of a crash at the end | as when opening: set aside as `*.torn`, and cut off |
//! | an index that contradicts the batches, or of a segment that was written anew | made anew |
//! | another derived file that cannot be read | renamed to `NAME.damaged`, and made anew where something depends on it |
//!
//! An *empty batch* is a header without records that claims the lost offsets, as compaction leaves it too: every offset
//! keeps its record, the chain has no gap, and Kafka, its tools and its clients read over it.
//!
//! ```text
//!   before  | 0-9 | 10-19 | #!%$ 0# | 40-49 |        after  | 0-9 | 10-19 | 20-39 empty | 40-49 |
//! ```
//!
//! # Invariants
//!
//! * Nothing is written before all is planned, and the plan can be had without writing ([`plan`]).
//! * No byte of the log is deleted. What is taken out lies, durably, in a file beside before it is taken out.
//! * It may be interrupted at any call: the log is then as damaged as before or less, and a second run goes on. A file
//!   is replaced by renaming a synced one; a synced mark in it is moved first, to the same offset or above, naming both
//!   files: whichever is there, what was synced still counts as synced.
//!
//! # Not here
//!
//! The lock: whoever calls holds it. Messages of magic 0 and 1, which are refused. Copies of what is lost.

mod holes;
mod steps;
#[cfg(test)]
mod tests;

pub use steps::Step;

use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::names::{FileKind, SegmentFile};
use crate::index::TxnIndex;
use crate::io::Storage;
use crate::log::epochs::{self, Epochs};
use crate::log::files;
use crate::log::inspect::{CheckOptions, Finding, Kind, LogCheck, check_log, decode};
use crate::log::mark::{Mark, MarkFile};
use crate::log::recovery::{FileStep, Kept, Looked, Request, aborted, apply, free_name, list, look_through};
use crate::segment::Segment;
use crate::types::Position;
use std::path::Path;
use std::sync::Arc;

/// Ends the name of a file that holds what a repair took out.
const DAMAGED: &str = ".damaged";

/// What a repair would do, in order; nothing if there is nothing to do. Writes nothing.
///
/// # Errors
///
/// [`LogError::Corrupt`] for a log that cannot be repaired: of messages of magic 0 or 1, or with segments that overlap or
/// have wrong names. [`LogError::Io`].
pub fn plan(storage: &Arc<dyn Storage>, dir: &Path, options: &CheckOptions<'_>) -> Result<Vec<Step>> {
    let Some(check) = needed(storage, dir, options)? else { return Ok(Vec::new()) };
    let request = options.request(storage, dir);
    let looked = look_through(&request, list(&**storage, dir)?, 0)?;
    steps::plan(&**storage, dir, &check, &looked)
}

/// Repairs the log in a directory, and answers what was done. Nobody else may have the log open: the caller holds the lock.
///
/// Afterwards it opens without damage, and a second repair finds nothing to do.
///
/// # Errors
///
/// As [`plan`], before anything was changed; [`LogError::Io`] at any point: what was done so far stays.
pub fn repair(storage: &Arc<dyn Storage>, dir: &Path, options: &CheckOptions<'_>) -> Result<Vec<Step>> {
    let Some(check) = needed(storage, dir, options)? else { return Ok(Vec::new()) };
    let request = options.request(storage, dir);
    let looked = look_through(&request, list(&**storage, dir)?, 0)?;
    let steps = steps::plan(&**storage, dir, &check, &looked)?;
    Repair { storage, dir, request }.run(&check)?;
    Ok(steps)
}

/// What is wrong, if something is.
fn needed(storage: &Arc<dyn Storage>, dir: &Path, options: &CheckOptions<'_>) -> Result<Option<LogCheck>> {
    let check = check_log(storage, dir, options)?;
    if check.is_clean() {
        return Ok(None);
    }
    if check.has_old_messages {
        let reason = CorruptReason::Structure("messages of magic 0 and 1 cannot be repaired".to_owned());
        return Err(LogError::Corrupt { path: dir.to_owned(), position: Position::ZERO, reason });
    }
    Ok(Some(check))
}

struct Repair<'a> {
    storage: &'a Arc<dyn Storage>,
    dir: &'a Path,
    request: Request,
}

impl Repair<'_> {
    fn run(&self, check: &LogCheck) -> Result<()> {
        let storage = &**self.storage;
        let marked = storage.exists(&self.dir.join(decode::MARK_FILE));
        let marked = marked.map_err(LogError::io("look for", self.dir))?;
        for file in steps::renamed(check) {
            self.rename_aside(&file)?;
        }
        let mut looked = self.look()?;
        let unfinished = looked.listing.steps.iter().any(|step| matches!(step, FileStep::Rename { .. }));
        if looked.decision.torn || !looked.decision.aside.is_empty() || unfinished {
            if !unfinished {
                // Nothing is removed that opening may as well remove.
                looked.listing.steps.clear();
            }
            apply(&self.request, &looked.listing, &looked.decision, false, None)?;
            looked = self.look()?;
        }
        if !looked.decision.damage.is_empty() {
            holes::fill(storage, self.dir, &looked)?;
            looked = self.look()?;
        }
        if let Some(left) = looked.decision.damage.first() {
            // Cannot be: an empty batch fits wherever something is missing.
            return Err(left.to_error());
        }
        self.rebuild(check, &looked)?;
        if marked {
            self.write_mark(&looked)?;
        }
        Ok(())
    }

    fn look(&self) -> Result<Looked> {
        look_through(&self.request, list(&**self.storage, self.dir)?, 0)
    }

    fn rename_aside(&self, file: &Path) -> Result<()> {
        let aside = free_name(&**self.storage, file, DAMAGED)?;
        self.storage.rename(file, &aside).map_err(LogError::io("rename", file))?;
        self.storage.sync_dir(self.dir).map_err(LogError::io("sync", self.dir))
    }

    /// Makes anew what is derived from the batches.
    fn rebuild(&self, check: &LogCheck, looked: &Looked) -> Result<()> {
        let storage = &**self.storage;
        let segments: Vec<_> = looked.decision.kept.iter().map(|kept| self.segment(kept)).collect();
        let wrong = |kind: FileKind| {
            check.findings.iter().filter(|f| f.kind == Kind::Derived).filter_map(move |f| named(f, kind))
        };
        let (offsets, times) = (wrong(FileKind::OffsetIndex), wrong(FileKind::TimeIndex));
        let bases: Vec<_> = offsets.chain(times).map(|file| file.base).collect();
        for (segment, kept) in segments.iter().zip(&looked.decision.kept) {
            let path = self.dir.join(SegmentFile::live(kept.base, FileKind::OffsetIndex).name());
            let there = storage.exists(&path).map_err(LogError::io("look for", &path))?;
            if bases.contains(&kept.base) || !there {
                segment.rebuild_indexes()?;
            }
        }
        for file in wrong(FileKind::TxnIndex) {
            self.rebuild_txns(file, looked)?;
        }
        let found = Epochs::load(storage, self.dir).unwrap_or_default();
        let settled = epochs::settle(&found, &segments, looked.start, looked.decision.end, None)?;
        if settled != found {
            settled.store(storage, self.dir, true)?;
        }
        storage.sync_dir(self.dir).map_err(LogError::io("sync", self.dir))
    }

    fn segment(&self, kept: &Kept) -> Arc<Segment> {
        Segment::open(Arc::clone(self.storage), self.dir, kept.base, kept.end, kept.modified)
    }

    /// The entries in front that are sound, which may tell of batches that are gone, and what the batches say behind them.
    fn rebuild_txns(&self, file: SegmentFile, looked: &Looked) -> Result<()> {
        let Some(kept) = looked.decision.kept.iter().find(|kept| kept.base == file.base) else {
            return Ok(());
        };
        let mut index = TxnIndex::default();
        for txn in aborted(&self.request, &looked.decision)? {
            if (kept.base..kept.next).contains(&txn.last) {
                index.push(txn);
            }
        }
        if index.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(file.name());
        files::replace(&**self.storage, &path, &index.encode_from(0), true)
    }

    /// Says that everything is on the disk, as it is.
    fn write_mark(&self, looked: &Looked) -> Result<()> {
        let storage = &**self.storage;
        let Some(last) = looked.decision.kept.last() else { return Ok(()) };
        for kept in &looked.decision.kept {
            let path = self.dir.join(SegmentFile::live(kept.base, FileKind::Log).name());
            let file =
                storage.open(&path, crate::io::OpenMode::ReadWrite).map_err(LogError::io("open", &path))?;
            file.sync_data().map_err(LogError::io("sync", &path))?;
        }
        let (mut mark_file, old) = MarkFile::read(storage, self.dir)?;
        let mark = Mark {
            segment: last.base,
            position: last.end,
            next_offset: looked.decision.end,
            log_start: looked.start,
            file: self.segment(last).file_id()?,
            heir: None,
            last_batch: last.last,
            truncations: old.map_or(0, |old| old.truncations) + 1,
        };
        mark_file.write(storage, &mark)
    }
}

/// The segment file that a finding is about, if it is of this kind.
fn named(finding: &Finding, kind: FileKind) -> Option<SegmentFile> {
    let name = finding.file.file_name()?.to_str()?;
    SegmentFile::parse(name).filter(|file| file.kind == kind)
}

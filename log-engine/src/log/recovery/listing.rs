//! What files a log's directory holds, and what is done about leftovers.
//!
//! | found | done |
//! |---|---|
//! | `.deleted`, `.cleaned`, an index's `.tmp` | removed |
//! | `.swap` at or above the lowest `.cleaned` | removed: its compaction did not finish |
//! | `.log.swap` besides, if it is whole | renamed in with its indexes; the live segments that it replaces are removed |
//! | one that is not whole, and a `.log` of its base | it stays, and is not looked at |
//! | one that is not whole, and no `.log` of its base | renamed in: what is damaged in it is damage of the log |
//! | `.swap` of an index without its `.log.swap` | removed: it is in place, or was being removed |
//! | an index or transaction index without its `.log` | removed |
//! | a `.log` whose name is not 20 digits | the log is refused |
//! | `sync-failed` | what is cached of the log is forgotten before anything is decided; removed when all is done |
//! | anything else | untouched |
//!
//! Nothing is done here: the steps are listed, in the order in which they are safe to be interrupted. A disk takes the
//! changes of names in any order, so where the order counts there is a sync between:
//!
//! ```text
//!  .log.swap that do not count go | sync | all else that goes | sync | indexes renamed in | sync | .log renamed in
//! ```
//!
//! The index of aborted transactions is not made anew, so it never goes before its batches do, and is in place before
//! they are. One that is live beside a `.log.swap` stays: either it is the new one, or that of the old segment, which
//! says of the same batches the same and more.

use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::names::{FileKind, SegmentFile, Stage, segment_file};
use crate::io::{DirEntry, EntryKind, FileId, Storage};
use crate::log::compact::point;
use crate::log::doubt;
use crate::log::scan::{Expected, Found, Scanner};
use crate::segment::TEMPORARY;
use crate::types::{Offset, Position, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One change of a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FileStep {
    Remove(String),
    Rename {
        from: String,
        to: String,
    },
    /// The names so far are durable before the next step.
    Sync,
}

/// A `.log` file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FoundSegment {
    pub(crate) base: Offset,
    /// Its present name; the steps give it its own.
    pub(crate) name: String,
    pub(crate) len: u64,
    pub(crate) modified: Timestamp,
    pub(crate) id: FileId,
}

/// A directory as it will be when the steps are done.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In order of their bases.
    pub(crate) segments: Vec<FoundSegment>,
    /// Offsets of the snapshots, rising.
    pub(crate) snapshots: Vec<Offset>,
    pub(crate) steps: Vec<FileStep>,
    /// There is a file that says how far the log is compacted.
    pub(crate) compacted: bool,
    /// A sync has failed since the machine was started: what is cached may not be on the disk.
    pub(crate) in_doubt: bool,
}

/// The steps by their turn.
#[derive(Debug, Default)]
struct Steps {
    unwanted_swaps: Vec<FileStep>,
    removals: Vec<FileStep>,
    indexes: Vec<FileStep>,
    batches: Vec<FileStep>,
}

impl Steps {
    fn in_order(self) -> Vec<FileStep> {
        let swaps = !self.batches.is_empty();
        let mut all = self.unwanted_swaps;
        if !all.is_empty() {
            all.push(FileStep::Sync);
        }
        all.extend(self.removals);
        if swaps {
            all.push(FileStep::Sync);
            all.extend(self.indexes);
            all.push(FileStep::Sync);
            all.extend(self.batches);
        }
        all
    }
}

/// Lists a directory. Writes nothing.
pub(crate) fn list(storage: &dyn Storage, dir: &Path) -> Result<Listing> {
    let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
    let (mut files, mut steps, mut compacted, mut in_doubt) = (Vec::new(), Steps::default(), false, false);
    for entry in entries.into_iter().filter(|entry| entry.kind == EntryKind::File) {
        let unfinished = entry.name.strip_suffix(TEMPORARY).and_then(SegmentFile::parse);
        compacted |= entry.name == point::FILE_NAME;
        in_doubt |= entry.name == doubt::FILE_NAME;
        match SegmentFile::parse(&entry.name) {
            Some(file) => files.push((file, entry)),
            None if unfinished.is_some_and(|file| file.kind != FileKind::Snapshot) => {
                steps.removals.push(FileStep::Remove(entry.name));
            }
            None if entry.name.ends_with(FileKind::Log.suffix()) => return Err(misnamed(dir, &entry.name)),
            None => {}
        }
    }
    files.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    let swaps = sort_out_unfinished(&mut steps, &files);
    let mut logs: BTreeMap<Offset, FoundSegment> = live(&files, FileKind::Log)
        .map(|(file, entry)| (file.base, FoundSegment::new(file.base, entry)))
        .collect();
    swap_in(storage, dir, &swaps, &mut logs, &mut steps)?;
    drop_orphans(&files, &logs, &mut steps);
    let segments = logs.into_values().collect();
    let snapshots = live(&files, FileKind::Snapshot).map(|(file, _)| file.base).collect();
    Ok(Listing { segments, snapshots, steps: steps.in_order(), compacted, in_doubt })
}

impl FoundSegment {
    fn new(base: Offset, entry: &DirEntry) -> Self {
        Self { base, name: entry.name.clone(), len: entry.len, modified: entry.modified, id: entry.id }
    }
}

type Named = (SegmentFile, DirEntry);

fn live(files: &[Named], kind: FileKind) -> impl Iterator<Item = &Named> {
    files.iter().filter(move |(file, _)| file.kind == kind && file.stage == Stage::Live)
}

/// Lists the removal of what was being deleted or made; returns the swaps that are finished.
fn sort_out_unfinished<'a>(steps: &mut Steps, files: &'a [Named]) -> Vec<&'a Named> {
    let cleaned =
        files.iter().filter(|(file, _)| file.stage == Stage::Cleaned).map(|(file, _)| file.base).min();
    let mut swaps = Vec::new();
    for named @ (file, entry) in files {
        let remove = FileStep::Remove(entry.name.clone());
        match (file.stage, file.kind) {
            (Stage::Live, _) => {}
            (Stage::Swap, _) if cleaned.is_none_or(|lowest| file.base < lowest) => swaps.push(named),
            (Stage::Swap, FileKind::Log) => steps.unwanted_swaps.push(remove),
            _ => steps.removals.push(remove),
        }
    }
    swaps
}

/// Lists the removal of the live segments that finished compactions replace, and then their renaming.
fn swap_in(
    storage: &dyn Storage,
    dir: &Path,
    swaps: &[&Named],
    logs: &mut BTreeMap<Offset, FoundSegment>,
    steps: &mut Steps,
) -> Result<()> {
    let (mut there, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for (file, entry) in swaps.iter().filter(|(file, _)| file.kind == FileKind::Log) {
        there.insert(file.base);
        let Some(end) = whole_end(storage, &dir.join(&entry.name), file.base)? else {
            // A swap that is not what was written replaces nothing: it stays where it is, for somebody to look at. Where what
            // it was to replace is gone already, it is all there is of these records.
            if let Entry::Vacant(free) = logs.entry(file.base) {
                taken.insert(file.base);
                free.insert(FoundSegment::new(file.base, entry));
            }
            continue;
        };
        taken.insert(file.base);
        let replaced: Vec<Offset> =
            logs.range(file.base..end.max(file.base)).map(|(base, _)| *base).collect();
        for base in replaced.into_iter().filter(|base| *base != file.base) {
            if let Some(old) = logs.remove(&base) {
                steps.removals.push(FileStep::Remove(old.name));
            }
        }
        logs.insert(file.base, FoundSegment::new(file.base, entry));
    }
    for (file, entry) in swaps {
        let rename = FileStep::Rename { from: entry.name.clone(), to: segment_file(file.base, file.kind) };
        match file.kind {
            FileKind::Log if taken.contains(&file.base) => steps.batches.push(rename),
            FileKind::Log => {}
            _ if taken.contains(&file.base) => steps.indexes.push(rename),
            _ if there.contains(&file.base) => {}
            _ => steps.removals.push(FileStep::Remove(entry.name.clone())),
        }
    }
    Ok(())
}

/// Where the batches of a file end, if it holds nothing else: not even zeros, since it was trimmed before it got the name.
fn whole_end(storage: &dyn Storage, path: &Path, base: Offset) -> Result<Option<Offset>> {
    let mut scanner = Scanner::open(storage, path)?;
    let len = scanner.len();
    let mut expected = Expected::from(base);
    let mut at = 0;
    loop {
        match scanner.read(at, &expected)? {
            Found::Batch(batch) => {
                at += batch.len() as u64;
                expected = expected.after(&batch);
            }
            Found::End if at == len => return Ok(Some(expected.offset)),
            Found::End | Found::Bad(_) => return Ok(None),
        }
    }
}

/// Lists the removal of indexes whose segment is not there, or is replaced by one with other bytes.
fn drop_orphans(files: &[Named], logs: &BTreeMap<Offset, FoundSegment>, steps: &mut Steps) {
    for (file, entry) in files {
        let index = matches!(file.kind, FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TxnIndex);
        if !index || file.stage != Stage::Live {
            continue;
        }
        let owner = logs.get(&file.base);
        let swapped = owner.is_some_and(|segment| segment.name.ends_with(Stage::Swap.suffix()));
        if owner.is_none() || swapped && file.kind != FileKind::TxnIndex {
            // Before the renames: a swap may bring an index of the same name.
            steps.removals.push(FileStep::Remove(entry.name.clone()));
        }
    }
}

fn misnamed(dir: &Path, name: &str) -> LogError {
    let reason = CorruptReason::Structure("a segment's name is its base offset in 20 digits".to_owned());
    LogError::Corrupt { path: dir.join(name), position: Position::ZERO, reason }
}

//! What files a log's directory holds, and what is done about leftovers.
//!
//! | found | done |
//! |---|---|
//! | `.deleted`, `.cleaned` | removed |
//! | `.swap` at or above the lowest `.cleaned` | removed: its compaction did not finish |
//! | any other `.swap` | renamed in; the live segments that it replaces are removed |
//! | an index or transaction index without its `.log` | removed |
//! | a `.log` whose name is not 20 digits | the log is refused |
//! | anything else | untouched |
//!
//! Nothing is done here: the steps are listed, in the order in which they are safe to be interrupted.

use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::names::{FileKind, SegmentFile, Stage, segment_file};
use crate::io::{DirEntry, EntryKind, FileId, Storage};
use crate::log::scan::{Expected, Found, Scanner};
use crate::types::{Offset, Position, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One change of a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FileStep {
    Remove(String),
    Rename { from: String, to: String },
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
}

/// Lists a directory. Writes nothing.
pub(crate) fn list(storage: &dyn Storage, dir: &Path) -> Result<Listing> {
    let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
    let mut files = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.kind == EntryKind::File) {
        match SegmentFile::parse(&entry.name) {
            Some(file) => files.push((file, entry)),
            None if entry.name.ends_with(FileKind::Log.suffix()) => return Err(misnamed(dir, &entry.name)),
            None => {}
        }
    }
    files.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    let mut listing = Listing::default();
    let swaps = sort_out_unfinished(&mut listing, &files);
    let mut logs: BTreeMap<Offset, FoundSegment> = live(&files, FileKind::Log)
        .map(|(file, entry)| (file.base, FoundSegment::new(file.base, entry)))
        .collect();
    swap_in(storage, dir, &swaps, &mut logs, &mut listing)?;
    drop_orphans(&files, &logs, &mut listing);
    listing.segments = logs.into_values().collect();
    listing.snapshots = live(&files, FileKind::Snapshot).map(|(file, _)| file.base).collect();
    Ok(listing)
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
fn sort_out_unfinished<'a>(listing: &mut Listing, files: &'a [Named]) -> Vec<&'a Named> {
    let cleaned =
        files.iter().filter(|(file, _)| file.stage == Stage::Cleaned).map(|(file, _)| file.base).min();
    let mut swaps = Vec::new();
    for named @ (file, entry) in files {
        match file.stage {
            Stage::Live => {}
            Stage::Swap if cleaned.is_none_or(|lowest| file.base < lowest) => swaps.push(named),
            _ => listing.steps.push(FileStep::Remove(entry.name.clone())),
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
    listing: &mut Listing,
) -> Result<()> {
    let mut whole = BTreeSet::new();
    for (file, entry) in swaps.iter().filter(|(file, _)| file.kind == FileKind::Log) {
        // A swap that is not what was written replaces nothing: it stays where it is, for somebody to look at.
        let Some(end) = whole_end(storage, &dir.join(&entry.name), file.base)? else { continue };
        whole.insert(file.base);
        let replaced: Vec<Offset> =
            logs.range(file.base..end.max(file.base)).map(|(base, _)| *base).collect();
        let same = logs.contains_key(&file.base).then_some(file.base);
        for base in replaced.into_iter().chain(same).collect::<BTreeSet<_>>() {
            if let Some(old) = logs.remove(&base).filter(|_| base != file.base) {
                listing.steps.push(FileStep::Remove(old.name));
            }
        }
        logs.insert(file.base, FoundSegment::new(file.base, entry));
    }
    for (file, entry) in swaps.iter().filter(|(file, _)| whole.contains(&file.base)) {
        let to = segment_file(file.base, file.kind);
        listing.steps.push(FileStep::Rename { from: entry.name.clone(), to });
    }
    Ok(())
}

/// Where the batches of a file end, if it holds nothing else.
fn whole_end(storage: &dyn Storage, path: &Path, base: Offset) -> Result<Option<Offset>> {
    let mut scanner = Scanner::open(storage, path)?;
    let mut expected =
        Expected { offset: base, epoch: -1, limit: None, gaps: true, epochs: None, behind: None };
    let mut at = 0;
    loop {
        match scanner.read(at, &expected)? {
            Found::Batch(batch) => {
                at += batch.len() as u64;
                expected = expected.after(&batch);
            }
            Found::End => return Ok(Some(expected.offset)),
            Found::Bad(_) => return Ok(None),
        }
    }
}

/// Lists the removal of indexes whose segment is not there (or is replaced by one with other bytes).
fn drop_orphans(files: &[Named], logs: &BTreeMap<Offset, FoundSegment>, listing: &mut Listing) {
    for (file, entry) in files {
        let index = matches!(file.kind, FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TxnIndex);
        if !index || file.stage != Stage::Live {
            continue;
        }
        let owner = logs.get(&file.base);
        let swapped = owner.is_some_and(|segment| segment.name.ends_with(Stage::Swap.suffix()));
        if owner.is_none() || swapped {
            // Before the renames: a swap may bring an index of the same name.
            listing.steps.insert(0, FileStep::Remove(entry.name.clone()));
        }
    }
}

fn misnamed(dir: &Path, name: &str) -> LogError {
    let reason = CorruptReason::Structure("a segment's name is its base offset in 20 digits".to_owned());
    LogError::Corrupt { path: dir.join(name), position: Position::ZERO, reason }
}

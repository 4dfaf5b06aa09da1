//! After a failed sync: what the system shows of the files may not be on the disk.
//!
//! A sync that fails leaves pages that the system takes for clean and never writes again. As long as they are cached, whoever
//! reads the file sees them, a new process too, and a later sync succeeds. So the failure is noted: an empty file
//! `sync-failed` in the log's directory. Whoever opens the log and finds it lets the system forget what it has cached of the
//! files above the synced mark, decides by what the disk has, and removes the note when all of that is durable.
//!
//! # Invariants
//!
//! * The note is there before the failed sync is answered, if the directory takes a name; it is not synced, for it says nothing
//!   after a start of the machine. What is opened by mistake with it costs reads, and loses nothing.
//! * What is dirty is synced before it is forgotten: what was accepted is lost only where the disk refuses it.
//!
//! # Not here
//!
//! Pages that another process has mapped stay cached. What the disk lacks is decided as after a crash (`recovery`).

use super::mark::{self, MarkFile};
use crate::error::{LogError, Result};
use crate::format::names::{FileKind, SegmentFile};
use crate::io::{DirEntry, EntryKind, OpenMode, Storage};
use std::io::ErrorKind;
use std::path::Path;

/// Name of the note, in the log's directory.
pub(crate) const FILE_NAME: &str = "sync-failed";
/// Whole pages are forgotten, of whatever size they are.
const PAGE: u64 = 64 * 1024;

/// Notes a failure, if it is one of a sync. Best effort: where it finds no room there is nobody to tell.
pub(super) fn note(storage: &dyn Storage, dir: &Path, failure: &LogError) {
    if failure.is_failed_sync() {
        let _ = storage.open(&dir.join(FILE_NAME), OpenMode::Truncate);
    }
}

/// Lets the system forget what it has cached of a log's files, but for segments below the mark.
pub(super) fn forget_cached(storage: &dyn Storage, dir: &Path) -> Result<()> {
    // First: what is below it is another's to say.
    forget(storage, &dir.join(mark::FILE_NAME), 0)?;
    let (_, mark) = MarkFile::read(storage, dir)?;
    let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
    let segment_of = |entry: &DirEntry| {
        SegmentFile::parse(&entry.name).filter(|file| file.kind == FileKind::Log).map(|file| file.base)
    };
    let marked = |entry: &DirEntry| mark.filter(|mark| mark.is_of(entry.id)).map(|mark| mark.segment);
    let from = entries.iter().find(|entry| marked(entry).is_some() && marked(entry) == segment_of(entry));
    let from = from.and_then(marked);
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File && !entry.name.starts_with('.'))
    {
        let base = segment_of(entry);
        let below = base.zip(from).is_some_and(|(base, from)| base < from);
        let position = match (base, from, mark) {
            (Some(base), Some(from), Some(mark)) if base == from => mark.position.to_u64(),
            _ => 0,
        };
        if !below {
            forget(storage, &dir.join(&entry.name), position)?;
        }
    }
    Ok(())
}

fn forget(storage: &dyn Storage, path: &Path, from: u64) -> Result<()> {
    let from = from - from % PAGE;
    match storage
        .open(path, OpenMode::Read)
        .and_then(|file| file.drop_cached(from, file.len()?.max(from) - from))
    {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(LogError::io("forget", path)(error)),
        _ => Ok(()),
    }
}

/// What is served is on the disk: nobody need doubt any more.
pub(super) fn settle(storage: &dyn Storage, dir: &Path) {
    // One that stays costs the next start some reads.
    let _ = storage.remove_file(&dir.join(FILE_NAME));
}

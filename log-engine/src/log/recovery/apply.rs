//! Does what was decided, in an order in which it may be interrupted anywhere.

use super::decide::{Decision, Kept};
use super::listing::{FileStep, Listing};
use super::{RecoveryReport, Request};
use crate::error::{LogError, Result};
use crate::format::names::{FileKind, Stage, segment_file};
use crate::io::{OpenMode, Storage, StorageFile};
use crate::log::files::{parent_of, read_exact, with_suffix};
use crate::log::mark::{Mark, MarkFile};
use crate::types::Offset;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Ends the name of a file that holds what recovery cut off.
pub(crate) const TORN: &str = ".torn";
/// A tail is copied in pieces of this size.
const PIECE: u64 = 1 << 20;

/// What was done.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) report: RecoveryReport,
    /// Something changed that is more than the zeros behind the end of a file: it was synced.
    pub(crate) changed: bool,
}

/// What happened to the lengths of files.
#[derive(Clone, Copy, Debug, Default)]
struct Shortened {
    any: bool,
    /// More than zeros went, or a file was replaced.
    changed: bool,
}

/// Changes the directory. Does nothing, and syncs nothing, if all is as it was left and the names in the directory are
/// known to be durable. Zeros that are cut off may come back with the next power cut, where they mean as little as before.
pub(crate) fn apply(
    request: &Request,
    listing: &Listing,
    decision: &Decision,
    names_durable: bool,
    mut marked: Option<(&mut MarkFile, Mark)>,
) -> Result<Applied> {
    let (storage, dir) = (&*request.storage, &*request.dir);
    let mut report = RecoveryReport {
        scanned_bytes: decision.scanned_bytes,
        batches_set_aside: decision.batches_aside,
        leftovers: listing.steps.iter().filter(|step| **step != FileStep::Sync).count(),
        ..RecoveryReport::default()
    };
    for step in &listing.steps {
        take(storage, dir, step)?;
    }
    for name in &decision.aside {
        let live = name.strip_suffix(".swap").unwrap_or(name);
        report.set_aside.push(set_aside_whole(storage, dir, live)?);
    }
    let shortened = shorten(storage, dir, decision, &mut report, &mut marked)?;
    let stale = remove_stale(storage, dir, listing, decision)?;
    let changed = shortened.changed || stale || !listing.steps.is_empty() || !decision.aside.is_empty();
    let unsynced = !names_durable || shortened.any || decision.scanned_bytes > 0;
    if changed || unsynced && !request.synced {
        for kept in decision.kept.iter().filter(|kept| kept.is_scanned()) {
            let path = log_path(dir, kept.base);
            let file = storage.open(&path, OpenMode::ReadWrite).map_err(LogError::io("open", &path))?;
            file.sync_data().map_err(LogError::io("sync", &path))?;
        }
        storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    }
    Ok(Applied { report, changed })
}

fn log_path(dir: &Path, base: Offset) -> PathBuf {
    dir.join(segment_file(base, FileKind::Log))
}

fn take(storage: &dyn Storage, dir: &Path, step: &FileStep) -> Result<()> {
    match step {
        FileStep::Remove(name) => {
            let path = dir.join(name);
            storage.remove_file(&path).map_err(LogError::io("remove", &path))
        }
        FileStep::Rename { from, to } => {
            let path = dir.join(from);
            storage.rename(&path, &dir.join(to)).map_err(LogError::io("rename", &path))
        }
        FileStep::Sync => storage.sync_dir(dir).map_err(LogError::io("sync", dir)),
    }
}

/// Brings the files to the length that was decided. The bytes behind a torn batch are kept in a file of their own.
///
/// Recovery is the only place that shortens a file: no reader of this process has seen it yet, and other processes
/// map only segments that have a successor.
fn shorten(
    storage: &dyn Storage,
    dir: &Path,
    decision: &Decision,
    report: &mut RecoveryReport,
    marked: &mut Option<(&mut MarkFile, Mark)>,
) -> Result<Shortened> {
    let mut shortened = Shortened::default();
    let last = decision.kept.last().map(|kept| kept.base);
    for kept in decision.kept.iter().filter(|kept| kept.is_scanned() && kept.end.to_u64() < kept.len) {
        let path = log_path(dir, kept.base);
        if decision.torn && Some(kept.base) == last {
            report.set_aside.extend(set_aside_tail(storage, &path, kept)?);
            shortened.changed = true;
        }
        let file = storage.open(&path, OpenMode::ReadWrite).map_err(LogError::io("open", &path))?;
        if file.links().map_err(LogError::io("look at", &path))? > 1 {
            replace_by_front(storage, &path, &*file, kept, marked)?;
            shortened.changed = true;
        } else {
            file.set_len(kept.end.to_u64()).map_err(LogError::io("shorten", &path))?;
        }
        shortened.any = true;
    }
    Ok(shortened)
}

/// Puts a copy of what is kept in the place of a file that has a second name, which is somebody else's too. The mark names
/// both before one takes the other's place.
fn replace_by_front(
    storage: &dyn Storage,
    path: &Path,
    file: &dyn StorageFile,
    kept: &Kept,
    marked: &mut Option<(&mut MarkFile, Mark)>,
) -> Result<()> {
    let fresh = with_suffix(path, Stage::Cleaned.suffix());
    let copy = storage.open(&fresh, OpenMode::Truncate).map_err(LogError::io("create", &fresh))?;
    let end = kept.end.to_u64();
    for at in (0..end).step_by(1 << 20) {
        let piece = read_exact(file, path, at, PIECE.min(end - at))?;
        copy.write_all_at(&[&piece], at).map_err(LogError::io("write", &fresh))?;
    }
    copy.sync_data().map_err(LogError::io("sync", &fresh))?;
    let old = file.id().map_err(LogError::io("look at", path))?;
    if let Some((mark_file, mark)) = marked
        && mark.segment == kept.base
        && mark.is_of(old)
    {
        let heir = Some(copy.id().map_err(LogError::io("look at", &fresh))?);
        mark_file.write(storage, &Mark { file: old, heir, ..*mark })?;
    }
    storage.rename(&fresh, path).map_err(LogError::io("rename", &fresh))
}

/// Gives a whole segment another name, and removes its indexes.
fn set_aside_whole(storage: &dyn Storage, dir: &Path, name: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    let aside = free_name(storage, &path, TORN)?;
    storage.rename(&path, &aside).map_err(LogError::io("rename", &path))?;
    for kind in [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex] {
        let index = dir.join(name.replace(FileKind::Log.suffix(), kind.suffix()));
        if storage.exists(&index).map_err(LogError::io("look for", &index))? {
            storage.remove_file(&index).map_err(LogError::io("remove", &index))?;
        }
    }
    Ok(aside)
}

/// Copies what lies behind the end to a file beside; `None` if an interrupted recovery did so already.
fn set_aside_tail(storage: &dyn Storage, path: &Path, kept: &Kept) -> Result<Option<PathBuf>> {
    copy_aside(storage, path, kept.end.to_u64()..kept.len, TORN)
}

/// Copies bytes of a file to one beside it, `<path>.<position><suffix>`, durably; `None` if that was done before.
pub(crate) fn copy_aside(
    storage: &dyn Storage,
    path: &Path,
    bytes: Range<u64>,
    suffix: &str,
) -> Result<Option<PathBuf>> {
    let stem = with_suffix(path, &format!(".{}", bytes.start));
    let (from, len) = (bytes.start, bytes.end - bytes.start);
    let source = storage.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let done = with_suffix(&stem, suffix);
    if storage.exists(&done).map_err(LogError::io("look for", &done))? {
        let copy = storage.open(&done, OpenMode::Read).map_err(LogError::io("open", &done))?;
        if copy.len().map_err(LogError::io("measure", &done))? == len {
            let mut same = true;
            for at in (0..len).step_by(1 << 20) {
                let size = PIECE.min(len - at);
                same &= read_exact(&*source, path, from + at, size)? == read_exact(&*copy, &done, at, size)?;
            }
            if same {
                return Ok(None);
            }
        }
    }
    let aside = free_name(storage, &stem, suffix)?;
    let fresh = with_suffix(&stem, ".tmp");
    let copy = storage.open(&fresh, OpenMode::Truncate).map_err(LogError::io("create", &fresh))?;
    for at in (0..len).step_by(1 << 20) {
        let piece = read_exact(&*source, path, from + at, PIECE.min(len - at))?;
        copy.write_all_at(&[&piece], at).map_err(LogError::io("write", &fresh))?;
    }
    copy.sync_data().map_err(LogError::io("sync", &fresh))?;
    storage.rename(&fresh, &aside).map_err(LogError::io("rename", &fresh))?;
    let dir = parent_of(path);
    storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    Ok(Some(aside))
}

/// `<path><suffix>`, or with a number if that is taken: what was set aside once is never written over.
pub(crate) fn free_name(storage: &dyn Storage, path: &Path, suffix: &str) -> Result<PathBuf> {
    let mut name = with_suffix(path, suffix);
    let mut number = 0_u32;
    while storage.exists(&name).map_err(LogError::io("look for", &name))? {
        number += 1;
        name = with_suffix(path, &format!(".{number}{suffix}"));
    }
    Ok(name)
}

/// Removes snapshots of offsets that the log does not reach: they would be believed once it does.
fn remove_stale(storage: &dyn Storage, dir: &Path, listing: &Listing, decision: &Decision) -> Result<bool> {
    let mut any = false;
    for offset in listing.snapshots.iter().filter(|offset| **offset > decision.end) {
        let path = dir.join(segment_file(*offset, FileKind::Snapshot));
        storage.remove_file(&path).map_err(LogError::io("remove", &path))?;
        any = true;
    }
    Ok(any)
}

//! Takes the holes out of a log: each segment that has one is written anew, with empty batches in their places.

use super::DAMAGED;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::build::BatchBuilder;
use crate::format::names::{FileKind, SegmentFile, Stage, segment_file};
use crate::io::{FileId, OpenMode, Storage, StorageFile};
use crate::log::damage::Damage;
use crate::log::files::read_exact;
use crate::log::mark::{LastBatch, Mark, MarkFile};
use crate::log::recovery::{Kept, Looked, copy_aside};
use crate::log::scan::Scanner;
use crate::types::{LeaderEpoch, Offset, Position};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A segment is copied in pieces of this size.
const PIECE: u64 = 1 << 20;
/// Most offsets of one empty batch: its last one is a delta of 31 bits, and so are offsets in an index.
const MOST: i64 = i32::MAX as i64;

/// What is changed in one segment.
#[derive(Debug, Default)]
struct Change {
    /// Bytes that go, and the offsets that were in them; in order.
    holes: Vec<(Range<u64>, Range<Offset>)>,
    /// Offsets that are missing behind its end.
    behind: Option<Range<Offset>>,
}

/// Fills all holes that looking through the log has found, oldest first.
pub(super) fn fill(storage: &dyn Storage, dir: &Path, looked: &Looked) -> Result<()> {
    for damage in looked.decision.damage.iter().filter(|damage| !damage.bytes.is_empty()) {
        copy_aside(storage, &damage.file, damage.bytes.clone(), DAMAGED)?;
    }
    let fill = Fill { storage, dir, looked };
    for (base, change) in changes(looked) {
        fill.segment(base, &change)?;
    }
    Ok(())
}

fn changes(looked: &Looked) -> BTreeMap<Offset, Change> {
    let mut changes: BTreeMap<Offset, Change> = BTreeMap::new();
    for damage in &looked.decision.damage {
        if damage.bytes.is_empty() {
            for piece in pieces(&damage.offsets) {
                changes.entry(piece.start).or_default().behind = Some(piece.clone());
            }
        } else if let Some(base) = base_of(damage) {
            changes.entry(base).or_default().holes.push((damage.bytes.clone(), damage.offsets.clone()));
        }
    }
    changes
}

fn base_of(damage: &Damage) -> Option<Offset> {
    SegmentFile::parse(damage.file.file_name()?.to_str()?).map(|file| file.base)
}

/// Ranges that one empty batch can claim.
fn pieces(offsets: &Range<Offset>) -> Vec<Range<Offset>> {
    let mut out = Vec::new();
    let mut from = offsets.start;
    while from < offsets.end {
        let to = from.checked_add(MOST).unwrap_or(offsets.end).min(offsets.end);
        out.push(from..to);
        from = to;
    }
    out
}

struct Fill<'a> {
    storage: &'a dyn Storage,
    dir: &'a Path,
    looked: &'a Looked,
}

impl Fill<'_> {
    /// Writes a segment anew, or a new one, and puts it in its place.
    fn segment(&self, base: Offset, change: &Change) -> Result<()> {
        let (storage, kept) = (self.storage, self.looked.decision.kept.iter().find(|kept| kept.base == base));
        let path = self.dir.join(segment_file(base, FileKind::Log));
        let fresh = self.dir.join(SegmentFile::live(base, FileKind::Log).at(Stage::Cleaned).name());
        let file = storage.open(&fresh, OpenMode::Truncate).map_err(LogError::io("create", &fresh))?;
        let mut writer = Writer { file: &*file, path: &fresh, at: 0 };
        let mut from = 0;
        if let Some(kept) = kept {
            let source = storage.open(&path, OpenMode::Read).map_err(LogError::io("open", &path))?;
            for (bytes, offsets) in &change.holes {
                writer.copy(&*source, &path, from..bytes.start)?;
                for piece in pieces(offsets) {
                    let epoch = self.epoch(&path, piece.start, bytes)?;
                    writer.put(&empty_batch(&piece, epoch)?)?;
                }
                from = bytes.end;
            }
            writer.copy(&*source, &path, from..kept.end.to_u64())?;
        }
        if let Some(offsets) = &change.behind {
            let epoch = self.epoch(&path, offsets.start, &(from..from))?;
            writer.put(&empty_batch(offsets, epoch)?)?;
        }
        if let Some(modified) = kept.and_then(|kept| kept.modified) {
            file.set_modified(modified).map_err(LogError::io("set the time of", &fresh))?;
        }
        file.sync_data().map_err(LogError::io("sync", &fresh))?;
        let id = file.id().map_err(LogError::io("look at", &fresh))?;
        self.put_in_place(&fresh, &path, kept, id)
    }

    fn put_in_place(&self, fresh: &Path, path: &Path, kept: Option<&Kept>, id: FileId) -> Result<()> {
        let storage = self.storage;
        // They name positions of the old file. Whoever comes upon a log without them makes them anew.
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
            let index = path.with_extension(&kind.suffix()[1..]);
            match storage.remove_file(&index) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(LogError::io("remove", &index)(error));
                }
                _ => {}
            }
        }
        storage.sync_dir(self.dir).map_err(LogError::io("sync", self.dir))?;
        if let Some(kept) = kept {
            self.move_mark(fresh, kept, id)?;
        }
        storage.rename(fresh, path).map_err(LogError::io("rename", fresh))?;
        storage.sync_dir(self.dir).map_err(LogError::io("sync", self.dir))
    }

    /// Lets a mark in this segment speak of the new file too.
    ///
    /// It names the last batch of the new file. In the old one that batch is not there: then only the offset of the mark
    /// counts, and everything below it is still what was synced.
    fn move_mark(&self, fresh: &Path, kept: &Kept, heir: FileId) -> Result<()> {
        let (mut file, mark) = MarkFile::read(self.storage, self.dir)?;
        let Some(mark) = mark.filter(|mark| mark.segment == kept.base && self.looked.marked_here) else {
            return Ok(());
        };
        let Some((last, end, next_offset)) = last_batch(self.storage, fresh)? else { return Ok(()) };
        let moved = Mark { position: end, next_offset, last_batch: Some(last), heir: Some(heir), ..mark };
        file.write(self.storage, &moved)
    }

    /// An epoch that may stand at an offset: the one of the batch before, what the list says, or the one behind.
    fn epoch(&self, path: &Path, offset: Offset, bytes: &Range<u64>) -> Result<LeaderEpoch> {
        let before = match self.batch_before(path, bytes.start)? {
            Some(epoch) => Some(epoch),
            None => self.epoch_of_segment_before(offset)?,
        };
        let listed = || self.looked.epochs.as_ref().and_then(|epochs| epochs.at(offset));
        if let Some(epoch) = before.or_else(listed) {
            return Ok(epoch);
        }
        if !self.storage.exists(path).map_err(LogError::io("look for", path))? {
            return Ok(LeaderEpoch::ZERO);
        }
        let behind =
            Scanner::open(self.storage, path)?.intact(bytes.end)?.and_then(|batch| batch.leader_epoch());
        Ok(behind.unwrap_or(LeaderEpoch::ZERO))
    }

    fn epoch_of_segment_before(&self, offset: Offset) -> Result<Option<LeaderEpoch>> {
        let before = self.looked.decision.kept.iter().rfind(|kept| kept.base < offset && kept.next <= offset);
        let Some(kept) = before else { return Ok(None) };
        self.batch_before(&self.dir.join(segment_file(kept.base, FileKind::Log)), kept.end.to_u64())
    }

    /// The epoch of the batch that ends at a position.
    fn batch_before(&self, path: &Path, end: u64) -> Result<Option<LeaderEpoch>> {
        let holes = self.looked.decision.damage.iter().filter(|damage| damage.file == path);
        let from = holes.map(|damage| damage.bytes.end).filter(|at| *at <= end).max().unwrap_or(0);
        if from >= end {
            return Ok(None);
        }
        let mut scanner = Scanner::open(self.storage, path)?;
        let (mut at, mut epoch) = (from, None);
        while at < end {
            let Some(batch) = scanner.peek(at)? else { break };
            epoch = batch.leader_epoch();
            at += batch.len() as u64;
        }
        Ok(epoch)
    }
}

/// The last batch of a file of whole batches, its end, and the offset there.
fn last_batch(storage: &dyn Storage, path: &Path) -> Result<Option<(LastBatch, Position, Offset)>> {
    let mut scanner = Scanner::open(storage, path)?;
    let (mut at, mut last) = (0, None);
    while let Some(batch) = scanner.peek(at)? {
        let (position, crc, next, len) = (at, batch.stored_crc(), batch.next_offset(), batch.len() as u64);
        at += len;
        last = Position::new(position)
            .zip(Position::new(at))
            .map(|(position, end)| (LastBatch { position, crc }, end, next));
    }
    Ok(last)
}

/// A header without records that claims offsets.
fn empty_batch(offsets: &Range<Offset>, epoch: LeaderEpoch) -> Result<Vec<u8>> {
    let delta = u32::try_from(offsets.end.distance_from(offsets.start) - 1).unwrap_or_default();
    let builder = BatchBuilder::with_capacity(0).at(offsets.start, Some(epoch)).last_offset_delta(delta);
    builder.finish().map_err(LogError::from)
}

/// The new file, from its begin on.
struct Writer<'a> {
    file: &'a dyn StorageFile,
    path: &'a PathBuf,
    at: u64,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.at + bytes.len() as u64;
        if Position::new(end).is_none() {
            let reason = CorruptReason::Structure("the segment has no room for an empty batch".to_owned());
            return Err(LogError::Corrupt { path: self.path.clone(), position: Position::MAX, reason });
        }
        self.file.write_all_at(&[bytes], self.at).map_err(LogError::io("write", self.path))?;
        self.at = end;
        Ok(())
    }

    fn copy(&mut self, source: &dyn StorageFile, path: &Path, bytes: Range<u64>) -> Result<()> {
        let mut from = bytes.start;
        while from < bytes.end {
            let len = PIECE.min(bytes.end - from);
            self.put(&read_exact(source, path, from, len)?)?;
            from += len;
        }
        Ok(())
    }
}

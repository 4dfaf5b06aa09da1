//! Reading: from an offset to ranges of files, without touching a record.

use super::append::corrupt;
use super::damage::Damage;
use super::recovery::sound_bytes;
use super::{Log, View};
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::index_entry::TxnEntry;
use crate::segment::{BatchAt, FileSlice, Segment};
use crate::types::{Offset, Position, Timestamp};
use std::io::ErrorKind;
use std::sync::Arc;

/// How much a read may return.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadLimits {
    /// Most bytes; whole batches only, so usually some fewer.
    pub max_bytes: usize,
    /// Whether the first batch is returned even if it is larger; else nothing is.
    pub at_least_one: bool,
    /// Batches that begin at this offset or above are not returned; `None` for the log end.
    pub up_to: Option<Offset>,
}

impl Default for ReadLimits {
    /// 1 MiB, at least one batch, to the end.
    fn default() -> Self {
        Self { max_bytes: 1 << 20, at_least_one: true, up_to: None }
    }
}

/// Reads of less walk from batch to batch: a look into the index costs as much.
const LEAP: usize = 32 * 1024;

/// What a read found: whole batches, in order.
#[derive(Clone, Debug)]
pub struct ReadSlices {
    /// Ranges of segment files; empty if there was nothing to return.
    pub slices: Vec<FileSlice>,
    /// Base offset of the first batch, which may lie below the offset that was asked for; that offset without one.
    pub start: Offset,
    /// The offset after the last batch: where the next read goes on.
    pub next: Offset,
    /// The log start offset at the time of the read.
    pub log_start: Offset,
    /// The log end offset at the time of the read.
    pub log_end: Offset,
}

impl ReadSlices {
    /// Bytes of all slices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slices.iter().map(FileSlice::len).sum()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }
}

/// A stretch of batches of one segment.
struct Stretch {
    first: BatchAt,
    last: BatchAt,
    /// It ends for want of batches, not of room: the next segment may follow.
    exhausted: bool,
}

impl Log {
    /// The same as [`Log::read`] without a look at the batches: what an older run wrote may be damaged unless
    /// [`ReadSlices::is_verified`] says that it was checked. Takes no lock of the writer.
    ///
    /// # Errors
    ///
    /// As [`Log::read`]; of damage, that which is known or shows in the headers.
    pub fn read_unverified(&self, from: Offset, limits: ReadLimits) -> Result<ReadSlices> {
        // In this order: the list is never without what lies between the start and the end that are looked at here.
        let log_end = self.end.get();
        let look =
            || self.with_view_since(log_end, |view, log_end| self.read_view(view, log_end, from, limits));
        let mut read = look();
        while read.as_ref().is_err_and(LogError::is_too_many_files) && self.free_files() {
            read = look();
        }
        let read = read?;
        self.counters.note_read(read.len());
        self.settle_files();
        Ok(read)
    }

    /// Looks at the list of segments; again if a file of it was gone and the list has changed meanwhile: a reader may
    /// come to a segment when a cut or retention has just taken its name away.
    pub(super) fn with_view<T>(&self, mut look: impl FnMut(&View) -> Result<T>) -> Result<T> {
        self.with_view_since(self.end.get(), |view, _| look(view))
    }

    /// The same with a log end that is not older than the list.
    fn with_view_since<T>(
        &self,
        mut log_end: Offset,
        mut look: impl FnMut(&View, Offset) -> Result<T>,
    ) -> Result<T> {
        loop {
            let view = self.view.load();
            match look(&view, log_end) {
                Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    // Whoever takes names away holds this until everybody can see it.
                    drop(self.writer.lock());
                    if Arc::ptr_eq(&view, &self.view.load()) {
                        return look(&view, log_end);
                    }
                    log_end = self.end.get();
                }
                Err(error) if error.is_too_many_files() && self.free_synced_files() => {}
                looked => return looked,
            }
        }
    }

    fn read_view(
        &self,
        view: &View,
        log_end: Offset,
        from: Offset,
        limits: ReadLimits,
    ) -> Result<ReadSlices> {
        let log_start = self.start_offset();
        if from < log_start || from > log_end {
            return Err(LogError::OffsetOutOfRange { requested: from, start: log_start, end: log_end });
        }
        let mut out = ReadSlices { slices: Vec::new(), start: from, next: from, log_start, log_end };
        let up_to = limits.up_to.map_or(log_end, |limit| limit.min(log_end));
        if from >= up_to {
            return Ok(out);
        }
        let mut room = limits.max_bytes;
        let mut index = view.segment_of(from);
        while let Some(segment) = view.segments.get(index) {
            let first = out.slices.is_empty();
            if !first && (!self.goes_on(view, out.next, segment.base_offset()) || out.next >= up_to) {
                break;
            }
            let at_least_one = first && limits.at_least_one;
            let found = match self.stretch(view, segment, out.next, room, at_least_one, up_to) {
                // What was found before is returned; who reads on meets the error.
                Err(_) if !first => break,
                found => found?,
            };
            if let Some(stretch) = found {
                let len = stretch.last.end().to_usize() - stretch.first.position.to_usize();
                out.slices.push(segment.slice(stretch.first.position, len)?);
                if first {
                    out.start = stretch.first.base_offset;
                }
                out.next = stretch.last.next_offset();
                room = room.saturating_sub(len);
                if !stretch.exhausted {
                    break;
                }
            } else if !first || !self.may_skip(view, index, out.next)? {
                break;
            }
            index += 1;
        }
        Ok(out)
    }

    /// Whether [`Log::read`] would not wait for a device, as far as can be told at once; true for an offset that it
    /// refuses. Callers that must not be held up read elsewhere if it is false.
    #[must_use]
    pub fn is_cached(&self, from: Offset, max_bytes: usize) -> bool {
        let view = self.view.load();
        let inside = from >= self.start_offset() && from < self.end.get();
        !inside || view.segments.get(view.segment_of(from)).is_none_or(|s| s.is_cached(from, max_bytes))
    }

    /// Whether a segment goes on where the one before it ended: at once, or behind a gap that compaction left.
    fn goes_on(&self, view: &View, from: Offset, base: Offset) -> bool {
        from == base || self.has_gaps() && view.missing(from, base).is_none()
    }

    /// Whether a read that found nothing in a segment looks into the next one: compaction may have emptied it.
    fn may_skip(&self, view: &View, index: usize, from: Offset) -> Result<bool> {
        let Some(next) = view.segments.get(index + 1) else { return Ok(false) };
        let segment = &view.segments[index];
        // Not past the limits of this read: a batch was there, but larger.
        if segment.locate(from).is_ok_and(|batch| batch.is_some()) {
            return Ok(false);
        }
        if let Some(missing) = view.missing(from, next.base_offset()) {
            return Err(missing.to_error());
        }
        if self.has_gaps() {
            return Ok(true);
        }
        let cause = Box::new(CorruptReason::MissingSegment);
        let reason = CorruptReason::Hole { from, to: next.base_offset(), bytes: 0, cause };
        Err(corrupt(segment, segment.len(), reason))
    }

    /// As many whole batches of one segment as fit, from the one that holds `from` on.
    fn stretch(
        &self,
        view: &View,
        segment: &Arc<Segment>,
        from: Offset,
        room: usize,
        at_least_one: bool,
        up_to: Offset,
    ) -> Result<Option<Stretch>> {
        let located = match self.locate(view, segment, from) {
            Err(LogError::Corrupt { .. }) if !view.is_damaged(segment) => {
                // Now the damage gets its exact range, and what lies behind it is found.
                self.examine(segment)?;
                self.locate(&self.view.load(), segment, from)
            }
            located => located,
        };
        let Some((first, end)) = located? else { return Ok(None) };
        if first.base_offset >= up_to || first.len as usize > room && !at_least_one {
            return Ok(None);
        }
        let mut last = first;
        let mut exhausted = true;
        if first.len as usize >= room {
            return Ok(Some(Stretch { first, last, exhausted: false }));
        }
        if let Some(batch) = self.leap(view, segment, &first, room, up_to) {
            last = batch;
        }
        for batch in segment.walk_to(last.end(), end) {
            // A batch that cannot be walked to is met by the read that begins there.
            let Ok(batch) = batch else {
                exhausted = false;
                break;
            };
            let fits = batch.end().to_usize() - first.position.to_usize() <= room;
            let follows = batch.base_offset == last.next_offset() || self.has_gaps();
            if !fits || !follows || batch.base_offset >= up_to {
                exhausted = false;
                break;
            }
            last = batch;
        }
        exhausted &= end == segment.len();
        Ok(Some(Stretch { first, last, exhausted }))
    }

    /// A batch that a read of `room` bytes from `first` on holds for sure, with all that lie between: found by the index,
    /// so that a large read touches no header of what this process has written or looked through already.
    fn leap(
        &self,
        view: &View,
        segment: &Arc<Segment>,
        first: &BatchAt,
        room: usize,
        up_to: Offset,
    ) -> Option<BatchAt> {
        if room < LEAP || self.has_gaps() || view.is_damaged(segment) {
            return None;
        }
        let limit = first.position.checked_add(room).unwrap_or(Position::MAX);
        let fits = |batch: &BatchAt| batch.end() <= limit && batch.base_offset < up_to;
        let before = limit.min(segment.len());
        let batch = segment.batch_before(first.position, before, up_to, fits)?;
        let len = batch.end().to_usize() - first.position.to_usize();
        segment.is_verified(first.position, len).then_some(batch)
    }

    /// The batch that holds an offset (or, with gaps, the first one after it), and where the sound bytes that it lies in
    /// end.
    fn locate(
        &self,
        view: &View,
        segment: &Arc<Segment>,
        from: Offset,
    ) -> Result<Option<(BatchAt, Position)>> {
        if let Some(damage) = view.damage.iter().find(|damage| damage.offsets.contains(&from)) {
            return Err(damage.to_error());
        }
        let end = segment.len();
        let found = if view.is_damaged(segment) {
            locate_beside_damage(segment, &view.damage, from)?
        } else {
            segment.locate(from)?.map(|batch| (batch, end))
        };
        match found {
            Some((batch, _)) if batch.base_offset > from && !self.has_gaps() => {
                let reason = CorruptReason::OffsetOrder { expected: from, found: batch.base_offset.get() };
                Err(corrupt(segment, batch.position, reason))
            }
            found => Ok(found),
        }
    }

    /// The first record whose time is `time` or later, from the log start on; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`LogError::Corrupt`] if the batches in question cannot be read, or what the system answers.
    pub fn offset_for_time(&self, time: Timestamp) -> Result<Option<(Offset, Timestamp)>> {
        let cap = self.config.load().decompressed_cap();
        self.with_view(|view| {
            let start = self.start_offset();
            for segment in &view.segments {
                if let Some(found) = segment.find_time(time, start, cap)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    /// The first record that has the greatest time of the log; `None` for an empty log, or one without times.
    ///
    /// # Errors
    ///
    /// As [`Log::offset_for_time`].
    pub fn max_timestamp(&self) -> Result<Option<(Offset, Timestamp)>> {
        let greatest = self.with_view(|view| {
            let mut greatest = None;
            for segment in &view.segments {
                greatest = greatest.max(segment.max_timestamp()?.map(|(time, _)| time));
            }
            Ok(greatest)
        })?;
        greatest.map_or(Ok(None), |time| self.offset_for_time(time))
    }

    /// The aborted transactions that overlap `[from, up_to)`, by their first offsets: what a reader of committed records
    /// must skip in what it read.
    ///
    /// # Errors
    ///
    /// What the system answers to reading the indexes of aborted transactions.
    pub fn aborted_transactions(&self, from: Offset, up_to: Offset) -> Result<Vec<TxnEntry>> {
        self.with_view(|view| {
            let mut aborted = Vec::new();
            // Markers lie at the end of what they abort: none below `from` matters, but one far above may.
            for segment in &view.segments[view.segment_of(from)..] {
                let overlaps = |txn: &TxnEntry| txn.last >= from && txn.first < up_to;
                aborted.extend(segment.aborted_txns()?.into_iter().filter(overlaps));
            }
            aborted.sort_by_key(|txn| txn.first);
            Ok(aborted)
        })
    }
}

impl View {
    /// Index of the segment whose range an offset lies in.
    pub(super) fn segment_of(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
    }

    /// What is known to be missing between the end of a segment and the next one's base.
    fn missing(&self, from: Offset, base: Offset) -> Option<&Damage> {
        self.damage.iter().find(|damage| damage.is_between(from, base))
    }

    fn is_damaged(&self, segment: &Segment) -> bool {
        !self.damage.is_empty() && {
            let path = segment.path();
            self.damage.iter().any(|damage| damage.file == path && !damage.bytes.is_empty())
        }
    }
}

/// Looks through the sound stretches of a damaged segment: indexes end at damage.
fn locate_beside_damage(
    segment: &Segment,
    damage: &[Damage],
    from: Offset,
) -> Result<Option<(BatchAt, Position)>> {
    for sound in sound_bytes(&segment.path(), segment.len().to_u64(), damage) {
        let (Some(start), Some(end)) = (Position::new(sound.start), Position::new(sound.end)) else {
            continue;
        };
        for batch in segment.walk_to(start, end) {
            let batch = batch?;
            if batch.last_offset >= from {
                return Ok(Some((batch, end)));
            }
        }
    }
    Ok(None)
}

//! Finding offsets and times, and making indexes anew when they do not hold.

use super::{BatchAt, Indexes, Piece, Segment, Walk};
use crate::error::{LogError, Result};
use crate::format::batch::BatchView;
use crate::format::index_entry::OffsetEntry;
use crate::format::names::FileKind;
use crate::index::{OffsetIndex, TimeIndex};
use crate::types::{Offset, Position, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of log for each entry of an index that is made anew for a sealed segment if nobody says otherwise: Kafka's default.
pub(super) const INTERVAL: u32 = 4096;

/// Between entries so far apart lies one batch at most, as a rule: small ones have an entry each 4 KiB and a bit.
const FAR_APART: u32 = 2 * INTERVAL;

/// Indexes as they were found or made.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) indexes: Indexes,
    /// The greatest time, also if it has no entry yet.
    pub(super) max: Option<(Timestamp, Offset)>,
    /// Entries that are in the index files; `None` if there are no files.
    pub(super) in_files: Option<(usize, usize)>,
    /// The files hold something else.
    pub(super) replace_files: bool,
}

/// Where a walk from an index entry ended.
enum Scan {
    Found(BatchAt),
    /// Everything lies below.
    Nothing,
    /// The entry does not keep its promise.
    Misled,
}

impl Segment {
    /// The batch that holds `offset`, or the first one above it where compaction has left a gap; `None` if all lie below.
    ///
    /// # Errors
    ///
    /// [`LogError::Corrupt`] if the batches cannot be walked so far, or what the reading gives.
    pub fn locate(&self, offset: Offset) -> Result<Option<BatchAt>> {
        match self.locate_by_index(offset)? {
            Scan::Found(batch) => return Ok(Some(batch)),
            Scan::Nothing => return Ok(None),
            Scan::Misled => self.rebuild_indexes()?,
        }
        match self.locate_by_index(offset)? {
            Scan::Found(batch) => Ok(Some(batch)),
            Scan::Nothing | Scan::Misled => Ok(None),
        }
    }

    fn locate_by_index(&self, offset: Offset) -> Result<Scan> {
        let [entry, next] = self.with_indexes(|indexes| indexes.offsets.around(offset))?;
        if let Some(batch) = self.hold_of(entry, next, offset) {
            return Ok(Scan::Found(batch));
        }
        let Some(entry) = entry else { return Self::scan(self.walk(Position::ZERO), offset) };
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::planted::Bug::TrustTheIndex) {
            return Self::scan(self.walk(entry.position), offset);
        }
        let promised = entry.offset.from_base(self.base);
        let mut walk = self.walk(entry.position);
        match walk.next() {
            Some(Ok(first)) if promised.is_some_and(|promised| first.base_offset <= promised) => {
                if first.last_offset >= offset {
                    return Ok(Scan::Found(first));
                }
            }
            // The entry of a batch that is not published yet leads nowhere, and nothing was promised.
            None => return Ok(Scan::Nothing),
            Some(Ok(_) | Err(LogError::Corrupt { .. })) => return Ok(Scan::Misled),
            Some(Err(other)) => return Err(other),
        }
        Self::scan(walk, offset)
    }

    /// The batch of the entry after the one that a walk begins at, if it holds the offset. Where batches are large each has
    /// its entry, and the walk would begin one batch too early: a second header that is not in the cache.
    fn hold_of(
        &self,
        entry: Option<OffsetEntry>,
        next: Option<OffsetEntry>,
        offset: Offset,
    ) -> Option<BatchAt> {
        if entry.is_some_and(|entry| entry.offset.from_base(self.base) == Some(offset)) {
            return None;
        }
        let from = entry.map_or(Position::ZERO, |entry| entry.position);
        let next = next.filter(|next| next.position.get() - from.get() >= FAR_APART)?;
        let batch = self.walk(next.position).next()?.ok()?;
        // Both speak of the same batch: a flipped bit in either is met by the walk.
        let same = Some(batch.last_offset) == next.offset.from_base(self.base);
        (same && batch.base_offset <= offset).then_some(batch)
    }

    fn scan(walk: Walk<'_>, offset: Offset) -> Result<Scan> {
        for batch in walk {
            let batch = batch?;
            if batch.last_offset >= offset {
                return Ok(Scan::Found(batch));
            }
        }
        Ok(Scan::Nothing)
    }

    /// A batch that an index entry names and that begins in `[after, before)` and holds offsets below `below`, as near to
    /// the end of them as the index knows one; `None` if there is none, or if what is there is not what the entry says.
    pub(crate) fn batch_before(
        &self,
        after: Position,
        before: Position,
        below: Offset,
        fits: impl Fn(&BatchAt) -> bool,
    ) -> Option<BatchAt> {
        // Two: the last one may be cut off by the end.
        let entries = self.with_indexes(|indexes| indexes.offsets.last_before(before, below)).ok()?;
        for entry in entries.into_iter().flatten().filter(|entry| entry.position > after) {
            let batch = self.walk(entry.position).next()?.ok()?;
            if Some(batch.last_offset) != entry.offset.from_base(self.base) {
                return None;
            }
            if fits(&batch) {
                return Some(batch);
            }
        }
        None
    }

    /// The last batch; `None` without one.
    ///
    /// # Errors
    ///
    /// As [`Segment::locate`].
    pub fn last_batch(&self) -> Result<Option<BatchAt>> {
        let entry = self.with_indexes(|indexes| indexes.offsets.last())?;
        let from = entry.map_or(Position::ZERO, |entry| entry.position);
        match self.walk(from).last().transpose() {
            Err(LogError::Corrupt { .. }) if from > Position::ZERO => {
                self.rebuild_indexes()?;
                self.walk(Position::ZERO).last().transpose()
            }
            // The entry is of a batch that is not published yet.
            Ok(None) if from > Position::ZERO => self.walk(Position::ZERO).last().transpose(),
            found => found,
        }
    }

    /// The first record from offset `from` on whose time is `time` or later; a compressed batch is opened to at most
    /// `cap` bytes.
    ///
    /// # Errors
    ///
    /// [`LogError::Corrupt`] if batches cannot be walked or opened, or what the reading gives.
    pub fn find_time(
        self: &Arc<Self>,
        time: Timestamp,
        from: Offset,
        cap: usize,
    ) -> Result<Option<(Offset, Timestamp)>> {
        // If the greatest time is not known, because there is damage, the walk meets what is wrong.
        let known = self.max_timestamp()?.is_none_or(|(max, _)| max < time);
        if known && !self.with_indexes(|indexes| indexes.end_early)? {
            return Ok(None);
        }
        let start = self.start_for_time(time, from)?;
        for batch in self.walk(start) {
            let batch = batch?;
            if batch.last_offset < from || batch.max_timestamp.is_none_or(|max| max < time) {
                continue;
            }
            if let Some(found) = self.find_in_batch(&batch, time, from, cap)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A position before the record that is looked for, and not far before it.
    fn start_for_time(&self, time: Timestamp, from: Offset) -> Result<Position> {
        let mut start = self.locate(from)?.map_or(self.len(), |batch| batch.position);
        if let Some(by_time) = self.position_for_time(time)? {
            start = start.max(by_time);
        }
        Ok(start)
    }

    /// Where the time index sends us, checked: the batch there must have the time that the entry says.
    fn position_for_time(&self, time: Timestamp) -> Result<Option<Position>> {
        let base = self.base;
        let lookup = || {
            let entry = self.with_indexes(|indexes| indexes.times.lookup(time))?;
            let Some(entry) = entry else { return Ok(Some(None)) };
            let Some(offset) = entry.offset.from_base(base) else { return Ok(None) };
            // A batch that is not published yet: everything that is lies before it.
            let Some(batch) = self.locate(offset)? else { return Ok(Some(Some(self.len()))) };
            let holds = batch.max_timestamp == Some(entry.timestamp);
            Ok::<_, LogError>(holds.then_some(Some(batch.position)))
        };
        if let Some(found) = lookup()? {
            return Ok(found);
        }
        self.rebuild_indexes()?;
        Ok(lookup()?.flatten())
    }

    fn find_in_batch(
        self: &Arc<Self>,
        at: &BatchAt,
        time: Timestamp,
        from: Offset,
        cap: usize,
    ) -> Result<Option<(Offset, Timestamp)>> {
        self.with_batch(at, |bytes| self.find_in(at, bytes, time, from, cap))
    }

    fn find_in(
        &self,
        at: &BatchAt,
        bytes: &[u8],
        time: Timestamp,
        from: Offset,
        cap: usize,
    ) -> Result<Option<(Offset, Timestamp)>> {
        let corrupt = |reason| self.corrupt(at.position, reason);
        let records = BatchView::parse(bytes).and_then(|view| view.records(cap)).map_err(corrupt)?;
        for record in &records {
            let record = record.map_err(corrupt)?;
            match record.timestamp {
                Some(found) if found >= time && record.offset >= from => {
                    return Ok(Some((record.offset, found)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Looks at the indexes, which are loaded if need be.
    pub(super) fn with_indexes<T>(&self, look: impl Fn(&Indexes) -> T) -> Result<T> {
        let mut may_map = true;
        loop {
            if let Some(indexes) = self.indexes.read().as_ref() {
                let found = look(indexes);
                if indexes.is_intact() {
                    return Ok(found);
                }
                // Zeros in the place of entries say anything, of times even something believable.
                may_map = false;
            }
            {
                // Held while looking: as long as the segment is written nobody takes its indexes away.
                let mut role = self.role.lock();
                if self.writer(&mut role)?.is_some() {
                    return Ok(look(
                        self.indexes.read().as_ref().expect("a written segment has its indexes"),
                    ));
                }
            }
            let interval = self.index_interval.load(Ordering::Relaxed);
            let mut loaded = self.load_indexes(interval, may_map)?;
            loaded.indexes.push_time(loaded.max);
            loaded.indexes.loaded_last_time = loaded.indexes.last_time(self.base);
            if loaded.replace_files || loaded.in_files.is_none() && !self.is_empty() {
                self.write_back_indexes(&loaded.indexes);
            }
            // Another thread may have been as fast: both have the same.
            let mut slot = self.indexes.write();
            if slot.as_ref().is_none_or(|indexes| !indexes.is_intact()) {
                *slot = Some(loaded.indexes);
            }
        }
    }

    /// Makes the indexes anew from the batches' headers.
    ///
    /// # Errors
    ///
    /// If the file cannot be read. Damage ends the indexes silently.
    pub fn rebuild_indexes(&self) -> Result<()> {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
        let mut role = self.role.lock();
        let Some(writer) = self.writer(&mut role)? else {
            let mut filler = Filler::new(self.base, self.index_interval.load(Ordering::Relaxed));
            filler.walk(self, Position::ZERO)?;
            filler.indexes.push_time(filler.max);
            self.write_back_indexes(&filler.indexes);
            *self.indexes.write() = Some(filler.indexes);
            return Ok(());
        };
        let mut filler = Filler::new(self.base, writer.interval());
        // What is written and not published yet gets no entry: lookups walk over it.
        filler.walk(self, Position::ZERO)?;
        writer.indexes_replaced(&filler.indexes);
        *self.indexes.write() = Some(filler.indexes);
        Ok(())
    }

    /// Replaces the files of a sealed segment, for the next start; they are only a cache, so failing is no error.
    fn write_back_indexes(&self, indexes: &Indexes) {
        let _ = self
            .replace_derived(FileKind::OffsetIndex, &indexes.offsets.encode_from(0), false)
            .and_then(|()| self.replace_derived(FileKind::TimeIndex, &indexes.times.encode_from(0), false));
    }

    /// Reads both index files and completes them from the headers behind the last entry; makes them anew if a file is
    /// missing, unsound, or contradicts the batches where it ends.
    pub(super) fn load_indexes(&self, interval: u32, may_map: bool) -> Result<Loaded> {
        let files = (
            self.read_derived(FileKind::OffsetIndex, may_map)?,
            self.read_derived(FileKind::TimeIndex, may_map)?,
        );
        if let (Some(index), Some(time_index)) = &files
            && let Some(loaded) = self.load_sound(index, time_index, interval)?
            && index.is_intact()
            && time_index.is_intact()
        {
            return Ok(loaded);
        }
        if !self.is_empty() {
            self.rebuilds.fetch_add(1, Ordering::Relaxed);
        }
        let mut filler = Filler::new(self.base, interval);
        filler.walk(self, Position::ZERO)?;
        let replace_files = files.0.is_some() || files.1.is_some();
        Ok(Loaded { indexes: filler.indexes, max: filler.max, in_files: None, replace_files })
    }

    /// Indexes from sound files; `None` if they are not, or if the batches contradict their last entries.
    fn load_sound(&self, index: &Piece, time_index: &Piece, interval: u32) -> Result<Option<Loaded>> {
        let (mut offsets, whole_offsets) = OffsetIndex::from_file(self.base, index.bytes());
        let (times, whole_times) = TimeIndex::from_file(self.base, time_index.bytes());
        if !whole_offsets || !whole_times {
            return Ok(None);
        }
        let in_files = (offsets.len(), times.len());
        offsets.keep_below(self.len());
        let last = offsets.last();
        let from = last.map_or(Position::ZERO, |entry| entry.position);
        let last_offset = last.and_then(|entry| entry.offset.from_base(self.base));
        if !self.lands_well(from, last_offset)? {
            return Ok(None);
        }
        let known = last_offset.and_then(|last_offset| times.at_offset(last_offset));
        let known = known.and_then(|entry| Some((entry.timestamp, entry.offset.from_base(self.base)?)));
        if last.is_some() && known.is_none() && self.starts_with_time() {
            return Ok(None);
        }
        let origins = [index.origin().clone(), time_index.origin().clone()];
        let mut filler = Filler::continuing(
            Indexes { offsets, times, loaded_last_time: None, end_early: false, origins },
            interval,
            from,
            known,
        );
        let in_log = filler.indexes.offsets.len();
        let next_offset = filler.walk(self, from)?;
        filler.indexes.times.keep_below(next_offset);
        let Filler { indexes, max, .. } = filler;
        if !self.time_holds(&indexes, max)? {
            return Ok(None);
        }
        let replace_files = in_log < in_files.0 || indexes.times.len() < in_files.1;
        Ok(Some(Loaded { indexes, max, in_files: Some(in_files), replace_files }))
    }

    /// Whether a batch begins at `from` that keeps the promise of an entry of `last_offset`.
    fn lands_well(&self, from: Position, last_offset: Option<Offset>) -> Result<bool> {
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::planted::Bug::TrustTheIndex) {
            return Ok(true);
        }
        match self.walk(from).next() {
            Some(Ok(first)) => Ok(last_offset.is_none_or(|last| first.base_offset <= last)),
            None => Ok(true),
            Some(Err(LogError::Corrupt { .. })) => Ok(false),
            Some(Err(other)) => Err(other),
        }
    }

    fn starts_with_time(&self) -> bool {
        let first = self.walk(Position::ZERO).next().and_then(Result::ok);
        first.is_some_and(|first| first.max_timestamp.is_some())
    }

    /// Whether the last time entry is not above the greatest time, and its batch has its time.
    fn time_holds(&self, indexes: &Indexes, max: Option<(Timestamp, Offset)>) -> Result<bool> {
        let Some((time, offset)) = indexes.last_time(self.base) else { return Ok(true) };
        if max.is_none_or(|(max, _)| time > max) {
            return Ok(false);
        }
        let from = indexes.offsets.lookup(offset).map_or(Position::ZERO, |entry| entry.position);
        for batch in self.walk(from) {
            match batch {
                Ok(batch) if batch.last_offset < offset => {}
                Ok(batch) => return Ok(batch.max_timestamp == Some(time)),
                Err(LogError::Corrupt { .. }) => return Ok(false),
                Err(other) => return Err(other),
            }
        }
        Ok(false)
    }
}

/// Makes index entries of batches, by the same rule as appends do.
struct Filler {
    indexes: Indexes,
    interval: u32,
    last_entry: Position,
    max: Option<(Timestamp, Offset)>,
}

impl Filler {
    fn new(base: Offset, interval: u32) -> Self {
        Self::continuing(Indexes::empty(base), interval, Position::ZERO, None)
    }

    fn continuing(
        indexes: Indexes,
        interval: u32,
        last_entry: Position,
        max: Option<(Timestamp, Offset)>,
    ) -> Self {
        Self { indexes, interval, last_entry, max }
    }

    /// Takes the batches from `from` to the end, or to damage; answers the offset after the last.
    fn walk(&mut self, segment: &Segment, from: Position) -> Result<Offset> {
        let mut next_offset = segment.base;
        for batch in segment.walk(from) {
            match batch {
                Ok(batch) => {
                    self.take(&batch);
                    next_offset = batch.next_offset();
                }
                Err(LogError::Corrupt { .. }) => {
                    self.indexes.end_early = true;
                    break;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(next_offset)
    }

    fn take(&mut self, batch: &BatchAt) {
        if let Some(time) = batch.max_timestamp.filter(|time| self.max.is_none_or(|(max, _)| *time > max)) {
            self.max = Some((time, batch.last_offset));
        }
        if batch.position.get() - self.last_entry.get() > self.interval {
            self.last_entry = batch.position;
            self.indexes.offsets.push(batch.last_offset, batch.position);
            self.indexes.push_time(self.max);
        }
    }
}

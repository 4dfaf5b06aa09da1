//! Writing a segment: appends, the index entries they make, the end of a segment.

use super::piece::Origin;
use super::tail::Tail;
use super::{Indexes, Role, Segment};
use crate::config::{LogConfig, millis};
use crate::error::{LogError, Result, if_room};
use crate::format::names::FileKind;
use crate::index::{OffsetIndex, TimeIndex};
use crate::io::StorageFile;
use crate::types::{Offset, Position, Timestamp};
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a segment needs to know of its log's settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SegmentOptions {
    /// Size at which a new segment begins, in bytes.
    pub segment_bytes: u32,
    /// Bytes of log for each index entry.
    pub index_interval_bytes: u32,
    /// Size of a full index file, in bytes.
    pub segment_index_bytes: u32,
    /// Span of record time at which a new segment begins, in milliseconds.
    pub segment_ms: i64,
    /// At most so much of it is taken off, at random, in milliseconds.
    pub segment_jitter_ms: i64,
}

impl From<&LogConfig> for SegmentOptions {
    fn from(config: &LogConfig) -> Self {
        Self {
            segment_bytes: config.segment_bytes,
            index_interval_bytes: config.index_interval_bytes,
            segment_index_bytes: config.segment_index_bytes,
            segment_ms: millis(config.segment_ms.min(longest_wait(config))),
            segment_jitter_ms: millis(config.segment_jitter_ms),
        }
    }
}

/// A record must not wait for its compaction in the active segment.
fn longest_wait(config: &LogConfig) -> u64 {
    config.max_compaction_lag_ms.filter(|_| config.cleanup_policy.compact).unwrap_or(u64::MAX)
}

/// What a segment needs to know of a batch that is appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AppendedBatch {
    /// Its last offset.
    pub last_offset: Offset,
    /// The greatest time in it.
    pub max_timestamp: Option<Timestamp>,
    /// Its size in bytes, header included.
    pub len: usize,
}

/// Where a batch was put: to be shown to readers with [`Segment::publish`] of the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Placed {
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// State of the segment that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    options: SegmentOptions,
    /// Where the next batch goes.
    end: Position,
    tail: Tail,
    /// How many entries the indexes have.
    entries: (usize, usize),
    /// Position of the last offset entry, 0 without one: what the index interval is counted from.
    last_entry: Position,
    /// The greatest time so far, and the last offset of the first batch that has it.
    max: Option<(Timestamp, Offset)>,
    /// The greatest time of the first batch.
    first_timestamp: Option<Timestamp>,
    /// When this process began to write it.
    created: Timestamp,
    /// Takes its part of the jitter.
    jitter_seed: u64,
    files: IndexFiles,
    /// Something was appended by this process.
    appended: bool,
}

/// What is known of the index files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum IndexFiles {
    /// There are none.
    Missing,
    /// They hold the first so many entries and nothing else.
    Hold(usize, usize),
    /// They hold something else and must be replaced.
    Unsound,
}

impl Role {
    pub(super) fn writer(&mut self) -> Option<&mut Writer> {
        match self {
            Self::Writing(writer) => Some(writer),
            Self::Sealed | Self::Waiting(..) => None,
        }
    }
}

impl Segment {
    /// Makes the segment the one that is appended to. No I/O happens before something is asked of it.
    ///
    /// The first time, its indexes are completed by walking the headers behind their last sound entry; the walk ends
    /// silently at damage. The file is opened for writing by the first append.
    pub fn activate(&self, options: &SegmentOptions, now: Timestamp) {
        let mut role = self.role.lock();
        self.capacity.store(options.segment_bytes, Ordering::Relaxed);
        self.index_interval.store(options.index_interval_bytes, Ordering::Relaxed);
        *role = Role::Waiting(*options, now);
        // What a sealed segment had was mapped, and had a last time entry.
        *self.indexes.write() = None;
    }

    /// Starts writing a file that was just made.
    pub(super) fn start_empty(&self, file: Arc<dyn StorageFile>, options: &SegmentOptions, now: Timestamp) {
        self.capacity.store(options.segment_bytes, Ordering::Relaxed);
        self.index_interval.store(options.index_interval_bytes, Ordering::Relaxed);
        if let Ok(id) = file.id() {
            self.is_of(id);
        }
        {
            let mut open = self.open.write();
            open.file = Some(file);
            open.writable = true;
        }
        *self.indexes.write() = Some(Indexes::empty(self.base));
        self.modified.set(now);
        *self.role.lock() = Role::Writing(Box::new(Writer::new(options, Position::ZERO, now)));
    }

    /// The state of writing, made ready if need be; `None` for a sealed segment.
    pub(super) fn writer<'a>(&self, role: &'a mut Role) -> Result<Option<&'a mut Writer>> {
        if let Role::Waiting(options, now) = *role {
            // Before anything is written: appends and trims change the file's own time.
            self.modified()?;
            let loaded = self.load_indexes(options.index_interval_bytes, false)?;
            let first = self.walk(Position::ZERO).next().and_then(Result::ok);
            let mut indexes = loaded.indexes;
            indexes.offsets.make_growable();
            indexes.times.make_growable();
            let mut writer = Writer::new(&options, self.len(), now);
            writer.last_entry = indexes.offsets.last().map_or(Position::ZERO, |entry| entry.position);
            writer.entries = indexes.counts();
            writer.max = loaded.max;
            writer.first_timestamp = first.and_then(|batch| batch.max_timestamp);
            if loaded.replace_files {
                // They speak of bytes that are not there: a crash took them. Once others stand in their place they would be
                // believed, so they go before anything is appended.
                self.remove_offset_indexes()?;
                self.sync_names()?;
            }
            writer.files = match loaded.in_files {
                _ if loaded.replace_files => IndexFiles::Missing,
                Some((offsets, times)) => IndexFiles::Hold(offsets, times),
                None => IndexFiles::Missing,
            };
            *self.indexes.write() = Some(indexes);
            *role = Role::Writing(Box::new(writer));
        }
        match role {
            Role::Writing(writer) => Ok(Some(writer)),
            Role::Sealed | Role::Waiting(..) => Ok(None),
        }
    }

    /// Whether it can be appended to.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !matches!(*self.role.lock(), Role::Sealed)
    }

    /// New settings for what is appended from now on; of a sealed segment, for indexes that are made anew.
    pub fn set_options(&self, options: &SegmentOptions) {
        self.index_interval.store(options.index_interval_bytes, Ordering::Relaxed);
        match &mut *self.role.lock() {
            Role::Sealed => {}
            Role::Waiting(old, _) => *old = *options,
            Role::Writing(writer) => writer.options = *options,
        }
    }

    /// Whether the log must go on in a new segment before `incoming` is appended.
    ///
    /// It must if the size would pass the limit, if the time between the first batch and `incoming` does (without a
    /// time in the first batch: since this process began to write the segment), if an index is full, or if an index
    /// entry could not hold the offset. Never for a segment without batches, but for the last reason. A segment that
    /// cannot be read does not roll: the append reports why.
    #[must_use]
    pub fn needs_roll(&self, incoming: &AppendedBatch, options: &SegmentOptions, now: Timestamp) -> bool {
        match self.writer(&mut self.role.lock()) {
            Ok(Some(writer)) => writer.is_full_for(self.base, incoming, options, now),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// [Appends](Segment::append), unless the log [must go on](Segment::needs_roll) in a new segment: then `None`.
    ///
    /// # Errors
    ///
    /// As [`Segment::append`].
    ///
    /// # Panics
    ///
    /// If `parts` are not `batch.len` long.
    pub fn append_if_room(
        &self,
        parts: &[&[u8]],
        batch: &AppendedBatch,
        options: &SegmentOptions,
        now: Timestamp,
    ) -> Result<Option<Placed>> {
        let mut role = self.role.lock();
        match self.writer(&mut role)? {
            Some(writer) if !writer.is_full_for(self.base, batch, options, now) => {
                self.append_to(writer, parts, batch, now).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Writes one batch behind the last and indexes it. Readers do not see it before [`Segment::publish`].
    ///
    /// `parts` are the batch's bytes in pieces; `now` becomes the time of the last append. No system call for a small batch
    /// where the file system allows that, else one write; and now and then a reservation of blocks and a start of write-back.
    ///
    /// # Errors
    ///
    /// [`LogError::NoSpace`] or [`LogError::Io`]: nothing was indexed, and the next append goes to the same place.
    ///
    /// # Panics
    ///
    /// If the segment is not active, `parts` are not `batch.len` long, or the batch does not fit (see
    /// [`Segment::needs_roll`]).
    pub fn append(&self, parts: &[&[u8]], batch: &AppendedBatch, now: Timestamp) -> Result<Placed> {
        let mut role = self.role.lock();
        let writer = self.writer(&mut role)?.expect("only the active segment is appended to");
        self.append_to(writer, parts, batch, now)
    }

    fn append_to(
        &self,
        writer: &mut Writer,
        parts: &[&[u8]],
        batch: &AppendedBatch,
        now: Timestamp,
    ) -> Result<Placed> {
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), batch.len, "the parts of a batch");
        self.note_use();
        if writer.tail.file().is_none() {
            writer.tail.use_file(self.writable_file()?);
        }
        let place = writer.place(batch.len);
        let limit = u64::from(writer.options.segment_bytes);
        if let Err(source) = writer.tail.write(parts, batch.len, place, limit) {
            return Err(self.append_failed(source, batch.len));
        }
        self.account(writer, batch, place);
        writer.appended = true;
        writer.tail.start_write_back(place.end.to_u64());
        self.modified.set(now);
        Ok(place)
    }

    /// Takes a batch that is already in the file behind the last, as recovery finds it.
    ///
    /// # Errors
    ///
    /// If the indexes must be read and cannot.
    ///
    /// # Panics
    ///
    /// If the segment is not active or could not have been given the batch.
    pub fn replay(&self, batch: &AppendedBatch) -> Result<Placed> {
        let mut role = self.role.lock();
        let writer = self.writer(&mut role)?.expect("only the active segment is replayed to");
        let place = writer.place(batch.len);
        self.account(writer, batch, place);
        Ok(place)
    }

    /// Index entries by Kafka's rule: an offset entry for the first batch that begins more than the interval after
    /// the last entry (or the start of the file), and beside it a time entry if the greatest time has risen.
    fn account(&self, writer: &mut Writer, batch: &AppendedBatch, place: Placed) {
        if place.start == Position::ZERO {
            writer.first_timestamp = batch.max_timestamp;
        }
        writer.see_time(batch.max_timestamp, batch.last_offset);
        writer.end = place.end;
        if place.start.get() - writer.last_entry.get() > writer.options.index_interval_bytes {
            writer.last_entry = place.start;
            if let Some(indexes) = self.indexes.write().as_mut() {
                indexes.offsets.push(batch.last_offset, place.start);
                indexes.push_time(writer.max);
                writer.entries = indexes.counts();
            }
        }
    }

    fn append_failed(&self, source: std::io::Error, len: usize) -> LogError {
        let path = self.path();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                LogError::NoSpace { path, needed: len as u64, reserve: None }
            }
            _ => LogError::io("write", path)(source),
        }
    }

    /// The greatest time of the segment and an offset of the first batch that has it: its last one, or the record's own
    /// in a file of Kafka 2.x.
    ///
    /// # Errors
    ///
    /// If the indexes must be read and cannot.
    pub fn max_timestamp(&self) -> Result<Option<(Timestamp, Offset)>> {
        if let Some(writer) = self.writer(&mut self.role.lock())? {
            return Ok(writer.max);
        }
        self.with_indexes(|indexes| indexes.last_time(self.base))
    }

    /// Whether it is the active segment and nobody has asked anything of it that costs I/O.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(*self.role.lock(), Role::Waiting(..))
    }

    /// Starts the write-back of what is not synced, if its file is open. A hint: errors are the sync's.
    pub(crate) fn start_write_back(&self) {
        let file = self.open.read().file.clone();
        let (from, end) = (self.synced.load(Ordering::Acquire), self.len().get());
        if let Some(file) = file.filter(|_| from < end) {
            let _ = file.start_write_back(u64::from(from), u64::from(end - from));
        }
    }

    /// Makes what was written so far durable: the `.log` file, and the index of aborted transactions, which is not made
    /// anew from batches that nobody scans any more. The names are not synced.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]. The next call may succeed although data are lost: the caller never relies on it.
    pub fn sync(&self) -> Result<()> {
        let end = match &mut *self.role.lock() {
            Role::Writing(writer) => {
                writer.tail.note_sync(writer.end.to_u64());
                writer.end
            }
            Role::Sealed | Role::Waiting(..) => self.len(),
        };
        self.file()?.sync_data().map_err(self.io("sync"))?;
        self.synced.fetch_max(end.get(), Ordering::AcqRel);
        if self.txns_dirty.swap(false, Ordering::AcqRel) {
            let synced = self.sync_derived(&[FileKind::TxnIndex]);
            // Whoever found no descriptor for it tries again.
            self.txns_dirty.fetch_or(synced.is_err(), Ordering::AcqRel);
            return synced;
        }
        Ok(())
    }

    /// Brings the index files up to date, and syncs them if asked: before the synced mark passes their entries. On a full
    /// disk there are none afterwards: they are made anew when they are next needed.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; the files are then made anew by the next call.
    pub fn flush_indexes(&self, sync: bool) -> Result<()> {
        let mut role = self.role.lock();
        if let Role::Writing(writer) = &mut *role {
            self.flush_or_remove(writer)?;
        }
        let synced =
            if sync { self.sync_derived(&[FileKind::OffsetIndex, FileKind::TimeIndex]) } else { Ok(()) };
        if !if_room(synced)? {
            self.remove_offset_indexes()?;
            if let Role::Writing(writer) = &mut *role {
                writer.files = IndexFiles::Missing;
            }
        }
        Ok(())
    }

    /// Writes the index files, or removes them where there is no room for them: half of an index is worse than none.
    fn flush_or_remove(&self, writer: &mut Writer) -> Result<()> {
        if !if_room(self.flush_of(writer))? {
            self.remove_offset_indexes()?;
            writer.files = IndexFiles::Missing;
        }
        Ok(())
    }

    fn flush_of(&self, writer: &mut Writer) -> Result<()> {
        let guard = self.indexes.read();
        let indexes = guard.as_ref().expect("a written segment has its indexes");
        let all = IndexFiles::Hold(indexes.offsets.len(), indexes.times.len());
        if writer.files == all {
            return Ok(());
        }
        let (offsets, times) = match std::mem::replace(&mut writer.files, IndexFiles::Unsound) {
            IndexFiles::Hold(offsets, times) => (offsets, times),
            IndexFiles::Missing => (0, 0),
            IndexFiles::Unsound => {
                self.replace_derived(FileKind::OffsetIndex, &[], false)?;
                self.replace_derived(FileKind::TimeIndex, &[], false)?;
                (0, 0)
            }
        };
        let at = (offsets * OffsetIndex::ENTRY_LEN, times * TimeIndex::ENTRY_LEN);
        self.extend_derived(FileKind::OffsetIndex, &indexes.offsets.encode_from(offsets), at.0 as u64)?;
        self.extend_derived(FileKind::TimeIndex, &indexes.times.encode_from(times), at.1 as u64)?;
        writer.files = all;
        Ok(())
    }

    /// Ends the writing, at a roll or a clean close: the last time entry, the index files, the file cut at its published
    /// end, its time set to that of the last append. Syncs nothing: indexes are checked when they are read.
    ///
    /// On a full disk it is left without index files. A sealed segment can be activated again. Does nothing to one that is not active, and only looks at one that
    /// nothing was appended to.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; the segment stays active.
    pub fn seal(&self) -> Result<()> {
        let mut role = self.role.lock();
        let Some(writer) = self.writer(&mut role)? else { return Ok(()) };
        assert_eq!(self.len(), writer.end, "a segment is sealed with all its batches published");
        if let Some(indexes) = self.indexes.write().as_mut() {
            indexes.push_time(writer.max);
            writer.entries = indexes.counts();
        }
        // First: the blocks that were reserved may be all the room that is left for the indexes.
        self.cut_if_longer(writer)?;
        self.flush_or_remove(writer)?;
        *role = Role::Sealed;
        self.capacity.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Cuts what lies in the file behind the published end: what recovery did not accept.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`].
    ///
    /// # Panics
    ///
    /// If the segment is not active.
    pub fn trim(&self) -> Result<()> {
        let mut role = self.role.lock();
        let writer = self.writer(&mut role)?.expect("only the active segment is trimmed");
        self.cut_at(writer)
    }

    /// Cuts the zeros behind the end, if there are any: what [`Segment::seal`] does first.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`].
    pub fn cut_zeros(&self) -> Result<()> {
        match self.writer(&mut self.role.lock())? {
            Some(writer) => self.cut_if_longer(writer),
            None => Ok(()),
        }
    }

    fn cut_if_longer(&self, writer: &mut Writer) -> Result<()> {
        let end = writer.end.to_u64();
        if writer.tail.is_cut_at(end) || !writer.appended && self.file_len()? == end {
            return Ok(());
        }
        match self.cut_at(writer) {
            // A file with a second name stays as it is: zeros behind its end are a clean end.
            Err(_) if self.is_shared() => Ok(()),
            cut => cut,
        }
    }

    /// Also gives back the blocks that were reserved behind the end.
    fn cut_at(&self, writer: &mut Writer) -> Result<()> {
        let file = self.writable_file()?;
        writer.tail.cut(&*file, writer.end.to_u64()).map_err(self.io("trim"))?;
        match self.modified.get() {
            Some(time) => file.set_modified(time).map_err(self.io("set the time of")),
            None => Ok(()),
        }
    }

    /// How long the map is made: for the whole life of the segment.
    pub(super) fn map_len(&self) -> u64 {
        u64::from(self.capacity.load(Ordering::Relaxed)).max(self.len().to_u64())
    }
}

impl Writer {
    fn new(options: &SegmentOptions, end: Position, now: Timestamp) -> Self {
        Self {
            options: *options,
            end,
            tail: Tail::new(end.to_u64()),
            entries: (0, 0),
            last_entry: Position::ZERO,
            max: None,
            first_timestamp: None,
            created: now,
            jitter_seed: RandomState::new().hash_one(0),
            files: IndexFiles::Missing,
            appended: false,
        }
    }

    /// Before the file is closed.
    pub(super) fn let_go_of_file(&mut self) {
        self.tail.let_go();
    }

    /// Where the next batch goes.
    pub(super) const fn end(&self) -> Position {
        self.end
    }

    /// Bytes of log for each index entry.
    pub(super) const fn interval(&self) -> u32 {
        self.options.index_interval_bytes
    }

    /// Notes that the indexes were made anew.
    pub(super) fn indexes_replaced(&mut self, indexes: &Indexes) {
        self.entries = indexes.counts();
        self.last_entry = indexes.offsets.last().map_or(Position::ZERO, |entry| entry.position);
        self.files = IndexFiles::Unsound;
    }

    fn place(&self, len: usize) -> Placed {
        let end = self.end.checked_add(len).expect("the log rolls before a segment has more than 2 GiB");
        Placed { start: self.end, end }
    }

    fn see_time(&mut self, time: Option<Timestamp>, last_offset: Offset) {
        if let Some(time) = time.filter(|time| self.max.is_none_or(|(max, _)| *time > max)) {
            self.max = Some((time, last_offset));
        }
    }

    /// Whether the log must go on in a new segment; see [`Segment::needs_roll`].
    fn is_full_for(
        &self,
        base: Offset,
        incoming: &AppendedBatch,
        options: &SegmentOptions,
        now: Timestamp,
    ) -> bool {
        if incoming.last_offset.relative_to(base).is_none() {
            return true;
        }
        if self.end == Position::ZERO {
            return false;
        }
        let limit = (options.segment_bytes as usize).min(Position::MAX.to_usize());
        self.end.to_usize().saturating_add(incoming.len) > limit
            || self.waited(incoming, now) > self.roll_after(options)
            || self.indexes_full(options)
    }

    /// Kafka's sense of full: the time index keeps room for the entry made at the end.
    fn indexes_full(&self, options: &SegmentOptions) -> bool {
        let size = options.segment_index_bytes as usize;
        let (offsets, times) = (size / OffsetIndex::ENTRY_LEN, size / TimeIndex::ENTRY_LEN);
        self.entries.0 >= offsets || self.entries.1 >= times.saturating_sub(1)
    }

    /// How much time has passed for the segment, in milliseconds.
    fn waited(&self, incoming: &AppendedBatch, now: Timestamp) -> i64 {
        match self.first_timestamp {
            Some(first) => Timestamp::to_raw(incoming.max_timestamp).saturating_sub(first.as_millis()),
            None => now.millis_since(self.created),
        }
    }

    /// How much time may pass, in milliseconds: less this segment's share of the jitter.
    fn roll_after(&self, options: &SegmentOptions) -> i64 {
        let bound = options.segment_jitter_ms.min(options.segment_ms).max(0).unsigned_abs();
        let jitter = if bound == 0 { 0 } else { self.jitter_seed % bound };
        options.segment_ms.saturating_sub(i64::try_from(jitter).unwrap_or(0))
    }
}

impl Indexes {
    /// How many entries they have.
    fn counts(&self) -> (usize, usize) {
        (self.offsets.len(), self.times.len())
    }

    pub(super) fn empty(base: Offset) -> Self {
        Self {
            offsets: OffsetIndex::new(base),
            times: TimeIndex::new(base),
            loaded_last_time: None,
            end_early: false,
            origins: Default::default(),
        }
    }

    /// Whether all that was looked up in them so far is what their files hold.
    pub(super) fn is_intact(&self) -> bool {
        self.origins.iter().all(Origin::is_intact)
    }

    pub(super) fn push_time(&mut self, max: Option<(Timestamp, Offset)>) {
        if let Some((time, offset)) = max {
            self.times.push(time, offset);
        }
    }

    pub(super) fn last_time(&self, base: Offset) -> Option<(Timestamp, Offset)> {
        if self.loaded_last_time.is_some() {
            return self.loaded_last_time;
        }
        let last = self.times.last()?;
        Some((last.timestamp, last.offset.from_base(base)?))
    }
}

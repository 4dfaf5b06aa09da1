//! Reading a log that another process writes.
//!
//! The reader takes no lock, writes nothing and maps nothing. What it may believe is what the writer has published, which
//! it learns from the files alone:
//!
//! * a segment that has a successor is complete; where its last batch ends is where the successor begins;
//! * of the last segment, batches that chain, from the synced mark on, and whose checksums hold. Zeros or a batch that is
//!   not whole are "not yet";
//! * what lies below the log start in the synced mark is gone;
//! * another number of cuts in the mark, or another file under a known name, means that the log was cut or compacted:
//!   everything is looked at anew, and the end may be lower than before.
//!
//! # Invariants
//!
//! * What is given was appended, in order, each batch once; a batch that was cut later was there when it was given.
//! * Whatever the writer does meanwhile, it is never waited for, and never waits.
//!
//! # Not here
//!
//! Maps: the writer may cut a file at any time, and a page that is gone is a signal, not an error; what is read lies on the
//! heap. `get`, reading by time of the last record before, and reading of committed records only: they need the writer's
//! indexes and its list of aborted transactions, which are on the disk behind what is published. One record:
//! `records(offset)` and the first batch. Waking: without a word from the writer the directory is looked at again and again (every 5 ms while one waits).

use super::compact::point;
use super::damage::Damage;
use super::mark::{Mark, MarkFile};
use super::records::RecordBatch;
use super::scan::Scanner;
use crate::config::LogConfig;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::{BatchView, LENGTH_OVERHEAD, batch_len};
use crate::format::names::{FileKind, SegmentFile, Stage, segment_file};
use crate::io::{DirEntry, FileId, OpenMode, ReadOnlyStorage, RealStorage, Storage};
use crate::segment::{Origin, Segment, segments_in};
use crate::types::{LeaderEpoch, Offset, Position, Timestamp};
use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a directory that changes under the look is looked at again.
const TRIES: usize = 20;
/// How long a waiting reader sleeps between two looks.
const POLL: Duration = Duration::from_millis(5);
/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// A log that another process (or another part of this one) has open, to be read and followed.
///
/// It shows the log as it was when it was opened or last [refreshed](LogReader::refresh). Reading costs a copy: the files
/// are read, not mapped, since their writer is somebody else.
///
/// ```
/// use log_engine::{Log, LogConfig, LogReader, NewRecord, Offset};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temp = tempfile::tempdir()?;
/// # let dir = temp.path().join("log");
/// # let writer = Log::open(&dir, LogConfig::default())?;
/// # writer.append(&[NewRecord::value(b"first")])?;
/// let reader = LogReader::open(&dir, &LogConfig::default())?;
/// let mut cursor = reader.records(Offset::ZERO).cursor();
/// while let Some(record) = cursor.next()? {
///     println!("{}: {:?}", record.offset, record.value);
/// }
/// # writer.append(&[NewRecord::value(b"second")])?;
/// reader.refresh()?;
/// assert_eq!(reader.end_offset().get(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LogReader {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    /// The log may have gaps: its settings say so, or it was compacted once.
    gaps: AtomicBool,
    cap: usize,
    seen: ArcSwap<Seen>,
    refreshing: Mutex<()>,
}

/// The log as it was at some moment.
#[derive(Debug)]
struct Seen {
    /// In order of their bases; never empty; the last one is written.
    parts: Vec<Part>,
    /// Segments that a compacted log should have and has not.
    missing: Vec<Damage>,
    start: Offset,
    truncations: u64,
}

/// One segment, as far as it may be read.
#[derive(Clone, Debug)]
struct Part {
    segment: Arc<Segment>,
    id: FileId,
    /// The offset after the last batch that may be read, and its epoch.
    next: Offset,
    epoch: i32,
    /// It had a successor when it was looked at: it grows no more.
    complete: bool,
}

impl Seen {
    fn end(&self) -> Offset {
        self.parts.last().expect("never empty").next
    }

    /// The segment that an offset lies in, and the base of the one behind it.
    fn part_of(&self, offset: Offset) -> (&Part, Option<Offset>) {
        let index = self.parts.partition_point(|part| part.base() <= offset).saturating_sub(1);
        (&self.parts[index], self.parts.get(index + 1).map(Part::base))
    }

    /// What is missing between the end of a segment and the base of the next.
    fn missing(&self, from: Offset, base: Offset) -> Option<&Damage> {
        self.missing.iter().find(|missing| missing.is_between(from, base))
    }
}

impl Part {
    fn base(&self) -> Offset {
        self.segment.base_offset()
    }
}

impl LogReader {
    /// Looks at the log in a directory. Of the settings it heeds `cleanup_policy` (whether there may be gaps) and
    /// `max_message_bytes` (how large compressed records may become).
    ///
    /// # Errors
    ///
    /// [`LogError::Directory`] if there is no segment in it; [`LogError::Io`] if it is not there or cannot be read.
    pub fn open(dir: impl AsRef<Path>, config: &LogConfig) -> Result<Self> {
        Self::open_in(Arc::new(RealStorage::new()), dir, config)
    }

    /// The same in another storage.
    ///
    /// # Errors
    ///
    /// As [`LogReader::open`].
    pub fn open_in(storage: Arc<dyn Storage>, dir: impl AsRef<Path>, config: &LogConfig) -> Result<Self> {
        let storage: Arc<dyn Storage> = Arc::new(ReadOnlyStorage::new(storage));
        let nothing = Seen { parts: Vec::new(), missing: Vec::new(), start: Offset::ZERO, truncations: 0 };
        let reader = Self {
            storage,
            dir: dir.as_ref().to_owned(),
            gaps: AtomicBool::new(config.cleanup_policy.compact),
            cap: config.decompressed_cap(),
            seen: ArcSwap::from_pointee(nothing),
            refreshing: Mutex::default(),
        };
        reader.refresh()?;
        Ok(reader)
    }

    /// The lowest offset that can be read.
    #[must_use]
    pub fn start_offset(&self) -> Offset {
        self.seen.load().start
    }

    /// The offset that the next record gets, as far as it was seen. A cut makes it lower.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.seen.load().end()
    }

    /// How often the log was cut: if this has changed, offsets may have been given anew.
    #[must_use]
    pub fn truncations(&self) -> u64 {
        self.seen.load().truncations
    }

    /// Looks at the directory again; true if the log begins or ends elsewhere, or was cut.
    ///
    /// Costs a listing of the directory, a look at the synced mark, and the reading of what is new.
    ///
    /// # Errors
    ///
    /// As [`LogReader::open`]; what was seen before stays readable.
    pub fn refresh(&self) -> Result<bool> {
        let _one = self.refreshing.lock();
        let known = self.seen.load_full();
        let mut changing = None;
        for attempt in 1..=TRIES {
            match self.look(&known, attempt < TRIES) {
                Ok(Some(seen)) => {
                    let changed = known.parts.is_empty()
                        || (seen.start, seen.end(), seen.truncations)
                            != (known.start, known.end(), known.truncations);
                    self.seen.store(Arc::new(seen));
                    return Ok(changed);
                }
                Ok(None) => {}
                // A name was taken away between the listing and the look.
                Err(LogError::Io { op, path, source }) if went_away(source.kind()) => {
                    changing = Some(LogError::Io { op, path, source });
                }
                Err(error) => return Err(error),
            }
        }
        Err(changing.unwrap_or_else(|| LogError::io("read", &self.dir)(ErrorKind::Interrupted.into())))
    }

    /// Waits until the log's end is beyond an offset, at most for `timeout`; the answer is the end. Looks at once, and
    /// then every 5 ms.
    ///
    /// # Errors
    ///
    /// As [`LogReader::refresh`].
    pub fn wait_for_end(&self, beyond: Offset, timeout: Duration) -> Result<Offset> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            self.refresh()?;
            let end = self.end_offset();
            let left = deadline.map_or(POLL, |at| at.saturating_duration_since(Instant::now()));
            if end > beyond || left.is_zero() {
                return Ok(end);
            }
            std::thread::sleep(left.min(POLL));
        }
    }

    /// The batches from the one that holds `from` on, to the end as it was last seen; later it goes on.
    ///
    /// An offset that is not between start and end is refused by the first [`next`](Iterator::next), and by a later one
    /// if the log was cut, or retention has overtaken the reader.
    pub fn records(&self, from: Offset) -> ReaderBatches<'_> {
        ReaderBatches { reader: self, next: from, at: None, chunk: Bytes::new(), failed: false }
    }

    /// The first record whose time is `time` or later; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Log::offset_for_time`](super::Log::offset_for_time).
    pub fn offset_for_time(&self, time: Timestamp) -> Result<Option<(Offset, Timestamp)>> {
        self.again(|seen| {
            for part in &seen.parts {
                if let Some(found) = part.segment.find_time(time, seen.start, self.cap)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    /// Reads; again if what went wrong is that the log is not what it was.
    fn again<T>(&self, mut read: impl FnMut(&Seen) -> Result<T>) -> Result<T> {
        for _ in 0..TRIES {
            let seen = self.seen.load_full();
            let error = match read(&seen) {
                Err(error @ (LogError::Io { .. } | LogError::Corrupt { .. })) => error,
                done => return done,
            };
            self.refresh()?;
            if same_files(&seen, &self.seen.load()) {
                return Err(error);
            }
        }
        read(&self.seen.load())
    }

    fn has_gaps(&self) -> bool {
        self.gaps.load(Ordering::Relaxed)
    }

    /// One look; `None` if the log was cut meanwhile, or if a compacted segment is just being put in place: for an instant
    /// the old one has lost its name and the new one has not got it. Who is not `patient` takes what there is: the writer
    /// may have been killed then.
    fn look(&self, known: &Seen, patient: bool) -> Result<Option<Seen>> {
        let (_, mark) = MarkFile::read(&*self.storage, &self.dir)?;
        let entries = self.storage.list(&self.dir).map_err(LogError::io("list", &self.dir))?;
        // After the listing: what is struck off the list may still be there, and what is on it is not gone for good.
        let point = match entries.iter().any(|entry| entry.name == point::FILE_NAME) {
            true => point::load(&*self.storage, &self.dir)?,
            false => None,
        };
        if point.is_some() {
            self.gaps.store(true, Ordering::Relaxed);
        }
        if patient && entries.iter().any(|entry| is_being_replaced(&entry.name)) {
            std::thread::sleep(POLL);
            return Ok(None);
        }
        let found = segments_in(&entries);
        let Some((first, _)) = found.first() else {
            let problem = "holds no segment: it is no log, or was never written".to_owned();
            return Err(LogError::Directory { path: self.dir.clone(), problem });
        };
        let truncations = mark.map_or(0, |mark| mark.truncations);
        let fresh = Seen { parts: Vec::new(), missing: Vec::new(), start: Offset::ZERO, truncations };
        let known = if goes_on(known, &found, truncations) { known } else { &fresh };
        let mut parts = Vec::with_capacity(found.len());
        for (index, (base, entry)) in found.iter().enumerate() {
            let next = found.get(index + 1).map(|(base, _)| *base);
            parts.push(self.part(known, *base, entry, next, mark.as_ref())?);
        }
        // Whoever cuts counts first and cuts afterwards; who takes segments away raises the start first.
        let (_, now) = MarkFile::read(&*self.storage, &self.dir)?;
        let start = now.map_or(*first, |mark| mark.log_start);
        let bases: Vec<_> = found.iter().map(|(base, _)| *base).collect();
        let missing = point.map(|point| point.missing(&bases)).unwrap_or_default();
        let missing =
            missing.into_iter().map(|offsets| Damage::missing_segment(&self.dir, offsets)).collect();
        let seen = Seen { parts, missing, start, truncations };
        let cut = now.map_or(0, |mark| mark.truncations) != truncations;
        // All that was seen is gone already.
        let overtaken = patient && start > seen.end();
        Ok((!cut && !overtaken).then_some(seen))
    }

    /// One segment as it is now: what is known of it, and what has come.
    fn part(
        &self,
        known: &Seen,
        base: Offset,
        entry: &DirEntry,
        successor: Option<Offset>,
        mark: Option<&Mark>,
    ) -> Result<Part> {
        let old = known.parts.iter().find(|part| part.base() == base);
        if let Some(part) = old.filter(|part| part.complete) {
            return Ok(part.clone());
        }
        let path = self.dir.join(segment_file(base, FileKind::Log));
        let file = self.storage.open(&path, OpenMode::Read).map_err(LogError::io("open", &path))?;
        if file.id().map_err(LogError::io("look at", &path))? != entry.id {
            return Err(LogError::io("open", &path)(ErrorKind::NotFound.into()));
        }
        // Not the listing's: that may be from before the roll, when more was to come, or there were zeros behind the end.
        let len = file.len().map_err(LogError::io("measure", &path))?;
        if let Some(next) = successor {
            // Complete: what is in it is read when somebody asks, and whatever cannot be read is told then.
            let len = Position::new(len).unwrap_or(Position::MAX);
            let segment = self.segment(base, len, entry);
            return Ok(Part { segment, id: entry.id, next, epoch: -1, complete: true });
        }
        let mut scanner = Scanner::of(file, path, len);
        let gaps = self.has_gaps();
        let from = match old {
            Some(part) => (part.segment.len(), part.next, part.epoch),
            None => marked(&mut scanner, base, entry.id, mark, gaps)?,
        };
        let (len, next, epoch) = chain(&mut scanner, base, from, gaps)?;
        // The same object as long as nothing came: its file and its indexes stay loaded.
        let segment = match old.filter(|part| part.segment.len() == len) {
            Some(part) => Arc::clone(&part.segment),
            None => self.segment(base, len, entry),
        };
        Ok(Part { segment, id: entry.id, next, epoch, complete: false })
    }

    fn segment(&self, base: Offset, len: Position, entry: &DirEntry) -> Arc<Segment> {
        let segment = Segment::open(Arc::clone(&self.storage), &self.dir, base, len, Some(entry.modified));
        segment.is_of(entry.id);
        segment
    }
}

/// Where trust begins in the segment that is written: at the synced mark if it is of this file, else at its begin.
fn marked(
    scanner: &mut Scanner,
    base: Offset,
    id: FileId,
    mark: Option<&Mark>,
    gaps: bool,
) -> Result<(Position, Offset, i32)> {
    let nothing = (Position::ZERO, base, -1);
    let Some(mark) = mark.filter(|mark| mark.segment == base && mark.is_of(id)) else { return Ok(nothing) };
    let Some(last) = mark.last_batch else {
        return Ok(if gaps { (Position::ZERO, mark.next_offset, -1) } else { nothing });
    };
    let Some(batch) = scanner.intact(last.position.to_u64())? else { return Ok(nothing) };
    // A log that was compacted and then cut may end in a gap.
    let end = batch.next_offset();
    let ends = end == mark.next_offset || gaps && end < mark.next_offset;
    let same = batch.stored_crc() == last.crc && ends;
    let epoch = batch.leader_epoch().map_or(-1, LeaderEpoch::get);
    Ok(if same { (mark.position, mark.next_offset, epoch) } else { nothing })
}

/// Goes over the batches that chain from a position on. Also the last segment has gaps if a compacted log was cut.
fn chain(
    scanner: &mut Scanner,
    base: Offset,
    from: (Position, Offset, i32),
    gaps: bool,
) -> Result<(Position, Offset, i32)> {
    let (mut at, mut next, mut epoch) = from;
    loop {
        let batch = match scanner.intact(at.to_u64()) {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            // It was trimmed since its length was looked at: nothing more is there.
            Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        };
        let begins = batch.base_offset() == next
            || at == Position::ZERO && batch.base_offset() >= base
            || gaps && batch.base_offset() > next;
        let found = batch.leader_epoch().map_or(-1, LeaderEpoch::get);
        let Some(end) = at.checked_add(batch.len()).filter(|_| begins && found >= epoch) else {
            break;
        };
        (at, next, epoch) = (end, batch.next_offset(), found);
    }
    Ok((at, next, epoch))
}

/// Whether what is known still holds, but for what has come and what retention took.
fn goes_on(known: &Seen, found: &[(Offset, DirEntry)], truncations: u64) -> bool {
    let first = found.first().map_or(Offset::ZERO, |(base, _)| *base);
    let there = |part: &Part| {
        let entry = found.iter().find(|(base, _)| *base == part.base());
        entry.map_or(part.base() < first, |(_, entry)| entry.id == part.id)
    };
    known.truncations == truncations && known.parts.iter().all(there)
}

fn same_files(a: &Seen, b: &Seen) -> bool {
    let files = |seen: &Seen| seen.parts.iter().map(|part| (part.base(), part.id)).collect::<Vec<_>>();
    a.truncations == b.truncations && files(a) == files(b)
}

fn is_being_replaced(name: &str) -> bool {
    SegmentFile::parse(name).is_some_and(|file| file.kind == FileKind::Log && file.stage == Stage::Swap)
}

fn went_away(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::UnexpectedEof)
}

/// The batches of a log of another process, from an offset on; see [`LogReader::records`].
#[derive(Debug)]
pub struct ReaderBatches<'a> {
    reader: &'a LogReader,
    next: Offset,
    /// Where the next batch begins, and in which file.
    at: Option<(FileId, Position)>,
    /// What was read and not given yet.
    chunk: Bytes,
    failed: bool,
}

impl ReaderBatches<'_> {
    /// The offset after the last batch that was given.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The next batch; at the end looks for it again and again, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// As [`LogReader::refresh`], and of the batches.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<RecordBatch>> {
        if let Some(found) = self.next() {
            return found.map(Some);
        }
        if !self.failed {
            self.reader.wait_for_end(self.next, timeout)?;
        }
        self.next().transpose()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let reader = self.reader;
        reader.again(|seen| {
            let given = self.read(seen);
            if given.is_err() {
                (self.at, self.chunk) = (None, Bytes::new());
            }
            given
        })
    }

    fn read(&mut self, seen: &Seen) -> Result<Option<RecordBatch>> {
        let (start, end) = (seen.start, seen.end());
        if self.next < start || self.next > end {
            return Err(LogError::OffsetOutOfRange { requested: self.next, start, end });
        }
        while self.next < end {
            let (part, successor) = seen.part_of(self.next);
            if self.next < part.base() {
                let cause = Box::new(CorruptReason::Structure("the first segment is missing".to_owned()));
                let reason = CorruptReason::Hole { from: self.next, to: part.base(), bytes: 0, cause };
                let (path, position) = (part.segment.path(), Position::ZERO);
                return Err(LogError::Corrupt { path, position, reason });
            }
            let at = self.at.filter(|(id, _)| *id == part.id).map(|(_, position)| position);
            let at = match at {
                Some(at) => Some(at),
                None => {
                    self.chunk = Bytes::new();
                    part.segment.locate(self.next)?.map(|batch| batch.position)
                }
            };
            if let Some(at) = at.filter(|at| *at < part.segment.len()) {
                return self.take(part, at).map(Some);
            }
            if successor.is_none() && self.reader.has_gaps() {
                // It was compacted and then cut in a gap: the log goes on at its end.
                (self.next, self.at, self.chunk) = (end, None, Bytes::new());
                break;
            }
            // Nothing more in this one: the next one begins here, or compaction has emptied its end.
            let Some(base) = successor.filter(|base| *base == self.next || self.reader.has_gaps()) else {
                return Err(self.hole(part, successor));
            };
            if let Some(missing) = seen.missing(self.next, base) {
                return Err(missing.to_error());
            }
            (self.next, self.at, self.chunk) = (base.max(self.next), None, Bytes::new());
        }
        Ok(None)
    }

    /// The batch at a position, which lies below what may be read.
    fn take(&mut self, part: &Part, at: Position) -> Result<RecordBatch> {
        let segment = &part.segment;
        let rest = segment.len().to_usize() - at.to_usize();
        let whole = |chunk: &Bytes| {
            batch_len(&chunk[..LENGTH_OVERHEAD.min(chunk.len())]).filter(|len| *len <= chunk.len())
        };
        let corrupt = |reason| LogError::Corrupt { path: segment.path(), position: at, reason };
        if whole(&self.chunk).is_none() {
            self.chunk = segment.bytes(at, rest.min(CHUNK))?;
        }
        if let Some(len) = batch_len(&self.chunk).filter(|len| *len > self.chunk.len() && *len <= rest) {
            self.chunk = segment.bytes(at, len)?;
        }
        let len = whole(&self.chunk).unwrap_or(self.chunk.len());
        let bytes = self.chunk.split_to(len);
        let view = BatchView::parse(&bytes).map_err(corrupt)?;
        view.check_crc().map_err(corrupt)?;
        let holds = view.base_offset() <= self.next && self.next <= view.last_offset();
        let skips = view.base_offset() > self.next && self.reader.has_gaps();
        if !holds && !skips {
            let (expected, found) = (self.next, view.base_offset().get());
            return Err(corrupt(CorruptReason::OffsetOrder { expected, found }));
        }
        self.next = view.next_offset();
        self.at = at.checked_add(len).map(|at| (part.id, at));
        Ok(RecordBatch::new(bytes, Origin::default(), self.reader.cap, part.base(), at))
    }

    /// The error for offsets that should lie in a complete segment and do not.
    fn hole(&self, part: &Part, successor: Option<Offset>) -> LogError {
        let cause = Box::new(CorruptReason::Structure("the segment ends early".to_owned()));
        let (from, to) = (self.next, successor.unwrap_or(part.next));
        let reason = CorruptReason::Hole { from, to, bytes: 0, cause };
        LogError::Corrupt { path: part.segment.path(), position: part.segment.len(), reason }
    }
}

impl Iterator for ReaderBatches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let found = self.advance().transpose();
        self.failed = matches!(found, Some(Err(_)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::build::NewRecord;
    use crate::io::MemStorage;

    /// The length was the listing's. Taken while the segment was written it was too great, and what had been zeros then was
    /// missing for ever; or it was too small, and what came before the roll was a hole, or passed over in a log with gaps.
    #[test]
    fn a_segment_that_was_sealed_during_the_listing_is_read_to_its_end() {
        for windows in [true, false] {
            let storage = Arc::new(MemStorage::new());
            storage.allow_windows(windows);
            let dir = Path::new("/l");
            let config = LogConfig { segment_bytes: 400, ..LogConfig::default() };
            let log = crate::Log::builder(dir).storage(Arc::clone(&storage) as _).config(config.clone());
            let log = log.open().unwrap();
            let append = || log.append(&[NewRecord::value(&[7; 50])]).unwrap();
            append();
            let (base, stale) = segments_in(&storage.list(dir).unwrap()).remove(0);
            while log.segment_offsets().len() == 1 {
                append();
            }
            let successor = log.segment_offsets()[1].0;
            let reader = LogReader::open_in(storage, dir, &config).unwrap();
            let nothing =
                Seen { parts: Vec::new(), missing: Vec::new(), start: Offset::ZERO, truncations: 0 };
            let part = reader.part(&nothing, base, &stale, Some(successor), None).unwrap();
            let batches = part.segment.walk(Position::ZERO).collect::<Result<Vec<_>>>().unwrap();
            assert_eq!(batches.last().unwrap().next_offset(), successor);
            assert_ne!(part.segment.len().to_u64(), stale.len);
        }
    }

    /// It was taken for one that compaction has emptied at its end, and what lay there was passed over without a word.
    #[test]
    fn damage_at_the_end_of_a_segment_is_told_although_the_log_may_have_gaps() {
        let storage = Arc::new(MemStorage::new());
        let dir = Path::new("/l");
        let compact = crate::CleanupPolicy { delete: false, compact: true };
        let config = LogConfig { segment_bytes: 400, cleanup_policy: compact, ..LogConfig::default() };
        let log = crate::Log::builder(dir).storage(Arc::clone(&storage) as _).config(config.clone());
        let log = log.open().unwrap();
        let append = || log.append(&[NewRecord::keyed(b"k", &[7; 50])]).unwrap();
        append();
        let reader = LogReader::open_in(Arc::clone(&storage) as _, dir, &config).unwrap();
        assert_eq!(reader.end_offset().get(), 1);
        while log.segment_offsets().len() == 1 {
            append();
        }
        let path = dir.join(segment_file(Offset::ZERO, FileKind::Log));
        let len = storage.open(&path, OpenMode::Read).unwrap().len().unwrap();
        storage.open(&path, OpenMode::ReadWrite).unwrap().write_all_at(&[&[9]], len - 10).unwrap();
        reader.refresh().unwrap();
        let last = reader.records(Offset::ZERO).last().unwrap();
        assert!(matches!(last, Err(LogError::Corrupt { .. })), "{last:?}");
    }
}

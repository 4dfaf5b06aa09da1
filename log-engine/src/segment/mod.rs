//! One segment of a log: a `.log` file of batches and the indexes beside it.
//!
//! ```text
//!  0                        published            end     end of the file   reserved
//!  +-------+-------+--------+--------------------+--------+--------------+
//!  | batch | batch | ...    | written, not shown | zeros  | blocks, no   |
//!  |       |       |        | to readers yet     |        | length       |
//!  +-------+-------+--------+--------------------+--------+--------------+
//! ```
//!
//! A segment is made with [`Segment::create`] or [`Segment::open`]. Until it is [activated](Segment::activate) it is
//! read only. Neither opening nor activating does any I/O: thousands of logs cost no descriptors before they are used.
//! One thread at a time (the log's writer) activates, appends, publishes, seals; any number read at the same time.
//!
//! # Invariants
//!
//! * Bytes below `published` never change and the file is never shortened below them: maps and slices rely on it.
//!   Bytes between `published` and the end may be written again after a failed append.
//! * Whole batches are written and published; `published` only grows.
//! * What an index says is checked where it leads: a lookup that does not land on a batch that can hold the target
//!   makes the indexes anew. A broken index never makes an offset unreadable.
//! * A descriptor with bytes that were not synced is never closed by [`Segment::release`].
//! * A file that was closed is not taken for another that has got its name since: opening it again fails then.
//! * A file with a second name (`cp -al`, a snapshot) is somebody else's too, and is never written: that is looked at whenever
//!   a file is opened to be written. Appends fail then, and the log goes on in a new segment ([`Segment::is_shared`]).
//! * Nothing follows from mapped bytes before their map was asked whether they are the file's (`piece`); if they are not,
//!   they are read again with `pread`, which tells what is wrong.
//! * The length of the file of an active segment says nothing: `end` does, and behind it are zeros. Sealing cuts them off,
//!   and so does recovery where a process was killed.
//!
//! # Not here
//!
//! Other segments, offsets and epochs being given, when to sync, what recovery decides (`log`).

mod files;
mod lookup;
mod piece;
mod read;
mod tail;
mod verified;
mod walk;
mod write;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

pub use files::Front;
pub(crate) use files::TEMPORARY;
pub(crate) use piece::{Origin, Piece};
pub use read::FileSlice;
pub use walk::{BatchAt, Walk};
pub use write::{AppendedBatch, Placed, SegmentOptions};

use crate::error::Result;
use crate::format::names::{FileKind, SegmentFile, Stage};
use crate::index::{OffsetIndex, TimeIndex, TxnIndex};
use crate::io::{DirEntry, EntryKind, FileId, Map, OpenMode, Storage, StorageFile};
use crate::types::{Offset, Position, Timestamp};
use files::Names;
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use verified::Verified;
use write::Writer;

/// One segment; shared by the log's list, its readers and their slices.
#[derive(Debug)]
pub struct Segment {
    storage: Arc<dyn Storage>,
    base: Offset,
    names: Mutex<Names>,
    id: OnceLock<FileId>,
    /// Bytes that readers may see.
    published: AtomicU32,
    /// Bytes it may grow to while it is active, 0 when it is not: what the map is made for.
    capacity: AtomicU32,
    /// Bytes known to be synced by this process, or not written by it.
    synced: AtomicU32,
    /// From here on the bytes were written or scanned by this process.
    trusted_from: AtomicU32,
    verified: Mutex<Verified>,
    open: RwLock<Opened>,
    /// Where open files are counted, if anybody does.
    counted: OnceLock<Arc<FileCount>>,
    /// Its file was asked for since somebody last looked whether it is idle.
    used: AtomicBool,
    /// How often its indexes were made anew from the batches.
    rebuilds: AtomicU32,
    /// Bytes of log for each entry of indexes that are made anew while nobody writes.
    index_interval: AtomicU32,
    indexes: RwLock<Option<Indexes>>,
    txns: RwLock<Option<TxnIndex>>,
    /// The file of aborted transactions has entries that were not synced.
    txns_dirty: AtomicBool,
    /// What the index of aborted transactions holds, as far as this process knows without looking.
    txn_sum: Mutex<Option<TxnSum>>,
    role: Mutex<Role>,
    /// Its file was found to have another name when it was to be written.
    shared: AtomicBool,
    /// When the file last changed, as far as it was told: the time given to `open`, then that of appends.
    modified: Modified,
}

/// Whether the segment is written.
#[derive(Debug, Default)]
enum Role {
    /// No.
    #[default]
    Sealed,
    /// Yes, but nobody has asked for anything that costs I/O.
    Waiting(SegmentOptions, Timestamp),
    /// Yes.
    Writing(Box<Writer>),
}

/// What is open of a segment.
#[derive(Debug, Default)]
struct Opened {
    file: Option<Arc<dyn StorageFile>>,
    slot: Option<Slot>,
    writable: bool,
    map: Option<MappedFile>,
}

/// How many segments have their file open.
#[derive(Debug, Default)]
pub struct FileCount(AtomicUsize);

impl FileCount {
    /// How many.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of them.
#[derive(Debug)]
struct Slot(Arc<FileCount>);

impl Slot {
    fn new(count: &Arc<FileCount>) -> Self {
        count.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A time, if it is known. No lock: each append sets it.
#[derive(Debug)]
struct Modified(AtomicI64);

impl Modified {
    /// No timestamp is negative.
    const UNKNOWN: i64 = i64::MIN;

    const fn new(time: Option<Timestamp>) -> Self {
        Self(AtomicI64::new(match time {
            Some(time) => time.as_millis(),
            None => Self::UNKNOWN,
        }))
    }

    fn get(&self) -> Option<Timestamp> {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, time: Timestamp) {
        self.0.store(time.as_millis(), Ordering::Relaxed);
    }

    /// The time that is known, or else `found`, which then is.
    fn get_or_set(&self, found: Timestamp) -> Timestamp {
        let (unknown, found_millis) = (Self::UNKNOWN, found.as_millis());
        match self.0.compare_exchange(unknown, found_millis, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => found,
            Err(known) => Timestamp::from_millis(known).unwrap_or(found),
        }
    }
}

#[derive(Clone, Debug)]
struct MappedFile {
    map: Arc<dyn Map>,
    len: u64,
}

/// Both indexes that are looked up; loaded together.
#[derive(Debug)]
struct Indexes {
    offsets: OffsetIndex,
    times: TimeIndex,
    /// The last time entry of a sealed segment as it was loaded: no batch is looked up that could contradict it later, and
    /// it stands where zeros come without a fault if somebody cuts the file.
    loaded_last_time: Option<(Timestamp, Offset)>,
    /// They were made from batches of which some cannot be walked to: there may be more behind.
    end_early: bool,
    /// What they are views of.
    origins: [Origin; 2],
}

/// What an index of aborted transactions held: its file has no checksum of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TxnSum {
    pub(crate) entries: u32,
    /// CRC-32C of their bytes.
    pub(crate) crc: u32,
}

impl Segment {
    /// Makes an empty segment, ready for appends. Leftover indexes of the same name are removed.
    ///
    /// The new name is not synced: whoever promises durability syncs the directory.
    ///
    /// # Errors
    ///
    /// [`crate::error::LogError::Io`], also if the file exists.
    pub fn create(
        storage: Arc<dyn Storage>,
        dir: &Path,
        base: Offset,
        options: &SegmentOptions,
        now: Timestamp,
    ) -> Result<Arc<Self>> {
        let segment = Self::new(storage, dir, base, Position::ZERO, None);
        segment.remove_derived()?;
        #[cfg(feature = "planted-bugs")]
        if let Some(file) = crate::planted::recycled(&*segment.storage, dir, &segment.path()) {
            segment.start_empty(file, options, now);
            return Ok(Arc::new(segment));
        }
        let file = segment.open_file(OpenMode::CreateNew)?;
        segment.start_empty(file, options, now);
        Ok(Arc::new(segment))
    }

    /// Makes an empty segment that will take the place of others: its files are `.cleaned` until it
    /// [advances](Segment::advance). Leftovers of an earlier try are removed.
    ///
    /// # Errors
    ///
    /// [`crate::error::LogError::Io`].
    pub(crate) fn create_cleaned(
        storage: Arc<dyn Storage>,
        dir: &Path,
        base: Offset,
        options: &SegmentOptions,
        now: Timestamp,
    ) -> Result<Arc<Self>> {
        let mut segment = Self::new(storage, dir, base, Position::ZERO, None);
        segment.names = Mutex::new(Names::new(dir, base).at(Stage::Cleaned));
        segment.remove_files()?;
        let file = segment.open_file(OpenMode::CreateNew)?;
        segment.start_empty(file, options, now);
        Ok(Arc::new(segment))
    }

    /// Takes an existing file of which the first `len` bytes are trusted: whole batches. No I/O happens.
    ///
    /// `modified` is the file's time as the directory listing has it ([`DirEntry::modified`]); it is read from the file
    /// if it is asked for and was not given.
    #[must_use]
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        base: Offset,
        len: Position,
        modified: Option<Timestamp>,
    ) -> Arc<Self> {
        Arc::new(Self::new(storage, dir, base, len, modified))
    }

    fn new(
        storage: Arc<dyn Storage>,
        dir: &Path,
        base: Offset,
        len: Position,
        modified: Option<Timestamp>,
    ) -> Self {
        Self {
            storage,
            base,
            names: Mutex::new(Names::new(dir, base)),
            id: OnceLock::new(),
            published: AtomicU32::new(len.get()),
            capacity: AtomicU32::new(0),
            synced: AtomicU32::new(len.get()),
            trusted_from: AtomicU32::new(len.get()),
            verified: Mutex::default(),
            open: RwLock::default(),
            counted: OnceLock::new(),
            used: AtomicBool::new(false),
            rebuilds: AtomicU32::new(0),
            index_interval: AtomicU32::new(lookup::INTERVAL),
            indexes: RwLock::default(),
            txns: RwLock::default(),
            txns_dirty: AtomicBool::new(false),
            txn_sum: Mutex::default(),
            shared: AtomicBool::new(false),
            role: Mutex::default(),
            modified: Modified::new(modified),
        }
    }

    /// The offset in its name: no record in it has a lower one.
    #[must_use]
    pub const fn base_offset(&self) -> Offset {
        self.base
    }

    /// Where the `.log` file is now.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.names.lock().log()
    }

    /// How many bytes readers may see.
    #[must_use]
    pub fn len(&self) -> Position {
        Position::new(u64::from(self.published.load(Ordering::Acquire))).unwrap_or(Position::MAX)
    }

    /// Whether readers may see nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Position::ZERO
    }

    /// Shows readers the bytes up to `end`: the end of a batch that was appended or replayed.
    ///
    /// The store is a `Release`; whoever announces the offset afterwards adds the fence that waiters need.
    ///
    /// # Panics
    ///
    /// If `end` is lower than what is published.
    pub fn publish(&self, end: Position) {
        let before = self.published.load(Ordering::Relaxed);
        assert!(end.get() >= before, "published bytes are never taken back: {before} to {end}");
        self.published.store(end.get(), Ordering::Release);
    }

    /// When the last append happened, by the clock of the appends; the file's time if there was none in this process.
    ///
    /// # Errors
    ///
    /// If the file must be asked and cannot.
    pub fn modified(&self) -> Result<Timestamp> {
        if let Some(time) = self.modified.get() {
            return Ok(time);
        }
        let found = self.file()?.modified().map_err(self.io("look at"))?;
        Ok(self.modified.get_or_set(found))
    }

    /// Counts its file here from now on, whenever it is open.
    pub fn count_in(&self, count: &Arc<FileCount>) {
        let count = self.counted.get_or_init(|| Arc::clone(count));
        let mut open = self.open.write();
        if open.file.is_some() && open.slot.is_none() {
            open.slot = Some(Slot::new(count));
        }
    }

    /// Tells which file it is, if that is not known: no other is taken for it.
    pub(crate) fn is_of(&self, id: FileId) {
        let _ = self.id.set(id);
    }

    /// Which file it is. A file that is not open is not kept open for this.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn file_id(&self) -> Result<FileId> {
        if let Some(id) = self.id.get() {
            return Ok(*id);
        }
        let open = self.open.read().file.clone();
        let file = open.map_or_else(|| self.open_file(OpenMode::Read), Ok)?;
        let id = file.id().map_err(self.io("look at"))?;
        Ok(*self.id.get_or_init(|| id))
    }

    /// Whether its file is open, and whether it is mapped.
    #[must_use]
    pub fn is_open(&self) -> (bool, bool) {
        let open = self.open.read();
        (open.file.is_some(), open.map.is_some())
    }

    /// How often its indexes were made anew because the files were missing or did not hold.
    #[must_use]
    pub fn index_rebuilds(&self) -> u32 {
        self.rebuilds.load(Ordering::Relaxed)
    }

    /// An error of this segment's `.log` file.
    fn io(&self, op: &'static str) -> impl FnOnce(std::io::Error) -> crate::error::LogError + use<'_> {
        // Not before there is an error: making the name is a good part of a small read.
        move |source| crate::error::LogError::io(op, self.path())(source)
    }

    fn corrupt(&self, position: Position, reason: crate::format::CorruptReason) -> crate::error::LogError {
        crate::error::LogError::Corrupt { path: self.path(), position, reason }
    }
}

/// The segments among the files of a directory: base offset and listing entry, in order of the base offset.
#[must_use]
pub fn segments_in(entries: &[DirEntry]) -> Vec<(Offset, DirEntry)> {
    let batches = |name: &str| {
        let file = SegmentFile::parse(name)?;
        (file.kind == FileKind::Log && file.stage == Stage::Live).then_some(file.base)
    };
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let mut found: Vec<_> = files.filter_map(|e| Some((batches(&e.name)?, e.clone()))).collect();
    found.sort_by_key(|(base, _)| *base);
    found
}

//! One partition's log: append, read, follow, sync, recovery, retention.
//!
//! ```text
//!   start                synced          last stable        end
//!     |---- segment ----|--|---- segment ----|---- active ----|
//!     0 <= log start <= every readable offset < log end; synced end and last stable offset lie between
//! ```
//!
//! # Invariants
//!
//! * One writer at a time ([`Log`]'s writer lock); readers never take it. They see the log end (an atomic, published
//!   with the fences of `end`) and the list of segments (swapped whole).
//! * Offsets are given once and never again, whatever is lost.
//! * Published bytes never change. What is cut is cut by a copy of what is kept.
//! * After a failed sync (or a failed write that is not a full disk) the log is poisoned: nothing is appended and
//!   nothing acknowledged until it is opened again, which verifies from disk.
//!
//! # Not here
//!
//! Names of logs and many of them (`store`), files and indexes of one segment (`segment`), threads: whoever embeds the
//! log calls [`Log::maintain`], or lets a store do it.

mod append;
mod builder;
mod compact;
mod cursor;
mod damage;
mod doubt;
mod end;
mod epochs;
pub(crate) mod files;
mod follow;
mod group;
pub mod inspect;
mod locks;
mod maintain;
mod mark;
mod open_files;
mod producer_file;
pub mod producers;
mod read;
mod reader;
mod records;
mod recovery;
pub mod repair;
mod reserve;
mod retention;
mod scan;
mod snapshot;
mod stats;
#[cfg(feature = "stream")]
mod stream;
mod sync;
mod time;
mod transactions;
mod truncate;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use group::{each, sync_together};
pub(crate) use locks::check_free;
pub(crate) use open_files::OpenFiles;
pub(crate) use reserve::Reserve;

pub use append::{Appended, Origin};
pub use builder::LogBuilder;
pub use compact::CompactionReport;
pub(crate) use compact::Step;
pub use cursor::Cursor;
pub use damage::Damage;
pub use end::WaitSlot;
pub use maintain::LogMaintenance;
pub use read::{ReadLimits, ReadSlices};
pub use reader::{LogReader, ReaderBatches};
pub use records::{RecordBatch, RecordBatches};
pub use recovery::RecoveryReport;
pub use retention::RetentionReport;
pub use snapshot::Snapshot;
pub use stats::LogStats;
#[cfg(feature = "stream")]
pub use stream::BatchStream;
pub use transactions::ProducerState;

use crate::config::LogConfig;
use crate::error::{LogError, Result};
use crate::io::{Clock, Storage};
use crate::segment::{Segment, SegmentOptions};
use crate::types::{LeaderEpoch, Offset, Timestamp};
use append::Writer;
use arc_swap::ArcSwap;
use compact::Compaction;
use end::PublishedOffset;
use epochs::Epochs;
use locks::Locks;
use mark::Mark;
use parking_lot::{Mutex, RwLock};
use retention::Pending;
use stats::Counters;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use sync::{Marking, SyncTurns};

/// One log. Share it as `Arc<Log>`, between any threads; every method takes `&self`.
///
/// Dropping the last `Arc` (followers and streams hold one) is like the process being killed: nothing is written, the lock
/// of the directory is free, and everything accepted is there when it is opened again, after a scan of what was not
/// synced. [`Log::close`] spares the scan.
///
/// ```
/// use log_engine::{Log, LogConfig, NewRecord};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temp = tempfile::tempdir()?;
/// # let dir = temp.path().join("log");
/// let log = Log::open(&dir, LogConfig::default())?;
/// let appended = log.append_synced(&[NewRecord::keyed(b"k", b"v"), NewRecord::value(b"w")])?;
/// for batch in log.records(appended.base_offset) {
///     let batch = batch?;
///     for record in &batch.records()? {
///         println!("{:?}", record.map(|r| r.offset));
///     }
/// }
/// log.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Log {
    dir: RwLock<PathBuf>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    config: ArcSwap<LogConfig>,
    view: ArcSwap<View>,
    /// Changed under the writer lock only.
    epochs: ArcSwap<Epochs>,
    /// The offset that the next record gets.
    end: Arc<PublishedOffset>,
    /// Everything below is on the disk.
    synced: Arc<PublishedOffset>,
    start: AtomicI64,
    /// First offset of the oldest open transaction; `i64::MAX` for none.
    first_open_txn: AtomicI64,
    writer: Mutex<Writer>,
    turns: SyncTurns,
    marking: Mutex<Marking>,
    /// Room on a full disk for what is not appended.
    reserve: Option<Arc<Reserve>>,
    pending: Mutex<Vec<Pending>>,
    compaction: Compaction,
    /// The first failure; set once.
    poison: OnceLock<String>,
    closed: AtomicBool,
    /// It was closed and everything is on the disk.
    in_order: AtomicBool,
    locks: Mutex<Locks>,
    report: RecoveryReport,
    counters: Counters,
    /// The bound on open files that it shares with the other logs of its store, and whether it is among those who hold some.
    files: Option<Arc<OpenFiles>>,
    in_ring: AtomicBool,
    this: OnceLock<Weak<Self>>,
    /// The mark of a log that was left in order: as long as it is the last one and nothing was appended, closing has nothing
    /// to write.
    left_in_order: Option<Mark>,
    /// Held by whoever looks through a segment for damage: nobody does it twice.
    examining: Mutex<()>,
}

/// What readers see of the segments, swapped as a whole.
#[derive(Clone, Debug)]
struct View {
    /// In order of their base offsets; never empty; the last one is written.
    segments: Vec<Arc<Segment>>,
    damage: Vec<Damage>,
}

impl Log {
    /// Opens the log in a directory of its own, or makes an empty one, and takes the directory's lock. The directory may be
    /// one of a [`LogStore`](crate::LogStore) that nobody has open: the store cannot be opened then until the log is closed.
    ///
    /// # Errors
    ///
    /// [`LogError::Locked`] if somebody else has it open, or the store that it lies in, [`LogError::Config`], [`LogError::Corrupt`] for segments that
    /// overlap or have wrong names, or what the system answers. Damage inside segments is no error here: see
    /// [`Log::damage`].
    pub fn open(dir: impl AsRef<Path>, config: LogConfig) -> Result<Arc<Self>> {
        Self::builder(dir).config(config).open()
    }

    /// Opens a log with another storage or clock, or for a store.
    pub fn builder(dir: impl AsRef<Path>) -> LogBuilder {
        LogBuilder::new(dir.as_ref())
    }

    /// The lowest offset that can be read.
    #[must_use]
    pub fn start_offset(&self) -> Offset {
        Offset::new(self.start.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// The offset that the next record gets.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.end.get()
    }

    /// Everything below this offset is on the disk.
    #[must_use]
    pub fn synced_end(&self) -> Offset {
        self.synced.get()
    }

    /// The end of what no open transaction holds back: where readers of committed records stop.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        // The end first: a transaction that opens in between lies above it.
        let end = self.end.get();
        Offset::new(self.first_open_txn.load(Ordering::Acquire)).map_or(end, |open| open.min(end))
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.view.load().segments.iter().map(|segment| segment.len().to_u64()).sum()
    }

    /// Base offset and time of the last append of every segment, oldest first.
    #[must_use]
    pub fn segment_offsets(&self) -> Vec<(Offset, Timestamp)> {
        let view = self.view.load();
        let time = |segment: &Arc<Segment>| segment.modified().unwrap_or_default();
        view.segments.iter().map(|segment| (segment.base_offset(), time(segment))).collect()
    }

    /// Base offset of the oldest segment: below the log start after records were deleted.
    pub(crate) fn first_base(&self) -> Offset {
        self.view.load().segments.first().map_or(Offset::ZERO, |segment| segment.base_offset())
    }

    /// The epoch that appends are written under.
    #[must_use]
    pub fn epoch(&self) -> LeaderEpoch {
        self.epochs.load().latest().unwrap_or(LeaderEpoch::ZERO)
    }

    /// Where an epoch ended: the greatest known epoch not above it, and the first offset that is not of it. `None` for
    /// an epoch that is yet to come.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.load().end_of(epoch, self.end.get())
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// Puts other settings in force for what comes.
    ///
    /// # Errors
    ///
    /// [`LogError::Config`]: the old ones stay. [`LogError::Closed`].
    pub fn set_config(&self, config: LogConfig) -> Result<()> {
        if self.is_closed() {
            return Err(LogError::Closed);
        }
        config.check()?;
        let options = SegmentOptions::from(&config);
        self.config.store(Arc::new(config));
        self.writer.lock().active.set_options(&options);
        Ok(())
    }

    /// The ranges that are known to be damaged. What lies outside them is served.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.view.load().damage.clone()
    }

    /// What opening the log found and did.
    #[must_use]
    pub fn recovery_report(&self) -> &RecoveryReport {
        &self.report
    }

    /// Whether an earlier failure keeps the log from being appended to.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poison.get().is_some()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Whether [`Log::close`] has left everything on the disk, so that the next start need not look.
    pub(crate) fn is_in_order(&self) -> bool {
        self.in_order.load(Ordering::SeqCst)
    }

    /// The directory it lies in.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.dir.read().clone()
    }

    /// Follows the directory after it was renamed: what is written from now on goes there.
    pub(crate) fn moved_to(&self, dir: &Path) {
        let writer = self.writer.lock();
        let mut marking = self.marking.lock();
        dir.clone_into(&mut self.dir.write());
        marking.moved_to(dir);
        for segment in &self.view.load().segments {
            segment.moved_to(dir);
        }
        for pending in self.pending.lock().iter() {
            pending.segment.moved_to(dir);
        }
        drop(writer);
    }

    /// Closes the files of segments that nobody used since the last call, and that have nothing unsynced: thousands of
    /// idle logs hold no descriptor. They are opened again when they are needed. Answers how many were closed.
    pub fn release_idle(&self) -> usize {
        self.view.load().segments.iter().filter(|segment| segment.release_if_idle()).count()
    }

    /// Syncs everything, writes indexes, producer state and mark, and gives back what was reserved. Wakes everybody who
    /// waits: followers read what is left and end, who waits for a sync is answered. Appends are refused from now on, reads
    /// go on. A second call does nothing.
    ///
    /// # Errors
    ///
    /// [`LogError::Poisoned`]: nothing was written; what the system answers. The log counts as closed all the same, the lock is
    /// free, and it is recovered when it is opened again.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        drop(self.compaction.stop());
        let outcome = self.flush_for_close();
        if self.files.is_some() {
            // Thousands are closed one after the other: none keeps its file. Who still reads opens it again.
            self.release_files();
        }
        self.wait_for_mark();
        self.in_order.store(outcome.is_ok() && !self.is_poisoned(), Ordering::SeqCst);
        self.let_go_if_poisoned();
        self.wake_everybody();
        *self.locks.lock() = Locks::default();
        outcome
    }

    /// Closes without writing anything: for a log whose directory is being deleted.
    pub(crate) fn abandon(&self) {
        self.closed.store(true, Ordering::SeqCst);
        drop(self.compaction.stop());
        // Whoever appends or syncs has the lock or the turn; afterwards nobody does.
        drop(self.writer.lock());
        drop(self.turns.take());
        self.wait_for_mark();
        self.let_go_if_poisoned();
        self.wake_everybody();
        *self.locks.lock() = Locks::default();
    }

    /// What is mapped the system does not forget: whoever opens the log next could not tell what is on the disk.
    fn let_go_if_poisoned(&self) {
        if self.is_poisoned() {
            self.view.load().segments.iter().for_each(|segment| segment.let_go());
        }
    }

    fn wake_everybody(&self) {
        self.end.wake_all();
        self.synced.wake_all();
        self.turns.wake_all();
    }

    /// The error of who wants to append or to sync, if there is one.
    fn check_usable(&self) -> Result<()> {
        if self.is_closed() {
            return Err(LogError::Closed);
        }
        self.check_not_poisoned()
    }

    fn check_not_poisoned(&self) -> Result<()> {
        match self.poison.get() {
            Some(cause) => Err(LogError::Poisoned { path: self.dir(), cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Remembers the first failure after which nothing may be acknowledged, and tells everybody who waits.
    fn poison(&self, cause: &LogError) {
        let text = match std::error::Error::source(cause) {
            Some(source) => format!("{cause}: {source}"),
            None => cause.to_string(),
        };
        doubt::note(&*self.storage, &self.dir(), cause);
        let _ = self.poison.set(text);
        self.wake_everybody();
    }

    /// Does what may use the reserve of the store; what is done must be fit to be done twice.
    fn cover<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        match &self.reserve {
            Some(reserve) => reserve.cover(work),
            None => work(),
        }
    }

    /// Refuses what may not use the reserve while nothing else is left.
    fn check_room(&self, needed: usize) -> Result<()> {
        let check = |reserve: &Arc<Reserve>| reserve.check(|| self.dir(), needed as u64);
        self.reserve.as_ref().map_or(Ok(()), check)
    }

    fn options(&self) -> SegmentOptions {
        SegmentOptions::from(&**self.config.load())
    }

    /// Whether compaction may have left gaps between batches.
    fn has_gaps(&self) -> bool {
        self.config.load().cleanup_policy.compact || self.compaction.known_point().is_some()
    }
}

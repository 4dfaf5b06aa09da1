//! Opening a log: settings, storage, and what the store knows about it.

use super::append::Writer;
use super::compact::point::Point;
use super::compact::{self, Compaction};
use super::end::PublishedOffset;
use super::locks::Locks;
use super::mark::Mark;
use super::recovery::{Kept, Recovered, Request, all_aborted, recover};
use super::stats::Counters;
use super::sync::{Marking, SyncTurns};
use super::{Log, OpenFiles, Reserve, View, doubt, epochs, files};
use crate::config::LogConfig;
use crate::error::{LogError, Result};
use crate::io::{Clock, RealStorage, Storage, SystemClock};
use crate::segment::{Segment, SegmentOptions};
use crate::types::Offset;
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, OnceLock};

/// How a log is opened; see [`Log::builder`].
#[derive(Debug)]
pub struct LogBuilder {
    dir: PathBuf,
    config: LogConfig,
    storage: Option<Arc<dyn Storage>>,
    clock: Option<Arc<dyn Clock>>,
    clean: bool,
    recovery_point: Option<Offset>,
    start_offset: Option<Offset>,
    compaction_point: Option<Offset>,
    lock: bool,
    synced: bool,
    files: Option<Arc<OpenFiles>>,
    reserve: Option<Arc<Reserve>>,
}

impl LogBuilder {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            config: LogConfig::default(),
            storage: None,
            clock: None,
            clean: false,
            recovery_point: None,
            start_offset: None,
            compaction_point: None,
            lock: true,
            synced: false,
            files: None,
            reserve: None,
        }
    }

    /// The settings. Default: [`LogConfig::default`].
    #[must_use]
    pub fn config(mut self, config: LogConfig) -> Self {
        self.config = config;
        self
    }

    /// Where the files lie. Default: the real file system.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// The clock. Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Whether the store that the log lies in was closed in order. Default no. It spares the scan of a log that has no
    /// synced mark of ours.
    #[must_use]
    pub fn clean(mut self, clean: bool) -> Self {
        self.clean = clean;
        self
    }

    /// What a checkpoint says was synced: counts if there is no synced mark that can be trusted.
    #[must_use]
    pub fn recovery_point(mut self, point: Option<Offset>) -> Self {
        self.recovery_point = point;
        self
    }

    /// What a checkpoint says the log start offset was.
    #[must_use]
    pub fn start_offset(mut self, start: Option<Offset>) -> Self {
        self.start_offset = start;
        self
    }

    /// What a checkpoint says the log is compacted to: counts if the log itself has no word of it, nor a mark of ours.
    #[must_use]
    pub fn compaction_point(mut self, point: Option<Offset>) -> Self {
        self.compaction_point = point;
        self
    }

    /// Whether to take the lock of the log's directory, and a share of that of the store whose directory it lies in. Default
    /// yes; a store has its own.
    #[must_use]
    pub fn lock(mut self, lock: bool) -> Self {
        self.lock = lock;
        self
    }

    /// Everything in the directory was synced, by way of its file system, after whoever had it before was gone.
    pub(crate) fn synced(mut self, synced: bool) -> Self {
        self.synced = synced;
        self
    }

    /// Uses the room that is kept in the data directory.
    pub(crate) fn reserve(mut self, reserve: Option<&Arc<Reserve>>) -> Self {
        self.reserve = reserve.cloned();
        self
    }

    /// Shares a bound on open files with other logs.
    pub(crate) fn files(mut self, files: &Arc<OpenFiles>) -> Self {
        self.files = Some(Arc::clone(files));
        self
    }

    /// Opens the log, or makes an empty one.
    ///
    /// # Errors
    ///
    /// As [`Log::open`].
    pub fn open(self) -> Result<Arc<Log>> {
        let dir = self.dir.clone();
        let storage = self.storage.clone().unwrap_or_else(|| Arc::new(RealStorage::new()));
        let opened = self.open_writable(Arc::clone(&storage));
        opened
            .inspect_err(|error| doubt::note(&*storage, &dir, error))
            .map_err(|error| error.name_read_only(&dir))
    }

    fn open_writable(self, storage: Arc<dyn Storage>) -> Result<Arc<Log>> {
        self.config.check()?;
        let clock = self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::default()));
        let own = if self.lock { Some(Locks::share(&*storage, &self.dir)?) } else { None };
        let made = files::make_dir(&*storage, &self.dir)?;
        let locks = own.map_or_else(|| Ok(Locks::default()), |locks| locks.take(&*storage, &self.dir))?;
        let request = Request {
            storage: Arc::clone(&storage),
            dir: self.dir.clone(),
            clean: self.clean,
            recovery_point: self.recovery_point,
            start_offset: self.start_offset,
            gaps: self.config.cleanup_policy.compact || self.compaction_point.is_some(),
            made,
            synced: self.synced,
            now: clock.now(),
        };
        let recovered = recover(&request)?;
        // The checkpoint may be of a log of the same name that was deleted before, or Kafka may have compacted since: where a
        // log has a mark of ours it only tells that there may be gaps. Compacted once more is better than a tombstone
        // that goes before what it deletes.
        let noted = |point| if recovered.mark.is_some() { Offset::ZERO } else { point };
        let point = recovered.compaction.clone().or(self.compaction_point.map(noted).map(Point::at));
        // Whatever ended lower than it did was compacted no further, and has no segments there.
        let last = recovered.segments.last().map(|segment| segment.base);
        let point = point.map(|point| point.ending(recovered.end, last));
        if let Some(point) = point.as_ref().filter(|point| Some(*point) != recovered.compaction.as_ref()) {
            compact::point::store(&*storage, &self.dir, point)?;
        }
        if recovered.mark.is_none() && !made && !self.synced {
            // No mark was ever written: nobody has got so far as to promise anything about this directory.
            // A store has seen to the directories that its logs lie in.
            files::sync_name(&*storage, &self.dir, self.files.is_none())?;
        }
        let options = SegmentOptions::from(&self.config);
        let (segments, fresh) = open_segments(&request, &recovered, &options)?;
        if let Some(files) = &self.files {
            segments.iter().for_each(|segment| segment.count_in(files.count()));
        }
        let epochs = epochs::settle(
            &recovered.epochs,
            &segments,
            recovered.start,
            recovered.end,
            recovered.seen_epoch,
        )?;
        if epochs != recovered.epochs {
            epochs.store(&*storage, &self.dir, true)?;
        }
        // What opening has looked at is closed again: a thousand idle logs hold no segment open.
        for segment in &segments {
            segment.release();
        }
        let recovered = Recovered { epochs, compaction: point, ..recovered };
        let in_doubt = recovered.in_doubt;
        let log = self.assemble(storage, clock, recovered, segments, fresh, locks)?;
        if in_doubt {
            doubt::settle(&*log.storage, &log.dir());
        }
        let log = Arc::new(log);
        let _ = log.this.set(Arc::downgrade(&log));
        Ok(log)
    }

    fn assemble(
        self,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        recovered: Recovered,
        segments: Vec<Arc<Segment>>,
        fresh: bool,
        locks: Locks,
    ) -> Result<Log> {
        let active = Arc::clone(segments.last().expect("a log has a segment"));
        let last = recovered.last.filter(|_| !fresh);
        let mark = Mark {
            segment: active.base_offset(),
            position: active.len(),
            next_offset: recovered.end,
            log_start: recovered.start,
            file: active.file_id()?,
            last_batch: last,
            truncations: recovered.mark.map_or(0, |mark| mark.truncations),
            heir: None,
        };
        let known = recovered.mark.filter(|known| !fresh && *known == mark);
        let view = Arc::new(View { segments, damage: recovered.damage });
        // Thousands of logs that are recovered together write no mark each: the first round of maintenance does.
        let kept = recovered.mark.filter(|_| !fresh && recovered.mark_holds);
        let now = clock.monotonic();
        let mut marking = Marking::new(recovered.mark_file, kept.unwrap_or(mark), now, self.reserve.clone());
        match (known, kept) {
            (Some(_), _) => {}
            (None, Some(_)) => marking.leave_for_later(&mark, &view, &active),
            (None, None) => marking.write(&*storage, mark, now)?,
        }
        let looked = recovered.report.scanned_bytes > 0 || recovered.report.leftovers > 0;
        let left_in_order = known.filter(|_| self.clean && !looked);
        let open_txn = recovered.producers.first_open();
        let writer = Writer::new(active, last, recovered.producers, mark.truncations);
        Ok(Log {
            dir: RwLock::new(self.dir),
            storage,
            clock,
            config: ArcSwap::from_pointee(self.config),
            view: ArcSwap::from(view),
            epochs: ArcSwap::from_pointee(recovered.epochs),
            end: Arc::new(PublishedOffset::new(recovered.end)),
            synced: Arc::new(PublishedOffset::new(recovered.end)),
            start: AtomicI64::new(recovered.start.get()),
            first_open_txn: AtomicI64::new(open_txn.map_or(i64::MAX, Offset::get)),
            writer: Mutex::new(writer),
            turns: SyncTurns::default(),
            marking: Mutex::new(marking),
            pending: Mutex::default(),
            compaction: Compaction::new(recovered.compaction),
            poison: OnceLock::new(),
            closed: AtomicBool::new(false),
            in_order: AtomicBool::new(false),
            locks: Mutex::new(locks),
            report: recovered.report,
            counters: Counters::default(),
            files: self.files,
            reserve: self.reserve,
            in_ring: AtomicBool::new(false),
            this: OnceLock::new(),
            left_in_order,
            examining: Mutex::default(),
        })
    }
}

/// The segments of a recovered log, the last one ready for appends; true if that was made anew.
fn open_segments(
    request: &Request,
    recovered: &Recovered,
    options: &SegmentOptions,
) -> Result<(Vec<Arc<Segment>>, bool)> {
    let (storage, dir, now) = (&request.storage, &*request.dir, request.now);
    let open = |kept: &Kept| {
        let segment = Segment::open(Arc::clone(storage), dir, kept.base, kept.end, kept.modified);
        segment.set_options(options);
        if let Some(from) = kept.scanned_from {
            segment.trust_from(from);
        }
        segment
    };
    let mut segments: Vec<_> = recovered.segments.iter().map(open).collect();
    let fresh = recovered.roll || segments.is_empty();
    if fresh {
        let segment = Segment::create(Arc::clone(storage), dir, recovered.end, options, now)?;
        if !segments.is_empty() || recovered.mark.is_some() {
            segment.sync()?;
            storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        }
        // Else the log is new: an empty file has nothing to sync, and its name is synced with that of its first mark.
        segments.push(segment);
    } else if let Some(last) = segments.last() {
        last.activate(options, now);
    }
    if restore_aborted(request, &segments, recovered)? {
        storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    }
    Ok((segments, fresh))
}

/// Brings the indexes of aborted transactions to what the batches say, durably but for their names: the mark that is
/// written next keeps the batches from being scanned again. True if a file was touched.
///
/// What an earlier process knew of a file is compared with it, for it has no checksum: if one differs, its entries are
/// made anew from all batches of the log.
fn restore_aborted(request: &Request, segments: &[Arc<Segment>], recovered: &Recovered) -> Result<bool> {
    let mut touched = false;
    let mut unsound = Vec::new();
    let mut aborted = recovered.aborted.clone();
    for (base, sum) in &recovered.txns {
        let Ok(index) = segments.binary_search_by_key(base, |segment| segment.base_offset()) else {
            continue;
        };
        if segments[index].holds_txns(*sum)? {
            segments[index].set_txn_sum(*sum);
        } else {
            unsound.push(*base);
        }
    }
    if !unsound.is_empty() {
        aborted = all_aborted(request, &recovered.segments, &recovered.damage)?;
    }
    for segment in segments {
        let base = segment.base_offset();
        let kept = recovered.segments.iter().find(|kept| kept.base == base);
        let remade = unsound.contains(&base);
        let from = if remade { base } else { recovered.replayed_from.max(base) };
        // What could not be read to its end says nothing about the entries behind.
        let read = |kept: &Kept| kept.next > recovered.replayed_from && !recovered.unread.contains(&base);
        let replayed = kept.is_some_and(|kept| kept.is_scanned() || read(kept));
        let mut changed = (replayed || remade) && segment.has_txn_index()?;
        if changed {
            segment.keep_aborted_below(from)?;
        }
        let end = kept.map_or(recovered.end, |kept| kept.next);
        for aborted in aborted.iter().filter(|txn| (from..end).contains(&txn.last)) {
            segment.add_aborted(*aborted)?;
            changed = true;
        }
        if changed {
            segment.sync()?;
            touched = true;
        }
    }
    Ok(touched)
}

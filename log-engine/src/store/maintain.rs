//! What has to happen from time to time.

use super::dir::Checkpointed;
use super::{CLOSERS, Checkpoints, LogName, LogStore, worse};
use crate::error::{LogError, Result};
use crate::log::{Log, each};
use crate::types::Timestamp;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// All logs together are synced when they have so many unsynced bytes: what bounds the start after a crash.
const UNSYNCED_MAX: u64 = 512 * 1024 * 1024;

/// How often what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) retention: Duration,
    /// To begin with.
    pub(super) compaction: Option<Duration>,
    pub(super) recovery_points: Duration,
    pub(super) high_watermarks: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(300),
            compaction: Some(Duration::from_secs(15)),
            recovery_points: Duration::from_secs(60),
            high_watermarks: Duration::from_secs(5),
        }
    }
}

/// When what happened last, by the monotonic clock.
#[derive(Debug)]
pub(super) struct Done {
    retention: Option<Duration>,
    recovery_points: Duration,
    high_watermarks: Duration,
}

impl Done {
    /// Opening has looked at everything but retention.
    pub(super) const fn at(now: Duration) -> Self {
        Self { retention: None, recovery_points: now, high_watermarks: now }
    }
}

/// What one round of maintenance did.
#[derive(Debug, Default)]
pub struct MaintenanceReport {
    /// Logs that were synced because of time or size.
    pub synced: usize,
    /// Segments that retention deleted.
    pub segments_deleted: usize,
    /// Bytes in them.
    pub bytes_deleted: u64,
    /// Logs whose compaction came to its end.
    pub compacted: usize,
    /// By how many bytes they are smaller now; some of these may have been gone before this round.
    pub bytes_compacted_away: u64,
    /// Segments and whole logs whose files were removed after their delay.
    pub removed: usize,
    /// What went wrong, and on which log; the rest was done all the same.
    pub errors: Vec<(Option<LogName>, LogError)>,
}

/// What is due in a round.
#[derive(Clone, Copy, Debug)]
struct Due {
    retention: bool,
    recovery_points: bool,
    high_watermarks: bool,
}

impl LogStore {
    /// Does what is due: background syncs, retention and compaction at the time `now`, the removal of what was deleted,
    /// checkpoints. Of compaction there is so much in a round that it is no longer than others. To be
    /// called about once a second, by one thread at a time or [`LogStore::spawn_maintenance`].
    ///
    /// Errors are reported and do not keep the rest from being done; a log that cannot sync is poisoned. Once the store was
    /// closed nothing is done, and [`LogError::Closed`] is the only error.
    pub fn maintain(&self, now: Timestamp) -> MaintenanceReport {
        if self.is_closed() {
            return MaintenanceReport {
                errors: vec![(None, LogError::Closed)],
                ..MaintenanceReport::default()
            };
        }
        self.do_round(now)
    }

    fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    fn do_round(&self, now: Timestamp) -> MaintenanceReport {
        let mut report = MaintenanceReport::default();
        let due = self.take_due();
        let logs = self.logs();
        self.sync_when_much(&logs, &mut report);
        self.sync_due(&logs, &mut report);
        for (name, log) in &logs {
            if let Err(error) = maintain_log(log, now, due.retention, &mut report) {
                report.note(Some(name.clone()), error);
            }
        }
        self.compact_some(&logs, now, &mut report);
        self.remove_doomed(&mut report);
        self.restore_reserves(&mut report);
        if due.recovery_points {
            for (_, log) in &logs {
                log.release_idle();
            }
            report.take(self.checkpoint());
        } else if due.high_watermarks {
            report.take(self.checkpoint_ends());
        }
        report
    }

    fn take_due(&self) -> Due {
        let now = self.clock.monotonic();
        let mut done = self.done.lock();
        let passed = |last: Duration, interval: Duration| now.saturating_sub(last) >= interval;
        let due = Due {
            retention: done.retention.is_none_or(|last| passed(last, self.schedule.retention)),
            recovery_points: passed(done.recovery_points, self.schedule.recovery_points),
            high_watermarks: passed(done.high_watermarks, self.schedule.high_watermarks),
        };
        if due.retention {
            done.retention = Some(now);
        }
        if due.recovery_points {
            done.recovery_points = now;
        }
        if due.recovery_points || due.high_watermarks {
            done.high_watermarks = now;
        }
        due
    }

    /// Syncs what is due by time or size and writes the marks, of several logs at the same time: thousands that were appended
    /// to are due together.
    fn sync_due(&self, logs: &[(LogName, Arc<Log>)], report: &mut MaintenanceReport) {
        self.sync_some(logs.iter().filter(|(_, log)| log.is_sync_due()), report);
        let behind: Vec<_> = logs.iter().filter(|(_, log)| log.is_mark_due()).collect();
        let threads = if behind.len() > 1 { self.files.at_once(CLOSERS) } else { 1 };
        let written = each(&behind, threads, |(_, log)| log.sync_if_due());
        for ((name, _), outcome) in behind.into_iter().zip(written) {
            if let Err(error) = outcome {
                report.note(Some(name.clone()), error);
            }
        }
    }

    /// Syncs the logs with most to sync until the rest is little.
    fn sync_when_much(&self, logs: &[(LogName, Arc<Log>)], report: &mut MaintenanceReport) {
        let mut unsynced: Vec<_> = logs.iter().map(|entry| (entry.1.unsynced_bytes(), entry)).collect();
        let mut total: u64 = unsynced.iter().map(|(bytes, ..)| bytes).sum();
        if total < UNSYNCED_MAX {
            return;
        }
        unsynced.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
        let mut most = Vec::new();
        for (bytes, entry) in unsynced {
            if total < UNSYNCED_MAX / 2 {
                break;
            }
            total -= bytes;
            most.push(entry);
        }
        self.sync_some(most, report);
    }

    /// Syncs these logs together, and reports of each.
    fn sync_some<'a>(
        &self,
        some: impl IntoIterator<Item = &'a (LogName, Arc<Log>)>,
        report: &mut MaintenanceReport,
    ) {
        let (names, logs): (Vec<_>, Vec<_>) =
            some.into_iter().map(|(name, log)| (name, Arc::clone(log))).unzip();
        for (name, synced) in names.into_iter().zip(self.sync(&logs)) {
            match synced {
                Ok(_) => report.synced += 1,
                Err(error) => report.note(Some(name.clone()), error),
            }
        }
    }

    /// Takes the reserves again that were given up, where there is room by now.
    fn restore_reserves(&self, report: &mut MaintenanceReport) {
        // Not once the directories are somebody else's.
        let checkpoints = self.checkpoints.lock();
        if *checkpoints == Checkpoints::Over {
            return;
        }
        for reserve in self.dirs.iter().filter_map(|dir| dir.reserve.as_ref()) {
            report.take(reserve.restore());
        }
    }

    /// Removes directories of deleted logs whose delay has passed.
    fn remove_doomed(&self, report: &mut MaintenanceReport) {
        let now = self.clock.monotonic();
        let due: Vec<PathBuf> = {
            let mut state = self.state.lock();
            let (due, rest) =
                std::mem::take(&mut state.doomed).into_iter().partition(|doomed| doomed.due <= now);
            state.doomed = rest;
            Vec::from_iter(due).into_iter().map(|doomed| doomed.path).collect()
        };
        for path in due {
            // Should it fail, the next start finishes it.
            match self.storage.remove_dir_all(&path) {
                Ok(()) => report.removed += 1,
                Err(error) => report.note(None, LogError::io("remove", &path)(error)),
            }
        }
    }

    /// How often it is looked for logs to compact from now on, while there are none; `None` for never: what is being
    /// compacted waits then.
    pub fn set_compaction_interval(&self, interval: Option<Duration>) {
        self.compacting.lock().interval = interval;
    }

    /// Writes down, for each directory, where its logs are synced to, end and begin.
    ///
    /// # Errors
    ///
    /// The first directory's that cannot be written; the others are. Once the store was closed this does nothing.
    pub fn checkpoint(&self) -> Result<()> {
        let checkpoints = self.checkpoints.lock();
        if *checkpoints == Checkpoints::Over { Ok(()) } else { self.write_checkpoints() }
    }

    pub(super) fn write_checkpoints(&self) -> Result<()> {
        self.for_each_dir(|dir, logs| {
            dir.write_recovery_points(&*self.storage, logs)?;
            dir.write_high_watermarks(&*self.storage, logs)
        })
    }

    fn checkpoint_ends(&self) -> Result<()> {
        let checkpoints = self.checkpoints.lock();
        if *checkpoints == Checkpoints::Over {
            return Ok(());
        }
        self.for_each_dir(|dir, logs| dir.write_high_watermarks(&*self.storage, logs))
    }

    fn for_each_dir(&self, work: impl Fn(&super::dir::DataDir, &[Checkpointed]) -> Result<()>) -> Result<()> {
        let mut by_dir: BTreeMap<usize, Vec<Checkpointed>> = BTreeMap::new();
        {
            let state = self.state.lock();
            for (name, entry) in &state.logs {
                by_dir.entry(entry.dir).or_default().push(numbers_of(name, &entry.log));
            }
            for (name, failed) in &state.failed {
                let (synced, start) = (failed.recovery_point, failed.log_start);
                let compacted = failed.compacted;
                let known = Checkpointed { name: name.clone(), synced, end: None, start, compacted };
                by_dir.entry(failed.dir).or_default().push(known);
            }
        }
        let mut outcome = Ok(());
        for (index, dir) in self.dirs.iter().enumerate() {
            let done = work(dir, by_dir.get(&index).map_or(&[], Vec::as_slice));
            outcome = worse(outcome, done);
        }
        outcome
    }

    /// Starts a thread that maintains the store each `interval`, until the guard is dropped or the store is, or is closed.
    ///
    /// `report` gets what each round did: to write errors to a log.
    #[must_use = "maintenance ends when the guard is dropped"]
    pub fn spawn_maintenance(
        self: &Arc<Self>,
        interval: Duration,
        report: impl Fn(MaintenanceReport) + Send + 'static,
    ) -> Maintenance {
        let stop = Arc::new(Stop::default());
        let (store, signal) = (Arc::downgrade(self), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("log-maintenance".to_owned())
            .spawn(move || run(&store, &signal, interval, report))
            .ok();
        Maintenance { stop, thread }
    }
}

fn maintain_log(log: &Log, now: Timestamp, retention: bool, report: &mut MaintenanceReport) -> Result<()> {
    if log.is_closed() || log.is_poisoned() {
        return Ok(());
    }
    if retention {
        let done = log.apply_retention(now)?;
        report.segments_deleted += done.segments;
        report.bytes_deleted += done.bytes;
    }
    report.removed += log.remove_deleted()?;
    Ok(())
}

fn numbers_of(name: &LogName, log: &Log) -> Checkpointed {
    // The end last: it is never below what was synced before.
    let synced = log.synced_end();
    let start = log.start_offset();
    let first = log.first_base();
    Checkpointed {
        name: name.clone(),
        synced: Some(synced),
        end: Some(log.end_offset()),
        start: (start > first).then_some(start),
        compacted: log.compaction_point(),
    }
}

impl MaintenanceReport {
    pub(super) fn note(&mut self, name: Option<LogName>, error: LogError) {
        // Closed meanwhile: that is no failure of maintenance.
        if !matches!(error, LogError::Closed) {
            self.errors.push((name, error));
        }
    }

    fn take(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.note(None, error);
        }
    }
}

/// The thread that maintains a store; dropping it ends the thread and waits for its last round.
#[derive(Debug)]
pub struct Maintenance {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    signal: Condvar,
}

fn run(store: &Weak<LogStore>, stop: &Stop, interval: Duration, report: impl Fn(MaintenanceReport)) {
    let mut asked = stop.asked.lock();
    while !*asked {
        stop.signal.wait_for(&mut asked, interval);
        if *asked {
            return;
        }
        let Some(store) = store.upgrade().filter(|store| !store.is_closed()) else { return };
        // Not while the lock is held: whoever stops us waits for it.
        parking_lot::MutexGuard::unlocked(&mut asked, || report(store.do_round(store.clock.now())));
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        *self.stop.asked.lock() = true;
        self.stop.signal.notify_all();
        if let Some(thread) = self.thread.take() {
            // The last owner of a store may be the thread itself, in which case it cannot wait for its own end.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

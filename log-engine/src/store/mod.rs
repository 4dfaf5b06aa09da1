//! Many logs in one or more directories.
//!
//! ```text
//! <log dir>/.lock, .lock.pid                    held while the store is open
//!          .space-reserve                       room for what must be written on a full disk
//!          .kafka_cleanshutdown                 there only between a clean close and the next open
//!          meta.properties                      the caller's
//!          recovery-point-offset-checkpoint     text, one line a log: synced to here
//!          replication-offset-checkpoint        ends here
//!          log-start-offset-checkpoint          begins here, if its first segment begins below
//!          cleaner-offset-checkpoint            compacted to here, if it ever was
//!          <topic>-<partition>/                 a log; partition.metadata in it has the topic's id, for tools of Kafka
//!          <topic>-<partition>.<32 hex>-delete/ a deleted log, removed after file.delete.delay.ms or at the next start
//! ```
//!
//! # Invariants
//!
//! * A directory is used by one process at a time, and nothing in it is changed before everything in it was looked at:
//!   a directory that is no log's stops the start and leaves all as it was.
//! * The clean-shutdown marker is gone, durably, before anything else is written, and written after everything else is
//!   durable; never if anything went wrong.
//! * Names of directories are made of checked [`LogName`]s only; links are not followed.
//! * Checkpoints are help, not evidence: an unreadable one is reported and does without.
//!
//! # Not here
//!
//! Topics and what they are for (the broker), one log's rules (`log`). The settings of logs: no file holds them, whoever opens
//! the store says them. A directory that is given up while others go on: its logs are poisoned, each for itself.

mod builder;
mod commit;
mod compact;
mod dir;
mod maintain;
mod name;
mod snapshot;

#[cfg(test)]
mod tests;

pub use builder::StoreBuilder;
pub use dir::{read_meta, write_meta};
pub use maintain::{Maintenance, MaintenanceReport};
pub use name::LogName;
pub use snapshot::{StoreSnapshot, StoreStats};

use crate::config::LogConfig;
use crate::error::{LogError, Result, if_room};
use crate::format::checkpoint::{Properties, write_partition_metadata};
use crate::format::names::deleted_dir;
use crate::io::{Clock, Storage};
use crate::log::files::{read_small, replace};
use crate::log::{Log, OpenFiles, check_free, each};
use crate::types::Offset;
use builder::open_log;
use dir::DataDir;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// Logs that are closed at the same time, at least: they wait for the disk, and it syncs many at once.
const CLOSERS: usize = 16;

/// Many logs; share it as `Arc<LogStore>`.
///
/// Dropping it is like the process being killed, for every log: those that somebody still holds take nothing more.
/// [`LogStore::close`] spares the next start the recovery.
///
/// ```
/// use log_engine::{LogConfig, LogName, LogStore, NewRecord};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temp = tempfile::tempdir()?;
/// # let dir = temp.path().join("data");
/// let store = LogStore::builder([&dir]).open()?;
/// let log = store.create(&LogName::new("orders", 0)?, &LogConfig::default())?;
/// log.append_synced(&[NewRecord::value(b"one coffee")])?;
/// // Retention, background syncs, checkpoints: until the guard is dropped.
/// let maintenance = store.spawn_maintenance(Duration::from_secs(1), |round| {
///     for (log, error) in round.errors {
///         eprintln!("{log:?}: {error}");
///     }
/// });
/// drop(maintenance);
/// store.close()?;
///
/// let store = LogStore::builder([&dir]).open()?;
/// assert!(store.report().clean);
/// assert_eq!(store.logs().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LogStore {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    config: LogConfig,
    threads: usize,
    /// The bound on open files of all logs together.
    files: Arc<OpenFiles>,
    dirs: Vec<DataDir>,
    /// Held by whoever makes or deletes a log, so that `state` need not be held during its I/O.
    changing: Mutex<()>,
    state: Mutex<State>,
    /// Held by whoever writes checkpoints: they are never written by two, nor after the store was closed.
    checkpoints: Mutex<Checkpoints>,
    schedule: maintain::Schedule,
    done: Mutex<maintain::Done>,
    compacting: Mutex<compact::Compacting>,
    report: OpenReport,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<LogName, Entry>,
    /// Logs that could not be opened.
    failed: BTreeMap<LogName, Failed>,
    doomed: Vec<Doomed>,
    closed: bool,
}

/// Whether checkpoints may still be written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Checkpoints {
    #[default]
    Wanted,
    /// The store was closed: the directories are somebody else's.
    Over,
}

#[derive(Clone, Debug)]
struct Entry {
    log: Arc<Log>,
    /// Index of its directory.
    dir: usize,
}

/// A log that could not be opened. What the checkpoints said of it is written again: the next start may be able to.
#[derive(Clone, Debug)]
struct Failed {
    /// Index of its directory.
    dir: usize,
    recovery_point: Option<Offset>,
    log_start: Option<Offset>,
    compacted: Option<Offset>,
}

/// A deleted log's directory.
#[derive(Debug)]
struct Doomed {
    path: PathBuf,
    /// When it is removed, by the monotonic clock.
    due: Duration,
}

/// What opening a store found.
#[derive(Debug, Default)]
pub struct OpenReport {
    /// Every directory had been left in order. False for one that is new: see [`OpenReport::fresh`].
    pub clean: bool,
    /// No directory had a log, or a word of one: there was nothing that could have been left in order or not.
    pub fresh: bool,
    /// Logs that could not be opened, and why; sorted by name.
    pub failed: Vec<(LogName, LogError)>,
    /// Checkpoints that could not be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Directories of Kafka's that mean nothing here: `-future`, `-stray`.
    pub left_alone: Vec<PathBuf>,
    /// How many deletions of logs were finished.
    pub removed: usize,
}

impl LogStore {
    /// Opens a store in these directories, which are made if they are not there.
    pub fn builder<P: Into<PathBuf>>(dirs: impl IntoIterator<Item = P>) -> StoreBuilder {
        StoreBuilder::new(dirs.into_iter().map(Into::into).collect())
    }

    /// What opening found.
    #[must_use]
    pub const fn report(&self) -> &OpenReport {
        &self.report
    }

    /// The directories, in the order in which they were given.
    #[must_use]
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.path.clone()).collect()
    }

    /// The storage that all logs lie in.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The clock of all logs.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The settings with which logs were opened that had none of their own.
    #[must_use]
    pub const fn default_config(&self) -> &LogConfig {
        &self.config
    }

    /// Whether a directory's reserve ([`StoreBuilder::reserve_bytes`]) was given up and not taken again yet: appends to its
    /// logs are refused.
    #[must_use]
    pub fn is_on_reserve(&self) -> bool {
        self.dirs.iter().any(|dir| dir.reserve.as_ref().is_some_and(|reserve| reserve.is_given_up()))
    }

    /// A log.
    #[must_use]
    pub fn get(&self, name: &LogName) -> Option<Arc<Log>> {
        self.state.lock().logs.get(name).map(|entry| Arc::clone(&entry.log))
    }

    /// All logs, by topic and partition.
    #[must_use]
    pub fn logs(&self) -> Vec<(LogName, Arc<Log>)> {
        let state = self.state.lock();
        state.logs.iter().map(|(name, entry)| (name.clone(), Arc::clone(&entry.log))).collect()
    }

    /// The names of all logs, also of those that could not be opened; sorted.
    #[must_use]
    pub fn names(&self) -> Vec<LogName> {
        let state = self.state.lock();
        let mut names: Vec<_> = state.logs.keys().chain(state.failed.keys()).cloned().collect();
        names.sort();
        names
    }

    /// Whether there is a log of this name, opened or not.
    #[must_use]
    pub fn contains(&self, name: &LogName) -> bool {
        let state = self.state.lock();
        state.logs.contains_key(name) || state.failed.contains_key(name)
    }

    /// Whether a log lies here that could not be opened.
    #[must_use]
    pub fn is_failed(&self, name: &LogName) -> bool {
        self.state.lock().failed.contains_key(name)
    }

    /// The directory (one of [`LogStore::dirs`]) that a log lies in.
    #[must_use]
    pub fn dir_of(&self, name: &LogName) -> Option<&Path> {
        let index = self.state.lock().logs.get(name)?.dir;
        self.dirs.get(index).map(|dir| dir.path.as_path())
    }

    /// Makes an empty log, in the directory that has the fewest. Its name is durable when this returns.
    ///
    /// Its settings are not: they hold until the store is closed. Who opens it again says them again, with
    /// [`StoreBuilder::config_for`] or [`LogStore::open_or_create`]; else it has those of all, and loses by the first
    /// [`LogStore::maintain`] what these do not keep.
    ///
    /// # Errors
    ///
    /// [`LogError::Name`] if it exists, also as a log that could not be opened; [`LogError::Closed`];
    /// [`LogError::Config`]; what the system answers.
    pub fn create(&self, name: &LogName, config: &LogConfig) -> Result<Arc<Log>> {
        let _changing = self.changing.lock();
        let dir = self.place_for(slice::from_ref(name))?;
        self.make_in(dir, name, config)
    }

    fn make_in(&self, dir: usize, name: &LogName, config: &LogConfig) -> Result<Arc<Log>> {
        let log = self.make(dir, name, config)?;
        self.state.lock().logs.insert(name.clone(), Entry { log: Arc::clone(&log), dir });
        Ok(log)
    }

    /// The log of this name with these settings: made if it is not there, else the settings are put in force for what comes
    /// ([`Log::set_config`]). Before the first [`LogStore::maintain`], so that no others were applied to it.
    ///
    /// # Errors
    ///
    /// As [`LogStore::create`], but for a log that is open; [`LogError::Config`]: a log that was open keeps its settings.
    pub fn open_or_create(&self, name: &LogName, config: &LogConfig) -> Result<Arc<Log>> {
        let _changing = self.changing.lock();
        if let Some(log) = self.get(name) {
            if log.is_closed() {
                return Err(LogError::Closed);
            }
            log.set_config(config.clone())?;
            return Ok(log);
        }
        let dir = self.place_for(slice::from_ref(name))?;
        self.make_in(dir, name, config)
    }

    /// Makes empty logs, as [`LogStore::create`] does, several at the same time; the answer in the order of the names. All or
    /// none, but for a crash.
    ///
    /// # Errors
    ///
    /// As [`LogStore::create`], also for a name that is there twice; the first of several.
    pub fn create_many(&self, names: &[LogName], config: &LogConfig) -> Result<Vec<Arc<Log>>> {
        let _changing = self.changing.lock();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(named(twice, "is asked for twice"));
        }
        let emptiest = self.place_for(names)?;
        // The rest go round from there.
        let places = names.iter().enumerate().map(|(at, name)| (name, (emptiest + at) % self.dirs.len()));
        let places: Vec<_> = places.collect();
        let made = each(&places, self.files.at_once(CLOSERS), |(name, dir)| self.make(*dir, name, config));
        if made.iter().any(Result::is_err) {
            for ((name, dir), log) in places.iter().zip(&made) {
                if let Ok(log) = log {
                    log.abandon();
                    let _ = self.storage.remove_dir_all(&self.dirs[*dir].path.join(name.to_string()));
                }
            }
        }
        let made = made.into_iter().collect::<Result<Vec<_>>>()?;
        let mut state = self.state.lock();
        for ((name, dir), log) in places.into_iter().zip(&made) {
            state.logs.insert(name.clone(), Entry { log: Arc::clone(log), dir });
        }
        Ok(made)
    }

    fn make(&self, dir: usize, name: &LogName, config: &LogConfig) -> Result<Arc<Log>> {
        self.dirs[dir].check_home(&*self.storage)?;
        let path = self.dirs[dir].path.join(name.to_string());
        let reserve = self.dirs[dir].reserve.as_ref();
        if let Some(reserve) = reserve {
            reserve.check(|| path.clone(), 0)?;
        }
        if self.storage.exists(&path).map_err(LogError::io("look for", &path))? {
            return Err(named(name, "is the name of something else in the directory"));
        }
        // Whoever makes the directory makes its name durable.
        let opened = open_log(&self.storage, &self.clock, &path, config)
            .files(&self.files)
            .reserve(reserve)
            .clean(true)
            .open();
        if opened.is_err() {
            // Nobody has written to it: the next try may find the place free.
            let _ = self.storage.remove_dir_all(&path);
        }
        opened
    }

    /// The directory in which logs of these names may be made.
    fn place_for(&self, names: &[LogName]) -> Result<usize> {
        let state = self.state.lock();
        if state.closed {
            return Err(LogError::Closed);
        }
        for name in names {
            if state.failed.contains_key(name) {
                return Err(named(name, "exists and could not be opened"));
            }
            if state.logs.contains_key(name) {
                return Err(named(name, "already exists"));
            }
        }
        Ok(self.emptiest(&state))
    }

    /// Index of the directory with the fewest logs; the first of several.
    fn emptiest(&self, state: &State) -> usize {
        let mut counts = vec![0_usize; self.dirs.len()];
        let all =
            state.logs.values().map(|entry| entry.dir).chain(state.failed.values().map(|failed| failed.dir));
        for dir in all {
            counts[dir] += 1;
        }
        let fewest = counts.iter().enumerate().min_by_key(|(_, count)| **count);
        fewest.map_or(0, |(index, _)| index)
    }

    /// Deletes a log: it is gone, durably, when this returns; its files are removed after `file.delete.delay.ms`. Whoever
    /// still reads it reads on, whoever waits is woken. A log that could not be opened can be deleted, too.
    ///
    /// # Errors
    ///
    /// [`LogError::Name`] without such a log, [`LogError::Closed`], [`LogError::Locked`] for one that could not be opened
    /// and that somebody else has open, or what the system answers: the log is then closed but still there.
    pub fn delete(&self, name: &LogName) -> Result<()> {
        let _changing = self.changing.lock();
        let (dir, log) = self.find(name)?;
        let dir = &self.dirs[dir];
        let from = dir.path.join(name.to_string());
        let to = dir.path.join(deleted_dir(&name.to_string(), unique()));
        match &log {
            Some(log) => log.abandon(),
            // Perhaps because somebody has it open, who would go on writing.
            None => check_free(&*self.storage, &from)?,
        }
        dir.cover(|| self.storage.rename(&from, &to).map_err(LogError::io("rename", &from)))?;
        if let Some(log) = &log {
            log.moved_to(&to);
        }
        let delay = log.map_or(self.config.file_delete_delay_ms, |log| log.config().file_delete_delay_ms);
        let delay = Duration::from_millis(delay);
        {
            let mut state = self.state.lock();
            state.logs.remove(name);
            state.failed.remove(name);
            state.doomed.push(Doomed { path: to, due: self.clock.monotonic().saturating_add(delay) });
        }
        dir.sync(&*self.storage)
    }

    /// Index of a log's directory, and the log if it could be opened.
    fn find(&self, name: &LogName) -> Result<(usize, Option<Arc<Log>>)> {
        let state = self.state.lock();
        if state.closed {
            return Err(LogError::Closed);
        }
        match (state.logs.get(name), state.failed.get(name)) {
            (Some(entry), _) => Ok((entry.dir, Some(Arc::clone(&entry.log)))),
            (None, Some(failed)) => Ok((failed.dir, None)),
            (None, None) => Err(named(name, "does not exist")),
        }
    }

    /// Makes the `partition.metadata` of a log say that its topic has this id; as in Kafka from 2.8 on. Not synced: the
    /// store and its logs do not read it.
    ///
    /// # Errors
    ///
    /// [`LogError::Name`] without such a log, [`LogError::Closed`], or what the system answers.
    pub fn write_topic_id(&self, name: &LogName, id: [u8; 16]) -> Result<()> {
        let (dir, _) = self.find(name)?;
        let path = self.dirs[dir].path.join(name.to_string()).join("partition.metadata");
        let text = write_partition_metadata(id);
        if read_small(&*self.storage, &path)?.is_some_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        replace(&*self.storage, &path, text.as_bytes(), false)
    }

    /// `meta.properties` of one of the directories; `None` without one. What stands in it is the caller's.
    ///
    /// # Errors
    ///
    /// As [`read_meta`].
    pub fn read_meta(&self, dir: &Path) -> Result<Option<Properties>> {
        read_meta(&*self.storage, dir)
    }

    /// Replaces `meta.properties` of one of the directories, durably.
    ///
    /// # Errors
    ///
    /// As [`write_meta`].
    pub fn write_meta(&self, dir: &Path, meta: &Properties) -> Result<()> {
        write_meta(&*self.storage, dir, meta)
    }

    /// Closes all logs, writes the checkpoints and leaves each directory marked as in order, if all its logs are. Lets go of
    /// the locks. A second call does nothing. A full disk is no obstacle: checkpoints that find no room stay as they were.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong, a poisoned log among them; everything else was done, and the next start recovers the
    /// directory concerned.
    /// [`LogError::NoSpace`] only if that is all: everything is on the disk, but there was no room to say so.
    pub fn close(&self) -> Result<()> {
        // Not while a log is being made.
        let _changing = self.changing.lock();
        let logs: Vec<(usize, Arc<Log>)> = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.closed, true) {
                return Ok(());
            }
            state.logs.values().map(|entry| (entry.dir, Arc::clone(&entry.log))).collect()
        };
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::planted::Bug::CleanMarkerBeforeTheLastSync) {
            for dir in &self.dirs {
                let _ = dir.mark_clean(&*self.storage);
            }
        }
        let threads = self.files.at_once(self.threads.max(CLOSERS));
        let closed = each(&logs, threads, |(dir, log)| (*dir, log.close(), log.is_in_order()));
        let mut in_order = vec![true; self.dirs.len()];
        for failed in self.state.lock().failed.values() {
            in_order[failed.dir] = false;
        }
        let mut outcome = Ok(());
        for (dir, closed, log_in_order) in closed {
            in_order[dir] &= closed.is_ok() && log_in_order;
            outcome = worse(outcome, closed);
        }
        // From now on nobody else writes a checkpoint.
        let mut checkpoints = self.checkpoints.lock();
        *checkpoints = Checkpoints::Over;
        // Older ones help less, and are as true.
        let checkpointed = if_room(self.write_checkpoints());
        let all_written = checkpointed.is_ok();
        outcome = worse(outcome, checkpointed.map(drop));
        for (dir, in_order) in self.dirs.iter().zip(in_order) {
            if in_order && all_written {
                outcome = worse(outcome, dir.mark_clean(&*self.storage).map_err(LogError::into_no_space));
            }
            dir.unlock();
        }
        outcome
    }
}

impl Drop for LogStore {
    /// The locks go with the store: a log that somebody still holds must not write any more.
    fn drop(&mut self) {
        for entry in self.state.get_mut().logs.values() {
            if !entry.log.is_closed() {
                entry.log.abandon();
            }
        }
    }
}

/// The first of two failures; want of space only if there is nothing worse.
fn worse(first: Result<()>, second: Result<()>) -> Result<()> {
    match (first, second) {
        (Err(one), Err(other)) if one.is_no_space() && !other.is_no_space() => Err(other),
        (first, second) => first.and(second),
    }
}

fn named(name: &LogName, problem: &'static str) -> LogError {
    LogError::Name { name: name.to_string(), problem }
}

/// Told apart from every other: for the name of a deleted log's directory.
fn unique() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}

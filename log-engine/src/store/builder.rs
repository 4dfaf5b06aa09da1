//! Opening a store.

use super::compact::Compacting;
use super::dir::{Contents, DataDir, Notes};
use super::maintain::Schedule;
use super::{CLOSERS, Entry, Failed, LogName, LogStore, OpenReport, State};
use crate::config::LogConfig;
use crate::error::{LogError, Result};
use crate::io::{Clock, RealStorage, Storage, SystemClock};
use crate::log::{Log, OpenFiles, check_free, each};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Kept free in each directory on the real file system.
const RESERVED: u64 = 16 * 1024 * 1024;

/// Looks at locked directories before anything is written to them, and may refuse.
type Check = Box<dyn FnOnce(&dyn Storage, &[PathBuf]) -> Result<()> + Send>;

/// Says with which settings a log is opened.
type ConfigFor = Box<dyn Fn(&LogName) -> LogConfig + Send + Sync>;

/// How a store is opened; see [`LogStore::builder`].
pub struct StoreBuilder {
    dirs: Vec<PathBuf>,
    storage: Option<Arc<dyn Storage>>,
    clock: Option<Arc<dyn Clock>>,
    config: LogConfig,
    config_for: Option<ConfigFor>,
    threads: usize,
    open_files: Option<usize>,
    reserve_bytes: Option<u64>,
    schedule: Schedule,
    check: Option<Check>,
}

impl fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder").field("dirs", &self.dirs).finish_non_exhaustive()
    }
}

impl StoreBuilder {
    pub(super) fn new(dirs: Vec<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            dirs,
            storage: None,
            clock: None,
            config: LogConfig::default(),
            config_for: None,
            threads,
            open_files: None,
            reserve_bytes: None,
            schedule: Schedule::default(),
            check: None,
        }
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

    /// The settings with which all logs are opened that [`StoreBuilder::config_for`] says nothing else of. No settings are
    /// kept on the disk: also a log that was made with others has these when the store is opened again, and the first
    /// [`LogStore::maintain`] deletes by them. Default: [`LogConfig::default`].
    #[must_use]
    pub fn config(mut self, config: LogConfig) -> Self {
        self.config = config;
        self
    }

    /// Asked for the settings of each log that is there, before it is opened: for logs that differ. By one of the threads that
    /// open logs, several at the same time. A log whose settings are wrong counts as one that cannot be opened. Default: all
    /// have those of [`StoreBuilder::config`].
    ///
    /// ```
    /// use log_engine::{LogConfig, LogName, LogStore};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let dir = temp.path().join("data");
    /// let for_ever = LogConfig { retention_ms: None, retention_bytes: None, ..LogConfig::default() };
    /// let audit = LogName::new("audit", 0)?;
    /// LogStore::builder([&dir]).open()?.create(&audit, &for_ever)?;
    ///
    /// let store = LogStore::builder([&dir])
    ///     .config_for(move |log| if log.topic() == "audit" { for_ever.clone() } else { LogConfig::default() })
    ///     .open()?;
    /// assert_eq!(store.get(&audit).map(|log| log.config().retention_ms), Some(None));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn config_for(mut self, config_for: impl Fn(&LogName) -> LogConfig + Send + Sync + 'static) -> Self {
        self.config_for = Some(Box::new(config_for));
        self
    }

    /// How many threads open and close logs. Range 1.., default one per processor.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many segment files all logs together keep open, about. Range 1.., default three quarters of what the process may
    /// have open (`ulimit -n`) when the store is opened. Those that were not used for longest are closed, after a sync if they
    /// have unsynced bytes, and opened again when they are needed.
    #[must_use]
    pub fn open_files(mut self, limit: usize) -> Self {
        self.open_files = Some(limit.max(1));
        self
    }

    /// Room that is kept in each directory, in a file `.space-reserve`, in bytes; 0 for none. Default 16 MiB where no
    /// storage was given (the real file system), else 0.
    ///
    /// A full disk needs room to become less full, and to be left in order: marks, checkpoints, the record of a deletion
    /// and a clean stop use the reserve when there is nothing else. From then on appends and new logs are refused with
    /// [`LogError::NoSpace`], until maintenance finds room for the whole reserve again. A disk too small for it from the
    /// beginning goes without.
    #[must_use]
    pub fn reserve_bytes(mut self, bytes: u64) -> Self {
        self.reserve_bytes = Some(bytes);
        self
    }

    /// How often retention is applied. Default 5 min.
    #[must_use]
    pub fn retention_interval(mut self, interval: Duration) -> Self {
        self.schedule.retention = interval;
        self
    }

    /// How often it is looked for logs to compact, while there are none; `None` for never. Default 15 s.
    #[must_use]
    pub fn compaction_interval(mut self, interval: Option<Duration>) -> Self {
        self.schedule.compaction = interval;
        self
    }

    /// How often recovery points and log starts are written down. Default 60 s.
    #[must_use]
    pub fn recovery_point_interval(mut self, interval: Duration) -> Self {
        self.schedule.recovery_points = interval;
        self
    }

    /// How often the ends are written down. Default 5 s.
    #[must_use]
    pub fn high_watermark_interval(mut self, interval: Duration) -> Self {
        self.schedule.high_watermarks = interval;
        self
    }

    /// Runs when the directories are locked and nothing was written yet: to look whose they are ([`super::read_meta`]) and
    /// to refuse.
    #[must_use]
    pub fn check(
        mut self,
        check: impl FnOnce(&dyn Storage, &[PathBuf]) -> Result<()> + Send + 'static,
    ) -> Self {
        self.check = Some(Box::new(check));
        self
    }

    /// Opens all logs. A log that cannot be opened is left out and named in [`LogStore::report`]; so is one that somebody had
    /// opened on its own before there was a store.
    ///
    /// # Errors
    ///
    /// [`LogError::Config`] without a directory, [`LogError::Locked`], [`LogError::Directory`] for a directory that is no
    /// log's or a log that lies in two directories, what the check says, or what the system answers. Nothing was
    /// written then, but the locks' files.
    pub fn open(self) -> Result<Arc<LogStore>> {
        self.config.check()?;
        if self.dirs.is_empty() {
            return Err(LogError::Config { key: "log.dirs", value: String::new(), expected: "a directory" });
        }
        let reserved = self.reserve_bytes.unwrap_or(if self.storage.is_none() { RESERVED } else { 0 });
        let storage = self.storage.unwrap_or_else(|| Arc::new(RealStorage::new()));
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
        let dirs = self
            .dirs
            .iter()
            .map(|dir| DataDir::lock(&*storage, dir).map_err(|error| error.name_read_only(dir)));
        let mut dirs = dirs.collect::<Result<Vec<_>>>()?;
        let contents = dirs.iter().map(|dir| dir.look(&*storage)).collect::<Result<Vec<_>>>()?;
        check_no_twins(&dirs, &contents)?;
        if let Some(check) = self.check {
            check(&*storage, &self.dirs)?;
        }
        let notes = dirs.iter().map(|dir| dir.take_notes(&*storage)).collect::<Result<Vec<_>>>()?;
        for (dir, contents) in dirs.iter().zip(&contents) {
            remove_doomed(&*storage, dir, contents)?;
        }
        for dir in &mut dirs {
            dir.take_reserve(&storage, reserved)?;
        }
        let allowed = storage.max_open_files().map_or(usize::MAX, |allowed| allowed - allowed / 4);
        let files = Arc::new(OpenFiles::new(self.open_files.unwrap_or(allowed)));
        let synced = sync_unclean(&*storage, &dirs, &contents, &notes);
        let opener = Opener {
            storage: &storage,
            clock: &clock,
            config: &self.config,
            config_for: self.config_for.as_deref(),
            dirs: &dirs,
            notes: &notes,
            files: &files,
            synced: &synced,
        };
        // Those that must sync wait for the disk, which does it for many at once.
        let threads =
            if synced.iter().any(|synced| *synced) { self.threads.max(CLOSERS) } else { self.threads };
        let opened = opener.open_all(&contents, threads);
        let (state, report) = sort_out(opened, &contents, notes);
        let now = clock.monotonic();
        Ok(Arc::new(LogStore {
            storage,
            clock,
            config: self.config,
            threads: self.threads,
            files,
            dirs,
            changing: Mutex::default(),
            state: Mutex::new(state),
            checkpoints: Mutex::default(),
            schedule: self.schedule,
            done: Mutex::new(super::maintain::Done::at(now)),
            compacting: Mutex::new(Compacting::every(self.schedule.compaction)),
            report,
        }))
    }
}

/// A log in two directories has two contents, and nobody knows which one is meant.
fn check_no_twins(dirs: &[DataDir], contents: &[Contents]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for (dir, contents) in dirs.iter().zip(contents) {
        for name in &contents.logs {
            if let Some(other) = seen.insert(name, &dir.path) {
                let problem = format!("the log lies in {} too", other.display());
                return Err(LogError::Directory { path: dir.path.join(name.to_string()), problem });
            }
        }
    }
    Ok(())
}

/// Finishes deletions that the last user of the directory began.
fn remove_doomed(storage: &dyn Storage, dir: &DataDir, contents: &Contents) -> Result<()> {
    for path in &contents.doomed {
        storage.remove_dir_all(path).map_err(LogError::io("remove", path))?;
    }
    if contents.doomed.is_empty() { Ok(()) } else { dir.sync(storage) }
}

/// Syncs the file system of each directory that was not left in order, once, so that none of its logs has to sync what it
/// finds; answers for which that was done. Where it fails each log syncs for itself, and the one whose bytes are concerned
/// says so.
fn sync_unclean(
    storage: &dyn Storage,
    dirs: &[DataDir],
    contents: &[Contents],
    notes: &[Notes],
) -> Vec<bool> {
    let all = dirs.iter().zip(contents).zip(notes);
    all.map(|((dir, contents), notes)| {
        !notes.clean && !contents.logs.is_empty() && storage.sync_fs(&dir.path).is_ok()
    })
    .collect()
}

/// What a log's opening needs.
struct Opener<'a> {
    storage: &'a Arc<dyn Storage>,
    clock: &'a Arc<dyn Clock>,
    config: &'a LogConfig,
    config_for: Option<&'a (dyn Fn(&LogName) -> LogConfig + Send + Sync)>,
    dirs: &'a [DataDir],
    notes: &'a [Notes],
    files: &'a Arc<OpenFiles>,
    /// Per directory: everything in it is on the disk.
    synced: &'a [bool],
}

/// One log and the outcome.
type Opened = (LogName, usize, Result<Arc<Log>>);

impl Opener<'_> {
    fn open_all(&self, contents: &[Contents], threads: usize) -> Vec<Opened> {
        let jobs: Vec<(usize, &LogName)> = contents
            .iter()
            .enumerate()
            .flat_map(|(dir, c)| c.logs.iter().map(move |name| (dir, name)))
            .collect();
        each(&jobs, threads, |(dir, name)| ((*name).clone(), *dir, self.open(*dir, name)))
    }

    fn open(&self, dir: usize, name: &LogName) -> Result<Arc<Log>> {
        let notes = &self.notes[dir];
        let path = self.dirs[dir].path.join(name.to_string());
        let own = self.config_for.map(|config_for| config_for(name));
        let config = own.as_ref().unwrap_or(self.config);
        let reserve = self.dirs[dir].reserve.as_ref();
        check_free(&**self.storage, &path)?;
        let open = || {
            open_log(self.storage, self.clock, &path, config)
                .files(self.files)
                .reserve(reserve)
                .synced(self.synced[dir])
                .clean(notes.clean)
                .recovery_point(notes.recovery_points.get(name).copied())
                .start_offset(notes.log_starts.get(name).copied())
                .compaction_point(notes.compacted.get(name).copied())
                .open()
        };
        self.dirs[dir].cover(open)
    }
}

/// A builder for a log in a directory whose lock the store holds.
pub(super) fn open_log(
    storage: &Arc<dyn Storage>,
    clock: &Arc<dyn Clock>,
    path: &Path,
    config: &LogConfig,
) -> crate::log::LogBuilder {
    Log::builder(path)
        .storage(Arc::clone(storage))
        .clock(Arc::clone(clock))
        .config(config.clone())
        .lock(false)
}

fn sort_out(opened: Vec<Opened>, contents: &[Contents], notes: Vec<Notes>) -> (State, OpenReport) {
    let mut state = State::default();
    let mut report = OpenReport::default();
    for (name, dir, outcome) in opened {
        match outcome {
            Ok(log) => drop(state.logs.insert(name, Entry { log, dir })),
            Err(error) => {
                let recovery_point = notes[dir].recovery_points.get(&name).copied();
                let log_start = notes[dir].log_starts.get(&name).copied();
                let compacted = notes[dir].compacted.get(&name).copied();
                state.failed.insert(name.clone(), Failed { dir, recovery_point, log_start, compacted });
                report.failed.push((name, error));
            }
        }
    }
    report.failed.sort_by(|a, b| a.0.cmp(&b.0));
    report.clean = notes.iter().all(|notes| notes.clean);
    let empty = |(notes, contents): (&Notes, &Contents)| {
        let unknown =
            notes.recovery_points.is_empty() && notes.log_starts.is_empty() && notes.unreadable.is_empty();
        !notes.clean && unknown && contents.logs.is_empty() && contents.doomed.is_empty()
    };
    report.fresh = notes.iter().zip(contents).all(empty);
    report.unreadable = notes.into_iter().flat_map(|notes| notes.unreadable).collect();
    report.left_alone = contents.iter().flat_map(|c| c.left_alone.iter().cloned()).collect();
    report.removed = contents.iter().map(|c| c.doomed.len()).sum();
    (state, report)
}

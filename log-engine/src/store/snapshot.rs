//! A copy of all logs of a store, in one directory that can be opened as a store; and statistics of all of them.

use super::dir::{Checkpointed, DataDir};
use super::{LogName, LogStore};
use crate::error::{LogError, Result};
use crate::log::files::{appear, check_outside, make_dir};
use crate::log::{Log, LogStats, Snapshot};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// What a snapshot of a store holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct StoreSnapshot {
    /// The logs in it, by name.
    pub logs: Vec<(LogName, Snapshot)>,
    /// Logs that could not be opened, and are not in it.
    pub left_out: Vec<LogName>,
}

/// What a store holds and has done since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Logs that are open.
    pub logs: usize,
    /// Logs that could not be opened.
    pub failed_logs: usize,
    /// All open logs added up; what deleted logs have done is not in it.
    pub total: LogStats,
}

impl LogStore {
    /// Makes a copy of all logs in a new directory, which can be opened as a store and counts as closed in order.
    ///
    /// Each log is copied as by [`Log::snapshot`]: consistent in itself, at a moment of its own. What was appended to two
    /// logs one after the other may be in the copy of the second and not of the first. The directory must lie on the file
    /// system of all logs, outside the store's directories, and must not exist. `meta.properties` of the first directory is
    /// copied.
    ///
    /// ```
    /// # use log_engine::{LogConfig, LogName, LogStore, NewRecord};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let (dir, backup) = (temp.path().join("data"), temp.path().join("backup"));
    /// let store = LogStore::builder([&dir]).open()?;
    /// let log = store.create(&LogName::new("orders", 0)?, &LogConfig::default())?;
    /// log.append(&[NewRecord::value(b"one coffee")])?;
    /// store.snapshot(&backup)?;
    ///
    /// let copy = LogStore::builder([&backup]).open()?;
    /// assert_eq!(copy.logs()[0].1.end_offset().get(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::snapshot`]; [`LogError::Closed`]. Nothing has the name then.
    pub fn snapshot(&self, to: impl AsRef<Path>) -> Result<StoreSnapshot> {
        let to = to.as_ref();
        // No log comes or goes meanwhile.
        let _changing = self.changing.lock();
        if self.state.lock().closed {
            return Err(LogError::Closed);
        }
        check_outside(&*self.storage, to, &self.dirs())?;
        appear(&*self.storage, to, |fresh| self.snapshot_into(fresh))
    }

    fn snapshot_into(&self, dir: &Path) -> Result<StoreSnapshot> {
        make_dir(&*self.storage, dir)?;
        let mut made = StoreSnapshot::default();
        let mut numbers = Vec::new();
        for (name, log) in self.logs() {
            let copy = log.snapshot_into(&dir.join(name.to_string()))?;
            numbers.push(checkpointed(&name, &log, copy));
            made.logs.push((name, copy));
        }
        made.left_out = self.state.lock().failed.keys().cloned().collect();
        let target = DataDir { path: dir.to_owned(), lock: Mutex::new(None), reserve: None };
        if let Some(first) = self.dirs.first()
            && let Some(meta) = self.read_meta(&first.path)?
        {
            self.write_meta(dir, &meta)?;
        }
        target.write_recovery_points(&*self.storage, &numbers)?;
        target.write_high_watermarks(&*self.storage, &numbers)?;
        target.mark_clean(&*self.storage)?;
        Ok(made)
    }

    /// What the store holds and has done since it was opened; see [`Log::stats`]. O(segments of all logs).
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let logs: Vec<Arc<Log>> = self.logs().into_iter().map(|(_, log)| log).collect();
        let failed_logs = self.state.lock().failed.len();
        StoreStats { logs: logs.len(), failed_logs, total: logs.iter().map(|log| log.stats()).sum() }
    }
}

fn checkpointed(name: &LogName, log: &Log, copy: Snapshot) -> Checkpointed {
    Checkpointed {
        name: name.clone(),
        synced: Some(copy.end),
        end: Some(copy.end),
        start: (copy.start > log.first_base()).then_some(copy.start),
        // The copy of each log says it itself, of the moment at which it was made.
        compacted: None,
    }
}

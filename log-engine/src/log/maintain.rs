//! What has to happen from time to time, for one log that is in no store.
//!
//! # Not here
//!
//! Many logs, and how often what is due (`store::maintain`).

use super::{CompactionReport, Log, RetentionReport};
use crate::error::Result;

/// What [`Log::maintain`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LogMaintenance {
    /// Whether it synced.
    pub synced: bool,
    /// What retention deleted.
    pub retention: RetentionReport,
    /// What compaction did, if the settings ask for it.
    pub compaction: CompactionReport,
    /// Segments whose files were removed after their delay.
    pub removed: usize,
    /// Files that were closed because nobody used them since the last time.
    pub released: usize,
}

impl Log {
    /// Does what is due, by the log's clock: a sync, retention, compaction (all that is due: as long as it takes), the removal
    /// of what was deleted, and the closing of idle files. For a log that is in no store, by a thread of the embedder.
    ///
    /// Once a minute is enough for all of it; what bounds a power cut, [`Log::sync_if_due`], is better called each second.
    ///
    /// ```
    /// use log_engine::{Log, LogConfig, NewRecord};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let dir = temp.path().join("log");
    /// let log = Log::open(&dir, LogConfig::default())?;
    /// let maintained = std::sync::Arc::downgrade(&log);
    /// let thread = std::thread::spawn(move || {
    ///     while let Some(log) = maintained.upgrade().filter(|log| !log.is_closed()) {
    ///         match log.maintain() {
    ///             Ok(done) => assert_eq!(done.retention.segments, 0),
    ///             Err(error) => eprintln!("maintenance: {error}"),
    ///         }
    ///         drop(log);
    ///         std::thread::sleep(Duration::from_millis(10));
    ///     }
    /// });
    /// log.append(&[NewRecord::value(b"kept for seven days")])?;
    /// log.close()?;
    /// thread.join().unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first of [`Log::sync_if_due`], [`Log::apply_retention`], [`Log::compact`] and [`Log::remove_deleted`]; what comes
    /// after it is left for the next time. [`LogError::Closed`](crate::LogError::Closed),
    /// [`LogError::Poisoned`](crate::LogError::Poisoned).
    pub fn maintain(&self) -> Result<LogMaintenance> {
        self.check_usable()?;
        let now = self.clock.now();
        Ok(LogMaintenance {
            synced: self.sync_if_due()?,
            retention: self.apply_retention(now)?,
            compaction: self.compact(now)?,
            removed: self.remove_deleted()?,
            released: self.release_idle(),
        })
    }
}

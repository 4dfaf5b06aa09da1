//! One call for the syncs of many logs.

use super::LogStore;
use crate::error::Result;
use crate::log::{Log, sync_together};
use crate::types::Offset;
use std::sync::Arc;

impl LogStore {
    /// Returns when everything that was appended to these logs before the call is on the disk; the answers (the synced ends)
    /// in the order of the logs. For whoever has appended to several and promises all of it, as for one request.
    ///
    /// Write-back of all is started first, then up to four syncs overlap (16 of 64 logs or more), on threads that live as
    /// long as the call: twelve logs cost at most three syncs in a row. Callers that come together share the sync of a log
    /// that they both want. A log with nothing unsynced costs nothing.
    ///
    /// # Errors
    ///
    /// For each log as [`Log::sync`]: a sync that fails poisons that log and no other.
    ///
    /// ```
    /// use log_engine::{LogConfig, LogName, LogStore, NewRecord};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// let store = LogStore::builder([temp.path()]).open()?;
    /// let names = [LogName::new("orders", 0)?, LogName::new("orders", 1)?];
    /// let logs = store.create_many(&names, &LogConfig::default())?;
    /// for log in &logs {
    ///     log.append(&[NewRecord::value(b"one coffee")])?;
    /// }
    /// for synced in store.sync(&logs) {
    ///     synced?;
    /// }
    /// # Ok(store.close()?)
    /// # }
    /// ```
    #[expect(clippy::unused_self, reason = "the logs of one store: others have disks of their own")]
    pub fn sync(&self, logs: &[Arc<Log>]) -> Vec<Result<Offset>> {
        sync_together(logs)
    }
}

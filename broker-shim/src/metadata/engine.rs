//! The seam to the engine.

use log_engine::config::LogConfig;
use log_engine::error::LogError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use crate::seam::Log;

/// Stands in for `log_engine::store::LogStore`.
#[derive(Debug, Default)]
pub struct LogStore {
    logs: Mutex<BTreeMap<String, Arc<Log>>>,
    pub(super) fail_creates_after: AtomicUsize,
}

impl LogStore {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Log>> {
        self.logs.lock().get(name).cloned()
    }
    pub(super) fn create(&self, name: &str, _config: &LogConfig) -> Result<Arc<Log>, LogError> {
        if self.fail_creates_after.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(LogError::NoSpace { path: name.into(), needed: 1 });
        }
        Ok(Arc::clone(self.logs.lock().entry(name.to_owned()).or_default()))
    }
    pub(super) fn delete(&self, name: &str) -> Result<(), LogError> {
        self.logs.lock().remove(name);
        Ok(())
    }
}

/// A record of the metadata log.
pub(super) struct Stored {
    pub offset: i64,
    pub value: Vec<u8>,
}

pub(super) fn journal_config() -> LogConfig {
    LogConfig { retention_ms: None, retention_bytes: None, ..LogConfig::default() }
}

pub(super) fn open_or_create(store: &LogStore, name: &str, config: LogConfig) -> Result<Arc<Log>, LogError> {
    match store.get(name) {
        Some(log) => Ok(log),
        None => store.create(name, &config),
    }
}

pub(super) fn append(log: &Log, _key: &[u8], value: &[u8]) -> Result<(), LogError> {
    log.values.lock().push(value.to_vec());
    Ok(())
}

pub(super) fn values(log: &Log) -> Result<Vec<Stored>, LogError> {
    Ok((0..).zip(log.values.lock().iter().cloned()).map(|(offset, value)| Stored { offset, value }).collect())
}

pub(super) fn names(store: &LogStore) -> Vec<String> {
    store.logs.lock().keys().cloned().collect()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use log_engine::io::{MemStorage, Storage};
    use std::path::Path;
    pub(in crate::metadata) fn open(storage: &Arc<MemStorage>, dir: &Path) -> Arc<LogStore> {
        storage.create_dir_all(&dir.join("__corrente_metadata-0")).unwrap();
        Arc::new(LogStore { fail_creates_after: AtomicUsize::new(usize::MAX), ..LogStore::default() })
    }
    pub(in crate::metadata) fn reopen(_: &Arc<MemStorage>, store: Arc<LogStore>, _: &Path) -> Arc<LogStore> {
        store
    }
}

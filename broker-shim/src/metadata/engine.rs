//! The seam to the engine.

use log_engine::config::LogConfig;
use log_engine::error::LogError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use log_engine::log::Log;

/// Stands in for `log_engine::store::LogStore`.
#[derive(Debug)]
pub struct LogStore {
    dir: std::path::PathBuf,
    logs: Mutex<BTreeMap<String, Arc<Log>>>,
    pub(super) fail_creates_after: AtomicUsize,
}

impl Default for LogStore {
    fn default() -> Self {
        static N: AtomicUsize = AtomicUsize::new(0);
        let n = N.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("standin-{}-{n}", std::process::id()));
        Self { dir, logs: Mutex::default(), fail_creates_after: AtomicUsize::new(usize::MAX) }
    }
}

impl LogStore {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Log>> {
        self.logs.lock().get(name).cloned()
    }
    pub(super) fn create(&self, name: &str, config: &LogConfig) -> Result<Arc<Log>, LogError> {
        if self.fail_creates_after.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(LogError::NoSpace { path: name.into(), needed: 1 });
        }
        std::fs::create_dir_all(self.dir.join(name)).unwrap();
        let log = Log::open(self.dir.join(name), config.clone())?;
        Ok(Arc::clone(self.logs.lock().entry(name.to_owned()).or_insert(log)))
    }
    pub(super) fn delete(&self, name: &str) -> Result<(), LogError> {
        if let Some(log) = self.logs.lock().remove(name) {
            log.close()?;
            std::fs::remove_dir_all(self.dir.join(name)).ok();
        }
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

pub(super) fn append(log: &Log, key: &[u8], value: &[u8]) -> Result<(), LogError> {
    log.append_synced(&[log_engine::format::build::NewRecord::keyed(key, value)]).map(drop)
}

pub(super) fn values(log: &Log) -> Result<Vec<Stored>, LogError> {
    let mut out = Vec::new();
    for batch in log.records(log.start_offset()) {
        let batch = batch?;
        for record in &batch.records().unwrap() {
            let record = record.unwrap();
            out.push(Stored { offset: record.offset.get(), value: record.value.unwrap().to_vec() });
        }
    }
    Ok(out)
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

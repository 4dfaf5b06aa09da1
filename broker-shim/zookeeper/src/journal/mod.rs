//! The state on the disk: a log of transactions and a log of snapshots, both of log-engine.
//!
//! ```text
//! dataDir/corrente-zk/txnlog-0/      a record a transaction (`txn`), a batch a group commit
//! dataDir/corrente-zk/snapshot-0/    snapshots, one after the other (`journal::snapshot`)
//! dataDir/version-2/                 a real ZooKeeper's: not read; we do not start beside its data
//! ```
//!
//! A start reads the newest whole snapshot and applies the transactions behind it. A snapshot is made the same way, by a
//! thread of its own, from what is on the disk: the server is not held up and gives nothing but processor time and the
//! memory of a second tree. The two newest snapshots are kept, and the transactions behind the older one; what is before
//! goes by whole segments.
//!
//! # Invariants
//!
//! * [`Journal::commit`] returns when the records survive a power cut; nobody is answered before.
//! * A snapshot knows of synced transactions only, and counts from its last record on: whoever finds it without that one
//!   takes the one before.
//! * Transactions go when two snapshots know them.
//!
//! # Not here
//!
//! What a transaction does (`state`).

pub(crate) mod snapshot;

use crate::state::State;
use crate::txn::Txn;
use log_engine::io::{Clock, Storage};
use log_engine::{Fault, Log, LogConfig, LogError, LogName, LogStore, Maintenance, NewRecord, Offset};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The directory within dataDir.
const DIR: &str = "corrente-zk";
/// What a real ZooKeeper keeps its data in.
const FOREIGN: &str = "version-2";
/// Records that one batch of the log takes, in bytes.
const BATCH: usize = 4 << 20;
/// Bytes of transactions after which a snapshot is due, however few they are.
const SNAPSHOT_BYTES: u64 = 64 << 20;

/// Why the data directory cannot be used, or not any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The engine refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A real ZooKeeper has its data there.
    #[error(
        "{dir} holds the data of a ZooKeeper server, which Corrente neither reads nor overwrites; set dataDir to another \
         directory, or move {dir} away", dir = .0.display()
    )]
    Foreign(PathBuf),
    /// What is there cannot be put together.
    #[error(
        "{dir}: {why}; restore the directory from a backup, or remove it to begin with an empty tree",
        dir = .dir.display()
    )]
    Damaged {
        /// Where the logs lie.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The directory cannot be looked at.
    #[error("cannot look into {dir}", dir = .dir.display())]
    Look {
        /// Which one.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// How the logs are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    /// Transactions between two snapshots.
    pub(crate) snapshot_every: u64,
    /// The largest request, which bounds the largest transaction.
    pub(crate) max_request: usize,
    /// Whether snapshots and maintenance have threads of their own; else they are made in [`Journal::commit`].
    pub(crate) threads: bool,
}

pub(crate) struct Journal {
    store: Arc<LogStore>,
    logs: Logs,
    keeping: Keeping,
    /// Since the last snapshot that was begun.
    records: u64,
    bytes: u64,
    snapshot: Option<JoinHandle<()>>,
    _maintenance: Option<Maintenance>,
}

/// Both logs.
#[derive(Clone)]
struct Logs {
    txns: Arc<Log>,
    snapshots: Arc<Log>,
}

/// A state that was read back.
struct Recovered {
    state: State,
    /// The first transaction that is not in it.
    next: Offset,
    /// Where the snapshot begins that it was read from, and the first transaction that is not in that.
    base: Option<(Offset, Offset)>,
    /// Transactions that came from the log.
    replayed: u64,
}

impl Journal {
    /// Opens the logs and reads the state.
    ///
    /// # Errors
    ///
    /// As [`JournalError`] says; nothing was changed.
    pub(crate) fn open(
        data_dir: &Path,
        storage: Option<Arc<dyn Storage>>,
        clock: &Arc<dyn Clock>,
        keeping: Keeping,
    ) -> Result<(Self, State), JournalError> {
        let dir = data_dir.join(DIR);
        let config = config(keeping);
        let mut builder = LogStore::builder([&dir])
            .clock(Arc::clone(clock))
            .config(config.clone())
            .threads(1)
            .compaction_interval(None)
            .retention_interval(Duration::from_secs(60));
        match storage {
            Some(storage) => {
                refuse_foreign(&*storage, data_dir)?;
                builder = builder.storage(storage);
            }
            None => refuse_foreign(&log_engine::io::RealStorage::new(), data_dir)?,
        }
        let store = builder.open()?;
        let open = |name| -> Result<Arc<Log>, LogError> {
            let name = LogName::new(name, 0)?;
            store.open_or_create(&name, &config)
        };
        let logs = Logs { txns: open("txnlog")?, snapshots: open("snapshot")? };
        // What a killed process left in the page cache is answered from now on, so it must stay.
        logs.txns.sync()?;
        let Recovered { state, replayed, .. } = logs.recover()?;
        let maintenance = keeping.threads.then(|| {
            store.spawn_maintenance(Duration::from_secs(30), |round| {
                for (log, error) in round.errors {
                    tracing::warn!("maintenance of {log:?}: {error}");
                }
            })
        });
        let journal = Self {
            store,
            logs,
            keeping,
            records: replayed,
            bytes: 0,
            snapshot: None,
            _maintenance: maintenance,
        };
        Ok((journal, state))
    }

    /// Where the logs lie.
    pub(crate) fn dir(&self) -> PathBuf {
        self.store.dirs().into_iter().next().unwrap_or_default()
    }

    /// Bytes of both logs.
    pub(crate) fn size_bytes(&self) -> (u64, u64) {
        (self.logs.txns.size_bytes(), self.logs.snapshots.size_bytes())
    }

    /// Appends the records of transactions and waits until they are on the disk; begins a snapshot if one is due.
    ///
    /// # Errors
    ///
    /// What the log says. The caller's state is ahead of the disk then: it must not be answered from.
    pub(crate) fn commit(&mut self, records: &[Vec<u8>]) -> Result<(), LogError> {
        let mut rest = records;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |record: &&Vec<u8>| {
                bytes += record.len();
                bytes <= BATCH
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            let batch: Vec<NewRecord<'_>> = now.iter().map(|record| NewRecord::value(record)).collect();
            self.logs.txns.append(&batch)?;
            self.bytes += now.iter().map(|record| record.len() as u64).sum::<u64>();
            rest = later;
        }
        self.logs.txns.sync()?;
        self.records += records.len() as u64;
        if self.records >= self.keeping.snapshot_every || self.bytes >= SNAPSHOT_BYTES {
            self.begin_snapshot();
        }
        Ok(())
    }

    /// Writes the state down in the background, unless that is being done.
    fn begin_snapshot(&mut self) {
        if self.snapshot.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        (self.records, self.bytes) = (0, 0);
        let logs = self.logs.clone();
        let work = move || {
            if let Err(error) = logs.write_down() {
                tracing::warn!("no snapshot was written, the log of transactions stays as it is: {error}");
            }
        };
        if !self.keeping.threads {
            return work();
        }
        match std::thread::Builder::new().name("zookeeper-snapshot".into()).spawn(work) {
            Ok(thread) => self.snapshot = Some(thread),
            Err(error) => tracing::warn!("no snapshot was written, there is no thread for it: {error}"),
        }
    }

    /// Closes the logs in order.
    ///
    /// # Errors
    ///
    /// What the log says: the next start looks at what was not closed.
    pub(crate) fn close(mut self) -> Result<(), LogError> {
        if let Some(thread) = self.snapshot.take()
            && thread.join().is_err()
        {
            tracing::error!("the snapshot ended by a bug of this server: please report the panic above");
        }
        self._maintenance = None;
        self.store.close()
    }
}

impl Logs {
    /// The state that the disk has.
    fn recover(&self) -> Result<Recovered, JournalError> {
        let found = snapshot::newest(&self.snapshots)?;
        let (state, base) = match found {
            Some(found) => (found.state, Some((found.begin, found.next))),
            None => (State::new(), None),
        };
        let next = base.map_or(Offset::ZERO, |(_, next)| next);
        let mut recovered = Recovered { state, next, base, replayed: 0 };
        let (start, end) = (self.txns.start_offset(), self.txns.end_offset());
        if start > next || next > end {
            let why = format!(
                "the transactions {start} to {end} are there, but a snapshot of the state at transaction {next} is what is \
                 there to begin with"
            );
            return Err(self.damaged(why));
        }
        for batch in self.txns.records(next).synced() {
            let batch = batch.map_err(|error| self.unreadable(error))?;
            for record in &batch.records().map_err(LogError::from)? {
                let record = record.map_err(LogError::from)?;
                if record.offset >= next {
                    self.apply(&mut recovered, record.offset, record.value.unwrap_or_default())?;
                }
            }
        }
        Ok(recovered)
    }

    fn apply(&self, to: &mut Recovered, offset: Offset, bytes: &[u8]) -> Result<(), JournalError> {
        let damaged = |why: String| {
            self.damaged(format!("the transaction at offset {offset} cannot be applied: {why}"))
        };
        let txn = Txn::decode(bytes).map_err(|why| damaged(why.to_string()))?;
        to.state.apply(&txn).map_err(|why| damaged(why.to_string()))?;
        to.next = offset.next().unwrap_or(offset);
        to.replayed += 1;
        Ok(())
    }

    /// Writes the state of the disk down as a snapshot, and lets go of what two snapshots know.
    fn write_down(&self) -> Result<(), JournalError> {
        let Recovered { state, next, base, replayed } = self.recover()?;
        if replayed == 0 {
            return Ok(());
        }
        snapshot::write(&self.snapshots, &state, next)?;
        tracing::info!("snapshot of {} nodes at zxid {:#x}", state.tree.len(), state.zxid);
        if let Some((begin, first)) = base {
            self.txns.delete_records_before(first)?;
            self.snapshots.delete_records_before(begin)?;
        }
        Ok(())
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::Damaged { dir: self.txns.dir(), why }
    }

    /// Damage is told with what to do about it, everything else as it is.
    fn unreadable(&self, error: LogError) -> JournalError {
        match error.fault() {
            Fault::Corrupt => self.damaged(error.to_string()),
            _ => error.into(),
        }
    }
}

/// Nothing goes by age or size: only what two snapshots know.
fn config(keeping: Keeping) -> LogConfig {
    // A transaction is hardly longer than its request: access lists may grow by a bounded part, numbers by ten bytes a node.
    let largest = keeping.max_request.saturating_mul(2).saturating_add(2 * BATCH);
    let largest = u32::try_from(largest).unwrap_or(u32::MAX).min(1 << 30);
    LogConfig {
        retention_ms: None,
        retention_bytes: None,
        max_message_bytes: largest,
        segment_bytes: largest.max(16 << 20),
        ..LogConfig::default()
    }
}

fn refuse_foreign(storage: &dyn Storage, data_dir: &Path) -> Result<(), JournalError> {
    let dir = data_dir.join(FOREIGN);
    let names = match storage.list(&dir) {
        Ok(names) => names,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(source) => return Err(JournalError::Look { dir, source }),
    };
    let data = |name: &str| name.starts_with("log.") || name.starts_with("snapshot.");
    if names.iter().any(|entry| data(&entry.name)) { Err(JournalError::Foreign(dir)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;

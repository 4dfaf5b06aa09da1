//! One directory of a store: what lies in it, its clean-shutdown marker and its checkpoints.

use super::LogName;
use crate::error::{LogError, Result};
use crate::format::checkpoint::{OffsetLine, Properties, read_offsets, write_offsets};
use crate::format::names::{
    CLEAN, COMPACTED, DirState, HIGH_WATERMARKS, LOG_STARTS, META, PartitionDir, RECOVERY_POINTS,
};
use crate::io::{DirEntry, DirLock, EntryKind, OpenMode, Storage};
use crate::log::Reserve;
use crate::log::files::{make_dir, moved_away, read_small, replace, sync_name};
use crate::types::{Offset, Position};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory that is locked.
#[derive(Debug)]
pub(super) struct DataDir {
    pub(super) path: PathBuf,
    /// Held until the store is closed or dropped.
    pub(super) lock: Mutex<Option<Box<dyn DirLock>>>,
    /// Room for what must be written on a full disk.
    pub(super) reserve: Option<Arc<Reserve>>,
}

/// What lies in a directory.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) logs: Vec<LogName>,
    /// Directories of logs that were deleted and not yet removed.
    pub(super) doomed: Vec<PathBuf>,
    /// Left alone: moves between disks and strays of Kafka.
    pub(super) left_alone: Vec<PathBuf>,
}

/// What the last user of the directory wrote down.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) clean: bool,
    pub(super) recovery_points: BTreeMap<LogName, Offset>,
    pub(super) log_starts: BTreeMap<LogName, Offset>,
    pub(super) compacted: BTreeMap<LogName, Offset>,
    /// Checkpoints that could not be read, and do without.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// One log's numbers for the checkpoints, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Checkpointed {
    pub(super) name: LogName,
    pub(super) synced: Option<Offset>,
    pub(super) end: Option<Offset>,
    /// The log start, if the first segment begins below it.
    pub(super) start: Option<Offset>,
    /// Where it is compacted to, if it ever was.
    pub(super) compacted: Option<Offset>,
}

impl DataDir {
    /// Makes the directory if it is not there, and takes its lock.
    pub(super) fn lock(storage: &dyn Storage, path: &Path) -> Result<Self> {
        make_dir(storage, path)?;
        match storage.lock_dir(path).map_err(LogError::io("lock", path))? {
            Ok(lock) => {
                sync_name(storage, path, true)?;
                Ok(Self { path: path.to_owned(), lock: Mutex::new(Some(lock)), reserve: None })
            }
            Err(holder) => Err(LogError::Locked { dir: path.to_owned(), holder }),
        }
    }

    /// Takes the reserve, or gives back an old one if `bytes` is 0.
    pub(super) fn take_reserve(&mut self, storage: &Arc<dyn Storage>, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Reserve::remove(&**storage, &self.path);
        }
        self.reserve = Some(Arc::new(Reserve::take(storage, &self.path, bytes)?));
        Ok(())
    }

    /// Does what may use the reserve; what is done must be fit to be done twice.
    pub(super) fn cover<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        match &self.reserve {
            Some(reserve) => reserve.cover(work),
            None => work(),
        }
    }

    /// Lets go of the lock.
    pub(super) fn unlock(&self) {
        *self.lock.lock() = None;
    }

    /// Looks at the names in the directory and changes nothing.
    ///
    /// # Errors
    ///
    /// [`LogError::Directory`] if there is a directory that is no log's.
    pub(super) fn look(&self, storage: &dyn Storage) -> Result<Contents> {
        let mut contents = Contents::default();
        for entry in storage.list(&self.path).map_err(LogError::io("list", &self.path))? {
            self.sort_in(&entry, &mut contents)?;
        }
        contents.logs.sort();
        Ok(contents)
    }

    fn sort_in(&self, entry: &DirEntry, contents: &mut Contents) -> Result<()> {
        let path = self.path.join(&entry.name);
        let foreign = |problem: String| Err(LogError::Directory { path: path.clone(), problem });
        let parsed = PartitionDir::parse(&entry.name);
        match (entry.kind, parsed.map(|dir| dir.state)) {
            // Plain files are ours by name or nobody's, and nobody's links lead nowhere.
            (EntryKind::File, _) | (EntryKind::Other, None) => Ok(()),
            (EntryKind::Other, Some(_)) => {
                foreign("has the name of a log but is a link; links are not followed".to_owned())
            }
            (EntryKind::Dir, Some(DirState::Live)) => match LogName::parse(&entry.name) {
                Ok(name) => {
                    contents.logs.push(name);
                    Ok(())
                }
                Err(error) => foreign(error.to_string()),
            },
            (EntryKind::Dir, Some(DirState::Deleted)) => {
                contents.doomed.push(path);
                Ok(())
            }
            (EntryKind::Dir, Some(DirState::Future | DirState::Stray)) => {
                contents.left_alone.push(path);
                Ok(())
            }
            (EntryKind::Dir, None) => foreign(format!(
                "found a directory that is no log's: '{}' is not in the form of topic-partition or \
                 topic-partition.uniqueId-delete (if marked for deletion): move it out of {}",
                entry.name,
                self.path.display()
            )),
        }
    }

    /// Reads the notes; takes the clean-shutdown marker away, durably, so that nothing written from now on is taken for
    /// clean.
    pub(super) fn take_notes(&self, storage: &dyn Storage) -> Result<Notes> {
        let mut notes = Notes::default();
        notes.recovery_points = self.read_checkpoint(storage, RECOVERY_POINTS, &mut notes.unreadable)?;
        notes.log_starts = self.read_checkpoint(storage, LOG_STARTS, &mut notes.unreadable)?;
        notes.compacted = self.read_checkpoint(storage, COMPACTED, &mut notes.unreadable)?;
        let marker = self.path.join(CLEAN);
        notes.clean = storage.exists(&marker).map_err(LogError::io("look for", &marker))?;
        if notes.clean {
            storage.remove_file(&marker).map_err(LogError::io("remove", &marker))?;
            self.sync(storage)?;
        }
        Ok(notes)
    }

    /// Fails if the directory is not where it was when its lock was taken: it was moved, removed, or something was put in
    /// its place. Nothing is made there then, least of all an empty log where there was one.
    pub(super) fn check_home(&self, storage: &dyn Storage) -> Result<()> {
        if self.lock.lock().is_none() {
            // A copy that is being made, or a store that was closed.
            return Ok(());
        }
        let lock = self.path.join(".lock");
        match storage.exists(&lock) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LogError::io("find", lock)(moved_away())),
            Err(error) => Err(LogError::io("look for", lock)(error)),
        }
    }

    /// Leaves the marker behind: the last thing that is done to the directory.
    pub(super) fn mark_clean(&self, storage: &dyn Storage) -> Result<()> {
        self.check_home(storage)?;
        let marker = self.path.join(CLEAN);
        self.cover(|| {
            let file = storage.open(&marker, OpenMode::Truncate).map_err(LogError::io("create", &marker))?;
            file.sync_data().map_err(LogError::io("sync", &marker))?;
            self.sync(storage)
        })
    }

    pub(super) fn sync(&self, storage: &dyn Storage) -> Result<()> {
        storage.sync_dir(&self.path).map_err(LogError::io("sync", &self.path))
    }

    /// A checkpoint that is not there, or cannot be read, says nothing: what it says is a help, not evidence.
    fn read_checkpoint(
        &self,
        storage: &dyn Storage,
        name: &str,
        unreadable: &mut Vec<(PathBuf, String)>,
    ) -> Result<BTreeMap<LogName, Offset>> {
        let path = self.path.join(name);
        let Some(bytes) = read_small(storage, &path)? else { return Ok(BTreeMap::new()) };
        let lines = read_offsets(&bytes).unwrap_or_else(|reason| {
            unreadable.push((path, reason.to_string()));
            Vec::new()
        });
        let named = |line: OffsetLine| Some((LogName::new(&line.topic, line.partition).ok()?, line.offset));
        Ok(lines.into_iter().filter_map(named).collect())
    }

    /// Writes where logs are synced to, where they begin, and how far they are compacted.
    pub(super) fn write_recovery_points(&self, storage: &dyn Storage, logs: &[Checkpointed]) -> Result<()> {
        self.write_checkpoint(storage, RECOVERY_POINTS, logs, |log| log.synced)?;
        self.write_checkpoint(storage, LOG_STARTS, logs, |log| log.start)?;
        self.write_compacted(storage, logs)
    }

    /// Writes how far logs are compacted; no file without one that is.
    fn write_compacted(&self, storage: &dyn Storage, logs: &[Checkpointed]) -> Result<()> {
        let path = self.path.join(COMPACTED);
        let any = logs.iter().any(|log| log.compacted.is_some());
        if any || storage.exists(&path).map_err(LogError::io("look for", &path))? {
            self.write_checkpoint(storage, COMPACTED, logs, |log| log.compacted)?;
        }
        Ok(())
    }

    /// Writes where logs end.
    pub(super) fn write_high_watermarks(&self, storage: &dyn Storage, logs: &[Checkpointed]) -> Result<()> {
        self.write_checkpoint(storage, HIGH_WATERMARKS, logs, |log| log.end)
    }

    fn write_checkpoint(
        &self,
        storage: &dyn Storage,
        name: &str,
        logs: &[Checkpointed],
        offset: impl Fn(&Checkpointed) -> Option<Offset>,
    ) -> Result<()> {
        let line = |log: &Checkpointed| {
            let (topic, partition) = (log.name.topic().to_owned(), log.name.partition());
            Some(OffsetLine { topic, partition, offset: offset(log)? })
        };
        let lines: Vec<_> = logs.iter().filter_map(line).collect();
        self.check_home(storage)?;
        let (path, bytes) = (self.path.join(name), write_offsets(&lines));
        self.cover(|| replace(storage, &path, bytes.as_bytes(), true))
    }
}

/// Reads `meta.properties` of a directory of a store; `None` if there is none. What stands in it is the caller's.
///
/// # Errors
///
/// [`LogError::Corrupt`] if it cannot be read as properties, or what the system answers.
pub fn read_meta(storage: &dyn Storage, dir: &Path) -> Result<Option<Properties>> {
    let path = dir.join(META);
    let Some(bytes) = read_small(storage, &path)? else { return Ok(None) };
    let read = Properties::read(&bytes);
    read.map(Some).map_err(|reason| LogError::Corrupt { path, position: Position::ZERO, reason })
}

/// Replaces `meta.properties` of a directory of a store, durably.
///
/// # Errors
///
/// What the system answers; the old one is then whole.
pub fn write_meta(storage: &dyn Storage, dir: &Path, meta: &Properties) -> Result<()> {
    replace(storage, &dir.join(META), meta.write().as_bytes(), true)
}

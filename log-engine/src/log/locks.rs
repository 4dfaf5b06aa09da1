//! Who may write a log: the locks that are held while one is open on its own.
//!
//! ```text
//! DIR/.lock           a store's: the lock itself while the store is open, a share while a log in DIR is open on its own
//! DIR/TOPIC-N/.lock   the log's, while it is open on its own
//! ```
//!
//! # Invariants
//!
//! * A log has one writer. A store has the lock of its directory before it looks whether one of its logs is locked; a log that is
//!   opened on its own has its own lock before it looks, for the last time, for that of a store. So one of two that come at the
//!   same time sees the other.
//! * Several logs in one directory do not shut each other out, nor is anything made in a directory that is no store's.
//! * Nothing is written in the directory of a store that somebody has open.
//!
//! # Not here
//!
//! The kinds of locks (`io`), the store's own (`store::dir`).

use super::files::{parent_of, real_path};
use super::mark;
use crate::error::{LogError, Result};
use crate::io::{DirLock, Storage};
use std::path::{Path, PathBuf};

/// What a log holds; nothing if its store sees to it.
#[derive(Debug, Default)]
pub(super) struct Locks(Vec<Box<dyn DirLock>>);

impl Locks {
    /// Takes a share of the lock of the store that a directory lies in, if it lies in one. The directory need not be there.
    pub(super) fn share(storage: &dyn Storage, dir: &Path) -> Result<Self> {
        let parent = parent_of(&real_path(storage, dir)?).to_owned();
        // A log in the directory of another one: that is no store, and its lock is its own.
        let mark = parent.join(mark::FILE_NAME);
        if storage.exists(&mark).map_err(LogError::io("look for", &mark))? {
            return Ok(Self::default());
        }
        Ok(Self(share(storage, parent)?.into_iter().collect()))
    }

    /// Takes the lock of the directory itself, which is there.
    pub(super) fn take(mut self, storage: &dyn Storage, dir: &Path) -> Result<Self> {
        let taken = storage.lock_dir(dir).map_err(LogError::io("lock", dir))?;
        let own = taken.map_err(|holder| LogError::Locked { dir: dir.to_owned(), holder })?;
        if self.0.is_empty() {
            // Somebody may have made a store of it since.
            self = Self::share(storage, dir)?;
        }
        self.0.push(own);
        Ok(self)
    }
}

/// Fails if somebody has the log in this directory open on its own.
pub(crate) fn check_free(storage: &dyn Storage, dir: &Path) -> Result<()> {
    share(storage, dir.to_owned()).map(drop)
}

fn share(storage: &dyn Storage, dir: PathBuf) -> Result<Option<Box<dyn DirLock>>> {
    let shared = storage.share_lock(&dir).map_err(LogError::io("lock", dir.join(".lock")))?;
    shared.map_err(|holder| LogError::Locked { dir, holder })
}

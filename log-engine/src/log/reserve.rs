//! Room that is kept on each data directory for what must be written on a full disk.
//!
//! A file `.space-reserve` in the data directory takes real blocks and holds nothing. When something that frees space or
//! keeps promises finds no room (a mark, a checkpoint, the record of a deletion, a clean stop), the file is emptied and the
//! write is tried again. From then on appends are refused, so that nobody else takes the room, until the whole reserve
//! could be taken anew.
//!
//! # Invariants
//!
//! * Full: it has its length and blocks for all of it, where the file system can reserve. Emptied: the name is there, the
//!   bytes are not; the next start knows by that that appends stay refused. No name: there never was room for it, and
//!   appends are not refused over it.
//! * It lies beside the logs, never in one, under a name that Kafka and the store's listing pass over; its content means
//!   nothing, and nothing is synced for it: a power cut costs at most the file.
//!
//! # Not here
//!
//! What may use it: those who call [`Reserve::cover`]. Appends, rolls, new logs and compaction do not.

use super::files::parent_of;
use crate::error::{LogError, Result};
use crate::io::{OpenMode, Storage, StorageFile};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name of the file, in the data directory.
const FILE_NAME: &str = ".space-reserve";

/// The reserve of one data directory.
#[derive(Debug)]
pub(crate) struct Reserve {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    bytes: u64,
    state: Mutex<State>,
    /// It was given up: what it left is not for appends.
    given_up: AtomicBool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// There was no room for it when it was wanted first.
    Missing,
    Kept,
    GivenUp,
}

impl Reserve {
    /// Takes so many bytes in a data directory, or what is there of an earlier one. A disk that is too full for it is no
    /// error.
    pub(crate) fn take(storage: &Arc<dyn Storage>, dir: &Path, bytes: u64) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        let there = storage.exists(&path).map_err(LogError::io("look for", &path))?;
        let reserve = Self {
            storage: Arc::clone(storage),
            path,
            bytes,
            state: Mutex::new(if there { State::GivenUp } else { State::Missing }),
            given_up: AtomicBool::new(there),
        };
        reserve.restore()?;
        Ok(reserve)
    }

    /// Gives back the room of a directory that is to keep none any more.
    pub(crate) fn remove(storage: &dyn Storage, dir: &Path) -> Result<()> {
        let path = dir.join(FILE_NAME);
        if !storage.exists(&path).map_err(LogError::io("look for", &path))? {
            return Ok(());
        }
        storage.remove_file(&path).map_err(LogError::io("remove", &path))
    }

    /// Whether it was given up, and appends are refused for it.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Refuses who may not use it, while what it left is all the room there is.
    pub(crate) fn check(&self, path: impl FnOnce() -> PathBuf, needed: u64) -> Result<()> {
        if !self.is_given_up() {
            return Ok(());
        }
        let reserve = Some((parent_of(&self.path).to_owned(), self.bytes));
        Err(LogError::NoSpace { path: path(), needed, reserve })
    }

    /// Does what may use the reserve: if it finds no room, once more without the reserve. What is done must be fit to be
    /// done twice.
    pub(crate) fn cover<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        let before = self.is_given_up();
        match work() {
            Err(error) if error.is_no_space() && (self.give_up() || !before && self.is_given_up()) => work(),
            done => done,
        }
    }

    /// Empties the file; false if there was nothing in it.
    fn give_up(&self) -> bool {
        let mut state = self.state.lock();
        if *state != State::Kept {
            return false;
        }
        // First: the room that is left is nobody's who appends.
        self.given_up.store(true, Ordering::SeqCst);
        if self.storage.open(&self.path, OpenMode::Truncate).is_err() {
            self.given_up.store(false, Ordering::SeqCst);
            return false;
        }
        *state = State::GivenUp;
        true
    }

    /// Takes the room again if there is so much. To be called now and then.
    pub(crate) fn restore(&self) -> Result<()> {
        let mut state = self.state.lock();
        if *state == State::Kept {
            return Ok(());
        }
        match self.fill(*state) {
            Ok(true) => {
                *state = State::Kept;
                self.given_up.store(false, Ordering::SeqCst);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) if error.is_no_space() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the file as it should be; false, and as it was, if there is no room.
    fn fill(&self, state: State) -> Result<bool> {
        let missing = state == State::Missing;
        let mode = if missing { OpenMode::CreateNew } else { OpenMode::ReadWrite };
        let opened = match self.storage.open(&self.path, mode) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.storage.open(&self.path, OpenMode::CreateNew)
            }
            opened => opened,
        };
        let file = opened.map_err(LogError::io("open", &self.path))?;
        match self.grow(&*file) {
            Err(error) if error.is_no_space() => {
                // Part of the room may have been taken.
                if missing {
                    self.storage.remove_file(&self.path).map_err(LogError::io("remove", &self.path))?;
                } else {
                    drop(self.storage.open(&self.path, OpenMode::Truncate));
                }
                Ok(false)
            }
            grown => grown.map(|()| true),
        }
    }

    fn grow(&self, file: &dyn StorageFile) -> Result<()> {
        let len = file.len().map_err(LogError::io("measure", &self.path))?;
        let dir = parent_of(&self.path);
        let available = self.storage.space(dir).map_err(LogError::io("measure", dir))?.available;
        // What cannot succeed is not tried, which would take the last blocks from others for a moment.
        if len < self.bytes && available < self.bytes - len {
            return Err(LogError::NoSpace { path: self.path.clone(), needed: self.bytes, reserve: None });
        }
        file.reserve(0, self.bytes).map_err(LogError::io("reserve", &self.path))?;
        if len == self.bytes {
            Ok(())
        } else {
            file.set_len(self.bytes).map_err(LogError::io("lengthen", &self.path))
        }
    }
}

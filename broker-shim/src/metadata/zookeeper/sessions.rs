//! `zookeeper-sessions`: the numbers of our last sessions with ZooKeeper, in the first data directory.
//!
//! ```text
//! 0x1000a8c21d70003       the newest first
//! ```
//!
//! After a kill, `/brokers/ids/N` and `/controller` outlive us for as long as the session may. They name the session that
//! owns them: if it stands in here, its owner held the lock of this directory, which we hold now, so it is dead and the
//! nodes can go at once. A session that does not stand in here is somebody else's, and may be alive.
//!
//! # Invariants
//!
//! * A number is on the disk before anything is registered under it.

use crate::metadata::identity::{DirectoryError, read_all, replace};
use log_engine::io::Storage;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "zookeeper-sessions";
/// Sessions that are remembered: those before the last ones have ended long ago.
const KEPT: usize = 8;

/// The sessions that were ours.
pub(super) struct Sessions {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    ours: Vec<i64>,
}

impl Sessions {
    /// Reads the file. Without it, or with one that makes no sense, no session was ours.
    pub(super) fn read(storage: Arc<dyn Storage>, dir: &Path) -> Self {
        let content = read_all(&*storage, &dir.join(FILE)).unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let number = |line: &str| u64::from_str_radix(line.trim().strip_prefix("0x")?, 16).ok();
        let ours = text.lines().filter_map(number).map(u64::cast_signed).take(KEPT).collect();
        Self { storage, dir: dir.to_owned(), ours }
    }

    /// Whether this session was, or is, ours.
    pub(super) fn contains(&self, session: i64) -> bool {
        self.ours.contains(&session)
    }

    /// Notes a session before it is used.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn note(&mut self, session: i64) -> Result<(), DirectoryError> {
        if self.ours.first() == Some(&session) {
            return Ok(());
        }
        self.ours.insert(0, session);
        self.ours.truncate(KEPT);
        let text: String = self.ours.iter().map(|session| format!("{session:#x}\n")).collect();
        replace(&*self.storage, &self.dir, FILE, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log_engine::io::MemStorage;

    #[test]
    fn sessions_are_known_after_a_restart_and_the_oldest_are_forgotten() {
        let storage: Arc<dyn Storage> = Arc::new(MemStorage::new());
        let dir = Path::new("/d");
        storage.create_dir_all(dir).unwrap();
        let mut sessions = Sessions::read(Arc::clone(&storage), dir);
        assert!(!sessions.contains(1));
        for session in [-1, 1, 2, 3, 4, 5, 6, 7, 8] {
            sessions.note(session).unwrap();
        }
        let again = Sessions::read(storage, dir);
        assert!((1..=8).all(|session| again.contains(session)));
        assert!(!again.contains(-1));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_nobody_s() {
        let storage: Arc<dyn Storage> = Arc::new(MemStorage::new());
        let dir = Path::new("/d");
        storage.create_dir_all(dir).unwrap();
        replace(&*storage, dir, FILE, "x\n0xzz\n12\n0xf000000000000001\n").unwrap();
        let sessions = Sessions::read(storage, dir);
        assert_eq!(sessions.ours, [0xf000_0000_0000_0001_u64.cast_signed()]);
    }
}

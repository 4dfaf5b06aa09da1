//! A storage that writes nothing, over any other: what a reader beside another process's writer works on.
//!
//! # Invariants
//!
//! * Whatever would change a file, a name or a lock is refused ([`ErrorKind::ReadOnlyFilesystem`]) before it reaches the
//!   storage below.
//! * Nothing is mapped: another process may shorten a file, and a map of it would end this one.

use super::{DirEntry, DirLock, FileId, Map, OpenMode, Space, Storage, StorageFile};
use crate::types::Timestamp;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

/// The files of another storage, to be read.
#[derive(Clone, Debug)]
pub struct ReadOnlyStorage(Arc<dyn Storage>);

impl ReadOnlyStorage {
    /// Over the files of `storage`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self(storage)
    }
}

fn refused<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl Storage for ReadOnlyStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        match mode {
            OpenMode::Read => Ok(Arc::new(ReadOnlyFile(self.0.open(path, mode)?))),
            OpenMode::ReadWrite | OpenMode::CreateNew | OpenMode::Truncate => refused(),
        }
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        refused()
    }

    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_fs(&self, _dir: &Path) -> io::Result<()> {
        refused()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.0.space(dir)
    }

    fn lock_dir(&self, _dir: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
        refused()
    }
}

#[derive(Debug)]
struct ReadOnlyFile(Arc<dyn StorageFile>);

impl StorageFile for ReadOnlyFile {
    fn id(&self) -> io::Result<FileId> {
        self.0.id()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        refused()
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, pos)
    }

    fn write_all_at(&self, _parts: &[&[u8]], _pos: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        refused()
    }

    fn start_write_back(&self, _pos: u64, _len: u64) -> io::Result<()> {
        refused()
    }

    fn reserve(&self, _pos: u64, _len: u64) -> io::Result<()> {
        refused()
    }

    fn set_modified(&self, _time: Timestamp) -> io::Result<()> {
        refused()
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.0.modified()
    }

    fn map(&self, _len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        Ok(None)
    }

    fn is_cached(&self, pos: u64, len: usize) -> bool {
        self.0.is_cached(pos, len)
    }

    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        self.0.send_to(socket, pos, len)
    }
}

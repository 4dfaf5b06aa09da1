//! A storage that is looked at and never written: what tools open somebody's directory with, and readers beside another
//! process's writer.
//!
//! # Invariants
//!
//! * Nothing is created, changed, synced, removed or locked: such calls answer `ReadOnlyFilesystem`, whatever the code
//!   above thinks it is doing.
//! * Nothing is mapped: another process may shorten a file, and a map of it would end this one.

use super::{DirEntry, DirLock, FileId, Map, OpenMode, Space, Storage, StorageFile};
use crate::types::Timestamp;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Another storage without its writing half, which counts the bytes that are read. Clones share the count.
#[derive(Clone, Debug)]
pub struct ReadOnlyStorage {
    inner: Arc<dyn Storage>,
    read: Arc<AtomicU64>,
}

impl ReadOnlyStorage {
    /// Over any storage.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, read: Arc::default() }
    }

    /// How many bytes were read through it: for whoever shows how far a long look has got.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

fn refused<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl Storage for ReadOnlyStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        if mode != OpenMode::Read {
            return refused();
        }
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(ReadOnlyFile { inner, read: Arc::clone(&self.read) }))
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_fs(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.inner.space(dir)
    }

    fn lock_dir(&self, _: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
        refused()
    }

    fn share_lock(&self, _: &Path) -> io::Result<Result<Option<Box<dyn DirLock>>, String>> {
        refused()
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonical(path)
    }
}

#[derive(Debug)]
struct ReadOnlyFile {
    inner: Arc<dyn StorageFile>,
    read: Arc<AtomicU64>,
}

impl StorageFile for ReadOnlyFile {
    fn id(&self) -> io::Result<FileId> {
        self.inner.id()
    }

    fn links(&self) -> io::Result<u64> {
        self.inner.links()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        refused()
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, pos)?;
        self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn write_all_at(&self, _: &[&[u8]], _: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        refused()
    }

    fn start_write_back(&self, _: u64, _: u64) -> io::Result<()> {
        refused()
    }

    fn drop_cached(&self, _: u64, _: u64) -> io::Result<()> {
        refused()
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
        refused()
    }

    fn set_modified(&self, _: Timestamp) -> io::Result<()> {
        refused()
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.inner.modified()
    }

    fn map(&self, _: u64) -> io::Result<Option<Arc<dyn Map>>> {
        Ok(None)
    }

    fn is_cached(&self, pos: u64, len: usize) -> bool {
        self.inner.is_cached(pos, len)
    }

    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        self.inner.send_to(socket, pos, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemStorage;

    #[test]
    fn what_would_change_the_disk_is_refused_and_reads_are_counted() {
        let disk = Arc::new(MemStorage::new());
        let (dir, path) = (Path::new("/d"), Path::new("/d/f"));
        disk.create_dir_all(dir).unwrap();
        disk.open(path, OpenMode::CreateNew).unwrap().write_all_at(&[b"0123456789"], 0).unwrap();
        let storage = ReadOnlyStorage::new(disk);
        let no =
            |result: io::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
        for mode in [OpenMode::ReadWrite, OpenMode::CreateNew, OpenMode::Truncate] {
            no(storage.open(path, mode).map(|_| ()));
        }
        no(storage.create_dir_all(dir));
        no(storage.rename(path, dir));
        no(storage.link(path, dir));
        no(storage.remove_file(path));
        no(storage.remove_dir_all(dir));
        no(storage.sync_dir(dir));
        no(storage.sync_fs(dir));
        no(storage.lock_dir(dir).map(|_| ()));
        no(storage.share_lock(dir).map(|_| ()));
        let file = storage.open(path, OpenMode::Read).unwrap();
        no(file.set_len(0));
        no(file.write_all_at(&[b"x"], 0));
        no(file.sync_data());
        no(file.reserve(0, 1));
        no(file.set_modified(Timestamp::default()));
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 3).unwrap();
        assert_eq!((&bytes, storage.bytes_read()), (b"3456", 4));
        assert_eq!(storage.list(dir).unwrap().len(), 1);
    }
}

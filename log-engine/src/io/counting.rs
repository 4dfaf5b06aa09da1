//! A storage that counts what passes through it, so that "one write per append" is a test and not a hope.

use super::{DirEntry, DirLock, FileId, Map, OpenMode, Space, Storage, StorageFile, Window};
use crate::types::Timestamp;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What is counted: one for each kind of call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// [`Storage::open`].
    Open,
    /// [`Storage::list`].
    List,
    /// [`Storage::exists`], and a file's length, id and time.
    Look,
    /// Names made, changed or removed: directories, renames, links.
    Name,
    /// [`Storage::sync_dir`] and [`Storage::sync_fs`].
    SyncDir,
    /// [`StorageFile::read_exact_at`], with bytes.
    Read,
    /// [`StorageFile::write_all_at`], with bytes.
    Write,
    /// [`StorageFile::set_len`] and [`StorageFile::set_modified`].
    Set,
    /// [`StorageFile::sync_data`].
    SyncData,
    /// [`StorageFile::start_write_back`], with bytes.
    WriteBack,
    /// [`StorageFile::reserve`], with bytes.
    Reserve,
    /// [`StorageFile::window`], with bytes.
    Window,
    /// [`Window::store`], with bytes. No system call.
    Store,
    /// [`StorageFile::map`].
    Map,
    /// [`Map::slice`], with bytes.
    Slice,
    /// [`StorageFile::send_to`], with the bytes that were taken.
    Send,
}

const OPS: usize = Op::Send as usize + 1;

/// How often, and how many bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Calls, failed ones included.
    pub calls: u64,
    /// Bytes asked for, 0 for calls without.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    ops: [(AtomicU64, AtomicU64); OPS],
    open: OpenNow,
}

/// Files that are open, the most there ever were, and how many there may be (0 for any number).
#[derive(Debug, Default)]
struct OpenNow {
    now: AtomicUsize,
    most: AtomicUsize,
    limit: AtomicUsize,
}

impl Counters {
    fn add(&self, op: Op, bytes: u64) {
        let (calls, total) = &self.ops[op as usize];
        calls.fetch_add(1, Ordering::Relaxed);
        total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether one more file may be open.
    fn check_room(&self) -> io::Result<()> {
        let limit = self.open.limit.load(Ordering::SeqCst);
        if limit > 0 && self.open.now.load(Ordering::SeqCst) >= limit {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        Ok(())
    }
}

/// Any storage, counted. Clones share the counts.
#[derive(Clone)]
pub struct CountingStorage {
    inner: Arc<dyn Storage>,
    counters: Arc<Counters>,
}

impl fmt::Debug for CountingStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingStorage").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl CountingStorage {
    /// Counts what `inner` is asked for.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, counters: Arc::default() }
    }

    /// The calls of one kind since the beginning or the last [`CountingStorage::reset`].
    #[must_use]
    pub fn count(&self, op: Op) -> Count {
        let (calls, bytes) = &self.counters.ops[op as usize];
        Count { calls: calls.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }

    /// The number of calls of one kind.
    #[must_use]
    pub fn calls(&self, op: Op) -> u64 {
        self.count(op).calls
    }

    /// Calls of all kinds together, but for [`Op::Store`], which calls nobody.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        let all: u64 = self.counters.ops.iter().map(|(calls, _)| calls.load(Ordering::Relaxed)).sum();
        all - self.calls(Op::Store)
    }

    /// How many files are open now, and the most that ever were at the same time.
    #[must_use]
    pub fn open_files(&self) -> (usize, usize) {
        let open = &self.counters.open;
        (open.now.load(Ordering::SeqCst), open.most.load(Ordering::SeqCst))
    }

    /// Refuses from now on to open more than so many at the same time, as a system does; 0 for any number.
    pub fn limit_open_files(&self, limit: usize) {
        self.counters.open.limit.store(limit, Ordering::SeqCst);
    }

    /// Starts over at 0.
    pub fn reset(&self) {
        for (calls, bytes) in &self.counters.ops {
            calls.store(0, Ordering::Relaxed);
            bytes.store(0, Ordering::Relaxed);
        }
    }
}

impl Storage for CountingStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.counters.add(Op::Open, 0);
        self.counters.check_room()?;
        let inner = self.inner.open(path, mode)?;
        let now = self.counters.open.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.counters.open.most.fetch_max(now, Ordering::SeqCst);
        Ok(Arc::new(CountingFile { inner, counters: Arc::clone(&self.counters) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.counters.add(Op::Name, 0);
        self.inner.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.counters.add(Op::List, 0);
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.counters.add(Op::Look, 0);
        self.inner.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.counters.add(Op::Name, 0);
        self.inner.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.counters.add(Op::Name, 0);
        self.inner.link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.counters.add(Op::Name, 0);
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.counters.add(Op::Name, 0);
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counters.add(Op::SyncDir, 0);
        // The directory is opened for it.
        self.counters.check_room()?;
        self.inner.sync_dir(dir)
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<()> {
        self.counters.add(Op::SyncDir, 0);
        self.inner.sync_fs(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.counters.add(Op::Look, 0);
        self.inner.space(dir)
    }

    fn max_open_files(&self) -> Option<usize> {
        self.inner.max_open_files()
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
        self.inner.lock_dir(dir)
    }

    fn share_lock(&self, dir: &Path) -> io::Result<Result<Option<Box<dyn DirLock>>, String>> {
        self.inner.share_lock(dir)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonical(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn StorageFile>,
    counters: Arc<Counters>,
}

impl Drop for CountingFile {
    fn drop(&mut self) {
        self.counters.open.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl StorageFile for CountingFile {
    fn id(&self) -> io::Result<FileId> {
        self.counters.add(Op::Look, 0);
        self.inner.id()
    }

    fn links(&self) -> io::Result<u64> {
        self.counters.add(Op::Look, 0);
        self.inner.links()
    }

    fn len(&self) -> io::Result<u64> {
        self.counters.add(Op::Look, 0);
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.counters.add(Op::Set, 0);
        self.inner.set_len(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.counters.add(Op::Read, buf.len() as u64);
        self.inner.read_exact_at(buf, pos)
    }

    fn write_all_at(&self, parts: &[&[u8]], pos: u64) -> io::Result<()> {
        self.counters.add(Op::Write, parts.iter().map(|part| part.len() as u64).sum());
        self.inner.write_all_at(parts, pos)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counters.add(Op::SyncData, 0);
        self.inner.sync_data()
    }

    fn start_write_back(&self, pos: u64, len: u64) -> io::Result<()> {
        self.counters.add(Op::WriteBack, len);
        self.inner.start_write_back(pos, len)
    }

    fn drop_cached(&self, pos: u64, len: u64) -> io::Result<()> {
        self.counters.add(Op::WriteBack, len);
        self.inner.drop_cached(pos, len)
    }

    fn reserve(&self, pos: u64, len: u64) -> io::Result<()> {
        self.counters.add(Op::Reserve, len);
        self.inner.reserve(pos, len)
    }

    fn window(&self, pos: u64, len: u64) -> io::Result<Option<Box<dyn Window>>> {
        self.counters.add(Op::Window, len);
        let Some(inner) = self.inner.window(pos, len)? else { return Ok(None) };
        Ok(Some(Box::new(CountingWindow { inner, counters: Arc::clone(&self.counters) })))
    }

    fn set_modified(&self, time: Timestamp) -> io::Result<()> {
        self.counters.add(Op::Set, 0);
        self.inner.set_modified(time)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.counters.add(Op::Look, 0);
        self.inner.modified()
    }

    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        self.counters.add(Op::Map, 0);
        let Some(inner) = self.inner.map(len)? else { return Ok(None) };
        Ok(Some(Arc::new(CountingMap { inner, counters: Arc::clone(&self.counters) })))
    }

    fn is_cached(&self, pos: u64, len: usize) -> bool {
        self.inner.is_cached(pos, len)
    }

    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        let sent = self.inner.send_to(socket, pos, len);
        self.counters.add(Op::Send, sent.as_ref().map_or(0, |sent| *sent as u64));
        sent
    }
}

#[derive(Debug)]
struct CountingMap {
    inner: Arc<dyn Map>,
    counters: Arc<Counters>,
}

impl Map for CountingMap {
    fn slice(self: Arc<Self>, pos: u64, len: usize, published: u64) -> Bytes {
        self.counters.add(Op::Slice, len as u64);
        Arc::clone(&self.inner).slice(pos, len, published)
    }

    fn lost(&self) -> Option<Range<u64>> {
        self.inner.lost()
    }
}

#[derive(Debug)]
struct CountingWindow {
    inner: Box<dyn Window>,
    counters: Arc<Counters>,
}

impl Window for CountingWindow {
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        self.counters.add(Op::Store, bytes.len() as u64);
        self.inner.store(pos, bytes)
    }
}

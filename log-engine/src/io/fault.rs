//! A storage whose n-th call fails: once or for ever, with any error, a write perhaps after half of its bytes.
//!
//! Calls that change the disk are counted, from 0 on, in the order in which they come:
//!
//! | [`Op`] | calls |
//! |---|---|
//! | `Name` | opening with `CreateNew` or `Truncate`, directories made, renames, links, removals |
//! | `Write`, `Set`, `Reserve`, `Window` | the same calls of a file |
//! | `Store` | stores through a window: no calls, but power may be cut before each |
//! | `SyncData`, `SyncDir` | syncs of files, of directories and of the file system |
//!
//! Others (`Open`, `List`, `Look`, `Read`, `Map`) are counted if the fault asks for them. A lasting fault on a
//! [`super::CrashStorage`] is the moment at which the machine stops: the disk stays as it was at that call.

use super::{DirEntry, DirLock, FileId, Map, Op, OpenMode, Space, Storage, StorageFile, Window};
use crate::types::Timestamp;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The kinds of calls that change what is on the disk, or make it durable.
const CHANGES: &[Op] =
    &[Op::Name, Op::Write, Op::Set, Op::Reserve, Op::Window, Op::Store, Op::SyncData, Op::SyncDir];

/// Which call fails, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    at: u64,
    kind: ErrorKind,
    lasting: bool,
    short: bool,
    among: Vec<Op>,
}

impl Fault {
    /// The call number `at` (from 0) among those that change the disk fails with `kind`; the next ones work.
    #[must_use]
    pub fn at(at: u64, kind: ErrorKind) -> Self {
        Self { at, kind, lasting: false, short: false, among: CHANGES.to_vec() }
    }

    /// Nothing fails: the calls are only counted.
    #[must_use]
    pub fn never() -> Self {
        Self::at(u64::MAX, ErrorKind::Other)
    }

    /// All counted calls after it fail too.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// A write or a store that fails leaves the first half of its bytes.
    #[must_use]
    pub fn short_writes(mut self) -> Self {
        self.short = true;
        self
    }

    /// Only calls of these kinds are counted, and fail.
    #[must_use]
    pub fn among(mut self, kinds: &[Op]) -> Self {
        self.among = kinds.to_vec();
        self
    }
}

#[derive(Debug)]
struct Plan {
    fault: Fault,
    calls: AtomicU64,
}

impl Plan {
    fn call(&self, op: Op) -> io::Result<()> {
        if !self.fault.among.contains(&op) {
            return Ok(());
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = call == self.fault.at || self.fault.lasting && call > self.fault.at;
        if fails { Err(self.fault.kind.into()) } else { Ok(()) }
    }
}

/// Any storage, with a fault.
#[derive(Clone, Debug)]
pub struct FaultStorage {
    inner: Arc<dyn Storage>,
    plan: Arc<Plan>,
}

impl FaultStorage {
    /// Passes everything on to `inner` but what the fault stops. Clones share the count.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, fault: Fault) -> Self {
        Self { inner, plan: Arc::new(Plan { fault, calls: AtomicU64::new(0) }) }
    }

    /// How many calls were counted.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.plan.calls.load(Ordering::SeqCst)
    }

    /// Whether the call that fails has come.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.calls() > self.plan.fault.at
    }
}

impl Storage for FaultStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let makes = matches!(mode, OpenMode::CreateNew | OpenMode::Truncate);
        self.plan.call(if makes { Op::Name } else { Op::Open })?;
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(FaultFile { inner, plan: Arc::clone(&self.plan) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.plan.call(Op::Name)?;
        self.inner.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.plan.call(Op::List)?;
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.plan.call(Op::Look)?;
        self.inner.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call(Op::Name)?;
        self.inner.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call(Op::Name)?;
        self.inner.link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.plan.call(Op::Name)?;
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.plan.call(Op::Name)?;
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.plan.call(Op::SyncDir)?;
        self.inner.sync_dir(dir)
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<()> {
        self.plan.call(Op::SyncDir)?;
        self.inner.sync_fs(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.plan.call(Op::Look)?;
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
struct FaultFile {
    inner: Arc<dyn StorageFile>,
    plan: Arc<Plan>,
}

impl StorageFile for FaultFile {
    fn id(&self) -> io::Result<FileId> {
        self.plan.call(Op::Look)?;
        self.inner.id()
    }

    fn links(&self) -> io::Result<u64> {
        self.plan.call(Op::Look)?;
        self.inner.links()
    }

    fn len(&self) -> io::Result<u64> {
        self.plan.call(Op::Look)?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.plan.call(Op::Set)?;
        self.inner.set_len(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.plan.call(Op::Read)?;
        self.inner.read_exact_at(buf, pos)
    }

    fn write_all_at(&self, parts: &[&[u8]], pos: u64) -> io::Result<()> {
        let Err(error) = self.plan.call(Op::Write) else { return self.inner.write_all_at(parts, pos) };
        if self.plan.fault.short {
            let whole = parts.concat();
            self.inner.write_all_at(&[&whole[..whole.len() / 2]], pos)?;
        }
        Err(error)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.plan.call(Op::SyncData)?;
        self.inner.sync_data()
    }

    fn start_write_back(&self, pos: u64, len: u64) -> io::Result<()> {
        self.plan.call(Op::WriteBack)?;
        self.inner.start_write_back(pos, len)
    }

    fn drop_cached(&self, pos: u64, len: u64) -> io::Result<()> {
        self.plan.call(Op::Read)?;
        self.inner.drop_cached(pos, len)
    }

    fn reserve(&self, pos: u64, len: u64) -> io::Result<()> {
        self.plan.call(Op::Reserve)?;
        self.inner.reserve(pos, len)
    }

    fn window(&self, pos: u64, len: u64) -> io::Result<Option<Box<dyn Window>>> {
        self.plan.call(Op::Window)?;
        let Some(inner) = self.inner.window(pos, len)? else { return Ok(None) };
        Ok(Some(Box::new(FaultWindow { inner, plan: Arc::clone(&self.plan) })))
    }

    fn set_modified(&self, time: Timestamp) -> io::Result<()> {
        self.plan.call(Op::Set)?;
        self.inner.set_modified(time)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.plan.call(Op::Look)?;
        self.inner.modified()
    }

    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        self.plan.call(Op::Map)?;
        self.inner.map(len)
    }

    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        self.plan.call(Op::Send)?;
        self.inner.send_to(socket, pos, len)
    }
}

#[derive(Debug)]
struct FaultWindow {
    inner: Box<dyn Window>,
    plan: Arc<Plan>,
}

impl Window for FaultWindow {
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let Err(error) = self.plan.call(Op::Store) else { return self.inner.store(pos, bytes) };
        if self.plan.fault.short {
            self.inner.store(pos, &bytes[..bytes.len() / 2])?;
        }
        Err(error)
    }
}

//! A disk that loses its power: what was written is kept apart from what was synced.
//!
//! ```text
//!   live      what the process sees: a memory storage
//!   synced    each file as it was at its last sync_data, each directory as it was at its last sync_dir
//!   dirty     4 KiB pages written since, changes of names since
//! ```
//!
//! [`CrashStorage::power_cut`] makes a new disk of `synced` and a part of `dirty`:
//!
//! * of each file any subset of its dirty pages, some of them by halves (512-byte sectors), and its old or its new length:
//!   pages that did not make it are zeros where the file is longer than it was;
//! * of each directory any subset of the changes of its names. A rename happens or does not. Changes that touch the same
//!   name keep their order: the later one is not there without the earlier one.
//!
//! Files keep their identity, locks are gone. The old disk stays as it is: one run gives as many cuts as are wanted.
//!
//! A sync can be made to fail as disks do ([`CrashStorage::fail_sync`]): the pages count as clean from then on, a later
//! sync succeeds, and they never reached the disk. They are shown until they are dropped from the cache
//! ([`StorageFile::drop_cached`]), or until the power is cut.
//!
//! # Not here
//!
//! Which call the power fails at: put a [`super::FaultStorage`] with a lasting fault on top.

use super::{
    Clock, DirEntry, DirLock, FileId, Map, MemStorage, OpenMode, Space, Storage, StorageFile, Window,
};
use crate::types::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What of the unsynced outlives a power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Survivors {
    /// Nothing: the disk is as it was at the last syncs.
    Nothing,
    /// Everything: as after a kill of the process.
    Everything,
    /// A subset that this number chooses; equal numbers choose equally.
    Some(u64),
}

/// A disk in memory whose power can be cut. Clones share it.
#[derive(Clone, Debug)]
pub struct CrashStorage {
    live: MemStorage,
    clock: Arc<dyn Clock>,
    disk: Arc<Mutex<Disk>>,
}

type DirId = usize;

/// The root's place in [`Disk::dirs`].
const ROOT: DirId = 0;

#[derive(Debug)]
struct Disk {
    /// Never shorter: a directory that is gone may come back by a cut.
    dirs: Vec<Dir>,
    files: HashMap<u64, Content>,
    /// Syncs of files so far, and the number of the one that fails.
    syncs: u64,
    failing: Option<u64>,
}

#[derive(Debug, Default)]
struct Dir {
    live: BTreeMap<String, Node>,
    synced: BTreeMap<String, Node>,
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Node {
    Dir(DirId),
    File(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Add(String, Node),
    Remove(String),
    Rename(String, String),
}

#[derive(Debug)]
struct Content {
    live: Arc<dyn StorageFile>,
    synced: Vec<u8>,
    /// Numbers of the pages that were written, cut or lengthened since.
    dirty: BTreeSet<usize>,
    /// Those that a failed sync took for written: they are not on the disk, and no later sync writes them.
    lost: BTreeSet<usize>,
}

impl CrashStorage {
    /// An empty disk; times of change come from `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let disk = Disk { dirs: vec![Dir::default()], files: HashMap::new(), syncs: 0, failing: None };
        Self { live: MemStorage::with_clock(Arc::clone(&clock)), clock, disk: Arc::new(Mutex::new(disk)) }
    }

    /// Lets files be stored to through windows: each store is a write that is not synced. On at first; a disk that comes
    /// of a power cut keeps the setting.
    pub fn allow_windows(&self, yes: bool) {
        self.live.allow_windows(yes);
    }

    /// The disk after the power was cut now; nothing on it is dirty.
    #[must_use]
    pub fn power_cut(&self, survivors: Survivors) -> Self {
        let disk = self.disk.lock();
        let fresh = Self::new(Arc::clone(&self.clock));
        fresh.allow_windows(self.live.allows_windows());
        let mut cut = Cut { disk: &disk, choice: Choice::new(survivors), fresh };
        cut.dir(ROOT, Path::new(""));
        let fresh = cut.fresh;
        fresh.sync_everything();
        fresh
    }

    /// The sync of a file number `at` (from 0, counted since the disk was made) fails, and what it should have written is
    /// lost although the next one succeeds: what Linux does after a write error.
    pub fn fail_sync(&self, at: u64) {
        self.disk.lock().failing = Some(at);
    }

    /// How many syncs of files there were.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.disk.lock().syncs
    }

    /// Declares all that is there durable.
    fn sync_everything(&self) {
        let mut disk = self.disk.lock();
        for dir in &mut disk.dirs {
            dir.sync();
        }
        for content in disk.files.values_mut() {
            content.sync();
        }
    }

    /// Notes a file that was just made or opened.
    fn note(&self, disk: &mut Disk, path: &Path, file: &Arc<dyn StorageFile>, cut: bool) -> io::Result<u64> {
        let id = file.id()?.0;
        if let Some(known) = disk.files.get_mut(&id) {
            if cut {
                known.touch(0..known.synced.len());
            }
            return Ok(id);
        }
        let live = self.live.open(path, OpenMode::ReadWrite)?;
        let nothing = Content { live, synced: Vec::new(), dirty: BTreeSet::new(), lost: BTreeSet::new() };
        disk.files.insert(id, nothing);
        let (dir, name) = disk.place(path)?;
        disk.dirs[dir].add(name, Node::File(id));
        Ok(id)
    }
}

/// The path's parts without `.` and a leading `/`.
fn parts(path: &Path) -> Vec<String> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

impl Disk {
    fn find_dir(&self, parts: &[String]) -> io::Result<DirId> {
        parts.iter().try_fold(ROOT, |at, name| match self.dirs[at].live.get(name) {
            Some(Node::Dir(id)) => Ok(*id),
            _ => Err(ErrorKind::NotFound.into()),
        })
    }

    /// The directory that a path lies in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(DirId, String)> {
        let mut parts = parts(path);
        let name = parts.pop().ok_or(ErrorKind::InvalidInput)?;
        Ok((self.find_dir(&parts)?, name))
    }

    fn make_dirs(&mut self, path: &Path) {
        let mut at = ROOT;
        for name in parts(path) {
            at = if let Some(Node::Dir(known)) = self.dirs[at].live.get(&name) {
                *known
            } else {
                let id = self.dirs.len();
                self.dirs.push(Dir::default());
                self.dirs[at].add(name, Node::Dir(id));
                id
            };
        }
    }

    fn remove_all_in(&mut self, dir: DirId) {
        for (name, node) in self.dirs[dir].live.clone() {
            if let Node::Dir(inner) = node {
                self.remove_all_in(inner);
            }
            self.dirs[dir].remove(&name);
        }
    }
}

impl Dir {
    fn add(&mut self, name: String, node: Node) {
        self.live.insert(name.clone(), node);
        self.changes.push(Change::Add(name, node));
    }

    fn remove(&mut self, name: &str) {
        self.live.remove(name);
        self.changes.push(Change::Remove(name.to_owned()));
    }

    fn sync(&mut self) {
        self.synced = self.live.clone();
        self.changes.clear();
    }
}

impl Content {
    fn touch(&mut self, bytes: Range<usize>) {
        if !bytes.is_empty() {
            let pages = bytes.start / PAGE..=(bytes.end - 1) / PAGE;
            self.lost.retain(|page| !pages.contains(page));
            self.dirty.extend(pages);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let len = self.live.len().ok().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let mut bytes = vec![0; len];
        self.live.read_exact_at(&mut bytes, 0).expect("memory holds what it said");
        bytes
    }

    fn sync(&mut self) {
        let mut bytes = self.bytes();
        for page in &self.lost {
            let (from, to) = ((page * PAGE).min(bytes.len()), ((page + 1) * PAGE).min(bytes.len()));
            bytes[from..to].fill(0);
            let kept = to.min(self.synced.len());
            if from < kept {
                bytes[from..kept].copy_from_slice(&self.synced[from..kept]);
            }
        }
        self.synced = bytes;
        self.dirty.clear();
    }

    /// Shows what the disk has in the place of pages that a failed sync took for written.
    fn forget(&mut self, bytes: Range<u64>) -> io::Result<()> {
        let (len, modified) = (self.live.len()?, self.live.modified()?);
        for page in std::mem::take(&mut self.lost) {
            let from = (page * PAGE) as u64;
            let to = (from + PAGE as u64).min(len);
            if from >= to {
                continue;
            }
            if from >= bytes.end || to <= bytes.start {
                self.lost.insert(page);
                continue;
            }
            let mut there = self.synced.get(page * PAGE..).unwrap_or_default().to_vec();
            there.resize(usize::try_from(to - from).unwrap_or(PAGE), 0);
            self.live.write_all_at(&[&there], from)?;
        }
        self.live.set_modified(modified)
    }

    fn fail_sync(&mut self) {
        self.lost.append(&mut self.dirty);
    }
}

/// The choice of what survives: a pseudo-random sequence that is different for each number, and repeatable.
#[derive(Debug)]
struct Choice {
    survivors: Survivors,
    state: u64,
    /// Of eight dirty things, so many survive: every cut has its own mood.
    eighths: u64,
}

impl Choice {
    fn new(survivors: Survivors) -> Self {
        let seed = if let Survivors::Some(seed) = survivors { seed } else { 0 };
        let mut this = Self { survivors, state: seed.wrapping_mul(0x2545_f491_4f6c_dd1d), eighths: 0 };
        this.eighths = 1 + this.next() % 7;
        this
    }

    /// The generator known as splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn survives(&mut self) -> bool {
        match self.survivors {
            Survivors::Nothing => false,
            Survivors::Everything => true,
            Survivors::Some(_) => self.next() % 8 < self.eighths,
        }
    }

    /// Whether a dirty page is written sector by sector when the power goes: one in eight.
    fn tears(&mut self) -> bool {
        matches!(self.survivors, Survivors::Some(_)) && self.next().is_multiple_of(8)
    }
}

/// A power cut in progress.
struct Cut<'a> {
    disk: &'a Disk,
    choice: Choice,
    fresh: CrashStorage,
}

impl Cut<'_> {
    fn dir(&mut self, id: DirId, path: &Path) {
        for (name, node) in self.names(&self.disk.dirs[id]) {
            let path = path.join(name);
            match node {
                Node::Dir(inner) => {
                    self.fresh.create_dir_all(&path).expect("its parent was made before");
                    self.dir(inner, &path);
                }
                Node::File(id) => self.file(id, &path),
            }
        }
    }

    fn names(&mut self, dir: &Dir) -> BTreeMap<String, Node> {
        let mut names = dir.synced.clone();
        let mut lost: HashSet<&str> = HashSet::new();
        for change in &dir.changes {
            let touched: [&str; 2] = match change {
                Change::Add(name, _) | Change::Remove(name) => [name, name],
                Change::Rename(from, to) => [from, to],
            };
            if touched.iter().any(|name| lost.contains(name)) || !self.choice.survives() {
                lost.extend(touched);
                continue;
            }
            match change {
                Change::Add(name, node) => drop(names.insert(name.clone(), *node)),
                Change::Remove(name) => drop(names.remove(name)),
                Change::Rename(from, to) => {
                    if let Some(node) = names.remove(from) {
                        names.insert(to.clone(), node);
                    }
                }
            }
        }
        names
    }

    fn file(&mut self, id: u64, path: &Path) {
        let content = &self.disk.files[&id];
        let live = content.bytes();
        let mut bytes = content.synced.clone();
        if bytes.len() != live.len() && self.choice.survives() {
            bytes.resize(live.len(), 0);
        }
        for page in content.dirty.iter().map(|page| page * PAGE..(page + 1) * PAGE) {
            if self.choice.tears() {
                for sector in page.step_by(SECTOR).map(|at| at..at + SECTOR) {
                    self.copy(&live, &mut bytes, sector);
                }
            } else {
                self.copy(&live, &mut bytes, page);
            }
        }
        let modified = content.live.modified().unwrap_or_default();
        self.fresh.put_back(path, FileId(id), bytes, modified);
    }

    fn copy(&mut self, live: &[u8], bytes: &mut [u8], range: Range<usize>) {
        let end = range.end.min(live.len()).min(bytes.len());
        if range.start < end && self.choice.survives() {
            bytes[range.start..end].copy_from_slice(&live[range.start..end]);
        }
    }
}

impl CrashStorage {
    fn put_back(&self, path: &Path, id: FileId, bytes: Vec<u8>, modified: Timestamp) {
        self.live.put_back(path, id, bytes, modified);
        let file = self.live.open(path, OpenMode::ReadWrite).expect("it was just put there");
        self.note(&mut self.disk.lock(), path, &file, false).expect("its directory was made before");
    }
}

impl Storage for CrashStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.disk.lock();
        let inner = self.live.open(path, mode)?;
        let id = self.note(&mut disk, path, &inner, mode == OpenMode::Truncate)?;
        Ok(Arc::new(CrashFile { inner, id, disk: Arc::clone(&self.disk) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.live.create_dir_all(path)?;
        disk.make_dirs(path);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.live.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.live.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.live.rename(from, to)?;
        let ((from_dir, from), (to_dir, to)) = (disk.place(from)?, disk.place(to)?);
        let Some(node) = disk.dirs[from_dir].live.get(&from).copied() else { return Ok(()) };
        if from_dir != to_dir {
            disk.dirs[from_dir].remove(&from);
            disk.dirs[to_dir].add(to, node);
            return Ok(());
        }
        let dir = &mut disk.dirs[from_dir];
        dir.live.remove(&from);
        dir.live.insert(to.clone(), node);
        dir.changes.push(Change::Rename(from, to));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.live.link(from, to)?;
        let ((from_dir, from), (to_dir, to)) = (disk.place(from)?, disk.place(to)?);
        if let Some(node) = disk.dirs[from_dir].live.get(&from).copied() {
            disk.dirs[to_dir].add(to, node);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.live.remove_file(path)?;
        let (dir, name) = disk.place(path)?;
        disk.dirs[dir].remove(&name);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.live.remove_dir_all(path)?;
        let (dir, name) = disk.place(path)?;
        if let Some(Node::Dir(inner)) = disk.dirs[dir].live.get(&name).copied() {
            disk.remove_all_in(inner);
        }
        disk.dirs[dir].remove(&name);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.live.sync_dir(dir)?;
        let id = disk.find_dir(&parts(dir))?;
        disk.dirs[id].sync();
        Ok(())
    }

    fn sync_fs(&self, _dir: &Path) -> io::Result<()> {
        self.sync_everything();
        Ok(())
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.live.space(dir)
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
        // The lock's file is made by way of this storage, so that its name is known here too.
        let file = dir.join(".lock");
        if !self.exists(&file)? && self.exists(dir)? {
            self.open(&file, OpenMode::CreateNew)?;
        }
        self.live.lock_dir(dir)
    }

    fn share_lock(&self, dir: &Path) -> io::Result<Result<Option<Box<dyn DirLock>>, String>> {
        self.live.share_lock(dir)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.live.canonical(path)
    }
}

#[derive(Debug)]
struct CrashFile {
    inner: Arc<dyn StorageFile>,
    id: u64,
    disk: Arc<Mutex<Disk>>,
}

impl CrashFile {
    /// Changes the file and notes which bytes of it may differ from the disk's.
    fn change(&self, range: Range<u64>, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut disk = self.disk.lock();
        change()?;
        let end = usize::try_from(range.end).map_err(|_| ErrorKind::StorageFull)?;
        let start = usize::try_from(range.start).map_err(|_| ErrorKind::StorageFull)?;
        if let Some(content) = disk.files.get_mut(&self.id) {
            content.touch(start..end);
        }
        Ok(())
    }
}

impl StorageFile for CrashFile {
    fn id(&self) -> io::Result<FileId> {
        self.inner.id()
    }

    fn links(&self) -> io::Result<u64> {
        self.inner.links()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let old = self.inner.len()?;
        self.change(old.min(len)..old.max(len), || self.inner.set_len(len))
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, pos)
    }

    fn write_all_at(&self, parts: &[&[u8]], pos: u64) -> io::Result<()> {
        let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
        // A gap between the old end and the write is zeros that were never written.
        self.change(pos..pos + len, || self.inner.write_all_at(parts, pos))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.inner.sync_data()?;
        let fails = disk.failing == Some(disk.syncs);
        disk.syncs += 1;
        match disk.files.get_mut(&self.id) {
            Some(content) if fails => {
                content.fail_sync();
                return Err(ErrorKind::Other.into());
            }
            Some(content) => content.sync(),
            None => {}
        }
        Ok(())
    }

    fn start_write_back(&self, pos: u64, len: u64) -> io::Result<()> {
        self.inner.start_write_back(pos, len)
    }

    fn drop_cached(&self, pos: u64, len: u64) -> io::Result<()> {
        // What is dirty is written first, or fails to be.
        let _ = self.sync_data();
        match self.disk.lock().files.get_mut(&self.id) {
            Some(content) => content.forget(pos..pos + len),
            None => Ok(()),
        }
    }

    fn reserve(&self, pos: u64, len: u64) -> io::Result<()> {
        self.inner.reserve(pos, len)
    }

    fn window(&self, pos: u64, len: u64) -> io::Result<Option<Box<dyn Window>>> {
        let old = self.inner.len()?;
        let mut made = None;
        // The length grows, by zeros that need not be on the disk.
        self.change(old..(pos + len).max(old), || {
            made = self.inner.window(pos, len)?;
            Ok(())
        })?;
        let Some(inner) = made else { return Ok(None) };
        let file = Self { inner: Arc::clone(&self.inner), id: self.id, disk: Arc::clone(&self.disk) };
        Ok(Some(Box::new(CrashWindow { inner, file })))
    }

    fn set_modified(&self, time: Timestamp) -> io::Result<()> {
        self.inner.set_modified(time)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.inner.modified()
    }

    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        self.inner.map(len)
    }

    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        self.inner.send_to(socket, pos, len)
    }
}

#[derive(Debug)]
struct CrashWindow {
    inner: Box<dyn Window>,
    file: CrashFile,
}

impl Window for CrashWindow {
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let inner = &mut self.inner;
        self.file.change(pos..pos + bytes.len() as u64, || inner.store(pos, bytes))
    }
}

#[cfg(test)]
mod tests;

//! A file system in memory, for tests: fast, private, and the base of storages that crash.
//!
//! It behaves as a careful file system does: an unlinked file lives on in its handles, a rename replaces, a
//! directory must exist before a file is made in it. There is nothing to sync. Slices of maps are copies; bytes of a
//! map that the file has not got (somebody shortened it) are zeros and lost, as with the handler of real maps.

use super::{
    Clock, DirEntry, DirLock, EntryKind, FileId, Map, OpenMode, SHARED, Space, Storage, StorageFile,
    SystemClock, Window,
};
use crate::types::Timestamp;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Files in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    names: Mutex<BTreeMap<PathBuf, Node>>,
    locks: Mutex<BTreeMap<PathBuf, Held>>,
    next_id: AtomicU64,
    used: AtomicU64,
    capacity: AtomicU64,
    windows: AtomicBool,
    clock: Arc<dyn Clock>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::default()))
    }
}

/// Who has the lock of a directory.
#[derive(Clone, Copy, Debug)]
enum Held {
    Alone,
    /// By so many.
    Shared(usize),
}

#[derive(Clone, Debug)]
enum Node {
    Dir,
    File(Arc<Inode>),
}

#[derive(Debug)]
struct Inode {
    id: FileId,
    shared: std::sync::Weak<Shared>,
    /// How many names it has.
    links: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    modified: Timestamp,
    /// Bytes at the end that take no room: there are such only by a planted bug.
    holes: u64,
}

impl Shared {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            names: Mutex::default(),
            locks: Mutex::default(),
            next_id: AtomicU64::new(1),
            used: AtomicU64::new(0),
            capacity: AtomicU64::new(1 << 40),
            windows: AtomicBool::new(true),
            clock,
        }
    }
}

impl MemStorage {
    /// An empty file system: the root directory exists, and relative paths start there.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with times of change from `clock`.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared::new(clock)) }
    }

    /// A copy of all that is there now, apart from this one: files keep their identity and links stay links. Nobody holds a
    /// lock on it.
    #[must_use]
    pub fn fork(&self) -> Self {
        let copy = Shared::new(Arc::clone(&self.shared.clock));
        copy.next_id.store(self.shared.next_id.load(Ordering::Relaxed), Ordering::Relaxed);
        copy.windows.store(self.allows_windows(), Ordering::Relaxed);
        copy.capacity.store(self.shared.capacity.load(Ordering::Relaxed), Ordering::Relaxed);
        let fork = Self { shared: Arc::new(copy) };
        for (path, node) in self.shared.names.lock().iter() {
            match node {
                Node::Dir => drop(fork.shared.names.lock().insert(path.clone(), Node::Dir)),
                Node::File(inode) => {
                    let state = inode.state.lock();
                    fork.put_back(path, inode.id, state.bytes.clone(), state.modified);
                }
            }
        }
        fork
    }

    /// Limits all files together to `bytes`; growing beyond is `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.shared.capacity.store(bytes, Ordering::Relaxed);
    }

    /// Lets files be stored to through windows, as on a file system that reserves blocks for real. On at first.
    pub fn allow_windows(&self, yes: bool) {
        self.shared.windows.store(yes, Ordering::Relaxed);
    }

    pub(super) fn allows_windows(&self) -> bool {
        self.shared.windows.load(Ordering::Relaxed)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Puts a file where a crash has left it, under the identity that it had; a second name of the same file is a link.
    pub(super) fn put_back(&self, path: &Path, id: FileId, bytes: Vec<u8>, modified: Timestamp) {
        let mut names = self.shared.names.lock();
        let known = names.values().find_map(|node| match node {
            Node::File(inode) if inode.id == id => Some(Arc::clone(inode)),
            _ => None,
        });
        let inode = known.unwrap_or_else(|| {
            self.shared.next_id.fetch_max(id.0 + 1, Ordering::Relaxed);
            self.shared.used.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let state = Mutex::new(State { bytes, modified, holes: 0 });
            Arc::new(Inode { id, shared: Arc::downgrade(&self.shared), links: AtomicU64::new(0), state })
        });
        set_name(&mut names, normal(path), Node::File(inode));
    }

    fn new_file(&self) -> Arc<Inode> {
        Arc::new(Inode {
            id: FileId(self.shared.next_id.fetch_add(1, Ordering::Relaxed)),
            shared: Arc::downgrade(&self.shared),
            links: AtomicU64::new(0),
            state: Mutex::new(State { bytes: Vec::new(), modified: self.shared.clock.now(), holes: 0 }),
        })
    }
}

/// The path without `.`, `..` and a leading `/`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    out
}

fn error(kind: ErrorKind) -> io::Error {
    kind.into()
}

/// Fails unless the directory that would hold `path` exists.
fn check_parent(names: &BTreeMap<PathBuf, Node>, path: &Path) -> io::Result<()> {
    match path.parent() {
        None => Err(error(ErrorKind::AlreadyExists)),
        Some(parent) => check_dir(names, parent),
    }
}

fn check_dir(names: &BTreeMap<PathBuf, Node>, dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() {
        return Ok(());
    }
    match names.get(dir) {
        Some(Node::Dir) => Ok(()),
        Some(Node::File(_)) => Err(error(ErrorKind::NotADirectory)),
        None => Err(error(ErrorKind::NotFound)),
    }
}

/// Gives a name to a file or a directory; what had it loses it.
fn set_name(names: &mut BTreeMap<PathBuf, Node>, path: PathBuf, node: Node) {
    if let Node::File(inode) = &node {
        inode.links.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(Node::File(old)) = names.insert(path, node) {
        old.links.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take_name(names: &mut BTreeMap<PathBuf, Node>, path: &Path) -> Option<Node> {
    let node = names.remove(path);
    if let Some(Node::File(inode)) = &node {
        inode.links.fetch_sub(1, Ordering::Relaxed);
    }
    node
}

/// All names below `dir`, not `dir` itself.
fn below(names: &BTreeMap<PathBuf, Node>, dir: &Path) -> Vec<PathBuf> {
    let inside = |path: &&PathBuf| path.starts_with(dir) && path.as_path() != dir;
    names.keys().filter(inside).cloned().collect()
}

impl Storage for MemStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let path = normal(path);
        let mut names = self.shared.names.lock();
        let found = match names.get(&path) {
            Some(Node::Dir) => return Err(error(ErrorKind::InvalidInput)),
            Some(Node::File(inode)) => Some(Arc::clone(inode)),
            None => None,
        };
        let inode = match (found, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(error(ErrorKind::AlreadyExists)),
            (None, OpenMode::Read | OpenMode::ReadWrite) => return Err(error(ErrorKind::NotFound)),
            (Some(inode), OpenMode::Truncate) if inode.links.load(Ordering::Relaxed) > 1 => {
                let inode = self.new_file();
                set_name(&mut names, path, Node::File(Arc::clone(&inode)));
                inode
            }
            (Some(inode), OpenMode::Truncate) => {
                inode.resize(0)?;
                inode
            }
            (Some(inode), _) => inode,
            (None, _) => {
                check_parent(&names, &path)?;
                let inode = self.new_file();
                set_name(&mut names, path, Node::File(Arc::clone(&inode)));
                inode
            }
        };
        Ok(Arc::new(MemFile { inode, writable: mode != OpenMode::Read }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut names = self.shared.names.lock();
        let mut at = PathBuf::new();
        for part in normal(path).components() {
            at.push(part);
            match names.get(&at) {
                Some(Node::File(_)) => return Err(error(ErrorKind::NotADirectory)),
                Some(Node::Dir) => {}
                None => drop(names.insert(at.clone(), Node::Dir)),
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let dir = normal(dir);
        let names = self.shared.names.lock();
        check_dir(&names, &dir)?;
        let mut entries = Vec::new();
        for (path, node) in names.iter().filter(|(path, _)| path.parent() == Some(dir.as_path())) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            entries.push(node.entry(name.to_owned()));
        }
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let path = normal(path);
        Ok(path.as_os_str().is_empty() || self.shared.names.lock().contains_key(&path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), normal(to));
        let mut names = self.shared.names.lock();
        let node = names.get(&from).cloned().ok_or_else(|| error(ErrorKind::NotFound))?;
        check_parent(&names, &to)?;
        match (&node, names.get(&to)) {
            (Node::File(_), Some(Node::Dir)) => return Err(error(ErrorKind::IsADirectory)),
            (Node::Dir, Some(Node::File(_))) => return Err(error(ErrorKind::NotADirectory)),
            (Node::Dir, Some(Node::Dir)) if from != to && !below(&names, &to).is_empty() => {
                return Err(error(ErrorKind::DirectoryNotEmpty));
            }
            _ => {}
        }
        for old in below(&names, &from) {
            let moved = take_name(&mut names, &old).expect("listed under this lock");
            let rest = old.strip_prefix(&from).expect("it lies below").to_owned();
            set_name(&mut names, to.join(rest), moved);
        }
        take_name(&mut names, &from);
        set_name(&mut names, to, node);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), normal(to));
        let mut names = self.shared.names.lock();
        let node = match names.get(&from) {
            Some(Node::File(inode)) => Node::File(Arc::clone(inode)),
            Some(Node::Dir) => return Err(error(ErrorKind::PermissionDenied)),
            None => return Err(error(ErrorKind::NotFound)),
        };
        if names.contains_key(&to) {
            return Err(error(ErrorKind::AlreadyExists));
        }
        check_parent(&names, &to)?;
        set_name(&mut names, to, node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut names = self.shared.names.lock();
        match names.get(&path) {
            None => Err(error(ErrorKind::NotFound)),
            Some(Node::Dir) => Err(error(ErrorKind::IsADirectory)),
            Some(Node::File(_)) => {
                take_name(&mut names, &path);
                Ok(())
            }
        }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut names = self.shared.names.lock();
        check_dir(&names, &path)?;
        for old in below(&names, &path) {
            take_name(&mut names, &old);
        }
        take_name(&mut names, &path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        check_dir(&self.shared.names.lock(), &normal(dir))
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<()> {
        self.sync_dir(dir)
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let total = self.shared.capacity.load(Ordering::Relaxed);
        Ok(Space { total, available: total.saturating_sub(self.shared.used.load(Ordering::Relaxed)) })
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
        let dir = normal(dir);
        check_dir(&self.shared.names.lock(), &dir)?;
        match self.shared.locks.lock().entry(dir.clone()) {
            Entry::Occupied(held) => return Ok(Err(held.get().holder())),
            Entry::Vacant(free) => drop(free.insert(Held::Alone)),
        }
        // As on disk: the name stays when the lock is gone.
        if !self.exists(&dir.join(".lock"))? {
            self.open(&dir.join(".lock"), OpenMode::CreateNew)?;
        }
        Ok(Ok(Box::new(MemLock { shared: Arc::clone(&self.shared), dir })))
    }

    fn share_lock(&self, dir: &Path) -> io::Result<Result<Option<Box<dyn DirLock>>, String>> {
        let dir = normal(dir);
        if !matches!(self.shared.names.lock().get(&dir.join(".lock")), Some(Node::File(_))) {
            return Ok(Ok(None));
        }
        match self.shared.locks.lock().entry(dir.clone()).or_insert(Held::Shared(0)) {
            Held::Shared(count) => *count += 1,
            held @ Held::Alone => return Ok(Err(held.holder())),
        }
        Ok(Ok(Some(Box::new(MemLock { shared: Arc::clone(&self.shared), dir }))))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let found = normal(path);
        if self.exists(&found)? { Ok(Path::new("/").join(found)) } else { Err(error(ErrorKind::NotFound)) }
    }
}

impl Held {
    fn holder(self) -> String {
        match self {
            Self::Alone => format!("process {}", std::process::id()),
            Self::Shared(_) => SHARED.to_owned(),
        }
    }
}

#[derive(Debug)]
struct MemLock {
    shared: Arc<Shared>,
    dir: PathBuf,
}

impl DirLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut locks = self.shared.locks.lock();
        match locks.get_mut(&self.dir) {
            Some(Held::Shared(count)) if *count > 1 => *count -= 1,
            _ => drop(locks.remove(&self.dir)),
        }
    }
}

impl Node {
    fn entry(&self, name: String) -> DirEntry {
        match self {
            Self::Dir => {
                DirEntry { name, kind: EntryKind::Dir, len: 0, modified: Timestamp::default(), id: FileId(0) }
            }
            Self::File(inode) => {
                let state = inode.state.lock();
                let len = state.bytes.len() as u64;
                DirEntry { name, kind: EntryKind::File, len, modified: state.modified, id: inode.id }
            }
        }
    }
}

impl Inode {
    /// Changes the length with the state locked by the caller, and keeps the account of room.
    fn resize_locked(&self, state: &mut State, len: u64) -> io::Result<()> {
        let old = state.bytes.len() as u64;
        let new = usize::try_from(len).map_err(|_| error(ErrorKind::StorageFull))?;
        if let Some(shared) = self.shared.upgrade() {
            if len > old {
                let used = shared.used.fetch_add(len - old, Ordering::Relaxed) + (len - old);
                if used > shared.capacity.load(Ordering::Relaxed) {
                    shared.used.fetch_sub(len - old, Ordering::Relaxed);
                    return Err(error(ErrorKind::StorageFull));
                }
            } else {
                let holes = state.holes.min(old - len);
                state.holes -= holes;
                shared.used.fetch_sub(old - len - holes, Ordering::Relaxed);
            }
            state.modified = shared.clock.now();
        }
        state.bytes.resize(new, 0);
        Ok(())
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.resize_locked(&mut self.state.lock(), len)
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let state = self.state.get_mut();
            shared.used.fetch_sub(state.bytes.len() as u64 - state.holes, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
struct MemFile {
    inode: Arc<Inode>,
    writable: bool,
}

impl MemFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(error(ErrorKind::PermissionDenied)) }
    }
}

/// The bytes `[pos, pos + len)` if all of them are there.
fn range(bytes: &[u8], pos: u64, len: usize) -> Option<&[u8]> {
    let start = usize::try_from(pos).ok()?;
    bytes.get(start..start.checked_add(len)?)
}

impl StorageFile for MemFile {
    fn id(&self) -> io::Result<FileId> {
        Ok(self.inode.id)
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.inode.links.load(Ordering::Relaxed))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.state.lock().bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.inode.resize(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        let state = self.inode.state.lock();
        let found = range(&state.bytes, pos, buf.len()).ok_or_else(|| error(ErrorKind::UnexpectedEof))?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn write_all_at(&self, parts: &[&[u8]], pos: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.inode.state.lock();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if total == 0 {
            return Ok(());
        }
        let start = usize::try_from(pos).map_err(|_| error(ErrorKind::StorageFull))?;
        let len = (state.bytes.len() as u64).max(pos + total as u64);
        self.inode.resize_locked(&mut state, len)?;
        let mut rest = &mut state.bytes[start..start + total];
        for part in parts {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn start_write_back(&self, _pos: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn drop_cached(&self, _pos: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _pos: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn window(&self, pos: u64, len: u64) -> io::Result<Option<Box<dyn Window>>> {
        self.check_writable()?;
        if !self.inode.shared.upgrade().is_some_and(|shared| shared.windows.load(Ordering::Relaxed)) {
            return Ok(None);
        }
        let mut state = self.inode.state.lock();
        let whole = (state.bytes.len() as u64).max(pos + len);
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::planted::Bug::StoreToASparseMapping) {
            let old = state.bytes.len() as u64;
            state.bytes.resize(usize::try_from(whole).map_err(|_| error(ErrorKind::StorageFull))?, 0);
            state.holes += whole - old;
            return Ok(Some(Box::new(SparseWindow { inode: Arc::clone(&self.inode), from: old })));
        }
        self.inode.resize_locked(&mut state, whole)?;
        drop(state);
        Ok(Some(Box::new(MemWindow { inode: Arc::clone(&self.inode), pos, len })))
    }

    fn set_modified(&self, time: Timestamp) -> io::Result<()> {
        self.inode.state.lock().modified = time;
        Ok(())
    }

    fn modified(&self) -> io::Result<Timestamp> {
        Ok(self.inode.state.lock().modified)
    }

    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        Ok(Some(Arc::new(MemMap { inode: Arc::clone(&self.inode), len, lost: Mutex::default() })))
    }

    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        let bytes = {
            let state = self.inode.state.lock();
            let start = usize::try_from(pos).unwrap_or(usize::MAX).min(state.bytes.len());
            let end = start.saturating_add(len.min(64 * 1024)).min(state.bytes.len());
            state.bytes[start..end].to_vec()
        };
        Ok(rustix::io::write(socket, &bytes)?)
    }
}

#[derive(Debug)]
struct MemMap {
    inode: Arc<Inode>,
    len: u64,
    lost: Mutex<Option<Range<u64>>>,
}

impl Map for MemMap {
    fn slice(self: Arc<Self>, pos: u64, len: usize, published: u64) -> Bytes {
        let end = pos.checked_add(len as u64).expect("a range within a file");
        assert!(end <= published, "bytes [{pos}, {end}) are not published yet, only {published} are");
        assert!(end <= self.len.max(1), "bytes [{pos}, {end}) lie beyond a map of {}", self.len);
        let state = self.inode.state.lock();
        if let Some(bytes) = range(&state.bytes, pos, len) {
            return Bytes::copy_from_slice(bytes);
        }
        let there = state.bytes.len() as u64;
        let from = there.clamp(pos, end);
        let mut lost = self.lost.lock();
        let known = lost.take().unwrap_or(from..end);
        *lost = Some(known.start.min(from)..known.end.max(end));
        let mut bytes =
            range(&state.bytes, pos, usize::try_from(from - pos).unwrap_or(0)).unwrap_or(&[]).to_vec();
        bytes.resize(len, 0);
        Bytes::from(bytes)
    }

    fn lost(&self) -> Option<Range<u64>> {
        self.lost.lock().clone()
    }
}

#[derive(Debug)]
struct MemWindow {
    inode: Arc<Inode>,
    pos: u64,
    len: u64,
}

impl Window for MemWindow {
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let end = pos + bytes.len() as u64;
        assert!(
            self.pos <= pos && end <= self.pos + self.len,
            "bytes [{pos}, {end}) lie outside of a window"
        );
        let start = usize::try_from(pos).expect("a position in a file in memory");
        let mut state = self.inode.state.lock();
        let place = state.bytes.get_mut(start..start + bytes.len());
        place.expect("a file is not cut below its window: on a disk this is SIGBUS").copy_from_slice(bytes);
        if let Some(shared) = self.inode.shared.upgrade() {
            state.modified = shared.clock.now();
        }
        Ok(())
    }
}

/// A map of a file that has no blocks from a position on: each store takes some, and there is no way to say that there are
/// none.
#[cfg(feature = "planted-bugs")]
#[derive(Debug)]
struct SparseWindow {
    inode: Arc<Inode>,
    from: u64,
}

#[cfg(feature = "planted-bugs")]
impl Window for SparseWindow {
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let end = pos + bytes.len() as u64;
        let shared = self.inode.shared.upgrade().expect("the storage of an open file");
        let taken = end.saturating_sub(self.from.max(pos));
        let used = shared.used.fetch_add(taken, Ordering::Relaxed) + taken;
        assert!(used <= shared.capacity.load(Ordering::Relaxed), "SIGBUS: a store to a hole of a full disk");
        let start = usize::try_from(pos).expect("a position in a file in memory");
        let mut state = self.inode.state.lock();
        state.holes -= taken;
        state.bytes.get_mut(start..start + bytes.len()).expect("SIGBUS").copy_from_slice(bytes);
        Ok(())
    }
}

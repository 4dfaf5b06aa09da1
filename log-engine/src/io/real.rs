//! The operating system's files.
//!
//! # Why maps are sound here
//!
//! A [`RealMap`] never makes a reference to bytes that may change or may not exist: [`Map::slice`] refuses ranges
//! beyond what the writer has published; published bytes are never written again and the file is never shortened
//! below them (`segment` upholds it; whoever cuts makes a new file). Writers in other processes are shut out by
//! the directory lock. Deletion unlinks the name: the inode lives on under the map.
//!
//! # Not here
//!
//! The window for small appends is in `window`. What happens when a mapped file is shorter than it was, or cannot be read
//! (`sigbus`).

#[cfg(target_os = "linux")]
use super::Window;
use super::sigbus::{Access, Watched};
use super::{DirEntry, DirLock, EntryKind, FileId, Map, OpenMode, Space, Storage, StorageFile};
use crate::types::Timestamp;
use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod lock;
#[cfg(target_os = "linux")]
mod window;
mod write_back;

pub use write_back::{WriteBackThread, write_back_thread};

/// So many parts cost no allocation: an append has two.
const FEW_PARTS: usize = 8;
/// Most parts that one `pwritev` takes (`IOV_MAX`).
const MAX_PARTS: usize = 1024;
/// Ranges longer than this are looked at at both ends.
#[cfg(target_os = "linux")]
const LOOKED_AT_TWICE: usize = 64 * 1024;
/// What the kernel allows a process unless it is told otherwise.
const DEFAULT_MAP_COUNT: usize = 65_530;

/// Maps of this process, all storages together: the kernel's limit is the process's.
static MAPS: AtomicUsize = AtomicUsize::new(0);

/// The machine's file systems.
#[derive(Clone, Copy, Debug)]
pub struct RealStorage {
    max_maps: usize,
}

impl Default for RealStorage {
    fn default() -> Self {
        Self { max_maps: default_max_maps() }
    }
}

impl RealStorage {
    /// The file systems of this machine; at most a quarter of `vm.max_map_count` maps are made.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, but everything is read with `pread`: slower, and a file that somebody shortens or a sector that cannot be
    /// read is an error like any other, without a handler of signals.
    #[must_use]
    pub const fn without_maps() -> Self {
        Self::with_max_maps(0)
    }

    /// The same with another limit on maps, all storages of the process together; what goes beyond is read with `pread`.
    #[must_use]
    pub const fn with_max_maps(max_maps: usize) -> Self {
        Self { max_maps }
    }

    fn open_real(&self, path: &Path, mode: OpenMode) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        match mode {
            OpenMode::Read | OpenMode::ReadWrite => {}
            OpenMode::CreateNew => drop(options.create_new(true)),
            OpenMode::Truncate => drop(options.create(true)),
        }
        // O_NONBLOCK has no meaning for files, and keeps a FIFO of that name from holding us up.
        let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        if mode == OpenMode::Truncate {
            if meta.nlink() > 1 {
                // Somebody else's too: it keeps its content, and the name becomes a new file's.
                fs::remove_file(path)?;
                return self.open_real(path, OpenMode::CreateNew);
            }
            file.set_len(0)?;
        }
        Ok(RealFile { file: Arc::new(file), max_maps: self.max_maps })
    }
}

fn default_max_maps() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        text.trim().parse().unwrap_or(DEFAULT_MAP_COUNT) / 4
    })
}

impl Storage for RealStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(self.open_real(path, mode)?))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(meta) => entries.push(dir_entry(name, &meta)),
                // It went away between the listing and the look.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    #[cfg(target_os = "linux")]
    fn copy(&self, from: &Path, to: &Path, len: u64) -> io::Result<Arc<dyn StorageFile>> {
        let (source, target) =
            (self.open_real(from, OpenMode::Read)?, self.open_real(to, OpenMode::CreateNew)?);
        let mut at = 0;
        while at < len {
            let piece = usize::try_from(len - at).unwrap_or(usize::MAX);
            let (mut read_at, mut write_at) = (at, at);
            let (file, copy) = (&source.file, &target.file);
            match rustix::fs::copy_file_range(file, Some(&mut read_at), copy, Some(&mut write_at), piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(copied) => at += copied as u64,
                Err(rustix::io::Errno::INTR) => {}
                // Between file systems, or on one that cannot.
                Err(_) => {
                    super::copy_range(&source, &target, at, len)?;
                    break;
                }
            }
        }
        Ok(Arc::new(target))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        open_dir(dir)?.sync_all()
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<()> {
        let dir = open_dir(dir)?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&dir)?;
        #[cfg(not(target_os = "linux"))]
        dir.sync_all()?;
        Ok(())
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space { total: bytes(stat.f_blocks), available: bytes(stat.f_bavail) })
    }

    fn max_open_files(&self) -> Option<usize> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
        lock::lock(dir)
    }

    fn share_lock(&self, dir: &Path) -> io::Result<Result<Option<Box<dyn DirLock>>, String>> {
        lock::share(dir)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }
}

fn dir_entry(name: String, meta: &Metadata) -> DirEntry {
    let kind = match meta.file_type() {
        t if t.is_file() => EntryKind::File,
        t if t.is_dir() => EntryKind::Dir,
        _ => EntryKind::Other,
    };
    DirEntry { name, kind, len: meta.len(), modified: modified(meta), id: FileId(meta.ino()) }
}

fn modified(meta: &Metadata) -> Timestamp {
    let since = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    i64::try_from(since.as_millis()).ok().and_then(Timestamp::from_millis).unwrap_or_default()
}

fn open_dir(dir: &Path) -> io::Result<File> {
    let here = PathBuf::from(".");
    let dir = if dir.as_os_str().is_empty() { &here } else { dir };
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir)
}

/// An open file of the operating system.
#[derive(Debug)]
struct RealFile {
    /// Shared with the thread that starts write-back.
    file: Arc<File>,
    max_maps: usize,
}

impl StorageFile for RealFile {
    fn id(&self) -> io::Result<FileId> {
        Ok(FileId(self.file.metadata()?.ino()))
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.nlink())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, pos)
    }

    fn write_all_at(&self, parts: &[&[u8]], mut pos: u64) -> io::Result<()> {
        for parts in parts.chunks(MAX_PARTS) {
            let (mut few, mut many) = ([IoSlice::new(&[]); FEW_PARTS], Vec::new());
            let mut rest = if let Some(few) = few.get_mut(..parts.len()) {
                few.iter_mut().zip(parts).for_each(|(slice, part)| *slice = IoSlice::new(part));
                few
            } else {
                many.extend(parts.iter().map(|part| IoSlice::new(part)));
                &mut many[..]
            };
            // Empty parts in front would make a write of nothing look like a full disk.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match write_parts(&self.file, rest, pos) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        pos += written as u64;
                        IoSlice::advance_slices(&mut rest, written);
                    }
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn start_write_back(&self, pos: u64, len: u64) -> io::Result<()> {
        write_back::start(&self.file, pos, len)
    }

    #[cfg(target_os = "linux")]
    fn drop_cached(&self, pos: u64, len: u64) -> io::Result<()> {
        use rustix::fs::{Advice, fadvise};
        // Dirty pages would stay; those that cannot be written are clean afterwards.
        let _ = self.file.sync_data();
        let Some(len) = std::num::NonZeroU64::new(len) else { return Ok(()) };
        Ok(fadvise(&self.file, pos, Some(len), Advice::DontNeed)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn drop_cached(&self, _pos: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, pos: u64, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        loop {
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, pos, len) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) | Ok(()) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _pos: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn window(&self, pos: u64, len: u64) -> io::Result<Option<Box<dyn Window>>> {
        window::open(self, pos, len)
    }

    fn set_modified(&self, time: Timestamp) -> io::Result<()> {
        let since = Duration::from_millis(time.as_millis().unsigned_abs());
        let time = UNIX_EPOCH.checked_add(since).unwrap_or_else(SystemTime::now);
        self.file.set_modified(time)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        Ok(modified(&self.file.metadata()?))
    }

    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        // At most one more than the limit for every thread that gets here at once: the limit is a quarter of
        // the kernel's, there is room.
        if MAPS.load(Ordering::Relaxed) >= self.max_maps {
            return Ok(None);
        }
        let len = usize::try_from(len).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        match MmapOptions::new().len(len.max(1)).map_raw_read_only(&self.file) {
            Ok(map) => {
                MAPS.fetch_add(1, Ordering::Relaxed);
                let watched = Watched::new(map.as_ptr(), map.len(), Access::Read);
                Ok(Some(Arc::new(RealMap { watched, map })))
            }
            // No address space, or another part of the process has used up the kernel's count.
            Err(e) if e.kind() == ErrorKind::OutOfMemory => Ok(None),
            Err(e) => Err(e),
        }
    }

    #[cfg(target_os = "linux")]
    fn is_cached(&self, pos: u64, len: usize) -> bool {
        let last = pos.saturating_add(len as u64).saturating_sub(1);
        // What was written or read ahead together mostly goes together.
        !(waits_at(&self.file, last) || len > LOOKED_AT_TWICE && waits_at(&self.file, pos))
    }

    #[cfg(target_os = "linux")]
    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        let mut pos = pos;
        Ok(rustix::fs::sendfile(socket, &self.file, Some(&mut pos), len)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        let mut buf = vec![0; len.min(64 * 1024)];
        let read = self.file.read_at(&mut buf, pos)?;
        Ok(rustix::io::write(socket, &buf[..read])?)
    }
}

/// Whether reading one byte would wait for a device.
#[cfg(target_os = "linux")]
fn waits_at(file: &File, pos: u64) -> bool {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let mut byte = [0];
    let read = preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], pos, ReadWriteFlags::NOWAIT);
    // File systems that cannot tell answer something else.
    read == Err(Errno::AGAIN)
}

#[cfg(target_os = "linux")]
fn write_parts(file: &File, parts: &[IoSlice<'_>], pos: u64) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, parts, pos)?)
}

#[cfg(not(target_os = "linux"))]
fn write_parts(file: &File, parts: &[IoSlice<'_>], pos: u64) -> io::Result<usize> {
    file.write_at(&parts[0], pos)
}

/// A read-only map. Raw, so that no reference to bytes that are still being written ever exists.
#[derive(Debug)]
struct RealMap {
    /// First: the handler forgets the range before it is unmapped.
    watched: Watched,
    map: MmapRaw,
}

impl Drop for RealMap {
    fn drop(&mut self) {
        MAPS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Map for RealMap {
    fn slice(self: Arc<Self>, pos: u64, len: usize, published: u64) -> Bytes {
        let end = pos.checked_add(len as u64).expect("a range within a file");
        assert!(end <= published, "bytes [{pos}, {end}) are not published yet, only {published} are");
        let start = usize::try_from(pos).expect("a position within a map");
        let fits = start.checked_add(len).is_some_and(|end| end <= self.map.len());
        assert!(fits, "bytes [{pos}, {end}) lie beyond a map of {}", self.map.len());
        Bytes::from_owner(MapSlice { map: self, start, len })
    }

    fn lost(&self) -> Option<Range<u64>> {
        self.watched.lost()
    }
}

/// A range of a map that was published when it was made.
struct MapSlice {
    map: Arc<RealMap>,
    start: usize,
    len: usize,
}

impl AsRef<[u8]> for MapSlice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `RealMap::slice`, the only place that makes one, has checked that the range lies within the
        // map and within the published bytes of the file: `segment` never writes those again and never shortens
        // the file below them, and the directory lock keeps other processes away. The map lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.map.as_ptr().add(self.start), self.len) }
    }
}

//! The only place that talks to the operating system, and the only one with `unsafe`.
//!
//! [`Storage`] is the file system as a log needs it, [`Clock`] the time. Both are trait objects, so that `Log`
//! is not generic, and so that a test can put a memory, a crashing or a failing disk under the real engine:
//! every byte that is stored and every sync passes a method here.
//!
//! # Invariants
//!
//! * Bytes that were published once are never written again and the file is never shortened below them;
//!   whoever wants to cut copies the kept prefix to a new file and renames it in. Read-only maps rely on this.
//! * Nothing here retries a failed sync: the caller poisons the log.
//! * Unlinking a file that is mapped or open is harmless: readers keep the inode.
//! * What a map gives is the file's, unless [`Map::lost`] says otherwise after it was read. A fault in a map ends the
//!   process unless it has asked for the handler ([`install_sigbus_handler`]).
//!
//! # Not here
//!
//! What the bytes mean (`format`), when to sync (`log`).

use bytes::Bytes;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::types::Timestamp;

mod clock;
#[cfg(any(test, feature = "test-util"))]
mod counting;
#[cfg(any(test, feature = "test-util"))]
mod crash;
#[cfg(any(test, feature = "test-util"))]
mod fault;
#[cfg(any(test, feature = "test-util"))]
mod memory;
#[cfg(any(test, feature = "test-util"))]
#[expect(unsafe_code, reason = "an allocator that counts")]
mod peak;
mod read_only;
#[expect(unsafe_code, reason = "maps, and two system calls that rustix lacks")]
mod real;
#[expect(unsafe_code, reason = "a signal handler and the memory that it looks at")]
mod sigbus;
#[cfg(test)]
mod tests;

pub use clock::{Clock, ManualClock, SystemClock};
#[cfg(any(test, feature = "test-util"))]
pub use counting::{Count, CountingStorage, Op};
#[cfg(any(test, feature = "test-util"))]
pub use crash::{CrashStorage, Survivors};
#[cfg(any(test, feature = "test-util"))]
pub use fault::{Fault, FaultStorage};
#[cfg(any(test, feature = "test-util"))]
pub use memory::MemStorage;
#[cfg(any(test, feature = "test-util"))]
pub use peak::PeakAllocator;
pub use read_only::ReadOnlyStorage;
pub use real::{RealStorage, WriteBackThread, write_back_thread};
pub use sigbus::install_sigbus_handler;

/// How a file is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// Must exist; reads only.
    Read,
    /// Must exist; reads and writes.
    ReadWrite,
    /// Must not exist; is created; reads and writes.
    CreateNew,
    /// Is created or cut to nothing, or replaced by a new file if it has a second name; only for files of ours that are never mapped (checkpoints, temporary files).
    Truncate,
}

/// One name in a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirEntry {
    /// The name, without its directory. Names that are not UTF-8 are not ours and are left out of listings.
    pub name: String,
    /// What it is; symbolic links are [`EntryKind::Other`] and never followed.
    pub kind: EntryKind,
    /// Length in bytes, of a file.
    pub len: u64,
    /// When its content last changed.
    pub modified: Timestamp,
    /// Which file it is.
    pub id: FileId,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A link, socket, device...
    Other,
}

/// Which file it is, whatever its name: changes when a directory is copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileId(pub u64);

/// Room on the file system of a directory, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// The whole of it.
    pub total: u64,
    /// What an unprivileged process may still use.
    pub available: u64,
}

/// A file system.
///
/// Paths are absolute or relative to the process, as the operating system takes them. An implementation keeps
/// what was written apart from what was synced only if it wants to be crashed; the engine assumes nothing is
/// durable before [`StorageFile::sync_data`] (content) and [`Storage::sync_dir`] (names).
pub trait Storage: Send + Sync + Debug {
    /// Opens a file. Symbolic links in the last part of the path are refused.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>>;
    /// Makes a directory and its missing parents; it may exist.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// What is in a directory, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Whether the name exists (a dangling link does).
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Renames over whatever has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Copies the first `len` bytes of a file to a new one, which must not exist; the file systems that can share the
    /// blocks do. `UnexpectedEof` if the file is shorter. Nothing is synced.
    fn copy(&self, from: &Path, to: &Path, len: u64) -> io::Result<Arc<dyn StorageFile>> {
        let (source, target) = (self.open(from, OpenMode::Read)?, self.open(to, OpenMode::CreateNew)?);
        copy_range(&*source, &*target, 0, len)?;
        Ok(target)
    }
    /// Removes a file's name.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all that is in it; links are removed, not followed.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything on the file system of `dir` durable.
    fn sync_fs(&self, dir: &Path) -> io::Result<()>;
    /// Room on the file system of `dir`.
    fn space(&self, dir: &Path) -> io::Result<Space>;
    /// How many files the process may have open at once, as far as it is known.
    fn max_open_files(&self) -> Option<usize> {
        None
    }
    /// Takes the lock of a directory (file `.lock`, the kind that Java's `FileChannel.lock` conflicts with);
    /// `Err` is the holder as text: `process 4711`. Held until the guard is dropped.
    fn lock_dir(&self, dir: &Path) -> io::Result<std::result::Result<Box<dyn DirLock>, String>>;
    /// Takes a share of that lock, if the directory has the file: any number may have one at a time, and nobody the lock
    /// itself meanwhile. `Ok(None)` without a regular file of that name: nobody can have locked it. Nothing is made.
    fn share_lock(&self, dir: &Path) -> io::Result<std::result::Result<Option<Box<dyn DirLock>>, String>>;
    /// The absolute path of what is there, without links and `..`; `NotFound` if nothing is.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
}

/// Copies `[from, to)` of a file to the same place of another, piece by piece.
fn copy_range(source: &dyn StorageFile, target: &dyn StorageFile, from: u64, to: u64) -> io::Result<()> {
    let mut buf = vec![0; COPIED_AT_ONCE];
    let mut at = from;
    while at < to {
        let piece = usize::try_from(to - at).unwrap_or(COPIED_AT_ONCE).min(COPIED_AT_ONCE);
        source.read_exact_at(&mut buf[..piece], at)?;
        target.write_all_at(&[&buf[..piece]], at)?;
        at += piece as u64;
    }
    Ok(())
}

/// Bytes on the heap while a file is copied.
const COPIED_AT_ONCE: usize = 256 * 1024;

/// Who has a directory whose lock is shared, as far as it can be told.
const SHARED: &str = "whoever has a log in it open on its own";

/// A held directory lock; dropping it lets go.
pub trait DirLock: Send + Sync + Debug {}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
pub trait StorageFile: Send + Sync + Debug {
    /// Which file it is.
    fn id(&self) -> io::Result<FileId>;
    /// How many names it has. A file with more than one is somebody else's too (`cp -al`, a snapshot): nobody writes it.
    fn links(&self) -> io::Result<u64>;
    /// Length in bytes. Blocks reserved beyond it do not count.
    fn len(&self) -> io::Result<u64>;
    /// Lengthens (with zeros) or shortens the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Fills `buf` from `pos`; `UnexpectedEof` if the file is too short.
    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()>;
    /// Writes all of `parts`, one after the other, from `pos` on: one system call where the system takes all.
    /// On an error some bytes may have been written: the caller does not publish them.
    fn write_all_at(&self, parts: &[&[u8]], pos: u64) -> io::Result<()>;
    /// Makes the content, and the length needed to read it, durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Starts write-back of a range without waiting for it; promises nothing.
    fn start_write_back(&self, pos: u64, len: u64) -> io::Result<()>;
    /// Makes the system forget what it has cached of a range, so that what is read next is what the disk has: after a failed
    /// sync the two may differ. What is dirty is written first, whatever comes of it; the length stays. Pages that somebody has
    /// mapped stay too, and so does everything where the cache is the disk (tmpfs).
    fn drop_cached(&self, pos: u64, len: u64) -> io::Result<()>;
    /// Reserves blocks for `[pos, pos + len)` without changing the length; `StorageFull` if there is no room.
    /// Where the file system cannot reserve this does nothing.
    fn reserve(&self, pos: u64, len: u64) -> io::Result<()>;
    /// A window onto `[pos, pos + len)` through which bytes are stored without a system call.
    ///
    /// Blocks for the whole range are taken first, so that a store cannot meet a full disk, and the file's length becomes at
    /// least `pos + len`: the rest reads as zeros until it is stored to. `None` where the file system does not reserve for
    /// real, or where this process has as many windows as it may have: the caller writes with
    /// [`StorageFile::write_all_at`] instead. Both ways lead to the same page cache, in whatever order they are used.
    ///
    /// While the window lives the file must not be cut below its end.
    ///
    /// # Errors
    ///
    /// `StorageFull` if there is no room. Some of the room may have been taken, and the file be longer than it was.
    fn window(&self, _pos: u64, _len: u64) -> io::Result<Option<Box<dyn Window>>> {
        Ok(None)
    }
    /// Sets the modification time.
    fn set_modified(&self, time: Timestamp) -> io::Result<()>;
    /// The modification time.
    fn modified(&self) -> io::Result<Timestamp>;
    /// A read-only map of the first `len` bytes, which may lie beyond the present length (see [`Map::slice`]).
    ///
    /// `None` if the process has as many maps as it may have: the caller reads with
    /// [`StorageFile::read_exact_at`] instead.
    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>>;
    /// Whether reading the range would not wait for a device, as far as a look at its ends can tell: a guess, for
    /// whoever must not be held up. Where the system cannot tell it is true.
    fn is_cached(&self, _pos: u64, _len: usize) -> bool {
        true
    }
    /// Writes up to `len` bytes from `pos` of this file to a socket, without bringing them into this process
    /// where the system can (`sendfile`). The answer is how many it took, 0 only at the end of the file;
    /// `WouldBlock` as the socket says. The caller keeps to published bytes.
    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize>;
}

/// A part of a file that one writer stores to; dropping it leaves what was stored, and the file's length.
pub trait Window: Send + Sync + Debug {
    /// Puts bytes at `pos` of the file, without a system call. They survive the end of this process at once, and a power cut
    /// after the next [`StorageFile::sync_data`]. The caller stores above what was published only.
    ///
    /// # Errors
    ///
    /// If the bytes are not in the file, or not all of them: the caller does not publish them.
    ///
    /// # Panics
    ///
    /// If the range does not lie in the window.
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()>;
}

/// A read-only view of a file that grows underneath it.
pub trait Map: Send + Sync + Debug {
    /// The bytes `[pos, pos + len)`, without a copy where the storage can do without.
    ///
    /// `published` is how many bytes of the file the writer has published: the range must end there or before,
    /// which is what makes reading the map sound (published bytes never change) and safe from SIGBUS (the
    /// file is at least that long). Panics if the range ends beyond `published` or beyond the map.
    fn slice(self: Arc<Self>, pos: u64, len: usize, published: u64) -> Bytes;
    /// The bytes that could not be had from the file when they were read, if there are any: one range that holds all of
    /// them, and grows. In their place are zeros. To be asked after the bytes in question were read; it says so for all
    /// reads that came before, by whatever thread.
    fn lost(&self) -> Option<Range<u64>> {
        None
    }
}

//! A writable map of the tail of a file.
//!
//! ```text
//!  0                       pos                    pos + len = length of the file
//!  +-----------------------+----------+-----------+
//!  | below: not mapped     | stored   | zeros     |
//!  +-----------------------+----------+-----------+
//! ```
//!
//! # Invariants
//!
//! * No store meets a hole: `fallocate` without `KEEP_SIZE` takes the blocks and extends the length in one call before the map
//!   is made, and only on file systems where that is a reservation and not a promise. A full disk is an error of that
//!   call; a store to a sparse map would end the process.
//! * The file is not cut below a window: `segment` drops the window before it trims.
//! * A store that cannot reach the file, because somebody has shortened it, is an error (`sigbus`), and ends the process that
//!   has not asked for the handler.
//! * All windows of the process together are bounded, by bytes and (with the read-only maps) by number.
//!
//! # Not here
//!
//! Which appends go through a window, and how long it is (`segment`).

use super::{MAPS, RealFile};
use crate::io::Window;
use crate::io::sigbus::{Access, Watched};
use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate, fstatfs};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of all windows of this process together, at most. Address space and page tables, and zeros behind the ends of files.
const MOST: u64 = 1 << 30;

/// Pages of a window as long as this are made ready so many bytes at a time, ahead of the stores: a fault for each costs more. A
/// log gets such a window after a megabyte of small appends: those that are seldom written have no dirty zeros for it.
const AHEAD: usize = 64 * 1024;
const AHEAD_FROM: usize = 1 << 20;

/// Bytes of all windows of this process.
static WINDOWED: Budget = Budget(AtomicU64::new(0));

/// The file systems on which `fallocate` reserves for real, by `statfs`: ext4 (ext2 and ext3 have the same number, and
/// refuse the call) and tmpfs. Not xfs: where blocks can be shared between files (`reflink`), a store to a shared one takes a
/// new block, and whether they can is not told here. Not btrfs, where every write does.
const RESERVING: [u64; 2] = [0xef53, 0x0102_1994];

#[derive(Debug)]
struct RealWindow {
    /// First: the handler forgets the range before it is unmapped.
    watched: Watched,
    map: MmapRaw,
    /// Where in the file the map begins: the page that holds `pos`.
    mapped: u64,
    pos: u64,
    len: u64,
    /// Pages up to here are ready, or not to be made ready.
    ready: usize,
}

pub(super) fn open(file: &RealFile, pos: u64, len: u64) -> io::Result<Option<Box<dyn Window>>> {
    let mapped = pos - pos % rustix::param::page_size() as u64;
    let Some(size) = usize::try_from(pos - mapped + len).ok().filter(|_| len > 0) else { return Ok(None) };
    if MAPS.load(Ordering::Relaxed) >= file.max_maps || !reserves(&file.file)? {
        return Ok(None);
    }
    if !WINDOWED.take(len, MOST) {
        return Ok(None);
    }
    let map = take_blocks(&file.file, pos, len).and_then(|taken| {
        if !taken {
            return Ok(None);
        }
        // The first page may be on the disk only. If it cannot be read this is an error, and not a signal at the first store.
        file.file.read_exact_at(&mut [0], pos)?;
        match MmapOptions::new().offset(mapped).len(size).map_raw(&file.file) {
            Ok(map) => Ok(Some(map)),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => Ok(None),
            Err(e) => Err(e),
        }
    });
    if let Ok(Some(map)) = map {
        MAPS.fetch_add(1, Ordering::Relaxed);
        let watched = Watched::new(map.as_ptr(), map.len(), Access::Write);
        let ready = if size < AHEAD_FROM { usize::MAX } else { 0 };
        return Ok(Some(Box::new(RealWindow { watched, map, mapped, pos, len, ready })));
    }
    WINDOWED.give_back(len);
    map.map(|_| None)
}

fn reserves(file: &File) -> io::Result<bool> {
    let kind = fstatfs(file)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| RESERVING.contains(&kind)))
}

/// Takes blocks for the range and makes the file so long; false where the file system cannot.
fn take_blocks(file: &File, pos: u64, len: u64) -> io::Result<bool> {
    loop {
        match fallocate(file, FallocateFlags::empty(), pos, len) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
            Ok(()) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
    }
}

impl Window for RealWindow {
    fn store(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let inside = pos >= self.pos
            && pos.checked_add(bytes.len() as u64).is_some_and(|end| end <= self.pos + self.len);
        let Some(at) = usize::try_from(pos.wrapping_sub(self.mapped)).ok().filter(|_| inside) else {
            panic!("{} bytes at {pos} do not lie in a window of {} at {}", bytes.len(), self.len, self.pos);
        };
        if at + bytes.len() > self.ready {
            self.make_ready(at, at + bytes.len());
        }
        // SAFETY: the range lies in the map, as was just checked, and the map lives as long as `self`. It has blocks: `open` has
        // reserved them, and `segment` drops the window before it cuts the file (`Tail::cut`), so no page of it is beyond
        // the file's end. No reference to these bytes exists: `RealMap::slice` gives only what is published, `segment` stores
        // above that, and `&mut self` keeps a second writer away.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(at), bytes.len()) }
        match self.watched.lost() {
            None => Ok(()),
            // Somebody has shortened the file, or its page could not be read: some of the bytes went nowhere.
            Some(lost) => {
                let lost = self.mapped + lost.start..self.mapped + lost.end;
                Err(io::Error::other(format!(
                    "bytes [{}, {}) of the file could not be stored",
                    lost.start, lost.end
                )))
            }
        }
    }
}

impl RealWindow {
    /// Takes the faults of the pages of a store and some more. What lies before it was written by other ways, or is ready.
    #[cold]
    fn make_ready(&mut self, start: usize, end: usize) {
        let from = self.ready.max(start - start % rustix::param::page_size());
        let to = (end.saturating_add(AHEAD) / AHEAD * AHEAD).min(self.map.len());
        let done = self.map.advise_range(Advice::PopulateWrite, from, to - from);
        // An older kernel, or a page that cannot be had: the store finds out.
        self.ready = if done.is_ok() { to } else { usize::MAX };
    }
}

impl Drop for RealWindow {
    fn drop(&mut self) {
        MAPS.fetch_sub(1, Ordering::Relaxed);
        WINDOWED.give_back(self.len);
    }
}

/// So many bytes are in use.
#[derive(Debug)]
struct Budget(AtomicU64);

impl Budget {
    fn take(&self, bytes: u64, most: u64) -> bool {
        let add = |used: u64| used.checked_add(bytes).filter(|all| *all <= most);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{OpenMode, RealStorage, Storage, install_sigbus_handler};

    #[test]
    fn a_store_to_a_file_that_somebody_has_shortened_is_an_error() {
        install_sigbus_handler().unwrap();
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let file = RealStorage::new().open(&path, OpenMode::CreateNew).unwrap();
        file.write_all_at(&[&[1; 5000]], 0).unwrap();
        let Some(mut window) = file.window(5000, 20_000).unwrap() else { return };
        window.store(5000, b"abc").unwrap();
        File::options().write(true).open(&path).unwrap().set_len(6000).unwrap();
        window.store(5500, b"abc").unwrap();
        assert!(window.store(9000, b"abc").is_err());
        assert!(window.store(5000, b"abc").is_err(), "it is not to be trusted any more");
    }

    #[test]
    fn no_more_is_taken_than_there_is_and_what_is_given_back_is_there_again() {
        let budget = Budget(AtomicU64::new(0));
        assert!(budget.take(60, 100) && !budget.take(41, 100) && budget.take(40, 100));
        assert!(!budget.take(1, 100) && !budget.take(u64::MAX, 100));
        budget.give_back(60);
        assert!(budget.take(60, 100));
    }
}

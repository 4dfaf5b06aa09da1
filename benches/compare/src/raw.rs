//! The raw limits: the same bytes without an engine.
//!
//! A file is written with `pwrite` into blocks of one of three kinds: fallocated, written before (zeros), or none (the
//! file grows). Write-back is started behind the writer, as ours does.

use crate::peers::Outcome;
use bytes::Bytes;
use log_engine::format::batch::{ATTRIBUTES_AT, HEADER_LEN};
use log_engine::io::{Map, OpenMode, RealStorage, Storage, StorageFile};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What the blocks are into which a raw writer writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blocks {
    /// Reserved, never written.
    Fallocated,
    /// Written with zeros and synced before.
    Written,
    /// None: the file grows with each write.
    Growing,
}

/// Blocks are reserved in such steps, and write-back starts after so much.
const STEP: u64 = 16 << 20;
const WRITE_BACK: u64 = 8 << 20;

/// A file that is only written.
pub struct RawFile {
    file: File,
    same: Arc<dyn StorageFile>,
    blocks: Blocks,
    pub end: u64,
    reserved: u64,
    written_back: u64,
}

impl RawFile {
    /// `room` is how much is zeroed for [`Blocks::Written`].
    pub fn create(dir: &Path, blocks: Blocks, room: u64) -> Outcome<Self> {
        std::fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        let path = dir.join("raw");
        let file =
            File::options().read(true).write(true).create_new(true).open(&path).map_err(|e| e.to_string())?;
        if blocks == Blocks::Written {
            let zeros = vec![0; 1 << 20];
            for at in (0..room).step_by(zeros.len()) {
                file.write_all_at(&zeros, at).map_err(|e| e.to_string())?;
            }
            file.sync_all().map_err(|e| e.to_string())?;
        }
        let same = RealStorage::new().open(&path, OpenMode::ReadWrite).map_err(|e| e.to_string())?;
        let reserved = if blocks == Blocks::Written { room } else { 0 };
        Ok(Self { file, same, blocks, end: 0, reserved, written_back: 0 })
    }

    /// Appends, and starts write-back now and then.
    pub fn append(&mut self, bytes: &[u8]) -> Outcome {
        let end = self.end + bytes.len() as u64;
        if self.blocks == Blocks::Fallocated && end > self.reserved {
            let len = STEP.max(bytes.len() as u64);
            fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.reserved, len)
                .map_err(|e| e.to_string())?;
            self.reserved += len;
        }
        self.file.write_all_at(bytes, self.end).map_err(|e| e.to_string())?;
        self.end = end;
        if self.end - self.written_back >= WRITE_BACK {
            let len = self.end - self.written_back;
            self.same.start_write_back(self.written_back, len).map_err(|e| e.to_string())?;
            self.written_back = self.end;
        }
        Ok(())
    }

    /// A second handle, which another thread may sync.
    pub fn handle(&self) -> Outcome<File> {
        self.file.try_clone().map_err(|e| e.to_string())
    }
}

/// Writers of many threads that share syncs: one leads, the others wait.
pub struct GroupCommit {
    state: Mutex<Group>,
    changed: Condvar,
    handle: File,
}

struct Group {
    file: RawFile,
    synced: u64,
    led: bool,
}

impl GroupCommit {
    pub fn new(file: RawFile) -> Outcome<Self> {
        let handle = file.handle()?;
        let state = Mutex::new(Group { file, synced: 0, led: false });
        Ok(Self { state, changed: Condvar::new(), handle })
    }

    /// Appends and returns when the bytes are on the disk.
    pub fn append(&self, bytes: &[u8]) -> Outcome {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.append(bytes)?;
        let mine = state.file.end;
        while state.synced < mine {
            if state.led {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.led = true;
            let target = state.file.end;
            drop(state);
            self.handle.sync_data().map_err(|e| e.to_string())?;
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.led = false;
            state.synced = state.synced.max(target);
            self.changed.notify_all();
        }
        Ok(())
    }
}

/// One checksum and one walk over the records of a ready batch; answers how many there are.
pub fn check_and_walk(batch: &[u8]) -> (u32, u64) {
    (crc32c::crc32c(&batch[ATTRIBUTES_AT..]), walk(&batch[HEADER_LEN..], &mut |_| true))
}

/// Walks records until `go_on` has enough; answers how many were seen.
#[inline]
pub fn walk<'a>(mut body: &'a [u8], go_on: &mut impl FnMut(&'a [u8]) -> bool) -> u64 {
    let mut seen = 0;
    while !body.is_empty() {
        let Some(value) = record(&mut body) else { break };
        seen += 1;
        if !go_on(value) {
            break;
        }
    }
    seen
}

/// Takes one record off the front and answers its value.
#[inline]
fn record<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(body)?).ok()?;
    let (record, rest) = body.split_at_checked(len)?;
    *body = rest;
    let mut record = record.get(1..)?;
    let (_time, _offset) = (varint(&mut record)?, varint(&mut record)?);
    let _key = sized(&mut record)?;
    let value = sized(&mut record)?;
    (varint(&mut record)? == 0).then_some(value)
}

#[inline]
fn sized<'a>(record: &mut &'a [u8]) -> Option<&'a [u8]> {
    let Ok(len) = usize::try_from(varint(record)?) else { return Some(&[]) };
    let (taken, rest) = record.split_at_checked(len)?;
    *record = rest;
    Some(taken)
}

#[inline]
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut raw = 0_u64;
    let mut shift = 0;
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        raw |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

/// A map of a whole file, read only.
pub fn map(path: &Path) -> Outcome<Bytes> {
    let file = RealStorage::new().open(path, OpenMode::Read).map_err(|e| e.to_string())?;
    let len = file.len().map_err(|e| e.to_string())?;
    let map: Arc<dyn Map> = file.map(len).map_err(|e| e.to_string())?.ok_or("no room for a map")?;
    Ok(map.slice(0, usize::try_from(len).map_err(|e| e.to_string())?, len))
}

/// The sum of all bytes as 64-bit words: reads every byte, as fast as memory gives them.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0_u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    rest.iter().fold(words, |sum, byte| sum.wrapping_add(u64::from(*byte)))
}

//! The synced mark: how far a log is known to be on the disk, durably written down.
//!
//! # The bytes
//!
//! A file `synced-mark` in the log's directory holds two slots, at 0 and at 512, so that no sector holds both. They are
//! written in turn, and the one of the greater generation whose checksum fits counts. Big-endian:
//!
//! ```text
//!  at  size  field
//!   0   8    "CORRMARK"
//!   8   4    version              2; 1 is read too, a later one is refused
//!  12   4    crc                  CRC-32C of everything else up to 96; in version 1 only from 16 on
//!  16   8    generation           counts the writes; its lowest bit is the slot
//!  24   8    truncations          counts the cuts: readers in other processes see them by it
//!  32   8    segment              base offset of the segment that the mark lies in
//!  40   8    position             first byte of that segment that may be unsynced
//!  48   8    next offset          offset of the record that begins there
//!  56   8    log start            log start offset
//!  64   8    inode                which file the segment was: a copied directory has others
//!  72   8    last batch position  where the last batch below the position begins, -1 if it is 0
//!  80   4    last batch crc       as in its header
//!  84   8    heir                 inode of the file that is about to take its place with the same front, 0 for none
//!  92   4    zero
//! ```
//!
//! # Invariants
//!
//! * Everything below the mark was synced before the mark was written: it is never ahead of a sync.
//! * It is lowered, durably, before anything below it is cut.
//! * The file is never written while it has a second name: a copy of the directory by hard links has a mark of its own.
//! * The file is open only while it is read or written: a thousand idle logs hold no descriptor for it.
//! * Every version keeps the magic, the version and a checksum over both where they are: what a later one wrote is known as
//!   such, refused, and never written over. A slot whose checksum does not fit is no mark, whatever its version says.
//! * It is a claim, not evidence: recovery believes it only if the file is the same and the batch it names is there.

use super::files::{Newer, moved_away, parent_of, read_exact, replace, sealed_crc};
use crate::error::{LogError, Result};
use crate::io::{FileId, OpenMode, Storage, StorageFile};
use crate::types::{Offset, Position};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Name of the file, in the log's directory.
pub(crate) const FILE_NAME: &str = "synced-mark";

const MAGIC: &[u8; 8] = b"CORRMARK";
const VERSION: u32 = 2;
/// Its checksum begins behind the version.
const OLD_VERSION: u32 = 1;
const CHECKED_FROM: usize = 16;
const SLOT_LEN: usize = 96;
pub(crate) const SECOND_SLOT_AT: usize = 512;

/// The batch that ends at a mark: what shows that the mark belongs to these bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LastBatch {
    pub(crate) position: Position,
    pub(crate) crc: u32,
}

/// A place in a log up to which everything is on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    pub(crate) segment: Offset,
    pub(crate) position: Position,
    pub(crate) next_offset: Offset,
    pub(crate) log_start: Offset,
    pub(crate) file: FileId,
    /// The file that may have taken its place already, with the same bytes below the position: a cut was under way.
    pub(crate) heir: Option<FileId>,
    /// `None` exactly if the position is 0.
    pub(crate) last_batch: Option<LastBatch>,
    pub(crate) truncations: u64,
}

impl Mark {
    /// Whether the mark speaks of this file.
    pub(crate) fn is_of(&self, file: FileId) -> bool {
        self.file == file || self.heir == Some(file)
    }
}

/// The file, ready to be written.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    generation: u64,
    /// It is there, and this process has made its name durable.
    named: bool,
}

impl MarkFile {
    /// Reads the mark of a directory, if there is a good one, and makes ready to write the next. Writes nothing.
    pub(crate) fn read(storage: &dyn Storage, dir: &Path) -> Result<(Self, Option<Mark>)> {
        let path = dir.join(FILE_NAME);
        if !storage.exists(&path).map_err(LogError::io("look for", &path))? {
            return Ok((Self { path, generation: 0, named: false }, None));
        }
        // A content that is not a mark is a claim that is not made. A file that cannot be read is something else: the log
        // start stands in it, and records that were deleted would come back.
        let file = storage.open(&path, OpenMode::Read).map_err(LogError::io("open", &path))?;
        let mut best: Option<(u64, Mark)> = None;
        for at in [0, SECOND_SLOT_AT as u64] {
            let Some(slot) = read_slot(&*file, at).map_err(LogError::io("read", &path))? else { continue };
            let slot = decode(&slot).map_err(|newer| newer.refuse(&path))?;
            best = best.into_iter().chain(slot).max_by_key(|(generation, _)| *generation);
        }
        let generation = best.map_or(0, |(generation, _)| generation);
        // Whoever made the file may have been killed before its name was durable.
        Ok((Self { path, generation, named: false }, best.map(|(_, mark)| mark)))
    }

    /// Follows the directory after it was renamed.
    pub(crate) fn moved_to(&mut self, dir: &Path) {
        self.path = dir.join(FILE_NAME);
    }

    /// Writes the next slot and syncs it. What the mark claims must have been synced before.
    pub(crate) fn write(&mut self, storage: &dyn Storage, mark: &Mark) -> Result<()> {
        let file = match storage.open(&self.path, OpenMode::ReadWrite) {
            // Once written it does not go while the log is open: the directory is not the one it was, and what was synced is
            // not where the next start looks for it.
            Err(error) if error.kind() == ErrorKind::NotFound && self.generation > 0 => Err(moved_away()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.named = false;
                storage.open(&self.path, OpenMode::CreateNew)
            }
            opened => opened,
        };
        let file = file.map_err(LogError::io("open", &self.path))?;
        let generation = self.generation + 1;
        let at = if generation.is_multiple_of(2) { 0 } else { SECOND_SLOT_AT as u64 };
        let slot = encode(generation, mark);
        if file.links().map_err(LogError::io("look at", &self.path))? > 1 {
            // A copy of the directory by hard links has this file too, and its own opinion of what is on the disk.
            self.write_own(storage, &*file, &slot, at)?;
        } else {
            file.write_all_at(&[&slot], at).map_err(LogError::io("write", &self.path))?;
            file.sync_data().map_err(LogError::io("sync", &self.path))?;
        }
        if !self.named {
            let dir = self.dir();
            storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
            self.named = true;
        }
        self.generation = generation;
        Ok(())
    }
}

impl MarkFile {
    /// The log's directory.
    pub(super) fn dir(&self) -> &Path {
        parent_of(&self.path)
    }

    /// Writes the slot to a copy of the file, and puts that in its place, durably.
    fn write_own(
        &mut self,
        storage: &dyn Storage,
        shared: &dyn StorageFile,
        slot: &[u8],
        at: u64,
    ) -> Result<()> {
        let len = shared.len().map_err(LogError::io("look at", &self.path))?;
        let kept = len.min((SECOND_SLOT_AT + SLOT_LEN) as u64);
        let mut bytes = read_exact(shared, &self.path, 0, kept)?;
        let at = usize::try_from(at).unwrap_or(0);
        bytes.resize(bytes.len().max(at + slot.len()), 0);
        bytes[at..at + slot.len()].copy_from_slice(slot);
        replace(storage, &self.path, &bytes, true)?;
        self.named = true;
        Ok(())
    }
}

fn read_slot(file: &dyn StorageFile, at: u64) -> io::Result<Option<[u8; SLOT_LEN]>> {
    let mut slot = [0; SLOT_LEN];
    match file.read_exact_at(&mut slot, at) {
        Ok(()) => Ok(Some(slot)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn encode(generation: u64, mark: &Mark) -> [u8; SLOT_LEN] {
    let mut slot = [0; SLOT_LEN];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..12].copy_from_slice(&VERSION.to_be_bytes());
    slot[16..24].copy_from_slice(&generation.to_be_bytes());
    slot[24..32].copy_from_slice(&mark.truncations.to_be_bytes());
    slot[32..40].copy_from_slice(&mark.segment.get().to_be_bytes());
    slot[40..48].copy_from_slice(&mark.position.to_u64().to_be_bytes());
    slot[48..56].copy_from_slice(&mark.next_offset.get().to_be_bytes());
    slot[56..64].copy_from_slice(&mark.log_start.get().to_be_bytes());
    slot[64..72].copy_from_slice(&mark.file.0.to_be_bytes());
    let position = mark.last_batch.map_or(-1, |last| i64::from(last.position.get()));
    slot[72..80].copy_from_slice(&position.to_be_bytes());
    slot[80..84].copy_from_slice(&mark.last_batch.map_or(0, |last| last.crc).to_be_bytes());
    slot[84..92].copy_from_slice(&mark.heir.map_or(0, |heir| heir.0).to_be_bytes());
    let crc = sealed_crc(&slot);
    slot[12..16].copy_from_slice(&crc.to_be_bytes());
    slot
}

/// What a slot says; nothing if it is torn or was never written.
pub(crate) fn decode(slot: &[u8; SLOT_LEN]) -> Result<Option<(u64, Mark)>, Newer> {
    let u32_at = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| slot[at + i]));
    let (version, crc) = (u32_at(8), u32_at(12));
    if &slot[..8] != MAGIC {
        return Ok(None);
    }
    if version == OLD_VERSION {
        return Ok(if crc == crc32c::crc32c(&slot[CHECKED_FROM..]) { fields(slot) } else { None });
    }
    match crc == sealed_crc(slot) {
        true if version == VERSION => Ok(fields(slot)),
        true if version > VERSION => Err(Newer { found: version, known: VERSION }),
        _ => Ok(None),
    }
}

fn fields(slot: &[u8; SLOT_LEN]) -> Option<(u64, Mark)> {
    let u32_at = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| slot[at + i]));
    let u64_at = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| slot[at + i]));
    let offset_at = |at: usize| i64::try_from(u64_at(at)).ok().and_then(Offset::new);
    let position = Position::new(u64_at(40))?;
    let last_batch = Position::new(u64_at(72)).map(|position| LastBatch { position, crc: u32_at(80) });
    // A writer never wrote such a mark, but a checksum is no proof against everybody.
    let sound = match last_batch {
        Some(last) => last.position < position,
        None => position == Position::ZERO,
    };
    let mark = Mark {
        segment: offset_at(32)?,
        position,
        next_offset: offset_at(48)?,
        log_start: offset_at(56)?,
        file: FileId(u64_at(64)),
        last_batch,
        truncations: u64_at(24),
        heir: Some(FileId(u64_at(84))).filter(|heir| heir.0 != 0),
    };
    let generation = u64_at(16);
    (sound && mark.next_offset >= mark.segment && generation < u64::MAX).then_some((generation, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            segment: Offset::new(30).unwrap(),
            position: Position::new(900).unwrap(),
            next_offset: Offset::new(45).unwrap(),
            log_start: Offset::new(3).unwrap(),
            file: FileId(77),
            last_batch: Some(LastBatch { position: Position::new(700).unwrap(), crc: 0xdead_beef }),
            truncations: 2,
            heir: None,
        }
    }

    #[test]
    fn a_mark_reads_as_it_was_written() {
        assert_eq!(decode(&encode(9, &mark())), Ok(Some((9, mark()))));
        let cut = Mark { heir: Some(FileId(78)), ..mark() };
        assert_eq!(decode(&encode(1, &cut)), Ok(Some((1, cut))));
        let empty = Mark { position: Position::ZERO, last_batch: None, ..mark() };
        assert_eq!(decode(&encode(1, &empty)), Ok(Some((1, empty))));
    }

    #[test]
    fn the_documentation_shows_what_is_written() {
        let text = include_str!("../../../docs/FORMAT.md");
        let block = text.split_once("```hex mark\n").unwrap().1.split("```").next().unwrap();
        let shown: String = block.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let written: String = encode(9, &mark()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, written);
    }

    #[test]
    fn every_flipped_bit_voids_the_slot() {
        let good = encode(9, &mark());
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), Ok(None), "bit {bit}");
        }
    }

    #[test]
    fn a_slot_of_the_version_before_is_read_and_no_flipped_bit_of_it() {
        let mut old = encode(9, &mark());
        old[8..12].copy_from_slice(&OLD_VERSION.to_be_bytes());
        let crc = crc32c::crc32c(&old[CHECKED_FROM..]);
        old[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode(&old), Ok(Some((9, mark()))));
        for bit in 0..old.len() * 8 {
            let mut bad = old;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), Ok(None), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_a_torn_slot() {
        let mut later = encode(9, &mark());
        later[8..12].copy_from_slice(&7_u32.to_be_bytes());
        assert_eq!(decode(&later), Ok(None), "the checksum is not that of version 7");
        let crc = sealed_crc(&later);
        later[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode(&later), Err(Newer { found: 7, known: VERSION }));
        let mut none = encode(9, &mark());
        none[8..12].fill(0);
        let crc = sealed_crc(&none);
        none[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode(&none), Ok(None), "there was no version 0");
    }
}

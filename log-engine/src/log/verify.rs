//! Checking what an older run wrote, once, before it is handed out.
//!
//! Recovery reads nothing below the synced mark, or a start would take as long as reading the disk. What lies there is
//! checked when it is first read: checksum and structure of each batch, that the batches of the range chain, and that
//! what follows them begins where they end, since no checksum covers a batch's offset. Bytes that this process wrote
//! or scanned are not looked at.
//!
//! If anything is amiss the whole segment is looked through ([`Log::examine`]), and that decides: it gives damage its
//! exact range, and takes what is sound for verified.
//!
//! # Not here
//!
//! Damage that appears under a running process after its bytes were checked.

use super::read::{ReadLimits, ReadSlices};
use super::recovery::sound_bytes;
use super::scan::{Expected, Found, Scanner};
use super::{Log, View};
use crate::error::{LogError, Result};
use crate::segment::{FileSlice, Segment};
use crate::types::{LeaderEpoch, Offset, Position};
use std::sync::Arc;

impl ReadSlices {
    /// Whether all of it was written, scanned or verified since the log was opened. If not, it may be damaged:
    /// [`Log::verify`] tells.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.slices.iter().all(FileSlice::is_verified)
    }
}

impl Log {
    /// The batches from the one that holds `from` on, as ranges of files, each of which is what was written.
    ///
    /// Batches of an older run are read and checked the first time ([`Log::verify`]), which waits for the disk; those
    /// that this process wrote are not touched, and [`Log::read_unverified`] never touches any.
    ///
    /// # Errors
    ///
    /// [`LogError::OffsetOutOfRange`] below the log start or above the log end; at the end the answer is empty.
    /// [`LogError::Corrupt`] if `from` lies in damage, with its exact range; what lies around it can be read.
    /// [`LogError::Io`] if the disk refuses the first batch.
    pub fn read(&self, from: Offset, mut limits: ReadLimits) -> Result<ReadSlices> {
        loop {
            let read = self.read_unverified(from, limits)?;
            match self.verify(&read) {
                Ok(true) => return Ok(read),
                // The damage is known now: the next read ends before it, or is refused.
                Ok(false) => {}
                // One batch after the other, up to the one that cannot be read.
                Err(LogError::Io { .. }) if limits.at_least_one && limits.max_bytes > 0 => {
                    limits.max_bytes = 0;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Checks what was read and was not checked since the log was opened; waits for the disk.
    ///
    /// False if it must be read again: some of it is damaged, which the log knows now ([`Log::damage`]), or the log was
    /// cut meanwhile.
    ///
    /// # Errors
    ///
    /// What the system answers to reading the files.
    pub fn verify(&self, read: &ReadSlices) -> Result<bool> {
        for (index, slice) in read.slices.iter().enumerate().filter(|(_, slice)| !slice.is_verified()) {
            let inside = index == 0 && slice.position() > Position::ZERO;
            let first = if inside { read.start } else { slice.segment_base() };
            let end = slice.end().min(slice.segment().trusted_from());
            if !self.is_sound(slice, first, end)? {
                self.examine(slice.segment())?;
                return Ok(false);
            }
            slice.segment().note_verified(slice.position()..end);
        }
        Ok(true)
    }

    /// Whether the batches of a slice up to `end`, the first of which begins with `first`, are what was written.
    fn is_sound(&self, slice: &FileSlice, first: Offset, end: Position) -> Result<bool> {
        // In this order: nothing that is appended meanwhile looks as if it did not follow.
        let log_end = self.end.get();
        let is_last = end >= slice.segment().len();
        let view = self.view.load();
        let following = view.after(slice.segment());
        let epochs = self.epochs.load();
        let mut expected = Expected {
            offset: first,
            epoch: epochs.at(first).map_or(-1, LeaderEpoch::get),
            limit: following,
            gaps: self.has_gaps(),
            epochs: Some(&**epochs).filter(|known| !known.is_empty()),
            settled: true,
            behind: None,
        };
        // By no byte further: what cannot be read there is no matter of this range.
        let mut scanner = Scanner::of(Arc::clone(slice.file()), slice.segment().path(), end.to_u64());
        let mut at = slice.position().to_u64();
        while at < end.to_u64() {
            match scanner.read(at, &expected)? {
                Found::Batch(batch) => {
                    at += batch.len() as u64;
                    expected = expected.after(&batch);
                }
                Found::End | Found::Bad(_) => return Ok(false),
            }
        }
        let next = expected.offset;
        if view.damage.iter().any(|damage| damage.offsets.start == next) {
            return Ok(true);
        }
        let behind = if is_last { Some(following.unwrap_or(log_end).get()) } else { base_at(slice, end) };
        // Without a readable one behind it nothing speaks against it.
        Ok(behind.is_none_or(|base| base == next.get() || base > next.get() && self.has_gaps()))
    }

    /// A segment was looked through up to `len`: all but its damage is verified.
    pub(super) fn note_examined(&self, segment: &Segment, len: Position) {
        let view = self.view.load();
        let sound = sound_bytes(&segment.path(), len.to_u64(), &view.damage);
        let range =
            |bytes: std::ops::Range<u64>| Some(Position::new(bytes.start)?..Position::new(bytes.end)?);
        segment.note_examined(sound.into_iter().filter_map(range));
    }
}

impl View {
    /// Base offset of the segment behind another.
    fn after(&self, segment: &Arc<Segment>) -> Option<Offset> {
        let index = self.segments.iter().position(|known| Arc::ptr_eq(known, segment))?;
        self.segments.get(index + 1).map(|next| next.base_offset())
    }
}

/// What the bytes behind a slice say they begin with; `None` if the disk does not give them.
fn base_at(slice: &FileSlice, at: Position) -> Option<i64> {
    let mut raw = [0; 8];
    slice.file().read_exact_at(&mut raw, at.to_u64()).ok()?;
    Some(i64::from_be_bytes(raw))
}

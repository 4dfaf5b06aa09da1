//! Reads the batches of one `.log` file and says which of them are what was written.
//!
//! The checksum does not cover the first 17 bytes of a batch, so a batch is only believed with its neighbours: its
//! base offset is the end of the one before, its epoch does not fall and is the one the epoch file names.
//!
//! # Invariants
//!
//! * Only `read_exact_at` is used, never a map: a bad sector is an error here, not a signal.
//! * At most one batch (or 256 KiB) is in memory, and no batch is longer than its file.
//! * Nothing is written.
//!
//! # Not here
//!
//! What is done about a bad batch (`recovery`).

use super::epochs::Epochs;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::{
    self, BatchView, HEADER_LEN, LAST_OFFSET_DELTA_AT, LENGTH_AT, LENGTH_OVERHEAD, MAGIC, MAGIC_AT,
    RECORD_COUNT_AT,
};
use crate::io::{OpenMode, Storage, StorageFile};
use crate::types::{LeaderEpoch, Offset};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CHUNK: usize = 256 * 1024;

/// What the next batch must look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Its base offset, or the least it may be.
    pub(crate) offset: Offset,
    /// The epoch of the batch before, -1 for none.
    pub(crate) epoch: i32,
    /// Base offset of the next segment: the batch ends there or before.
    pub(crate) limit: Option<Offset>,
    /// Whether compaction may have left gaps between batches.
    pub(crate) gaps: bool,
    /// The epoch file, if there is a good one.
    pub(crate) epochs: Option<&'a Epochs>,
    /// It was held against the batches when the log was opened: now it condemns those that contradict it.
    pub(crate) settled: bool,
    /// Set where damage lies before the batch.
    pub(crate) behind: Option<Behind>,
}

/// What is known of the batches behind damage: their offsets are believed by this or by a neighbour, since the
/// checksum does not cover them and a flipped bit would make the log end anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behind {
    /// The offset after the damaged batch, by the two fields of its header that tell: they are not both wrong by one
    /// flipped bit.
    pub(crate) next: [Option<Offset>; 2],
    /// Where the records of the file are known to end.
    pub(crate) end: Option<Offset>,
    /// Damage of what was synced ends where that does, at the latest: batches of higher offsets, however whole, are a
    /// stranger's, or stood in these blocks before.
    pub(crate) latest: Option<Offset>,
}

impl Behind {
    fn vouches_for(self, batch: &BatchView<'_>) -> bool {
        self.next.contains(&Some(batch.base_offset())) || self.end == Some(batch.next_offset())
    }
}

impl Expected<'_> {
    /// Any batch at an offset or above, where nothing else is known.
    pub(crate) const fn from(offset: Offset) -> Self {
        Self { offset, epoch: -1, limit: None, gaps: true, epochs: None, settled: false, behind: None }
    }

    /// The same for the batch after `batch`.
    pub(crate) fn after(self, batch: &BatchView<'_>) -> Self {
        Self { offset: batch.next_offset(), epoch: epoch_of(batch), behind: None, ..self }
    }

    /// Whether the batch may stand here, by all that its header says.
    fn check(&self, batch: &BatchView<'_>) -> Result<(), CorruptReason> {
        let base = batch.base_offset();
        let order = Err(CorruptReason::OffsetOrder { expected: self.offset, found: base.get() });
        if base < self.offset || (base > self.offset && !self.gaps) {
            return order;
        }
        if self.limit.is_some_and(|limit| batch.next_offset() > limit) {
            return order;
        }
        let found = epoch_of(batch);
        if found < 0 || found < self.epoch {
            return Err(CorruptReason::EpochOrder { before: self.epoch, found });
        }
        match self.named(batch).filter(|named| self.settled && *named != found) {
            Some(before) => Err(CorruptReason::EpochOrder { before, found }),
            None => Ok(()),
        }
    }

    /// The epoch that the file names for a batch.
    fn named(&self, batch: &BatchView<'_>) -> Option<i32> {
        self.epochs.and_then(|epochs| epochs.at(batch.base_offset())).map(LeaderEpoch::get)
    }

    /// Whether the header is exactly what was expected, so that no neighbour need be asked.
    fn is_certain(&self, batch: &BatchView<'_>) -> bool {
        batch.base_offset() == self.offset && self.knows_epoch(batch)
    }

    /// Whether the epoch is that of the batch before or the one that the file names.
    fn knows_epoch(&self, batch: &BatchView<'_>) -> bool {
        let epoch = epoch_of(batch);
        epoch == self.epoch || self.named(batch) == Some(epoch)
    }

    /// Whether to believe what only the epoch file speaks against, for want of a next batch. The file is derived: it
    /// does not condemn the only batch of a log.
    fn is_believable_last(&self, batch: &BatchView<'_>) -> bool {
        let epoch = epoch_of(batch);
        epoch == self.epoch || self.epoch < 0 || self.named(batch).is_none_or(|named| named == epoch)
    }
}

fn epoch_of(batch: &BatchView<'_>) -> i32 {
    batch.leader_epoch().map_or(-1, LeaderEpoch::get)
}

/// What stands at a position.
#[derive(Debug)]
pub(crate) enum Found<'b> {
    Batch(BatchView<'b>),
    /// The file ends here, or holds nothing but zeros from here on.
    End,
    Bad(CorruptReason),
}

/// One file, read in pieces.
#[derive(Debug)]
pub(crate) struct Scanner {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    len: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Scanner {
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Self> {
        let file = storage.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
        let len = file.len().map_err(LogError::io("measure", path))?;
        Ok(Self::of(file, path.to_owned(), len))
    }

    /// Of an open file, up to `len`.
    pub(crate) fn of(file: Arc<dyn StorageFile>, path: PathBuf, len: u64) -> Self {
        Self { file, path, len, buffer: Vec::new(), buffer_at: 0 }
    }

    /// Takes no notice of what lies behind `len`: it is not published.
    pub(crate) fn limited_to(mut self, len: u64) -> Self {
        self.len = self.len.min(len);
        self
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Judges what stands at `at`.
    pub(crate) fn read(&mut self, at: u64, expected: &Expected<'_>) -> Result<Found<'_>> {
        if at >= self.len {
            return Ok(Found::End);
        }
        match self.judge(at, expected)? {
            Ok(len) => Ok(Found::Batch(self.reparse(at, len)?)),
            Err(_) if self.is_zero_from(at)? => Ok(Found::End),
            Err(reason) => Ok(Found::Bad(reason)),
        }
    }

    /// Position and batch of the first believable batch at `at` or after; `None` if there is none up to the end.
    ///
    /// It may lie at any byte: a damaged length says nothing about where the next batch begins.
    pub(crate) fn resync(
        &mut self,
        mut at: u64,
        expected: &Expected<'_>,
    ) -> Result<Option<(u64, BatchView<'_>)>> {
        let gaps = Expected { gaps: true, epochs: expected.epochs, ..*expected };
        while let Some(candidate) = self.next_candidate(at, &gaps)? {
            if let Ok(len) = self.judge(candidate, &gaps)? {
                return Ok(Some((candidate, self.reparse(candidate, len)?)));
            }
            at = candidate + 1;
        }
        Ok(None)
    }

    /// What the length field at `at` says, if a batch of that length lies in the file.
    pub(crate) fn claimed_len(&mut self, at: u64) -> Result<Option<u64>> {
        let rest = self.len.saturating_sub(at);
        if rest < HEADER_LEN as u64 {
            return Ok(None);
        }
        let len = batch::batch_len(self.fill(at, LENGTH_OVERHEAD)?);
        Ok(len.map(|len| len as u64).filter(|len| *len <= rest))
    }

    /// The offset after the batch at `at`, which begins with `base`, by its last offset delta and by its record count.
    pub(crate) fn claimed_next(&mut self, at: u64, base: Offset) -> Result<[Option<Offset>; 2]> {
        if self.len.saturating_sub(at) < HEADER_LEN as u64 {
            return Ok([None; 2]);
        }
        let head = self.fill(at, HEADER_LEN)?;
        let field = |at: usize| i64::from(i32::from_be_bytes(std::array::from_fn(|i| head[at + i])));
        let records = [field(LAST_OFFSET_DELTA_AT) + 1, field(RECORD_COUNT_AT)];
        // A batch holds at least one record: what says none, or fewer, is what is damaged.
        Ok(records.map(|records| base.checked_add(records).filter(|next| *next > base)))
    }

    /// Whether the file is a chain of messages of the formats before batches (magic 0 and 1), and nothing else.
    pub(crate) fn holds_old_messages(&mut self) -> Result<bool> {
        let (mut at, mut next) = (0, 0);
        while self.len - at > MAGIC_AT as u64 {
            let head = self.fill(at, MAGIC_AT + 1)?;
            let offset = i64::from_be_bytes(std::array::from_fn(|i| head[i]));
            let size = i32::from_be_bytes(std::array::from_fn(|i| head[LENGTH_AT + i]));
            let entry = u64::try_from(size).unwrap_or_default() + LENGTH_OVERHEAD as u64;
            if head[MAGIC_AT] > 1 || offset < next || size < 14 || entry > self.len - at {
                return Ok(false);
            }
            (at, next) = (at + entry, offset.saturating_add(1));
        }
        // A flipped bit makes a 0 of the magic of a batch.
        Ok(at > 0 && !self.is_batch_but_for_magic(0)?)
    }

    /// Whether a batch lies at `at` of whose header only the magic is wrong.
    pub(crate) fn is_batch_but_for_magic(&mut self, at: u64) -> Result<bool> {
        let Some(len) = self.claimed_len(at)?.and_then(|len| usize::try_from(len).ok()) else {
            return Ok(false);
        };
        let mut bytes = self.fill(at, len)?.to_vec();
        bytes[MAGIC_AT] = MAGIC.unsigned_abs();
        Ok(BatchView::parse(&bytes).is_ok_and(|batch| batch.check_crc().is_ok()))
    }

    /// The batch at `at`, by structure alone; `None` at the end or where there is none.
    pub(crate) fn peek(&mut self, at: u64) -> Result<Option<BatchView<'_>>> {
        let Ok(len) = self.load_batch(at)? else { return Ok(None) };
        Ok(Some(self.reparse(at, len)?))
    }

    /// The batch at `at`, by structure and checksum alone.
    pub(crate) fn intact(&mut self, at: u64) -> Result<Option<BatchView<'_>>> {
        let Ok(len) = self.load_batch(at)? else { return Ok(None) };
        let view = self.reparse(at, len)?;
        Ok(view.check_crc().is_ok().then_some(view))
    }

    /// Whether there is nothing but zeros from `at` to the end of the file.
    pub(crate) fn is_zero_from(&mut self, mut at: u64) -> Result<bool> {
        while at < self.len {
            let want = usize::try_from(self.len - at).unwrap_or(CHUNK).min(CHUNK);
            if !is_zero(self.fill(at, want)?) {
                return Ok(false);
            }
            at += want as u64;
        }
        Ok(true)
    }

    /// Length of the batch at `at` if it is what was written.
    fn judge(&mut self, at: u64, expected: &Expected<'_>) -> Result<Result<usize, CorruptReason>> {
        let len = match self.load_batch(at)? {
            Ok(len) => len,
            Err(reason) => return Ok(Err(reason)),
        };
        let view = self.reparse(at, len)?;
        if let Err(reason) = expected.check(&view).and_then(|()| view.check_crc()) {
            return Ok(Err(reason));
        }
        if let Some(behind) = expected.behind {
            return self.judge_behind(at, len, expected, behind);
        }
        if expected.is_certain(&view) {
            return Ok(Ok(len));
        }
        // A flipped bit in the base offset or the epoch looks like a gap or a new epoch: the next batch tells.
        let (base, epoch, after) = (view.base_offset(), epoch_of(&view), expected.after(&view));
        let alone = expected.is_believable_last(&view);
        let after = Expected { gaps: true, ..after };
        Ok(match self.follows(at + len as u64, &after)? {
            Some(false) if epoch > expected.epoch => {
                Err(CorruptReason::EpochOrder { before: expected.epoch, found: epoch })
            }
            Some(false) => Err(CorruptReason::OffsetOrder { expected: expected.offset, found: base.get() }),
            None if !alone => Err(CorruptReason::EpochOrder { before: expected.epoch, found: epoch }),
            _ => Ok(len),
        })
    }

    /// The same for a batch behind damage in a log without gaps, where any offset would do: the next batch must begin
    /// where it ends, or what is known of the damage must agree with it.
    fn judge_behind(
        &mut self,
        at: u64,
        len: usize,
        expected: &Expected<'_>,
        behind: Behind,
    ) -> Result<Result<usize, CorruptReason>> {
        let view = self.reparse(at, len)?;
        if behind.latest.is_some_and(|latest| view.base_offset() > latest) {
            let found = view.base_offset().get();
            return Ok(Err(CorruptReason::OffsetOrder { expected: expected.offset, found }));
        }
        let (base, vouched) = (view.base_offset(), behind.vouches_for(&view));
        let (alone, known) = (expected.is_believable_last(&view), expected.knows_epoch(&view));
        let after = Expected { gaps: false, ..expected.after(&view) };
        Ok(match self.follows(at + len as u64, &after)? {
            Some(true) => Ok(len),
            None if vouched && alone => Ok(len),
            Some(false) if vouched && known => Ok(len),
            _ => Err(CorruptReason::OffsetOrder { expected: expected.offset, found: base.get() }),
        })
    }

    /// Whether the batch at `at` may come after the one before it; `None` if there is no intact one.
    fn follows(&mut self, at: u64, expected: &Expected<'_>) -> Result<Option<bool>> {
        let Some(next) = self.intact(at)? else { return Ok(None) };
        let expected = Expected { limit: None, ..*expected };
        Ok(Some(expected.check(&next).is_ok()))
    }

    /// Brings the whole batch at `at` into the buffer and checks its structure.
    pub(crate) fn load_batch(&mut self, at: u64) -> Result<Result<usize, CorruptReason>> {
        let rest = self.len.saturating_sub(at);
        if rest < HEADER_LEN as u64 {
            return Ok(Err(CorruptReason::Torn { needed: HEADER_LEN as u64, available: rest }));
        }
        let head = self.fill(at, HEADER_LEN)?;
        let len = match batch::batch_len(head) {
            Some(len) if len as u64 <= rest => len,
            // Let the view say what is wrong.
            _ => HEADER_LEN,
        };
        let torn = batch::batch_len(head).filter(|len| *len as u64 > rest);
        let view = BatchView::parse(self.fill(at, len)?);
        Ok(match (view, torn) {
            (Ok(view), _) => Ok(view.len()),
            (Err(CorruptReason::Torn { .. }), Some(needed)) => {
                Err(CorruptReason::Torn { needed: needed as u64, available: rest })
            }
            (Err(reason), _) => Err(reason),
        })
    }

    /// The batch at `at` whose length [`Scanner::load_batch`] has told.
    pub(crate) fn batch(&mut self, at: u64, len: usize) -> Result<BatchView<'_>> {
        self.reparse(at, len)
    }

    /// `len` bytes from `at`, which lie inside the file.
    pub(crate) fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        self.fill(at, len)
    }

    /// The view of a batch that [`Scanner::load_batch`] found sound.
    fn reparse(&mut self, at: u64, len: usize) -> Result<BatchView<'_>> {
        self.fill(at, len)?;
        BatchView::parse(self.held(at, len)).map_err(|reason| {
            let position = crate::types::Position::new(at).unwrap_or(crate::types::Position::MAX);
            LogError::Corrupt { path: self.path.clone(), position, reason }
        })
    }

    /// The next position from `at` on whose bytes could begin a batch in the expected range of offsets.
    fn next_candidate(&mut self, mut at: u64, expected: &Expected<'_>) -> Result<Option<u64>> {
        while self.len.saturating_sub(at) >= HEADER_LEN as u64 {
            let rest = self.len - at;
            let want = usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK);
            let limit = expected.limit;
            let floor = expected.offset;
            let bytes = self.fill(at, want)?;
            let possible = |head: &[u8]| could_begin(head, rest, floor, limit);
            if let Some(found) = bytes.windows(HEADER_LEN).position(possible) {
                return Ok(Some(at + found as u64));
            }
            at += (want - HEADER_LEN + 1) as u64;
        }
        Ok(None)
    }

    /// `len` bytes from `at`, which lie inside the file.
    fn fill(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        let held = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if !held.contains(&at) || at + len as u64 > held.end {
            let rest = usize::try_from(self.len - at).unwrap_or(usize::MAX);
            let want = len.max(CHUNK.min(rest));
            self.buffer.resize(want, 0);
            self.buffer_at = at;
            let read = self.file.read_exact_at(&mut self.buffer, at);
            if let Err(error) = read {
                self.buffer.clear();
                return Err(LogError::io("read", &self.path)(error));
            }
        }
        Ok(self.held(at, len))
    }

    /// `len` bytes from `at`, which [`Scanner::fill`] has brought.
    fn held(&self, at: u64, len: usize) -> &[u8] {
        let from = usize::try_from(at - self.buffer_at).unwrap_or(usize::MAX);
        &self.buffer[from..from + len]
    }
}

/// Whether all bytes are 0. Line by line, without a branch for each byte: a killed writer leaves up to 16 MiB of zeros.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|line| line.iter().fold(0, |all, byte| all | byte) == 0)
}

/// A cheap sieve before the checksum: magic, a length that fits, an offset that is possible here.
fn could_begin(head: &[u8], rest: u64, floor: Offset, limit: Option<Offset>) -> bool {
    if head[MAGIC_AT] != MAGIC.unsigned_abs() || head[LENGTH_AT] & 0x80 != 0 {
        return false;
    }
    let base = i64::from_be_bytes(std::array::from_fn(|i| head[i]));
    let fits = batch::batch_len(&head[..LENGTH_OVERHEAD]).is_some_and(|len| len as u64 <= rest);
    fits && base >= floor.get() && limit.is_none_or(|limit| base < limit.get())
}

#[cfg(test)]
mod tests {
    use super::is_zero;

    #[test]
    fn one_bit_anywhere_is_not_nothing() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let mut bytes = vec![0; len];
            assert!(is_zero(&bytes));
            for at in 0..len {
                bytes[at] = 1 << (at % 8);
                assert!(!is_zero(&bytes), "{at} of {len}");
                bytes[at] = 0;
            }
        }
    }
}

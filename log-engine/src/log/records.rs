//! Reading for embedders: batch after batch, checked, without a copy.
//!
//! # Invariants
//!
//! * A batch is given whole, once, in order, and only if structure, checksum and its place among its neighbours hold.
//! * Bytes are views of the map where there is one; nothing is copied but what must be decompressed.
//!
//! # Not here
//!
//! Waiting for more (`follow`), one record after the other (`cursor`).

use super::Log;
use super::append::corrupt;
use super::read::ReadLimits;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::{BatchView, LENGTH_OVERHEAD, batch_len};
use crate::format::index_entry::TxnEntry;
use crate::format::names::{FileKind, segment_file};
use crate::format::record::{OwnedRecords, Records};
use crate::segment::{Origin, Piece};
use crate::types::{LeaderEpoch, Offset, Position};
use bytes::Bytes;
use std::ops::Deref;
use std::sync::Arc;

/// How much is looked at at once.
const CHUNK: usize = 1 << 20;

/// One batch that was checked: structure, place in the log, epoch, checksum.
///
/// It keeps its bytes alive: retention, truncation and deletion of the log do not disturb it.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    bytes: Bytes,
    origin: Origin,
    cap: usize,
    /// Where it lies: base offset of the segment, and place in it.
    segment: Offset,
    position: Position,
}

impl RecordBatch {
    /// Of bytes whose structure was checked.
    pub(super) fn new(bytes: Bytes, origin: Origin, cap: usize, segment: Offset, position: Position) -> Self {
        Self { bytes, origin, cap, segment, position }
    }

    /// Its bytes, as they lie in the file.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its header.
    #[must_use]
    pub fn view(&self) -> BatchView<'_> {
        BatchView::of_checked(&self.bytes)
    }

    /// Whether what was looked at so far is what was written. It was when the batch was given; if somebody shortens the
    /// file later, or the disk fails, its bytes become zeros (in a process that has asked for
    /// [`install_sigbus_handler`](crate::io::install_sigbus_handler); others end). Who holds a batch for long asks after
    /// the look at its records.
    #[must_use]
    pub fn intact(&self) -> bool {
        self.origin.is_intact()
    }

    /// The offset of its first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        self.view().base_offset()
    }

    /// The offset after its last record: where a reader goes on.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.view().next_offset()
    }

    /// Whether it is a marker for readers rather than data.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.view().attributes().is_control()
    }

    /// Its records, decompressed if need be. The first may lie below the offset that was asked for.
    ///
    /// # Errors
    ///
    /// Data that cannot be decompressed, or that opens to more than 16 times the largest message.
    pub fn records(&self) -> Result<Records<'_>, CorruptReason> {
        self.view().records(self.cap)
    }

    /// The same, keeping the bytes.
    pub(super) fn owned_records(&self) -> Result<OwnedRecords> {
        OwnedRecords::open(&self.bytes, self.cap).map_err(|reason| self.corrupt(reason))
    }

    /// The error of records that cannot be read although the batch is what was appended.
    pub(super) fn corrupt(&self, reason: CorruptReason) -> LogError {
        let path = segment_file(self.segment, FileKind::Log).into();
        LogError::Corrupt { path, position: self.position, reason }
    }
}

/// The batches of a log from an offset on, to the end as it is when it is met; see [`Log::records`].
///
/// After the end it goes on when there is more: [`RecordBatches::next_within`] waits for that. After an error it is over.
#[derive(Debug)]
pub struct RecordBatches<'a> {
    pub(super) log: Held<'a>,
    pub(super) next: Offset,
    pub(super) bound: Bound,
    up_to: Option<Offset>,
    /// Bytes that may still be given, and whether any were.
    budget: usize,
    given: bool,
    /// With [`Bound::Stable`]: the aborted transactions that overlap what was read.
    aborted: Vec<TxnEntry>,
    /// What was read and not given yet.
    chunks: std::vec::IntoIter<crate::segment::FileSlice>,
    chunk: Bytes,
    chunk_at: Position,
    origin: Origin,
    /// Something could not be read: one batch after the other from now on, up to it.
    singly: bool,
    chunk_of: Offset,
    /// Where a batch was looked for a second time.
    looked_again: Option<Offset>,
    pub(super) failed: bool,
}

/// The log of a reader that borrows it, or of one that keeps it.
#[derive(Debug)]
pub(super) enum Held<'a> {
    Borrowed(&'a Log),
    Shared(Arc<Log>),
}

impl Deref for Held<'_> {
    type Target = Log;

    fn deref(&self) -> &Log {
        match self {
            Self::Borrowed(log) => log,
            Self::Shared(log) => log,
        }
    }
}

/// Which end of the log a reader stops at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Bound {
    /// Of what was accepted.
    #[default]
    Accepted,
    /// Of what is on the disk.
    Synced,
    /// Of what no open transaction holds back; what was aborted is left out.
    Stable,
}

impl Log {
    /// The batches from the one that holds `from` on, each checked before it is given.
    ///
    /// Ends at the log end; when that has moved ([`RecordBatches::next_within`], [`Log::wait_for_end`]) it goes on. After
    /// an error it ends: a new one behind the damaged range goes on.
    ///
    /// The first [`next`](Iterator::next) refuses an offset below the log start or above the log end
    /// ([`LogError::OffsetOutOfRange`]), and so does a later one if the log was cut below where it stands, or retention
    /// has overtaken it.
    pub fn records(&self, from: Offset) -> RecordBatches<'_> {
        RecordBatches::new(Held::Borrowed(self), from)
    }

    /// The same as [`Log::records`], keeping the log: for a thread of its own.
    pub fn follow(self: &Arc<Self>, from: Offset) -> RecordBatches<'static> {
        RecordBatches::new(Held::Shared(Arc::clone(self)), from)
    }

    /// The batch that holds an offset. `None` at the log end, and where compaction has left no batch with it.
    ///
    /// One index lookup and one batch of reading. The batch is checked; its bytes are not copied.
    ///
    /// ```
    /// # use log_engine::{Log, LogConfig, NewRecord, Offset};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let log = Log::open(temp.path().join("log"), LogConfig::default())?;
    /// log.append(&[NewRecord::value(b"a"), NewRecord::value(b"b")])?;
    /// let offset = Offset::new(1).unwrap();
    /// let batch = log.get(offset)?.ok_or("nothing there")?;
    /// let records = batch.records()?;
    /// let record = records.get(offset)?.ok_or("compacted away")?;
    /// assert_eq!(record.value, Some(&b"b"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::read`].
    pub fn get(&self, offset: Offset) -> Result<Option<RecordBatch>> {
        let read = self.read(offset, ReadLimits { max_bytes: 0, ..ReadLimits::default() })?;
        let Some(slice) = read.slices.first() else { return Ok(None) };
        let path = || slice.segment().path();
        let check = |piece: &Piece| {
            let view = BatchView::parse(piece.bytes())?;
            view.check_crc().map(|()| view.base_offset())
        };
        let mut piece = slice.piece().map_err(|error| LogError::io("read", path())(error))?;
        let mut checked = check(&piece);
        if !piece.is_intact() {
            piece = slice.copied().map_err(|error| LogError::io("read", path())(error))?;
            checked = check(&piece);
        }
        let base = checked.map_err(|reason| corrupt(slice.segment(), slice.position(), reason))?;
        let cap = self.config.load().decompressed_cap();
        let batch = RecordBatch::new(
            piece.bytes().clone(),
            piece.origin().clone(),
            cap,
            slice.segment_base(),
            slice.position(),
        );
        Ok((base <= offset).then_some(batch))
    }
}

impl<'a> RecordBatches<'a> {
    fn new(log: Held<'a>, next: Offset) -> Self {
        Self {
            log,
            next,
            bound: Bound::default(),
            up_to: None,
            budget: usize::MAX,
            given: false,
            aborted: Vec::new(),
            chunks: Vec::new().into_iter(),
            chunk: Bytes::new(),
            chunk_at: Position::ZERO,
            chunk_of: Offset::ZERO,
            looked_again: None,
            origin: Origin::default(),
            singly: false,
            failed: false,
        }
    }

    /// Ends before the first batch that begins at `offset` or above.
    #[must_use]
    pub fn up_to(mut self, offset: Offset) -> Self {
        self.up_to = Some(offset);
        self
    }

    /// Gives at most so many bytes, in whole batches; but the first batch, however large it is.
    #[must_use]
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Gives only what is on the disk, and ends (or waits) at [`Log::synced_end`].
    #[must_use]
    pub fn synced(mut self) -> Self {
        self.bound = Bound::Synced;
        self
    }

    /// Gives only what is outside transactions or in one that was committed, without markers, and ends (or waits) at
    /// [`Log::last_stable_offset`].
    #[must_use]
    pub fn committed(mut self) -> Self {
        self.bound = Bound::Stable;
        self
    }

    /// The offset after the last batch that was read (or left out).
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The log that is read.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where reading ends at present.
    pub(super) fn readable_end(&self) -> Offset {
        let end = match self.bound {
            Bound::Accepted => self.log.end_offset(),
            Bound::Synced => self.log.synced_end(),
            Bound::Stable => self.log.last_stable_offset(),
        };
        self.up_to.map_or(end, |up_to| up_to.min(end))
    }

    /// Whether nothing more comes, however long one waits.
    pub(super) fn is_over(&self) -> bool {
        self.failed || self.up_to.is_some_and(|up_to| self.next >= up_to) || self.given && self.is_spent()
    }

    /// Whether the batch at hand does not fit what is left of the budget.
    fn is_spent(&self) -> bool {
        self.budget == 0 || !self.chunk.is_empty() && self.batch_len() > self.budget
    }

    fn batch_len(&self) -> usize {
        batch_len(&self.chunk[..LENGTH_OVERHEAD.min(self.chunk.len())])
            .filter(|len| *len <= self.chunk.len())
            .unwrap_or(self.chunk.len())
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.given && self.budget == 0 || self.chunk.is_empty() && !self.fill()? {
                return Ok(None);
            }
            if self.given && self.is_spent() {
                return Ok(None);
            }
            let Some(batch) = self.take_batch()? else { continue };
            if self.bound != Bound::Stable || is_visible(&batch.view(), &self.aborted) {
                self.given = true;
                self.budget = self.budget.saturating_sub(batch.bytes.len());
                return Ok(Some(batch));
            }
        }
    }

    /// Takes one batch off the chunk; `None` if it must be read again.
    fn take_batch(&mut self) -> Result<Option<RecordBatch>> {
        let (at, bytes) = self.split();
        let checked = self.check(&bytes);
        if !self.origin.is_intact() {
            // Some of what was looked at was not the file's. Read again, past the map: it is there, or the system says
            // what is wrong.
            self.singly = true;
            self.chunk = Bytes::new();
            self.chunks = Vec::new().into_iter();
            return Ok(None);
        }
        match checked {
            Ok(next) => self.next = next,
            Err(reason) => return self.look_again(at, reason).map(|()| None),
        }
        let origin = self.origin.part(at.to_u64(), bytes.len());
        let cap = self.log.config.load().decompressed_cap();
        Ok(Some(RecordBatch::new(bytes, origin, cap, self.chunk_of, at)))
    }

    fn split(&mut self) -> (Position, Bytes) {
        let len = self.batch_len();
        let bytes = self.chunk.split_to(len);
        let at = self.chunk_at;
        self.chunk_at = at.checked_add(len).unwrap_or(Position::MAX);
        (at, bytes)
    }

    fn fill(&mut self) -> Result<bool> {
        loop {
            if let Some(slice) = self.chunks.next() {
                let piece = match slice.piece() {
                    Err(_) if !self.singly => {
                        self.singly = true;
                        self.chunks = Vec::new().into_iter();
                        continue;
                    }
                    found => found.map_err(|error| LogError::io("read", slice.segment().path())(error))?,
                };
                self.chunk = piece.bytes().clone();
                self.origin = piece.origin().clone();
                self.chunk_at = slice.position();
                self.chunk_of = slice.segment_base();
                return Ok(true);
            }
            let max_bytes = if self.singly { 0 } else { CHUNK.min(self.budget) };
            let up_to = self.readable_end();
            let limits = ReadLimits { max_bytes, at_least_one: true, up_to: Some(up_to) };
            let read = self.log.read_unverified(self.next, limits)?;
            if read.is_empty() {
                return Ok(false);
            }
            if self.bound == Bound::Stable {
                self.aborted = self.log.aborted_transactions(self.next, read.next)?;
            }
            self.chunks = read.slices.into_iter();
        }
    }

    /// Everything that no checksum covers is held against the neighbours and the epochs.
    fn check(&self, bytes: &[u8]) -> Result<Offset, CorruptReason> {
        let batch = BatchView::parse(bytes)?;
        batch.check_crc()?;
        let base = batch.base_offset();
        let holds = base <= self.next && self.next <= batch.last_offset();
        let skips = base > self.next && self.log.has_gaps();
        if !holds && !skips {
            return Err(CorruptReason::OffsetOrder { expected: self.next, found: base.get() });
        }
        if self.following_base().is_some_and(|next| next < batch.next_offset().get()) {
            return Err(CorruptReason::OffsetOrder { expected: self.next, found: base.get() });
        }
        let found = batch.leader_epoch().map_or(-1, LeaderEpoch::get);
        match self.log.epochs.load().at(base) {
            Some(epoch) if epoch.get() != found => {
                Err(CorruptReason::EpochOrder { before: epoch.get(), found })
            }
            _ => Ok(batch.next_offset()),
        }
    }

    /// Where the next batch says it begins, if it is at hand.
    fn following_base(&self) -> Option<i64> {
        self.chunk.first_chunk().map(|raw| i64::from_be_bytes(*raw))
    }

    /// After a batch that is not what was written: the error with the exact range, once the segment was looked through.
    ///
    /// The damage may lie before the offset that is wanted, and have led here: then that is looked for once more.
    fn look_again(&mut self, at: Position, reason: CorruptReason) -> Result<()> {
        let view = self.log.view.load_full();
        let segment = &view.segments[view.segment_of(self.next)];
        self.log.examine(segment)?;
        let damage = self.log.damage();
        if let Some(here) = damage.iter().find(|damage| damage.offsets.contains(&self.next)) {
            return Err(here.to_error());
        }
        if self.looked_again.replace(self.next) == Some(self.next) {
            return Err(corrupt(segment, at, reason));
        }
        self.chunk.clear();
        self.chunks = Vec::new().into_iter();
        Ok(())
    }
}

/// Whether readers of committed records see a batch.
fn is_visible(batch: &BatchView<'_>, aborted: &[TxnEntry]) -> bool {
    let attributes = batch.attributes();
    if attributes.is_control() {
        return false;
    }
    let Some(stamp) = batch.producer().filter(|_| attributes.is_transactional()) else { return true };
    let base = batch.base_offset();
    !aborted.iter().any(|txn| txn.producer == stamp.id && (txn.first..=txn.last).contains(&base))
}

impl Iterator for RecordBatches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let found = self.advance().transpose();
        self.failed = matches!(found, Some(Err(_)));
        found
    }
}

//! Reading for embedders: batch after batch, checked, without a copy.

use super::Log;
use super::append::corrupt;
use super::read::ReadLimits;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::{BatchView, LENGTH_OVERHEAD, batch_len};
use crate::format::record::Records;
use crate::types::{LeaderEpoch, Offset, Position};
use bytes::Bytes;

/// How much is looked at at once.
const CHUNK: usize = 1 << 20;

/// One batch that was checked: structure, place in the log, epoch, checksum.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    bytes: Bytes,
    cap: usize,
}

impl RecordBatch {
    /// Its bytes, as they lie in the file.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its header.
    #[must_use]
    pub fn view(&self) -> BatchView<'_> {
        BatchView::parse(&self.bytes).expect("checked when it was read")
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
}

/// The batches of a log from an offset on, to the end as it is when it is met; see [`Log::records`].
#[derive(Debug)]
pub struct RecordBatches<'a> {
    log: &'a Log,
    next: Offset,
    /// What was read and not given yet.
    chunks: std::vec::IntoIter<crate::segment::FileSlice>,
    chunk: Bytes,
    chunk_at: Position,
    failed: bool,
}

impl Log {
    /// The batches from the one that holds `from` on, each checked before it is given.
    ///
    /// Ends at the log end; when that has moved ([`Log::wait_for_end`]) it goes on. After an error it ends: a new one
    /// behind the damaged range goes on.
    pub fn records(&self, from: Offset) -> RecordBatches<'_> {
        RecordBatches {
            log: self,
            next: from,
            chunks: Vec::new().into_iter(),
            chunk: Bytes::new(),
            chunk_at: Position::ZERO,
            failed: false,
        }
    }
}

impl RecordBatches<'_> {
    /// The offset after the last batch that was given.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        if self.chunk.is_empty() && !self.fill()? {
            return Ok(None);
        }
        let len = batch_len(&self.chunk[..LENGTH_OVERHEAD.min(self.chunk.len())])
            .filter(|len| *len <= self.chunk.len())
            .unwrap_or(self.chunk.len());
        let bytes = self.chunk.split_to(len);
        let at = self.chunk_at;
        self.chunk_at = at.checked_add(len).unwrap_or(Position::MAX);
        match self.check(&bytes) {
            Ok(next) => self.next = next,
            Err(reason) => return Err(self.error(at, reason)?),
        }
        Ok(Some(RecordBatch { bytes, cap: self.log.config.load().decompressed_cap() }))
    }

    fn fill(&mut self) -> Result<bool> {
        loop {
            if let Some(slice) = self.chunks.next() {
                self.chunk =
                    slice.bytes().map_err(|error| LogError::io("read", slice.segment().path())(error))?;
                self.chunk_at = slice.position();
                return Ok(true);
            }
            let limits = ReadLimits { max_bytes: CHUNK, ..ReadLimits::default() };
            let read = self.log.read_unverified(self.next, limits)?;
            if read.is_empty() {
                return Ok(false);
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

    /// The error for a batch that is not what was written: with the exact range, once the segment was looked through.
    fn error(&self, at: Position, reason: CorruptReason) -> Result<LogError> {
        let view = self.log.view.load();
        let segment = &view.segments[view.segment_of(self.next)];
        self.log.examine(segment)?;
        let damage = self.log.damage();
        let here = damage.iter().find(|damage| damage.offsets.contains(&self.next));
        Ok(here.map_or_else(|| corrupt(segment, at, reason), super::damage::Damage::to_error))
    }
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

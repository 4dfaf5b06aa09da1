//! The indexes of one segment, held against its batches in one walk.
//!
//! What an index promises, and what is asked of its entries here:
//!
//! | file | an entry | must be true |
//! |---|---|---|
//! | `.index` | offset, position | a batch begins there, with no higher offset: whoever looks for the offset finds it by reading on |
//! | `.timeindex` | time, offset | no record before the offset is later, and the one with the time lies at the offset or before |
//! | `.txnindex` | producer, first, last | the last one is a marker by which that producer aborted (or compaction took it away) |
//!
//! Kafka's versions differ in which offset of a batch they write; these rules hold for all of them.

use super::check::{Finding, Kind};
use crate::error::Result;
use crate::format::index_entry::{OffsetEntry, TimeEntry, TxnEntry};
use crate::format::names::{FileKind, segment_file};
use crate::index::{OffsetIndex, TimeIndex, TxnIndex};
use crate::io::Storage;
use crate::log::files::read_small;
use crate::types::{Offset, ProducerId, Timestamp};
use bytes::Bytes;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One batch, as far as indexes speak of it.
pub(super) struct Step {
    pub(super) position: u64,
    pub(super) base: Offset,
    pub(super) last: Offset,
    pub(super) max_timestamp: Option<Timestamp>,
    pub(super) epoch: Option<i32>,
    /// The producer and whether it committed, if the batch ends a transaction.
    pub(super) marker: Option<(ProducerId, bool)>,
}

/// The sound front of an index file, and what is said about it first.
struct Index {
    path: PathBuf,
    bytes: Bytes,
    at: usize,
    entry: usize,
    finding: Option<Finding>,
}

impl Index {
    /// `sound` says how many entries in front are in order.
    fn load(
        storage: &dyn Storage,
        path: PathBuf,
        entry: usize,
        sound: impl FnOnce(&Bytes) -> usize,
    ) -> Result<Option<Self>> {
        let Some(bytes) = read_small(storage, &path)? else { return Ok(None) };
        let bytes = Bytes::from(bytes);
        let end = sound(&bytes) * entry;
        let mut out = Self { path, bytes: bytes.slice(..end), at: 0, entry, finding: None };
        let rest = &bytes[end..];
        if !rest.is_empty() {
            let zeros = rest.iter().all(|byte| *byte == 0);
            let (kind, problem) = if zeros {
                (
                    Kind::Note,
                    "zeros behind the last entry: laid out in advance, and not trimmed by a clean stop",
                )
            } else if rest.len() < entry {
                (Kind::Derived, "the last entry is cut")
            } else {
                (Kind::Derived, "the entries do not rise from here on")
            };
            out.finding = Some(Finding::new(kind, &out.path, end as u64..bytes.len() as u64, problem));
        }
        Ok(Some(out))
    }

    /// The next entry that is not taken yet.
    fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes.get(self.at..)?.first_chunk().copied()
    }

    fn take(&mut self) {
        self.at += self.entry;
    }

    /// The first thing that is wrong is the one that is told: the file is made anew as a whole.
    fn wrong(&mut self, problem: String) {
        let bytes = self.at as u64..(self.at + self.entry) as u64;
        if self.finding.as_ref().is_none_or(|known| known.kind == Kind::Note) {
            self.finding = Some(Finding::new(Kind::Derived, &self.path, bytes, problem));
        }
        // What follows is not worth a look.
        self.at = self.bytes.len();
    }
}

/// The three indexes of a segment.
pub(super) struct Against {
    base: Offset,
    offsets: Option<Index>,
    times: Option<Index>,
    txns: Option<Index>,
    /// The greatest time so far.
    max: Option<Timestamp>,
    holes: Vec<Range<u64>>,
    missing: Vec<PathBuf>,
}

impl Against {
    pub(super) fn load(storage: &dyn Storage, dir: &Path, base: Offset) -> Result<Self> {
        let path = |kind| dir.join(segment_file(base, kind));
        let offsets = Index::load(storage, path(FileKind::OffsetIndex), OffsetEntry::LEN, |bytes| {
            OffsetIndex::from_file(base, bytes).0.len()
        })?;
        let times = Index::load(storage, path(FileKind::TimeIndex), TimeEntry::LEN, |bytes| {
            TimeIndex::from_file(base, bytes).0.len()
        })?;
        let txns = Index::load(storage, path(FileKind::TxnIndex), TxnEntry::LEN, |bytes| {
            TxnIndex::from_file(bytes).0.len()
        })?;
        let mut missing = Vec::new();
        missing.extend(offsets.is_none().then(|| path(FileKind::OffsetIndex)));
        missing.extend(times.is_none().then(|| path(FileKind::TimeIndex)));
        Ok(Self { base, offsets, times, txns, max: None, holes: Vec::new(), missing })
    }

    /// Index files that are not there and belong there.
    pub(super) fn missing(&self) -> &[PathBuf] {
        &self.missing
    }

    /// Nothing is known about the batches in these bytes.
    pub(super) fn hole(&mut self, bytes: &Range<u64>) {
        if !bytes.is_empty() {
            self.holes.push(bytes.clone());
        }
    }

    /// Takes the next batch.
    pub(super) fn step(&mut self, step: &Step) {
        self.step_offsets(step);
        self.step_times(step);
        self.step_txns(step);
        self.max = self.max.max(step.max_timestamp);
    }

    fn step_offsets(&mut self, step: &Step) {
        let Some(index) = &mut self.offsets else { return };
        while let Some(entry) = index.peek().and_then(|bytes| OffsetEntry::from_bytes(&bytes)) {
            let position = entry.position.to_u64();
            let lost = self.holes.iter().any(|hole| hole.contains(&position));
            if position > step.position {
                return;
            }
            let offset = entry.offset.from_base(self.base);
            if position < step.position && !lost {
                return index.wrong(format!("it names position {position}, where no batch begins"));
            }
            if position == step.position && offset.is_none_or(|offset| offset < step.base) {
                let base = step.base;
                return index.wrong(format!("it sends offset {} to the batch of {base}", entry.offset.get()));
            }
            index.take();
        }
    }

    fn step_times(&mut self, step: &Step) {
        let Some(index) = &mut self.times else { return };
        if !self.holes.is_empty() {
            index.at = index.bytes.len();
        }
        let through = self.max.max(step.max_timestamp);
        while let Some(entry) = index.peek().and_then(|bytes| TimeEntry::from_bytes(&bytes)) {
            let Some(offset) = entry.offset.from_base(self.base).filter(|offset| *offset <= step.last) else {
                return;
            };
            // The offset may lie in a gap before this batch.
            let until = if offset < step.base { self.max } else { through };
            if self.max.is_some_and(|max| max > entry.timestamp) {
                return index.wrong(format!(
                    "there are records before offset {offset} later than {}",
                    entry.timestamp
                ));
            }
            if until.is_none_or(|until| until < entry.timestamp) {
                return index.wrong(format!("no record up to offset {offset} has time {}", entry.timestamp));
            }
            index.take();
        }
    }

    fn step_txns(&mut self, step: &Step) {
        let Some(index) = &mut self.txns else { return };
        while let Some(entry) = index.peek().and_then(|bytes| TxnEntry::from_bytes(&bytes)) {
            if entry.last > step.last {
                return;
            }
            // Below the batch: compaction took the marker away.
            if entry.last >= step.base && step.marker != Some((entry.producer, false)) {
                let (last, producer) = (entry.last, entry.producer);
                return index.wrong(format!("offset {last} is not where producer {producer} aborted"));
            }
            index.take();
        }
    }

    /// All batches were taken; `end` is the offset after the last.
    pub(super) fn finish(mut self, end: Offset) -> Vec<Finding> {
        for index in [&mut self.offsets, &mut self.times].into_iter().flatten() {
            if index.at < index.bytes.len() && self.holes.is_empty() {
                index.wrong(format!("it speaks of what lies behind the end of the segment, offset {end}"));
            }
        }
        [self.offsets, self.times, self.txns]
            .into_iter()
            .flatten()
            .filter_map(|index| index.finding)
            .collect()
    }
}

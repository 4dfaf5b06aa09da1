//! Which leadership wrote which offsets: the content of `leader-epoch-checkpoint`.
//!
//! # Invariants
//!
//! * Both columns rise strictly: epoch, start offset.
//! * The list is derived: a missing or bad file is rebuilt from the batches' headers.
//! * An entry of an epoch above the first is on the disk before a batch of that epoch is written, so that a flipped
//!   epoch in a batch is told from a new one.

use crate::error::{LogError, Result};
use crate::format::checkpoint::{self, EpochLine};
use crate::io::Storage;
use crate::segment::{BatchAt, Segment};
use crate::types::{LeaderEpoch, Offset, Position};
use std::path::Path;
use std::sync::Arc;

/// Name of the file, in the log's directory.
pub(crate) const FILE_NAME: &str = "leader-epoch-checkpoint";

/// Epochs and where each begins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Epochs {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl Epochs {
    /// From a list that must rise in both columns; `None` if it does not.
    pub(crate) fn new(entries: Vec<(LeaderEpoch, Offset)>) -> Option<Self> {
        let rises = entries.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1);
        rises.then_some(Self { entries })
    }

    /// Reads the file; `None` if it is missing or not as we write it.
    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Option<Self> {
        let bytes = super::files::read_small(storage, &dir.join(FILE_NAME)).ok()??;
        let lines = checkpoint::read_epochs(&bytes).ok()?;
        Self::new(lines.into_iter().map(|line| (line.epoch, line.start)).collect())
    }

    /// Writes the file; `durable` says whether it must survive a power cut.
    pub(crate) fn store(&self, storage: &dyn Storage, dir: &Path, durable: bool) -> Result<()> {
        let lines: Vec<_> =
            self.entries.iter().map(|(epoch, start)| EpochLine { epoch: *epoch, start: *start }).collect();
        let text = checkpoint::write_epochs(&lines);
        super::files::replace(storage, &dir.join(FILE_NAME), text.as_bytes(), durable)
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The epoch that wrote an offset; `None` below the first entry.
    pub(crate) fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        self.entries[..after].last().map(|(epoch, _)| *epoch)
    }

    /// Notes that `epoch` writes from `start` on. True if that is news. An older or the same epoch is none.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if self.latest().is_some_and(|latest| latest >= epoch) {
            return false;
        }
        // An epoch that wrote nothing leaves no trace.
        self.entries.retain(|(_, other)| *other < start);
        self.entries.push((epoch, start));
        true
    }

    /// Notes the epoch of a batch, from its first offset on.
    fn assign_from(&mut self, batch: &BatchAt) {
        if let Some(epoch) = batch.leader_epoch {
            self.assign(epoch, batch.base_offset);
        }
    }

    /// Forgets what begins at `end` or later. True if that changed anything.
    pub(crate) fn truncate(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(_, start)| *start < end);
        self.entries.len() != before
    }

    /// Forgets what ended before `start` and lets the epoch that wrote `start` begin there. True if that changed
    /// anything.
    pub(crate) fn raise_start(&mut self, start: Offset) -> bool {
        let older = self.entries.partition_point(|(_, begin)| *begin <= start);
        if older == 0 || self.entries[older - 1].1 == start && older == 1 {
            return false;
        }
        self.entries.drain(..older - 1);
        self.entries[0].1 = start;
        true
    }

    /// Where an epoch ended: the greatest epoch that is not above it, and the start of the one after that.
    ///
    /// `None` for an epoch in the future. `end` is the log end offset, where the newest epoch ends so far.
    pub(crate) fn end_of(&self, epoch: LeaderEpoch, end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest().unwrap_or(LeaderEpoch::ZERO);
        if epoch == latest {
            return Some((epoch, end));
        }
        let above = self.entries.partition_point(|(known, _)| *known <= epoch);
        let next = self.entries.get(above)?.1;
        let floor = self.entries[..above].last().map_or(epoch, |(known, _)| *known);
        Some((floor, next))
    }
}

/// What the epochs of a log are: what the file said where the batches agree, else what the batches say.
///
/// An entry is held against the first two batches that it claims and the one before: no bytes of a batch's epoch are
/// under a checksum, so one batch alone may be the one that is wrong. If there is one entry only, and `seen` is the epoch
/// of the last batch, no file is opened for it.
pub(crate) fn settle(
    found: &Epochs,
    segments: &[Arc<Segment>],
    start: Offset,
    end: Offset,
    seen: Option<LeaderEpoch>,
) -> Result<Epochs> {
    let mut epochs = found.clone();
    // What begins beyond the end was lost with its batches, unless the last batch has it: then the start is wrong.
    let misplaced = epochs.truncate(end) && {
        let last = segments.iter().rev().find(|segment| !segment.is_empty());
        let last =
            last.map(|segment| first_batches(std::slice::from_ref(segment), before(end), 1)).transpose()?;
        let last = last.and_then(|batches| batches.first()?.leader_epoch);
        last.is_some()
            && last > epochs.latest()
            && found.entries.iter().any(|(epoch, _)| Some(*epoch) == last)
    };
    let empty = segments.iter().all(|segment| segment.is_empty());
    let seen = epochs.entries.len() == 1 && epochs.latest() == seen && !misplaced;
    if !empty && !seen && (epochs.is_empty() || misplaced || !agree(&epochs, segments, start, end)?) {
        epochs = from_batches(segments, end)?;
    }
    epochs.raise_start(start);
    Ok(epochs)
}

fn before(offset: Offset) -> Offset {
    Offset::new(offset.get() - 1).unwrap_or_default()
}

fn agree(epochs: &Epochs, segments: &[Arc<Segment>], start: Offset, end: Offset) -> Result<bool> {
    for (index, (epoch, first)) in epochs.entries.iter().enumerate() {
        let probes = first_batches(segments, (*first).max(start), 2)?;
        if !probes.is_empty() && !probes.iter().any(|batch| batch.leader_epoch == Some(*epoch)) {
            return Ok(false);
        }
        // A claim that begins inside a batch, or after batches that it should have: its start is wrong.
        // A damaged batch may claim to reach so far: the next one contradicts it.
        let vouched = match &probes[..] {
            [batch, next, ..] => batch.last_offset.next() == Some(next.base_offset),
            [batch] => batch.last_offset.next() == Some(end),
            [] => false,
        };
        let moved = index > 0 && *first > start && vouched && probes[0].base_offset < *first;
        if moved || is_late(epochs, index, segments, start)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an entry begins after batches that it should have.
fn is_late(epochs: &Epochs, index: usize, segments: &[Arc<Segment>], start: Offset) -> Result<bool> {
    let (epoch, first) = epochs.entries[index];
    let Some(older) = index.checked_sub(1).map(|before| epochs.entries[before].0) else {
        return Ok(false);
    };
    let claims = |begin| -> Result<Option<Offset>> {
        let batch = batch_before(segments, begin, start)?;
        Ok(batch.filter(|batch| batch.leader_epoch == Some(epoch)).map(|batch| batch.base_offset))
    };
    let Some(begin) = claims(first)? else {
        return Ok(false);
    };
    // Two batches are not both wrong.
    let in_list = bits_apart(&first.to_string(), &begin.to_string());
    let in_batch = (older.get() ^ epoch.get()).count_ones();
    Ok(in_list <= in_batch || claims(begin)?.is_some())
}

/// The batch that ends where another begins. Where damage is in the way, there is none.
fn batch_before(segments: &[Arc<Segment>], begin: Offset, start: Offset) -> Result<Option<BatchAt>> {
    let Some(before) = Offset::new(begin.get() - 1).filter(|before| *before >= start) else {
        return Ok(None);
    };
    let batches = first_batches(segments, before, 1)?;
    Ok(batches.into_iter().next().filter(|batch| (batch.base_offset..=batch.last_offset).contains(&before)))
}

/// How many bits differ between two numbers as the file has them.
///
/// No checksum covers this file nor a batch's epoch: where the two contradict each other about one batch, the one that is
/// wrong by fewer bits is the one that is wrong.
fn bits_apart(one: &str, other: &str) -> u32 {
    if one.len() != other.len() {
        return u32::MAX;
    }
    one.bytes().zip(other.bytes()).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// The batch that holds an offset and the ones after it, as far as they can be walked to.
fn first_batches(segments: &[Arc<Segment>], from: Offset, count: usize) -> Result<Vec<BatchAt>> {
    let index = segments.partition_point(|segment| segment.base_offset() <= from).saturating_sub(1);
    let mut out = Vec::new();
    for segment in &segments[index..] {
        let at = match segment.locate(from) {
            Ok(Some(batch)) => batch.position,
            Ok(None) | Err(LogError::Corrupt { .. }) => continue,
            Err(other) => return Err(other),
        };
        out.extend(segment.walk(at).map_while(Result::ok).take(count - out.len()));
        if out.len() == count {
            break;
        }
    }
    Ok(out)
}

/// Reads the epochs off the batches' headers, as far as they are believed: a batch must lie where the log has offsets,
/// and one that raises the epoch needs the next batch, or the end of the log behind it, to vouch for it.
fn from_batches(segments: &[Arc<Segment>], end: Offset) -> Result<Epochs> {
    let mut epochs = Epochs::default();
    let mut held: Option<BatchAt> = None;
    for (index, segment) in segments.iter().enumerate() {
        let limit = segments.get(index + 1).map_or(end, |next| next.base_offset());
        for batch in segment.walk(Position::ZERO) {
            let batch = match batch {
                Ok(batch) => batch,
                // What stands before damage has nobody behind it.
                Err(LogError::Corrupt { .. }) => {
                    held = None;
                    break;
                }
                Err(other) => return Err(other),
            };
            if batch.leader_epoch.is_none() || batch.last_offset >= limit {
                continue;
            }
            if let Some(before) = held.filter(|before| before.leader_epoch <= batch.leader_epoch) {
                epochs.assign_from(&before);
            }
            held = Some(batch);
        }
    }
    if let Some(last) = held.filter(|last| last.last_offset.next() == Some(end)) {
        epochs.assign_from(&last);
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    fn epoch(raw: i32) -> LeaderEpoch {
        LeaderEpoch::new(raw).unwrap()
    }

    fn epochs() -> Epochs {
        Epochs::new(vec![(epoch(0), offset(0)), (epoch(2), offset(90)), (epoch(4), offset(120))]).unwrap()
    }

    #[test]
    fn an_older_epoch_ends_where_the_next_begins() {
        let e = epochs();
        assert_eq!(e.end_of(epoch(4), offset(130)), Some((epoch(4), offset(130))));
        assert_eq!(e.end_of(epoch(3), offset(130)), Some((epoch(2), offset(120))));
        assert_eq!(e.end_of(epoch(0), offset(130)), Some((epoch(0), offset(90))));
        assert_eq!(e.end_of(epoch(5), offset(130)), None);
        assert_eq!(Epochs::default().end_of(epoch(0), offset(0)), Some((epoch(0), offset(0))));
        assert_eq!(Epochs::default().end_of(epoch(1), offset(0)), None);
    }

    #[test]
    fn raising_the_start_keeps_the_epoch_that_wrote_it() {
        let mut e = epochs();
        assert!(e.raise_start(offset(100)));
        assert_eq!(e.entries, [(epoch(2), offset(100)), (epoch(4), offset(120))]);
        assert!(!e.raise_start(offset(100)));
        assert!(e.raise_start(offset(120)));
        assert_eq!(e.entries, [(epoch(4), offset(120))]);
    }

    #[test]
    fn offsets_belong_to_the_epoch_that_began_last() {
        let mut e = epochs();
        assert_eq!(e.at(offset(89)), Some(epoch(0)));
        assert_eq!(e.at(offset(90)), Some(epoch(2)));
        assert!(e.truncate(offset(120)));
        assert_eq!(e.at(offset(500)), Some(epoch(2)));
        assert!(!e.assign(epoch(2), offset(130)));
        assert!(e.assign(epoch(3), offset(130)));
    }

    #[test]
    fn a_list_that_falls_is_refused() {
        assert_eq!(Epochs::new(vec![(epoch(1), offset(5)), (epoch(1), offset(6))]), None);
        assert_eq!(Epochs::new(vec![(epoch(1), offset(5)), (epoch(2), offset(5))]), None);
    }
}

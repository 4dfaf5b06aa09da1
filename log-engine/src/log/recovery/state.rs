//! Producer state of a recovered log: from its files where they are good, else from the batches.

use super::Request;
use super::decide::{Decision, Kept, Stamped};
use crate::error::Result;
use crate::format::batch::BatchView;
use crate::format::build::read_marker;
use crate::format::index_entry::TxnEntry;
use crate::format::names::{FileKind, segment_file};
use crate::log::damage::Damage;
use crate::log::producer_file::{self, Evidence, StateFile};
use crate::log::producers::{Closed, Incoming, Marker, Producers, REMEMBERED_BATCHES, Remembered};
use crate::log::scan::Scanner;
use crate::segment::TxnSum;
use crate::types::{Offset, ProducerId, Timestamp};
use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

/// How far back the older batches of producers are looked for when only Kafka's snapshot is there, in bytes.
const LOOK_BACK: u64 = 64 * 1024 * 1024;
/// A marker's record is 20 bytes or so; no codec is allowed to make more of it.
const MARKER_CAP: usize = 4096;

/// Producer state, and what was learnt with it.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) producers: Producers,
    /// Where the batches that were read begin.
    pub(crate) from: Offset,
    /// The transactions that markers from there on aborted.
    pub(crate) aborted: Vec<TxnEntry>,
    /// What the indexes of aborted transactions below must hold, by the segment's base offset.
    pub(crate) txns: Vec<(Offset, TxnSum)>,
    /// Base offsets of segments that could not be read to their end.
    pub(crate) unread: Vec<Offset>,
}

/// The state of all producers at the end of the log.
pub(super) fn producers(
    request: &Request,
    state: Option<StateFile>,
    snapshots: &[Offset],
    decision: &Decision,
    start: Offset,
) -> Result<Replayed> {
    if let Some(state) = good_state(request, decision, state)? {
        let replayed = replay(request, decision, state.offset, state.evidence, state.producers)?;
        return Ok(Replayed { txns: state.txns, ..replayed });
    }
    // None above what was scanned: a snapshot may have reached the disk and the index of aborted transactions not.
    let usable = start..=decision.end.min(decision.settled);
    let newest = snapshots.iter().rev().filter(|at| usable.contains(*at)).find_map(|at| {
        let loaded = producer_file::load_snapshot(&*request.storage, &request.dir, *at, request.now)?;
        Some((*at, loaded))
    });
    let (from, mut producers) = newest.unwrap_or_default();
    if !producers.is_empty() {
        complete(request, decision, from, &mut producers)?;
    }
    replay(request, decision, from, None, producers)
}

/// Our own file, if the batch it names is in the log.
fn good_state(request: &Request, decision: &Decision, state: Option<StateFile>) -> Result<Option<StateFile>> {
    let Some(state) = state else { return Ok(None) };
    let first = decision.kept.first().map_or(decision.end, |kept| kept.base);
    let Some(evidence) = state.evidence else {
        return Ok((state.offset <= first).then_some(state));
    };
    let Some(kept) = decision.kept.iter().find(|kept| kept.base == evidence.segment) else { return Ok(None) };
    let mut scanner = Scanner::open(&*request.storage, &path_of(request, kept.base))?;
    let at = evidence.batch.position.to_u64();
    let Some(batch) = scanner.intact(at)? else { return Ok(None) };
    let same = batch.stored_crc() == evidence.batch.crc && batch.next_offset() == state.offset;
    let kept_whole = at + batch.len() as u64 <= kept.end.to_u64();
    Ok((same && kept_whole).then_some(state))
}

/// Takes in all batches from an offset on. `evidence` is the batch that ends there, where it is known.
pub(super) fn replay(
    request: &Request,
    decision: &Decision,
    from: Offset,
    evidence: Option<Evidence>,
    producers: Producers,
) -> Result<Replayed> {
    let mut out = Replayed { producers, from, aborted: Vec::new(), txns: Vec::new(), unread: Vec::new() };
    for kept in decision.kept.iter().filter(|kept| kept.next > from || kept.is_scanned()) {
        let known = evidence.filter(|evidence| evidence.segment == kept.base);
        let at = known.map_or(0, |evidence| evidence.batch.position.to_u64());
        // What was looked at need not be read again.
        let seen = kept.stamped.as_ref().zip(kept.scanned_from);
        let until = seen.map_or(kept.end, |(_, scanned_from)| scanned_from.min(kept.end));
        let whole = each_batch(request, kept, &decision.damage, at..until.to_u64(), |batch| {
            if let Some(stamped) = Stamped::of(batch).filter(|batch| batch.base >= from) {
                out.take(&stamped, request.now);
            }
        })?;
        for stamped in seen.into_iter().flat_map(|(stamped, _)| stamped).filter(|batch| batch.base >= from) {
            out.take(stamped, request.now);
        }
        if !whole {
            out.unread.push(kept.base);
        }
    }
    Ok(out)
}

/// The transactions that any marker of the log aborted, by its batches alone.
pub(crate) fn all_aborted(request: &Request, kept: &[Kept], damage: &[Damage]) -> Result<Vec<TxnEntry>> {
    let decision = Decision { kept: kept.to_vec(), damage: damage.to_vec(), ..Decision::default() };
    Ok(replay(request, &decision, Offset::ZERO, None, Producers::default())?.aborted)
}

impl Replayed {
    fn take(&mut self, batch: &Stamped, now: Timestamp) {
        let closed = self.producers.replay(&batch.incoming, batch.base, now);
        if let Some(Closed { producer, first_offset, commit: false }) = closed {
            let last = batch.last;
            let next = last.next().unwrap_or(last);
            let last_stable = self.producers.first_open().unwrap_or(next);
            self.aborted.push(TxnEntry { producer, first: first_offset, last, last_stable });
        }
    }
}

/// What a stored batch means to the producer state. A marker without a record, as Kafka's compaction leaves them, means
/// nothing: least of all that a transaction begins.
pub(crate) fn incoming_of(batch: &BatchView<'_>) -> Option<Incoming> {
    let marker = marker_of(batch);
    if marker.is_none() && batch.attributes().is_control() {
        return None;
    }
    Incoming::of(batch, marker)
}

/// The end of a transaction that a control batch stands for; `None` for data and for other control records.
pub(crate) fn marker_of(batch: &BatchView<'_>) -> Option<Marker> {
    if !batch.attributes().is_control() {
        return None;
    }
    let records = batch.records(MARKER_CAP).ok()?;
    let record = records.iter().next()?.ok()?;
    let (commit, coordinator_epoch) = read_marker(&record)?;
    Some(Marker { commit, coordinator_epoch })
}

/// Finds the batches that a snapshot, which holds one per producer, left out: newest segments first, as far as
/// [`LOOK_BACK`] goes.
fn complete(request: &Request, decision: &Decision, at: Offset, producers: &mut Producers) -> Result<()> {
    let mut missing: HashMap<ProducerId, Vec<Remembered>> = HashMap::new();
    let mut read = 0;
    for kept in decision.kept.iter().rev().filter(|kept| kept.base < at) {
        if read >= LOOK_BACK {
            break;
        }
        let mut here: HashMap<ProducerId, Vec<Remembered>> = HashMap::new();
        each_batch(request, kept, &decision.damage, 0..kept.end.to_u64(), |batch| {
            if batch.next_offset() <= at {
                note(&mut here, batch, producers);
            }
        })?;
        read += kept.end.to_u64();
        for (id, mut batches) in here {
            batches.extend(missing.remove(&id).unwrap_or_default());
            missing.insert(id, batches);
        }
        let full = |id: &ProducerId| missing.get(id).is_some_and(|found| found.len() > REMEMBERED_BATCHES);
        if producers.sorted().iter().all(|(id, _)| full(id)) {
            break;
        }
    }
    for (id, batches) in &missing {
        producers.complete(*id, batches);
    }
    Ok(())
}

/// Notes a data batch of a known producer and epoch.
fn note(here: &mut HashMap<ProducerId, Vec<Remembered>>, batch: &BatchView<'_>, producers: &Producers) {
    let Some(stamp) = batch.producer() else { return };
    let Some(first) = stamp.base_sequence else { return };
    if producers.get(stamp.id).is_none_or(|known| known.epoch != stamp.epoch) {
        return;
    }
    here.entry(stamp.id).or_default().push(Remembered {
        last_sequence: first.wrapping_add(batch.last_offset_delta()),
        last_offset: batch.last_offset(),
        offset_delta: batch.last_offset_delta(),
        timestamp: batch.max_timestamp(),
    });
}

/// The stretches of a segment's bytes that are not damaged.
pub(crate) fn sound_bytes(path: &std::path::Path, end: u64, damage: &[Damage]) -> Vec<Range<u64>> {
    let mut sound = Vec::new();
    let mut from = 0;
    for hole in damage.iter().filter(|hole| hole.file == path && !hole.bytes.is_empty()) {
        sound.push(from..hole.bytes.start.min(end));
        from = hole.bytes.end;
    }
    sound.push(from..end.max(from));
    sound.retain(|range| !range.is_empty());
    sound
}

/// Goes through the undamaged batches of a range of a segment, which must begin where one or a stretch does, and end
/// where one does. False if something else was met.
fn each_batch(
    request: &Request,
    kept: &Kept,
    damage: &[Damage],
    range: Range<u64>,
    mut visit: impl FnMut(&BatchView<'_>),
) -> Result<bool> {
    if range.is_empty() {
        return Ok(true);
    }
    let mut whole = true;
    let path = path_of(request, kept.base);
    let mut scanner = Scanner::open(&*request.storage, &path)?;
    for stretch in sound_bytes(&path, range.end, damage) {
        let mut at = stretch.start.max(range.start);
        while at < stretch.end {
            // What is not a batch below the scan is damage that nobody has met yet; readers will.
            let Some(batch) = scanner.peek(at)? else {
                whole = false;
                break;
            };
            visit(&batch);
            at += batch.len() as u64;
        }
    }
    Ok(whole)
}

fn path_of(request: &Request, base: Offset) -> PathBuf {
    request.dir.join(segment_file(base, FileKind::Log))
}

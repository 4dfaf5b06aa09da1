//! Opening a log: what of its files is the log, and what is put right.
//!
//! The rule, in order:
//!
//! 1. The synced mark is trusted by its checksum, the file's identity and the batch it names. The scan begins there.
//! 2. A bad byte at the mark or above is the trace of a crash: the tail, valid batches behind the bad one included, is
//!    set aside in `*.torn` files, which nobody here deletes, and cut off. An all-zero rest is a clean end.
//! 3. A bad byte below is damage: nothing is cut, the range is a hole, what is around it is served. Appends go to a new
//!    segment if the hole is in the last one.
//!    So is a missing first segment: the log start in the mark is raised before a file goes.
//! 4. Without a trusted mark the recovery point serves; without it all is unknown, and only the very end of the last
//!    segment may be cut. With the clean mark of a store only the last segment is looked at.
//! 5. Everything derived (indexes, producer state, epochs) is rebuilt if it is not good; it never keeps a log closed.
//! 6. Nothing is written before all is decided, and every step leaves a directory for which the same is decided.
//!
//! What is kept is synced before it is served: by the log itself, or by who opens many and has synced the whole file system
//! before (`Request::synced`). Then nothing is synced again that recovery did not change, and the mark, which is as true as
//! it was, may be moved later.
//!
//! # Not here
//!
//! Damage below the mark that no scan meets: it is found when it is first read (`verify`).

mod apply;
mod decide;
mod listing;
mod state;

pub(crate) use apply::{Applied, TORN, apply, copy_aside, free_name};
pub(crate) use decide::{Decision, Kept};
pub(crate) use state::{all_aborted, incoming_of, marker_of, sound_bytes};

use self::decide::Trust;
pub(crate) use self::listing::{FileStep, FoundSegment, Listing, list};
use super::compact::point::{self, Point};
use super::damage::Damage;
use super::doubt;
use super::epochs::Epochs;
use super::files::parent_of;
use super::mark::{LastBatch, Mark, MarkFile};
use super::producer_file::StateFile;
use super::producers::Producers;
use super::scan::Scanner;
use crate::error::Result;
use crate::format::CorruptReason;
use crate::format::index_entry::TxnEntry;
use crate::format::names::{FileKind, segment_file};
use crate::io::Storage;
use crate::segment::{Segment, TxnSum};
use crate::types::{LeaderEpoch, Offset, Position, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;

/// What is known from outside of the directory.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    /// Whether the store was closed in order.
    pub(crate) clean: bool,
    pub(crate) recovery_point: Option<Offset>,
    pub(crate) start_offset: Option<Offset>,
    /// Whether compaction may have left gaps between batches.
    pub(crate) gaps: bool,
    /// The directory was made just now.
    pub(crate) made: bool,
    /// Everything in the directory, names too, was synced after whoever had it before was gone.
    pub(crate) synced: bool,
    pub(crate) now: Timestamp,
}

/// What opening a log found and did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecoveryReport {
    /// Bytes that were read and checked.
    pub scanned_bytes: u64,
    /// Files that now hold what was cut off, and were not there before.
    pub set_aside: Vec<PathBuf>,
    /// How many whole batches are in them, behind the first bad byte.
    pub batches_set_aside: u64,
    /// How many leftover files were removed or put in place.
    pub leftovers: usize,
}

/// A log that is whole again, or as whole as it can be.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// In order; the last one may be appended to unless `roll` says otherwise. Empty for a log without any.
    pub(crate) segments: Vec<Kept>,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    /// What the log says it is compacted to.
    pub(crate) compaction: Option<Point>,
    /// The batch that ends the last segment.
    pub(crate) last: Option<LastBatch>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) roll: bool,
    pub(crate) producers: Producers,
    /// Where the batches begin that were read for it, and the transactions that markers from there on aborted.
    pub(crate) replayed_from: Offset,
    pub(crate) aborted: Vec<TxnEntry>,
    /// What the indexes of those aborted below must hold, by the segment's base offset.
    pub(crate) txns: Vec<(Offset, TxnSum)>,
    /// Base offsets of segments that were not read to their end for it: something in them is no batch.
    pub(crate) unread: Vec<Offset>,
    pub(crate) epochs: Epochs,
    /// The epoch of the last batch, if the mark names it, or all that were looked at had the same.
    pub(crate) seen_epoch: Option<LeaderEpoch>,
    pub(crate) mark: Option<Mark>,
    /// The mark is trusted, everything behind it is on the disk, and nothing was changed that it speaks of: as it stands it
    /// leads the next start to the same log.
    pub(crate) mark_holds: bool,
    pub(crate) mark_file: MarkFile,
    /// A failed sync is noted; to be settled when all is durable.
    pub(crate) in_doubt: bool,
    pub(crate) report: RecoveryReport,
}

/// Opens a directory that exists. Writes only what the rule says.
pub(crate) fn recover(request: &Request) -> Result<Recovered> {
    let storage = &*request.storage;
    let dir = &request.dir;
    let mut listing = listing::list(storage, dir)?;
    let in_doubt = listing.in_doubt;
    #[cfg(feature = "planted-bugs")]
    let in_doubt = in_doubt && !crate::planted::is(crate::planted::Bug::TrustTheCacheAfterAFailedSync);
    if in_doubt {
        doubt::forget_cached(storage, dir)?;
        listing = listing::list(storage, dir)?;
    }
    let (mut mark_file, mark) = MarkFile::read(storage, dir)?;
    // All that a newer program may have written is looked at before anything is changed.
    let compaction = if listing.compacted { point::load(storage, dir)? } else { None };
    let state = StateFile::load(storage, dir)?;
    let request = &Request {
        gaps: request.gaps || compaction.is_some(),
        clean: request.clean && !in_doubt,
        ..request.clone()
    };
    let epochs = Epochs::load(storage, dir);
    let trust = trust(request, &listing, mark.as_ref())?;
    let mut decision =
        decide::decide(storage, dir, &listing.segments, &trust, request.gaps, epochs.as_ref())?;
    note_missing(request, &listing, compaction.as_ref(), &mut decision);
    let start = settle_start(request, &listing, mark.as_ref(), &mut decision);
    let names_durable = request.made || names_last(&listing, mark.as_ref());
    let marked = mark.map(|mark| (&mut mark_file, mark));
    let Applied { report, changed } = apply(request, &listing, &decision, names_durable, marked)?;
    let mark_holds = request.synced
        && !changed
        && mark.is_some_and(|mark| believes(&trust, &listing, &mark) && mark.log_start == start);
    let epochs = epochs.unwrap_or_default();
    let seen_epoch = seen_epoch(&trust, &decision);
    let replayed = state::producers(request, state, &listing.snapshots, &decision, start)?;
    // A scan always reaches the last segment, so its last batch was seen.
    let last = decision.kept.last().and_then(|kept| kept.last);
    Ok(Recovered {
        start,
        end: decision.end,
        compaction,
        last,
        damage: decision.damage,
        roll: decision.roll,
        segments: decision.kept,
        producers: replayed.producers,
        replayed_from: replayed.from,
        aborted: replayed.aborted,
        txns: replayed.txns,
        unread: replayed.unread,
        epochs,
        seen_epoch,
        mark,
        mark_holds,
        mark_file,
        in_doubt,
        report,
    })
}

/// Whether the scan began where the mark says, in the very file that it names.
fn believes(trust: &Trust, listing: &Listing, mark: &Mark) -> bool {
    let same =
        (trust.position, trust.offset, trust.last) == (mark.position, mark.next_offset, mark.last_batch);
    let file = listing.segments.get(trust.first).map(|segment| segment.id);
    same && !trust.unknown && mark.heir.is_none() && file == Some(mark.file)
}

/// The epoch of the end of the log: that of the batch that the mark names, or of all that were looked at behind it.
fn seen_epoch(trust: &Trust, decision: &Decision) -> Option<LeaderEpoch> {
    if decision.scanned_bytes == 0 { LeaderEpoch::new(trust.epoch) } else { decision.epoch }
}

/// A directory that was looked through from its first byte on, and not changed.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) listing: Listing,
    pub(crate) mark: Option<Mark>,
    /// The mark is of this very directory, and not of one that it was copied from.
    pub(crate) marked_here: bool,
    pub(crate) epochs: Option<Epochs>,
    pub(crate) start: Offset,
    pub(crate) decision: Decision,
}

/// What opening would find if it believed nothing, from segment number `first` on. Writes nothing.
pub(crate) fn look_through(request: &Request, listing: Listing, first: usize) -> Result<Looked> {
    let storage = &*request.storage;
    let request = &Request { gaps: request.gaps || listing.compacted, ..request.clone() };
    let (_, mark) = MarkFile::read(storage, &request.dir)?;
    // They are not needed here: opening would refuse those that a newer program wrote.
    StateFile::load(storage, &request.dir)?;
    let compaction = point::load(storage, &request.dir)?;
    let epochs = Epochs::load(storage, &request.dir);
    let Trust { floor, unknown, .. } = trust(request, &listing, mark.as_ref())?;
    let segments = &listing.segments[first..];
    let offset = segments.first().map_or(floor, |segment| segment.base);
    let position = Position::ZERO;
    let trust = Trust { first: 0, position, offset, last: None, epoch: -1, floor, unknown, end: None };
    let mut decision =
        decide::decide(storage, &request.dir, segments, &trust, request.gaps, epochs.as_ref())?;
    note_missing(request, &listing, compaction.as_ref(), &mut decision);
    let start = settle_start(request, &listing, mark.as_ref(), &mut decision);
    let here = |mark: &Mark| listing.segments.iter().any(|s| s.base == mark.segment && mark.is_of(s.id));
    let marked_here = mark.as_ref().is_some_and(here);
    Ok(Looked { listing, mark, marked_here, epochs, start, decision })
}

/// Whether the mark names the last segment there is: the names up to it were synced before the mark was written.
fn names_last(listing: &Listing, mark: Option<&Mark>) -> bool {
    let last = listing.segments.last();
    mark.zip(last).is_some_and(|(mark, last)| mark.segment == last.base && mark.file == last.id)
}

/// Where trust ends, by what the mark, the checkpoints and the clean mark say.
fn trust(request: &Request, listing: &Listing, mark: Option<&Mark>) -> Result<Trust> {
    let segments = &listing.segments;
    let named = |mark: &Mark| segments.iter().position(|segment| segment.base == mark.segment);
    let marked = mark.map(|mark| (mark, named(mark)));
    // A mark whose file is another one belongs to the directory that this one was copied from. One whose file is
    // gone still says what there was.
    let (mark, named) = match marked {
        Some((mark, Some(index))) if mark.is_of(segments[index].id) => (Some(mark), Some(index)),
        Some((mark, None)) => (Some(mark), None),
        _ => (None, None),
    };
    if let (Some(mark), Some(index)) = (mark, named)
        && let Some(epoch) = marked_epoch(request, &segments[index], mark)?
    {
        return Ok(Trust {
            first: index,
            position: mark.position,
            offset: mark.next_offset,
            last: mark.last_batch,
            epoch,
            floor: mark.next_offset,
            unknown: false,
            end: None,
        });
    }
    let claimed = mark.map_or(Offset::ZERO, |mark| mark.next_offset);
    let from_start = |first: usize, floor: Offset, unknown: bool| {
        let offset = segments.get(first).map_or(floor, |segment| segment.base);
        Trust { first, position: Position::ZERO, offset, last: None, epoch: -1, floor, unknown, end: None }
    };
    Ok(match request.recovery_point {
        Some(point) => {
            let after = segments.partition_point(|segment| segment.base <= point);
            from_start(after.saturating_sub(1), point.max(claimed), false)
        }
        None if request.clean => from_start(segments.len().saturating_sub(1), claimed, mark.is_none()),
        None => from_start(0, claimed, mark.is_none()),
    })
}

/// The epoch of the batch that a mark names (-1 if it names none); `None` if that batch is not there.
fn marked_epoch(request: &Request, segment: &FoundSegment, mark: &Mark) -> Result<Option<i32>> {
    if segment.len < mark.position.to_u64() {
        return Ok(None);
    }
    // A log that was compacted and then cut may end in a gap.
    let follows = |end: Offset| end == mark.next_offset || end < mark.next_offset && request.gaps;
    let Some(last) = mark.last_batch else { return Ok(follows(segment.base).then_some(-1)) };
    let mut scanner = Scanner::open(&*request.storage, &request.dir.join(&segment.name))?;
    let at = last.position.to_u64();
    let Some(batch) = scanner.intact(at)? else { return Ok(None) };
    let ends = at + batch.len() as u64 == mark.position.to_u64();
    let same = ends && batch.stored_crc() == last.crc && follows(batch.next_offset());
    Ok(same.then(|| batch.leader_epoch().map_or(-1, LeaderEpoch::get)))
}

/// Segments of a compacted log that are listed and not there: the gap that they leave would be one as compaction leaves them.
fn note_missing(request: &Request, listing: &Listing, point: Option<&Point>, decision: &mut Decision) {
    let bases: Vec<_> = listing.segments.iter().map(|segment| segment.base).collect();
    let missing = point.map(|point| point.missing(&bases)).unwrap_or_default();
    decision.damage.extend(missing.into_iter().map(|offsets| Damage::missing_segment(&request.dir, offsets)));
    decision.damage.sort_by_key(|damage| (damage.offsets.start, damage.bytes.start));
}

/// The log start offset; makes the log begin anew there if all of its records lie below.
fn settle_start(
    request: &Request,
    listing: &Listing,
    mark: Option<&Mark>,
    decision: &mut Decision,
) -> Offset {
    let first = listing.segments.first();
    let marked = mark.map(|mark| mark.log_start);
    // A mark of this very directory is never older than a checkpoint: its start is durable before it is answered, and a
    // cut may have lowered it.
    let ours = |mark: &Mark| listing.segments.iter().any(|s| s.base == mark.segment && mark.is_of(s.id));
    let noted = request.start_offset.filter(|_| !mark.is_some_and(ours));
    let begins = marked.or(first.map(|first| first.base));
    let start = [begins, noted].into_iter().flatten().max().unwrap_or_default();
    if let Some(first) = first.filter(|first| start < first.base) {
        // Retention makes the start durable before it takes a file away.
        let reason = CorruptReason::Structure("the first segment is missing".to_owned());
        let file = request.dir.join(segment_file(first.base, FileKind::Log));
        decision.damage.insert(0, Damage { file, bytes: 0..0, offsets: start..first.base, reason });
    }
    if start > decision.end {
        // A start beyond the end means that the records up to it were deleted, and that the end was lost since: the
        // offsets between are not given again. Nothing is deleted for it: the files are set aside.
        let kept = std::mem::take(&mut decision.kept);
        let name =
            |kept: &Kept| listing.segments.iter().find(|s| s.base == kept.base).map(|s| s.name.clone());
        decision.aside.extend(kept.iter().rev().filter_map(name));
        decision.end = start;
        decision.torn = false;
        decision.roll = false;
        decision.damage.clear();
    }
    // What was deleted is not missed: its segments go in any order.
    decision.damage.retain(|damage| damage.offsets.end > start || damage.offsets.is_empty());
    start
}

/// Producer state of a log that is open and was cut: segments with their lengths, and the end.
pub(crate) fn replay_all(
    request: &Request,
    segments: &[(Offset, Position)],
    damage: &[Damage],
    start: Offset,
    end: Offset,
) -> Result<Producers> {
    let next = |index: usize| segments.get(index + 1).map_or(end, |next| next.0);
    let kept = |(index, (base, len)): (usize, &(Offset, Position))| Kept {
        base: *base,
        end: *len,
        len: len.to_u64(),
        modified: None,
        next: next(index),
        last: None,
        scanned_from: None,
        stamped: None,
    };
    let kept = segments.iter().enumerate().map(kept).collect();
    let decision = Decision { kept, end, settled: end, damage: damage.to_vec(), ..Decision::default() };
    let snapshots = listing::list(&*request.storage, &request.dir)?.snapshots;
    let state = StateFile::load(&*request.storage, &request.dir)?;
    Ok(state::producers(request, state, &snapshots, &decision, start)?.producers)
}

/// The transactions that were aborted, as far as the batches of a log tell that was looked through.
pub(crate) fn aborted(request: &Request, decision: &Decision) -> Result<Vec<TxnEntry>> {
    Ok(state::replay(request, decision, Offset::ZERO, None, Producers::default())?.aborted)
}

/// The damage in a segment whose records up to `end` are all published.
pub(crate) fn find_damage(
    storage: &Arc<dyn Storage>,
    segment: &Segment,
    len: Position,
    end: Offset,
    gaps: bool,
    epochs: &Epochs,
) -> Result<Vec<Damage>> {
    let path = segment.path();
    let dir = parent_of(&path);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let found = FoundSegment {
        base: segment.base_offset(),
        name,
        len: len.to_u64(),
        modified: segment.modified()?,
        id: segment.file_id()?,
    };
    let (base, position) = (found.base, Position::ZERO);
    let trust = Trust {
        first: 0,
        position,
        offset: base,
        last: None,
        // As readers have it: else they refuse a first batch of a lower epoch, and nothing says which range that is.
        epoch: epochs.at(base).map_or(-1, LeaderEpoch::get),
        floor: end,
        unknown: false,
        end: Some(end),
    };
    Ok(decide::decide(&**storage, dir, &[found], &trust, gaps, Some(epochs))?.damage)
}

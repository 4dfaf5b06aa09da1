//! Decides what of the files is the log. Reads only.
//!
//! Everything below the floor was claimed to be on the disk; what is bad there is damage and stays where it is, as a
//! hole. What is bad at the floor or above is the trace of a crash: it and all behind it is set aside. Where nothing
//! is claimed ([`Trust::unknown`]), only the very end of the last segment may be a crash's.

use super::listing::FoundSegment;
use super::state::incoming_of;
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::BatchView;
use crate::format::names::{FileKind, segment_file};
use crate::io::Storage;
use crate::log::damage::Damage;
use crate::log::epochs::Epochs;
use crate::log::mark::LastBatch;
use crate::log::producers::Incoming;
use crate::log::scan::{Behind, Expected, Found, Scanner};
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::types::{LeaderEpoch, Offset, Position, Timestamp};
use std::path::{Path, PathBuf};

/// What is believed before anything is scanned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Trust {
    /// Index of the segment where the scan begins; those before it are believed.
    pub(crate) first: usize,
    /// Where in it, and the offset there.
    pub(crate) position: Position,
    pub(crate) offset: Offset,
    /// The batch that ends at `position`, and its epoch (-1 without one).
    pub(crate) last: Option<LastBatch>,
    pub(crate) epoch: i32,
    /// Bad bytes of offsets below this are damage.
    pub(crate) floor: Offset,
    /// Bad bytes at the floor or above are damage too, except at the very end.
    pub(crate) unknown: bool,
    /// Where the log is known to end, if it is.
    pub(crate) end: Option<Offset>,
}

/// A segment as it will be served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Kept {
    pub(crate) base: Offset,
    /// Bytes of the file that belong to the log.
    pub(crate) end: Position,
    /// Bytes that the file has now.
    pub(crate) len: u64,
    /// When the file was last written, as the listing says.
    pub(crate) modified: Option<Timestamp>,
    /// The offset after its last record; the next segment's base if it was not scanned.
    pub(crate) next: Offset,
    /// The batch that ends at `end`, if it was seen.
    pub(crate) last: Option<LastBatch>,
    /// Where looking at its batches began, if it did: its indexes are made anew.
    pub(crate) scanned_from: Option<Position>,
    /// What producers have to do with the batches from there on, so that nobody reads them a second time; `None` if they
    /// were not looked at, or are too many to be kept.
    pub(crate) stamped: Option<Vec<Stamped>>,
}

/// A batch of an idempotent or transactional producer, or a marker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) base: Offset,
    pub(crate) last: Offset,
    pub(crate) incoming: Incoming,
}

impl Stamped {
    /// `None` for a batch of nobody.
    pub(crate) fn of(batch: &BatchView<'_>) -> Option<Self> {
        let incoming = incoming_of(batch)?;
        Some(Self { base: batch.base_offset(), last: batch.last_offset(), incoming })
    }
}

/// So many of them are kept of a segment, 6 MiB: with more, the batches are read again. Few in tests, so that both ways
/// are gone.
const MOST_STAMPED: usize = if cfg!(test) { 4 } else { 64 * 1024 };

/// What will be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    pub(crate) kept: Vec<Kept>,
    /// The end of the log: what the next record gets.
    pub(crate) end: Offset,
    /// Names of segments that are set aside whole.
    pub(crate) aside: Vec<String>,
    /// The last kept segment loses everything from its end on, and the bytes are set aside.
    pub(crate) torn: bool,
    pub(crate) damage: Vec<Damage>,
    /// Appends must not go to the last kept segment.
    pub(crate) roll: bool,
    /// Everything below was synced, with all that is derived from it.
    pub(crate) settled: Offset,
    /// How many bytes were read and checked.
    pub(crate) scanned_bytes: u64,
    /// How many whole batches lie behind the first bad byte and were set aside.
    pub(crate) batches_aside: u64,
    /// The epoch of the batches that were looked at, if several were and all had the same.
    pub(crate) epoch: Option<LeaderEpoch>,
}

/// Looks at all segments from where trust ends.
pub(crate) fn decide(
    storage: &dyn Storage,
    dir: &Path,
    segments: &[FoundSegment],
    trust: &Trust,
    gaps: bool,
    epochs: Option<&Epochs>,
) -> Result<Decision> {
    // The lower of the two: neither the file nor these bytes of a header have a checksum. In a log that is open the
    // epochs were held against the batches.
    let epoch = match epochs.filter(|_| trust.end.is_none()) {
        Some(known) => trust.epoch.min(epoch_before(known, trust.offset)),
        None => trust.epoch,
    };
    let expected = Expected {
        offset: trust.offset,
        epoch,
        limit: None,
        gaps,
        epochs: epochs.filter(|known| !known.is_empty()),
        settled: trust.end.is_some(),
        behind: None,
    };
    let out = Decision { settled: trust.offset, ..Decision::default() };
    let mut walk = Walk { storage, dir, segments, trust, gaps, expected, seen: SeenEpochs::default(), out };
    for (index, segment) in segments.iter().enumerate().take(trust.first) {
        walk.believe(segment, segments.get(index + 1).map_or(trust.offset, |next| next.base))?;
    }
    for index in trust.first..segments.len() {
        if !walk.border(index) || !walk.segment(index)? {
            break;
        }
    }
    walk.finish()
}

fn epoch_before(epochs: &Epochs, offset: Offset) -> i32 {
    let before = Offset::new(offset.get() - 1).unwrap_or_default();
    epochs.at(before).map_or(-1, LeaderEpoch::get)
}

struct Walk<'a> {
    storage: &'a dyn Storage,
    dir: &'a Path,
    segments: &'a [FoundSegment],
    trust: &'a Trust,
    gaps: bool,
    expected: Expected<'a>,
    seen: SeenEpochs,
    out: Decision,
}

/// The epochs of the batches that were looked at.
#[derive(Clone, Copy, Debug, Default)]
struct SeenEpochs {
    first: Option<LeaderEpoch>,
    batches: u64,
    differ: bool,
}

impl SeenEpochs {
    fn see(&mut self, batch: &BatchView<'_>) {
        let epoch = batch.leader_epoch();
        if self.batches == 0 {
            self.first = epoch;
        }
        self.differ |= self.first != epoch;
        self.batches += 1;
    }

    /// The one epoch of them all. One batch alone may be the one whose epoch is wrong: no checksum covers it.
    fn only(&self) -> Option<LeaderEpoch> {
        self.first.filter(|_| self.batches > 1 && !self.differ)
    }
}

impl Kept {
    pub(crate) const fn is_scanned(&self) -> bool {
        self.scanned_from.is_some()
    }
}

impl Walk<'_> {
    fn believe(&mut self, segment: &FoundSegment, next: Offset) -> Result<()> {
        let end = self.whole_position(&segment.name, segment.len)?;
        let (base, len, modified) = (segment.base, segment.len, Some(segment.modified));
        self.out.kept.push(Kept {
            base,
            end,
            len,
            modified,
            next,
            last: None,
            scanned_from: None,
            stamped: None,
        });
        Ok(())
    }

    /// Goes over to a segment; false if it and all behind it is set aside.
    fn border(&mut self, index: usize) -> bool {
        let segment = &self.segments[index];
        self.expected.limit = self.segments.get(index + 1).map(|next| next.base).or(self.trust.end);
        if index == self.trust.first {
            return true;
        }
        let missing = self.expected.offset..segment.base;
        if missing.is_empty() || self.gaps {
            self.expected.offset = segment.base;
            return true;
        }
        if missing.start < self.trust.floor || self.trust.unknown {
            self.out.damage.push(Damage::missing_segment(self.dir, missing));
            self.expected.offset = segment.base;
            return true;
        }
        self.set_aside_from(index);
        false
    }

    /// Scans a segment; false if the log ends in it.
    fn segment(&mut self, index: usize) -> Result<bool> {
        let segment = &self.segments[index];
        let mut scanner = Scanner::open(self.storage, &self.dir.join(&segment.name))?.limited_to(segment.len);
        let first = index == self.trust.first;
        let mut at = if first { self.trust.position.to_u64() } else { 0 };
        let mut last = if first { self.trust.last } else { None };
        let from = at;
        let mut tail = Tail::Whole;
        let mut stamped = Some(Vec::new());
        loop {
            let end = self.whole_position(&segment.name, at)?;
            match scanner.read(at, &self.expected)? {
                Found::Batch(batch) => {
                    last = Some(LastBatch { position: end, crc: batch.stored_crc() });
                    at += batch.len() as u64;
                    self.seen.see(&batch);
                    note_stamp(&mut stamped, &batch);
                    self.expected = self.expected.after(&batch);
                }
                Found::End => break,
                Found::Bad(reason) => {
                    self.refuse_old_format(&mut scanner, index, at, &reason)?;
                    self.refuse_misplaced(&mut scanner, index, at)?;
                    if !self.is_damage(&mut scanner, index, at)? {
                        tail = Tail::Torn;
                        break;
                    }
                    match self.hole(&mut scanner, index, at, reason)? {
                        Some(next) => at = next,
                        None => {
                            tail = Tail::Damaged;
                            break;
                        }
                    }
                }
            }
        }
        self.out.scanned_bytes += at - from;
        let last = last.filter(|_| tail != Tail::Damaged);
        self.keep(index, at, Ended { last, tail, stamped }, &mut scanner)
    }

    fn keep(&mut self, index: usize, at: u64, ended: Ended, scanner: &mut Scanner) -> Result<bool> {
        let tail = ended.tail;
        let segment = &self.segments[index];
        let end = if tail == Tail::Damaged { scanner.len() } else { at };
        #[cfg(feature = "planted-bugs")]
        let end = if crate::planted::is(Bug::ReopenAtFileLength) { scanner.len() } else { end };
        let kept = Kept {
            base: segment.base,
            end: self.whole_position(&segment.name, end)?,
            len: segment.len,
            modified: Some(segment.modified),
            next: self.expected.offset,
            last: ended.last,
            stamped: ended.stamped,
            scanned_from: Some(if index == self.trust.first { self.trust.position } else { Position::ZERO }),
        };
        self.out.kept.push(kept);
        if tail != Tail::Torn {
            return Ok(true);
        }
        self.out.torn = true;
        self.out.batches_aside += self.count_behind(scanner, at)?;
        self.set_aside_from(index + 1);
        Ok(false)
    }

    /// How many whole batches lie behind a bad byte: what the warning tells.
    fn count_behind(&self, scanner: &mut Scanner, at: u64) -> Result<u64> {
        let mut expected = self.expected;
        let mut count = 0;
        let mut from = at + 1;
        while let Some((found, batch)) = scanner.resync(from, &expected)? {
            count += 1;
            from = found + batch.len() as u64;
            expected = expected.after(&batch);
        }
        Ok(count)
    }

    fn set_aside_from(&mut self, index: usize) {
        // Newest first: whenever this is interrupted, the same bad byte is still what the rest lies behind.
        self.out.aside.extend(self.segments[index..].iter().rev().map(|segment| segment.name.clone()));
    }

    /// Whether bad bytes here were once known to be good.
    fn is_damage(&self, scanner: &mut Scanner, index: usize, at: u64) -> Result<bool> {
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(Bug::TruncateBelowTheMark) {
            return Ok(false);
        }
        if self.expected.offset < self.trust.floor {
            return Ok(true);
        }
        if !self.trust.unknown {
            return Ok(false);
        }
        Ok(index + 1 < self.segments.len() || self.next_good(scanner, at)?.is_some())
    }

    /// Where the log goes on behind a bad batch, if it does in this file, and with which offset.
    fn next_good(&self, scanner: &mut Scanner, at: u64) -> Result<Option<(u64, Offset)>> {
        let beside = |(at, batch): (u64, BatchView<'_>)| (at, batch.base_offset());
        let behind = Expected { gaps: true, behind: self.behind(scanner, at)?, ..self.expected };
        if let Some(len) = scanner.claimed_len(at)? {
            // If the length leads to a batch it is sound: nothing inside is looked at, since a record may hold whole
            // batches as its value.
            let next = at + len;
            if let Found::Batch(batch) = scanner.read(next, &behind)? {
                return Ok(Some((next, batch.base_offset())));
            }
        }
        Ok(scanner.resync(at + 1, &behind)?.map(beside))
    }

    /// What is known of the offsets behind a bad batch. After compaction they may be any.
    fn behind(&self, scanner: &mut Scanner, at: u64) -> Result<Option<Behind>> {
        if self.gaps {
            return Ok(None);
        }
        let next = scanner.claimed_next(at, self.expected.offset)?;
        let floor = Some(self.trust.floor).filter(|floor| *floor > self.expected.offset);
        // Where nothing is claimed there is no floor, and a hole may end anywhere.
        let latest = floor.filter(|_| !self.trust.unknown);
        Ok(Some(Behind { next, end: self.expected.limit.or(floor), latest }))
    }

    /// Notes a hole that begins at a bad byte; where to go on, or `None` if it reaches to the end of the file.
    fn hole(
        &mut self,
        scanner: &mut Scanner,
        index: usize,
        at: u64,
        reason: CorruptReason,
    ) -> Result<Option<u64>> {
        let next = self.next_good(scanner, at)?;
        let limit = self.expected.limit.unwrap_or(self.trust.floor.max(self.expected.offset));
        let (to, resume) = next.unwrap_or((scanner.len(), limit));
        let file = self.final_path(&self.segments[index]);
        let offsets = self.expected.offset..resume;
        self.out.damage.push(Damage { file, bytes: at..to, offsets, reason });
        self.expected.offset = resume;
        Ok(next.map(|(to, _)| to))
    }

    /// A log of messages from before batches is somebody's, and not damaged: it wants to be converted.
    fn refuse_old_format(
        &self,
        scanner: &mut Scanner,
        index: usize,
        at: u64,
        reason: &CorruptReason,
    ) -> Result<()> {
        let unsynced = self.expected.offset >= self.trust.floor && !self.trust.unknown;
        if at > 0 || unsynced || !scanner.holds_old_messages()? {
            return Ok(());
        }
        let path = self.dir.join(&self.segments[index].name);
        Err(LogError::Corrupt { path, position: Position::ZERO, reason: reason.clone() })
    }

    /// A file whose batches chain but belong somewhere else was renamed or doubled: nobody can serve it.
    ///
    /// Only where something was there before: what a crash leaves may look like anything, and is set aside.
    fn refuse_misplaced(&self, scanner: &mut Scanner, index: usize, at: u64) -> Result<()> {
        if self.expected.offset >= self.trust.floor && !self.trust.unknown {
            return Ok(());
        }
        let Some((base, next, len)) =
            scanner.intact(at)?.map(|b| (b.base_offset(), b.next_offset(), b.len() as u64))
        else {
            return Ok(());
        };
        let overlaps = base == self.expected.offset && self.expected.limit.is_some_and(|limit| next > limit);
        let moved = at == 0
            && base != self.segments[index].base
            && scanner.intact(at + len)?.is_some_and(|second| second.base_offset() == next);
        let reason = match (overlaps, moved) {
            (true, _) => {
                CorruptReason::Structure(format!("segment goes on to offset {next} into the next one"))
            }
            (_, true) => CorruptReason::SegmentBase { found: base, base: self.segments[index].base },
            _ => return Ok(()),
        };
        let path = self.dir.join(&self.segments[index].name);
        Err(LogError::Corrupt { path, position: self.whole_position("", at)?, reason })
    }

    fn finish(mut self) -> Result<Decision> {
        let found = self.expected.offset;
        if found < self.trust.floor {
            let file = self.segments.last().map_or(self.dir.to_owned(), |segment| self.final_path(segment));
            let bytes = self.out.kept.last().map_or(0, |kept| kept.len);
            let reason = CorruptReason::Structure("synced records are missing at the end".to_owned());
            let offsets = found..self.trust.floor;
            self.out.damage.push(Damage { file, bytes: bytes..bytes, offsets, reason });
            self.out.roll = true;
        }
        self.out.end = found.max(self.trust.floor);
        self.out.epoch = self.seen.only();
        let active = self.out.kept.last().map(|kept| kept.base);
        if let Some(segment) = self.segments.iter().find(|segment| Some(segment.base) == active) {
            let path = self.final_path(segment);
            self.out.roll |=
                self.out.damage.iter().any(|damage| damage.file == path && !damage.bytes.is_empty());
        }
        Ok(self.out)
    }

    /// Where the file will be when the listing's steps are done.
    fn final_path(&self, segment: &FoundSegment) -> PathBuf {
        self.dir.join(segment_file(segment.base, FileKind::Log))
    }

    fn whole_position(&self, name: &str, at: u64) -> Result<Position> {
        Position::new(at).ok_or_else(|| {
            let reason =
                CorruptReason::Structure(format!("segment of {at} bytes, at most 2147483647 are possible"));
            LogError::Corrupt { path: self.dir.join(name), position: Position::MAX, reason }
        })
    }
}

/// What a scan of a segment has come to.
struct Ended {
    last: Option<LastBatch>,
    tail: Tail,
    stamped: Option<Vec<Stamped>>,
}

/// Notes what producers have to do with a batch; nothing more once there are too many.
fn note_stamp(stamped: &mut Option<Vec<Stamped>>, batch: &BatchView<'_>) {
    let Some(list) = stamped else { return };
    list.extend(Stamped::of(batch));
    if list.len() > MOST_STAMPED {
        *stamped = None;
    }
}

/// How a segment's bytes end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tail {
    Whole,
    Torn,
    Damaged,
}

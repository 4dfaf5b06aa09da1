//! A whole log directory, held together. What opening would do about each finding is the finding's kind.

use super::against::{Against, Step};
use super::derived::Derived;
use super::old::{CheckOld, begins_old, check_old};
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::names::{FileKind, segment_file};
use crate::io::Storage;
use crate::log::damage::Damage;
use crate::log::recovery::{
    Decision, FileStep, FoundSegment, Kept, Listing, Looked, Request, list, look_through, marker_of,
    sound_bytes,
};
use crate::log::scan::Scanner;
use crate::types::{LeaderEpoch, Offset, Timestamp};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Bytes that were synced, and are not what was written. Opening leaves them and serves what is around them;
    /// [`repair`](super::super::repair) takes them out.
    Damage,
    /// The trace of a crash at the end: opening sets it aside.
    Torn,
    /// Something that is derived from the batches contradicts them or cannot be read: opening makes it anew, or does
    /// without.
    Derived,
    /// Nothing is wrong; whoever looks at the files by hand may wonder.
    Note,
}

impl Kind {
    /// One word: `damage`, `torn`, `derived` or `note`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Torn => "torn",
            Self::Derived => "derived",
            Self::Note => "note",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub kind: Kind,
    /// Where.
    pub file: PathBuf,
    /// Which bytes of the file; empty where it is not about bytes.
    pub bytes: Range<u64>,
    /// The offsets that are lost, or that cannot be told apart; empty where none are.
    pub offsets: Range<Offset>,
    /// What is wrong.
    pub problem: String,
    /// Offsets are missing between two batches, or a segment is: if the log was compacted, that may be all it is.
    pub is_gap: bool,
}

impl Finding {
    /// One that is about no offsets.
    pub fn new(kind: Kind, file: &Path, bytes: Range<u64>, problem: impl Into<String>) -> Self {
        let offsets = Offset::ZERO..Offset::ZERO;
        Self { kind, file: file.to_owned(), bytes, offsets, problem: problem.into(), is_gap: false }
    }

    pub(super) fn at(mut self, offsets: Range<Offset>) -> Self {
        self.offsets = offsets;
        self
    }

    fn gap(self, is_gap: bool) -> Self {
        Self { is_gap, ..self }
    }

    fn damage(damage: &Damage) -> Self {
        Self::new(Kind::Damage, &damage.file, damage.bytes.clone(), damage.reason.to_string())
            .at(damage.offsets.clone())
            .gap(damage.reason.is_gap())
    }
}

/// `damage: t-0/00000000000000000000.log: bytes [100, 180), offsets [4, 9): crc32c ...`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.kind.name(), self.file.display())?;
        let (bytes, offsets) = (&self.bytes, &self.offsets);
        match (bytes.is_empty(), offsets.is_empty()) {
            (true, true) => {}
            (false, true) => write!(f, "bytes [{}, {}): ", bytes.start, bytes.end)?,
            (true, false) => write!(f, "offsets [{}, {}): ", offsets.start, offsets.end)?,
            (false, false) => {
                let ((from, to), (first, next)) = ((bytes.start, bytes.end), (offsets.start, offsets.end));
                write!(f, "bytes [{from}, {to}), offsets [{first}, {next}): ")?;
            }
        }
        f.write_str(&self.problem)
    }
}

/// What is known of a log from outside of its directory.
#[derive(Default)]
pub struct CheckOptions<'a> {
    /// Compaction may have left gaps between its batches.
    pub compacted: bool,
    /// What a checkpoint says was synced.
    pub recovery_point: Option<Offset>,
    /// What a checkpoint says the log start offset is.
    pub start_offset: Option<Offset>,
    /// The store it lies in was closed in order.
    pub clean: bool,
    /// Only the segment of this base offset.
    pub segment: Option<Offset>,
    /// Looks into messages of magic 0 and 1, which the engine itself knows by their heads only.
    pub old: Option<&'a CheckOld>,
    /// The time of whoever asks: for producer state, which is not stored.
    pub now: Timestamp,
}

impl fmt::Debug for CheckOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckOptions").field("compacted", &self.compacted).finish_non_exhaustive()
    }
}

impl CheckOptions<'_> {
    pub(crate) fn request(&self, storage: &Arc<dyn Storage>, dir: &Path) -> Request {
        Request {
            storage: Arc::clone(storage),
            dir: dir.to_owned(),
            clean: self.clean,
            recovery_point: self.recovery_point,
            start_offset: self.start_offset,
            gaps: self.compacted,
            made: false,
            synced: false,
            now: self.now,
        }
    }
}

/// What [`check_log`] found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogCheck {
    /// The findings: by file and place, those of small files last.
    pub findings: Vec<Finding>,
    /// The log start offset.
    pub start: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// Segments that were looked at.
    pub segments: usize,
    /// Batches that are what was written, or whole messages of the older formats.
    pub batches: u64,
    /// Whether it holds messages of magic 0 or 1.
    pub has_old_messages: bool,
}

impl LogCheck {
    /// Whether nothing is wrong: there are notes at most.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind == Kind::Note)
    }
}

/// Checks the directory of one log: reads every byte of it, and changes nothing.
///
/// Give it an [`io::ReadOnlyStorage`](crate::io::ReadOnlyStorage). A writer may be at work in another process: what it
/// is writing at that moment looks torn.
///
/// # Errors
///
/// [`LogError::Io`] if the disk refuses to read. Damage is a finding and no error.
pub fn check_log(storage: &Arc<dyn Storage>, dir: &Path, options: &CheckOptions<'_>) -> Result<LogCheck> {
    let mut check = Check { storage, dir, options, out: LogCheck::default() };
    match check.run() {
        // A directory that opening would refuse.
        Err(LogError::Corrupt { path, position, reason }) => {
            let at = position.to_u64();
            let problem = format!("{reason}; the log cannot be opened, and the rest was not looked at");
            let finding = Finding::new(Kind::Damage, &path, at..at, problem);
            check.out.findings.push(finding.gap(reason.is_gap()));
        }
        Err(LogError::Directory { path, problem }) => {
            let problem = format!("{problem}; the log cannot be opened, and the rest was not looked at");
            check.out.findings.push(Finding::new(Kind::Damage, &path, 0..0, problem));
        }
        other => other?,
    }
    Ok(check.out)
}

struct Check<'a> {
    storage: &'a Arc<dyn Storage>,
    dir: &'a Path,
    options: &'a CheckOptions<'a>,
    out: LogCheck,
}

impl Check<'_> {
    fn run(&mut self) -> Result<()> {
        let mut listing = list(&**self.storage, self.dir)?;
        if let Some(base) = self.options.segment {
            listing.segments.retain(|segment| segment.base == base);
            listing.steps.clear();
        }
        self.leftovers(&listing);
        let mut derived = Derived::load(&**self.storage, self.dir)?;
        let old = self.old_segments(&listing)?;
        let request = self.options.request(self.storage, self.dir);
        let single = self.options.segment.is_some();
        // Behind messages of the older formats, or alone: what is missing before or behind is not missed.
        let looked = self.look(&request, listing, old, single)?;
        let damage_from = self.out.findings.len();
        self.damage(&looked, single);
        for kept in &looked.decision.kept {
            self.segment(kept, &looked, &mut derived)?;
        }
        self.out.findings[damage_from..]
            .sort_by(|a, b| (&a.file, a.bytes.start).cmp(&(&b.file, b.bytes.start)));
        self.out.segments = old + looked.decision.kept.len();
        self.out.start = looked.start;
        self.out.end = looked.decision.end.max(self.out.end);
        if !single {
            self.out.findings.extend(derived.finish(&**self.storage, &looked, self.out.end)?);
        }
        Ok(())
    }

    fn look(&self, request: &Request, listing: Listing, old: usize, single: bool) -> Result<Looked> {
        let mut looked = look_through(request, listing, old)?;
        if single {
            let within = |damage: &Damage| !damage.bytes.is_empty();
            looked.decision.damage.retain(within);
            // Of the others nobody has asked.
            let base = looked.decision.kept.first().map_or(looked.start, |kept| kept.base);
            looked.start = looked.start.max(base);
        }
        Ok(looked)
    }

    fn leftovers(&mut self, listing: &Listing) {
        for step in &listing.steps {
            let (name, problem) = match step {
                FileStep::Remove(name) => (name, "left over: opening the log removes it".to_owned()),
                FileStep::Rename { from, to } => (from, format!("left over: opening the log makes it {to}")),
                FileStep::Sync => continue,
            };
            self.out.findings.push(Finding::new(Kind::Note, &self.dir.join(name), 0..0, problem));
        }
    }

    /// Checks the segments in front that hold messages of the older formats, and answers how many there are.
    fn old_segments(&mut self, listing: &Listing) -> Result<usize> {
        let mut count = 0;
        for (index, found) in listing.segments.iter().enumerate() {
            let path = self.dir.join(&found.name);
            if !begins_old(&**self.storage, &path, found.base)? {
                break;
            }
            let mut against = Against::load(&**self.storage, self.dir, found.base)?;
            let checked = check_old(&**self.storage, self.dir, found, self.options.old, &mut against)?;
            let limit = listing.segments.get(index + 1).map(|next| next.base);
            self.border(found, checked.next, limit);
            self.out.findings.extend(checked.findings);
            self.missing(&against, found.len, limit.is_none());
            self.out.findings.extend(against.finish(checked.next));
            self.out.batches += checked.entries;
            self.out.end = checked.next;
            count = index + 1;
        }
        self.out.has_old_messages = count > 0;
        Ok(count)
    }

    fn border(&mut self, found: &FoundSegment, next: Offset, limit: Option<Offset>) {
        let Some(limit) = limit.filter(|limit| *limit != next && !(self.options.compacted && next < *limit))
        else {
            return;
        };
        let problem = if next > limit {
            format!("it goes on to offset {next} into the next segment, which begins at {limit}")
        } else {
            CorruptReason::MissingSegment.to_string()
        };
        let path = self.dir.join(segment_file(found.base, FileKind::Log));
        self.out.findings.push(
            Finding::new(Kind::Damage, &path, found.len..found.len, problem)
                .at(next.min(limit)..limit)
                .gap(next < limit),
        );
    }

    fn damage(&mut self, looked: &Looked, single: bool) {
        let Decision { damage, kept, torn, aside, batches_aside, .. } = &looked.decision;
        self.out.findings.extend(damage.iter().map(Finding::damage));
        if let Some(last) = kept.last().filter(|_| *torn) {
            let path = self.dir.join(segment_file(last.base, FileKind::Log));
            let problem = format!(
                "the end of the file is no batch: the trace of a crash, with {batches_aside} whole batches behind it"
            );
            self.out.findings.push(Finding::new(Kind::Torn, &path, last.end.to_u64()..last.len, problem));
        }
        for name in aside.iter().filter(|_| !single) {
            let problem = "it lies behind the end of the log: the trace of a crash";
            self.out.findings.push(Finding::new(Kind::Torn, &self.dir.join(name), 0..0, problem));
        }
        for kept in kept.iter().filter(|kept| kept.end.to_u64() < kept.len) {
            let is_torn = *torn && looked.decision.kept.last().is_some_and(|last| last.base == kept.base);
            if !is_torn {
                let path = self.dir.join(segment_file(kept.base, FileKind::Log));
                let problem =
                    "zeros behind the last batch: laid out in advance, and not trimmed by a clean stop";
                self.out.findings.push(Finding::new(Kind::Note, &path, kept.end.to_u64()..kept.len, problem));
            }
        }
    }

    fn missing(&mut self, against: &Against, len: u64, last: bool) {
        for path in against.missing() {
            // A live log keeps the indexes of its last segment on the heap.
            let kind = if last || len == 0 { Kind::Note } else { Kind::Derived };
            self.out.findings.push(Finding::new(kind, path, 0..0, "the index is not there: it is made anew"));
        }
    }

    /// Goes through the sound batches of a segment a second time, for what is derived from them.
    fn segment(&mut self, kept: &Kept, looked: &Looked, derived: &mut Derived) -> Result<()> {
        let name = looked.listing.segments.iter().find(|found| found.base == kept.base);
        let path =
            self.dir.join(name.map_or_else(|| segment_file(kept.base, FileKind::Log), |f| f.name.clone()));
        let final_path = self.dir.join(segment_file(kept.base, FileKind::Log));
        let mut against = Against::load(&**self.storage, self.dir, kept.base)?;
        for hole in looked.decision.damage.iter().filter(|hole| hole.file == final_path) {
            against.hole(&hole.bytes);
        }
        let mut scanner = Scanner::open(&**self.storage, &path)?;
        for stretch in sound_bytes(&final_path, kept.end.to_u64(), &looked.decision.damage) {
            let mut at = stretch.start;
            while at < stretch.end {
                let Some(batch) = scanner.peek(at)? else { break };
                let marker = marker_of(&batch).and_then(|marker| Some((batch.producer()?.id, marker.commit)));
                let step = Step {
                    position: at,
                    base: batch.base_offset(),
                    last: batch.last_offset(),
                    max_timestamp: batch.max_timestamp(),
                    epoch: batch.leader_epoch().map(LeaderEpoch::get),
                    marker,
                };
                at += batch.len() as u64;
                self.out.batches += 1;
                against.step(&step);
                derived.step(&step);
            }
        }
        let last = looked.decision.kept.last().is_some_and(|last| last.base == kept.base);
        self.missing(&against, kept.len, last);
        self.out.findings.extend(against.finish(kept.next));
        Ok(())
    }
}

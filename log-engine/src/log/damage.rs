//! Damage that was found: exact ranges, kept until the segment goes by retention or a repair.

use super::recovery::find_damage;
use super::{Log, View};
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::names::{FileKind, segment_file};
use crate::segment::Segment;
use crate::types::{Offset, Position};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A range of a log that is not what was written. The rest of the log is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// The bytes of it that cannot be used; empty if the file ends early or is missing.
    pub bytes: Range<u64>,
    /// The offsets whose records are lost; empty if the bytes lay between two whole batches.
    pub offsets: Range<Offset>,
    /// What was found first.
    pub reason: CorruptReason,
}

impl Damage {
    /// Of segments that are not there: the one behind them begins at the end of these offsets.
    pub(super) fn missing_segment(dir: &Path, offsets: Range<Offset>) -> Self {
        let file = dir.join(segment_file(offsets.end, FileKind::Log));
        Self { file, bytes: 0..0, offsets, reason: CorruptReason::MissingSegment }
    }

    /// Whether offsets of it lie between the end of a segment and the base of the next.
    pub(super) fn is_between(&self, end: Offset, base: Offset) -> bool {
        self.offsets.start < base && self.offsets.end > end
    }

    /// Whether it is of this segment itself. What is missing in front of one is told with its file too.
    pub(super) fn is_in(&self, segment: &Segment) -> bool {
        let in_front = self.bytes.is_empty() && self.offsets.start < segment.base_offset();
        !in_front && self.file == segment.path()
    }

    /// The answer to who reads an offset in it.
    pub(crate) fn to_error(&self) -> LogError {
        LogError::Corrupt {
            path: self.file.clone(),
            position: Position::new(self.bytes.start).unwrap_or(Position::MAX),
            reason: CorruptReason::Hole {
                from: self.offsets.start,
                to: self.offsets.end,
                bytes: self.bytes.end.saturating_sub(self.bytes.start),
                cause: Box::new(self.reason.clone()),
            },
        }
    }
}

impl Log {
    /// Looks through all published bytes of a segment that a reader found wanting, and notes what is damaged, so that
    /// what lies behind it can be read.
    ///
    /// One at a time; the writer is held up only while the result is noted.
    pub(super) fn examine(&self, segment: &Arc<Segment>) -> Result<()> {
        let known = self.view.load_full();
        let _one = self.examining.lock();
        let view = self.view.load_full();
        let of = |view: &View| view.damage.iter().filter(|d| d.is_in(segment)).cloned().collect();
        let (before, now): (Vec<_>, Vec<_>) = (of(&known), of(&view));
        if before != now {
            // Somebody else has looked meanwhile.
            return Ok(());
        }
        let Some((len, end)) = self.extent_of(segment) else { return Ok(()) };
        let epochs = self.epochs.load();
        let found = find_damage(&self.storage, segment, len, end, self.has_gaps(), &epochs)?;
        if !found.is_empty() {
            self.note_damage(segment, found);
        }
        self.note_examined(segment, len);
        Ok(())
    }

    /// How many bytes of a segment are published and where the records in them end; `None` if it is not of the log any
    /// more.
    fn extent_of(&self, segment: &Arc<Segment>) -> Option<(Position, Offset)> {
        // Between two appends, so that both speak of the same batch.
        let _writer = self.writer.lock();
        let view = self.view.load();
        let index = view.segments.iter().position(|known| Arc::ptr_eq(known, segment))?;
        let next = view.segments.get(index + 1).map(|next| next.base_offset());
        Some((segment.len(), next.unwrap_or(self.end.get())))
    }

    fn note_damage(&self, segment: &Arc<Segment>, found: Vec<Damage>) {
        let mut writer = self.writer.lock();
        let view = self.view.load_full();
        if !view.segments.iter().any(|known| Arc::ptr_eq(known, segment)) {
            return;
        }
        let mut damage: Vec<_> = view.damage.iter().filter(|known| !known.is_in(segment)).cloned().collect();
        damage.extend(found);
        damage.sort_by_key(|damage| (damage.offsets.start, damage.bytes.start));
        writer.must_roll |= Arc::ptr_eq(&writer.active, segment);
        self.view.store(Arc::new(View { segments: view.segments.clone(), damage }));
    }
}

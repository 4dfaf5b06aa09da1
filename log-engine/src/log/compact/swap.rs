//! New segments: written beside the old ones, then put in their place.
//!
//! ```text
//!  X.log.cleaned, X.index.cleaned ...     written and synced; found at start: removed
//!  X.index.swap ...   directory synced
//!  X.log.swap         directory synced    found at start: the rest is done then
//!  X.log.deleted, Y.log.deleted ...       directory synced
//!  X.index ...        directory synced
//!  X.log              directory synced
//! ```
//!
//! # Invariants
//!
//! * The batches come last, into `.swap` and into place, when the names of what belongs to them are durable: an index
//!   of aborted transactions is never without them, nor they without it.
//! * New and old segments never have their names at the same time, in whatever order the disk takes the names.
//! * The old segments were opened before they lost their names: whoever reads them reads on.

use super::txns::Aborted;
use crate::error::{LogError, Result};
use crate::format::batch::BatchView;
use crate::format::names::Stage;
use crate::log::retention::Pending;
use crate::log::{Log, View};
use crate::segment::{AppendedBatch, Segment};
use crate::types::{Offset, Position, Timestamp};
use std::sync::Arc;

/// A segment that is being written.
#[derive(Debug)]
pub(super) struct Output {
    segment: Arc<Segment>,
    /// The time of the newest segment that goes into it.
    modified: Timestamp,
}

impl Output {
    /// Begins one in the place of `old`.
    pub(super) fn begin(log: &Log, old: &[Arc<Segment>]) -> Result<Self> {
        let mut modified = Timestamp::default();
        for segment in old {
            modified = modified.max(segment.modified()?);
        }
        let base = old.first().map_or(Offset::ZERO, |first| first.base_offset());
        let storage = Arc::clone(&log.storage);
        let segment = Segment::create_cleaned(storage, &log.dir(), base, &log.options(), modified)?;
        Ok(Self { segment, modified })
    }

    pub(super) fn len(&self) -> Position {
        self.segment.len()
    }

    /// Adds a batch, and what was aborted by it.
    pub(super) fn push(&self, batch: &BatchView<'_>, aborted: &Aborted) -> Result<()> {
        let meta = AppendedBatch {
            last_offset: batch.last_offset(),
            max_timestamp: batch.max_timestamp(),
            len: batch.len(),
        };
        let placed = self.segment.append(&[batch.bytes()], &meta, self.modified)?;
        self.segment.publish(placed.end);
        let marker = batch.base_offset();
        let entry = batch.producer().and_then(|stamp| aborted.at(stamp.id, marker));
        if let Some(entry) = entry.filter(|entry| entry.last == marker && batch.attributes().is_control()) {
            self.segment.add_aborted(*entry)?;
        }
        Ok(())
    }

    /// Removes what was written.
    pub(super) fn discard(self) {
        // What stays is removed at the next start, or by the next try.
        let _ = self.segment.remove_files();
    }

    /// Brings it to the disk; its names are not yet durable.
    fn complete(&self) -> Result<()> {
        self.segment.seal()?;
        self.segment.sync()?;
        self.segment.flush_indexes(true)
    }
}

impl Log {
    /// Puts a new segment in the place of old ones. False if they are no longer there: nothing was done.
    ///
    /// A failure before the first rename leaves all as it was; after one the log is poisoned, and opening it finishes.
    pub(super) fn replace_segments(&self, old: &[Arc<Segment>], output: Output) -> Result<bool> {
        let prepared = output.complete().and_then(|()| keep_open(old));
        if let Err(error) = prepared {
            output.discard();
            return Err(error);
        }
        // Keeps away everybody else who takes segments away.
        let turn = self.turns.take();
        let usable = self.check_usable();
        if usable.is_err() || self.view.load().place_of(old).is_none() {
            output.discard();
            return usable.map(|()| false);
        }
        let outcome = self.rename_in(old, &output.segment);
        if let Err(error) = &outcome {
            // Before the turn is given back: nobody is told that a sync worked when a segment is out of place.
            self.poison(error);
        }
        drop(turn);
        outcome.map(|()| true)
    }

    fn rename_in(&self, old: &[Arc<Segment>], fresh: &Arc<Segment>) -> Result<()> {
        fresh.advance(Stage::Swap)?;
        for segment in old {
            segment.mark_deleted()?;
        }
        let dir = self.dir();
        self.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
        fresh.advance(Stage::Live)?;
        // Not while the disk is waited for: appends go on meanwhile.
        let writer = self.writer.lock();
        if let Some(files) = &self.files {
            fresh.count_in(files.count());
        }
        let view = self.view.load_full();
        let at = view.place_of(old).expect("who has the turn sees to it that no segment goes");
        let mut segments = view.segments.clone();
        segments.splice(at..at + old.len(), [Arc::clone(fresh)]);
        self.view.store(Arc::new(View { segments, damage: view.damage.clone() }));
        drop(writer);
        let since = self.clock.monotonic();
        self.pending.lock().extend(old.iter().map(|segment| Pending { segment: Arc::clone(segment), since }));
        for merged in old.iter().skip(1) {
            self.remove_snapshot(merged.base_offset());
        }
        Ok(())
    }
}

impl View {
    /// Where these segments are, one behind the other.
    fn place_of(&self, wanted: &[Arc<Segment>]) -> Option<usize> {
        let first = wanted.first()?;
        let at = self.segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let there = self.segments.get(at..at + wanted.len())?;
        there.iter().zip(wanted).all(|(one, other)| Arc::ptr_eq(one, other)).then_some(at)
    }
}

/// Opens what a reader may still want: the names go to the next ones that are replaced at the same base.
fn keep_open(old: &[Arc<Segment>]) -> Result<()> {
    for segment in old {
        segment.slice(Position::ZERO, 0)?;
        segment.aborted_txns()?;
    }
    Ok(())
}

//! Cutting the end of a log.
//!
//! In this order, so that whoever stops in between is put right by recovery: a copy of what is kept is made beside the
//! segment that is cut; the mark is lowered, durably, and names the copy too; indexes and state of offsets beyond the cut
//! are removed, durably; later segments go, newest first; the copy takes its place. Readers of the old file keep it.

use super::damage::Damage;
use super::mark::{LastBatch, Mark};
use super::producer_file::{StateFile, keep_snapshots};
use super::recovery::{self, Request};
use super::retention::Pending;
use super::sync::Marking;
use super::{Log, View};
use crate::error::{LogError, Result};
use crate::format::batch::{CRC_AT, HEADER_LEN};
use crate::segment::Segment;
use crate::types::{Offset, Position};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a log is cut.
struct Cut {
    index: usize,
    position: Position,
    offset: Offset,
    last: Option<LastBatch>,
}

impl Log {
    /// Removes everything from `to` on. A batch that holds `to` goes as a whole, so the log may end (and begin) lower.
    /// At or above the log end nothing happens. Durable when it returns; the offsets are given anew.
    ///
    /// Slices and batches that were read before stay what they were. Whoever follows ([`Log::records`]) beyond the new end
    /// is refused; whoever waits is woken. Producers are as after the last batch that is kept.
    ///
    /// # Errors
    ///
    /// [`LogError::OffsetOutOfRange`] below the log start; [`LogError::Corrupt`] if `to` lies in a segment that is damaged:
    /// nothing is cut then, a repair comes first. If the system refuses half-way the log is poisoned: opening it again
    /// finishes or undoes the cut.
    pub fn truncate(&self, to: Offset) -> Result<()> {
        let _stopped = self.compaction.stop();
        let turn = self.turns.take();
        let mut writer = self.writer.lock();
        self.check_usable()?;
        let (start, end) = (self.start_offset(), self.end.get());
        if to >= end {
            return Ok(());
        }
        if to < start {
            return Err(LogError::OffsetOutOfRange { requested: to, start, end });
        }
        let view = self.view.load_full();
        let cut = self.find_cut(&view, to)?;
        let mut marking = self.marking.lock();
        writer.truncations += 1;
        let outcome = self.cut(&mut writer, &mut marking, &view, &cut);
        if let Err(error) = &outcome {
            // Before anybody can append to, or sync, a log that is half cut: he would be told that it worked.
            self.poison(error);
        }
        drop(marking);
        drop(writer);
        drop(turn);
        self.end.wake_all();
        self.synced.wake_above(self.end.get());
        outcome
    }

    fn find_cut(&self, view: &View, to: Offset) -> Result<Cut> {
        let index = view.segment_of(to);
        let segment = &view.segments[index];
        // Nothing is left of what lies in front of the first segment: there is nothing to cut it from.
        let lost = |damage: &&Damage| damage.is_in(segment) || damage.offsets.contains(&to);
        if let Some(damage) = view.damage.iter().find(lost) {
            return Err(damage.to_error());
        }
        let (position, offset) = match segment.locate(to)? {
            Some(batch) => (batch.position, batch.base_offset.min(to)),
            None => (segment.len(), to),
        };
        let last = match segment.walk_to(Position::ZERO, position).last().transpose()? {
            Some(batch) => {
                Some(LastBatch { position: batch.position, crc: crc_at(segment, batch.position)? })
            }
            None => None,
        };
        Ok(Cut { index, position, offset, last })
    }

    fn cut(
        &self,
        writer: &mut super::append::Writer,
        marking: &mut Marking,
        view: &View,
        cut: &Cut,
    ) -> Result<()> {
        let dir = self.dir();
        let now = self.clock.now();
        let segment = &view.segments[cut.index];
        let front = segment.copy_front(cut.position)?;
        self.lower_compaction_point(cut.offset)?;
        let old = *marking.last();
        let lowered = Mark {
            segment: segment.base_offset(),
            position: cut.position,
            next_offset: cut.offset,
            file: segment.file_id()?,
            last_batch: cut.last,
            ..old
        };
        let below = old.next_offset <= cut.offset;
        // A batch across the log start goes as a whole: the log is empty then, and begins where it ends.
        let log_start = old.log_start.min(cut.offset);
        let mark = Mark { truncations: writer.truncations, log_start, ..if below { old } else { lowered } };
        let heir = Some(front.id()).filter(|_| mark.segment == segment.base_offset());
        marking.write(&*self.storage, Mark { heir, ..mark }, self.clock.monotonic())?;
        segment.remove_offset_indexes()?;
        self.remove_state_beyond(cut.offset)?;
        for later in view.segments[cut.index + 1..].iter().rev() {
            later.mark_deleted()?;
            self.pending.lock().push(Pending { segment: Arc::clone(later), since: self.clock.monotonic() });
        }
        let kept = segment.replace_by(&front, &self.options(), now)?;
        kept.keep_aborted_below(cut.offset)?;
        self.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
        if heir.is_some() {
            // The same claim about the file that now has the name.
            let mark = Mark { file: front.id(), ..mark };
            marking.write(&*self.storage, mark, self.clock.monotonic())?;
        }
        let mut segments = view.segments[..cut.index].to_vec();
        segments.push(Arc::clone(&kept));
        let damage: Vec<_> =
            view.damage.iter().filter(|damage| damage.offsets.start < cut.offset).cloned().collect();
        self.publish_cut(writer, cut, View { segments, damage }, kept)
    }

    /// Shows everybody the shorter log.
    fn publish_cut(
        &self,
        writer: &mut super::append::Writer,
        cut: &Cut,
        view: View,
        kept: Arc<Segment>,
    ) -> Result<()> {
        let mut epochs = (**self.epochs.load()).clone();
        if epochs.truncate(cut.offset) {
            epochs.store(&*self.storage, &self.dir(), true)?;
            self.epochs.store(Arc::new(epochs));
        }
        let request = Request {
            storage: Arc::clone(&self.storage),
            dir: self.dir(),
            clean: true,
            recovery_point: None,
            start_offset: None,
            gaps: self.has_gaps(),
            now: self.clock.now(),
            made: false,
            synced: false,
        };
        let parts: Vec<_> = view.segments.iter().map(|s| (s.base_offset(), s.len())).collect();
        writer.producers =
            recovery::replay_all(&request, &parts, &view.damage, self.start_offset(), cut.offset)?;
        writer.active = kept;
        writer.last = cut.last;
        writer.dir_changed = true;
        // The list before the end: a reader that still has the old end finds nothing there, which it takes for the end.
        self.view.store(Arc::new(view));
        self.start.fetch_min(cut.offset.get(), Ordering::AcqRel);
        self.end.publish(cut.offset);
        self.synced.publish(self.synced.get().min(cut.offset));
        let open = writer.producers.first_open();
        self.first_open_txn.store(open.map_or(i64::MAX, Offset::get), Ordering::Release);
        Ok(())
    }

    /// Removes producer state that covers more than what is kept.
    fn remove_state_beyond(&self, end: Offset) -> Result<()> {
        let dir = self.dir();
        StateFile::remove(&*self.storage, &dir)?;
        keep_snapshots(&*self.storage, &dir, |at| at <= end)?;
        self.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))
    }
}

fn crc_at(segment: &Segment, position: Position) -> Result<u32> {
    let mut head = [0; HEADER_LEN];
    segment.read_unpublished(position.to_u64(), &mut head)?;
    Ok(u32::from_be_bytes(std::array::from_fn(|i| head[CRC_AT + i])))
}

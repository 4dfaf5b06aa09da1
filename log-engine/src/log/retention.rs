//! What goes: whole segments by log start, size and age; everything below an offset on demand.
//!
//! From the oldest segment on, each rule takes segments until the first that it spares. The age of a segment is that of
//! its greatest record time or of its last append, whichever is earlier: a record from the future keeps nothing alive.
//! Files are renamed `.deleted` at once and removed later, so that a mistake can be undone by hand.
//!
//! # Invariants
//!
//! * The log start is durable before a file goes: a missing first segment is told from a deleted one. What is missing is
//!   forgotten when the log start has passed it.
//! * The segment that the synced mark names stays.

use super::damage::Damage;
use super::sync::Turn;
use super::{Log, View};
use crate::config::{LogConfig, millis};
use crate::error::{LogError, Result, if_room};
use crate::format::names::{FileKind, segment_file};
use crate::segment::Segment;
use crate::types::{Offset, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A segment whose files wait for their removal.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) segment: Arc<Segment>,
    pub(super) since: Duration,
}

/// What retention did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RetentionReport {
    /// How many segments are gone.
    pub segments: usize,
    /// How many bytes were in them.
    pub bytes: u64,
    /// The log start offset now.
    pub log_start: Offset,
}

impl Log {
    /// Deletes the segments that the settings no longer keep at the time `now`.
    ///
    /// # Errors
    ///
    /// What the system answers, or [`LogError::Closed`], [`LogError::Poisoned`]; segments that are gone stay gone.
    pub fn apply_retention(&self, now: Timestamp) -> Result<RetentionReport> {
        let outcome = self.delete_old(now);
        // Looking at ages opens files, of thousands of logs in one round.
        self.settle_files();
        outcome
    }

    fn delete_old(&self, now: Timestamp) -> Result<RetentionReport> {
        self.check_usable()?;
        let none = RetentionReport { log_start: self.start_offset(), ..RetentionReport::default() };
        if self.doomed(&self.view.load(), now)? == 0 {
            return Ok(none);
        }
        let turn = self.turns.take();
        let (count, first_kept) = {
            let mut writer = self.writer.lock();
            self.check_usable()?;
            // Look again, where nothing is appended: what came meanwhile may keep the active segment alive. The turn keeps
            // away everybody else who takes segments away.
            let view = self.view.load();
            let count = self.doomed(&view, now)?;
            if count == 0 {
                return Ok(none);
            }
            if count == view.segments.len() {
                self.cover(|| self.roll(&mut writer, self.end.get(), now))?;
            }
            (count, self.view.load().segments[count].base_offset())
        };
        self.start.fetch_max(first_kept.get(), Ordering::AcqRel);
        self.mark_start(&turn, first_kept)?;
        let report = self.drop_segments(count)?;
        self.end.wake_all();
        Ok(RetentionReport { log_start: self.start_offset(), ..report })
    }

    /// How many segments go, from the oldest on.
    fn doomed(&self, view: &View, now: Timestamp) -> Result<usize> {
        let config = self.config.load();
        let start = self.start_offset();
        let next_base = |index: usize| view.segments.get(index + 1).map(|next| next.base_offset());
        let below =
            (0..view.segments.len()).take_while(|i| next_base(*i).is_some_and(|base| base <= start)).count();
        if !config.cleanup_policy.delete {
            return Ok(below);
        }
        let by_size = by_size(view, &config);
        let by_age = by_age(view, &config, now)?;
        let count = below.max(by_size).max(by_age);
        // An empty active segment stays what it is.
        let all = count == view.segments.len() && view.segments.last().is_some_and(|last| last.is_empty());
        Ok(if all { count - 1 } else { count })
    }

    /// Makes the log start durable, with a mark that names no segment below it.
    fn mark_start(&self, turn: &Turn<'_>, first_kept: Offset) -> Result<()> {
        if self.marking.lock().last().segment < first_kept {
            self.sync_in_turn(turn)?;
        }
        let mut marking = self.marking.lock();
        if marking.is_behind() {
            return self.write_mark(&mut marking);
        }
        let mark = super::mark::Mark { log_start: self.start_offset(), ..*marking.last() };
        marking.write(&*self.storage, mark, self.clock.monotonic())
    }

    /// Takes the oldest segments out of the list and renames their files.
    fn drop_segments(&self, count: usize) -> Result<RetentionReport> {
        let mut writer = self.writer.lock();
        let view = self.view.load_full();
        let (mut report, mut outcome) = (RetentionReport::default(), Ok(()));
        for segment in &view.segments[..count] {
            outcome = segment.mark_deleted();
            if outcome.is_err() {
                break;
            }
            report.segments += 1;
            report.bytes += segment.len().to_u64();
            self.remove_snapshot(segment.base_offset());
            self.pending.lock().push(Pending { segment: Arc::clone(segment), since: self.clock.monotonic() });
        }
        writer.dir_changed = true;
        let segments = view.segments[report.segments..].to_vec();
        let first = segments.first().map_or(Offset::ZERO, |segment| segment.base_offset());
        let damage = view.damage.iter().filter(|damage| damage.offsets.end > first).cloned().collect();
        self.view.store(Arc::new(View { segments, damage }));
        self.raise_epochs()?;
        outcome.map(|()| report)
    }

    fn raise_epochs(&self) -> Result<()> {
        let mut epochs = (**self.epochs.load()).clone();
        if epochs.raise_start(self.start_offset()) {
            // Without room the file says more than there is, which opening puts right.
            if_room(self.cover(|| epochs.store(&*self.storage, &self.dir(), false)))?;
            self.epochs.store(Arc::new(epochs));
        }
        Ok(())
    }

    /// A snapshot at the base of a segment that is gone is of no use, and of no harm if it stays.
    pub(super) fn remove_snapshot(&self, at: Offset) {
        let path = self.dir().join(segment_file(at, FileKind::Snapshot));
        let _ = self.storage.remove_file(&path);
    }

    /// Removes the files of segments that were deleted longer ago than `file.delete.delay.ms`. Answers how many segments.
    ///
    /// # Errors
    ///
    /// What the system answers; the next call tries again.
    pub fn remove_deleted(&self) -> Result<usize> {
        let delay = Duration::from_millis(self.config.load().file_delete_delay_ms);
        let now = self.clock.monotonic();
        let mut pending = self.pending.lock();
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *pending).into_iter().partition(|p| now.saturating_sub(p.since) >= delay);
        *pending = rest;
        let mut removed = 0;
        let mut outcome = Ok(());
        for entry in due {
            match if outcome.is_ok() { entry.segment.remove_files() } else { Ok(()) } {
                Ok(()) if outcome.is_ok() => removed += 1,
                Ok(()) => pending.push(entry),
                Err(error) => {
                    outcome = Err(error);
                    pending.push(entry);
                }
            }
        }
        outcome.map(|()| removed)
    }

    /// Moves the log start up to `offset`, which may lie inside a batch; what lies below cannot be read from now on, and its
    /// segments go with the next retention. The answer is the log start, which is durable. Slices and batches that were
    /// read before stay; whoever follows below is refused, whoever waits is woken.
    ///
    /// # Errors
    ///
    /// [`LogError::OffsetOutOfRange`] above the log end; below the log start nothing happens. What the system answers.
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset> {
        self.check_usable()?;
        let (start, end) = (self.start_offset(), self.end.get());
        if offset > end {
            return Err(LogError::OffsetOutOfRange { requested: offset, start, end });
        }
        // An earlier call may have failed before its answer was durable.
        if offset <= start && offset <= self.marking.lock().last().log_start {
            return Ok(start);
        }
        let turn = self.turns.take();
        // Who closed the log meanwhile has given the directory away.
        self.check_usable()?;
        if offset > self.end.get() {
            return Err(LogError::OffsetOutOfRange { requested: offset, start, end: self.end.get() });
        }
        self.start.fetch_max(offset.get(), Ordering::AcqRel);
        self.mark_start(&turn, Offset::ZERO)?;
        let writer = self.writer.lock();
        self.forget_missing();
        self.raise_epochs()?;
        drop(writer);
        self.end.wake_all();
        Ok(self.start_offset())
    }

    /// Files that are missing below the log start are not missed any more. Under the writer lock.
    fn forget_missing(&self) {
        let (view, start) = (self.view.load_full(), self.start_offset());
        let missed = |damage: &&Damage| !damage.bytes.is_empty() || damage.offsets.end > start;
        let damage: Vec<_> = view.damage.iter().filter(missed).cloned().collect();
        if damage.len() < view.damage.len() {
            self.view.store(Arc::new(View { segments: view.segments.clone(), damage }));
        }
    }
}

fn by_size(view: &View, config: &LogConfig) -> usize {
    let Some(limit) = config.retention_bytes else { return 0 };
    let mut left: u64 = view.segments.iter().map(|segment| segment.len().to_u64()).sum();
    let mut count = 0;
    for segment in &view.segments {
        let len = segment.len().to_u64();
        if left - len < limit {
            break;
        }
        left -= len;
        count += 1;
    }
    count
}

fn by_age(view: &View, config: &LogConfig, now: Timestamp) -> Result<usize> {
    let Some(limit) = config.retention_ms.map(millis) else { return Ok(0) };
    let mut count = 0;
    for segment in &view.segments {
        if now.millis_since(newest(segment)?) <= limit {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// How young a segment is: its greatest record time or its last append, whichever is earlier.
pub(super) fn newest(segment: &Segment) -> Result<Timestamp> {
    let modified = segment.modified()?;
    Ok(segment.max_timestamp()?.map_or(modified, |(time, _)| time.min(modified)))
}

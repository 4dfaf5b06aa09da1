//! Compaction: of each key the last record stays.
//!
//! Twice through the log. First the keys of the dirty part are learnt, each with the last offset that has it (`keys`).
//! Then all segments below are gone through from the first on (`filter`), and what stays of neighbours that fit into one
//! segment is written to a new one, which takes their place (`swap`). What is compacted and when: `choose`.
//!
//! The work is done in steps that read so many bytes, and what was begun is kept between them: whoever compacts many logs
//! on one thread is never away for long.
//!
//! # Invariants
//!
//! * Offsets and the order of records never change, and no byte of a record that stays.
//! * The newest record of a key at the compaction point or above stays, unless it is a tombstone past its horizon or
//!   belongs to an aborted transaction.
//! * Segments are replaced from the first on, so that a tombstone goes after all that it deletes, also on the disk.
//! * Every batch is checked before it is copied. Damage ends the compaction before it, and is reported.
//! * Everything below the end of the plan is synced, and so is the mark behind it, before anything is replaced: the mark
//!   never names a segment that goes.
//! * A log whose settings are changed back keeps its gaps: `point` remembers that there are some.
//!
//! # Not here
//!
//! Retention, which takes whole segments and may do so meanwhile: what is gone is not replaced.

mod choose;
mod filter;
mod keys;
pub(crate) mod point;
mod run;
mod swap;
mod txns;

use super::Log;
use crate::error::{LogError, Result, if_room};
use crate::segment::Segment;
use crate::types::{Offset, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use point::Point;
use run::Cleaning;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// What compaction did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CompactionReport {
    /// How many segments were replaced by smaller ones, or by fewer.
    pub segments: usize,
    /// Bytes in them.
    pub bytes_before: u64,
    /// Bytes in what took their place.
    pub bytes_after: u64,
    /// How many records went.
    pub records: u64,
    /// Of how many transactions an index said other than their markers whether they were aborted: it was damaged, and is
    /// right again.
    pub transactions_corrected: u64,
    /// The offset below which the log is compacted now; 0 if it never was.
    pub point: Offset,
}

/// What a step of compaction came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// There is nothing to do.
    Idle,
    /// It is under way.
    Going,
    /// It is done.
    Done(CompactionReport),
}

/// A log's state of compaction.
#[derive(Debug)]
pub(super) struct Compaction {
    /// What was begun.
    cleaning: Mutex<Option<Box<Cleaning>>>,
    /// How many want it to stop.
    stops: AtomicUsize,
    /// What the file says; `None` if the log never was compacted.
    noted: Mutex<Option<Point>>,
    /// Everything below is compacted, as in `noted`, for readers; -1 if the log never was.
    point: AtomicI64,
}

impl Compaction {
    pub(super) fn new(point: Option<Point>) -> Self {
        let offset = AtomicI64::new(point.as_ref().map_or(-1, |point| point.offset.get()));
        Self {
            cleaning: Mutex::default(),
            stops: AtomicUsize::new(0),
            noted: Mutex::new(point),
            point: offset,
        }
    }

    /// Everything below is compacted.
    fn point(&self) -> Offset {
        self.known_point().unwrap_or_default()
    }

    /// The same; `None` if nothing was compacted ever.
    pub(super) fn known_point(&self) -> Option<Offset> {
        Offset::new(self.point.load(Ordering::Acquire))
    }

    /// Gives up what was begun and keeps anything new from beginning until the guard is dropped.
    pub(super) fn stop(&self) -> Stopped<'_> {
        self.stops.fetch_add(1, Ordering::SeqCst);
        let mut cleaning = self.cleaning.lock();
        self.stops.fetch_sub(1, Ordering::SeqCst);
        if let Some(begun) = cleaning.take() {
            begun.discard();
        }
        Stopped(cleaning)
    }

    fn is_unwanted(&self) -> bool {
        self.stops.load(Ordering::Relaxed) > 0
    }
}

/// Nothing is compacted as long as this is there.
#[derive(Debug)]
pub(super) struct Stopped<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, Option<Box<Cleaning>>>);

impl Log {
    /// Compacts the log at the time `now` if its settings ask for it: `cleanup.policy` holds `compact`, and the dirty
    /// share of what may be compacted is above `min.cleanable.dirty.ratio`, or a record older than `max.compaction.lag.ms`.
    ///
    /// Reads what may be compacted once, its dirty part twice, and writes what stays of segments that change. Needs memory
    /// for 24 bytes a key of the dirty part, at most [`compaction_map_bytes`]; if that is too little, what does not fit
    /// is left for the next call. Appends and reads go on meanwhile; readers of segments that were replaced read on.
    ///
    /// ```
    /// use log_engine::{CleanupPolicy, Log, LogConfig, NewRecord};
    /// use log_engine::types::Timestamp;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let dir = temp.path().join("log");
    /// let config = LogConfig {
    ///     cleanup_policy: CleanupPolicy { delete: false, compact: true },
    ///     segment_bytes: 1000,
    ///     ..LogConfig::default()
    /// };
    /// let log = Log::open(&dir, config)?;
    /// for n in 0..100 {
    ///     log.append(&[NewRecord::keyed(b"counter", format!("{n}").as_bytes())])?;
    /// }
    /// let now = Timestamp::from_millis(1_700_000_000_000).ok_or("a time")?;
    /// let report = log.compact(now)?;
    /// assert!(report.bytes_after < report.bytes_before);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`compaction_map_bytes`]: crate::config::LogConfig::compaction_map_bytes
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`], [`LogError::Poisoned`]; [`LogError::Corrupt`] for damage that was found: what lies below it is
    /// compacted the next time; [`LogError::NoSpace`]: all is as it was. If the system refuses while segments are
    /// replaced the log is poisoned, and opening it again finishes or undoes that.
    pub fn compact(&self, now: Timestamp) -> Result<CompactionReport> {
        loop {
            let mut budget = u64::MAX;
            match self.compact_step(now, &mut budget)? {
                Step::Idle => {
                    return Ok(CompactionReport { point: self.compaction.point(), ..Default::default() });
                }
                Step::Going => {}
                Step::Done(report) => return Ok(report),
            }
        }
    }

    /// The offset below which the log is compacted; `None` if it never was, and has no gaps.
    #[must_use]
    pub fn compaction_point(&self) -> Option<Offset> {
        self.compaction.known_point()
    }

    /// How dirty the log is if it is to be compacted now, from 0 to 1; `None` if the settings do not ask for it.
    ///
    /// # Errors
    ///
    /// If times of segments must be read and cannot.
    pub fn compaction_due(&self, now: Timestamp) -> Result<Option<f64>> {
        Ok(self.plan_compaction(now)?.map(|(_, ratio)| ratio))
    }

    /// Begins a compaction that is due, or goes on with what was begun, until about `budget` bytes were read.
    pub(crate) fn compact_step(&self, now: Timestamp, budget: &mut u64) -> Result<Step> {
        self.check_usable()?;
        let mut slot = self.compaction.cleaning.lock();
        if slot.is_none() {
            if_room(self.note_segments())?;
            let Some((plan, _)) = self.plan_compaction(now)? else { return Ok(Step::Idle) };
            let Some(cleaning) = self.begin_cleaning(plan, now)? else { return Ok(Step::Idle) };
            *slot = Some(Box::new(cleaning));
        }
        let Some(cleaning) = slot.as_mut() else { return Ok(Step::Idle) };
        let outcome = self.run_cleaning(cleaning, budget);
        if !matches!(outcome, Ok(Step::Going))
            && let Some(ended) = slot.take()
        {
            ended.discard();
        }
        drop(slot);
        if outcome.is_err() && self.is_closed() {
            return Err(LogError::Closed);
        }
        outcome
    }

    /// Lowers the compaction point, durably, before what lies above `to` is cut: other records will have these offsets.
    pub(super) fn lower_compaction_point(&self, to: Offset) -> Result<()> {
        let Some(mut point) = self.compaction.noted.lock().clone() else { return Ok(()) };
        point.offset = point.offset.min(to);
        // One that begins there may not be made again.
        point.segments.retain(|base| *base < to);
        self.store_point(point)
    }

    /// Lists the segments that there are now, durably: from now on they are missed. Only in a log that was compacted, since
    /// in every other one a gap is damage by itself.
    fn note_segments(&self) -> Result<()> {
        let known = self.compaction.known_point();
        known
            .map_or(Ok(()), |offset| self.store_point(Point { offset, segments: self.segments_to_list(&[]) }))
    }

    /// The segments that there are and those that are missed, but for some that go.
    fn segments_to_list(&self, without: &[Arc<Segment>]) -> Vec<Offset> {
        let bases: Vec<_> = self.view.load().segments.iter().map(|segment| segment.base_offset()).collect();
        let missing = self.compaction.noted.lock().as_ref().map(|point| point.missing(&bases));
        let mut all: Vec<_> = missing.unwrap_or_default().into_iter().map(|range| range.start).collect();
        all.extend(bases.into_iter().filter(|base| without.iter().all(|gone| gone.base_offset() != *base)));
        all.sort_unstable();
        all
    }

    /// Writes what the file is to say, if it does not say so.
    fn store_point(&self, point: Point) -> Result<()> {
        if self.compaction.noted.lock().as_ref() == Some(&point) {
            return Ok(());
        }
        point::store(&*self.storage, &self.dir(), &point)?;
        self.compaction.point.store(point.offset.get(), Ordering::Release);
        *self.compaction.noted.lock() = Some(point);
        Ok(())
    }
}

//! What is compacted: whole segments from the first to where something must stay as it is.
//!
//! ```text
//!   first segment        compaction point              end of the plan
//!     |--- compacted ------|--- dirty: its keys are learnt ---|--- not yet ---|-- active --|
//!     '------------- all of it is gone through ---------------'
//! ```
//!
//! The plan ends before the active segment, the last stable offset, damage, and the first dirty segment with a record
//! younger than `min.compaction.lag.ms`. A record is as young as its time says or as its append, whichever is
//! earlier: a clock in the future holds nothing up.

use super::keys::KeyMap;
use crate::config::{LogConfig, millis};
use crate::error::Result;
use crate::log::retention::newest;
use crate::log::{Log, View};
use crate::segment::{Segment, SegmentOptions};
use crate::types::{Offset, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// What could be compacted.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// All segments below the end.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Index of the segment that the dirty part begins in.
    pub(super) first_dirty: usize,
    /// Where the dirty part begins.
    pub(super) dirty_from: Offset,
    /// Where the last of the segments ends.
    pub(super) end: Offset,
}

impl Plan {
    /// Share of the bytes that were never compacted.
    fn dirty_ratio(&self) -> f64 {
        let bytes = |segments: &[Arc<Segment>]| segments.iter().map(|s| s.len().to_u64()).sum::<u64>();
        let (dirty, all) = (bytes(&self.segments[self.first_dirty..]), bytes(&self.segments));
        if all == 0 { 0.0 } else { as_f64(dirty) / as_f64(all) }
    }

    /// An empty map for the keys of the dirty part, of so many bytes at most.
    pub(super) fn key_map(&self, max_bytes: u64) -> KeyMap {
        let span = u64::try_from(self.end.distance_from(self.dirty_from)).unwrap_or(0);
        KeyMap::new(span, max_bytes)
    }

    /// Where segment number `index` ends.
    pub(super) fn end_of(&self, index: usize) -> Offset {
        self.segments.get(index + 1).map_or(self.end, |next| next.base_offset())
    }
}

/// Bytes are compared in shares: what is lost above 2^53 of them is no matter.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

impl Log {
    /// What is to be compacted now, and how dirty it is; `None` if the settings do not ask for it yet.
    pub(super) fn plan_compaction(&self, now: Timestamp) -> Result<Option<(Plan, f64)>> {
        let config = self.config();
        if !config.cleanup_policy.compact {
            return Ok(None);
        }
        let view = self.view.load();
        let dirty_from = self.compaction.point().max(self.start_offset().max(view.first_base()));
        let first_dirty = view.segment_of(dirty_from);
        let count = self.count_cleanable(&view, &config, first_dirty, now)?;
        let end = view.segments[count].base_offset();
        if first_dirty >= count || dirty_from >= end {
            return Ok(None);
        }
        let plan = Plan { segments: view.segments[..count].to_vec(), first_dirty, dirty_from, end };
        let ratio = plan.dirty_ratio();
        let due = ratio > config.min_cleanable_dirty_ratio || ratio > 0.0 && is_overdue(&plan, &config, now)?;
        Ok(due.then_some((plan, ratio)))
    }

    /// How many segments may be compacted, from the first on; never all.
    fn count_cleanable(
        &self,
        view: &View,
        config: &LogConfig,
        first_dirty: usize,
        now: Timestamp,
    ) -> Result<usize> {
        let stable = self.last_stable_offset();
        let lag = millis(config.min_compaction_lag_ms);
        for (index, pair) in view.segments.windows(2).enumerate() {
            let next = pair[1].base_offset();
            let damaged = view.damage.iter().any(|damage| damage.offsets.start < next);
            if next > stable || damaged {
                return Ok(index);
            }
            if lag > 0 && index >= first_dirty && now.millis_since(newest(&pair[0])?) < lag {
                return Ok(index);
            }
        }
        Ok(view.segments.len() - 1)
    }
}

impl View {
    fn first_base(&self) -> Offset {
        self.segments.first().map_or(Offset::ZERO, |segment| segment.base_offset())
    }
}

/// Whether a dirty record is older than `max.compaction.lag.ms`.
fn is_overdue(plan: &Plan, config: &LogConfig, now: Timestamp) -> Result<bool> {
    let Some(limit) = config.max_compaction_lag_ms.map(millis) else { return Ok(false) };
    for segment in &plan.segments[plan.first_dirty..] {
        let first = segment.walk(crate::types::Position::ZERO).next().transpose()?;
        // Times before the first second are nobody's.
        let time = first.and_then(|batch| batch.max_timestamp).filter(|time| time.as_millis() > 0);
        let modified = segment.modified()?;
        let oldest = time.map_or(modified, |time| time.min(modified));
        if !segment.is_empty() && now.millis_since(oldest) > limit {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts neighbours together that fit into one segment, among the first `count` of a plan.
pub(super) fn groups(plan: &Plan, count: usize, options: &SegmentOptions) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut bytes, limit) = (0, u64::from(options.segment_bytes));
    // An entry for each interval at most, and the larger entries are those of the time index.
    let by_index =
        u64::from(options.segment_index_bytes / 12) * (u64::from(options.index_interval_bytes) + 1);
    for (index, segment) in plan.segments[..count].iter().enumerate() {
        let len = segment.len().to_u64();
        let joins = |group: &Range<usize>| {
            let base = plan.segments[group.start].base_offset();
            bytes + len <= limit.min(by_index) && plan.end_of(index).relative_to(base).is_some()
        };
        match groups.last_mut().filter(|group| joins(group)) {
            Some(group) => group.end = index + 1,
            None => {
                groups.push(index..index + 1);
                bytes = 0;
            }
        }
        bytes += len;
    }
    groups
}

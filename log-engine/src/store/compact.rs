//! Compaction among others: one log at a time, the dirtiest first, so much of it in each round.

use super::maintain::MaintenanceReport;
use super::{LogName, LogStore};
use crate::log::{Log, Step};
use crate::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are read in a round, about: a few tenths of a second.
const ROUND: u64 = 256 * 1024 * 1024;

/// Which log is being compacted.
#[derive(Debug, Default)]
pub(super) struct Compacting {
    /// How often it is looked for one while there are none.
    pub(super) interval: Option<Duration>,
    log: Option<LogName>,
    /// When it was last looked for one and there was none.
    idle_since: Option<Duration>,
}

impl Compacting {
    pub(super) fn every(interval: Option<Duration>) -> Self {
        Self { interval, ..Self::default() }
    }
}

impl LogStore {
    /// Goes on with the log that is being compacted, or begins with the dirtiest, until the round is over.
    pub(super) fn compact_some(
        &self,
        logs: &[(LogName, Arc<Log>)],
        now: Timestamp,
        report: &mut MaintenanceReport,
    ) {
        let mut state = self.compacting.lock();
        let Some(interval) = state.interval else { return };
        let waits = |since| self.clock.monotonic().saturating_sub(since) < interval;
        if state.idle_since.is_some_and(waits) {
            return;
        }
        state.idle_since = None;
        let mut budget = ROUND;
        let mut tried = Vec::new();
        while budget > 0 {
            let begun = state.log.take().and_then(|name| logs.iter().find(|(known, _)| *known == name));
            let Some(next @ (name, log)) = begun.or_else(|| dirtiest(logs, &tried, now, report)) else {
                state.idle_since = Some(self.clock.monotonic());
                return;
            };
            match log.compact_step(now, &mut budget) {
                Ok(Step::Going) => state.log = Some(name.clone()),
                Ok(Step::Done(done)) => {
                    report.compacted += 1;
                    report.bytes_compacted_away += done.bytes_before.saturating_sub(done.bytes_after);
                    tried.push(name);
                }
                // Not in this round again: it would be the dirtiest for ever.
                Ok(Step::Idle) => tried.push(name),
                Err(error) => {
                    report.note(Some(next.0.clone()), error);
                    tried.push(name);
                }
            }
        }
    }
}

/// The log with the greatest dirty share among those that are due and were not tried.
fn dirtiest<'a>(
    logs: &'a [(LogName, Arc<Log>)],
    tried: &[&LogName],
    now: Timestamp,
    report: &mut MaintenanceReport,
) -> Option<&'a (LogName, Arc<Log>)> {
    let mut best: Option<(f64, &(LogName, Arc<Log>))> = None;
    for entry in logs {
        let (name, log) = entry;
        if log.is_closed() || log.is_poisoned() || tried.contains(&name) {
            continue;
        }
        match log.compaction_due(now) {
            Ok(Some(ratio)) if best.is_none_or(|(known, _)| ratio > known) => best = Some((ratio, entry)),
            Ok(_) => {}
            Err(error) => report.note(Some(name.clone()), error),
        }
    }
    best.map(|(_, entry)| entry)
}

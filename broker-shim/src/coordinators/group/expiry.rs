//! Time: when something is due, and what happens then.

use super::types::{Effects, GroupSettings, Now};
use super::{Group, Phase};
use std::time::Duration;

impl Group {
    /// When [`Group::expire`] must be called at the latest; none if nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let round = match self.phase {
            Phase::Preparing(wait) => Some(wait.ends()),
            Phase::Completing { sync_ends } => Some(sync_ends),
            Phase::Stable { sync_ends } => sync_ends,
            Phase::Empty | Phase::Dead => None,
        };
        let members = self.members.values().filter_map(super::Member::deadline).min();
        let pending = self.pending.values().min().copied();
        [round, members, pending].into_iter().flatten().min()
    }

    /// Does what is due. Calling it too early does nothing.
    pub fn expire(&mut self, settings: &GroupSettings, now: Now, fx: &mut Effects) {
        self.pending.retain(|_, until| *until > now.at);
        let overdue = |at: Option<Duration>| at.is_some_and(|at| at <= now.at);
        let mut gone: Vec<String> =
            self.members.values().filter(|m| overdue(m.deadline())).map(|m| m.id.clone()).collect();
        if overdue(self.sync_ends()) {
            gone.extend(self.members.values().filter(|m| m.owes_sync).map(|m| m.id.clone()));
        }
        for id in &gone {
            self.remove_member(id, fx);
        }
        if !gone.is_empty() {
            self.rebalance(settings, now, fx);
        }
        self.settle(settings, now, fx);
    }

    fn sync_ends(&self) -> Option<Duration> {
        match self.phase {
            Phase::Completing { sync_ends } => Some(sync_ends),
            Phase::Stable { sync_ends } => sync_ends,
            _ => None,
        }
    }
}

//! A round: it begins, it waits, it is complete.

use super::member::Member;
use super::types::{Effects, GroupError, GroupSettings, JoinRefused, Now};
use super::{Group, JoinWait, Phase};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

impl Group {
    /// Begins a round, unless one has begun. The caller calls [`Group::settle`] when it is done.
    pub(super) fn rebalance(&mut self, settings: &GroupSettings, now: Now, fx: &mut Effects) {
        let longest = self.rebalance_timeout();
        let wait = match self.phase {
            Phase::Preparing(_) | Phase::Dead => return,
            Phase::Empty => {
                let step = settings.initial_delay;
                let remaining = longest.saturating_sub(step);
                JoinWait::Initial { ends: now.at.saturating_add(step), step, remaining, grew: false }
            }
            Phase::Completing { .. } => {
                self.cancel_syncs(now, fx);
                JoinWait::Rejoin { ends: now.at.saturating_add(longest) }
            }
            Phase::Stable { .. } => JoinWait::Rejoin { ends: now.at.saturating_add(longest) },
        };
        for member in self.members.values_mut() {
            member.owes_sync = false;
        }
        self.enter(Phase::Preparing(wait), now);
    }

    /// The leader will not assign this generation any more: those who wait join again.
    fn cancel_syncs(&mut self, now: Now, fx: &mut Effects) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(ticket) = member.sync.take() {
                member.touch(now);
                fx.syncs.push((ticket, Err(GroupError::RebalanceInProgress)));
            }
        }
    }

    /// Completes the join round if nobody is waited for any more, or the wait is over.
    pub(super) fn settle(&mut self, settings: &GroupSettings, now: Now, fx: &mut Effects) {
        let Phase::Preparing(wait) = self.phase else { return };
        let over = wait.ends() <= now.at;
        match wait {
            JoinWait::Initial { step, remaining, grew, .. } if over => {
                if grew && !remaining.is_zero() && !settings.initial_delay.is_zero() {
                    let next = step.min(remaining);
                    let remaining = remaining.saturating_sub(step);
                    let ends = now.at.saturating_add(next);
                    self.phase =
                        Phase::Preparing(JoinWait::Initial { ends, step: next, remaining, grew: false });
                } else {
                    self.complete_join(now, fx);
                }
            }
            JoinWait::Initial { .. } => {}
            JoinWait::Rejoin { .. } if over || self.all_are_back() => self.complete_join(now, fx),
            JoinWait::Rejoin { .. } => {}
        }
    }

    fn all_are_back(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.join.is_some())
    }

    fn complete_join(&mut self, now: Now, fx: &mut Effects) {
        let gone = |m: &Member| m.join.is_none() && m.instance_id.is_none();
        let gone: Vec<String> = self.members.values().filter(|m| gone(m)).map(|m| m.id.clone()).collect();
        for id in gone {
            self.remove_member(&id, fx);
        }
        if !self.members.is_empty() && !self.elect_leader() {
            // Only static members are left, and none is back: they stay members until their sessions end.
            let ends = now.at.saturating_add(self.rebalance_timeout().max(Duration::from_millis(1)));
            self.phase = Phase::Preparing(JoinWait::Rejoin { ends });
            return;
        }
        self.generation = self.generation.saturating_add(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.enter(Phase::Empty, now);
            fx.store = true;
            return;
        }
        self.protocol = self.select_protocol();
        let sync_ends = now.at.saturating_add(self.rebalance_timeout());
        self.enter(Phase::Completing { sync_ends }, now);
        self.answer_joins(now, fx);
    }

    /// The leader stays if it is back; else the eldest who is. False if nobody is.
    fn elect_leader(&mut self) -> bool {
        let is_back = |id: &String| self.members.get(id).is_some_and(|member| member.join.is_some());
        if self.leader.as_ref().is_some_and(is_back) {
            return true;
        }
        let back = self.members.values().filter(|member| member.join.is_some());
        let Some(eldest) = back.min_by_key(|member| member.seq) else { return false };
        self.leader = Some(eldest.id.clone());
        true
    }

    fn answer_joins(&mut self, now: Now, fx: &mut Effects) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.touch(now);
            member.is_new = false;
            member.owes_sync = true;
            member.assignment = Bytes::new();
            if let Some(ticket) = member.join.take() {
                let leads = self.leader.as_deref() == Some(id.as_str());
                fx.joins.push((ticket, self.joined(&id, leads)));
            }
        }
    }

    /// Each member votes for the first of its protocols that all can speak. Of equal ones the eldest's wins.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut voters: Vec<&Member> = self.members.values().collect();
        voters.sort_by_key(|member| member.seq);
        let common = |name: &str| voters.iter().all(|member| member.supports(name));
        let mut votes: BTreeMap<&str, (usize, std::cmp::Reverse<u64>)> = BTreeMap::new();
        for voter in &voters {
            if let Some(choice) = voter.protocols.iter().find(|protocol| common(&protocol.name)) {
                votes.entry(&choice.name).or_insert((0, std::cmp::Reverse(voter.seq))).0 += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, rank)| *rank).map(|(name, _)| name.to_owned())
    }

    /// The longest that a member takes to come back.
    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Takes a member out and answers what it has waiting.
    pub(super) fn remove_member(&mut self, id: &str, fx: &mut Effects) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance_id
            && self.statics.get(instance).is_some_and(|current| current == id)
        {
            self.statics.remove(instance);
        }
        if let Some(ticket) = member.join {
            let refused = JoinRefused { error: GroupError::UnknownMember, member_id: id.to_owned() };
            fx.joins.push((ticket, Err(refused)));
        }
        if let Some(ticket) = member.sync {
            fx.syncs.push((ticket, Err(GroupError::UnknownMember)));
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.values().min_by_key(|m| m.seq).map(|m| m.id.clone());
        }
    }
}

//! What members ask for between rounds: sync, heartbeat, leave, commit.

use super::types::{Committer, Effects, GroupError, GroupSettings, Leaver, Now, Sync, Synced, Ticket};
use super::{Group, Phase, SyncReply};
use bytes::Bytes;
use std::collections::BTreeMap;

impl Group {
    /// A member asks for its assignment; the leader's request brings all of them.
    pub fn sync(&mut self, ticket: Ticket, sync: Sync, now: Now, fx: &mut Effects) {
        if let Err(error) = self.check_sync(&sync) {
            fx.syncs.push((ticket, Err(error)));
            return;
        }
        let Some(member) = self.members.get_mut(&sync.member_id) else { return };
        member.owes_sync = false;
        match self.phase {
            Phase::Completing { .. } => {
                if let Some(left) = member.sync.replace(ticket) {
                    fx.syncs.push((left, Err(GroupError::RebalanceInProgress)));
                }
                if self.leader.as_deref() == Some(sync.member_id.as_str()) {
                    self.assign(sync.assignments, now, fx);
                }
            }
            _ => {
                member.touch(now);
                let reply = self.synced(&sync.member_id);
                fx.syncs.push((ticket, reply));
                self.note_all_synced();
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), GroupError> {
        if self.phase == Phase::Dead {
            return Err(GroupError::NotAvailable);
        }
        self.check_member(&sync.member_id, sync.instance_id.as_deref())?;
        if sync.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let differs =
            |given: &Option<String>, own: &Option<String>| given.is_some() && own.is_some() && given != own;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(GroupError::InconsistentProtocol);
        }
        match self.phase {
            Phase::Preparing(_) => Err(GroupError::RebalanceInProgress),
            Phase::Empty => Err(GroupError::UnknownMember),
            _ => Ok(()),
        }
    }

    /// The leader has spoken: everybody who waits is answered, and the group is stable.
    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Now, fx: &mut Effects) {
        let Phase::Completing { sync_ends } = self.phase else { return };
        let mut assignments: BTreeMap<String, Bytes> = assignments.into_iter().collect();
        let mut waiting = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
            member.touch(now);
            if let Some(ticket) = member.sync.take() {
                waiting.push((ticket, member.id.clone()));
            }
        }
        self.enter(Phase::Stable { sync_ends: Some(sync_ends) }, now);
        self.note_all_synced();
        fx.store = true;
        fx.syncs.extend(waiting.into_iter().map(|(ticket, id)| (ticket, self.synced(&id))));
    }

    fn note_all_synced(&mut self) {
        let all = !self.members.values().any(|member| member.owes_sync);
        if let Phase::Stable { sync_ends } = &mut self.phase
            && all
        {
            *sync_ends = None;
        }
    }

    fn synced(&self, id: &str) -> SyncReply {
        let member = self.members.get(id).ok_or(GroupError::UnknownMember)?;
        Ok(Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.assignment.clone(),
        })
    }

    /// The record of the assignment could not be stored: the round is void and everybody joins again.
    pub fn storing_failed(&mut self, settings: &GroupSettings, now: Now, fx: &mut Effects) {
        if let Phase::Stable { .. } = self.phase {
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
            }
            self.rebalance(settings, now, fx);
            self.settle(settings, now, fx);
        }
    }

    /// A member says that it is there; the answer says whether it must join again.
    ///
    /// While the leader computes, the answer is a plain yes, as since Kafka 2.5: members may send heartbeats
    /// before their sync is answered, and an error would make them join for nothing.
    pub fn heartbeat(&mut self, member: &Leaver, generation: i32, now: Now) -> Result<(), GroupError> {
        if self.phase == Phase::Dead {
            return Err(GroupError::NotAvailable);
        }
        self.check_member(&member.member_id, member.instance_id.as_deref())?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.touch(&member.member_id, now);
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMember),
            Phase::Preparing(_) => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    fn touch(&mut self, member_id: &str, now: Now) {
        if let Some(member) = self.members.get_mut(member_id)
            && !member.is_new
        {
            member.touch(now);
        }
    }

    /// Members leave, each with an answer of its own; those who stay start a round.
    pub fn leave(
        &mut self,
        leavers: &[Leaver],
        settings: &GroupSettings,
        now: Now,
        fx: &mut Effects,
    ) -> Vec<Result<(), GroupError>> {
        if self.phase == Phase::Dead {
            return leavers.iter().map(|_| Err(GroupError::NotAvailable)).collect();
        }
        let before = self.members.len();
        let results = leavers.iter().map(|leaver| self.leave_one(leaver, fx)).collect();
        if self.members.len() < before {
            self.rebalance(settings, now, fx);
        }
        self.settle(settings, now, fx);
        results
    }

    fn leave_one(&mut self, leaver: &Leaver, fx: &mut Effects) -> Result<(), GroupError> {
        if leaver.member_id.is_empty() {
            // An operator removes a static member whose id only the broker knows.
            let instance = leaver.instance_id.as_ref().ok_or(GroupError::UnknownMember)?;
            let id = self.statics.get(instance).cloned().ok_or(GroupError::UnknownMember)?;
            self.remove_member(&id, fx);
            return Ok(());
        }
        if self.pending.remove(&leaver.member_id).is_some() {
            return Ok(());
        }
        self.check_member(&leaver.member_id, leaver.instance_id.as_deref())?;
        self.remove_member(&leaver.member_id, fx);
        Ok(())
    }

    /// May these offsets be committed? A member's commit is a sign of life too.
    pub fn check_commit(&mut self, committer: &Committer, now: Now) -> Result<(), GroupError> {
        if self.phase == Phase::Dead {
            return Err(GroupError::NotAvailable);
        }
        if self.phase == Phase::Empty && committer.generation.is_none() {
            return Ok(());
        }
        let anonymous = committer.generation.is_none()
            && committer.member_id.is_empty()
            && committer.instance_id.is_none();
        if anonymous {
            // A client without membership would overwrite what the members are responsible for.
            return Err(GroupError::UnknownMember);
        }
        self.check_member(&committer.member_id, committer.instance_id.as_deref())?;
        if committer.generation != Some(self.generation) {
            return Err(GroupError::IllegalGeneration);
        }
        if let Phase::Completing { .. } = self.phase {
            return Err(GroupError::RebalanceInProgress);
        }
        self.touch(&committer.member_id, now);
        Ok(())
    }
}

//! Joining: who may, under which id, and whether it starts a round.

use super::member::{Member, protocols_bytes};
use super::types::{
    Effects, GroupError, GroupSettings, Join, JoinRefused, JoinReply, Joined, JoinedMember, Now, Ticket,
};
use super::{Group, JoinWait, NEW_MEMBER_JOIN_TIMEOUT, Phase};

/// What to do about a known member that joins.
enum Known {
    /// Nothing changes: it learns the current generation.
    Current,
    /// It takes part in the next round, which begins now unless it has.
    Rejoin,
}

impl Group {
    /// A member joins. The reply may come at once, or when the round is complete.
    pub fn join(&mut self, ticket: Ticket, join: Join, settings: &GroupSettings, now: Now, fx: &mut Effects) {
        let member_id = join.member_id.clone();
        if let Err(error) = self.check_join(&join, settings) {
            let member_id = if error == GroupError::Full { String::new() } else { member_id };
            fx.joins.push((ticket, Err(JoinRefused { error, member_id })));
            return;
        }
        let result = if member_id.is_empty() {
            self.join_new(ticket, join, settings, now, fx)
        } else if join.instance_id.is_none() && self.pending.remove(&member_id).is_some() {
            self.add_member(&member_id, ticket, join, settings, now, fx);
            Ok(())
        } else {
            self.join_known(ticket, join, settings, now, fx)
        };
        if let Err(error) = result {
            fx.joins.push((ticket, Err(JoinRefused { error, member_id })));
        }
        self.settle(settings, now, fx);
    }

    fn check_join(&self, join: &Join, settings: &GroupSettings) -> Result<(), GroupError> {
        if !self.has_room_for(&join.member_id, settings.max_members) {
            return Err(GroupError::Full);
        }
        if self.phase == Phase::Dead {
            return Err(GroupError::NotAvailable);
        }
        if !self.shares_protocol_with(join) {
            return Err(GroupError::InconsistentProtocol);
        }
        if protocols_bytes(&join.protocols) > settings.max_metadata || !join.texts_fit() {
            return Err(GroupError::TooLarge);
        }
        Ok(())
    }

    /// In a join round only those who are back count, so that a group that was larger once can shrink.
    /// Ids given out never exceed the limit either.
    fn has_room_for(&self, member_id: &str, max: usize) -> bool {
        match self.phase {
            Phase::Dead => true,
            Phase::Empty => self.pending.contains_key(member_id) || self.pending.len() < max,
            Phase::Preparing(_) => {
                let waits = |m: &Member| m.join.is_some();
                self.members.get(member_id).is_some_and(waits)
                    || self.members.values().filter(|m| waits(m)).count() + self.pending_but(member_id) < max
            }
            Phase::Completing { .. } | Phase::Stable { .. } => {
                self.members.contains_key(member_id) || self.members.len() + self.pending_but(member_id) < max
            }
        }
    }

    fn pending_but(&self, member_id: &str) -> usize {
        self.pending.len() - usize::from(self.pending.contains_key(member_id))
    }

    fn shares_protocol_with(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        let common = |name: &str| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_deref() == Some(join.protocol_type.as_str())
            && join.protocols.iter().any(|protocol| common(&protocol.name))
    }

    fn join_new(
        &mut self,
        ticket: Ticket,
        join: Join,
        settings: &GroupSettings,
        now: Now,
        fx: &mut Effects,
    ) -> Result<(), GroupError> {
        let known = join.instance_id.as_ref().and_then(|instance| self.statics.get(instance)).cloned();
        if let Some(old_id) = known {
            self.replace_static(&old_id, ticket, join, settings, now, fx);
            return Ok(());
        }
        let fresh_id = join.fresh_id.clone();
        if join.id_required && join.instance_id.is_none() {
            self.pending.insert(fresh_id.clone(), now.at.saturating_add(join.session_timeout));
            let refused = JoinRefused { error: GroupError::MemberIdRequired, member_id: fresh_id };
            fx.joins.push((ticket, Err(refused)));
            return Ok(());
        }
        self.add_member(&fresh_id, ticket, join, settings, now, fx);
        Ok(())
    }

    fn add_member(
        &mut self,
        id: &str,
        ticket: Ticket,
        join: Join,
        settings: &GroupSettings,
        now: Now,
        fx: &mut Effects,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Phase::Preparing(JoinWait::Initial { grew, .. }) = &mut self.phase {
            *grew = true;
        }
        if let Some(instance) = &join.instance_id {
            self.statics.insert(instance.clone(), id.to_owned());
        }
        let mut member = Member::new(id, join, self.next_seq);
        self.next_seq += 1;
        member.join = Some(ticket);
        member.expires = now.at.saturating_add(NEW_MEMBER_JOIN_TIMEOUT);
        self.members.insert(id.to_owned(), member);
        self.leader.get_or_insert_with(|| id.to_owned());
        self.rebalance(settings, now, fx);
    }

    fn join_known(
        &mut self,
        ticket: Ticket,
        join: Join,
        settings: &GroupSettings,
        now: Now,
        fx: &mut Effects,
    ) -> Result<(), GroupError> {
        self.check_member(&join.member_id, join.instance_id.as_deref())?;
        let id = join.member_id.clone();
        let leads = self.leader.as_deref() == Some(id.as_str());
        let unchanged = self.members.get(&id).is_some_and(|member| member.protocols == join.protocols);
        let decision = match self.phase {
            Phase::Preparing(_) => Known::Rejoin,
            Phase::Completing { .. } if unchanged => Known::Current,
            Phase::Stable { .. } if unchanged && !leads => Known::Current,
            Phase::Completing { .. } | Phase::Stable { .. } => Known::Rejoin,
            Phase::Empty | Phase::Dead => return Err(GroupError::UnknownMember),
        };
        match decision {
            Known::Current => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.touch(now);
                }
                fx.joins.push((ticket, self.joined(&id, leads)));
            }
            Known::Rejoin => {
                self.update_member(&id, ticket, join, now, fx);
                self.rebalance(settings, now, fx);
            }
        }
        Ok(())
    }

    /// A member is back: what it can now, and the join that waits from now on. One it left behind is answered.
    fn update_member(&mut self, id: &str, ticket: Ticket, join: Join, now: Now, fx: &mut Effects) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.protocols = join.protocols;
        // A new member keeps its grace: being held again says nothing about its connection.
        if !member.is_new {
            member.touch(now);
        }
        if let Some(left) = member.join.replace(ticket) {
            let refused = JoinRefused { error: GroupError::RebalanceInProgress, member_id: id.to_owned() };
            fx.joins.push((left, Err(refused)));
        }
    }

    /// A static member came back without its id: it takes the old one's place, and the old id is fenced.
    fn replace_static(
        &mut self,
        old_id: &str,
        ticket: Ticket,
        join: Join,
        settings: &GroupSettings,
        now: Now,
        fx: &mut Effects,
    ) {
        let new_id = join.fresh_id.clone();
        let old_leader = self.leader.clone().unwrap_or_default();
        let skips = join.can_skip_assignment;
        self.rename_member(old_id, &new_id, now, fx);
        self.update_member(&new_id, ticket, join, now, fx);
        let stands = matches!(self.phase, Phase::Stable { .. }) && self.select_protocol() == self.protocol;
        if !stands {
            self.rebalance(settings, now, fx);
            return;
        }
        // A stable group hands no new assignment to its members, so a leader must not make one: newer ones are
        // told to skip it, older ones see another's id as the leader's.
        if let Some(member) = self.members.get_mut(&new_id) {
            member.join = None;
        }
        let leads = self.leader.as_deref() == Some(new_id.as_str());
        let mut reply = self.joined(&new_id, leads && skips);
        if let Ok(joined) = &mut reply {
            joined.skip_assignment = leads && skips;
            if !skips {
                joined.leader = old_leader;
            }
        }
        fx.joins.push((ticket, reply));
        fx.store = true;
    }

    fn rename_member(&mut self, old_id: &str, new_id: &str, now: Now, fx: &mut Effects) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        if let Some(held) = member.join.take() {
            let refused = JoinRefused { error: GroupError::FencedInstance, member_id: old_id.to_owned() };
            fx.joins.push((held, Err(refused)));
        }
        if let Some(held) = member.sync.take() {
            fx.syncs.push((held, Err(GroupError::FencedInstance)));
        }
        new_id.clone_into(&mut member.id);
        member.is_new = false;
        member.touch(now);
        if let Some(instance) = &member.instance_id {
            self.statics.insert(instance.clone(), new_id.to_owned());
        }
        if self.leader.as_deref() == Some(old_id) {
            self.leader = Some(new_id.to_owned());
        }
        self.members.insert(new_id.to_owned(), member);
    }

    /// The good answer to a join; the leader gets all members.
    pub(super) fn joined(&self, id: &str, with_members: bool) -> JoinReply {
        let members = if with_members { self.joined_members() } else { Vec::new() };
        Ok(Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.to_owned(),
            skip_assignment: false,
            members,
        })
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let describe = |member: &Member| JoinedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(self.protocol.as_deref()),
        };
        self.members.values().map(describe).collect()
    }
}

//! A group to and from its record, so that members keep their places when the broker starts again.

use super::member::{Member, Protocol};
use super::types::Now;
use super::{Group, Phase};
use crate::coordinators::records::{GroupValue, MemberValue};
use bytes::Bytes;
use std::time::Duration;

impl Group {
    /// What is to be stored now: the group is Stable or Empty.
    #[must_use]
    pub fn record(&self) -> GroupValue {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by_key(|member| member.seq);
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since: Some(self.since),
            members: members.into_iter().map(|member| self.member_record(member)).collect(),
        }
    }

    fn member_record(&self, member: &Member) -> MemberValue {
        MemberValue {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: to_millis(member.rebalance_timeout),
            session_timeout_ms: to_millis(member.session_timeout),
            subscription: member.metadata(self.protocol.as_deref()),
            assignment: member.assignment.clone(),
        }
    }

    /// A group as it was stored. The sessions of its members begin now: nobody could send heartbeats meanwhile.
    #[must_use]
    pub fn restore(id: &str, stored: GroupValue, now: Now) -> Self {
        let mut group = Self::new(id, now);
        group.since = stored.since.unwrap_or(now.wall);
        group.generation = stored.generation.max(0);
        group.protocol_type = Some(stored.protocol_type).filter(|name| !name.is_empty());
        group.protocol = stored.protocol;
        for member in stored.members {
            group.restore_member(member, now);
        }
        let leads = |id: &String| group.members.contains_key(id);
        let eldest = || group.members.values().min_by_key(|m| m.seq).map(|m| m.id.clone());
        group.leader = stored.leader.filter(leads).or_else(eldest);
        if !group.members.is_empty() {
            group.phase = Phase::Stable { sync_ends: None };
        }
        group
    }

    fn restore_member(&mut self, stored: MemberValue, now: Now) {
        let protocol =
            Protocol { name: self.protocol.clone().unwrap_or_default(), metadata: stored.subscription };
        let mut member = Member {
            id: stored.member_id.clone(),
            instance_id: stored.instance_id,
            client_id: stored.client_id,
            client_host: stored.client_host,
            session_timeout: from_millis(stored.session_timeout_ms),
            rebalance_timeout: from_millis(stored.rebalance_timeout_ms),
            protocols: vec![protocol],
            assignment: Bytes::clone(&stored.assignment),
            seq: self.next_seq,
            is_new: false,
            join: None,
            sync: None,
            owes_sync: false,
            expires: Duration::ZERO,
        };
        member.touch(now);
        self.next_seq += 1;
        if let Some(instance) = &member.instance_id {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(stored.member_id, member);
    }
}

fn to_millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn from_millis(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

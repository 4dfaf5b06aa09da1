//! A group for tools.

use super::{Group, State};
use bytes::Bytes;

/// What tools show of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupDescription {
    /// Where it is in its round.
    pub state: State,
    /// Empty if it never had members.
    pub protocol_type: String,
    /// What was chosen; empty unless stable.
    pub protocol: String,
    /// Everybody in it.
    pub members: Vec<MemberDescription>,
}

/// What tools show of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
    /// The client's name.
    pub client_id: String,
    /// Its address: `/127.0.0.1`.
    pub client_host: String,
    /// Its subscription; empty unless stable.
    pub metadata: Bytes,
    /// Its assignment; empty unless stable.
    pub assignment: Bytes,
}

impl Group {
    /// The group for tools. Subscriptions and assignments are shown when they are settled only.
    #[must_use]
    pub fn describe(&self) -> GroupDescription {
        let state = self.state();
        let stable = state == State::Stable;
        let settled = |bytes: Bytes| if stable { bytes } else { Bytes::new() };
        let members = self.members.values().map(|member| MemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: settled(member.metadata(self.protocol.as_deref())),
            assignment: settled(member.assignment.clone()),
        });
        let protocol = self.protocol.clone().filter(|_| stable);
        GroupDescription {
            state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default(),
            members: members.collect(),
        }
    }

    /// How many are in it.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// What each member said when it joined, in the protocol that was chosen; nothing before there is one.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Bytes> {
        self.members.values().map(|member| member.metadata(self.protocol.as_deref())).collect()
    }

    /// Bytes it holds in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let members: usize = self.members.values().map(super::Member::bytes).sum();
        let pending: usize = self.pending.keys().map(|id| id.len() + 64).sum();
        size_of::<Self>() + self.id.len() + members + pending
    }
}

//! What goes into a group and what comes out.

use super::member::Protocol;
use crate::coordinators::records::MAX_STRING;
use bytes::Bytes;
use log_engine::types::Timestamp;
use std::time::Duration;

/// The time of an event, both ways: intervals run on `at`, records carry `wall`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// Since some fixed moment; never falls.
    pub at: Duration,
    /// The time of day.
    pub wall: Timestamp,
}

/// Names one held request; the caller chooses it and never uses it twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// What the operator sets for all groups.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupSettings {
    /// `group.initial.rebalance.delay.ms`: how long the first member of an empty group waits for others.
    pub initial_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub min_session: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session: Duration,
    /// `group.max.size`, at most [`GroupSettings::MEMBERS_CAP`]; ids given out count too.
    pub max_members: usize,
    /// Bytes of all protocol names and subscriptions of one member.
    pub max_metadata: usize,
}

impl GroupSettings {
    /// No group is larger than this, whatever `group.max.size` says.
    pub const MEMBERS_CAP: usize = 16_384;
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            initial_delay: Duration::ZERO,
            min_session: Duration::from_millis(6_000),
            max_session: Duration::from_millis(1_800_000),
            max_members: Self::MEMBERS_CAP,
            max_metadata: 1 << 20,
        }
    }
}

/// Where a group is in its round.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// No members.
    Empty,
    /// Members are being collected.
    Preparing,
    /// The leader computes the assignment.
    Completing,
    /// All have their assignment, or can fetch it.
    Stable,
    /// Removed.
    Dead,
}

impl State {
    /// The name tools and clients know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// Why a group refuses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum GroupError {
    /// The group is just being removed, or its record cannot be stored now: try again.
    #[error("the coordinator is not available")]
    NotAvailable,
    /// Another generation is current.
    #[error("not the current generation")]
    IllegalGeneration,
    /// No protocol in common with all members, another protocol type, or none given.
    #[error("no common protocol")]
    InconsistentProtocol,
    /// The empty name, where a group with members is meant.
    #[error("the group id is empty")]
    InvalidGroupId,
    /// Nobody of this id is in the group.
    #[error("unknown member")]
    UnknownMember,
    /// Outside what the operator allows.
    #[error("session timeout out of range")]
    InvalidSessionTimeout,
    /// A round is under way: join again.
    #[error("a rebalance is in progress")]
    RebalanceInProgress,
    /// Join again, with the id given in the reply.
    #[error("a member id is required")]
    MemberIdRequired,
    /// The group has as many members as it may have.
    #[error("the group is full")]
    Full,
    /// A newer member has the same instance id.
    #[error("fenced by a newer member of the same instance id")]
    FencedInstance,
    /// The group still has members.
    #[error("the group has members")]
    NonEmpty,
    /// Members of the group read the topic.
    #[error("the group is subscribed to the topic")]
    Subscribed,
    /// No such group.
    #[error("no such group")]
    NotFound,
    /// More bytes than a member may bring, or more than one record can hold.
    #[error("the group's metadata is too large")]
    TooLarge,
}

/// What a member says of itself when it joins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Join {
    /// Its id, or empty if it has none yet.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
    /// The client's name, for tools.
    pub client_id: String,
    /// Its address, for tools: `/127.0.0.1`.
    pub client_host: String,
    /// Silence after which it is taken for gone.
    pub session_timeout: Duration,
    /// How long it may take to come back to a new round.
    pub rebalance_timeout: Duration,
    /// `consumer`, `connect`.
    pub protocol_type: String,
    /// What it can speak, best first.
    pub protocols: Vec<Protocol>,
    /// The id it gets if it has none.
    pub fresh_id: String,
    /// A member without an id is sent away with one first (version 4 and newer).
    pub id_required: bool,
    /// It knows a leader that does not assign (version 9 and newer).
    pub can_skip_assignment: bool,
}

impl Join {
    /// All texts can be stored.
    pub(super) fn texts_fit(&self) -> bool {
        let texts =
            [&self.member_id, &self.fresh_id, &self.client_id, &self.client_host, &self.protocol_type];
        let names = self.protocols.iter().map(|protocol| &protocol.name);
        texts.into_iter().chain(&self.instance_id).chain(names).all(|text| text.len() <= MAX_STRING)
    }
}

/// The answer to a join.
pub type JoinReply = Result<Joined, JoinRefused>;

/// In: a member of this generation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joined {
    /// The number of the round.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// What all have in common.
    pub protocol: Option<String>,
    /// Who assigns. An old id after a static leader was replaced, so that it does not assign again.
    pub leader: String,
    /// Whom this answer is for.
    pub member_id: String,
    /// Leader, but the assignment stands.
    pub skip_assignment: bool,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

/// What the leader learns of one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
    /// Its subscription in the chosen protocol.
    pub metadata: Bytes,
}

/// Out: why, and the id to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// The id that was given, or the new one with [`GroupError::MemberIdRequired`].
    pub member_id: String,
}

/// A member waits for its assignment; the leader brings all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sync {
    /// Who.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
    /// Of which round.
    pub generation: i32,
    /// If given, what the group is expected to be.
    pub protocol_type: Option<String>,
    /// If given, what was chosen.
    pub protocol: Option<String>,
    /// Member id and assignment, from the leader.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to a sync.
pub type SyncReply = Result<Synced, GroupError>;

/// A member's assignment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The chosen protocol.
    pub protocol: Option<String>,
    /// Opaque; empty if the leader gave none.
    pub assignment: Bytes,
}

/// Who leaves: by id, or by instance id with an empty id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Leaver {
    /// Its id, or empty.
    pub member_id: String,
    /// Its instance id.
    pub instance_id: Option<String>,
}

/// Who commits offsets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Committer {
    /// Of which round; none from a client that keeps no membership.
    pub generation: Option<i32>,
    /// Its id, or empty.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
}

/// What is to be done after an event.
#[derive(Debug, Default)]
pub struct Effects {
    /// Joins that are answered now.
    pub joins: Vec<(Ticket, JoinReply)>,
    /// Syncs that are answered now.
    pub syncs: Vec<(Ticket, SyncReply)>,
    /// The group's record must be stored before the answers leave.
    pub store: bool,
}

impl Effects {
    /// Turns what would have been good news into `error`: the record could not be stored.
    pub fn fail(&mut self, error: GroupError) {
        for (_, reply) in &mut self.joins {
            if let Ok(joined) = reply {
                *reply = Err(JoinRefused { error, member_id: std::mem::take(&mut joined.member_id) });
            }
        }
        for (_, reply) in self.syncs.iter_mut().filter(|(_, reply)| reply.is_ok()) {
            *reply = Err(error);
        }
    }
}

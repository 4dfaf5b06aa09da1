//! One consumer group: who is in it, which round it is in, and who waits for what.
//!
//! ```text
//!            first join                 timer, all here            leader's sync
//!   Empty ---------------> Preparing ---------------> Completing ---------------> Stable
//!     ^                     |    ^                        |                         |
//!     |  nobody came back   |    |  join, leave, expiry   |                         |
//!     +---------------------+    +------------------------+-------------------------+
//! ```
//!
//! Events go in as calls with the time given; what is to be done comes out in [`Effects`]: replies, each with the
//! [`Ticket`] of the request it answers (at once or much later), and whether the group's record must be stored
//! before the replies leave. [`Group::deadline`] says when [`Group::expire`] must be called at the latest.
//!
//! # Invariants
//!
//! * A ticket is answered exactly once, and at the latest by the `expire` call at the group's deadline.
//! * The generation never falls, and grows by one with each completed join round.
//! * Members of one generation got their assignments from one leader's sync.
//! * Held joins exist in Preparing only, held syncs in Completing only.
//!
//! # Not here
//!
//! Committed offsets (`offsets`), locks and timers (`groups`), how the record looks (`records`).

mod describe;
mod expiry;
mod join;
mod member;
mod rebalance;
mod serve;
mod stored;
mod types;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use describe::{GroupDescription, MemberDescription};
pub use member::{Member, Protocol};
pub use types::{
    Committer, Effects, GroupError, GroupSettings, Join, JoinRefused, JoinReply, Joined, JoinedMember,
    Leaver, Now, State, Sync, SyncReply, Synced, Ticket,
};

use log_engine::types::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a join of a member that has no id yet may be held: its session cannot be watched.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// One group.
#[derive(Clone, Debug)]
pub struct Group {
    id: String,
    phase: Phase,
    /// When the present state began, as it is stored.
    since: Timestamp,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    /// A key of `members`, whenever there are members.
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Instance id to member id; both ends exist.
    statics: BTreeMap<String, String>,
    /// Ids given out (`MEMBER_ID_REQUIRED`) whose owners have not come back yet, and until when they may.
    pending: BTreeMap<String, Duration>,
    /// Numbers the members in the order in which they came.
    next_seq: u64,
}

/// A state with what only it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Empty,
    Preparing(JoinWait),
    Completing {
        /// When members without a sync are removed.
        sync_ends: Duration,
    },
    Stable {
        /// The same, until all have synced.
        sync_ends: Option<Duration>,
    },
    Dead,
}

/// What a join round waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum JoinWait {
    /// The group was empty: others are probably about to start too.
    Initial { ends: Duration, step: Duration, remaining: Duration, grew: bool },
    /// All known members; those who are not back by then are dropped.
    Rejoin { ends: Duration },
}

impl JoinWait {
    fn ends(self) -> Duration {
        match self {
            Self::Initial { ends, .. } | Self::Rejoin { ends } => ends,
        }
    }
}

impl Group {
    /// A group nobody has joined yet.
    #[must_use]
    pub fn new(id: &str, now: Now) -> Self {
        Self {
            id: id.to_owned(),
            phase: Phase::Empty,
            since: now.wall,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_seq: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of the last completed join round, 0 before the first.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Where the group is in its round.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Empty => State::Empty,
            Phase::Preparing(_) => State::Preparing,
            Phase::Completing { .. } => State::Completing,
            Phase::Stable { .. } => State::Stable,
            Phase::Dead => State::Dead,
        }
    }

    /// Since when it is in this state.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// What kind of clients the group is made of: `consumer`, `connect`; none for a group that only has offsets.
    #[must_use]
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// Members, and ids given out that may still become one.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len() + self.pending.len()
    }

    /// True if nobody is in it and nobody is about to be.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.phase == Phase::Empty && self.pending.is_empty()
    }

    /// Ends the group. Nothing is held when it is empty, which the caller has checked.
    pub fn kill(&mut self, now: Now) {
        self.phase = Phase::Dead;
        self.since = now.wall;
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now.wall;
    }

    /// The checks common to all requests of a member: known, and not replaced by another with its instance id.
    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance) = instance_id {
            match self.statics.get(instance) {
                None => return Err(GroupError::UnknownMember),
                Some(current) if current != member_id => return Err(GroupError::FencedInstance),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(GroupError::UnknownMember) }
    }
}

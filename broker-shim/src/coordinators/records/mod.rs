//! The records of `__consumer_offsets`, in Kafka's schemas: who writes what, where, and in which version.
//!
//! # The bytes
//!
//! Big-endian; a string is an int16 length and UTF-8 (length -1: null), bytes an int32 length and content. From
//! value version 4 on ("flexible") lengths are unsigned varints of length + 1, and structures end in tags.
//!
//! ```text
//!  key    int16 0 or 1   string group, string topic, int32 partition       a committed offset
//!         int16 2        string group                                      a group
//!         int16 3..      not of classic groups: kept, not understood
//!
//!  offset int16 version  int64 offset, [v3+ int32 leader epoch], string metadata, int64 commit time,
//!  value                 [v1 int64 expiry time]                            v4: tag 0 is the topic id
//!
//!  group  int16 version  string protocol type, int32 generation, string? protocol, string? leader,
//!  value                 [v2+ int64 state since], members:
//!                          string id, [v3+ string? instance id], string client id, string client host,
//!                          [v1+ int32 rebalance timeout], int32 session timeout, bytes subscription,
//!                          bytes assignment
//! ```
//!
//! A null value takes back what was there under the key. Written are offset key 1 with value 3 (1 if the client
//! asked for a retention of its own) and group key 2 with value 3; read is everything.
//!
//! # Invariants
//!
//! * The partition of a group is `|hash(group)| mod partitions`, [`partition_for`]: Kafka's, so that directories
//!   can be taken over in both directions.
//!
//! # Not here
//!
//! When a record is written (`groups`), transactions around offsets (`groups::load`).

mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use decode::{RecordError, assigned_partitions, parse_group, parse_key, parse_offset, subscribed_topics};
pub use encode::{group_key, group_value, offset_key, offset_value};

use bytes::Bytes;
use log_engine::types::Timestamp;

/// The topic.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The longest text a record holds, bytes.
pub const MAX_STRING: usize = 32_767;

/// Whose record it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Key {
    /// A committed offset.
    Offset {
        /// Of this group.
        group: String,
        /// In this topic.
        topic: String,
        /// Of this partition.
        partition: i32,
    },
    /// A group.
    Group(String),
    /// A kind of a newer broker, by its number.
    Other(i16),
}

/// A committed offset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OffsetValue {
    /// The next record to be read. As the client gave it: Kafka stores negative numbers too.
    pub offset: i64,
    /// The leader epoch of the last record read, if the client knew it.
    pub leader_epoch: Option<i32>,
    /// The client's own note.
    pub metadata: String,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it ends, if the client asked for a retention of its own.
    pub expires_at: Option<Timestamp>,
}

/// A group as it is stored: at the end of each round.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupValue {
    /// `consumer`, `connect`; empty if nobody ever joined.
    pub protocol_type: String,
    /// The number of the round.
    pub generation: i32,
    /// What was chosen.
    pub protocol: Option<String>,
    /// Who assigned.
    pub leader: Option<String>,
    /// When the state began; unknown before version 2.
    pub since: Option<Timestamp>,
    /// None: the group is empty. Else it is stable.
    pub members: Vec<MemberValue>,
}

/// A member as it is stored.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemberValue {
    /// Its id.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
    /// The client's name.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// How long it may take to come back to a new round, ms.
    pub rebalance_timeout_ms: i32,
    /// Silence after which it is taken for gone, ms.
    pub session_timeout_ms: i32,
    /// What it said in the chosen protocol.
    pub subscription: Bytes,
    /// What it was given.
    pub assignment: Bytes,
}

/// The partition of [`OFFSETS_TOPIC`] that holds a group; `partitions` is at least 1.
///
/// Java's `String.hashCode` over UTF-16 units; the absolute value of -2147483648 is taken as 0.
#[must_use]
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

//! Bytes to records, by the schemas of the wire crate: no panic whatever the bytes are.

use super::{GroupValue, Key, MemberValue, OffsetValue};
use bytes::Bytes;
use kafka_wire::messages::group_metadata_value::MemberMetadata;
use kafka_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupMetadataKey, GroupMetadataValue,
    OffsetCommitKey, OffsetCommitValue,
};
use kafka_wire::{DecodeError, Message, Versions};
use log_engine::types::Timestamp;

/// Why a record is not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Less than the version number.
    #[error("record of {0} bytes")]
    Short(usize),
    /// Not what the schema says.
    #[error(transparent)]
    Invalid(#[from] DecodeError),
    /// From a newer broker.
    #[error("{kind} version {version} is not known")]
    Version {
        /// Which schema.
        kind: &'static str,
        /// The number found.
        version: i16,
    },
}

type Result<T> = std::result::Result<T, RecordError>;

/// Keys have one layout per number, so inside they are all version 0.
const KEY: i16 = 0;

/// Whose record it is.
///
/// # Errors
///
/// The bytes are no key.
pub fn parse_key(bytes: &[u8]) -> Result<Key> {
    let (number, rest) = version(bytes)?;
    match number {
        0 | 1 => {
            let key = OffsetCommitKey::from_body(rest, KEY)?;
            Ok(Key::Offset { group: key.group, topic: key.topic, partition: key.partition })
        }
        2 => Ok(Key::Group(GroupMetadataKey::from_body(rest, KEY)?.group)),
        other => Ok(Key::Other(other)),
    }
}

/// A committed offset, of any version.
///
/// # Errors
///
/// The bytes are no such value.
pub fn parse_offset(bytes: &[u8]) -> Result<OffsetValue> {
    let value: OffsetCommitValue = parse("offset value", OffsetCommitValue::VERSIONS, bytes)?;
    // The topic id of version 4 says nothing that the name does not.
    Ok(OffsetValue {
        offset: value.offset,
        leader_epoch: value.leader_epoch.filter(|epoch| *epoch >= 0),
        metadata: value.metadata,
        committed_at: Timestamp::from_millis(value.commit_timestamp).unwrap_or_default(),
        expires_at: value.expire_timestamp.and_then(Timestamp::from_millis),
    })
}

/// A group, of any version.
///
/// # Errors
///
/// The bytes are no such value.
pub fn parse_group(bytes: &[u8]) -> Result<GroupValue> {
    let value: GroupMetadataValue = parse("group value", GroupMetadataValue::VERSIONS, bytes)?;
    Ok(GroupValue {
        protocol_type: value.protocol_type,
        generation: value.generation,
        protocol: value.protocol,
        leader: value.leader,
        since: value.current_state_timestamp.and_then(Timestamp::from_millis),
        members: value.members.into_iter().map(member).collect(),
    })
}

/// The topics in the subscription of a consumer, of any version; newer ones are read as the newest that we know.
///
/// # Errors
///
/// The bytes are no subscription.
pub fn subscribed_topics(bytes: &[u8]) -> Result<Vec<String>> {
    let (version, rest) = version(bytes)?;
    let known = ConsumerProtocolSubscription::VERSIONS;
    Ok(ConsumerProtocolSubscription::from_body(rest, version.clamp(known.min, known.max))?.topics)
}

/// The partitions that a member's assignment gives it.
///
/// # Errors
///
/// It is not what consumers write: a group may speak another protocol.
pub fn assigned_partitions(bytes: &[u8]) -> Result<Vec<(String, i32)>> {
    if bytes.is_empty() {
        // Nothing is settled yet.
        return Ok(Vec::new());
    }
    let (version, rest) = version(bytes)?;
    let known = ConsumerProtocolAssignment::VERSIONS;
    let share = ConsumerProtocolAssignment::from_body(rest, version.clamp(known.min, known.max))?;
    let topics = share.assigned_partitions.into_iter();
    Ok(topics.flat_map(|t| t.partitions.into_iter().map(move |n| (t.topic.clone(), n))).collect())
}

fn member(stored: MemberMetadata) -> MemberValue {
    MemberValue {
        member_id: stored.member_id,
        instance_id: stored.group_instance_id,
        client_id: stored.client_id,
        client_host: stored.client_host,
        // Version 0 had one timeout for both.
        rebalance_timeout_ms: stored.rebalance_timeout.unwrap_or(stored.session_timeout),
        session_timeout_ms: stored.session_timeout,
        subscription: stored.subscription,
        assignment: stored.assignment,
    }
}

fn parse<M: Message>(kind: &'static str, known: Versions, bytes: &[u8]) -> Result<M> {
    let (version, rest) = version(bytes)?;
    if !known.contains(version) {
        return Err(RecordError::Version { kind, version });
    }
    Ok(M::from_body(rest, version)?)
}

/// The number in front, and what follows it.
fn version(bytes: &[u8]) -> Result<(i16, Bytes)> {
    let (number, rest) = bytes.split_first_chunk().ok_or(RecordError::Short(bytes.len()))?;
    Ok((i16::from_be_bytes(*number), Bytes::copy_from_slice(rest)))
}

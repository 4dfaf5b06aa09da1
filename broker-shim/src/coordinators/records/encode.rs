//! Records to bytes, by the schemas of the wire crate.

use super::{GroupValue, MemberValue, OffsetValue};
use kafka_wire::Message;
use kafka_wire::messages::group_metadata_value::MemberMetadata;
use kafka_wire::messages::{GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};
use log_engine::types::Timestamp;

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
/// Keys have one layout per number, so inside they are all version 0.
const KEY: i16 = 0;
const OFFSET_VALUE: i16 = 3;
/// The only one with an expiry time.
const OFFSET_VALUE_EXPIRING: i16 = 1;
const GROUP_VALUE: i16 = 3;

/// The key of a committed offset.
#[must_use]
pub fn offset_key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let key = OffsetCommitKey { group: group.to_owned(), topic: topic.to_owned(), partition };
    numbered(OFFSET_KEY, &key, KEY)
}

/// The key of a group.
#[must_use]
pub fn group_key(group: &str) -> Vec<u8> {
    numbered(GROUP_KEY, &GroupMetadataKey { group: group.to_owned() }, KEY)
}

/// A committed offset.
#[must_use]
pub fn offset_value(value: &OffsetValue) -> Vec<u8> {
    let version = if value.expires_at.is_some() { OFFSET_VALUE_EXPIRING } else { OFFSET_VALUE };
    let stored = OffsetCommitValue {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: value.metadata.clone(),
        commit_timestamp: value.committed_at.as_millis(),
        expire_timestamp: value.expires_at.map(Timestamp::as_millis),
        ..OffsetCommitValue::default()
    };
    numbered(version, &stored, version)
}

/// A group.
#[must_use]
pub fn group_value(value: &GroupValue) -> Vec<u8> {
    let stored = GroupMetadataValue {
        protocol_type: value.protocol_type.clone(),
        generation: value.generation,
        protocol: value.protocol.clone(),
        leader: value.leader.clone(),
        current_state_timestamp: value.since.map(Timestamp::as_millis),
        members: value.members.iter().map(member).collect(),
    };
    numbered(GROUP_VALUE, &stored, GROUP_VALUE)
}

fn member(member: &MemberValue) -> MemberMetadata {
    MemberMetadata {
        member_id: member.member_id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout: Some(member.rebalance_timeout_ms),
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    }
}

/// The number in front, then the message. Texts are held to what can be stored before they get here.
fn numbered<M: Message>(number: i16, message: &M, version: i16) -> Vec<u8> {
    let body = message.to_body(version).expect("texts are held to `MAX_STRING`");
    [&number.to_be_bytes()[..], &body].concat()
}

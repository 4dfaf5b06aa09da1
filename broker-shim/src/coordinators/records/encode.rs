//! Records to bytes.

use super::{GroupValue, MemberValue, OffsetValue};
use bytes::BufMut;
use log_engine::types::Timestamp;

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE: i16 = 3;
/// The only one with an expiry time.
const OFFSET_VALUE_EXPIRING: i16 = 1;
const GROUP_VALUE: i16 = 3;

/// The key of a committed offset.
#[must_use]
pub fn offset_key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + group.len() + topic.len());
    out.put_i16(OFFSET_KEY);
    put_string(&mut out, group);
    put_string(&mut out, topic);
    out.put_i32(partition);
    out
}

/// The key of a group.
#[must_use]
pub fn group_key(group: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + group.len());
    out.put_i16(GROUP_KEY);
    put_string(&mut out, group);
    out
}

/// A committed offset.
#[must_use]
pub fn offset_value(value: &OffsetValue) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + value.metadata.len());
    let version = if value.expires_at.is_some() { OFFSET_VALUE_EXPIRING } else { OFFSET_VALUE };
    out.put_i16(version);
    out.put_i64(value.offset);
    if version >= 3 {
        out.put_i32(value.leader_epoch.unwrap_or(-1));
    }
    put_string(&mut out, &value.metadata);
    out.put_i64(value.committed_at.as_millis());
    if version == OFFSET_VALUE_EXPIRING {
        out.put_i64(Timestamp::to_raw(value.expires_at));
    }
    out
}

/// A group.
#[must_use]
pub fn group_value(value: &GroupValue) -> Vec<u8> {
    let members: usize = value.members.iter().map(|m| 256 + m.subscription.len() + m.assignment.len()).sum();
    let mut out = Vec::with_capacity(128 + members);
    out.put_i16(GROUP_VALUE);
    put_string(&mut out, &value.protocol_type);
    out.put_i32(value.generation);
    put_nullable(&mut out, value.protocol.as_deref());
    put_nullable(&mut out, value.leader.as_deref());
    out.put_i64(Timestamp::to_raw(value.since));
    put_len(&mut out, value.members.len());
    for member in &value.members {
        put_member(&mut out, member);
    }
    out
}

fn put_member(out: &mut Vec<u8>, member: &MemberValue) {
    put_string(out, &member.member_id);
    put_nullable(out, member.instance_id.as_deref());
    put_string(out, &member.client_id);
    put_string(out, &member.client_host);
    out.put_i32(member.rebalance_timeout_ms);
    out.put_i32(member.session_timeout_ms);
    put_bytes(out, &member.subscription);
    put_bytes(out, &member.assignment);
}

fn put_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put_i16(-1),
    }
}

/// Texts come from requests and are checked there to fit ([`super::MAX_STRING`]).
fn put_string(out: &mut Vec<u8>, text: &str) {
    let len = i16::try_from(text.len()).expect("texts are held to what an int16 length can say");
    out.put_i16(len);
    out.put_slice(text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.put_slice(bytes);
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.put_i32(i32::try_from(len).expect("one request holds less than 2 GiB"));
}

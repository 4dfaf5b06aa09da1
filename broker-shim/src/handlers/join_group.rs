//! JoinGroup.

use super::group_common::{Client, code};
use crate::coordinators::GroupCoordinator;
use crate::coordinators::group::{GroupError, Join, JoinRefused, Joined, Protocol};
use crate::coordinators::records::MAX_STRING;
use kafka_wire::ErrorCode;
use kafka_wire::messages::join_group_response::JoinGroupResponseMember;
use kafka_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use std::fmt::Write as _;
use std::time::Duration;

/// From this version on, a client without an id is given one first and joins with it.
const ID_REQUIRED: i16 = 4;
/// From this version on, a refusal names no protocol at all rather than an empty one.
const NULL_PROTOCOL: i16 = 7;
/// From this version on, a leader can be told not to assign.
const CAN_SKIP: i16 = 9;

pub(super) async fn answer(
    groups: &GroupCoordinator,
    client: &Client,
    version: i16,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let group = request.group_id.clone();
    match groups.join(&group, to_join(client, version, request)).await {
        Ok(joined) => accepted(joined),
        Err(refused) => refusal(version, refused),
    }
}

fn to_join(client: &Client, version: i16, request: JoinGroupRequest) -> Join {
    let rebalance = request.rebalance_timeout_ms.unwrap_or(request.session_timeout_ms);
    let prefix = request.group_instance_id.as_deref().unwrap_or(&client.id);
    let protocols = request.protocols.into_iter();
    Join {
        fresh_id: fresh_id(prefix),
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        client_id: client.id.clone(),
        client_host: client.host_text(),
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(rebalance),
        protocol_type: request.protocol_type,
        protocols: protocols.map(|p| Protocol { name: p.name, metadata: p.metadata }).collect(),
        id_required: version >= ID_REQUIRED,
        can_skip_assignment: version >= CAN_SKIP,
    }
}

fn millis(raw: i32) -> Duration {
    Duration::from_millis(u64::try_from(raw).unwrap_or(0))
}

/// An id that no other member has: the prefix tells people whose it is, 122 random bits keep it apart.
fn fresh_id(prefix: &str) -> String {
    const UUID_LEN: usize = 36;
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut end = prefix.len().min(MAX_STRING - UUID_LEN - 1);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let mut id = String::with_capacity(end + 1 + UUID_LEN);
    id.push_str(&prefix[..end]);
    for (at, byte) in bytes.iter().enumerate() {
        if [0, 4, 6, 8, 10].contains(&at) {
            id.push('-');
        }
        write!(id, "{byte:02x}").expect("writing to a string does not fail");
    }
    id
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        metadata: member.metadata,
    });
    JoinGroupResponse {
        error_code: ErrorCode::None.into(),
        generation_id: Some(joined.generation),
        protocol_type: joined.protocol_type,
        protocol_name: joined.protocol,
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id,
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}

fn refusal(version: i16, refused: JoinRefused) -> JoinGroupResponse {
    let error = match refused.error {
        GroupError::TooLarge => ErrorCode::InvalidRequest,
        error => code(error),
    };
    JoinGroupResponse {
        error_code: error.into(),
        generation_id: None,
        protocol_name: (version < NULL_PROTOCOL).then(String::new),
        member_id: refused.member_id,
        ..JoinGroupResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_id_is_prefix_and_uuid_4() {
        let id = fresh_id("client");
        let uuid = id.strip_prefix("client-").unwrap();
        let lens: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lens, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
        assert_ne!(fresh_id("client"), id);
    }

    #[test]
    fn fresh_id_of_a_long_name_can_be_stored() {
        assert_eq!(fresh_id(&"c".repeat(40_000)).len(), MAX_STRING);
        assert!(fresh_id(&"\u{e9}".repeat(20_000)).len() <= MAX_STRING);
    }
}

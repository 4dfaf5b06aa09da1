//! DescribeGroups: an unknown group is `Dead` with no error, and error 69 from version 6 on. Of a group whose log is
//! offline nobody knows whether it exists: it has no state, and error 16.

use crate::coordinators::GroupCoordinator;
use crate::coordinators::group::{GroupDescription, State};
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

/// From this version on, a group that does not exist is an error.
const UNKNOWN_IS_ERROR: i16 = 6;

/// Read, delete and describe, as bits: what can be done with a group. Nobody is kept from it.
const ALL_GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8;

pub(super) fn answer(
    groups: &GroupCoordinator,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let operations = if request.include_authorized_operations { ALL_GROUP_OPERATIONS } else { i32::MIN };
    let described = request.groups.into_iter().map(|group_id| {
        let group = match groups.describe(&group_id) {
            Some(group) => known(group),
            None if groups.is_offline(&group_id) => {
                DescribedGroup { error_code: ErrorCode::NotCoordinator.into(), ..DescribedGroup::default() }
            }
            None => unknown(&group_id, version),
        };
        DescribedGroup { group_id, authorized_operations: operations, ..group }
    });
    DescribeGroupsResponse { groups: described.collect(), ..DescribeGroupsResponse::default() }
}

fn known(group: GroupDescription) -> DescribedGroup {
    let members = group.members.into_iter().map(|member| DescribedGroupMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    });
    DescribedGroup {
        group_state: group.state.name().to_owned(),
        protocol_type: group.protocol_type,
        protocol_data: group.protocol,
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn unknown(group_id: &str, version: i16) -> DescribedGroup {
    let dead = DescribedGroup { group_state: State::Dead.name().to_owned(), ..DescribedGroup::default() };
    if version < UNKNOWN_IS_ERROR {
        return dead;
    }
    DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound.into(),
        error_message: Some(format!("Group {group_id} not found.")),
        ..dead
    }
}

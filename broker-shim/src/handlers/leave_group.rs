//! LeaveGroup: one member, or from version 3 on a list, each with an answer of its own.

use super::group_common::{code, code_of};
use crate::coordinators::GroupCoordinator;
use crate::coordinators::group::{GroupError, Leaver};
use kafka_wire::messages::leave_group_response::MemberResponse;
use kafka_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};

const LISTED: i16 = 3;

pub(super) fn answer(
    groups: &GroupCoordinator,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let leavers: Vec<Leaver> = if version < LISTED {
        vec![Leaver { member_id: request.member_id, instance_id: None }]
    } else {
        let members = request.members.into_iter();
        members.map(|m| Leaver { member_id: m.member_id, instance_id: m.group_instance_id }).collect()
    };
    let results = match groups.leave(&request.group_id, &leavers) {
        Ok(results) => results,
        // There is no such group, so nobody is in it.
        Err(GroupError::UnknownMember) => vec![Err(GroupError::UnknownMember); leavers.len()],
        Err(error) => {
            return LeaveGroupResponse { error_code: code(error).into(), ..LeaveGroupResponse::default() };
        }
    };
    if version < LISTED {
        let only = results.into_iter().next().unwrap_or(Ok(()));
        return LeaveGroupResponse { error_code: code_of(only), ..LeaveGroupResponse::default() };
    }
    let members = leavers.into_iter().zip(results).map(|(leaver, result)| MemberResponse {
        member_id: leaver.member_id,
        group_instance_id: leaver.instance_id,
        error_code: code_of(result),
    });
    LeaveGroupResponse { members: members.collect(), ..LeaveGroupResponse::default() }
}

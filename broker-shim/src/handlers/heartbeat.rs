//! Heartbeat.

use super::group_common::code_of;
use crate::coordinators::GroupCoordinator;
use crate::coordinators::group::Leaver;
use kafka_wire::messages::{HeartbeatRequest, HeartbeatResponse};

pub(super) fn answer(groups: &GroupCoordinator, request: HeartbeatRequest) -> HeartbeatResponse {
    let member = Leaver { member_id: request.member_id, instance_id: request.group_instance_id };
    let verdict = groups.heartbeat(&request.group_id, &member, request.generation_id);
    HeartbeatResponse { error_code: code_of(verdict), ..HeartbeatResponse::default() }
}

//! SyncGroup.

use super::group_common::code;
use crate::coordinators::GroupCoordinator;
use crate::coordinators::group::{GroupError, Sync, SyncReply};
use kafka_wire::messages::{SyncGroupRequest, SyncGroupResponse};

/// From this version on, a member must say what it believes the group to be.
const PROTOCOL_REQUIRED: i16 = 5;

pub(super) async fn answer(
    groups: &GroupCoordinator,
    version: i16,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let unsaid = request.protocol_type.is_none() || request.protocol_name.is_none();
    if version >= PROTOCOL_REQUIRED && unsaid {
        return respond(Err(GroupError::InconsistentProtocol));
    }
    let sync = Sync {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: request.assignments.into_iter().map(|a| (a.member_id, a.assignment)).collect(),
    };
    respond(groups.sync(&request.group_id, sync).await)
}

fn respond(reply: SyncReply) -> SyncGroupResponse {
    match reply {
        Ok(synced) => SyncGroupResponse {
            protocol_type: synced.protocol_type,
            protocol_name: synced.protocol,
            assignment: synced.assignment,
            ..SyncGroupResponse::default()
        },
        Err(error) => SyncGroupResponse { error_code: code(error).into(), ..SyncGroupResponse::default() },
    }
}

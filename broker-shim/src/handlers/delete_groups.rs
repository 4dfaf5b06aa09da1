//! DeleteGroups: groups without members, with their offsets.

use super::RequestContext;
use super::group_common::code_of;
use crate::broker::BrokerState;
use kafka_wire::messages::delete_groups_response::DeletableGroupResult;
use kafka_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use std::collections::HashSet;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut seen = HashSet::new();
    let once = request.groups_names.into_iter().filter(|group| seen.insert(group.clone()));
    let results = once.map(|group_id| {
        let error_code = code_of(state.groups.delete_group(&group_id));
        DeletableGroupResult { group_id, error_code, error_message: None }
    });
    DeleteGroupsResponse { results: results.collect(), ..DeleteGroupsResponse::default() }
}

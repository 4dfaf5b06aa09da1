//! ListGroups, with filters by state (version 4) and by type (version 5). Names of both are compared without case.

use crate::coordinators::GroupCoordinator;
use kafka_wire::messages::list_groups_response::ListedGroup;
use kafka_wire::messages::{ListGroupsRequest, ListGroupsResponse};

/// The type of all groups there are: their members assign, not the broker.
const CLASSIC: &str = "classic";

pub(super) fn answer(groups: &GroupCoordinator, request: &ListGroupsRequest) -> ListGroupsResponse {
    let passes = |filter: &[String], name: &str| {
        filter.is_empty() || filter.iter().any(|f| f.eq_ignore_ascii_case(name))
    };
    let wanted = groups.list().into_iter().filter(|group| {
        passes(&request.states_filter, group.state.name()) && passes(&request.types_filter, CLASSIC)
    });
    let listed = wanted.map(|group| ListedGroup {
        group_id: group.group_id,
        protocol_type: group.protocol_type,
        group_state: group.state.name().to_owned(),
        group_type: CLASSIC.to_owned(),
    });
    ListGroupsResponse { groups: listed.collect(), ..ListGroupsResponse::default() }
}

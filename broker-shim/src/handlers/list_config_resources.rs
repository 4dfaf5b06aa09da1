//! ListConfigResources: what has settings. In version 0 only client metrics are asked for, and there are none.

use super::RequestContext;
use super::configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use crate::broker::BrokerState;
use kafka_wire::ErrorCode;
use kafka_wire::messages::list_config_resources_response::ConfigResource;
use kafka_wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use std::collections::BTreeSet;

/// The first version that asks for other resources than client metrics.
const TYPES_SINCE: i16 = 1;
const ALL_TYPES: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let asked: BTreeSet<i8> = match cx.version {
        version if version < TYPES_SINCE => [CLIENT_METRICS].into(),
        _ if request.resource_types.is_empty() => ALL_TYPES.into(),
        _ => request.resource_types.into_iter().collect(),
    };
    if asked.iter().any(|one| !ALL_TYPES.contains(one)) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.into(),
            ..ListConfigResourcesResponse::default()
        };
    }
    let mut config_resources = Vec::new();
    for resource_type in asked {
        let names = match resource_type {
            TOPIC => state.catalog.topics().iter().map(|topic| topic.name.to_string()).collect(),
            BROKER | BROKER_LOGGER => vec![state.catalog.broker_id().to_string()],
            _ => Vec::new(),
        };
        let named = |resource_name| ConfigResource { resource_name, resource_type };
        config_resources.extend(names.into_iter().map(named));
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}

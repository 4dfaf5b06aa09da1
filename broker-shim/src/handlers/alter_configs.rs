//! AlterConfigs: a resource has these settings and no others.

use super::RequestContext;
use super::configs::{self, Refusal};
use crate::broker::BrokerState;
use crate::config::{ConfigChange, ConfigOp};
use kafka_wire::ErrorCode;
use kafka_wire::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_wire::messages::{AlterConfigsRequest, AlterConfigsResponse};

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: &AlterConfigsRequest,
) -> AlterConfigsResponse {
    let done = configs::alter_each(state, &request.resources, request.validate_only, named, change);
    let answer = |(resource, (code, error_message)): (&AlterConfigsResource, (ErrorCode, Option<String>))| {
        AlterConfigsResourceResponse {
            error_code: code.into(),
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        }
    };
    AlterConfigsResponse {
        responses: request.resources.iter().zip(done).map(answer).collect(),
        ..AlterConfigsResponse::default()
    }
}

fn named(resource: &AlterConfigsResource) -> (i8, &str) {
    (resource.resource_type, resource.resource_name.as_str())
}

fn change(resource: &AlterConfigsResource) -> Result<ConfigChange, Refusal> {
    let asked = &resource.configs;
    configs::keys_once(asked.iter().map(|config| config.name.as_str()))?;
    let op = |config: &AlterableConfig| {
        let value = config.value.clone().ok_or_else(|| configs::no_value(&config.name))?;
        Ok((config.name.clone(), ConfigOp::Set(value)))
    };
    let ops = asked.iter().map(op).collect::<Result<_, Refusal>>()?;
    Ok(ConfigChange { replace: true, ops })
}

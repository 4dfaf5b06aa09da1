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
    let named = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str()));
    let once = configs::named_once(named);
    let answer = |resource: &AlterConfigsResource| {
        let name = resource.resource_name.as_str();
        let done = if once.contains(&(resource.resource_type, name)) {
            change(&resource.configs).and_then(|change| {
                configs::alter(state, resource.resource_type, name, &change, request.validate_only)
            })
        } else {
            Err(configs::named_twice())
        };
        let (code, error_message) = match done {
            Ok(()) => (ErrorCode::None, None),
            Err((code, text)) => (code, Some(text)),
        };
        AlterConfigsResourceResponse {
            error_code: code.into(),
            error_message,
            resource_type: resource.resource_type,
            resource_name: name.to_owned(),
        }
    };
    AlterConfigsResponse {
        responses: request.resources.iter().map(answer).collect(),
        ..AlterConfigsResponse::default()
    }
}

fn change(asked: &[AlterableConfig]) -> Result<ConfigChange, Refusal> {
    configs::keys_once(asked.iter().map(|config| config.name.as_str()))?;
    let op = |config: &AlterableConfig| {
        let value = config.value.clone().ok_or_else(|| configs::no_value(&config.name))?;
        Ok((config.name.clone(), ConfigOp::Set(value)))
    };
    let ops = asked.iter().map(op).collect::<Result<_, Refusal>>()?;
    Ok(ConfigChange { replace: true, ops })
}

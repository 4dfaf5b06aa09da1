//! IncrementalAlterConfigs: single settings of a resource; what is not named stays.

use super::RequestContext;
use super::configs::{self, Refusal};
use crate::broker::BrokerState;
use crate::config::{ConfigChange, ConfigOp};
use kafka_wire::ErrorCode;
use kafka_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: &IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse {
        responses: request.resources.iter().map(answer).collect(),
        ..IncrementalAlterConfigsResponse::default()
    }
}

fn change(asked: &[AlterableConfig]) -> Result<ConfigChange, Refusal> {
    configs::keys_once(asked.iter().map(|config| config.name.as_str()))?;
    let ops = asked.iter().map(|config| Ok((config.name.clone(), op(config)?)));
    Ok(ConfigChange { replace: false, ops: ops.collect::<Result<_, Refusal>>()? })
}

fn op(config: &AlterableConfig) -> Result<ConfigOp, Refusal> {
    let value = || config.value.clone().ok_or_else(|| configs::no_value(&config.name));
    match config.config_operation {
        SET => value().map(ConfigOp::Set),
        DELETE => Ok(ConfigOp::Delete),
        APPEND => value().map(ConfigOp::Append),
        SUBTRACT => value().map(ConfigOp::Subtract),
        other => Err((ErrorCode::InvalidRequest, format!("Unknown operation {other}"))),
    }
}

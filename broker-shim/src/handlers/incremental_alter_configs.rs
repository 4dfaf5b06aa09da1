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
    let done = configs::alter_each(state, &request.resources, request.validate_only, named, change);
    let answer = |(resource, (code, error_message)): (&AlterConfigsResource, (ErrorCode, Option<String>))| {
        AlterConfigsResourceResponse {
            error_code: code.into(),
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        }
    };
    IncrementalAlterConfigsResponse {
        responses: request.resources.iter().zip(done).map(answer).collect(),
        ..IncrementalAlterConfigsResponse::default()
    }
}

fn named(resource: &AlterConfigsResource) -> (i8, &str) {
    (resource.resource_type, resource.resource_name.as_str())
}

fn change(resource: &AlterConfigsResource) -> Result<ConfigChange, Refusal> {
    let asked = &resource.configs;
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

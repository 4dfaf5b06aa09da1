//! DescribeConfigs: settings of topics and of this broker, with where they come from.

use super::RequestContext;
use super::configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, Refusal, TOPIC};
use crate::broker::BrokerState;
use crate::config::{ConfigEntry, ConfigSource, TopicSettings};
use crate::metadata::TopicName;
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use std::collections::HashSet;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    // A resource named twice is answered once: the answer is much longer than the question.
    let mut seen = HashSet::new();
    let once = request.resources.iter().filter(|r| seen.insert((r.resource_type, r.resource_name.as_str())));
    let results = once.map(|resource| {
        let (code, message, configs) = match entries(state, resource) {
            Ok(entries) => (ErrorCode::None, None, shown(request, resource, entries)),
            Err((code, text)) => (code, Some(text), Vec::new()),
        };
        DescribeConfigsResult {
            error_code: code.into(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

/// All settings of a resource.
fn entries(state: &BrokerState, resource: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, Refusal> {
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            TopicName::new(name).map_err(|e| (ErrorCode::InvalidTopicException, e.to_string()))?;
            let unknown = || (ErrorCode::UnknownTopicOrPartition, String::new());
            let topic = state.catalog.topic(name).ok_or_else(unknown)?;
            Ok(TopicSettings::new(&state.catalog.config(), &topic.overrides).entries())
        }
        // Of all brokers only what was set for all of them at run time.
        BROKER if name.is_empty() => Ok(state.catalog.config().default_entries()),
        BROKER => {
            own_id(state, name)?;
            Ok(state.catalog.config().entries())
        }
        BROKER_LOGGER => {
            own_id(state, name)?;
            Ok(Vec::new())
        }
        CLIENT_METRICS | GROUP => Ok(Vec::new()),
        other => Err((ErrorCode::InvalidRequest, format!("Unsupported resource type: {other}"))),
    }
}

/// Checks that a resource's name is our own number.
fn own_id(state: &BrokerState, name: &str) -> Result<(), Refusal> {
    let own = state.catalog.broker_id();
    match name.parse::<i32>() {
        Ok(id) if id == own => Ok(()),
        Ok(id) => Err((
            ErrorCode::InvalidRequest,
            format!("Unexpected broker id, expected {own} or empty string, but received {id}"),
        )),
        Err(_) => {
            Err((ErrorCode::InvalidRequest, format!("Broker id must be an integer, but it is: {name}")))
        }
    }
}

fn shown(
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
    entries: Vec<ConfigEntry>,
) -> Vec<DescribeConfigsResourceResult> {
    let wanted = |entry: &ConfigEntry| {
        resource.configuration_keys.as_ref().is_none_or(|keys| keys.contains(&entry.name))
    };
    entries.into_iter().filter(wanted).map(|entry| result(request, entry)).collect()
}

fn result(request: &DescribeConfigsRequest, entry: ConfigEntry) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.iter().filter(|_| request.include_synonyms);
    DescribeConfigsResourceResult {
        read_only: entry.read_only,
        is_default: entry.source == ConfigSource::Default,
        config_source: Some(source(&entry)),
        is_sensitive: entry.sensitive,
        synonyms: synonyms
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.clone(),
                value: synonym.value.clone(),
                source: synonym.source.code(),
            })
            .collect(),
        config_type: entry.kind,
        documentation: Some(entry.doc.to_owned()).filter(|_| request.include_documentation),
        name: entry.name,
        value: entry.value,
    }
}

/// Where a value comes from, as the protocol has it.
pub(super) fn source(entry: &ConfigEntry) -> i8 {
    entry.source.code()
}

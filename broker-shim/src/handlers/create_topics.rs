//! CreateTopics: each topic of the request alone; one that is refused hinders no other.
//!
//! Codes and texts are those of Kafka 4, in versions that Kafka 4 no longer has (0 and 1) the texts of 2.2.

use super::{RequestContext, describe_configs, errors, topics};
use crate::broker::BrokerState;
use crate::config::TopicSettings;
use crate::metadata::{CreateTopic, CreateTopicError, TopicPlan};
use crate::trouble::Chain;
use kafka_wire::messages::create_topics_request::CreatableTopic;
use kafka_wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_wire::{ErrorCode, Uuid};
use std::collections::{BTreeMap, HashMap};

/// The first version in which -1 stands for the broker's defaults (in Kafka 2.2 it is an error in all of its versions).
const DEFAULTS_SINCE: i16 = 2;
/// The first version that Kafka 4 serves.
const NEW_TEXTS_SINCE: i16 = 2;
/// The most topics of one request: each costs a sync.
const MAX_TOPICS: usize = 10_000;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: &CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut count: HashMap<&str, u32> = HashMap::new();
    for topic in &request.topics {
        *count.entry(&topic.name).or_default() += 1;
    }
    let mut results = Vec::new();
    for topic in &request.topics {
        // A name that is there twice is answered once.
        match count.remove(topic.name.as_str()) {
            None => {}
            Some(1) if results.len() < MAX_TOPICS => results.push(one(state, cx, request, topic)),
            Some(1) => results.push(refused(
                &topic.name,
                ErrorCode::InvalidRequest,
                "Too many topics in one request.",
            )),
            Some(_) => results.push(refused(&topic.name, ErrorCode::InvalidRequest, "Duplicate topic name.")),
        }
    }
    CreateTopicsResponse { topics: results, ..CreateTopicsResponse::default() }
}

fn one(
    state: &BrokerState,
    cx: &RequestContext,
    request: &CreateTopicsRequest,
    topic: &CreatableTopic,
) -> CreatableTopicResult {
    let wanted = wanted(cx, topic);
    let done = if request.validate_only {
        state.catalog.validate(&wanted).map(|plan| (plan, Uuid::default()))
    } else {
        state.catalog.create(&wanted).map(|created| {
            let partitions = created.partition_count();
            let overrides = created.overrides.clone();
            let name = created.name.clone();
            (TopicPlan { name, partitions, overrides }, topics::wire_id(created.id))
        })
    };
    match done {
        Ok((plan, id)) if request.validate_only || request.timeout_ms > 0 => {
            created(state, &topic.name, &plan, id)
        }
        // As in Kafka: the topic is there, but whoever does not wait is not told so.
        Ok(_) => refused_with(&topic.name, ErrorCode::RequestTimedOut, None),
        Err(e) => {
            let text = if cx.version < NEW_TEXTS_SINCE { e.old_text() } else { e.to_string() };
            if let CreateTopicError::Storage(cause) = &e {
                tracing::warn!(topic = topic.name, error = %Chain(cause), "a topic could not be created");
            }
            let code = errors::of_create(&e);
            refused(&topic.name, code, &text)
        }
    }
}

/// The topic as the catalog takes it. Below [`DEFAULTS_SINCE`] a count of -1 is a wrong count, unless partitions are
/// assigned.
fn wanted(cx: &RequestContext, topic: &CreatableTopic) -> CreateTopic {
    let may_be_none = cx.version >= DEFAULTS_SINCE || !topic.assignments.is_empty();
    CreateTopic {
        name: topic.name.clone(),
        partitions: Some(topic.num_partitions).filter(|count| *count != -1 || !may_be_none),
        replication: Some(topic.replication_factor).filter(|factor| *factor != -1 || !may_be_none),
        assignment: topic.assignments.iter().map(|a| (a.partition_index, a.broker_ids.clone())).collect(),
        configs: topic.configs.iter().map(|config| (config.name.clone(), config.value.clone())).collect(),
    }
}

fn created(state: &BrokerState, name: &str, plan: &TopicPlan, topic_id: Uuid) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        topic_id,
        error_code: ErrorCode::None.into(),
        num_partitions: Some(plan.partitions),
        replication_factor: Some(1),
        configs: Some(configs(state, &plan.overrides)),
        ..CreatableTopicResult::default()
    }
}

fn configs(state: &BrokerState, overrides: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    let entries = TopicSettings::new(&state.catalog.config(), overrides).entries();
    let shown = entries.into_iter().map(|entry| CreatableTopicConfigs {
        read_only: false,
        config_source: Some(describe_configs::source(&entry)),
        is_sensitive: entry.sensitive,
        name: entry.name,
        value: entry.value,
    });
    shown.collect()
}

fn refused(name: &str, code: ErrorCode, text: &str) -> CreatableTopicResult {
    refused_with(name, code, Some(text.to_owned()))
}

fn refused_with(name: &str, code: ErrorCode, error_message: Option<String>) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        error_code: code.into(),
        error_message,
        // None to show, which is not the same as none that may be shown.
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}

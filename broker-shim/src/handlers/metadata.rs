//! Metadata: topics, partitions, and where to find this broker. Creates topics that are asked for and missing.
//!
//! A topic is created before the answer leaves, and the answer has it: a client is never told that a topic which
//! is about to exist is unknown (some give up at once then).

use super::{RequestContext, errors, on_blocking_pool, respond, topics};
use crate::broker::BrokerState;
use crate::metadata::{CreateTopic, CreateTopicError, InternalTopic, Topic, TopicName, Uuid};
use crate::net::{Call, Outcome};
use crate::trouble::Chain;
use kafka_wire::ErrorCode;
use kafka_wire::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_wire::messages::{MetadataRequest, MetadataResponse};
use std::collections::HashSet;
use std::sync::Arc;

/// Without an authorizer everything is allowed: read, write, create, delete, alter, describe, and both for configs.
pub(super) const ALL_TOPIC_OPERATIONS: i32 =
    1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// The same for the cluster: create, alter, describe, cluster action, both for configs, idempotent write.
pub(super) const ALL_CLUSTER_OPERATIONS: i32 =
    1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
/// The first version whose requests may name topics by id.
const IDS_SINCE: i16 = 12;
/// The most topics that one request creates: each costs a sync. The others are answered as not there yet.
const MAX_CREATED: usize = 1000;

/// A topic of the answer.
enum Found {
    Topic(Arc<Topic>),
    Error { name: Option<String>, id: kafka_wire::Uuid, code: ErrorCode },
}

pub(super) fn call(state: &Arc<BrokerState>, cx: RequestContext, request: MetadataRequest) -> Call {
    let (found, missing) = look_up(state, &cx, &request);
    if missing.is_empty() {
        return Call::Done(answer(state, &cx, &request, found));
    }
    let state = Arc::clone(state);
    Call::Pending(Box::pin(on_blocking_pool(move || {
        let created = missing.into_iter().enumerate().map(|(nth, name)| create(&state, nth, &name));
        let all = found.into_iter().chain(created).collect();
        answer(&state, &cx, &request, all)
    })))
}

/// The topics that are asked for, and the names of those that are to be created.
fn look_up(state: &BrokerState, cx: &RequestContext, request: &MetadataRequest) -> (Vec<Found>, Vec<String>) {
    let asked = match &request.topics {
        Some(asked) if cx.version > 0 || !asked.is_empty() => asked,
        _ => return (state.catalog.topics().into_iter().map(Found::Topic).collect(), Vec::new()),
    };
    // Each topic once: the answer is much longer than the question.
    let mut seen = HashSet::new();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for topic in asked {
        if !seen.insert((topic.name.as_deref(), topic.topic_id.0)) {
            continue;
        }
        match find(state, cx, topic) {
            Ok(topic) => found.push(Found::Topic(topic)),
            Err(ErrorCode::UnknownTopicOrPartition) if may_create(state, request) => {
                missing.extend(topic.name.clone());
            }
            Err(code) => found.push(Found::Error { name: topic.name.clone(), id: topic.topic_id, code }),
        }
    }
    (found, missing)
}

fn find(
    state: &BrokerState,
    cx: &RequestContext,
    asked: &MetadataRequestTopic,
) -> Result<Arc<Topic>, ErrorCode> {
    let id = Uuid(asked.topic_id.0);
    if cx.version < IDS_SINCE && (id != Uuid::ZERO || asked.name.is_none()) {
        return Err(ErrorCode::InvalidRequest);
    }
    match &asked.name {
        Some(name) if id == Uuid::ZERO => {
            if let Some(topic) = state.catalog.topic(name) {
                return Ok(topic);
            }
            TopicName::new(name).map_err(|_| ErrorCode::InvalidTopicException)?;
            Err(ErrorCode::UnknownTopicOrPartition)
        }
        _ => state.catalog.topic_by_id(&id).ok_or(ErrorCode::UnknownTopicId),
    }
}

fn may_create(state: &BrokerState, request: &MetadataRequest) -> bool {
    request.allow_auto_topic_creation && state.config.auto_create_topics
}

fn create(state: &BrokerState, nth: usize, name: &str) -> Found {
    let failed = |code| Found::Error { name: Some(name.to_owned()), id: kafka_wire::Uuid::default(), code };
    if nth >= MAX_CREATED {
        return failed(ErrorCode::LeaderNotAvailable);
    }
    let created = if name == "__consumer_offsets" {
        state.catalog.internal(InternalTopic::ConsumerOffsets)
    } else {
        state.catalog.create(&CreateTopic::named(name))
    };
    match created {
        Ok(topic) => Found::Topic(topic),
        // Somebody else was faster.
        Err(CreateTopicError::Exists(_)) => {
            state.catalog.topic(name).map_or_else(|| failed(ErrorCode::LeaderNotAvailable), Found::Topic)
        }
        Err(CreateTopicError::Reserved(_)) => failed(ErrorCode::UnknownTopicOrPartition),
        Err(CreateTopicError::Storage(e)) => {
            tracing::warn!(topic = name, error = %Chain(&e), "a topic could not be created");
            failed(ErrorCode::LeaderNotAvailable)
        }
        Err(e @ CreateTopicError::Elsewhere(_)) => {
            // The loss of ZooKeeper is told once; clients ask for the topic ten times a second meanwhile.
            tracing::debug!(topic = name, error = %e, "a topic could not be created");
            failed(ErrorCode::LeaderNotAvailable)
        }
        Err(e) => failed(errors::of_create(&e)),
    }
}

fn answer(state: &BrokerState, cx: &RequestContext, request: &MetadataRequest, found: Vec<Found>) -> Outcome {
    let (host, port) = state.advertised(&cx.connection);
    let own = state.catalog.broker_id();
    let broker =
        MetadataResponseBroker { node_id: own, host, port: port.into(), rack: state.config.rack.clone() };
    let operations = |asked: bool, all: i32| if asked { all } else { i32::MIN };
    let topic_operations = operations(request.include_topic_authorized_operations, ALL_TOPIC_OPERATIONS);
    let response = MetadataResponse {
        brokers: vec![broker],
        cluster_id: Some(state.catalog.cluster_id().to_owned()),
        controller_id: Some(own),
        topics: found.into_iter().map(|found| topic_answer(own, found, topic_operations)).collect(),
        cluster_authorized_operations: operations(
            request.include_cluster_authorized_operations,
            ALL_CLUSTER_OPERATIONS,
        ),
        ..MetadataResponse::default()
    };
    respond(cx, &response)
}

fn topic_answer(own: i32, found: Found, topic_authorized_operations: i32) -> MetadataResponseTopic {
    match found {
        Found::Error { name, id, code } => MetadataResponseTopic {
            error_code: code.into(),
            name,
            topic_id: id,
            ..MetadataResponseTopic::default()
        },
        Found::Topic(topic) => MetadataResponseTopic {
            error_code: ErrorCode::None.into(),
            name: Some(topic.name.to_string()),
            topic_id: topics::wire_id(topic.id),
            is_internal: topic.internal,
            partitions: (0..)
                .zip(&topic.partitions)
                .map(|(number, log)| match log {
                    Some(log) => partition(own, number, log),
                    None => offline(own, number),
                })
                .collect(),
            topic_authorized_operations,
        },
    }
}

fn partition(own: i32, number: i32, log: &log_engine::log::Log) -> MetadataResponsePartition {
    MetadataResponsePartition {
        error_code: ErrorCode::None.into(),
        partition_index: number,
        leader_id: own,
        leader_epoch: Some(log.epoch().get()),
        replica_nodes: vec![own],
        isr_nodes: vec![own],
        offline_replicas: Vec::new(),
    }
}

/// A partition that has a place but no log: nobody leads it.
fn offline(own: i32, number: i32) -> MetadataResponsePartition {
    MetadataResponsePartition {
        error_code: ErrorCode::LeaderNotAvailable.into(),
        partition_index: number,
        leader_id: -1,
        leader_epoch: None,
        replica_nodes: vec![own],
        isr_nodes: Vec::new(),
        offline_replicas: vec![own],
    }
}

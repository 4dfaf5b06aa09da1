//! CreatePartitions: each topic of the request alone; one that is refused hinders no other.

use super::{RequestContext, errors};
use crate::broker::BrokerState;
use crate::metadata::{CreatePartitions, CreatePartitionsError};
use crate::trouble::Chain;
use kafka_wire::ErrorCode;
use kafka_wire::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use std::collections::HashMap;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut count: HashMap<String, u32> = HashMap::new();
    for topic in &request.topics {
        *count.entry(topic.name.clone()).or_default() += 1;
    }
    let mut results = Vec::new();
    for topic in request.topics {
        // A name that is there twice is answered once.
        let name = topic.name.clone();
        let (code, error_message) = match count.remove(&name) {
            None => continue,
            Some(1) => one(state, topic, request.validate_only, request.timeout_ms),
            Some(_) => (ErrorCode::InvalidRequest, Some("Duplicate topic name.".to_owned())),
        };
        results.push(CreatePartitionsTopicResult { name, error_code: code.into(), error_message });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

fn one(
    state: &BrokerState,
    topic: CreatePartitionsTopic,
    validate_only: bool,
    timeout_ms: i32,
) -> (ErrorCode, Option<String>) {
    let assigned = |all: Vec<_>| all.into_iter().map(brokers).collect();
    let wanted = CreatePartitions {
        topic: topic.name,
        count: topic.count,
        assignment: topic.assignments.map(assigned),
    };
    match state.catalog.create_partitions(&wanted, validate_only) {
        Ok(()) if validate_only || timeout_ms > 0 => (ErrorCode::None, None),
        // As in Kafka: they are there, but whoever does not wait is not told so.
        Ok(()) => (ErrorCode::RequestTimedOut, None),
        Err(CreatePartitionsError::Unknown) => (ErrorCode::UnknownTopicOrPartition, None),
        Err(error) => {
            if let CreatePartitionsError::Storage(cause) = &error {
                tracing::warn!(topic = wanted.topic, error = %Chain(cause), "partitions could not be added");
            }
            (errors::of_growth(&error), Some(error.to_string()))
        }
    }
}

fn brokers(
    assignment: kafka_wire::messages::create_partitions_request::CreatePartitionsAssignment,
) -> Vec<i32> {
    assignment.broker_ids
}

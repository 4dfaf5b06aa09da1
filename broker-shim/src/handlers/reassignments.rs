//! AlterPartitionReassignments and ListPartitionReassignments: every partition is on the one broker and stays there, so a
//! reassignment to it is done at once, and none is ever under way.

use super::RequestContext;
use crate::broker::BrokerState;
use crate::metadata::{TopicName, check_replicas};
use kafka_wire::ErrorCode;
use kafka_wire::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

pub(super) fn alter(
    state: &BrokerState,
    _: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let responses = request.topics.into_iter().map(|topic| {
        let one = |partition: &ReassignablePartition| {
            let (code, error_message) = match check(state, &topic.name, partition) {
                Ok(()) => (ErrorCode::None, None),
                Err((code, text)) => (code, text),
            };
            let partition_index = partition.partition_index;
            ReassignablePartitionResponse { partition_index, error_code: code.into(), error_message }
        };
        let partitions = topic.partitions.iter().map(one).collect();
        ReassignableTopicResponse { name: topic.name, partitions }
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: responses.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

fn check(
    state: &BrokerState,
    topic: &str,
    partition: &ReassignablePartition,
) -> Result<(), (ErrorCode, Option<String>)> {
    let unknown = |text: String| (ErrorCode::UnknownTopicOrPartition, Some(text));
    TopicName::new(topic).map_err(|error| (ErrorCode::InvalidTopicException, Some(error.to_string())))?;
    let found = state.catalog.topic(topic);
    let found = found.ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
    let number = partition.partition_index;
    if !found.has_partition(number) {
        return Err(unknown(format!("Unable to find partition {topic}:{number}.")));
    }
    match &partition.replicas {
        // There is nothing to take back.
        None => Err((ErrorCode::NoReassignmentInProgress, None)),
        Some(replicas) => check_replicas(replicas, state.catalog.broker_id())
            .map_err(|text| (ErrorCode::InvalidReplicaAssignment, Some(text))),
    }
}

pub(super) fn list(
    _: &BrokerState,
    _: &RequestContext,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

//! ElectLeaders: the one broker leads everything, so no election is ever needed. From version 1 on that is told as an error
//! that clients know how to take; before, it was success.

use super::RequestContext;
use crate::broker::BrokerState;
use kafka_wire::ErrorCode;
use kafka_wire::messages::elect_leaders_request::TopicPartitions;
use kafka_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};

/// The first version that knows `ELECTION_NOT_NEEDED`.
const NOT_NEEDED_SINCE: i16 = 1;
/// The preferred replica, and any that is left.
const ELECTION_TYPES: [i8; 2] = [0, 1];

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: &ElectLeadersRequest,
) -> ElectLeadersResponse {
    let known_type = ELECTION_TYPES.contains(&request.election_type);
    let election_type = request.election_type;
    let partition = |topic: &str, number: i32| {
        let (code, error_message) = if known_type {
            elect(state, cx.version, topic, number)
        } else {
            (ErrorCode::InvalidRequest, Some(format!("Unknown election type {election_type}")))
        };
        PartitionResult { partition_id: number, error_code: code.into(), error_message }
    };
    let named = |topic: &TopicPartitions| ReplicaElectionResult {
        topic: topic.topic.clone(),
        partition_result: topic.partitions.iter().map(|number| partition(&topic.topic, *number)).collect(),
    };
    let results = match &request.topic_partitions {
        Some(named_ones) => named_ones.iter().map(named).collect(),
        None if known_type => all(state, cx.version),
        None => Vec::new(),
    };
    let code = if known_type { ErrorCode::None } else { ErrorCode::InvalidRequest };
    ElectLeadersResponse {
        error_code: code.into(),
        replica_election_results: results,
        ..ElectLeadersResponse::default()
    }
}

fn elect(state: &BrokerState, version: i16, topic: &str, number: i32) -> (ErrorCode, Option<String>) {
    let unknown = |text: String| (ErrorCode::UnknownTopicOrPartition, Some(text));
    match state.catalog.topic(topic) {
        None => unknown(format!("No such topic as {topic}")),
        Some(found) if !found.has_partition(number) => {
            unknown(format!("No such partition as {topic}-{number}"))
        }
        Some(_) if version < NOT_NEEDED_SINCE => (ErrorCode::None, None),
        Some(_) => {
            let text = "Leader election not needed for topic partition.";
            (ErrorCode::ElectionNotNeeded, Some(text.to_owned()))
        }
    }
}

/// All partitions: those that need no election are left out from the version on in which that is an error.
fn all(state: &BrokerState, version: i16) -> Vec<ReplicaElectionResult> {
    let one = |partition_id| PartitionResult {
        partition_id,
        error_code: ErrorCode::None.into(),
        error_message: None,
    };
    let topics = state.catalog.topics().into_iter().map(|topic| {
        let count = if version < NOT_NEEDED_SINCE { topic.partition_count() } else { 0 };
        ReplicaElectionResult {
            topic: topic.name.to_string(),
            partition_result: (0..count).map(one).collect(),
        }
    });
    topics.collect()
}

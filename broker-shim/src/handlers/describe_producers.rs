//! DescribeProducers: what partitions know of idempotent producers.

use super::RequestContext;
use crate::broker::BrokerState;
use crate::metadata::NoLog;
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_wire::messages::{DescribeProducersRequest, DescribeProducersResponse};
use log_engine::types::{Offset, ProducerId, Sequence, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    // A partition that is named twice is answered once.
    let mut asked: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for topic in request.topics {
        asked.entry(topic.name).or_default().extend(topic.partition_indexes);
    }
    let topic = |(name, numbers): (String, BTreeSet<i32>)| {
        let partitions = numbers.into_iter().map(|number| partition(state, &name, number)).collect();
        TopicResponse { name, partitions }
    };
    DescribeProducersResponse {
        topics: asked.into_iter().map(topic).collect(),
        ..DescribeProducersResponse::default()
    }
}

fn partition(state: &BrokerState, name: &str, number: i32) -> PartitionResponse {
    let refused = |code: ErrorCode, text: Option<&str>| PartitionResponse {
        partition_index: number,
        error_code: code.into(),
        error_message: text.map(str::to_owned),
        ..PartitionResponse::default()
    };
    let Some(topic) = state.catalog.topic(name) else {
        let text = "This server does not host this topic-partition.";
        return refused(ErrorCode::UnknownTopicOrPartition, Some(text));
    };
    match topic.partition(number) {
        Err(NoLog::Unknown) => refused(ErrorCode::UnknownTopicOrPartition, None),
        Err(NoLog::Offline) => refused(ErrorCode::KafkaStorageError, None),
        Ok(log) => PartitionResponse {
            partition_index: number,
            active_producers: log.producers().into_iter().map(producer).collect(),
            ..PartitionResponse::default()
        },
    }
}

fn producer((id, known): (ProducerId, log_engine::log::ProducerState)) -> ProducerState {
    ProducerState {
        producer_id: id.get(),
        producer_epoch: known.epoch.get().into(),
        last_sequence: known.last_sequence.map(Sequence::get),
        last_timestamp: known.last_timestamp.map(Timestamp::as_millis),
        coordinator_epoch: known.coordinator_epoch.unwrap_or(-1),
        current_txn_start_offset: known.open_transaction.map(Offset::get),
    }
}

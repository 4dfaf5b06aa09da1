//! DescribeTopicPartitions: topics in the order of their names, so many partitions at a time; a cursor says where the next
//! answer begins.

use super::RequestContext;
use super::metadata::ALL_TOPIC_OPERATIONS;
use super::topics;
use crate::broker::BrokerState;
use crate::metadata::{Topic, TopicName};
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most partitions of one answer.
const MOST_PARTITIONS: i32 = 2000;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let first = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
    let all = request.topics.is_empty();
    let mut names: BTreeSet<String> = if all {
        state.catalog.topics().iter().map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.clone()).collect()
    };
    names.retain(|name| name.as_str() >= first);
    if let Some(cursor) = &request.cursor
        && (cursor.partition_index < 0 || !all && !names.contains(&cursor.topic_name))
    {
        return refused(request);
    }
    let limit = request.response_partition_limit.clamp(1, MOST_PARTITIONS);
    let mut answer = Answer { left: limit, response: DescribeTopicPartitionsResponse::default() };
    for name in names {
        let from = request.cursor.as_ref().filter(|cursor| cursor.topic_name == name);
        if !answer.take(state, &name, from.map_or(0, |cursor| cursor.partition_index)) {
            break;
        }
    }
    answer.response
}

/// An answer that grows up to its limit.
struct Answer {
    left: i32,
    response: DescribeTopicPartitionsResponse,
}

impl Answer {
    /// Adds a topic from a partition on, as far as there is room. False: the cursor is set, and that is all.
    fn take(&mut self, state: &BrokerState, name: &str, from: i32) -> bool {
        if self.left == 0 {
            self.response.next_cursor = Some(Cursor { topic_name: name.to_owned(), partition_index: 0 });
            return false;
        }
        let Some(topic) = state.catalog.topic(name) else {
            let code = match TopicName::new(name) {
                Ok(_) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            let none = DescribeTopicPartitionsResponseTopic {
                topic_authorized_operations: ALL_TOPIC_OPERATIONS,
                ..without(name, code)
            };
            self.response.topics.push(none);
            return true;
        };
        let count = topic.partition_count();
        let end = from.saturating_add(self.left).min(count);
        let own = state.catalog.broker_id();
        let partitions: Vec<_> = (from..end).map(|number| partition(own, &topic, number)).collect();
        self.left -= (end - from).max(0);
        self.response.topics.push(described(&topic, partitions));
        if from < end && end < count {
            self.response.next_cursor = Some(Cursor { topic_name: name.to_owned(), partition_index: end });
            return false;
        }
        true
    }
}

fn described(
    topic: &Topic,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.into(),
        name: Some(topic.name.to_string()),
        topic_id: topics::wire_id(topic.id),
        is_internal: topic.internal,
        partitions,
        topic_authorized_operations: ALL_TOPIC_OPERATIONS,
    }
}

/// The cursor is none that we could have given out with this request.
fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let names: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    DescribeTopicPartitionsResponse {
        topics: names.into_iter().map(|name| without(name, ErrorCode::InvalidRequest)).collect(),
        ..DescribeTopicPartitionsResponse::default()
    }
}

fn without(name: &str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.into(),
        name: Some(name.to_owned()),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

/// As in Metadata; there are no replicas that could have been left behind.
fn partition(own: i32, topic: &Arc<Topic>, number: i32) -> DescribeTopicPartitionsResponsePartition {
    let log = topic.partition(number).ok();
    let here = || log.map_or_else(Vec::new, |_| vec![own]);
    let code = if log.is_some() { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
    DescribeTopicPartitionsResponsePartition {
        error_code: code.into(),
        partition_index: number,
        leader_id: log.map_or(-1, |_| own),
        leader_epoch: log.map(|log| log.epoch().get()),
        replica_nodes: vec![own],
        isr_nodes: here(),
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: if log.is_some() { Vec::new() } else { vec![own] },
    }
}

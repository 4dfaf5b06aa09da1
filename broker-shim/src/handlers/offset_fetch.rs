//! OffsetFetch: what a group has committed. Nothing committed is offset -1 with no error, for partitions that do
//! not exist too; version 0 alone answers 3 then, as when offsets were in ZooKeeper.
//!
//! `require_stable` has nothing to wait for: offsets are committed outside of transactions only. Member ids and epochs
//! (version 9) are those of server-side groups; in the groups there are, any client may look.

use super::group_common::TopicView;
use crate::coordinators::GroupCoordinator;
use crate::coordinators::offsets::Offsets;
use crate::coordinators::records::OffsetValue;
use kafka_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use kafka_wire::{ErrorCode, Uuid};

/// From this version on, several groups are asked for at once.
const GROUPS: i16 = 8;
/// From this version on, topics are named by their ids.
const TOPIC_IDS: i16 = 10;

pub(super) fn answer(
    groups: &GroupCoordinator,
    topics: &dyn TopicView,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if version >= GROUPS {
        let groups =
            request.groups.into_iter().map(|group| one_group(groups, topics, version, group)).collect();
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let wanted = request.topics.map(|topics| {
        let topics = topics.into_iter();
        let wanted = topics.map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        wanted.collect()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: wanted,
        ..OffsetFetchRequestGroup::default()
    };
    let answer = one_group(groups, topics, version, group);
    let topics = answer.topics.into_iter().map(single).collect();
    OffsetFetchResponse { topics, error_code: answer.error_code, ..OffsetFetchResponse::default() }
}

fn one_group(
    groups: &GroupCoordinator,
    view: &dyn TopicView,
    version: i16,
    request: OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    if groups.is_offline(&request.group_id) {
        return offline(request);
    }
    let topics = groups.offsets(&request.group_id, |offsets| match request.topics {
        None => everything(offsets, view, version),
        Some(topics) => topics.into_iter().map(|topic| asked_for(offsets, view, version, topic)).collect(),
    });
    OffsetFetchResponseGroup { group_id: request.group_id, topics, ..OffsetFetchResponseGroup::default() }
}

/// What the group has committed lies in a log that cannot be read. That nothing is committed would be wrong, and
/// clients would begin anew.
fn offline(request: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let error_code = ErrorCode::NotCoordinator.into();
    let failed = |number| OffsetFetchResponsePartitions {
        partition_index: number,
        committed_offset: -1,
        error_code,
        metadata: Some(String::new()),
        ..OffsetFetchResponsePartitions::default()
    };
    let topic = |topic: OffsetFetchRequestTopics| OffsetFetchResponseTopics {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.into_iter().map(failed).collect(),
    };
    let topics = request.topics.unwrap_or_default().into_iter().map(topic).collect();
    OffsetFetchResponseGroup { group_id: request.group_id, topics, error_code }
}

fn everything(offsets: &Offsets, view: &dyn TopicView, version: i16) -> Vec<OffsetFetchResponseTopics> {
    let mut topics = Vec::new();
    for (name, partitions) in offsets.topics() {
        let topic_id = if version >= TOPIC_IDS { view.id_of(name) } else { Uuid::ZERO };
        if version >= TOPIC_IDS && topic_id.is_zero() {
            continue;
        }
        let partitions = partitions.iter().map(|(number, value)| committed(*number, value)).collect();
        topics.push(OffsetFetchResponseTopics { name: name.to_owned(), topic_id, partitions });
    }
    topics
}

fn asked_for(
    offsets: &Offsets,
    view: &dyn TopicView,
    version: i16,
    topic: OffsetFetchRequestTopics,
) -> OffsetFetchResponseTopics {
    let name = if version >= TOPIC_IDS { view.name_of(topic.topic_id) } else { Some(topic.name.clone()) };
    let missing = match (version, &name) {
        (_, None) => ErrorCode::UnknownTopicId,
        (0, _) => ErrorCode::UnknownTopicOrPartition,
        _ => ErrorCode::None,
    };
    let look = |number: i32| match name.as_deref().and_then(|name| offsets.get(name, number)) {
        Some(value) => committed(number, value),
        None => OffsetFetchResponsePartitions {
            partition_index: number,
            committed_offset: -1,
            metadata: Some(String::new()),
            error_code: missing.into(),
            ..OffsetFetchResponsePartitions::default()
        },
    };
    let partitions = topic.partition_indexes.into_iter().map(look).collect();
    OffsetFetchResponseTopics { name: topic.name, topic_id: topic.topic_id, partitions }
}

fn committed(number: i32, value: &OffsetValue) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: number,
        committed_offset: value.offset,
        committed_leader_epoch: value.leader_epoch,
        metadata: Some(value.metadata.clone()),
        error_code: ErrorCode::None.into(),
    }
}

/// The same in the form of the versions for one group.
fn single(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|p| OffsetFetchResponsePartition {
        partition_index: p.partition_index,
        committed_offset: p.committed_offset,
        committed_leader_epoch: p.committed_leader_epoch,
        metadata: p.metadata,
        error_code: p.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}

//! OffsetCommit. Version 0, which once went to ZooKeeper, is treated as version 1.
//!
//! Partitions that do not exist and texts that are too long are refused one by one; the rest is committed together,
//! or refused together if the group does not accept it.

use super::group_common::{TopicView, code};
use crate::coordinators::GroupCoordinator;
use crate::coordinators::group::{Committer, GroupError};
use crate::coordinators::groups::CommitOffset;
use kafka_wire::ErrorCode;
use kafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};
use std::time::Duration;

/// From this version on, topics are named by their ids.
const TOPIC_IDS: i16 = 10;

/// A request taken apart.
struct Split {
    /// What goes to the group.
    accepted: Vec<CommitOffset>,
    /// The answer; partitions that go to the group have no error yet.
    topics: Vec<OffsetCommitResponseTopic>,
}

pub(super) async fn answer(
    groups: &GroupCoordinator,
    topics: &(dyn TopicView + std::marker::Sync),
    version: i16,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let committer = Committer {
        // Any negative number is no generation.
        generation: request.generation_id_or_member_epoch.filter(|generation| *generation >= 0),
        member_id: request.member_id,
        instance_id: request.group_instance_id,
    };
    let retention = request.retention_time_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    let max_metadata = groups.settings().max_offset_metadata;
    let Split { accepted, topics } = split(topics, version, max_metadata, request.topics);
    let verdict = if accepted.is_empty() {
        Ok(())
    } else {
        groups.commit(&request.group_id, &committer, retention, accepted).await
    };
    let topics = match verdict {
        Ok(()) => topics,
        Err(error) => with_error(topics, error),
    };
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

fn split(
    view: &(dyn TopicView + std::marker::Sync),
    version: i16,
    max_metadata: usize,
    topics: Vec<OffsetCommitRequestTopic>,
) -> Split {
    let mut split = Split { accepted: Vec::new(), topics: Vec::with_capacity(topics.len()) };
    // A topic of which nothing is committed is not answered.
    for topic in topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        let name = if version >= TOPIC_IDS { view.name_of(topic.topic_id) } else { Some(topic.name.clone()) };
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let error = match check(view, name.as_deref(), max_metadata, &partition) {
                Ok(topic) => {
                    split.accepted.push(to_commit(topic, partition));
                    ErrorCode::None
                }
                Err(error) => error,
            };
            partitions.push(OffsetCommitResponsePartition { partition_index, error_code: error.into() });
        }
        let answer = OffsetCommitResponseTopic { name: topic.name, topic_id: topic.topic_id, partitions };
        split.topics.push(answer);
    }
    split
}

fn check<'a>(
    view: &(dyn TopicView + std::marker::Sync),
    topic: Option<&'a str>,
    max_metadata: usize,
    partition: &OffsetCommitRequestPartition,
) -> Result<&'a str, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
    if !view.exists(topic, partition.partition_index) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if partition.committed_metadata.as_ref().is_some_and(|text| text.len() > max_metadata) {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    Ok(topic)
}

fn to_commit(topic: &str, partition: OffsetCommitRequestPartition) -> CommitOffset {
    CommitOffset {
        topic: topic.to_owned(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.unwrap_or_default(),
    }
}

fn with_error(
    mut topics: Vec<OffsetCommitResponseTopic>,
    error: GroupError,
) -> Vec<OffsetCommitResponseTopic> {
    let error: i16 = match error {
        GroupError::TooLarge => ErrorCode::InvalidCommitOffsetSize,
        error => code(error),
    }
    .into();
    let all = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for partition in all.filter(|partition| partition.error_code == 0) {
        partition.error_code = error;
    }
    topics
}

//! Where logs begin and end, where a time is, and how far groups have come.
//!
//! | time asked for | means | since ListOffsets |
//! |--:|---|--:|
//! | -1 | the end, or the end of what is committed | 0 |
//! | -2 | the beginning | 0 |
//! | -3 | the record with the greatest timestamp | 7 |
//! | -4 | the beginning of what the broker itself has | 8 |
//! | -5 | the end of what is in tiered storage | 9 |
//! | 0 and above | the first record at that time or later, ms | 1 |

use crate::client::{Client, Node};
use crate::error::{ClientError, known};
use crate::fetch::Isolation;
use crate::partition::TopicPartition;
use kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_wire::messages::{
    ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse,
};
use kafka_wire::{ApiKey, ErrorCode};
use std::collections::BTreeMap;

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OffsetSpec {
    /// The end.
    Latest,
    /// The beginning.
    Earliest,
    /// The record with the greatest timestamp.
    MaxTimestamp,
    /// The beginning of what the broker itself has.
    EarliestLocal,
    /// The end of what is in tiered storage.
    LatestTiered,
    /// The first record at that time or later, ms.
    Timestamp(i64),
}

impl OffsetSpec {
    /// The number on the wire.
    #[must_use]
    pub const fn to_raw(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::Timestamp(time) => time,
        }
    }

    /// The version of ListOffsets that brought it.
    const fn since(self) -> i16 {
        match self {
            Self::Latest | Self::Earliest => 0,
            Self::Timestamp(_) => 1,
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
        }
    }
}

/// A found offset; `None` where there is no such record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OffsetAt {
    /// The offset.
    pub offset: Option<i64>,
    /// The record's time, if a time was asked for.
    pub timestamp: Option<i64>,
    /// The leadership that wrote it.
    pub leader_epoch: Option<i32>,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Committed {
    /// The next offset to be read; `None` if nothing was committed.
    pub offset: Option<i64>,
    /// The leadership of the record before it.
    pub leader_epoch: Option<i32>,
    /// What the group wrote beside it.
    pub metadata: String,
}

/// A partition and what became of it.
type PerPartition<T> = Vec<(TopicPartition, Result<T, ErrorCode>)>;

impl Client {
    /// Asks the leaders for offsets, again if leaders have changed. The order is that of partitions.
    ///
    /// # Errors
    ///
    /// If a leader cannot be asked; what it says of a partition is beside that.
    pub fn list_offsets(
        &mut self,
        wanted: &[(TopicPartition, OffsetSpec)],
        isolation: Isolation,
    ) -> Result<PerPartition<OffsetAt>, ClientError> {
        let mut found = BTreeMap::new();
        for (leader, parts) in self.leaders(wanted)? {
            let version = self.version_for(Node::Broker(leader), ApiKey::ListOffsets)?;
            if let Some((_, spec)) = parts.iter().find(|(_, spec)| spec.since() > version) {
                return Err(ClientError::Config(format!(
                    "broker {leader} has ListOffsets up to version {version}, and offset {} needs version {}: ask it for another",
                    spec.to_raw(),
                    spec.since()
                )));
            }
            let request = list_request(&parts, isolation);
            let answer = self.call(Node::Broker(leader), &request)?;
            for topic in answer.topics {
                for p in topic.partitions {
                    let at = TopicPartition::new(topic.name.clone(), p.partition_index);
                    let offset = p.offset.or(p.old_style_offsets.first().copied());
                    let result = match known(p.error_code) {
                        ErrorCode::None => {
                            Ok(OffsetAt { offset, timestamp: p.timestamp, leader_epoch: p.leader_epoch })
                        }
                        code => Err(code),
                    };
                    found.insert(at, result);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// What a group has committed: for some partitions, or for all that it has any for.
    ///
    /// # Errors
    ///
    /// If there is no coordinator, or it refuses.
    pub fn committed(
        &mut self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
        let topics = partitions.map(by_topic);
        self.patiently(|client| {
            let coordinator = client.coordinator(group)?;
            let version = client.version_for(Node::Broker(coordinator), ApiKey::OffsetFetch)?;
            let request = fetch_request(group, topics.as_ref(), version);
            read_committed(group, client.call(Node::Broker(coordinator), &request)?)
        })
    }

    /// Commits offsets for a group that has no members, as resetting does.
    ///
    /// # Errors
    ///
    /// If there is no coordinator, or it refuses one of them.
    pub fn commit_for(&mut self, group: &str, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.patiently(|client| {
            let coordinator = client.coordinator(group)?;
            let request = commit_request(group, offsets);
            let answer = client.call(Node::Broker(coordinator), &request)?;
            check_commit(group, &answer)
        })
    }
}

/// Partitions by their topics, in order.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<String, Vec<i32>> {
    let mut sorted: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for at in partitions {
        sorted.entry(at.topic.clone()).or_default().push(at.partition);
    }
    sorted
}

fn list_request(parts: &[(TopicPartition, OffsetSpec)], isolation: Isolation) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (at, spec) in parts {
        let partition = ListOffsetsPartition {
            partition_index: at.partition,
            timestamp: spec.to_raw(),
            max_num_offsets: 1,
            ..Default::default()
        };
        topics.entry(&at.topic).or_default().push(partition);
    }
    let topics = topics.into_iter();
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.to_raw(),
        topics: topics
            .map(|(name, partitions)| ListOffsetsTopic { name: name.to_owned(), partitions })
            .collect(),
        ..Default::default()
    }
}

fn fetch_request(
    group: &str,
    topics: Option<&BTreeMap<String, Vec<i32>>>,
    version: i16,
) -> OffsetFetchRequest {
    if version < 8 {
        let topics = topics.map(|topics| {
            let topic = |(name, partitions): (&String, &Vec<i32>)| OffsetFetchRequestTopic {
                name: name.clone(),
                partition_indexes: partitions.clone(),
            };
            topics.iter().map(topic).collect()
        });
        return OffsetFetchRequest { group_id: group.to_owned(), topics, ..Default::default() };
    }
    let topics = topics.map(|topics| {
        let topic = |(name, partitions): (&String, &Vec<i32>)| OffsetFetchRequestTopics {
            name: name.clone(),
            partition_indexes: partitions.clone(),
            ..Default::default()
        };
        topics.iter().map(topic).collect()
    });
    let group = OffsetFetchRequestGroup { group_id: group.to_owned(), topics, ..Default::default() };
    OffsetFetchRequest { groups: vec![group], ..Default::default() }
}

fn read_committed(
    group: &str,
    answer: OffsetFetchResponse,
) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
    let what = || format!("asking for the offsets of group {group}");
    ClientError::check(what(), answer.error_code, None)?;
    let mut found = BTreeMap::new();
    let mut keep = |topic: &str, partition, offset: i64, leader_epoch, metadata: Option<String>, code| {
        ClientError::check(format!("asking for the offset of {topic}-{partition}"), code, None)?;
        let offset = Some(offset).filter(|offset| *offset >= 0);
        let committed = Committed { offset, leader_epoch, metadata: metadata.unwrap_or_default() };
        found.insert(TopicPartition::new(topic, partition), committed);
        Ok::<_, ClientError>(())
    };
    for topic in answer.topics {
        for p in topic.partitions {
            let (at, epoch) = (p.partition_index, p.committed_leader_epoch);
            keep(&topic.name, at, p.committed_offset, epoch, p.metadata, p.error_code)?;
        }
    }
    for group in answer.groups {
        ClientError::check(what(), group.error_code, None)?;
        for topic in group.topics {
            for p in topic.partitions {
                let (at, epoch) = (p.partition_index, p.committed_leader_epoch);
                keep(&topic.name, at, p.committed_offset, epoch, p.metadata, p.error_code)?;
            }
        }
    }
    Ok(found)
}

pub(crate) fn commit_request(group: &str, offsets: &[(TopicPartition, i64)]) -> OffsetCommitRequest {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (at, offset) in offsets {
        let partition = OffsetCommitRequestPartition {
            partition_index: at.partition,
            committed_offset: *offset,
            committed_metadata: Some(String::new()),
            ..Default::default()
        };
        topics.entry(&at.topic).or_default().push(partition);
    }
    let topic = |(name, partitions): (&str, Vec<_>)| OffsetCommitRequestTopic {
        name: name.to_owned(),
        partitions,
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    }
}

pub(crate) fn check_commit(
    group: &str,
    answer: &kafka_wire::messages::OffsetCommitResponse,
) -> Result<(), ClientError> {
    for topic in &answer.topics {
        for p in &topic.partitions {
            let what =
                format!("committing the offset of {}-{} for group {group}", topic.name, p.partition_index);
            ClientError::check(what, p.error_code, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

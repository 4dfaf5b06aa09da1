//! Brokers, topics and leaders, as a broker's answer to Metadata tells them.

use crate::address::Address;
use crate::error::known;
use kafka_wire::messages::MetadataResponse;
use kafka_wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_wire::{ErrorCode, Uuid};
use std::collections::BTreeMap;

/// A broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// Its number.
    pub id: i32,
    /// Where clients are to dial it.
    pub address: Address,
    /// Where it stands.
    pub rack: Option<String>,
}

/// A partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The broker that takes and gives its records; `None` while there is none.
    pub leader: Option<i32>,
    /// How many leaderships there were.
    pub leader_epoch: Option<i32>,
    /// The brokers that have it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that have all of it.
    pub isr: Vec<i32>,
    /// Those of them that are away.
    pub offline: Vec<i32>,
}

/// A topic.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers before 2.8.
    pub id: Uuid,
    /// Whether it is one of the cluster's own.
    pub internal: bool,
    /// What is wrong with it.
    pub error: Option<ErrorCode>,
    /// Its partitions, in order.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// A partition by its number.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.index == index)
    }
}

/// What one answer to Metadata said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cluster {
    /// The cluster's id.
    pub id: Option<String>,
    /// The broker that takes changes.
    pub controller: Option<i32>,
    /// All brokers that are there, by number.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for, by name; those that do not exist have an error.
    pub topics: BTreeMap<String, Topic>,
}

impl From<MetadataResponse> for Cluster {
    fn from(response: MetadataResponse) -> Self {
        let brokers = response.brokers.into_iter().map(|broker| {
            // A port that is none stays none: dialling 0 is refused with the address in the sentence.
            let port = u16::try_from(broker.port).unwrap_or_default();
            let address = Address::new(broker.host, port);
            (broker.node_id, Broker { id: broker.node_id, address, rack: broker.rack })
        });
        let topics = response.topics.into_iter().map(|topic| {
            let topic = Topic::from(topic);
            (topic.name.clone(), topic)
        });
        Self {
            id: response.cluster_id,
            controller: response.controller_id,
            brokers: brokers.collect(),
            topics: topics.collect(),
        }
    }
}

impl From<MetadataResponseTopic> for Topic {
    fn from(topic: MetadataResponseTopic) -> Self {
        let mut partitions: Vec<Partition> = topic.partitions.into_iter().map(Partition::from).collect();
        partitions.sort_by_key(|partition| partition.index);
        Self {
            name: topic.name.unwrap_or_default(),
            id: topic.topic_id,
            internal: topic.is_internal,
            error: Some(known(topic.error_code)).filter(|code| !code.is_none()),
            partitions,
        }
    }
}

impl From<MetadataResponsePartition> for Partition {
    fn from(partition: MetadataResponsePartition) -> Self {
        Self {
            index: partition.partition_index,
            leader: Some(partition.leader_id).filter(|leader| *leader >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes,
            isr: partition.isr_nodes,
            offline: partition.offline_replicas,
        }
    }
}

//! Topics through a broker: list, describe, make, enlarge, delete.

use crate::failure::Failure;
use crate::ops::java;
use kafka_client::{Client, ClientError, Cluster, Node, Partition, Topic, TopicPartition};
use kafka_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_wire::messages::delete_topics_request::DeleteTopicState;
use kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    DescribeTopicPartitionsRequest, ListPartitionReassignmentsRequest,
};
use kafka_wire::{ApiKey, ErrorCode, Uuid};
use std::collections::BTreeMap;

/// How long the broker may take for a change, ms.
const TIMEOUT_MS: i32 = 30_000;
/// The source of a setting that nobody has set.
const DEFAULT_CONFIG: i8 = 5;
/// The resource type of topics.
const TOPIC: i8 = 2;

/// A topic that is to be made.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None`: as many as the broker thinks.
    pub partitions: Option<i32>,
    /// How many copies of each; `None`: as many as the broker thinks.
    pub replication_factor: Option<i16>,
    /// The brokers of each partition, instead of the two above.
    pub assignment: Vec<Vec<i32>>,
    /// Its settings.
    pub configs: Vec<(String, String)>,
}

/// One setting of a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicSetting {
    /// Its name.
    pub name: String,
    /// Its value; `None` if it is a secret.
    pub value: Option<String>,
    /// Whether nobody has set it.
    pub is_default: bool,
    /// Where it is set, as a number of the protocol.
    pub source: i8,
}

/// A partition with what only newer brokers tell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PartitionDetail {
    /// What all brokers tell.
    pub partition: Partition,
    /// Replicas that may lead although they are behind; `None` if the broker tells nothing of them.
    pub elr: Option<Vec<i32>>,
    /// The last of them that were known.
    pub last_known_elr: Option<Vec<i32>>,
    /// Replicas that come and go, while a move is under way.
    pub moving: Option<(Vec<i32>, Vec<i32>)>,
}

impl PartitionDetail {
    /// How many replicas it is to have, whatever is being moved.
    #[must_use]
    pub fn replication_factor(&self) -> usize {
        let replicas = &self.partition.replicas;
        match &self.moving {
            Some((adding, removing))
                if replicas.iter().any(|id| adding.contains(id) || removing.contains(id)) =>
            {
                replicas.len().saturating_sub(adding.len())
            }
            _ => replicas.len(),
        }
    }
}

/// A topic with everything that is told of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TopicDetail {
    /// Its name.
    pub name: String,
    /// Its id; zero from old brokers.
    pub id: Uuid,
    /// Whether it is one of the cluster's own.
    pub internal: bool,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionDetail>,
    /// Its settings, in the order in which Kafka's tools print them.
    pub settings: Vec<TopicSetting>,
}

impl TopicDetail {
    /// A setting's value.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.name == name)?.value.as_deref()
    }
}

/// All topics, by name.
///
/// # Errors
///
/// If the broker cannot be asked.
pub fn all(client: &mut Client) -> Result<Cluster, Failure> {
    Ok(client.metadata(None, false)?)
}

/// Everything about topics that exist, in the order of `names`.
///
/// # Errors
///
/// If the broker cannot be asked, or refuses one of them.
pub fn describe(
    client: &mut Client,
    names: &[String],
    limit: Option<i32>,
) -> Result<Vec<TopicDetail>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = if client.offers(Node::Any, ApiKey::DescribeTopicPartitions) {
        described(client, names, limit.unwrap_or(2000))?
    } else {
        from_metadata(client, names)?
    };
    let mut settings = settings(client, names)?;
    let moving = moving(client, names)?;
    for topic in found.values_mut() {
        topic.settings = settings.remove(&topic.name).unwrap_or_default();
        for detail in &mut topic.partitions {
            let at = TopicPartition::new(topic.name.clone(), detail.partition.index);
            detail.moving = moving.get(&at).cloned();
        }
    }
    Ok(names.iter().filter_map(|name| found.remove(name)).collect())
}

fn from_metadata(client: &mut Client, names: &[String]) -> Result<BTreeMap<String, TopicDetail>, Failure> {
    let cluster = client.metadata(Some(names), false)?;
    cluster.topics.into_values().map(detail_of).collect()
}

fn detail_of(topic: Topic) -> Result<(String, TopicDetail), Failure> {
    if let Some(code) = topic.error {
        return Err(refused(&topic.name, code).into());
    }
    let partitions = topic.partitions.into_iter();
    let detail = |partition| PartitionDetail { partition, ..Default::default() };
    let detail = TopicDetail {
        name: topic.name.clone(),
        id: topic.id,
        internal: topic.internal,
        partitions: partitions.map(detail).collect(),
        settings: Vec::new(),
    };
    Ok((topic.name, detail))
}

fn refused(topic: &str, code: ErrorCode) -> ClientError {
    ClientError::Refused { what: format!("topic {topic}"), code, message: None }
}

/// Page after page of DescribeTopicPartitions.
fn described(
    client: &mut Client,
    names: &[String],
    limit: i32,
) -> Result<BTreeMap<String, TopicDetail>, Failure> {
    let mut names: Vec<String> = names.to_vec();
    names.sort();
    let mut found: BTreeMap<String, TopicDetail> = BTreeMap::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let from = cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
        let topics = names.iter().filter(|name| name.as_str() >= from);
        let request = DescribeTopicPartitionsRequest {
            topics: topics.map(|name| TopicRequest { name: name.clone() }).collect(),
            response_partition_limit: limit,
            cursor: cursor.clone(),
        };
        let answer = client.call(Node::Any, &request)?;
        for topic in answer.topics {
            let name = topic.name.unwrap_or_default();
            let code = kafka_client::error::known(topic.error_code);
            if !code.is_none() {
                return Err(refused(&name, code).into());
            }
            let detail = found.entry(name.clone()).or_default();
            (detail.name, detail.id, detail.internal) = (name, topic.topic_id, topic.is_internal);
            detail.partitions.extend(topic.partitions.into_iter().map(|p| PartitionDetail {
                partition: Partition {
                    index: p.partition_index,
                    leader: Some(p.leader_id).filter(|leader| *leader >= 0),
                    leader_epoch: p.leader_epoch,
                    replicas: p.replica_nodes,
                    isr: p.isr_nodes,
                    offline: p.offline_replicas,
                },
                elr: Some(p.eligible_leader_replicas.unwrap_or_default()),
                last_known_elr: Some(p.last_known_elr.unwrap_or_default()),
                moving: None,
            }));
        }
        let next = answer
            .next_cursor
            .map(|next| Cursor { topic_name: next.topic_name, partition_index: next.partition_index });
        // A cursor that does not move would have us ask for ever.
        let place = |cursor: &Cursor| (cursor.topic_name.clone(), cursor.partition_index);
        if next.is_none() || next.as_ref().map(place) <= cursor.as_ref().map(place) {
            break;
        }
        cursor = next;
    }
    for topic in found.values_mut() {
        topic.partitions.sort_by_key(|detail| detail.partition.index);
    }
    Ok(found)
}

/// The settings of topics.
fn settings(client: &mut Client, names: &[String]) -> Result<BTreeMap<String, Vec<TopicSetting>>, Failure> {
    let resource = |name: &String| DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: name.clone(),
        configuration_keys: None,
    };
    let request =
        DescribeConfigsRequest { resources: names.iter().map(resource).collect(), ..Default::default() };
    let answer = client.call(Node::Any, &request)?;
    let mut found = BTreeMap::new();
    for result in answer.results {
        let what = format!("asking for the settings of {}", result.resource_name);
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
        let mut settings: Vec<TopicSetting> = result
            .configs
            .into_iter()
            .map(|config| {
                let source =
                    config.config_source.unwrap_or(if config.is_default { DEFAULT_CONFIG } else { 1 });
                TopicSetting {
                    name: config.name,
                    value: config.value,
                    is_default: source == DEFAULT_CONFIG,
                    source,
                }
            })
            .collect();
        java::hash_order(&mut settings, |setting| java::string_hash(&setting.name));
        found.insert(result.resource_name, settings);
    }
    Ok(found)
}

/// Replicas that are being added, and those that are being removed.
type Moves = BTreeMap<TopicPartition, (Vec<i32>, Vec<i32>)>;

/// Replicas that are being added and removed, where the broker tells of such.
fn moving(client: &mut Client, names: &[String]) -> Result<Moves, Failure> {
    if !client.offers(Node::Controller, ApiKey::ListPartitionReassignments) {
        return Ok(BTreeMap::new());
    }
    let partitions = |name: &String| {
        let topic = client.cluster().topics.get(name)?;
        let partition_indexes = topic.partitions.iter().map(|partition| partition.index).collect();
        Some(ListPartitionReassignmentsTopics { name: name.clone(), partition_indexes })
    };
    let topics = names.iter().filter_map(partitions).collect();
    let request = ListPartitionReassignmentsRequest { timeout_ms: TIMEOUT_MS, topics: Some(topics) };
    let answer = client.call(Node::Controller, &request)?;
    // Who may not ask still sees the rest.
    if answer.error_code == ErrorCode::ClusterAuthorizationFailed.to_i16() {
        return Ok(BTreeMap::new());
    }
    ClientError::check("asking for moves", answer.error_code, answer.error_message.as_deref())?;
    let mut found = BTreeMap::new();
    for topic in answer.topics {
        for p in topic.partitions {
            let at = TopicPartition::new(topic.name.clone(), p.partition_index);
            found.insert(at, (p.adding_replicas, p.removing_replicas));
        }
    }
    Ok(found)
}

/// Makes a topic.
///
/// # Errors
///
/// If the broker cannot be asked or refuses; [`ErrorCode::TopicAlreadyExists`] is one of the refusals.
pub fn create(client: &mut Client, topic: &NewTopic) -> Result<(), ClientError> {
    let assignments = (0..).zip(&topic.assignment).map(|(partition_index, broker_ids)| {
        CreatableReplicaAssignment { partition_index, broker_ids: broker_ids.clone() }
    });
    let configs = topic
        .configs
        .iter()
        .map(|(name, value)| CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) });
    let defaults = topic.partitions.is_none() || topic.replication_factor.is_none();
    if topic.assignment.is_empty()
        && defaults
        && client.version_for(Node::Controller, ApiKey::CreateTopics)? < 4
    {
        return Err(ClientError::Config(format!(
            "Creating topics with default partitions/replication factor are only supported in CreateTopicRequest version 4+. The following topics need values for partitions and replicas: [{}]",
            topic.name
        )));
    }
    let creatable = CreatableTopic {
        name: topic.name.clone(),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        assignments: assignments.collect(),
        configs: configs.collect(),
    };
    let request =
        CreateTopicsRequest { topics: vec![creatable], timeout_ms: TIMEOUT_MS, ..Default::default() };
    let answer = client.call(Node::Controller, &request)?;
    for result in &answer.topics {
        let what = format!("making topic {}", result.name);
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
    }
    client.forget_topics();
    Ok(())
}

/// A topic that is to have more partitions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Growth {
    /// Its name.
    pub name: String,
    /// How many it is to have.
    pub count: i32,
    /// The brokers of each new one; `None`: as the broker thinks.
    pub brokers: Option<Vec<Vec<i32>>>,
}

/// Gives topics more partitions.
///
/// # Errors
///
/// If the broker cannot be asked or refuses.
pub fn enlarge(client: &mut Client, topics: &[Growth]) -> Result<(), ClientError> {
    let assigned = |brokers: &Vec<Vec<i32>>| {
        let one = |ids: &Vec<i32>| CreatePartitionsAssignment { broker_ids: ids.clone() };
        brokers.iter().map(one).collect()
    };
    let topic = |growth: &Growth| CreatePartitionsTopic {
        name: growth.name.clone(),
        count: growth.count,
        assignments: growth.brokers.as_ref().map(assigned),
    };
    let request = CreatePartitionsRequest {
        topics: topics.iter().map(topic).collect(),
        timeout_ms: TIMEOUT_MS,
        validate_only: false,
    };
    let answer = client.call(Node::Controller, &request)?;
    for result in &answer.results {
        let what = format!("adding partitions to {}", result.name);
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
    }
    client.forget_topics();
    Ok(())
}

/// Deletes topics.
///
/// # Errors
///
/// If the broker cannot be asked or refuses.
pub fn delete(client: &mut Client, names: &[String]) -> Result<(), ClientError> {
    let version = client.version_for(Node::Controller, ApiKey::DeleteTopics)?;
    let mut request = DeleteTopicsRequest { timeout_ms: TIMEOUT_MS, ..Default::default() };
    if version >= 6 {
        let topic = |name: &String| DeleteTopicState { name: Some(name.clone()), topic_id: Uuid::ZERO };
        request.topics = names.iter().map(topic).collect();
    } else {
        request.topic_names = names.to_vec();
    }
    let answer = client.call(Node::Controller, &request)?;
    for result in &answer.responses {
        let what = format!("deleting topic {}", result.name.as_deref().unwrap_or_default());
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
    }
    client.forget_topics();
    Ok(())
}

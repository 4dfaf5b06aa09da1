//! What the rest of the broker asks about topics and settings, and how requests to create, change and delete are refused.
//!
//! A refusal carries the code of Kafka 4 and the texts of Kafka 4 and 2.2; which of the texts, and whether the code
//! is too young for the request's version, is decided where versions are known (`handlers`).

use super::live::ConfigCallback;
use super::uuid::Uuid;
use crate::config::{BrokerConfig, BrokerScope, ConfigChange, ConfigRefusal, TopicConfigError};
use kafka_settings::{TopicName, TopicNameError};
use log_engine::error::LogError;
use log_engine::log::Log;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic that exists.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id, which a topic of the same name created later does not have.
    pub id: Uuid,
    /// Its partitions, by number; never empty. None: offline, its log could not be opened when the broker started.
    pub partitions: Vec<Option<Arc<Log>>>,
    /// The settings that were made for this topic, as text; all are valid.
    pub overrides: BTreeMap<String, String>,
    /// Whether the broker made it for itself.
    pub internal: bool,
}

impl Topic {
    /// The log of a partition.
    ///
    /// # Errors
    ///
    /// The topic has no partition of this number, or it is offline.
    pub fn partition(&self, number: i32) -> Result<&Arc<Log>, NoLog> {
        let place = usize::try_from(number).ok().and_then(|number| self.partitions.get(number));
        place.ok_or(NoLog::Unknown)?.as_ref().ok_or(NoLog::Offline)
    }

    /// Whether the topic has a partition of this number, offline or not.
    #[must_use]
    pub fn has_partition(&self, number: i32) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.partitions.len())
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).expect("topics are created with at most i32::MAX partitions")
    }
}

/// Why there is no log of a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoLog {
    /// The topic has no such partition.
    Unknown,
    /// Its log could not be opened when the broker started.
    Offline,
}

/// A topic to create.
#[derive(Clone, Debug, Default)]
pub struct CreateTopic {
    /// The name, not yet checked.
    pub name: String,
    /// How many partitions; `None` (-1 on the wire): `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas; `None` (-1 on the wire): 1.
    pub replication: Option<i16>,
    /// Brokers by partition, if the client assigns them; then both counts are `None`.
    pub assignment: Vec<(i32, Vec<i32>)>,
    /// Settings; a null value is refused.
    pub configs: Vec<(String, Option<String>)>,
}

impl CreateTopic {
    /// A topic of this name with the defaults of the broker.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// Partitions to add to a topic.
#[derive(Clone, Debug, Default)]
pub struct CreatePartitions {
    /// The topic.
    pub topic: String,
    /// How many partitions it is to have then.
    pub count: i32,
    /// The brokers of each new partition, if the client assigns them.
    pub assignment: Option<Vec<Vec<i32>>>,
}

/// A topic as it would be created.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicPlan {
    /// The name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: i32,
    /// Its settings.
    pub overrides: BTreeMap<String, String>,
}

/// Topics that the broker makes for itself when they are first needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InternalTopic {
    /// `__consumer_offsets`.
    ConsumerOffsets,
}

/// How it stands with the ZooKeeper that keeps the topics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ZooKeeperLink {
    /// Whether there are a session and a connection.
    pub is_connected: bool,
    /// How often one of them was lost.
    pub losses: u64,
}

/// Topics, settings and who we are.
///
/// Look-ups take a short lock and never wait for the disk. `create`, `create_partitions`, `alter_topic`, `alter_broker`,
/// `delete`, `internal` and, once in a thousand calls, `next_producer_id` sync a log before they return: an async caller
/// must not hold up its thread with them.
pub trait Catalog: Send + Sync {
    /// The topic of this name.
    fn topic(&self, name: &str) -> Option<Arc<Topic>>;
    /// The topic of this id.
    fn topic_by_id(&self, id: &Uuid) -> Option<Arc<Topic>>;
    /// All topics, internal ones too, sorted by name.
    fn topics(&self) -> Vec<Arc<Topic>>;
    /// Checks a request to create without effect.
    ///
    /// # Errors
    ///
    /// As [`Catalog::create`].
    fn validate(&self, request: &CreateTopic) -> Result<TopicPlan, CreateTopicError>;
    /// Creates a topic; when it returns, the topic survives a power cut.
    ///
    /// # Errors
    ///
    /// The first check that fails; nothing was created then.
    fn create(&self, request: &CreateTopic) -> Result<Arc<Topic>, CreateTopicError>;
    /// Adds partitions to a topic; when it returns, they survive a power cut. With `validate_only` nothing happens.
    ///
    /// # Errors
    ///
    /// The first check that fails; nothing was added then.
    fn create_partitions(
        &self,
        request: &CreatePartitions,
        validate_only: bool,
    ) -> Result<(), CreatePartitionsError>;
    /// Changes the settings of a topic; when it returns, they are in force and survive a power cut. With `validate_only`
    /// nothing happens.
    ///
    /// # Errors
    ///
    /// The first check that fails; nothing was changed then.
    fn alter_topic(
        &self,
        name: &str,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError>;
    /// The settings of the broker in force: what it was started with, and what was changed since.
    fn config(&self) -> Arc<BrokerConfig>;
    /// Changes settings of the broker, as [`Catalog::alter_topic`] does.
    ///
    /// # Errors
    ///
    /// The first check that fails; nothing was changed then.
    fn alter_broker(
        &self,
        scope: BrokerScope,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError>;
    /// Calls `callback` with the settings of the broker that are in force, at once and after each change.
    fn on_config(&self, callback: ConfigCallback);
    /// The internal topic, created if it is not there.
    ///
    /// # Errors
    ///
    /// The disk refused.
    fn internal(&self, topic: InternalTopic) -> Result<Arc<Topic>, CreateTopicError>;
    /// Deletes a topic; when it returns, it stays deleted through a power cut. Readers keep what they hold.
    ///
    /// # Errors
    ///
    /// There is none, or it may not be deleted.
    fn delete(&self, name: &str) -> Result<Arc<Topic>, DeleteTopicError>;
    /// Calls `callback` after each deletion, before `delete` returns: committed offsets of the topic go with it.
    fn on_delete(&self, callback: Box<dyn Fn(&Topic) + Send + Sync>);
    /// The id of this cluster of one: 22 characters.
    fn cluster_id(&self) -> &str;
    /// The number of this broker.
    fn broker_id(&self) -> i32;
    /// A producer id that was never given out, nor will be again.
    ///
    /// # Errors
    ///
    /// The next block of ids could not be written down.
    fn next_producer_id(&self) -> Result<i64, LogError>;
    /// The link to the ZooKeeper that keeps the topics; `None` where none does.
    fn zookeeper(&self) -> Option<ZooKeeperLink> {
        None
    }
    /// Takes leave of whoever else keeps the topics, before the logs are closed. Nobody is there by default.
    fn close(&self) {}
}

/// Why a topic is not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateTopicError {
    /// The name is no topic name.
    #[error(transparent)]
    Name(#[from] TopicNameError),
    /// The name is the broker's own.
    #[error("Creation of internal topic {0} is prohibited.")]
    Reserved(TopicName),
    /// There is one of this name.
    #[error("Topic '{0}' already exists.")]
    Exists(TopicName),
    /// There are some that differ only in `.` against `_`.
    #[error("Topic '{name}' collides with existing topics: {existing}")]
    Collision {
        /// The name asked for.
        name: TopicName,
        /// The others, separated by commas.
        existing: String,
    },
    /// The number of partitions is not positive.
    #[error("Number of partitions was set to an invalid non-positive value.")]
    Partitions,
    /// The number of partitions is beyond what one request may ask for.
    #[error("Excessively large number of partitions per request.")]
    TooManyPartitions,
    /// The replication factor is not positive.
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    NoReplica,
    /// More replicas than brokers.
    #[error(
        "Unable to replicate the partition {0} time(s): The target replication factor of {0} cannot be reached \
         because only 1 broker(s) are registered."
    )]
    Replication(i16),
    /// Counts beside an assignment.
    #[error("A manual partition assignment was specified, but {0} was not set to -1.")]
    CountsAndAssignment(&'static str),
    /// An assignment that one broker cannot fulfil.
    #[error("{0}")]
    Assignment(String),
    /// A setting that no topic takes.
    #[error(transparent)]
    Config(#[from] TopicConfigError),
    /// A directory that one of its partitions needs is there and belongs to no topic.
    #[error("the directory {0} is there already and belongs to no topic: move it away")]
    Occupied(String),
    /// The disk refused; nothing was created.
    #[error("the topic could not be stored")]
    Storage(#[from] LogError),
    /// Who keeps the topics cannot be reached, or refused: perhaps the topic was created, perhaps not.
    #[error("the topic could not be written to ZooKeeper: {0}")]
    Elsewhere(String),
}

impl CreateTopicError {
    /// The text of Kafka 2.2, where it had one; else that of Kafka 4.
    #[must_use]
    pub fn old_text(&self) -> String {
        match self {
            Self::Name(error) => error.old_text(),
            Self::Partitions => "Number of partitions must be larger than 0.".to_owned(),
            Self::NoReplica => "Replication factor must be larger than 0.".to_owned(),
            Self::Replication(factor) => {
                format!("Replication factor: {factor} larger than available brokers: 1.")
            }
            Self::CountsAndAssignment(_) => {
                "Both numPartitions or replicationFactor and replicasAssignments were set. \
                                             Both cannot be used at the same time."
                    .to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// Why partitions are not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreatePartitionsError {
    /// There is no topic of this name.
    #[error("This server does not host this topic-partition.")]
    Unknown,
    /// The number of its partitions says where a group's offsets are.
    #[error("The partitions of the internal topic {0} cannot be changed.")]
    Reserved(TopicName),
    /// It has so many already.
    #[error("Topic already has {0} partition(s).")]
    Same(i32),
    /// It has more already.
    #[error("The topic {name} currently has {present} partition(s); {count} would not be an increase.")]
    Fewer {
        /// The topic.
        name: TopicName,
        /// How many it has.
        present: i32,
        /// How many it was to have.
        count: i32,
    },
    /// More new ones than one request may ask for.
    #[error("Excessively large number of partitions per request.")]
    TooMany,
    /// An assignment that one broker cannot fulfil.
    #[error("{0}")]
    Assignment(String),
    /// A directory that one of them needs is there and belongs to no topic.
    #[error("the directory {0} is there already and belongs to no topic: move it away")]
    Occupied(String),
    /// The disk refused; nothing was added.
    #[error("the partitions could not be stored")]
    Storage(#[from] LogError),
    /// Who keeps the topics cannot be reached, or refused: perhaps they were added, perhaps not.
    #[error("the partitions could not be written to ZooKeeper: {0}")]
    Elsewhere(String),
}

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlterConfigsError {
    /// There is no topic of this name.
    #[error("The topic '{0}' does not exist.")]
    Unknown(String),
    /// A setting that is not to be had.
    #[error(transparent)]
    Refused(ConfigRefusal),
    /// The disk refused; nothing was changed.
    #[error("the settings could not be stored")]
    Storage(#[from] LogError),
    /// Who keeps the settings cannot be reached, or refused: perhaps they were changed, perhaps not.
    #[error("the settings could not be written to ZooKeeper: {0}")]
    Elsewhere(String),
}

/// Why a topic is not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteTopicError {
    /// There is none of this name.
    #[error("This server does not host this topic-partition.")]
    Unknown,
    /// `delete.topic.enable` is off.
    #[error("Topic deletion is disabled.")]
    Disabled,
    /// It is the broker's own.
    #[error("Deletion of internal topic {0} is prohibited.")]
    Reserved(TopicName),
    /// The disk refused; the topic is still there.
    #[error("the deletion could not be stored")]
    Storage(#[from] LogError),
    /// Who keeps the topics cannot be reached, or refused: if the wish was written down, it is fulfilled later.
    #[error("the deletion could not be written to ZooKeeper: {0}")]
    Elsewhere(String),
}

//! Topics: their names, ids, settings and partitions; and who this broker is.
//!
//! # Not here
//!
//! Which versions of the protocol see what (`handlers`); the records of a topic (`log_engine`).

mod catalog;
mod checks;
mod engine;
mod identity;
mod live;
mod log_catalog;
mod offline;
mod record;
mod uuid;
mod zookeeper;

pub use catalog::{
    AlterConfigsError, Catalog, CreatePartitions, CreatePartitionsError, CreateTopic, CreateTopicError,
    DeleteTopicError, InternalTopic, NoLog, Topic, TopicPlan, ZooKeeperLink,
};
pub use checks::{MAX_PARTITIONS, check_replicas};
pub use identity::{DirectoryError, Owner};
pub use kafka_settings::{MAX_NAME_LEN, TopicName, TopicNameError};
pub use live::{ConfigCallback, LiveConfig, apply_to_logs};
pub use log_catalog::{CatalogError, KnownDirectories, LogCatalog, inspect_directories};
pub use offline::compacted_topics;
pub use uuid::Uuid;
pub use zookeeper::{ConvertError, ZkCatalog, ZkParts, ZooKeeperError, convert};

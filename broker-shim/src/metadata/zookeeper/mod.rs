//! The catalog of a broker with `zookeeper.connect`: the topics are Kafka's znodes, and we are their controller.
//!
//! ```text
//! handlers ---look-ups---> mirror <---adopt, remove, hide--- keeper (one thread) <---watches, reads--- ZooKeeper
//!     |                                                        ^   |
//!     +---create, delete (a command and its reply)-------------+   +---nodes, states, registration---> ZooKeeper
//! ```
//!
//! Everything that changes goes through the keeper's thread, whoever asked for it: a client of the protocol, or a tool that
//! wrote a node. Look-ups never wait for it, so a ZooKeeper that is away stops changes and nothing else.
//!
//! # Order of effects
//!
//! ```text
//! create:  settings node -> topic node -> fact and logs -> state nodes       crash in between: the next start goes on
//! delete:  request node -> fact, data -> topic nodes -> request node gone    crash in between: the next start goes on
//! ids:     block noted in the metadata log -> block taken in ZooKeeper -> first id of it given out
//! ```
//!
//! # Invariants
//!
//! * Node lists are read again after every event, never events counted.
//! * An ephemeral node of somebody else is removed only if its session was ours: then its owner is dead, because we hold
//!   the lock of the data directory (`sessions`).
//! * What is wrong in a node is logged and left out; it never ends the broker.
//!
//! # Not here
//!
//! Paths and JSON (`kafka_znodes`), logs and ids of topics (`log_catalog::mirror`).

mod advertise;
mod changes;
mod convert;
mod error;
mod keeper;
mod link;
mod read;
mod register;
mod sessions;
mod topics;
mod watches;

pub use convert::{ConvertError, convert};
pub use error::ZooKeeperError;

use super::catalog::{
    AlterConfigsError, Catalog, CreatePartitions, CreatePartitionsError, CreateTopic, CreateTopicError,
    DeleteTopicError, InternalTopic, Topic, TopicPlan, ZooKeeperLink,
};
use super::live::ConfigCallback;
use super::log_catalog::mirror::Mirror;
use super::log_catalog::{CatalogError, KnownDirectories, internal_plan};
use super::uuid::Uuid;
use crate::config::{BrokerConfig, BrokerScope, ConfigChange};
use kafka_settings::TopicName;
use kafka_znodes::config::{Config, Entity};
use keeper::{Command, Reply};
use link::Link;
use log_engine::error::LogError;
use log_engine::io::{Clock, Storage};
use log_engine::store::LogStore;
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long a command may take; longer than a session lives without a connection.
const ANSWER: Duration = Duration::from_secs(15);

/// What the catalog is made of.
pub struct ZkParts {
    /// The broker's settings, `zookeeper.connect` among them.
    pub config: Arc<BrokerConfig>,
    /// All logs; its directories are locked.
    pub store: Arc<LogStore>,
    /// Where small files are.
    pub storage: Arc<dyn Storage>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What the directories said.
    pub known: KnownDirectories,
    /// Where the broker listens, by the listeners' names.
    pub bound: Vec<(Arc<str>, SocketAddr)>,
}

/// Producer ids `next .. end` may be given out.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    next: i64,
    end: i64,
}

/// Topics in a ZooKeeper.
pub struct ZkCatalog {
    config: Arc<BrokerConfig>,
    mirror: Arc<Mirror>,
    commands: UnboundedSender<Command>,
    ids: Mutex<Block>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    link: Arc<Link>,
}

impl ZkCatalog {
    /// Registers with ZooKeeper, takes over as the controller and opens all topics. Blocks; not within a runtime's own
    /// thread.
    ///
    /// # Errors
    ///
    /// ZooKeeper is away or refuses, the cluster is another one, somebody else has our place, or the disk refused.
    pub fn open(parts: ZkParts) -> Result<Self, CatalogError> {
        let config = Arc::clone(&parts.config);
        let (commands, received) = tokio::sync::mpsc::unbounded_channel();
        let (ready, opened) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("corrente-zk".to_owned());
        let link = Arc::new(Link::default());
        let shared = Arc::clone(&link);
        let keeper = thread
            .spawn(move || keeper::run(parts, received, shared, &ready))
            .map_err(ZooKeeperError::Thread)?;
        let gone = |_| ZooKeeperError::Thread(io::Error::other("it ended at once"));
        let (mirror, block) = opened.recv().map_err(gone)??;
        let (ids, keeper) = (Mutex::new(block), Mutex::new(Some(keeper)));
        Ok(Self { config, mirror, commands, ids, keeper, link })
    }

    /// Sends a command and waits for its reply; the error is the end of a sentence.
    fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, String> {
        let (reply, answer) = mpsc::sync_channel(1);
        let stopped = "the broker stops";
        self.commands.send(command(reply)).map_err(|_| stopped)?;
        answer.recv_timeout(ANSWER).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => format!("no answer in {} s", ANSWER.as_secs()),
            mpsc::RecvTimeoutError::Disconnected => stopped.to_owned(),
        })
    }

    fn make(&self, plan: TopicPlan) -> Result<Arc<Topic>, CreateTopicError> {
        self.ask(|reply| Command::Create { plan, reply })
            .unwrap_or_else(|why| Err(CreateTopicError::Elsewhere(why)))
    }
}

impl ZkCatalog {
    fn alter(&self, entity: Entity, settings: Config) -> Result<(), AlterConfigsError> {
        let done = self.ask(|reply| Command::Alter { entity, settings, reply });
        done.unwrap_or_else(|why| Err(AlterConfigsError::Elsewhere(why)))
    }
}

impl Catalog for ZkCatalog {
    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.mirror.catalog.topic(name)
    }

    fn topic_by_id(&self, id: &Uuid) -> Option<Arc<Topic>> {
        self.mirror.catalog.topic_by_id(id)
    }

    fn topics(&self) -> Vec<Arc<Topic>> {
        self.mirror.catalog.topics()
    }

    fn validate(&self, request: &CreateTopic) -> Result<TopicPlan, CreateTopicError> {
        self.mirror.catalog.validate(request)
    }

    fn create(&self, request: &CreateTopic) -> Result<Arc<Topic>, CreateTopicError> {
        self.make(self.validate(request)?)
    }

    fn create_partitions(
        &self,
        request: &CreatePartitions,
        validate_only: bool,
    ) -> Result<(), CreatePartitionsError> {
        self.mirror.catalog.create_partitions(request, true)?;
        if validate_only {
            return Ok(());
        }
        let (name, count) = (request.topic.clone(), request.count);
        let done = self.ask(|reply| Command::Grow { name, count, reply });
        done.unwrap_or_else(|why| Err(CreatePartitionsError::Elsewhere(why)))
    }

    fn alter_topic(
        &self,
        name: &str,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        let topic = self.topic(name).ok_or_else(|| AlterConfigsError::Unknown(name.to_owned()))?;
        let settings = change.apply_to_topic(&topic.overrides, &self.config())?;
        if validate_only || settings == topic.overrides {
            return Ok(());
        }
        self.alter(Entity::Topic(name.to_owned()), settings)
    }

    fn config(&self) -> Arc<BrokerConfig> {
        self.mirror.catalog.config()
    }

    fn alter_broker(
        &self,
        scope: BrokerScope,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        let settings = self.mirror.plan(scope, change)?.of(scope).clone();
        if validate_only {
            return Ok(());
        }
        let entity = match scope {
            BrokerScope::All => Entity::Broker(None),
            BrokerScope::Own => Entity::Broker(Some(self.broker_id())),
        };
        self.alter(entity, settings)
    }

    fn on_config(&self, callback: ConfigCallback) {
        self.mirror.catalog.on_config(callback);
    }

    fn internal(&self, topic: InternalTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let plan = internal_plan(topic, &self.config);
        let name = plan.name.clone();
        if let Some(there) = self.topic(name.as_str()) {
            return Ok(there);
        }
        match self.make(plan) {
            // Somebody else was faster.
            Err(error @ CreateTopicError::Exists(_)) => self.topic(name.as_str()).ok_or(error),
            made => made,
        }
    }

    fn delete(&self, name: &str) -> Result<Arc<Topic>, DeleteTopicError> {
        let topic = self.topic(name).ok_or(DeleteTopicError::Unknown)?;
        if topic.name.is_reserved() {
            return Err(DeleteTopicError::Reserved(topic.name.clone()));
        }
        if !self.config.delete_topics {
            return Err(DeleteTopicError::Disabled);
        }
        let name: TopicName = topic.name.clone();
        let done = self.ask(|reply| Command::Delete { name, reply });
        done.unwrap_or_else(|why| Err(DeleteTopicError::Elsewhere(why))).map(|()| topic)
    }

    fn on_delete(&self, callback: Box<dyn Fn(&Topic) + Send + Sync>) {
        self.mirror.catalog.on_delete(callback);
    }

    fn cluster_id(&self) -> &str {
        self.mirror.catalog.cluster_id()
    }

    fn broker_id(&self) -> i32 {
        self.mirror.catalog.broker_id()
    }

    fn next_producer_id(&self) -> Result<i64, LogError> {
        let mut ids = self.ids.lock();
        if ids.next == ids.end {
            let refused = |why| {
                LogError::io("take producer ids from", kafka_znodes::path::PRODUCER_IDS)(io::Error::other(
                    why,
                ))
            };
            let taken = self.ask(|reply| Command::ProducerIds { reply });
            *ids = taken.and_then(|taken| taken).map_err(refused)?;
        }
        let id = ids.next;
        ids.next += 1;
        Ok(id)
    }

    fn zookeeper(&self) -> Option<ZooKeeperLink> {
        Some(self.link.read())
    }

    fn close(&self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.commands.send(Command::Stop);
        if let Some(keeper) = self.keeper.lock().take() {
            let _ = keeper.join();
        }
    }
}

impl Drop for ZkCatalog {
    fn drop(&mut self) {
        self.close();
    }
}

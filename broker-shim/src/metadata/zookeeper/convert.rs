//! Moving the topics from the metadata log to a ZooKeeper, or back; the broker is stopped.
//!
//! Everything is read and compared first. Then the new place is written, and last of all `meta.properties` says that the
//! topics are there: after a crash in between, the old place still counts, and the same command goes on. The old place is
//! never emptied.

use super::error::ZooKeeperError;
use super::read::describe;
use crate::config::{BrokerConfig, DynamicSettings, ZooKeeperConfig, log_config};
use crate::metadata::catalog::{Catalog, Topic};
use crate::metadata::identity::{self, DirectoryError, Owner};
use crate::metadata::log_catalog::mirror::{Described, Mirror};
use crate::metadata::log_catalog::{CatalogError, KnownDirectories, LogCatalog};
use kafka_znodes::config::{self, Entity};
use kafka_znodes::controller::{self, ProducerIds};
use kafka_znodes::topic::Assignment;
use kafka_znodes::{Zk, ZkError, path};
use log_engine::error::LogError;
use log_engine::io::{Clock, Storage};
use log_engine::store::LogStore;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the topics are not moved. Nothing was changed, unless the text says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// No ZooKeeper is named.
    #[error(
        "zookeeper.connect is not set: set it in the file, or name the servers with --zookeeper HOST:PORT"
    )]
    NoZooKeeper,
    /// The directories are new.
    #[error("{dir}: holds no data of Corrente, so there is nothing to move; a first start decides where topics are kept", dir = .0.display())]
    Nothing(PathBuf),
    /// They are there already.
    #[error("the topics are kept in {0} already")]
    Already(&'static str),
    /// A broker runs with that ZooKeeper.
    #[error(
        "ZooKeeper at {at}: broker {id} is registered: stop it, or use a path of your own (host:port/path)"
    )]
    Running {
        /// What was dialled.
        at: String,
        /// Its number.
        id: String,
    },
    /// A topic is in both places, and not the same.
    #[error(
        "ZooKeeper at {at} has a topic {topic} already, and it {differs}: delete or rename it there first"
    )]
    Conflict {
        /// What was dialled.
        at: String,
        /// The topic.
        topic: String,
        /// The difference.
        differs: String,
    },
    /// The data directories or their logs.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The operating system gives no runtime.
    #[error("the connection to ZooKeeper cannot be made")]
    Runtime(#[source] io::Error),
}

impl From<LogError> for ConvertError {
    fn from(error: LogError) -> Self {
        Self::Catalog(error.into())
    }
}

impl From<DirectoryError> for ConvertError {
    fn from(error: DirectoryError) -> Self {
        Self::Catalog(error.into())
    }
}

impl From<ZooKeeperError> for ConvertError {
    fn from(error: ZooKeeperError) -> Self {
        Self::Catalog(error.into())
    }
}

/// Moves the topics to where `to` says, if `apply`; else only looks. One line for each topic, and for what is to be known.
///
/// # Errors
///
/// As the error says; the topics are where they were.
pub fn convert(
    config: &Arc<BrokerConfig>,
    storage: &Arc<dyn Storage>,
    clock: &Arc<dyn Clock>,
    to: Owner,
    apply: bool,
) -> Result<Vec<String>, ConvertError> {
    let zookeeper = config.zookeeper.clone().ok_or(ConvertError::NoZooKeeper)?;
    let dirs = &config.storage.log_dirs;
    let known = identity::inspect(&**storage, dirs, config.node_id, None)?;
    let Some(identity) = known else {
        return Err(ConvertError::Nothing(dirs.first().cloned().unwrap_or_else(PathBuf::new)));
    };
    if identity::inspect(&**storage, dirs, config.node_id, Some(to)).is_ok() {
        return Err(ConvertError::Already(if to == Owner::Log { "the metadata log" } else { "ZooKeeper" }));
    }
    let store = LogStore::builder(dirs.iter().cloned())
        .storage(Arc::clone(storage))
        .clock(Arc::clone(clock))
        .config(log_config(config, &BTreeMap::new()))
        .open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let move_ =
        Move { config, storage, store: &store, known: KnownDirectories::of(identity), zookeeper, apply };
    let done = runtime.map_err(ConvertError::Runtime)?.block_on(move_.run(to));
    if apply && done.is_ok() {
        identity::hand_over(&**storage, dirs, to)?;
    }
    store.close()?;
    done
}

struct Move<'a> {
    config: &'a Arc<BrokerConfig>,
    storage: &'a Arc<dyn Storage>,
    store: &'a Arc<LogStore>,
    known: KnownDirectories,
    zookeeper: ZooKeeperConfig,
    apply: bool,
}

impl Move<'_> {
    async fn run(&self, to: Owner) -> Result<Vec<String>, ConvertError> {
        let ZooKeeperConfig { connect, session_timeout, connection_timeout } = &self.zookeeper;
        let zk = Zk::connect(connect, *session_timeout, *connection_timeout).await;
        let zk = zk.map_err(ZooKeeperError::Connect)?;
        let done = match to {
            Owner::ZooKeeper => self.to_zookeeper(&zk).await,
            Owner::Log => self.to_log(&zk).await,
        };
        zk.close().await;
        done
    }

    fn at(&self) -> String {
        self.zookeeper.connect.to_string()
    }

    fn node(&self, problem: ZkError) -> ConvertError {
        ZooKeeperError::Node { at: self.at(), problem }.into()
    }

    async fn to_zookeeper(&self, zk: &Zk) -> Result<Vec<String>, ConvertError> {
        let (store, config) = (Arc::clone(self.store), Arc::clone(self.config));
        let catalog = LogCatalog::open(store, &**self.storage, config, self.known)?;
        if let Some(id) = zk.children(path::BROKER_IDS).await.map_err(|e| self.node(e))?.pop() {
            return Err(ConvertError::Running { at: self.at(), id });
        }
        let there = zk.read(path::CLUSTER_ID, controller::decode_cluster).await.map_err(|e| self.node(e))?;
        self.same_cluster(catalog.cluster_id(), there.as_deref().unwrap_or(catalog.cluster_id()))?;
        let topics = catalog.topics();
        for topic in &topics {
            self.compare(zk, topic).await?;
        }
        if self.apply {
            self.write(zk, &catalog, &topics).await.map_err(|e| self.node(e))?;
        }
        Ok(topics.iter().map(|topic| line(topic.name.as_str(), topic.partitions.len())).collect())
    }

    fn same_cluster(&self, ours: &str, theirs: &str) -> Result<(), ConvertError> {
        if ours == theirs {
            return Ok(());
        }
        let dirs = &self.config.storage.log_dirs;
        Err(identity::other_cluster(dirs, ours.to_owned(), &self.at(), theirs.to_owned()).into())
    }

    /// Refuses a topic that is there with other partitions or settings.
    async fn compare(&self, zk: &Zk, topic: &Topic) -> Result<(), ConvertError> {
        let name = topic.name.as_str();
        let conflict = |differs| ConvertError::Conflict { at: self.at(), topic: name.to_owned(), differs };
        let Some(there) = zk.assignment(name).await.map_err(|e| self.node(e))? else { return Ok(()) };
        if there.partitions.len() != topic.partitions.len() {
            let (found, here) = (there.partitions.len(), topic.partitions.len());
            return Err(conflict(format!("has {found} partitions there and {here} here")));
        }
        let entity = Entity::Topic(name.to_owned());
        if zk.config(&entity).await.map_err(|e| self.node(e))? != topic.overrides {
            return Err(conflict("has other settings there".to_owned()));
        }
        Ok(())
    }

    async fn write(&self, zk: &Zk, catalog: &LogCatalog, topics: &[Arc<Topic>]) -> Result<(), ZkError> {
        zk.make_chroot().await?;
        for path in path::PERSISTENT {
            zk.create(path, &[]).await?;
        }
        zk.create(path::CLUSTER_ID, &controller::encode_cluster(catalog.cluster_id())).await?;
        for topic in topics {
            let assignment = Assignment::on_one(topic.partition_count(), catalog.broker_id());
            zk.create_topic(topic.name.as_str(), &assignment, &topic.overrides).await?;
        }
        let DynamicSettings { all, own } = catalog.dynamic_settings();
        for (id, settings) in [(None, all), (Some(catalog.broker_id()), own)] {
            if !settings.is_empty() {
                zk.put(&path::broker_config(id), &config::encode(&settings)).await?;
            }
        }
        let end = catalog.producer_ids_end();
        let last = zk.read(path::PRODUCER_IDS, ProducerIds::decode).await?.flatten();
        if end > last.map_or(0, |last| last.end.saturating_add(1)) {
            let block = ProducerIds { broker: catalog.broker_id(), start: 0, end: end - 1 };
            zk.put(path::PRODUCER_IDS, &block.encode()).await?;
        }
        Ok(())
    }

    async fn to_log(&self, zk: &Zk) -> Result<Vec<String>, ConvertError> {
        let cluster =
            zk.read(path::CLUSTER_ID, controller::decode_cluster).await.map_err(|e| self.node(e))?;
        let missing = || ZkError::Malformed {
            path: path::CLUSTER_ID.to_owned(),
            reason: kafka_znodes::Malformed(
                "is not there: this is another ZooKeeper, or it has lost its data".to_owned(),
            ),
        };
        let cluster = cluster.ok_or_else(|| self.node(missing()))?;
        let strange = |expected| ZooKeeperError::Cluster { at: self.at(), found: cluster.clone(), expected };
        let cluster = cluster.parse().map_err(strange)?;
        let (store, config) = (Arc::clone(self.store), Arc::clone(self.config));
        let mirror = Mirror::open(store, &**self.storage, config, self.known, cluster, &self.at())?;
        let (described, mut lines) = self.read(zk, &mirror).await.map_err(|e| self.node(e))?;
        let ids = zk.read(path::PRODUCER_IDS, ProducerIds::decode).await.map_err(|e| self.node(e))?.flatten();
        let kept: Vec<_> = mirror.forgotten();
        let kept = kept.into_iter().filter(|name| !described.iter().any(|topic| topic.name == *name));
        lines.extend(kept.map(|name| {
            format!("  {name}: ZooKeeper does not know it; it comes back with the records that are here")
        }));
        if self.apply {
            let all = zk.config(&Entity::Broker(None)).await.map_err(|e| self.node(e))?;
            let own = Entity::Broker(Some(mirror.catalog.broker_id()));
            let own = zk.config(&own).await.map_err(|e| self.node(e))?;
            mirror.settings(DynamicSettings { all, own })?;
            mirror.adopt(described)?;
            if let Some(ids) = ids {
                mirror.note_producer_ids(ids.end.saturating_add(1).max(mirror.next_producer_id()))?;
            }
        }
        Ok(lines)
    }

    async fn read(&self, zk: &Zk, mirror: &Mirror) -> Result<(Vec<Described>, Vec<String>), ZkError> {
        let names = zk.topics().await?;
        let (mut described, mut lines) = (Vec::new(), Vec::new());
        for name in names {
            let Some(node) = zk.get(&path::topic(&name)).await? else { continue };
            let settings = zk.get(&path::topic_config(&name)).await?.map(|node| node.data);
            let shown = crate::config::Escaped(&name);
            match describe(&name, &node.data, settings.as_deref(), mirror.catalog.broker_id(), None) {
                Ok((topic, wrong)) => {
                    lines.push(line(&name, topic.own.len()));
                    lines.extend(wrong.iter().map(|wrong| format!("  {shown}: {wrong}")));
                    described.push(topic);
                }
                Err(wrong) => lines.push(format!("  {shown}: left out: {wrong}")),
            }
        }
        Ok((described, lines))
    }
}

fn line(name: &str, partitions: usize) -> String {
    let s = if partitions == 1 { "" } else { "s" };
    format!("  {name}: {partitions} partition{s}")
}

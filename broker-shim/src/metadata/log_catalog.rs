//! The catalog on the engine: topics, settings and ids in the metadata log.
//!
//! # Order of effects
//!
//! ```text
//! create:  fact synced -> directories made -> visible          crash after the fact: made at start
//! delete:  fact synced -> invisible -> directories renamed     crash after the fact: finished at start
//! more partitions, other settings: `alter`
//! ids:     next block synced -> first id of it given out       crash: the rest of the block is never used
//! ```
//!
//! # Invariants
//!
//! * A topic is visible only while its fact is synced. All its logs are open then, but those that could not be opened at
//!   start: they are offline, and nothing is put in their place.
//! * One writer at a time (`journal`); readers never wait for it.
//! * A directory of a topic that this log never knew is left alone, and nothing is created on top of it.
//!
//! # Not here
//!
//! The checks (`checks`), the bytes of facts (`record`), retention and removal of files (`log_engine::store`).

mod alter;
pub(super) mod mirror;

use super::catalog::{
    AlterConfigsError, Catalog, CreatePartitions, CreatePartitionsError, CreateTopic, CreateTopicError,
    DeleteTopicError, InternalTopic, Topic, TopicPlan,
};
use super::checks;
use super::engine;
use super::identity::{self, DirectoryError, Identity, METADATA_LOG, Owner};
use super::live::{ConfigCallback, LiveConfig};
use super::record::{Fact, Unusable};
use super::uuid::Uuid;
use super::zookeeper::ZooKeeperError;
use crate::config::{BrokerConfig, BrokerScope, ConfigChange, DynamicSettings, log_config};
use crate::trouble::Chain;
use kafka_settings::TopicName;
use log_engine::config::LogConfig;
use log_engine::error::LogError;
use log_engine::io::Storage;
use log_engine::log::Log;
use log_engine::store::{LogName, LogStore};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Producer ids that one synced fact covers.
const ID_BLOCK: i64 = 1000;

/// Why the catalog cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The data directories are not ours, or damaged.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The engine refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ZooKeeper that keeps the topics, or what is in it.
    #[error(transparent)]
    ZooKeeper(#[from] ZooKeeperError),
    /// A record of the metadata log cannot be used.
    #[error("{METADATA_LOG}: the record at offset {offset} {problem}; restore the directory from a backup")]
    Damaged {
        /// The record's offset.
        offset: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// A record of the metadata log is of a newer release.
    #[error("{METADATA_LOG}: the record at offset {offset} {problem}; start the release that wrote it")]
    Newer {
        /// The record's offset.
        offset: i64,
        /// What is new about it.
        problem: String,
    },
}

/// Topics in a metadata log.
pub struct LogCatalog {
    /// As the broker was started.
    config: Arc<BrokerConfig>,
    live: LiveConfig,
    store: Arc<LogStore>,
    /// The metadata log; whoever holds it is the one writer.
    journal: Mutex<Arc<Log>>,
    topics: RwLock<Topics>,
    ids: Mutex<ProducerIds>,
    identity: Identity,
    cluster: String,
    on_delete: RwLock<Vec<DeleteCallback>>,
}

type DeleteCallback = Box<dyn Fn(&Topic) + Send + Sync>;

#[derive(Default)]
struct Topics {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    by_id: BTreeMap<Uuid, Arc<Topic>>,
}

impl Topics {
    fn insert(&mut self, topic: &Arc<Topic>) {
        self.by_name.insert(topic.name.clone(), Arc::clone(topic));
        self.by_id.insert(topic.id, Arc::clone(topic));
    }
}

/// Ids `next .. end` may be given out; the fact that covers `end` is synced.
#[derive(Clone, Copy, Debug, Default)]
struct ProducerIds {
    next: i64,
    end: i64,
}

/// What all facts together say.
#[derive(Default)]
struct Replayed {
    identity: Option<Identity>,
    topics: BTreeMap<TopicName, (Uuid, i32, BTreeMap<String, String>)>,
    gone: BTreeSet<TopicName>,
    settings: DynamicSettings,
    next_producer_id: i64,
}

/// Who the data directories belong to; touches nothing. To be called before the store is opened.
///
/// # Errors
///
/// They are not ours, damaged, or do not belong together.
pub fn inspect_directories(
    storage: &dyn Storage,
    config: &BrokerConfig,
) -> Result<KnownDirectories, DirectoryError> {
    let owner = if config.zookeeper.is_some() { Owner::ZooKeeper } else { Owner::Log };
    identity::inspect(storage, &config.storage.log_dirs, config.node_id, Some(owner)).map(KnownDirectories)
}

/// Proof that the data directories were looked at, and what they said.
#[derive(Clone, Copy, Debug)]
pub struct KnownDirectories(Option<Identity>);

impl LogCatalog {
    /// Reads the metadata log, or begins one; finishes what a crash left half done.
    ///
    /// # Errors
    ///
    /// The log is damaged, belongs to another broker than the directories, or the disk refused.
    pub fn open(
        store: Arc<LogStore>,
        storage: &dyn Storage,
        config: Arc<BrokerConfig>,
        known: KnownDirectories,
    ) -> Result<Self, CatalogError> {
        let journal = store.open_or_create(&engine::journal_name(), &engine::journal_config())?;
        let mut replayed = replay(&journal)?;
        let identity = identify(&journal, &config, known.0, replayed.identity, Uuid::random())?;
        identity::claim(storage, &config.storage.log_dirs, identity, Owner::Log)?;
        let live = LiveConfig::new(Arc::clone(&config), std::mem::take(&mut replayed.settings));
        let topics = open_topics(&store, &live.get(), std::mem::take(&mut replayed.topics));
        settle(&store, &topics, &replayed.gone);
        let next = replayed.next_producer_id;
        Ok(Self {
            config,
            live,
            store,
            journal: Mutex::new(journal),
            topics: RwLock::new(topics),
            ids: Mutex::new(ProducerIds { next, end: next }),
            identity,
            cluster: identity.cluster.to_string(),
            on_delete: RwLock::new(Vec::new()),
        })
    }

    fn plan(&self, request: &CreateTopic) -> Result<TopicPlan, CreateTopicError> {
        let topics = self.topics.read();
        checks::check(request, self.identity.node, self.config.num_partitions, topics.by_name.keys())
    }

    /// Creates what was planned; the caller is the one writer.
    fn make(&self, journal: &Log, plan: TopicPlan) -> Result<Arc<Topic>, CreateTopicError> {
        let TopicPlan { name, partitions, overrides } = plan;
        check_free(&self.store, &name, 0..partitions)?.map_err(CreateTopicError::Occupied)?;
        let id = Uuid::random();
        let fact = Fact::Topic { id, name: name.clone(), partitions, overrides: overrides.clone() };
        engine::append(journal, &fact.key(), fact.encode().as_deref())?;
        let made = make_logs(&self.store, &self.live.get(), &name, id, 0..partitions, &overrides);
        let logs = made.inspect_err(|_| self.undo(journal, &name, partitions))?;
        let internal = name.is_internal();
        let topic = Arc::new(Topic {
            name,
            id,
            partitions: logs.into_iter().map(Some).collect(),
            overrides,
            internal,
        });
        self.topics.write().insert(&topic);
        Ok(topic)
    }

    /// Takes back a fact whose directories could not be made. If this fails too, the next start makes them.
    fn undo(&self, journal: &Log, name: &TopicName, partitions: i32) {
        let fact = Fact::NoTopic { name: name.clone() };
        if let Err(error) = engine::append_to_make_room(journal, &fact.key(), fact.encode().as_deref()) {
            tracing::error!(topic = %name, error = %Chain(&error), "a topic that could not be created comes back at the next start");
        }
        remove_logs(&self.store, name, 0..partitions);
    }
}

impl Catalog for LogCatalog {
    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().by_name.get(name).cloned()
    }

    fn topic_by_id(&self, id: &Uuid) -> Option<Arc<Topic>> {
        self.topics.read().by_id.get(id).cloned()
    }

    fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().by_name.values().cloned().collect()
    }

    fn validate(&self, request: &CreateTopic) -> Result<TopicPlan, CreateTopicError> {
        self.plan(request)
    }

    fn create(&self, request: &CreateTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let journal = self.journal.lock();
        let plan = self.plan(request)?;
        self.make(&journal, plan)
    }

    fn create_partitions(
        &self,
        request: &CreatePartitions,
        validate_only: bool,
    ) -> Result<(), CreatePartitionsError> {
        self.grow(request, validate_only)
    }

    fn alter_topic(
        &self,
        name: &str,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        self.alter_settings_of_topic(name, change, validate_only)
    }

    fn config(&self) -> Arc<BrokerConfig> {
        self.live.get()
    }

    fn alter_broker(
        &self,
        scope: BrokerScope,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        self.alter_settings_of_broker(scope, change, validate_only)
    }

    fn on_config(&self, callback: ConfigCallback) {
        self.live.on_change(callback);
    }

    fn internal(&self, topic: InternalTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let plan = internal_plan(topic, &self.config);
        if let Some(there) = self.topic(plan.name.as_str()) {
            return Ok(there);
        }
        let journal = self.journal.lock();
        match self.topic(plan.name.as_str()) {
            Some(there) => Ok(there),
            None => self.make(&journal, plan),
        }
    }

    fn delete(&self, name: &str) -> Result<Arc<Topic>, DeleteTopicError> {
        let journal = self.journal.lock();
        let topic = self.topic(name).ok_or(DeleteTopicError::Unknown)?;
        if topic.name.is_reserved() {
            return Err(DeleteTopicError::Reserved(topic.name.clone()));
        }
        if !self.config.delete_topics {
            return Err(DeleteTopicError::Disabled);
        }
        let fact = Fact::NoTopic { name: topic.name.clone() };
        engine::append_to_make_room(&journal, &fact.key(), fact.encode().as_deref())?;
        {
            let mut topics = self.topics.write();
            topics.by_name.remove(name);
            topics.by_id.remove(&topic.id);
        }
        remove_logs(&self.store, &topic.name, 0..topic.partition_count());
        drop(journal);
        for callback in self.on_delete.read().iter() {
            callback(&topic);
        }
        Ok(topic)
    }

    fn on_delete(&self, callback: DeleteCallback) {
        self.on_delete.write().push(callback);
    }

    fn cluster_id(&self) -> &str {
        &self.cluster
    }

    fn broker_id(&self) -> i32 {
        self.identity.node
    }

    fn next_producer_id(&self) -> Result<i64, LogError> {
        let mut ids = self.ids.lock();
        if ids.next == ids.end {
            let end = ids.end.saturating_add(ID_BLOCK);
            let fact = Fact::ProducerIds { next: end };
            engine::append(&self.journal.lock(), &fact.key(), fact.encode().as_deref())?;
            ids.end = end;
        }
        let id = ids.next;
        ids.next += 1;
        Ok(id)
    }
}

/// Puts all facts together.
fn replay(journal: &Log) -> Result<Replayed, CatalogError> {
    let mut all = Replayed::default();
    if !engine::is_whole(journal) {
        let problem = "and others cannot be read".to_owned();
        return Err(CatalogError::Damaged { offset: journal.start_offset().get(), problem });
    }
    for record in engine::values(journal)? {
        let offset = record.offset;
        let damaged = |problem: String| CatalogError::Damaged { offset, problem };
        let fact = Fact::decode(&record.key, record.value.as_deref()).map_err(|unusable| match unusable {
            Unusable::Damaged(problem) => damaged(problem),
            Unusable::Newer(problem) => CatalogError::Newer { offset, problem },
        })?;
        if matches!(fact, Fact::Cluster { .. }) != all.identity.is_none() {
            let problem = if all.identity.is_none() { "is not the first" } else { "comes a second time" };
            return Err(damaged(problem.to_owned()));
        }
        match fact {
            Fact::Cluster { id, node } => all.identity = Some(Identity { cluster: id, node }),
            Fact::Topic { id, name, partitions, overrides } => {
                all.gone.remove(&name);
                all.topics.insert(name, (id, partitions, overrides));
            }
            Fact::NoTopic { name } => {
                all.topics.remove(&name);
                all.gone.insert(name);
            }
            Fact::Settings { scope, settings } => all.settings = all.settings.with(scope, settings),
            Fact::ProducerIds { next } => all.next_producer_id = all.next_producer_id.max(next),
        }
    }
    Ok(all)
}

/// Who we are, by the directories' files and the log; a new log gets its first record, with this cluster.
fn identify(
    journal: &Log,
    config: &BrokerConfig,
    by_file: Option<Identity>,
    by_log: Option<Identity>,
    new_cluster: Uuid,
) -> Result<Identity, CatalogError> {
    let dir = config.storage.log_dirs.first().cloned().unwrap_or_default();
    match (by_log, by_file) {
        (Some(log), file) => {
            let configured = config.node_id.map(|node| Identity { node, ..log });
            let path = dir.join(METADATA_LOG);
            for (other, said) in [("meta.properties", file), ("the configuration", configured)] {
                if let Some(other_identity) = said {
                    identity::agree(&path, log, other_identity, other)?;
                }
            }
            Ok(log)
        }
        // The file is written after the first record: without records it cannot be there.
        (None, Some(_)) => Err(DirectoryError::NoMetadata(dir).into()),
        (None, None) => {
            let new = Identity { cluster: new_cluster, node: config.node_id.unwrap_or(0) };
            let fact = Fact::Cluster { id: new.cluster, node: new.node };
            engine::append(journal, &fact.key(), fact.encode().as_deref())?;
            Ok(new)
        }
    }
}

fn open_topics(
    store: &LogStore,
    config: &BrokerConfig,
    facts: BTreeMap<TopicName, (Uuid, i32, BTreeMap<String, String>)>,
) -> Topics {
    let mut topics = Topics::default();
    for (name, (id, count, overrides)) in facts {
        let settings = log_config(config, &overrides);
        let open = |partition| open_log(store, &settings, &name, id, partition);
        let partitions = (0..count).map(open).collect();
        let internal = name.is_internal();
        topics.insert(&Arc::new(Topic { name, id, partitions, overrides, internal }));
    }
    topics
}

/// The log of a partition at start; one that is not there is made. None, and an error line, if that fails: the others are
/// served all the same.
fn open_log(
    store: &LogStore,
    settings: &LogConfig,
    name: &TopicName,
    id: Uuid,
    partition: i32,
) -> Option<Arc<Log>> {
    let offline = |error: LogError| {
        tracing::error!(topic = %name, partition, error = %Chain(&error), "this partition is offline until the next start");
    };
    let dir = engine::log_name(name, partition).map_err(offline).ok()?;
    if store.is_failed(&dir) {
        // Whoever reports what opening the store found has said why.
        return None;
    }
    let log = store.open_or_create(&dir, settings).map_err(offline).ok()?;
    if !store.report().clean {
        engine::name_topic(store, &dir, id);
    }
    Some(log)
}

/// Whether the directories of partitions are free; the inner error is one that is not.
fn check_free(
    store: &LogStore,
    name: &TopicName,
    partitions: Range<i32>,
) -> Result<Result<(), String>, LogError> {
    for partition in partitions {
        let dir = engine::log_name(name, partition)?;
        if store.contains(&dir) {
            return Ok(Err(dir.to_string()));
        }
    }
    Ok(Ok(()))
}

/// Makes the logs of new partitions.
fn make_logs(
    store: &LogStore,
    config: &BrokerConfig,
    name: &TopicName,
    id: Uuid,
    partitions: Range<i32>,
    overrides: &BTreeMap<String, String>,
) -> Result<Vec<Arc<Log>>, LogError> {
    let settings = log_config(config, overrides);
    let names = partitions.map(|partition| engine::log_name(name, partition));
    let names = names.collect::<Result<Vec<_>, LogError>>()?;
    let logs = store.create_many(&names, &settings)?;
    for dir in &names {
        engine::name_topic(store, dir, id);
    }
    Ok(logs)
}

/// Removes the logs of partitions that are gone. What cannot be removed now is removed at the next start.
fn remove_logs(store: &LogStore, name: &TopicName, partitions: Range<i32>) {
    for dir in partitions.filter_map(|partition| engine::log_name(name, partition).ok()) {
        if store.contains(&dir) {
            remove_log(store, &dir);
        }
    }
}

fn remove_log(store: &LogStore, dir: &LogName) {
    if let Err(error) = store.delete(dir) {
        tracing::error!(%dir, error = %Chain(&error), "a deleted partition stays on disk until the next start");
    }
}

/// Compares the directories that are there with the topics: finishes deletions, and names what nobody knows.
fn settle(store: &LogStore, topics: &Topics, gone: &BTreeSet<TopicName>) {
    for dir in store.names() {
        let known = topics.by_name.get(dir.topic()).is_some_and(|t| t.has_partition(dir.partition()));
        if known || dir == engine::journal_name() {
            continue;
        }
        if gone.contains(dir.topic()) {
            tracing::info!(%dir, "finishing the deletion of a partition");
            remove_log(store, &dir);
        } else {
            tracing::warn!(%dir, "this directory belongs to no topic; it is left alone");
        }
    }
}

/// How an internal topic is made: one replica, whatever the settings say.
pub(super) fn internal_plan(topic: InternalTopic, config: &BrokerConfig) -> TopicPlan {
    let InternalTopic::ConsumerOffsets = topic;
    let overrides = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", config.groups.offsets_segment_bytes.to_string()),
    ];
    TopicPlan {
        name: TopicName::new("__consumer_offsets").expect("the name is valid"),
        partitions: config.groups.offsets_partitions,
        overrides: overrides.map(|(key, value)| (key.to_owned(), value)).into(),
    }
}

#[cfg(test)]
mod tests;

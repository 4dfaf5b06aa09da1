//! The catalog of a broker whose topics a ZooKeeper keeps: their logs, their ids, and what was last seen of them.
//!
//! ZooKeeper knows no topic ids and may lose everything. So the metadata log is written all the same, one fact for each
//! topic as it was last seen; with it, an id stays the same for as long as the topic, and the topics can move to the log.
//!
//! # Invariants
//!
//! * What is visible is what ZooKeeper was last seen to hold; a topic that it never mentioned in this run is invisible.
//! * Data goes only when a deletion was asked for. A topic whose node somebody removed is hidden, and its logs stay; when
//!   it is created again, it has its old id and its old records, as in Kafka.
//!
//! # Not here
//!
//! ZooKeeper (`metadata::zookeeper`).

use super::{
    CatalogError, KnownDirectories, LiveConfig, LogCatalog, ProducerIds, Topics, engine, identify, open_log,
    remove_log, replay,
};
use crate::config::{
    BrokerConfig, BrokerScope, ConfigChange, ConfigRefusal, DynamicSettings, TopicConfigError, log_config,
    validate_topic,
};
use crate::metadata::catalog::{Catalog, Topic};
use crate::metadata::identity::{self, Identity, Owner};
use crate::metadata::record::Fact;
use crate::metadata::uuid::Uuid;
use crate::trouble::Chain;
use kafka_settings::TopicName;
use log_engine::config::LogConfig;
use log_engine::error::LogError;
use log_engine::io::Storage;
use log_engine::log::Log;
use log_engine::store::{LogName, LogStore};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic as ZooKeeper describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::metadata) struct Described {
    /// Its name.
    pub(in crate::metadata) name: TopicName,
    /// For each partition, whether it is on this broker.
    pub(in crate::metadata) own: Vec<bool>,
    /// Its settings; all are valid.
    pub(in crate::metadata) overrides: BTreeMap<String, String>,
    /// Its id, if it has one there.
    pub(in crate::metadata) id: Option<Uuid>,
}

/// Id, number of partitions and settings of a topic, as the metadata log has them.
type Remembered = (Uuid, i32, BTreeMap<String, String>);

/// Name, number of partitions and settings of a topic: what ZooKeeper keeps of it.
pub(in crate::metadata) type Kept = (TopicName, i32, BTreeMap<String, String>);

/// The catalog, and what is written down of topics that are not visible.
pub(in crate::metadata) struct Mirror {
    pub(in crate::metadata) catalog: LogCatalog,
    remembered: Mutex<BTreeMap<TopicName, Remembered>>,
}

/// The cluster that the directories or the metadata log belong to, if they belong to one.
pub(in crate::metadata) fn cluster_of(
    store: &LogStore,
    known: KnownDirectories,
) -> Result<Option<Uuid>, CatalogError> {
    if let Some(identity) = known.0 {
        return Ok(Some(identity.cluster));
    }
    match store.get(&engine::journal_name()) {
        Some(journal) => Ok(replay(&journal)?.identity.map(|identity| identity.cluster)),
        None => Ok(None),
    }
}

impl KnownDirectories {
    /// That they belong to this broker.
    pub(in crate::metadata) fn of(identity: Identity) -> Self {
        Self(Some(identity))
    }
}

impl LogCatalog {
    /// The settings of brokers that were made at run time.
    pub(in crate::metadata) fn dynamic_settings(&self) -> DynamicSettings {
        self.live.dynamic()
    }

    /// The first producer id that no synced fact covers.
    pub(in crate::metadata) fn producer_ids_end(&self) -> i64 {
        self.ids.lock().end
    }
}

impl Mirror {
    /// Reads the metadata log, or begins one; no topic is visible yet.
    ///
    /// # Errors
    ///
    /// The log is damaged, belongs to another broker or cluster, or the disk refused.
    pub(in crate::metadata) fn open(
        store: Arc<LogStore>,
        storage: &dyn Storage,
        config: Arc<BrokerConfig>,
        known: KnownDirectories,
        cluster: Uuid,
        zookeeper: &str,
    ) -> Result<Self, CatalogError> {
        let journal = store.open_or_create(&engine::journal_name(), &engine::journal_config())?;
        let mut replayed = replay(&journal)?;
        let identity = identify(&journal, &config, known.0, replayed.identity, cluster)?;
        if identity.cluster != cluster {
            let ours = identity.cluster.to_string();
            return Err(identity::other_cluster(
                &config.storage.log_dirs,
                ours,
                zookeeper,
                cluster.to_string(),
            )
            .into());
        }
        identity::claim(storage, &config.storage.log_dirs, identity, Owner::ZooKeeper)?;
        let next = replayed.next_producer_id;
        // As they were last seen: they are read from ZooKeeper before the first topic is.
        let live = LiveConfig::new(Arc::clone(&config), std::mem::take(&mut replayed.settings));
        let catalog = LogCatalog {
            config,
            live,
            store,
            journal: Mutex::new(journal),
            topics: RwLock::new(Topics::default()),
            ids: Mutex::new(ProducerIds { next, end: next }),
            identity,
            cluster: cluster.to_string(),
            on_delete: RwLock::new(Vec::new()),
        };
        Ok(Self { catalog, remembered: Mutex::new(replayed.topics) })
    }

    /// Makes topics visible as they are described, or changes them. Logs that are missing are made; a partition whose log
    /// cannot be had is offline. A topic never gets fewer partitions.
    ///
    /// # Errors
    ///
    /// The metadata log could not be written: the topics from there on are as they were.
    pub(in crate::metadata) fn adopt(&self, described: Vec<Described>) -> Result<(), LogError> {
        let journal = self.catalog.journal.lock();
        described.into_iter().try_for_each(|topic| self.adopt_one(&journal, topic))
    }

    fn adopt_one(&self, journal: &Log, described: Described) -> Result<(), LogError> {
        let Described { name, own, overrides, id } = described;
        let before = self.catalog.topic(name.as_str());
        if before.as_ref().is_some_and(|before| is_as_described(before, &own, &overrides)) {
            return Ok(());
        }
        let count = i32::try_from(own.len()).expect("partitions are numbered with 31 bits");
        let mut remembered = self.remembered.lock();
        let known = remembered.get(&name);
        let id = known.map(|known| known.0).or(id).unwrap_or_else(Uuid::random);
        let now: Remembered = (id, count, overrides);
        if known != Some(&now) {
            let overrides = now.2.clone();
            let fact = Fact::Topic { id, name: name.clone(), partitions: count, overrides };
            engine::append(journal, &fact.key(), fact.encode().as_deref())?;
            remembered.insert(name.clone(), now.clone());
        }
        drop(remembered);
        let settings = log_config(&self.catalog.live.get(), &now.2);
        let partitions = self.logs(before.as_deref(), &settings, &name, id, &own);
        let internal = name.is_internal();
        self.catalog.topics.write().insert(&Arc::new(Topic {
            name,
            id,
            partitions,
            overrides: now.2,
            internal,
        }));
        Ok(())
    }

    /// The logs of a topic's own partitions, with these settings in force.
    fn logs(
        &self,
        before: Option<&Topic>,
        settings: &LogConfig,
        name: &TopicName,
        id: Uuid,
        own: &[bool],
    ) -> Vec<Option<Arc<Log>>> {
        let store = &self.catalog.store;
        let wanted = (0..).zip(own).filter(|(_, own)| **own);
        let dirs: Vec<LogName> =
            wanted.clone().filter_map(|(partition, _)| engine::log_name(name, partition).ok()).collect();
        let missing: Vec<LogName> = dirs.into_iter().filter(|dir| !store.contains(dir)).collect();
        // What cannot be made all at once is tried, and reported, one by one below.
        if store.create_many(&missing, settings).is_ok() {
            missing.iter().for_each(|dir| engine::name_topic(store, dir, id));
            if before.is_none() && missing.len() < wanted.count() {
                tracing::debug!(topic = %name, "the topic has records of before");
            }
        }
        let one = |(partition, own): (i32, &bool)| {
            let there = before.and_then(|before| before.partition(partition).ok());
            match there {
                _ if !own => None,
                Some(log) => {
                    if let Err(error) = log.set_config(settings.clone()) {
                        tracing::error!(topic = %name, partition, error = %Chain(&error), "a log keeps its old settings");
                    }
                    Some(Arc::clone(log))
                }
                None => open_log(store, settings, name, id, partition),
            }
        };
        (0..).zip(own).map(one).collect()
    }

    /// Deletes a topic with its data, whether it is visible or not.
    ///
    /// # Errors
    ///
    /// The metadata log could not be written; the topic is still there.
    pub(in crate::metadata) fn remove(&self, name: &TopicName) -> Result<(), LogError> {
        let journal = self.catalog.journal.lock();
        let fact = Fact::NoTopic { name: name.clone() };
        engine::append_to_make_room(&journal, &fact.key(), fact.encode().as_deref())?;
        self.remembered.lock().remove(name);
        let topic = self.take(name);
        for dir in self.catalog.store.names() {
            if dir.topic() == name.as_str() {
                remove_log(&self.catalog.store, &dir);
            }
        }
        drop(journal);
        if let Some(topic) = topic {
            for callback in self.catalog.on_delete.read().iter() {
                callback(&topic);
            }
        }
        Ok(())
    }

    /// Makes a topic invisible; its logs and its id stay.
    pub(in crate::metadata) fn hide(&self, name: &TopicName) {
        let _one_writer = self.catalog.journal.lock();
        self.take(name);
    }

    fn take(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let mut topics = self.catalog.topics.write();
        let topic = topics.by_name.remove(name)?;
        topics.by_id.remove(&topic.id);
        Some(topic)
    }

    /// What a change would make of the broker's settings.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub(in crate::metadata) fn plan(
        &self,
        scope: BrokerScope,
        change: &ConfigChange,
    ) -> Result<DynamicSettings, ConfigRefusal> {
        self.catalog.live.plan(scope, change)
    }

    /// Puts the broker's settings in force, and writes them down; those of no use are left out, with a line for each.
    ///
    /// # Errors
    ///
    /// The metadata log could not be written; the old settings are in force.
    pub(in crate::metadata) fn settings(&self, settings: DynamicSettings) -> Result<(), LogError> {
        let (settings, refused) = settings.usable();
        for reason in refused {
            tracing::warn!(%reason, "a setting of the broker in ZooKeeper is not in force");
        }
        let journal = self.catalog.journal.lock();
        if self.catalog.live.is(&settings) {
            return Ok(());
        }
        for scope in [BrokerScope::All, BrokerScope::Own] {
            let fact = Fact::Settings { scope, settings: settings.of(scope).clone() };
            engine::append_to_make_room(&journal, &fact.key(), fact.encode().as_deref())?;
        }
        self.catalog.live.put(settings, &self.catalog.topics());
        Ok(())
    }

    /// The first producer id that was not given out, as far as this directory knows.
    pub(in crate::metadata) fn next_producer_id(&self) -> i64 {
        self.catalog.producer_ids_end()
    }

    /// Writes down that ids below this may have been given out.
    ///
    /// # Errors
    ///
    /// The metadata log could not be written.
    pub(in crate::metadata) fn note_producer_ids(&self, end: i64) -> Result<(), LogError> {
        let fact = Fact::ProducerIds { next: end };
        engine::append(&self.catalog.journal.lock(), &fact.key(), fact.encode().as_deref())?;
        self.catalog.ids.lock().end = end;
        Ok(())
    }

    /// Directories of partitions that belong to no visible topic; they are left alone.
    pub(in crate::metadata) fn strays(&self) -> Vec<LogName> {
        let known = |dir: &LogName| {
            let topic = self.catalog.topic(dir.topic());
            topic.is_some_and(|topic| topic.has_partition(dir.partition())) || *dir == engine::journal_name()
        };
        self.catalog.store.names().into_iter().filter(|dir| !known(dir)).collect()
    }

    /// All topics as they were last seen.
    pub(in crate::metadata) fn remembered(&self) -> Vec<Kept> {
        let remembered = self.remembered.lock();
        let kept = |(name, known): (&TopicName, &Remembered)| (name.clone(), known.1, known.2.clone());
        remembered.iter().map(kept).collect()
    }

    /// The topics that are visible.
    pub(in crate::metadata) fn visible(&self) -> Vec<Kept> {
        let kept = |topic: Arc<Topic>| (topic.name.clone(), topic.partition_count(), topic.overrides.clone());
        self.catalog.topics().into_iter().map(kept).collect()
    }

    /// Topics that the metadata log remembers and nobody sees.
    pub(in crate::metadata) fn forgotten(&self) -> Vec<TopicName> {
        let remembered = self.remembered.lock();
        remembered.keys().filter(|name| self.catalog.topic(name.as_str()).is_none()).cloned().collect()
    }
}

/// Whether there is nothing to do. An own partition that is offline is tried again.
fn is_as_described(topic: &Topic, own: &[bool], overrides: &BTreeMap<String, String>) -> bool {
    topic.overrides == *overrides
        && topic.partitions.len() == own.len()
        && topic.partitions.iter().zip(own).all(|(log, own)| log.is_some() == *own)
}

/// The settings that are valid; what is wrong with the others.
pub(in crate::metadata) fn valid_settings(
    mut settings: BTreeMap<String, String>,
) -> (BTreeMap<String, String>, Vec<TopicConfigError>) {
    let mut wrong = Vec::new();
    settings.retain(|key, value| match validate_topic(&[(key.clone(), value.clone())].into()) {
        Ok(()) => true,
        Err(error) => {
            wrong.push(error);
            false
        }
    });
    // Each for itself is fine, two together may not be.
    if let Err(error) = validate_topic(&settings) {
        wrong.push(error);
        settings.retain(|key, _| !key.ends_with(".compaction.lag.ms"));
    }
    (settings, wrong)
}

#[cfg(test)]
mod tests;

//! The parts of a running broker: opened in order, closed in reverse, and what a start found on the disk.

use super::StartError;
use crate::broker::BrokerState;
use crate::config::{BrokerConfig, Durability, log_config};
use crate::coordinators::journal::TopicJournal;
use crate::coordinators::{CoordinatorSettings, GroupCoordinator};
use crate::handlers::Dispatcher;
use crate::metadata::{Catalog, KnownDirectories, LogCatalog, ZkCatalog, ZkParts};
use crate::net::Service;
use crate::trouble::Chain;
use log_engine::error::LogError;
use log_engine::io::{Clock, Storage};
use log_engine::store::{LogStore, Maintenance, MaintenanceReport};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often the store is looked after.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// What lives from start to stop.
pub(super) struct Parts {
    pub(super) state: Arc<BrokerState>,
    group_timer: JoinHandle<()>,
    maintenance: Option<Maintenance>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parts").field(&self.state).finish()
    }
}

impl Parts {
    /// Opens everything; blocks for as long as the disk takes. To be called within a tokio runtime.
    pub(super) fn open(
        config: &Arc<BrokerConfig>,
        storage: &Arc<dyn Storage>,
        clock: &Arc<dyn Clock>,
        known: KnownDirectories,
        bound: Vec<(Arc<str>, SocketAddr)>,
    ) -> Result<Self, StartError> {
        let store = open_store(config, storage, clock)?;
        report_store(&store);
        let catalog = open_catalog(config, storage, clock, known, &store, bound).inspect_err(|_| {
            // Nothing was done to the logs: the next start is not to look for what a crash left. What cannot be closed is
            // looked through then.
            let _ = store.close();
        })?;
        // The catalog holds the store: not the other way round as well.
        let weak = Arc::downgrade(&store);
        catalog.on_config(Box::new(move |config| {
            if let Some(store) = weak.upgrade() {
                store.set_compaction_interval(config.storage.compaction_interval);
            }
        }));
        let groups = open_groups(config, &catalog, clock, store.report().clean)?;
        let group_timer = groups.spawn();
        let state = Arc::new(BrokerState::new(Arc::clone(config), store, catalog, groups, Arc::clone(clock)));
        let maintenance = maintain(&state);
        Ok(Self { state, group_timer, maintenance: Some(maintenance) })
    }

    /// Who answers requests.
    pub(super) fn service(&self) -> Arc<dyn Service> {
        Arc::new(Dispatcher::new(Arc::clone(&self.state)))
    }

    /// Closes everything, so that the next start finds it in order.
    pub(super) async fn close(mut self) -> Result<(), LogError> {
        self.group_timer.abort();
        let maintenance = self.maintenance.take();
        let store = Arc::clone(&self.state.store);
        let catalog = Arc::clone(&self.state.catalog);
        let close = move || {
            catalog.close();
            // It waits for the round that runs.
            drop(maintenance);
            store.close()
        };
        match tokio::task::spawn_blocking(close).await {
            Ok(closed) => closed,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // The task holds the groups, they hold the topics, and those the directory's lock.
        self.group_timer.abort();
    }
}

/// The topics: in the metadata log, or in the ZooKeeper that is configured.
fn open_catalog(
    config: &Arc<BrokerConfig>,
    storage: &Arc<dyn Storage>,
    clock: &Arc<dyn Clock>,
    known: KnownDirectories,
    store: &Arc<LogStore>,
    bound: Vec<(Arc<str>, SocketAddr)>,
) -> Result<Arc<dyn Catalog>, StartError> {
    let (config, store) = (Arc::clone(config), Arc::clone(store));
    if config.zookeeper.is_none() {
        return Ok(Arc::new(LogCatalog::open(store, &**storage, config, known)?));
    }
    let (storage, clock) = (Arc::clone(storage), Arc::clone(clock));
    Ok(Arc::new(ZkCatalog::open(ZkParts { config, store, storage, clock, known, bound })?))
}

fn open_store(
    config: &BrokerConfig,
    storage: &Arc<dyn Storage>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<LogStore>, LogError> {
    LogStore::builder(config.storage.log_dirs.iter().cloned())
        .storage(Arc::clone(storage))
        .clock(Arc::clone(clock))
        .config(log_config(config, &BTreeMap::new()))
        .reserve_bytes(config.storage.reserve_bytes)
        .retention_interval(config.storage.retention_check_interval)
        .compaction_interval(config.storage.compaction_interval)
        .recovery_point_interval(config.storage.checkpoint_interval)
        .open()
}

fn open_groups(
    config: &BrokerConfig,
    catalog: &Arc<dyn Catalog>,
    clock: &Arc<dyn Clock>,
    clean: bool,
) -> Result<Arc<GroupCoordinator>, StartError> {
    let durable = config.storage.durability == Durability::Sync;
    let settings = CoordinatorSettings::new(&config.groups, durable);
    let journal = Arc::new(TopicJournal::new(Arc::clone(catalog)));
    let groups = Arc::new(GroupCoordinator::new(settings, journal, Arc::clone(clock)));
    let report = groups.load(clean).map_err(StartError::Groups)?;
    for lowered in &report.lowered {
        tracing::warn!(
            group = %lowered.group, topic = %lowered.topic, partition = lowered.partition,
            from = lowered.from, to = lowered.to,
            "a committed offset was beyond the end of its log and was lowered"
        );
    }
    // Not the other way round as well: the groups' journal holds the topics.
    let weak = Arc::downgrade(&groups);
    catalog.on_delete(Box::new(move |topic| {
        if let Some(groups) = weak.upgrade() {
            groups.forget_topic(topic.name.as_str());
        }
    }));
    Ok(groups)
}

/// Says what the last stop left behind. Damage is an error line with the exact range.
fn report_store(store: &LogStore) {
    let report = store.report();
    if !report.clean && !store.names().is_empty() {
        tracing::info!(
            logs = store.names().len(),
            "the last stop was not a clean one: the logs were checked"
        );
    }
    for (name, error) in &report.failed {
        tracing::error!(log = %name, error = %Chain(error), "this log cannot be opened");
    }
    for (path, problem) in &report.unreadable {
        tracing::warn!(path = %path.display(), %problem, "this checkpoint cannot be read and is done without");
    }
    for path in &report.left_alone {
        tracing::warn!(path = %path.display(), "this directory means nothing here and is left alone");
    }
    for (name, log) in store.logs() {
        let recovery = log.recovery_report();
        if !recovery.set_aside.is_empty() {
            tracing::warn!(
                log = %name, batches = recovery.batches_set_aside, files = ?recovery.set_aside,
                "what was not synced before the crash was set aside"
            );
        }
        for damage in log.damage() {
            tracing::error!(
                log = %name, file = %damage.file.display(), bytes = ?damage.bytes,
                offsets = %format_args!("{}..{}", damage.offsets.start, damage.offsets.end), reason = %damage.reason,
                "damage: these offsets cannot be read, all others are served"
            );
        }
    }
}

/// Starts what looks after the store, and counts what it does; what deleted topics had counted is kept.
fn maintain(state: &BrokerState) -> Maintenance {
    let meter = Arc::clone(&state.meter);
    state.catalog.on_delete(Box::new(move |topic| {
        let logs = topic.partitions.iter().flatten();
        meter.note_gone(logs.map(|log| log.stats()).sum());
    }));
    let (meter, clock) = (Arc::clone(&state.meter), Arc::clone(&state.clock));
    state.store.spawn_maintenance(MAINTENANCE_INTERVAL, move |report| {
        meter.upkeep.note(&report, clock.now());
        report_maintenance(&report);
    })
}

fn report_maintenance(report: &MaintenanceReport) {
    for (name, error) in &report.errors {
        match name {
            Some(name) => tracing::error!(log = %name, error = %Chain(error), "maintenance failed"),
            None => tracing::error!(error = %Chain(error), "maintenance failed"),
        }
    }
    if report.segments_deleted > 0 {
        tracing::info!(
            segments = report.segments_deleted,
            bytes = report.bytes_deleted,
            "retention deleted old segments"
        );
    }
    if report.compacted > 0 {
        tracing::info!(
            logs = report.compacted,
            bytes = report.bytes_compacted_away,
            "compaction made logs smaller"
        );
    }
}

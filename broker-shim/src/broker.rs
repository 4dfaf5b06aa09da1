//! What every request handler sees of the broker.

use crate::commits::Commits;
use crate::config::{BrokerConfig, Durability};
use crate::coordinators::GroupCoordinator;
use crate::handlers::{FetchSessions, SERVED};
use crate::metadata::Catalog;
use crate::meter::Meter;
use crate::net::ConnectionContext;
use crate::trouble::Trouble;
use log_engine::error::LogError;
use log_engine::io::Clock;
use log_engine::store::LogStore;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The parts of one running broker.
pub struct BrokerState {
    /// The settings it was started with; those that change are in the catalog ([`Catalog::config`]).
    pub config: Arc<BrokerConfig>,
    /// All its logs.
    pub store: Arc<LogStore>,
    /// Its topics.
    pub catalog: Arc<dyn Catalog>,
    /// Its consumer groups.
    pub groups: Arc<GroupCoordinator>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The syncs that acknowledgements wait for.
    pub(crate) commits: Arc<Commits>,
    /// Bytes of converted records that may be in memory at once, on their way to old clients.
    pub(crate) conversions: Arc<Semaphore>,
    /// What clients fetch, as far as they let us remember it.
    pub(crate) fetch_sessions: FetchSessions,
    /// What is counted of requests.
    pub(crate) meter: Arc<Meter>,
    /// What was said about logs in trouble.
    trouble: Trouble,
}

/// Converted records that are in memory at once, in bytes: answers lie there until slow clients took them.
const CONVERSIONS: usize = 128 << 20;

impl BrokerState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        config: Arc<BrokerConfig>,
        store: Arc<LogStore>,
        catalog: Arc<dyn Catalog>,
        groups: Arc<GroupCoordinator>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let slots = config.network.fetch_session_slots;
        Self {
            config,
            store,
            catalog,
            groups,
            clock,
            commits: Arc::default(),
            conversions: Arc::new(Semaphore::new(CONVERSIONS)),
            fetch_sessions: FetchSessions::new(slots),
            meter: Arc::new(Meter::new(SERVED)),
            trouble: Trouble::default(),
        }
    }

    /// The host and port that a client is told: `advertised.listeners`, else the address that it dialled.
    #[must_use]
    pub fn advertised(&self, connection: &ConnectionContext) -> (String, u16) {
        self.config.listeners.advertised_for(&connection.listener, connection.local)
    }

    /// A line about a log that cannot be read or written, unless there was one a moment ago.
    pub(crate) fn tell_trouble(&self, topic: &str, partition: i32, what: &str, error: &LogError) {
        self.trouble.tell(topic, partition, what, error, self.clock.monotonic());
    }

    /// Whether `acks=all` waits for the disk.
    pub(crate) fn syncs_before_ack(&self) -> bool {
        self.config.storage.durability == Durability::Sync
    }
}

impl fmt::Debug for BrokerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerState").field("broker_id", &self.catalog.broker_id()).finish_non_exhaustive()
    }
}

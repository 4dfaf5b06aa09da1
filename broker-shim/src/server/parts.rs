//! The parts of a running broker, opened in order and closed in reverse.

use super::StartError;
use crate::config::BrokerConfig;
use crate::metadata::{Catalog, KnownDirectories, LogCatalog, LogStore};
use crate::net::{Call, CloseReason, ConnectionContext, Outcome, Service};
use log_engine::error::LogError;
use log_engine::io::{Clock, Storage};
use std::fmt;
use std::sync::Arc;

/// What lives from start to stop.
pub(super) struct Parts {
    pub(super) catalog: Arc<dyn Catalog>,
    store: Arc<LogStore>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("broker_id", &self.catalog.broker_id()).finish_non_exhaustive()
    }
}

struct Refuse;
impl Service for Refuse {
    fn call(&self, _: &Arc<ConnectionContext>, _: bytes::Bytes) -> Call {
        let _ = |r: CloseReason| Outcome::Close(r);
        Call::Done(Outcome::NoResponse)
    }
    fn may_pipeline(&self, _: i16) -> bool {
        false
    }
}

impl Parts {
    /// Opens everything; blocks for as long as the disk takes.
    pub(super) fn open(
        config: &Arc<BrokerConfig>,
        storage: &Arc<dyn Storage>,
        clock: &Arc<dyn Clock>,
        known: KnownDirectories,
    ) -> Result<Self, StartError> {
        let store = Arc::new(LogStore::default());
        for dir in &config.storage.log_dirs {
            storage.create_dir_all(dir).map_err(LogError::io("create", dir))?;
        }
        let _ = clock;
        let catalog = LogCatalog::open(Arc::clone(&store), &**storage, Arc::clone(config), known)?;
        Ok(Self { catalog: Arc::new(catalog), store })
    }

    pub(super) fn service(&self) -> Arc<dyn Service> {
        Arc::new(Refuse)
    }

    pub(super) async fn close(self) -> Result<(), LogError> {
        let _ = self.store;
        Ok(())
    }
}

//! The settings of the broker in force: what it was started with, and what was changed since.
//!
//! ```text
//! started with ---+
//! for all --------+--> BrokerConfig in force --> settings of every log, and whoever asked to be told
//! for this one ---+
//! ```
//!
//! # Invariants
//!
//! * What is in force was stored before: `put` comes after the caller has made it durable.
//! * One caller at a time plans and puts: whoever holds the catalog's writer lock.
//!
//! # Not here
//!
//! Where it is stored (`log_catalog`), which keys may change (`config::change`).

use super::catalog::{AlterConfigsError, Topic};
use crate::config::{
    BrokerConfig, BrokerScope, ConfigChange, ConfigError, ConfigRefusal, DynamicSettings, log_config,
};
use crate::trouble::Chain;
use log_engine::error::LogError;
use parking_lot::{Mutex, RwLock};
use std::fmt;
use std::sync::Arc;

/// Called with the settings in force after each change.
pub type ConfigCallback = Box<dyn Fn(&BrokerConfig) + Send + Sync>;

/// The broker's settings, which may change.
pub struct LiveConfig {
    base: Arc<BrokerConfig>,
    dynamic: Mutex<DynamicSettings>,
    now: RwLock<Arc<BrokerConfig>>,
    callbacks: RwLock<Vec<ConfigCallback>>,
}

impl fmt::Debug for LiveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveConfig").field("dynamic", &*self.dynamic.lock()).finish_non_exhaustive()
    }
}

impl LiveConfig {
    /// What the broker was started with, and what was stored; a line for each stored setting that is of no use.
    #[must_use]
    pub fn new(base: Arc<BrokerConfig>, stored: DynamicSettings) -> Self {
        let (dynamic, refused) = stored.usable();
        for reason in refused {
            tracing::warn!(%reason, "a setting that was made at run time is not in force");
        }
        let now = base.with_dynamic(&dynamic).map(Arc::new).unwrap_or_else(|error| {
            tracing::warn!(%error, "settings that were made at run time are not in force");
            Arc::clone(&base)
        });
        Self { base, dynamic: Mutex::new(dynamic), now: RwLock::new(now), callbacks: RwLock::default() }
    }

    /// The settings in force.
    #[must_use]
    pub fn get(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.now.read())
    }

    /// What a change would make of what was set at run time.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn plan(&self, scope: BrokerScope, change: &ConfigChange) -> Result<DynamicSettings, ConfigRefusal> {
        let next = change.apply_to_broker(scope, &self.dynamic.lock(), &self.base)?;
        self.base.with_dynamic(&next).map_err(|error| ConfigRefusal::Invalid(in_words(&error)))?;
        Ok(next)
    }

    /// What was set at run time and is in force.
    #[must_use]
    pub fn dynamic(&self) -> DynamicSettings {
        self.dynamic.lock().clone()
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is(&self, dynamic: &DynamicSettings) -> bool {
        *self.dynamic.lock() == *dynamic
    }

    /// Puts what was stored in force: for the logs of these topics, then for those who asked to be told.
    pub fn put(&self, dynamic: DynamicSettings, topics: &[Arc<Topic>]) {
        let now = match self.base.with_dynamic(&dynamic) {
            Ok(now) => Arc::new(now),
            Err(error) => {
                tracing::warn!(%error, "settings that were made at run time are not in force");
                return;
            }
        };
        *self.dynamic.lock() = dynamic;
        *self.now.write() = Arc::clone(&now);
        for topic in topics {
            apply_to_logs(topic, &now);
        }
        for callback in self.callbacks.read().iter() {
            callback(&now);
        }
    }

    /// Calls `callback` after each change from now on, and once at once.
    pub fn on_change(&self, callback: ConfigCallback) {
        // A change meanwhile waits to tell, and tells this one too.
        let mut callbacks = self.callbacks.write();
        callback(&self.get());
        callbacks.push(callback);
    }
}

/// Puts the settings in force that a topic has now, for what comes to its logs.
pub fn apply_to_logs(topic: &Topic, config: &BrokerConfig) {
    let settings = log_config(config, &topic.overrides);
    for (partition, log) in topic.partitions.iter().enumerate() {
        let Some(log) = log.as_ref().filter(|log| *log.config() != settings) else { continue };
        match log.set_config(settings.clone()) {
            // Closed: it is being deleted, or the broker stops.
            Ok(()) | Err(LogError::Closed) => {}
            Err(error) => {
                tracing::error!(topic = %topic.name, partition, error = %Chain(&error), "a log keeps its old settings");
            }
        }
    }
}

fn in_words(error: &ConfigError) -> String {
    match error {
        ConfigError::Value { key, value, expected, .. } => {
            format!("Invalid value {value} for configuration {key}: expected {expected}")
        }
        other => other.to_string(),
    }
}

impl From<ConfigRefusal> for AlterConfigsError {
    fn from(refusal: ConfigRefusal) -> Self {
        Self::Refused(refusal)
    }
}

//! Configuration: sources to typed values, for the broker and for topics.
//!
//! ```text
//! properties file --+
//! KAFKA_* ----------+--> settings --> BrokerConfig --> TopicSettings --> LogConfig
//! --override -------+    (checked)    (typed)          (per topic)       (per log)
//! at run time ------+
//! ```
//!
//! # Invariants
//!
//! * Nothing here talks to the network or creates a file.
//! * Every refusal names place, key, value and what was expected; every key that does nothing is a warning.
//!
//! # Not here
//!
//! The topic keys, what a value of each kind is, how a properties file is read (`kafka_settings`, which the tools read
//! too). Where what is changed at run time and overrides of topics are stored (`metadata`).

mod broker;
mod change;
mod entry;
mod error;
mod keys;
mod listeners;
mod log_config;
mod nearest;
mod reference;
mod settings;
mod topic;
mod web;

pub use broker::{
    BrokerConfig, BrokerConfigBuilder, DEFAULT_LOG_DIR, Durability, GroupConfig, NetworkConfig,
    StorageConfig, ZooKeeperConfig,
};
pub use change::{BrokerScope, ConfigChange, ConfigOp, ConfigRefusal, DynamicSettings};
pub use entry::{ConfigEntry, ConfigSource, Synonym};
pub use error::{ConfigError, Source};
pub use kafka_settings::Escaped;
pub use keys::{BROKER_KEYS, BrokerKey, Standing, broker_key};
pub use listeners::{Advertised, BindHost, DEFAULT_PORT, Listener, Listeners};
pub use log_config::log_config;
pub use nearest::nearest;
pub use reference::reference;
pub use settings::{Setting, Settings};
pub use topic::{
    TOPIC_KEYS, TopicConfigError, TopicKey, TopicSettings, topic_key, validate as validate_topic,
};
pub use value::{Kind, Value};
pub(crate) use web::HTTP_LISTENER;
pub use web::{DEFAULT_HTTP_LISTENER, WebConfig};

use kafka_settings::properties::{self, Property, SyntaxError};
use kafka_settings::value;
use std::path::Path;

/// All entries of a properties file.
fn read_properties(file: &Path, content: &[u8]) -> Result<Vec<Property>, ConfigError> {
    properties::parse(content).map_err(|error| ConfigError::Syntax {
        file: file.to_owned(),
        line: error.line,
        text: error.text,
        expected: SyntaxError::EXPECTED,
    })
}

/// Keys and values of a small properties file of our own; where a key comes twice the last counts.
pub(crate) fn parse_properties(file: &Path, content: &[u8]) -> Result<Vec<(String, String)>, ConfigError> {
    Ok(read_properties(file, content)?.into_iter().map(|p| (p.key, p.value)).collect())
}

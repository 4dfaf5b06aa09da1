//! How a topic's values are found: the values in force, and where each comes from.
//!
//! A value comes from the topic's own override, else from the broker key behind it if that is set, else from the
//! default. What DescribeConfigs shows is that value, its source, and all the places that would give one.
//!
//! # Not here
//!
//! The keys and what each takes (`kafka_settings::topic`, which the tools read too); what a log does with them
//! (`log_engine::LogConfig`; the translation is in `log_config`).

use super::broker::BrokerConfig;
use super::entry::{self, ConfigEntry, ConfigSource, Synonym};
use super::value::Value;
pub(super) use kafka_settings::topic::{COMPRESSIONS, MAX_VALUE_LEN, POLICIES, TIMESTAMP_TYPES};
pub use kafka_settings::topic::{TOPIC_KEYS, TopicConfigError, TopicKey, topic_key, validate};
use std::collections::BTreeMap;

/// The values in force for one topic.
#[derive(Clone, Copy, Debug)]
pub struct TopicSettings<'a> {
    broker: &'a BrokerConfig,
    overrides: &'a BTreeMap<String, String>,
}

impl<'a> TopicSettings<'a> {
    /// The values that `overrides` (checked by [`validate`]) and the broker's settings give.
    #[must_use]
    pub fn new(broker: &'a BrokerConfig, overrides: &'a BTreeMap<String, String>) -> Self {
        Self { broker, overrides }
    }

    /// The text in force for a row.
    pub(super) fn text(&self, row: &TopicKey) -> String {
        if let Some(value) = self.overrides.get(row.name) {
            return value.trim().to_owned();
        }
        row.broker_key.and_then(|key| self.inherited(key)).unwrap_or_else(|| row.default.to_owned())
    }

    /// What the broker's settings give for a key: minutes and hours stand in for milliseconds.
    fn inherited(&self, key: &str) -> Option<String> {
        let settings = self.broker.settings();
        let units: &[(&str, i64)] = match key {
            "log.retention.ms" => &[("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)],
            "log.roll.ms" => &[("log.roll.hours", 3_600_000)],
            "log.roll.jitter.ms" => &[("log.roll.jitter.hours", 3_600_000)],
            "log.flush.interval.ms" => &[("log.flush.scheduler.interval.ms", 1)],
            _ => &[],
        };
        if let Some(setting) = settings.get(key) {
            return Some(setting.value.clone());
        }
        let (unit, millis) = units.iter().find(|(unit, _)| settings.get(unit).is_some())?;
        let count = settings.number(unit)?;
        // -1 is "for ever" in every unit.
        Some(if count < 0 { "-1".to_owned() } else { count.saturating_mul(*millis).to_string() })
    }

    fn value(&self, name: &str) -> Value {
        let row = topic_key(name).expect("typed getters are called for keys with a row");
        let parsed = row.kind.parse(&self.text(row));
        // A broker key may have a wider range than the topic key; then the default is in force.
        parsed.or_else(|_| row.kind.parse(row.default)).expect("defaults pass their own check")
    }

    /// A number in force.
    ///
    /// # Panics
    ///
    /// If the key has no row, or its row is no number.
    #[must_use]
    pub fn number(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Number(number) => number,
            _ => panic!("{name} is a number"),
        }
    }

    /// A switch in force.
    ///
    /// # Panics
    ///
    /// If the key has no row.
    #[must_use]
    pub fn switch(&self, name: &str) -> bool {
        self.value(name) == Value::Bool(true)
    }

    /// A decimal number in force.
    ///
    /// # Panics
    ///
    /// If the key has no row, or its row is no decimal number.
    #[must_use]
    pub fn ratio(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Double(number) => number,
            _ => panic!("{name} is a decimal number"),
        }
    }

    /// The words in force for a list or a choice.
    ///
    /// # Panics
    ///
    /// If the key has no row.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::List(words) => words,
            Value::Text(word) => vec![word],
            _ => Vec::new(),
        }
    }

    /// Whether a value other than the default is in force for a key.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        let inherited = || topic_key(name)?.broker_key.and_then(|key| self.inherited(key));
        self.overrides.contains_key(name) || inherited().is_some()
    }

    /// All keys as DescribeConfigs shows them, sorted by name.
    #[must_use]
    pub fn entries(&self) -> Vec<ConfigEntry> {
        TOPIC_KEYS.iter().map(|row| self.entry(row)).collect()
    }

    fn entry(&self, row: &TopicKey) -> ConfigEntry {
        let value = self.text(row);
        let own = self.overrides.get(row.name).map(|_| Synonym {
            name: row.name.to_owned(),
            value: Some(value.clone()),
            source: ConfigSource::Topic,
        });
        let inherited =
            row.broker_key.map(|key| entry::broker_synonyms(self.broker.settings(), key)).unwrap_or_default();
        let synonyms: Vec<Synonym> = own.into_iter().chain(inherited).collect();
        ConfigEntry {
            name: row.name.to_owned(),
            value: Some(value),
            source: synonyms.first().map_or(ConfigSource::Default, |first| first.source),
            sensitive: false,
            read_only: false,
            kind: row.kind.wire_type(),
            doc: row.doc,
            synonyms,
        }
    }
}

#[cfg(test)]
mod tests;

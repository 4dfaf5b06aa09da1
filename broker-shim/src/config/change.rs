//! Settings that change while the broker runs: what a request asks for, and whether it may be had.
//!
//! ```text
//! ConfigChange + settings of a topic  --apply--> settings of the topic   (checked like those of a new one)
//! ConfigChange + DynamicSettings      --apply--> DynamicSettings         (keys that Kafka lets change at run time)
//! ```
//!
//! # Invariants
//!
//! * A change is made as a whole or not at all.
//! * What comes out passes the checks that a start would make: whoever stores it can start with it.
//!
//! # Not here
//!
//! Where settings are kept (`metadata`), which codes a client is told (`handlers`).

use super::Escaped;
use super::broker::BrokerConfig;
use super::keys;
use super::topic::{self, MAX_VALUE_LEN, TopicSettings};
use super::value::{Kind, split_list};
use std::collections::BTreeMap;

/// The most settings that a broker keeps at run time, for itself or for all: a bound for what is stored.
const MOST_SETTINGS: usize = 1000;

/// The longest key, bytes.
const MAX_KEY_LEN: usize = 1000;

/// What is to happen to one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConfigOp {
    /// It gets this value.
    Set(String),
    /// It gets the value that it has when nobody sets it.
    Delete,
    /// These words, separated by commas, are added to its list where they are not in it.
    Append(String),
    /// These words go from its list.
    Subtract(String),
}

/// What is to happen to the settings of a topic or a broker.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfigChange {
    /// Whether all that was set before goes first (AlterConfigs); else what is not named stays
    /// (IncrementalAlterConfigs).
    pub replace: bool,
    /// The keys, in the order of the request.
    pub ops: Vec<(String, ConfigOp)>,
}

/// Which brokers a setting is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum BrokerScope {
    /// All brokers of the cluster: the resource without a name.
    All,
    /// This broker; goes before [`BrokerScope::All`].
    Own,
}

/// Settings of the broker that were made at run time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DynamicSettings {
    /// For all brokers.
    pub all: BTreeMap<String, String>,
    /// For this one.
    pub own: BTreeMap<String, String>,
}

impl DynamicSettings {
    /// The settings of a scope.
    #[must_use]
    pub fn of(&self, scope: BrokerScope) -> &BTreeMap<String, String> {
        match scope {
            BrokerScope::All => &self.all,
            BrokerScope::Own => &self.own,
        }
    }

    /// The same with other settings in a scope.
    #[must_use]
    pub fn with(&self, scope: BrokerScope, settings: BTreeMap<String, String>) -> Self {
        match scope {
            BrokerScope::All => Self { all: settings, own: self.own.clone() },
            BrokerScope::Own => Self { all: self.all.clone(), own: settings },
        }
    }

    /// What of these may be in force, and a sentence for each key that may not: another release may have stored it.
    #[must_use]
    pub fn usable(self) -> (Self, Vec<String>) {
        let mut refused = Vec::new();
        let mut keep = |settings: BTreeMap<String, String>| -> BTreeMap<String, String> {
            let keep_one = |(key, value): &(String, String)| match check_broker_key(key, value) {
                Ok(()) => true,
                Err(ConfigRefusal::Invalid(text) | ConfigRefusal::Static(text)) => {
                    refused.push(text);
                    false
                }
            };
            settings.into_iter().filter(keep_one).collect()
        };
        let kept = Self { all: keep(self.all), own: keep(self.own) };
        (kept, refused)
    }
}

/// Why settings are not changed; the texts are Kafka's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigRefusal {
    /// A key that there is not, or a value that its key does not take.
    #[error("{0}")]
    Invalid(String),
    /// Keys that are read when the broker starts, and not again.
    #[error("{0}")]
    Static(String),
}

impl ConfigChange {
    /// The settings of a topic after the change.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn apply_to_topic(
        &self,
        present: &BTreeMap<String, String>,
        broker: &BrokerConfig,
    ) -> Result<BTreeMap<String, String>, ConfigRefusal> {
        let kind = |key: &str| topic::topic_key(key).map(|row| row.kind);
        let inherited = |key: &str| {
            let none = BTreeMap::new();
            topic::topic_key(key).map(|row| TopicSettings::new(broker, &none).text(row))
        };
        let next = self.apply(present, kind, inherited)?;
        topic::validate(&next).map_err(|error| ConfigRefusal::Invalid(error.0))?;
        Ok(next)
    }

    /// The settings of the broker after the change of one scope.
    ///
    /// # Errors
    ///
    /// The first that does not fit, or all that cannot change at run time.
    pub fn apply_to_broker(
        &self,
        scope: BrokerScope,
        present: &DynamicSettings,
        broker: &BrokerConfig,
    ) -> Result<DynamicSettings, ConfigRefusal> {
        let kind = |key: &str| keys::broker_key(key).map(|row| row.kind);
        let inherited = |key: &str| broker.settings().started_with(key).map(str::to_owned);
        let next = self.apply(present.of(scope), kind, inherited)?;
        check_broker(&next)?;
        Ok(present.with(scope, next))
    }

    fn apply(
        &self,
        present: &BTreeMap<String, String>,
        kind: impl Fn(&str) -> Option<Kind>,
        inherited: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>, ConfigRefusal> {
        let mut next = if self.replace { BTreeMap::new() } else { present.clone() };
        for (key, op) in &self.ops {
            let words = match op {
                ConfigOp::Set(value) => {
                    next.insert(key.clone(), value.trim().to_owned());
                    continue;
                }
                ConfigOp::Delete => {
                    next.remove(key);
                    continue;
                }
                ConfigOp::Append(words) | ConfigOp::Subtract(words) => split_list(words),
            };
            if !matches!(kind(key), Some(Kind::List(_))) {
                return Err(not_a_list(key, op));
            }
            let known = next.get(key).cloned().or_else(|| inherited(key)).unwrap_or_default();
            let mut list = split_list(&known);
            if matches!(op, ConfigOp::Append(_)) {
                let new: Vec<String> = words.into_iter().filter(|word| !list.contains(word)).collect();
                list.extend(new);
            } else {
                list.retain(|word| !words.contains(word));
            }
            next.insert(key.clone(), list.join(","));
        }
        Ok(next)
    }
}

fn not_a_list(key: &str, op: &ConfigOp) -> ConfigRefusal {
    let op = if matches!(op, ConfigOp::Append(_)) { "APPEND" } else { "SUBTRACT" };
    ConfigRefusal::Invalid(format!("Can't {op} to key {} because its type is not LIST.", Escaped(key)))
}

/// Checks all settings of one scope.
fn check_broker(settings: &BTreeMap<String, String>) -> Result<(), ConfigRefusal> {
    let fixed: Vec<&str> = settings.keys().map(String::as_str).filter(|key| !may_change(key)).collect();
    if !fixed.is_empty() {
        let names: Vec<String> = fixed.iter().map(|key| Escaped(key).to_string()).collect();
        return Err(cannot_change(&names.join(", ")));
    }
    if settings.len() > MOST_SETTINGS {
        let text = format!("A broker keeps at most {MOST_SETTINGS} settings that are made at run time.");
        return Err(ConfigRefusal::Invalid(text));
    }
    settings.iter().try_for_each(|(key, value)| check_broker_key(key, value))
}

fn check_broker_key(key: &str, value: &str) -> Result<(), ConfigRefusal> {
    if !may_change(key) {
        return Err(cannot_change(&Escaped(key).to_string()));
    }
    let problem = match keys::broker_key(key).map(|row| row.kind.parse(value)) {
        _ if value.len() > MAX_VALUE_LEN => format!("Value must have at most {MAX_VALUE_LEN} bytes"),
        Some(Err(problem)) => problem,
        Some(Ok(_)) | None => return Ok(()),
    };
    Err(ConfigRefusal::Invalid(format!(
        "Invalid value {} for configuration {key}: {problem}",
        Escaped(value)
    )))
}

fn cannot_change(names: &str) -> ConfigRefusal {
    ConfigRefusal::Static(format!("Cannot update these configs dynamically: Set({names})"))
}

/// Whether a key of the broker can be set at run time. Keys that nobody knows can, as in Kafka: they are kept for whoever
/// knows them; keys of families that are read at the start, and secrets, cannot.
fn may_change(key: &str) -> bool {
    match keys::broker_key(key) {
        Some(row) => row.dynamic,
        None => {
            keys::standing(key).is_none()
                && !keys::is_secret(key)
                && !key.is_empty()
                && key.len() <= MAX_KEY_LEN
        }
    }
}

#[cfg(test)]
mod tests;

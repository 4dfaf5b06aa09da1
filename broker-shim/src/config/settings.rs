//! Settings from all sources, merged: for each key the value in force and where it came from.
//!
//! Precedence: default < file < environment < override < run time, all brokers < run time, this broker. A value is
//! checked when it is merged, so whoever reads one later finds it well-formed.
//!
//! # Environment
//!
//! `KAFKA_FOO_BAR` is `foo.bar`: `KAFKA_` is dropped, letters become small, `_` becomes `.`, `__` becomes `_` and
//! `___` becomes `-`. `KAFKA_CFG_FOO_BAR`, the other spelling of the images, is the same; where both are set, the first
//! counts. What container images, links and Kubernetes put beside the settings is skipped: the names in `NO_SETTINGS`,
//! `KAFKA_*_SERVICE_*`, `KAFKA_*_PORT_9092_TCP*`, and values like `tcp://...`. A variable that is nearly one of these is
//! named with the one that was meant. A value that is empty, as a compose file passes what nobody set, is skipped
//! unless it says that there is no such text or list.

use super::change::{BrokerScope, DynamicSettings};
use super::error::{ConfigError, Source};
use super::keys::{self, Standing};
use super::nearest::nearest;
use super::read_properties;
use super::value::{Kind, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Variables of the images' scripts: they start with `KAFKA_` and set nothing here.
const NO_SETTINGS: &[&str] = &[
    "KAFKA_VERSION",
    "KAFKA_HOME",
    "KAFKA_NAME",
    "KAFKA_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_PORT",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_LOG4J_CMD_OPTS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_DEBUG",
    "KAFKA_CLUSTER_ID",
    "KAFKA_CREATE_TOPICS",
    "KAFKA_CREATE_TOPICS_SEPARATOR",
    "KAFKA_ENABLE_KRAFT",
    "KAFKA_KRAFT_CLUSTER_ID",
];

/// A value in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// The text, as it was given.
    pub value: String,
    /// Where it was given.
    pub source: Source,
}

/// What somebody set; defaults are not in here.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    set: BTreeMap<String, Setting>,
    /// Made at run time: for this broker, for all brokers. They go before `set`.
    changed: [BTreeMap<String, Setting>; 2],
    /// Notes for whoever starts the broker: one for each key that does nothing.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Adds the entries of a file; relative directories in it are relative to it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no properties file, or holds a value that its key does not take.
    pub fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let content = std::fs::read(path)
            .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })?;
        let file = Arc::new(path.to_owned());
        for property in read_properties(path, &content)? {
            let source = Source::File { path: Arc::clone(&file), line: property.line };
            let value = match property.key.as_str() {
                "log.dirs" | "log.dir" => resolve_all(path, &property.value),
                _ => property.value,
            };
            self.set(&property.key, &value, source)?;
        }
        Ok(())
    }

    /// Adds what the environment says, in the order of the variables' names.
    ///
    /// # Errors
    ///
    /// A variable holds a value that its key does not take.
    pub fn add_env(&mut self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        // The longer spelling first: the other one is set over it.
        let (long, short): (Vec<_>, Vec<_>) =
            variables.iter().partition(|(variable, _)| variable.starts_with("KAFKA_CFG_"));
        for (variable, value) in long.into_iter().chain(short) {
            if let Some(key) = env_key(variable, value) {
                if value.trim().is_empty() && !takes_nothing(&key) {
                    continue;
                }
                self.set(&key, value, Source::Env { variable: variable.clone() })?;
            } else if let Some(meant) = mistyped_prefix(variable) {
                self.warnings.push(format!(
                    "environment variable {}: sets nothing; did you mean {meant}?",
                    super::Escaped(variable)
                ));
            }
        }
        Ok(())
    }

    /// Sets one key; a later call wins over an earlier one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] if the key does not take the value.
    pub fn set(&mut self, key: &str, value: &str, source: Source) -> Result<(), ConfigError> {
        if let Some(row) = keys::broker_key(key) {
            row.kind.parse(value).map_err(|_| value_error(key, value, &source, row.kind.to_string()))?;
        }
        if !self.set.contains_key(key) {
            self.note(key, &source);
        }
        self.set.insert(key.to_owned(), Setting { value: value.trim().to_owned(), source });
        Ok(())
    }

    fn note(&mut self, key: &str, source: &Source) {
        let shown = super::Escaped(key);
        // A family takes whatever begins like it: a mistyped key of a row is none of it.
        let meant = if keys::broker_key(key).is_some() { None } else { meant(key, source) };
        match (keys::standing(key), meant) {
            (_, Some(meant)) => {
                let note = format!("{source}: {shown}: unknown key, ignored; did you mean {meant}?");
                self.warnings.push(note);
            }
            (Some(Standing::Used | Standing::Accepted), None) => {}
            (Some(Standing::NotYet), None) => {
                self.warnings.push(format!("{source}: {shown}: ignored for now"));
            }
            (None, None) => self.warnings.push(format!("{source}: {shown}: unknown key, ignored")),
        }
    }

    /// Puts what was set at run time in the place of what was before. Keys with values that they do not take are no
    /// error of this: they were checked ([`DynamicSettings::usable`]).
    pub(super) fn change(&mut self, dynamic: &DynamicSettings) {
        let layer = |scope, source: Source| {
            let setting = |value: &String| Setting { value: value.clone(), source: source.clone() };
            dynamic.of(scope).iter().map(|(key, value)| (key.clone(), setting(value))).collect()
        };
        self.changed =
            [layer(BrokerScope::Own, Source::ThisBroker), layer(BrokerScope::All, Source::AllBrokers)];
    }

    /// All that was set: for this broker at run time, for all brokers, at the start.
    pub(super) fn layers(&self) -> impl Iterator<Item = &BTreeMap<String, Setting>> {
        self.changed.iter().chain([&self.set])
    }

    /// The keys that were set for all brokers at run time.
    pub(super) fn set_for_all(&self) -> impl Iterator<Item = &str> {
        let [_, all] = &self.changed;
        all.keys().map(String::as_str)
    }

    /// What somebody set for a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.layers().find_map(|layer| layer.get(key))
    }

    /// All that was set when the broker started, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.set.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    /// Replaces a value by the one that has effect; its source stays.
    pub(super) fn amend(&mut self, key: &str, value: &str) {
        for layer in self.changed.iter_mut().chain([&mut self.set]) {
            if let Some(setting) = layer.get_mut(key) {
                value.clone_into(&mut setting.value);
            }
        }
    }

    /// What the broker was started with for a key: what was set then, else the default.
    pub(super) fn started_with(&self, key: &str) -> Option<&str> {
        let set = self.set.get(key).map(|s| s.value.as_str());
        set.or_else(|| keys::broker_key(key).and_then(|row| row.default))
    }

    /// The text in force: what was set, else the default; `None` is Java's null.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let set = self.get(key).map(|s| s.value.as_str());
        set.or_else(|| keys::broker_key(key).and_then(|row| row.default))
    }

    /// The checked value in force of a key that has a row.
    fn value(&self, key: &str) -> Option<Value> {
        let row = keys::broker_key(key).expect("typed getters are called for keys with a row");
        self.text(key).map(|text| row.kind.parse(text).expect("values are checked when they are set"))
    }

    /// A number in force, if there is one.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        match self.value(key) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// A switch in force.
    pub(super) fn switch(&self, key: &str) -> bool {
        self.value(key) == Some(Value::Bool(true))
    }

    /// The error for a value that its own kind takes and that is wrong all the same.
    pub(super) fn error(&self, key: &str, expected: impl Into<String>) -> ConfigError {
        let source = self.get(key).map_or(Source::Default, |s| s.source.clone());
        value_error(key, self.text(key).unwrap_or_default(), &source, expected.into())
    }
}

/// The known key that is nearest to an unknown one, as it is written where that one is; beside a variable also those that
/// are no keys.
fn meant(key: &str, source: &Source) -> Option<String> {
    let rows = keys::BROKER_KEYS.iter().map(|row| row.name);
    let Source::Env { variable } = source else {
        return nearest(key, rows).map(str::to_owned);
    };
    let special = |word: &str| NO_SETTINGS.iter().find(|name| dotted(name) == word);
    // `KAFKA_CFG_CREATE_TOPICS`: the word is right, and only keys have the longer spelling.
    if let Some(name) = special(key) {
        return Some((*name).to_owned());
    }
    let specials: Vec<String> = NO_SETTINGS.iter().map(|name| dotted(name)).collect();
    let known = nearest(key, rows.chain(specials.iter().map(String::as_str)))?;
    if let Some(name) = special(known) {
        return Some((*name).to_owned());
    }
    let prefix = if variable.starts_with("KAFKA_CFG_") { "KAFKA_CFG_" } else { "KAFKA_" };
    Some(format!("{prefix}{} ({known})", variable_of(known)))
}

/// A variable that is no key, as a key would be written.
fn dotted(variable: &str) -> String {
    variable.trim_start_matches("KAFKA_").to_ascii_lowercase().replace('_', ".")
}

/// Text and lists that cannot be empty.
const NEVER_EMPTY: [&str; 2] = ["listeners", "log.dirs"];

/// Whether an empty value says something: that there is no such text, no such list. Elsewhere it is a variable of a compose
/// file that nobody gave a value to.
fn takes_nothing(key: &str) -> bool {
    let is_empty_by_itself = |row: &keys::BrokerKey| {
        matches!(row.kind, Kind::Text | Kind::List(_)) && row.default.is_none_or(str::is_empty)
    };
    let is_row = || keys::broker_key(key).is_some_and(is_empty_by_itself);
    key == super::HTTP_LISTENER || (!NEVER_EMPTY.contains(&key) && is_row())
}

/// A key as the end of a variable's name.
fn variable_of(key: &str) -> String {
    let part = |c: char| match c {
        '.' => "_".to_owned(),
        '_' => "__".to_owned(),
        '-' => "___".to_owned(),
        letter => letter.to_ascii_uppercase().to_string(),
    };
    key.chars().map(part).collect()
}

/// The variable that was meant by one whose beginning is nearly `KAFKA_` and whose rest is known.
fn mistyped_prefix(variable: &str) -> Option<String> {
    let (prefix, rest) = variable.split_once('_')?;
    nearest(prefix, ["KAFKA"])?;
    let meant = format!("KAFKA_{rest}");
    if NO_SETTINGS.contains(&meant.as_str()) {
        return Some(meant);
    }
    let key = env_key(&meant, "")?;
    keys::broker_key(&key).map(|_| meant)
}

fn value_error(key: &str, value: &str, source: &Source, expected: String) -> ConfigError {
    let value = if keys::is_secret(key) { "[hidden]" } else { value }.to_owned();
    ConfigError::Value { source_: source.clone(), key: key.to_owned(), value, expected }
}

/// Directories of a file, made relative to the file.
fn resolve_all(file: &Path, dirs: &str) -> String {
    let base = file.parent().unwrap_or(Path::new(""));
    let resolved: Vec<String> =
        super::value::split_list(dirs).iter().map(|dir| base.join(dir).display().to_string()).collect();
    resolved.join(",")
}

/// The key that a variable sets, if it sets one.
fn env_key(variable: &str, value: &str) -> Option<String> {
    let name = variable.strip_prefix("KAFKA_")?;
    let injected = name.is_empty()
        || NO_SETTINGS.contains(&variable)
        || name.starts_with("ENV_")
        || name.starts_with("SERVICE_")
        || name.contains("_SERVICE_")
        || is_link_port(name)
        || value.starts_with("tcp://")
        || value.starts_with("udp://");
    if injected {
        return None;
    }
    let name = name.strip_prefix("CFG_").unwrap_or(name);
    let dotted = name.to_ascii_lowercase().replace('_', ".");
    Some(dotted.replace("...", "-").replace("..", "_"))
}

/// `PORT_9092_TCP`, `BROKER_PORT_9092_TCP_ADDR`: what links inject.
fn is_link_port(name: &str) -> bool {
    let Some(at) = name.find("PORT_") else { return false };
    let rest = name[at + 5..].trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < name.len() - at - 5 && (rest.starts_with("_TCP") || rest.starts_with("_UDP"))
}

#[cfg(test)]
mod tests;

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
//! named with the one that was meant.

use super::change::{BrokerScope, DynamicSettings};
use super::error::{ConfigError, Source};
use super::keys::{self, Standing};
use super::nearest::nearest;
use super::read_properties;
use super::value::Value;
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
                self.set(&key, value, Source::Env { variable: variable.clone() })?;
            } else if let Some(meant) = mistyped_prefix(variable) {
                self.warnings.push(format!(
                    "environment variable {}: sets nothing; did you mean {meant}?",
                    kafka_settings::Escaped(variable)
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
        match keys::standing(key) {
            Some(Standing::Used | Standing::Accepted) => {}
            Some(Standing::NotYet) => self.warnings.push(format!("{source}: {shown}: ignored for now")),
            None => {
                self.warnings.push(format!("{source}: {shown}: unknown key, ignored{}", meant(key, source)));
            }
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

/// The end of the note about an unknown key: the known one that is nearest, as it is written where this one is.
fn meant(key: &str, source: &Source) -> String {
    let Some(known) = nearest(key, keys::BROKER_KEYS.iter().map(|row| row.name)) else {
        return String::new();
    };
    match source {
        Source::Env { variable } if variable.starts_with("KAFKA_CFG_") => {
            format!("; did you mean KAFKA_CFG_{} ({known})?", variable_of(known))
        }
        Source::Env { .. } => format!("; did you mean KAFKA_{} ({known})?", variable_of(known)),
        _ => format!("; did you mean {known}?"),
    }
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

/// The variable that was meant by one whose beginning is nearly `KAFKA_` and whose rest is a key.
fn mistyped_prefix(variable: &str) -> Option<String> {
    let (prefix, rest) = variable.split_once('_')?;
    nearest(prefix, ["KAFKA"])?;
    let meant = format!("KAFKA_{rest}");
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
mod tests {
    use super::*;

    #[test]
    fn variables_map_as_in_the_image() {
        assert_eq!(env_key("KAFKA_NUM_PARTITIONS", "3").as_deref(), Some("num.partitions"));
        assert_eq!(env_key("KAFKA_A__B", "x").as_deref(), Some("a_b"));
        assert_eq!(env_key("KAFKA_LISTENER_NAME_A___B_X", "x").as_deref(), Some("listener.name.a-b.x"));
        assert_eq!(env_key("KAFKA_PORT", "9092").as_deref(), Some("port"));
        assert_eq!(env_key("PATH", "x"), None);
    }

    #[test]
    fn what_links_and_kubernetes_inject_is_skipped() {
        for (variable, value) in [
            ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
            ("KAFKA_SERVICE_HOST", "10.0.0.1"),
            ("KAFKA_SERVICE_PORT", "9092"),
            ("KAFKA_0_SERVICE_PORT_CLIENT", "9092"),
            ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
            ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
            ("KAFKA_PORT_9092_TCP_PROTO", "tcp"),
            ("KAFKA_HOME", "/opt/kafka"),
            ("KAFKA_HEAP_OPTS", "-Xmx1G"),
            ("KAFKA_ENV_X", "y"),
        ] {
            assert_eq!(env_key(variable, value), None, "{variable}");
        }
    }

    #[test]
    fn notes_come_once_a_key_and_name_the_place() {
        let mut settings = Settings::default();
        let source = |line| Source::File { path: Arc::new("a.properties".into()), line };
        settings.set("super.users", "User:a", source(3)).unwrap();
        settings.set("super.users", "User:b", source(4)).unwrap();
        settings.set("num.partition", "3", source(5)).unwrap();
        settings.set("replica.lag.time.max.ms", "3", source(6)).unwrap();
        assert_eq!(
            settings.warnings,
            [
                "a.properties:3: super.users: ignored for now",
                "a.properties:5: num.partition: unknown key, ignored; did you mean num.partitions?"
            ]
        );
    }

    fn from_env(variables: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        settings.add_env(&variables).unwrap();
        settings
    }

    #[test]
    fn both_spellings_of_a_variable_set_the_key_and_the_short_one_counts() {
        let settings = from_env(&[("KAFKA_CFG_NUM_PARTITIONS", "3"), ("KAFKA_CFG_LOG_DIR", "a")]);
        assert_eq!(settings.text("num.partitions"), Some("3"));
        // By name this one comes before KAFKA_CFG_.
        let both =
            [("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "true"), ("KAFKA_CFG_AUTO_CREATE_TOPICS_ENABLE", "false")];
        assert_eq!(from_env(&both).text("auto.create.topics.enable"), Some("true"));
    }

    #[test]
    fn a_mistyped_variable_is_named_with_the_one_that_was_meant() {
        for (variable, expected) in [
            (
                "KAFKA_NUM_PARTITION",
                "environment variable KAFKA_NUM_PARTITION: num.partition: unknown key, ignored; did you mean \
                 KAFKA_NUM_PARTITIONS (num.partitions)?",
            ),
            (
                "KAFKA_CFG_ADVERTISED_LISTNERS",
                "environment variable KAFKA_CFG_ADVERTISED_LISTNERS: advertised.listners: unknown key, ignored; did you \
                 mean KAFKA_CFG_ADVERTISED_LISTENERS (advertised.listeners)?",
            ),
            (
                "KAKFA_ADVERTISED_LISTENERS",
                "environment variable KAKFA_ADVERTISED_LISTENERS: sets nothing; did you mean \
                 KAFKA_ADVERTISED_LISTENERS?",
            ),
            ("KAFKA_FROBNICATE", "environment variable KAFKA_FROBNICATE: frobnicate: unknown key, ignored"),
        ] {
            assert_eq!(from_env(&[(variable, "x")]).warnings, [expected]);
        }
        for other in ["KAFKAESQUE", "kafka_host_url", "KAFKA_HOST", "KAKFA_FROBNICATE", "KAFKA_CREATE_TOPICS"]
        {
            let warnings = from_env(&[(other, "x")]).warnings;
            assert!(!warnings.iter().any(|warning| warning.contains("did you mean")), "{warnings:?}");
        }
    }

    #[test]
    fn a_key_is_written_as_a_variable_and_read_back() {
        for key in ["num.partitions", "a_b.c", "listener.name.a-b.x"] {
            assert_eq!(env_key(&format!("KAFKA_{}", variable_of(key)), "x").as_deref(), Some(key));
        }
    }

    #[test]
    fn a_secret_is_not_in_the_message() {
        let settings = Settings::default();
        let error = settings.error("ssl.key.password", "text");
        assert_eq!(error.to_string(), "default: ssl.key.password = [hidden]: expected text");
    }
}

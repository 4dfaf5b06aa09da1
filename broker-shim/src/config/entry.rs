//! A setting as DescribeConfigs shows it.

use super::error::Source;
use super::keys;
use super::settings::Settings;

/// Where a shown value comes from, with the protocol's numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic = 1,
    /// Set for this broker at run time.
    DynamicBroker = 2,
    /// Set for all brokers at run time.
    DynamicDefaultBroker = 3,
    /// Set for the broker, by file, environment or command line.
    StaticBroker = 4,
    /// Built in.
    Default = 5,
}

impl ConfigSource {
    /// The protocol's number.
    #[must_use]
    pub fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
        }
    }
}

impl From<&Source> for ConfigSource {
    fn from(source: &Source) -> Self {
        match source {
            Source::Default => Self::Default,
            Source::AllBrokers => Self::DynamicDefaultBroker,
            Source::ThisBroker => Self::DynamicBroker,
            Source::Image | Source::File { .. } | Source::Env { .. } | Source::Override => Self::StaticBroker,
        }
    }
}

/// A key that would give the value if those before it were not set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Synonym {
    /// The key.
    pub name: String,
    /// Its value; `None` is null, or a secret.
    pub value: Option<String>,
    /// Where that is set.
    pub source: ConfigSource,
}

/// A setting in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value; `None` is null, or a secret.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether the value is a secret and not shown.
    pub sensitive: bool,
    /// Whether it cannot be changed at run time.
    pub read_only: bool,
    /// The protocol's number for the type; 0 is unknown.
    pub kind: i8,
    /// What it means, in a sentence.
    pub doc: &'static str,
    /// All places that would give a value, the one in force first.
    pub synonyms: Vec<Synonym>,
}

/// Keys that stand in for one another, in order of precedence.
static GROUPS: &[&[&str]] = &[
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    &["node.id", "broker.id"],
    &["log.dirs", "log.dir"],
];

/// Broker keys that give `name` its value, as Kafka lists them: all that are set for this broker at run time, for all
/// brokers, at the start, then all defaults, from the first that is `name` itself on.
pub(super) fn broker_synonyms(settings: &Settings, name: &str) -> Vec<Synonym> {
    let own = [name];
    let group = GROUPS.iter().find(|group| group.contains(&name)).map_or(&own[..], |group| group);
    let shown = |key: &str, value: &str| if keys::is_secret(key) { None } else { Some(value.to_owned()) };
    let set = settings.layers().flat_map(|layer| {
        group.iter().filter_map(|key| {
            let setting = layer.get(*key)?;
            let source = ConfigSource::from(&setting.source);
            Some(Synonym { name: (*key).to_owned(), value: shown(key, &setting.value), source })
        })
    });
    let defaults = group.iter().filter_map(|key| {
        let default = keys::broker_key(key)?.default?;
        Some(Synonym { name: (*key).to_owned(), value: shown(key, default), source: ConfigSource::Default })
    });
    set.chain(defaults).skip_while(|synonym| synonym.name != name).collect()
}

/// A broker key as DescribeConfigs shows it.
pub(super) fn broker_entry(settings: &Settings, name: &str) -> ConfigEntry {
    let row = keys::broker_key(name);
    // A key of unknown type may hold a secret: its value is not shown, as in Kafka.
    let sensitive = row.is_none() || keys::is_secret(name);
    let value = settings.text(name).filter(|_| !sensitive).map(str::to_owned);
    let source = settings.get(name).map_or(ConfigSource::Default, |setting| (&setting.source).into());
    ConfigEntry {
        name: name.to_owned(),
        value,
        source,
        sensitive,
        read_only: row.is_none_or(|row| !row.dynamic),
        kind: row.map_or(0, |row| row.kind.wire_type()),
        doc: row.map_or("", |row| row.doc),
        synonyms: broker_synonyms(settings, name).into_iter().map(|s| hide(s, sensitive)).collect(),
    }
}

/// A key that was set for all brokers at run time, as DescribeConfigs shows it of them: other places do not count.
pub(super) fn default_entry(settings: &Settings, name: &str) -> Option<ConfigEntry> {
    let mut entry = broker_entry(settings, name);
    entry.synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
    entry.source = ConfigSource::DynamicDefaultBroker;
    entry.value = entry.synonyms.first()?.value.clone();
    Some(entry)
}

fn hide(synonym: Synonym, sensitive: bool) -> Synonym {
    if sensitive { Synonym { value: None, ..synonym } } else { synonym }
}

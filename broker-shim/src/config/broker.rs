//! The broker's configuration: everything it needs, typed, from defaults, file, environment and overrides.
//!
//! # Invariants
//!
//! * A `BrokerConfig` exists only if every value in it was checked: nothing later fails because of a setting.
//! * `log.retention.ms` goes before `.minutes` before `.hours`, whatever the source of each; likewise `log.roll`.
//! * One node: `min.insync.replicas` and the replication factors have the effect 1, with a warning.
//!
//! # Not here
//!
//! The single keys (`keys`), reading sources (`settings`), what topics make of it (`topic`).

use super::change::DynamicSettings;
use super::entry::{self, ConfigEntry};
use super::error::{ConfigError, Source};
use super::keys::BROKER_KEYS;
use super::listeners::{self, BindHost, DEFAULT_PORT, Listener, ListenerError, Listeners};
use super::settings::Settings;
use super::value::split_list;
use super::web::{self, WebConfig};
use kafka_znodes::{ConnectString, ConnectStringError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the data is when nobody says so: a folder below the one the broker was started in.
pub const DEFAULT_LOG_DIR: &str = "data/corrente";

/// When a produce request that asked for all replicas is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// When the batch is on the disk: it survives a power cut.
    Sync,
    /// When the batch is in the page cache: it survives the end of the process. Kafka's habit.
    PageCache,
}

/// Limits of connections and requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkConfig {
    /// The most connections in all.
    pub max_connections: usize,
    /// The most connections from one address.
    pub max_connections_per_ip: usize,
    /// Other limits for single host names or addresses; 0 bars.
    pub max_connections_per_ip_overrides: Vec<(String, usize)>,
    /// Idle connections are closed after this time; `None`: never.
    pub connections_max_idle: Option<Duration>,
    /// The largest request, bytes.
    pub socket_request_max_bytes: usize,
    /// Send buffer, bytes; `None`: the system's.
    pub socket_send_buffer_bytes: Option<usize>,
    /// Receive buffer, bytes; `None`: the system's.
    pub socket_receive_buffer_bytes: Option<usize>,
    /// Connections that wait to be accepted.
    pub listen_backlog: i32,
    /// Requests in memory before reading stops.
    pub queued_max_requests: usize,
    /// Bytes of requests in memory before reading stops; `None`: not set.
    pub queued_max_request_bytes: Option<usize>,
    /// The most bytes a fetch is answered with.
    pub fetch_max_bytes: usize,
    /// The most fetch sessions remembered.
    pub fetch_session_slots: usize,
}

/// Limits of consumer groups and their offsets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupConfig {
    /// The shortest session timeout a member may ask for.
    pub min_session_timeout: Duration,
    /// The longest session timeout a member may ask for.
    pub max_session_timeout: Duration,
    /// How long a new group waits for more members.
    pub initial_rebalance_delay: Duration,
    /// The most members of a group.
    pub max_size: usize,
    /// The longest text beside a committed offset, bytes.
    pub offset_metadata_max_bytes: usize,
    /// Partitions of `__consumer_offsets`, when it is created.
    pub offsets_partitions: i32,
    /// Segment size of `__consumer_offsets`, bytes.
    pub offsets_segment_bytes: i64,
    /// How long the offsets of a group without members are kept.
    pub offsets_retention: Duration,
    /// How often old offsets are looked for.
    pub offsets_retention_check_interval: Duration,
    /// How long a commit may take.
    pub offsets_commit_timeout: Duration,
}

/// Where data is and how it is looked after.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StorageConfig {
    /// The data directories; never empty.
    pub log_dirs: Vec<PathBuf>,
    /// Room that is kept in each of them, in bytes; 0 for none.
    pub reserve_bytes: u64,
    /// When a produce request that asked for all replicas is answered.
    pub durability: Durability,
    /// Whether segments are read through maps; else with `pread`.
    pub read_by_map: bool,
    /// How often old segments are looked for.
    pub retention_check_interval: Duration,
    /// How often it is looked for logs to compact, while there are none; `None` if nothing is compacted.
    pub compaction_interval: Option<Duration>,
    /// How much memory the keys of a log that is compacted may take, in bytes.
    pub compaction_map_bytes: u64,
    /// How often recovery points are written.
    pub checkpoint_interval: Duration,
    /// How long an idle producer's sequence numbers are remembered.
    pub producer_id_expiration: Duration,
}

/// The ZooKeeper that keeps the metadata.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZooKeeperConfig {
    /// Its servers, and the path below which everything is.
    pub connect: ConnectString,
    /// How long it takes us for alive without a word from us.
    pub session_timeout: Duration,
    /// How long a start waits for it.
    pub connection_timeout: Duration,
}

/// The broker's configuration.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// The number of this broker, if it is set; else the data directory says, and a new one says 0.
    pub node_id: Option<i32>,
    /// The rack, told to clients.
    pub rack: Option<String>,
    /// Where to listen, and what to tell clients.
    pub listeners: Listeners,
    /// Limits of connections and requests.
    pub network: NetworkConfig,
    /// Limits of consumer groups.
    pub groups: GroupConfig,
    /// Where data is.
    pub storage: StorageConfig,
    /// The port for people and monitors.
    pub web: WebConfig,
    /// Who keeps the metadata; `None`: the metadata log in the data directories does.
    pub zookeeper: Option<ZooKeeperConfig>,
    /// Whether a topic is created when a client first asks for it.
    pub auto_create_topics: bool,
    /// Whether topics may be deleted.
    pub delete_topics: bool,
    /// Partitions of a topic that is created without a number.
    pub num_partitions: i32,
    /// The longest transaction a producer may ask for.
    pub transaction_max_timeout: Duration,
    /// What whoever starts the broker should know; one line each.
    pub warnings: Vec<String>,
    settings: Settings,
}

impl BrokerConfig {
    /// Collects sources.
    #[must_use]
    pub fn builder() -> BrokerConfigBuilder {
        BrokerConfigBuilder::default()
    }

    /// The settings it was made of.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All broker keys as DescribeConfigs shows them, sorted by name: known ones, and others that are set.
    #[must_use]
    pub fn entries(&self) -> Vec<ConfigEntry> {
        let mut names: Vec<&str> = BROKER_KEYS.iter().map(|row| row.name).collect();
        names.extend(self.settings.layers().flat_map(|layer| layer.keys().map(String::as_str)));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| entry::broker_entry(&self.settings, name)).collect()
    }

    /// What was set for all brokers at run time, as DescribeConfigs shows it, sorted by name.
    #[must_use]
    pub fn default_entries(&self) -> Vec<ConfigEntry> {
        self.settings.set_for_all().filter_map(|name| entry::default_entry(&self.settings, name)).collect()
    }

    /// The same with these settings made at run time, in the place of others that were made before.
    ///
    /// # Errors
    ///
    /// The first value that does not fit; settings that [`DynamicSettings::usable`] left are no error but for those that
    /// say something to each other.
    pub fn with_dynamic(&self, dynamic: &DynamicSettings) -> Result<Self, ConfigError> {
        let mut settings = self.settings.clone();
        settings.change(dynamic);
        one_replica_only(&mut settings);
        let s = &settings;
        // What cannot change at run time is left as it is.
        let network = network(s)?;
        let groups = groups(s);
        let storage = StorageConfig { log_dirs: self.storage.log_dirs.clone(), ..storage(s)? };
        Ok(Self { network, groups, storage, settings, ..self.clone() })
    }
}

/// Collects the sources of a configuration; the order of calls does not matter, but among overrides the last wins.
#[derive(Clone, Debug, Default)]
pub struct BrokerConfigBuilder {
    file: Option<PathBuf>,
    env: Option<BTreeMap<String, String>>,
    /// Variables of other names, with the keys that they set.
    translated: Vec<(String, String, String)>,
    image: Vec<(String, String)>,
    overrides: Vec<(String, String)>,
}

impl BrokerConfigBuilder {
    /// Reads this properties file.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(path.as_ref().to_owned());
        self
    }

    /// Reads `KAFKA_*` among these variables.
    #[must_use]
    pub fn env(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env = Some(variables.into_iter().collect());
        self
    }

    /// Sets a key as a variable of another name says, over the file; a `KAFKA_*` variable goes before it.
    #[must_use]
    pub fn variable(mut self, name: &str, key: &str, value: &str) -> Self {
        self.translated.push((name.to_owned(), key.to_owned(), value.to_owned()));
        self
    }

    /// Sets a key behind all other sources: what a container image says in the place of the built-in default.
    #[must_use]
    pub fn image(mut self, key: &str, value: &str) -> Self {
        self.image.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets a key over all other sources.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.push((key.into(), value.into()));
        self
    }

    /// Sets what `--override` was given: `key=value`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Override`] without a key or without `=`.
    pub fn set_pair(self, text: &str) -> Result<Self, ConfigError> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(self.set(key.trim(), value)),
            _ => Err(ConfigError::Override { text: text.to_owned() }),
        }
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place, key, value and what was expected.
    pub fn build(self) -> Result<BrokerConfig, ConfigError> {
        let mut settings = Settings::default();
        for (key, value) in &self.image {
            settings.set(key, value, Source::Image)?;
        }
        if let Some(file) = &self.file {
            settings.add_file(file)?;
        }
        for (variable, key, value) in &self.translated {
            settings.set(key, value, Source::Env { variable: variable.clone() })?;
        }
        if let Some(env) = &self.env {
            settings.add_env(env)?;
        }
        for (key, value) in self.overrides {
            settings.set(&key, &value, Source::Override)?;
        }
        let open_to_all = self.file.is_some() || self.env.is_some();
        typed(settings, open_to_all)
    }
}

fn typed(mut settings: Settings, open_to_all: bool) -> Result<BrokerConfig, ConfigError> {
    one_replica_only(&mut settings);
    let s = &settings;
    let node_id = s.number("node.id").or_else(|| s.number("broker.id").filter(|id| *id >= 0)).map(to_i32);
    Ok(BrokerConfig {
        node_id,
        rack: s.text("broker.rack").filter(|rack| !rack.is_empty()).map(str::to_owned),
        listeners: all_listeners(s, open_to_all)?,
        network: network(s)?,
        groups: groups(s),
        storage: storage(s)?,
        web: web::web(s)?,
        zookeeper: zookeeper(s)?,
        auto_create_topics: s.switch("auto.create.topics.enable"),
        delete_topics: s.switch("delete.topic.enable"),
        num_partitions: to_i32(known(s, "num.partitions")),
        transaction_max_timeout: millis(s, "transaction.max.timeout.ms"),
        warnings: s.warnings.clone(),
        settings,
    })
}

/// A cluster's file asks for more replicas than one node has: it must work all the same.
fn one_replica_only(settings: &mut Settings) {
    for key in ["min.insync.replicas", "default.replication.factor", "offsets.topic.replication.factor"] {
        let Some(setting) = settings.get(key).cloned() else { continue };
        if settings.number(key).is_some_and(|n| n > 1) {
            let warning = format!(
                "{}: {key} = {}: this broker is one node, so the effect is 1",
                setting.source, setting.value
            );
            settings.warnings.push(warning);
            settings.amend(key, "1");
        }
    }
}

fn all_listeners(s: &Settings, open_to_all: bool) -> Result<Listeners, ConfigError> {
    let at = |key: &'static str| move |error: ListenerError| s.error(key, error.0);
    let mut bind = match (s.text("listeners"), derived_listeners(s)) {
        (Some(text), _) => listeners::parse_bind(text).map_err(at("listeners"))?,
        (None, Some(text)) => listeners::parse_bind(&text).map_err(at("advertised.listeners"))?,
        (None, None) => vec![unnamed_listener(s, open_to_all)],
    };
    // A file for KRaft has a listener for its controller, which is not there and not ours to imitate.
    let controllers = split_list(s.text("controller.listener.names").unwrap_or_default());
    let is_controller = |name: &str| controllers.iter().any(|c| c.eq_ignore_ascii_case(name));
    if bind.iter().any(|listener| !is_controller(&listener.name)) {
        bind.retain(|listener| !is_controller(&listener.name));
    }
    let map = s.text("listener.security.protocol.map").unwrap_or_default();
    // The map is rarely the culprit: the listener that it is applied to is.
    let key = if s.get("listeners").is_some() { "listeners" } else { "listener.security.protocol.map" };
    listeners::check_protocols(map, &bind).map_err(at(key))?;
    let advertised = match (s.text("advertised.listeners"), s.text("advertised.host.name")) {
        (Some(text), _) if !text.is_empty() => text.to_owned(),
        (_, Some(host)) if !host.is_empty() => {
            let first = bind.first().map_or(DEFAULT_PORT, |l| l.port).into();
            format!("PLAINTEXT://{host}:{}", s.number("advertised.port").unwrap_or(first))
        }
        _ => String::new(),
    };
    let ours: Vec<String> = split_list(&advertised)
        .into_iter()
        .filter(|item| !item.split_once("://").is_some_and(|(name, _)| is_controller(name)))
        .collect();
    let advertised =
        listeners::parse_advertised(&ours.join(","), &bind).map_err(at("advertised.listeners"))?;
    Ok(Listeners { bind, advertised })
}

/// As the container image does it: advertised listeners from the environment without listeners are listened on, on
/// all interfaces.
fn derived_listeners(s: &Settings) -> Option<String> {
    let advertised = s.get("advertised.listeners")?;
    if !matches!(advertised.source, Source::Env { .. }) || advertised.value.is_empty() {
        return None;
    }
    let open = |item: String| match (item.split_once("://"), item.rsplit_once(':')) {
        (Some((name, _)), Some((_, port))) => format!("{name}://:{port}"),
        _ => item,
    };
    Some(split_list(&advertised.value).into_iter().map(open).collect::<Vec<_>>().join(","))
}

/// The listener when `listeners` is not set: for this machine only, unless something says that others will come.
fn unnamed_listener(s: &Settings, open_to_all: bool) -> Listener {
    let port = s.number("port").and_then(|p| u16::try_from(p).ok()).unwrap_or(DEFAULT_PORT);
    let is_set = |key: &str| s.text(key).is_some_and(|text| !text.is_empty());
    let host = match s.text("host.name") {
        Some(host) if !host.is_empty() => BindHost::Host(host.to_owned()),
        _ if open_to_all || is_set("advertised.listeners") || is_set("advertised.host.name") => BindHost::Any,
        _ => BindHost::Loopback,
    };
    Listener { name: "PLAINTEXT".to_owned(), host, port }
}

fn network(s: &Settings) -> Result<NetworkConfig, ConfigError> {
    Ok(NetworkConfig {
        max_connections: count(s, "max.connections"),
        max_connections_per_ip: count(s, "max.connections.per.ip"),
        max_connections_per_ip_overrides: ip_overrides(s)?,
        connections_max_idle: limit(s, "connections.max.idle.ms").map(Duration::from_millis),
        socket_request_max_bytes: count(s, "socket.request.max.bytes"),
        socket_send_buffer_bytes: buffer(s, "socket.send.buffer.bytes"),
        socket_receive_buffer_bytes: buffer(s, "socket.receive.buffer.bytes"),
        listen_backlog: to_i32(known(s, "socket.listen.backlog.size")),
        queued_max_requests: count(s, "queued.max.requests"),
        queued_max_request_bytes: limit(s, "queued.max.request.bytes").map(to_usize),
        fetch_max_bytes: count(s, "fetch.max.bytes"),
        fetch_session_slots: count(s, "max.incremental.fetch.session.cache.slots"),
    })
}

fn ip_overrides(s: &Settings) -> Result<Vec<(String, usize)>, ConfigError> {
    const KEY: &str = "max.connections.per.ip.overrides";
    let one = |item: &String| {
        // An IPv6 address has colons of its own: the count follows the last.
        let (host, limit) = item.rsplit_once(':')?;
        let limit = limit.trim().parse::<u32>().ok()?;
        let host = host.trim().trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), to_usize(limit.into())))
    };
    split_list(s.text(KEY).unwrap_or_default())
        .iter()
        .map(|item| one(item).ok_or_else(|| s.error(KEY, "host:count, separated by commas")))
        .collect()
}

fn groups(s: &Settings) -> GroupConfig {
    let minutes = u64::try_from(known(s, "offsets.retention.minutes")).unwrap_or(0);
    GroupConfig {
        min_session_timeout: millis(s, "group.min.session.timeout.ms"),
        max_session_timeout: millis(s, "group.max.session.timeout.ms"),
        initial_rebalance_delay: millis(s, "group.initial.rebalance.delay.ms"),
        max_size: count(s, "group.max.size"),
        offset_metadata_max_bytes: count(s, "offset.metadata.max.bytes"),
        offsets_partitions: to_i32(known(s, "offsets.topic.num.partitions")),
        offsets_segment_bytes: known(s, "offsets.topic.segment.bytes"),
        offsets_retention: Duration::from_secs(minutes * 60),
        offsets_retention_check_interval: millis(s, "offsets.retention.check.interval.ms"),
        offsets_commit_timeout: millis(s, "offsets.commit.timeout.ms"),
    }
}

fn storage(s: &Settings) -> Result<StorageConfig, ConfigError> {
    let key = if s.get("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
    let names = split_list(s.text(key).unwrap_or_default());
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(s.error(key, "one or more directories, separated by commas"));
    }
    let page_cache = s.text("log.durability") == Some("page-cache");
    Ok(StorageConfig {
        log_dirs: names.into_iter().map(PathBuf::from).collect(),
        reserve_bytes: limit(s, "log.dir.reserve.bytes").unwrap_or(0),
        durability: if page_cache { Durability::PageCache } else { Durability::Sync },
        read_by_map: s.text("log.read.mode") != Some("pread"),
        retention_check_interval: millis(s, "log.retention.check.interval.ms"),
        compaction_interval: s.switch("log.cleaner.enable").then(|| millis(s, "log.cleaner.backoff.ms")),
        compaction_map_bytes: limit(s, "log.cleaner.dedupe.buffer.size").unwrap_or(u64::MAX),
        checkpoint_interval: millis(s, "log.flush.offset.checkpoint.interval.ms"),
        producer_id_expiration: millis(s, "producer.id.expiration.ms"),
    })
}

fn zookeeper(s: &Settings) -> Result<Option<ZooKeeperConfig>, ConfigError> {
    const KEY: &str = "zookeeper.connect";
    let Some(text) = s.text(KEY).filter(|text| !text.is_empty()) else { return Ok(None) };
    let connect = text.parse().map_err(|expected: ConnectStringError| s.error(KEY, expected.to_string()))?;
    let session_timeout = millis(s, "zookeeper.session.timeout.ms");
    let wait = s.number("zookeeper.connection.timeout.ms").and_then(|ms| u64::try_from(ms).ok());
    let connection_timeout = wait.map_or(session_timeout, Duration::from_millis);
    Ok(Some(ZooKeeperConfig { connect, session_timeout, connection_timeout }))
}

fn known(s: &Settings, key: &str) -> i64 {
    s.number(key).expect("the key has a number for a default")
}

fn millis(s: &Settings, key: &str) -> Duration {
    Duration::from_millis(u64::try_from(known(s, key)).unwrap_or(0))
}

/// A number where a negative one means "no limit".
fn limit(s: &Settings, key: &str) -> Option<u64> {
    u64::try_from(known(s, key)).ok()
}

/// A socket buffer. Kafka's default is fixed and small; the system's grows with the connection, so only a size that
/// somebody set has an effect.
fn buffer(s: &Settings, key: &str) -> Option<usize> {
    s.get(key)?;
    limit(s, key).map(to_usize)
}

fn count(s: &Settings, key: &str) -> usize {
    usize::try_from(known(s, key)).unwrap_or(usize::MAX)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn to_i32(n: i64) -> i32 {
    i32::try_from(n).expect("the key's range is within 32 bits")
}

#[cfg(test)]
mod tests;

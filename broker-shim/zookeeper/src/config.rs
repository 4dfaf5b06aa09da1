//! Settings, under the names that a `zookeeper.properties` gives them.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | dataDir | (must be set) | where transactions and snapshots go, in `corrente-zk` below it |
//! | clientPort | 2181 | the port |
//! | clientPortAddress | all addresses, IPv4 and IPv6 | the address; without a file 127.0.0.1 and ::1 |
//! | tickTime | 3000 | milliseconds; only the next two depend on it |
//! | minSessionTimeout, maxSessionTimeout | 2, 20 ticks | what a client's timeout is held between |
//! | maxClientCnxns | 60 | connections of one address; 0 for no limit |
//! | maxCnxns | 0 | all connections; 0 for no limit |
//! | 4lw.commands.whitelist | ruok, stat, srvr, mntr, conf, envi, cons, dump, wchs, isro | words that are answered; `*` for all |
//! | jute.maxbuffer | 1048575 | bytes of a request |
//! | snapCount | 100000 | transactions between two snapshots |
//! | znode.container.checkIntervalMs | 60000 | how often empty containers and expired nodes are removed |
//! | DigestAuthenticationProvider.superDigest | none | `super:hash` of an identity that may do everything |
//!
//! What only an ensemble or another server has (initLimit, autopurge, metrics, the admin server) is accepted and has no
//! effect; unknown keys are warned of.
//!
//! # Not here
//!
//! Reading the file: the caller gives keys and values.

use crate::words::Words;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

const PORT: u16 = 2181;

/// A setting that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key} = {value}: expected {expected}")]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What it should be.
    pub expected: String,
}

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// `dataDir`.
    pub data_dir: PathBuf,
    /// Where clients are listened to. Port 0 lets the system choose one, the same for all.
    pub client_addresses: Vec<SocketAddr>,
    /// `tickTime`, in milliseconds.
    pub tick_time: i32,
    /// `minSessionTimeout`, in milliseconds; `None` for two ticks.
    pub min_session_timeout: Option<i32>,
    /// `maxSessionTimeout`, in milliseconds; `None` for twenty ticks.
    pub max_session_timeout: Option<i32>,
    /// `maxClientCnxns`; `None` for no limit.
    pub max_client_connections: Option<usize>,
    /// `maxCnxns`; `None` for no limit.
    pub max_connections: Option<usize>,
    /// `jute.maxbuffer`, in bytes.
    pub max_request_bytes: usize,
    /// `snapCount`.
    pub snapshot_every: u64,
    /// `znode.container.checkIntervalMs`.
    pub container_interval: Duration,
    /// `DigestAuthenticationProvider.superDigest`.
    pub super_digest: Option<String>,
    /// How long a connection may take to say what it wants; without a key of its own.
    pub connect_time: Duration,
    /// `4lw.commands.whitelist`.
    pub words: Words,
    /// What the file says and cannot be done: to be shown to whoever starts the server.
    pub warnings: Vec<String>,
}

impl Config {
    /// Defaults, for this machine only: 127.0.0.1 and ::1, port 2181.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            client_addresses: both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, PORT),
            tick_time: 3000,
            min_session_timeout: None,
            max_session_timeout: None,
            max_client_connections: Some(60),
            max_connections: None,
            max_request_bytes: 1_048_575,
            snapshot_every: 100_000,
            container_interval: Duration::from_secs(60),
            super_digest: None,
            connect_time: Duration::from_secs(10),
            words: Words::default(),
            warnings: Vec::new(),
        }
    }

    /// What the entries of a `zookeeper.properties` say.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used, a file without `dataDir`, or one that describes an ensemble.
    pub fn from_properties(entries: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut config = Self::new("");
        let mut place = Place { host: None, port: PORT };
        let mut members = 0;
        for (key, value) in entries {
            let key = key.strip_prefix("zookeeper.").unwrap_or(key);
            let value = value.trim();
            if key.starts_with("server.") {
                members += 1;
            } else if !config.set(key, value)? && !place.set(key, value)? {
                config.warn(key, value);
            }
        }
        if members > 1 {
            let expected = "one server: this is a ZooKeeper of one node, without ensembles".to_owned();
            return Err(ConfigError {
                key: "server.N".into(),
                value: format!("{members} servers"),
                expected,
            });
        }
        if config.data_dir.as_os_str().is_empty() {
            return Err(expected("dataDir", "", "a directory"));
        }
        config.client_addresses = place.addresses()?;
        let (min, max) = config.session_timeouts();
        if min > max {
            return Err(expected(
                "minSessionTimeout",
                &min.to_string(),
                &format!("at most maxSessionTimeout, {max}"),
            ));
        }
        Ok(config)
    }

    /// The shortest and the longest timeout of a session, in milliseconds.
    #[must_use]
    pub fn session_timeouts(&self) -> (i32, i32) {
        let ticks = |n: i32| self.tick_time.saturating_mul(n);
        (self.min_session_timeout.unwrap_or(ticks(2)), self.max_session_timeout.unwrap_or(ticks(20)))
    }

    /// Takes a value; false if the key is not one of these.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
        let ms = || number(key, value, 1, i32::MAX);
        let timeout = || Ok(if value == "-1" { None } else { Some(ms()?) });
        let limit = || number(key, value, 0, usize::MAX).map(|n| (n > 0).then_some(n));
        match key {
            "dataDir" => self.data_dir = value.into(),
            "tickTime" => self.tick_time = ms()?,
            "minSessionTimeout" => self.min_session_timeout = timeout()?,
            "maxSessionTimeout" => self.max_session_timeout = timeout()?,
            "maxClientCnxns" => self.max_client_connections = limit()?,
            "maxCnxns" => self.max_connections = limit()?,
            "jute.maxbuffer" => self.max_request_bytes = number(key, value, 1024, 256 << 20)?,
            "snapCount" => self.snapshot_every = number(key, value, 2, u64::MAX)?,
            "znode.container.checkIntervalMs" => {
                self.container_interval = Duration::from_millis(number(key, value, 1, u64::MAX)?);
            }
            "DigestAuthenticationProvider.superDigest" => self.super_digest = Some(value.to_owned()),
            "4lw.commands.whitelist" => {
                self.words = Words::parse(value)
                    .map_err(|word| expected(key, &word, "four-letter words, separated by commas, or *"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn warn(&mut self, key: &str, value: &str) {
        const SILENT: [&str; 17] = [
            "initLimit",
            "syncLimit",
            "standaloneEnabled",
            "reconfigEnabled",
            "quorumListenOnAllIPs",
            "electionAlg",
            "leaderServes",
            "globalOutstandingLimit",
            "preAllocSize",
            "forceSync",
            "skipACL",
            "extendedTypesEnabled",
            "clientPortListenBacklog",
            "serverCnxnFactory",
            "fsync.warningthresholdms",
            "authProvider.1",
            "peerType",
        ];
        let begins = ["autopurge.", "admin.", "metricsProvider.", "quorum.", "group.", "weight."];
        if key == "dataLogDir" {
            self.warnings
                .push(format!("dataLogDir = {value} has no effect: transactions are kept in dataDir"));
        } else if key.starts_with("secureClientPort") || key.starts_with("ssl.") {
            self.warnings.push(format!("{key} has no effect: there is no TLS"));
        } else if !SILENT.contains(&key) && !begins.iter().any(|begin| key.starts_with(begin)) {
            self.warnings.push(format!("{key} is not known and has no effect"));
        }
    }
}

/// Where the file says that clients are listened to.
struct Place {
    host: Option<String>,
    port: u16,
}

impl Place {
    fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
        match key {
            "clientPort" => self.port = number(key, value, 0, u16::MAX)?,
            "clientPortAddress" => self.host = Some(value.to_owned()).filter(|host| !host.is_empty()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn addresses(self) -> Result<Vec<SocketAddr>, ConfigError> {
        let Some(host) = self.host else {
            return Ok(both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, self.port));
        };
        let found = (host.as_str(), self.port).to_socket_addrs();
        let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
        if found.is_empty() {
            return Err(expected("clientPortAddress", &host, "an address, or a name that resolves here"));
        }
        Ok(found)
    }
}

fn both(v4: Ipv4Addr, v6: Ipv6Addr, port: u16) -> Vec<SocketAddr> {
    [IpAddr::from(v4), IpAddr::from(v6)].map(|ip| SocketAddr::new(ip, port)).into()
}

fn number<N>(key: &str, value: &str, least: N, most: N) -> Result<N, ConfigError>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    match value.parse() {
        Ok(n) if n >= least && n <= most => Ok(n),
        _ => Err(expected(key, value, &format!("a number from {least} to {most}"))),
    }
}

fn expected(key: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError { key: key.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_properties(&text.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// The file that Kafka ships.
    #[test]
    fn kafkas_own_file_is_read_without_a_warning() {
        let config = read(&[
            ("dataDir", "/tmp/zookeeper"),
            ("clientPort", "2181"),
            ("maxClientCnxns", "0"),
            ("admin.enableServer", "false"),
        ])
        .unwrap();
        assert_eq!(config.warnings, [""; 0]);
        assert_eq!(config.max_client_connections, None);
        assert_eq!(config.session_timeouts(), (6000, 60_000));
        let shown: Vec<_> = config.client_addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:2181", "[::]:2181"]);
    }

    #[test]
    fn timeouts_follow_the_tick_unless_they_are_set() {
        let config = read(&[("dataDir", "d"), ("tickTime", "2000"), ("maxSessionTimeout", "5000")]).unwrap();
        assert_eq!(config.session_timeouts(), (4000, 5000));
        let error = read(&[("dataDir", "d"), ("minSessionTimeout", "70000")]).unwrap_err();
        assert_eq!(error.to_string(), "minSessionTimeout = 70000: expected at most maxSessionTimeout, 60000");
    }

    #[test]
    fn one_address_is_listened_to_if_it_is_named() {
        let config =
            read(&[("dataDir", "d"), ("clientPortAddress", "127.0.0.1"), ("clientPort", "0")]).unwrap();
        assert_eq!(config.client_addresses, [SocketAddr::from(([127, 0, 0, 1], 0))]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_should_be() {
        let refused = |text: &[(&str, &str)]| read(text).unwrap_err().key;
        assert_eq!(refused(&[]), "dataDir");
        assert_eq!(refused(&[("dataDir", "d"), ("clientPort", "65536")]), "clientPort");
        assert_eq!(refused(&[("dataDir", "d"), ("tickTime", "0")]), "tickTime");
        assert_eq!(
            refused(&[("dataDir", "d"), ("4lw.commands.whitelist", "stat, nope")]),
            "4lw.commands.whitelist"
        );
        assert_eq!(refused(&[("dataDir", "d"), ("server.1", "a:1:2"), ("server.2", "b:1:2")]), "server.N");
        assert!(
            read(&[("dataDir", "d"), ("server.1", "a:1:2"), ("initLimit", "5")]).unwrap().warnings.is_empty()
        );
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let config =
            read(&[("dataDir", "d"), ("dataLogDir", "/x"), ("frob", "1"), ("secureClientPort", "2")])
                .unwrap();
        assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    }
}

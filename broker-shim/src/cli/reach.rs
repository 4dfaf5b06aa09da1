//! Whether clients get anywhere with what they are told: each address of `advertised.listeners` is dialled once, after the
//! start, from a thread of its own.
//!
//! | who answers there | what is said |
//! |---|---|
//! | this broker | nothing, unless it is the loopback address that others are told |
//! | nobody, or no broker | a warning: who is told what, what was found, and what to set |
//! | another broker | the same, with its number and cluster |
//!
//! A start is never slower for it and never fails by it: behind address translation the address that clients need may be
//! one that this machine cannot dial.
//!
//! # Not here
//!
//! Addresses that nobody could dial (`0.0.0.0`): the configuration refuses them.

use crate::config::{Advertised, BindHost, BrokerConfig, Listeners};
use crate::server::Broker;
use kafka_client::{Address, Client, ClientConfig, ClientError};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

/// How long one address may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where Linux lists the addresses of this machine.
const ADDRESSES: &str = "/proc/net/fib_trie";

/// What is to be looked at, kept from before the start.
pub(super) struct Reach {
    listeners: Listeners,
    /// Where it is set, and the key: `server.properties:36: advertised.listeners`.
    setting: String,
}

impl Reach {
    /// What clients of this configuration are told, if it says so.
    pub(super) fn of(config: &BrokerConfig) -> Option<Self> {
        let keys = ["advertised.listeners", "advertised.host.name"];
        let set = |key| {
            let setting = config.settings().get(key).filter(|setting| !setting.value.is_empty())?;
            Some(format!("{}: {key}", setting.source))
        };
        let setting = keys.into_iter().find_map(set)?;
        Some(Self { listeners: config.listeners.clone(), setting })
    }

    /// Looks at each, while the broker serves.
    pub(super) fn look(self, broker: &Broker) {
        let us = Us { cluster: broker.catalog().cluster_id().to_owned(), id: broker.id() };
        let work = move || {
            for problem in self.problems(&us) {
                tracing::warn!("{problem}");
            }
        };
        // Without a thread there is no warning, and that is all.
        let _ = thread::Builder::new().name("corrente-reach".into()).spawn(work);
    }

    fn problems(&self, us: &Us) -> Vec<String> {
        let advertised = &self.listeners.advertised;
        let found: Vec<Found> = advertised.iter().map(|told| found(told, us)).collect();
        // With a listener for others beside it, one for this machine alone is meant so.
        let all_loop = found.iter().all(|found| matches!(found, Found::Us { loopback: true }));
        let told = advertised.iter().zip(&found);
        told.filter_map(|(told, found)| {
            let what = match found {
                Found::Us { loopback: true } if all_loop && self.serves_others(told) => {
                    "which leads every other machine to itself".to_owned()
                }
                Found::Us { .. } => return None,
                Found::Other(what) => format!("but {what}"),
            };
            Some(self.sentence(told, &what, found))
        })
        .collect()
    }

    /// Whether other machines can come to the listener of this name at all.
    fn serves_others(&self, told: &Advertised) -> bool {
        self.listeners.bind.iter().filter(|listener| listener.name == told.name).any(|listener| {
            match &listener.host {
                BindHost::Loopback => false,
                BindHost::Any | BindHost::AnyV4 | BindHost::AnyV6 => true,
                BindHost::Host(host) => !is_loopback(host, listener.port),
            }
        })
    }

    fn sentence(&self, told: &Advertised, what: &str, found: &Found) -> String {
        let example = std::fs::read_to_string(ADDRESSES).map(|text| addresses(&text)).unwrap_or_default();
        let example = match example.first() {
            Some(ip) => format!("an address of this machine that clients can dial, such as {ip}"),
            None => "a name or an address of this machine that clients can dial".to_owned(),
        };
        let else_fine = match found {
            Found::Us { .. } => "; with clients on this machine only it may stay",
            Found::Other(_) => "; it may stay only if clients have a way there that this machine has not",
        };
        format!(
            "{}: clients are told {}, {what}: set it to {example}, or leave it out and each client is told the address \
             that it dialled{else_fine}",
            self.setting,
            Told(told),
        )
    }
}

/// Who we are.
struct Us {
    cluster: String,
    id: i32,
}

/// Who answers at an address.
enum Found {
    /// We do.
    Us {
        /// Whether only this machine would find us there.
        loopback: bool,
    },
    /// Not we; what there is instead, as the end of "but ...".
    Other(String),
}

fn found(told: &Advertised, us: &Us) -> Found {
    let address = Address::new(told.host.clone(), told.port);
    match ask(&address) {
        Ok((cluster, ids)) if cluster.as_deref() == Some(&us.cluster) && ids.contains(&us.id) => {
            Found::Us { loopback: is_loopback(&told.host, told.port) }
        }
        Ok((cluster, ids)) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let cluster = cluster.unwrap_or_else(|| "of no name".to_owned());
            Found::Other(format!("there answers broker {} of cluster {cluster}", ids.join(", ")))
        }
        Err(ClientError::NoBroker(dialled)) => {
            let what: Vec<String> = dialled.iter().map(ToString::to_string).collect();
            Found::Other(format!("tried from here, {}", what.join(", ")))
        }
        Err(error) => Found::Other(format!("tried from here, {error}")),
    }
}

/// The cluster and the brokers that whoever answers there tells of.
fn ask(address: &Address) -> Result<(Option<String>, Vec<i32>), ClientError> {
    let config = ClientConfig {
        client_id: "corrente-reach".into(),
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
        ..ClientConfig::default()
    };
    let mut client = Client::connect(std::slice::from_ref(address), config)?;
    let cluster = client.metadata(Some(&[]), false)?;
    Ok((cluster.id, cluster.brokers.into_keys().collect()))
}

fn is_loopback(host: &str, port: u16) -> bool {
    let found = (host, port).to_socket_addrs().map(Vec::from_iter).unwrap_or_default();
    !found.is_empty() && found.iter().all(|address| address.ip().to_canonical().is_loopback())
}

/// The IPv4 addresses of this machine, without those of loopback, out of the text of `/proc/net/fib_trie`:
///
/// ```text
///            |-- 10.77.0.12
///               /32 host LOCAL
/// ```
fn addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.filter(|ip| !ip.is_loopback() && !found.contains(ip)));
        }
    }
    found
}

/// `NAME://host:port`, as it stands in the setting.
struct Told<'a>(&'a Advertised);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advertised { name, host, port } = self.0;
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => write!(f, "{name}://[{ip}]:{port}"),
            _ => write!(f, "{name}://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests;

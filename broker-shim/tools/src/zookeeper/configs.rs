//! `kafka-configs --zookeeper`: texts and znodes of 2.2.
//!
//! ```text
//! topics            the rules of our broker (kafka_settings), for all settings that the topic would then have
//! clients, users    quotas: producer_byte_rate, consumer_byte_rate, request_percentage
//! brokers           only of one that does not run; it checks its keys when it starts, and says which it leaves out
//! ```
//!
//! What differs: passwords of users (SCRAM) are refused, not salted and stored: no broker of ours would use them.

use super::with;
use crate::failure::Failure;
use crate::io::Io;
use kafka_settings::value::Kind as Value;
use kafka_settings::{Escaped, topic};
use kafka_znodes::config::{Config, Entity};
use kafka_znodes::{Zk, path};

/// What a client or a user may have.
const QUOTAS: [(&str, Value); 3] = [
    ("consumer_byte_rate", Value::ANY_LONG),
    ("producer_byte_rate", Value::ANY_LONG),
    ("request_percentage", Value::Double(f64::MIN, f64::MAX)),
];

/// Whose settings, by the words of `--entity-type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `topics`
    Topics,
    /// `brokers`
    Brokers,
    /// `clients`
    Clients,
    /// `users`
    Users,
}

impl Kind {
    /// From the word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "topics" => Some(Self::Topics),
            "brokers" => Some(Self::Brokers),
            "clients" => Some(Self::Clients),
            "users" => Some(Self::Users),
            _ => None,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Brokers => "brokers",
            Self::Clients => "clients",
            Self::Users => "users",
        }
    }

    /// How texts name one of them.
    fn text(self, name: &str) -> String {
        let kind = match self {
            Self::Topics => "topic",
            Self::Brokers => "brokers",
            Self::Clients => "client-id",
            Self::Users => "user-principal",
        };
        if name == "<default>" { format!("default {kind}") } else { format!("{kind} '{name}'") }
    }

    /// The node's name: names of clients and users may hold anything, and are escaped.
    fn node(self, name: &str) -> String {
        if name == "<default>" || matches!(self, Self::Topics | Self::Brokers) {
            name.to_owned()
        } else {
            escaped(name)
        }
    }

    fn entity(self, name: &str) -> Entity {
        Entity::of_path(&format!("{}/{}", self.folder(), self.node(name)))
    }
}

fn escaped(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescaped(name: &str) -> String {
    let mut out = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| *byte == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(found) => {
                out.push(found);
                rest = &tail[2..];
            }
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Prints the settings of one (`<default>`: those of all others), or of all that have a node.
///
/// # Errors
///
/// ZooKeeper is away or refuses.
pub fn describe(hosts: &str, kind: Kind, name: Option<&str>, io: &mut Io<'_>) -> Result<(), Failure> {
    with(hosts, async |zk| {
        let names = match name {
            Some(name) => vec![name.to_owned()],
            None if kind == Kind::Topics => zk.topics().await?,
            None => {
                let nodes = zk.children(&format!("/config/{}", kind.folder())).await?;
                nodes.iter().map(|node| unescaped(node)).collect()
            }
        };
        for one in names {
            let config = zk.config(&kind.entity(&one)).await?;
            // Of all clients and users only those with settings are shown.
            if config.is_empty() && name.is_none() && matches!(kind, Kind::Clients | Kind::Users) {
                continue;
            }
            let pairs: Vec<String> = config.iter().map(|(key, value)| format!("{key}={value}")).collect();
            io.line(&format!("Configs for {} are {}", kind.text(&one), pairs.join(",")))?;
        }
        Ok(())
    })
}

/// Adds and deletes settings, and tells the brokers.
///
/// # Errors
///
/// There is no such topic, a setting to delete is not there, ZooKeeper is away or refuses.
pub fn alter(
    hosts: &str,
    kind: Kind,
    name: &str,
    add: &[(String, String)],
    delete: &[String],
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    with(hosts, async |zk| {
        let entity = kind.entity(name);
        let mut config = present(zk, kind, name, &entity).await?;
        let missing: Vec<&str> =
            delete.iter().map(String::as_str).filter(|key| !config.contains_key(*key)).collect();
        if !missing.is_empty() {
            return Err(Failure::told(format!("Invalid config(s): {}", missing.join(","))));
        }
        config.extend(add.iter().cloned());
        config.retain(|key, _| !delete.contains(key));
        match kind {
            Kind::Topics => check_topic(&config)?,
            Kind::Clients | Kind::Users => check_quotas(kind, &config)?,
            Kind::Brokers => refuse_if_running(zk, name, add).await?,
        }
        zk.change_config(&entity, &config).await?;
        Ok(io.line(&format!("Completed Updating config for entity: {}.", kind.text(name)))?)
    })
}

async fn present(zk: &Zk, kind: Kind, name: &str, entity: &Entity) -> Result<Config, Failure> {
    if kind == Kind::Topics && !zk.exists(&path::topic(name)).await? {
        return Err(Failure::told(format!("Topic \"{name}\" does not exist.")));
    }
    Ok(zk.config(entity).await?)
}

/// Unknown keys are told plainly by the original, wrong values with the command line before them.
fn check_topic(config: &Config) -> Result<(), Failure> {
    for key in config.keys() {
        topic::check_key(key).map_err(|error| Failure::Plain(error.to_string()))?;
    }
    topic::validate(config).map_err(|error| Failure::told(error.to_string()))
}

fn check_quotas(kind: Kind, config: &Config) -> Result<(), Failure> {
    for (key, value) in config {
        let Some((_, takes)) = QUOTAS.iter().find(|(quota, _)| quota == key) else {
            let password = kind == Kind::Users && key.starts_with("SCRAM-");
            return Err(Failure::Plain(if password {
                format!("{key} is a password, and no broker of Corrente checks one yet: it is not stored")
            } else {
                format!("requirement failed: Unknown Dynamic Configuration: Set({}).", Escaped(key))
            }));
        };
        takes.parse(value).map_err(|problem| {
            Failure::told(format!("Invalid value {} for configuration {key}: {problem}", Escaped(value)))
        })?;
    }
    Ok(())
}

/// A broker that runs is asked to change its settings, so that it can refuse them.
async fn refuse_if_running(zk: &Zk, name: &str, add: &[(String, String)]) -> Result<(), Failure> {
    let running = match name {
        "<default>" => zk.children(path::BROKER_IDS).await?,
        id if zk.exists(&format!("{}/{id}", path::BROKER_IDS)).await? => vec![id.to_owned()],
        _ => Vec::new(),
    };
    if add.is_empty() || running.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = add.iter().map(|(key, _)| key.as_str()).collect();
    let keys = keys.join(", ");
    let whose = if name == "<default>" { "any broker".to_owned() } else { format!("broker {name}") };
    Err(Failure::Plain(format!(
        "requirement failed: --bootstrap-server option must be specified to update broker configs Set({keys}). when {whose} is running. Broker configuraton updates using ZooKeeper are supported for bootstrapping before brokers are started to enable encrypted password configs to be stored in ZooKeeper."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn topics_get_only_what_a_broker_would_take() {
        assert!(
            check_topic(&config(&[("retention.ms", "-1"), ("cleanup.policy", "compact,delete")])).is_ok()
        );
        let told = check_topic(&config(&[("nope", "1")])).unwrap_err();
        assert!(
            matches!(&told, Failure::Plain(text) if text == "Unknown topic config name: nope"),
            "{told:?}"
        );
        let told = check_topic(&config(&[("retention.ms", "soon")])).unwrap_err();
        let text = "Invalid value soon for configuration retention.ms: Not a number of type LONG";
        assert!(matches!(&told, Failure::Told(told) if told == text), "{told:?}");
    }

    #[test]
    fn clients_and_users_get_quotas_only() {
        let good = [("producer_byte_rate", "1024"), ("request_percentage", "12.5")];
        assert!(check_quotas(Kind::Clients, &config(&good)).is_ok());
        for (key, value, text) in [
            ("nope", "1", "requirement failed: Unknown Dynamic Configuration: Set(nope)."),
            (
                "consumer_byte_rate",
                "x",
                "Invalid value x for configuration consumer_byte_rate: Not a number of type LONG",
            ),
            (
                "SCRAM-SHA-256",
                "password=secret",
                "SCRAM-SHA-256 is a password, and no broker of Corrente checks one yet: it is not stored",
            ),
        ] {
            match check_quotas(Kind::Users, &config(&[(key, value)])).unwrap_err() {
                Failure::Plain(told) | Failure::Told(told) => assert_eq!(told, text),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn names_of_clients_and_users_are_escaped_in_paths() {
        assert_eq!(Kind::Users.entity("CN=a b,*").path(), "users/CN%3Da%20b%2C%2A");
        assert_eq!(unescaped("CN%3Da%20b%2C%2A"), "CN=a b,*");
        assert_eq!((unescaped("%"), unescaped("%zz")), ("%".to_owned(), "%zz".to_owned()));
        assert_eq!(Kind::Clients.entity("<default>").path(), "clients/<default>");
        assert_eq!(Kind::Topics.entity("a.b").path(), "topics/a.b");
        assert_eq!(Kind::Users.text("<default>"), "default user-principal");
        assert_eq!(Kind::Topics.text("t"), "topic 't'");
    }
}

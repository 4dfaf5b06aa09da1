//! `kafka-configs --zookeeper`: texts and znodes of 2.2.
//!
//! What differs: settings are not checked here, as no broker is asked for its keys.

use super::with;
use crate::failure::Failure;
use crate::io::Io;
use kafka_znodes::config::{Config, Entity};
use kafka_znodes::{Zk, path};

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

#[cfg(test)]
mod tests {
    use super::*;

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

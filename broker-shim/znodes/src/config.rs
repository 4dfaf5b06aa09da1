//! Settings of topics, brokers, clients and users, and the word that they were changed.
//!
//! ```text
//! /config/topics/t                {"config":{"retention.ms":"1000"},"version":1}
//! /config/changes/config_change_  {"entity_path":"topics/t","version":2}
//!                                 {"version":1,"entity_type":"topics","entity_name":"t"}     of 0.9 and 0.10.0
//! ```

use crate::json::{self, Malformed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Settings, as text.
pub type Config = BTreeMap<String, String>;

/// The data of a node with settings.
#[must_use]
pub fn encode(config: &Config) -> Vec<u8> {
    json::bytes(&json!({"version": 1, "config": config}))
}

/// Reads the data of a node with settings; numbers and switches are taken for their text.
///
/// # Errors
///
/// It holds no settings.
pub fn decode(data: &[u8]) -> Result<Config, Malformed> {
    let map = json::object(data)?;
    let mut config = Config::new();
    for (key, value) in json::inner(&map, "config")? {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(Malformed(format!("has no text as value of {key}"))),
        };
        config.insert(key.clone(), text);
    }
    Ok(config)
}

/// Whose settings were changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entity {
    /// A topic's.
    Topic(String),
    /// A broker's; `None`: those of all brokers.
    Broker(Option<i32>),
    /// Somebody's who is no concern of a broker's store: clients and users.
    Other(String),
}

impl Entity {
    /// From its path below `/config`.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        match path.split_once('/') {
            Some(("topics", name)) => Self::Topic(name.to_owned()),
            Some(("brokers", "<default>")) => Self::Broker(None),
            Some(("brokers", id)) if id.parse::<i32>().is_ok() => Self::Broker(id.parse().ok()),
            _ => Self::Other(path.to_owned()),
        }
    }

    /// Its path below `/config`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Topic(name) => format!("topics/{name}"),
            Self::Broker(Some(id)) => format!("brokers/{id}"),
            Self::Broker(None) => "brokers/<default>".to_owned(),
            Self::Other(path) => path.clone(),
        }
    }
}

/// The data of a node that tells of a change, version 2.
#[must_use]
pub fn encode_change(entity: &Entity) -> Vec<u8> {
    json::bytes(&json!({"version": 2, "entity_path": entity.path()}))
}

/// Reads the data of a node that tells of a change.
///
/// # Errors
///
/// It names nobody.
pub fn decode_change(data: &[u8]) -> Result<Entity, Malformed> {
    let map = json::object(data)?;
    if let Ok(path) = json::text(&map, "entity_path") {
        return Ok(Entity::of_path(path));
    }
    let (kind, name) = (json::text(&map, "entity_type")?, json::text(&map, "entity_name")?);
    Ok(Entity::of_path(&format!("{kind}/{name}")))
}

/// The number at the end of a node's name; `None`: somebody made it by hand.
#[must_use]
pub fn change_number(name: &str) -> Option<i64> {
    name.strip_prefix("config_change_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back() {
        let config =
            decode(br#"{"version":1,"config":{"retention.ms":"1000","cleanup.policy":"compact"}}"#).unwrap();
        assert_eq!(config["retention.ms"], "1000");
        assert_eq!(decode(&encode(&config)).unwrap(), config);
        assert_eq!(encode(&Config::new()), br#"{"config":{},"version":1}"#);
        assert_eq!(decode(br#"{"config":{"a":1,"b":true}}"#).unwrap()["a"], "1");
        assert_eq!(decode(br#"{"config":{"a":null}}"#).unwrap_err().to_string(), "has no text as value of a");
        assert_eq!(decode(b"{}").unwrap_err().to_string(), "has no object as config");
    }

    #[test]
    fn both_versions_of_a_change_are_read() {
        let topic = Entity::Topic("t".to_owned());
        assert_eq!(decode_change(br#"{"version":2,"entity_path":"topics/t"}"#).unwrap(), topic);
        assert_eq!(
            decode_change(br#"{"version":1,"entity_type":"topics","entity_name":"t"}"#).unwrap(),
            topic
        );
        assert_eq!(encode_change(&topic), br#"{"entity_path":"topics/t","version":2}"#);
        assert!(decode_change(br#"{"version":2}"#).is_err());
    }

    #[test]
    fn entities_are_told_apart() {
        for (path, entity) in [
            ("brokers/0", Entity::Broker(Some(0))),
            ("brokers/<default>", Entity::Broker(None)),
            ("brokers/x", Entity::Other("brokers/x".to_owned())),
            ("users/u/clients/c", Entity::Other("users/u/clients/c".to_owned())),
        ] {
            assert_eq!(Entity::of_path(path), entity);
            assert_eq!(entity.path(), path);
        }
        assert_eq!(change_number("config_change_0000000012"), Some(12));
        assert_eq!(change_number("x"), None);
    }
}

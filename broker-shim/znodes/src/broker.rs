//! `/brokers/ids/N`: a broker that runs.
//!
//! ```text
//! {"endpoints":["PLAINTEXT://127.0.0.1:9092"],"host":"127.0.0.1","jmx_port":-1,
//!  "listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"port":9092,"timestamp":"1795412630382","version":4}
//! ```
//!
//! Version 1 has host and port only, 2 and 3 endpoints whose names are protocols, 4 the map, 5 features. `host` and
//! `port` are those of the first endpoint in plain text: null and -1 if there is none. Tools of 2.2 demand `jmx_port`.

use crate::json::{self, Malformed};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// An address of a broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The listener's name.
    pub listener: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, host, port } = self;
        if host.contains(':') {
            write!(f, "{listener}://[{host}]:{port}")
        } else {
            write!(f, "{listener}://{host}:{port}")
        }
    }
}

impl FromStr for Endpoint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parsed = || {
            let (listener, address) = text.split_once("://")?;
            let (host, port) = address.rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some(Self { listener: listener.to_owned(), host: host.to_owned(), port: port.parse().ok()? })
        };
        parsed().ok_or_else(|| Malformed("has an endpoint that is not NAME://host:port".to_owned()))
    }
}

/// A broker as it registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// Where it can be reached; never empty when it was written by us.
    pub endpoints: Vec<Endpoint>,
    /// Which protocol each listener speaks, by its name.
    pub protocols: BTreeMap<String, String>,
    /// Where its Java beans are; -1 for nowhere.
    pub jmx_port: i32,
    /// When it registered, milliseconds.
    pub timestamp: i64,
    /// Its rack.
    pub rack: Option<String>,
}

impl Broker {
    /// Host and port of the first endpoint in plain text, whatever its name is.
    #[must_use]
    pub fn plaintext(&self) -> Option<(&str, u16)> {
        let plain = |point: &&Endpoint| {
            let protocol = self.protocols.get(&point.listener).unwrap_or(&point.listener);
            protocol == "PLAINTEXT"
        };
        self.endpoints.iter().find(plain).map(|point| (point.host.as_str(), point.port))
    }

    /// The node's data, version 4.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (host, port) =
            self.plaintext().map_or((Value::Null, -1), |(host, port)| (json!(host), port.into()));
        let port: i32 = port;
        let endpoints: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
        let mut node = json!({
            "listener_security_protocol_map": self.protocols,
            "endpoints": endpoints,
            "jmx_port": self.jmx_port,
            "host": host,
            "timestamp": self.timestamp.to_string(),
            "port": port,
            "version": 4,
        });
        if let Some(rack) = &self.rack {
            node["rack"] = json!(rack);
        }
        json::bytes(&node)
    }

    /// Reads the node's data.
    ///
    /// # Errors
    ///
    /// It is no broker of any version.
    pub fn decode(data: &[u8]) -> Result<Self, Malformed> {
        let map = json::object(data)?;
        let endpoints = match map.get("endpoints").and_then(Value::as_array) {
            Some(all) => all
                .iter()
                .map(|point| point.as_str().unwrap_or_default().parse())
                .collect::<Result<_, _>>()?,
            None => vec![old_endpoint(&map)?],
        };
        let mut protocols = BTreeMap::new();
        if let Some(named) = map.get("listener_security_protocol_map").and_then(Value::as_object) {
            let pairs = named
                .iter()
                .filter_map(|(name, protocol)| Some((name.clone(), protocol.as_str()?.to_owned())));
            protocols.extend(pairs);
        }
        Ok(Self {
            endpoints,
            protocols,
            jmx_port: json::small(&map, "jmx_port").unwrap_or(-1),
            timestamp: json::number(&map, "timestamp").unwrap_or(-1),
            rack: map.get("rack").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn old_endpoint(map: &Map<String, Value>) -> Result<Endpoint, Malformed> {
    let port =
        u16::try_from(json::number(map, "port")?).map_err(|_| Malformed("has no such port".to_owned()))?;
    Ok(Endpoint { listener: "PLAINTEXT".to_owned(), host: json::text(map, "host")?.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = r#"{"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:9092"],"jmx_port":-1,"host":"127.0.0.1","timestamp":"1795412630382","port":9092,"version":4}"#;

    fn at(listener: &str, host: &str, port: u16) -> Endpoint {
        Endpoint { listener: listener.to_owned(), host: host.to_owned(), port }
    }

    #[test]
    fn what_a_broker_of_2_2_wrote_is_read_and_written_again() {
        let broker = Broker::decode(REAL.as_bytes()).unwrap();
        assert_eq!(broker.endpoints, [at("PLAINTEXT", "127.0.0.1", 9092)]);
        assert_eq!(
            (broker.jmx_port, broker.timestamp, broker.rack.as_deref()),
            (-1, 1_795_412_630_382, None)
        );
        let again: Value = serde_json::from_slice(&broker.encode()).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(REAL).unwrap());
        assert!(!broker.encode().contains(&b' '));
    }

    #[test]
    fn the_first_plain_endpoint_is_host_and_port() {
        let text = r#"{"listener_security_protocol_map":{"TLS":"SSL","EXT":"PLAINTEXT"},"endpoints":["TLS://a:1","EXT://[::1]:2"],"host":null,"port":-1,"jmx_port":-1,"timestamp":"1","version":5,"features":{},"rack":"r"}"#;
        let broker = Broker::decode(text.as_bytes()).unwrap();
        assert_eq!(broker.plaintext(), Some(("::1", 2)));
        assert_eq!(broker.rack.as_deref(), Some("r"));
        let again = Broker::decode(&broker.encode()).unwrap();
        assert_eq!(again, broker);
        let none = Broker { protocols: [("EXT".to_owned(), "SSL".to_owned())].into(), ..broker };
        let none: Value = serde_json::from_slice(&none.encode()).unwrap();
        assert_eq!((&none["host"], &none["port"]), (&Value::Null, &json!(-1)));
    }

    #[test]
    fn old_versions_are_read() {
        let first = br#"{"jmx_port":-1,"timestamp":"1","host":"h","version":1,"port":9092}"#;
        assert_eq!(Broker::decode(first).unwrap().plaintext(), Some(("h", 9092)));
        let second = br#"{"endpoints":["SSL://h:1","PLAINTEXT://h:2"],"version":2}"#;
        assert_eq!(Broker::decode(second).unwrap().plaintext(), Some(("h", 2)));
    }

    #[test]
    fn what_is_no_broker_is_refused_with_a_reason() {
        let refused = |data: &[u8]| Broker::decode(data).unwrap_err().to_string();
        assert_eq!(refused(b""), "is empty");
        assert_eq!(refused(b"x"), "holds no JSON");
        assert_eq!(refused(b"[]"), "holds JSON that is no object");
        assert_eq!(refused(b"{}"), "has no port");
        assert_eq!(refused(br#"{"endpoints":["h:1"]}"#), "has an endpoint that is not NAME://host:port");
        assert_eq!(refused(br#"{"host":"h","port":99999}"#), "has no such port");
    }
}

//! Where a broker is: a host and a port.
//!
//! ```text
//!  localhost:9092          a name
//!  10.0.0.7:9092           an IPv4 address
//!  [::1]:9092              an IPv6 address in brackets
//!  PLAINTEXT://host:9092   a listener's name in front is ignored, as in Kafka
//! ```

use std::fmt;
use std::net::IpAddr;

/// A host and a port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that names no broker.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// One of the list is no `host:port`.
    #[error("{0:?} is no address of a broker: write host:port, for example localhost:9092")]
    Malformed(String),
    /// The list is empty.
    #[error("no broker is named: write host:port, for example localhost:9092")]
    Empty,
}

impl Address {
    /// A host and a port.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads one `host:port`.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError::Malformed(text.to_owned());
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = bare.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        // Without brackets a colon is part of no name, and it is not clear where an IPv6 address ends.
        let wrong = host.is_empty()
            || host.chars().any(|c| c.is_whitespace() || c == '/' || c.is_control())
            || (bracketed.is_none() && host.contains(':'));
        if wrong { Err(bad()) } else { Ok(Self::new(host, port)) }
    }

    /// Reads `host:port[,host:port]...`; empty parts are skipped, as Kafka does.
    ///
    /// # Errors
    ///
    /// If one of them is no address, or there is none.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let list: Vec<Self> = parts.map(Self::parse).collect::<Result<_, _>>()?;
        if list.is_empty() { Err(AddressError::Empty) } else { Ok(list) }
    }

    /// The host as an IP address, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_kafka_reads_them() {
        let list = Address::parse_list(" localhost:9092,[::1]:1, PLAINTEXT://a.b:65535 ,").unwrap();
        assert_eq!(
            list,
            [Address::new("localhost", 9092), Address::new("::1", 1), Address::new("a.b", 65_535)]
        );
        assert_eq!(list[1].to_string(), "[::1]:1");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["localhost", "localhost:", ":9092", "a:0", "a:65536", "::1:9092", "a b:1", "h/x:1"] {
            let error = Address::parse_list(text).unwrap_err();
            assert_eq!(error, AddressError::Malformed(text.to_owned()));
            assert!(error.to_string().contains("host:port"), "{error}");
        }
        assert_eq!(Address::parse_list(" , "), Err(AddressError::Empty));
    }
}

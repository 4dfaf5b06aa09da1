//! `listeners`, `advertised.listeners` and `listener.security.protocol.map`: where to listen, and what to tell clients.
//!
//! ```text
//! listeners=PLAINTEXT://:9092,INTERNAL://127.0.0.1:19092,V6://[::1]:9093
//!           NAME    :// host : port      host empty, 0.0.0.0 or [::] = all interfaces, IPv4 and IPv6
//! ```
//!
//! # Invariants
//!
//! * Names are unique; ports are, too, but for 0 (any free one) and a pair of one IPv4 and one IPv6 address.
//! * Only PLAINTEXT is served: a listener of another protocol is an error at start, never a listener that
//!   looks safe and is not.
//! * A client is told the address it dialled unless an advertised one is set for its listener.
//!
//! # Not here
//!
//! Opening sockets (`net`).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::value::split_list;

/// The port when none is set.
pub const DEFAULT_PORT: u16 = 9092;

/// On which interfaces a listener listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BindHost {
    /// 127.0.0.1 and ::1, on one port.
    Loopback,
    /// All of IPv4 and IPv6, on one port.
    Any,
    /// All of IPv4 only, because another listener has the port on IPv6.
    AnyV4,
    /// All of IPv6 only, because another listener has the port on IPv4.
    AnyV6,
    /// This host name or address.
    Host(String),
}

/// One address to listen on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Its name, in capitals: `PLAINTEXT` unless somebody named it.
    pub name: String,
    /// On which interfaces.
    pub host: BindHost,
    /// The port; 0 is any free one.
    pub port: u16,
}

/// What clients of one listener are told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertised {
    /// The listener's name.
    pub name: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// All listeners of the broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listeners {
    /// Where to listen; never empty.
    pub bind: Vec<Listener>,
    /// What is set in `advertised.listeners`; may be empty.
    pub advertised: Vec<Advertised>,
}

impl Listener {
    /// The socket addresses to bind, in order. Where the second differs only in the family (loopback, any), it
    /// is to have the port that the first got, and may be missing on a machine without IPv6.
    ///
    /// # Errors
    ///
    /// What the resolver says about a host name.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let both = |v4: Ipv4Addr, v6: Ipv6Addr| {
            vec![SocketAddr::new(v4.into(), self.port), SocketAddr::new(v6.into(), self.port)]
        };
        Ok(match &self.host {
            BindHost::Loopback => both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
            BindHost::Any => both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
            BindHost::AnyV4 => vec![SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.port)],
            BindHost::AnyV6 => vec![SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), self.port)],
            BindHost::Host(host) => resolve(host, self.port)?,
        })
    }

    /// Whether the second of [`Listener::addresses`] is there for convenience: a machine without IPv6 may fail to
    /// bind it.
    #[must_use]
    pub fn second_is_optional(&self) -> bool {
        !matches!(self.host, BindHost::AnyV4 | BindHost::AnyV6)
    }
}

/// `localhost` has two addresses and clients try either, so every address of a name is listened on.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    Ok(found)
}

impl Listeners {
    /// What to tell a client of the listener `name` that dialled `dialled` (the local end of its connection).
    #[must_use]
    pub fn advertised_for(&self, name: &str, dialled: SocketAddr) -> (String, u16) {
        match self.advertised.iter().find(|a| a.name == name) {
            Some(a) => (a.host.clone(), a.port),
            None => (canonical(dialled.ip()).to_string(), dialled.port()),
        }
    }
}

/// An IPv4 address that arrived through an IPv6 socket is told as IPv4.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// What is wrong with one of the three keys, as the end of the sentence "expected ...".
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ListenerError(pub(super) String);

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refuse<T>(expected: impl Into<String>) -> Result<T, ListenerError> {
    Err(ListenerError(expected.into()))
}

/// One `NAME://host:port`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct EndPoint {
    name: String,
    host: String,
    port: u16,
}

fn end_point(text: &str) -> Result<EndPoint, ListenerError> {
    const SHAPE: &str = "NAME://host:port, separated by commas";
    let Some((name, address)) = text.split_once("://") else { return refuse(SHAPE) };
    let name_ok = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let Some((host, port)) = address.rsplit_once(':') else { return refuse(SHAPE) };
    let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) if v6.parse::<Ipv6Addr>().is_ok() => v6,
        Some(_) => return refuse("an IPv6 address between the brackets"),
        None => host,
    };
    let host_ok = host.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:%".contains(c));
    if !name_ok || !host_ok {
        return refuse(SHAPE);
    }
    let Ok(port) = port.parse::<u16>() else { return refuse("a port from 0 to 65535 at the end") };
    Ok(EndPoint { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

fn end_points(text: &str) -> Result<Vec<EndPoint>, ListenerError> {
    let all = split_list(text).iter().map(|item| end_point(item)).collect::<Result<Vec<_>, _>>()?;
    for (i, point) in all.iter().enumerate() {
        if all.iter().skip(i + 1).any(|other| other.name == point.name) {
            return refuse(format!("each listener name once, but {} comes twice", point.name));
        }
    }
    Ok(all)
}

/// Reads `listeners`.
pub(super) fn parse_bind(text: &str) -> Result<Vec<Listener>, ListenerError> {
    let points = end_points(text)?;
    if points.is_empty() {
        return refuse("at least one NAME://host:port");
    }
    for (i, point) in points.iter().enumerate() {
        let clash =
            points.iter().skip(i + 1).find(|o| o.port != 0 && o.port == point.port && !pair(point, o));
        if clash.is_some() {
            return refuse(format!("each port once, but {} comes twice", point.port));
        }
    }
    let listener = |point: &EndPoint| {
        let shared = points.iter().any(|o| o.name != point.name && o.port != 0 && o.port == point.port);
        let host = match point.host.as_str() {
            "" => BindHost::Any,
            "0.0.0.0" => {
                if shared {
                    BindHost::AnyV4
                } else {
                    BindHost::Any
                }
            }
            "::" => {
                if shared {
                    BindHost::AnyV6
                } else {
                    BindHost::Any
                }
            }
            host => BindHost::Host(host.to_owned()),
        };
        Listener { name: point.name.clone(), host, port: point.port }
    };
    Ok(points.iter().map(listener).collect())
}

/// Whether one is an IPv4 and the other an IPv6 address.
fn pair(a: &EndPoint, b: &EndPoint) -> bool {
    let is_v6 = |p: &EndPoint| p.host.parse::<IpAddr>().ok().map(|ip| ip.is_ipv6());
    matches!((is_v6(a), is_v6(b)), (Some(x), Some(y)) if x != y)
}

/// Reads `advertised.listeners` against the listeners there are.
pub(super) fn parse_advertised(text: &str, bind: &[Listener]) -> Result<Vec<Advertised>, ListenerError> {
    let points = end_points(text)?;
    for point in &points {
        if !bind.iter().any(|l| l.name == point.name) {
            return refuse(format!("a name that listeners has, but {} is not there", point.name));
        }
        if matches!(point.host.as_str(), "" | "0.0.0.0" | "::") {
            return refuse("a host that clients can dial; an empty host, 0.0.0.0 and [::] are none");
        }
    }
    Ok(points.into_iter().map(|p| Advertised { name: p.name, host: p.host, port: p.port }).collect())
}

/// Reads `listener.security.protocol.map` and checks that each listener is one that is served.
pub(super) fn check_protocols(map: &str, bind: &[Listener]) -> Result<(), ListenerError> {
    const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    let mut known: Vec<(String, String)> = Vec::new();
    for item in split_list(map) {
        let Some((name, protocol)) = item.split_once(':') else {
            return refuse("NAME:PROTOCOL, separated by commas");
        };
        let protocol = protocol.trim().to_ascii_uppercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return refuse(format!("a protocol that is one of: {}", PROTOCOLS.join(", ")));
        }
        known.push((name.trim().to_ascii_uppercase(), protocol));
    }
    for listener in bind {
        match known.iter().find(|(name, _)| *name == listener.name).map(|(_, protocol)| protocol.as_str()) {
            Some("PLAINTEXT") => {}
            Some(other) => {
                return refuse(format!(
                    "PLAINTEXT for listener {}: {other} is not served yet, only PLAINTEXT is",
                    listener.name
                ));
            }
            None => return refuse(format!("an entry for listener {}", listener.name)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT_MAP: &str = "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL";

    fn bind(text: &str) -> Vec<(String, BindHost, u16)> {
        parse_bind(text).unwrap().into_iter().map(|l| (l.name, l.host, l.port)).collect()
    }

    #[test]
    fn hosts_names_and_ports_are_read() {
        assert_eq!(bind("PLAINTEXT://:9092"), vec![("PLAINTEXT".into(), BindHost::Any, 9092)]);
        assert_eq!(bind("plaintext://0.0.0.0:0"), vec![("PLAINTEXT".into(), BindHost::Any, 0)]);
        assert_eq!(
            bind("A://localhost:1, B://[::1]:2"),
            vec![
                ("A".into(), BindHost::Host("localhost".into()), 1),
                ("B".into(), BindHost::Host("::1".into()), 2)
            ]
        );
    }

    #[test]
    fn one_port_for_both_families_is_a_pair() {
        assert_eq!(
            bind("A://0.0.0.0:9092,B://[::]:9092"),
            vec![("A".into(), BindHost::AnyV4, 9092), ("B".into(), BindHost::AnyV6, 9092)]
        );
        assert_eq!(parse_bind("A://h:1,B://g:1").unwrap_err().0, "each port once, but 1 comes twice");
        assert_eq!(bind("A://h:0,B://g:0").len(), 2);
    }

    #[test]
    fn what_is_no_listener_is_refused_with_what_would_be() {
        let shape = "NAME://host:port, separated by commas";
        for (text, expected) in [
            ("localhost:9092", shape),
            ("://h:1", shape),
            ("P://h", shape),
            ("P://h/x:1", shape),
            ("P://h:99999", "a port from 0 to 65535 at the end"),
            ("P://[::x]:1", "an IPv6 address between the brackets"),
            ("P://a:1,p://b:2", "each listener name once, but P comes twice"),
            ("", "at least one NAME://host:port"),
        ] {
            assert_eq!(parse_bind(text).unwrap_err().0, expected, "{text}");
        }
    }

    #[test]
    fn advertised_needs_a_listener_and_a_host_to_dial() {
        let bind = parse_bind("PLAINTEXT://:9092").unwrap();
        assert_eq!(
            parse_advertised("PLAINTEXT://kafka.example:19092", &bind).unwrap(),
            vec![Advertised { name: "PLAINTEXT".into(), host: "kafka.example".into(), port: 19092 }]
        );
        assert_eq!(
            parse_advertised("PLAINTEXT://0.0.0.0:9092", &bind).unwrap_err().0,
            "a host that clients can dial; an empty host, 0.0.0.0 and [::] are none"
        );
        assert_eq!(
            parse_advertised("OTHER://h:9092", &bind).unwrap_err().0,
            "a name that listeners has, but OTHER is not there"
        );
    }

    #[test]
    fn only_plaintext_is_served() {
        let check = |map: &str, text: &str| check_protocols(map, &parse_bind(text).unwrap()).map_err(|e| e.0);
        assert_eq!(check(DEFAULT_MAP, "PLAINTEXT://:1"), Ok(()));
        assert_eq!(check("INT:PLAINTEXT,EXT:plaintext", "INT://:1,EXT://:2"), Ok(()));
        assert_eq!(
            check(DEFAULT_MAP, "SASL_SSL://:1").unwrap_err(),
            "PLAINTEXT for listener SASL_SSL: SASL_SSL is not served yet, only PLAINTEXT is"
        );
        assert_eq!(check(DEFAULT_MAP, "INT://:1").unwrap_err(), "an entry for listener INT");
        assert_eq!(
            check("INT:TLS", "INT://:1").unwrap_err(),
            "a protocol that is one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
        );
    }

    #[test]
    fn clients_are_told_what_they_dialled_unless_it_is_set() {
        let bind = parse_bind("PLAINTEXT://:9092,EXT://:9093").unwrap();
        let advertised = parse_advertised("EXT://kafka.example:19093", &bind).unwrap();
        let listeners = Listeners { bind, advertised };
        let dialled: SocketAddr = "[::ffff:10.0.0.7]:9092".parse().unwrap();
        assert_eq!(listeners.advertised_for("PLAINTEXT", dialled), ("10.0.0.7".into(), 9092));
        assert_eq!(listeners.advertised_for("EXT", dialled), ("kafka.example".into(), 19093));
    }

    #[test]
    fn loopback_and_any_have_both_families() {
        let addresses = |host| Listener { name: "P".into(), host, port: 7 }.addresses().unwrap();
        let text = |host| addresses(host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(text(BindHost::Loopback), ["127.0.0.1:7", "[::1]:7"]);
        assert_eq!(text(BindHost::Any), ["0.0.0.0:7", "[::]:7"]);
        assert_eq!(text(BindHost::AnyV6), ["[::]:7"]);
        assert_eq!(text(BindHost::Host("127.0.0.1".into())), ["127.0.0.1:7"]);
    }
}

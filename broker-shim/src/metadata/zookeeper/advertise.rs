//! What a broker registers: addresses that others can dial, whatever it listens on.
//!
//! | listener | `advertised.*` | registered |
//! |---|---|---|
//! | any | set | that |
//! | all interfaces | - | our end of the connection to ZooKeeper: whoever reaches ZooKeeper from where it is reaches us |
//! | one address | - | that one; loopback only if ZooKeeper is on this machine |
//!
//! Never a host name that nobody gave us, and never a wildcard.

use super::error::ZooKeeperError;
use crate::config::Listeners;
use kafka_znodes::broker::{Broker, Endpoint};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What to register, at this time in milliseconds.
///
/// # Errors
///
/// A listener cannot be dialled by others.
pub(super) fn registration(
    listeners: &Listeners,
    bound: &[(Arc<str>, SocketAddr)],
    local: IpAddr,
    rack: Option<&str>,
    now: i64,
    at: &str,
) -> Result<Broker, ZooKeeperError> {
    let local = local.to_canonical();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (name, address) in bound {
        // A listener on both families is two sockets; one endpoint is enough.
        if endpoints.iter().any(|point| *point.listener == **name) {
            continue;
        }
        let (host, port) = match listeners.advertised.iter().find(|advertised| *advertised.name == **name) {
            Some(advertised) => (advertised.host.clone(), advertised.port),
            None => {
                let ip = address.ip().to_canonical();
                let ip = if ip.is_unspecified() { local } else { ip };
                if ip.is_loopback() && !local.is_loopback() {
                    return Err(ZooKeeperError::Unreachable {
                        listener: name.to_string(),
                        bound: address.to_string(),
                        at: at.to_owned(),
                    });
                }
                (ip.to_string(), address.port())
            }
        };
        endpoints.push(Endpoint { listener: name.to_string(), host, port });
    }
    // All that is served today.
    let protocol = |point: &Endpoint| (point.listener.clone(), "PLAINTEXT".to_owned());
    let protocols = endpoints.iter().map(protocol).collect();
    Ok(Broker { endpoints, protocols, jmx_port: -1, timestamp: now, rack: rack.map(str::to_owned) })
}

/// The first address of a registration that leads other machines to themselves although they can come to the listener: with
/// ZooKeeper on this machine nothing tells us of a better one.
pub(super) fn trap<'a>(broker: &'a Broker, bound: &[(Arc<str>, SocketAddr)]) -> Option<&'a Endpoint> {
    broker.endpoints.iter().find(|point| {
        let open = |(name, address): &(Arc<str>, SocketAddr)| {
            **name == *point.listener && address.ip().is_unspecified()
        };
        point.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) && bound.iter().any(open)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Advertised;

    fn registered(
        bound: &[(&str, &str)],
        local: &str,
        advertised: &[(&str, &str, u16)],
    ) -> Result<String, String> {
        let bound: Vec<_> = bound.iter().map(|(name, at)| (Arc::from(*name), at.parse().unwrap())).collect();
        let advertised = advertised.iter().map(|(name, host, port)| Advertised {
            name: (*name).to_owned(),
            host: (*host).to_owned(),
            port: *port,
        });
        let listeners = Listeners { bind: Vec::new(), advertised: advertised.collect() };
        let broker = registration(&listeners, &bound, local.parse().unwrap(), None, 0, "zk:2181");
        let broker = broker.map_err(|error| error.to_string())?;
        Ok(broker.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn a_wildcard_becomes_our_end_of_the_connection() {
        let both = [("PLAINTEXT", "0.0.0.0:9092"), ("PLAINTEXT", "[::]:9092")];
        assert_eq!(registered(&both, "10.0.0.7", &[]).unwrap(), "PLAINTEXT://10.0.0.7:9092");
        assert_eq!(registered(&both, "127.0.0.1", &[]).unwrap(), "PLAINTEXT://127.0.0.1:9092");
        assert_eq!(registered(&both, "::ffff:10.0.0.7", &[]).unwrap(), "PLAINTEXT://10.0.0.7:9092");
    }

    #[test]
    fn one_address_is_registered_unless_nobody_else_could_dial_it() {
        let one = [("PLAINTEXT", "10.0.0.9:9092")];
        assert_eq!(registered(&one, "10.0.0.7", &[]).unwrap(), "PLAINTEXT://10.0.0.9:9092");
        let loopback = [("PLAINTEXT", "127.0.0.1:9092")];
        assert_eq!(registered(&loopback, "127.0.0.1", &[]).unwrap(), "PLAINTEXT://127.0.0.1:9092");
        assert_eq!(
            registered(&loopback, "10.0.0.7", &[]).unwrap_err(),
            "listener PLAINTEXT listens on 127.0.0.1:9092 only, which nobody but this machine can dial, and ZooKeeper \
             is at zk:2181: set advertised.listeners, or listeners to another address"
        );
    }

    #[test]
    fn loopback_is_a_trap_only_where_others_can_come() {
        let trap_of = |at: &str, local: &str| {
            let bound = [(Arc::from("PLAINTEXT"), at.parse().unwrap())];
            let listeners = Listeners { bind: Vec::new(), advertised: Vec::new() };
            let broker =
                registration(&listeners, &bound, local.parse().unwrap(), None, 0, "zk:2181").unwrap();
            trap(&broker, &bound).map(ToString::to_string)
        };
        assert_eq!(trap_of("0.0.0.0:9092", "127.0.0.1").as_deref(), Some("PLAINTEXT://127.0.0.1:9092"));
        assert_eq!(trap_of("127.0.0.1:9092", "127.0.0.1"), None);
        assert_eq!(trap_of("0.0.0.0:9092", "10.0.0.7"), None);
    }

    #[test]
    fn what_is_advertised_is_registered_as_it_stands() {
        let two = [("INT", "127.0.0.1:1"), ("EXT", "0.0.0.0:2")];
        let advertised = [("INT", "localhost", 7), ("EXT", "kafka.example", 19092)];
        assert_eq!(
            registered(&two, "10.0.0.7", &advertised).unwrap(),
            "INT://localhost:7,EXT://kafka.example:19092"
        );
    }
}

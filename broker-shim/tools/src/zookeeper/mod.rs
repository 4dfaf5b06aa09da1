//! The tools' `--zookeeper` forms: topics, settings and old consumers through Kafka's znodes, as the tools of 2.2 and
//! before do it. No broker is asked; one that runs sees the nodes.
//!
//! # Not here
//!
//! Paths and JSON (`kafka_znodes`), options (`kafka`).

pub mod configs;
pub mod consumer;
pub mod topics;

use crate::failure::Failure;
use kafka_client::{Address, Client, ClientConfig};
use kafka_znodes::{ConnectError, ConnectString, Zk, ZkError};
use std::time::Duration;

/// What the tools of 2.2 ask for.
const SESSION: Duration = Duration::from_secs(30);
/// How long a server may take to start, when a script starts it just before.
const WAIT: Duration = Duration::from_secs(3);
/// Within this a server answers that is there.
const SOON: Duration = Duration::from_millis(300);

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Told(format!(
            "{error}: start ZooKeeper, say with --zookeeper where it is, or name a broker instead, with \
             --bootstrap-server host:9092"
        ))
    }
}

impl From<ZkError> for Failure {
    fn from(error: ZkError) -> Self {
        Self::Told(error.to_string())
    }
}

/// Reads what `--zookeeper` was given.
///
/// # Errors
///
/// It names no servers.
pub fn connect_string(hosts: &str) -> Result<ConnectString, Failure> {
    let expected = |error| Failure::told(format!("--zookeeper {hosts}: expected {error}"));
    hosts.parse().map_err(|error: kafka_znodes::ConnectStringError| expected(error))
}

/// Opens a session, works, and closes it.
///
/// # Errors
///
/// Nobody answers, or `work` fails.
pub fn with<T>(hosts: &str, work: impl AsyncFnOnce(&Zk) -> Result<T, Failure>) -> Result<T, Failure> {
    let to = connect_string(hosts)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::told(format!("cannot start the connection: {error}")))?;
    runtime.block_on(async {
        let zk = connect(&to, SESSION).await?;
        let done = work(&zk).await;
        zk.close().await;
        done
    })
}

/// Opens a session. Whoever does not answer at once is asked whether it is a broker: that is a common mistake, and
/// waiting does not mend it.
async fn connect(to: &ConnectString, session: Duration) -> Result<Zk, Failure> {
    let mut opening = std::pin::pin!(Zk::connect(to, session, WAIT));
    if let Ok(opened) = tokio::time::timeout(SOON, &mut opening).await {
        return Ok(opened?);
    }
    let servers = to.servers();
    match tokio::task::spawn_blocking(move || broker_among(&servers)).await {
        Ok(Some(address)) => Err(Failure::told(format!(
            "{address} is a broker of Kafka's protocol, not a ZooKeeper: name it with --bootstrap-server {address}, or \
             give --zookeeper the address of the ZooKeeper, by default port 2181"
        ))),
        _ => Ok(opening.await?),
    }
}

/// The first of the servers that answers as a broker does.
fn broker_among(servers: &str) -> Option<Address> {
    let config = ClientConfig { connect_timeout: SOON, request_timeout: SOON, ..ClientConfig::default() };
    let answers = |address: &Address| Client::connect(std::slice::from_ref(address), config.clone()).is_ok();
    Address::parse_list(servers).ok()?.into_iter().find(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_broker_in_the_place_of_a_zookeeper_is_told_at_once() {
        let broker = crate::testing::Rig::start();
        let begin = std::time::Instant::now();
        let told = with(&broker.address(), async |zk| Ok(zk.session_id())).unwrap_err();
        let address = broker.address();
        let text = format!("{address} is a broker of Kafka's protocol, not a ZooKeeper: name it with");
        assert!(matches!(&told, Failure::Told(told) if told.starts_with(&text)), "{told:?}");
        assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    }

    #[test]
    fn a_zookeeper_that_is_not_there_can_be_gone_around() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let told = with(&format!("127.0.0.1:{port}"), async |zk| Ok(zk.session_id())).unwrap_err();
        let Failure::Told(told) = told else { panic!("{told:?}") };
        assert!(told.starts_with(&format!("no ZooKeeper answers at 127.0.0.1:{port} (")), "{told}");
        assert!(told.ends_with("--bootstrap-server host:9092"), "{told}");
    }
}

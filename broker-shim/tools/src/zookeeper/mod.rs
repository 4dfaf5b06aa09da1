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
use kafka_znodes::{ConnectError, ConnectString, Zk, ZkError};
use std::time::Duration;

/// What the tools of 2.2 ask for.
const SESSION: Duration = Duration::from_secs(30);
/// How long a server may take to start, when a script starts it just before.
const WAIT: Duration = Duration::from_secs(3);

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Told(format!("{error}: start ZooKeeper, or say with --zookeeper where it is"))
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
        let zk = Zk::connect(&to, SESSION, WAIT).await?;
        let done = work(&zk).await;
        zk.close().await;
        done
    })
}

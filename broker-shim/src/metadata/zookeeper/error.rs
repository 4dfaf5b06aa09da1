//! Why a broker cannot start with its ZooKeeper. Each text says what was dialled or read, what was found, what to do.

use kafka_znodes::{ConnectError, ZkError};
use std::io;

/// Why a broker cannot start with its ZooKeeper.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooKeeperError {
    /// Nobody answers.
    #[error("{0}: start ZooKeeper first, or set zookeeper.connect to where it is")]
    Connect(ConnectError),
    /// It refused something, or holds something strange.
    #[error(
        "ZooKeeper at {at}: {problem}; set zookeeper.connect to host:port/path with a path that is Corrente's own"
    )]
    Node {
        /// What was dialled.
        at: String,
        /// What happened.
        problem: ZkError,
    },
    /// Another broker has our number.
    #[error(
        "ZooKeeper at {at}: a broker with the number {id} runs already, at {by}: stop it, or set broker.id to another \
         number"
    )]
    Taken {
        /// What was dialled.
        at: String,
        /// Our number.
        id: i32,
        /// Where the other is.
        by: String,
    },
    /// Another broker is the controller.
    #[error(
        "ZooKeeper at {at}: broker {by} is the controller of this cluster, and Corrente is a cluster of one: stop that \
         broker, or add a path of its own to zookeeper.connect ({at}/corrente)"
    )]
    Controlled {
        /// What was dialled.
        at: String,
        /// The controller's number.
        by: i32,
    },
    /// The cluster's id is none of Kafka's.
    #[error(
        "ZooKeeper at {at}: /cluster/id holds {found}: expected {expected}; delete that node, or use another path"
    )]
    Cluster {
        /// What was dialled.
        at: String,
        /// What is there.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// No address can be registered that others could dial.
    #[error(
        "listener {listener} listens on {bound} only, which nobody but this machine can dial, and ZooKeeper is at {at}: \
         set advertised.listeners, or listeners to another address"
    )]
    Unreachable {
        /// The listener's name.
        listener: String,
        /// Where it listens.
        bound: String,
        /// What was dialled.
        at: String,
    },
    /// The operating system has no thread to give.
    #[error("the thread that talks to ZooKeeper cannot be started")]
    Thread(#[source] io::Error),
}

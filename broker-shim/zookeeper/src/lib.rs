//! A ZooKeeper server of one node, in ZooKeeper's wire protocol, on log-engine.
//!
//! ```no_run
//! use corrente_zookeeper::{Config, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(Config::new("data/zookeeper"))?;
//! println!("listening on {:?}", server.addresses());
//! server.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! Sessions, persistent, ephemeral, sequential, container and expiring nodes, watches of all kinds, multi, access lists
//! (world, digest, ip), four-letter words: what ZooKeeper 3.9 answers to a client that has no SASL, so that Apache Kafka
//! up to 3.9, its tools, kazoo, Curator and `zkCli` run on it. It is also the proof that the log embeds well: transactions
//! and snapshots are records of two logs, and nothing but the public interface is used.
//!
//! # How it is built
//!
//! ```text
//! sockets   server      a task a connection; frames go to one thread, which answers in order
//! requests  machine     no socket, no disk: frames in, frames and records out
//! state     state       tree, sessions, zxid: what outlives the process
//! disk      journal     a group of records, one sync, then the answers
//! bytes     wire, txn   the protocol's, and the log's
//! ```
//!
//! # Non-goals
//!
//! * **No quorum, no observers, no reconfig.** One node; what is acknowledged is on its disk. A file with several
//!   `server.N` is refused.
//! * **No SASL, no TLS, no x509.** A client that asks for SASL is told to go on without.
//! * **No import.** A `version-2` directory of a real ZooKeeper is neither read nor touched.
//! * **No quotas, no admin server, no metrics server.** `/zookeeper/quota` is there and has no effect; the four-letter
//!   words answer.

mod acl;
mod config;
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod machine;
mod path;
mod server;
mod session;
mod state;
mod tree;
mod txn;
mod watch;
mod wire;
mod words;

pub use config::{Config, ConfigError};
pub use journal::JournalError;
pub use server::{BindError, Server, StartError};
pub use words::Words;

//! Corrente: a Kafka-compatible broker on [`log_engine`], as a library.
//!
//! The binary `corrente` is [`cli`] around [`Broker`]. A test that needs a broker starts one in its own process: on a
//! free port, with a folder of its own, gone when it is dropped.
//!
//! ```
//! use broker_shim::Broker;
//!
//! let broker = Broker::temporary().start_blocking()?;
//! println!("bootstrap.servers={}", broker.addr());
//! # Ok::<(), broker_shim::StartError>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`server`] | a broker, put together, started and stopped |
//! | [`config`] | `server.properties`, environment and overrides as typed settings |
//! | [`net`] | sockets, frames, budgets, answers in order |
//! | [`handlers`] | one file per API: from a decoded request to an answer |
//! | [`coordinators`] | consumer groups and committed offsets |
//! | [`metadata`] | topics, their ids and settings, on a log of their own |
//! | [`convert`] | message sets of the old formats, both ways |
//! | [`web`] | health, metrics and the console on a port of their own |
//!
//! # Not here
//!
//! The bytes of the protocol (`kafka-wire`) and of the log (`log-engine`).
#![forbid(unsafe_code)]

pub mod broker;
pub mod cli;
mod commits;
pub mod config;
pub mod convert;
pub mod coordinators;
pub mod handlers;
pub mod metadata;
mod meter;
pub mod net;
mod processes;
mod purgatory;
pub mod server;
mod trouble;
pub mod web;

pub use config::BrokerConfig;
pub use server::{BlockingBroker, Broker, StartError};

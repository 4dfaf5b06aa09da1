//! What Kafka keeps in ZooKeeper: paths, the JSON in the nodes, and the operations that a broker and its tools share.
//!
//! ```text
//! /brokers/ids/0                          {"endpoints":["PLAINTEXT://127.0.0.1:9092"],"host":"127.0.0.1",...}
//! /brokers/topics/t                       {"version":1,"partitions":{"0":[0],"1":[0]}}
//! /brokers/topics/t/partitions/0/state    {"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0]}
//! /config/topics/t                        {"version":1,"config":{"retention.ms":"1000"}}
//! /config/changes/config_change_N         {"version":2,"entity_path":"topics/t"}
//! /controller                             {"version":1,"brokerid":0,"timestamp":"1795412630382"}
//! /cluster/id                             {"version":"1","id":"46j5Mn07Qv-bGI1z80v2ww"}
//! ```
//!
//! # Invariants
//!
//! * Reading is tolerant: the order of keys, unknown keys, older and newer versions are fine. What cannot be understood
//!   is a [`Malformed`] and never a panic: anybody may write into these nodes.
//! * Writing is Kafka 2.2's: the newest versions that its tools know, without blanks.
//! * No operation is used that ZooKeeper 3.4 does not have: no multi with creates, no create2.
//!
//! # Not here
//!
//! What a broker does with them (`broker_shim::metadata::zookeeper`), and what tools print.

pub mod admin;
pub mod broker;
mod client;
pub mod config;
mod connect;
pub mod consumer;
pub mod controller;
mod json;
pub mod path;
pub mod topic;

pub use client::{Node, Zk, ZkError};
pub use connect::{ConnectError, ConnectString, ConnectStringError};
pub use json::Malformed;
/// The kept client, for what [`Zk`] has no method for.
pub use zookeeper_client as raw;

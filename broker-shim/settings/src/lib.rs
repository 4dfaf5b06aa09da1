//! What a broker and its tools must agree on: topic keys and their values, topic names, properties files.
//!
//! ```text
//! kafka-topics --zookeeper ... --config retention.ms=abc      refused by topic::validate, in the tool
//! CreateTopics [retention.ms=abc]                             refused by topic::validate, in the broker
//! server.properties, producer.properties                      read by properties::parse
//! ```
//!
//! A tool with `--zookeeper` writes where no broker looks first, so it must know the rules itself. They are here and
//! not beside the broker because tools must not need a broker to be built, and not beside the znodes because the
//! broker needs them without a ZooKeeper too.
//!
//! # Invariants
//!
//! * No dependency, no I/O, no clock: text in, verdict out.
//! * Refusals are worded as Kafka words them; tools and broker say the same.
//!
//! # Not here
//!
//! The broker's own keys and the values in force (`broker_shim::config`); which sources a setting may come from.

mod escaped;
mod name;
pub mod properties;
pub mod topic;
pub mod value;

pub use escaped::Escaped;
pub use name::{MAX_NAME_LEN, TopicName, TopicNameError};

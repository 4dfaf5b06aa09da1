//! A small blocking client of Kafka's protocol, for tools that start, ask, print and end.
//!
//! No runtime, no thread, no background work: a [`Client`] dials when it is asked, keeps one connection for each
//! broker, and speaks to each in the highest version that both know. It is ready after one round trip.
//!
//! ```no_run
//! use kafka_client::{Address, Client, ClientConfig, Node};
//! use kafka_wire::messages::MetadataRequest;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let brokers = Address::parse_list("localhost:9092")?;
//! let mut client = Client::connect(&brokers, ClientConfig::default())?;
//! let answer = client.call(Node::Any, &MetadataRequest { topics: None, ..Default::default() })?;
//! for topic in answer.topics {
//!     println!("{}", topic.name.unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`client`] | connections, versions, calls, which broker does what |
//! | [`cluster`] | brokers, topics and leaders as a broker tells them |
//! | [`offsets`] | beginnings, ends, offsets by time; what groups have committed |
//! | [`produce`] | records into batches, batches to leaders |
//! | [`fetch`] | batches to records |
//! | [`group`] | membership of a consumer group |
//! | [`properties`] | client property files, as far as they mean something here |
//!
//! # Invariants
//!
//! * An answer is never trusted: sizes are bounded before memory is taken ([`ClientConfig::max_response`]), every read
//!   has a deadline, and nothing a broker sends is a panic.
//! * An error says who was dialled, what was answered and what to try: [`ClientError`] is meant to be read by people.
//! * A request that may have been done is not sent again behind the caller's back unless doing it twice is harmless.
//!
//! # Not here
//!
//! Encryption and authentication: the transport has a place for them, and property files that ask for them are refused
//! with a sentence. Message formats before v2: ask for versions that have them, and they are given as bytes.

#![forbid(unsafe_code)]

pub mod address;
pub mod client;
pub mod cluster;
mod connection;
pub mod error;
pub mod fetch;
pub mod group;
pub mod offsets;
pub mod partition;
mod probe;
pub mod produce;
pub mod properties;
mod transport;

#[cfg(test)]
mod testing;

pub use address::{Address, AddressError};
pub use client::{Client, ClientConfig, Node, Sent};
pub use cluster::{Broker, Cluster, Partition, Topic};
pub use connection::ApiRanges;
pub use error::{ClientError, DialProblem, Dialled};
pub use fetch::{Fetched, FetchedRecord, Fetcher, FetcherConfig, Isolation, PartitionProblem};
pub use group::{GroupConfig, GroupMember, MemberState};
pub use offsets::{Committed, OffsetAt, OffsetSpec};
pub use partition::{Partitioner, TopicPartition};
pub use produce::{Delivery, NewRecord, Producer, ProducerConfig};

//! What Kafka's tools and ours both do: connect, ask, put in order. Nothing here prints.

pub mod configs;
pub mod filter;
pub mod java;
pub mod session;
pub mod topics;

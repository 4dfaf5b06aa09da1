//! What Kafka's tools and ours both do: connect, ask, put in order. Nothing here prints.

pub mod client_options;
pub mod clock;
pub mod configs;
pub mod consume;
pub(crate) mod coordinator;
pub mod filter;
pub mod groups;
pub mod interrupt;
pub mod java;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod perf;
pub mod random;
pub mod session;
pub(crate) mod show;
pub mod stdin;
pub(crate) mod table;
pub mod topics;
pub(crate) mod when;
pub mod words;

//! The Kafka protocol's messages: bytes to structs and back, for every version from the oldest to today's. No I/O.
//!
//! ```text
//!  frame     i32 size of what follows | header | body
//!  request   header v0  api_key i16, api_version i16, correlation_id i32       (ControlledShutdown v0 only)
//!            header v1  ... and client_id, nullable classic string
//!            header v2  ... and a tag section                                  (flexible versions)
//!  response  header v0  correlation_id i32                                     (ApiVersions: always)
//!            header v1  ... and a tag section                                  (flexible versions)
//! ```
//!
//! The structs in [`messages`] are generated from the schema beside this crate (`cargo run -p kafka-wire-codegen`).
//! A struct holds the fields of all versions; which of them are on the wire is decided by the version that
//! `decode` and `encode` are given. Absent ones read as their default.
//!
//! # Conventions
//!
//! * A number whose default is -1 is an `Option`: `None` is -1 on the wire; other negatives are `Some`.
//! * Whatever a version allows to be null is an `Option`, with `None` as its default.
//! * Record data is not looked into: `Option<Bytes>` (a slice of the frame) in requests, [`Payload`] in responses,
//!   which may be a gap that the sender fills from a file.
//!
//! # Invariants
//!
//! * Decoding takes at most `8 x input + 64 KiB` of memory, whatever the bytes claim: see [`reader`].
//! * Bytes after a body are an error: [`Message::from_body`].
//!
//! # Not here
//!
//! Sockets, the records inside a batch (`log-engine`), and which versions a broker offers.

#![forbid(unsafe_code)]

pub mod api_key;
pub mod error;
pub mod error_code;
pub mod header;
pub mod message;
pub mod messages;
pub mod reader;
pub mod records;
pub mod uuid;
pub mod writer;

pub use api_key::{AdvertisedApi, ApiKey};
pub use error::{DecodeError, EncodeError, Problem, Unencodable};
pub use error_code::ErrorCode;
pub use header::{RequestHeader, request_frame, response_frame, response_frame_with_codes};
pub use message::{Message, MessageInfo, Request, Response, Versions};
pub use reader::Reader;
pub use uuid::Uuid;
pub use writer::{Payload, Segment, Writer, concat};

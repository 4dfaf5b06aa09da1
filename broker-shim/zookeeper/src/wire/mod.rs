//! Bytes of the protocol, both ways.
//!
//! ```text
//! frame           int length, payload
//! first request   connect                      first reply   connect
//! request         int xid, int type, body      reply         int xid, long zxid, int err, body (none on an error)
//! event           as a reply with xid -1; body int type, int state, string path
//! ```
//!
//! # Not here
//!
//! What a request does (`machine`), sockets (`server`).

pub(crate) mod code;
pub(crate) mod connect;
pub(crate) mod jute;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod stat;

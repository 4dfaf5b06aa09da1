//! Sockets: accepting connections, cutting requests out of them, writing answers in order.
//!
//! One task per connection; a request is handled on the task that read it, because every hand-over costs more
//! than most requests (DESIGN 4.6). What the bytes of a request mean is a [`Service`]'s business.
//!
//! | module | what |
//! |---|---|
//! | [`listener`](self) | addresses, the accept loop, how many connections |
//! | `connection` | one connection: what is read, started, written, and when it ends |
//! | `frame` | bytes to frames |
//! | `budget` | how much all connections may hold |
//! | `reply` | pieces of an answer to the socket |
//! | `close` | why a connection ended, in one safe line |
//! | `holder` | which process has an address that is in use |
//!
//! # Invariants
//!
//! * Answers leave in the order of their requests.
//! * A request starts only when those before it have taken effect: up to [`MAX_PIPELINED`] Produces may wait for
//!   their sync together, everything else waits for what is before it.
//! * While an answer is written nothing is read, and what is read ahead of an unanswered request is bounded.
//!
//! # Not here
//!
//! The protocol (`handlers`), TLS and SASL.

mod budget;
mod close;
mod connection;
mod frame;
mod holder;
mod limits;
mod listener;
mod reply;

use bytes::Bytes;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use close::{CloseReason, Escaped, SHOWN};
pub use holder::{Holder, holder_of, in_use};
pub use limits::{ConnectionCounts, ConnectionLimits};
pub use listener::{BindError, ListenAddress, Listeners, Server};
pub use log_engine::segment::FileSlice;
pub use reply::{MAX_SENDFILE, Part, Reply, SENDFILE_FROM, Traffic};

/// Produces of one connection that may wait for their sync together.
pub const MAX_PIPELINED: usize = 5;

/// Where a connection comes from and where it arrived.
#[derive(Clone, Debug)]
pub struct ConnectionContext {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address the client dialled, as this end of the connection has it.
    pub local: SocketAddr,
    /// The name of the listener it came in on: `PLAINTEXT`.
    pub listener: Arc<str>,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Send this.
    Respond(Reply),
    /// Send nothing, go on (a Produce with `acks=0`).
    NoResponse,
    /// Close the connection without an answer.
    Close(CloseReason),
}

/// A future that ends with the outcome of a request.
pub type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How far a request is when [`Service::call`] returns.
pub enum Call {
    /// It is over.
    Done(Outcome),
    /// It is not over. Dropped when the peer goes away.
    Pending(Pending),
}

/// Who answers requests.
pub trait Service: Send + Sync + 'static {
    /// Handles one request (header and body, without the size field).
    ///
    /// Whatever must happen before a later request of the same connection may start happens before this returns
    /// if [`Service::may_pipeline`] holds for its API key, and before the returned future ends otherwise.
    fn call(&self, connection: &Arc<ConnectionContext>, frame: Bytes) -> Call;

    /// Whether requests of this API take effect within [`Service::call`].
    fn may_pipeline(&self, api_key: i16) -> bool;

    /// Hears that a request is over, so long after it was called; its answer is yet to be written.
    fn done(&self, _api_key: i16, _took: Duration, _outcome: &Outcome) {}
}

/// The limits of a server's connections; the names are those of the settings.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `socket.request.max.bytes`: the largest request, in bytes.
    pub request_max_bytes: usize,
    /// `queued.max.request.bytes`: bytes of large requests that all connections together may be receiving or
    /// handling. `None`: a quarter of the machine's memory, at most 2 GiB. Never below `request_max_bytes`.
    pub queued_max_request_bytes: Option<usize>,
    /// `connections.max.idle.ms`: how long a connection may do nothing; also how long a peer may take nothing of
    /// an answer.
    pub max_idle: Duration,
    /// How long a request may stop half-way, on a connection that never sent a whole one or while memory is short.
    pub stalled: Duration,
    /// How many connections there may be, to begin with ([`ConnectionCounts::set_limits`]).
    pub connections: ConnectionLimits,
    /// `socket.listen.backlog.size`.
    pub backlog: u32,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<usize>,
    /// How long open requests may take to end when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_max_bytes: 104_857_600,
            queued_max_request_bytes: None,
            max_idle: Duration::from_millis(600_000),
            stalled: Duration::from_secs(30),
            connections: ConnectionLimits::default(),
            backlog: 1024,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            drain: Duration::from_secs(3),
        }
    }
}

impl Limits {
    /// The budget for large requests, in bytes.
    fn budget_bytes(&self) -> usize {
        let quarter = || {
            let info = rustix::system::sysinfo();
            let total = info.totalram.saturating_mul(u64::from(info.mem_unit));
            usize::try_from(total / 4).unwrap_or(usize::MAX).min(2 << 30)
        };
        self.queued_max_request_bytes.unwrap_or_else(quarter).max(self.request_max_bytes.saturating_add(4))
    }
}

#[cfg(test)]
mod tests;

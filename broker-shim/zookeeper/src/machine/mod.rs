//! The server without sockets and without a disk: frames in, frames and records out.
//!
//! ```text
//!   opened, frame, word, closed, tick  -->  Machine  -->  records for the log, then outputs: send, close
//! ```
//!
//! Whoever drives it writes the records and syncs them *before* it carries the outputs out: a client that sees something, by
//! a reply or by an event, sees what will be there after a power cut.
//!
//! # Invariants
//!
//! * Outputs of one connection are in the order of its requests; an event comes before the reply that shows the change.
//! * Each session's begin and end, each write and each failed write takes one zxid and is one record.
//! * What comes from a connection after it was closed is ignored.
//!
//! # Not here
//!
//! Reading and writing sockets, bounds on what waits (`server`), the log (`journal`).

mod conn;
mod events;
mod look;
mod read;
mod timers;
mod write;

use crate::session::Sessions;
use crate::state::{Saved, State};
use crate::tree::Moment;
use crate::txn::{Txn, What};
use crate::watch::{ConnId, Watches};
use crate::wire::code::Code;
use crate::wire::connect::{ConnectRequest, Password, reply as connect_reply};
use crate::wire::jute::Malformed;
use crate::wire::reply;
use crate::wire::request::{Op, Request};
use bytes::Bytes;
use conn::Conn;
pub(crate) use conn::Traffic;
use log_engine::io::Clock;
pub(crate) use look::Connected;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the machine must know of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) min_timeout: i32,
    pub(crate) max_timeout: i32,
    pub(crate) super_digest: Option<String>,
    /// How often nodes are looked for whose time is over.
    pub(crate) container_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_timeout: 6000,
            max_timeout: 60_000,
            super_digest: None,
            container_interval: Duration::from_secs(60),
        }
    }
}

/// What is to be done once the records are on the disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// These bytes go to the connection.
    Send(ConnId, Bytes),
    /// The connection ends when it has got what was sent; with a reason if somebody should read of it.
    Close(ConnId, Option<String>),
}

/// A request that ends in no ordinary reply.
#[derive(Debug)]
enum Refusal {
    /// An error in the reply.
    Code(Code),
    /// The connection cannot go on.
    Close(String),
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl From<crate::watch::TooMany> for Refusal {
    fn from(_: crate::watch::TooMany) -> Self {
        Self::Close(format!("it watches more than {} bytes of paths", crate::watch::MAX_BYTES))
    }
}

pub(crate) struct Machine {
    settings: Settings,
    clock: Arc<dyn Clock>,
    state: State,
    sessions: Sessions,
    watches: Watches,
    conns: BTreeMap<ConnId, Conn>,
    /// The first session of this process gets it.
    next_session: i64,
    mortals_due: Duration,
    records: Vec<Vec<u8>>,
    outputs: Vec<Output>,
    /// Of all connections, since the start or since it was reset.
    total: Traffic,
}

impl Machine {
    /// A server that goes on from a state. All sessions have their whole timeout from now on.
    pub(crate) fn new(settings: Settings, clock: Arc<dyn Clock>, state: State) -> Self {
        let now = clock.monotonic();
        let mut sessions = Sessions::default();
        for (id, saved) in &state.sessions {
            sessions.serve(*id, millis(saved.timeout), None, now);
        }
        let next_session = first_session(clock.now().as_millis()).max(state.last_session.saturating_add(1));
        let mortals_due = now.saturating_add(settings.container_interval);
        Self {
            settings,
            clock,
            state,
            sessions,
            watches: Watches::default(),
            conns: BTreeMap::new(),
            next_session,
            mortals_due,
            records: Vec::new(),
            outputs: Vec::new(),
            total: Traffic::default(),
        }
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// The records of what happened since the last call, in order.
    pub(crate) fn take_records(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.records)
    }

    /// What is to be done when these records are on the disk.
    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// A connection was accepted.
    pub(crate) fn opened(&mut self, id: ConnId, peer: SocketAddr) {
        self.conns.insert(id, Conn::new(peer, self.clock.now().as_millis()));
    }

    /// A connection is gone; its session waits for another one.
    pub(crate) fn closed(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.remove(&id) {
            self.watches.forget(id);
            if let Some(session) = conn.session {
                self.sessions.detach(session, id);
            }
        }
    }

    /// A connection's session was heard of, though its request is not looked at yet.
    pub(crate) fn heard(&mut self, id: ConnId) {
        if let Some(session) = self.conns.get(&id).and_then(|conn| conn.session) {
            self.sessions.heard(session, self.clock.monotonic());
        }
    }

    /// A whole frame came; the first of a connection is its connect request.
    pub(crate) fn frame(&mut self, id: ConnId, frame: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.traffic.received += 1;
        self.total.received += 1;
        let done = match conn.session {
            None => ConnectRequest::decode(frame).map(|request| self.connect(id, &request)),
            Some(session) => {
                self.sessions.heard(session, self.clock.monotonic());
                Request::decode(frame).map(|request| self.request(id, session, request))
            }
        };
        if let Err(Malformed(why)) = done {
            self.close(id, Some(format!("a request cannot be read: {why}")));
        }
    }

    fn connect(&mut self, id: ConnId, request: &ConnectRequest<'_>) {
        if request.last_zxid > self.state.zxid {
            // It has seen the future: another server's, or one that this data directory has lost.
            let why = format!(
                "the client has seen zxid {:#x}, this server is at {:#x}: it comes from another server, or the data \
                 directory is not the one it was",
                request.last_zxid, self.state.zxid
            );
            return self.close(id, Some(why));
        }
        let timeout = request.timeout.clamp(self.settings.min_timeout, self.settings.max_timeout);
        let (session, password) = if request.session == 0 {
            match self.begin_session(timeout) {
                Some(new) => new,
                None => {
                    return self
                        .close(id, Some("the system has no random numbers for a password".to_owned()));
                }
            }
        } else {
            match self.state.sessions.get(&request.session) {
                Some(saved) if saved.password == request.password => (request.session, saved.password),
                _ => {
                    self.send(id, connect_reply(0, 0, &[0; 16], request.modern));
                    return self.close(id, None);
                }
            }
        };
        let before = self.sessions.serve(session, millis(timeout), Some(id), self.clock.monotonic());
        if let Some(before) = before {
            self.close(before, None);
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.session = Some(session);
            conn.timeout = timeout;
        }
        self.send(id, connect_reply(timeout, session, &password, request.modern));
    }

    /// A new session; `None` if the system has no random number for its password.
    fn begin_session(&mut self, timeout: i32) -> Option<(i64, Password)> {
        let mut password = [0; 16];
        getrandom::fill(&mut password).ok()?;
        let id = self.next_session;
        self.next_session += 1;
        self.state.open_session(id, Saved { timeout, password });
        self.record(self.next_moment(), id, What::Opened { timeout, password });
        Some((id, password))
    }

    fn request(&mut self, id: ConnId, session: i64, request: Request<'_>) {
        let Request { xid, op } = request;
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.traffic.last(op.name(), xid);
        }
        let answered = match op {
            Op::Ping => {
                self.answer(id, xid);
                Ok(())
            }
            Op::CloseSession => {
                self.end_session(session);
                self.answer(id, xid);
                self.close(id, None);
                Ok(())
            }
            Op::Auth { scheme, data } => self.auth(id, xid, scheme, data),
            Op::Sasl => {
                // No SASL here; the client goes on without.
                let mut w = reply::ok(xid, 0);
                w.buffer(None);
                self.send(id, w.into_frame());
                Ok(())
            }
            Op::Read(read) => self.read(id, session, xid, read),
            Op::MultiRead(reads) => self.multi_read(id, session, xid, &reads),
            Op::Write(write) => {
                self.write(id, session, xid, write);
                Ok(())
            }
            Op::Multi(writes) => {
                self.multi(id, session, xid, writes);
                Ok(())
            }
            Op::SetWatches(set) => self.set_watches(id, xid, &set),
            Op::AddWatch { path, mode } => self.add_watch(id, xid, path, mode),
            Op::CheckWatches { path, kind } => self.check_watches(id, xid, path, kind, false),
            Op::RemoveWatches { path, kind } => self.check_watches(id, xid, path, kind, true),
            Op::Unknown(kind) => {
                self.send(id, reply::error(xid, -1, Code::Unimplemented));
                Err(Refusal::Close(format!("operation {kind} is not known here")))
            }
        };
        match answered {
            Ok(()) => {}
            Err(Refusal::Code(code)) => self.send(id, reply::error(xid, self.state.zxid, code)),
            Err(Refusal::Close(why)) => self.close(id, Some(why)),
        }
    }

    fn auth(&mut self, id: ConnId, xid: i32, scheme: &str, data: &[u8]) -> Result<(), Refusal> {
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        let added = conn.who.add(scheme, data, self.settings.super_digest.as_deref());
        match added {
            Ok(()) => {
                self.send(id, reply::ok(xid, 0).into_frame());
                Ok(())
            }
            Err(code) => {
                self.send(id, reply::error(xid, 0, code));
                Err(Refusal::Close(format!("authentication failed, scheme {scheme}")))
            }
        }
    }

    /// A reply without a body.
    fn answer(&mut self, id: ConnId, xid: i32) {
        self.send(id, reply::ok(xid, self.state.zxid).into_frame());
    }

    fn send(&mut self, id: ConnId, frame: impl Into<Bytes>) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.traffic.sent += 1;
            conn.traffic.last_zxid = self.state.zxid;
            self.total.sent += 1;
            self.outputs.push(Output::Send(id, frame.into()));
        }
    }

    fn close(&mut self, id: ConnId, why: Option<String>) {
        if self.conns.contains_key(&id) {
            self.closed(id);
            self.outputs.push(Output::Close(id, why));
        }
    }

    /// What the next write takes.
    fn next_moment(&self) -> Moment {
        Moment { zxid: self.state.zxid + 1, time: self.clock.now().as_millis() }
    }

    fn record(&mut self, at: Moment, session: i64, what: What) {
        self.state.zxid = at.zxid;
        self.records.push(Txn { at, session, what }.encode());
    }
}

/// The number of the first session that a server started then gives out: the server's number 1 in the first byte, then the
/// time, so that numbers do not come again even if the data directory is lost.
fn first_session(now_ms: i64) -> i64 {
    (1 << 56) | ((now_ms << 16) & ((1 << 56) - 1))
}

fn millis(timeout: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout).unwrap_or(0))
}

#[cfg(test)]
pub(crate) mod tests;

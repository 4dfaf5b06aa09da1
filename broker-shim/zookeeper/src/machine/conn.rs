//! What is known of a connection.

use crate::acl::Identities;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) peer: SocketAddr,
    /// None before the connect request, and for those who ask for a word.
    pub(super) session: Option<i64>,
    /// As negotiated, in milliseconds.
    pub(super) timeout: i32,
    pub(super) who: Identities,
    pub(super) traffic: Traffic,
    /// Milliseconds since 1970.
    pub(super) since: i64,
}

impl Conn {
    pub(super) fn new(peer: SocketAddr, since: i64) -> Self {
        Self {
            peer,
            session: None,
            timeout: 0,
            who: Identities::of(peer.ip()),
            traffic: Traffic::default(),
            since,
        }
    }
}

/// What went through a connection, or through all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) last_op: Option<&'static str>,
    pub(crate) last_xid: i32,
    pub(crate) last_zxid: i64,
    /// Milliseconds from the frame's arrival to its answer.
    pub(crate) latency: Latency,
}

impl Traffic {
    pub(super) const fn last(&mut self, op: &'static str, xid: i32) {
        self.last_op = Some(op);
        self.last_xid = xid;
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) sum: Duration,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
    pub(crate) last: Duration,
}

impl Latency {
    pub(super) fn add(&mut self, took: Duration) {
        self.min = if self.count == 0 { took } else { self.min.min(took) };
        self.max = self.max.max(took);
        self.last = took;
        self.sum = self.sum.saturating_add(took);
        self.count += 1;
    }

    /// Milliseconds.
    pub(crate) fn average(&self) -> f64 {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX).max(1);
        self.sum.as_secs_f64() * 1000.0 / f64::from(count)
    }
}

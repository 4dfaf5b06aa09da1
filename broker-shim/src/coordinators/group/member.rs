//! One member of a group.

use super::types::{Join, Now, Ticket};
use bytes::Bytes;
use std::time::Duration;

/// One way of assigning that a member can speak, and what it says in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Protocol {
    /// `range`, `cooperative-sticky`.
    pub name: String,
    /// Opaque to the broker.
    pub metadata: Bytes,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// Place in the order of arrival.
    pub(super) seq: u64,
    /// Its first join is still held, so it does not know its id and cannot send heartbeats.
    pub(super) is_new: bool,
    /// The held join.
    pub(super) join: Option<Ticket>,
    /// The held sync.
    pub(super) sync: Option<Ticket>,
    /// It has been told the generation and has not synced yet.
    pub(super) owes_sync: bool,
    /// When it is taken for gone, unless it waits.
    pub(super) expires: Duration,
}

impl Member {
    pub(super) fn new(id: &str, join: Join, seq: u64) -> Self {
        Self {
            id: id.to_owned(),
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            seq,
            is_new: true,
            join: None,
            sync: None,
            owes_sync: false,
            expires: Duration::ZERO,
        }
    }

    /// It was heard of: the session starts again.
    pub(super) fn touch(&mut self, now: Now) {
        self.expires = now.at.saturating_add(self.session_timeout);
    }

    /// When it is taken for gone. A member whose request we hold is there, except that a new one, whose
    /// connection may be gone long since, is not waited for without end.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let held = self.sync.is_some() || (self.join.is_some() && !self.is_new);
        if held { None } else { Some(self.expires) }
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|own| own.name == protocol)
    }

    /// What it says in `protocol`; nothing if it does not speak it.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let own = self.protocols.iter().find(|own| Some(own.name.as_str()) == protocol);
        own.map(|own| own.metadata.clone()).unwrap_or_default()
    }

    /// Bytes it holds, for the memory bound.
    pub(super) fn bytes(&self) -> usize {
        let names = self.id.len() + self.client_id.len() + self.client_host.len();
        let instance = self.instance_id.as_ref().map_or(0, String::len);
        names + instance + protocols_bytes(&self.protocols) + self.assignment.len() + size_of::<Self>()
    }
}

/// Bytes of a list of protocols, with what holding one costs.
pub(super) fn protocols_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|p| p.name.len() + p.metadata.len() + size_of::<Protocol>()).sum()
}

//! What four-letter words ask the machine.

use super::{Machine, Traffic};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A connection, seen from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connected {
    pub(crate) peer: SocketAddr,
    pub(crate) session: Option<i64>,
    /// Milliseconds.
    pub(crate) timeout: i32,
    /// Milliseconds since 1970.
    pub(crate) since: i64,
    pub(crate) traffic: Traffic,
}

impl Machine {
    pub(crate) fn connected(&self) -> impl Iterator<Item = Connected> {
        self.conns.values().map(|conn| Connected {
            peer: conn.peer,
            session: conn.session,
            timeout: conn.timeout,
            since: conn.since,
            traffic: conn.traffic,
        })
    }

    pub(crate) const fn traffic(&self) -> Traffic {
        self.total
    }

    /// How long a request took, from its arrival to its answer.
    pub(crate) fn took(&mut self, id: crate::watch::ConnId, took: Duration) {
        self.total.latency.add(took);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.traffic.latency.add(took);
        }
    }

    pub(crate) fn forget_traffic(&mut self) {
        self.total = Traffic::default();
    }

    pub(crate) fn forget_connection_traffic(&mut self) {
        for conn in self.conns.values_mut() {
            conn.traffic = Traffic::default();
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    pub(crate) fn session_timeouts(&self) -> impl Iterator<Item = (i64, Duration)> {
        self.sessions.all()
    }

    /// Connections that watch, paths that are watched, watches.
    pub(crate) fn watch_counts(&self) -> (usize, usize, usize) {
        self.watches.counts()
    }

    pub(crate) fn watched_by_session(&self) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for (id, paths) in self.watches.by_connection() {
            if let Some(session) = self.conns.get(&id).and_then(|conn| conn.session) {
                all.insert(format!("{session:#x}"), paths.into_iter().map(String::from).collect());
            }
        }
        all
    }

    pub(crate) fn watchers_by_path(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (session, paths) in self.watched_by_session() {
            for path in paths {
                all.entry(path).or_default().push(session.clone());
            }
        }
        all
    }
}

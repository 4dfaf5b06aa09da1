//! How many connections there are, in all and per address, and how many there may be.

use super::close::CloseReason;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// How many connections there may be; the names are those of the settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectionLimits {
    /// `max.connections`: above it nobody is accepted until another connection ends.
    pub max_connections: usize,
    /// `max.connections.per.ip`: above it a connection is closed at once.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`.
    pub per_ip_overrides: Vec<(IpAddr, usize)>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { max_connections: usize::MAX, max_connections_per_ip: usize::MAX, per_ip_overrides: Vec::new() }
    }
}

impl ConnectionLimits {
    fn of(&self, ip: IpAddr) -> usize {
        let own = self.per_ip_overrides.iter().find(|(other, _)| *other == ip).map(|(_, max)| *max);
        own.unwrap_or(self.max_connections_per_ip)
    }
}

/// Counts connections: those that are open, and all there were.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    counts: Mutex<Counts>,
    ended: Notify,
    accepted: AtomicU64,
    refused: AtomicU64,
    closed: [AtomicU64; CloseReason::KINDS.len()],
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
    limits: ConnectionLimits,
}

/// One counted connection; uncounted when dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    counts: Arc<ConnectionCounts>,
    ip: IpAddr,
}

impl ConnectionCounts {
    /// Open connections.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.lock().total
    }

    /// Connections that were let in.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections that were closed at once, for want of room under `max.connections.per.ip`.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections that ended, by the kind of the reason.
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CloseReason::KINDS.into_iter().zip(self.closed.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Counts an end.
    pub(crate) fn note_closed(&self, reason: &CloseReason) {
        let count = CloseReason::KINDS.iter().zip(&self.closed).find(|(kind, _)| **kind == reason.kind());
        if let Some((_, count)) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts other limits in force for connections that are yet to come. Those that are open stay, however many.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.counts.lock().limits = limits;
        self.ended.notify_waiters();
    }

    fn has_room(&self) -> bool {
        let counts = self.counts.lock();
        counts.total < counts.limits.max_connections
    }

    /// Waits until there may be one more connection.
    pub(crate) async fn room(&self) {
        loop {
            let changed = self.ended.notified();
            if self.has_room() {
                return;
            }
            changed.await;
        }
    }

    /// Counts a connection from `ip`, or answers how many it has and how many it may have.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Counted, (usize, usize)> {
        let mut counts = self.counts.lock();
        let open = counts.per_ip.get(&ip).copied().unwrap_or(0);
        let max = counts.limits.of(ip);
        if open >= max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err((open, max));
        }
        counts.per_ip.insert(ip, open + 1);
        counts.total += 1;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(Counted { counts: Arc::clone(self), ip })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.counts.lock();
        counts.total -= 1;
        match counts.per_ip.get_mut(&self.ip) {
            Some(open) if *open > 1 => *open -= 1,
            _ => {
                counts.per_ip.remove(&self.ip);
            }
        }
        drop(counts);
        self.counts.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_forgotten_with_its_last_connection() {
        let counts = Arc::new(ConnectionCounts::default());
        counts.set_limits(ConnectionLimits { max_connections_per_ip: 2, ..ConnectionLimits::default() });
        let ip = IpAddr::from([127, 0, 0, 1]);
        let first = counts.enter(ip).unwrap();
        let second = counts.enter(ip).unwrap();
        assert_eq!(counts.enter(ip).unwrap_err(), (2, 2));
        drop(first);
        assert!(counts.enter(ip).is_ok());
        drop(second);
        assert_eq!(counts.total(), 0);
        assert_eq!((counts.accepted(), counts.refused()), (3, 1));
        assert!(counts.counts.lock().per_ip.is_empty());
    }

    #[test]
    fn ends_are_counted_by_their_kind() {
        let counts = ConnectionCounts::default();
        counts.note_closed(&CloseReason::Idle);
        counts.note_closed(&CloseReason::Request("x".into()));
        counts.note_closed(&CloseReason::Request("y".into()));
        let told: Vec<_> = counts.closed().filter(|(_, count)| *count > 0).collect();
        assert_eq!(told, [("idle", 1), ("bad_request", 2)]);
    }

    #[test]
    fn other_limits_are_in_force_for_the_next_connection() {
        let counts = Arc::new(ConnectionCounts::default());
        let (ip, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let _first = counts.enter(ip).unwrap();
        counts.set_limits(ConnectionLimits {
            max_connections: 1,
            max_connections_per_ip: 1,
            per_ip_overrides: vec![(other, 0)],
        });
        assert!(!counts.has_room());
        assert_eq!(counts.enter(ip).unwrap_err(), (1, 1));
        assert_eq!(counts.enter(other).unwrap_err(), (0, 0));
        counts.set_limits(ConnectionLimits::default());
        assert!(counts.has_room() && counts.enter(other).is_ok());
    }
}

//! How many connections there are, in all and per address.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Counts open connections.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    counts: Mutex<Counts>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
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

    /// Waits until fewer than `max` connections are open.
    pub(crate) async fn below(&self, max: usize) {
        loop {
            let ended = self.ended.notified();
            if self.total() < max {
                return;
            }
            ended.await;
        }
    }

    /// Counts a connection from `ip`, or `Err(open ones)` if it has `max` already.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr, max: usize) -> Result<Counted, usize> {
        let mut counts = self.counts.lock();
        let open = counts.per_ip.get(&ip).copied().unwrap_or(0);
        if open >= max {
            return Err(open);
        }
        counts.per_ip.insert(ip, open + 1);
        counts.total += 1;
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
        let ip = IpAddr::from([127, 0, 0, 1]);
        let first = counts.enter(ip, 2).unwrap();
        let second = counts.enter(ip, 2).unwrap();
        assert_eq!(counts.enter(ip, 2).unwrap_err(), 2);
        drop(first);
        assert!(counts.enter(ip, 2).is_ok());
        drop(second);
        assert_eq!(counts.total(), 0);
        assert!(counts.counts.lock().per_ip.is_empty());
    }
}

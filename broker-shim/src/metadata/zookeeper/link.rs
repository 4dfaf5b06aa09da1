//! How it stands with ZooKeeper: written by the keeper's thread, read by whoever asks.

use crate::metadata::catalog::ZooKeeperLink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The link, shared.
#[derive(Debug, Default)]
pub(super) struct Link {
    connected: AtomicBool,
    losses: AtomicU64,
}

impl Link {
    /// Notes how it stands now.
    pub(super) fn note(&self, connected: bool) {
        let before = self.connected.swap(connected, Ordering::Relaxed);
        if before && !connected {
            self.losses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it stands.
    pub(super) fn read(&self) -> ZooKeeperLink {
        ZooKeeperLink {
            is_connected: self.connected.load(Ordering::Relaxed),
            losses: self.losses.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_counted_once_however_often_it_is_seen() {
        let link = Link::default();
        for connected in [false, true, false, false, true] {
            link.note(connected);
        }
        assert_eq!(link.read(), ZooKeeperLink { is_connected: true, losses: 1 });
    }
}

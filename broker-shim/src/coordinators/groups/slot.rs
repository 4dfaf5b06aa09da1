//! One group with what the broker holds for it.

use crate::coordinators::group::{Effects, Group, JoinReply, State, SyncReply, Ticket};
use crate::coordinators::offsets::Offsets;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;

/// What is behind a group's lock.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) group: Group,
    pub(super) offsets: Offsets,
    /// Of the offsets topic.
    pub(super) partition: i32,
    pub(super) joins: BTreeMap<Ticket, oneshot::Sender<JoinReply>>,
    pub(super) syncs: BTreeMap<Ticket, oneshot::Sender<SyncReply>>,
    /// The timer's entry for this group.
    pub(super) due: Option<Duration>,
    /// Bytes of this slot in the coordinator's sum.
    pub(super) counted: usize,
}

impl Slot {
    pub(super) fn new(group: Group, partition: i32) -> Self {
        Self {
            group,
            offsets: Offsets::default(),
            partition,
            joins: BTreeMap::new(),
            syncs: BTreeMap::new(),
            due: None,
            counted: 0,
        }
    }

    /// It is not in the map any more.
    pub(super) fn is_removed(&self) -> bool {
        self.group.state() == State::Dead
    }

    /// Answers what is to be answered. A client that is gone does not hear it.
    pub(super) fn answer(&mut self, fx: Effects) {
        for (ticket, reply) in fx.joins {
            if let Some(sender) = self.joins.remove(&ticket) {
                let _ = sender.send(reply);
            }
        }
        for (ticket, reply) in fx.syncs {
            if let Some(sender) = self.syncs.remove(&ticket) {
                let _ = sender.send(reply);
            }
        }
    }
}

//! One timer for all groups: a set of deadlines, at most one for each group.
//!
//! A heartbeat moves a session's end further away; its entry stays where it is and finds nothing to do when its
//! time comes, so that heartbeats never touch the timer.

use super::GroupCoordinator;
use super::slot::Slot;
use crate::coordinators::group::Effects;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long the task sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
pub(super) struct Timer {
    entries: Mutex<BTreeSet<(Duration, String)>>,
    earlier: Notify,
}

impl Timer {
    /// Sees to it that the group is looked at by its deadline.
    pub(super) fn schedule(&self, slot: &mut Slot) {
        let Some(want) = slot.group.deadline() else { return };
        if slot.due.is_some_and(|due| due <= want) {
            return;
        }
        self.cancel(slot);
        let mut entries = self.entries.lock();
        let is_first = entries.first().is_none_or(|(due, _)| want < *due);
        entries.insert((want, slot.group.id().to_owned()));
        slot.due = Some(want);
        if is_first {
            self.earlier.notify_one();
        }
    }

    pub(super) fn cancel(&self, slot: &mut Slot) {
        if let Some(due) = slot.due.take() {
            self.entries.lock().remove(&(due, slot.group.id().to_owned()));
        }
    }

    fn next(&self) -> Option<Duration> {
        self.entries.lock().first().map(|(due, _)| *due)
    }

    fn take_due(&self, now: Duration) -> Option<(Duration, String)> {
        let mut entries = self.entries.lock();
        if entries.first().is_some_and(|(due, _)| *due <= now) { entries.pop_first() } else { None }
    }
}

impl GroupCoordinator {
    /// Does all that is due in all groups.
    pub fn fire_due(&self) {
        while let Some((due, group)) = self.timer.take_due(self.clock.monotonic()) {
            let _ = self.with_slot(&group, false, |slot, now| {
                if slot.due != Some(due) {
                    return;
                }
                slot.due = None;
                let mut fx = Effects::default();
                slot.group.expire(&self.settings.group, now, &mut fx);
                self.finish(slot, fx, now);
            });
        }
    }

    /// Starts the one task that watches sessions and rounds and, now and then, old offsets. Abort it to stop.
    pub fn spawn(self: &Arc<Self>) -> JoinHandle<()> {
        let coordinator = Arc::clone(self);
        tokio::spawn(async move { coordinator.run().await })
    }

    async fn run(self: Arc<Self>) {
        let mut next_check = self.clock.monotonic() + self.settings.retention_check;
        loop {
            let now = self.clock.monotonic();
            let due = self.timer.next().unwrap_or(now + IDLE).min(next_check);
            tokio::select! {
                () = tokio::time::sleep(due.saturating_sub(now)) => {}
                () = self.timer.earlier.notified() => {}
            }
            self.fire_due();
            if self.clock.monotonic() >= next_check {
                next_check = self.clock.monotonic() + self.settings.retention_check;
                let coordinator = Arc::clone(&self);
                // It writes to as many partitions as there are: not on a thread that serves requests.
                let _ = tokio::task::spawn_blocking(move || coordinator.expire_offsets()).await;
            }
        }
    }
}

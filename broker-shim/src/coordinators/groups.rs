//! All groups of the broker: a lock per group around the pure state machine, requests that are held, one timer.
//!
//! ```text
//!  request -> slot lock -> Group (pure) -> Effects -> journal append, if the record must be stored
//!                                                  -> replies, through the oneshots of held requests
//!                                                  -> next deadline, to the timer
//! ```
//!
//! # Invariants
//!
//! * A held request has a sender in its group's slot under its ticket, and nowhere else.
//! * A slot whose group is Dead is not in the map: whoever finds one looks again.
//! * Memory order of a group's offsets and records is journal order: both change under the slot's lock.
//! * Lock order: slot, then map or timer. Nobody waits for a slot while holding the map.
//!
//! # Not here
//!
//! What the requests mean (`group`), versions and error numbers (`handlers`).

mod commit;
mod listing;
mod load;
mod settings;
mod slot;
mod timer;
mod upkeep;

#[cfg(test)]
mod tests;

pub use commit::CommitOffset;
pub use listing::GroupListing;
pub use load::{LoadReport, Lowered};
pub use settings::CoordinatorSettings;

use super::group::{
    Effects, Group, GroupError, Join, JoinRefused, JoinReply, Leaver, Now, Sync, SyncReply, Ticket,
};
use super::journal::{Journal, JournalError};
use super::records::{self, MAX_STRING};
use crate::trouble::Chain;
use log_engine::io::Clock;
use parking_lot::{Mutex, RwLock};
use slot::Slot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use timer::Timer;
use tokio::sync::oneshot;

/// All groups of the broker.
pub struct GroupCoordinator {
    settings: CoordinatorSettings,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    groups: RwLock<BTreeMap<String, Arc<Mutex<Slot>>>>,
    timer: Timer,
    next_ticket: AtomicU64,
    /// Bytes of all groups and offsets, about.
    bytes: AtomicUsize,
}

impl std::fmt::Debug for GroupCoordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCoordinator").field("groups", &self.groups.read().len()).finish_non_exhaustive()
    }
}

impl GroupCoordinator {
    /// A coordinator that knows no group yet: see [`GroupCoordinator::load`].
    #[must_use]
    pub fn new(settings: CoordinatorSettings, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            journal,
            clock,
            groups: RwLock::default(),
            timer: Timer::default(),
            next_ticket: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// What the operator set.
    #[must_use]
    pub fn settings(&self) -> &CoordinatorSettings {
        &self.settings
    }

    /// Makes the offsets topic if it is not there yet, as a client that asks for its coordinator expects.
    ///
    /// # Errors
    ///
    /// It cannot be made now.
    pub async fn ensure_topic(&self) -> Result<(), GroupError> {
        if self.journal.existing().is_some() {
            return Ok(());
        }
        let journal = Arc::clone(&self.journal);
        match tokio::task::spawn_blocking(move || journal.open()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the offsets topic cannot be made");
                Err(GroupError::NotAvailable)
            }
            Err(_) => Err(GroupError::NotAvailable),
        }
    }

    /// Whether the log that has the group's offsets could not be opened. Nobody knows them then, and a group made anew
    /// would begin without.
    #[must_use]
    pub fn is_offline(&self, group: &str) -> bool {
        let partitions = self.journal.existing();
        partitions.is_some_and(|count| self.journal.is_offline(records::partition_for(group, count)))
    }

    /// A member joins; the future ends when the round is complete, or with a refusal.
    pub async fn join(&self, group: &str, join: Join) -> JoinReply {
        let member_id = join.member_id.clone();
        let refuse = |error| JoinRefused { error, member_id };
        if let Err(error) = self.check_join(group, &join) {
            return Err(refuse(error));
        }
        if let Err(error) = self.ensure_topic().await {
            return Err(refuse(error));
        }
        let create = join.member_id.is_empty();
        let held = self.with_slot(group, create, |slot, now| {
            let (ticket, receiver) = self.hold(&mut slot.joins);
            let mut fx = Effects::default();
            slot.group.join(ticket, join, &self.settings.group, now, &mut fx);
            self.finish(slot, fx, now);
            receiver
        });
        match held {
            Ok(receiver) => receiver.await.unwrap_or_else(|_| Err(refuse(GroupError::NotAvailable))),
            Err(error) => Err(refuse(error)),
        }
    }

    fn check_join(&self, group: &str, join: &Join) -> Result<(), GroupError> {
        check_group_id(group)?;
        let range = self.settings.group.min_session..=self.settings.group.max_session;
        if !range.contains(&join.session_timeout) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        // A newcomer is refused when memory is short; those who are in go on.
        if join.member_id.is_empty() && self.bytes.load(Ordering::Relaxed) > self.settings.max_bytes {
            return Err(GroupError::NotAvailable);
        }
        Ok(())
    }

    /// A member asks for its assignment; the future ends when the leader has sent it.
    pub async fn sync(&self, group: &str, sync: Sync) -> SyncReply {
        check_group_id(group)?;
        let receiver = self.with_slot(group, false, |slot, now| {
            let (ticket, receiver) = self.hold(&mut slot.syncs);
            let mut fx = Effects::default();
            slot.group.sync(ticket, sync, now, &mut fx);
            self.finish(slot, fx, now);
            receiver
        })?;
        receiver.await.unwrap_or(Err(GroupError::NotAvailable))
    }

    /// A member says that it is there.
    ///
    /// # Errors
    ///
    /// What it has to do about it.
    pub fn heartbeat(&self, group: &str, member: &Leaver, generation: i32) -> Result<(), GroupError> {
        check_group_id(group)?;
        self.with_slot(group, false, |slot, now| slot.group.heartbeat(member, generation, now))?
    }

    /// Members leave; one answer for each.
    ///
    /// # Errors
    ///
    /// None of them can: there is no such group.
    pub fn leave(&self, group: &str, leavers: &[Leaver]) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        check_group_id(group)?;
        self.with_slot(group, false, |slot, now| {
            let mut fx = Effects::default();
            let results = slot.group.leave(leavers, &self.settings.group, now, &mut fx);
            self.finish(slot, fx, now);
            results
        })
    }

    fn now(&self) -> Now {
        Now { at: self.clock.monotonic(), wall: self.clock.now() }
    }

    fn hold<T>(&self, held: &mut BTreeMap<Ticket, oneshot::Sender<T>>) -> (Ticket, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        let ticket = Ticket(self.next_ticket.fetch_add(1, Ordering::Relaxed));
        held.insert(ticket, sender);
        (ticket, receiver)
    }

    fn slot(&self, group: &str, create: bool) -> Result<Arc<Mutex<Slot>>, GroupError> {
        if let Some(slot) = self.groups.read().get(group) {
            return Ok(Arc::clone(slot));
        }
        if self.is_offline(group) {
            return Err(GroupError::NotAvailable);
        }
        if !create {
            return Err(GroupError::UnknownMember);
        }
        let partitions = self.journal.existing().ok_or(GroupError::NotAvailable)?;
        let mut groups = self.groups.write();
        if groups.len() >= self.settings.max_groups && !groups.contains_key(group) {
            return Err(GroupError::NotAvailable);
        }
        let fresh = || {
            let partition = records::partition_for(group, partitions);
            Arc::new(Mutex::new(Slot::new(Group::new(group, self.now()), partition)))
        };
        Ok(Arc::clone(groups.entry(group.to_owned()).or_insert_with(fresh)))
    }

    /// Runs `act` on a group under its lock; an unknown group is made or refused as an unknown member.
    fn with_slot<T>(
        &self,
        group: &str,
        create: bool,
        act: impl FnOnce(&mut Slot, Now) -> T,
    ) -> Result<T, GroupError> {
        loop {
            let slot = self.slot(group, create)?;
            let mut slot = slot.lock();
            if slot.is_removed() {
                continue;
            }
            let now = self.now();
            let result = act(&mut slot, now);
            self.drop_if_never_used(&mut slot, now);
            return Ok(result);
        }
    }

    /// Carries out what the state machine wants: store, answer, wake up.
    fn finish(&self, slot: &mut Slot, mut fx: Effects, now: Now) {
        if fx.store
            && let Err(error) = self.store_group(slot)
        {
            tracing::warn!(group = ?slot.group.id(), error = %Chain(&error), "the group's record is not stored");
            let answer = if matches!(error, JournalError::TooLarge) {
                GroupError::TooLarge
            } else {
                GroupError::NotAvailable
            };
            fx.fail(answer);
            slot.answer(fx);
            fx = Effects::default();
            slot.group.storing_failed(&self.settings.group, now, &mut fx);
        }
        slot.answer(fx);
        self.account(slot);
        self.timer.schedule(slot);
    }

    fn store_group(&self, slot: &Slot) -> Result<(), JournalError> {
        let key = records::group_key(slot.group.id());
        let value = records::group_value(&slot.group.record());
        self.journal.append(slot.partition, &[(key, Some(value))])
    }

    fn account(&self, slot: &mut Slot) {
        let bytes = slot.group.bytes() + slot.offsets.bytes();
        // Wraps around zero and back: the sum over all slots is what counts.
        self.bytes.fetch_add(bytes.wrapping_sub(slot.counted), Ordering::Relaxed);
        slot.counted = bytes;
    }

    /// A group that was only asked about leaves nothing behind.
    fn drop_if_never_used(&self, slot: &mut Slot, now: Now) {
        if slot.group.is_vacant() && slot.group.generation() == 0 && slot.offsets.is_empty() {
            self.remove_slot(slot, now);
        }
    }

    fn remove_slot(&self, slot: &mut Slot, now: Now) {
        slot.group.kill(now);
        self.timer.cancel(slot);
        self.bytes.fetch_sub(slot.counted, Ordering::Relaxed);
        slot.counted = 0;
        self.groups.write().remove(slot.group.id());
    }
}

/// Names a group that can have members.
fn check_group_id(group: &str) -> Result<(), GroupError> {
    if group.is_empty() || group.len() > MAX_STRING { Err(GroupError::InvalidGroupId) } else { Ok(()) }
}

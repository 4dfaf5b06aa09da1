//! What is taken back: old offsets, offsets of deleted topics, groups.

use super::GroupCoordinator;
use super::commit::refused;
use super::slot::Slot;
use crate::coordinators::group::{Group, GroupError, Now};
use crate::coordinators::journal::JournalRecord;
use crate::coordinators::records;
use std::collections::BTreeSet;

/// The protocol type of consumers, whose subscriptions can be read.
const CONSUMER: &str = "consumer";

/// A group that is not there is no unknown member, for whoever manages groups.
fn not_found(error: GroupError) -> GroupError {
    if error == GroupError::UnknownMember { GroupError::NotFound } else { error }
}

/// The topics that members of a group read; `None`: it cannot be told, so it may be any.
fn readers(group: &Group) -> Result<Option<BTreeSet<String>>, GroupError> {
    if group.is_vacant() {
        return Ok(Some(BTreeSet::new()));
    }
    if group.protocol_type() != Some(CONSUMER) {
        return Err(GroupError::NonEmpty);
    }
    let mut topics = BTreeSet::new();
    for subscription in group.subscriptions() {
        match records::subscribed_topics(&subscription) {
            Ok(more) => topics.extend(more),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(topics))
}

impl GroupCoordinator {
    /// Takes back the offsets that have had their time, and groups of which nothing is left.
    pub fn expire_offsets(&self) {
        for group in self.names() {
            let _ = self.with_slot(&group, false, |slot, now| {
                if !slot.group.is_vacant() {
                    return;
                }
                let since = slot.group.protocol_type().map(|_| slot.group.since());
                let over = slot.offsets.expired(now.wall, since, self.settings.retention);
                if self.take_back(slot, &over).is_ok() && slot.offsets.is_empty() {
                    let _ = self.bury(slot, now);
                }
            });
        }
    }

    /// Takes back all offsets of a topic that was deleted, so that one of the same name begins without. Waits for the
    /// disk.
    pub fn forget_topic(&self, topic: &str) {
        let mut touched = BTreeSet::new();
        for group in self.names() {
            let _ = self.with_slot(&group, false, |slot, _| {
                let numbers =
                    slot.offsets.iter().filter(|(name, _, _)| *name == topic).map(|(_, number, _)| number);
                let all: Vec<(String, i32)> = numbers.map(|number| (topic.to_owned(), number)).collect();
                if !all.is_empty() && self.take_back(slot, &all).is_ok() {
                    touched.insert(slot.partition);
                }
            });
        }
        for partition in touched {
            let _ = self.sync_if_durable(partition);
        }
    }

    /// Deletes a group without members, with its offsets. Waits for the disk.
    ///
    /// # Errors
    ///
    /// There is none, it has members, or the disk refuses.
    pub fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        let deleted = self.with_slot(group, false, |slot, now| {
            if !slot.group.is_vacant() {
                return Err(GroupError::NonEmpty);
            }
            let all: Vec<(String, i32)> = slot.offsets.iter().map(|(t, p, _)| (t.to_owned(), p)).collect();
            self.take_back(slot, &all)?;
            self.bury(slot, now)?;
            Ok(slot.partition)
        });
        let partition = deleted.map_err(not_found)??;
        self.sync_if_durable(partition)
    }

    /// Deletes single offsets of a group, also while it has members, if these are consumers that do not read the topic;
    /// an answer for each. What was not committed is no error. Waits for the disk.
    ///
    /// # Errors
    ///
    /// There is no such group, it has members of another kind, or the disk refuses.
    pub fn delete_offsets(
        &self,
        group: &str,
        offsets: &[(String, i32)],
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let deleted = self.with_slot(group, false, |slot, _| {
            let reads = readers(&slot.group)?;
            let subscribed = |topic: &str| reads.as_ref().is_none_or(|topics| topics.contains(topic));
            let free: Vec<(String, i32)> =
                offsets.iter().filter(|(topic, _)| !subscribed(topic)).cloned().collect();
            self.take_back(slot, &free)?;
            let one = |(topic, _): &(String, i32)| {
                if subscribed(topic) { Err(GroupError::Subscribed) } else { Ok(()) }
            };
            Ok((slot.partition, offsets.iter().map(one).collect()))
        });
        let (partition, answers) = deleted.map_err(not_found)??;
        self.sync_if_durable(partition)?;
        Ok(answers)
    }

    fn sync_if_durable(&self, partition: i32) -> Result<(), GroupError> {
        if !self.settings.durable {
            return Ok(());
        }
        self.journal.sync(partition).map_err(|error| refused(&error))
    }

    fn names(&self) -> Vec<String> {
        self.groups.read().keys().cloned().collect()
    }

    fn take_back(&self, slot: &mut Slot, offsets: &[(String, i32)]) -> Result<(), GroupError> {
        let there = offsets.iter().filter(|(topic, partition)| slot.offsets.get(topic, *partition).is_some());
        let tombstone = |(topic, partition): &(String, i32)| -> JournalRecord {
            (records::offset_key(slot.group.id(), topic, *partition), None)
        };
        let batch: Vec<JournalRecord> = there.map(tombstone).collect();
        if batch.is_empty() {
            return Ok(());
        }
        self.journal.append(slot.partition, &batch).map_err(|error| refused(&error))?;
        for (topic, partition) in offsets {
            slot.offsets.remove(topic, *partition);
        }
        self.account(slot);
        Ok(())
    }

    /// Nothing is left of the group: its record goes too.
    fn bury(&self, slot: &mut Slot, now: Now) -> Result<(), GroupError> {
        if slot.group.protocol_type().is_some() || slot.group.generation() > 0 {
            let tombstone = (records::group_key(slot.group.id()), None);
            self.journal.append(slot.partition, &[tombstone]).map_err(|error| refused(&error))?;
        }
        self.remove_slot(slot, now);
        Ok(())
    }
}

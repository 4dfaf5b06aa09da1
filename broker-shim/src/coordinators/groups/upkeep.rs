//! What is taken back: old offsets, offsets of deleted topics, groups.

use super::GroupCoordinator;
use super::commit::refused;
use super::slot::Slot;
use crate::coordinators::group::{GroupError, Now};
use crate::coordinators::journal::JournalRecord;
use crate::coordinators::records;
use std::collections::BTreeSet;

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
        let partition = deleted.map_err(|_| GroupError::NotFound)??;
        self.sync_if_durable(partition)
    }

    /// Deletes single offsets of a group; false in the answer for what was not committed. Waits for the disk.
    ///
    /// # Errors
    ///
    /// There is no such group, or the disk refuses.
    pub fn delete_offsets(&self, group: &str, offsets: &[(String, i32)]) -> Result<Vec<bool>, GroupError> {
        let deleted = self.with_slot(group, false, |slot, _| {
            let there: Vec<bool> = offsets.iter().map(|(t, p)| slot.offsets.get(t, *p).is_some()).collect();
            self.take_back(slot, offsets)?;
            Ok((slot.partition, there))
        });
        let (partition, there) = deleted.map_err(|_| GroupError::NotFound)??;
        self.sync_if_durable(partition)?;
        Ok(there)
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

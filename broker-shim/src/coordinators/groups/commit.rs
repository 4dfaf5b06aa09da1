//! Committing offsets: data first, then the commit, then the answer.

use super::GroupCoordinator;
use super::slot::Slot;
use crate::coordinators::group::{Committer, GroupError, Now};
use crate::coordinators::journal::{JournalError, JournalRecord};
use crate::coordinators::records::{self, MAX_STRING, OffsetValue};
use crate::trouble::Chain;
use std::sync::Arc;
use std::time::Duration;

/// One offset to commit. The topic and partition exist and the text is within its limit: the caller has checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitOffset {
    /// In this topic.
    pub topic: String,
    /// Of this partition.
    pub partition: i32,
    /// The next record to be read.
    pub offset: i64,
    /// The leader epoch of the last record read, if the client knew it.
    pub leader_epoch: Option<i32>,
    /// The client's own note.
    pub metadata: String,
}

impl GroupCoordinator {
    /// Commits offsets together: all or none. When it returns, they survive what the settings promise.
    ///
    /// `retention`: how long they are kept, if the client wants it otherwise than the operator.
    ///
    /// # Errors
    ///
    /// Not a member of the current round, or the disk refuses; [`GroupError::TooLarge`] if it always will.
    pub async fn commit(
        &self,
        group: &str,
        committer: &Committer,
        retention: Option<Duration>,
        offsets: Vec<CommitOffset>,
    ) -> Result<(), GroupError> {
        if group.len() > MAX_STRING {
            return Err(GroupError::InvalidGroupId);
        }
        self.ensure_topic().await?;
        self.check_commit(group, committer)?;
        let offsets = if self.settings.durable { self.sync_data(offsets).await? } else { offsets };
        let partition = self.with_committer(group, committer, |slot, now| {
            self.store_offsets(slot, retention, &offsets, now)
        })??;
        if self.settings.durable {
            let journal = Arc::clone(&self.journal);
            self.on_disk(move || journal.sync(partition)).await?;
        }
        Ok(())
    }

    /// Before anything is waited for: most refusals need no disk.
    fn check_commit(&self, group: &str, committer: &Committer) -> Result<(), GroupError> {
        if !self.groups.read().contains_key(group) {
            if self.is_offline(group) {
                return Err(GroupError::NotAvailable);
            }
            let room = self.bytes.load(std::sync::atomic::Ordering::Relaxed) <= self.settings.max_bytes;
            return match committer.generation {
                Some(_) => Err(GroupError::IllegalGeneration),
                None if room => Ok(()),
                None => Err(GroupError::NotAvailable),
            };
        }
        self.with_committer(group, committer, |_, _| ())
    }

    /// A client without membership makes a group by committing; one with a generation must be in one.
    fn with_committer<T>(
        &self,
        group: &str,
        committer: &Committer,
        act: impl FnOnce(&mut Slot, Now) -> T,
    ) -> Result<T, GroupError> {
        let create = committer.generation.is_none();
        let result = self.with_slot(group, create, |slot, now| {
            slot.group.check_commit(committer, now)?;
            Ok(act(slot, now))
        });
        match result {
            Err(GroupError::UnknownMember) => Err(GroupError::IllegalGeneration),
            Err(error) => Err(error),
            Ok(result) => result,
        }
    }

    /// The records that were read must not vanish while the commit stays.
    async fn sync_data(&self, offsets: Vec<CommitOffset>) -> Result<Vec<CommitOffset>, GroupError> {
        let synced = |o: &CommitOffset| self.journal.data_is_synced(&o.topic, o.partition, o.offset);
        if offsets.iter().all(synced) {
            return Ok(offsets);
        }
        let journal = Arc::clone(&self.journal);
        self.on_disk(move || {
            for o in &offsets {
                journal.sync_data(&o.topic, o.partition, o.offset)?;
            }
            Ok(offsets)
        })
        .await
    }

    /// Work that waits for the disk, for no longer than a commit may take.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, GroupError> {
        let task = tokio::task::spawn_blocking(work);
        match tokio::time::timeout(self.settings.commit_timeout, task).await {
            Ok(Ok(result)) => result.map_err(|error| refused(&error)),
            Ok(Err(_)) | Err(_) => Err(GroupError::NotAvailable),
        }
    }

    fn store_offsets(
        &self,
        slot: &mut Slot,
        retention: Option<Duration>,
        offsets: &[CommitOffset],
        now: Now,
    ) -> Result<i32, GroupError> {
        let keep = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let expires_at = retention.map(|time| now.wall.saturating_add_millis(keep(time)));
        let value = |o: &CommitOffset| OffsetValue {
            offset: o.offset,
            leader_epoch: o.leader_epoch,
            metadata: o.metadata.clone(),
            committed_at: now.wall,
            expires_at,
        };
        let values: Vec<OffsetValue> = offsets.iter().map(value).collect();
        let record = |(o, value): (&CommitOffset, &OffsetValue)| -> JournalRecord {
            (records::offset_key(slot.group.id(), &o.topic, o.partition), Some(records::offset_value(value)))
        };
        let batch: Vec<JournalRecord> = offsets.iter().zip(&values).map(record).collect();
        self.journal.append(slot.partition, &batch).map_err(|error| refused(&error))?;
        for (o, value) in offsets.iter().zip(values) {
            slot.offsets.set(&o.topic, o.partition, value);
        }
        self.account(slot);
        Ok(slot.partition)
    }
}

/// What a client is told of the journal's trouble.
pub(super) fn refused(error: &JournalError) -> GroupError {
    match error {
        JournalError::TooLarge => GroupError::TooLarge,
        error => {
            tracing::warn!(error = %Chain(error), "offsets are not stored");
            GroupError::NotAvailable
        }
    }
}

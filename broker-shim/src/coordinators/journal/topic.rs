//! The journal on `__consumer_offsets`.

use super::batches::replay_batch;
use super::{Journal, JournalError, JournalRecord, Replayed};
use crate::metadata::{Catalog, InternalTopic, NoLog, Topic};
use crate::trouble::Chain;
use log_engine::error::LogError;
use log_engine::format::CorruptReason;
use log_engine::format::build::NewRecord;
use log_engine::format::validate::Rejected;
use log_engine::log::Log;
use log_engine::types::Offset;
use std::sync::{Arc, OnceLock};

/// The journal on the topic that the catalog keeps for it; made when it is first needed.
pub struct TopicJournal {
    catalog: Arc<dyn Catalog>,
    /// Clients cannot delete it, so once found it stays.
    topic: OnceLock<Arc<Topic>>,
}

impl TopicJournal {
    /// A journal among these topics.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog, topic: OnceLock::new() }
    }

    fn topic(&self) -> Option<&Arc<Topic>> {
        if let Some(topic) = self.topic.get() {
            return Some(topic);
        }
        let found = self.catalog.topic(crate::coordinators::records::OFFSETS_TOPIC)?;
        Some(self.topic.get_or_init(|| found))
    }

    fn partition(&self, number: i32) -> Result<&Arc<Log>, JournalError> {
        let topic = self.topic().ok_or_else(|| JournalError::NoTopic("it was not made yet".to_owned()))?;
        topic.partition(number).map_err(|why| match why {
            NoLog::Unknown => JournalError::NoTopic(format!("it has no partition {number}")),
            NoLog::Offline => JournalError::NoTopic(format!("its partition {number} is offline")),
        })
    }

    fn data(&self, topic: &str, partition: i32) -> Option<Arc<Log>> {
        self.catalog.topic(topic)?.partition(partition).ok().cloned()
    }
}

/// Whether what lies below `up_to`, as far as it exists, survives a power cut.
fn is_synced(log: &Log, up_to: i64) -> bool {
    let synced = log.synced_end().get();
    synced >= up_to || synced >= log.end_offset().get()
}

fn new_record((key, value): &JournalRecord) -> NewRecord<'_> {
    NewRecord { key: Some(key), value: value.as_deref(), ..NewRecord::default() }
}

impl Journal for TopicJournal {
    fn open(&self) -> Result<i32, JournalError> {
        if self.topic().is_none() {
            let made = self.catalog.internal(InternalTopic::ConsumerOffsets);
            let made = made.map_err(|error| JournalError::NoTopic(error.to_string()))?;
            self.topic.get_or_init(|| made);
        }
        self.existing().ok_or_else(|| JournalError::NoTopic("it was made and is not there".to_owned()))
    }

    fn existing(&self) -> Option<i32> {
        self.topic().map(|topic| topic.partition_count())
    }

    fn is_offline(&self, partition: i32) -> bool {
        self.topic().is_some_and(|topic| topic.partition(partition).is_err_and(|why| why == NoLog::Offline))
    }

    fn append(&self, partition: i32, records: &[JournalRecord]) -> Result<(), JournalError> {
        let batch: Vec<NewRecord<'_>> = records.iter().map(new_record).collect();
        match self.partition(partition)?.append(&batch) {
            Ok(_) => Ok(()),
            Err(LogError::Rejected(Rejected::TooLarge { .. } | Rejected::LargerThanSegment { .. })) => {
                Err(JournalError::TooLarge)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self, partition: i32) -> Result<(), JournalError> {
        self.partition(partition)?.sync()?;
        Ok(())
    }

    fn data_is_synced(&self, topic: &str, partition: i32, up_to: i64) -> bool {
        self.data(topic, partition).is_none_or(|log| is_synced(&log, up_to))
    }

    fn sync_data(&self, topic: &str, partition: i32, up_to: i64) -> Result<(), JournalError> {
        // A topic deleted meanwhile has no data that could be lost.
        if let Some(log) = self.data(topic, partition)
            && !is_synced(&log, up_to)
        {
            log.sync()?;
        }
        Ok(())
    }

    fn data_end(&self, topic: &str, partition: i32) -> Option<i64> {
        self.data(topic, partition).map(|log| log.end_offset().get())
    }

    fn replay(&self, partition: i32, visit: &mut dyn FnMut(Replayed<'_>)) -> Result<(), JournalError> {
        let log = self.partition(partition)?;
        let mut from = log.start_offset();
        loop {
            match replay_from(log, from, visit) {
                Ok(()) => return Ok(()),
                Err(LogError::Corrupt { path, reason: CorruptReason::Hole { to, .. }, .. }) if to > from => {
                    // What was committed there falls back to what was committed before: records are read twice.
                    tracing::error!(?path, %from, %to, "committed offsets are lost in a damaged range");
                    from = to;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn replay_from(log: &Log, from: Offset, visit: &mut dyn FnMut(Replayed<'_>)) -> Result<(), LogError> {
    let cap = log.config().decompressed_cap();
    for batch in log.records(from) {
        let batch = batch?;
        if let Err(error) = replay_batch(&batch.view(), cap, visit) {
            // Its checksum is right, so it was stored like this: by another broker.
            tracing::error!(error = %Chain(&error), offset = %batch.view().base_offset(), "a batch of committed offsets is not understood");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! A journal in memory that notes what happened in which order and can be told to fail.

use super::{Journal, JournalError, JournalRecord, Replayed};
use parking_lot::Mutex;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct MemoryJournal {
    pub(crate) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) partitions: Option<i32>,
    pub(crate) records: Vec<(i32, JournalRecord)>,
    /// Ends of data partitions.
    pub(crate) ends: BTreeMap<(String, i32), i64>,
    pub(crate) synced: BTreeMap<(String, i32), i64>,
    /// `append`, `sync`, `sync_data`, in order.
    pub(crate) calls: Vec<&'static str>,
    pub(crate) full: bool,
    pub(crate) too_large: bool,
}

impl MemoryJournal {
    /// Records with their values, by key bytes, as they stand now.
    pub(crate) fn standing(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut standing = BTreeMap::new();
        for (_, (key, value)) in &self.state.lock().records {
            match value {
                Some(value) => standing.insert(key.clone(), value.clone()),
                None => standing.remove(key),
            };
        }
        standing
    }
}

impl Journal for MemoryJournal {
    fn open(&self) -> Result<i32, JournalError> {
        Ok(*self.state.lock().partitions.get_or_insert(50))
    }

    fn existing(&self) -> Option<i32> {
        self.state.lock().partitions
    }

    fn append(&self, partition: i32, records: &[JournalRecord]) -> Result<(), JournalError> {
        let mut state = self.state.lock();
        assert!(partition >= 0 && partition < state.partitions.unwrap());
        if state.too_large {
            return Err(JournalError::TooLarge);
        }
        if state.full {
            return Err(JournalError::NoTopic("full".into()));
        }
        state.calls.push("append");
        state.records.extend(records.iter().map(|record| (partition, record.clone())));
        Ok(())
    }

    fn sync(&self, _: i32) -> Result<(), JournalError> {
        self.state.lock().calls.push("sync");
        Ok(())
    }

    fn data_is_synced(&self, topic: &str, partition: i32, up_to: i64) -> bool {
        self.state.lock().synced.get(&(topic.to_owned(), partition)).is_some_and(|end| *end >= up_to)
    }

    fn sync_data(&self, topic: &str, partition: i32, up_to: i64) -> Result<(), JournalError> {
        let mut state = self.state.lock();
        state.calls.push("sync_data");
        state.synced.insert((topic.to_owned(), partition), up_to);
        Ok(())
    }

    fn data_end(&self, topic: &str, partition: i32) -> Option<i64> {
        self.state.lock().ends.get(&(topic.to_owned(), partition)).copied()
    }

    fn replay(&self, partition: i32, visit: &mut dyn FnMut(Replayed<'_>)) -> Result<(), JournalError> {
        for (_, (key, value)) in self.state.lock().records.iter().filter(|(number, _)| *number == partition) {
            visit(Replayed::Record { key, value: value.as_deref(), producer: None });
        }
        Ok(())
    }
}

//! The committed offsets of one group.
//!
//! # Invariants
//!
//! * A topic is in the map only while it has an offset.
//! * What is here was appended to the journal before, in the same order (both under the group's lock).
//!
//! # Not here
//!
//! Who may commit (`group`), storing and loading (`groups`).

use super::records::OffsetValue;
use log_engine::types::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// One group's offsets, by topic and partition.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, OffsetValue>>,
    bytes: usize,
}

/// Bytes that holding one offset costs, about.
fn cost(value: &OffsetValue) -> usize {
    size_of::<OffsetValue>() + size_of::<i32>() + value.metadata.len()
}

impl Offsets {
    /// The offset committed for a partition.
    #[must_use]
    pub fn get(&self, topic: &str, partition: i32) -> Option<&OffsetValue> {
        self.topics.get(topic)?.get(&partition)
    }

    /// All of them, by topic, then by partition.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, OffsetValue>)> {
        self.topics.iter().map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    /// All of them, one by one.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, &OffsetValue)> {
        self.topics()
            .flat_map(|(topic, parts)| parts.iter().map(move |(number, value)| (topic, *number, value)))
    }

    /// True if nothing is committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Bytes held, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts an offset in the place of the one before.
    pub fn set(&mut self, topic: &str, partition: i32, value: OffsetValue) {
        self.bytes += cost(&value);
        let old = match self.topics.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, value),
            None => {
                self.topics.insert(topic.to_owned(), BTreeMap::from([(partition, value)]));
                None
            }
        };
        self.bytes -= old.as_ref().map_or(0, cost);
    }

    /// Takes an offset away; false if there was none.
    pub fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.topics.get_mut(topic) else { return false };
        let Some(old) = partitions.remove(&partition) else { return false };
        self.bytes -= cost(&old);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        true
    }

    /// Which offsets have had their time. `since` is when the group lost its last member; a group that never had
    /// any goes by the time of each commit.
    #[must_use]
    pub fn expired(
        &self,
        now: Timestamp,
        since: Option<Timestamp>,
        retention: Duration,
    ) -> Vec<(String, i32)> {
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let is_over = |value: &OffsetValue| match value.expires_at {
            Some(end) => now >= end,
            None => now.millis_since(since.unwrap_or(value.committed_at)) >= retention,
        };
        let over = self.iter().filter(|(_, _, value)| is_over(value));
        over.map(|(topic, partition, _)| (topic.to_owned(), partition)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn value(committed_at: i64, expires_at: Option<i64>) -> OffsetValue {
        OffsetValue {
            offset: 1,
            leader_epoch: None,
            metadata: "note".into(),
            committed_at: at(committed_at),
            expires_at: expires_at.map(at),
        }
    }

    #[test]
    fn bytes_return_to_zero() {
        let mut offsets = Offsets::default();
        offsets.set("t", 0, value(1, None));
        let one = offsets.bytes();
        offsets.set("t", 0, value(2, None));
        assert_eq!(offsets.bytes(), one);
        offsets.set("t", 1, value(2, None));
        assert!(offsets.remove("t", 0) && offsets.remove("t", 1));
        assert!(!offsets.remove("t", 1) && !offsets.remove("u", 0));
        assert_eq!((offsets.bytes(), offsets.is_empty()), (0, true));
    }

    #[test]
    fn offsets_of_a_group_expire_together_and_of_a_client_without_one_by_commit() {
        let mut offsets = Offsets::default();
        offsets.set("t", 0, value(100, None));
        offsets.set("t", 1, value(900, None));
        let expired = |now, since: Option<i64>| {
            offsets.expired(at(now), since.map(at), Duration::from_millis(1_000)).len()
        };
        assert_eq!([expired(1_099, None), expired(1_100, None), expired(1_900, None)], [0, 1, 2]);
        assert_eq!([expired(1_999, Some(1_000)), expired(2_000, Some(1_000))], [0, 2]);
        // A clock that went back ends nothing.
        assert_eq!(expired(0, Some(5_000)), 0);
    }

    #[test]
    fn retention_asked_for_by_the_client_goes_first() {
        let mut offsets = Offsets::default();
        offsets.set("t", 0, value(0, Some(50)));
        let expired = |now| offsets.expired(at(now), Some(at(0)), Duration::from_millis(10)).len();
        assert_eq!([expired(49), expired(50)], [0, 1]);
    }
}

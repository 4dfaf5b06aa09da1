//! At start: the journal is replayed into memory.
//!
//! After an unclean start a commit may have survived whose data did not (with `log.durability=page-cache`, or from
//! another broker): such an offset is lowered to the end of its log, stored so, and reported. Left alone, the
//! consumer would skip the records that get these offsets next.

use super::GroupCoordinator;
use super::slot::Slot;
use crate::coordinators::group::Group;
use crate::coordinators::journal::{JournalError, Replayed};
use crate::coordinators::offsets::Offsets;
use crate::coordinators::records::{self, GroupValue, Key};
use crate::trouble::Chain;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Partitions that are read at the same time, at most.
const MAX_THREADS: usize = 8;

/// What a load found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoadReport {
    /// Records read.
    pub records: usize,
    /// Records that are not understood, or of kinds this broker does not keep; they stay in the log.
    pub skipped: usize,
    /// Groups there are now.
    pub groups: usize,
    /// Offsets in them.
    pub offsets: usize,
    /// Transactions around offsets that were never ended.
    pub open_transactions: usize,
    /// Offsets that pointed past the end of their logs.
    pub lowered: Vec<Lowered>,
}

impl LoadReport {
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.skipped += other.skipped;
        self.groups += other.groups;
        self.offsets += other.offsets;
        self.open_transactions += other.open_transactions;
        self.lowered.extend(other.lowered);
    }
}

/// An offset that pointed past the end of its log.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Lowered {
    /// Of this group.
    pub group: String,
    /// In this topic.
    pub topic: String,
    /// Of this partition.
    pub partition: i32,
    /// What was committed.
    pub from: i64,
    /// The end of the log.
    pub to: i64,
}

/// A group as far as it has been read.
#[derive(Debug, Default)]
struct Loaded {
    group: Option<GroupValue>,
    offsets: Offsets,
}

type Groups = BTreeMap<String, Loaded>;

/// Place, key and value of a record whose transaction has not ended yet.
type Pending = Vec<(u64, Vec<u8>, Option<Vec<u8>>)>;

/// One partition as far as it has been read.
///
/// A record of a transaction counts from its marker on, but in the place where it was written: what was committed for its key
/// between the two is newer. So it is with Kafka, and compaction, which keeps the record that comes last, relies on it.
#[derive(Debug, Default)]
struct Replay {
    groups: Groups,
    open: BTreeMap<i64, Pending>,
    /// How many records were read.
    at: u64,
    /// Where keys were set since a transaction is open.
    set: BTreeMap<Vec<u8>, u64>,
}

impl Replay {
    fn step(&mut self, step: Replayed<'_>, report: &mut LoadReport) {
        match step {
            Replayed::Record { key, value, producer } => {
                self.at += 1;
                if let Some(producer) = producer {
                    let record = (self.at, key.to_vec(), value.map(<[u8]>::to_vec));
                    self.open.entry(producer).or_default().push(record);
                } else {
                    self.apply(self.at, key, value, report);
                }
            }
            Replayed::Marker { producer, commit } => {
                let pending = self.open.remove(&producer).unwrap_or_default();
                for (at, key, value) in pending.into_iter().filter(|_| commit) {
                    if self.set.get(&key).is_none_or(|last| *last < at) {
                        self.apply(at, &key, value.as_deref(), report);
                    }
                }
                if self.open.is_empty() {
                    self.set.clear();
                }
            }
        }
    }

    fn apply(&mut self, at: u64, key: &[u8], value: Option<&[u8]>, report: &mut LoadReport) {
        if !self.open.is_empty() {
            self.set.insert(key.to_vec(), at);
        }
        apply(&mut self.groups, key, value, report);
    }
}

impl GroupCoordinator {
    /// Reads all groups and offsets. To be called once, before anything is served; waits for the disk.
    ///
    /// `clean`: the broker was shut down in order, so offsets are as the clients want them.
    ///
    /// # Errors
    ///
    /// A partition cannot be read to its end.
    pub fn load(&self, clean: bool) -> Result<LoadReport, JournalError> {
        let partitions = self.journal.existing().unwrap_or(0);
        let next = AtomicI32::new(0);
        let work = || {
            let mut report = LoadReport::default();
            loop {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                if partition >= partitions {
                    return Ok(report);
                }
                if self.journal.is_offline(partition) {
                    continue;
                }
                for (name, group) in self.replay(partition, &mut report)? {
                    self.install(&name, group, partition, clean, &mut report);
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let results: Vec<Result<LoadReport, JournalError>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().map(|thread| thread.join().expect("a load that panics is a bug")).collect()
        });
        let mut report = LoadReport::default();
        for result in results {
            report.add(result?);
        }
        report.lowered.sort();
        Ok(report)
    }

    fn replay(&self, partition: i32, report: &mut LoadReport) -> Result<Groups, JournalError> {
        let mut replay = Replay::default();
        self.journal.replay(partition, &mut |step| replay.step(step, report))?;
        report.open_transactions += replay.open.len();
        Ok(replay.groups)
    }

    fn install(&self, name: &str, loaded: Loaded, partition: i32, clean: bool, report: &mut LoadReport) {
        if loaded.group.is_none() && loaded.offsets.is_empty() {
            return;
        }
        let now = self.now();
        let group = match loaded.group {
            Some(stored) => Group::restore(name, stored, now),
            None => Group::new(name, now),
        };
        let mut slot = Slot::new(group, partition);
        slot.offsets = loaded.offsets;
        if !clean {
            self.lower(&mut slot, report);
        }
        report.groups += 1;
        report.offsets += slot.offsets.iter().count();
        self.account(&mut slot);
        self.timer.schedule(&mut slot);
        self.groups.write().insert(name.to_owned(), Arc::new(Mutex::new(slot)));
    }

    fn lower(&self, slot: &mut Slot, report: &mut LoadReport) {
        let group = slot.group.id().to_owned();
        let past_end = |(topic, partition, value): (&str, i32, &records::OffsetValue)| {
            let to = self.journal.data_end(topic, partition).filter(|end| value.offset > *end)?;
            let lowered =
                Lowered { group: group.clone(), topic: topic.to_owned(), partition, from: value.offset, to };
            Some((lowered, records::OffsetValue { offset: to, leader_epoch: None, ..value.clone() }))
        };
        let all: Vec<_> = slot.offsets.iter().filter_map(past_end).collect();
        for (lowered, value) in all {
            let key = records::offset_key(&group, &lowered.topic, lowered.partition);
            let record = (key, Some(records::offset_value(&value)));
            if let Err(error) = self.journal.append(slot.partition, &[record]) {
                tracing::warn!(error = %Chain(&error), "the lowered offset is not stored; it is lowered again at the next start");
            }
            slot.offsets.set(&lowered.topic, lowered.partition, value);
            report.lowered.push(lowered);
        }
    }
}

fn apply(groups: &mut Groups, key: &[u8], value: Option<&[u8]>, report: &mut LoadReport) {
    report.records += 1;
    if try_apply(groups, key, value).is_none() {
        report.skipped += 1;
    }
}

/// `None`: not understood, or not of a kind that is kept here.
fn try_apply(groups: &mut Groups, key: &[u8], value: Option<&[u8]>) -> Option<()> {
    match records::parse_key(key).ok()? {
        Key::Offset { group, topic, partition } => match value {
            Some(value) => {
                let value = records::parse_offset(value).ok()?;
                groups.entry(group).or_default().offsets.set(&topic, partition, value);
            }
            None => {
                if let Some(loaded) = groups.get_mut(&group) {
                    loaded.offsets.remove(&topic, partition);
                }
            }
        },
        Key::Group(group) => match value {
            Some(value) => groups.entry(group).or_default().group = Some(records::parse_group(value).ok()?),
            None => {
                if let Some(loaded) = groups.get_mut(&group) {
                    loaded.group = None;
                }
            }
        },
        Key::Other(_) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state is the same before and after compaction, which keeps of each key the record that was written last.
    #[test]
    fn an_offset_of_a_transaction_counts_where_it_was_written() {
        let key = |partition| records::offset_key("g", "t", partition);
        let value = |offset| {
            let value = records::OffsetValue {
                offset,
                leader_epoch: None,
                metadata: String::new(),
                committed_at: Default::default(),
                expires_at: None,
            };
            records::offset_value(&value)
        };
        let mut replay = Replay::default();
        let mut report = LoadReport::default();
        let mut write = |partition, offset, producer| {
            let (key, value) = (key(partition), value(offset));
            replay.step(Replayed::Record { key: &key, value: Some(&value), producer }, &mut report);
        };
        write(0, 5, None);
        write(0, 10, Some(1));
        write(1, 10, Some(1));
        write(0, 20, None);
        write(1, 30, Some(2));
        replay.step(Replayed::Marker { producer: 2, commit: true }, &mut report);
        replay.step(Replayed::Marker { producer: 1, commit: true }, &mut report);
        let offsets = &replay.groups["g"].offsets;
        let found = [0, 1].map(|partition| offsets.get("t", partition).map(|value| value.offset));
        assert_eq!(found, [Some(20), Some(30)]);
        assert!(replay.open.is_empty() && replay.set.is_empty());
    }
}

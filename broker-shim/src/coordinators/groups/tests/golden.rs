//! Replay of what Kafka 2.2.0 and 4.3.1 wrote, against what their own consumers read.

use super::*;
use crate::coordinators::journal::{JournalRecord, Replayed, replay_batch};
use log_engine::format::batch::{BatchView, batch_len};
use std::path::PathBuf;

/// A partition directory, read file by file.
struct Golden(PathBuf);

impl Golden {
    fn of(version: &str) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../log-engine/tests/golden");
        Self(PathBuf::from(root).join(format!("kafka-{version}")).join("__consumer_offsets-0"))
    }

    fn segments(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut logs: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
        logs.sort();
        logs.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Keys and values as they stand in the end, by the list that Kafka's consumer made.
    fn expected(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let text = std::fs::read_to_string(self.0.join("expected-committed.tsv")).unwrap();
        let mut standing = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            match (unhex(columns[4]).unwrap(), unhex(columns[5])) {
                (key, Some(value)) => standing.insert(key, value),
                (key, None) => standing.remove(&key),
            };
        }
        standing
    }
}

/// `null`, or `x` and hex.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix('x')?;
    Some((0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect())
}

impl Journal for Golden {
    fn open(&self) -> Result<i32, JournalError> {
        Ok(1)
    }

    fn existing(&self) -> Option<i32> {
        Some(1)
    }

    fn append(&self, _: i32, _: &[JournalRecord]) -> Result<(), JournalError> {
        panic!("a load after a clean stop writes nothing")
    }

    fn sync(&self, _: i32) -> Result<(), JournalError> {
        Ok(())
    }

    fn data_is_synced(&self, _: &str, _: i32, _: i64) -> bool {
        true
    }

    fn sync_data(&self, _: &str, _: i32, _: i64) -> Result<(), JournalError> {
        Ok(())
    }

    fn data_end(&self, _: &str, _: i32) -> Option<i64> {
        None
    }

    fn replay(&self, _: i32, visit: &mut dyn FnMut(Replayed<'_>)) -> Result<(), JournalError> {
        for segment in self.segments() {
            let mut rest = &segment[..];
            while !rest.is_empty() {
                let (batch, after) = rest.split_at(batch_len(rest).unwrap());
                let batch = BatchView::parse(batch).unwrap();
                batch.check_crc().unwrap();
                replay_batch(&batch, 1 << 20, visit).unwrap();
                rest = after;
            }
        }
        Ok(())
    }
}

fn load(version: &str) -> GroupCoordinator {
    let golden = Golden::of(version);
    let expected = golden.expected();
    let clock = ManualClock::at(Timestamp::from_millis(1_795_500_000_000).unwrap());
    let groups = GroupCoordinator::new(CoordinatorSettings::default(), Arc::new(golden), Arc::new(clock));
    let report = groups.load(true).unwrap();
    assert_eq!((report.skipped, report.open_transactions), (0, 0));

    // Everything that stands is there, and nothing else.
    let mut found = BTreeMap::new();
    for listed in groups.list() {
        let name = &listed.group_id;
        groups.offsets(name, |offsets| {
            for (topic, partition, value) in offsets.iter() {
                found.insert(records::offset_key(name, topic, partition), records::offset_value(value));
            }
        });
        let slot = groups.slot(name, false).unwrap();
        let slot = slot.lock();
        if slot.group.protocol_type().is_some() {
            found.insert(records::group_key(name), records::group_value(&slot.group.record()));
        }
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, value) in &expected {
        match records::parse_key(key).unwrap() {
            records::Key::Offset { .. } => {
                assert_eq!(records::parse_offset(&found[key]), records::parse_offset(value));
            }
            _ => assert_eq!(records::parse_group(&found[key]), records::parse_group(value)),
        }
    }
    groups
}

/// Topic, offset, metadata, leader epoch.
fn committed(groups: &GroupCoordinator, group: &str) -> Vec<(String, i64, String, Option<i32>)> {
    groups.offsets(group, |offsets| {
        let all = offsets.iter().inspect(|(_, partition, _)| assert_eq!(*partition, 0));
        all.map(|(topic, _, v)| (topic.to_owned(), v.offset, v.metadata.clone(), v.leader_epoch)).collect()
    })
}

#[test]
fn directories_of_kafka_give_their_groups_and_offsets() {
    for (version, epoch) in [("2.2.0", None), ("4.3.1", Some(0))] {
        let groups = load(version);
        let names: Vec<String> = groups.list().into_iter().map(|listed| listed.group_id).collect();
        assert_eq!(names, ["golden-group-2", "golden-group-3"], "{version}: the first was deleted");
        let second =
            [("g-gzip".into(), 19, String::new(), None), ("g-plain".into(), 20, "meta-2".into(), None)];
        assert_eq!(committed(&groups, "golden-group-2"), second);
        assert_eq!(committed(&groups, "golden-group-3"), [("g-kinds".into(), 9, String::new(), epoch)]);
        let slot = groups.slot("golden-group-3", false).unwrap();
        let slot = slot.lock();
        assert_eq!((slot.group.state(), slot.group.generation()), (State::Empty, 2));
        assert_eq!(slot.group.protocol_type(), Some("consumer"));
    }
}

//! Message sets as Kafka 2.2.0 stored them for topics of the old formats.

use super::*;
use log_engine::inspect::{Entry, SegmentReader};
use log_engine::io::RealStorage;

#[path = "../../../../log-engine/tests/common/mod.rs"]
mod common;

fn old_partitions() -> Vec<std::path::PathBuf> {
    let mut dirs = common::partitions("kafka-2.2.0");
    dirs.retain(|dir| dir.to_str().unwrap().contains("/g-v"));
    dirs
}

fn assert_same(read: &[Read], expected: &common::Expected, what: &str) {
    assert_eq!(read.len(), expected.records.len(), "{what}");
    for ((_, timestamp, key, value), expected) in read.iter().zip(&expected.records) {
        assert_eq!(*timestamp, expected.timestamp, "{what} {}", expected.offset);
        assert!(expected.key.is(key.as_deref()), "{what} {}", expected.offset);
        assert!(expected.value.is(value.as_deref()), "{what} {}", expected.offset);
    }
}

#[test]
fn stored_message_sets_read_and_convert_up() {
    let mut seen = 0;
    for dir in old_partitions() {
        let what = dir.display().to_string();
        let expected = common::expected(&dir, "expected.tsv");
        let set: Vec<u8> = common::files(&dir, ".log").into_iter().flat_map(|(_, log)| log).collect();
        let read = read_set(&set);
        assert_same(&read, &expected, &what);
        let offsets: Vec<_> = read.iter().map(|read| read.0).collect();
        assert_eq!(offsets, expected.records.iter().map(|r| r.offset).collect::<Vec<_>>(), "{what}");
        let up = up_convert(&set, &up_rules());
        if what.contains("logappend") {
            // From a client, the log's time is refused.
            assert_eq!(up, Err(Rejected::Timestamp { records: vec![0], allowed: None }), "{what}");
        } else {
            assert_same(&read_batch(&up.unwrap()), &expected, &what);
            seen += expected.records.len();
        }
    }
    assert_eq!(seen, 2 * (42 + 3 * 43));
}

#[test]
fn stored_entries_have_the_offsets_and_times_that_kafkas_consumer_read() {
    let mut seen = 0;
    for dir in old_partitions() {
        let expected = common::expected(&dir, "expected.tsv");
        let mut lines = expected.records.iter();
        for (name, _) in common::files(&dir, ".log") {
            let mut reader =
                SegmentReader::open(&RealStorage::new(), &dir.join(&name), Offset::ZERO).unwrap();
            while let Some(entry) = reader.next_entry().unwrap() {
                let Entry::Old { bytes, .. } = entry else { panic!("{name}: {entry:?}") };
                let entry = StoredEntry::open(bytes).unwrap();
                let messages = entry.messages().unwrap();
                let range = check_stored(bytes).unwrap();
                assert_eq!((range.first, range.last), (messages[0].offset, messages.last().unwrap().offset));
                for message in messages {
                    let line = lines.next().unwrap();
                    assert_eq!(message.offset.get(), line.offset, "{}", dir.display());
                    assert_eq!(Timestamp::to_raw(message.timestamp), line.timestamp, "{}", dir.display());
                    assert!(line.key.is(message.key) && line.value.is(message.value), "{}", dir.display());
                    seen += 1;
                }
            }
        }
        assert_eq!(lines.count(), 0, "{}", dir.display());
    }
    assert_eq!(seen, 2 * (42 + 3 * 43) + 2 * 8);
}

/// Every v2 batch of both versions goes down to what the consumer read, less headers.
#[test]
fn stored_batches_convert_down() {
    let mut seen = 0;
    for version in common::VERSIONS {
        for dir in common::partitions(version).into_iter().filter(|dir| !old_partitions().contains(dir)) {
            let what = dir.display().to_string();
            let expected = common::expected(&dir, "expected.tsv");
            let log: Vec<u8> = common::files(&dir, ".log").into_iter().flat_map(|(_, log)| log).collect();
            let rules =
                DownRules { from: offset(expected.start), max_bytes: 1 << 30, ..down_rules(OldMagic::V1) };
            let got = down_convert(&log, &rules);
            if what.contains("g-zstd") {
                assert_eq!(got, Err(DownConvertError::Zstd));
                continue;
            }
            let got = got.unwrap();
            assert_same(&read_set(&got.bytes), &expected, &what);
            assert_eq!(got.next_offset.map(Offset::get), Some(expected.end), "{what}");
            seen += expected.records.len();
        }
    }
    assert!(seen > 2000, "{seen}");
}

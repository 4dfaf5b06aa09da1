//! Directories that Kafka compacted: read, compacted further by us, and found as we would have left them.

use super::*;
use crate::format::batch::HEADER_LEN;
use std::fs;

const VERSIONS: [&str; 2] = ["kafka-2.2.0", "kafka-4.3.1"];
const CLEANED: [&str; 6] = [
    "g-compact-0",
    "g-compact-gzip-0",
    "g-compact-idem-0",
    "g-compact-gone-0",
    "g-compact-txn-0",
    "g-compact-txn-gone-0",
];

fn golden(version: &str, name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version).join(name)
}

/// A disk that holds a copy.
fn copied(version: &str, name: &str) -> Bench {
    let mut bench = compacted(1 << 20);
    // As in the cluster that it is from; a tombstone's horizon lies a day behind the run.
    bench.config.delete_retention_ms = 86_400_000;
    bench.storage.create_dir_all(Path::new(DIR)).unwrap();
    for entry in fs::read_dir(golden(version, name)).unwrap() {
        let entry = entry.unwrap();
        let path = Path::new(DIR).join(entry.file_name());
        let file = bench.storage.open(&path, crate::io::OpenMode::CreateNew).unwrap();
        file.write_all_at(&[&fs::read(entry.path()).unwrap()], 0).unwrap();
    }
    bench
}

fn open(bench: &Bench, point: Option<i64>) -> Arc<Log> {
    bench.builder().clean(true).compaction_point(point.map(offset)).open().unwrap()
}

/// Offset, key and value as the real consumer of that version saw them.
fn expected(version: &str, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(golden(version, name).join("expected.tsv")).unwrap();
    let fields = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    text.lines().skip(1).map(fields).filter(|fields| fields[0].parse::<i64>().is_ok()).collect()
}

#[test]
fn what_kafka_left_is_read_and_stays_readable_when_we_compact_it_further() {
    for version in VERSIONS {
        for name in CLEANED {
            let bench = copied(version, name);
            let log = open(&bench, Some(31));
            let there = seen(&log);
            let offsets: Vec<_> = there.iter().map(|(at, ..)| at.to_string()).collect();
            let expected: Vec<_> = expected(version, name).into_iter().map(|f| f[0].clone()).collect();
            assert_eq!(offsets, expected, "{version} {name}");
            assert_eq!((log.damage(), log.compaction_point()), (vec![], Some(offset(31))));
            let before = last_values(&there);
            roll_over_later(&log);
            compact(&bench, &log);
            let after = last_values(&seen(&log));
            for (key, value) in before.iter().filter(|(key, _)| !is_aborted(name, key)) {
                assert_eq!(after.get(key), Some(value), "{version} {name}");
            }
            drop(log);
            let log = open(&bench, None);
            assert_eq!((last_values(&seen(&log)), log.damage()), (after, vec![]), "{version} {name}");
            assert_eq!(log.last_stable_offset(), log.end_offset(), "{version} {name}");
        }
    }
}

/// In the transactional ones the last record of a key may be an aborted one, which goes.
fn is_aborted(name: &str, _key: &str) -> bool {
    name.contains("txn")
}

/// Far enough for a segment of its own: the golden segments are smaller than ours.
fn roll_over_later(log: &Log) {
    let mut config = (*log.config()).clone();
    config.segment_bytes = 4000;
    log.set_config(config).unwrap();
    roll_over(log);
}

/// All that Kafka 4.3.1 kept in a run we keep too, byte for byte: its segments are as we would have left them.
#[test]
fn a_segment_that_kafka_compacted_is_what_we_would_have_left() {
    for name in ["g-compact-0", "g-compact-gzip-0", "g-compact-idem-0"] {
        let bench = copied("kafka-4.3.1", name);
        let first = bench.file(&log_name(0));
        assert!(first.len() > HEADER_LEN);
        let log = open(&bench, None);
        assert_eq!(log.compaction_point(), None);
        let report = compact(&bench, &log);
        assert_eq!((report.segments, report.point), (0, offset(31)), "{name}");
        assert_eq!(bench.file(&log_name(0)), first, "{name}");
    }
}

/// What 4.3.1 does in its next run, we do: the empty batch at the end goes, the marker without data gets its horizon.
#[test]
fn markers_go_the_way_that_kafka_s_go() {
    let bench = copied("kafka-4.3.1", "g-compact-txn-0");
    let log = open(&bench, Some(0));
    let batches = |log: &Log| -> Vec<(i64, u16, u32)> {
        log.records(offset(0))
            .map(|batch| {
                let batch = batch.unwrap();
                let view = batch.view();
                (view.base_offset().get(), view.attributes().to_raw(), view.record_count())
            })
            .collect()
    };
    let before = batches(&log);
    roll_over_later(&log);
    let report = compact(&bench, &log);
    assert!(report.segments > 0);
    let after = batches(&log);
    for (at, attributes, count) in &before {
        let now = after.iter().find(|(other, ..)| other == at);
        match (attributes & 0x20 != 0, now) {
            // A marker stays, with or without a horizon.
            (true, Some((_, now, _))) => assert_eq!(now & !0x40, attributes & !0x40, "{at}"),
            (true, None) => panic!("the marker at {at} is gone before its horizon"),
            (false, Some((_, now, left))) => assert!(now & !0x40 == *attributes & !0x40 && left <= count),
            (false, None) => {}
        }
    }
    assert_eq!((log.damage(), log.last_stable_offset()), (vec![], log.end_offset()));
}

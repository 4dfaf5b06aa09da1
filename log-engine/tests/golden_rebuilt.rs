//! Directories that Apache Kafka wrote lose everything that is derived from the batches; what our log makes anew must be
//! Kafka's files byte for byte, but for what is listed here with its reason. Indexes that a killed broker left, with
//! megabytes of zeros laid out in advance, are not compared.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{VERSIONS, copy_dir, expected, golden, partitions};
use log_engine::config::{CleanupPolicy, LogConfig};
use log_engine::format::snapshot;
use log_engine::log::{Log, ReadLimits};
use log_engine::types::{Offset, Timestamp};
use std::fs;
use std::path::Path;

/// Every file that comes out otherwise, and why that is right: `VERSION/DIRECTORY` and the files' short names.
const OTHERWISE: [(&str, &[&str], &str); 9] = [
    (
        "kafka-2.2.0/__consumer_offsets-0",
        &["42.timeindex"],
        "2.2 names the record that has the time; later versions, and we, the last one of its batch",
    ),
    ("kafka-2.2.0/g-compact-0", &["0.index", "0.timeindex"], CLEANER_OF_2),
    ("kafka-2.2.0/g-compact-gone-0", &["0.index", "0.timeindex"], CLEANER_OF_2),
    (
        "kafka-2.2.0/g-compact-txn-0",
        &["0.index", "0.timeindex", "17.index", "17.timeindex", "17.txnindex", "33.txnindex"],
        CLEANER_OF_2,
    ),
    (
        "kafka-2.2.0/g-compact-txn-gone-0",
        &["0.index", "0.timeindex", "17.index", "17.timeindex", "17.txnindex", "33.txnindex"],
        CLEANER_OF_2,
    ),
    ("kafka-4.3.1/g-compact-txn-0", COMPACTED_TXNS, ABORTED_ARE_GONE),
    ("kafka-4.3.1/g-compact-txn-gone-0", COMPACTED_TXNS, ABORTED_ARE_GONE),
    ("kafka-4.3.1/g-txn-0", &["90.snapshot"], PRODUCERS),
    ("kafka-4.3.1/g-txnopen-0", &["8.snapshot"], PRODUCERS),
];

const CLEANER_OF_2: &str = "2.2's cleaner makes one entry for all the batches that it writes at once, whatever the \
    interval; and as below, what aborted transactions wrote is gone";

const ABORTED_ARE_GONE: &str = "what the markers aborted was compacted away: the batches do not tell where it began, or \
    that there was any. Readers need no entry where there is no record. The segment without a byte needs no index";

const COMPACTED_TXNS: &[&str] =
    &["0.index", "0.timeindex", "3.txnindex", "17.txnindex", "33.txnindex", "NEWEST.snapshot"];

const PRODUCERS: &str = "Kafka notes a marker's time for a producer without a batch of its epoch, and the coordinator's \
    epoch before the first marker: no batch of the producer has either";

/// `index.interval.bytes` of the topics, as far as it is not the default.
fn interval(dir: &str) -> u32 {
    match dir {
        "g-plain-0" | "g-idem-0" | "g-internal-0" | "g-killed-0" => 256,
        "g-txn-0" | "g-compact-0" | "g-compact-gone-0" | "g-compact-txn-0" | "g-compact-txn-gone-0" => 64,
        _ => 4096,
    }
}

/// Takes what is derived out of a copy of Kafka's directory, and lets our log open it, read it and close it.
fn made_anew(dir: &Path, copied: &Path) -> Vec<(String, Vec<u8>)> {
    copy_dir(dir, copied);
    let mut theirs = Vec::new();
    for suffix in [".index", ".timeindex", ".txnindex", ".snapshot"] {
        for (file, bytes) in common::files(dir, suffix) {
            fs::remove_file(copied.join(&file)).unwrap();
            theirs.push((file, bytes));
        }
    }
    let name = dir.file_name().unwrap().to_str().unwrap();
    let compact = name.contains("compact") || name.starts_with("__");
    let config = LogConfig {
        index_interval_bytes: interval(name),
        cleanup_policy: CleanupPolicy { delete: !compact, compact },
        ..LogConfig::default()
    };
    let list = expected(dir, "expected.tsv");
    let log = Log::builder(copied).config(config).start_offset(Offset::new(list.start)).open().unwrap();
    // An index of a sealed segment is made when it is asked for.
    for line in &list.records {
        log.read(Offset::new(line.offset).unwrap(), ReadLimits::default()).unwrap();
        if let Some(time) = Timestamp::from_millis(line.timestamp) {
            log.offset_for_time(time).unwrap();
        }
    }
    log.close().unwrap();
    theirs
}

/// Whether two snapshots say the same, in any order (Kafka's is that of a hash map) and without what batches do not tell.
fn same_producers(ours: &[u8], theirs: &[u8], only_batches: bool) -> bool {
    let read = |bytes| {
        let mut producers = snapshot::read(bytes).unwrap();
        producers.sort_by_key(|producer| producer.id);
        for producer in producers.iter_mut().filter(|_| only_batches) {
            producer.timestamp = producer.timestamp.filter(|_| producer.last_offset.is_some());
            producer.coordinator_epoch = None;
        }
        producers
    };
    read(ours) == read(theirs)
}

#[test]
fn what_is_made_anew_is_kafkas_byte_for_byte() {
    let (mut same, mut otherwise) = (0, Vec::new());
    for version in VERSIONS {
        let killed = golden().join(version).join("killed/g-killed-0");
        let partitions = partitions(version).into_iter().chain([killed]);
        for dir in partitions.filter(|dir| !dir.file_name().unwrap().to_str().unwrap().starts_with("g-v")) {
            let name = format!("{version}/{}", dir.file_name().unwrap().to_str().unwrap());
            let temp = tempfile::tempdir().unwrap();
            let theirs = made_anew(&dir, temp.path());
            let newest = format!("{:020}.snapshot", expected(&dir, "expected.tsv").end);
            for (file, theirs) in theirs {
                let (digits, suffix) = file.split_once('.').unwrap();
                let short = format!("{}.{suffix}", digits.parse::<i64>().unwrap());
                let is_newest = newest == file;
                match fs::read(temp.path().join(&file)) {
                    Ok(ours) if ours == theirs => same += 1,
                    Ok(ours) if suffix == "snapshot" && same_producers(&ours, &theirs, false) => same += 1,
                    Ok(ours) if suffix == "snapshot" => {
                        assert!(same_producers(&ours, &theirs, true), "{name}/{short}");
                        otherwise.push((name.clone(), short, is_newest));
                    }
                    // Those of before are made while the log is written; only the one of its end is needed.
                    Err(_) if suffix == "snapshot" && !is_newest => {}
                    _ => otherwise.push((name.clone(), short, is_newest)),
                }
            }
        }
    }
    let known = |(dir, file, is_newest): &(String, String, bool)| {
        OTHERWISE.iter().any(|(known, files, _)| {
            known == dir && (files.contains(&&**file) || *is_newest && files.contains(&"NEWEST.snapshot"))
        })
    };
    let unknown: Vec<_> = otherwise.iter().filter(|found| !known(found)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    // Nothing is excused that needs no excuse.
    assert_eq!(otherwise.len(), OTHERWISE.iter().map(|(_, files, _)| files.len()).sum::<usize>());
    assert!(same > 220, "{same} files");
}

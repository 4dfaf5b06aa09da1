//! Directories that Apache Kafka wrote, opened by our log: every record, after a clean stop and after a kill.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Expected, ExpectedRecord, VERSIONS, expected, golden, partitions};
use log_engine::config::{CleanupPolicy, LogConfig};
use log_engine::error::LogError;
use log_engine::log::{Log, ReadLimits};
use log_engine::types::{Offset, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

/// A copy that may be written to.
fn copy(dir: &Path) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, target.path().join(path.file_name().unwrap())).unwrap();
    }
    target
}

fn name(dir: &Path) -> &str {
    dir.file_name().unwrap().to_str().unwrap()
}

fn is_old_format(dir: &Path) -> bool {
    name(dir).starts_with("g-v0") || name(dir).starts_with("g-v1")
}

fn config(dir: &Path) -> LogConfig {
    let compact = name(dir).contains("compact") || name(dir).starts_with("__");
    LogConfig { cleanup_policy: CleanupPolicy { delete: !compact, compact }, ..LogConfig::default() }
}

fn open(dir: &Path, copied: &Path, clean: bool, start: i64) -> Arc<Log> {
    let builder = Log::builder(copied).config(config(dir)).clean(clean);
    builder.start_offset(Some(offset(start))).open().unwrap()
}

/// Compares all records from the log start on; `skip` says which offsets a reader does not want.
fn compare(dir: &Path, log: &Log, expected: &[ExpectedRecord], up_to: i64, skip: impl Fn(i64, i64) -> bool) {
    let mut expected = expected.iter();
    for batch in log.records(log.start_offset()) {
        let batch = batch.unwrap();
        let view = batch.view();
        let transactional = view.attributes().is_transactional();
        let producer = view.producer().map_or(-1, |stamp| stamp.id.get());
        if batch.is_control() || view.base_offset().get() >= up_to {
            continue;
        }
        for record in &batch.records().unwrap() {
            let record = record.unwrap();
            let at = record.offset.get();
            if at < log.start_offset().get() || transactional && skip(producer, at) {
                continue;
            }
            let line = expected.next().unwrap_or_else(|| panic!("{}: {at} is not expected", dir.display()));
            assert_eq!(
                (at, Timestamp::to_raw(record.timestamp)),
                (line.offset, line.timestamp),
                "{}",
                dir.display()
            );
            assert!(line.key.is(record.key) && line.value.is(record.value), "{}: {at}", dir.display());
        }
    }
    assert_eq!(expected.count(), 0, "{}: records are missing", dir.display());
}

fn each(mut visit: impl FnMut(&Path, &Path, bool)) {
    for version in VERSIONS {
        let killed = golden().join(version).join("killed/g-killed-0");
        let dirs: Vec<PathBuf> = partitions(version).into_iter().filter(|dir| !is_old_format(dir)).collect();
        assert!(dirs.len() > 15);
        for dir in dirs.into_iter().chain([killed]) {
            for clean in [true, false] {
                let copied = copy(&dir);
                visit(&dir, copied.path(), clean);
            }
        }
    }
}

#[test]
fn every_record_that_kafka_stored_is_served() {
    each(|dir, copied, clean| {
        let Expected { start, end, records } = expected(dir, "expected.tsv");
        let log = open(dir, copied, clean, start);
        assert_eq!(
            (log.damage(), log.end_offset(), log.start_offset()),
            (vec![], offset(end), offset(start)),
            "{}",
            dir.display()
        );
        compare(dir, &log, &records, end, |_, _| false);
        // Whatever was derived anew, every offset is found.
        for line in &records {
            let read =
                log.read(offset(line.offset), ReadLimits { max_bytes: 1, ..ReadLimits::default() }).unwrap();
            assert!(
                read.start <= offset(line.offset) && offset(line.offset) < read.next,
                "{}",
                dir.display()
            );
        }
        log.close().unwrap();
        drop(log);
        compare(dir, &open(dir, copied, true, start), &records, end, |_, _| false);
    });
}

#[test]
fn readers_of_committed_records_get_what_kafkas_got() {
    let mut seen = 0;
    each(|dir, copied, clean| {
        if !dir.join("expected-committed.tsv").exists() {
            return;
        }
        let Expected { start, end, records } = expected(dir, "expected-committed.tsv");
        let log = open(dir, copied, clean, start);
        assert_eq!(log.last_stable_offset(), offset(end), "{}, clean: {clean}", dir.display());
        let aborted = log.aborted_transactions(log.start_offset(), log.end_offset()).unwrap();
        seen += aborted.len();
        compare(dir, &log, &records, end, |producer, at| {
            aborted
                .iter()
                .any(|txn| txn.producer.get() == producer && (txn.first.get()..=txn.last.get()).contains(&at))
        });
    });
    assert!(seen > 0);
}

#[test]
fn a_log_of_an_older_message_format_is_refused_untouched() {
    let dirs: Vec<_> = partitions(VERSIONS[0]).into_iter().filter(|dir| is_old_format(dir)).collect();
    assert!(dirs.len() >= 8);
    for dir in dirs {
        let copied = copy(&dir);
        let refused = Log::builder(copied.path()).clean(true).lock(false).open();
        assert!(matches!(refused, Err(LogError::Corrupt { .. })), "{}", dir.display());
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let same = fs::read(copied.path().join(path.file_name().unwrap())).unwrap();
            assert_eq!(same, fs::read(&path).unwrap(), "{}", path.display());
        }
        assert_eq!(fs::read_dir(copied.path()).unwrap().count(), fs::read_dir(&dir).unwrap().count());
    }
}

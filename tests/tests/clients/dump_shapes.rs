//! Kafka's own dump tools read logs of every shape that the engine writes: codecs, headers and nulls, append time,
//! idempotent producers with their snapshots, transactions with markers and their index; a log that was damaged and
//! repaired, whose lost records an empty batch stands for; a log that was compacted; and the offsets that groups committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use corrente_tests::broker::{Broker, binary};
use corrente_tests::client::{Client, listen_until};
use corrente_tests::install::Missing;
use corrente_tests::process;
use log_engine::config::CleanupPolicy;
use log_engine::format::batch::{HEADER_LEN, ProducerStamp, TimestampType};
use log_engine::format::build::{BatchBuilder, control_marker};
use log_engine::inspect::{CheckOptions, check_log};
use log_engine::io::{RealStorage, Storage};
use log_engine::log::{Log, Origin};
use log_engine::repair::repair;
use log_engine::types::{ProducerEpoch, ProducerId, Sequence, Timestamp};
use log_engine::{Codec, LogConfig, NewRecord};

use crate::dump::{field, files, run, segments};
use crate::group::{GROUP, TOPIC, send};
use crate::java_tools::{Tools, tools_2_2_0, tools_4};

/// The tool's decoder of commits, and `corrente log verify`, on a broker's directory: while it runs, after it was killed and
/// after a clean stop.
pub(crate) fn a_brokers_directory_is_read() -> Result<(), Missing> {
    let (tools, client) = (tools_4()?, crate::confluent_kafka()?);
    let mut broker = Broker::start(&[("num.partitions", "3"), ("offsets.topic.num.partitions", "1")]);
    assert_eq!(broker.ensure_topic(TOPIC), 3);
    let mut member = client.member(&broker, TOPIC, GROUP);
    listen_until("the member has all partitions", &mut [&mut member], |m| m[0].assigned == [0, 1, 2]);
    send(&client, &broker, "committed", 60, 0);
    listen_until("the member has read all", &mut [&mut member], |m| m[0].read.len() >= 60);
    member.leave();
    let verified = |when: &str, dir: &Path| {
        let mut command = Command::new(binary());
        let done = process::run(command.args(["log", "verify"]).arg(dir), b"", Duration::from_secs(60));
        assert!(done.stdout.contains(" batches: clean"), "{when}: {done:?}");
        done.success(when);
    };
    verified("while it runs", &broker.log_dir());
    broker.kill9();
    verified("killed", &broker.log_dir());
    broker.spawn();
    broker.stop();
    verified("stopped", &broker.log_dir());
    let dir = broker.partition_dir("__consumer_offsets", 0);
    // That of 2.2.0 does not know group metadata of version 3, which Kafka writes since 2.3.
    let text = run(&tools, &files(&dir, &segments(&dir), &["log"]), &["--offsets-decoder"]).stdout;
    let commits = text.lines().filter(|line| line.contains(GROUP) && line.contains(TOPIC)).count();
    assert!(commits >= 3, "{text}");
    Ok(())
}

pub(crate) fn are_read() -> Result<(), Missing> {
    let tools = [tools_2_2_0()?, tools_4()?];
    let temp = tempfile::tempdir().expect("a temporary directory");
    let (shapes, appended) = (temp.path().join("shapes-0"), temp.path().join("appended-0"));
    let end = write_shapes(&shapes);
    let time = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..config() };
    let log = Log::open(&appended, time).expect("an empty log");
    log.append(&[NewRecord::value(b"on the log's time")]).expect("appended");
    log.close().expect("closed");
    for tools in &tools {
        let text = log_text(tools, &shapes, end);
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            assert!(text.to_lowercase().contains(&format!("compresscodec: {codec}")), "{codec}: {text}");
        }
        for told in
            ["headerKeys: [h,h]", "endTxnMarker: COMMIT", "endTxnMarker: ABORT", "isTransactional: true"]
        {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(log_text(tools, &appended, 1).contains("LogAppendTime: "));
        derived(tools, &shapes);
    }
    compacted(&tools, &temp.path().join("compacted-0"));
    let lost = damage(&shapes);
    let storage: Arc<dyn Storage> = Arc::new(RealStorage::new());
    let steps = repair(&storage, &shapes, &CheckOptions::default()).expect("repaired");
    assert!(!steps.is_empty());
    let check = check_log(&storage, &shapes, &CheckOptions::default()).expect("checked");
    assert!(check.is_clean(), "{:?}", check.findings);
    for tools in &tools {
        let text = log_text(tools, &shapes, end);
        let empty = text.lines().find(|line| line.contains(" count: 0 ")).expect("the empty batch is shown");
        assert_eq!((field(empty, "baseOffset"), field(empty, "lastOffset")), lost);
        derived(tools, &shapes);
    }
    Ok(())
}

/// Of each key and each codec, over and over, compacted twice.
fn compacted(tools: &[Tools], dir: &Path) {
    let policy = CleanupPolicy { delete: false, compact: true };
    let config = LogConfig { cleanup_policy: policy, min_cleanable_dirty_ratio: 0.0, ..config() };
    let log = Log::open(dir, config).expect("an empty log");
    let now = Timestamp::from_millis(1_700_000_000_000).expect("positive");
    for round in 0..2 {
        for number in 0..60 {
            let codec = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd][number % 5];
            let mut batch = BatchBuilder::new().codec(codec);
            for part in 0..3 {
                let (key, value) = (format!("key {}", (number * 7 + part) % 40), format!("{round} {number}"));
                batch.push(&NewRecord::keyed(key.as_bytes(), value.as_bytes()).at(now));
            }
            log.append_batch(&batch.finish().expect("a sound batch"), Origin::Client).expect("appended");
        }
        log.append(&[NewRecord::tombstone(b"key 3").at(now)]).expect("appended");
        for (id, commit) in [(7, true), (8, false)] {
            let stamp = stamp(id, round);
            let mut batch = BatchBuilder::new().producer(stamp).transactional(true);
            batch.push(&NewRecord::keyed(b"key 9", b"of a transaction").at(now));
            log.append_batch(&batch.finish().expect("a sound batch"), Origin::Client).expect("appended");
            let marker = control_marker(stamp.id, stamp.epoch, commit, 0, now);
            log.append_batch(&marker, Origin::Coordinator).expect("appended");
        }
        for _ in 0..40 {
            log.append(&[NewRecord::keyed(b"filler", &[b'x'; 100]).at(now)]).expect("appended");
        }
        let report = log.compact(now).expect("compacted");
        assert!(report.records > 50, "{report:?}");
    }
    log.close().expect("closed");
    let (names, end) = (segments(dir), log.end_offset().get());
    for tools in tools {
        let text = run(tools, &files(dir, &names, &["log"]), &["--deep-iteration"]).stdout;
        let mut next = 0;
        for line in text.lines().filter(|line| line.starts_with("baseOffset:")) {
            assert!(line.ends_with("isvalid: true") && field(line, "baseOffset") >= next, "{next}: {line}");
            next = field(line, "lastOffset") + 1;
        }
        assert_eq!(next, end);
        let text = text.to_lowercase();
        for told in ["gzip", "snappy", "lz4", "zstd"].map(|codec| format!("compresscodec: {codec}")) {
            assert!(text.contains(&told), "{told}: {text}");
        }
        for told in ["endtxnmarker: commit", "istransactional: true", "valuesize: -1"] {
            assert!(text.contains(told), "{told}: {text}");
        }
        let indexes = files(dir, &names, &["index", "timeindex"]);
        for check in ["--index-sanity-check", "--verify-index-only"] {
            let done = run(tools, &indexes, &[check]);
            let sound = ["passed sanity check", " is empty."].map(|told| done.stdout.matches(told).count());
            assert!(
                check != "--index-sanity-check" || sound.iter().sum::<usize>() == indexes.len(),
                "{done:?}"
            );
            // For both an entry should name the first offset of its batch; Kafka's own name the last.
            let known = |line: &&str| {
                line.starts_with("Indexed offset: ")
                    || line.starts_with("Mismatches in :")
                    || line.starts_with("  Index offset: ")
            };
            assert!(done.stderr.lines().all(|line| known(&line)), "{check}: {}", done.stderr);
        }
    }
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 3000, index_interval_bytes: 200, ..LogConfig::default() }
}

fn stamp(id: i64, sequence: i32) -> ProducerStamp {
    ProducerStamp {
        id: ProducerId::new(id).expect("positive"),
        epoch: ProducerEpoch::new(0).expect("positive"),
        base_sequence: Sequence::new(sequence),
    }
}

/// Answers the log end offset.
fn write_shapes(dir: &Path) -> i64 {
    let log = Log::open(dir, config()).expect("an empty log");
    let now = Timestamp::from_millis(1_700_000_000_000).expect("positive");
    let append = |batch: &[u8], origin| {
        log.append_batch(batch, origin).expect("appended");
    };
    let batch = |builder: BatchBuilder, count: usize| {
        let mut builder = builder;
        for n in 0..count {
            let value = format!("value {n}").repeat(20);
            let headers: [(&str, Option<&[u8]>); 2] = [("h", Some(b"1")), ("h", None)];
            let record = NewRecord::keyed(b"key", value.as_bytes()).at(now);
            builder.push(&NewRecord { headers: &headers, ..record });
            builder.push(&NewRecord { key: None, value: None, headers: &[], timestamp: Some(now) });
        }
        builder.finish().expect("a sound batch")
    };
    for round in 0..3 {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            append(&batch(BatchBuilder::new().codec(codec), 3), Origin::Client);
        }
        append(&batch(BatchBuilder::new().producer(stamp(7, round * 4)), 2), Origin::Client);
        for (half, commit) in [(0, true), (1, false)] {
            let stamp = stamp(8, round * 4 + half * 2);
            append(&batch(BatchBuilder::new().producer(stamp).transactional(true), 1), Origin::Client);
            append(&control_marker(stamp.id, stamp.epoch, commit, 0, now), Origin::Coordinator);
        }
    }
    append(&batch(BatchBuilder::new().producer(stamp(8, 12)).transactional(true), 1), Origin::Client);
    log.close().expect("closed");
    log.end_offset().get()
}

/// Flips a bit in a batch of the first segment; its first and last offset.
fn damage(dir: &Path) -> (i64, i64) {
    let path = dir.join(format!("{}.log", segments(dir)[0]));
    let mut bytes = fs::read(&path).expect("the segment is there");
    let number = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let second = usize::try_from(number(8)).expect("a length") + 12;
    let base = i64::from(number(second + 4));
    let last = base + i64::from(number(second + 23));
    bytes[second + HEADER_LEN + 3] ^= 4;
    fs::write(&path, bytes).expect("the segment is written");
    (base, last)
}

/// What a tool says about the batches, all of which are valid and chain.
fn log_text(tools: &Tools, dir: &Path, end: i64) -> String {
    let logs = files(dir, &segments(dir), &["log"]);
    let text = run(tools, &logs, &["--deep-iteration"]).stdout;
    let mut next = 0;
    for line in text.lines().filter(|line| line.starts_with("baseOffset:")) {
        assert!(line.ends_with("isvalid: true"), "{line}");
        assert_eq!(field(line, "baseOffset"), next, "{line}");
        next = field(line, "lastOffset") + 1;
    }
    assert_eq!(next, end, "{text}");
    text
}

/// Indexes pass the tool's check; aborts and producers are shown.
fn derived(tools: &Tools, dir: &Path) {
    let indexes = files(dir, &segments(dir), &["index", "timeindex"]);
    let text = run(tools, &indexes, &["--index-sanity-check"]).stdout;
    // One that is made anew has an entry each 4 KiB, which such a small segment has not.
    let sound = ["passed sanity check", " is empty."].map(|told| text.matches(told).count());
    assert_eq!(sound.iter().sum::<usize>(), indexes.len(), "{text}");
    let ends_with = |suffix: &str| {
        let names = fs::read_dir(dir).expect("the directory is readable");
        let paths: BTreeSet<_> = names.map(|entry| entry.expect("an entry").path()).collect();
        paths.into_iter().filter(|path| path.to_string_lossy().ends_with(suffix)).collect::<Vec<_>>()
    };
    let text = run(tools, &ends_with(".txnindex"), &[]).stdout;
    assert_eq!(text.matches("producerId: 8 firstOffset: ").count(), 3, "{text}");
    let snapshots = ends_with(".snapshot");
    let text = run(tools, &snapshots[snapshots.len() - 1..], &[]).stdout;
    assert!(text.contains("producerId: 7 ") && text.contains("producerId: 8 "), "{text}");
}

//! Kafka's own files, read with the format layer alone: record by record, entry by entry, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Expected, ExpectedRecord, VERSIONS, expected, files, golden, partitions};
use log_engine::format::batch::{BASE_SEQUENCE_AT, BatchView, Codec, RECORD_COUNT_AT, TimestampType};
use log_engine::format::build::{BatchBuilder, read_marker};
use log_engine::format::checkpoint::{
    Properties, read_epochs, read_offsets, read_partition_metadata, write_epochs, write_offsets,
    write_partition_metadata,
};
use log_engine::format::index_entry::{OffsetEntry, TimeEntry, TxnEntry};
use log_engine::format::names::{FileKind, PartitionDir, SegmentFile};
use log_engine::format::record::Record;
use log_engine::format::snapshot;
use log_engine::types::{LeaderEpoch, Timestamp};
use std::path::Path;

const CAP: usize = 1 << 20;

/// The partitions that hold v2 batches, the killed one among them.
fn v2_partitions() -> impl Iterator<Item = std::path::PathBuf> {
    VERSIONS
        .into_iter()
        .flat_map(|version| {
            let killed = golden().join(version).join("killed/g-killed-0");
            partitions(version).into_iter().chain([killed])
        })
        .filter(|dir| !dir.to_str().unwrap().contains("g-v0-") && !dir.to_str().unwrap().contains("g-v1-"))
}

/// The batches of a `.log` file, checksums compared.
fn batches(log: &[u8]) -> Vec<(usize, BatchView<'_>)> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < log.len() {
        let view = BatchView::parse(&log[at..]).unwrap();
        view.check_crc().unwrap();
        out.push((at, view));
        at += view.len();
    }
    out
}

fn assert_same(record: &Record<'_>, batch: &BatchView<'_>, expected: &ExpectedRecord) {
    assert_eq!(record.offset.get(), expected.offset);
    assert_eq!(Timestamp::to_raw(record.timestamp), expected.timestamp, "time of {}", expected.offset);
    assert_eq!(batch.leader_epoch().map(LeaderEpoch::get), expected.epoch, "epoch of {}", expected.offset);
    let by_log = batch.attributes().timestamp_type() == TimestampType::LogAppendTime;
    assert_eq!(by_log, expected.timestamp_type == "LogAppendTime");
    assert!(expected.key.is(record.key), "key of {}: {:?}", expected.offset, expected.key);
    assert!(expected.value.is(record.value), "value of {}: {:?}", expected.offset, expected.value);
    assert_eq!(record.headers.len(), expected.headers.len());
    for (header, (key, value)) in record.headers.into_iter().zip(&expected.headers) {
        assert_eq!(header.key_str(), Some(key.as_str()));
        assert!(value.is(header.value));
    }
}

#[test]
fn every_record_is_what_kafkas_consumer_read() {
    let (mut seen, mut codecs) = (0, Vec::new());
    for dir in v2_partitions() {
        let Expected { start, end, records: expected } = expected(&dir, "expected.tsv");
        let (mut expected, mut next) = (expected.iter(), 0);
        for (_, log) in files(&dir, ".log") {
            for (_, batch) in batches(&log) {
                assert!(batch.base_offset().get() >= next, "{}", dir.display());
                next = batch.next_offset().get();
                codecs.push(batch.attributes().codec().unwrap());
                for record in &batch.records(CAP).unwrap() {
                    let record = record.unwrap();
                    if batch.attributes().is_control() {
                        assert!(read_marker(&record).is_some());
                    } else if record.offset.get() >= start {
                        assert_same(&record, &batch, expected.next().unwrap());
                        seen += 1;
                    }
                }
            }
        }
        assert_eq!(next, end, "{}", dir.display());
        assert_eq!(expected.count(), 0, "records of {} not found", dir.display());
    }
    assert!(seen > 2000, "{seen} records");
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        assert!(codecs.contains(&codec), "{codec:?}");
    }
}

/// Batches as a producer sends them, uncompressed and never cleaned, can be built again from their records.
/// 2.2.0's coordinators write a sequence of 0 beside a producer id of -1; nobody reads it, and we do not write it.
#[test]
fn uncompressed_batches_are_built_byte_for_byte() {
    let mut built = 0;
    for dir in v2_partitions().filter(|dir| !dir.to_str().unwrap().contains("compact")) {
        for (_, log) in files(&dir, ".log") {
            for (_, batch) in batches(&log) {
                let attributes = batch.attributes();
                let by_log = attributes.timestamp_type() == TimestampType::LogAppendTime;
                let odd_sequence =
                    batch.producer().is_none() && batch.bytes()[BASE_SEQUENCE_AT..RECORD_COUNT_AT] == [0; 4];
                if attributes.codec() != Ok(Codec::None) || by_log || odd_sequence {
                    continue;
                }
                let mut builder = BatchBuilder::new()
                    .at(batch.base_offset(), batch.leader_epoch())
                    .transactional(attributes.is_transactional())
                    .control(attributes.is_control())
                    .last_offset_delta(batch.last_offset_delta());
                if let Some(stamp) = batch.producer() {
                    builder = builder.producer(stamp);
                }
                for record in &batch.records(CAP).unwrap() {
                    let record = record.unwrap();
                    let delta = record.offset.distance_from(batch.base_offset());
                    builder.push_record(u32::try_from(delta).unwrap(), &record);
                }
                assert_eq!(builder.finish().unwrap(), batch.bytes(), "{}", dir.display());
                built += 1;
            }
        }
    }
    assert!(built > 500, "{built} batches");
}

#[test]
fn index_entries_point_at_batches_and_write_back() {
    let (mut offsets, mut times) = (0, 0);
    for dir in v2_partitions() {
        for (name, log) in files(&dir, ".log") {
            let file = SegmentFile::parse(&name).unwrap();
            let batches = batches(&log);
            for entry in raw_entries::<{ OffsetEntry::LEN }>(&dir, &file, FileKind::OffsetIndex) {
                let read = OffsetEntry::from_bytes(&entry).unwrap();
                assert_eq!(read.to_bytes(), entry);
                let target = read.offset.from_base(file.base).unwrap();
                let (_, batch) = batches
                    .iter()
                    .find(|(at, _)| *at == read.position.to_usize())
                    .expect("a batch begins there");
                // 2.2.0's cleaner promises less: the batch may end before the entry's offset.
                assert!(batch.base_offset() <= target, "{name}");
                offsets += 1;
            }
            for entry in raw_entries::<{ TimeEntry::LEN }>(&dir, &file, FileKind::TimeIndex) {
                let read = TimeEntry::from_bytes(&entry).unwrap();
                assert_eq!(read.to_bytes(), entry);
                let target = read.offset.from_base(file.base).unwrap();
                let upto = batches.iter().take_while(|(_, batch)| batch.base_offset() <= target);
                assert_eq!(
                    upto.filter_map(|(_, batch)| batch.max_timestamp()).max(),
                    Some(read.timestamp),
                    "{name}"
                );
                times += 1;
            }
        }
    }
    assert!(offsets > 200, "{offsets} offset entries");
    assert!(times > 100, "{times} time entries");
}

fn raw_entries<const LEN: usize>(dir: &Path, file: &SegmentFile, kind: FileKind) -> Vec<[u8; LEN]> {
    let name = SegmentFile::live(file.base, kind).name();
    let Ok(bytes) = std::fs::read(dir.join(name)) else {
        return Vec::new();
    };
    assert_eq!(bytes.len() % LEN, 0);
    // An active segment's index that was not closed ends in zeros.
    let zero = [0; LEN];
    bytes.chunks_exact(LEN).map(|e| e.try_into().unwrap()).filter(|e| *e != zero).collect()
}

#[test]
fn aborted_transactions_write_back() {
    let mut seen = 0;
    for dir in v2_partitions() {
        for (name, bytes) in files(&dir, ".txnindex") {
            assert_eq!(SegmentFile::parse(&name).unwrap().kind, FileKind::TxnIndex);
            for entry in bytes.chunks(TxnEntry::LEN) {
                let read = TxnEntry::from_bytes(entry.try_into().unwrap()).unwrap();
                assert!(read.first <= read.last);
                assert_eq!(read.to_bytes(), entry);
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} entries");
}

#[test]
fn snapshots_write_back() {
    let (mut files_seen, mut producers) = (0, 0);
    for version in VERSIONS {
        for dir in partitions(version) {
            for (name, bytes) in files(&dir, ".snapshot") {
                assert_eq!(SegmentFile::parse(&name).unwrap().kind, FileKind::Snapshot);
                let read = snapshot::read(&bytes).unwrap();
                assert_eq!(snapshot::write(&read), bytes, "{}/{name}", dir.display());
                files_seen += 1;
                producers += read.len();
            }
        }
    }
    assert!(files_seen > 50 && producers > 20, "{files_seen} files, {producers} producers");
}

#[test]
fn text_files_write_back() {
    let mut seen = 0;
    for version in VERSIONS {
        let top = golden().join(version);
        for dir in [top.clone(), top.join("killed")] {
            for (name, bytes) in files(&dir, "-checkpoint") {
                let lines = read_offsets(&bytes).unwrap();
                assert_eq!(write_offsets(&lines).as_bytes(), bytes, "{name}");
                seen += 1;
            }
        }
        let meta = std::fs::read(top.join("meta.properties")).unwrap();
        assert_eq!(Properties::read(&meta).unwrap().write().as_bytes(), meta);
        for dir in partitions(version) {
            assert!(PartitionDir::parse(dir.file_name().unwrap().to_str().unwrap()).is_some());
            for (_, bytes) in files(&dir, "leader-epoch-checkpoint") {
                assert_eq!(write_epochs(&read_epochs(&bytes).unwrap()).as_bytes(), bytes);
                seen += 1;
            }
            for (_, bytes) in files(&dir, "partition.metadata") {
                assert_eq!(
                    write_partition_metadata(read_partition_metadata(&bytes).unwrap()).as_bytes(),
                    bytes
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen} files");
}

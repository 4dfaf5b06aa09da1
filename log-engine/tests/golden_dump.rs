//! Directories that Apache Kafka wrote, looked at without being opened: every batch and every record as that version's
//! own dump tool tells of them, and nothing wrong with any of them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{VERSIONS, golden, partitions};
use log_engine::format::batch::{BatchView, Codec, TimestampType};
use log_engine::format::checkpoint::read_offsets;
use log_engine::format::codec::Decompressor;
use log_engine::format::index_entry::TxnEntry;
use log_engine::format::snapshot;
use log_engine::inspect::{CheckOptions, Entry, Finding, SegmentReader, check_log};
use log_engine::io::{ReadOnlyStorage, RealStorage, Storage};
use log_engine::types::{LeaderEpoch, Offset, Sequence, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn storage() -> Arc<dyn Storage> {
    Arc::new(ReadOnlyStorage::new(Arc::new(RealStorage::new())))
}

fn name(dir: &Path) -> &str {
    dir.file_name().unwrap().to_str().unwrap()
}

/// All partition directories, those after a kill included.
fn all() -> Vec<PathBuf> {
    let killed = VERSIONS.map(|version| golden().join(version).join("killed/g-killed-0"));
    VERSIONS.into_iter().flat_map(partitions).chain(killed).collect()
}

/// The offset that a checkpoint beside a partition directory has for it.
fn noted(dir: &Path, checkpoint: &str) -> Option<Offset> {
    let lines = read_offsets(&fs::read(dir.parent().unwrap().join(checkpoint)).unwrap()).unwrap();
    let of_dir = |line: &&log_engine::format::checkpoint::OffsetLine| {
        format!("{}-{}", line.topic, line.partition) == name(dir)
    };
    lines.iter().find(of_dir).map(|line| line.offset)
}

/// Files of the directory with this suffix that have a dump beside them: path and dump.
fn dumped(dir: &Path, suffix: &str, dump: &str) -> Vec<(PathBuf, String)> {
    let files = common::files(dir, suffix);
    files
        .into_iter()
        .map(|(file, _)| {
            let text = fs::read(dir.join(file.replace(suffix, dump))).unwrap();
            (dir.join(file), String::from_utf8_lossy(&text).into_owned())
        })
        .collect()
}

fn base_of(path: &Path) -> Offset {
    Offset::new(path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).unwrap()
}

/// `name: value` pairs of a line; a value of the tool's has no blank in it, up to `headerKeys`.
fn fields(line: &str) -> BTreeMap<String, &str> {
    let line = line.trim_start_matches("| ");
    let line = line.split(" headerKeys").next().unwrap().split(" payload:").next().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let pairs = words.iter().zip(words.iter().skip(1));
    pairs.filter_map(|(name, value)| Some((name.strip_suffix(':')?.to_lowercase(), *value))).collect()
}

/// A batch as the dump tools put it.
fn told(position: u64, batch: &BatchView<'_>) -> Vec<(&'static str, String)> {
    let (producer, epoch, first) = batch.raw_producer();
    let count = batch.record_count();
    let last = Sequence::new(first).map(|first| first.wrapping_add(batch.last_offset_delta()).get());
    let time = match batch.attributes().timestamp_type() {
        TimestampType::CreateTime => "createtime",
        TimestampType::LogAppendTime => "logappendtime",
    };
    vec![
        ("baseoffset", batch.base_offset().to_string()),
        ("lastoffset", batch.last_offset().to_string()),
        ("count", count.to_string()),
        ("basesequence", first.to_string()),
        ("lastsequence", last.unwrap_or(-1).to_string()),
        ("producerid", producer.to_string()),
        ("producerepoch", epoch.to_string()),
        ("partitionleaderepoch", batch.leader_epoch().map_or(-1, LeaderEpoch::get).to_string()),
        ("istransactional", batch.attributes().is_transactional().to_string()),
        ("iscontrol", batch.attributes().is_control().to_string()),
        ("position", position.to_string()),
        (time, Timestamp::to_raw(batch.max_timestamp()).to_string()),
        ("size", batch.len().to_string()),
        ("magic", "2".to_owned()),
        ("crc", batch.stored_crc().to_string()),
        ("isvalid", "true".to_owned()),
    ]
}

fn agrees(line: &str, expected: &[(&'static str, String)]) {
    let found = fields(line);
    for (name, value) in expected {
        assert_eq!(found.get(*name), Some(&value.as_str()), "{name} in {line}");
    }
}

/// Compares the records of a batch with the lines that begin with `| `.
fn compare_records(batch: &BatchView<'_>, lines: &mut dyn Iterator<Item = &str>) {
    let size =
        |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap()).to_string();
    for record in &batch.records(1 << 24).unwrap() {
        let record = record.unwrap();
        let line = lines.next().unwrap();
        assert!(line.starts_with("| offset: "), "{line}");
        agrees(
            line,
            &[
                ("offset", record.offset.to_string()),
                ("keysize", size(record.key)),
                ("valuesize", size(record.value)),
            ],
        );
        assert!(line.contains(&format!("Time: {} ", Timestamp::to_raw(record.timestamp))), "{line}");
        let headers: Vec<_> = record.headers.into_iter().map(|header| header.key_str().unwrap()).collect();
        assert!(line.contains(&format!("headerKeys: [{}]", headers.join(","))), "{line}");
    }
}

#[test]
fn every_batch_and_record_is_told_as_kafkas_dump_tool_tells_it() {
    let (storage, mut batches, mut old) = (storage(), 0, 0);
    for (path, text) in all().iter().flat_map(|dir| dumped(dir, ".log", ".dump.txt")) {
        // Values with line breaks in them go on in lines that begin otherwise.
        let known =
            |line: &&str| ["baseOffset: ", "| offset: ", "offset: "].iter().any(|p| line.starts_with(p));
        let mut lines = text.lines().filter(known);
        let mut reader = SegmentReader::open(&*storage, &path, base_of(&path)).unwrap();
        while let Some(entry) = reader.next_entry().unwrap() {
            match entry {
                Entry::Batch { position, batch, problem } => {
                    assert_eq!(problem, None, "{}: {position}", path.display());
                    agrees(lines.next().unwrap(), &told(position, &batch));
                    compare_records(&batch, &mut lines);
                    batches += 1;
                }
                Entry::Old { position, bytes } => {
                    let mut outer = lines.by_ref().skip_while(|line| line.starts_with("| "));
                    let line = outer.next().unwrap();
                    let offset = i64::from_be_bytes(bytes[..8].try_into().unwrap());
                    let crc = u32::from_be_bytes(bytes[12..16].try_into().unwrap());
                    let expected = [
                        ("offset", offset.to_string()),
                        ("position", position.to_string()),
                        ("size", bytes.len().to_string()),
                        ("magic", bytes[16].to_string()),
                        ("crc", crc.to_string()),
                    ];
                    agrees(line, &expected);
                    old += 1;
                }
                other => panic!("{}: {other:?}", path.display()),
            }
        }
        assert!(lines.all(|line| line.starts_with("| ")), "{}: lines are left", path.display());
    }
    assert!(batches > 800 && old > 100, "{batches} batches, {old} messages");
}

#[test]
fn indexes_of_transactions_and_snapshots_are_told_as_kafkas_dump_tool_tells_them() {
    let (mut entries, mut producers) = (0, 0);
    for dir in all() {
        for (path, text) in dumped(&dir, ".txnindex", ".txnindex.dump.txt") {
            let lines: Vec<_> = text.lines().filter(|line| line.starts_with("version: ")).collect();
            let bytes = fs::read(path).unwrap();
            let found: Vec<_> = bytes
                .chunks(TxnEntry::LEN)
                .map(|c| TxnEntry::from_bytes(c.try_into().unwrap()).unwrap())
                .collect();
            assert_eq!(lines.len(), found.len());
            for (line, txn) in lines.iter().zip(found) {
                agrees(
                    line,
                    &[
                        ("producerid", txn.producer.to_string()),
                        ("firstoffset", txn.first.to_string()),
                        ("lastoffset", txn.last.to_string()),
                        ("laststableoffset", txn.last_stable.to_string()),
                    ],
                );
                entries += 1;
            }
        }
        for (path, text) in dumped(&dir, ".snapshot", ".snapshot.dump.txt") {
            let lines: Vec<_> = text.lines().filter(|line| line.starts_with("producerId: ")).collect();
            let found = snapshot::read(&fs::read(path).unwrap()).unwrap();
            assert_eq!(lines.len(), found.len());
            for line in lines {
                let id = fields(line)["producerid"];
                let producer = found.iter().find(|producer| producer.id.to_string() == id).unwrap();
                let coordinator = producer.coordinator_epoch.unwrap_or(-1).to_string();
                agrees(
                    line,
                    &[("producerepoch", producer.epoch.get().to_string()), ("coordinatorepoch", coordinator)],
                );
                let open = producer.txn_first_offset.map(|offset| offset.to_string());
                let open = open.map_or(vec!["None".to_owned(), "OptionalLong.empty".to_owned()], |offset| {
                    vec![format!("Some({offset})"), format!("OptionalLong[{offset}]")]
                });
                assert!(open.iter().any(|open| fields(line)["currenttxnfirstoffset"] == open), "{line}");
                if let (Some(sequence), Some(last)) = (producer.last_sequence, producer.last_offset) {
                    agrees(
                        line,
                        &[("lastsequence", sequence.get().to_string()), ("lastoffset", last.to_string())],
                    );
                }
                producers += 1;
            }
        }
    }
    assert!(entries > 20 && producers > 60, "{entries} entries, {producers} producers");
}

#[test]
fn nothing_is_wrong_with_any_directory_of_kafkas() {
    let storage = storage();
    let mut notes = Vec::new();
    for dir in all() {
        let options = CheckOptions {
            compacted: noted(&dir, "cleaner-offset-checkpoint").is_some(),
            recovery_point: noted(&dir, "recovery-point-offset-checkpoint"),
            start_offset: noted(&dir, "log-start-offset-checkpoint"),
            ..CheckOptions::default()
        };
        let check = check_log(&storage, &dir, &options).unwrap();
        assert!(check.is_clean(), "{}: {:#?}", dir.display(), check.findings);
        let expected = common::expected(&dir, "expected.tsv");
        assert_eq!((check.start.get(), check.end.get()), (expected.start, expected.end), "{}", dir.display());
        notes.extend(check.findings.into_iter().map(|finding| (name(&dir).to_owned(), finding)));
    }
    // Files on their way out, and the indexes of the killed ones, which are packed: they are not there for us.
    let left_over = |(_, finding): &&(String, Finding)| finding.problem.starts_with("left over");
    let killed: Vec<_> = notes.iter().filter(|note| !left_over(note)).map(|(dir, _)| dir.as_str()).collect();
    assert_eq!(killed, ["g-killed-0"; 4], "{notes:#?}");
}

#[test]
fn indexes_that_a_killed_broker_left_are_noted_and_not_wrong() {
    let storage = storage();
    for version in VERSIONS {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("g-killed-0");
        common::copy_dir(&golden().join(version).join("killed/g-killed-0"), &dir);
        for (file, packed) in common::files(&dir, "index.gz") {
            let bytes = Decompressor::new(Codec::Gzip, &packed, 1 << 24).unwrap().read_all().unwrap();
            assert_eq!(bytes.len() % (1 << 20), if file.contains("time") { 10485756 % (1 << 20) } else { 0 });
            fs::write(dir.join(file.strip_suffix(".gz").unwrap()), bytes).unwrap();
        }
        let options = CheckOptions { recovery_point: Offset::new(30), ..CheckOptions::default() };
        let check = check_log(&storage, &dir, &options).unwrap();
        assert_eq!((check.is_clean(), check.end.get()), (true, 60), "{:#?}", check.findings);
        let files: Vec<_> =
            check.findings.iter().map(|f| f.file.extension().unwrap().to_str().unwrap()).collect();
        assert_eq!(files, ["index", "timeindex"]);
        for finding in &check.findings {
            assert!(finding.problem.starts_with("zeros behind the last entry"), "{finding}");
        }
    }
}

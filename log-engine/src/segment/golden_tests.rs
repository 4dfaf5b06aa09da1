//! Segments that real brokers wrote: replayed through ours, index files must come out the same byte for byte.

use super::*;
use crate::format::batch::BatchView;
use crate::io::MemStorage;
use std::fs;

fn golden(version: &str, topic: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version).join(topic)
}

fn options(index_interval_bytes: u32) -> SegmentOptions {
    SegmentOptions {
        segment_bytes: 1 << 20,
        index_interval_bytes,
        segment_index_bytes: 10 << 20,
        segment_ms: i64::MAX,
        segment_jitter_ms: 0,
    }
}

/// The base offsets of the segments in a golden directory.
fn bases(dir: &Path) -> Vec<Offset> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let logs = names.filter_map(|name| SegmentFile::parse(&name).filter(|file| file.kind == FileKind::Log));
    let mut bases: Vec<_> = logs.map(|file| file.base).collect();
    bases.sort();
    assert!(!bases.is_empty(), "{}", dir.display());
    bases
}

fn file(base: Offset, kind: FileKind) -> String {
    SegmentFile::live(base, kind).name()
}

/// Appends each batch of a golden `.log` to a segment of ours and seals it.
fn replay(dir: &Path, base: Offset, interval: u32, storage: &Arc<dyn Storage>, ours: &Path) -> Arc<Segment> {
    let bytes = fs::read(dir.join(file(base, FileKind::Log))).unwrap();
    let now = Timestamp::default();
    let segment = Segment::create(Arc::clone(storage), ours, base, &options(interval), now).unwrap();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let view = BatchView::parse(rest).unwrap();
        let batch = AppendedBatch {
            last_offset: view.last_offset(),
            max_timestamp: view.max_timestamp(),
            len: view.len(),
        };
        let (head, body) = view.bytes().split_at(16);
        let placed = segment.append(&[head, body], &batch, now).unwrap();
        segment.publish(placed.end);
        rest = &rest[view.len()..];
    }
    segment.seal().unwrap();
    segment
}

fn read_file(storage: &Arc<dyn Storage>, path: &Path) -> Vec<u8> {
    let file = storage.open(path, OpenMode::Read).unwrap();
    let mut buf = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut buf, 0).unwrap();
    buf
}

fn memory() -> (Arc<dyn Storage>, PathBuf) {
    let storage = MemStorage::new();
    storage.create_dir_all(Path::new("/t-0")).unwrap();
    (Arc::new(storage), PathBuf::from("/t-0"))
}

fn replayed_indexes_equal(version: &str, topic: &str, interval: u32, kinds: &[FileKind]) {
    let dir = golden(version, topic);
    let (storage, ours) = memory();
    for base in bases(&dir) {
        replay(&dir, base, interval, &storage, &ours);
        for kind in kinds {
            let name = file(base, *kind);
            let (found, expected) =
                (read_file(&storage, &ours.join(&name)), fs::read(dir.join(&name)).unwrap());
            assert_eq!(found, expected, "{version}/{topic}/{name}");
        }
    }
}

#[test]
fn appends_make_the_index_bytes_of_kafka_4() {
    let kinds = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex];
    replayed_indexes_equal("kafka-4.3.1", "g-plain-0", 256, &kinds);
    replayed_indexes_equal("kafka-4.3.1", "g-txn-0", 64, &kinds);
    replayed_indexes_equal("kafka-4.3.1", "g-gzip-0", 4096, &kinds);
}

#[test]
fn appends_make_the_offset_index_bytes_of_kafka_2() {
    let kinds = [FileKind::Log, FileKind::OffsetIndex];
    replayed_indexes_equal("kafka-2.2.0", "g-plain-0", 256, &kinds);
    replayed_indexes_equal("kafka-2.2.0", "g-txn-0", 64, &kinds);
    replayed_indexes_equal("kafka-2.2.0", "g-gzip-0", 4096, &kinds);
}

/// Kafka 2.2 puts the record's offset where 4.x and we put the batch's last: times agree, and each offset of ours is
/// the end of the batch that holds theirs.
#[test]
fn time_entries_of_kafka_2_differ_in_the_offset_only() {
    let dir = golden("kafka-2.2.0", "g-plain-0");
    let (storage, ours) = memory();
    for base in bases(&dir) {
        let segment = replay(&dir, base, 256, &storage, &ours);
        let name = file(base, FileKind::TimeIndex);
        let entries = |bytes: Vec<u8>| TimeIndex::from_file(base, &bytes.into()).0.entries();
        let (found, theirs) =
            (entries(read_file(&storage, &ours.join(&name))), entries(fs::read(dir.join(&name)).unwrap()));
        assert_eq!(found.len(), theirs.len());
        for (found, theirs) in found.iter().zip(theirs) {
            assert_eq!(found.timestamp, theirs.timestamp);
            let holder = segment.locate(theirs.offset.from_base(base).unwrap()).unwrap().unwrap();
            assert_eq!(found.offset.from_base(base), Some(holder.last_offset));
        }
    }
}

/// Each line of the Java consumer's list: offset and time.
fn expected(dir: &Path) -> Vec<(Offset, Timestamp)> {
    let text = fs::read_to_string(dir.join("expected.tsv")).unwrap();
    let lines = text.lines().skip(2).map(|line| {
        let mut columns = line.split('\t').map(|column| column.parse::<i64>().ok());
        let mut column = || columns.next().flatten();
        (Offset::new(column().unwrap()).unwrap(), Timestamp::from_millis(column().unwrap()).unwrap())
    });
    lines.collect()
}

/// Copies a golden directory into memory.
fn copied(dir: &Path) -> (Arc<dyn Storage>, PathBuf) {
    let (storage, ours) = memory();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let copy = storage.open(&ours.join(entry.file_name()), OpenMode::CreateNew).unwrap();
        copy.write_all_at(&[&fs::read(entry.path()).unwrap()], 0).unwrap();
    }
    (storage, ours)
}

/// Every offset and every time of a directory of Kafka's, looked up through Kafka's own index files, which stay.
fn lookups_agree(version: &str, topic: &str) {
    let dir = golden(version, topic);
    let (storage, ours) = copied(&dir);
    let listing = storage.list(&ours).unwrap();
    let segments: Vec<_> = segments_in(&listing)
        .into_iter()
        .map(|(base, e)| {
            Segment::open(Arc::clone(&storage), &ours, base, Position::new(e.len).unwrap(), None)
        })
        .collect();
    let records = expected(&dir);
    for (offset, _) in &records {
        let segment = segments.iter().rfind(|segment| segment.base_offset() <= *offset).unwrap();
        let batch = segment.locate(*offset).unwrap().unwrap();
        assert!(batch.base_offset <= *offset && *offset <= batch.last_offset, "{topic} {offset}");
    }
    let mut times: Vec<_> = records.iter().map(|(_, time)| *time).collect();
    times.extend(records.iter().map(|(_, time)| time.saturating_add_millis(1)));
    for time in times {
        let first = records.iter().find(|(_, found)| *found >= time).copied();
        let found = segments.iter().find_map(|s| s.find_time(time, Offset::ZERO, 1 << 20).unwrap());
        assert_eq!(found, first, "{version}/{topic} at {time}");
    }
    for entry in fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        let after = read_file(&storage, &ours.join(entry.file_name()));
        assert_eq!(after, fs::read(entry.path()).unwrap(), "{version}/{topic}: believed and left alone");
    }
}

#[test]
fn every_offset_and_time_is_found_through_kafkas_index_files() {
    for version in ["kafka-2.2.0", "kafka-4.3.1"] {
        for topic in ["g-plain-0", "g-kinds-0", "g-gzip-0"] {
            lookups_agree(version, topic);
        }
    }
}

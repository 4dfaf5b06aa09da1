use super::*;
use crate::io::{CountingStorage, Op};

#[test]
fn a_closed_log_opens_without_a_scan_a_write_or_a_sync() {
    let bench = Bench::small(2000);
    let log = bench.open();
    fill(&log, 0..50);
    log.close().unwrap();
    drop(log);
    let counting = Arc::new(CountingStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>));
    let log = bench.builder().storage(Arc::clone(&counting) as Arc<dyn Storage>).open().unwrap();
    assert_eq!(log.recovery_report(), &RecoveryReport::default());
    assert_eq!((counting.calls(Op::Write), counting.calls(Op::SyncData)), (0, 0));
    assert_eq!(dump(&log), numbered(0..50));
    assert_eq!(append(&log, 50).base_offset, offset(50));
}

#[test]
fn only_one_can_have_a_log_open() {
    let bench = Bench::new();
    let log = bench.open();
    assert!(matches!(bench.builder().open(), Err(LogError::Locked { .. })));
    log.close().unwrap();
    bench.builder().open().unwrap();
}

#[test]
fn five_batches_of_each_producer_are_known_after_a_close_and_after_a_kill() {
    for close in [true, false] {
        let bench = Bench::small(400);
        let log = bench.open();
        for n in 0..9 {
            log.append_batch(&idempotent(7, 0, n, 1, false), Origin::Client).unwrap();
            append(&log, 0);
        }
        if close {
            log.close().unwrap();
        }
        drop(log);
        let log = bench.open();
        for n in 4..9 {
            let again = log.append_batch(&idempotent(7, 0, n, 1, false), Origin::Client).unwrap();
            assert_eq!(
                (again.duplicate, again.base_offset),
                (true, offset(2 * i64::from(n))),
                "closed: {close}"
            );
        }
        let too_old = log.append_batch(&idempotent(7, 0, 3, 1, false), Origin::Client);
        assert!(matches!(too_old, Err(LogError::Producer(_))), "closed: {close}");
        log.append_batch(&idempotent(7, 0, 9, 1, false), Origin::Client).unwrap();
    }
}

#[test]
fn a_snapshot_of_one_batch_is_completed_from_the_log() {
    let bench = Bench::new();
    let log = bench.open();
    for n in 0..9 {
        log.append_batch(&idempotent(7, 0, n, 1, false), Origin::Client).unwrap();
    }
    log.close().unwrap();
    drop(log);
    bench.remove(producer_file::FILE_NAME);
    let log = bench.open();
    for n in 4..9 {
        assert!(log.append_batch(&idempotent(7, 0, n, 1, false), Origin::Client).unwrap().duplicate);
    }
}

#[test]
fn leftovers_are_dealt_with_as_kafka_does_and_other_files_stay() {
    let bench = Bench::small(300);
    let log = bench.open();
    fill(&log, 0..12);
    log.close().unwrap();
    drop(log);
    let create = |name: &str, bytes: &[u8]| {
        let file = bench.storage.open(&Path::new(DIR).join(name), crate::io::OpenMode::CreateNew).unwrap();
        file.write_all_at(&[bytes], 0).unwrap();
    };
    // A finished compaction of the first two segments into one.
    let mut both = bench.file(&log_name(0));
    both.extend(bench.file(&log_name(3)));
    create(&format!("{}.swap", log_name(0)), &both);
    create(&format!("{}.deleted", log_name(1)), b"x");
    create(&format!("{:020}.index.cleaned", 9), b"x");
    create(&format!("{:020}.index", 77), b"x");
    create("foo.txt", b"x");
    let log = bench.open();
    assert_eq!(dump(&log), numbered(0..12));
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    assert_eq!(bases, [0, 6, 9]);
    let names = bench.names();
    assert!(names.contains(&"foo.txt".to_owned()));
    assert!(
        !names.iter().any(|name| name.contains(".swap") || name.contains(".deleted") || name.contains("77."))
    );
    assert!(!names.iter().any(|name| name.contains(".cleaned")));
}

#[test]
fn segments_with_wrong_names_or_that_overlap_keep_the_log_closed() {
    let bench = Bench::small(300);
    let log = bench.open();
    fill(&log, 0..12);
    log.close().unwrap();
    drop(log);
    bench.remove(mark::FILE_NAME);
    let rename = |from: &str, to: &str| {
        bench.storage.rename(&Path::new(DIR).join(from), &Path::new(DIR).join(to)).unwrap();
    };
    rename(&log_name(3), &log_name(4));
    let refused = bench.builder().open().unwrap_err().to_string();
    assert!(refused.contains("begins with offset 3, its name says 4"), "{refused}");
    rename(&log_name(4), "3.log");
    let refused = bench.builder().open().unwrap_err().to_string();
    assert!(refused.contains("20 digits"), "{refused}");
    rename("3.log", &log_name(3));
    let mut long = bench.file(&log_name(0));
    long.extend(bench.file(&log_name(3)));
    bench.overwrite(&log_name(0), &long);
    let refused = bench.builder().open().unwrap_err().to_string();
    assert!(refused.contains("into the next one"), "{refused}");
}

#[test]
fn a_copied_directory_is_scanned_whatever_its_mark_says() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..12);
    log.close().unwrap();
    drop(log);
    let copy = Bench::new();
    copy.storage.create_dir_all(Path::new(DIR)).unwrap();
    // So that files of the copy have other identities.
    copy.storage.open(&Path::new(DIR).join("other"), crate::io::OpenMode::CreateNew).unwrap();
    for name in bench.names().iter().filter(|name| !name.contains("lock")) {
        let file = copy.storage.open(&Path::new(DIR).join(name), crate::io::OpenMode::CreateNew).unwrap();
        file.write_all_at(&[&bench.file(name)], 0).unwrap();
    }
    let log = copy.open();
    assert_eq!(log.recovery_report().scanned_bytes, log.size_bytes());
    assert_eq!(dump(&log), numbered(0..12));
}

#[test]
fn a_start_above_a_lost_end_is_where_offsets_go_on() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..5);
    log.close().unwrap();
    drop(log);
    bench.remove(mark::FILE_NAME);
    let log = bench.builder().start_offset(Some(offset(8))).open().unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (offset(8), offset(8)));
    assert_eq!(append(&log, 8).base_offset, offset(8));
    assert!(bench.names().contains(&format!("{}.torn", log_name(0))));
}

#[test]
fn closing_leaves_one_snapshot_at_the_end_and_those_of_the_segments() {
    let bench = Bench::small(300);
    for round in 0..4 {
        let log = bench.open();
        fill(&log, 2 * round..2 * round + 2);
        log.close().unwrap();
    }
    let log = bench.open();
    let mut expected: Vec<_> =
        log.segment_offsets().into_iter().map(|(base, _)| base.get()).skip(1).collect();
    expected.push(8);
    let expected: Vec<_> = expected.into_iter().map(|at| format!("{at:020}.snapshot")).collect();
    let found: Vec<_> = bench.names().into_iter().filter(|name| name.ends_with(".snapshot")).collect();
    assert_eq!(found, expected);
}

/// A cut through the batch at the log start lowers the start; the store's checkpoint, up to a minute older, then set
/// everything aside that had been appended since.
#[test]
fn a_checkpoint_does_not_overrule_the_mark_of_a_log_that_was_cut_below_its_start() {
    let bench = Bench::new();
    let log = bench.open();
    let values: Vec<_> = (0..5).map(value).collect();
    let records: Vec<_> = values.iter().map(|value| NewRecord::value(value.as_bytes())).collect();
    log.append(&records).unwrap();
    log.delete_records_before(offset(3)).unwrap();
    log.truncate(offset(4)).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (offset(0), offset(0)));
    append(&log, 0);
    log.sync().unwrap();
    drop(log);
    let log = bench.builder().start_offset(Some(offset(3))).open().unwrap();
    assert_eq!(dump(&log), numbered(0..1));
}

/// A start after a kill reads what was not synced once: for its checksums, its producers and its epochs.
#[test]
fn what_was_not_synced_is_read_once() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..4000);
    let size = log.size_bytes();
    log.abandon();
    drop(log);
    let counting = Arc::new(CountingStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>));
    let log = bench.builder().storage(Arc::clone(&counting) as Arc<dyn Storage>).open().unwrap();
    assert_eq!(log.recovery_report().scanned_bytes, size);
    let read = counting.count(Op::Read).bytes + counting.count(Op::Slice).bytes;
    assert!(read < size + size / 4, "{read} bytes were read of {size}");
}

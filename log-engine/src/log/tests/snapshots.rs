//! Copies of a log: what is in them, what they share, and what happens to either afterwards.

use super::*;
use crate::config::CleanupPolicy;
use crate::io::{CrashStorage, Fault, FaultStorage, OpenMode, Survivors};

const COPY: &str = "/backup/t-0";

impl Bench {
    fn open_copy(&self) -> Arc<Log> {
        Log::builder(COPY)
            .config(self.config.clone())
            .storage(Arc::clone(&self.storage) as Arc<dyn Storage>)
            .clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .open()
            .unwrap()
    }
}

/// Segments, a log start inside one, two epochs' worth of producers, an aborted and an open transaction.
fn busy(bench: &Bench) -> Arc<Log> {
    let log = bench.open();
    let stamp = |id, n| ProducerStamp {
        id: ProducerId::new(id).unwrap(),
        epoch: ProducerEpoch::ZERO,
        base_sequence: Sequence::new(n),
    };
    fill(&log, 0..10);
    log.append_in_transaction(stamp(1, 0), &[NewRecord::value(b"aborted")]).unwrap();
    log.abort_transaction(ProducerId::new(1).unwrap(), ProducerEpoch::ZERO).unwrap();
    fill(&log, 12..20);
    log.append_in_transaction(stamp(2, 0), &[NewRecord::value(b"open")]).unwrap();
    log.delete_records_before(offset(2)).unwrap();
    log
}

#[test]
fn a_copy_is_what_the_log_was_and_opens_without_a_scan() {
    let bench = Bench::small(350);
    let log = busy(&bench);
    let made = log.snapshot(COPY).unwrap();
    let (start, end) = (log.start_offset(), log.end_offset());
    assert_eq!((made.start, made.end), (start, end));
    assert_eq!(made.linked_segments, log.segment_offsets().len() - 1);
    assert_eq!(log.synced_end(), end, "a copy is of what is on the disk");
    let records = dump_from(&log, start).0;
    let copy = bench.open_copy();
    assert_eq!((copy.start_offset(), copy.end_offset()), (start, end));
    assert_eq!(copy.last_stable_offset(), log.last_stable_offset());
    assert_eq!(dump_from(&copy, start).0, records);
    assert_eq!(copy.recovery_report().scanned_bytes, 0, "its mark is of its own files");
    assert_eq!(copy.aborted_transactions(start, end).unwrap(), log.aborted_transactions(start, end).unwrap());
    for id in [1, 2].map(|id| ProducerId::new(id).unwrap()) {
        assert_eq!(copy.producer(id), log.producer(id));
    }
    assert_eq!(copy.epoch(), log.epoch());
    assert_eq!((copy.damage(), copy.recovery_report().leftovers), (vec![], 0));
}

#[test]
fn neither_the_log_nor_its_copy_sees_what_the_other_does_afterwards() {
    let bench = Bench::small(350);
    let log = busy(&bench);
    log.snapshot(COPY).unwrap();
    let copy = bench.open_copy();
    let start = log.start_offset();
    let records = dump_from(&log, start).0;
    // Cuts into shared segments, appends, deletions and a restart, on one side and then on the other.
    for (one, other) in [(&log, &copy), (&copy, &log)] {
        let before = dump_from(other, other.start_offset()).0;
        one.truncate(offset(6)).unwrap();
        for number in 100..130 {
            append(one, number);
        }
        one.delete_records_before(offset(15)).unwrap();
        one.apply_retention(bench.clock.now()).unwrap();
        bench.advance(100_000);
        one.remove_deleted().unwrap();
        one.close().unwrap();
        assert_eq!(dump_from(other, other.start_offset()).0, before);
        if std::ptr::eq(one, &log) {
            assert_eq!(before, records);
        }
    }
    drop((log, copy));
    for log in [bench.open(), bench.open_copy()] {
        assert_eq!((log.start_offset(), log.damage()), (offset(15), vec![]));
        assert_eq!(dump_from(&log, log.end_offset()).0, []);
    }
}

/// What was aborted after the copy was begun is open in the copy, and may be committed there.
#[test]
fn a_transaction_that_is_open_in_the_copy_may_end_otherwise_there() {
    let bench = Bench::new();
    let log = busy(&bench);
    log.snapshot(COPY).unwrap();
    let (id, epoch) = (ProducerId::new(2).unwrap(), ProducerEpoch::ZERO);
    log.abort_transaction(id, epoch).unwrap();
    let copy = bench.open_copy();
    copy.commit_transaction(id, epoch).unwrap();
    let last = |log: &Log| {
        let mut cursor = log.records(offset(12)).committed().cursor();
        let mut last = None;
        while let Some(record) = cursor.next().unwrap() {
            last = Some(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        }
        last
    };
    assert_eq!((last(&log), last(&copy)), (Some(value(19)), Some("open".to_owned())));
}

#[test]
fn a_long_active_segment_is_begun_anew_instead_of_being_copied() {
    let mut bench = Bench::new();
    bench.config.max_message_bytes = 8 << 20;
    let log = bench.open();
    let big = vec![7; 6 << 20];
    for _ in 0..3 {
        log.append(&[NewRecord::value(&big)]).unwrap();
    }
    let made = log.snapshot(COPY).unwrap();
    assert_eq!((made.linked_segments, made.copied_bytes), (1, 0));
    append(&log, 3);
    let copy = bench.open_copy();
    assert_eq!((copy.end_offset(), copy.recovery_report().scanned_bytes), (offset(3), 0));
    append(&copy, 4);
    assert_eq!(dump_from(&copy, offset(3)).0, [(3, value(4))]);
    assert_eq!(dump_from(&log, offset(3)).0, [(3, value(3))]);
}

#[test]
fn a_copy_of_nothing_and_a_name_that_is_taken() {
    let bench = Bench::new();
    let log = bench.open();
    let made = log.snapshot(COPY).unwrap();
    assert_eq!((made.end, made.copied_bytes), (offset(0), 0));
    let refused = log.snapshot(COPY);
    assert!(
        matches!(&refused, Err(LogError::Directory { path, .. }) if path == Path::new(COPY)),
        "{refused:?}"
    );
    append(&bench.open_copy(), 0);
    log.close().unwrap();
    assert!(matches!(log.snapshot("/backup/other"), Err(LogError::Closed)));
    assert!(!bench.storage.exists(Path::new("/backup/other")).unwrap());
}

/// Refused at any call, once or for ever, the log is what it was; the next try succeeds.
#[test]
fn a_copy_that_failed_half_way_is_no_obstacle_to_the_next() {
    let open_on = |bench: &Bench, fault: Fault| {
        let disk = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
        (bench.builder().storage(Arc::new(disk.clone())).open().unwrap(), disk)
    };
    let begun = |bench: &Bench| drop(busy(bench));
    let (first, calls) = {
        let bench = Bench::small(350);
        begun(&bench);
        let (log, disk) = open_on(&bench, Fault::never());
        let first = disk.calls();
        log.snapshot(COPY).unwrap();
        (first, disk.calls())
    };
    assert!(calls - first > 20, "{first} to {calls}");
    for at in first..calls {
        for lasting in [false, true] {
            let bench = Bench::small(350);
            begun(&bench);
            let fault = Fault::at(at, std::io::ErrorKind::Other);
            let (log, _) = open_on(&bench, if lasting { fault.lasting() } else { fault });
            let records = dump_from(&log, log.start_offset()).0;
            let made = log.snapshot(COPY);
            drop(log);
            let log = bench.open();
            assert_eq!(dump_from(&log, log.start_offset()).0, records, "call {at}");
            if made.is_err() && !bench.storage.exists(Path::new(COPY)).unwrap() {
                log.snapshot(COPY).unwrap();
            }
            let copy = bench.open_copy();
            assert_eq!(dump_from(&copy, copy.start_offset()).0, records, "call {at}");
        }
    }
}

/// When `snapshot` has returned, a power cut takes nothing from the copy.
#[test]
fn a_copy_survives_a_power_cut() {
    let clock = Arc::new(ManualClock::at(time(NOW)));
    for survivors in [Survivors::Nothing, Survivors::Everything] {
        let storage = Arc::new(CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let config = LogConfig { segment_bytes: 350, ..LogConfig::default() };
        let open = |storage: Arc<dyn Storage>, dir: &str| {
            Log::builder(dir).config(config.clone()).storage(storage).open().unwrap()
        };
        let log = open(Arc::clone(&storage) as Arc<dyn Storage>, DIR);
        fill(&log, 0..20);
        log.snapshot(COPY).unwrap();
        fill(&log, 20..25);
        let after: Arc<dyn Storage> = Arc::new(storage.power_cut(survivors));
        let copy = open(after, COPY);
        assert_eq!(dump(&copy), numbered(0..20));
    }
}

/// It answered Ok, and the next start found a directory that is no log's, or a log more.
#[test]
fn a_copy_is_not_made_in_a_directory_of_logs() {
    let bench = Bench::new();
    let log = bench.open();
    append(&log, 0);
    let own = log.dir();
    let in_own = own.join("copies/today");
    let around = own.join("../elsewhere/..").join(own.file_name().unwrap()).join("copy");
    drop(Log::builder("/other/t-0").storage(Arc::clone(&bench.storage) as Arc<dyn Storage>).open().unwrap());
    bench.storage.lock_dir(Path::new("/other")).unwrap().unwrap();
    for (to, dir) in [(&*in_own, &*own), (&around, &own), (Path::new("/other/t-1"), Path::new("/other"))] {
        let before = bench.storage.list(dir).unwrap();
        let error = log.snapshot(to).unwrap_err().to_string();
        let dir_text = Path::new("/").join(dir).display().to_string();
        assert!(error.contains(&format!(" lies in {dir_text}, a directory of logs")), "{error}");
        assert!(error.ends_with("make the snapshot outside of it; nothing was written"), "{error}");
        assert_eq!(bench.storage.list(dir).unwrap(), before);
    }
    log.snapshot(COPY).unwrap();
}

#[test]
fn another_file_system_is_named_with_what_to_do() {
    let fault = LogError::io("link", "/a/0.log")(std::io::ErrorKind::CrossesDevices.into());
    let disk = MemStorage::new();
    let made: crate::Result<()> = crate::log::files::appear(&disk, Path::new("/mnt/copy"), |_| Err(fault));
    let text = made.unwrap_err().to_string();
    assert!(text.starts_with("/mnt/copy: lies on another file system than /a/0.log: "), "{text}");
}

#[test]
fn what_is_left_of_an_earlier_try_is_no_obstacle() {
    let bench = Bench::new();
    let log = bench.open();
    append(&log, 0);
    let left = Path::new("/backup/t-0.snapshot-unfinished");
    bench.storage.create_dir_all(left).unwrap();
    bench.storage.open(&left.join(log_name(0)), OpenMode::CreateNew).unwrap();
    log.snapshot(COPY).unwrap();
    assert!(!bench.storage.exists(left).unwrap());
    assert_eq!(dump(&bench.open_copy()), numbered(0..1));
}

/// A copy of a compacted log has gaps, and must know it whatever its settings say.
#[test]
fn a_copy_of_a_compacted_log_takes_its_gaps_for_no_damage() {
    let mut bench = Bench::small(300);
    bench.config.cleanup_policy = CleanupPolicy { delete: false, compact: true };
    bench.config.min_cleanable_dirty_ratio = 0.0;
    let log = bench.open();
    for n in 0..40_u8 {
        log.append(&[NewRecord::keyed(&[b'a' + n % 3], &[n; 40])]).unwrap();
    }
    log.compact(bench.clock.now()).unwrap();
    let offsets = |log: &Log| {
        let mut cursor = log.cursor(Offset::ZERO);
        let mut offsets = Vec::new();
        while let Some(record) = cursor.next().unwrap() {
            offsets.push(record.offset.get());
        }
        offsets
    };
    let kept = offsets(&log);
    assert!(kept.len() < 40, "nothing was compacted");
    log.snapshot(COPY).unwrap();
    bench.config.cleanup_policy = CleanupPolicy { delete: true, compact: false };
    let copy = bench.open_copy();
    assert_eq!((offsets(&copy), copy.damage()), (kept, vec![]));
    assert_eq!(copy.compaction_point(), log.compaction_point());
}

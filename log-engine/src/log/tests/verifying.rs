//! What an older run wrote is checked once, before it is read; what this run writes is not.

use super::*;
use crate::format::CorruptReason;
use crate::format::batch::BatchView;
use crate::io::{CountingStorage, Fault, FaultStorage, Op};

/// Three batches of two records, and where they begin; closed in order.
fn closed(bench: &Bench) -> Vec<usize> {
    let log = bench.open();
    let mut begins = vec![0];
    for number in [0, 2, 4] {
        let values = [value(number), value(number + 1)];
        log.append(&values.each_ref().map(|v| NewRecord::value(v.as_bytes()))).unwrap();
        begins.push(usize::try_from(log.size_bytes()).unwrap());
    }
    log.close().unwrap();
    begins
}

fn bytes_of(read: &ReadSlices) -> Vec<u8> {
    read.slices.iter().flat_map(|slice| slice.bytes().unwrap().to_vec()).collect()
}

fn read(log: &Log, from: i64) -> Result<ReadSlices> {
    log.read(offset(from), ReadLimits::default())
}

#[test]
fn no_flipped_bit_of_an_old_batch_is_ever_read() {
    let bench = Bench::new();
    let begins = closed(&bench);
    let names = bench.names();
    let whole: Vec<_> = names.iter().map(|name| (name.clone(), bench.file(name))).collect();
    let good = bench.file(&log_name(0));
    let hole = begins[1]..begins[2];
    // Which offset is read first decides how the damage is met.
    let bits = hole.start * 8..hole.end * 8;
    for (bit, first) in bits.flat_map(|bit| (0..6).map(move |first| (bit, first))) {
        for (name, bytes) in &whole {
            bench.overwrite(name, bytes);
        }
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        bench.overwrite(&log_name(0), &bad);
        let log = bench.open();
        assert_eq!(log.recovery_report().scanned_bytes, 0, "a clean log is not scanned");
        for from in [first, 0, 1, 2, 3, 4, 5] {
            match read(&log, from) {
                Ok(found) if from < 2 => {
                    assert_eq!(bytes_of(&found), good[..hole.start], "bit {bit} at {from}");
                }
                Ok(found) => {
                    assert!(from >= 4, "bit {bit}: offset {from} was read");
                    assert_eq!(bytes_of(&found), good[hole.end..], "bit {bit} at {from}");
                }
                Err(LogError::Corrupt { reason: CorruptReason::Hole { from: low, to, .. }, .. }) => {
                    assert_eq!((low, to), (offset(2), offset(4)), "bit {bit}");
                    assert!((2..4).contains(&from), "bit {bit}: offset {from} was refused");
                }
                Err(other) => panic!("bit {bit} at {from}: {other}"),
            }
        }
        let damage = log.damage();
        assert_eq!(damage.len(), 1, "bit {bit}");
        assert_eq!(damage[0].bytes, hole.start as u64..hole.end as u64, "bit {bit}");
        assert_eq!(damage[0].offsets, offset(2)..offset(4), "bit {bit}");
    }
}

#[test]
fn old_batches_are_checked_once_and_new_ones_never() {
    let mut bench = Bench::small(400);
    let log = bench.open();
    fill(&log, 0..12);
    log.close().unwrap();
    drop(log);
    bench.config.segment_bytes = 1 << 20;
    let counting = Arc::new(CountingStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>));
    let log = bench.builder().storage(Arc::clone(&counting) as Arc<dyn Storage>).open().unwrap();
    let reads = |from: i64| {
        counting.reset();
        let found = read(&log, from).unwrap();
        assert!(found.is_verified());
        counting.calls(Op::Read)
    };
    assert!(!log.read_unverified(offset(0), ReadLimits::default()).unwrap().is_verified());
    assert!(read(&log, 5).unwrap().slices.len() > 1);
    assert_eq!(reads(5), 0, "checked before");
    assert_eq!(reads(7), 0, "a part of it");
    assert!(reads(0) > 0, "what lies before it was not");
    assert_eq!(reads(0), 0);
    fill(&log, 12..15);
    assert_eq!(reads(12), 0, "written by this run");
    assert_eq!(reads(0), 0, "from what was checked into what was written");
}

#[test]
fn what_recovery_scanned_is_not_checked_again() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..4);
    log.abandon();
    drop(log);
    let log = bench.open();
    assert!(log.recovery_report().scanned_bytes > 0);
    assert!(log.read_unverified(offset(0), ReadLimits::default()).unwrap().is_verified());
}

/// A cut copies bytes that nobody has looked at.
#[test]
fn what_a_cut_keeps_is_checked_like_before() {
    let bench = Bench::new();
    let begins = closed(&bench);
    let mut bad = bench.file(&log_name(0));
    bad[begins[0] + 70] ^= 1;
    bench.overwrite(&log_name(0), &bad);
    let log = bench.open();
    log.truncate(offset(4)).unwrap();
    append(&log, 4);
    assert!(matches!(read(&log, 0), Err(LogError::Corrupt { .. })));
    assert_eq!(read(&log, 2).unwrap().next, offset(5));
    assert_eq!(log.damage()[0].offsets, offset(0)..offset(2));
}

#[test]
fn a_log_whose_epoch_file_is_wrong_is_read_all_the_same() {
    let bench = Bench::new();
    let begins = closed(&bench);
    let file = "leader-epoch-checkpoint";
    let text = String::from_utf8(bench.file(file)).unwrap();
    bench.overwrite(file, text.replace("0 0", "3 0").as_bytes());
    let log = bench.open();
    for from in [4, 2, 0] {
        let found = read(&log, from).unwrap();
        assert_eq!((found.start, found.next), (offset(from), offset(6)));
    }
    assert_eq!(bytes_of(&read(&log, 0).unwrap()).len(), begins[3]);
    assert!(BatchView::parse(&bytes_of(&read(&log, 0).unwrap())).is_ok());
}

/// The disk refuses once in the middle of checking: what comes before is read alone.
#[test]
fn a_read_that_the_disk_refuses_goes_on_batch_by_batch() {
    let bench = Bench::new();
    closed(&bench);
    let opened = |fault: Fault| {
        let faults = Arc::new(FaultStorage::new(
            Arc::clone(&bench.storage) as Arc<dyn Storage>,
            fault.among(&[Op::Read]),
        ));
        let log = bench.builder().storage(Arc::clone(&faults) as Arc<dyn Storage>).open().unwrap();
        // Reads the indexes.
        assert!(!log.read_unverified(offset(0), ReadLimits::default()).unwrap().is_verified());
        (log, faults)
    };
    let (log, faults) = opened(Fault::never());
    let calls = faults.calls();
    drop(log);
    let (log, faults) = opened(Fault::at(calls, std::io::ErrorKind::Other));
    let found = read(&log, 0).unwrap();
    assert!(faults.has_failed());
    assert_eq!((found.start, found.next), (offset(0), offset(2)));
    assert!(log.damage().is_empty());
    assert_eq!(read(&log, 0).unwrap().next, offset(6));
    drop(log);
    let (log, _) = opened(Fault::at(calls, std::io::ErrorKind::Other).lasting());
    assert!(matches!(read(&log, 0), Err(LogError::Io { .. })), "nothing is delivered unchecked");
}

/// Looking through a damaged segment reads all of it, a gigabyte perhaps: appends go on meanwhile.
#[test]
fn the_writer_does_not_wait_for_who_looks_through_a_damaged_segment() {
    let bench = Bench::small(400);
    let log = bench.open();
    fill(&log, 0..20);
    log.close().unwrap();
    drop(log);
    let mut bytes = bench.file(&log_name(0));
    bytes[70] ^= 1;
    bench.overwrite(&log_name(0), &bytes);
    let log = bench.open();
    std::thread::scope(|scope| {
        let looking = log.examining.lock();
        let reader = scope.spawn(|| log.read(offset(0), ReadLimits::default()));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(append(&log, 20).base_offset, offset(20));
        assert!(!reader.is_finished(), "it waits to look");
        drop(looking);
        assert!(matches!(reader.join().unwrap(), Err(LogError::Corrupt { .. })));
    });
    assert_eq!(log.damage().len(), 1);
}

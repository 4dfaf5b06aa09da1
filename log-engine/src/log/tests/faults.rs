//! A disk that fails: every call of a script once, with every kind of error that matters.

use super::*;
use crate::io::{CrashStorage, Fault, FaultStorage, Op, Survivors};
use std::io;

fn faulty(bench: &Bench, fault: Fault) -> FaultStorage {
    FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault)
}

fn open_on(bench: &Bench, disk: &FaultStorage) -> Result<Arc<Log>> {
    bench.builder().storage(Arc::new(disk.clone())).open()
}

/// Appends, rolls, syncs, moves the start, deletes segments, closes, opens again. Answers what was accepted.
fn script(bench: &Bench, disk: &FaultStorage) -> Vec<(i64, String)> {
    let mut accepted: Vec<(i64, String)> = Vec::new();
    let mut number = 0;
    for round in 0..2 {
        let Ok(log) = open_on(bench, disk) else { continue };
        for step in 0..10 {
            let text = value(number);
            let record = [NewRecord::value(text.as_bytes())];
            let appended = if step % 3 == 0 { log.append_synced(&record) } else { log.append(&record) };
            if let Ok(appended) = appended {
                accepted.push((appended.base_offset.get(), text));
            }
            number += 1;
            bench.advance(400);
            let _ = log.sync_if_due();
        }
        let _ = log.delete_records_before(offset(4 + 4 * round));
        let _ = log.apply_retention(bench.clock.now());
        bench.advance(60_000);
        let _ = log.remove_deleted();
        let _ = log.close();
    }
    accepted
}

fn check(bench: &Bench, accepted: &[(i64, String)], what: &str) {
    let log = bench.builder().open().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(log.damage(), [], "{what}");
    let start = log.start_offset().get();
    let (records, error) = dump_from(&log, log.start_offset());
    assert!(error.is_none(), "{what}: {error:?}");
    let offsets: Vec<_> = records.iter().map(|(at, _)| *at).collect();
    assert_eq!(offsets, (start..log.end_offset().get()).collect::<Vec<_>>(), "{what}");
    for (at, text) in accepted.iter().filter(|(at, _)| *at >= start) {
        let index = usize::try_from(at - start).unwrap();
        assert_eq!(records.get(index), Some(&(*at, text.clone())), "{what}");
    }
    append(&log, 0);
}

fn fail_every_call(change: impl Fn(Fault) -> Fault, kind: io::ErrorKind) {
    for windows in [false, true] {
        fail_every_call_of(windows, &change, kind);
    }
}

fn fail_every_call_of(windows: bool, change: impl Fn(Fault) -> Fault, kind: io::ErrorKind) {
    let bench = || {
        let mut bench = Bench::small(300);
        bench.storage.allow_windows(windows);
        bench.config.file_delete_delay_ms = 1000;
        bench
    };
    let whole = bench();
    let disk = faulty(&whole, Fault::never());
    assert_eq!(script(&whole, &disk).len(), 20);
    let calls = disk.calls();
    assert!(calls > 100, "{calls} calls");
    for call in 0..calls {
        let bench = bench();
        let fault = change(Fault::at(call, kind));
        let what = format!("windows {windows}, {fault:?}");
        let accepted = script(&bench, &faulty(&bench, fault));
        check(&bench, &accepted, &what);
    }
}

#[test]
fn a_full_disk_at_any_call_loses_nothing_that_was_accepted() {
    fail_every_call(Fault::short_writes, io::ErrorKind::StorageFull);
    fail_every_call(|fault| fault.lasting().short_writes(), io::ErrorKind::StorageFull);
}

#[test]
fn a_failing_disk_at_any_call_loses_nothing_that_was_accepted() {
    fail_every_call(Fault::short_writes, io::ErrorKind::Other);
    fail_every_call(|fault| fault, io::ErrorKind::Other);
    fail_every_call(Fault::lasting, io::ErrorKind::Other);
}

#[test]
fn a_cut_that_fails_anywhere_is_done_or_undone_by_the_next_start() {
    for fail_at in 0.. {
        let bench = Bench::small(300);
        bench.storage.allow_windows(true);
        let log = bench.open();
        fill(&log, 0..12);
        log.close().unwrap();
        drop(log);
        let disk = faulty(&bench, Fault::at(fail_at, io::ErrorKind::Other).short_writes());
        let mut failed = true;
        if let Ok(log) = open_on(&bench, &disk) {
            failed = log.truncate(offset(5)).is_err();
            assert_eq!(
                (log.is_poisoned(), log.end_offset() == offset(5)),
                (failed, !failed),
                "call {fail_at}"
            );
            if failed {
                let refused = log.append(&[NewRecord::value(b"x")]);
                assert!(matches!(refused, Err(LogError::Poisoned { .. })), "call {fail_at}");
            }
        }
        let log = bench.open();
        let end = log.end_offset().get();
        assert!((5..=12).contains(&end), "call {fail_at}: {end}");
        assert_eq!((dump(&log), log.damage()), (numbered(0..end), vec![]), "call {fail_at}");
        drop(log);
        if !failed {
            assert!(fail_at > 5, "{fail_at}");
            return;
        }
    }
}

#[test]
fn the_first_failed_sync_poisons_and_nobody_is_told_that_it_worked() {
    let syncs = [Op::SyncData, Op::SyncDir];
    let bench = Bench::new();
    let disk = faulty(&bench, Fault::never().among(&syncs));
    let log = open_on(&bench, &disk).unwrap();
    append(&log, 0);
    log.sync().unwrap();
    drop(log);
    let bench = Bench::new();
    let disk = faulty(&bench, Fault::at(disk.calls(), io::ErrorKind::Other).among(&syncs));
    let log = open_on(&bench, &disk).unwrap();
    append(&log, 0);
    log.sync().unwrap();
    append(&log, 1);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| log.sync())).collect();
        assert!(waiting.into_iter().all(|caller| caller.join().unwrap().is_err()));
    });
    assert!(log.is_poisoned());
    assert!(matches!(log.sync(), Err(LogError::Poisoned { .. })));
    assert!(matches!(log.append(&[NewRecord::value(b"x")]), Err(LogError::Poisoned { .. })));
    assert_eq!(log.synced_end(), offset(1));
    assert_eq!(dump(&log), numbered(0..2));
    // Who closes it must not take it for a clean stop; the lock is free all the same.
    assert!(matches!(log.close(), Err(LogError::Poisoned { .. })));
    assert!(log.is_closed() && !log.is_in_order());
    log.close().unwrap();
    let again = open_on(&bench, &disk).unwrap();
    assert!(!again.is_poisoned());
    again.close().unwrap();
}

/// Want of descriptors while the mark was read was taken for a missing mark: the log start fell back, and records that
/// had been deleted were there again.
#[test]
fn a_read_that_fails_while_opening_changes_nothing() {
    let reads = [Op::Open, Op::List, Op::Look, Op::Read, Op::Map];
    for call in 0.. {
        let bench = Bench::small(300);
        let log = bench.open();
        fill(&log, 0..9);
        log.delete_records_before(offset(4)).unwrap();
        fill(&log, 9..12);
        drop(log);
        let disk = faulty(&bench, Fault::at(call, io::ErrorKind::Other).among(&reads));
        drop(open_on(&bench, &disk));
        let log = bench.open();
        assert_eq!((log.start_offset(), log.end_offset()), (offset(4), offset(12)), "call {call}");
        assert_eq!((dump(&log), log.damage()), (numbered(4..12), vec![]), "call {call}");
        assert!(!bench.names().iter().any(|name| name.ends_with(".torn")), "call {call}");
        if !disk.has_failed() {
            assert!(call > 15, "{call}");
            return;
        }
    }
}

#[test]
fn a_log_closed_with_an_error_is_not_in_order_however_often_it_is_closed() {
    let bench = Bench::new();
    let log = bench.open();
    append(&log, 0);
    drop(log);
    let count = faulty(&bench, Fault::never());
    let log = open_on(&bench, &count).unwrap();
    append(&log, 1);
    let before = count.calls();
    log.close().unwrap();
    assert!(log.is_in_order());
    drop(log);
    for call in before..count.calls() {
        let bench = Bench::new();
        append(&bench.open(), 0);
        let disk = faulty(&bench, Fault::at(call, io::ErrorKind::StorageFull));
        let log = open_on(&bench, &disk).unwrap();
        append(&log, 1);
        let first = log.close();
        log.close().unwrap();
        assert_eq!(log.is_in_order(), first.is_ok(), "call {call}");
    }
}

#[test]
fn a_name_that_the_first_open_could_not_make_durable_is_made_so_by_the_next_with_a_lock_or_without() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1).unwrap()));
    let clock = || Arc::clone(&clock) as Arc<dyn Clock>;
    for lock in [true, false] {
        let power = CrashStorage::new(clock());
        // Both directories are there then, and the name of the upper one is not durable.
        let disk = FaultStorage::new(Arc::new(power.clone()), Fault::at(1, io::ErrorKind::Other));
        let open =
            |disk: Arc<dyn Storage>| Log::builder("/up/log").storage(disk).clock(clock()).lock(lock).open();
        open(Arc::new(disk.clone())).unwrap_err();
        let log = open(Arc::new(disk)).unwrap();
        log.append_synced(&[NewRecord::value(b"promised")]).unwrap();
        let after = power.power_cut(Survivors::Nothing);
        assert_eq!(open(Arc::new(after)).unwrap().end_offset(), offset(1), "lock {lock}");
    }
}

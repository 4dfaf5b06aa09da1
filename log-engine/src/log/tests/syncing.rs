use super::*;
use crate::io::{CountingStorage, Fault, FaultStorage, Op};
use std::task::{Context, Poll, Waker};

fn counted(bench: &Bench) -> (Arc<Log>, Arc<CountingStorage>) {
    let counting = Arc::new(CountingStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>));
    let log = bench.builder().storage(Arc::clone(&counting) as Arc<dyn Storage>).open().unwrap();
    (log, counting)
}

#[test]
fn a_sync_covers_what_was_appended_and_costs_nothing_twice() {
    let bench = Bench::new();
    let (log, counting) = counted(&bench);
    append(&log, 0);
    assert_eq!(log.synced_end(), offset(0));
    counting.reset();
    assert_eq!(log.sync().unwrap(), offset(1));
    assert_eq!((counting.calls(Op::SyncData), log.synced_end()), (1, offset(1)));
    log.sync().unwrap();
    assert_eq!(counting.calls(Op::SyncData), 1);
}

#[test]
fn a_sync_after_a_roll_covers_both_segments_and_their_names() {
    let bench = Bench::small(300);
    let (log, counting) = counted(&bench);
    fill(&log, 0..4);
    assert_eq!(log.segment_offsets().len(), 2);
    counting.reset();
    log.sync().unwrap();
    assert_eq!((counting.calls(Op::SyncData), counting.calls(Op::SyncDir)), (2, 1));
    append(&log, 4);
    counting.reset();
    log.sync().unwrap();
    assert_eq!((counting.calls(Op::SyncData), counting.calls(Op::SyncDir)), (1, 0));
}

#[test]
fn the_mark_follows_a_second_later_and_spares_the_scan() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..5);
    log.sync().unwrap();
    let (_, before) = mark::MarkFile::read(&*bench.storage, Path::new(DIR)).unwrap();
    assert_eq!(before.unwrap().next_offset, offset(0));
    bench.advance(1000);
    assert!(!log.sync_if_due().unwrap());
    let (_, after) = mark::MarkFile::read(&*bench.storage, Path::new(DIR)).unwrap();
    assert_eq!(after.unwrap().next_offset, offset(5));
    append(&log, 5);
    drop(log);
    let log = bench.open();
    let last = log.read(offset(5), ReadLimits::default()).unwrap().len() as u64;
    assert_eq!(log.recovery_report().scanned_bytes, last);
}

#[test]
fn the_background_syncs_by_age_and_by_bytes() {
    let mut bench = Bench::new();
    bench.config.sync_after_bytes = 1000;
    let log = bench.open();
    append(&log, 0);
    assert!(!log.sync_if_due().unwrap());
    bench.advance(4999);
    assert!(!log.sync_if_due().unwrap());
    bench.advance(1);
    assert!(log.sync_if_due().unwrap());
    assert_eq!(log.synced_end(), offset(1));
    fill(&log, 1..20);
    assert!(log.unsynced_bytes() >= 1000);
    assert!(log.sync_if_due().unwrap());
    assert_eq!((log.synced_end(), log.unsynced_bytes()), (offset(20), 0));
}

#[test]
fn flush_messages_syncs_inside_the_append() {
    let mut bench = Bench::new();
    bench.config.flush_messages = Some(2);
    let log = bench.open();
    append(&log, 0);
    assert_eq!(log.synced_end(), offset(0));
    append(&log, 1);
    assert_eq!(log.synced_end(), offset(2));
}

#[test]
fn callers_that_come_together_share_syncs() {
    let bench = Bench::new();
    let (log, counting) = counted(&bench);
    counting.reset();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..20 {
                    let number = thread * 20 + n;
                    let appended = log.append_synced(&[NewRecord::value(value(number).as_bytes())]).unwrap();
                    assert!(log.synced_end() > appended.last_offset);
                }
            });
        }
    });
    assert!(counting.calls(Op::SyncData) <= 160);
    assert_eq!((log.end_offset(), log.synced_end()), (offset(160), offset(160)));
}

#[test]
fn who_waits_for_a_sync_is_woken_by_whoever_syncs() {
    let log = Bench::new().open();
    append(&log, 0);
    let mut cx = Context::from_waker(Waker::noop());
    let mut slot = WaitSlot::new();
    assert!(log.poll_synced(offset(1), &mut cx, &mut slot).is_pending());
    log.sync().unwrap();
    assert!(
        matches!(log.poll_synced(offset(1), &mut cx, &mut slot), Poll::Ready(Ok(end)) if end == offset(1))
    );
    append(&log, 1);
    assert!(log.poll_synced(offset(2), &mut cx, &mut slot).is_pending());
    log.abandon();
    assert!(matches!(log.poll_synced(offset(2), &mut cx, &mut slot), Poll::Ready(Err(LogError::Closed))));
}

/// A repeated batch was answered at once although the first try had never been synced.
#[test]
fn a_duplicate_is_synced_before_it_is_answered_if_appends_are() {
    let mut bench = Bench::new();
    let log = bench.open();
    let batch = idempotent(1, 0, 0, 1, false);
    log.append_batch(&batch, Origin::Client).unwrap();
    bench.config.flush_messages = Some(1);
    log.set_config(bench.config.clone()).unwrap();
    assert!(log.append_batch(&batch, Origin::Client).unwrap().duplicate);
    assert_eq!(log.synced_end(), offset(1));
}

fn mark_of(bench: &Bench) -> mark::Mark {
    mark::MarkFile::read(&*bench.storage, Path::new(DIR)).unwrap().1.unwrap()
}

/// The mark was forgotten, and the next start read all that lay behind the old one, until somebody appended again.
#[test]
fn a_mark_that_could_not_be_written_is_written_later() {
    let run = |fault: Fault| {
        let bench = Bench::new();
        let disk = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
        let log = bench.builder().storage(Arc::new(disk.clone())).open().unwrap();
        append(&log, 0);
        log.sync().unwrap();
        bench.advance(1000);
        (bench, disk, log)
    };
    let syncs = run(Fault::never().among(&[Op::SyncData])).1.calls();
    let (bench, disk, log) = run(Fault::at(syncs, std::io::ErrorKind::Other).among(&[Op::SyncData]));
    assert!(log.sync_if_due().is_err() && disk.has_failed() && !log.is_poisoned());
    assert!(!log.sync_if_due().unwrap(), "nothing to sync, only to write");
    assert_eq!(mark_of(&bench).next_offset, offset(1));
}

/// Whoever had synced wrote the mark when the log was closed already and its directory, without a lock, another's.
#[test]
fn no_mark_is_written_when_the_log_was_closed() {
    let bench = Bench::new();
    let log = bench.open();
    append(&log, 0);
    log.sync().unwrap();
    bench.advance(1000);
    let before = bench.file(mark::FILE_NAME);
    log.abandon();
    log.write_due_mark().unwrap();
    assert_eq!(bench.file(mark::FILE_NAME), before);
}

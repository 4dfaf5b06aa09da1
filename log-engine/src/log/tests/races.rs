//! Two things at once, often enough to meet each other.

use super::*;
use crate::io::{Fault, FaultStorage, Op, RealStorage};
use std::sync::Barrier;
use std::task::{Context, Wake, Waker};

/// Retention made its list before it looked whether anything was appended: a record that was accepted in between went
/// with the segment that had been old a moment ago.
#[test]
fn retention_spares_a_segment_that_was_just_appended_to() {
    for round in 0..2_000 {
        let mut bench = Bench::new();
        bench.config.retention_ms = Some(1_000);
        let log = bench.open();
        append(&log, 0);
        bench.advance(5_000);
        let barrier = Barrier::new(2);
        let appended = std::thread::scope(|scope| {
            let appended = scope.spawn(|| {
                barrier.wait();
                append(&log, 1).base_offset
            });
            barrier.wait();
            for _ in 0..round % 40 {
                std::hint::spin_loop();
            }
            log.apply_retention(bench.clock.now()).unwrap();
            appended.join().unwrap()
        });
        assert!(log.start_offset() <= appended, "round {round}");
        assert_eq!(dump_from(&log, appended).0, numbered(1..2), "round {round}");
    }
}

/// A reader looked at the start, then at the list of segments; when retention came between the two it was told that
/// the log is damaged.
#[test]
fn a_reader_at_the_start_meets_retention_and_no_damage() {
    let mut bench = Bench::small(250);
    bench.config.retention_bytes = Some(500);
    let log = bench.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let from = log.start_offset();
                match log.read(from, ReadLimits::default()) {
                    Ok(read) => assert!(read.start <= from || read.is_empty()),
                    Err(LogError::OffsetOutOfRange { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
        for number in 0..6_000 {
            append(&log, number);
            log.apply_retention(bench.clock.now()).unwrap();
            if number % 100 == 0 {
                bench.advance(60_000);
                log.remove_deleted().unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    assert_eq!(log.damage(), []);
}

/// A reader took the list of segments, and when it came to open a file a cut had given its name to another: it was told
/// that there is no such file.
#[test]
fn a_reader_that_comes_to_a_file_as_it_is_cut_looks_again() {
    let bench = Bench::small(400);
    let log = bench.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..1_500 {
                append(&log, round);
                append(&log, round);
                if round % 3 == 0 {
                    let to = log.end_offset().get() - 1 - round % 5;
                    log.truncate(offset(to.max(0))).unwrap();
                }
                // Everything is closed, so that readers open it again, by name.
                log.sync().unwrap();
                log.release_idle();
                log.release_idle();
            }
            done.store(true, Ordering::SeqCst);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let from = offset((log.end_offset().get() - 4).max(0));
                    let fine = |error: &LogError| matches!(error, LogError::OffsetOutOfRange { .. });
                    if let Err(error) = log.read(from, ReadLimits::default()) {
                        assert!(fine(&error), "{error:?}");
                    }
                    log.offset_for_time(time(NOW)).unwrap();
                    log.aborted_transactions(from, log.end_offset()).unwrap();
                }
            });
        }
    });
}

#[test]
fn readers_writers_syncs_cuts_and_the_close_never_wait_for_each_other_for_ever() {
    let bench = Bench::small(600);
    let log = bench.open();
    let quietly = |outcome: Result<()>| {
        let allowed = matches!(&outcome, Ok(()) | Err(LogError::Closed | LogError::OffsetOutOfRange { .. }));
        assert!(allowed || matches!(&outcome, Err(LogError::Io { .. })), "{outcome:?}");
    };
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (log, bench) = (&log, &bench);
            scope.spawn(move || {
                for number in 0..300 {
                    quietly(log.append(&[NewRecord::value(value(number).as_bytes())]).map(drop));
                    match number % 6 {
                        0 => quietly(log.sync().map(drop)),
                        1 => quietly(log.sync_if_due().map(drop)),
                        2 => quietly(log.read(log.start_offset(), ReadLimits::default()).map(drop)),
                        3 => quietly(log.delete_records_before(log.start_offset()).map(drop)),
                        4 => quietly(log.apply_retention(bench.clock.now()).map(drop)),
                        _ if thread == 0 && number % 30 == 5 => quietly(log.truncate(log.end_offset())),
                        _ => drop(log.wait_for_end(log.end_offset(), Duration::from_micros(50))),
                    }
                    bench.advance(100);
                }
            });
        }
        scope.spawn(|| {
            while log.end_offset() < offset(400) {
                std::thread::yield_now();
            }
            log.close().unwrap();
        });
    });
    let end = log.end_offset();
    drop(log);
    let log = bench.open();
    assert_eq!((log.end_offset(), log.damage()), (end, vec![]));
    assert_eq!(log.recovery_report().scanned_bytes, 0, "it was closed in order");
}

#[test]
fn a_waiter_is_woken_by_the_close() {
    let log = Bench::new().open();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| log.wait_for_end(Offset::ZERO, Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(20));
        log.close().unwrap();
        assert_eq!(waiting.join().unwrap(), Offset::ZERO);
    });
}

#[test]
fn idle_logs_hold_no_file_but_the_one_that_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let open = |n: usize| {
        let dir = temp.path().join(format!("t-{n}"));
        Log::builder(dir).storage(Arc::new(RealStorage::new())).lock(false).open().unwrap()
    };
    let held = || {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        links.filter(|path| path.starts_with(temp.path())).count()
    };
    for log in (0..20).map(open) {
        append(&log, 0);
        log.close().unwrap();
    }
    let logs: Vec<_> = (0..20).map(open).collect();
    assert_eq!(held(), 0);
    for log in &logs {
        append(log, 1);
        log.sync().unwrap();
        log.write_mark(&mut log.marking.lock()).unwrap();
    }
    assert_eq!(held(), 20, "the active segments");
    append(&logs[0], 2);
    assert_eq!(logs.iter().map(|log| log.release_idle()).sum::<usize>(), 0, "all were just used");
    append(&logs[1], 2);
    assert_eq!(logs.iter().map(|log| log.release_idle()).sum::<usize>(), 18, "two have something unsynced");
    assert_eq!(held(), 2);
    append(&logs[2], 2);
    logs[2].sync().unwrap();
    assert_eq!((dump(&logs[2]), dump(&logs[3])), (numbered(0..3), numbered(0..2)));
}

/// Looks, when it is rung, whether anybody could append to a log or sync it.
struct Guarded {
    log: Arc<Log>,
    /// It was poisoned when it was rung first, and could be appended to.
    seen: Mutex<Option<(bool, bool)>>,
}

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        let look = || (self.log.is_poisoned(), self.log.writer.try_lock().is_some());
        self.seen.lock().get_or_insert_with(look);
    }
}

/// Appends and syncs that came between the failure and the word of it were answered as done.
#[test]
fn nobody_gets_at_a_log_between_a_cut_that_failed_and_the_word_of_it() {
    let run = |fault: Fault| {
        let bench = Bench::new();
        let disk = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
        let log = bench.builder().storage(Arc::new(disk.clone())).open().unwrap();
        fill(&log, 0..3);
        (disk, log)
    };
    let names = run(Fault::never().among(&[Op::Name])).0.calls();
    let (_, log) = run(Fault::at(names, std::io::ErrorKind::Other).among(&[Op::Name]));
    let bell = Arc::new(Guarded { log: Arc::clone(&log), seen: Mutex::default() });
    let waker = Waker::from(Arc::clone(&bell));
    let mut slot = WaitSlot::new();
    assert!(log.poll_end(offset(3), &mut Context::from_waker(&waker), &mut slot).is_pending());
    log.truncate(offset(1)).unwrap_err();
    assert_eq!(*bell.seen.lock(), Some((true, false)));
}

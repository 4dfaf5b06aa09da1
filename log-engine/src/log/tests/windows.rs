//! Small appends that are stored through a window, and synced ones that are written into zeros: what they cost, and what a
//! killed process leaves behind.

use super::*;
use crate::io::{CountingStorage, Fault, FaultStorage, Op, RealStorage};
use proptest::prelude::*;
use std::io::ErrorKind;

/// Bytes of the batch around one record's value, roughly: enough to be above or below a threshold.
const LARGE: usize = 8000;

fn with_windows(segment_bytes: u32) -> Bench {
    let bench = Bench::small(segment_bytes);
    bench.storage.allow_windows(true);
    bench
}

fn counted(bench: &Bench) -> (Arc<Log>, CountingStorage) {
    let counting = CountingStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>);
    let log = bench.builder().storage(Arc::new(counting.clone())).open().unwrap();
    (log, counting)
}

fn file_len(bench: &Bench, base: i64) -> u64 {
    bench.file(&log_name(base)).len() as u64
}

fn append_bytes(log: &Log, len: usize) -> Appended {
    log.append(&[NewRecord::value(&vec![7; len])]).unwrap()
}

/// The length of every record, in order.
fn lengths(log: &Log) -> Vec<usize> {
    dump(log).into_iter().map(|(_, value)| value.len()).collect()
}

#[test]
fn a_small_append_makes_no_call_and_a_large_one_makes_one() {
    let (log, counting) = counted(&with_windows(1 << 30));
    append_bytes(&log, 100);
    counting.reset();
    for _ in 0..50 {
        append_bytes(&log, 100);
    }
    assert_eq!((counting.total_calls(), counting.calls(Op::Store)), (0, 100), "head and body of each");
    append_bytes(&log, LARGE);
    assert_eq!((counting.total_calls(), counting.calls(Op::Write)), (1, 1));
    append_bytes(&log, 100);
    assert_eq!(counting.total_calls(), 1, "the window goes on behind the large one");
}

#[test]
fn windows_grow_so_that_there_are_few_of_them() {
    let (log, counting) = counted(&with_windows(1 << 30));
    let before = counting.calls(Op::Write);
    for _ in 0..4000 {
        append_bytes(&log, 1000);
    }
    // 64, 128, 256, 512, 1024 and 2048 KiB are less than four million bytes and 4000 headers, and twice as much is more.
    assert_eq!(counting.calls(Op::Window), 7);
    assert_eq!((counting.calls(Op::Write) - before, counting.calls(Op::Reserve)), (1, 0), "the epoch's file");
    assert_eq!(lengths(&log), [1000; 4000]);
}

#[test]
fn a_synced_append_is_one_write_and_one_sync() {
    for windows in [false, true] {
        let bench = Bench::new();
        bench.storage.allow_windows(windows);
        let (log, counting) = counted(&bench);
        let synced = || log.append_synced(&[NewRecord::value(&[7; 100])]).unwrap();
        for _ in 0..4 {
            synced();
        }
        counting.reset();
        for n in 1..=1000 {
            synced();
            assert_eq!((counting.calls(Op::Write), counting.calls(Op::SyncData)), (n, n));
        }
        let others = counting.total_calls() - 2000;
        assert!(others <= 3 && others == counting.calls(Op::Reserve), "{others}");
        // Zeros are written in the same calls, now and then.
        let batches = file_bytes(&log) - 4 * 169;
        let zeros = counting.count(Op::Write).bytes - batches;
        assert!((64 << 10..=512 << 10).contains(&zeros), "{zeros}");
    }
}

fn file_bytes(log: &Log) -> u64 {
    log.size_bytes()
}

#[test]
fn a_log_that_is_no_longer_synced_goes_back_to_its_window() {
    let (log, counting) = counted(&with_windows(1 << 30));
    for _ in 0..10 {
        append_bytes(&log, 100);
        log.sync().unwrap();
    }
    for _ in 0..2000 {
        append_bytes(&log, 100);
    }
    counting.reset();
    append_bytes(&log, 100);
    assert_eq!((counting.total_calls(), counting.calls(Op::Store)), (0, 2));
    assert_eq!(lengths(&log), [100; 2011]);
}

#[test]
fn a_log_that_is_synced_now_and_then_keeps_its_window() {
    let (log, counting) = counted(&with_windows(1 << 30));
    append_bytes(&log, 100);
    counting.reset();
    for _ in 0..20 {
        for _ in 0..1000 {
            append_bytes(&log, 100);
        }
        log.sync().unwrap();
    }
    assert_eq!(counting.calls(Op::Write), 0);
}

#[test]
fn what_a_killed_process_leaves_behind_the_end_is_a_clean_end() {
    let bench = with_windows(1 << 20);
    let log = bench.open();
    fill(&log, 0..10);
    let size = log.size_bytes();
    drop(log);
    assert_eq!(file_len(&bench, 0), 64 << 10);
    let log = bench.open();
    assert_eq!((dump(&log), log.damage()), (numbered(0..10), vec![]));
    let report = log.recovery_report();
    assert_eq!((report.scanned_bytes, report.batches_set_aside, report.set_aside.len()), (size, 0, 0));
    assert_eq!(file_len(&bench, 0), size, "nobody has a map of it yet");
    fill(&log, 10..20);
    drop(log);
    assert_eq!(dump(&bench.open()), numbered(0..20));
}

/// A roll cuts what is behind the end. Where the power went before that was on the disk, zeros are found in the middle.
#[test]
fn zeros_behind_rolled_segments_are_clean_ends_too() {
    let bench = with_windows(700);
    let log = bench.open();
    fill(&log, 0..30);
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    assert!(bases.len() > 4);
    drop(log);
    for base in &bases[..bases.len() - 1] {
        let bytes = bench.file(&log_name(*base));
        assert_ne!(bytes.last(), None);
        bench.overwrite(&log_name(*base), &[&bytes[..], &[0; 3000]].concat());
    }
    let log = bench.open();
    assert_eq!((dump(&log), log.damage()), (numbered(0..30), vec![]));
    assert_eq!(log.recovery_report().set_aside, [] as [PathBuf; 0]);
    assert_eq!(bases.iter().map(|base| file_len(&bench, *base)).sum::<u64>(), log.size_bytes());
}

#[test]
fn a_roll_and_a_clean_close_cut_at_the_last_batch() {
    let bench = with_windows(700);
    let log = bench.open();
    fill(&log, 0..30);
    log.close().unwrap();
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    assert_eq!(bases.iter().map(|base| file_len(&bench, *base)).sum::<u64>(), log.size_bytes());
    drop(log);
    assert_eq!(bench.open().recovery_report().scanned_bytes, 0);
}

#[test]
fn an_idle_log_gives_its_window_back_and_goes_on() {
    let bench = with_windows(1 << 20);
    let (log, counting) = counted(&bench);
    append(&log, 0);
    log.sync().unwrap();
    assert_eq!((log.release_idle(), log.release_idle()), (0, 1));
    counting.reset();
    append(&log, 1);
    append(&log, 2);
    assert_eq!((counting.calls(Op::Open), counting.calls(Op::Window), counting.calls(Op::Write)), (1, 1, 0));
    assert_eq!(dump(&log), numbered(0..3));
}

#[test]
fn a_disk_that_fills_up_while_a_window_grows_loses_nothing_and_the_log_goes_on() {
    let bench = with_windows(1 << 30);
    let log = bench.open();
    bench.storage.set_capacity(bench.storage.used() + 200_000);
    let mut accepted = 0;
    let refused = loop {
        match log.append(&[NewRecord::value(&[7; 1000])]) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, LogError::NoSpace { .. }), "{refused:?}");
    // All but what does not hold another batch was used, whatever the windows asked for.
    assert!((180..190).contains(&accepted), "{accepted}");
    assert!(!log.is_poisoned());
    assert_eq!(lengths(&log), vec![1000; accepted]);
    bench.storage.set_capacity(1 << 40);
    append_bytes(&log, 1000);
    drop(log);
    assert_eq!(lengths(&bench.open()), vec![1000; accepted + 1]);
}

#[test]
fn a_store_that_fails_poisons_and_its_bytes_are_not_read() {
    let bench = with_windows(1 << 20);
    let disk = FaultStorage::new(
        Arc::clone(&bench.storage) as Arc<dyn Storage>,
        Fault::at(5, ErrorKind::Other).short_writes().among(&[Op::Store]),
    );
    let log = bench.builder().storage(Arc::new(disk)).open().unwrap();
    fill(&log, 0..2);
    assert!(log.append(&[NewRecord::value(b"lost")]).is_err());
    assert!(log.is_poisoned());
    assert_eq!(dump(&log), numbered(0..2));
    drop(log);
    let log = bench.open();
    assert_eq!((dump(&log), log.recovery_report().set_aside.len()), (numbered(0..2), 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Appends of all sizes, syncs, kills and closes in any order: the same records as without windows, and the same bytes.
    #[test]
    fn a_log_with_windows_holds_the_bytes_of_one_without(
        steps in prop::collection::vec((0usize..6, 1usize..9000), 1..60),
    ) {
        let benches = [false, true].map(|windows| {
            let bench = Bench::small(40_000);
            bench.storage.allow_windows(windows);
            bench
        });
        let mut logs = benches.each_ref().map(Bench::open);
        for (kind, len) in steps {
            for (bench, log) in benches.iter().zip(&mut logs) {
                match kind {
                    0 => log.close().unwrap(),
                    1 => drop(log.sync().unwrap()),
                    2 => drop(append_bytes(log, len)),
                    _ => drop(append_bytes(log, len % 300)),
                }
                if kind == 0 || kind == 1 && len % 4 == 0 {
                    // Given up before it is opened again: the directory is locked.
                    log.abandon();
                    *log = bench.open();
                }
            }
        }
        prop_assert_eq!(lengths(&logs[0]), lengths(&logs[1]));
        logs.iter().for_each(|log| log.close().unwrap());
        let of = |bench: &Bench| -> Vec<_> {
            bench.names().into_iter().filter(|name| name.ends_with(".log")).map(|name| bench.file(&name)).collect()
        };
        prop_assert_eq!(of(&benches[0]), of(&benches[1]));
    }
}

/// The same on a real file system, where there are windows.
#[test]
fn a_killed_log_of_real_files_is_whole_and_a_closed_one_is_cut() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let counting = CountingStorage::new(Arc::new(RealStorage::new()));
    let open = || Log::builder(&dir).storage(Arc::new(counting.clone())).open().unwrap();
    let log = open();
    fill(&log, 0..2000);
    append_bytes(&log, LARGE);
    fill(&log, 2001..4000);
    let before = dump(&log);
    assert_eq!(before.len(), 4000);
    let size = log.size_bytes();
    let path = dir.join(log_name(0));
    let windows = counting.calls(Op::Store) > 0;
    assert_eq!(std::fs::metadata(&path).unwrap().len() > size, windows);
    drop(log);
    let log = open();
    assert_eq!((dump(&log), log.recovery_report().scanned_bytes), (before, size));
    append(&log, 4000);
    log.close().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), log.size_bytes());
}

//! Many logs: syncs together, a bound on open files, few calls for what nobody touches.

use super::*;
use std::io::ErrorKind;

fn partitions(count: i32) -> Vec<LogName> {
    (0..count).map(|partition| LogName::new("t", partition).unwrap()).collect()
}

/// A store over a counted disk, with so many logs and a bound on open files.
fn counted(
    machine: &Machine,
    logs: i32,
    open_files: usize,
) -> (Arc<LogStore>, Vec<Arc<Log>>, CountingStorage) {
    let counting = CountingStorage::new(Arc::new(machine.disk.clone()));
    let store = machine.builder().storage(Arc::new(counting.clone())).open_files(open_files).open().unwrap();
    let logs = store.create_many(&partitions(logs), &LogConfig::default()).unwrap();
    (store, logs, counting)
}

#[test]
fn logs_that_are_synced_together_cost_one_sync_each_and_nothing_twice() {
    let machine = Machine::new();
    let (store, logs, counting) = counted(&machine, 12, 100);
    logs.iter().for_each(|log| append(log, 1));
    store.sync(&logs);
    logs.iter().for_each(|log| append(log, 1));
    counting.reset();
    let synced: Vec<_> = store.sync(&logs).into_iter().map(Result::unwrap).collect();
    assert_eq!(synced, vec![offset(2); 12]);
    assert_eq!((counting.calls(Op::SyncData), counting.calls(Op::SyncDir)), (12, 0));
    assert_eq!(counting.calls(Op::WriteBack), 12, "the disk works on all of them from the beginning");
    counting.reset();
    store.sync(&logs);
    assert_eq!(counting.total_calls(), 0);
}

#[test]
fn a_sync_that_fails_poisons_its_log_and_no_other() {
    for failing in 0..8 {
        let machine = Machine::new();
        drop(machine.open().create_many(&partitions(8), &LogConfig::default()).unwrap());
        let fault = Fault::at(failing, ErrorKind::Other).among(&[Op::SyncData]);
        let machine_of = machine.clone();
        let store =
            machine_of.builder().storage(Arc::new(FaultStorage::new(Arc::new(machine.disk.clone()), fault)));
        let store = store.open().unwrap();
        let logs: Vec<_> = store.logs().into_iter().map(|(_, log)| log).collect();
        logs.iter().for_each(|log| append(log, 1));
        let synced = store.sync(&logs);
        assert_eq!(synced.iter().filter(|synced| synced.is_err()).count(), 1, "sync {failing}");
        for (log, synced) in logs.iter().zip(&synced) {
            assert_eq!(log.is_poisoned(), synced.is_err(), "sync {failing}");
            assert_eq!(log.synced_end() == log.end_offset(), synced.is_ok(), "sync {failing}");
        }
    }
}

#[test]
fn a_power_cut_at_any_call_keeps_what_a_sync_of_many_has_promised() {
    for call in 0.. {
        let disk = CrashStorage::new(Arc::new(SystemClock::default()));
        let fault = Fault::at(call, ErrorKind::Other).lasting();
        let faulty = FaultStorage::new(Arc::new(disk.clone()), fault);
        let mut promised = Vec::new();
        let run = |promised: &mut Vec<(LogName, Offset)>| -> Result<()> {
            let store = LogStore::builder(["/a"]).storage(Arc::new(faulty.clone())).open_files(2).open()?;
            let logs = store.create_many(&partitions(4), &LogConfig::default())?;
            for _ in 0..2 {
                for log in &logs {
                    log.append(&[NewRecord::value(b"some value")])?;
                }
                for (name, synced) in partitions(4).into_iter().zip(store.sync(&logs)) {
                    promised.push((name, synced?));
                }
            }
            Ok(())
        };
        let whole = run(&mut promised).is_ok();
        for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Some(call)] {
            let cut = disk.power_cut(survivors);
            let store = LogStore::builder(["/a"]).storage(Arc::new(cut)).open().unwrap();
            assert!(store.report().failed.is_empty(), "call {call}: {:?}", store.report().failed);
            for (name, synced) in &promised {
                let log = store.get(name).unwrap_or_else(|| panic!("call {call}: {name} is gone"));
                assert!(count_records(&log) >= synced.get(), "call {call}, {survivors:?}: {name}");
                assert!(log.damage().is_empty(), "call {call}: {:?}", log.damage());
            }
        }
        if whole && !faulty.has_failed() {
            assert!(call > 30, "only {call} calls");
            return;
        }
    }
}

#[test]
fn a_new_log_costs_three_syncs() {
    let machine = Machine::new();
    let (store, _, counting) = counted(&machine, 1, 8);
    counting.reset();
    store.create(&name("u-0"), &LogConfig::default()).unwrap();
    assert_eq!((counting.calls(Op::SyncData), counting.calls(Op::SyncDir)), (1, 2), "the mark; names");
}

#[test]
fn logs_made_together_are_all_there_or_none() {
    let machine = Machine::new();
    let (store, _, _) = counted(&machine, 3, 8);
    let names = [name("u-0"), name("t-1"), name("u-1")];
    assert!(matches!(store.create_many(&names, &LogConfig::default()), Err(LogError::Name { .. })));
    let twice = [name("u-0"), name("u-0")];
    assert!(matches!(store.create_many(&twice, &LogConfig::default()), Err(LogError::Name { .. })));
    assert!(!machine.exists("/a/u-0") && !machine.exists("/a/u-1"));
    machine.write("/a/u-1", b"a file of this name");
    let names = [name("u-0"), name("u-1")];
    store.create_many(&names, &LogConfig::default()).unwrap_err();
    assert!(!machine.exists("/a/u-0"));
    assert_eq!(store.logs().len(), 3);
}

#[test]
fn open_files_stay_within_the_bound_and_nothing_is_lost() {
    let machine = Machine::new();
    let (store, logs, counting) = counted(&machine, 100, 8);
    for round in 0..3 {
        for log in &logs {
            append(log, 1);
            let (open, _) = counting.open_files();
            // The store's lock files are not the storage's.
            assert!(open <= 8 + 1, "{open} open in round {round}");
        }
    }
    for log in &logs {
        assert_eq!(count_records(log), 3);
        assert!(counting.open_files().0 <= 8 + 1);
        assert!(!log.is_poisoned());
    }
    store.close().unwrap();
    assert_eq!(counting.open_files().0, 0, "closing keeps none");
    let store = machine.open();
    assert!(store.logs().iter().all(|(_, log)| count_records(log) == 3));
}

#[test]
fn without_a_descriptor_others_are_closed_and_the_append_goes_on() {
    let machine = Machine::new();
    let (_store, logs, counting) = counted(&machine, 40, 8);
    counting.limit_open_files(6);
    for log in &logs {
        append(log, 1);
    }
    for log in &logs {
        assert_eq!(count_records(log), 1);
        log.sync().unwrap();
        assert!(!log.is_poisoned());
    }
    assert!(counting.open_files().1 <= 16, "nobody opens in vain");
}

#[test]
fn a_log_without_any_descriptor_refuses_and_is_not_poisoned() {
    let machine = Machine::new();
    let (_store, logs, counting) = counted(&machine, 1, 8);
    append(&logs[0], 1);
    logs[0].sync().unwrap();
    logs[0].release_idle();
    logs[0].release_idle();
    assert_eq!(counting.open_files().0, 0);
    let held = machine.disk.clone();
    drop(held);
    counting.limit_open_files(1);
    let taken = Storage::open(&counting, Path::new("/a/t-0/synced-mark"), OpenMode::Read).unwrap();
    let refused = logs[0].append(&[NewRecord::value(b"v")]).unwrap_err();
    assert!(refused.is_too_many_files(), "{refused}");
    drop(taken);
    append(&logs[0], 1);
    assert_eq!(logs[0].end_offset(), offset(2));
}

#[test]
fn closing_a_log_that_nobody_touched_writes_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    let logs = store.create_many(&partitions(3), &LogConfig::default()).unwrap();
    append(&logs[1], 2);
    store.close().unwrap();
    let counting = CountingStorage::new(Arc::new(machine.disk.clone()));
    let store = machine.builder().storage(Arc::new(counting.clone())).open().unwrap();
    for (_, log) in store.logs() {
        counting.reset();
        log.close().unwrap();
        assert!(log.is_in_order());
        assert_eq!(counting.calls(Op::Write) + counting.calls(Op::SyncData) + counting.calls(Op::SyncDir), 0);
    }
    store.close().unwrap();
    assert!(machine.exists("/a/.kafka_cleanshutdown"));
}

#[test]
fn a_thousand_logs_open_with_a_few_calls_each() {
    const LOGS: i32 = 1_000;
    let machine = Machine::new();
    let store = machine.open();
    store.create_many(&partitions(LOGS), &LogConfig::default()).unwrap();
    store.close().unwrap();
    let counting = CountingStorage::new(Arc::new(machine.disk.clone()));
    let store = machine.builder().storage(Arc::new(counting.clone())).open().unwrap();
    assert_eq!(store.logs().len(), usize::try_from(LOGS).unwrap());
    assert_eq!(counting.open_files().0, 0, "none is held open");
    let calls = counting.total_calls() / u64::try_from(LOGS).unwrap();
    assert!(calls <= 24, "{calls} calls a log");
    assert!(counting.calls(Op::SyncData) + counting.calls(Op::SyncDir) < 10);
}

/// The directory has to be opened to be synced; a log was poisoned where it could not be.
#[test]
fn a_sync_of_names_that_finds_no_descriptor_is_tried_again() {
    let machine = Machine::new();
    let (_store, logs, counting) = counted(&machine, 2, 100);
    let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
    logs[0].set_config(config).unwrap();
    // Rolled: the next sync covers names, too.
    append(&logs[0], 5);
    // Whatever the logs close, this one takes the only place.
    let taken = Storage::open(&counting, Path::new("/a/t-1/synced-mark"), OpenMode::Read).unwrap();
    counting.limit_open_files(1);
    let refused = logs[0].sync().unwrap_err();
    assert!(refused.is_too_many_files(), "{refused}");
    assert!(!logs[0].is_poisoned());
    assert_eq!(logs[0].synced_end(), offset(0));
    assert!(logs[0].unsynced_bytes() > 0, "as unsynced as before");
    drop(taken);
    counting.limit_open_files(0);
    counting.reset();
    assert_eq!(logs[0].sync().unwrap(), offset(5));
    assert!(counting.calls(Op::SyncDir) >= 1, "the names are not forgotten");

    // What another log holds, and needs not sync, is closed for it.
    append(&logs[1], 1);
    logs[1].sync().unwrap();
    append(&logs[0], 5);
    counting.limit_open_files(counting.open_files().0);
    assert_eq!(logs[0].sync().unwrap(), offset(10));
}

/// Retention looks at every log's ages, for which it opens files: with a thousand descriptors the rest of the logs met none.
#[test]
fn a_round_of_maintenance_stays_within_the_bound_on_open_files() {
    let machine = Machine::new();
    let (store, logs, _) = counted(&machine, 60, 100);
    logs.iter().for_each(|log| append(log, 1));
    store.close().unwrap();
    drop((store, logs));
    let counting = CountingStorage::new(Arc::new(machine.disk.clone()));
    let store = machine.builder().storage(Arc::new(counting.clone())).open_files(8).open().unwrap();
    counting.limit_open_files(16);
    assert!(store.maintain(machine.clock.now()).errors.is_empty());
    assert!(counting.open_files().0 <= 10, "{:?}", counting.open_files());
    store.close().unwrap();
}

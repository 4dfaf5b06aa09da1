//! Starts of a store that nobody closed: one sync of the file system for all logs, and no promise the less.

use super::*;
use std::collections::BTreeMap;

const LOGS: i32 = 100;

fn fill(store: &LogStore, logs: i32) {
    for partition in 0..logs {
        let log = store.create(&LogName::new("t", partition).unwrap(), &LogConfig::default()).unwrap();
        append(&log, 2);
    }
}

#[test]
fn an_unclean_start_syncs_once_and_maintenance_writes_the_marks() {
    let machine = Machine::new();
    let store = machine.open();
    fill(&store, LOGS);
    drop(store);
    let counts = CountingStorage::new(Arc::new(machine.disk.clone()));
    let store = machine.builder().storage(Arc::new(counts.clone())).open().unwrap();
    assert!(!store.report().clean);
    assert_eq!(counts.calls(Op::SyncData), 0, "no log syncs for itself");
    assert!(counts.calls(Op::SyncDir) < 6, "{} syncs", counts.calls(Op::SyncDir));
    for (_, log) in store.logs() {
        assert_eq!((log.end_offset(), log.synced_end()), (offset(2), offset(2)));
        assert!(log.recovery_report().scanned_bytes > 0);
    }
    let logs = u64::try_from(LOGS).unwrap();
    machine.clock.advance(Duration::from_secs(1));
    counts.reset();
    assert!(store.maintain(machine.clock.now()).errors.is_empty());
    assert!(counts.calls(Op::SyncData) >= logs, "a mark each");
    drop(store);
    let store = machine.open();
    assert!(store.logs().iter().all(|(_, log)| log.recovery_report().scanned_bytes == 0));
}

/// A file system that cannot sync as a whole, or has lost something, is told by each log.
#[test]
fn without_a_sync_of_the_whole_each_log_syncs_for_itself() {
    let machine = Machine::new();
    fill(&machine.open(), 3);
    let counts = CountingStorage::new(Arc::new(machine.disk.clone()));
    // Syncs of directories in the order of an opening: the lock's parent, those above, then the file system.
    let syncs = (0..6).find(|call| {
        counts.reset();
        let fault = Fault::at(*call, io::ErrorKind::Unsupported).among(&[Op::SyncDir]);
        let faulty = FaultStorage::new(Arc::new(counts.clone()), fault);
        let opened = machine.builder().storage(Arc::new(faulty)).open();
        opened.is_ok_and(|store| store.report().failed.is_empty()) && counts.calls(Op::SyncData) >= 3
    });
    assert!(syncs.is_some(), "a failed sync of the file system is no reason to stop");
}

/// A store of three logs on a disk that forgets: one was rolled, one has nothing unsynced, one a torn tail.
fn left_unclean() -> (CrashStorage, BTreeMap<LogName, i64>) {
    let disk = CrashStorage::new(Arc::new(ManualClock::at(time(1))));
    let store = open_on(Arc::new(disk.clone())).unwrap();
    let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
    let names = [name("a-0"), name("b-0"), name("c-0")];
    let logs = store.create_many(&names, &config).unwrap();
    append(&logs[0], 6);
    logs[1].append_synced(&[NewRecord::value(b"v")]).unwrap();
    append(&logs[2], 2);
    let active = Path::new("/data/c-0/00000000000000000000.log");
    drop((store, logs));
    let file = disk.open(active, OpenMode::ReadWrite).unwrap();
    let len = file.len().unwrap();
    file.write_all_at(&[b"half a batch"], len).unwrap();
    (disk, names.into_iter().zip([6, 1, 2]).collect())
}

fn open_on(storage: Arc<dyn Storage>) -> Result<Arc<LogStore>> {
    let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
    LogStore::builder(["/data"]).storage(storage).config(config).threads(1).open()
}

/// What was served once, before the power went, is there ever after.
fn check(store: &LogStore, ends: &BTreeMap<LogName, i64>, what: &str) {
    assert!(store.report().failed.is_empty(), "{what}: {:?}", store.report().failed);
    for (name, end) in ends {
        let log = store.get(name).unwrap_or_else(|| panic!("{what}: {name} is gone"));
        assert_eq!(log.end_offset(), offset(*end), "{what}: {name}");
        assert_eq!(log.damage(), [], "{what}: {name}");
        assert_eq!(count_records(&log), *end, "{what}: {name}");
    }
}

/// Opens, and answers whether it came to its end; the storage stops at the given call.
fn start(disk: &CrashStorage, call: u64) -> bool {
    let fault = Fault::at(call, io::ErrorKind::Other).lasting();
    let faulty = FaultStorage::new(Arc::new(disk.clone()), fault);
    let opened = open_on(Arc::new(faulty.clone()));
    opened.is_ok_and(|store| store.report().failed.is_empty()) && !faulty.has_failed()
}

/// The process is killed at every call of a start, begins again, loses the power at every call, and loses it once more
/// right after a start that was allowed to end.
#[test]
fn a_power_cut_at_any_call_of_an_unclean_start_takes_nothing_that_was_served() {
    for call in 0.. {
        let (disk, ends) = left_unclean();
        let whole = start(&disk, call);
        // A later start of the same machine serves everything.
        check(&open_on(Arc::new(disk.clone())).unwrap(), &ends, &format!("call {call}"));
        for survivors in [Survivors::Nothing, Survivors::Some(call), Survivors::Everything] {
            let what = format!("call {call}, {survivors:?}");
            let cut = disk.power_cut(survivors);
            check(&open_on(Arc::new(cut.clone())).unwrap(), &ends, &what);
            let again = cut.power_cut(Survivors::Nothing);
            check(&open_on(Arc::new(again)).unwrap(), &ends, &format!("{what}, twice"));
        }
        if whole {
            assert!(call > 10, "{call}");
            return;
        }
    }
}

#[test]
fn a_power_cut_in_an_unclean_start_and_in_the_next_leaves_what_was_synced() {
    let (disk, _) = left_unclean();
    let calls = (0..).find(|call| start(&left_unclean().0, *call)).unwrap();
    drop(disk);
    let synced = BTreeMap::from([(name("b-0"), 1)]);
    for call in 0..calls {
        let (disk, _) = left_unclean();
        start(&disk, call);
        let cut = disk.power_cut(Survivors::Some(call));
        for second in (0..calls).step_by(3) {
            let cut = cut.power_cut(Survivors::Everything);
            start(&cut, second);
            let cut = cut.power_cut(Survivors::Some(second));
            check(&open_on(Arc::new(cut)).unwrap(), &synced, &format!("calls {call} and {second}"));
        }
    }
}

/// Appends right after such a start go on from a mark that is behind; a cut, a start that moves and a close take it along.
#[test]
fn what_is_done_before_the_mark_is_written_survives_the_power() {
    type Step = fn(&Log) -> Result<()>;
    let steps: [(Step, i64, i64); 4] = [
        (|log| log.append_synced(&[NewRecord::value(b"v")]).map(drop), 0, 7),
        (|log| log.truncate(offset(3)).map(drop), 0, 3),
        (|log| log.delete_records_before(offset(4)).map(drop), 4, 6),
        (|log| log.close(), 0, 6),
    ];
    for (step, first, end) in steps {
        let (disk, _) = left_unclean();
        let store = open_on(Arc::new(disk.clone())).unwrap();
        step(&store.get(&name("a-0")).unwrap()).unwrap();
        let store = open_on(Arc::new(disk.power_cut(Survivors::Nothing))).unwrap();
        let log = store.get(&name("a-0")).unwrap();
        assert_eq!((log.start_offset(), log.end_offset()), (offset(first), offset(end)));
        assert_eq!(log.damage(), []);
    }
}

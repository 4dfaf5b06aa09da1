//! A full disk: appends are refused, and what frees it or closes it finds the room that was kept for that.

use super::*;

const RESERVE: u64 = 64 * 1024;
const FILE: &str = "/a/.space-reserve";

fn open(machine: &Machine) -> Arc<LogStore> {
    machine.builder().reserve_bytes(RESERVE).open().unwrap()
}

fn len(machine: &Machine) -> Option<u64> {
    let entries = machine.disk.list(Path::new("/a")).unwrap();
    entries.into_iter().find(|entry| entry.name == ".space-reserve").map(|entry| entry.len)
}

/// Not a byte is free.
fn fill(machine: &Machine) {
    machine.disk.set_capacity(machine.disk.used());
}

#[expect(clippy::needless_pass_by_value, reason = "it is the answer of the call that is judged")]
fn refused<T: std::fmt::Debug>(outcome: Result<T>) {
    assert!(matches!(outcome, Err(LogError::NoSpace { .. })), "{outcome:?}");
}

#[test]
fn what_frees_a_full_disk_uses_the_reserve_and_appends_do_not() {
    let machine = Machine::new();
    let store = open(&machine);
    assert_eq!(len(&machine), Some(RESERVE));
    let config = LogConfig { segment_bytes: 200, file_delete_delay_ms: 0, ..LogConfig::default() };
    let log = store.create(&name("t-0"), &config).unwrap();
    let journal = store.create(&name("j-0"), &LogConfig::default()).unwrap();
    append(&log, 20);
    log.sync().unwrap();
    fill(&machine);
    refused(log.append(&[NewRecord::value(b"v")]));
    assert!(!store.is_on_reserve(), "an append does not touch it");
    assert_eq!(len(&machine), Some(RESERVE));

    journal.append_to_make_room(&[NewRecord::value(b"t-0 begins later")]).unwrap();
    assert!(store.is_on_reserve());
    assert_eq!((len(&machine), journal.synced_end()), (Some(0), offset(1)));
    for name in ["t-0", "j-0"] {
        refused(store.get(&super::name(name)).unwrap().append(&[NewRecord::value(b"v")]));
    }
    refused(store.create(&name("u-0"), &config));
    assert!(!machine.exists("/a/u-0"));
    log.delete_records_before(offset(10)).unwrap();
    store.checkpoint().unwrap();
    // What is free, and what was freed, is not enough yet.
    machine.write("/a/of-others", &[0; 16 * 1024]);
    store.maintain(machine.clock.now());
    assert!(store.is_on_reserve());
    refused(log.append(&[NewRecord::value(b"v")]));

    machine.disk.set_capacity(machine.disk.used() + 2 * RESERVE);
    let waits = log.append(&[NewRecord::value(b"v")]).unwrap_err();
    assert!(waits.is_no_space());
    let text = format!(
        "/a/t-0: appends are refused until maintenance has regained the reserve of {RESERVE} bytes in /a"
    );
    assert_eq!(waits.to_string(), text, "there is room");
    assert!(store.maintain(machine.clock.now()).errors.is_empty());
    assert!(!store.is_on_reserve());
    assert_eq!(len(&machine), Some(RESERVE));
    assert_eq!(log.append(&[NewRecord::value(b"v")]).unwrap().base_offset, offset(20));
    assert_eq!(log.start_offset(), offset(10));
}

#[test]
fn a_store_on_a_full_disk_closes_in_order_and_the_next_start_still_refuses() {
    let machine = Machine::new();
    // What a window is cut back by when the log is closed would be room enough.
    machine.disk.allow_windows(false);
    let store = open(&machine);
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    append(&log, 50);
    fill(&machine);
    store.close().unwrap();
    assert!(machine.exists("/a/.kafka_cleanshutdown"));
    assert!(machine.read("/a/recovery-point-offset-checkpoint").contains("t 0 50"));
    assert_eq!(len(&machine), Some(0));

    let store = open(&machine);
    assert!(store.report().clean && store.is_on_reserve());
    let log = store.get(&name("t-0")).unwrap();
    assert_eq!(count_records(&log), 50);
    refused(log.append(&[NewRecord::value(b"v")]));
    store.delete(&name("t-0")).unwrap();
    drop((store, log));

    machine.disk.set_capacity(machine.disk.used() + RESERVE);
    let store = open(&machine);
    assert!(!store.is_on_reserve());
    assert_eq!(len(&machine), Some(RESERVE));
}

#[test]
fn a_disk_that_is_too_small_for_a_reserve_goes_without_until_it_is_not() {
    let machine = Machine::new();
    drop(machine.open());
    machine.disk.set_capacity(machine.disk.used() + RESERVE / 2);
    let store = open(&machine);
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    append(&log, 1);
    assert_eq!((len(&machine), store.is_on_reserve()), (None, false));
    machine.disk.set_capacity(u64::MAX);
    store.maintain(machine.clock.now());
    assert_eq!(len(&machine), Some(RESERVE));
    // Another size, and none.
    drop((store, log));
    drop(machine.builder().reserve_bytes(2 * RESERVE).open().unwrap());
    assert_eq!(len(&machine), Some(2 * RESERVE));
    drop(machine.open());
    assert!(!machine.exists(FILE));
}

#[test]
fn a_store_on_the_real_file_system_keeps_blocks_for_it() {
    use std::os::unix::fs::MetadataExt;
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join(".space-reserve");
    let store = LogStore::builder([temp.path()]).open().unwrap();
    let meta = fs::metadata(&file).unwrap();
    assert_eq!(meta.len(), 16 * 1024 * 1024);
    assert!(meta.blocks() == 0 || meta.blocks() * 512 >= meta.len(), "{} blocks", meta.blocks());
    store.close().unwrap();
    drop(store);
    drop(LogStore::builder([temp.path()]).reserve_bytes(0).open().unwrap());
    assert!(!file.exists());
}

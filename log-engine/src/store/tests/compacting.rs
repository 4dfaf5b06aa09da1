use super::*;
use crate::config::CleanupPolicy;

fn compact() -> LogConfig {
    LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        segment_bytes: 1000,
        ..LogConfig::default()
    }
}

#[test]
fn maintenance_compacts_the_logs_that_are_dirty_and_no_others() {
    let machine = Machine::new();
    let store = machine.open();
    let dirty = store.create(&name("dirty-0"), &compact()).unwrap();
    let clean = store.create(&name("clean-0"), &compact()).unwrap();
    let plain =
        store.create(&name("plain-0"), &LogConfig { segment_bytes: 1000, ..LogConfig::default() }).unwrap();
    append(&dirty, 100);
    append(&clean, 5);
    append(&plain, 100);
    let sizes = [dirty.size_bytes(), clean.size_bytes(), plain.size_bytes()];
    let report = store.maintain(machine.clock.now());
    assert_eq!((report.compacted, report.errors.len()), (1, 0));
    assert_eq!(report.bytes_compacted_away, sizes[0] - dirty.size_bytes());
    assert!(report.bytes_compacted_away > 0);
    assert_eq!([clean.size_bytes(), plain.size_bytes()], sizes[1..]);
    let point = dirty.compaction_point().unwrap();
    // It was looked for one and there was none: not again for some time.
    append(&dirty, 100);
    assert_eq!(store.maintain(machine.clock.now()).compacted, 0);
    machine.clock.advance(Duration::from_secs(15));
    assert_eq!(store.maintain(machine.clock.now()).compacted, 1);
    assert!(dirty.compaction_point().unwrap() > point);
}

#[test]
fn a_store_that_is_not_to_compact_does_not() {
    let machine = Machine::new();
    let store = machine.builder().compaction_interval(None).open().unwrap();
    let log = store.create(&name("dirty-0"), &compact()).unwrap();
    append(&log, 100);
    assert_eq!(store.maintain(machine.clock.now()).compacted, 0);
    store.set_compaction_interval(Some(Duration::from_secs(15)));
    assert_eq!(store.maintain(machine.clock.now()).compacted, 1, "asked to later");
}

/// The settings of a log are not known when its store is opened, and may have been changed back: the gaps are.
#[test]
fn how_far_logs_are_compacted_is_kept_as_kafka_keeps_it() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("dirty-0"), &compact()).unwrap();
    append(&log, 100);
    store.maintain(machine.clock.now());
    assert!(!machine.exists("/a/cleaner-offset-checkpoint"));
    let (left, point) = (count_records(&log), log.compaction_point().unwrap());
    store.close().unwrap();
    drop((store, log));
    let text = format!("0\n1\ndirty 0 {point}\n");
    assert_eq!(machine.read("/a/cleaner-offset-checkpoint"), text);
    // A directory of Kafka's has only the checkpoint.
    machine.disk.remove_file(Path::new("/a/dirty-0/compaction-point")).unwrap();
    machine.disk.remove_file(Path::new("/a/dirty-0/synced-mark")).unwrap();
    let store = machine.open();
    let log = store.get(&name("dirty-0")).unwrap();
    assert!(!log.config().cleanup_policy.compact);
    assert_eq!((count_records(&log), log.damage()), (left, vec![]));
    assert_eq!(log.compaction_point(), Some(point));
    drop(log);
    // Of a log that cannot be opened the line stays.
    store.close().unwrap();
    drop(store);
    machine.write("/a/dirty-0/5.log", b"misnamed");
    let store = machine.open();
    assert_eq!(store.report().failed.len(), 1);
    store.close().unwrap();
    assert_eq!(machine.read("/a/cleaner-offset-checkpoint"), text);
}

#[test]
fn a_log_that_is_deleted_while_it_is_compacted_goes() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("dirty-0"), &compact()).unwrap();
    append(&log, 100);
    assert_eq!(log.compact_step(machine.clock.now(), &mut 1).unwrap(), crate::log::Step::Going);
    store.delete(&name("dirty-0")).unwrap();
    assert!(store.maintain(machine.clock.now()).errors.is_empty());
    machine.clock.advance(Duration::from_secs(61));
    assert_eq!(store.maintain(machine.clock.now()).removed, 1);
    assert_eq!(machine.names("/a").iter().filter(|name| name.contains("dirty")).count(), 0);
}

/// The checkpoint is written now and then: after a crash it may speak of a log of the same name that was deleted. Nothing of
/// the new one is compacted, and to believe it is would let a tombstone go before what it deletes.
#[test]
fn what_was_noted_of_a_deleted_log_says_nothing_of_the_next_one() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("dirty-0"), &compact()).unwrap();
    append(&log, 10);
    store.close().unwrap();
    drop((store, log));
    machine.write("/a/cleaner-offset-checkpoint", b"0\n1\ndirty 0 900\n");
    let store = machine.open();
    let log = store.get(&name("dirty-0")).unwrap();
    assert_eq!(log.compaction_point(), Some(Offset::ZERO));
}

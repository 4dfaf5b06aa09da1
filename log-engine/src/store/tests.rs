//! Opening, closing, crashing, refusing, deleting and maintaining many logs.

mod compacting;
mod guarded;
mod reserve;
mod scale;
mod unclean;

use super::*;
use crate::format::build::{BatchBuilder, NewRecord};
use crate::io::{
    CountingStorage, CrashStorage, Fault, FaultStorage, ManualClock, MemStorage, Op, OpenMode, RealStorage,
    Survivors, SystemClock,
};
use crate::types::{LeaderEpoch, Offset, Timestamp};
use std::{fs, io};

fn name(text: &str) -> LogName {
    LogName::parse(text).unwrap()
}

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

/// A disk in memory, a clock that stands, and the directories `/a` and `/b`.
#[derive(Clone)]
struct Machine {
    disk: MemStorage,
    clock: ManualClock,
}

impl Machine {
    fn new() -> Self {
        let clock = ManualClock::at(time(1_700_000_000_000));
        Self { disk: MemStorage::with_clock(Arc::new(clock.clone())), clock }
    }

    fn builder(&self) -> StoreBuilder {
        LogStore::builder(["/a"])
            .storage(Arc::new(self.disk.clone()))
            .clock(Arc::new(self.clock.clone()))
            .threads(2)
    }

    fn open(&self) -> Arc<LogStore> {
        self.builder().open().unwrap()
    }

    fn exists(&self, path: &str) -> bool {
        self.disk.exists(Path::new(path)).unwrap()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        self.disk.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        let file = self.disk.open(Path::new(path), OpenMode::Truncate).unwrap();
        file.write_all_at(&[bytes], 0).unwrap();
    }

    fn read(&self, path: &str) -> String {
        let file = self.disk.open(Path::new(path), OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Names in a directory but those of the lock.
    fn names(&self, dir: &str) -> Vec<String> {
        let entries = self.disk.list(Path::new(dir)).unwrap();
        let mut names: Vec<_> =
            entries.into_iter().map(|e| e.name).filter(|n| !n.starts_with(".lock")).collect();
        names.sort();
        names
    }
}

fn append(log: &Log, count: usize) {
    for _ in 0..count {
        log.append(&[NewRecord::keyed(b"k", b"some value")]).unwrap();
    }
}

fn count_records(log: &Log) -> i64 {
    let mut count = 0;
    for batch in log.records(log.start_offset()) {
        count += i64::from(batch.unwrap().view().record_count());
    }
    count
}

#[test]
fn what_was_appended_is_there_after_a_clean_close_and_after_a_crash() {
    for clean in [true, false] {
        let machine = Machine::new();
        let store = machine.open();
        assert!(store.report().failed.is_empty());
        for (n, partition) in (0..5).enumerate() {
            let log = store.create(&LogName::new("t", partition).unwrap(), &LogConfig::default()).unwrap();
            append(&log, n * 3);
        }
        if clean {
            store.close().unwrap();
            store.close().unwrap();
        }
        drop(store);
        assert_eq!(machine.exists("/a/.kafka_cleanshutdown"), clean);
        let store = machine.open();
        assert_eq!(store.report().clean, clean);
        assert!(!machine.exists("/a/.kafka_cleanshutdown"), "the marker is used once");
        let found: Vec<_> =
            store.logs().into_iter().map(|(name, log)| (name.to_string(), count_records(&log))).collect();
        let expected = [("t-0", 0), ("t-1", 3), ("t-2", 6), ("t-3", 9), ("t-4", 12)];
        assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count)));
    }
}

#[test]
fn a_closed_store_takes_nothing_more() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    store.close().unwrap();
    assert!(matches!(store.create(&name("t-1"), &LogConfig::default()), Err(LogError::Closed)));
    assert!(matches!(store.delete(&name("t-0")), Err(LogError::Closed)));
    assert!(matches!(log.append(&[NewRecord::value(b"v")]), Err(LogError::Closed)));
    assert!(matches!(&store.maintain(time(0)).errors[..], [(None, LogError::Closed)]));
    machine.open();
}

#[test]
fn a_directory_that_is_no_logs_stops_the_start_and_nothing_is_changed() {
    for foreign in ["foo", ".hidden", "baz-x", "lost+found", "t-00"] {
        let machine = Machine::new();
        let store = machine.open();
        append(&store.create(&name("t-0"), &LogConfig::default()).unwrap(), 1);
        store.close().unwrap();
        machine.disk.create_dir_all(&Path::new("/a").join(foreign)).unwrap();
        machine.write("/a/u-0.0123456789abcdef0123456789abcdef-delete/x", b"doomed");
        let before = machine.names("/a");
        match machine.builder().open() {
            Err(LogError::Directory { path, .. }) => assert_eq!(path, Path::new("/a").join(foreign)),
            other => panic!("{foreign}: {other:?}"),
        }
        assert_eq!(machine.names("/a"), before);
        assert!(machine.exists("/a/.kafka_cleanshutdown"));
    }
    let machine = Machine::new();
    machine.disk.create_dir_all(Path::new("/a/foo")).unwrap();
    let said = machine.builder().open().unwrap_err().to_string();
    assert!(
        said.contains("/a/foo") && said.contains("'foo' is not in the form of topic-partition"),
        "{said}"
    );
}

#[test]
fn plain_files_and_kafkas_future_and_stray_directories_are_left_alone() {
    let machine = Machine::new();
    machine.write("/a/foo.txt", b"x");
    machine.write("/a/t-0.0123456789abcdef0123456789abcdef-future/x", b"x");
    machine.write("/a/t-0.0123456789abcdef0123456789abcdef-stray/x", b"x");
    let store = machine.open();
    assert!(store.logs().is_empty());
    assert_eq!(store.report().left_alone.len(), 2);
    store.close().unwrap();
    assert!(machine.exists("/a/foo.txt"));
    assert!(machine.exists("/a/t-0.0123456789abcdef0123456789abcdef-future/x"));
}

#[test]
fn links_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, elsewhere) = (temp.path().join("logs"), temp.path().join("elsewhere"));
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.join("foo")).unwrap();
    LogStore::builder([&dir]).open().unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.join("t-0")).unwrap();
    let refused = LogStore::builder([&dir]).open().unwrap_err();
    assert!(refused.to_string().contains("links are not followed"), "{refused}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_log_in_two_directories_stops_the_start() {
    let machine = Machine::new();
    for dir in ["/a/t-0", "/b/t-0"] {
        machine.disk.create_dir_all(Path::new(dir)).unwrap();
    }
    let open = || LogStore::builder(["/a", "/b"]).storage(Arc::new(machine.disk.clone())).open();
    let said = open().unwrap_err().to_string();
    assert_eq!(said, "/b/t-0: the log lies in /a too");
    assert!(matches!(
        LogStore::builder(Vec::<PathBuf>::new()).open(),
        Err(LogError::Config { key: "log.dirs", .. })
    ));
}

#[test]
fn new_logs_go_to_the_directory_with_the_fewest() {
    let machine = Machine::new();
    let open = || LogStore::builder(["/a", "/b"]).storage(Arc::new(machine.disk.clone())).open().unwrap();
    let store = open();
    for partition in 0..4 {
        store.create(&LogName::new("t", partition).unwrap(), &LogConfig::default()).unwrap();
    }
    let dir = |store: &LogStore, text| store.dir_of(&name(text)).map(Path::to_owned);
    assert_eq!(dir(&store, "t-0"), Some(PathBuf::from("/a")));
    assert_eq!(dir(&store, "t-1"), Some(PathBuf::from("/b")));
    store.delete(&name("t-0")).unwrap();
    store.delete(&name("t-2")).unwrap();
    store.create(&name("u-0"), &LogConfig::default()).unwrap();
    assert_eq!(dir(&store, "u-0"), Some(PathBuf::from("/a")));
    store.close().unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.logs().len(), 3);
    assert_eq!(dir(&store, "u-0"), Some(PathBuf::from("/a")));
    assert_eq!(store.dirs(), [PathBuf::from("/a"), PathBuf::from("/b")]);
}

#[test]
fn the_second_user_is_told_who_the_first_is() {
    let temp = tempfile::tempdir().unwrap();
    let store = LogStore::builder([temp.path()]).open().unwrap();
    let refused = LogStore::builder([temp.path()]).open().unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{}: in use by process {}", temp.path().display(), std::process::id())
    );
    store.close().unwrap();
    LogStore::builder([temp.path()]).open().unwrap();
}

#[test]
fn a_check_that_refuses_leaves_everything_as_it_was() {
    let machine = Machine::new();
    machine.open().close().unwrap();
    let meta = Properties { comments: Vec::new(), entries: vec![("broker.id".to_owned(), "0".to_owned())] };
    write_meta(&machine.disk, Path::new("/a"), &meta).unwrap();
    let before = machine.names("/a");
    let refused = machine.builder().check(|storage, dirs| {
        let meta = read_meta(storage, &dirs[0])?.unwrap();
        assert_eq!(meta.get("broker.id"), Some("0"));
        Err(LogError::Directory { path: dirs[0].clone(), problem: "belongs to somebody else".to_owned() })
    });
    assert!(matches!(refused.open(), Err(LogError::Directory { .. })));
    assert_eq!(machine.names("/a"), before);
    let store = machine.builder().check(|_, _| Ok(())).open().unwrap();
    assert!(store.report().clean);
    assert_eq!(store.read_meta(Path::new("/a")).unwrap(), Some(meta));
    assert_eq!(store.read_meta(Path::new("/nowhere")).unwrap(), None);
}

#[test]
fn a_deleted_log_is_gone_at_once_and_its_files_after_the_delay() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    append(&log, 3);
    let slices = log.read(Offset::ZERO, crate::log::ReadLimits::default()).unwrap();
    assert!(matches!(
        store.create(&name("t-0"), &LogConfig::default()),
        Err(LogError::Name { problem: "already exists", .. })
    ));
    store.delete(&name("t-0")).unwrap();
    assert!(store.get(&name("t-0")).is_none());
    assert!(matches!(store.delete(&name("t-0")), Err(LogError::Name { problem: "does not exist", .. })));
    assert!(matches!(log.append(&[NewRecord::value(b"v")]), Err(LogError::Closed)));
    let doomed =
        |machine: &Machine| machine.names("/a").into_iter().filter(|n| n.ends_with("-delete")).count();
    assert_eq!(doomed(&machine), 1);
    // The name is free at once, and the new log has nothing of the old one.
    let fresh = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    assert_eq!(fresh.end_offset(), Offset::ZERO);
    machine.clock.advance(Duration::from_millis(59_999));
    assert_eq!(store.maintain(machine.clock.now()).removed, 0);
    machine.clock.advance(Duration::from_millis(1));
    assert_eq!(store.maintain(machine.clock.now()).removed, 1);
    assert_eq!(doomed(&machine), 0);
    assert!(!slices.slices[0].bytes().unwrap().is_empty(), "readers keep what they have");
    // What was not removed in time is removed at the next start.
    store.delete(&name("t-0")).unwrap();
    drop(store);
    assert_eq!(doomed(&machine), 1);
    assert_eq!(machine.open().report().removed, 1);
    assert_eq!(doomed(&machine), 0);
}

#[test]
fn a_log_that_cannot_be_opened_is_left_out_and_the_store_is_not_marked_clean() {
    let machine = Machine::new();
    let store = machine.open();
    append(&store.create(&name("good-0"), &LogConfig::default()).unwrap(), 2);
    drop(store);
    for base in [0, 5] {
        // Two segments that both hold offset 5: which one is meant?
        machine.write(&format!("/a/bad-0/{base:020}.log"), &batches(base, 10));
    }
    let store = machine.open();
    let failed: Vec<_> = store.report().failed.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(failed, ["bad-0"]);
    assert_eq!(count_records(&store.get(&name("good-0")).unwrap()), 2);
    assert!(store.get(&name("bad-0")).is_none());
    assert!(matches!(store.create(&name("bad-0"), &LogConfig::default()), Err(LogError::Name { .. })));
    store.close().unwrap();
    assert!(!machine.exists("/a/.kafka_cleanshutdown"));
}

#[test]
fn a_log_that_cannot_be_opened_can_be_deleted() {
    let machine = Machine::new();
    machine.write("/a/bad-0/x.log", b"");
    let store = machine.open();
    assert!(store.is_failed(&name("bad-0")) && store.contains(&name("bad-0")));
    assert_eq!(store.names(), [name("bad-0")]);
    store.delete(&name("bad-0")).unwrap();
    assert!(!store.contains(&name("bad-0")) && !machine.exists("/a/bad-0"));
    store.create(&name("bad-0"), &LogConfig::default()).unwrap();
    machine.clock.advance(Duration::from_secs(61));
    store.maintain(machine.clock.now());
    assert_eq!(machine.names("/a/bad-0").first().map(String::as_str), Some("00000000000000000000.log"));
    store.close().unwrap();
    // What could not be opened is gone, so all is in order.
    let left: Vec<_> = machine.names("/a").into_iter().filter(|n| n.ends_with("-delete")).collect();
    assert!(left.is_empty() && machine.exists("/a/.kafka_cleanshutdown"));
}

/// Batches of one record, from `base` on.
fn batches(base: i64, count: i64) -> Vec<u8> {
    let one = |at| {
        let mut builder = BatchBuilder::new().at(offset(at), Some(LeaderEpoch::ZERO));
        builder.push(&NewRecord::value(b"v"));
        builder.finish().unwrap()
    };
    (base..base + count).flat_map(one).collect()
}

#[test]
fn checkpoints_say_where_logs_are_synced_end_and_begin() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("t-1"), &LogConfig::default()).unwrap();
    append(&store.create(&name("t-0"), &LogConfig::default()).unwrap(), 4);
    append(&log, 5);
    log.sync().unwrap();
    append(&log, 2);
    log.delete_records_before(offset(3)).unwrap();
    let synced = log.synced_end();
    store.checkpoint().unwrap();
    assert_eq!(machine.read("/a/recovery-point-offset-checkpoint"), format!("0\n2\nt 0 0\nt 1 {synced}\n"));
    assert_eq!(machine.read("/a/replication-offset-checkpoint"), "0\n2\nt 0 4\nt 1 7\n");
    assert_eq!(machine.read("/a/log-start-offset-checkpoint"), "0\n1\nt 1 3\n");
    drop(store);
    machine.write("/a/recovery-point-offset-checkpoint", b"0\n7\nt 0");
    let store = machine.open();
    assert_eq!(store.report().unreadable.len(), 1);
    let log = store.get(&name("t-1")).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (offset(3), offset(7)));
}

#[test]
fn maintenance_writes_checkpoints_when_they_are_due() {
    let machine = Machine::new();
    let store = machine.open();
    append(&store.create(&name("t-0"), &LogConfig::default()).unwrap(), 1);
    assert!(store.maintain(machine.clock.now()).errors.is_empty());
    assert!(!machine.exists("/a/replication-offset-checkpoint"));
    machine.clock.advance(Duration::from_secs(5));
    store.maintain(machine.clock.now());
    assert!(machine.exists("/a/replication-offset-checkpoint"));
    assert!(!machine.exists("/a/recovery-point-offset-checkpoint"));
    machine.clock.advance(Duration::from_secs(55));
    store.maintain(machine.clock.now());
    assert!(machine.exists("/a/recovery-point-offset-checkpoint"));
}

#[test]
fn maintenance_syncs_what_is_old_and_deletes_what_is_older() {
    let machine = Machine::new();
    let store = machine.builder().retention_interval(Duration::from_secs(60)).open().unwrap();
    let config = LogConfig { retention_ms: Some(3_600_000), ..LogConfig::default() };
    let log = store.create(&name("t-0"), &config).unwrap();
    append(&log, 3);
    assert_eq!(store.maintain(machine.clock.now()).synced, 0);
    machine.clock.advance(Duration::from_secs(6));
    assert_eq!(store.maintain(machine.clock.now()).synced, 1);
    assert_eq!(log.synced_end(), offset(3));
    machine.clock.advance(Duration::from_secs(3_600));
    let report = store.maintain(machine.clock.now());
    assert_eq!((report.segments_deleted, report.removed), (1, 0), "{report:?}");
    assert_eq!(log.start_offset(), offset(3));
    machine.clock.advance(Duration::from_secs(60));
    assert_eq!(store.maintain(machine.clock.now()).removed, 1);
    assert!(!machine.names("/a/t-0").iter().any(|name| name.ends_with(".deleted")));
}

#[test]
fn a_log_keeps_its_settings_over_a_start_if_the_start_says_them() {
    let machine = Machine::new();
    let for_ever = LogConfig { retention_ms: None, retention_bytes: None, ..LogConfig::default() };
    let short = LogConfig { retention_ms: Some(1), ..LogConfig::default() };
    let store = machine.open();
    for log in [store.create(&name("audit-0"), &for_ever), store.create(&name("news-0"), &for_ever)] {
        append(&log.unwrap(), 3);
    }
    store.close().unwrap();
    drop(store);
    let (default, own) = (short.clone(), for_ever.clone());
    let store = machine
        .builder()
        .config(short)
        .config_for(move |log| if log.topic() == "audit" { own.clone() } else { default.clone() })
        .open()
        .unwrap();
    machine.clock.advance(Duration::from_secs(1));
    let report = store.maintain(machine.clock.now());
    assert!(report.errors.is_empty(), "{report:?}");
    let start = |text: &str| store.get(&name(text)).unwrap().start_offset();
    assert_eq!((start("audit-0"), start("news-0")), (offset(0), offset(3)));
}

#[test]
fn wrong_settings_leave_a_log_out_and_touch_nothing() {
    let machine = Machine::new();
    append(&machine.open().create(&name("a-0"), &LogConfig::default()).unwrap(), 1);
    let wrong = LogConfig { segment_bytes: 0, ..LogConfig::default() };
    let store = machine.builder().config_for(move |_| wrong.clone()).open().unwrap();
    assert!(matches!(&store.report().failed[..], [(log, LogError::Config { .. })] if *log == name("a-0")));
    drop(store);
    assert_eq!(count_records(&machine.open().get(&name("a-0")).unwrap()), 1);
}

#[test]
fn a_log_is_opened_or_made_with_settings() {
    let machine = Machine::new();
    let config = |ms| LogConfig { retention_ms: Some(ms), ..LogConfig::default() };
    let store = machine.open();
    let made = store.open_or_create(&name("a-0"), &config(1)).unwrap();
    let again = store.open_or_create(&name("a-0"), &config(2)).unwrap();
    assert!(Arc::ptr_eq(&made, &again));
    assert_eq!(made.config().retention_ms, Some(2));
    let wrong = LogConfig { segment_bytes: 0, ..LogConfig::default() };
    let refused = store.open_or_create(&name("a-0"), &wrong);
    assert!(matches!(refused, Err(LogError::Config { .. })));
    assert_eq!(made.config().retention_ms, Some(2));
    store.close().unwrap();
    assert!(matches!(store.open_or_create(&name("a-0"), &config(3)), Err(LogError::Closed)));
    assert!(matches!(store.open_or_create(&name("b-0"), &config(3)), Err(LogError::Closed)));
}

#[test]
fn the_maintenance_thread_works_until_its_guard_is_dropped() {
    let clock = SystemClock::default();
    let store = LogStore::builder(["/a"])
        .storage(Arc::new(MemStorage::new()))
        .clock(Arc::new(clock))
        .high_watermark_interval(Duration::ZERO)
        .open()
        .unwrap();
    let (sender, rounds) = std::sync::mpsc::channel();
    let guard = store.spawn_maintenance(Duration::from_millis(1), move |report| drop(sender.send(report)));
    for _ in 0..3 {
        let report = rounds.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(report.errors.is_empty(), "{report:?}");
    }
    drop(guard);
    while rounds.try_recv().is_ok() {}
    assert!(rounds.recv().is_err(), "the thread is gone, and its sender with it");
    assert_eq!(Arc::strong_count(&store), 1);
}

/// A directory that a real broker left: opened, every record there, closed, opened again.
#[test]
fn a_whole_directory_of_kafkas_is_opened() {
    for version in ["kafka-2.2.0", "kafka-4.3.1"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version);
        let machine = Machine::new();
        copy(&golden, &machine, "/a");
        let clean = fs::read(golden.join("kafka_cleanshutdown")).unwrap();
        machine.write("/a/.kafka_cleanshutdown", &clean);
        let store = machine.open();
        assert!(store.report().clean);
        let unreadable = &store.report().unreadable;
        assert!(unreadable.is_empty(), "{unreadable:?}");
        let plain = store.get(&name("g-plain-0")).unwrap();
        let expected = fs::read_to_string(golden.join("g-plain-0/expected.tsv")).unwrap().lines().count() - 2;
        assert_eq!(usize::try_from(count_records(&plain)).unwrap(), expected);
        let deleted = store.get(&name("g-delrec-0")).unwrap();
        assert_eq!(deleted.start_offset(), offset(27));
        store.close().unwrap();
        drop(store);
        let store = machine.open();
        assert_eq!(store.get(&name("g-delrec-0")).unwrap().start_offset(), offset(27));
    }
}

fn copy(from: &Path, machine: &Machine, to: &str) {
    machine.disk.create_dir_all(Path::new(to)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let file_name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            // Damaged on purpose, or of formats that are only converted.
            true if file_name == "killed" || file_name.starts_with("g-v") => {}
            true => copy(&entry.path(), machine, &format!("{to}/{file_name}")),
            false => machine.write(&format!("{to}/{file_name}"), &fs::read(entry.path()).unwrap()),
        }
    }
}

/// Made with syncs, two hundred take as long as a test may; what a thousand cost is a multiple.
#[test]
fn opening_logs_is_quick_and_holds_no_segment_open() {
    const LOGS: i32 = 200;
    let temp = tempfile::tempdir().unwrap();
    let store = LogStore::builder([temp.path()]).open().unwrap();
    for partition in 0..LOGS {
        append(&store.create(&LogName::new("t", partition).unwrap(), &LogConfig::default()).unwrap(), 1);
    }
    store.close().unwrap();
    drop(store);
    let counts = CountingStorage::new(Arc::new(RealStorage::new()));
    let started = std::time::Instant::now();
    let store = LogStore::builder([temp.path()]).storage(Arc::new(counts.clone())).open().unwrap();
    let took = started.elapsed();
    let logs = u64::try_from(LOGS).unwrap();
    println!(
        "{logs} logs in {took:?}, {} calls each, {} opens",
        counts.total_calls() / logs,
        counts.calls(Op::Open)
    );
    assert_eq!(store.logs().len(), 200);
    assert!(counts.total_calls() < 60 * logs, "{} calls", counts.total_calls());
    assert_eq!(counts.calls(Op::SyncData), 0, "a clean start syncs nothing");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let held = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    let segments =
        held.filter(|link| link.starts_with(temp.path()) && link.extension().is_some_and(|e| e == "log"));
    assert_eq!(segments.count(), 0, "descriptors of segments held at rest");
}

/// The second close answers that all is well, and the marker of a clean stop was written over a log that was not.
#[test]
fn a_log_that_did_not_close_well_keeps_the_directory_from_being_marked_clean() {
    for call in 0..40 {
        let machine = Machine::new();
        append(&machine.open().create(&name("t-0"), &LogConfig::default()).unwrap(), 2);
        let clean = machine.open();
        let log = clean.get(&name("t-0")).unwrap();
        append(&log, 1);
        drop((clean, log));
        let disk =
            FaultStorage::new(Arc::new(machine.disk.clone()), Fault::at(call, io::ErrorKind::StorageFull));
        let Ok(store) = machine.builder().storage(Arc::new(disk)).open() else { continue };
        let Some(log) = store.get(&name("t-0")) else { continue };
        let _ = log.append(&[NewRecord::value(b"v")]);
        let closed = log.close();
        let _ = store.close();
        let clean = machine.exists("/a/.kafka_cleanshutdown");
        assert!(!clean || closed.is_ok(), "call {call}: {closed:?}");
    }
}

#[test]
fn a_store_with_a_poisoned_log_closes_the_others_and_says_so() {
    let mut poisoned = 0;
    for call in 0..20 {
        let machine = Machine::new();
        let fault = Fault::at(call, io::ErrorKind::Other).among(&[Op::SyncData]);
        let disk = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
        let Ok(store) = machine.builder().storage(Arc::new(disk)).open() else { continue };
        let names = [name("bad-0"), name("good-0")];
        let Ok(logs) = store.create_many(&names, &LogConfig::default()) else { continue };
        logs.iter().for_each(|log| append(log, 2));
        if logs[0].sync().is_ok() {
            continue;
        }
        poisoned += 1;
        assert!(logs[0].is_poisoned());
        let closed = store.close();
        assert!(matches!(closed, Err(LogError::Poisoned { .. })), "{closed:?}");
        assert!(!machine.exists("/a/.kafka_cleanshutdown"));
        assert_eq!(logs[1].synced_end(), offset(2));
        drop((logs, store));
        let store = machine.open();
        assert!(!store.report().clean);
        assert!(names.iter().all(|name| count_records(&store.get(name).unwrap()) == 2));
    }
    assert!(poisoned > 0);
}

/// What is derived needs room that a full disk does not have; the data need none.
#[test]
fn a_store_closes_on_a_full_disk_and_is_whole_at_the_next_start() {
    let config = LogConfig { index_interval_bytes: 1, ..LogConfig::default() };
    let mut without_index = 0;
    // From not a byte to room for all.
    for room in (0..3000).step_by(7) {
        let machine = Machine::new();
        // A window takes more room than all that is closed here needs.
        machine.disk.allow_windows(false);
        let store = machine.builder().config(config.clone()).open().unwrap();
        let log = store.create(&name("t-0"), &config).unwrap();
        append(&log, 50);
        machine.disk.set_capacity(machine.disk.used() + room);
        store.close().unwrap_or_else(|error| panic!("{room}: {error}"));
        assert!(machine.exists("/a/.kafka_cleanshutdown"), "{room}");
        let names = [machine.names("/a"), machine.names("/a/t-0")].concat();
        assert!(!names.iter().any(|name| name.ends_with(".tmp")), "{room}: {names:?}");
        without_index += usize::from(!names.iter().any(|name| name.ends_with(".timeindex")));
        drop(store);
        machine.disk.set_capacity(u64::MAX);
        let store = machine.builder().config(config.clone()).open().unwrap();
        assert!(store.report().clean);
        let log = store.get(&name("t-0")).unwrap();
        assert_eq!((count_records(&log), log.damage()), (50, vec![]), "{room}");
        assert_eq!(log.offset_for_time(time(0)).unwrap().map(|(at, _)| at), Some(offset(0)), "{room}");
        append(&log, 1);
        store.close().unwrap();
    }
    assert!((20..400).contains(&without_index), "{without_index} of 429 stops found no room for the indexes");
}

#[test]
fn without_room_for_the_marker_the_stop_is_as_good_and_the_next_start_looks() {
    let mut refused = Vec::new();
    for call in 0.. {
        let machine = Machine::new();
        append(&machine.open().create(&name("t-0"), &LogConfig::default()).unwrap(), 2);
        let fault = Fault::at(call, io::ErrorKind::StorageFull).among(&[Op::Name]);
        let disk = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
        let Ok(store) = machine.builder().storage(Arc::new(disk.clone())).open() else { continue };
        let Some(log) = store.get(&name("t-0")) else { continue };
        if disk.has_failed() || log.append(&[NewRecord::value(b"v")]).is_err() {
            continue;
        }
        let closed = store.close();
        assert_eq!(machine.exists("/a/.kafka_cleanshutdown"), closed.is_ok(), "{call}");
        match closed {
            Ok(()) if !disk.has_failed() => break,
            Ok(()) => {}
            Err(error) => refused.push(error.to_string()),
        }
        drop(store);
        assert_eq!(count_records(&machine.open().get(&name("t-0")).unwrap()), 3, "{call}");
    }
    assert_eq!(refused, ["/a/.kafka_cleanshutdown: no space left"]);
}

/// A log that could not be opened lost its lines in the checkpoints, and with them its start, by the next checkpoint.
#[test]
fn checkpoints_keep_what_is_known_of_a_log_that_could_not_be_opened() {
    let machine = Machine::new();
    machine.write("/a/bad-0/5.log", &batches(5, 10));
    machine.write("/a/recovery-point-offset-checkpoint", b"0\n1\nbad 0 4\n");
    machine.write("/a/log-start-offset-checkpoint", b"0\n1\nbad 0 3\n");
    let store = machine.open();
    assert_eq!(store.report().failed.len(), 1);
    store.close().unwrap();
    assert_eq!(machine.read("/a/recovery-point-offset-checkpoint"), "0\n1\nbad 0 4\n");
    assert_eq!(machine.read("/a/log-start-offset-checkpoint"), "0\n1\nbad 0 3\n");
}

/// The lock was let go of while somebody still held a log and wrote to it.
#[test]
fn a_log_outlives_its_store_only_to_be_read() {
    let machine = Machine::new();
    let store = machine.open();
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    append(&log, 2);
    drop(store);
    assert!(matches!(log.append(&[NewRecord::value(b"v")]), Err(LogError::Closed)));
    assert!(matches!(log.delete_records_before(offset(1)), Err(LogError::Closed)));
    assert_eq!(count_records(&log), 2);
    assert_eq!(machine.open().get(&name("t-0")).unwrap().end_offset(), offset(2));
}

#[test]
fn a_closed_store_writes_no_checkpoint() {
    let machine = Machine::new();
    let store = machine.open();
    store.create(&name("t-0"), &LogConfig::default()).unwrap();
    store.close().unwrap();
    machine.write("/a/recovery-point-offset-checkpoint", b"somebody else's");
    machine.clock.advance(Duration::from_secs(600));
    store.maintain(machine.clock.now());
    store.checkpoint().unwrap();
    assert_eq!(machine.read("/a/recovery-point-offset-checkpoint"), "somebody else's");
}

/// The data directory was made and never synced in its parent: with it went every log in it.
#[test]
fn a_power_cut_leaves_the_store_and_what_was_synced_in_it() {
    let disk = CrashStorage::new(Arc::new(ManualClock::at(time(1))));
    let open = |disk: &CrashStorage| {
        LogStore::builder(["/new/data"]).storage(Arc::new(disk.clone())).threads(1).open().unwrap()
    };
    let store = open(&disk);
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    log.append_synced(&[NewRecord::value(b"v")]).unwrap();
    let cut = disk.power_cut(Survivors::Nothing);
    assert_eq!(open(&cut).get(&name("t-0")).unwrap().end_offset(), offset(1));
    // A clean stop is marked on the disk, a delete is final.
    store.create(&name("t-1"), &LogConfig::default()).unwrap();
    store.delete(&name("t-0")).unwrap();
    store.close().unwrap();
    let store = open(&disk.power_cut(Survivors::Nothing));
    assert!(store.report().clean);
    let names: Vec<_> = store.logs().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["t-1"]);
}

/// Creates, fills, deletes and closes. Answers what each log must hold: `None` for one whose fate is open.
fn store_script(disk: Arc<dyn Storage>) -> (BTreeMap<String, Option<i64>>, bool) {
    let mut known = BTreeMap::new();
    let Ok(store) = LogStore::builder(["/new/data"]).storage(disk).threads(1).open() else {
        return (known, false);
    };
    for text in ["t-0", "t-1", "t-2"] {
        known.insert(text.to_owned(), None);
        let Ok(log) = store.create(&name(text), &LogConfig::default()) else { continue };
        known.insert(text.to_owned(), Some(0));
        if log.append_synced(&[NewRecord::value(b"v")]).is_ok() {
            known.insert(text.to_owned(), Some(1));
        }
    }
    known.insert("t-1".to_owned(), None);
    if store.delete(&name("t-1")).is_ok() {
        known.remove("t-1");
    }
    let _ = store.checkpoint();
    let closed = store.close().is_ok();
    (known, closed)
}

#[test]
fn a_store_that_stops_at_any_call_keeps_what_it_promised() {
    for call in 0.. {
        let disk = CrashStorage::new(Arc::new(ManualClock::at(time(1))));
        let fault = Fault::at(call, io::ErrorKind::Other).lasting();
        let faulty = FaultStorage::new(Arc::new(disk.clone()), fault);
        let (known, closed) = store_script(Arc::new(faulty));
        for survivors in [Survivors::Nothing, Survivors::Some(call), Survivors::Everything] {
            let what = format!("call {call}, {survivors:?}");
            let cut = disk.power_cut(survivors);
            let builder = LogStore::builder(["/new/data"]).storage(Arc::new(cut)).threads(1);
            let store = builder.open().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(store.report().failed.is_empty(), "{what}: {:?}", store.report().failed);
            assert!(!closed || store.report().clean, "{what}");
            let found: BTreeMap<_, _> = store.logs().into_iter().map(|(n, l)| (n.to_string(), l)).collect();
            assert!(found.keys().all(|name| known.contains_key(name)), "{what}: {found:?}");
            for (name, end) in &known {
                let Some(end) = end else { continue };
                let log = found.get(name).unwrap_or_else(|| panic!("{what}: {name} is gone"));
                assert!((*end..=1).contains(&log.end_offset().get()), "{what}: {name}");
                assert_eq!(log.damage(), [], "{what}: {name}");
            }
        }
        if closed {
            assert!(call > 40, "{call}");
            return;
        }
    }
}

#[test]
fn a_copy_of_a_store_opens_as_one_that_was_closed_in_order() {
    let machine = Machine::new();
    let store = machine.open();
    let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
    let names = [name("a-0"), name("b-1")];
    for (n, name) in (4..).zip(&names) {
        append(&store.create(name, &config).unwrap(), n);
    }
    store.get(&names[1]).unwrap().delete_records_before(offset(2)).unwrap();
    let dirs = store.dirs();
    let meta = Properties::read(b"version=1\ncluster.id=abc\n").unwrap();
    store.write_meta(&dirs[0], &meta).unwrap();
    let made = store.snapshot("/copy").unwrap();
    assert_eq!(
        made.logs.iter().map(|(name, copy)| (name.clone(), copy.end.get())).collect::<Vec<_>>(),
        [(names[0].clone(), 4), (names[1].clone(), 5)]
    );
    append(&store.get(&names[0]).unwrap(), 3);
    let stats = store.stats();
    assert_eq!((stats.logs, stats.failed_logs, stats.total.appended_records), (2, 0, 12));
    let copy = LogStore::builder(["/copy"])
        .storage(Arc::clone(store.storage()))
        .clock(Arc::clone(store.clock()))
        .open()
        .unwrap();
    assert!(copy.report().clean && copy.report().failed.is_empty());
    assert_eq!(copy.read_meta(Path::new("/copy")).unwrap(), Some(meta));
    let ends: Vec<_> =
        copy.logs().iter().map(|(_, log)| (log.start_offset().get(), log.end_offset().get())).collect();
    assert_eq!(ends, [(0, 4), (2, 5)]);
    assert!(matches!(store.snapshot("/copy"), Err(LogError::Directory { .. })));
}

//! One writer for each log: a store, and logs in its directory that somebody opens on their own.

use super::*;
use crate::log::LogBuilder;

/// A store with two logs of one record each was in `dir`.
fn leave_store(storage: &Arc<dyn Storage>, dir: &Path) {
    let store = LogStore::builder([dir]).storage(Arc::clone(storage)).open().unwrap();
    for log in ["t-0", "t-1"] {
        append(&store.create(&name(log), &LogConfig::default()).unwrap(), 1);
    }
    store.close().unwrap();
}

fn alone(storage: &Arc<dyn Storage>, dir: &Path) -> LogBuilder {
    Log::builder(dir).storage(Arc::clone(storage))
}

fn each_disk(test: impl Fn(&Arc<dyn Storage>, &Path)) {
    test(&(Arc::new(MemStorage::new()) as Arc<dyn Storage>), Path::new("/data"));
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().canonicalize().unwrap().join("data");
    test(&(Arc::new(RealStorage::new()) as Arc<dyn Storage>), &dir);
}

/// `Log::open` on the directory of a log of an open store succeeded: the store locks its own directory, the log its own, and
/// two writers gave the same offsets.
#[test]
fn a_log_of_an_open_store_is_not_opened_a_second_time() {
    each_disk(|storage, dir| {
        leave_store(storage, dir);
        let store = LogStore::builder([dir]).storage(Arc::clone(storage)).open().unwrap();
        for inside in ["t-0", "t-2", "not-a-log/../t-1", "t-0/../new"] {
            let error = alone(storage, &dir.join(inside)).open().unwrap_err();
            let LogError::Locked { dir: locked, holder } = error else { panic!("{inside}: {error}") };
            assert_eq!(locked, dir, "{inside}");
            assert_eq!(holder, format!("process {}", std::process::id()), "{inside}");
        }
        assert!(!storage.exists(&dir.join("t-2")).unwrap(), "nothing was made");
        assert!(!storage.exists(&dir.join("t-0/.lock")).unwrap(), "nothing was made");
        append(&store.get(&name("t-0")).unwrap(), 1);
        store.close().unwrap();
        let log = alone(storage, &dir.join("t-0")).open().unwrap();
        assert_eq!(log.end_offset(), offset(2));
    });
}

#[test]
fn logs_of_a_store_that_nobody_has_open_can_be_opened_each_and_the_store_cannot() {
    each_disk(|storage, dir| {
        leave_store(storage, dir);
        let first = alone(storage, &dir.join("t-0")).open().unwrap();
        let second = alone(storage, &dir.join("t-1")).open().unwrap();
        let open = || LogStore::builder([dir]).storage(Arc::clone(storage)).open();
        for log in [first, second] {
            let error = open().unwrap_err();
            assert!(matches!(&error, LogError::Locked { dir: locked, .. } if locked == dir), "{error}");
            assert!(
                error.to_string().ends_with("in use by whoever has a log in it open on its own"),
                "{error}"
            );
            append(&log, 1);
            log.close().unwrap();
        }
        let ends: Vec<_> = open().unwrap().logs().iter().map(|(_, log)| log.end_offset()).collect();
        assert_eq!(ends, [offset(2), offset(2)]);
    });
}

#[test]
fn logs_beside_each_other_where_no_store_ever_was_make_nothing_there() {
    each_disk(|storage, dir| {
        let logs = ["a", "b-0"].map(|log| alone(storage, &dir.join(log)).open().unwrap());
        assert!(!storage.exists(&dir.join(".lock")).unwrap());
        // A log in the directory of another one does not keep that from being opened.
        let inner = alone(storage, &dir.join("a/inner")).open().unwrap();
        logs[0].close().unwrap();
        alone(storage, &dir.join("a")).open().unwrap();
        append(&inner, 1);
    });
}

/// A log that was open before there was a store around it holds its own lock only: the store must look for that.
#[test]
fn a_store_leaves_out_a_log_that_somebody_has_open() {
    each_disk(|storage, dir| {
        let held = alone(storage, &dir.join("t-0")).open().unwrap();
        drop(alone(storage, &dir.join("t-1")).open().unwrap());
        append(&held, 1);
        let open = || LogStore::builder([dir]).storage(Arc::clone(storage)).open().unwrap();
        let store = open();
        let failed = &store.report().failed;
        assert!(matches!(&failed[..], [(log, LogError::Locked { .. })] if *log == name("t-0")), "{failed:?}");
        assert!(store.get(&name("t-1")).is_some());
        // Nor is it taken from under its owner.
        assert!(matches!(store.delete(&name("t-0")), Err(LogError::Locked { .. })));
        append(&held, 1);
        held.close().unwrap();
        store.close().unwrap();
        drop(store);
        let store = open();
        assert_eq!(store.get(&name("t-0")).unwrap().end_offset(), offset(2));
        store.delete(&name("t-0")).unwrap();
    });
}

/// It answered Ok, and the store could not be opened any more.
#[test]
fn a_copy_of_a_store_is_not_made_inside_of_it() {
    let machine = Machine::new();
    let store = machine.builder().open().unwrap();
    let log = store.create(&name("t-0"), &LogConfig::default()).unwrap();
    for to in ["/a/backup", "/a/t-1", "/a/t-0/copy", "/b/../a/backup"] {
        for error in [store.snapshot(to).unwrap_err(), log.snapshot(to).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("lies in /a"), "{text}");
        }
    }
    assert!(!machine.exists("/a/backup") && !machine.exists("/a/t-1"));
    store.snapshot("/backup").unwrap();
    log.snapshot("/backup-of-one").unwrap();
    drop((log, store));
    machine.disk.create_dir_all(Path::new("/a/stray")).unwrap();
    let error = machine.builder().open().unwrap_err().to_string();
    assert!(error.ends_with("move it out of /a"), "{error}");
}

#[test]
fn a_new_directory_is_told_from_one_that_was_left_in_disorder() {
    let machine = Machine::new();
    let store = machine.open();
    assert!(store.report().fresh && !store.report().clean);
    store.create(&name("t-0"), &LogConfig::default()).unwrap();
    drop(store);
    let store = machine.open();
    assert!(!store.report().fresh && !store.report().clean);
    store.close().unwrap();
    let report = store.maintain(machine.clock.now());
    assert!(matches!(&report.errors[..], [(None, LogError::Closed)]), "{report:?}");
    drop(store);
    let store = machine.open();
    assert!(!store.report().fresh && store.report().clean);
}

//! A copy of a directory by hard links (`cp -al`): whatever is done to the log, the copy stays what it was, and opens.

use super::*;
use crate::io::{Fault, FaultStorage, OpenMode};
use std::collections::BTreeMap;
use std::io::ErrorKind;

const COPY: &str = "/logs/copy-0";

/// Gives every file of the log a second name.
fn link_all(storage: &dyn Storage) {
    storage.create_dir_all(Path::new(COPY)).unwrap();
    for entry in storage.list(Path::new(DIR)).unwrap() {
        if entry.name != ".lock" {
            storage.link(&Path::new(DIR).join(&entry.name), &Path::new(COPY).join(&entry.name)).unwrap();
        }
    }
}

fn contents(storage: &dyn Storage, dir: &str) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| files::read_small(storage, &Path::new(dir).join(name)).unwrap().unwrap();
    storage
        .list(Path::new(dir))
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name.clone(), read(&entry.name)))
        .collect()
}

fn copy_of(bench: &Bench) -> Arc<Log> {
    Log::builder(COPY)
        .config(bench.config.clone())
        .storage(Arc::clone(&bench.storage) as Arc<dyn Storage>)
        .clock(Arc::clone(&bench.clock) as Arc<dyn Clock>)
        .open()
        .unwrap()
}

/// Everything that writes.
fn use_much(log: &Log, from: i64) {
    fill(log, from..from + 20);
    log.append_batch(&idempotent(9, 0, 0, 1, true), Origin::Client).unwrap();
    log.sync().unwrap();
    log.truncate(offset(from + 5)).unwrap();
    fill(log, from + 5..from + 40);
    log.sync().unwrap();
}

/// How the log was left before it was copied.
#[derive(Clone, Copy, Debug)]
enum Left {
    Closed,
    Killed,
    Torn,
    Empty,
    /// And still open.
    Open,
}

fn left(bench: &Bench, how: Left) -> (Option<Arc<Log>>, i64) {
    let log = bench.open();
    let records = if matches!(how, Left::Empty) { 0 } else { 50 };
    fill(&log, 0..records);
    log.sync().unwrap();
    match how {
        Left::Open => return (Some(log), records),
        Left::Closed | Left::Empty => log.close().unwrap(),
        Left::Killed | Left::Torn => {}
    }
    let active = log.view.load().segments.last().unwrap().path();
    let len = log.view.load().segments.last().unwrap().len().to_u64();
    drop(log);
    if matches!(how, Left::Torn) {
        let file = bench.storage.open(&active, OpenMode::ReadWrite).unwrap();
        file.write_all_at(&[&[0xee; 100]], len).unwrap();
    }
    (None, records)
}

#[test]
fn a_copy_by_hard_links_stays_what_it_was_and_opens() {
    for how in [Left::Closed, Left::Killed, Left::Torn, Left::Empty] {
        let bench = Bench::small(1000);
        let (_, records) = left(&bench, how);
        link_all(&*bench.storage);
        let before = contents(&*bench.storage, COPY);
        for _ in 0..2 {
            let log = bench.open();
            use_much(&log, records);
            log.truncate(offset(records)).unwrap();
            log.close().unwrap();
        }
        let log = bench.open();
        fill(&log, records..records + 3);
        assert_eq!(contents(&*bench.storage, COPY), before, "{how:?}");
        // And the other way round.
        let mut original = contents(&*bench.storage, DIR);
        original.remove(".lock");
        let copy = copy_of(&bench);
        assert_eq!(dump(&copy), numbered(0..records), "{how:?}");
        use_much(&copy, records);
        copy.close().unwrap();
        for (name, bytes) in original {
            let now = bench.file(&name);
            assert_eq!(now, bytes, "{how:?}: {name}");
        }
        assert_eq!(dump(&log), numbered(0..records + 3), "{how:?}");
        log.close().unwrap();
        drop(log);
        assert_eq!(dump(&bench.open()), numbered(0..records + 3), "{how:?}");
    }
}

/// The active file is open to be written when the links are made: appends go on in it, and only appends. Whoever opens
/// the copy finds what is in it by then.
#[test]
fn a_copy_of_an_open_log_has_at_least_what_was_there_and_keeps_its_own_mark() {
    let bench = Bench::small(1000);
    let (log, records) = left(&bench, Left::Open);
    let log = log.unwrap();
    link_all(&*bench.storage);
    let mark = contents(&*bench.storage, COPY)[super::super::mark::FILE_NAME].clone();
    fill(&log, records..records + 30);
    log.close().unwrap();
    assert_eq!(contents(&*bench.storage, COPY)[super::super::mark::FILE_NAME], mark);
    let copy = copy_of(&bench);
    let found = dump(&copy);
    assert!(found.len() >= usize::try_from(records).unwrap());
    assert_eq!(found, numbered(0..i64::try_from(found.len()).unwrap()));
    assert_eq!(copy.damage(), []);
}

/// Stopped at any call of a start on shared files and of the first appends, both logs are whole.
#[test]
fn whoever_is_stopped_while_leaving_shared_files_loses_nothing() {
    for how in [Left::Closed, Left::Killed, Left::Torn, Left::Empty] {
        for at in 0..400 {
            let bench = Bench::small(1000);
            let (_, records) = left(&bench, how);
            link_all(&*bench.storage);
            let before = contents(&*bench.storage, COPY);
            let fault = Fault::at(at, ErrorKind::Other).lasting();
            let broken = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
            let mut accepted = records;
            if let Ok(log) = bench.builder().storage(Arc::new(broken.clone())).open() {
                for n in records..records + 6 {
                    if log.append(&[NewRecord::value(value(n).as_bytes())]).is_err() {
                        break;
                    }
                    accepted += 1;
                }
                let _ = log.sync();
            }
            assert_eq!(contents(&*bench.storage, COPY), before, "{how:?} {at}");
            let log = bench.open();
            assert_eq!(dump(&log), numbered(0..accepted), "{how:?} {at}");
            assert_eq!(log.damage(), [], "{how:?} {at}");
            if !broken.has_failed() {
                assert!(at > 5);
                break;
            }
        }
    }
}

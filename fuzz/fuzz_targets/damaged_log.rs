//! Does any content of a log directory make opening, reading or appending panic, or serve a record nobody wrote?
//!
//! A small log is written once to a disk in memory. Each input is a list of damages to its files: overwritten, cut,
//! lengthened or removed. Then the log is opened as after a clean stop and as after a crash: it either refuses with a
//! reason, or every record it serves is, at its offset, one that was written; and it can be appended to.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use log_engine::config::LogConfig;
use log_engine::format::build::NewRecord;
use log_engine::io::{EntryKind, MemStorage, OpenMode, Storage};
use log_engine::log::Log;
use log_engine::types::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

const DIR: &str = "/data/fuzz-0";
const RECORDS: i64 = 24;

/// The files of the undamaged log.
fn image() -> &'static [(PathBuf, Vec<u8>)] {
    static IMAGE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let storage: Arc<dyn Storage> = Arc::new(MemStorage::new());
        let log = open(&storage, false).expect("an empty directory");
        for n in 0..RECORDS {
            log.append(&[record(n, &value(n))]).expect("room in memory");
            if n == RECORDS / 2 {
                log.sync().expect("a disk in memory");
            }
        }
        log.close().expect("a disk in memory");
        let entries = storage.list(Path::new(DIR)).expect("the log's directory");
        let mut files: Vec<(PathBuf, Vec<u8>)> = entries
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .map(|entry| {
                let path = Path::new(DIR).join(entry.name);
                let file = storage.open(&path, OpenMode::Read).expect("a listed file");
                let len = usize::try_from(entry.len).expect("a small file");
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, 0).expect("its length");
                (path, bytes)
            })
            .collect();
        files.sort();
        files
    })
}

fn value(n: i64) -> Vec<u8> {
    format!("value {n} {}", "x".repeat((n * 7 % 40) as usize)).into_bytes()
}

fn record(n: i64, value: &[u8]) -> NewRecord<'_> {
    let time = Timestamp::from_millis(1_700_000_000_000 + n);
    NewRecord { timestamp: time, ..NewRecord::value(value) }
}

fn open(storage: &Arc<dyn Storage>, clean: bool) -> log_engine::error::Result<Arc<Log>> {
    let config = LogConfig { segment_bytes: 700, index_interval_bytes: 100, ..LogConfig::default() };
    Log::builder(DIR).config(config).storage(Arc::clone(storage)).clean(clean).lock(false).open()
}

/// Applies the damages that `data` lists to a fresh copy of the log.
fn damaged(mut data: &[u8]) -> Arc<dyn Storage> {
    let mut files = image().to_vec();
    while let [which, kind, high, low, len, rest @ ..] = data {
        let index = usize::from(*which) % files.len();
        let bytes = &mut files[index].1;
        let at = (usize::from(*high) << 8 | usize::from(*low)) % (bytes.len() + 1);
        let patch = &rest[..rest.len().min(usize::from(*len))];
        match kind % 4 {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_slice(patch),
            2 => *bytes = patch.to_vec(),
            _ => bytes[at..].iter_mut().zip(patch).for_each(|(byte, new)| *byte = *new),
        }
        data = &rest[patch.len()..];
    }
    let storage = MemStorage::new();
    storage.create_dir_all(Path::new(DIR)).expect("memory");
    for (path, bytes) in &files {
        let file = storage.open(path, OpenMode::CreateNew).expect("memory");
        file.write_all_at(&[bytes], 0).expect("memory");
    }
    Arc::new(storage)
}

/// Every record the log serves is one that was written, at its offset.
fn check(log: &Log) {
    let mut from = log.start_offset();
    while from < log.end_offset() {
        let mut batches = log.records(from);
        for batch in batches.by_ref() {
            // A damaged range ends the iteration; what lies behind it is reached from the next offset on.
            let Ok(batch) = batch else { break };
            let Ok(records) = batch.records() else { continue };
            for record in records.iter().flatten() {
                let n = record.offset.get();
                assert!(n < RECORDS, "offset {n} was never written");
                assert_eq!(record.value, Some(value(n).as_slice()), "offset {n} has another value");
            }
        }
        let reached = batches.next_offset().max(from);
        from = reached.next().unwrap_or(reached);
    }
}

/// Opens, reads, appends to and closes the damaged log.
fn go_through(data: &[u8], clean: bool) {
    let storage = damaged(data);
    let Ok(log) = open(&storage, clean) else { return };
    check(&log);
    let end = log.end_offset();
    if let Ok(appended) = log.append(&[NewRecord::value(b"after")]) {
        assert!(appended.base_offset >= end);
        let read = log.records(appended.base_offset).next();
        assert!(read.is_some_and(|batch| batch.is_ok()), "an appended record cannot be read");
    }
    // And again after it was closed: what recovery kept once it keeps.
    if log.close().is_ok() {
        let again = open(&storage, clean).expect("a log that was just closed");
        assert!(again.end_offset() >= end);
    }
}

fuzz_target!(|data: &[u8]| {
    // Made once, and not part of what an input costs.
    image();
    for clean in [true, false] {
        bounded(data.len(), 64, 16 << 20, || go_through(data, clean));
    }
});

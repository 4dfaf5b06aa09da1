//! Does a data directory of any content make opening panic, hang, or ask for memory out of proportion?
//!
//! The input is a list of files: which name, how long, what is in it. A store is opened on it, twice; every log that
//! opens is read from end to end, looked up by offset and by time, and appended to. What was appended is there after the
//! next start, whatever else the directory held.
#![no_main]

use corrente_fuzz::{Numbers, bounded};
use libfuzzer_sys::fuzz_target;
use log_engine::io::{ManualClock, MemStorage, OpenMode, Storage};
use log_engine::{Log, LogConfig, LogError, LogStore, NewRecord, ReadLimits, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// The names that a store or a log looks at, and some that it should not.
const NAMES: [&str; 24] = [
    "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex",
    "t-0/00000000000000000010.log",
    "t-0/00000000000000000010.index",
    "t-0/00000000000000000010.timeindex",
    "t-0/00000000000000000010.snapshot",
    "t-0/00000000000000000010.txnindex",
    "t-0/leader-epoch-checkpoint",
    "t-0/synced-mark",
    "t-0/producer-state",
    "t-0/00000000000000000010.log.swap",
    "t-0/00000000000000000010.log.cleaned",
    "t-0/00000000000000000010.log.deleted",
    "t-0/00000000000000000005.log",
    "t-0/partition.metadata",
    "t-0/9223372036854775807.log",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    ".kafka_cleanshutdown",
    "meta.properties",
    "t-0/00000000000000000000.log.0.torn",
];

fn directory(data: &[u8]) -> Arc<dyn Storage> {
    let storage = MemStorage::with_clock(clock());
    storage.create_dir_all(Path::new("/data/t-0")).expect("memory");
    let mut numbers = Numbers(data);
    while !numbers.is_empty() {
        let name = NAMES[usize::from(numbers.byte()) % NAMES.len()];
        let len = usize::from(numbers.short()).min(numbers.0.len());
        let (content, rest) = numbers.0.split_at(len);
        numbers = Numbers(rest);
        let file = storage.open(&Path::new("/data").join(name), OpenMode::Truncate).expect("memory");
        file.write_all_at(&[content], 0).expect("memory");
    }
    Arc::new(storage)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000).expect("a time")))
}

fn open(storage: &Arc<dyn Storage>) -> Result<Arc<LogStore>, LogError> {
    let config = LogConfig { segment_bytes: 4096, max_message_bytes: 8192, ..LogConfig::default() };
    LogStore::builder(["/data"]).storage(Arc::clone(storage)).clock(clock()).config(config).threads(1).open()
}

fn read(log: &Log) {
    let (mut from, end) = (log.start_offset(), log.end_offset());
    // A directory may say that the log has billions of offsets, and hold damage in all of them.
    for _ in 0..64 {
        let mut batches = log.records(from);
        for batch in batches.by_ref() {
            let Ok(batch) = batch else { break };
            assert!(batch.view().check_crc().is_ok(), "a batch is served that was not written so");
            if let Ok(records) = batch.records() {
                records.iter().take_while(Result::is_ok).for_each(drop);
            }
        }
        from = batches.next_offset().max(from).next().unwrap_or(end);
        if from >= end {
            break;
        }
    }
    let one = ReadLimits { max_bytes: 1, ..ReadLimits::default() };
    let middle = log.start_offset().get() / 2 + end.get() / 2;
    let _ = log_engine::Offset::new(middle).map(|middle| log.read(middle, one).is_ok());
    let _ = log.offset_for_time(Timestamp::from_millis(1_700_000_000_000).expect("a time"));
    let _ = log.aborted_transactions(log.start_offset(), end);
}

fuzz_target!(|data: &[u8]| {
    let storage = directory(data);
    // A batch may open to sixteen times the largest message; everything else is in proportion to the files.
    bounded(data.len(), 16, 16 << 20, || {
        let Ok(store) = open(&storage) else { return };
        let mut appended = None;
        for (_, log) in store.logs() {
            read(&log);
            let end = log.end_offset();
            if let Ok(done) = log.append(&[NewRecord::value(b"after")]) {
                assert!(done.base_offset >= end);
                appended = Some(done.base_offset);
            }
        }
        drop(store);
        let Some(at) = appended else { return };
        let store = open(&storage).expect("it opened once");
        let (_, log) = store.logs().pop().expect("it was there");
        assert!(log.end_offset() > at, "what was appended is gone");
        let batch = log.records(at).next().expect("what was appended").expect("it is intact");
        let records = batch.records().expect("it is plain");
        let record = records.iter().last().expect("one").expect("sound");
        assert_eq!((record.offset, record.value), (at, Some(&b"after"[..])));
    });
});

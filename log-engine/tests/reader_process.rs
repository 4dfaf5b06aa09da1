//! A reader in one process beside a writer in another: real files, a real kill.
//!
//! The test starts its own program again as the writer; see `the_writer`.

#![allow(clippy::unwrap_used, reason = "tests")]

use log_engine::{Log, LogConfig, LogError, LogReader, NewRecord, Offset};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DIR: &str = "READER_PROCESS_DIR";
const LAST: i64 = 4_000;

fn config() -> LogConfig {
    LogConfig { segment_bytes: 16 * 1024, retention_bytes: Some(64 * 1024), ..LogConfig::default() }
}

fn record(offset: Offset) -> Vec<u8> {
    format!("record {offset} {}", "x".repeat(usize::try_from(offset.get() % 90).unwrap())).into_bytes()
}

/// The other process: appends, rolls, cuts and deletes until somebody ends it. As a test of its own it does nothing.
#[test]
fn the_writer() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let log = Log::open(dir, config()).unwrap();
    while log.end_offset().get() < LAST {
        let end = log.end_offset();
        log.append(&[NewRecord::value(&record(end))]).unwrap();
        match end.get() % 500 {
            100 => log.truncate(Offset::new(end.get() - 20).unwrap()).unwrap(),
            250 => drop(log.apply_retention(log_engine::Timestamp::default()).unwrap().segments),
            400 => std::thread::sleep(Duration::from_millis(2)),
            _ => {}
        }
        // A cut would be met again and again.
        if end.get() % 500 == 100 {
            for _ in 0..30 {
                log.append(&[NewRecord::value(&record(log.end_offset()))]).unwrap();
            }
        }
    }
    log.sync().unwrap();
    // Held open, with whatever an open log leaves behind its end.
    std::thread::sleep(Duration::from_secs(600));
}

struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        // As `kill -9` does it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path) -> Writer {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "the_writer", "--nocapture", "--test-threads=1"]).env(DIR, dir);
    Writer(command.stdout(Stdio::null()).spawn().unwrap())
}

fn open(dir: &Path, deadline: Instant) -> LogReader {
    loop {
        match LogReader::open(dir, &config()) {
            Ok(reader) => return reader,
            Err(LogError::Io { .. } | LogError::Directory { .. }) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn another_process_is_followed_to_its_end_and_past_its_death() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let writer = start(&dir);
    let deadline = Instant::now() + Duration::from_secs(120);
    let reader = open(&dir, deadline);
    let mut batches = reader.records(reader.start_offset());
    let mut given = 0;
    while batches.next_offset().get() < LAST {
        assert!(Instant::now() < deadline, "at {}", batches.next_offset());
        let next = batches.next_offset();
        match batches.next_within(Duration::from_millis(50)) {
            Ok(Some(batch)) => {
                let records = batch.records().unwrap();
                assert_eq!(records.get(next).unwrap().unwrap().value, Some(&record(next)[..]));
                given += 1;
            }
            Ok(None) => {}
            Err(LogError::OffsetOutOfRange { start, end, .. }) => {
                batches = reader.records(next.clamp(start, end));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(given > 0, "nothing was followed");
    assert!(matches!(Log::open(&dir, config()), Err(LogError::Locked { .. })), "the writer has it");
    drop(writer);
    let (start, end) = (reader.start_offset(), reader.end_offset());
    reader.refresh().unwrap();
    assert_eq!(reader.end_offset(), end, "what a kill leaves behind the end is not there");
    let log = Log::open(&dir, config()).unwrap();
    assert_eq!(log.end_offset(), end);
    let mut cursor = log.cursor(start);
    while let Some(found) = cursor.next().unwrap() {
        assert_eq!(found.value, Some(&record(found.offset)[..]));
    }
}

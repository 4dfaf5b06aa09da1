//! One behaviour a test, on memory; then a model; then every cut and every flipped bit.

mod appending;
mod compacting;
mod crashes;
mod doubt;
mod faults;
mod following;
mod found;
mod lookups;
mod missing;
mod model;
mod mutations;
mod opening;
mod power_cuts;
mod races;
mod reader;
mod reading;
mod retention;
mod shared;
mod shortened;
mod snapshots;
mod syncing;
mod transactions;
mod verifying;
mod windows;

use super::*;
use crate::format::batch::ProducerStamp;
use crate::format::build::{BatchBuilder, NewRecord};
use crate::io::{ManualClock, MemStorage};
use crate::types::{ProducerEpoch, ProducerId, Sequence};
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;
const DIR: &str = "/logs/t-0";

/// A disk, a clock and settings; a log can be opened on them again and again.
struct Bench {
    storage: Arc<MemStorage>,
    clock: Arc<ManualClock>,
    config: LogConfig,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(time(NOW)));
        let storage = Arc::new(MemStorage::with_clock(Arc::clone(&clock) as Arc<dyn Clock>));
        let config = LogConfig { index_interval_bytes: 256, ..LogConfig::default() };
        Self { storage, clock, config }
    }

    /// Segments of about this many bytes.
    fn small(segment_bytes: u32) -> Self {
        let mut bench = Self::new();
        bench.config.segment_bytes = segment_bytes;
        bench
    }

    fn builder(&self) -> LogBuilder {
        Log::builder(DIR)
            .config(self.config.clone())
            .storage(Arc::clone(&self.storage) as Arc<dyn Storage>)
            .clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    fn open(&self) -> Arc<Log> {
        self.builder().open().unwrap()
    }

    fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.storage.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    fn file(&self, name: &str) -> Vec<u8> {
        files::read_small(&*self.storage, &Path::new(DIR).join(name)).unwrap().unwrap()
    }

    /// Puts other bytes into a file, as a fault would.
    fn overwrite(&self, name: &str, bytes: &[u8]) {
        let file = self.storage.open(&Path::new(DIR).join(name), crate::io::OpenMode::ReadWrite).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        file.write_all_at(&[bytes], 0).unwrap();
    }

    fn remove(&self, name: &str) {
        self.storage.remove_file(&Path::new(DIR).join(name)).unwrap();
    }
}

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn log_name(base: i64) -> String {
    format!("{base:020}.log")
}

/// Appends one record whose value is its number and some bytes.
fn append(log: &Log, number: i64) -> Appended {
    log.append(&[NewRecord::value(value(number).as_bytes())]).unwrap()
}

fn fill(log: &Log, numbers: std::ops::Range<i64>) {
    for number in numbers {
        append(log, number);
    }
}

fn value(number: i64) -> String {
    format!("value-{number:04}-{}", "x".repeat(usize::try_from(number % 7).unwrap() * 5))
}

/// Every record from an offset on: offset and value. Stops at the first error, which is returned too.
fn dump_from(log: &Log, from: Offset) -> (Vec<(i64, String)>, Option<LogError>) {
    let mut records = Vec::new();
    for batch in log.records(from) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return (records, Some(error)),
        };
        if batch.is_control() {
            continue;
        }
        for record in &batch.records().unwrap() {
            let record = record.unwrap();
            if record.offset >= from {
                let text = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
                records.push((record.offset.get(), text));
            }
        }
    }
    (records, None)
}

fn dump(log: &Log) -> Vec<(i64, String)> {
    let (records, error) = dump_from(log, log.start_offset());
    assert!(error.is_none(), "{error:?}");
    records
}

fn numbered(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|n| (n, value(n))).collect()
}

/// A batch of an idempotent producer: `records` records from sequence `first` on.
fn idempotent(id: i64, epoch: i16, first: i32, records: u32, transactional: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new()
        .producer(ProducerStamp {
            id: ProducerId::new(id).unwrap(),
            epoch: ProducerEpoch::new(epoch).unwrap(),
            base_sequence: Sequence::new(first),
        })
        .transactional(transactional);
    for n in 0..records {
        builder.push(&NewRecord::value(format!("{id}/{first}+{n}").as_bytes()).at(time(NOW)));
    }
    builder.finish().unwrap()
}

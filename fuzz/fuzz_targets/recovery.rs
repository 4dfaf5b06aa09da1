//! Does a log keep its promises whatever is done with it, wherever the power fails, and whatever part of the unsynced
//! reaches the disk?
//!
//! The input: the call at which the power fails, what survives it, the settings; then a list of operations. They are done
//! beside a model; then the disk is opened as the cut has left it, and the rest of the operations follow on that.
#![no_main]

use corrente_fuzz::{Numbers, bounded};
use libfuzzer_sys::fuzz_target;
use log_engine::io::{Clock, CrashStorage, Fault, FaultStorage, ManualClock, Storage, Survivors};
use log_engine::{Log, LogConfig, LogError, NewRecord, Offset, Timestamp};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

fn offset(raw: i64) -> Offset {
    Offset::new(raw).expect("not negative")
}

#[derive(Default)]
struct Model {
    accepted: BTreeMap<i64, Vec<u8>>,
    tried: BTreeMap<i64, Vec<Vec<u8>>>,
    synced: i64,
    start: (i64, i64),
    number: u32,
}

impl Model {
    fn append(&mut self, log: &Log, size: u8, synced: bool) {
        self.number += 1;
        let mut value = self.number.to_be_bytes().to_vec();
        value.resize(4 + usize::from(size), size);
        let at = log.end_offset().get();
        match log.append(&[NewRecord::value(&value)]) {
            Ok(done) => {
                assert_eq!(done.base_offset.get(), at);
                self.accepted.insert(at, value);
                self.tried.remove(&at);
                if synced {
                    self.sync(log);
                }
            }
            Err(_) => self.tried.entry(at).or_default().push(value),
        }
    }

    fn sync(&mut self, log: &Log) {
        if let Ok(end) = log.sync() {
            self.synced = self.synced.max(end.get());
        }
    }

    fn delete_before(&mut self, log: &Log, part: u8) {
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        let outcome = log.delete_records_before(offset(start + (end - start) * i64::from(part) / 255));
        self.start.1 = self.start.1.max(log.start_offset().get());
        if let Ok(start) = outcome {
            self.start.0 = start.get();
        }
    }

    fn retain(&mut self, log: &Log, now: Timestamp) {
        let outcome = log.apply_retention(now);
        self.start.1 = self.start.1.max(log.start_offset().get());
        if let Some(report) = outcome.ok().filter(|report| report.segments > 0) {
            self.start.0 = report.log_start.get();
        }
    }

    fn truncate(&mut self, log: &Log, part: u8) {
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        let to = start + (end - start) * i64::from(part) / 255;
        self.synced = self.synced.min(to);
        if log.truncate(offset(to)).is_ok() {
            self.accepted.split_off(&to);
            self.tried.clear();
        }
    }

    fn check(&mut self, log: &Log, killed: bool) {
        assert_eq!(log.damage(), []);
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        assert!((self.start.0..=self.start.1).contains(&start), "start {start}, {:?}", self.start);
        assert!(end >= self.synced, "ends at {end}, synced to {}", self.synced);
        let mut found = BTreeMap::new();
        for batch in log.records(offset(start)) {
            let batch = batch.expect("nothing is damaged");
            for record in &batch.records().expect("plain") {
                let record = record.expect("sound");
                let (at, value) = (record.offset.get(), record.value.unwrap_or_default().to_vec());
                let known = self.accepted.get(&at) == Some(&value);
                let tried = self.tried.get(&at).is_some_and(|tried| tried.contains(&value));
                assert!(known || tried, "nobody wrote what is at {at}");
                found.insert(at, value);
            }
        }
        assert!(found.keys().copied().eq(start..end), "{start}..{end}: {:?}", found.keys());
        if killed {
            let last = self.accepted.keys().next_back().copied();
            assert!(last.is_none_or(|last| last < end), "killed, ends at {end}, accepted {last:?}");
        }
        *self = Self {
            accepted: found,
            synced: end,
            start: (start, start),
            number: self.number,
            ..Self::default()
        };
    }
}

struct Machine {
    clock: Arc<ManualClock>,
    config: LogConfig,
}

impl Machine {
    fn open(&self, storage: &Arc<dyn Storage>) -> Result<Arc<Log>, LogError> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Log::builder("/log").config(self.config.clone()).storage(Arc::clone(storage)).clock(clock).open()
    }

    /// Does operations until they, or the disk, are at their end.
    fn run(
        &self,
        storage: &Arc<dyn Storage>,
        model: &mut Model,
        numbers: &mut Numbers<'_>,
        failed: &dyn Fn() -> bool,
    ) {
        let Ok(mut log) = self.open(storage) else { return };
        model.start.1 = model.start.1.max(log.start_offset().get());
        // Short lists: what takes forty operations to go wrong is found by the campaign, and an execution is to cost little.
        for _ in 0..40 {
            if numbers.is_empty() || failed() {
                return;
            }
            let (operation, size) = (numbers.byte(), numbers.byte());
            match operation % 12 {
                0..=3 => model.append(&log, size, false),
                4 => model.append(&log, size, true),
                5 => model.sync(&log),
                6 => {
                    self.clock.advance(Duration::from_millis(u64::from(size) * 20));
                    let _ = log.sync_if_due();
                    let _ = log.remove_deleted();
                }
                7 => model.delete_before(&log, size),
                8 => model.retain(&log, self.clock.now()),
                9 => model.truncate(&log, size),
                kind => {
                    if kind == 10 {
                        let _ = log.close();
                    }
                    drop(log);
                    let Ok(again) = self.open(storage) else { return };
                    log = again;
                    // The disk may have stopped in the middle of a cut.
                    if !failed() {
                        model.check(&log, true);
                    }
                }
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut numbers = Numbers(data);
    let (call, seed, settings) = (numbers.short() % 384, numbers.short(), numbers.byte());
    let config = LogConfig {
        segment_bytes: 300 + u32::from(settings & 7) * 200,
        index_interval_bytes: 128,
        retention_bytes: (settings & 8 != 0).then_some(1000),
        file_delete_delay_ms: 1000,
        flush_messages: (settings & 16 != 0).then_some(3),
        ..LogConfig::default()
    };
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000).expect("a time")));
    let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
    disk.allow_windows(settings & 32 != 0);
    let machine = Machine { clock, config };
    bounded(data.len(), 64, 16 << 20, || {
        let mut model = Model::default();
        let faulty =
            FaultStorage::new(Arc::new(disk.clone()), Fault::at(u64::from(call), ErrorKind::Other).lasting());
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        machine.run(&storage, &mut model, &mut numbers, &|| faulty.has_failed());
        drop(storage);
        let survivors = match seed {
            0 => Survivors::Nothing,
            1 => Survivors::Everything,
            seed => Survivors::Some(u64::from(seed)),
        };
        let cut: Arc<dyn Storage> = Arc::new(disk.power_cut(survivors));
        let log = machine.open(&cut).expect("a disk that lost its power");
        model.check(&log, false);
        drop(log);
        machine.run(&cut, &mut model, &mut numbers, &|| false);
    });
});

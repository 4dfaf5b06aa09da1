//! A log that is compacted, copied and repaired, on disks that fail at a call or lose their power.
//!
//! What may be missing is what compaction may drop, a record with a newer one of its key that is there, and the one batch that
//! the script damages before it repairs it.

use crate::disks::{Outcome, WAYS};
use crate::model::{offset, overwrite, read_file};
use crate::script;
use log_engine::config::CleanupPolicy;
use log_engine::format::batch::{BatchView, batch_len};
use log_engine::inspect::CheckOptions;
use log_engine::io::{Clock, CrashStorage, Fault, FaultStorage, ManualClock, OpenMode, Storage, Survivors};
use log_engine::{CorruptReason, Log, LogConfig, LogError, NewRecord, repair};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const KEYED: &str = "/data/keyed-0";

type Pair = (String, Option<String>);

fn config() -> LogConfig {
    LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        index_interval_bytes: 128,
        segment_bytes: 400,
        ..LogConfig::default()
    }
}

/// What was written, and what must be there.
#[derive(Clone, Debug, Default)]
struct Model {
    accepted: BTreeMap<i64, Pair>,
    tried: BTreeMap<i64, Vec<Pair>>,
    synced: i64,
    kept: i64,
    /// The offsets of the batch that was damaged, and whether a repair has said that it is done.
    hurt: Option<Range<i64>>,
    repaired: bool,
    /// Finished copies, and where they end.
    copies: Vec<(PathBuf, i64)>,
}

/// A run of the script.
struct Keyed {
    disk: CrashStorage,
    storage: Arc<dyn Storage>,
    clock: Arc<ManualClock>,
    log: Option<Arc<Log>>,
    model: Model,
    number: u32,
}

fn open(storage: &Arc<dyn Storage>, clock: &Arc<ManualClock>, dir: &Path) -> Result<Arc<Log>, LogError> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Log::builder(dir).config(config()).storage(Arc::clone(storage)).clock(clock).lock(false).open()
}

impl Keyed {
    fn start(&mut self) {
        self.log = open(&self.storage, &self.clock, Path::new(KEYED)).ok();
    }

    fn put(&mut self, count: u32) {
        let Some(log) = self.log.clone() else { return };
        for _ in 0..count {
            self.number += 1;
            let (key, value) = (format!("key {}", self.number * 7 % 5), format!("value {:04}", self.number));
            let value = (!self.number.is_multiple_of(6)).then_some(value);
            let record = match &value {
                Some(value) => NewRecord::keyed(key.as_bytes(), value.as_bytes()),
                None => NewRecord::tombstone(key.as_bytes()),
            };
            let at = log.end_offset().get();
            match log.append(&[record]) {
                Ok(_) => {
                    self.model.accepted.insert(at, (key, value));
                    self.model.kept = log.end_offset().get();
                }
                Err(_) => self.model.tried.entry(at).or_default().push((key, value)),
            }
        }
    }

    fn sync(&mut self) {
        if let Some(Ok(end)) = self.log.as_ref().map(|log| log.sync()) {
            self.model.synced = self.model.synced.max(end.get());
        }
    }

    fn compact(&mut self) {
        if let Some(log) = &self.log {
            let _ = log.compact(self.clock.now());
        }
    }

    fn copy(&mut self, name: &str) {
        let Some(log) = &self.log else { return };
        let to = Path::new("/data").join(name);
        if let Ok(made) = log.snapshot(&to) {
            self.model.copies.push((to, made.end.get()));
            self.model.synced = self.model.synced.max(made.end.get());
        }
    }

    /// Flips a bit of what was synced, in the value of a batch of the last full segment, and repairs the log.
    fn hurt_and_repair(&mut self) {
        let Some(log) = self.log.take() else { return };
        let segments = log.segment_offsets();
        if log.close().is_err() || log.is_poisoned() || segments.len() < 3 {
            return;
        }
        self.model.synced = self.model.kept;
        let path = Path::new(KEYED).join(format!("{:020}.log", segments[segments.len() - 2].0.get()));
        let mut bytes = read_file(&self.disk, &path);
        let Some(len) = batch_len(&bytes).filter(|len| *len > 0 && *len <= bytes.len()) else { return };
        let view = BatchView::parse(&bytes[..len]).unwrap();
        self.model.hurt = Some(view.base_offset().get()..view.next_offset().get());
        bytes[len - 1] ^= 4;
        overwrite(&self.disk, &path, &bytes);
        self.disk.open(&path, OpenMode::ReadWrite).unwrap().sync_data().unwrap();
        let options = CheckOptions { compacted: true, now: self.clock.now(), ..CheckOptions::default() };
        self.model.repaired = repair::repair(&self.storage, Path::new(KEYED), &options).is_ok();
    }

    fn script(&mut self) {
        self.start();
        self.put(16);
        self.sync();
        self.copy("copy-0");
        self.put(9);
        self.compact();
        self.put(3);
        self.log = None;
        self.start();
        self.compact();
        self.put(8);
        self.copy("copy-1");
        self.put(12);
        self.sync();
        self.compact();
        self.put(14);
        self.hurt_and_repair();
        self.start();
        self.put(8);
        self.sync();
        self.compact();
        self.put(1);
    }
}

fn run_with(fault: Fault, windows: bool) -> (Keyed, u64) {
    let clock = script::clock();
    let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
    disk.allow_windows(windows);
    let faulty = FaultStorage::new(Arc::new(disk.clone()), fault);
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    let mut run = Keyed { disk, storage, clock, log: None, model: Model::default(), number: 0 };
    run.script();
    run.log = None;
    (run, faulty.calls())
}

impl Model {
    /// Everything that a log serves, with holes only where it was hurt.
    fn read(&self, log: &Log) -> BTreeMap<i64, Pair> {
        let mut found = BTreeMap::new();
        let (mut at, end) = (log.start_offset(), log.end_offset());
        while at < end {
            let mut batches = log.records(at);
            let mut failed = None;
            for batch in batches.by_ref() {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                for record in &batch.records().unwrap() {
                    let record = record.unwrap();
                    let text =
                        |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    let pair = (text(record.key).unwrap_or_default(), text(record.value));
                    found.insert(record.offset.get(), pair);
                }
            }
            at = at.max(batches.next_offset());
            match failed {
                None => break,
                Some(LogError::Corrupt { reason: CorruptReason::Hole { from, to, .. }, .. }) => {
                    let hole = from.get()..to.get();
                    assert!(self.hurt.as_ref().is_some_and(|hurt| !self.repaired && is_within(&hole, hurt)));
                    at = to;
                }
                Some(other) => panic!("at {at}: {other}"),
            }
        }
        found
    }

    fn check(&self, log: &Log, must: i64) {
        assert!(log.end_offset().get() >= must, "ends at {}, {must} were promised", log.end_offset());
        let found = self.read(log);
        for (at, pair) in &found {
            let tried = self.tried.get(at).is_some_and(|tried| tried.contains(pair));
            assert!(tried || self.accepted.get(at) == Some(pair), "nobody wrote {pair:?} at {at}");
        }
        let hurt = |at: &i64| self.hurt.as_ref().is_some_and(|hurt| hurt.contains(at));
        for (at, (key, _)) in self.accepted.range(..must).filter(|(at, _)| !hurt(at)) {
            let newer = found.range(at + 1..).any(|(_, pair)| pair.0 == *key)
                || self.accepted.iter().any(|(other, pair)| other > at && hurt(other) && pair.0 == *key);
            assert!(found.contains_key(at) || newer, "the last record of {key} at {at} is gone");
        }
        let named = log.damage().into_iter().map(|damage| damage.offsets);
        let named: Vec<_> = named.map(|offsets| offsets.start.get()..offsets.end.get()).collect();
        let allowed = |range| !self.repaired && self.hurt.as_ref().is_some_and(|hurt| is_within(range, hurt));
        assert!(named.iter().all(allowed), "{named:?}, hurt {:?}", self.hurt);
        let end = log.end_offset();
        log.append(&[NewRecord::keyed(b"key", b"afterwards")]).unwrap();
        assert!(log.get(end).unwrap().is_some(), "what was appended cannot be read");
    }
}

/// A hole in a log with gaps reaches over them, to where the log goes on.
fn is_within(hole: &Range<i64>, hurt: &Range<i64>) -> bool {
    hole.start <= hurt.start
        && hurt.end <= hole.end
        && hurt.start - hole.start < 20
        && hole.end - hurt.end < 20
}

impl Keyed {
    fn check(&self, survivors: Survivors) {
        let disk = self.disk.power_cut(survivors);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let must = if survivors == Survivors::Everything { self.model.kept } else { self.model.synced };
        let log = open(&storage, &self.clock, Path::new(KEYED)).unwrap();
        self.model.check(&log, must);
        assert!(log.start_offset() == offset(0));
        drop(log);
        for (copy, end) in &self.model.copies {
            // What was repaired is the log, and the copy shares the file that was hurt.
            let model = Model { repaired: false, ..self.model.clone() };
            model.check(&open(&storage, &self.clock, copy).unwrap(), *end);
        }
        let log = open(&storage, &self.clock, Path::new(KEYED)).expect("it opened once, and does not again");
        let _ = log.compact(self.clock.now());
        assert!(!log.is_poisoned());
    }
}

fn count_calls(windows: bool) -> u64 {
    let (run, calls) = run_with(Fault::never(), windows);
    let model = &run.model;
    assert!(
        model.copies.len() == 2 && model.hurt.is_some() && model.repaired,
        "the script did little: {model:?}"
    );
    let storage: Arc<dyn Storage> = Arc::new(run.disk.power_cut(Survivors::Nothing));
    let log = open(&storage, &run.clock, Path::new(KEYED)).unwrap();
    assert!(model.read(&log).len() + 10 < model.accepted.len(), "nothing was compacted");
    calls
}

/// Every `stride`-th call that changes the disk fails, in every way.
pub fn failing_calls(stride: u64, windows: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for call in (0..count_calls(windows)).step_by(usize::try_from(stride).unwrap()) {
        for (way, kind, lasting, short) in WAYS {
            let mut fault = Fault::at(call, kind);
            fault = if lasting { fault.lasting() } else { fault };
            fault = if short { fault.short_writes() } else { fault };
            outcome.tried(
                || format!("keyed, call {call} {way}, windows {windows}"),
                || {
                    let (run, _) = run_with(fault, windows);
                    for survivors in [Survivors::Everything, Survivors::Nothing, Survivors::Some(call)] {
                        run.check(survivors);
                    }
                },
            );
            if outcome.is_over() {
                return outcome;
            }
        }
    }
    outcome
}

/// The power fails at every `stride`-th call, and leaves `states` different disks each time.
pub fn power_cuts(stride: u64, states: u64, windows: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for call in (0..count_calls(windows)).step_by(usize::try_from(stride).unwrap()) {
        let (run, _) = run_with(Fault::at(call, ErrorKind::Other).lasting(), windows);
        let fixed = [Survivors::Everything, Survivors::Nothing].into_iter();
        for survivors in fixed.chain((2..states).map(|n| Survivors::Some(call * states + n))) {
            outcome.tried(|| format!("keyed, power cut at {call}, {survivors:?}"), || run.check(survivors));
            if outcome.is_over() {
                return outcome;
            }
        }
    }
    outcome
}

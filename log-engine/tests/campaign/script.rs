//! Everything that a log does, step by step, on any storage. Errors are taken as they come.

use crate::model::{self, CLEAN, Entry, Model, NOW, State, name, offset, open_store, time};
use crate::shapes::{self, Shape};
use log_engine::format::batch::TimestampType;
use log_engine::io::{ManualClock, MemStorage, Storage};
use log_engine::{Log, LogConfig, LogError, LogStore, Origin};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A store with one log, and what is known of it.
pub struct Runner {
    pub storage: Arc<dyn Storage>,
    pub clock: Arc<ManualClock>,
    pub config: LogConfig,
    pub model: Model,
    pub number: u64,
    pub open: Option<(Arc<LogStore>, Arc<Log>)>,
    /// Looked at after each append: how much of it is used.
    pub on_step: Option<MemStorage>,
    pub most: u64,
    /// Whether a sync has failed for good: what was accepted and not synced is lost then, and the next start must say so.
    pub lost: Option<Box<dyn Fn() -> bool>>,
    /// What is said when something differs.
    pub what: String,
}

impl Runner {
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<ManualClock>, config: LogConfig) -> Self {
        let (model, what) = (Model::default(), String::new());
        Self {
            storage,
            clock,
            config,
            model,
            number: 0,
            open: None,
            what,
            on_step: None,
            most: 0,
            lost: None,
        }
    }

    pub fn log(&self) -> Option<Arc<Log>> {
        self.open.as_ref().map(|(_, log)| Arc::clone(log))
    }

    /// Opens the store, makes the log if there is none, and checks what is there.
    pub fn start(&mut self) {
        let marked_clean = self.storage.exists(Path::new(CLEAN)).unwrap_or(false);
        let lost = self.lost.take_if(|lost| lost()).is_some();
        let state = State { killed: !lost, marked_clean };
        let Ok(store) = open_store(&self.storage, &self.clock, &self.config) else { return };
        let log = match store.get(&name()) {
            Some(log) => log,
            None => match store.create(&name(), &self.config) {
                Ok(log) => log,
                Err(_) => return,
            },
        };
        let what = self.what.clone();
        self.model.check(&log, state, &|| what.clone());
        self.open = Some((store, log));
    }

    pub fn kill(&mut self) {
        self.open = None;
    }

    pub fn close(&mut self) {
        if let Some((store, _)) = self.open.take() {
            let _ = store.close();
        }
    }

    pub fn append(&mut self, shape: Shape) -> bool {
        self.append_then(shape, |_| Ok(()))
    }

    fn append_then(&mut self, shape: Shape, then: impl FnOnce(&Log) -> Result<(), LogError>) -> bool {
        let Some(log) = self.log() else { return false };
        let shape = match shape {
            Shape::Idempotent(_) => Shape::Idempotent(self.model.next_sequence(false)),
            Shape::Transactional(_) => Shape::Transactional(self.model.next_sequence(true)),
            other => other,
        };
        self.number += 1;
        let now = NOW + i64::try_from(self.number).unwrap() * 10;
        let sent = Arc::new(shapes::build(shape, self.number, now));
        let origin = if shape.is_marker() { Origin::Coordinator } else { Origin::Client };
        let at = log.end_offset().get();
        let entry = |next| Entry { next, shape, sent: Arc::clone(&sent) };
        let appended = log.append_batch(&sent, origin);
        match &appended {
            Ok(appended) => {
                assert_eq!((appended.base_offset.get(), appended.duplicate), (at, false), "{}", self.what);
                self.model.accepted.insert(at, entry(log.end_offset().get()));
                self.model.kept_end = log.end_offset().get();
                self.model.tried.remove(&at);
            }
            // It was written, and what came after it failed: it is accepted or not, but it is not another's.
            Err(_) if log.end_offset().get() > at => {
                self.model.accepted.insert(at, entry(log.end_offset().get()));
            }
            Err(_) => self.model.tried.entry(at).or_default().push(entry(at + 1)),
        }
        let outcome = appended.is_ok() && then(&log).is_ok();
        self.most = self.most.max(self.on_step.as_ref().map_or(0, MemStorage::used));
        outcome
    }

    pub fn synced(&mut self, shape: Shape) {
        if self.append_then(shape, |log| log.sync().map(drop)) {
            self.note_synced();
        }
    }

    fn note_synced(&mut self) {
        if let Some(log) = self.log() {
            self.model.synced_end = self.model.synced_end.max(log.end_offset().get());
        }
    }

    pub fn sync(&mut self) {
        if self.log().is_some_and(|log| log.sync().is_ok()) {
            self.note_synced();
        }
    }

    /// Time passes; the store does what is due.
    pub fn tick(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        let Some((store, log)) = &self.open else { return };
        store.maintain(store.clock().now());
        self.model.start_max = self.model.start_max.max(log.start_offset().get());
    }

    pub fn retain(&mut self) {
        let Some(log) = self.log() else { return };
        let outcome = log.apply_retention(self.clock_now());
        self.model.start_max = self.model.start_max.max(log.start_offset().get());
        if let Some(report) = outcome.ok().filter(|report| report.segments > 0) {
            self.model.start_min = report.log_start.get();
        }
    }

    fn clock_now(&self) -> log_engine::Timestamp {
        use log_engine::io::Clock;
        self.clock.now()
    }

    /// Deletes what lies below the batch number `batch` of those that are there.
    pub fn delete_before(&mut self, batch: usize) {
        let Some(log) = self.log() else { return };
        let start = log.start_offset().get();
        let Some(to) = self.model.accepted.keys().filter(|base| **base >= start).nth(batch).copied() else {
            return;
        };
        let outcome = log.delete_records_before(offset(to));
        self.model.start_max = self.model.start_max.max(log.start_offset().get());
        if let Ok(start) = outcome {
            self.model.start_min = start.get();
        }
    }

    /// Cuts off the last `batches` of those that are there.
    pub fn truncate(&mut self, batches: usize) {
        let Some(log) = self.log() else { return };
        let Some(to) = self.model.accepted.keys().rev().nth(batches - 1).copied() else { return };
        if to < log.start_offset().get() {
            return;
        }
        self.model.synced_end = self.model.synced_end.min(to);
        self.model.kept_end = self.model.kept_end.min(to);
        if log.truncate(offset(to)).is_ok() {
            self.model.accepted.split_off(&to);
            self.model.tried.clear();
        }
    }

    pub fn checkpoint(&self) {
        if let Some((store, _)) = &self.open {
            let _ = store.checkpoint();
        }
    }

    fn plain(&mut self, count: usize) {
        for _ in 0..count {
            self.append(Shape::Plain);
        }
    }
}

/// Small segments, so that a short script fills several.
pub fn config() -> LogConfig {
    LogConfig {
        index_interval_bytes: 256,
        segment_bytes: 1500,
        retention_ms: Some(100_000),
        file_delete_delay_ms: 3_000,
        ..LogConfig::default()
    }
}

/// The lives of a log; between two of them the process is killed or has stopped in order. `on` is asked before each.
pub fn run(runner: &mut Runner, on: &dyn Fn() -> bool) {
    for life in [first, second, third, fourth] {
        if !on() {
            return;
        }
        runner.start();
        life(runner);
    }
}

fn first(r: &mut Runner) {
    r.plain(1);
    r.synced(Shape::Plain);
    r.tick(1_000);
    for shape in shapes::ALL.into_iter().filter(|shape| *shape != Shape::Large) {
        r.append(shape);
    }
    r.sync();
    r.tick(1_000);
    r.plain(8);
    r.delete_before(3);
    r.append(Shape::Idempotent(0));
    r.synced(Shape::Plain);
    r.plain(2);
    r.retain();
    r.kill();
}

fn second(r: &mut Runner) {
    r.plain(20);
    r.synced(Shape::Headers);
    // Across segments, and with batches of the same sizes afterwards, whose offsets were others' once.
    r.truncate(16);
    r.plain(12);
    r.synced(Shape::Plain);
    r.plain(2);
    r.tick(6_000);
    r.append(Shape::Transactional(0));
    r.plain(3);
    r.close();
}

fn third(r: &mut Runner) {
    r.append(Shape::Marker { commit: false });
    r.delete_before(12);
    r.retain();
    r.plain(3);
    r.tick(4_000);
    r.truncate(2);
    r.config.timestamp_type = TimestampType::LogAppendTime;
    if let Some(log) = r.log() {
        let _ = log.set_config(r.config.clone());
    }
    r.append(Shape::Idempotent(0));
    r.synced(Shape::Nulls);
    r.plain(10);
    r.checkpoint();
    r.tick(200_000);
    r.retain();
    r.plain(2);
    r.kill();
}

fn fourth(r: &mut Runner) {
    r.plain(2);
    r.sync();
    r.plain(1);
    r.close();
}

/// The clock of a run.
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(time(model::NOW)))
}

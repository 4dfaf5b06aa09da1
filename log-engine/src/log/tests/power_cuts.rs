//! A script on a disk that loses its power at every call, with many subsets of what was not synced.
//!
//! Whatever is left: all synced records are there, in order, nothing is invented, and what is lost is a suffix.

use super::*;
use crate::format::build::control_marker;
use crate::io::{CrashStorage, Fault, FaultStorage, Survivors};
use std::collections::BTreeMap;
use std::io::ErrorKind;

const MARKER: &str = "abort";

/// A machine whose disk can be cut off.
#[derive(Clone)]
struct Machine {
    disk: CrashStorage,
    clock: Arc<ManualClock>,
    config: LogConfig,
}

impl Machine {
    /// With or without windows for small appends.
    fn new(windows: bool) -> Self {
        let clock = Arc::new(ManualClock::at(time(NOW)));
        let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
        disk.allow_windows(windows);
        let config = LogConfig {
            index_interval_bytes: 256,
            segment_bytes: 700,
            retention_ms: Some(10_000),
            file_delete_delay_ms: 1_000,
            ..LogConfig::default()
        };
        Self { disk, clock, config }
    }

    fn open_on(&self, storage: Arc<dyn Storage>) -> Result<Arc<Log>> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Log::builder(DIR).config(self.config.clone()).storage(storage).clock(clock).open()
    }

    fn open(&self) -> Result<Arc<Log>> {
        self.open_on(Arc::new(self.disk.clone()))
    }

    fn cut(&self, survivors: Survivors) -> Self {
        Self { disk: self.disk.power_cut(survivors), ..self.clone() }
    }
}

/// What may be found after a crash.
#[derive(Clone, Debug, Default)]
struct Model {
    accepted: BTreeMap<i64, String>,
    /// Refused with an error that leaves open whether they are there.
    tried: BTreeMap<i64, Vec<String>>,
    synced_end: i64,
    start_min: i64,
    start_max: i64,
}

impl Model {
    fn append(&mut self, log: &Log, text: &str, call: impl FnOnce(&Log) -> Result<Appended>) -> bool {
        let at = log.end_offset().get();
        let outcome = call(log);
        match &outcome {
            Ok(appended) => {
                assert_eq!((appended.base_offset.get(), appended.duplicate), (at, false));
                self.accepted.insert(at, text.to_owned());
                self.tried.remove(&at);
            }
            Err(_) => self.tried.entry(at).or_default().push(text.to_owned()),
        }
        outcome.is_ok()
    }

    fn plain(&mut self, log: &Log, number: i64) {
        let text = value(number);
        self.append(log, &text, |log| log.append(&[NewRecord::value(text.as_bytes())]));
    }

    fn synced(&mut self, log: &Log, number: i64) {
        let text = value(number);
        if self.append(log, &text, |log| log.append_synced(&[NewRecord::value(text.as_bytes())])) {
            self.synced_end = log.end_offset().get();
        }
    }

    fn idempotent(&mut self, log: &Log, id: i64, sequence: i32, transactional: bool) {
        let batch = idempotent(id, 0, sequence, 1, transactional);
        self.append(log, &format!("{id}/{sequence}+0"), |log| log.append_batch(&batch, Origin::Client));
    }

    fn abort(&mut self, log: &Log, id: i64) {
        let (id, epoch) = (ProducerId::new(id).unwrap(), ProducerEpoch::new(0).unwrap());
        let marker = control_marker(id, epoch, false, 0, time(NOW));
        self.append(log, MARKER, |log| log.append_batch(&marker, Origin::Coordinator));
    }

    fn sync(&mut self, log: &Log) {
        if let Ok(end) = log.sync() {
            self.synced_end = self.synced_end.max(end.get());
        }
    }

    fn moved_start(&mut self, log: &Log, outcome: &Result<Offset>) {
        self.start_max = self.start_max.max(log.start_offset().get());
        if let Ok(start) = outcome {
            self.start_min = start.get();
        }
    }

    fn truncate(&mut self, log: &Log, to: i64) {
        self.synced_end = self.synced_end.min(to);
        if log.truncate(offset(to)).is_ok() {
            self.accepted.split_off(&to);
            self.tried.clear();
        }
    }

    /// Holds a log that was opened after a crash against this, and takes on what is there.
    fn check(&mut self, log: &Log, what: &str) {
        assert_eq!(log.damage(), [], "{what}");
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        assert!(
            (self.start_min..=self.start_max).contains(&start),
            "{what}: start {start}, {} to {} are possible",
            self.start_min,
            self.start_max
        );
        assert!(end >= self.synced_end, "{what}: end {end}, synced to {}", self.synced_end);
        let found = dump_all(log);
        let offsets: Vec<i64> = found.keys().copied().collect();
        assert_eq!(offsets, (start..end).collect::<Vec<_>>(), "{what}");
        for (at, text) in &found {
            let known = self.accepted.get(at).is_some_and(|accepted| accepted == text);
            let tried = self.tried.get(at).is_some_and(|tried| tried.contains(text));
            assert!(known || tried, "{what}: {at} is {text}, not {:?}", self.accepted.get(at));
        }
        check_transactions(log, &found, what);
        check_producer(log, &found, what);
        *self =
            Self { accepted: found, synced_end: end, start_min: start, start_max: start, ..Self::default() };
    }
}

/// Every record from the log start on, markers included.
fn dump_all(log: &Log) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    for batch in log.records(log.start_offset()) {
        let batch = batch.unwrap();
        for record in &batch.records().unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap_or_default().to_vec());
            let text = if batch.is_control() { MARKER.to_owned() } else { value.unwrap() };
            found.insert(record.offset.get(), text);
        }
    }
    found
}

/// Readers of committed records never see what was aborted, or may be.
fn check_transactions(log: &Log, found: &BTreeMap<i64, String>, what: &str) {
    let (start, end) = (log.start_offset(), log.end_offset());
    let aborted = log.aborted_transactions(start, end).unwrap();
    for (at, _) in found.iter().filter(|(_, text)| text.starts_with("9/")) {
        let open = log.last_stable_offset().get() <= *at;
        let listed = aborted.iter().any(|txn| (txn.first.get()..=txn.last.get()).contains(at));
        assert!(open || listed, "{what}: {at} was aborted, {aborted:?}");
    }
}

/// A client that repeats its last batch is told where it is.
fn check_producer(log: &Log, found: &BTreeMap<i64, String>, what: &str) {
    let sequence = |text: &str| text.strip_prefix("7/")?.strip_suffix("+0")?.parse().ok();
    let last = found.iter().rev().find_map(|(at, text)| Some((*at, sequence(text)?)));
    let Some((at, sequence)) = last else { return };
    let again = log.append_batch(&idempotent(7, 0, sequence, 1, false), Origin::Client);
    let again = again.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((again.duplicate, again.base_offset.get()), (true, at), "{what}");
}

/// Everything that a log does, in about two hundred calls that change the disk. Errors are taken as they come.
fn script(machine: &Machine, storage: &Arc<dyn Storage>, model: &mut Model, what: &str) {
    if let Ok(log) = machine.open_on(Arc::clone(storage)) {
        first_life(machine, &log, model);
        // Dropped: the process is killed.
    }
    if let Ok(log) = machine.open_on(Arc::clone(storage)) {
        model.check(&log, what);
        second_life(machine, &log, model);
        let _ = log.close();
    }
    if let Ok(log) = machine.open_on(Arc::clone(storage)) {
        model.check(&log, what);
        (40..43).for_each(|n| model.plain(&log, n));
        model.sync(&log);
        model.plain(&log, 43);
    }
}

fn first_life(machine: &Machine, log: &Log, model: &mut Model) {
    model.plain(log, 0);
    model.synced(log, 1);
    machine.clock.advance(Duration::from_secs(1));
    let _ = log.sync_if_due();
    model.idempotent(log, 9, 0, true);
    model.idempotent(log, 7, 0, false);
    model.abort(log, 9);
    (5..14).for_each(|n| model.plain(log, n));
    model.sync(log);
    machine.clock.advance(Duration::from_secs(1));
    let _ = log.sync_if_due();
    let outcome = log.delete_records_before(offset(2));
    model.moved_start(log, &outcome);
    (14..18).for_each(|n| model.plain(log, n));
    model.idempotent(log, 7, 1, false);
    model.synced(log, 19);
    let outcome = log.delete_records_before(offset(9));
    model.moved_start(log, &outcome);
    let outcome = log.apply_retention(machine.clock.now()).map(|report| report.log_start);
    model.moved_start(log, &outcome);
    model.plain(log, 20);
    model.truncate(log, 18);
    model.plain(log, 21);
    model.synced(log, 22);
    model.plain(log, 23);
}

fn second_life(machine: &Machine, log: &Log, model: &mut Model) {
    machine.clock.advance(Duration::from_secs(3));
    let _ = log.remove_deleted();
    model.idempotent(log, 9, 1, true);
    (25..29).for_each(|n| model.plain(log, n));
    model.abort(log, 9);
    model.sync(log);
    (30..33).for_each(|n| model.plain(log, n));
    model.truncate(log, 28);
    machine.clock.advance(Duration::from_secs(20));
    let outcome = log.apply_retention(machine.clock.now()).map(|report| report.log_start);
    model.moved_start(log, &outcome);
    machine.clock.advance(Duration::from_secs(2));
    let _ = log.remove_deleted();
    (33..38).for_each(|n| model.plain(log, n));
    let _ = log.sync_if_due();
}

/// The script on a disk on which nothing happens any more from a call on; how many calls there were.
fn run(windows: bool, until: u64) -> (Machine, Model, u64) {
    run_with(windows, Fault::at(until, ErrorKind::Other).lasting())
}

fn run_with(windows: bool, fault: Fault) -> (Machine, Model, u64) {
    let machine = Machine::new(windows);
    let what = format!("{fault:?}");
    let faulty = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
    let mut model = Model::default();
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    script(&machine, &storage, &mut model, &what);
    (machine, model, faulty.calls())
}

fn survivors(call: u64) -> impl Iterator<Item = Survivors> {
    let seeds = (0..6).map(move |n| Survivors::Some(call * 100 + n));
    [Survivors::Nothing, Survivors::Everything].into_iter().chain(seeds)
}

#[test]
fn the_script_works_when_nothing_fails() {
    for windows in [false, true] {
        let (machine, mut model, calls) = run(windows, u64::MAX);
        assert!(calls > 150, "{calls} calls");
        assert_eq!(model.tried, BTreeMap::new());
        let end = i64::try_from(model.accepted.len()).unwrap();
        assert_eq!(end, 9, "the rest went by retention and cuts");
        model.check(&machine.open().unwrap(), "killed at the end");
    }
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_synced() {
    for windows in [false, true] {
        let (_, _, calls) = run(windows, u64::MAX);
        for call in 0..calls {
            let (machine, model, _) = run(windows, call);
            for survivors in survivors(call) {
                let what = format!("call {call}, {survivors:?}");
                let mut model = model.clone();
                let cut = machine.cut(survivors);
                let log = cut.open().unwrap_or_else(|error| panic!("{what}: {error}"));
                model.check(&log, &what);
                // What recovery serves is on the disk, and so is what is synced from now on.
                model.synced(&log, 50);
                drop(log);
                let what = format!("{what}, and again");
                let log =
                    cut.cut(Survivors::Nothing).open().unwrap_or_else(|error| panic!("{what}: {error}"));
                model.check(&log, &what);
                assert_eq!(log.end_offset().get(), model.synced_end, "{what}");
            }
        }
    }
}

/// What a killed process had not synced is not synced by its successor either, unless that sees to it: names above all.
#[test]
fn what_is_promised_after_a_kill_at_any_call_survives_a_power_cut() {
    for windows in [false, true] {
        let (_, _, calls) = run(windows, u64::MAX);
        for call in 0..calls {
            let (machine, mut model, _) = run(windows, call);
            let what = format!("killed at call {call}");
            let log = machine.open().unwrap_or_else(|error| panic!("{what}: {error}"));
            model.check(&log, &what);
            model.synced(&log, 50);
            let outcome = log.delete_records_before(log.end_offset());
            model.moved_start(&log, &outcome);
            drop(log);
            let log =
                machine.cut(Survivors::Nothing).open().unwrap_or_else(|error| panic!("{what}: {error}"));
            model.check(&log, &what);
        }
    }
}

/// The disk goes on after one refusal, and so does the log if it can; then the power goes.
#[test]
fn a_call_that_fails_once_costs_nothing_that_was_synced_before_or_after() {
    for windows in [false, true] {
        let (_, _, calls) = run(windows, u64::MAX);
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            for call in 0..calls {
                let (machine, model, _) = run_with(windows, Fault::at(call, kind).short_writes());
                for survivors in survivors(call).take(4) {
                    let what = format!("{kind:?} at call {call}, {survivors:?}");
                    let cut = machine.cut(survivors);
                    let log = cut.open().unwrap_or_else(|error| panic!("{what}: {error}"));
                    model.clone().check(&log, &what);
                }
            }
        }
    }
}

#[test]
fn recovery_may_lose_the_power_too_at_any_call() {
    for windows in [false, true] {
        let (_, _, calls) = run(windows, u64::MAX);
        for call in (0..calls).step_by(9) {
            let (machine, model, _) = run(windows, call);
            let cut = machine.cut(Survivors::Some(call));
            for second in 0.. {
                let machine = cut.cut(Survivors::Everything);
                let fault = Fault::at(second, ErrorKind::Other).lasting();
                let faulty = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
                drop(machine.open_on(Arc::new(faulty.clone())));
                for survivors in survivors(second).take(4) {
                    let what = format!("call {call}, recovery's call {second}, {survivors:?}");
                    let cut = machine.cut(survivors);
                    let log = cut.open().unwrap_or_else(|error| panic!("{what}: {error}"));
                    model.clone().check(&log, &what);
                }
                if !faulty.has_failed() {
                    break;
                }
            }
        }
    }
}

/// Between the renaming of the copy and the next mark the mark spoke of another file. It was not believed, the store's
/// checkpoint was, and what had been cut off was reported as a hole.
#[test]
fn a_cut_that_loses_the_power_leaves_no_hole_whatever_the_checkpoint_says() {
    for call in 0.. {
        let machine = Machine::new(true);
        let log = machine.open().unwrap();
        fill(&log, 0..12);
        log.close().unwrap();
        drop(log);
        let fault = Fault::at(call, ErrorKind::Other).lasting();
        let faulty = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
        let done = machine.open_on(Arc::new(faulty)).and_then(|log| log.truncate(offset(5)));
        for survivors in survivors(call) {
            let what = format!("call {call}, {survivors:?}");
            let cut = machine.cut(survivors);
            let (storage, clock) = (Arc::new(cut.disk.clone()), Arc::clone(&cut.clock) as Arc<dyn Clock>);
            let builder = Log::builder(DIR).config(cut.config.clone()).storage(storage).clock(clock);
            let log = builder.recovery_point(Some(offset(12))).open().unwrap();
            let end = log.end_offset().get();
            assert_eq!((dump(&log), log.damage()), (numbered(0..end), vec![]), "{what}");
            assert!(end == 5 || done.is_err() && (5..=12).contains(&end), "{what}: {end}");
        }
        if done.is_ok() {
            assert!(call > 8, "{call}");
            return;
        }
    }
}

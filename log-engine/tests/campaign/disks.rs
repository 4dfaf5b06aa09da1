//! Disks that fail at a call, and disks that lose their power.

use crate::model::{CLEAN, LOG_DIR, Model, State, caught, name, open_store};
use crate::script::{self, Runner};
use log_engine::LogConfig;
use log_engine::io::{
    Clock, CrashStorage, Fault, FaultStorage, ManualClock, MemStorage, Op, Storage, Survivors,
};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What a part of the campaign did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Faults that were tried, each a disk of its own or a state of it.
    pub faults: u64,
    /// What differed. Empty is what is wanted.
    pub findings: Vec<String>,
}

impl Outcome {
    /// Counts a fault, and what it led to.
    pub fn tried(&mut self, what: impl FnOnce() -> String, work: impl FnOnce()) {
        self.faults += 1;
        if let Some(finding) = caught(work) {
            self.findings.push(format!("{}: {finding}", what()));
        }
    }

    /// Enough to look at.
    pub fn is_over(&self) -> bool {
        self.findings.len() >= 8
    }

    pub fn and(mut self, other: Self) -> Self {
        self.faults += other.faults;
        self.findings.extend(other.findings);
        self
    }

    /// # Panics
    ///
    /// With the first findings.
    pub fn expect_none(&self, what: &str) {
        println!("{what}: {} faults, {} findings", self.faults, self.findings.len());
        assert!(self.findings.is_empty(), "{what}: {:#?}", self.findings);
    }
}

/// A run of the script whose disk failed somewhere.
pub struct Run {
    pub disk: CrashStorage,
    pub clock: Arc<ManualClock>,
    pub config: LogConfig,
    pub model: Model,
    pub calls: u64,
}

/// Runs the script on a disk with a fault.
pub fn run_with(fault: Fault, windows: bool) -> Run {
    let what = format!("{fault:?}, windows {windows}");
    let clock = script::clock();
    let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
    disk.allow_windows(windows);
    let faulty = FaultStorage::new(Arc::new(disk.clone()), fault);
    let mut runner = Runner::new(Arc::new(faulty.clone()), Arc::clone(&clock), script::config());
    runner.what = what;
    script::run(&mut runner, &|| true);
    let (config, model) = (runner.config.clone(), std::mem::take(&mut runner.model));
    runner.kill();
    Run { disk, clock, config, model, calls: faulty.calls() }
}

/// What comes after the life of the log in which a sync has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum After {
    MachineStops,
    /// Then the machine stops.
    ProcessStarts,
    /// The process starts anew over and over, to the end of the script.
    LivesOn,
}

/// Runs the script on a disk whose sync number `at` fails and loses what it should have written; whether it came to that.
pub fn run_with_failed_sync(at: u64, after: After) -> (Run, bool) {
    let clock = script::clock();
    let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
    disk.allow_windows(at.is_multiple_of(2));
    disk.fail_sync(at);
    let mut runner = Runner::new(Arc::new(disk.clone()), Arc::clone(&clock), script::config());
    runner.what = format!("failed sync {at}, {after:?}");
    let watched = disk.clone();
    runner.lost = Some(Box::new(move || watched.syncs() > at));
    script::run(&mut runner, &|| after == After::LivesOn || disk.syncs() <= at);
    runner.kill();
    if after != After::MachineStops {
        runner.start();
    }
    if after == After::LivesOn {
        assert!(runner.append(crate::shapes::Shape::Plain), "after a new start it takes no append");
    }
    let (config, model) = (runner.config.clone(), std::mem::take(&mut runner.model));
    runner.kill();
    let failed = disk.syncs() > at;
    (Run { disk, clock, config, model, calls: 0 }, failed)
}

impl Run {
    /// Opens a state of the disk and holds it against the model; then it takes an append.
    pub fn check(&self, survivors: Survivors) {
        let cut = self.disk.power_cut(survivors);
        self.check_disk(&cut, survivors == Survivors::Everything);
    }

    fn check_disk(&self, disk: &CrashStorage, killed: bool) {
        let marked_clean = disk.exists(Path::new(CLEAN)).unwrap();
        let state = State { killed, marked_clean };
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let store = open_store(&storage, &self.clock, &self.config).unwrap();
        let Some(log) = store.get(&name()) else {
            assert!(store.report().failed.is_empty(), "{:?}", store.report().failed);
            assert_eq!(self.model.synced_end, 0, "the log is gone");
            return;
        };
        let mut model = self.model.clone();
        model.check(&log, state, &|| "after".to_owned());
        let mut runner = Runner::new(storage, Arc::clone(&self.clock), self.config.clone());
        runner.model = model;
        runner.number += 5_000;
        runner.open = Some((store, log));
        assert!(runner.append(crate::shapes::Shape::Plain), "a recovered log takes no append");
        runner.kill();
        runner.start();
        assert!(runner.open.is_some(), "it opened once, and does not again");
    }
}

fn some(seed: u64) -> Survivors {
    Survivors::Some(seed)
}

/// How many calls of a kind the script makes on a sound disk.
pub fn count_calls(among: Option<&[Op]>, windows: bool) -> u64 {
    let fault = Fault::never();
    let fault = among.map_or(fault.clone(), |kinds| fault.among(kinds));
    let run = run_with(fault, windows);
    assert!(run.model.checks >= 3 && run.model.end() > 60, "the script did nothing: {}", run.model.end());
    run.calls
}

/// Ways in which a call fails.
pub const WAYS: [(&str, ErrorKind, bool, bool); 6] = [
    ("once", ErrorKind::Other, false, false),
    ("for ever", ErrorKind::Other, true, false),
    ("short", ErrorKind::Other, false, true),
    ("full once", ErrorKind::StorageFull, false, true),
    ("full for ever", ErrorKind::StorageFull, true, true),
    ("interrupted", ErrorKind::Interrupted, false, true),
];

/// Every `stride`-th call that changes the disk fails, in every way; then the process is killed, or the power fails.
pub fn failing_calls(stride: u64, windows: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let calls = count_calls(None, windows);
    for call in (0..calls).step_by(usize::try_from(stride).unwrap()) {
        for (way, kind, lasting, short) in WAYS {
            let mut fault = Fault::at(call, kind);
            if lasting {
                fault = fault.lasting();
            }
            if short {
                fault = fault.short_writes();
            }
            outcome.tried(
                || format!("call {call} {way}"),
                || {
                    let run = run_with(fault, windows);
                    for survivors in [Survivors::Everything, Survivors::Nothing, some(call)] {
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

/// Every `stride`-th call that only reads fails: what cannot be read is no reason to forget anything.
pub fn failing_reads(stride: u64) -> Outcome {
    let reads = [Op::Open, Op::List, Op::Look, Op::Read, Op::Map];
    let mut outcome = Outcome::default();
    for call in (0..count_calls(Some(&reads), true)).step_by(usize::try_from(stride).unwrap()) {
        for lasting in [false, true] {
            let fault = Fault::at(call, ErrorKind::Other).among(&reads);
            let fault = if lasting { fault.lasting() } else { fault };
            outcome.tried(
                || format!("read {call} lasting {lasting}"),
                || {
                    // Reads that fail in the script's own checks are refused, and that is all.
                    let run = Mutex::default();
                    let failed = caught(|| *run.lock().unwrap() = Some(run_with(fault, lasting)));
                    match (run.into_inner().unwrap(), failed) {
                        (Some(run), _) => run.check(Survivors::Everything),
                        (None, failed) => {
                            let text = failed.unwrap_or_default();
                            let refused = ["cannot ", "poisoned", "Err` value: Io {"];
                            assert!(refused.iter().any(|word| text.contains(word)), "{text}");
                        }
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

/// Every sync of a file fails once, as disks do: what it should have written is lost, and the next one succeeds.
pub fn failing_syncs(stride: u64) -> Outcome {
    let mut outcome = Outcome::default();
    for at in (0..).step_by(usize::try_from(stride).unwrap()) {
        let mut done = false;
        for after in [After::MachineStops, After::ProcessStarts, After::LivesOn] {
            outcome.tried(
                || format!("sync {at}, {after:?}"),
                || {
                    let (run, failed) = run_with_failed_sync(at, after);
                    done = !failed;
                    for seed in 0..4 {
                        run.check(some(at * 4 + seed));
                    }
                    run.check(Survivors::Nothing);
                },
            );
        }
        if done || outcome.is_over() {
            return outcome;
        }
    }
    outcome
}

/// The disk has room for every `stride`-th number of bytes, up to what the script needs; then there is room again.
pub fn full_disks(stride: usize, windows: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut most = 0;
    for capacity in std::iter::once(u64::MAX).chain((0_u64..60_000).step_by(stride)) {
        if capacity > most && most > 0 {
            break;
        }
        outcome.tried(
            || format!("room for {capacity} bytes, windows {windows}"),
            || {
                let clock = script::clock();
                let disk = MemStorage::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
                disk.allow_windows(windows);
                disk.set_capacity(capacity.min(1 << 40));
                let mut runner = Runner::new(Arc::new(disk.clone()), clock, script::config());
                runner.on_step = Some(disk.clone());
                script::run(&mut runner, &|| true);
                most = most.max(runner.most);
                runner.kill();
                disk.set_capacity(1 << 40);
                runner.start();
                assert!(runner.open.is_some(), "there is room, and it does not open");
                assert!(runner.append(crate::shapes::Shape::Plain), "there is room, and it takes no append");
            },
        );
        if outcome.is_over() {
            break;
        }
    }
    outcome
}

/// The power fails at every `stride`-th call, and leaves `states` different disks each time.
pub fn power_cuts(stride: u64, states: u64, windows: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for call in (0..count_calls(None, windows)).step_by(usize::try_from(stride).unwrap()) {
        let run = run_with(Fault::at(call, ErrorKind::Other).lasting(), windows);
        let fixed = [Survivors::Everything, Survivors::Nothing].into_iter();
        for survivors in fixed.chain((2..states).map(|n| some(call * states + n))) {
            outcome.tried(|| format!("power cut at call {call}, {survivors:?}"), || run.check(survivors));
            if outcome.is_over() {
                return outcome;
            }
        }
    }
    outcome
}

/// The power fails while recovery works on what the first cut left, at each of its calls.
pub fn cuts_in_recovery(stride: u64, windows: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for call in (0..count_calls(None, windows)).step_by(usize::try_from(stride).unwrap()) {
        let run = run_with(Fault::at(call, ErrorKind::Other).lasting(), windows);
        let torn = run.disk.power_cut(some(call));
        for second in 0.. {
            let disk = torn.power_cut(Survivors::Everything);
            let fault = Fault::at(second, ErrorKind::Other).lasting().short_writes();
            let faulty = FaultStorage::new(Arc::new(disk.clone()), fault);
            let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
            drop(open_store(&storage, &run.clock, &run.config));
            for survivors in [Survivors::Everything, Survivors::Nothing, some(second)] {
                outcome.tried(
                    || format!("power cut at call {call}, then at recovery's call {second}, {survivors:?}"),
                    || run.check_disk(&disk.power_cut(survivors), false),
                );
            }
            if !faulty.has_failed() || outcome.is_over() {
                break;
            }
        }
        if outcome.is_over() {
            return outcome;
        }
    }
    outcome
}

/// Names of the files of the log.
pub fn files_of(storage: &dyn Storage, dir: &str) -> Vec<String> {
    let Ok(entries) = storage.list(Path::new(dir)) else { return Vec::new() };
    let files = entries.into_iter().filter(|entry| entry.kind == log_engine::io::EntryKind::File);
    let mut names: Vec<_> = files.map(|entry| format!("{dir}/{}", entry.name)).collect();
    names.sort();
    names
}

pub fn log_files(storage: &dyn Storage) -> Vec<String> {
    files_of(storage, LOG_DIR)
}

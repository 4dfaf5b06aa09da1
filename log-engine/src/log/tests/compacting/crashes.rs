//! Compaction on a disk that refuses, or loses its power, at every call.

use super::*;
use crate::format::build::control_marker;
use crate::io::{CrashStorage, Fault, FaultStorage, Survivors};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

#[derive(Clone)]
struct Machine {
    disk: CrashStorage,
    clock: Arc<ManualClock>,
    config: LogConfig,
}

impl Machine {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(time(NOW)));
        let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let config = LogConfig { delete_retention_ms: 0, ..compacted(500).config };
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

    /// A log that was compacted once and is dirty again: keys that changed, went, were in transactions.
    fn prepare(&self) {
        let log = self.open().unwrap();
        for round in 0..2 {
            for n in 0..12 {
                put(&log, &format!("k{}", n % 5), &value(n + round));
            }
            delete(&log, "k4");
            txn(&log, 1, 2 * i32::try_from(round).unwrap(), "k0", false);
            txn(&log, 2, 2 * i32::try_from(round).unwrap(), "k1", true);
            roll_over(&log);
            if round == 0 {
                log.compact(self.clock.now()).unwrap();
            }
        }
        log.sync().unwrap();
    }
}

/// Two batches and a marker.
fn txn(log: &Log, id: i64, sequence: i32, key: &str, commit: bool) {
    let stamp = |sequence| ProducerStamp {
        id: ProducerId::new(id).unwrap(),
        epoch: ProducerEpoch::new(0).unwrap(),
        base_sequence: Sequence::new(sequence),
    };
    for sequence in sequence..sequence + 2 {
        let mut builder = BatchBuilder::new().producer(stamp(sequence)).transactional(true);
        let text = format!("{id}/{sequence}/{commit}");
        builder.push(&NewRecord::keyed(key.as_bytes(), text.as_bytes()).at(time(NOW)));
        log.append_batch(&builder.finish().unwrap(), Origin::Client).unwrap();
    }
    let marker = control_marker(stamp(0).id, stamp(0).epoch, commit, 0, time(NOW));
    log.append_batch(&marker, Origin::Coordinator).unwrap();
}

/// What a reader of committed records has in the end.
fn committed(log: &Log) -> BTreeMap<String, Option<String>> {
    let aborted = log.aborted_transactions(log.start_offset(), log.end_offset()).unwrap();
    let is_aborted = |at: i64| aborted.iter().any(|txn| txn.first.get() <= at && at <= txn.last.get());
    let mut transactional = BTreeSet::new();
    for batch in log.records(log.start_offset()) {
        let batch = batch.unwrap();
        let view = batch.view();
        if view.attributes().is_transactional() && view.producer().unwrap().id.get() == 1 {
            transactional.extend(view.base_offset().get()..=view.last_offset().get());
        }
    }
    let all: Vec<_> =
        seen(log).into_iter().filter(|(at, ..)| !(transactional.contains(at) && is_aborted(*at))).collect();
    last_values(&all)
}

/// Everything as it was before anything failed, or as after the compaction, or in between.
fn check(machine: &Machine, before: &[Seen], expected: &BTreeMap<String, Option<String>>, what: &str) {
    let log = machine.open().unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = seen(&log);
    assert!(found.iter().all(|record| before.contains(record)), "{what}: what was never there");
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{what}: order");
    assert_eq!((committed(&log), log.damage()), (expected.clone(), vec![]), "{what}");
    assert_eq!(log.end_offset(), offset(before.last().unwrap().0 + 1), "{what}");
    assert_eq!(log.last_stable_offset(), log.end_offset(), "{what}");
    for suffix in [".swap", ".cleaned", ".deleted", "index.tmp"] {
        let left = machine.disk.list(Path::new(DIR)).unwrap();
        assert!(!left.iter().any(|entry| entry.name.ends_with(suffix)), "{what}: {suffix}");
    }
    // It goes on: what was left is compacted, appended to, and opened again.
    log.compact(machine.clock.now()).unwrap();
    assert_eq!(committed(&log), *expected, "{what}");
    put(&log, "next", "value");
    drop(log);
    let log = machine.open().unwrap();
    let mut expected = expected.clone();
    expected.insert("next".to_owned(), Some("value".to_owned()));
    assert_eq!((committed(&log), log.damage()), (expected, vec![]), "{what}");
}

fn reference() -> (Vec<Seen>, BTreeMap<String, Option<String>>) {
    let machine = Machine::new();
    machine.prepare();
    let log = machine.open().unwrap();
    (seen(&log), committed(&log))
}

#[test]
fn the_power_may_go_at_every_call() {
    let (before, expected) = reference();
    assert!(expected.len() > 4 && !expected.contains_key("k4"));
    let mut calls = 0;
    for at in 0.. {
        let machine = Machine::new();
        machine.prepare();
        let fault = Fault::at(at, ErrorKind::Other).lasting().short_writes();
        let storage = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
        let outcome = machine.open_on(Arc::new(storage)).and_then(|log| log.compact(machine.clock.now()));
        let mut cuts = vec![Survivors::Nothing, Survivors::Everything];
        cuts.extend((0..6).map(|n| Survivors::Some(at * 100 + n)));
        for survivors in cuts {
            check(&machine.cut(survivors), &before, &expected, &format!("call {at}, {survivors:?}"));
        }
        if outcome.is_ok() {
            calls = at;
            break;
        }
    }
    assert!(calls > 40, "{calls}");
}

/// The power goes again while the log is opened.
#[test]
fn the_power_may_go_again_while_a_compaction_is_finished() {
    let (before, expected) = reference();
    for at in (0..200).step_by(8) {
        let machine = Machine::new();
        machine.prepare();
        let fault = Fault::at(at, ErrorKind::Other).lasting();
        let storage = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
        let outcome = machine.open_on(Arc::new(storage)).and_then(|log| log.compact(machine.clock.now()));
        for (first, survivors) in [Survivors::Everything, Survivors::Some(at)].into_iter().enumerate() {
            let cut = machine.cut(survivors);
            for second in 0..40 {
                let again = cut.cut(Survivors::Everything);
                let fault = Fault::at(second, ErrorKind::Other).lasting();
                let opened = again.open_on(Arc::new(FaultStorage::new(Arc::new(again.disk.clone()), fault)));
                let seeds = [Survivors::Some(second), Survivors::Nothing];
                for seed in seeds {
                    let what = format!("call {at}, {first}, then {second}, {seed:?}");
                    check(&again.cut(seed), &before, &expected, &what);
                }
                if opened.is_ok() {
                    break;
                }
            }
        }
        if outcome.is_ok() {
            break;
        }
    }
}

#[test]
fn a_call_that_fails_once_leaves_the_log_as_it_was_or_poisoned() {
    let (before, expected) = reference();
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        for at in 0.. {
            let machine = Machine::new();
            machine.prepare();
            let fault = Fault::at(at, kind).short_writes();
            let storage = FaultStorage::new(Arc::new(machine.disk.clone()), fault);
            let Ok(log) = machine.open_on(Arc::new(storage)) else { continue };
            let outcome = log.compact(machine.clock.now());
            assert_eq!((committed(&log), log.damage()), (expected.clone(), vec![]), "{kind:?} at {at}");
            if outcome.is_err() && !log.is_poisoned() {
                // The next try does it.
                log.compact(machine.clock.now()).unwrap();
                assert_eq!(committed(&log), expected, "{kind:?} at {at}");
            }
            drop(log);
            check(&machine.cut(Survivors::Everything), &before, &expected, &format!("{kind:?} at {at}"));
            if outcome.is_ok() {
                break;
            }
        }
    }
}

/// What a finished compaction wrote and the disk has lost or changed since.
#[test]
fn a_swap_that_is_not_whole_replaces_nothing_and_is_not_passed_over() {
    let bench = compacted(400);
    let log = bench.open();
    for n in 0..12 {
        put(&log, &format!("k{n}"), &value(n));
    }
    log.close().unwrap();
    drop(log);
    let before = seen(&bench.open());
    let (live, swap) = (log_name(0), format!("{}.swap", log_name(0)));
    let good = bench.file(&live);
    let create = |bytes: &[u8]| {
        bench.storage.open(&Path::new(DIR).join(&swap), crate::io::OpenMode::CreateNew).unwrap();
        bench.overwrite(&swap, bytes);
    };
    // Its end was never written, or nothing of it.
    for kept in [good.len() / 2, 0] {
        let mut zeros = good.clone();
        zeros[kept..].fill(0);
        create(&zeros);
        let log = bench.open();
        assert_eq!((seen(&log), log.damage()), (before.clone(), vec![]), "{kept}");
        drop(log);
        bench.remove(&swap);
    }
    // The old one has lost its name already: what is left of these records is in it.
    let mut flipped = good.clone();
    flipped[70] ^= 1;
    create(&flipped);
    let dir = Path::new(DIR);
    bench.storage.rename(&dir.join(&live), &dir.join(format!("{live}.deleted"))).unwrap();
    let log = bench.open();
    assert!(matches!(log.records(offset(0)).next(), Some(Err(LogError::Corrupt { .. }))));
    assert_eq!(seen_from(&log, offset(1)), before[1..]);
    let damage = log.damage();
    assert_eq!((damage.len(), damage[0].offsets.clone()), (1, offset(0)..offset(1)));
}

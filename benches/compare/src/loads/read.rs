//! Sequential reads of a hot log: record by record with checksums, and slices of the file without a look at them.

use super::{Watch, mb_per_s, settle, timed};
use crate::Setup;
use crate::peers::ours::config;
use crate::peers::{Engine, Kind, Outcome};
use crate::raw;
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{Check, MEDIUM, SMALL, Shape, Unit};
use log_engine::{Log, Offset, ReadLimits};
use std::path::Path;
use std::time::Instant;

/// Read at once where that can be chosen.
const PIECE: usize = 1 << 20;
/// Filling ends after so many times the time of a measurement: some engines sync each append.
const PATIENCE: u32 = 10;

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let mut benches = Vec::new();
    for shape in [MEDIUM, SMALL] {
        benches.push(verified(setup, shape)?);
        benches.push(slices(setup, shape)?);
    }
    Ok(benches)
}

fn verified(setup: &Setup, shape: Shape) -> Outcome<Bench> {
    let unit = Unit::new(shape);
    let mut bench = Bench::new(format!("sequential read, {}, verified", shape.name), "MB/s", Better::Higher);
    let mut filled = Vec::new();
    for kind in &setup.peers {
        let name = kind.facts.name;
        let scratch = setup.scratch(&format!("read {name}"));
        note(&mut bench, kind);
        match prepare(setup, kind, scratch.path(), &unit) {
            Ok((engine, records)) => filled.push((kind, scratch, Some(engine), records)),
            Err(error) => bench.note(name, error),
        }
    }
    settle(&setup.options.dir);
    for round in 0..setup.options.rounds {
        for turn in 0..filled.len() {
            let at = (turn + round) % filled.len();
            let (kind, scratch, engine, records) = &mut filled[at];
            match scan(kind, scratch.path(), engine, &unit, *records) {
                Ok(figure) => bench.add(kind.facts.name, figure),
                Err(error) => bench.note(kind.facts.name, error),
            }
        }
    }
    let verifies = |name: &str| setup.peers.iter().any(|kind| kind.facts.name == name && kind.facts.verifies);
    let peer = bench.best(|name| name != OURS && verifies(name));
    bench.goal_against("the fastest peer that verifies", peer, if shape == MEDIUM { 2.5 } else { 1.8 });
    Ok(bench)
}

fn note(bench: &mut Bench, kind: &Kind) {
    let verifies = if kind.facts.verifies { "" } else { "does not verify; " };
    let note = format!("{verifies}{}", kind.facts.read_note.unwrap_or_default());
    bench.note(kind.facts.name, note.trim_end_matches("; "));
}

/// An engine with records in it, all of which have been compared.
pub fn prepare(setup: &Setup, kind: &Kind, dir: &Path, unit: &Unit) -> Outcome<(Box<dyn Engine>, u64)> {
    let room = setup.options.bytes * 4;
    let mut engine = (kind.open)(dir, room)?;
    let start = Instant::now();
    let mut units = 0;
    while units * unit.payload() < room && start.elapsed() < setup.options.time * PATIENCE {
        engine.append(unit)?;
        units += 1;
    }
    let records = units * unit.records.len() as u64;
    let mut check = Check::thorough(unit);
    engine.scan(&mut check)?;
    check.demand(kind.facts.name, records)?;
    if !kind.facts.random {
        // Its cursor stands at the end now.
        drop(engine);
        engine = (kind.open)(dir, room)?;
    }
    Ok((engine, records))
}

/// Payload in MB/s of one pass over everything.
fn scan(
    kind: &Kind,
    dir: &Path,
    engine: &mut Option<Box<dyn Engine>>,
    unit: &Unit,
    records: u64,
) -> Outcome<f64> {
    if engine.is_none() {
        *engine = Some((kind.open)(dir, 0)?);
    }
    let open = engine.as_ref().ok_or("opened above")?;
    let mut check = Check::quick(unit);
    let ((), time) = timed(|| open.scan(&mut check))?;
    check.demand(kind.facts.name, records)?;
    if !kind.facts.random {
        *engine = None;
    }
    Ok(mb_per_s(records * unit.shape.len as u64, time))
}

const RAW: &str = "raw: map";

fn slices(setup: &Setup, shape: Shape) -> Outcome<Bench> {
    let unit = Unit::new(shape);
    let name = format!("sequential read, {}, unverified slices", shape.name);
    let mut bench = Bench::new(name, "MB/s", Better::Higher);
    let scratch = setup.scratch("read slices");
    let log = Log::open(scratch.path(), config()).map_err(|e| e.to_string())?;
    for _ in 0..(setup.options.bytes * 4).div_ceil(unit.payload()) {
        log.append_batch(&unit.batch, log_engine::Origin::Client).map_err(|e| e.to_string())?;
    }
    settle(&setup.options.dir);
    let whole = raw::map(&scratch.path().join("00000000000000000000.log"))?;
    let len = usize::try_from(log.size_bytes()).map_err(|e| e.to_string())?;
    let whole = whole.slice(..len);
    let expected = raw::sum(&whole);
    // Once outside of the time, as the raw map was: each map takes its faults once.
    sum_of_slices(&log);
    interleave(setup.options.rounds, &[OURS, RAW], |_, name| {
        let start = Watch::start();
        let (sum, bytes) = if *name == OURS {
            sum_of_slices(&log)
        } else {
            let sum = whole.chunks(PIECE).fold(0_u64, |sum, piece| sum.wrapping_add(raw::sum(piece)));
            (sum, len)
        };
        let figure = mb_per_s(bytes as u64, start.elapsed());
        // Pieces that are not whole words add up to something else: the lengths are compared.
        let right = bytes == len && (*name != RAW || sum == expected);
        if right { bench.add(name, figure) } else { bench.note(name, format!("{bytes} of {len} bytes")) }
    });
    bench.goal_against("a raw mapped read", bench.median(RAW).map(|figure| (RAW.to_owned(), figure)), 0.9);
    Ok(bench)
}

/// Reads all of a log as slices and touches every byte.
fn sum_of_slices(log: &Log) -> (u64, usize) {
    let limits = ReadLimits { max_bytes: PIECE, ..ReadLimits::default() };
    let (mut next, mut sum, mut len) = (Offset::ZERO, 0_u64, 0);
    while let Ok(read) = log.read_unverified(next, limits) {
        if read.is_empty() {
            break;
        }
        for slice in &read.slices {
            let Ok(bytes) = slice.bytes() else { return (sum, len) };
            sum = sum.wrapping_add(raw::sum(&bytes));
            len += bytes.len();
        }
        next = read.next;
    }
    (sum, len)
}

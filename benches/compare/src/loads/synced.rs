//! Appends that are on the disk when they return: one record of 1 KiB by 1, 16 and 64 threads.
//!
//! Each measurement is a process of its own: one of the peers has its sync setting for the whole process.

use super::settle;
use crate::child;
use crate::peers::Outcome;
use crate::raw::{Blocks, GroupCommit, RawFile};
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{Shape, Unit};
use crate::{Setup, loads};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SHAPE: Shape = Shape { name: "1 KiB", count: 1, len: 1024, singly: true };
const THREADS: [u64; 3] = [1, 16, 64];
/// Room that the raw writer zeroes beforehand, and peers may want to know.
const ROOM: u64 = 256 << 20;

const FALLOCATED: &str = "raw: fallocated";
const WRITTEN: &str = "raw: written";
const GROWING: &str = "raw: growing";

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let durable = loads::durable::syncs(setup);
    THREADS.iter().map(|threads| one(setup, *threads, &durable)).collect()
}

fn one(setup: &Setup, threads: u64, durable: &[(String, Option<String>)]) -> Outcome<Bench> {
    let name = format!("synced append, 1 KiB, {threads} threads");
    let mut bench = Bench::new(name, "appends/s", Better::Higher);
    let mut names: Vec<&str> = setup.peers.iter().map(|kind| kind.facts.name).collect();
    names.extend([FALLOCATED, WRITTEN, GROWING]);
    let job = threads | u64::try_from(setup.options.time.as_millis()).unwrap_or(1000) << 16;
    interleave(setup.options.rounds, &names, |_, name| {
        // The name tells one of the peers that it is to sync.
        let scratch = setup.scratch(&format!("synced {name}"));
        settle(&setup.options.dir);
        match child::figures("synced", name, scratch.path(), job) {
            Ok(figures) => figures.iter().for_each(|figure| bench.add(name, *figure)),
            Err(error) => bench.note(name, error),
        }
    });
    let is_durable = |name: &str| durable.iter().all(|(known, doubt)| known != name || doubt.is_none());
    for (name, doubt) in durable {
        if let Some(doubt) = doubt {
            bench.note(name, format!("NOT DURABLE: {doubt}"));
        }
    }
    let groups = |name: &str| setup.peers.iter().any(|kind| kind.facts.name == name && kind.facts.groups);
    let what = if threads == 1 { "raw pwrite + fdatasync" } else { "the raw group-commit loop" };
    for raw in [WRITTEN, FALLOCATED] {
        let other = bench.median(raw).map(|figure| (raw.to_owned(), figure));
        bench.goal_against(what, other, 0.9);
    }
    if threads > 1 {
        let peer = bench.best(|name| name != OURS && groups(name) && is_durable(name));
        bench.goal_against("the fastest peer that commits in groups", peer, 1.0);
    }
    Ok(bench)
}

/// The job of the child: appends a second. The number holds threads and milliseconds.
pub fn child(engine: &str, dir: &Path, number: u64) -> Outcome<f64> {
    let (threads, time) = (number & 0xffff, Duration::from_millis(number >> 16));
    let unit = Unit::new(SHAPE);
    let blocks = match engine {
        FALLOCATED => Some(Blocks::Fallocated),
        WRITTEN => Some(Blocks::Written),
        GROWING => Some(Blocks::Growing),
        _ => None,
    };
    if let Some(blocks) = blocks {
        let group = GroupCommit::new(RawFile::create(dir, blocks, ROOM)?)?;
        return by_threads(threads, time, &|| group.append(&unit.batch));
    }
    let engine = (child::kind(engine)?.open)(dir, ROOM)?;
    by_threads(threads, time, &|| engine.append_synced(&unit))
}

fn by_threads(threads: u64, time: Duration, append: &(dyn Fn() -> Outcome + Sync)) -> Outcome<f64> {
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    // The first append makes what is made but once.
    append()?;
    let start = Instant::now();
    let work = || -> Outcome {
        while !over.load(Ordering::Relaxed) {
            append()?;
            done.fetch_add(1, Ordering::Relaxed);
            if start.elapsed() >= time {
                over.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
    })?;
    Ok(done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

//! Opening a log again: after a clean stop, and after `kill -9`, with a hot page cache.
//!
//! A child fills the log and stops or kills itself. What it left to be written is written before the clock runs: else
//! the disk would be measured, which recovery syncs.

use super::{fill, settle};
use crate::Setup;
use crate::child;
use crate::peers::ours::config;
use crate::peers::{Kind, Outcome};
use crate::raw;
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{MEDIUM, Unit};
use log_engine::{Log, NewRecord, Origin};
use std::path::Path;
use std::time::Instant;

/// How the child ends, in the upper half of its number; the lower half is the size in MiB.
const CLEAN: u64 = 0;
const KILLED: u64 = 1 << 32;
/// Killed, after a life in which somebody called `sync_if_due`.
const KILLED_SYNCED: u64 = 2 << 32;

const CRC_MAPPED: &str = "raw: CRC over the mapped bytes";
const CRC_READ: &str = "raw: CRC over the bytes by pread";

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    Ok(vec![clean(setup), killed(setup), killed_synced(setup)])
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn clean(setup: &Setup) -> Bench {
    let size = mib(setup.options.reopen_bytes);
    let mut bench = Bench::new(format!("reopen after a clean stop, {size} MiB"), "ms", Better::Lower);
    let mut filled = Vec::new();
    for kind in &setup.peers {
        let scratch = setup.scratch(&format!("reopen {}", kind.facts.name));
        match child::figures("fill", kind.facts.name, scratch.path(), CLEAN | size) {
            Ok(_) => filled.push((*kind, scratch)),
            Err(error) => bench.note(kind.facts.name, error),
        }
    }
    settle(&setup.options.dir);
    interleave(setup.options.rounds, &filled, |_, (kind, scratch)| {
        match open_and_close(kind, scratch.path(), setup.options.reopen_bytes) {
            Ok(figure) => bench.add(kind.facts.name, figure),
            Err(error) => bench.note(kind.facts.name, error),
        }
        if kind.facts.name == OURS {
            match to_first_append(scratch.path()) {
                Ok(figure) => bench.add("log-engine, to the first append", figure),
                Err(error) => bench.note(OURS, error),
            }
        }
    });
    bench.goal("ours", bench.median(OURS), 5.0);
    bench
}

fn open_and_close(kind: &Kind, dir: &Path, room: u64) -> Outcome<f64> {
    let start = Instant::now();
    let engine = (kind.open)(dir, room)?;
    let figure = start.elapsed().as_secs_f64() * 1e3;
    engine.close()?;
    Ok(figure)
}

fn to_first_append(dir: &Path) -> Outcome<f64> {
    let start = Instant::now();
    let log = Log::open(dir, config()).map_err(|e| e.to_string())?;
    log.append(&[NewRecord::value(b"first")]).map_err(|e| e.to_string())?;
    let figure = start.elapsed().as_secs_f64() * 1e3;
    log.close().map_err(|e| e.to_string())?;
    Ok(figure)
}

fn killed(setup: &Setup) -> Bench {
    let size = mib(setup.options.reopen_bytes);
    let name = format!("reopen after kill -9, {size} MiB, nothing synced");
    let mut bench = Bench::new(name, "ms", Better::Lower);
    for kind in setup.peers.iter().filter(|kind| kind.facts.name != OURS) {
        let scratch = setup.scratch(&format!("killed {}", kind.facts.name));
        match after_kill(kind, scratch.path(), KILLED | size, setup) {
            Ok(figure) => bench.add(kind.facts.name, figure),
            Err(error) => bench.note(kind.facts.name, error),
        }
    }
    let Some(ours) = setup.peers.iter().find(|kind| kind.facts.name == OURS) else { return bench };
    for _ in 0..setup.options.rounds {
        let scratch = setup.scratch("killed ours");
        match after_kill(ours, scratch.path(), KILLED | size, setup) {
            Ok(figure) => bench.add(OURS, figure),
            Err(error) => bench.note(OURS, error),
        }
        for name in [CRC_MAPPED, CRC_READ] {
            match crc_of(scratch.path(), name == CRC_MAPPED) {
                Ok(figure) => bench.add(name, figure),
                Err(error) => bench.note(name, error),
            }
        }
    }
    let crc = bench.median(CRC_MAPPED).map(|figure| (CRC_MAPPED.to_owned(), figure));
    bench.goal_against("CRC over the bytes above the mark", crc, 1.5);
    bench
}

fn killed_synced(setup: &Setup) -> Bench {
    let size = mib(setup.options.reopen_bytes) * 10;
    let name = format!("reopen after kill -9, {size} MiB, synced in the background");
    let mut bench = Bench::new(name, "ms", Better::Lower);
    let Some(ours) = setup.peers.iter().find(|kind| kind.facts.name == OURS) else { return bench };
    for _ in 0..setup.options.rounds {
        let scratch = setup.scratch("killed ours");
        match after_kill(ours, scratch.path(), KILLED_SYNCED | size, setup) {
            Ok(figure) => bench.add(OURS, figure),
            Err(error) => bench.note(OURS, error),
        }
    }
    bench.goal("ours", bench.median(OURS), 1000.0);
    bench
}

/// Milliseconds that opening takes after a child filled the log and was killed.
fn after_kill(kind: &Kind, dir: &Path, number: u64, setup: &Setup) -> Outcome<f64> {
    let status =
        child::command(&[], "fill", kind.facts.name, dir, number)?.status().map_err(|e| e.to_string())?;
    if status.code().is_some() {
        return Err(format!("the child was not killed: {status}"));
    }
    settle(&setup.options.dir);
    open_and_close(kind, dir, setup.options.reopen_bytes)
}

/// Milliseconds of a checksum over all segments of a log.
fn crc_of(dir: &Path, mapped: bool) -> Outcome<f64> {
    let mut total = 0.0;
    for entry in std::fs::read_dir(dir).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_none_or(|kind| kind != "log") {
            continue;
        }
        let start = Instant::now();
        let crc = if mapped { crc32c::crc32c(&raw::map(&path)?) } else { crc_by_pread(&path)? };
        std::hint::black_box(crc);
        total += start.elapsed().as_secs_f64() * 1e3;
    }
    Ok(total)
}

fn crc_by_pread(path: &Path) -> Outcome<u32> {
    use std::io::Read;
    let mut file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut buf = vec![0; 256 * 1024];
    let mut crc = 0;
    loop {
        let read = file.read(&mut buf).map_err(|e| e.to_string())?;
        if read == 0 {
            return Ok(crc);
        }
        crc = crc32c::crc32c_append(crc, &buf[..read]);
    }
}

/// The job of the child: fills a log, and ends as it is told.
pub fn child(engine: &str, dir: &Path, number: u64) -> Outcome<Vec<f64>> {
    let (bytes, end) = ((number & 0xffff_ffff) << 20, number & !0xffff_ffff);
    let unit = Unit::new(MEDIUM);
    if end == KILLED_SYNCED {
        fill_and_sync(dir, &unit, bytes)?;
        die();
    }
    let engine = (child::kind(engine)?.open)(dir, bytes)?;
    fill(&*engine, &unit, bytes)?;
    if end == KILLED {
        die();
    }
    engine.close()?;
    Ok(Vec::new())
}

/// As a program that keeps house each 64 MiB.
fn fill_and_sync(dir: &Path, unit: &Unit, bytes: u64) -> Outcome {
    let log = Log::open(dir, config()).map_err(|e| e.to_string())?;
    for unit_number in 0..bytes.div_ceil(unit.payload()) {
        log.append_batch(&unit.batch, Origin::Client).map_err(|e| e.to_string())?;
        if unit_number % 1024 == 0 {
            log.sync_if_due().map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    let _ = kill_process(getpid(), Signal::KILL);
}

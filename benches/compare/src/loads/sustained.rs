//! A long run of 64 KiB batches, many times what the disk takes at once: the mean, and the appends that wait.

use super::{mb_per_s, settle};
use crate::Setup;
use crate::peers::Outcome;
use crate::peers::ours::config;
use crate::raw::{Blocks, RawFile};
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{LARGE, Unit};
use log_engine::{Log, Origin};
use std::path::Path;
use std::time::{Duration, Instant};

const RAW: &str = "raw: pwrite, sync_file_range behind";

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let unit = Unit::new(LARGE);
    let size = setup.options.sustained_bytes >> 20;
    let mut mean =
        Bench::new(format!("sustained, {size} MiB of 64 KiB batches, mean"), "MB/s", Better::Higher);
    let mut slow = Bench::new(format!("sustained, {size} MiB of 64 KiB batches, p99.9"), "us", Better::Lower);
    interleave(setup.options.rounds, &[OURS, RAW], |_, name| {
        let scratch = setup.scratch("sustained");
        settle(&setup.options.dir);
        let appends = setup.options.sustained_bytes.div_ceil(unit.payload());
        let outcome = if *name == OURS {
            ours(scratch.path(), &unit, appends)
        } else {
            raw(scratch.path(), &unit, appends)
        };
        match outcome {
            Ok((figure, tail)) => {
                mean.add(name, figure);
                slow.add(name, tail);
            }
            Err(error) => mean.note(name, error),
        }
    });
    let against = |bench: &Bench| bench.median(RAW).map(|figure| (RAW.to_owned(), figure));
    mean.goal_against("raw pwrite", against(&mean), 0.9);
    slow.goal_against("raw pwrite", against(&slow), 2.0);
    Ok(vec![mean, slow])
}

fn ours(dir: &Path, unit: &Unit, appends: u64) -> Outcome<(f64, f64)> {
    let log = Log::open(dir, config()).map_err(|e| e.to_string())?;
    each(unit, appends, || log.append_batch(&unit.batch, Origin::Client).map(drop).map_err(|e| e.to_string()))
}

fn raw(dir: &Path, unit: &Unit, appends: u64) -> Outcome<(f64, f64)> {
    let mut file = RawFile::create(dir, Blocks::Fallocated, 0)?;
    each(unit, appends, || file.append(&unit.batch))
}

/// Mean in MB/s and the 99.9th percentile in microseconds.
fn each(unit: &Unit, appends: u64, mut append: impl FnMut() -> Outcome) -> Outcome<(f64, f64)> {
    let mut times = Vec::with_capacity(usize::try_from(appends).unwrap_or(0));
    let start = Instant::now();
    for _ in 0..appends {
        let one = Instant::now();
        append()?;
        times.push(one.elapsed());
    }
    let mean = mb_per_s(appends * unit.payload(), start.elapsed());
    times.sort_unstable();
    let tail = times.get(times.len() * 999 / 1000).map_or(0.0, Duration::as_secs_f64) * 1e6;
    Ok((mean, tail))
}

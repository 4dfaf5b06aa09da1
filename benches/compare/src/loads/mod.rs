//! The workloads: each answers with its tables.

pub mod append;
pub mod durable;
pub mod limits;
pub mod many;
pub mod random;
pub mod read;
pub mod rebuild;
pub mod reopen;
pub mod sustained;
pub mod synced;

use crate::peers::{Engine, Outcome};
use crate::work::Unit;
use std::time::{Duration, Instant};

/// Megabytes (of 10^6) a second.
fn mb_per_s(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// Appends units until there are `bytes` of payload, and syncs nothing; answers how many.
fn fill(engine: &dyn Engine, unit: &Unit, bytes: u64) -> Outcome<u64> {
    let units = bytes.div_ceil(unit.payload());
    (0..units).try_for_each(|_| engine.append(unit))?;
    Ok(units)
}

/// How long `work` takes.
fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Duration)> {
    let start = Instant::now();
    let out = work()?;
    Ok((out, start.elapsed()))
}

/// Starts from a quiet disk: what others left to be written is written.
fn settle(dir: &std::path::Path) {
    let _ = log_engine::io::Storage::sync_fs(&log_engine::io::RealStorage::new(), dir);
}

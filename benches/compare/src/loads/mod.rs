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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    let start = Watch::start();
    let out = work()?;
    Ok((out, start.elapsed()))
}

/// Whether a [`Watch`] counts this thread's CPU time.
static CPU_TIME: AtomicBool = AtomicBool::new(false);

/// For a machine that others work on: what the thread was not running for is not counted.
pub fn count_cpu_time() {
    CPU_TIME.store(true, Ordering::Relaxed);
}

/// Times what one thread does without waiting for a device: wall time, or the thread's CPU time.
struct Watch(Duration);

impl Watch {
    fn start() -> Self {
        Self(Self::now())
    }

    fn elapsed(&self) -> Duration {
        Self::now() - self.0
    }

    fn now() -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        let cpu = CPU_TIME.load(Ordering::Relaxed);
        let clock = if cpu { ClockId::ThreadCPUTime } else { ClockId::Monotonic };
        Duration::try_from(clock_gettime(clock)).unwrap_or_default()
    }
}

/// Starts from a quiet disk: what others left to be written is written.
fn settle(dir: &std::path::Path) {
    let _ = log_engine::io::Storage::sync_fs(&log_engine::io::RealStorage::new(), dir);
}

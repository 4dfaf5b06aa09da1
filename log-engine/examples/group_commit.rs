//! Group commit of one log beside the same loop on a bare file, in interleaved rounds:
//! `cargo run --release -p log-engine --example group_commit -- DIR [SECONDS [THREADS]..]`.
//!
//! The bare loop is what the log has to reach: one lock, `pwrite` of the same bytes into reserved blocks, and one
//! `fdatasync` by whoever comes first for all who came before it began.

#![expect(clippy::print_stderr, reason = "figures, while the program runs")]

use log_engine::io::{OpenMode, RealStorage, Storage, StorageFile};
use log_engine::{Log, LogConfig, NewRecord};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 5;
const VALUE: [u8; 100] = [b'x'; 100];
/// What a batch of one such record takes in the log.
const BATCH: usize = 171;

/// A bare file and its leader.
struct Raw {
    file: Arc<dyn StorageFile>,
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Default)]
struct State {
    written: u64,
    synced: u64,
    leading: bool,
}

impl Raw {
    fn open(path: &Path) -> Outcome<Self> {
        let file = RealStorage::new().open(path, OpenMode::Truncate)?;
        file.reserve(0, 64 << 20)?;
        Ok(Self { file, state: Mutex::default(), synced: Condvar::new() })
    }

    fn append_synced(&self, bytes: &[u8]) {
        let mut state = self.state.lock().expect("nobody panics");
        self.file.write_all_at(&[bytes], state.written).expect("room on the disk");
        state.written += bytes.len() as u64;
        let target = state.written;
        while state.synced < target {
            if state.leading {
                state = self.synced.wait(state).expect("nobody panics");
                continue;
            }
            state.leading = true;
            let reached = state.written;
            drop(state);
            self.file.sync_data().expect("a disk that syncs");
            state = self.state.lock().expect("nobody panics");
            state.synced = reached;
            state.leading = false;
            self.synced.notify_all();
        }
    }
}

/// Durable appends a second.
fn rate(threads: usize, time: Duration, append: impl Fn() + Sync) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    append();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    #[expect(clippy::cast_precision_loss, reason = "printed with three digits")]
    let done = done.into_inner() as f64;
    done / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: group_commit DIR [SECONDS [THREADS]..]")?;
    let time = Duration::from_secs(args.next().map_or(Ok(2), |text| text.parse())?);
    let mut threads = args.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    if threads.is_empty() {
        threads = vec![1, 16, 64];
    }
    let dir = Path::new(&dir);
    eprintln!("threads      raw/s      log/s    log : raw (medians; the ratio of each of {ROUNDS} rounds)");
    for threads in threads {
        let (mut raws, mut logs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let path = dir.join(format!("{threads}-{round}"));
            let log = Log::open(&path, LogConfig::default())?;
            let raw = Raw::open(&path.join("raw"))?;
            raws.push(rate(threads, time, || raw.append_synced(&[b'x'; BATCH])));
            let append = || {
                log.append_synced(&[NewRecord::value(&VALUE)]).expect("an open log");
            };
            logs.push(rate(threads, time, append));
            ratios.push(logs[round] / raws[round]);
        }
        ratios.sort_by(f64::total_cmp);
        eprintln!(
            "{threads:7} {:10.0} {:10.0} {:10.2} {ratios:.2?}",
            median(raws),
            median(logs),
            ratios[ROUNDS / 2]
        );
    }
    Ok(())
}

//! Many logs in one store: `cargo run --release -p log-engine --example many_logs -- DIR [LOGS [ROUNDS]]`.
//!
//! Makes them with a record each, closes and opens the store, appends to them one after the other, and tells how long each
//! took and what the process holds. To be run with different `ulimit -n`.

#![expect(clippy::print_stderr, reason = "figures, while the program runs")]

use log_engine::{LogConfig, LogName, LogStore, NewRecord};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A batch of about 1 KiB.
const VALUE: [u8; 900] = [b'x'; 900];

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: many_logs DIR [LOGS [ROUNDS]]")?;
    let logs = args.next().map_or(Ok(10_000), |text| text.parse())?;
    let rounds = args.next().map_or(Ok(5), |text| text.parse())?;
    let dir = Path::new(&dir);
    create(dir, logs)?;
    close_and_kill(dir)?;
    append(dir, 100, rounds * logs / 100)?;
    append(dir, logs, rounds)
}

fn create(dir: &Path, logs: usize) -> Outcome<()> {
    let store = LogStore::builder([dir]).open()?;
    let began = Instant::now();
    for number in store.logs().len()..logs {
        let log = store.create(&LogName::new(&format!("topic-{number:05}"), 0)?, &LogConfig::default())?;
        log.append(&[NewRecord::value(&VALUE)])?;
    }
    tell(&format!("create {logs}"), began);
    let began = Instant::now();
    store.close()?;
    tell("close what was appended to", began);
    Ok(())
}

fn close_and_kill(dir: &Path) -> Outcome<()> {
    let began = Instant::now();
    let store = LogStore::builder([dir]).open()?;
    tell("open after a clean close", began);
    told_memory();
    let began = Instant::now();
    store.close()?;
    tell("close what was not touched", began);
    drop(store);
    let store = LogStore::builder([dir]).open()?;
    for (_, log) in store.logs() {
        log.append(&[NewRecord::value(&VALUE)])?;
    }
    drop(store);
    let began = Instant::now();
    let store = LogStore::builder([dir]).open()?;
    tell("open after a kill, each appended to", began);
    Ok(store.close()?)
}

fn append(dir: &Path, logs: usize, rounds: usize) -> Outcome<()> {
    let store = LogStore::builder([dir]).open()?;
    let all: Vec<_> = store.logs().into_iter().take(logs).collect();
    let maintained = store.spawn_maintenance(Duration::from_secs(1), |round| {
        for (log, error) in round.errors {
            eprintln!("{log:?}: {error}");
        }
    });
    let mut times = Vec::with_capacity(rounds * all.len());
    let began = Instant::now();
    for _ in 0..rounds {
        for (_, log) in &all {
            let before = Instant::now();
            log.append(&[NewRecord::value(&VALUE)])?;
            times.push(before.elapsed());
        }
    }
    tell(&format!("append {rounds} times to {} logs", all.len()), began);
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000];
    eprintln!("  p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}", at(500), at(990), at(999), at(1000));
    told_memory();
    drop(maintained);
    Ok(Arc::clone(&store).close()?)
}

fn tell(what: &str, began: Instant) {
    let cpu = cpu_seconds();
    eprintln!(
        "{what}: {:.3} s (the process so far: {cpu:.2} s of processors)",
        began.elapsed().as_secs_f64()
    );
}

/// Of user and system together: what a quiet machine would take at most, for what does not wait.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks: u32 = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

/// What the kernel says of the process.
fn told_memory() {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line[name.len().min(line.len())..].trim().to_owned()
    };
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let anonymous = field("/proc/self/smaps_rollup", "Anonymous:");
    let tables = field("/proc/self/status", "VmPTE:");
    eprintln!("  anonymous {anonymous}, page tables {tables}, descriptors {open}");
}

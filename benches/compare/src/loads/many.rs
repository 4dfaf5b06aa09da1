//! Many logs in one store: memory, and what an append costs when they take turns.

use crate::Setup;
use crate::child;
use crate::peers::Outcome;
use crate::report::{Bench, Better, OURS};
use log_engine::{LogName, LogStore, NewRecord};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::time::{Duration, Instant};

/// A child's number: how many logs, and above it how many descriptors it may have.
const SHIFT: u32 = 32;
const MANY_FILES: u64 = 32_768;
const FEW_FILES: u64 = 1024;
const FEW_LOGS: u64 = 100;
/// Appends of one measurement.
const APPENDS: u64 = 100_000;

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let logs = setup.options.logs as u64;
    let few = format!("{FEW_LOGS} logs, {} descriptors", most_files().min(MANY_FILES));
    let narrow = format!("{logs} logs, {FEW_FILES} descriptors");
    let mut p50 = Bench::new(format!("append to {logs} logs in turn, p50"), "ns", Better::Lower);
    let mut p99 = Bench::new(format!("append to {logs} logs in turn, p99"), "ns", Better::Lower);
    let mut memory = Bench::new("anonymous memory and page tables", "MB", Better::Lower);
    let mut create = Bench::new("making and closing the logs", "s", Better::Lower);
    let cases = [(few.as_str(), FEW_LOGS, MANY_FILES), (OURS, logs, MANY_FILES), (&narrow, logs, FEW_FILES)];
    for (name, logs, files) in cases {
        let scratch = setup.scratch("many logs");
        match child::figures("many", OURS, scratch.path(), logs | files << SHIFT).as_deref() {
            Ok([half, most, bytes, made]) => {
                p50.add(name, *half);
                p99.add(name, *most);
                memory.add(name, *bytes);
                create.add(name, *made);
            }
            Ok(_) => p50.note(name, "the child said too little"),
            Err(error) => p50.note(name, error),
        }
    }
    let fewer = p50.median(&few).map(|figure| (few.clone(), figure));
    p50.goal_against("100 logs", fewer, 3.0);
    p50.note(OURS, format!("{logs} logs, {} descriptors", most_files().min(MANY_FILES)));
    memory.goal("ours", memory.median(OURS), 200.0);
    Ok(vec![p50, p99, memory, create])
}

/// What this process may have at most.
fn most_files() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// The job of the child: p50 and p99 in nanoseconds, megabytes, seconds to make and close.
pub fn child(_engine: &str, dir: &Path, number: u64) -> Outcome<Vec<f64>> {
    let (logs, files) = (number & 0xffff_ffff, number >> SHIFT);
    let maximum = getrlimit(Resource::Nofile).maximum;
    let files = maximum.map_or(files, |most| most.min(files));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).map_err(|e| e.to_string())?;
    let start = Instant::now();
    let store = LogStore::builder([dir]).open().map_err(|e| e.to_string())?;
    let config = crate::peers::ours::config();
    let mut all = Vec::new();
    for index in 0..logs {
        let index = i32::try_from(index).map_err(|e| e.to_string())?;
        let name = LogName::new("many", index).map_err(|e| e.to_string())?;
        all.push(store.create(&name, &config).map_err(|e| e.to_string())?);
    }
    let mut made = start.elapsed();
    let value = crate::work::noise(100, 1);
    let rounds = (APPENDS / logs).max(2);
    let mut times = Vec::new();
    for round in 0..=rounds {
        for log in &all {
            let start = Instant::now();
            log.append(&[NewRecord::value(&value)]).map_err(|e| e.to_string())?;
            // The first round makes what is made lazily.
            if round > 0 {
                times.push(start.elapsed());
            }
        }
    }
    let memory = memory_mb()?;
    let start = Instant::now();
    store.close().map_err(|e| e.to_string())?;
    made += start.elapsed();
    times.sort_unstable();
    let at =
        |per_mille: usize| times.get(times.len() * per_mille / 1000).map_or(0.0, Duration::as_secs_f64) * 1e9;
    Ok(vec![at(500), at(990), memory, made.as_secs_f64()])
}

/// Anonymous memory and page tables of this process, in MB.
fn memory_mb() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok((field("RssAnon:") + field("VmPTE:")) * 1024.0 / 1e6)
}

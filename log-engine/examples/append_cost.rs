//! What an append costs: `cargo run --release -p log-engine --example append_cost -- DIR [raw|log [SIZE]]`.
//!
//! `log`: nanoseconds of [`Log::append`] and [`Log::append_batch`] by size of the batch, in the page cache, beside a raw write
//! of the same bytes with one checksum. `raw`: the median of a write and its sync, by the kind of block that is written to, and of [`Log::append_synced`]. Every
//! file is made anew in DIR, which should be empty, and removed.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use log_engine::format::build::BatchBuilder;
use log_engine::io::{OpenMode, RealStorage, Storage, StorageFile};
use log_engine::{Log, LogConfig, NewRecord, Origin};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: append_cost DIR [raw|log [SIZE]]")?;
    let what = args.next();
    if what.as_deref() != Some("log") {
        raw(Path::new(&dir))?;
    }
    if what.as_deref() != Some("raw") {
        log(Path::new(&dir), &args.next().unwrap_or_default())?;
    }
    Ok(())
}

/// Bytes that no file system makes less of.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// All sizes whose name has `only` in it.
fn log(dir: &Path, only: &str) -> Outcome {
    for (name, count, size, rounds) in [
        ("1 x 100 B", 1, 100, 1_000_000_u32),
        ("100 x 100 B", 100, 100, 50_000),
        ("1 x 1 KiB", 1, 1024, 200_000),
        ("1 x 2 KiB", 1, 2048, 100_000),
        ("1 x 4 KiB", 1, 4096, 50_000),
        ("1 x 8 KiB", 1, 8192, 25_000),
        ("16 x 1 KiB", 16, 1024, 15_000),
        ("1 x 64 KiB", 1, 64 << 10, 4_000),
        ("1 x 1 MB", 1, 1_000_000, 300),
    ] {
        if !name.contains(only) {
            continue;
        }
        let value = noise(size);
        let records = vec![NewRecord::value(&value); count];
        let mut builder = BatchBuilder::new();
        for record in &records {
            builder.push(record);
        }
        let batch = builder.finish()?;
        let payload = (count * size) as f64;
        let records_cost = best(dir, rounds, |log| log.append(&records).map(drop))?;
        let ready_cost = best(dir, rounds, |log| log.append_batch(&batch, Origin::Client).map(drop))?;
        let raw_cost = raw_write(dir, &batch, rounds)?;
        let rate = |ns: f64| payload * 1000.0 / ns;
        println!(
            "{name:>12}  append {records_cost:>9.0} ns {:>5.0} MB/s   ready batch {ready_cost:>9.0} ns {:>5.0} MB/s   raw write + crc {raw_cost:>9.0} ns {:>5.0} MB/s",
            rate(records_cost),
            rate(ready_cost),
            rate(raw_cost),
        );
    }
    Ok(())
}

/// Nanoseconds that this thread has run: what other processes take is not counted.
fn run_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The mean time of a call on a fresh log, of the best of five rounds.
fn best(
    dir: &Path,
    rounds: u32,
    call: impl Fn(&Log) -> log_engine::Result<()>,
) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let dir = dir.join("cost-0");
        let config = LogConfig { segment_bytes: 256 << 20, ..LogConfig::default() };
        let log = Log::open(&dir, config)?;
        call(&log)?;
        let started = run_time();
        for _ in 0..rounds {
            call(&log)?;
        }
        best = best.min((run_time() - started) / f64::from(rounds));
        drop(log);
        std::fs::remove_dir_all(dir)?;
    }
    Ok(best)
}

/// The same bytes by one write each, into blocks that were reserved, after one checksum.
fn raw_write(dir: &Path, bytes: &[u8], rounds: u32) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let path = dir.join("raw");
        let started = run_time();
        let (mut file, mut at, mut sums) = (fresh(&path)?, 0, 0_u64);
        for _ in 0..rounds {
            if at + bytes.len() as u64 > 256 << 20 {
                std::fs::rename(&path, dir.join("old"))?;
                (file, at) = (fresh(&path)?, 0);
            }
            if at % (16 << 20) + bytes.len() as u64 > 16 << 20 || at == 0 {
                file.reserve(at, 16 << 20)?;
            }
            sums += u64::from(crc32c::crc32c(bytes));
            file.write_all_at(&[bytes], at)?;
            at += bytes.len() as u64;
        }
        std::hint::black_box(sums);
        best = best.min((run_time() - started) / f64::from(rounds));
        std::fs::remove_file(&path)?;
        let _ = std::fs::remove_file(dir.join("old"));
    }
    Ok(best)
}

fn fresh(path: &Path) -> std::io::Result<Arc<dyn StorageFile>> {
    RealStorage::new().open(path, OpenMode::CreateNew)
}

/// Kinds of blocks that are written to and synced.
const KINDS: [&str; 5] = ["growing", "reserved", "zero-filled", "stored", "log"];

fn raw(dir: &Path) -> Outcome {
    println!("a write and its sync, in microseconds: median (p5, p99); kinds of blocks in turn");
    for size in [100, 4 << 10, 16 << 10, 64 << 10, 256 << 10] {
        let bytes = noise(size);
        let mut found = synced(dir, &bytes, 400)?;
        print!("{size:>8} B");
        for (kind, times) in KINDS.iter().zip(&mut found) {
            times.sort_by(f64::total_cmp);
            print!("   {kind} {:>5.0} ({:>5.0}, {:>5.0})", times[200], times[20], times[396]);
        }
        println!();
    }
    Ok(())
}

/// Microseconds of each of `count` writes with their syncs, for each kind.
fn synced(dir: &Path, bytes: &[u8], count: usize) -> Result<[Vec<f64>; KINDS.len()], Box<dyn Error>> {
    let whole = (bytes.len() * count) as u64;
    let mut files = Vec::new();
    for kind in KINDS {
        let file = fresh(&dir.join(kind))?;
        match kind {
            "reserved" => file.reserve(0, whole)?,
            "zero-filled" => {
                let zeros = vec![0; 1 << 20];
                for at in (0..whole).step_by(1 << 20) {
                    file.write_all_at(&[&zeros], at)?;
                }
            }
            _ => {}
        }
        file.sync_data()?;
        files.push(file);
    }
    let log = Log::open(dir.join("cost-0"), LogConfig::default())?;
    let record = [NewRecord::value(bytes)];
    let mut window = files[3].window(0, whole)?.ok_or("a file system without windows")?;
    let mut found = [const { Vec::new() }; KINDS.len()];
    for n in 0..count {
        let at = (n * bytes.len()) as u64;
        for (kind, file) in files.iter().enumerate() {
            let started = Instant::now();
            match kind {
                3 => window.store(at, bytes)?,
                4 => {
                    log.append_synced(&record)?;
                }
                _ => file.write_all_at(&[bytes], at)?,
            }
            if kind != 4 {
                file.sync_data()?;
            }
            found[kind].push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    for kind in KINDS {
        std::fs::remove_file(dir.join(kind))?;
    }
    drop(log);
    std::fs::remove_dir_all(dir.join("cost-0"))?;
    Ok(found)
}

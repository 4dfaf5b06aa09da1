//! What an append costs: `cargo run --release -p log-engine --example append_cost -- DIR [raw|log]`.
//!
//! `log`: nanoseconds of [`Log::append`] and [`Log::append_batch`] by size of the batch, in the page cache, beside a raw write
//! of the same bytes with one checksum. `raw`: the median of a write and its sync, by the kind of block that is written to. Every
//! file is made anew in DIR, which should be empty, and removed.

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
    let dir = args.next().ok_or("usage: append_cost DIR [raw|log]")?;
    let what = args.next();
    if what.as_deref() != Some("log") {
        raw(Path::new(&dir))?;
    }
    if what.as_deref() != Some("raw") {
        log(Path::new(&dir))?;
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

fn log(dir: &Path) -> Outcome {
    for (name, count, size, rounds) in [
        ("1 x 100 B", 1, 100, 2_000_000_u32),
        ("100 x 100 B", 100, 100, 100_000),
        ("1 x 1 KiB", 1, 1024, 500_000),
        ("1 x 2 KiB", 1, 2048, 300_000),
        ("1 x 4 KiB", 1, 4096, 200_000),
        ("1 x 8 KiB", 1, 8192, 100_000),
        ("16 x 1 KiB", 16, 1024, 60_000),
        ("1 x 64 KiB", 1, 64 << 10, 15_000),
        ("1 x 1 MB", 1, 1_000_000, 1_000),
    ] {
        let value = noise(size);
        let records = vec![NewRecord::value(&value); count];
        let mut builder = BatchBuilder::new();
        for record in &records {
            builder.push(record);
        }
        let batch = builder.finish()?;
        let payload = (count * size) as f64;
        let records_cost = median(dir, rounds, |log| log.append(&records).map(drop))?;
        let ready_cost = median(dir, rounds, |log| log.append_batch(&batch, Origin::Client).map(drop))?;
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

/// The mean of a call, of the median of three rounds on a fresh log.
fn median(
    dir: &Path,
    rounds: u32,
    call: impl Fn(&Log) -> log_engine::Result<()>,
) -> Result<f64, Box<dyn Error>> {
    let mut found = Vec::new();
    for _ in 0..3 {
        let dir = dir.join("cost-0");
        let config = LogConfig { segment_bytes: 256 << 20, ..LogConfig::default() };
        let log = Log::open(&dir, config)?;
        let started = Instant::now();
        for _ in 0..rounds {
            call(&log)?;
        }
        found.push(started.elapsed().as_nanos() as f64 / f64::from(rounds));
        log.abandon();
        std::fs::remove_dir_all(dir)?;
    }
    found.sort_by(f64::total_cmp);
    Ok(found[1])
}

/// The same bytes by one write each, into blocks that were reserved, after one checksum.
fn raw_write(dir: &Path, bytes: &[u8], rounds: u32) -> Result<f64, Box<dyn Error>> {
    let mut found = Vec::new();
    for _ in 0..3 {
        let path = dir.join("raw");
        let started = Instant::now();
        let (mut file, mut at, mut sums) = (fresh(&path)?, 0, 0_u64);
        for _ in 0..rounds {
            if at + bytes.len() as u64 > 256 << 20 {
                std::fs::remove_file(&path)?;
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
        found.push(started.elapsed().as_nanos() as f64 / f64::from(rounds));
        std::fs::remove_file(&path)?;
    }
    found.sort_by(f64::total_cmp);
    Ok(found[1])
}

fn fresh(path: &Path) -> std::io::Result<Arc<dyn StorageFile>> {
    RealStorage::new().open(path, OpenMode::CreateNew)
}

const KINDS: [&str; 3] = ["growing", "reserved", "zero-filled"];

fn raw(dir: &Path) -> Outcome {
    println!("median of a write and its sync, in microseconds (p99)");
    for size in [4 << 10, 16 << 10, 64 << 10, 256 << 10] {
        let bytes = noise(size);
        print!("{:>8} B", size);
        for kind in KINDS {
            let mut found = synced(dir, kind, &bytes, 300)?;
            found.sort_by(f64::total_cmp);
            print!("   {kind} {:>5.0} ({:>5.0})", found[150], found[297]);
        }
        println!();
    }
    Ok(())
}

/// Microseconds of each of `count` writes with their syncs.
fn synced(dir: &Path, kind: &str, bytes: &[u8], count: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let path = dir.join("raw");
    let file = fresh(&path)?;
    let whole = (bytes.len() * count) as u64;
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
    let mut found = Vec::new();
    for n in 0..count {
        let started = Instant::now();
        file.write_all_at(&[bytes], (n * bytes.len()) as u64)?;
        file.sync_data()?;
        found.push(started.elapsed().as_secs_f64() * 1e6);
    }
    std::fs::remove_file(path)?;
    Ok(found)
}

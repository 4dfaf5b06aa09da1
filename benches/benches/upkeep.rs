//! What is paid now and then: opening a log again, deleting what is old, compaction, and many logs in one store.
//!
//! The page cache is `hot` throughout. A log is reopened at 1 GiB, or at as many as `CORRENTE_BENCH_GIB` says (10 is the
//! other size of interest). `after_kill` finds everything above the synced mark, so all of it is scanned; throughput is
//! the log's size. Many logs are 10,000, or as many as `CORRENTE_BENCH_LOGS` says.

use corrente_benches::{Scratch, batch, noise};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use log_engine::config::CleanupPolicy;
use log_engine::format::build::BatchBuilder;
use log_engine::io::{Clock, SystemClock};
use log_engine::{Log, LogConfig, LogName, LogStore, NewRecord, Origin};
use std::path::Path;
use std::time::Duration;

/// The file that says up to where a log was synced.
const MARK: &str = "synced-mark";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn reopen(c: &mut Criterion) {
    let gib = setting("CORRENTE_BENCH_GIB", 1);
    let mut group = c.benchmark_group("reopen");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(2));
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = temp.path().join("bench-0");
    let log = Log::open(&dir, LogConfig::default()).expect("a new log");
    let mark = std::fs::read(dir.join(MARK)).expect("a log has a mark");
    let bytes = batch(16, 1024);
    for _ in 0..(gib << 30) / bytes.len() as u64 {
        log.append_batch(&bytes, Origin::Client).expect("room on the disk");
    }
    let size = log.size_bytes();
    // Like a kill: nothing is synced, and the mark is the one of the empty log.
    drop(log);
    group.throughput(Throughput::Bytes(size));
    group.bench_function(BenchmarkId::new("after_kill/hot", format!("{gib}GiB")), |b| {
        let setup = || std::fs::write(dir.join(MARK), &mark).expect("room on the disk");
        b.iter_batched(setup, |()| open(&dir, size), BatchSize::PerIteration);
    });
    open(&dir, size).close().expect("a disk that syncs");
    group.bench_function(BenchmarkId::new("after_clean_stop/hot", format!("{gib}GiB")), |b| {
        b.iter(|| open(&dir, size));
    });
    group.finish();
}

fn open(dir: &Path, size: u64) -> std::sync::Arc<Log> {
    let log = Log::open(dir, LogConfig::default()).expect("a log that can be opened");
    assert_eq!(log.size_bytes(), size, "everything is there");
    log
}

/// Deleting 100 segments of 64 KiB by size: renames, and one durable log start.
fn retention(c: &mut Criterion) {
    let mut group = c.benchmark_group("retention");
    group.sample_size(10).throughput(Throughput::Elements(100));
    let config =
        LogConfig { segment_bytes: 64 << 10, retention_bytes: Some(64 << 10), ..LogConfig::default() };
    let bytes = batch(60, 1000);
    let setup = || {
        let log = Scratch::with(config.clone());
        for _ in 0..=100 {
            log.append_batch(&bytes).expect("room on the disk");
        }
        log
    };
    group.bench_function("by_size/100_segments/hot", |b| {
        b.iter_batched(
            setup,
            |log| {
                let report = log.apply_retention(SystemClock::default().now()).expect("a disk that renames");
                assert!(report.log_start.get() > 0, "something was old");
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Compaction of 64 MiB: records of 100 bytes under 10,000 keys, each of which came about 50 times.
/// Throughput counts what is read.
fn compaction(c: &mut Criterion) {
    const KEYS: usize = 10_000;
    let mut group = c.benchmark_group("compaction");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(2));
    let config = LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        segment_bytes: 16 << 20,
        ..LogConfig::default()
    };
    let value = noise(100);
    let setup = || {
        let log = Scratch::with(config.clone());
        let mut keys = (0..KEYS).cycle();
        while log.size_bytes() < 64 << 20 {
            let mut batch = BatchBuilder::new();
            for key in keys.by_ref().take(100) {
                batch.push(&NewRecord::keyed(&key.to_be_bytes(), &value).at(SystemClock::default().now()));
            }
            log.append_batch(&batch.finish().expect("a small batch")).expect("room on the disk");
        }
        log
    };
    group.throughput(Throughput::Bytes(64 << 20));
    group.bench_function("100B/10000_keys/hot", |b| {
        b.iter_batched(
            setup,
            |log| {
                let before = log.size_bytes();
                log.compact(SystemClock::default().now()).expect("a disk that renames");
                assert!(log.size_bytes() < before / 2, "something came again");
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Appends to many logs in turn, as a broker of many quiet partitions sees them.
fn many_logs(c: &mut Criterion) {
    let logs = setting("CORRENTE_BENCH_LOGS", 10_000);
    let mut group = c.benchmark_group("many_logs");
    group.sample_size(10).throughput(Throughput::Elements(1));
    let temp = tempfile::tempdir().expect("a temporary directory");
    let store = LogStore::builder([temp.path()]).open().expect("an empty directory");
    let create = |index: u64| {
        let name = LogName::new("bench", i32::try_from(index).unwrap_or(i32::MAX)).expect("a name");
        store.create(&name, &LogConfig::default()).expect("room on the disk")
    };
    let all: Vec<_> = (0..logs).map(create).collect();
    let value = noise(100);
    let mut next = all.iter().cycle();
    group.bench_function(BenchmarkId::new("append_in_turn/100B/no_sync", logs), |b| {
        b.iter(|| next.next().map(|log| log.append(&[NewRecord::value(&value)]).expect("room on the disk")));
    });
    group.finish();
    store.close().expect("a disk that syncs");
}

criterion_group!(benches, reopen, retention, compaction, many_logs);
criterion_main!(benches);

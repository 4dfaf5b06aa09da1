//! The log alone: what an append costs, what a read costs, and what a sync adds.
//!
//! Sizes: 100 B is a small record, 16 KiB what a producer with default settings sends, 64 KiB and 1 MB large
//! batches. Every log lives in the page cache (its files are far smaller than memory); `no_sync` never calls
//! fdatasync, `synced` waits for it in each iteration. Throughput counts batch bytes.

use bytes::Bytes;
use corrente_benches::{batch, noise};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use log_engine::config::LogConfig;
use log_engine::format::build::NewRecord;
use log_engine::log::{Log, Origin, ReadLimits};
use log_engine::types::Offset;
use std::hint::black_box;
use std::sync::Arc;

/// Keeps a long run from filling the disk: old segments go as in production.
fn config() -> LogConfig {
    LogConfig { segment_bytes: 256 << 20, retention_bytes: Some(1 << 30), ..LogConfig::default() }
}

fn scratch() -> (tempfile::TempDir, Arc<Log>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = Log::open(dir.path().join("bench-0"), config()).expect("a new log");
    (dir, log)
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    let value = noise(100);
    let (_dir, log) = scratch();
    group.throughput(Throughput::Bytes(100));
    group.bench_function("one_record/100B/no_sync", |b| {
        b.iter(|| log.append(&[NewRecord::value(black_box(&value))]).expect("room on the disk"));
    });
    for (name, count, len) in
        [("100x100B", 100, 100), ("16x1KiB", 16, 1024), ("64KiB", 1, 64 << 10), ("1MB", 1, 1_000_000)]
    {
        let bytes = batch(count, len);
        let (_dir, log) = scratch();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("ready_batch", format!("{name}/no_sync")), |b| {
            b.iter(|| log.append_batch(black_box(&bytes), Origin::Client).expect("room on the disk"));
        });
    }
    let bytes = batch(1, 4000);
    let (_dir, log) = scratch();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.sample_size(20);
    group.bench_function("ready_batch/4KiB/synced", |b| {
        b.iter(|| {
            log.append_batch(black_box(&bytes), Origin::Client).expect("room on the disk");
            log.sync().expect("a disk that syncs")
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let (_dir, log) = scratch();
    let bytes = batch(16, 1024);
    for _ in 0..8192 {
        log.append_batch(&bytes, Origin::Client).expect("room on the disk");
    }
    let end = log.end_offset().get();
    let mut group = c.benchmark_group("read");

    let limits = ReadLimits { max_bytes: 1 << 20, at_least_one: true, up_to: None };
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("sequential/1MiB/mapped/hot", |b| {
        let mut at = 0;
        b.iter(|| {
            let read = log.read(Offset::new(at).unwrap_or_default(), limits).expect("a readable log");
            let pieces: Vec<Bytes> = read.slices.iter().map(|s| s.bytes().expect("a mapped slice")).collect();
            // Touch a byte a page, so that a map which nobody reads is not called a read.
            let sum: u64 =
                pieces.iter().flat_map(|p| p.iter().step_by(4096)).map(|&byte| u64::from(byte)).sum();
            at = (at + 1000) % (end - 2000);
            sum
        });
    });

    let limits = ReadLimits { max_bytes: 1, at_least_one: true, up_to: None };
    group.throughput(Throughput::Elements(1));
    group.bench_function("random/one_batch/hot", |b| {
        let mut state = 1_i64;
        b.iter_batched(
            || {
                state = (state * 48271) % 2_147_483_647;
                Offset::new(state % end).unwrap_or_default()
            },
            |offset| log.read(offset, limits).expect("a readable log"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);

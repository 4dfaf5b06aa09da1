//! One log: what an append costs, what a sync adds, and what reading, following and finding cost.
//!
//! Sizes: 100 B is a small record, 100 x 100 B a batch of them, 16 x 1 KiB what a producer with default settings sends,
//! 64 KiB and 1 MiB large batches. Every log lives in the page cache (`hot`): its files are far smaller than memory.
//! `no_sync` never calls fdatasync; `synced` waits for it in each append, by so many threads at once. Throughput counts
//! batch bytes, or records where one record is looked for.

use bytes::Bytes;
use corrente_benches::{Scratch, batch, noise};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use log_engine::index::OffsetIndex;
use log_engine::{NewRecord, Offset, Position, ReadLimits, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Records of a batch, and bytes of a record.
const SHAPES: [(&str, usize, usize); 5] = [
    ("100B", 1, 100),
    ("100x100B", 100, 100),
    ("16x1KiB", 16, 1024),
    ("64KiB", 1, 64 << 10),
    ("1MiB", 1, 1_000_000),
];

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    let value = noise(100);
    let log = Scratch::log();
    group.throughput(Throughput::Bytes(100));
    group.bench_function("one_record/100B/no_sync", |b| {
        b.iter(|| log.append(&[NewRecord::value(black_box(&value))]).expect("room on the disk"));
    });
    for (name, count, len) in SHAPES {
        let bytes = batch(count, len);
        let log = Scratch::log();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("ready_batch", format!("{name}/no_sync")), |b| {
            b.iter(|| log.append_batch(black_box(&bytes)).expect("room on the disk"));
        });
    }
    group.finish();
}

/// Wall time of one append when so many threads append and sync as fast as they can.
fn append_synced(c: &mut Criterion) {
    let mut group = c.benchmark_group("append_synced");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for threads in [1_u64, 16, 64] {
        for (name, count, len) in SHAPES {
            let bytes = batch(count, len);
            let log = Scratch::log();
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function(BenchmarkId::new(name, format!("{threads}_threads")), |b| {
                b.iter_custom(|appends| by_threads(&log, &bytes, threads, appends));
            });
        }
    }
    group.finish();
}

fn by_threads(log: &Scratch, bytes: &[u8], threads: u64, appends: u64) -> Duration {
    let left = AtomicI64::new(appends.cast_signed());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    log.append_batch(bytes).expect("room on the disk");
                    log.sync().expect("a disk that syncs");
                }
            });
        }
    });
    start.elapsed()
}

/// A log of so many batches, and its end.
fn filled(batches: usize, count: usize, len: usize) -> (Scratch, i64) {
    let log = Scratch::log();
    let bytes = batch(count, len);
    for _ in 0..batches {
        log.append_batch(&bytes).expect("room on the disk");
    }
    let end = log.end_offset().get();
    (log, end)
}

fn read_sequential(c: &mut Criterion) {
    let mut group = c.benchmark_group("read_sequential");
    let (log, end) = filled(8192, 16, 1024);
    let limits = ReadLimits { max_bytes: 1 << 20, at_least_one: true, up_to: None };
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("slices_of_1MiB/unverified/hot", |b| {
        let mut at = 0;
        b.iter(|| {
            let read = log.read_unverified(offset(at), limits).expect("a readable log");
            let pieces: Vec<Bytes> = read.slices.iter().map(|s| s.bytes().expect("a mapped slice")).collect();
            // Touch a byte a page, so that a map which nobody reads is not called a read.
            let sum: u64 =
                pieces.iter().flat_map(|p| p.iter().step_by(4096)).map(|&byte| u64::from(byte)).sum();
            at = (at + 1000) % (end - 2000);
            sum
        });
    });
    group.sample_size(20);
    for (name, count, len) in [("16x1KiB", 16, 1024), ("100x100B", 100, 100)] {
        let (log, _) = filled(4096, count, len);
        group.throughput(Throughput::Bytes(log.size_bytes()));
        group.bench_function(BenchmarkId::new("records/crc_verified", format!("{name}/hot")), |b| {
            b.iter(|| {
                let records = log.records(Offset::ZERO).map(|batch| batch.expect("a sound log"));
                records.map(|batch| batch.records().expect("no codec").iter().count()).sum::<usize>()
            });
        });
    }
    group.finish();
}

fn read_random(c: &mut Criterion) {
    let mut group = c.benchmark_group("read_random");
    group.throughput(Throughput::Elements(1));
    let (log, end) = filled(8192, 100, 100);
    let mut state = 1_i64;
    let mut next = move || {
        state = (state * 48271) % 2_147_483_647;
        state
    };
    group.bench_function("batch_by_offset/slices/100x100B/hot", |b| {
        let limits = ReadLimits { max_bytes: 1, at_least_one: true, up_to: None };
        b.iter(|| log.read(offset(next() % end), limits).expect("a readable log"));
    });
    group.bench_function("record_by_offset/crc_verified/100x100B/hot", |b| {
        b.iter(|| {
            let at = offset(next() % end);
            let batch = log.get(at).expect("a readable log").expect("an offset of the log");
            let records = batch.records().expect("no codec");
            records.get(at).expect("a sound batch").expect("no gaps").value.map(<[u8]>::len)
        });
    });
    let log = timed(8192);
    group.bench_function("offset_by_time/100x100B/hot", |b| {
        b.iter(|| {
            let time = Timestamp::from_millis(next() % 8192).unwrap_or_default();
            log.offset_for_time(time).expect("a readable log").expect("a time of the log")
        });
    });
    group.finish();
}

/// A log of batches of 100 x 100 B, one a millisecond.
fn timed(batches: i64) -> Scratch {
    let log = Scratch::log();
    let value = noise(100);
    for batch in 0..batches {
        let record = NewRecord { timestamp: Timestamp::from_millis(batch), ..NewRecord::value(&value) };
        log.append(&[record; 100]).expect("room on the disk");
    }
    log
}

/// From an append to a follower that has seen it, and back: two threads answer each other through two logs.
fn follow(c: &mut Criterion) {
    let mut group = c.benchmark_group("follow");
    let (ask, answer) = (Scratch::log(), Scratch::log());
    let (asked, answered, over) = (ask.share(), answer.share(), Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&over);
    let other = std::thread::spawn(move || {
        let mut seen = Offset::ZERO;
        while !done.load(Ordering::Relaxed) {
            let end = asked.wait_for_end(seen, Duration::from_millis(100));
            if end > seen {
                seen = end;
                answered.append(&[NewRecord::value(b"answer")]).expect("room on the disk");
            }
        }
    });
    group.throughput(Throughput::Elements(2)).sample_size(20);
    group.bench_function("there_and_back/100B/no_sync", |b| {
        b.iter(|| {
            let before = answer.end_offset();
            ask.append(&[NewRecord::value(b"question")]).expect("room on the disk");
            while answer.wait_for_end(before, Duration::from_secs(1)) <= before {}
        });
    });
    over.store(true, Ordering::Relaxed);
    other.join().expect("the follower only waits and appends");
    group.finish();
}

/// The index of a full segment of 1 GiB: an entry each 4 KiB.
fn index(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    group.throughput(Throughput::Elements(1));
    for entries in [1024_i64, 262_144] {
        let mut index = OffsetIndex::new(Offset::ZERO);
        for entry in 1..=entries {
            let position = Position::new(entry.unsigned_abs() * 4096).unwrap_or_default();
            index.push(offset(entry * 40), position);
        }
        let mut state = 1_i64;
        group.bench_function(BenchmarkId::new("lookup/hot", entries), |b| {
            b.iter(|| {
                state = (state * 48271) % 2_147_483_647;
                index.lookup(offset(state % (entries * 40)))
            });
        });
    }
    group.finish();
}

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap_or_default()
}

fn quick() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = append, append_synced, read_sequential, read_random, follow, index
}
criterion_main!(benches);

//! Makes a log, compacts it twice and closes it, for a look at the files: `cargo run -p log-engine --example compact -- DIR`.
//!
//! In it is all that compaction treats in its own way: keys that came again, tombstones, each codec, transactions that were
//! committed and aborted, producers whose last batch stays empty.

use log_engine::config::{CleanupPolicy, LogConfig};
use log_engine::format::batch::{Codec, ProducerStamp};
use log_engine::format::build::{BatchBuilder, control_marker};
use log_engine::types::{ProducerEpoch, ProducerId, Sequence, Timestamp};
use log_engine::{Log, NewRecord, Origin};
use std::time::{SystemTime, UNIX_EPOCH};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn main() -> Outcome {
    let dir = std::env::args().nth(1).ok_or("usage: compact DIR")?;
    let config = LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        segment_bytes: 8 * 1024,
        index_interval_bytes: 512,
        ..LogConfig::default()
    };
    let log = Log::open(dir, config)?;
    for round in 0..2 {
        for number in 0..200 {
            write_batch(&log, CODECS[number % CODECS.len()], round, number)?;
        }
        log.append(&[NewRecord::tombstone(b"key-3"), NewRecord::tombstone(b"key-4")])?;
        transaction(&log, 1, round, false)?;
        transaction(&log, 2, round, true)?;
        // The rest of the active segment, so that all of the above may be compacted.
        for number in 0..100 {
            log.append(&[NewRecord::keyed(b"filler", format!("{round}/{number}/{:0100}", 0).as_bytes())])?;
        }
        println!("{:?}", log.compact(now()?)?);
    }
    Ok(log.close()?)
}

fn write_batch(log: &Log, codec: Codec, round: i32, number: usize) -> Outcome {
    let mut batch = BatchBuilder::new().codec(codec);
    for part in 0..3 {
        let key = format!("key-{}", (number * 7 + part) % 40);
        let value = format!("value of round {round}, batch {number}, record {part}");
        batch.push(&NewRecord::keyed(key.as_bytes(), value.as_bytes()).at(now()?));
    }
    log.append_batch(&batch.finish()?, Origin::Client)?;
    Ok(())
}

fn transaction(log: &Log, producer: i64, round: i32, commit: bool) -> Outcome {
    let id = ProducerId::new(producer).ok_or("a producer id")?;
    let epoch = ProducerEpoch::new(0).ok_or("an epoch")?;
    let stamp = ProducerStamp { id, epoch, base_sequence: Sequence::new(round) };
    let mut batch = BatchBuilder::new().producer(stamp).transactional(true);
    batch.push(&NewRecord::keyed(b"key-9", format!("{producer}/{round}").as_bytes()).at(now()?));
    log.append_batch(&batch.finish()?, Origin::Client)?;
    log.append_batch(&control_marker(id, epoch, commit, 0, now()?), Origin::Coordinator)?;
    Ok(())
}

fn now() -> Outcome<Timestamp> {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(Timestamp::from_millis(i64::try_from(millis)?).ok_or("a time")?)
}

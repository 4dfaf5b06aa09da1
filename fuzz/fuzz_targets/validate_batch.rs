//! Is what the validation lets pass really a batch, and does looking at it cost what its size allows?
//!
//! The input is taken as it is, and once more with magic, length and checksum put right, so that the checks behind them
//! are reached. A batch that is valid is appended to a log and read back, record by record.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use log_engine::format::batch::{ATTRIBUTES_AT, CRC_AT, HEADER_LEN, LENGTH_AT, LENGTH_OVERHEAD, MAGIC_AT};
use log_engine::format::batch::{BatchView, TimestampType};
use log_engine::format::validate::{ClientRules, validate_client_batch};
use log_engine::io::MemStorage;
use log_engine::{Log, LogConfig, Offset, Origin, Timestamp};
use std::sync::Arc;

const CAP: usize = 256 * 1024;

fn mended(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    if bytes.len() > HEADER_LEN {
        let len = i32::try_from(bytes.len() - LENGTH_OVERHEAD).unwrap_or(i32::MAX);
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&len.to_be_bytes());
        bytes[MAGIC_AT] = 2;
        let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

fn check(data: &[u8]) {
    let rules = ClientRules {
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        compacted: data.len() % 2 == 0,
        timestamp_type: if data.len() % 3 == 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        now: Timestamp::from_millis(1_700_000_000_000).expect("a time"),
        decompressed_cap: CAP,
    };
    // Room for a piece of what is opened, a record that lies across pieces, and a codec's state.
    let valid = bounded(data.len(), 2, 2 * CAP + (1 << 20), || validate_client_batch(data, &rules).is_ok());
    if !valid {
        return;
    }
    let view = BatchView::parse(data).expect("it was valid");
    let records = view.records(CAP).expect("it was walked");
    let count = records.iter().map(|record| record.expect("it was walked")).count();
    assert_eq!(count, view.record_count() as usize);
    append(data, count);
}

fn append(data: &[u8], count: usize) {
    let config =
        LogConfig { timestamp_after_max_ms: None, max_message_bytes: 1 << 20, ..LogConfig::default() };
    let log =
        Log::builder("/log").config(config).storage(Arc::new(MemStorage::new())).open().expect("memory");
    let Ok(appended) = log.append_batch(data, Origin::Client) else { return };
    let batch = log.records(Offset::ZERO).next().expect("it was appended").expect("it is read");
    let first = batch.view().base_offset();
    assert_eq!((first, appended.last_offset), (Offset::ZERO, batch.view().last_offset()));
    let offsets = batch
        .records()
        .expect("it was walked")
        .iter()
        .map(|r| r.expect("it was walked").offset.get())
        .collect::<Vec<_>>();
    assert!(offsets.into_iter().eq(0..count as i64), "records are not numbered one by one");
}

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&mended(data));
});

//! Does any content of a batch make reading its records panic, end never, or ask for memory out of proportion?
//!
//! The input is a batch; its magic and length are put right, its checksum is not looked at: what is read from a damaged
//! disk by somebody who does not check must be harmless, too.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use log_engine::Codec;
use log_engine::format::batch::{BatchView, HEADER_LEN, LENGTH_AT, LENGTH_OVERHEAD, MAGIC_AT};
use log_engine::format::build::{read_marker, rewrite};

const CAP: usize = 128 * 1024;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    if bytes.len() > HEADER_LEN {
        let len = i32::try_from(bytes.len() - LENGTH_OVERHEAD).unwrap_or(i32::MAX);
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&len.to_be_bytes());
        bytes[MAGIC_AT] = 2;
    }
    let Ok(view) = BatchView::parse(&bytes) else { return };
    bounded(data.len(), 2, 3 * CAP + (1 << 20), || {
        let Ok(records) = view.records(CAP) else { return };
        let mut count = 0_u64;
        for record in &records {
            let Ok(record) = record else { break };
            count += 1;
            let _ = read_marker(&record);
            assert_eq!(record.headers.into_iter().count(), record.headers.len(), "headers that were counted");
        }
        assert!(count <= u64::from(view.record_count()), "more records than the header says");
    });
    // What is rewritten has as many records as before.
    if let Ok(again) = bounded(data.len(), 8, 16 * CAP + (4 << 20), || rewrite(&view, Codec::Lz4, CAP)) {
        let again = BatchView::parse(&again).expect("it was just built");
        assert_eq!(again.record_count(), view.record_count());
    }
});

//! Do index files of any content keep what they promise: entries in order, and lookups that agree with a look at them all?
//!
//! The first byte chooses the kind, the next how far the base offset lies; then comes the file.
#![no_main]

use bytes::Bytes;
use corrente_fuzz::{Numbers, bounded};
use libfuzzer_sys::fuzz_target;
use log_engine::index::{OffsetIndex, TimeIndex, TxnIndex};
use log_engine::types::{Offset, Position, Timestamp};

fn offsets(base: Offset, file: &Bytes) {
    let (index, whole) = OffsetIndex::from_file(base, file);
    let entries = index.encode_from(0);
    assert!(file.starts_with(&entries), "the entries are the file's front");
    assert!(!whole || entries.len() == file.len());
    let all: Vec<(i64, u32)> = entries
        .chunks_exact(OffsetIndex::ENTRY_LEN)
        .map(|entry| {
            (
                i64::from(u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]])),
                u32::from_be_bytes([entry[4], entry[5], entry[6], entry[7]]),
            )
        })
        .collect();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{all:?}");
    for (relative, _) in &all {
        for target in [relative - 1, *relative, relative + 1] {
            let Some(target) = base.get().checked_add(target).and_then(Offset::new) else { continue };
            let expected = all
                .iter()
                .rev()
                .find(|(at, _)| base.get() + at <= target.get())
                .map(|(_, position)| *position);
            assert_eq!(index.lookup(target).map(|entry| entry.position.get()), expected, "{target}");
        }
    }
    let mut cut = index;
    if let Some((_, position)) = all.get(all.len() / 2) {
        cut.keep_below(Position::new(u64::from(*position)).expect("it was an entry's"));
        assert_eq!(cut.len(), all.len() / 2);
    }
}

fn times(base: Offset, file: &Bytes) {
    let (index, whole) = TimeIndex::from_file(base, file);
    let entries = index.encode_from(0);
    assert!(file.starts_with(&entries), "the entries are the file's front");
    assert!(!whole || entries.len() == file.len());
    let all: Vec<i64> = entries
        .chunks_exact(TimeIndex::ENTRY_LEN)
        .map(|entry| i64::from_be_bytes(std::array::from_fn(|i| entry[i])))
        .collect();
    assert!(all.is_sorted(), "{all:?}");
    for time in &all {
        let Some(target) = Timestamp::from_millis(*time) else { continue };
        let found = index.lookup(target).map(|entry| entry.timestamp);
        assert!(found.is_none_or(|found| found <= target), "{target:?} leads to {found:?}");
    }
}

fn transactions(file: &Bytes) {
    let (index, whole) = TxnIndex::from_file(file);
    let entries = index.encode_from(0);
    assert!(file.starts_with(&entries), "the entries are the file's front");
    assert!(!whole || entries.len() == file.len());
    let all: Vec<_> = index.iter().collect();
    assert!(all.is_sorted_by_key(|txn| txn.last));
    assert!(all.iter().all(|txn| txn.first < txn.last));
}

fuzz_target!(|data: &[u8]| {
    let mut numbers = Numbers(data);
    let (kind, far) = (numbers.byte(), numbers.byte());
    let base = Offset::new((1_i64 << (far % 63)) - 1).expect("below the greatest");
    let file = Bytes::copy_from_slice(numbers.0);
    bounded(data.len(), 8, 64 * 1024, || match kind % 3 {
        0 => offsets(base, &file),
        1 => times(base, &file),
        _ => transactions(&file),
    });
});

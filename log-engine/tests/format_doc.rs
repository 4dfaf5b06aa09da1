//! The hex in docs/FORMAT.md is what a real broker wrote, and what our code makes of the same content.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{golden, unhex};
use log_engine::format::batch::{ProducerStamp, patch};
use log_engine::format::build::{BatchBuilder, NewRecord, control_marker};
use log_engine::format::index_entry::{OffsetEntry, TimeEntry, TxnEntry};
use log_engine::format::snapshot::{self, ProducerEntry};
use log_engine::types::{
    LeaderEpoch, Offset, Position, ProducerEpoch, ProducerId, RelativeOffset, Sequence, Timestamp,
};
use std::fs;
use std::path::Path;

const FORMAT: &str = include_str!("../../docs/FORMAT.md");

/// The bytes of a block: in each line the hex up to a word that is none, or to two blanks behind it.
fn shown(name: &str) -> Vec<u8> {
    let block = FORMAT.split_once(&format!("```hex {name}\n")).unwrap().1.split("```").next().unwrap();
    let bytes = |line: &str| {
        let hex = line.split("  ").next().unwrap();
        unhex(&hex.replace(' ', ""))
    };
    block.lines().flat_map(bytes).collect()
}

/// The front of a golden file, as long as what is shown.
fn stored(file: &str, len: usize) -> Vec<u8> {
    let dir = golden().join("kafka-2.2.0/g-txn-0");
    fs::read(Path::new(&dir).join(file)).unwrap()[..len].to_vec()
}

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn producer() -> (ProducerId, ProducerEpoch) {
    (ProducerId::new(2).unwrap(), ProducerEpoch::new(1).unwrap())
}

#[test]
fn the_batch_and_the_marker_are_what_the_builder_makes() {
    let (id, epoch) = producer();
    let base_sequence = Sequence::new(37);
    let mut builder = BatchBuilder::new()
        .producer(ProducerStamp { id, epoch, base_sequence })
        .transactional(true)
        .at(offset(87), Some(LeaderEpoch::ZERO));
    builder.push(&NewRecord::keyed(b"k0070", b"value-0070-abcdefghijklmnopqr").at(time(1_700_000_000_700)));
    builder.push(&NewRecord::keyed(b"k0071", b"value-0071-abcdefghijklmnopqrs").at(time(1_700_000_000_710)));
    let batch = builder.finish().unwrap();
    assert_eq!(shown("batch"), batch);
    assert_eq!(batch, stored("00000000000000000087.log", 144));

    let mut marker = control_marker(id, epoch, false, 0, time(1_795_419_118_788));
    patch(&mut marker, offset(89), LeaderEpoch::ZERO);
    assert_eq!(shown("marker"), marker);
    assert_eq!(marker, stored("00000000000000000089.log", 78));
}

#[test]
fn the_index_entries_are_what_ours_are() {
    let position = Position::new(78).unwrap();
    let entry = OffsetEntry { offset: RelativeOffset::new(3).unwrap(), position };
    assert_eq!(shown("index"), entry.to_bytes());
    assert_eq!(shown("index"), stored("00000000000000000004.index", OffsetEntry::LEN));

    let entry = TimeEntry { timestamp: time(1_795_419_117_598), offset: RelativeOffset::new(0).unwrap() };
    assert_eq!(shown("timeindex"), entry.to_bytes());
    assert_eq!(shown("timeindex"), stored("00000000000000000004.timeindex", TimeEntry::LEN));

    let producer = producer().0;
    let entry = TxnEntry { producer, first: offset(5), last: offset(8), last_stable: offset(9) };
    assert_eq!(shown("txnindex"), entry.to_bytes());
    assert_eq!(shown("txnindex"), stored("00000000000000000004.txnindex", TxnEntry::LEN));
}

#[test]
fn the_snapshot_is_what_ours_is() {
    let entry = |id, sequence, last, timestamp, open: Option<i64>| ProducerEntry {
        id: ProducerId::new(id).unwrap(),
        epoch: ProducerEpoch::new(1).unwrap(),
        last_sequence: Sequence::new(sequence),
        last_offset: Offset::new(last),
        offset_delta: 1,
        timestamp: Some(time(timestamp)),
        coordinator_epoch: Some(0),
        txn_first_offset: open.map(offset),
    };
    let producers =
        [entry(2, 36, 84, 1_700_000_000_510, Some(83)), entry(3, 20, 82, 1_700_000_000_410, None)];
    assert_eq!(shown("snapshot"), snapshot::write(&producers));
    assert_eq!(shown("snapshot"), stored("00000000000000000087.snapshot", 102));
}

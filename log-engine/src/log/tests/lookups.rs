//! One batch by its offset, one record after the other, and from times to offsets, against a look at every record.

use super::*;
use crate::format::batch::Codec;
use proptest::prelude::*;

#[test]
fn a_batch_is_found_by_each_of_its_offsets() {
    let log = Bench::small(400).open();
    for n in 0..10 {
        let values = [value(n), value(n + 1), value(n + 2)];
        log.append(&values.each_ref().map(|v| NewRecord::value(v.as_bytes()))).unwrap();
    }
    for n in 0..30 {
        let batch = log.get(offset(n)).unwrap().unwrap();
        assert_eq!(batch.base_offset(), offset(n - n % 3));
        let records = batch.records().unwrap();
        let record = records.get(offset(n)).unwrap().unwrap();
        assert_eq!(record.value.unwrap(), value(n / 3 + n % 3).as_bytes());
        assert_eq!(records.get(offset(n + 3)).unwrap(), None, "it lies in another batch");
    }
    assert!(log.get(offset(30)).unwrap().is_none(), "the end");
    assert!(matches!(log.get(offset(31)), Err(LogError::OffsetOutOfRange { .. })));
}

#[test]
fn a_cursor_begins_inside_a_batch_of_any_codec_and_goes_on_at_the_end() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut bench = Bench::new();
        bench.config.compression = Some(codec);
        let log = bench.open();
        let add = |from: i64| {
            let values: Vec<_> = (from..from + 4).map(value).collect();
            let records: Vec<_> = values.iter().map(|v| NewRecord::value(v.as_bytes())).collect();
            log.append(&records).unwrap();
        };
        let mut cursor = log.cursor(offset(2));
        add(0);
        let mut next = || cursor.next().unwrap().map(|r| (r.offset.get(), r.value.unwrap().to_vec()));
        for n in 2..4 {
            assert_eq!(next(), Some((n, value(n).into_bytes())), "{codec:?}");
        }
        assert_eq!(next(), None);
        add(4);
        assert_eq!(next(), Some((4, value(4).into_bytes())), "{codec:?}");
    }
}

/// What the two lookups by time answer, by a look at every record.
fn by_looking(records: &[(i64, Option<i64>)], time: i64) -> [Option<(i64, i64)>; 2] {
    let at = |(offset, found): &(i64, Option<i64>)| found.map(|found| (*offset, found));
    let first = records.iter().position(|(_, found)| found.is_some_and(|found| found >= time));
    let before = records[..first.unwrap_or(records.len())].iter().rev().find_map(at);
    [first.and_then(|index| at(&records[index])), before]
}

proptest! {
    /// A clock may jump to and fro; markers and deleted records lie in between.
    #[test]
    fn lookups_by_time_agree_with_a_look_at_every_record(
        batches in prop::collection::vec((prop::collection::vec(prop::option::of(0_i64..60), 1..4), 0..6_u8), 1..25),
        cut in 0_i64..12,
    ) {
        let mut bench = Bench::small(350);
        bench.config.timestamp_after_max_ms = None;
        let log = bench.open();
        let mut records = Vec::new();
        for (times, marker) in &batches {
            let mut builder = BatchBuilder::new();
            for time in times {
                let mut record = NewRecord::value(b"some bytes of a record");
                record.timestamp = time.and_then(Timestamp::from_millis);
                builder.push(&record);
            }
            let base = log.append_batch(&builder.finish().unwrap(), Origin::Client).unwrap().base_offset;
            records.extend((base.get()..).zip(times.iter().copied()));
            if *marker == 0 {
                log.commit_transaction(ProducerId::new(5).unwrap(), ProducerEpoch::ZERO).unwrap();
            }
        }
        let start = log.delete_records_before(offset(cut.min(log.end_offset().get()))).unwrap();
        records.retain(|(at, _)| *at >= start.get());
        let raw = |found: Option<(Offset, Timestamp)>| found.map(|(at, time)| (at.get(), time.as_millis()));
        // Markers have the time of the clock, which lies far behind all of these; only records are compared.
        for at in 0..62 {
            let found = raw(log.offset_for_time(time(at)).unwrap()).filter(|(_, time)| *time < 1_000);
            let [first, before] = by_looking(&records, at);
            if batches.iter().all(|(_, marker)| *marker != 0) {
                prop_assert_eq!(found, first);
                prop_assert_eq!(raw(log.offset_before_time(time(at)).unwrap()), before);
            } else if first.is_none() {
                prop_assert!(found.is_none());
            }
        }
    }
}

#[test]
fn the_last_before_passes_over_markers_and_records_without_a_time() {
    let log = Bench::small(300).open();
    let at = |ms| NewRecord::value(b"x").at(time(ms));
    log.append(&[at(10), at(20)]).unwrap();
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::value(b"no time"));
    log.append_batch(&builder.finish().unwrap(), Origin::Client).unwrap();
    log.append(&[at(30), at(15), at(40)]).unwrap();
    let before = |ms| log.offset_before_time(time(ms)).unwrap().map(|(o, t)| (o.get(), t.as_millis()));
    assert_eq!(before(10), None);
    assert_eq!(before(11), Some((0, 10)));
    assert_eq!(before(30), Some((1, 20)), "the one without a time is no answer");
    assert_eq!(before(40), Some((4, 15)), "in front of the first one at or after, whatever its time");
    assert_eq!(before(41), Some((5, 40)));
    assert_eq!(Bench::new().open().offset_before_time(time(5)).unwrap(), None, "an empty log");
}

#[test]
fn statistics_count_what_was_done() {
    let bench = Bench::small(400);
    let log = bench.open();
    log.append(&[NewRecord::value(b"a"), NewRecord::value(b"b")]).unwrap();
    fill(&log, 0..9);
    log.sync().unwrap();
    append(&log, 9);
    let read = log.read(Offset::ZERO, ReadLimits::default()).unwrap();
    let stats = log.stats();
    assert_eq!((stats.appended_batches, stats.appended_records, stats.syncs), (11, 12, 1));
    assert_eq!((stats.appended_bytes, stats.bytes), (log.size_bytes(), log.size_bytes()));
    assert!(stats.unsynced_bytes > 0 && stats.unsynced_bytes == log.unsynced_bytes());
    assert_eq!((stats.reads, stats.read_bytes), (1, read.len() as u64));
    assert_eq!((stats.segments, stats.index_rebuilds), (log.segment_offsets().len(), 0));
    assert!(stats.maps <= stats.open_files && stats.open_files <= stats.segments);
    assert_eq!(stats.batches_per_sync(), Some(11.0));
    let both: LogStats = [stats, stats].into_iter().sum();
    assert_eq!((both.bytes, both.reads), (2 * stats.bytes, 2));
    log.close().unwrap();
    drop(log);
    bench.remove(&log_name(0).replace(".log", ".index"));
    let log = bench.open();
    assert_eq!(dump(&log).len(), 12);
    assert_eq!(log.stats().index_rebuilds, 1);
}

#[test]
fn a_producer_goes_on_where_the_log_says() {
    let bench = Bench::new();
    let log = bench.open();
    let id = ProducerId::new(9).unwrap();
    assert_eq!(log.producer(id), None);
    let stamp = |n| ProducerStamp { id, epoch: ProducerEpoch::ZERO, base_sequence: Sequence::new(n) };
    log.append_as(stamp(0), &[NewRecord::value(b"a"), NewRecord::value(b"b")]).unwrap();
    log.append_in_transaction(stamp(2), &[NewRecord::value(b"c")]).unwrap();
    let last_timestamp = log.producer(id).unwrap().last_timestamp;
    let expected = ProducerState {
        epoch: ProducerEpoch::ZERO,
        next_sequence: Sequence::new(3).unwrap(),
        last_sequence: Sequence::new(2),
        last_timestamp,
        last_offset: Some(offset(2)),
        open_transaction: Some(offset(2)),
        coordinator_epoch: None,
    };
    assert_eq!(log.producer(id), Some(expected));
    assert_eq!(log.producers(), [(id, expected)]);
    drop(log);
    let log = bench.open();
    assert_eq!(log.producer(id), Some(expected), "also after a restart");
    let again = log.append_in_transaction(stamp(2), &[NewRecord::value(b"c")]).unwrap();
    assert!(again.duplicate);
    let plain = log.append_as(stamp(3), &[NewRecord::value(b"d")]);
    assert!(matches!(plain, Err(LogError::Producer(_))), "its transaction is open: {plain:?}");
}

use super::*;
use crate::format::batch::{self, BatchView, Codec, TimestampType};
use crate::format::validate::Rejected;
use crate::io::{CountingStorage, Op};
use crate::log::producers::ProducerError;

#[test]
fn records_come_back_with_the_offsets_they_were_given() {
    let log = Bench::new().open();
    for n in 0..10 {
        let appended = append(&log, n);
        assert_eq!((appended.base_offset, appended.last_offset), (offset(n), offset(n)));
        assert_eq!((appended.duplicate, appended.append_time, appended.log_start), (false, None, offset(0)));
    }
    assert_eq!(log.end_offset(), offset(10));
    assert_eq!(dump(&log), numbered(0..10));
}

#[test]
fn a_client_batch_is_stored_as_it_came_but_for_twelve_bytes() {
    let log = Bench::new().open();
    append(&log, 0);
    let mut sent = idempotent(7, 0, 0, 3, false);
    let appended = log.append_batch(&sent, Origin::Client).unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (offset(1), offset(3)));
    batch::patch(&mut sent, offset(1), LeaderEpoch::ZERO);
    let stored = log.records(offset(1)).next().unwrap().unwrap();
    assert_eq!(stored.bytes(), &sent);
}

#[test]
fn an_append_is_one_write_and_no_read() {
    let bench = Bench::new();
    bench.storage.allow_windows(false);
    let counting = Arc::new(CountingStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>));
    let log = bench.builder().storage(Arc::clone(&counting) as Arc<dyn Storage>).open().unwrap();
    append(&log, 0);
    counting.reset();
    for n in 1..50 {
        append(&log, n);
    }
    assert_eq!(counting.calls(Op::Write), 49);
    assert_eq!(counting.calls(Op::Read), 0);
    let others = [Op::Reserve, Op::Window].map(|op| counting.calls(op));
    assert_eq!(counting.total_calls() - counting.calls(Op::Write), others.iter().sum::<u64>());
    assert!(others.iter().all(|calls| *calls <= 1), "{others:?}");
}

#[test]
fn log_append_time_is_in_the_header_and_the_body_stays() {
    let mut bench = Bench::new();
    bench.config.timestamp_type = TimestampType::LogAppendTime;
    let log = bench.open();
    let sent = idempotent(7, 0, 0, 2, false);
    bench.advance(5000);
    let appended = log.append_batch(&sent, Origin::Client).unwrap();
    assert_eq!(appended.append_time, Some(time(NOW + 5000)));
    let stored = log.records(offset(0)).next().unwrap().unwrap();
    assert_eq!(stored.view().body(), BatchView::parse(&sent).unwrap().body());
    for record in &stored.records().unwrap() {
        assert_eq!(record.unwrap().timestamp, Some(time(NOW + 5000)));
    }
}

#[test]
fn the_codec_of_the_log_replaces_the_producers() {
    let mut bench = Bench::new();
    bench.config.compression = Some(Codec::Lz4);
    let log = bench.open();
    log.append_batch(&idempotent(7, 0, 0, 20, false), Origin::Client).unwrap();
    append(&log, 20);
    for batch in log.records(offset(0)) {
        assert_eq!(batch.unwrap().view().attributes().codec(), Ok(Codec::Lz4));
    }
    assert_eq!(dump(&log).len(), 21);
}

#[test]
fn what_may_not_be_stored_is_refused_and_leaves_no_trace() {
    let mut bench = Bench::new();
    bench.config.max_message_bytes = 200;
    let log = bench.open();
    let good = idempotent(7, 0, 0, 1, false);
    let mut two = good.clone();
    two.extend_from_slice(&good);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut builder = BatchBuilder::new().control(true);
    builder.push(&NewRecord::keyed(b"\0\0\0\0", b"\0\0\0\0\0\0"));
    let control = builder.finish().unwrap();
    let client = |data: &[u8]| match log.append_batch(data, Origin::Client) {
        Err(LogError::Rejected(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(matches!(client(&good[..30]), Rejected::Empty(30)));
    assert!(matches!(client(&two), Rejected::MoreThanOneBatch));
    assert!(matches!(client(&flipped), Rejected::Corrupt(_)));
    assert!(matches!(client(&control), Rejected::Invalid(_)));
    assert!(matches!(log.append(&[]), Err(LogError::Rejected(Rejected::Empty(0)))));
    assert_eq!(log.append(&[]).unwrap_err().to_string(), "batch refused: no records");
    assert_eq!(Rejected::Empty(30).to_string(), "no whole batch in 30 bytes");
    let long = "x".repeat(300);
    let large = log.append(&[NewRecord::value(long.as_bytes())]);
    assert!(matches!(large, Err(LogError::Rejected(Rejected::TooLarge { max: 200, .. }))));
    assert!(matches!(
        log.append_batch(&flipped, Origin::Coordinator),
        Err(LogError::Rejected(Rejected::Corrupt(_)))
    ));
    assert_eq!(log.end_offset(), offset(0));
    assert_eq!(log.size_bytes(), 0);
    log.append_batch(&control, Origin::Coordinator).unwrap();
    assert_eq!(log.end_offset(), offset(1));
}

#[test]
fn a_batch_larger_than_a_segment_is_refused_and_one_that_just_fits_is_not() {
    let sent = idempotent(7, 0, 0, 3, false);
    let size = u32::try_from(sent.len()).unwrap();
    let too_large = Bench::small(size - 1).open().append_batch(&sent, Origin::Client);
    assert!(matches!(too_large, Err(LogError::Rejected(Rejected::LargerThanSegment { .. }))));
    Bench::small(size).open().append_batch(&sent, Origin::Client).unwrap();
}

#[test]
fn a_repeated_batch_gets_the_offsets_and_the_time_of_the_original() {
    let log = Bench::new().open();
    let first = log.append_batch(&idempotent(7, 0, 0, 3, false), Origin::Client).unwrap();
    append(&log, 3);
    let again = log.append_batch(&idempotent(7, 0, 0, 3, false), Origin::Client).unwrap();
    let expected = Appended { duplicate: true, append_time: Some(time(NOW)), ..first };
    assert_eq!(again, expected);
    assert_eq!(log.end_offset(), offset(4));
    let skipped = log.append_batch(&idempotent(7, 0, 4, 1, false), Origin::Client);
    let refused = ProducerError::OutOfOrder { found: 4, expected: 3 };
    assert!(matches!(skipped, Err(LogError::Producer(why)) if why == refused));
}

#[test]
fn segments_roll_by_size_and_reads_cross_them() {
    let bench = Bench::small(300);
    let log = bench.open();
    for n in 0..30 {
        append(&log, n);
    }
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    assert!(bases.len() > 5, "{bases:?}");
    assert_eq!(dump(&log), numbered(0..30));
    for (base, _) in &log.segment_offsets()[1..] {
        assert!(bench.names().contains(&format!("{:020}.snapshot", base.get())));
    }
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room_and_loses_nothing() {
    let bench = Bench::new();
    let log = bench.open();
    append(&log, 0);
    let full = bench.storage.space(Path::new(DIR)).unwrap();
    bench.storage.set_capacity(full.total - full.available);
    let long = "x".repeat(100_000);
    let refused = (0..20).map(|_| log.append(&[NewRecord::value(long.as_bytes())])).find_map(Result::err);
    assert!(matches!(refused, Some(LogError::NoSpace { .. })), "{refused:?}");
    assert!(!log.is_poisoned());
    let kept = dump(&log);
    bench.storage.set_capacity(u64::MAX / 2);
    append(&log, i64::try_from(kept.len()).unwrap());
    assert_eq!(dump(&log).len(), kept.len() + 1);
    drop(log);
    assert_eq!(dump(&bench.open()).len(), kept.len() + 1);
}

#[test]
fn appends_from_many_threads_are_each_there_once() {
    let bench = Bench::small(2000);
    let log = bench.open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || fill(log, thread * 50..thread * 50 + 50));
        }
    });
    let mut values: Vec<_> = dump(&log).into_iter().map(|(_, value)| value).collect();
    values.sort();
    let mut expected: Vec<_> = (0..200).map(value).collect();
    expected.sort();
    assert_eq!(values, expected);
}

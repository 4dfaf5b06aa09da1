use super::*;

/// Everything that is due, by the log's own clock, and nothing that is not.
#[test]
fn maintaining_a_log_does_what_is_due() {
    let bench = Bench::new();
    let config = LogConfig { retention_ms: Some(3_600_000), ..LogConfig::default() };
    let log = bench.builder().config(config).open().unwrap();
    log.append(&[NewRecord::value(b"v")]).unwrap();
    let done = log.maintain().unwrap();
    assert_eq!((done.synced, done.retention.segments, done.removed), (false, 0, 0));
    bench.clock.advance(Duration::from_secs(6));
    assert!(log.maintain().unwrap().synced);
    assert_eq!(log.synced_end(), offset(1));
    bench.clock.advance(Duration::from_secs(3_600));
    let done = log.maintain().unwrap();
    assert_eq!((done.retention.segments, done.removed), (1, 0));
    assert_eq!(log.start_offset(), offset(1));
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(log.maintain().unwrap().removed, 1);
    log.close().unwrap();
    assert!(matches!(log.maintain(), Err(LogError::Closed)));
}

const HOUR: u64 = 3_600_000;

fn bases(log: &Log) -> Vec<i64> {
    log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect()
}

/// Three records a segment, each an hour after the one before.
fn hourly(bench: &Bench, count: i64) -> Arc<Log> {
    let log = bench.open();
    for n in 0..count {
        append(&log, n);
        bench.advance(HOUR);
    }
    log
}

#[test]
fn segments_go_by_age_and_their_files_some_time_later() {
    let mut bench = Bench::small(300);
    bench.config.retention_ms = Some(5 * HOUR);
    let log = hourly(&bench, 12);
    assert_eq!(bases(&log), [0, 3, 6, 9]);
    let report = log.apply_retention(bench.clock.now()).unwrap();
    assert_eq!((report.segments, report.log_start), (2, offset(6)));
    assert_eq!(dump(&log), numbered(6..12));
    assert!(bench.names().contains(&format!("{}.deleted", log_name(3))));
    assert_eq!(log.remove_deleted().unwrap(), 0);
    bench.advance(60_000);
    assert_eq!(log.remove_deleted().unwrap(), 2);
    assert!(!bench.names().iter().any(|name| name.contains(".deleted")));
    drop(log);
    let log = bench.open();
    assert_eq!((log.start_offset(), log.damage()), (offset(6), vec![]));
    assert_eq!(dump(&log), numbered(6..12));
}

#[test]
fn when_all_is_old_one_empty_segment_stays_and_offsets_go_on() {
    let mut bench = Bench::small(300);
    bench.config.retention_ms = Some(1000);
    let log = hourly(&bench, 7);
    let report = log.apply_retention(bench.clock.now()).unwrap();
    assert_eq!(report.segments, 3);
    assert_eq!((bases(&log), log.start_offset()), (vec![7], offset(7)));
    assert_eq!(log.apply_retention(bench.clock.now()).unwrap().segments, 0);
    drop(log);
    let log = bench.open();
    assert_eq!((log.start_offset(), log.end_offset(), log.damage()), (offset(7), offset(7), vec![]));
    assert_eq!(append(&log, 7).base_offset, offset(7));
}

#[test]
fn a_record_of_the_future_keeps_no_segment_alive() {
    let mut bench = Bench::small(300);
    bench.config.retention_ms = Some(HOUR);
    let log = bench.open();
    let future = NewRecord::value(b"from the future").at(time(NOW * 2));
    log.append(&[future]).unwrap();
    fill(&log, 1..9);
    bench.advance(2 * HOUR);
    assert!(log.apply_retention(bench.clock.now()).unwrap().segments > 1);
}

#[test]
fn size_takes_segments_while_enough_is_left() {
    let mut bench = Bench::small(300);
    let log = hourly(&bench, 12);
    let sizes: Vec<u64> = log.view.load().segments.iter().map(|segment| segment.len().to_u64()).collect();
    let total: u64 = sizes.iter().sum();
    bench.config.retention_ms = None;
    bench.config.retention_bytes = Some(total - sizes[0] - sizes[1] + 1);
    log.set_config(bench.config.clone()).unwrap();
    assert_eq!(log.apply_retention(bench.clock.now()).unwrap().segments, 1);
    bench.config.retention_bytes = Some(total - sizes[0] - sizes[1]);
    log.set_config(bench.config.clone()).unwrap();
    assert_eq!(log.apply_retention(bench.clock.now()).unwrap().segments, 1);
}

#[test]
fn a_compacted_log_loses_only_what_lies_below_its_start() {
    let mut bench = Bench::small(300);
    bench.config.retention_ms = Some(1);
    bench.config.cleanup_policy = crate::config::CleanupPolicy { delete: false, compact: true };
    let log = bench.open();
    for n in 0..9 {
        log.append(&[NewRecord::keyed(b"key", value(n).as_bytes())]).unwrap();
    }
    bench.advance(HOUR);
    assert_eq!(log.apply_retention(bench.clock.now()).unwrap().segments, 0);
    let second = bases(&log)[1];
    log.delete_records_before(offset(second)).unwrap();
    assert_eq!(log.apply_retention(bench.clock.now()).unwrap().segments, 1);
}

#[test]
fn the_log_start_survives_a_kill_inside_a_segment() {
    let bench = Bench::new();
    let log = hourly(&bench, 10);
    assert_eq!(log.delete_records_before(offset(4)).unwrap(), offset(4));
    assert_eq!(log.delete_records_before(offset(3)).unwrap(), offset(4));
    assert!(matches!(log.delete_records_before(offset(11)), Err(LogError::OffsetOutOfRange { .. })));
    drop(log);
    let log = bench.open();
    assert_eq!(dump(&log), numbered(4..10));
    assert_eq!(log.end_offset_for_epoch(LeaderEpoch::ZERO), Some((LeaderEpoch::ZERO, offset(10))));
    assert_eq!(bench.file(epochs::FILE_NAME), b"0\n1\n0 4\n");
}

#[test]
fn a_cut_removes_the_end_in_files_and_state_and_readers_keep_what_they_have() {
    for to in 0..12 {
        let bench = Bench::small(300);
        let log = hourly(&bench, 12);
        log.sync().unwrap();
        let before = log.read(offset(0), ReadLimits::default()).unwrap();
        let bytes: Vec<_> = before.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
        log.truncate(offset(to)).unwrap();
        assert_eq!((log.end_offset(), log.synced_end()), (offset(to), offset(to)));
        assert_eq!(dump(&log), numbered(0..to));
        let after: Vec<_> = before.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
        assert_eq!(bytes, after);
        append(&log, to);
        drop(log);
        let log = bench.open();
        assert_eq!((dump(&log), log.damage()), (numbered(0..to + 1), vec![]), "cut at {to}");
    }
}

#[test]
fn a_cut_inside_a_batch_takes_the_whole_batch_and_forgets_its_producer_state() {
    let bench = Bench::new();
    let log = bench.open();
    log.append_batch(&idempotent(7, 0, 0, 3, false), Origin::Client).unwrap();
    log.append_batch(&idempotent(7, 0, 3, 3, false), Origin::Client).unwrap();
    log.truncate(offset(4)).unwrap();
    assert_eq!(log.end_offset(), offset(3));
    let again = log.append_batch(&idempotent(7, 0, 3, 3, false), Origin::Client).unwrap();
    assert_eq!((again.duplicate, again.base_offset), (false, offset(3)));
    log.truncate(offset(99)).unwrap();
    assert_eq!(log.end_offset(), offset(6));
}

/// A segment's age is that of its greatest record time or of its last append, whichever is earlier.
mod ages {
    use super::*;
    use proptest::prelude::*;

    /// Record times: none, the first second, around now, the end of time.
    fn record_time() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![
            Just(None),
            Just(Some(0)),
            Just(Some(i64::MAX)),
            (-100_000i64..100_000).prop_map(|off| Some(NOW + off)),
            any::<i64>().prop_map(|raw| Some(raw.max(0))),
        ]
    }

    /// An append with its record time and a jump of the clock before it, which may go back.
    fn appends() -> impl Strategy<Value = Vec<(Option<i64>, i64)>> {
        prop::collection::vec((record_time(), -20_000i64..20_000), 1..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn no_clock_pins_a_segment(appends in appends(), limit in 0u64..30_000, wait in 0u64..60_000, reopen: bool) {
            let mut bench = Bench::small(250);
            bench.config.retention_ms = Some(limit);
            bench.config.segment_ms = u64::MAX;
            let log = bench.open();
            let mut model: Vec<(i64, Option<i64>, i64)> = Vec::new();
            for (record, jump) in &appends {
                bench.clock.set(time(bench.clock.now().as_millis() + jump));
                let now = bench.clock.now().as_millis();
                let mut builder = BatchBuilder::new();
                builder.push(&NewRecord { timestamp: record.map(time), ..NewRecord::value(b"some value") });
                // A coordinator's batch is taken as it is, whatever its time.
                let at = log.append_batch(&builder.finish().unwrap(), Origin::Coordinator).unwrap();
                model.push((at.base_offset.get(), *record, now));
            }
            bench.advance(wait);
            let now = bench.clock.now();
            let bases = bases(&log);
            let log = if reopen { log.close().unwrap(); drop(log); bench.open() } else { log };
            log.apply_retention(now).unwrap();
            let mut kept = log.end_offset().get();
            for (index, base) in bases.iter().enumerate() {
                let end = bases.get(index + 1).copied().unwrap_or(i64::MAX);
                let inside = model.iter().filter(|(at, ..)| (*base..end).contains(at));
                let record = inside.clone().filter_map(|(_, record, _)| *record).max();
                let appended = inside.map(|(.., appended)| *appended).next_back().unwrap();
                let newest = record.map_or(appended, |record| record.min(appended));
                if now.millis_since(time(newest)) <= i64::try_from(limit).unwrap() {
                    kept = *base;
                    break;
                }
            }
            prop_assert_eq!(log.start_offset().get(), kept);
        }
    }
}

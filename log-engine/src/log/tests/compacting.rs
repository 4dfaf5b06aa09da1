//! What compaction keeps, what it drops, and what becomes of the files.

mod beside;
mod crashes;
mod golden;
mod missing;
mod model;
mod transactions;

use super::*;
use crate::config::CleanupPolicy;
use crate::format::batch::{BatchView, Codec};
use crate::log::compact::{Step, point};

const COMPACT: CleanupPolicy = CleanupPolicy { delete: false, compact: true };

/// A record as it is read: offset, key, value.
type Seen = (i64, Option<String>, Option<String>);

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn compacted(segment_bytes: u32) -> Bench {
    let mut bench = Bench::small(segment_bytes);
    bench.config.cleanup_policy = COMPACT;
    bench.config.min_cleanable_dirty_ratio = 0.0;
    bench
}

fn put(log: &Log, key: &str, value: &str) -> i64 {
    log.append(&[NewRecord::keyed(key.as_bytes(), value.as_bytes())]).unwrap().base_offset.get()
}

fn delete(log: &Log, key: &str) -> i64 {
    log.append(&[NewRecord::tombstone(key.as_bytes())]).unwrap().base_offset.get()
}

/// Appends until the active segment holds nothing that was there before.
fn roll_over(log: &Log) {
    let end = log.end_offset();
    while log.segment_offsets().last().unwrap().0 < end {
        put(log, "filler", &"x".repeat(60));
    }
}

fn seen_from(log: &Log, from: Offset) -> Vec<Seen> {
    let mut seen = Vec::new();
    for batch in log.records(from) {
        let batch = batch.unwrap();
        for record in &batch.records().unwrap() {
            let record = record.unwrap();
            if record.offset >= from && !batch.is_control() {
                seen.push((record.offset.get(), text(record.key), text(record.value)));
            }
        }
    }
    seen
}

fn seen(log: &Log) -> Vec<Seen> {
    seen_from(log, log.start_offset())
}

/// What a reader has in the end who keeps the last value of each key.
fn last_values(seen: &[Seen]) -> std::collections::BTreeMap<String, Option<String>> {
    let mut last = std::collections::BTreeMap::new();
    for (_, key, value) in seen {
        last.insert(key.clone().unwrap_or_default(), value.clone());
    }
    last.retain(|_, value| value.is_some());
    last
}

fn compact(bench: &Bench, log: &Log) -> crate::log::CompactionReport {
    log.compact(bench.clock.now()).unwrap()
}

#[test]
fn the_last_record_of_each_key_stays_at_its_offset() {
    let bench = compacted(400);
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    let before = seen(&log);
    let active = log.segment_offsets().last().unwrap().0;
    let report = compact(&bench, &log);
    assert!(report.segments > 1 && report.records > 30 && report.bytes_after < report.bytes_before);
    assert_eq!(report.point, active);
    let after = seen(&log);
    let newest = |(at, key, _): &&Seen| {
        *at >= active.get() || !before.iter().any(|(b, k, _)| b > at && b < &active.get() && k == key)
    };
    assert_eq!(after, before.iter().filter(newest).cloned().collect::<Vec<_>>());
    assert_eq!(log.segment_offsets().first().unwrap().0, offset(0), "the first segment keeps its name");
    // From every offset on, in a gap or not, the reader finds what is there.
    for from in 0..log.end_offset().get() {
        let rest: Vec<_> = after.iter().filter(|(at, ..)| *at >= from).cloned().collect();
        assert_eq!(seen_from(&log, offset(from)), rest, "from {from}");
    }
    drop(log);
    for clean in [false, true] {
        if clean {
            bench.open().close().unwrap();
        }
        let log = bench.open();
        assert_eq!((seen(&log), log.damage()), (after.clone(), vec![]));
        assert_eq!(log.compaction_point(), Some(active));
        assert_eq!(log.compact(bench.clock.now()).unwrap().segments, 0, "nothing is dirty");
    }
}

#[test]
fn what_is_compacted_again_stays_as_it_is() {
    let bench = compacted(400);
    bench.storage.allow_windows(false);
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    compact(&bench, &log);
    let bytes = |log: &Log| {
        let files = log.segment_offsets().into_iter().map(|(base, _)| bench.file(&log_name(base.get())));
        files.collect::<Vec<_>>().concat()
    };
    let files =
        |log: &Log| log.view.load().segments.iter().map(|s| s.file_id().unwrap().0).collect::<Vec<_>>();
    let once = bytes(&log);
    // As if nothing had been compacted yet: what is small is put together, and then nothing is left to do.
    let again = |log: Arc<Log>| {
        log.close().unwrap();
        drop(log);
        bench.remove(point::FILE_NAME);
        let log = bench.open();
        compact(&bench, &log);
        log
    };
    let log = again(log);
    assert_eq!(bytes(&log), once);
    let before = files(&log);
    let log = again(log);
    assert_eq!((bytes(&log), files(&log)), (once, before), "what stays as it is is not written anew");
}

#[test]
fn a_tombstone_stays_until_its_horizon_and_a_later_compaction() {
    let mut bench = compacted(300);
    bench.config.delete_retention_ms = 1000;
    let log = bench.open();
    put(&log, "gone", "value");
    put(&log, "kept", "value");
    let tombstone = delete(&log, "gone");
    roll_over(&log);
    compact(&bench, &log);
    let has = |log: &Log| seen(log).iter().any(|(at, ..)| *at == tombstone);
    assert!(has(&log) && !seen(&log).iter().any(|(at, ..)| *at == 0));
    let horizon = |log: &Log| {
        let batches: Vec<_> = log.records(offset(0)).map(Result::unwrap).collect();
        batches.iter().find(|b| b.view().base_offset().get() == tombstone).unwrap().view().delete_horizon()
    };
    assert_eq!(horizon(&log), Some(time(NOW + 1000)));
    // The time of the record is what it was.
    let batch = log.records(offset(tombstone)).next().unwrap().unwrap();
    let record = batch.records().unwrap().iter().next().unwrap().unwrap().timestamp;
    assert_eq!((record, batch.view().max_timestamp()), (Some(time(NOW)), Some(time(NOW))));
    roll_over(&log);
    compact(&bench, &log);
    assert_eq!((has(&log), horizon(&log)), (true, Some(time(NOW + 1000))), "the horizon is not moved");
    bench.advance(999);
    roll_over(&log);
    compact(&bench, &log);
    assert!(has(&log));
    bench.advance(1);
    assert_eq!(compact(&bench, &log).segments, 0, "a horizon alone is no reason");
    roll_over(&log);
    compact(&bench, &log);
    assert!(!has(&log));
    assert_eq!(last_values(&seen(&log)).get("kept").cloned(), Some(Some("value".to_owned())));
}

#[test]
fn records_without_a_key_are_dropped() {
    let mut bench = compacted(300);
    bench.config.cleanup_policy = CleanupPolicy::default();
    let log = bench.open();
    fill(&log, 0..5);
    put(&log, "k", "v");
    bench.config.cleanup_policy = COMPACT;
    log.set_config(bench.config.clone()).unwrap();
    roll_over(&log);
    compact(&bench, &log);
    assert_eq!(seen(&log)[0].1.as_deref(), Some("k"));
}

#[test]
fn batches_keep_their_codec_and_a_part_of_a_batch_its_place() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut bench = compacted(600);
        bench.config.compression = Some(codec);
        let log = bench.open();
        let records = |prefix: &str, keys: std::ops::Range<i64>| {
            let owned: Vec<_> = keys.map(|n| (format!("k{n}"), format!("{prefix}-{n}"))).collect();
            let new: Vec<_> =
                owned.iter().map(|(k, v)| NewRecord::keyed(k.as_bytes(), v.as_bytes())).collect();
            log.append(&new).unwrap();
        };
        records("old", 0..6);
        records("new", 0..3);
        records("new", 4..6);
        roll_over(&log);
        compact(&bench, &log);
        let first = log.records(offset(0)).next().unwrap().unwrap();
        let view = first.view();
        assert_eq!(view.attributes().codec(), Ok(codec));
        assert_eq!((view.base_offset(), view.last_offset(), view.record_count()), (offset(0), offset(5), 1));
        assert_eq!(seen(&log)[0], (3, Some("k3".to_owned()), Some("old-3".to_owned())));
    }
}

#[test]
fn gaps_are_read_and_no_damage_after_the_policy_is_changed_back() {
    let mut bench = compacted(400);
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    compact(&bench, &log);
    let after = seen(&log);
    log.close().unwrap();
    drop(log);
    bench.config.cleanup_policy = CleanupPolicy::default();
    for lose_mark in [false, true] {
        if lose_mark {
            bench.remove(mark::FILE_NAME);
        }
        let log = bench.open();
        assert_eq!((seen(&log), log.damage()), (after.clone(), vec![]), "mark lost: {lose_mark}");
        assert_eq!(log.end_offset().get(), put(&log, "next", "value"));
        log.truncate(log.end_offset().get().checked_sub(1).map(offset).unwrap()).unwrap();
        log.close().unwrap();
    }
}

#[test]
fn a_cut_below_the_point_lowers_it_before_other_records_get_the_offsets() {
    let bench = compacted(400);
    let log = bench.open();
    for n in 0..60 {
        put(&log, &format!("k{}", n % 15), &value(n));
    }
    roll_over(&log);
    let point = compact(&bench, &log).point;
    let (at, ..) = seen(&log)[3];
    log.truncate(offset(at)).unwrap();
    assert!(offset(at) < point);
    assert_eq!(log.compaction_point(), Some(offset(at)));
    drop(log);
    let log = bench.open();
    assert_eq!((log.compaction_point(), log.end_offset()), (Some(offset(at)), offset(at)));
}

#[test]
fn nothing_is_compacted_before_its_time_nor_left_after_it() {
    let mut bench = compacted(300);
    bench.config.min_compaction_lag_ms = 1000;
    bench.config.segment_ms = u64::MAX;
    let log = bench.open();
    for n in 0..10 {
        put(&log, "k", &value(n));
    }
    assert_eq!(log.compaction_due(bench.clock.now()).unwrap(), None);
    bench.advance(999);
    assert_eq!(compact(&bench, &log).segments, 0);
    bench.advance(1);
    assert!(compact(&bench, &log).segments > 0);
    roll_over(&log);
    bench.advance(1000);
    compact(&bench, &log);
    // A clock from the future in the records does not hold anything up.
    let late = time(NOW * 2);
    for _ in 0..10 {
        log.append(&[NewRecord::keyed(b"k", b"value of the future").at(late)]).unwrap();
    }
    assert_eq!(compact(&bench, &log).segments, 0);
    bench.advance(1000);
    assert!(compact(&bench, &log).segments > 0);
    // A ratio that is never reached, and an age that is.
    bench.config.min_compaction_lag_ms = 0;
    log.set_config(bench.config.clone()).unwrap();
    roll_over(&log);
    compact(&bench, &log);
    // What is active now is as old as what comes.
    bench.config.min_cleanable_dirty_ratio = 1.0;
    bench.config.max_compaction_lag_ms = Some(5000);
    log.set_config(bench.config.clone()).unwrap();
    for n in 0..10 {
        put(&log, "k", &value(n));
    }
    bench.advance(5000);
    assert_eq!(log.compaction_due(bench.clock.now()).unwrap(), None);
    bench.advance(1);
    assert!(log.compaction_due(bench.clock.now()).unwrap().is_some_and(|ratio| ratio <= 1.0));
    assert!(compact(&bench, &log).records > 0);
}

#[test]
fn a_record_does_not_outwait_its_age_in_the_active_segment() {
    let mut bench = compacted(1 << 20);
    bench.config.max_compaction_lag_ms = Some(5000);
    bench.config.min_cleanable_dirty_ratio = 1.0;
    let log = bench.open();
    put(&log, "k", "old");
    bench.advance(6000);
    put(&log, "k", "new");
    assert_eq!(log.segment_offsets().len(), 2);
    assert!(log.compaction_due(bench.clock.now()).unwrap().is_some());
}

#[test]
fn the_ratio_decides() {
    let mut bench = compacted(300);
    bench.config.min_cleanable_dirty_ratio = 0.5;
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{n}"), &value(n));
    }
    assert_eq!(log.compaction_due(bench.clock.now()).unwrap(), Some(1.0));
    compact(&bench, &log);
    for n in 0..10 {
        put(&log, &format!("k{n}"), &value(n));
    }
    assert_eq!(log.compaction_due(bench.clock.now()).unwrap(), None);
    for n in 0..60 {
        put(&log, &format!("k{n}"), &value(n));
    }
    assert!(log.compaction_due(bench.clock.now()).unwrap().is_some_and(|ratio| ratio > 0.5 && ratio < 1.0));
}

#[test]
fn with_little_memory_it_takes_several_compactions() {
    let mut bench = compacted(1000);
    bench.config.compaction_map_bytes = 24 * 8;
    let log = bench.open();
    for n in 0..100 {
        put(&log, &format!("k{}", n % 30), &value(n));
    }
    roll_over(&log);
    let expected = last_values(&seen(&log));
    let active = log.segment_offsets().last().unwrap().0;
    let mut rounds = 0;
    while log.compaction_due(bench.clock.now()).unwrap().is_some() {
        compact(&bench, &log);
        assert_eq!(last_values(&seen(&log)), expected);
        rounds += 1;
        assert!(rounds < 50);
    }
    assert!(rounds > 5);
    assert_eq!(log.compaction_point(), Some(active));
    // A batch of more keys than there is room for is taken all the same.
    let owned: Vec<_> = (0..20).map(|n| format!("many{n}")).collect();
    let new: Vec<_> = owned.iter().map(|key| NewRecord::keyed(key.as_bytes(), b"v")).collect();
    log.append(&new).unwrap();
    roll_over(&log);
    let expected = last_values(&seen(&log));
    for _ in 0..10 {
        compact(&bench, &log);
    }
    assert_eq!(log.compaction_due(bench.clock.now()).unwrap(), None);
    assert_eq!(last_values(&seen(&log)), expected);
}

#[test]
fn steps_of_any_size_come_to_the_same_and_the_log_goes_on_meanwhile() {
    for budget in [1, 70, 500] {
        let bench = compacted(400);
        let log = bench.open();
        for n in 0..60 {
            put(&log, &format!("k{}", n % 5), &value(n));
        }
        roll_over(&log);
        let mut expected = last_values(&seen(&log));
        let mut number = 0;
        loop {
            match log.compact_step(bench.clock.now(), &mut { budget }).unwrap() {
                Step::Going => {
                    let key = format!("k{}", number % 7);
                    put(&log, &key, &value(number));
                    expected.insert(key, Some(value(number)));
                    number += 1;
                }
                Step::Done(_) => break,
                Step::Idle => panic!("it was begun"),
            }
            assert_eq!(last_values(&seen(&log)), expected, "budget {budget}");
        }
        assert!(number > 3);
        drop(log);
        assert_eq!(last_values(&seen(&bench.open())), expected, "budget {budget}");
    }
}

#[test]
fn who_reads_old_segments_reads_on() {
    let bench = compacted(400);
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    let read = log.read(offset(0), ReadLimits { max_bytes: 2000, ..ReadLimits::default() }).unwrap();
    let unread =
        log.read_unverified(offset(0), ReadLimits { max_bytes: 2000, ..ReadLimits::default() }).unwrap();
    let bytes: Vec<_> = read.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
    compact(&bench, &log);
    for _ in 0..2 {
        // Twice, so that the names of the first ones are taken again.
        for n in 0..40 {
            put(&log, &format!("k{}", n % 5), &value(n));
        }
        compact(&bench, &log);
    }
    let after: Vec<_> = unread.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
    assert_eq!(bytes, after);
    bench.advance(60_000);
    assert!(log.remove_deleted().unwrap() > 0);
    let after: Vec<_> = unread.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
    assert_eq!(bytes, after);
    assert!(!bench.names().iter().any(|name| name.contains(".deleted")), "{:?}", bench.names());
}

#[test]
fn damage_ends_the_compaction_before_it_and_is_reported() {
    let bench = compacted(400);
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    log.close().unwrap();
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    drop(log);
    let mut bytes = bench.file(&log_name(bases[2]));
    *bytes.last_mut().unwrap() ^= 1;
    bench.overwrite(&log_name(bases[2]), &bytes);
    let log = bench.open();
    let error = log.compact(bench.clock.now()).unwrap_err();
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
    assert_eq!(log.damage().len(), 1);
    assert!(!bench.names().iter().any(|name| name.contains(".cleaned")), "{:?}", bench.names());
    let report = compact(&bench, &log);
    assert_eq!(report.point, offset(bases[2]));
    assert!(bench.file(&log_name(bases[2])) == bytes, "what is damaged is not touched");
}

#[test]
fn a_log_that_is_closed_or_deleted_under_it_is_left_alone() {
    let bench = compacted(400);
    let log = bench.open();
    for n in 0..60 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    while !bench.names().iter().any(|name| name.ends_with(".cleaned")) {
        assert_eq!(log.compact_step(bench.clock.now(), &mut 1).unwrap(), Step::Going);
    }
    log.close().unwrap();
    assert!(!bench.names().iter().any(|name| name.ends_with(".cleaned")));
    assert!(matches!(log.compact(bench.clock.now()), Err(LogError::Closed)));
}

#[test]
fn both_policies_do_both() {
    let mut bench = compacted(300);
    bench.config.cleanup_policy = CleanupPolicy { delete: true, compact: true };
    bench.config.retention_ms = Some(10_000);
    let log = bench.open();
    for n in 0..20 {
        put(&log, &format!("k{}", n % 3), &value(n));
    }
    assert!(compact(&bench, &log).records > 0);
    bench.advance(10_001);
    assert!(log.apply_retention(bench.clock.now()).unwrap().segments > 0);
    assert_eq!(seen(&log), []);
}

#[test]
fn segments_that_retention_takes_meanwhile_are_not_brought_back() {
    let mut bench = compacted(300);
    bench.config.cleanup_policy = CleanupPolicy { delete: true, compact: true };
    bench.config.retention_ms = Some(10_000);
    let log = bench.open();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 3), &value(n));
    }
    while !bench.names().iter().any(|name| name.ends_with(".cleaned")) {
        log.compact_step(bench.clock.now(), &mut 1).unwrap();
    }
    bench.advance(10_001);
    log.apply_retention(bench.clock.now()).unwrap();
    let mut step = Step::Going;
    while step == Step::Going {
        step = log.compact_step(bench.clock.now(), &mut 100).unwrap();
    }
    assert_eq!((seen(&log), log.size_bytes()), (vec![], 0));
    assert!(!bench.names().iter().any(|name| name.ends_with(".cleaned")), "{:?}", bench.names());
}

#[test]
fn neighbours_that_fit_become_one_segment_as_old_as_the_newest() {
    let bench = compacted(1000);
    let log = bench.open();
    for n in 0..100 {
        put(&log, &format!("k{}", n % 4), &value(n));
        bench.advance(1000);
    }
    let before = log.segment_offsets();
    compact(&bench, &log);
    for _ in 0..2 {
        // What was left of each becomes one in the next run.
        for n in 0..30 {
            put(&log, &format!("k{}", n % 4), &value(n));
        }
        compact(&bench, &log);
    }
    let after = log.segment_offsets();
    assert!(after.len() <= before.len() / 2, "{before:?} {after:?}");
    assert!(after[0].1 >= before[before.len() - 2].1);
    let view = log.view.load();
    let first = &view.segments[0];
    assert_eq!(first.modified().unwrap(), after[0].1);
    let on_disk = bench.storage.list(Path::new(DIR)).unwrap();
    let entry = on_disk.iter().find(|entry| entry.name == log_name(0)).unwrap();
    assert_eq!(entry.modified, after[0].1);
    assert!(entry.len < 1000);
}

/// What compaction wrote is a batch like any other: found by offset and by time, verified, its checksum right.
#[test]
fn what_was_compacted_is_found_by_time() {
    let bench = compacted(1000);
    let log = bench.open();
    for n in 0..200 {
        let record = NewRecord::keyed(b"k", b"v");
        let key = format!("k{}", n % 60);
        log.append(&[NewRecord { key: Some(key.as_bytes()), ..record }.at(time(NOW + n))]).unwrap();
    }
    compact(&bench, &log);
    let left = seen(&log);
    for n in 0..200 {
        let expected = left.iter().map(|(at, ..)| *at).find(|at| *at >= n);
        assert_eq!(log.offset_for_time(time(NOW + n)).unwrap().map(|(at, _)| at.get()), expected, "{n}");
    }
    for batch in log.records(offset(0)) {
        let batch = batch.unwrap();
        BatchView::parse(batch.bytes()).unwrap().check_crc().unwrap();
    }
}

/// Segments that compaction had made were open and in no count: the bound on open files did not see them.
#[test]
fn what_compaction_has_made_counts_among_the_open_files() {
    let bench = compacted(400);
    let files = Arc::new(OpenFiles::new(100));
    let log = bench.builder().files(&files).open().unwrap();
    for n in 0..40 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    assert!(compact(&bench, &log).segments > 0);
    // What was replaced is held until its files are removed.
    bench.advance(bench.config.file_delete_delay_ms);
    log.remove_deleted().unwrap();
    assert!(log.stats().open_files > 1);
    assert_eq!(files.count().get(), log.stats().open_files);
}

/// A clock that was ahead and is set right takes no tombstone away before its time.
#[test]
fn a_horizon_counts_from_the_append_if_the_clock_was_set_back() {
    let mut bench = compacted(300);
    bench.config.delete_retention_ms = 1000;
    let log = bench.open();
    put(&log, "gone", "value");
    bench.advance(500_000);
    let tombstone = delete(&log, "gone");
    roll_over(&log);
    log.compact(time(NOW)).unwrap();
    let batch = log.records(offset(tombstone)).next().unwrap().unwrap();
    assert_eq!(batch.view().base_offset(), offset(tombstone));
    assert_eq!(batch.view().delete_horizon(), Some(time(NOW + 500_000 + 1000)));
}

/// A reader in another process stopped at the first gap of the last segment.
#[test]
fn a_reader_beside_sees_a_compacted_log_that_was_cut_anywhere() {
    let prepared = || {
        let bench = compacted(400);
        let log = bench.open();
        for n in 0..40 {
            put(&log, &format!("k{}", n % 5 + n / 8), &value(n));
        }
        roll_over(&log);
        compact(&bench, &log);
        (bench, log)
    };
    let end = prepared().1.end_offset().get();
    for to in 1..end {
        let (bench, log) = prepared();
        log.truncate(offset(to)).unwrap();
        let storage = || Arc::clone(&bench.storage) as Arc<dyn Storage>;
        let beside = |what: &str| {
            let reader = LogReader::open_in(storage(), DIR, &LogConfig::default()).unwrap();
            let mut found = Vec::new();
            let mut cursor = reader.records(log.start_offset()).cursor();
            while let Some(record) = cursor.next().unwrap() {
                found.push((record.offset.get(), text(record.key), text(record.value)));
            }
            assert_eq!((found, reader.end_offset()), (seen(&log), log.end_offset()), "{what}, cut at {to}");
        };
        beside("at once");
        put(&log, "after", "it");
        beside("and it goes on");
        log.sync().unwrap();
        bench.remove(mark::FILE_NAME);
        beside("without a mark");
    }
}

//! A segment that is missing in the middle of a compacted log, where a gap alone means nothing.

use super::*;
use crate::format::CorruptReason;
use crate::log::LogReader;
use crate::log::inspect::{CheckOptions, Kind, check_log};
use crate::log::repair::repair;

/// Keys that are never written again, so that each segment keeps some; compacted, and grown since.
fn filled() -> (Bench, Vec<i64>) {
    let bench = compacted(400);
    let log = bench.open();
    for round in 0..2 {
        for n in 0..30 {
            put(&log, &format!("k{round}-{}", n / 2), &value(n));
        }
        roll_over(&log);
        compact(&bench, &log);
    }
    for n in 0..10 {
        put(&log, &format!("late{n}"), &value(n));
    }
    // What was rolled since is on the list too, when it was looked whether there is something to compact.
    bench.advance(1000);
    log.compact_step(Timestamp::default(), &mut 0).unwrap();
    let bases: Vec<i64> = log.segment_offsets().iter().map(|(base, _)| base.get()).collect();
    log.close().unwrap();
    assert!(bases.len() > 5, "{bases:?}");
    (bench, bases)
}

fn lose(bench: &Bench, base: i64) {
    bench.remove(&log_name(base));
    for suffix in ["index", "timeindex"] {
        bench.remove(&format!("{base:020}.{suffix}"));
    }
}

/// The range that a reader is refused who comes from the begin, and how many records it got before.
fn refused(log: &Log) -> (usize, Offset, Offset) {
    let mut records = 0;
    for batch in log.records(log.start_offset()) {
        match batch {
            Ok(batch) => records += batch.records().unwrap().iter().count(),
            Err(LogError::Corrupt { reason: CorruptReason::Hole { from, to, .. }, .. }) => {
                return (records, from, to);
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("no error, {records} records");
}

#[test]
fn it_is_named_when_the_log_is_opened_and_nobody_reads_over_it() {
    let (bench, bases) = filled();
    let whole = seen(&bench.open());
    bench.open().close().unwrap();
    for (index, window) in bases.windows(2).enumerate().skip(1) {
        let (bench, _) = filled();
        let (base, next) = (window[0], window[1]);
        lose(&bench, base);
        let log = bench.open();
        let damage = log.damage();
        let told: Vec<_> = damage.iter().map(|d| (d.offsets.clone(), d.reason.clone())).collect();
        assert_eq!(told, [(offset(base)..offset(next), CorruptReason::MissingSegment)], "segment {index}");
        let before = whole.iter().filter(|(at, ..)| *at < base).count();
        assert_eq!(refused(&log), (before, offset(base), offset(next)));
        assert!(matches!(log.get(offset(base)), Err(LogError::Corrupt { .. })));
        let behind: Vec<_> = whole.iter().filter(|(at, ..)| *at >= next).cloned().collect();
        assert_eq!(seen_from(&log, offset(next)), behind);
        // It stays known whatever happens to the log meanwhile.
        put(&log, "more", "and more");
        compact(&bench, &log);
        drop(log);
        assert_eq!(bench.open().damage(), damage);
    }
}

#[test]
fn a_reader_in_another_process_is_refused_it_too() {
    let (bench, bases) = filled();
    let storage = Arc::clone(&bench.storage) as Arc<dyn Storage>;
    lose(&bench, bases[2]);
    let reader = LogReader::open_in(storage, DIR, &LogConfig::default()).unwrap();
    let error = reader.records(Offset::ZERO).find_map(Result::err).expect("an error");
    let LogError::Corrupt { reason: CorruptReason::Hole { from, to, .. }, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((from, to), (offset(bases[2]), offset(bases[3])));
    let behind = reader.records(offset(bases[3])).collect::<Result<Vec<_>>>().unwrap();
    assert!(!behind.is_empty());
}

#[test]
fn verify_finds_it_and_a_repair_fills_it() {
    let (bench, bases) = filled();
    let storage = Arc::clone(&bench.storage) as Arc<dyn Storage>;
    lose(&bench, bases[2]);
    let options = CheckOptions { compacted: true, ..CheckOptions::default() };
    let check = check_log(&storage, Path::new(DIR), &options).unwrap();
    let damage: Vec<_> = check.findings.iter().filter(|finding| finding.kind == Kind::Damage).collect();
    assert_eq!(damage.len(), 1, "{:?}", check.findings);
    assert_eq!(damage[0].offsets, offset(bases[2])..offset(bases[3]));
    repair(&storage, Path::new(DIR), &options).unwrap();
    let log = bench.open();
    assert_eq!(log.damage(), []);
    assert!(seen(&log).iter().all(|(at, ..)| *at < bases[2] || *at >= bases[3]));
    assert!(compact(&bench, &log).point > offset(bases[2]));
}

#[test]
fn what_was_cut_or_deleted_is_not_missed() {
    let (bench, bases) = filled();
    let log = bench.open();
    let end = log.end_offset();
    log.truncate(offset(bases[3])).unwrap();
    // Other segments come to lie there, with other bases.
    for n in 0..90 {
        put(&log, "same", &"y".repeat(n));
    }
    assert!(log.end_offset() > end);
    assert_eq!(seen(&log).last().unwrap().0, log.end_offset().get() - 1);
    log.delete_records_before(offset(bases[2])).unwrap();
    log.close().unwrap();
    drop(log);
    let log = bench.open();
    assert_eq!(log.damage(), []);
    assert_eq!(seen(&log).last().unwrap().0, log.end_offset().get() - 1);
}

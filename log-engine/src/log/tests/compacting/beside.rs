//! Those beside the log while it is compacted: a reader in another process, a snapshot, readers in other threads.

use super::*;
use crate::log::{LogReader, Snapshot};
use std::sync::atomic::{AtomicBool, Ordering};

fn filled(bench: &Bench) -> Arc<Log> {
    let log = bench.open();
    for n in 0..60 {
        put(&log, &format!("k{}", n % 5), &value(n));
    }
    roll_over(&log);
    log
}

fn read_all(reader: &LogReader) -> Vec<Seen> {
    let mut cursor = reader.records(reader.start_offset()).cursor();
    let mut seen = Vec::new();
    while let Some(record) = cursor.next().unwrap() {
        seen.push((record.offset.get(), text(record.key), text(record.value)));
    }
    seen
}

#[test]
fn a_reader_in_another_process_sees_the_gaps_without_being_told() {
    let bench = compacted(400);
    let log = filled(&bench);
    let storage = || Arc::clone(&bench.storage) as Arc<dyn Storage>;
    let reader = LogReader::open_in(storage(), DIR, &LogConfig::default()).unwrap();
    let before = read_all(&reader);
    assert_eq!(before, seen(&log));
    compact(&bench, &log);
    reader.refresh().unwrap();
    assert_eq!(read_all(&reader), seen(&log));
    assert!(seen(&log).len() < before.len());
    let fresh = LogReader::open_in(storage(), DIR, &LogConfig::default()).unwrap();
    assert_eq!((read_all(&fresh), fresh.end_offset()), (seen(&log), log.end_offset()));
}

#[test]
fn a_snapshot_is_compacted_as_far_as_its_log_and_knows_it() {
    for steps in [0, 40, usize::MAX] {
        let bench = compacted(400);
        let log = filled(&bench);
        for _ in 0..steps {
            if log.compact_step(bench.clock.now(), &mut 100).unwrap() != Step::Going {
                break;
            }
        }
        let expected = seen(&log);
        let to = Path::new("/logs/copy");
        let Snapshot { end, .. } = log.snapshot(to).unwrap();
        // The original goes on, and the copy has its own files.
        compact(&bench, &log);
        let copy = Log::builder(to)
            .storage(Arc::clone(&bench.storage) as Arc<dyn Storage>)
            .clock(Arc::clone(&bench.clock) as Arc<dyn Clock>)
            .open()
            .unwrap();
        assert_eq!((seen(&copy), copy.damage(), copy.end_offset()), (expected, vec![], end));
        if steps == usize::MAX {
            assert_eq!(copy.compaction_point(), log.compaction_point());
        }
    }
}

#[test]
fn threads_that_read_and_write_see_nothing_of_it() {
    let mut bench = compacted(2000);
    bench.config.file_delete_delay_ms = 0;
    let log = bench.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest: std::collections::BTreeMap<Option<String>, i64> = Default::default();
                while !done.load(Ordering::Relaxed) {
                    let found = seen_from(&log, offset(0));
                    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
                    // The newest record of a key never goes back.
                    for (key, at) in &newest {
                        let there = found.iter().rfind(|(_, other, _)| other == key);
                        assert!(there.is_some_and(|(found, ..)| found >= at), "{key:?} was at {at}");
                    }
                    newest.extend(found.into_iter().map(|(at, key, _)| (key, at)));
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                log.compact(bench.clock.now()).unwrap();
                log.remove_deleted().unwrap();
            }
        });
        for n in 0..3000 {
            put(&log, &format!("k{}", n % 7), &value(n));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(log.compaction_point().is_some_and(|point| point > offset(1000)));
    assert_eq!(last_values(&seen(&log)).len(), 7);
}

use super::*;
use crate::format::build::control_marker;
use crate::format::names::SegmentFile;

fn data(id: i64, sequence: i32, key: &str, value: &str, transactional: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new()
        .producer(ProducerStamp {
            id: ProducerId::new(id).unwrap(),
            epoch: ProducerEpoch::new(0).unwrap(),
            base_sequence: Sequence::new(sequence),
        })
        .transactional(transactional);
    builder.push(&NewRecord::keyed(key.as_bytes(), value.as_bytes()).at(time(NOW)));
    builder.finish().unwrap()
}

fn write(log: &Log, id: i64, sequence: i32, key: &str, value: &str) -> i64 {
    let batch = data(id, sequence, key, value, true);
    log.append_batch(&batch, Origin::Client).unwrap().base_offset.get()
}

fn end(log: &Log, id: i64, commit: bool) -> i64 {
    let (id, epoch) = (ProducerId::new(id).unwrap(), ProducerEpoch::new(0).unwrap());
    let marker = control_marker(id, epoch, commit, 0, time(NOW));
    log.append_batch(&marker, Origin::Coordinator).unwrap().base_offset.get()
}

/// Attributes and record count of the batch at an offset.
fn batch_at(log: &Log, at: i64) -> Option<(u16, u32)> {
    let batch = log.records(offset(at)).next()?.unwrap();
    let view = batch.view();
    (view.base_offset().get() == at).then(|| (view.attributes().to_raw(), view.record_count()))
}

/// Other producers' records, so that none of what is looked at is the last of its producer.
fn go_on(log: &Log, sequences: &[(i64, i32)]) {
    for (id, sequence) in sequences {
        log.append_batch(&data(*id, *sequence, "later", "value", true), Origin::Client).unwrap();
        end(log, *id, true);
    }
}

#[test]
fn aborted_records_go_at_once_and_markers_when_nothing_needs_them() {
    let mut bench = compacted(400);
    bench.config.delete_retention_ms = 1000;
    let log = bench.open();
    put(&log, "k", "before");
    let aborted = write(&log, 1, 0, "k", "aborted");
    let abort = end(&log, 1, false);
    let committed = write(&log, 2, 0, "c", "committed");
    let commit = end(&log, 2, true);
    go_on(&log, &[(1, 1), (2, 1)]);
    roll_over(&log);
    compact(&bench, &log);
    // An aborted record deletes nothing, and is gone; the markers are as they were.
    assert_eq!(seen(&log)[0], (0, Some("k".to_owned()), Some("before".to_owned())));
    assert_eq!(batch_at(&log, aborted), None);
    assert_eq!((batch_at(&log, abort), batch_at(&log, commit)), (Some((0x30, 1)), Some((0x30, 1))));
    let entries = |log: &Log| log.aborted_transactions(offset(0), log.end_offset()).unwrap().len();
    assert_eq!(entries(&log), 1);
    roll_over(&log);
    compact(&bench, &log);
    // The marker of which nothing is left gets its horizon; the other one is needed.
    assert_eq!((batch_at(&log, abort), batch_at(&log, commit)), (Some((0x70, 1)), Some((0x30, 1))));
    assert_eq!(batch_at(&log, committed), Some((0x10, 1)));
    bench.advance(1000);
    roll_over(&log);
    compact(&bench, &log);
    assert_eq!((batch_at(&log, abort), batch_at(&log, commit)), (None, Some((0x30, 1))));
    assert_eq!(entries(&log), 0);
    drop(log);
    let log = bench.open();
    assert_eq!((log.damage(), log.last_stable_offset()), (vec![], log.end_offset()));
}

#[test]
fn nothing_behind_an_open_transaction_is_compacted() {
    let bench = compacted(300);
    let log = bench.open();
    put(&log, "k", "one");
    put(&log, "k", "two");
    roll_over(&log);
    let open = write(&log, 1, 0, "k", "open");
    for n in 0..20 {
        put(&log, "k", &value(n));
    }
    let point = compact(&bench, &log).point;
    assert!(point <= offset(open) && point > offset(0));
    assert!(seen(&log).iter().any(|(at, ..)| *at == open));
    end(&log, 1, true);
    put(&log, "k", "last");
    roll_over(&log);
    assert!(compact(&bench, &log).point > offset(open));
    // The last batch of a known producer stays, empty.
    assert_eq!(batch_at(&log, open), Some((0x10, 0)));
}

#[test]
fn the_last_batch_of_a_producer_keeps_its_sequence_over_a_restart() {
    for lose_state in [false, true] {
        let bench = compacted(300);
        let log = bench.open();
        for n in 0..5 {
            log.append_batch(&data(7, n, "k", &value(i64::from(n)), false), Origin::Client).unwrap();
        }
        for n in 0..10 {
            put(&log, "k", &value(n));
        }
        let last = 4;
        roll_over(&log);
        compact(&bench, &log);
        assert_eq!(batch_at(&log, last), Some((0, 0)));
        assert_eq!(batch_at(&log, last - 1), None);
        if lose_state {
            log.close().unwrap();
        }
        drop(log);
        if lose_state {
            for name in bench.names() {
                if name.ends_with(".snapshot") || name == "producer-state" || name == mark::FILE_NAME {
                    bench.remove(&name);
                }
            }
        }
        let log = bench.open();
        let again = log.append_batch(&data(7, 4, "k", &value(4), false), Origin::Client).unwrap();
        assert_eq!((again.duplicate, again.base_offset.get()), (true, last), "{lose_state}");
        let gap = log.append_batch(&data(7, 9, "k", "v", false), Origin::Client);
        assert!(matches!(gap, Err(LogError::Producer(_))), "{gap:?}");
        log.append_batch(&data(7, 5, "k", "v", false), Origin::Client).unwrap();
    }
}

/// Kafka leaves a marker's batch without a record where it is a producer's last word: that opens no transaction.
#[test]
fn a_marker_without_a_record_opens_no_transaction() {
    let bench = compacted(1000);
    let log = bench.open();
    let (id, epoch) = (ProducerId::new(1).unwrap(), ProducerEpoch::new(0).unwrap());
    let marker = BatchBuilder::new()
        .producer(ProducerStamp { id, epoch, base_sequence: None })
        .transactional(true)
        .control(true)
        .finish()
        .unwrap();
    log.append_batch(&marker, Origin::Coordinator).unwrap();
    assert_eq!(log.last_stable_offset(), log.end_offset());
    drop(log);
    let log = bench.open();
    assert_eq!(log.last_stable_offset(), log.end_offset());
}

/// The index of aborted transactions has no checksum. A flipped bit in it would make compaction drop committed records,
/// or let aborted ones take their place, for ever.
#[test]
fn no_flipped_bit_in_the_index_of_aborted_transactions_changes_what_is_committed() {
    let make = |bench: &Bench| {
        let log = bench.open();
        put(&log, "a", "before");
        write(&log, 1, 0, "b", "committed");
        end(&log, 1, true);
        write(&log, 1, 1, "a", "aborted");
        write(&log, 2, 0, "c", "committed");
        write(&log, 1, 2, "b", "aborted");
        end(&log, 1, false);
        end(&log, 2, true);
        write(&log, 1, 3, "d", "committed");
        end(&log, 1, true);
        write(&log, 2, 1, "c", "aborted");
        roll_over(&log);
        // The marker lies behind what is compacted.
        end(&log, 2, false);
        put(&log, "last", "value");
        log.close().unwrap();
    };
    let committed = |log: &Log| {
        let mut last = std::collections::BTreeMap::new();
        let mut cursor = log.records(offset(0)).committed().cursor();
        while let Some(record) = cursor.next().unwrap() {
            last.insert(text(record.key), text(record.value));
        }
        last
    };
    let index = |bench: &Bench| {
        let names = bench.names().into_iter().filter(|name| name.ends_with(".txnindex"));
        names.collect::<Vec<_>>()
    };
    let small = |bits: Option<(usize, usize)>| {
        let bench = compacted(700);
        make(&bench);
        let names = index(&bench);
        let good: Vec<_> = names.iter().map(|name| bench.file(name)).collect();
        let right = committed(&bench.open());
        if let Some((file, bit)) = bits {
            let mut bytes = bench.file(&names[file]);
            bytes[bit / 8] ^= 1 << (bit % 8);
            bench.overwrite(&names[file], &bytes);
            // It has sums of the indexes, by which opening would find the bit before compaction does.
            bench.remove(producer_file::FILE_NAME);
        }
        let log = bench.open();
        let report = compact(&bench, &log);
        assert!(report.point > offset(0) && report.records > 0, "{bits:?}");
        log.close().unwrap();
        drop(log);
        // What was not compacted keeps its index, which readers believe: this is about what is there for ever.
        for (name, good) in names.iter().zip(&good) {
            if SegmentFile::parse(name).is_some_and(|file| file.base >= report.point) {
                bench.overwrite(name, good);
            }
        }
        (right, committed(&bench.open()), report)
    };
    let (right, left, report) = small(None);
    assert_eq!((left, report.transactions_corrected), (right.clone(), 0));
    let bench = compacted(700);
    make(&bench);
    let mut corrected = 0;
    for (number, name) in index(&bench).iter().enumerate() {
        for bit in 0..bench.file(name).len() * 8 {
            let (_, left, report) = small(Some((number, bit)));
            assert_eq!(left, right, "{name}, bit {bit}");
            corrected += report.transactions_corrected;
        }
    }
    assert!(corrected > 0);
}

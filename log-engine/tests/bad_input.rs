//! What each public call refuses, and how it says so: what was tried, what was expected, what was found, what the log
//! holds. After every refusal the log is what it was.

#![allow(clippy::unwrap_used, reason = "tests")]

use log_engine::format::batch::{
    ATTRIBUTES_AT, CRC_AT, LAST_OFFSET_DELTA_AT, LENGTH_AT, MAGIC_AT, RECORD_COUNT_AT,
};
use log_engine::format::build::BatchBuilder;
use log_engine::format::validate::Rejected;
use log_engine::io::{Fault as IoFault, FaultStorage, MemStorage, Op, OpenMode, RealStorage, Storage};
use log_engine::log::WaitSlot;
use log_engine::{
    Codec, CorruptReason, Damage, Fault, Log, LogConfig, LogError, LogName, LogReader, LogStore, NewRecord,
    Offset, Origin, ProducerEpoch, ProducerId, ProducerStamp, ReadLimits, Sequence, Timestamp, TimestampType,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn open(config: LogConfig) -> Arc<Log> {
    Log::builder("/log").config(config).storage(Arc::new(MemStorage::new())).open().unwrap()
}

/// Ten records, the first four of them deleted: holds [4, 10].
fn ten() -> Arc<Log> {
    let log = open(LogConfig::default());
    for n in 0..10_u8 {
        log.append(&[NewRecord::value(&[n])]).unwrap();
    }
    log.delete_records_before(offset(4)).unwrap();
    log
}

/// Three records, as a client sends them.
fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for value in [&b"one"[..], b"two", b"three"] {
        builder.push(&NewRecord::value(value));
    }
    builder.finish().unwrap()
}

/// The same with other bytes at a place and the checksum of what it then holds.
fn lie(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut batch = batch();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn rejected(result: Result<impl std::fmt::Debug, LogError>) -> Rejected {
    match result {
        Err(LogError::Rejected(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// What is wrong, the bytes, and whether that is what was said.
type Lie = (&'static str, Vec<u8>, fn(&Rejected) -> bool);

#[test]
fn a_batch_that_lies_is_refused_and_nothing_is_written() {
    let log = open(LogConfig::default());
    let len = i32::try_from(batch().len()).unwrap();
    let length = |len: i32| lie(LENGTH_AT, &(len - 12).to_be_bytes());
    let mut flipped = batch();
    *flipped.last_mut().unwrap() ^= 1;
    let cases: Vec<Lie> = vec![
        ("nothing", vec![], |why| *why == Rejected::Empty(0)),
        ("a torn batch", batch()[..70].to_vec(), |why| *why == Rejected::Empty(70)),
        ("a longer length", length(len + 1), |why| matches!(why, Rejected::Empty(_))),
        ("a shorter length", length(len - 1), |why| {
            matches!(why, Rejected::Corrupt(CorruptReason::Checksum { .. }))
        }),
        ("a negative length", length(0), |why| matches!(why, Rejected::Corrupt(_))),
        ("another checksum", flipped, |why| matches!(why, Rejected::Corrupt(CorruptReason::Checksum { .. }))),
        ("an old format", lie(MAGIC_AT, &[1]), |why| *why == Rejected::Magic(1)),
        ("more records", lie(RECORD_COUNT_AT, &4_i32.to_be_bytes()), |why| {
            matches!(why, Rejected::Invalid(_))
        }),
        ("fewer records", lie(RECORD_COUNT_AT, &2_i32.to_be_bytes()), |why| {
            matches!(why, Rejected::Invalid(_))
        }),
        ("no records", lie(RECORD_COUNT_AT, &0_i32.to_be_bytes()), |why| matches!(why, Rejected::Invalid(_))),
        ("more offsets", lie(LAST_OFFSET_DELTA_AT, &9_i32.to_be_bytes()), |why| {
            matches!(why, Rejected::Invalid(_))
        }),
        ("an unknown codec", lie(ATTRIBUTES_AT, &7_u16.to_be_bytes()), |why| {
            matches!(why, Rejected::Unreadable(_))
        }),
        ("a codec it has not", lie(ATTRIBUTES_AT, &1_u16.to_be_bytes()), |why| {
            matches!(why, Rejected::Unreadable(_))
        }),
        ("a control batch", lie(ATTRIBUTES_AT, &0x20_u16.to_be_bytes()), |why| {
            matches!(why, Rejected::Invalid(_))
        }),
        ("a record that is longer than the batch", lie(61, &[0x7e]), |why| {
            matches!(why, Rejected::Records(_))
        }),
        ("two batches", [batch(), batch()].concat(), |why| *why == Rejected::MoreThanOneBatch),
    ];
    for (what, bytes, expected) in cases {
        let refused = rejected(log.append_batch(&bytes, Origin::Client));
        assert!(expected(&refused), "{what}: {refused:?}");
        assert!(!refused.to_string().is_empty());
        assert_eq!((log.end_offset(), log.size_bytes()), (offset(0), 0), "{what}");
    }
    log.append_batch(&batch(), Origin::Client).unwrap();
}

#[test]
fn a_coordinators_batch_is_trusted_with_its_content_and_not_with_its_bytes() {
    let log = open(LogConfig::default());
    let mut flipped = batch();
    *flipped.last_mut().unwrap() ^= 1;
    let refused = rejected(log.append_batch(&flipped, Origin::Coordinator));
    assert!(matches!(refused, Rejected::Corrupt(CorruptReason::Checksum { .. })), "{refused:?}");
    assert_eq!(
        rejected(log.append_batch(&[batch(), batch()].concat(), Origin::Coordinator)),
        Rejected::MoreThanOneBatch
    );
    assert!(matches!(rejected(log.append_batch(&batch()[..20], Origin::Coordinator)), Rejected::Corrupt(_)));
}

#[test]
fn a_record_that_is_too_large_is_refused_with_both_sizes() {
    let large = vec![0; 2_000];
    let log = open(LogConfig { max_message_bytes: 1_000, ..LogConfig::default() });
    let text = log.append(&[NewRecord::value(&large)]).unwrap_err().to_string();
    assert_eq!(
        text,
        "batch refused: batch of 2070 bytes, at most 1000 bytes are allowed (max_message_bytes)"
    );
    let log = open(LogConfig { segment_bytes: 1_000, ..LogConfig::default() });
    let text = log.append(&[NewRecord::value(&large)]).unwrap_err().to_string();
    assert_eq!(
        text,
        "batch refused: batch of 2070 bytes does not fit a segment of 1000 bytes (segment_bytes)"
    );
    assert_eq!(rejected(log.append(&[])), Rejected::Empty(0));
    assert_eq!(log.end_offset(), offset(0));
}

#[test]
fn a_bomb_is_not_opened() {
    let config = LogConfig { max_message_bytes: 4_096, ..LogConfig::default() };
    let log = open(config);
    let zeros = vec![0; 8 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new().codec(codec);
        builder.push(&NewRecord::value(&zeros));
        let refused = rejected(log.append_batch(&builder.finish().unwrap(), Origin::Client));
        assert!(
            matches!(refused, Rejected::TooLarge { .. } | Rejected::Unreadable(_)),
            "{codec:?}: {refused:?}"
        );
    }
    assert_eq!(log.end_offset(), offset(0));
}

#[test]
fn a_compacted_log_wants_keys_and_says_which_records_have_none() {
    let mut config = LogConfig::default();
    config.cleanup_policy.compact = true;
    let log = open(config);
    let stamp = ProducerStamp {
        id: ProducerId::new(1).unwrap(),
        epoch: ProducerEpoch::ZERO,
        base_sequence: Some(Sequence::ZERO),
    };
    let records = [NewRecord::keyed(b"k", b"v"), NewRecord::value(b"w")];
    assert_eq!(rejected(log.append(&records)), Rejected::MissingKey(vec![1]));
    assert_eq!(rejected(log.append_as(stamp, &records)), Rejected::MissingKey(vec![1]));
}

#[test]
fn a_producer_is_refused_with_what_was_expected() {
    let log = open(LogConfig::default());
    let stamp = |epoch, sequence| ProducerStamp {
        id: ProducerId::new(1).unwrap(),
        epoch: ProducerEpoch::new(epoch).unwrap(),
        base_sequence: Sequence::new(sequence),
    };
    let record = [NewRecord::value(b"x")];
    log.append_as(stamp(3, 0), &record).unwrap();
    let text = |stamp| log.append_as(stamp, &record).unwrap_err().to_string();
    assert_eq!(text(stamp(3, 5)), "producer refused: sequence 5, expected 1");
    assert_eq!(text(stamp(2, 0)), "producer refused: epoch 2 is fenced by 3");
    assert!(text(ProducerStamp { base_sequence: None, ..stamp(3, 1) }).starts_with("batch refused: "));
    let fenced = log.commit_transaction(stamp(2, 0).id, stamp(2, 0).epoch).unwrap_err();
    assert_eq!(fenced.to_string(), "producer refused: epoch 2 is fenced by 3");
    assert_eq!(fenced.fault(), Fault::Caller);
    assert_eq!(
        rejected(log.append_as(stamp(3, 1), &[])).to_string(),
        rejected(log.append_in_transaction(stamp(3, 1), &[])).to_string()
    );
    assert_eq!(log.end_offset(), offset(1));
}

#[test]
fn an_offset_outside_the_log_is_refused_with_the_range_it_holds() {
    let log = ten();
    let said = |error: LogError| {
        assert_eq!(error.fault(), Fault::Caller);
        error.to_string()
    };
    for (raw, text) in [(3, "offset 3 is out of range [4, 10]"), (11, "offset 11 is out of range [4, 10]")] {
        let at = offset(raw);
        assert_eq!(said(log.read(at, ReadLimits::default()).unwrap_err()), text);
        assert_eq!(said(log.read_unverified(at, ReadLimits::default()).unwrap_err()), text);
        assert_eq!(said(log.get(at).unwrap_err()), text);
        assert_eq!(said(log.records(at).next().unwrap().unwrap_err()), text);
        assert_eq!(said(log.records(at).committed().next().unwrap().unwrap_err()), text);
        assert_eq!(said(log.cursor(at).next().unwrap_err()), text);
    }
    assert_eq!(said(log.truncate(offset(3)).unwrap_err()), "offset 3 is out of range [4, 10]");
    assert_eq!(said(log.delete_records_before(offset(11)).unwrap_err()), "offset 11 is out of range [4, 10]");
    let mut slot = WaitSlot::new();
    let refused = log.poll_synced(offset(11), &mut Context::from_waker(Waker::noop()), &mut slot);
    let Poll::Ready(Err(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(said(refused), "offset 11 is out of range [4, 10]");
    // What asks for nothing is no mistake.
    assert!(log.read(offset(10), ReadLimits::default()).unwrap().is_empty());
    assert!(log.get(offset(10)).unwrap().is_none());
    log.truncate(offset(11)).unwrap();
    assert_eq!(log.delete_records_before(offset(2)).unwrap(), offset(4));
    assert_eq!((log.start_offset(), log.end_offset()), (offset(4), offset(10)));
}

#[test]
fn a_clock_that_jumps_moves_no_offset_and_confuses_no_lookup() {
    let config = LogConfig { timestamp_after_max_ms: None, index_interval_bytes: 64, ..LogConfig::default() };
    let log = open(config);
    let times = [50, 10, i64::MAX, 0, 70, 20, i64::MAX - 1, 60];
    for at in times {
        log.append(&[NewRecord::value(&[b'x'; 100]).at(time(at))]).unwrap();
    }
    let first = |at| log.offset_for_time(time(at)).unwrap().map(|(offset, _)| offset.get());
    let before = |at| log.offset_before_time(time(at)).unwrap().map(|(offset, _)| offset.get());
    assert_eq!([first(0), first(51), first(i64::MAX)], [Some(0), Some(2), Some(2)]);
    assert_eq!([before(0), before(51), before(i64::MAX)], [None, Some(1), Some(1)]);
    assert_eq!(log.max_timestamp().unwrap(), Some((offset(2), time(i64::MAX))));
    assert_eq!(log.end_offset(), offset(8));
    let strict = open(LogConfig::default());
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::value(b"from the future").at(time(i64::MAX)));
    let refused = rejected(strict.append_batch(&builder.finish().unwrap(), Origin::Client));
    assert!(
        matches!(&refused, Rejected::Timestamp { records, allowed: Some(_) } if records == &[0]),
        "{refused}"
    );
}

/// What decoding answers goes through `?` where everything else does, and is no caller's mistake.
#[test]
fn records_that_cannot_be_read_are_an_error_of_the_log() {
    fn count(log: &Log) -> log_engine::Result<usize> {
        let mut count = 0;
        for batch in log.records(log.start_offset()) {
            for record in &batch?.records()? {
                record?;
                count += 1;
            }
        }
        Ok(count)
    }
    let log = open(LogConfig::default());
    log.append(&[NewRecord::value(b"fine"), NewRecord::value(b"too")]).unwrap();
    assert_eq!(count(&log).unwrap(), 2);
    let error = LogError::from(CorruptReason::Structure("a hole".to_owned()));
    assert_eq!(
        (error.to_string().as_str(), error.fault()),
        ("records cannot be read: a hole", Fault::Corrupt)
    );
    assert_eq!(Offset::try_from(7).unwrap(), offset(7));
    assert_eq!(Offset::try_from(-1).unwrap_err().to_string(), "-1 is no offset: it is negative");
}

/// One way of building a batch: what one accepts, stores or refuses the other does too.
#[test]
fn records_of_a_known_producer_are_under_the_same_rules() {
    let stamp = |sequence| ProducerStamp {
        id: ProducerId::new(1).unwrap(),
        epoch: ProducerEpoch::ZERO,
        base_sequence: Sequence::new(sequence),
    };
    let far = [NewRecord::value(b"from the future").at(time(i64::MAX))];
    let log = open(LogConfig::default());
    log.append(&far).unwrap();
    log.append_as(stamp(0), &far).unwrap();
    log.append_in_transaction(stamp(1), &far).unwrap();
    let stored = |at| log.get(offset(at)).unwrap().unwrap().view().max_timestamp();
    assert_eq!([stored(0), stored(1), stored(2)], [Some(time(i64::MAX)); 3]);

    let by_append = TimestampType::LogAppendTime;
    let log = open(LogConfig { timestamp_type: by_append, max_message_bytes: 200, ..LogConfig::default() });
    let appended = [log.append(&far).unwrap(), log.append_as(stamp(0), &far).unwrap()];
    assert!(appended.iter().all(|appended| appended.append_time.is_some()), "{appended:?}");
    let kind = |at| log.get(offset(at)).unwrap().unwrap().view().attributes().timestamp_type();
    assert_eq!([kind(0), kind(1)], [by_append; 2]);
    let again = log.append_as(stamp(0), &far).unwrap();
    assert!(again.duplicate && again.append_time == appended[1].append_time, "{again:?}");
    let large = [NewRecord::value(&[0; 300])];
    assert_eq!(rejected(log.append(&large)), rejected(log.append_as(stamp(1), &large)));
    assert_eq!(rejected(log.append(&[])), rejected(log.append_as(stamp(1), &[])));
}

#[test]
fn settings_outside_their_range_are_refused_by_name_and_the_old_ones_stay() {
    let log = open(LogConfig::default());
    let bad = LogConfig { segment_bytes: 13, ..LogConfig::default() };
    assert_eq!(
        log.set_config(bad.clone()).unwrap_err().to_string(),
        "segment.bytes = 13: expected at least 14 bytes"
    );
    assert_eq!(*log.config(), LogConfig::default());
    let opened = Log::builder("/other").config(bad).storage(Arc::new(MemStorage::new())).open();
    assert!(matches!(opened, Err(LogError::Config { key: "segment.bytes", .. })));
}

#[test]
fn a_closed_log_takes_nothing_and_is_read() {
    let log = ten();
    log.close().unwrap();
    log.close().unwrap();
    let closed = |error: LogError| assert!(matches!(error, LogError::Closed), "{error}");
    closed(log.append(&[NewRecord::value(b"x")]).unwrap_err());
    closed(log.append_batch(&batch(), Origin::Client).unwrap_err());
    closed(log.truncate(offset(5)).unwrap_err());
    closed(log.delete_records_before(offset(5)).unwrap_err());
    closed(log.apply_retention(time(0)).unwrap_err());
    closed(log.snapshot("/copy").unwrap_err());
    closed(log.compact(time(0)).unwrap_err());
    closed(log.append_as(stamp(), &[NewRecord::value(b"x")]).unwrap_err());
    let (before, other) = (log.config(), LogConfig { segment_bytes: 777, ..LogConfig::default() });
    closed(log.set_config(other).unwrap_err());
    assert_eq!(log.config(), before, "the settings are what they were");
    assert_eq!(log.sync().unwrap(), offset(10), "nothing is left to sync");
    assert_eq!(log.records(offset(4)).count(), 6);
}

#[test]
fn damage_is_named_to_the_byte_and_what_is_around_it_is_served() {
    let storage = Arc::new(MemStorage::new());
    let open = || Log::builder("/log").storage(Arc::clone(&storage) as Arc<dyn Storage>).open().unwrap();
    let log = open();
    for n in 0..9_u8 {
        log.append(&[NewRecord::value(&[n; 32])]).unwrap();
    }
    let len = log.get(offset(0)).unwrap().unwrap().bytes().len() as u64;
    log.close().unwrap();
    drop(log);
    let path = Path::new("/log/00000000000000000000.log");
    storage.open(path, OpenMode::ReadWrite).unwrap().write_all_at(&[&[0xff]], 4 * len + 70).unwrap();
    let log = open();
    let error = log.get(offset(4)).unwrap_err();
    assert_eq!(error.fault(), Fault::Corrupt);
    let text = error.to_string();
    assert!(text.contains("00000000000000000000.log: corrupt at position") && text.contains('4'), "{text}");
    let [Damage { bytes, offsets, .. }] = &log.damage()[..] else { panic!("{:?}", log.damage()) };
    assert_eq!((bytes.clone(), offsets.clone()), (4 * len..5 * len, offset(4)..offset(5)));
    assert_eq!(log.records(offset(0)).filter(Result::is_ok).count(), 4);
    assert_eq!(log.records(offset(5)).filter(Result::is_ok).count(), 4);
    let cut = log.truncate(offset(6)).unwrap_err();
    assert!(matches!(cut, LogError::Corrupt { .. }), "a damaged segment is not cut: {cut}");
    assert_eq!(log.end_offset(), offset(9));
    log.append(&[NewRecord::value(b"goes on")]).unwrap();
}

#[test]
fn a_directory_that_somebody_has_open_is_refused_with_who_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let _held = Log::open(temp.path(), LogConfig::default()).unwrap();
    let error = Log::open(temp.path(), LogConfig::default()).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, format!("{}: in use by process {}", temp.path().display(), std::process::id()));
    let store = LogStore::builder([temp.path()]).open().unwrap_err();
    assert!(matches!(store, LogError::Locked { .. }), "{store}");
}

#[test]
fn a_directory_that_is_not_ours_is_refused_untouched() {
    let temp = tempfile::tempdir().unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.retain(|name| name != ".lock");
        names
    };
    fs::create_dir(temp.path().join("photos")).unwrap();
    let error = LogStore::builder([temp.path()]).open().unwrap_err();
    assert!(matches!(&error, LogError::Directory { path, .. } if path.ends_with("photos")), "{error}");
    assert_eq!(names(), ["photos"]);
    fs::remove_dir(temp.path().join("photos")).unwrap();
    // A segment's name that is none, and a file in the place of the directory.
    fs::write(temp.path().join("120.log"), b"").unwrap();
    let error = Log::open(temp.path(), LogConfig::default()).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("120.log") && said.contains("20 digits"), "{said}");
    assert_eq!(names(), ["120.log"]);
    let file = temp.path().join("120.log");
    assert!(matches!(Log::open(&file, LogConfig::default()), Err(LogError::Io { .. })));
    let missing = LogReader::open(temp.path().join("nowhere"), &LogConfig::default()).unwrap_err();
    assert!(missing.to_string().starts_with("cannot list "), "{missing}");
    assert!(!temp.path().join("nowhere").exists());
}

#[test]
fn a_read_only_directory_is_refused_with_what_to_do() {
    let storage = Arc::new(MemStorage::new());
    let writable = Log::builder("/log").storage(Arc::clone(&storage) as Arc<dyn Storage>).open().unwrap();
    writable.append(&[NewRecord::value(b"x")]).unwrap();
    let read_only = Arc::new(log_engine::io::ReadOnlyStorage::new(storage));
    let error = Log::builder("/log").storage(read_only.clone()).open().unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("/log: ") && said.contains("read-only") && said.contains("LogReader"), "{said}");
    assert!(matches!(error, LogError::Directory { .. }));
    let reader = LogReader::open_in(read_only, "/log", &LogConfig::default()).unwrap();
    assert_eq!(reader.end_offset(), offset(1));
}

#[test]
fn a_segment_that_is_missing_is_a_named_hole() {
    let temp = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
    let log = Log::open(temp.path(), config.clone()).unwrap();
    for n in 0..9_u8 {
        log.append(&[NewRecord::value(&[n; 32])]).unwrap();
    }
    let bases: Vec<Offset> = log.segment_offsets().into_iter().map(|(base, _)| base).collect();
    log.close().unwrap();
    drop(log);
    fs::remove_file(temp.path().join(format!("{:020}.log", bases[1].get()))).unwrap();
    let log = Log::open(temp.path(), config).unwrap();
    let error = log.get(bases[1]).unwrap_err();
    assert_eq!(error.fault(), Fault::Corrupt);
    let LogError::Corrupt { reason: CorruptReason::Hole { from, to, .. }, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(from..to, bases[1]..bases[2]);
    assert!(log.get(bases[0]).unwrap().is_some() && log.get(bases[2]).unwrap().is_some());
    assert!(RealStorage::new().exists(&temp.path().join(format!("{:020}.log", bases[2].get()))).unwrap());
}

/// The files of the log, without the lock's.
fn files_of(storage: &MemStorage) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> =
        storage.list(Path::new("/log")).unwrap().into_iter().map(|entry| entry.name).collect();
    files.retain(|name| name != ".lock");
    files.sort();
    let read = |name: &String| {
        let file = storage.open(&Path::new("/log").join(name), OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    files.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// A log with all the files of ours that have a version, closed.
fn versioned() -> Arc<MemStorage> {
    let storage = Arc::new(MemStorage::new());
    let log = versioned_log(&storage).unwrap();
    for n in 0..5_u8 {
        log.append(&[NewRecord::value(&[n])]).unwrap();
    }
    log.close().unwrap();
    storage
}

fn versioned_log(storage: &Arc<MemStorage>) -> Result<Arc<Log>, LogError> {
    let storage = Arc::clone(storage) as Arc<dyn Storage>;
    Log::builder("/log").storage(storage).compaction_point(Some(Offset::ZERO)).open()
}

fn rewrite(storage: &MemStorage, name: &str, at: u64, bytes: &[u8]) {
    let file = storage.open(&Path::new("/log").join(name), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[bytes], at).unwrap();
}

#[test]
fn a_version_without_its_checksum_is_damage_and_what_it_said_is_not_believed() {
    let storage = versioned();
    for slot in [0, 512] {
        rewrite(&storage, "synced-mark", slot + 8, &3_u32.to_be_bytes());
    }
    rewrite(&storage, "producer-state", 8, &4_u32.to_be_bytes());
    rewrite(&storage, "compaction-point", 0, b"2");
    let log = versioned_log(&storage).unwrap();
    assert_eq!((log.end_offset(), log.damage()), (offset(5), vec![]));
    assert!(log.recovery_report().scanned_bytes > 0, "everything was looked at");
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_nothing_is_written() {
    let sealed = |bytes: &[u8]| crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]);
    for (name, slot, found, known) in [
        ("synced-mark", 0, 3_u32, 2),
        ("synced-mark", 512, 3, 2),
        ("producer-state", 0, 4, 3),
        ("compaction-point", 0, 2, 1),
    ] {
        let storage = versioned();
        let (_, mut bytes) = files_of(&storage).into_iter().find(|(file, _)| file == name).unwrap();
        if name == "compaction-point" {
            bytes = b"2\n0\nand more\n".to_vec();
            let crc = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(format!("{crc:08x}\n").as_bytes());
            storage.remove_file(&Path::new("/log").join(name)).unwrap();
            storage.open(&Path::new("/log").join(name), OpenMode::CreateNew).unwrap();
        } else {
            let end = if name == "synced-mark" { slot + 96 } else { bytes.len() };
            bytes.resize(bytes.len().max(end), 0);
            bytes[slot..slot + 8].copy_from_slice(if slot == 0 && name == "producer-state" {
                b"CORRPROD"
            } else {
                b"CORRMARK"
            });
            bytes[slot + 8..slot + 12].copy_from_slice(&found.to_be_bytes());
            let crc = sealed(&bytes[slot..end]);
            bytes[slot + 12..slot + 16].copy_from_slice(&crc.to_be_bytes());
        }
        rewrite(&storage, name, 0, &bytes);
        // What would otherwise be made anew.
        storage.remove_file(Path::new("/log/00000000000000000000.index")).unwrap();
        let before = files_of(&storage);
        let error = versioned_log(&storage).unwrap_err();
        let LogError::Directory { path, problem } = &error else { panic!("{name}: {error}") };
        assert_eq!(path, &Path::new("/log").join(name));
        let expected = format!("has version {found}, this program knows them up to {known}: ");
        assert!(problem.starts_with(&expected), "{problem}");
        let shared = Arc::clone(&storage) as Arc<dyn Storage>;
        let options = log_engine::inspect::CheckOptions::default();
        let check = log_engine::inspect::check_log(&shared, Path::new("/log"), &options).unwrap();
        assert!(check.findings.iter().any(|finding| finding.problem.starts_with(&expected)), "{check:?}");
        let refused = log_engine::repair::repair(&shared, Path::new("/log"), &options).unwrap_err();
        assert_eq!(refused.to_string(), error.to_string());
        if name == "synced-mark" {
            let reader = LogReader::open_in(shared, "/log", &LogConfig::default()).unwrap_err();
            assert_eq!(reader.to_string(), error.to_string());
        }
        assert!(files_of(&storage) == before, "{name}: something was written");
    }
}

fn stamp() -> ProducerStamp {
    let (id, epoch) = (ProducerId::new(7).unwrap(), ProducerEpoch::ZERO);
    ProducerStamp { id, epoch, base_sequence: Some(Sequence::ZERO) }
}

/// A log of ten records, ten milliseconds apart, of which the fifth batch was overwritten at `at` while it was closed; and
/// how long a batch is.
fn damaged_at(at: u64, byte: u8) -> (Arc<Log>, u64) {
    let storage = Arc::new(MemStorage::new());
    let config = LogConfig { timestamp_after_max_ms: None, ..LogConfig::default() };
    let open = || {
        let storage = Arc::clone(&storage) as Arc<dyn Storage>;
        Log::builder("/log").config(config.clone()).storage(storage).open().unwrap()
    };
    let log = open();
    for n in 0..10_u8 {
        log.append(&[NewRecord::value(&[n; 32]).at(time(10 * i64::from(n)))]).unwrap();
    }
    let len = log.get(offset(0)).unwrap().unwrap().bytes().len() as u64;
    log.close().unwrap();
    drop(log);
    rewrite(&storage, "00000000000000000000.log", 4 * len + at, &[byte]);
    (open(), len)
}

#[test]
fn a_magic_that_is_none_yet_is_damage_of_its_batch_alone() {
    for magic in [3_u8, 9, 127, 255] {
        let (log, len) = damaged_at(MAGIC_AT as u64, magic);
        let error = log.get(offset(4)).unwrap_err();
        assert_eq!(error.fault(), Fault::Corrupt);
        let [Damage { bytes, offsets, reason, .. }] = &log.damage()[..] else { panic!("{:?}", log.damage()) };
        assert_eq!((bytes.clone(), offsets.clone()), (4 * len..5 * len, offset(4)..offset(5)));
        assert_eq!(reason.to_string(), format!("magic {}, expected 2", i8::from_be_bytes([magic])));
        assert_eq!(log.records(offset(0)).filter(Result::is_ok).count(), 4);
        assert_eq!(log.records(offset(5)).filter(Result::is_ok).count(), 5);
    }
}

#[test]
fn a_time_is_looked_up_around_damage_and_never_answered_with_a_wrong_record() {
    let (log, _) = damaged_at(70, 0xff);
    assert!(log.get(offset(4)).is_err());
    for at in 0..=95_i64 {
        let truth = (at + 9) / 10;
        match log.offset_for_time(time(at)) {
            Ok(Some((found, found_at))) => {
                assert_eq!(found_at, time(10 * found.get()), "time {at}");
                assert!(found.get() == truth || truth == 4 && found.get() == 5, "time {at}: {found}");
            }
            Ok(None) => assert!(at > 90, "time {at}"),
            Err(error) => {
                assert!(matches!(error, LogError::Corrupt { .. }), "time {at}: {error}");
                assert!(truth >= 4, "time {at} lies in front of the damage: {error}");
            }
        }
    }
}

#[test]
fn every_call_on_a_poisoned_log_says_what_failed_first_and_reads_go_on() {
    let name = "/log";
    let storage = Arc::new(MemStorage::new());
    Log::builder(name).storage(Arc::clone(&storage) as Arc<dyn Storage>).open().unwrap().close().unwrap();
    let fault = IoFault::at(0, std::io::ErrorKind::Other).among(&[Op::SyncData]);
    let disk = FaultStorage::new(Arc::clone(&storage) as Arc<dyn Storage>, fault);
    let log = Log::builder(name).storage(Arc::new(disk)).open().unwrap();
    log.append(&[NewRecord::value(b"accepted")]).unwrap();
    let first = log.sync().unwrap_err();
    assert!(log.is_poisoned(), "{first}");
    let record = [NewRecord::value(b"x")];
    let (id, epoch) = (stamp().id, stamp().epoch);
    let refusals = [
        ("append", log.append(&record).map(drop)),
        ("append_synced", log.append_synced(&record).map(drop)),
        ("append_batch", log.append_batch(&batch(), Origin::Client).map(drop)),
        ("append_as", log.append_as(stamp(), &record).map(drop)),
        ("commit_transaction", log.commit_transaction(id, epoch).map(drop)),
        ("abort_transaction", log.abort_transaction(id, epoch).map(drop)),
        ("sync", log.sync().map(drop)),
        ("truncate", log.truncate(offset(0)).map(drop)),
        ("delete_records_before", log.delete_records_before(offset(1)).map(drop)),
        ("compact", log.compact(time(0)).map(drop)),
    ];
    for (call, refused) in refusals {
        let error = refused.expect_err(call);
        let LogError::Poisoned { path, cause } = &error else { panic!("{call}: {error}") };
        assert_eq!((path.as_path(), error.fault()), (Path::new(name), Fault::Io), "{call}");
        assert!(cause.starts_with("cannot sync"), "{call}: {cause}");
    }
    assert!(!log.sync_if_due().unwrap(), "nothing is tried again");
    assert_eq!((log.end_offset(), log.records(offset(0)).filter(Result::is_ok).count()), (offset(1), 1));
    assert_eq!(log.offset_for_time(time(0)).unwrap().map(|(at, _)| at), Some(offset(0)));
    log.set_config(LogConfig::default()).unwrap();
    let _ = log.close();
    drop(log);
    let again = Log::builder(name).storage(storage as Arc<dyn Storage>).open().unwrap();
    assert_eq!((again.damage(), again.is_poisoned()), (vec![], false));
    again.append(&record).unwrap();
}

#[test]
fn a_store_without_a_directory_is_refused() {
    let error = LogStore::builder::<&str>([]).open().unwrap_err();
    assert_eq!(error.to_string(), "log.dirs = : expected a directory");
}

#[test]
fn a_store_refuses_names_and_says_why() {
    let store = LogStore::builder(["/data"]).storage(Arc::new(MemStorage::new())).open().unwrap();
    let name = LogName::new("orders", 0).unwrap();
    let config = LogConfig::default();
    store.create(&name, &config).unwrap();
    assert_eq!(store.create(&name, &config).unwrap_err().to_string(), "log \"orders-0\" already exists");
    let other = LogName::new("orders", 1).unwrap();
    assert_eq!(store.delete(&other).unwrap_err().to_string(), "log \"orders-1\" does not exist");
    assert!(LogName::new("../orders", 0).is_err());
    assert!(matches!(store.snapshot("/data"), Err(LogError::Directory { .. })));
    store.close().unwrap();
    assert!(matches!(store.create(&other, &config), Err(LogError::Closed)));
    assert!(matches!(store.snapshot("/copy"), Err(LogError::Closed)));
}

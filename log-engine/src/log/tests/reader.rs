//! A reader beside the writer, on the same files: it is told nothing and sees everything that was published.

use super::*;
use crate::io::OpenMode;

impl Bench {
    fn reader(&self) -> LogReader {
        LogReader::open_in(Arc::clone(&self.storage) as Arc<dyn Storage>, DIR, &self.config).unwrap()
    }

    /// Names and contents of all files.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        self.names().into_iter().map(|name| (name.clone(), self.file(&name))).collect()
    }
}

fn read_from(reader: &LogReader, from: i64) -> Vec<(i64, String)> {
    let mut cursor = reader.records(offset(from)).cursor();
    let mut out = Vec::new();
    while let Some(record) = cursor.next().unwrap() {
        out.push((record.offset.get(), String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
    }
    out
}

#[test]
fn a_reader_sees_appends_rolls_deletions_and_cuts_and_writes_nothing() {
    let bench = Bench::small(300);
    let log = bench.open();
    let reader = bench.reader();
    assert_eq!((reader.start_offset(), reader.end_offset()), (offset(0), offset(0)));
    assert!(!reader.refresh().unwrap());
    fill(&log, 0..25);
    assert_eq!(reader.end_offset(), offset(0), "as it was when it looked");
    let before = bench.contents();
    assert!(reader.refresh().unwrap());
    assert_eq!(read_from(&reader, 0), numbered(0..25));
    assert_eq!(read_from(&reader, 17), numbered(17..25));
    assert_eq!(reader.offset_for_time(time(0)).unwrap(), Some((offset(0), time(NOW))));
    assert_eq!(bench.contents(), before, "not even an index that is missing");

    log.truncate(offset(12)).unwrap();
    for number in 50..53 {
        append(&log, number);
    }
    assert!(reader.refresh().unwrap());
    let mut expected = numbered(0..12);
    expected.extend((12..).zip((50..53).map(value)));
    assert_eq!(read_from(&reader, 0), expected);
    assert_eq!(reader.truncations(), 1);

    log.delete_records_before(offset(7)).unwrap();
    log.apply_retention(bench.clock.now()).unwrap();
    log.remove_deleted().unwrap();
    reader.refresh().unwrap();
    assert_eq!(read_from(&reader, 7), expected[7..]);
    let refused = reader.records(offset(3)).next().unwrap();
    assert!(matches!(refused, Err(LogError::OffsetOutOfRange { start, .. }) if start == offset(7)));
}

#[test]
fn what_is_not_whole_yet_is_not_there_yet() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..3);
    log.close().unwrap();
    let whole = bench.file(&log_name(0));
    let second = log.get(offset(1)).unwrap().unwrap().bytes().len();
    let first = log.get(offset(0)).unwrap().unwrap().bytes().len();
    for len in [first + 1, first + 60, first + second - 2, first + second, whole.len() - 2, whole.len()] {
        let mut bytes = whole[..len].to_vec();
        // Blocks that were reserved, or a page that was not written yet.
        bytes.resize(whole.len() + 5000, 0);
        bench.overwrite(&log_name(0), &bytes);
        bench.remove_mark();
        let end = 1 + i64::from(len >= first + second) + i64::from(len == whole.len());
        assert_eq!(read_from(&bench.reader(), 0), numbered(0..end), "{len} bytes");
    }
}

impl Bench {
    fn remove_mark(&self) {
        let _ = self.storage.remove_file(&Path::new(DIR).join(mark::FILE_NAME));
    }
}

#[test]
fn damage_in_a_complete_segment_is_an_error_and_what_lies_behind_can_be_read() {
    let bench = Bench::small(300);
    let log = bench.open();
    fill(&log, 0..20);
    log.close().unwrap();
    let second = log.segment_offsets()[1].0;
    let third = log.segment_offsets()[2].0.get();
    let mut bytes = bench.file(&log_name(second.get()));
    bytes[70] ^= 1;
    bench.overwrite(&log_name(second.get()), &bytes);
    let reader = bench.reader();
    let mut batches = reader.records(offset(0));
    let error = batches.find_map(Result::err).unwrap();
    assert!(
        matches!(&error, LogError::Corrupt { path, .. } if path.ends_with(log_name(second.get()))),
        "{error}"
    );
    assert_eq!(batches.next_offset(), second);
    assert_eq!(read_from(&reader, third), numbered(third..20));
}

#[test]
fn a_directory_that_is_no_log_is_refused() {
    let bench = Bench::new();
    let open = || LogReader::open_in(Arc::clone(&bench.storage) as Arc<dyn Storage>, DIR, &bench.config);
    assert!(matches!(open(), Err(LogError::Io { op: "list", .. })), "it is not there");
    bench.storage.create_dir_all(Path::new(DIR)).unwrap();
    bench.storage.open(&Path::new(DIR).join("notes.txt"), OpenMode::CreateNew).unwrap();
    assert!(matches!(open(), Err(LogError::Directory { .. })));
}

/// Everything a writer does, while somebody follows. Each record says which offset it has; after a cut others get it.
#[test]
fn a_follower_beside_a_busy_writer_gets_every_batch_in_order() {
    let mut bench = Bench::small(400);
    bench.config.retention_bytes = Some(4_000);
    bench.config.file_delete_delay_ms = 0;
    let log = bench.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..3_000_i64 {
                let text = format!("{} in round {round}", log.end_offset());
                log.append(&[NewRecord::value(text.as_bytes())]).unwrap();
                match round % 97 {
                    13 => log
                        .truncate(offset((log.end_offset().get() - 9).max(log.start_offset().get())))
                        .unwrap(),
                    40 => _ = log.apply_retention(bench.clock.now()).unwrap(),
                    41 => _ = log.remove_deleted().unwrap(),
                    60 => _ = log.sync().unwrap(),
                    _ => {}
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        let reader = bench.reader();
        let mut given = 0;
        let mut batches = reader.records(Offset::ZERO);
        loop {
            let over = done.load(Ordering::SeqCst);
            let next = batches.next_offset();
            match batches.next_within(Duration::from_millis(1)) {
                Ok(Some(batch)) => {
                    assert_eq!(batch.base_offset(), next);
                    let records = batch.records().unwrap();
                    let record = records.get(next).unwrap().unwrap();
                    let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                    assert!(text.starts_with(&format!("{next} in ")), "{text} at {next}");
                    given += 1;
                }
                Ok(None) if over => break,
                Ok(None) => {}
                Err(LogError::OffsetOutOfRange { start, end, .. }) => {
                    batches = reader.records(next.clamp(start, end));
                }
                Err(error) => panic!("{error} at {next}"),
            }
        }
        assert!(given > 0, "nothing was followed");
    });
    let reader = bench.reader();
    assert_eq!((reader.start_offset(), reader.end_offset()), (log.start_offset(), log.end_offset()));
    assert_eq!(read_from(&reader, log.start_offset().get()), dump(&log));
}

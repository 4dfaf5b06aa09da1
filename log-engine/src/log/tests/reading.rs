use super::*;
use crate::io::{CountingStorage, Op, OpenMode, RealStorage};

fn filled(bench: &Bench, count: i64) -> Arc<Log> {
    let log = bench.open();
    fill(&log, 0..count);
    log
}

fn limits(max_bytes: usize) -> ReadLimits {
    ReadLimits { max_bytes, at_least_one: false, up_to: None }
}

#[test]
fn reads_begin_at_the_batch_that_holds_the_offset() {
    let log = Bench::new().open();
    append(&log, 0);
    log.append_batch(&idempotent(7, 0, 0, 5, false), Origin::Client).unwrap();
    let read = log.read(offset(3), ReadLimits::default()).unwrap();
    assert_eq!((read.start, read.next), (offset(1), offset(6)));
    assert_eq!(dump_from(&log, offset(3)).0.first().map(|(at, _)| *at), Some(3));
}

#[test]
fn both_borders_of_the_range_are_sharp() {
    let log = filled(&Bench::new(), 5);
    assert!(log.read(offset(5), ReadLimits::default()).unwrap().is_empty());
    let above = log.read(offset(6), ReadLimits::default());
    assert!(matches!(above, Err(LogError::OffsetOutOfRange { requested, start, end })
        if (requested, start, end) == (offset(6), offset(0), offset(5))));
    log.delete_records_before(offset(2)).unwrap();
    assert!(matches!(log.read(offset(1), ReadLimits::default()), Err(LogError::OffsetOutOfRange { .. })));
    assert_eq!(log.read(offset(2), ReadLimits::default()).unwrap().start, offset(2));
}

#[test]
fn the_size_limit_counts_whole_batches() {
    let log = filled(&Bench::new(), 10);
    let one = log.read(offset(0), ReadLimits { max_bytes: 0, ..ReadLimits::default() }).unwrap();
    assert_eq!(one.next, offset(1));
    let len = one.len();
    assert!(log.read(offset(0), limits(len - 1)).unwrap().is_empty());
    assert_eq!(log.read(offset(0), limits(len)).unwrap().next, offset(1));
    let two = log
        .read(
            offset(0),
            limits(
                len + log
                    .read(offset(1), ReadLimits { max_bytes: 0, ..ReadLimits::default() })
                    .unwrap()
                    .len(),
            ),
        )
        .unwrap();
    assert_eq!(two.next, offset(2));
}

#[test]
fn a_read_can_stop_below_an_offset() {
    let log = filled(&Bench::small(300), 10);
    let read = log.read(offset(1), ReadLimits { up_to: Some(offset(7)), ..ReadLimits::default() }).unwrap();
    assert_eq!((read.start, read.next), (offset(1), offset(7)));
    assert!(read.slices.len() > 1);
    let none = log.read(offset(7), ReadLimits { up_to: Some(offset(7)), ..ReadLimits::default() }).unwrap();
    assert!(none.is_empty());
}

#[test]
fn slices_outlive_the_segment_they_came_from() {
    let bench = Bench::small(300);
    let log = filled(&bench, 10);
    let read = log.read(offset(0), ReadLimits::default()).unwrap();
    let before: Vec<_> = read.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
    log.delete_records_before(offset(10)).unwrap();
    log.apply_retention(time(NOW)).unwrap();
    bench.advance(100_000);
    assert!(log.remove_deleted().unwrap() > 0);
    let after: Vec<_> = read.slices.iter().map(|slice| slice.bytes().unwrap()).collect();
    assert_eq!(before, after);
}

#[test]
fn times_lead_to_the_first_record_that_is_not_older() {
    let log = Bench::small(300).open();
    for (n, ms) in (0..).zip([100, 300, 200, 500, 400, 500]) {
        log.append(&[NewRecord::value(value(n).as_bytes()).at(time(ms))]).unwrap();
    }
    let at = |ms| log.offset_for_time(time(ms)).unwrap().map(|(at, found)| (at.get(), found.as_millis()));
    assert_eq!(at(0), Some((0, 100)));
    assert_eq!(at(101), Some((1, 300)));
    assert_eq!(at(301), Some((3, 500)));
    assert_eq!(at(501), None);
    assert_eq!(log.max_timestamp().unwrap(), Some((offset(3), time(500))));
    log.delete_records_before(offset(4)).unwrap();
    assert_eq!(at(0), Some((4, 400)));
}

#[test]
fn a_follower_is_woken_by_an_append_and_by_the_end_of_the_log() {
    let log = filled(&Bench::new(), 1);
    assert_eq!(log.wait_for_end(offset(1), Duration::from_millis(1)), offset(1));
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| log.wait_for_end(offset(1), Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(20));
        append(&log, 1);
        assert_eq!(follower.join().unwrap(), offset(2));
        let follower = scope.spawn(|| log.wait_for_end(offset(2), Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(20));
        log.close().unwrap();
        assert_eq!(follower.join().unwrap(), offset(2));
    });
    assert!(matches!(log.append(&[NewRecord::value(b"x")]), Err(LogError::Closed)));
    assert_eq!(dump(&log).len(), 2);
}

/// A log of batches of about so many bytes each, and how long each is.
fn of_sizes(bench: &Bench, sizes: &[usize]) -> (Arc<Log>, Vec<usize>) {
    let log = bench.open();
    let mut lens = Vec::new();
    for size in sizes {
        let before = log.size_bytes();
        log.append(&[NewRecord::value(&vec![b'x'; *size])]).unwrap();
        lens.push(usize::try_from(log.size_bytes() - before).unwrap());
    }
    (log, lens)
}

/// Large reads go by the index and small ones from batch to batch: both find the same end.
#[test]
fn a_large_read_ends_where_a_walk_would() {
    let sizes: Vec<usize> = (0..400_usize).map(|n| 20 + n * 7919 % 3000 * usize::from(n % 5 > 0)).collect();
    let bench = Bench::new();
    let (log, lens) = of_sizes(&bench, &sizes);
    for from in [0, 1, 57, 200, 399] {
        for max_bytes in [0, 1000, 32_767, 32_768, 40_000, 100_000, 1 << 20] {
            for up_to in [None, Some(from + 1), Some(from + 30), Some(390)] {
                let cap = up_to.unwrap_or(400).min(400).max(from);
                let mut expected = from;
                let mut left = max_bytes;
                while expected < cap && lens[expected] <= left {
                    left -= lens[expected];
                    expected += 1;
                }
                let at = |raw: usize| offset(i64::try_from(raw).unwrap());
                let limits = ReadLimits { max_bytes, at_least_one: false, up_to: up_to.map(at) };
                let read = log.read_unverified(at(from), limits).unwrap();
                assert_eq!(read.next, at(expected), "{max_bytes} bytes from {from}, up to {up_to:?}");
                assert_eq!(read.len(), lens[from..expected].iter().sum::<usize>());
            }
        }
    }
}

/// Where batches are large a lookup goes to the entry behind the offset: a wrong one must not lead it astray.
#[test]
fn no_bit_of_an_index_of_large_batches_misleads() {
    let bench = Bench::new();
    let (log, _) = of_sizes(&bench, &[9000; 6]);
    log.close().unwrap();
    drop(log);
    let name = "00000000000000000000.index";
    let index = bench.file(name);
    assert_eq!(index.len(), 5 * 8);
    for bit in 0..index.len() * 8 {
        let mut bad = index.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // A start may have removed it.
        let file = bench.storage.open(&Path::new(DIR).join(name), OpenMode::Truncate).unwrap();
        file.write_all_at(&[&bad], 0).unwrap();
        let log = bench.open();
        for number in 0..6 {
            let one = ReadLimits { max_bytes: 1, ..ReadLimits::default() };
            let read = log.read(offset(number), one).unwrap();
            assert_eq!((read.start, read.next), (offset(number), offset(number + 1)), "bit {bit}");
        }
        log.abandon();
    }
}

fn counted(temp: &tempfile::TempDir) -> (Arc<Log>, Arc<CountingStorage>) {
    let counting = Arc::new(CountingStorage::new(Arc::new(RealStorage::new())));
    let storage = Arc::clone(&counting) as Arc<dyn Storage>;
    (Log::builder(temp.path().join("t-0")).storage(storage).open().unwrap(), counting)
}

/// What is mapped is handed out as it lies: batch behind batch at neighbouring addresses, and the storage is asked for a
/// few long stretches only.
#[test]
fn a_sequential_read_copies_nothing_and_makes_no_call_for_a_batch() {
    let temp = tempfile::tempdir().unwrap();
    let (log, counting) = counted(&temp);
    fill(&log, 0..2000);
    assert!(log.records(offset(0)).next().unwrap().is_ok(), "the map is made");
    counting.reset();
    let (mut expected, mut batches) = (None, 0);
    for batch in log.records(offset(0)) {
        let batch = batch.unwrap();
        let at = batch.bytes().as_ptr().addr();
        assert!(expected.is_none_or(|expected| expected == at), "batch {batches} lies somewhere else");
        expected = Some(at + batch.bytes().len());
        batches += 1;
    }
    assert_eq!(batches, 2000);
    assert_eq!(counting.total_calls(), counting.calls(Op::Slice), "no system call");
    assert!(counting.calls(Op::Slice) < 10, "{} looks", counting.calls(Op::Slice));
}

/// One look for the header of the batch, and one for who wants its bytes.
#[test]
fn finding_a_large_batch_looks_at_one_header() {
    let temp = tempfile::tempdir().unwrap();
    let (log, counting) = counted(&temp);
    for _ in 0..20 {
        log.append(&[NewRecord::value(&[b'x'; 20_000])]).unwrap();
    }
    let one = ReadLimits { max_bytes: 1, ..ReadLimits::default() };
    log.read(offset(3), one).unwrap();
    counting.reset();
    let read = log.read(offset(7), one).unwrap();
    assert_eq!((read.start, read.next), (offset(7), offset(8)));
    assert_eq!((counting.total_calls(), counting.calls(Op::Slice)), (1, 1));
    read.slices[0].bytes().unwrap();
    assert_eq!(counting.total_calls(), 2);
}

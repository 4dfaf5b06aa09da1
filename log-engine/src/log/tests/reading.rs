use super::*;

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

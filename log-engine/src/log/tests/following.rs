//! Waiting for more: by what is accepted, synced or committed; blocking and polled; and whatever ends a wait.

use super::*;
use crate::log::end::WaitSlot;
use futures_core::Stream;
use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::task::{Context, Poll, Wake, Waker};

#[derive(Debug, Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Runs `wait` on a thread of its own and `act` when it is (most likely) waiting.
fn meanwhile<T: Send>(wait: impl FnOnce() -> T + Send, act: impl FnOnce()) -> T {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(wait);
        std::thread::sleep(Duration::from_millis(20));
        act();
        waiting.join().unwrap()
    })
}

#[test]
fn a_follower_gets_what_is_appended_while_it_waits() {
    let log = Bench::new().open();
    let mut follower = log.follow(Offset::ZERO);
    let batch = meanwhile(|| follower.next_within(LONG), || _ = append(&log, 0));
    assert_eq!(batch.unwrap().unwrap().base_offset(), offset(0));
    assert!(follower.next_within(Duration::ZERO).unwrap().is_none(), "the time is up");
}

#[test]
fn a_follower_of_the_disk_waits_for_the_sync_and_not_for_the_append() {
    let log = Bench::new().open();
    append(&log, 0);
    let mut follower = log.follow(Offset::ZERO).synced();
    assert!(follower.next_within(Duration::from_millis(5)).unwrap().is_none());
    let batch = meanwhile(|| follower.next_within(LONG), || _ = log.sync().unwrap());
    assert_eq!(batch.unwrap().unwrap().base_offset(), offset(0));
    append(&log, 1);
    assert_eq!(log.wait_for_synced(offset(1), Duration::ZERO), offset(1));
    let end = meanwhile(|| log.wait_for_synced(offset(1), LONG), || _ = log.sync().unwrap());
    assert_eq!(end, offset(2));
}

/// The end of a transaction moves the last stable offset and, seen by who waits, not the log end.
#[test]
fn a_follower_of_committed_records_is_woken_by_the_commit() {
    let log = Bench::new().open();
    let (id, epoch) = (ProducerId::new(1).unwrap(), ProducerEpoch::ZERO);
    for round in 0..200 {
        let from = log.end_offset();
        let stamp = ProducerStamp { id, epoch, base_sequence: Sequence::new(round) };
        log.append_in_transaction(stamp, &[NewRecord::value(b"x")]).unwrap();
        let mut follower = log.follow(from).committed();
        assert!(follower.next().is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| follower.next_within(LONG).unwrap().unwrap().base_offset());
            log.commit_transaction(id, epoch).unwrap();
            assert_eq!(waiting.join().unwrap(), from);
        });
    }
}

#[test]
fn aborted_records_and_markers_are_passed_over() {
    let log = Bench::small(400).open();
    let (id, epoch) = (ProducerId::new(1).unwrap(), ProducerEpoch::ZERO);
    let stamp = |n| ProducerStamp { id, epoch, base_sequence: Sequence::new(n) };
    let mut kept = Vec::new();
    for n in 0..20 {
        kept.push(append(&log, n.into()).base_offset.get());
        let in_txn = log.append_in_transaction(stamp(n), &[NewRecord::value(b"txn")]).unwrap();
        if n % 3 == 0 {
            log.abort_transaction(id, epoch).unwrap();
        } else {
            kept.push(in_txn.base_offset.get());
            log.commit_transaction(id, epoch).unwrap();
        }
    }
    let mut cursor = log.records(Offset::ZERO).committed().cursor();
    let mut seen = Vec::new();
    while let Some(record) = cursor.next().unwrap() {
        seen.push(record.offset.get());
    }
    assert_eq!(seen, kept);
}

#[test]
fn the_close_wakes_every_follower_and_every_waiter() {
    for way in 0..4 {
        let log = Bench::new().open();
        append(&log, 0);
        let mut follower = log.follow(offset(1));
        let mut synced = log.follow(Offset::ZERO).synced();
        let wait = || match way {
            0 => assert!(follower.next_within(LONG).unwrap().is_none()),
            // The close syncs: what was accepted is given before the end.
            1 => assert_eq!(synced.next_within(LONG).unwrap().unwrap().base_offset(), offset(0)),
            2 => assert_eq!(log.wait_for_end(offset(1), LONG), offset(1)),
            _ => _ = log.wait_for_synced(offset(1), LONG),
        };
        meanwhile(wait, || log.close().unwrap());
        assert!(log.follow(offset(1)).next_within(LONG).unwrap().is_none(), "closed: nothing more comes");
    }
}

#[test]
fn who_waits_for_a_sync_is_told_of_the_close_and_of_the_cut() {
    let log = Bench::new().open();
    fill(&log, 0..4);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    let (mut high, mut low) = (WaitSlot::new(), WaitSlot::new());
    assert!(log.poll_synced(offset(4), &mut cx, &mut high).is_pending());
    assert!(log.poll_synced(offset(1), &mut cx, &mut low).is_pending());
    log.truncate(offset(2)).unwrap();
    assert_eq!(bell.rings(), 1, "only the one above the cut");
    // Other records get the offset: they are not the ones that were waited for.
    fill(&log, 4..9);
    let refused = log.poll_synced(offset(4), &mut cx, &mut high);
    assert!(matches!(refused, Poll::Ready(Err(LogError::OffsetOutOfRange { .. }))), "{refused:?}");
    assert!(log.poll_synced(offset(1), &mut cx, &mut low).is_pending());
    assert!(matches!(
        log.poll_synced(offset(99), &mut cx, &mut high),
        Poll::Ready(Err(LogError::OffsetOutOfRange { .. }))
    ));
    log.close().unwrap();
    assert!(matches!(log.poll_synced(offset(1), &mut cx, &mut low), Poll::Ready(Ok(_))), "the close synced");
}

#[test]
fn a_follower_that_is_cut_off_or_overtaken_is_refused_with_the_range() {
    let bench = Bench::small(250);
    let log = bench.open();
    fill(&log, 0..20);
    let (mut cut, mut overtaken) = (log.records(offset(15)), log.records(offset(2)));
    log.truncate(offset(10)).unwrap();
    log.delete_records_before(offset(5)).unwrap();
    let range = |found: Option<Result<RecordBatch>>| match found {
        Some(Err(LogError::OffsetOutOfRange { requested, start, end })) => {
            (requested.get(), start.get(), end.get())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(range(cut.next()), (15, 5, 10));
    assert_eq!(range(overtaken.next()), (2, 5, 10));
    assert!(cut.next().is_none(), "an error is the end");
}

#[test]
fn a_stream_is_pending_at_the_end_and_over_after_the_close() {
    let log = Bench::new().open();
    append(&log, 0);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    let mut stream = log.stream(Offset::ZERO);
    let mut poll = || match Pin::new(&mut stream).poll_next(&mut cx) {
        Poll::Ready(Some(batch)) => Poll::Ready(Some(batch.unwrap().base_offset().get())),
        Poll::Ready(None) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    };
    assert_eq!(poll(), Poll::Ready(Some(0)));
    assert_eq!(poll(), Poll::Pending);
    assert_eq!(bell.rings(), 0);
    append(&log, 1);
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(), Poll::Ready(Some(1)));
    assert_eq!(poll(), Poll::Pending);
    append(&log, 2);
    log.close().unwrap();
    assert_eq!(poll(), Poll::Ready(Some(2)), "what was accepted before the close");
    assert_eq!(poll(), Poll::Ready(None));
}

#[test]
fn a_stream_of_a_poisoned_log_ends_with_the_reason() {
    let log = Bench::new().open();
    append(&log, 0);
    let mut cx = Context::from_waker(Waker::noop());
    let mut stream = log.follow(Offset::ZERO).into_stream();
    log.poison(&LogError::io("sync", DIR)(std::io::ErrorKind::Other.into()));
    let mut poll = || Pin::new(&mut stream).poll_next(&mut cx);
    assert!(matches!(poll(), Poll::Ready(Some(Ok(_)))), "what is there can be read");
    assert!(matches!(poll(), Poll::Ready(Some(Err(LogError::Poisoned { .. })))));
    assert!(matches!(poll(), Poll::Ready(None)));
    let refused = log.follow(offset(1)).next_within(LONG);
    assert!(matches!(refused, Err(LogError::Poisoned { .. })), "{refused:?}");
}

#[test]
fn nobody_waits_for_the_end_of_a_poisoned_log() {
    let log = Bench::new().open();
    append(&log, 0);
    let poison = || log.poison(&LogError::io("sync", DIR)(std::io::ErrorKind::Other.into()));
    let mut slot = WaitSlot::new();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    assert!(log.poll_end(offset(0), &mut cx, &mut slot).is_ready());
    assert_eq!(log.poll_end(offset(1), &mut cx, &mut slot), Poll::Pending);
    assert_eq!(meanwhile(|| log.wait_for_end(offset(1), Duration::MAX), poison), offset(1));
    assert_eq!(bell.rings(), 1);
    assert_eq!(log.poll_end(offset(1), &mut cx, &mut slot), Poll::Ready(offset(1)));
    let mut late = WaitSlot::new();
    assert_eq!(log.poll_end(offset(1), &mut cx, &mut late), Poll::Ready(offset(1)), "who comes later too");
    assert_eq!(log.wait_for_end(offset(1), Duration::MAX), offset(1));
}

/// Dropping is like being killed: what was accepted is there, nothing is written, the lock is free.
#[test]
fn a_dropped_log_leaves_what_was_accepted_and_lets_go_of_the_lock() {
    let bench = Bench::new();
    let log = bench.open();
    let follower = log.follow(Offset::ZERO);
    append(&log, 0);
    let before = bench.names();
    assert!(matches!(bench.builder().open(), Err(LogError::Locked { .. })));
    drop(log);
    assert!(matches!(bench.builder().open(), Err(LogError::Locked { .. })), "a follower keeps the log");
    drop(follower);
    assert_eq!(bench.names(), before, "nothing was written");
    let log = bench.open();
    assert_eq!(dump(&log), numbered(0..1));
    assert!(log.recovery_report().scanned_bytes > 0, "it was not closed");
}

#[test]
fn the_budget_is_kept_by_whole_batches_and_the_first_is_free() {
    let log = Bench::small(300).open();
    fill(&log, 0..12);
    let len = |n: i64| log.get(offset(n)).unwrap().unwrap().bytes().len();
    let given = |budget: usize| -> usize {
        log.records(offset(2)).budget(budget).map(|b| b.unwrap().bytes().len()).sum()
    };
    assert_eq!(given(0), len(2));
    assert_eq!(given(1), len(2));
    assert_eq!(given(len(2) + len(3)), len(2) + len(3));
    assert_eq!(given(len(2) + len(3) + len(4) - 1), len(2) + len(3));
    assert_eq!(given(usize::MAX), (2..12).map(len).sum::<usize>());
    let bounded: Vec<_> =
        log.records(offset(2)).up_to(offset(5)).map(|b| b.unwrap().base_offset().get()).collect();
    assert_eq!(bounded, [2, 3, 4]);
    assert!(log.follow(offset(5)).up_to(offset(5)).next_within(LONG).unwrap().is_none(), "no wait for more");
}

use super::*;
use crate::format::build::control_marker;
use crate::log::producers::ProducerError;

fn marker(id: i64, commit: bool) -> Vec<u8> {
    control_marker(ProducerId::new(id).unwrap(), ProducerEpoch::new(0).unwrap(), commit, 0, time(NOW))
}

/// Offsets 0-1 open, 2-3 aborted at 4, 5 plain.
fn mixed(log: &Log) {
    log.append_batch(&idempotent(1, 0, 0, 2, true), Origin::Client).unwrap();
    log.append_batch(&idempotent(2, 0, 0, 2, true), Origin::Client).unwrap();
    log.append_batch(&marker(2, false), Origin::Coordinator).unwrap();
    append(log, 5);
}

#[test]
fn the_stable_offset_stops_at_the_oldest_open_transaction() {
    let log = Bench::new().open();
    append(&log, 0);
    assert_eq!(log.last_stable_offset(), offset(1));
    log.append_batch(&idempotent(1, 0, 0, 2, true), Origin::Client).unwrap();
    log.append_batch(&idempotent(2, 0, 0, 2, true), Origin::Client).unwrap();
    assert_eq!((log.last_stable_offset(), log.end_offset()), (offset(1), offset(5)));
    log.append_batch(&marker(1, true), Origin::Coordinator).unwrap();
    assert_eq!(log.last_stable_offset(), offset(3));
    log.append_batch(&marker(2, false), Origin::Coordinator).unwrap();
    assert_eq!((log.last_stable_offset(), log.end_offset()), (offset(7), offset(7)));
}

#[test]
fn aborted_transactions_are_found_where_they_overlap() {
    let log = Bench::new().open();
    mixed(&log);
    let aborted = log.aborted_transactions(offset(0), offset(6)).unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!(
        (aborted[0].first, aborted[0].last, aborted[0].last_stable),
        (offset(2), offset(4), offset(0))
    );
    assert_eq!(log.aborted_transactions(offset(4), offset(6)).unwrap().len(), 1);
    assert_eq!(log.aborted_transactions(offset(5), offset(6)).unwrap().len(), 0);
    assert_eq!(log.aborted_transactions(offset(0), offset(2)).unwrap().len(), 0);
}

#[test]
fn a_plain_batch_inside_a_transaction_is_refused() {
    let log = Bench::new().open();
    mixed(&log);
    let refused = log.append_batch(&idempotent(1, 0, 2, 1, false), Origin::Client);
    assert!(matches!(refused, Err(LogError::Producer(ProducerError::InvalidTransactionState))));
}

#[test]
fn open_and_aborted_transactions_survive_a_close_and_a_kill() {
    for close in [true, false] {
        let bench = Bench::new();
        let log = bench.open();
        mixed(&log);
        let aborted = log.aborted_transactions(offset(0), offset(9)).unwrap();
        if close {
            log.close().unwrap();
        }
        drop(log);
        if !close {
            // The index is derived: losing it loses nothing.
            bench.remove(&format!("{:020}.txnindex", 0));
        }
        let log = bench.open();
        assert_eq!(log.last_stable_offset(), offset(0), "closed: {close}");
        assert_eq!(log.aborted_transactions(offset(0), offset(9)).unwrap(), aborted, "closed: {close}");
        log.append_batch(&marker(1, true), Origin::Coordinator).unwrap();
        assert_eq!(log.last_stable_offset(), offset(7));
    }
}

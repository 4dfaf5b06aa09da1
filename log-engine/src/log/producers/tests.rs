use super::*;

const NOW: Timestamp = match Timestamp::from_millis(1_700_000_000_000) {
    Some(now) => now,
    None => panic!(),
};

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

fn batch(epoch: i16, first: i32, records: u32) -> Incoming {
    Incoming {
        stamp: ProducerStamp {
            id: ProducerId::new(7).unwrap(),
            epoch: ProducerEpoch::new(epoch).unwrap(),
            base_sequence: Sequence::new(first),
        },
        last_offset_delta: records - 1,
        transactional: false,
        marker: None,
        timestamp: Some(NOW),
    }
}

fn marker(epoch: i16, coordinator_epoch: i32, commit: bool) -> Incoming {
    let mut marker = batch(epoch, -1, 1);
    marker.transactional = true;
    marker.marker = Some(Marker { commit, coordinator_epoch });
    marker
}

/// Appends batches of one record each, sequences `0..count`, at offsets equal to their sequences.
fn after(count: i32) -> Producers {
    let mut producers = Producers::default();
    for n in 0..count {
        assert_eq!(producers.check(&batch(0, n, 1)), Ok(Verdict::New));
        producers.replay(&batch(0, n, 1), offset(i64::from(n)), NOW);
    }
    producers
}

#[test]
fn the_last_five_are_duplicates_and_the_sixth_is_out_of_order() {
    let producers = after(7);
    for n in 2..7 {
        let Ok(Verdict::Duplicate(original)) = producers.check(&batch(0, n, 1)) else { panic!("{n}") };
        assert_eq!(original.first_offset(), offset(i64::from(n)));
    }
    let refused = ProducerError::OutOfOrder { found: 1, expected: 7 };
    assert_eq!(producers.check(&batch(0, 1, 1)), Err(refused));
    assert_eq!(producers.check(&batch(0, 7, 1)), Ok(Verdict::New));
    assert_eq!(producers.check(&batch(0, 8, 1)), Err(ProducerError::OutOfOrder { found: 8, expected: 7 }));
}

#[test]
fn a_batch_that_only_begins_like_a_known_one_is_no_duplicate() {
    let producers = after(3);
    assert_eq!(producers.check(&batch(0, 2, 2)), Err(ProducerError::OutOfOrder { found: 2, expected: 3 }));
}

#[test]
fn epochs_fence_downwards_and_start_again_at_sequence_zero_upwards() {
    let mut producers = Producers::default();
    producers.replay(&batch(3, 0, 1), offset(0), NOW);
    assert_eq!(producers.check(&batch(2, 1, 1)), Err(ProducerError::Fenced { found: 2, known: 3 }));
    assert_eq!(producers.check(&batch(4, 1, 1)), Err(ProducerError::OutOfOrder { found: 1, expected: 0 }));
    assert_eq!(producers.check(&batch(4, 0, 1)), Ok(Verdict::New));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    assert_eq!(Producers::default().check(&batch(0, 17, 1)), Ok(Verdict::New));
}

#[test]
fn sequences_wrap_inside_and_between_batches() {
    let mut producers = Producers::default();
    let across = batch(0, i32::MAX - 1, 4);
    producers.replay(&across, offset(0), NOW);
    assert!(matches!(producers.check(&across), Ok(Verdict::Duplicate(_))));
    assert_eq!(producers.check(&batch(0, 2, 1)), Ok(Verdict::New));
    producers.replay(&batch(1, i32::MAX, 1), offset(4), NOW);
    assert_eq!(producers.check(&batch(1, 0, 1)), Ok(Verdict::New));
}

#[test]
fn a_transaction_holds_back_the_stable_offset_until_its_marker() {
    let mut producers = Producers::default();
    let mut data = batch(0, 0, 1);
    data.transactional = true;
    producers.replay(&data, offset(10), NOW);
    assert_eq!(producers.first_open(), Some(offset(10)));
    assert_eq!(producers.check(&batch(0, 1, 1)), Err(ProducerError::InvalidTransactionState));
    let closed = producers.replay(&marker(0, 5, false), offset(11), NOW);
    let expected = Closed { producer: data.stamp.id, first_offset: offset(10), commit: false };
    assert_eq!(closed, Some(expected));
    assert_eq!(producers.first_open(), None);
    let older = ProducerError::CoordinatorFenced { found: 4, known: 5 };
    assert_eq!(producers.check(&marker(0, 4, true)), Err(older));
    assert_eq!(producers.check(&batch(0, 1, 1)), Ok(Verdict::New));
}

#[test]
fn idle_producers_are_forgotten_but_not_with_an_open_transaction() {
    let mut producers = after(1);
    producers.forget_idle(NOW.saturating_add_millis(1000), 1000);
    assert!(!producers.is_empty());
    producers.forget_idle(NOW.saturating_add_millis(1001), 1000);
    assert!(producers.is_empty());
    let mut data = batch(0, 0, 1);
    data.transactional = true;
    producers.replay(&data, offset(0), NOW);
    producers.forget_idle(NOW.saturating_add_millis(1_000_000), 1000);
    assert!(!producers.is_empty());
}

#[test]
fn older_batches_complete_what_a_snapshot_left_out() {
    let mut full = after(9);
    let all: Vec<Remembered> =
        full.get(ProducerId::new(7).unwrap()).unwrap().batches.iter().copied().collect();
    let mut short = full.clone();
    let id = ProducerId::new(7).unwrap();
    let mut producer = full.get(id).unwrap().clone();
    producer.batches.drain(..4);
    short.restore(id, producer);
    assert_ne!(short, full);
    short.complete(id, &all);
    assert_eq!(short, full);
    full.complete(id, &all);
    assert_eq!(short, full);
}

//! What the fault campaign (`tests/campaign`) has found, one behaviour a test.

use super::*;
use crate::format::build::control_marker;
use crate::io::{CrashStorage, Fault, FaultStorage, Survivors};

fn abort(log: &Log, id: i64) {
    let (id, epoch) = (ProducerId::new(id).unwrap(), ProducerEpoch::new(0).unwrap());
    let marker = control_marker(id, epoch, false, 0, time(NOW));
    log.append_batch(&marker, Origin::Coordinator).unwrap();
}

fn transaction(log: &Log, sequence: i32) {
    log.append_batch(&idempotent(9, 0, sequence, 2, true), Origin::Client).unwrap();
    abort(log, 9);
}

/// The answer is a log start that is durable. The first call could not write it down; the second one found the start moved
/// already, and answered.
#[test]
fn deleting_records_again_after_a_failure_is_durable_too() {
    for fail_at in 0..4 {
        let bench = Bench::new();
        fill(&bench.open(), 0..6);
        let count = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, Fault::never());
        drop(bench.builder().storage(Arc::new(count.clone())).open().unwrap());
        let fault = Fault::at(count.calls() + fail_at, std::io::ErrorKind::StorageFull).lasting();
        let disk = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
        let log = bench.builder().storage(Arc::new(disk)).open().unwrap();
        let _ = log.delete_records_before(offset(4));
        let again = log.delete_records_before(offset(4));
        drop(log);
        let start = bench.open().start_offset();
        assert!(again.is_err() || start == offset(4), "call {fail_at}: {again:?}, {start}");
    }
}

/// A cut puts a copy in the place of the segment and keeps its index of aborted transactions; that the index had unsynced
/// entries was forgotten. The mark passed them, and after a power cut readers of committed records got the aborted ones.
#[test]
fn the_aborted_transactions_of_a_segment_that_was_cut_are_synced_with_it() {
    let clock = Arc::new(ManualClock::at(time(NOW)));
    let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let open = |disk: &CrashStorage| {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Log::builder(DIR).storage(Arc::new(disk.clone())).clock(clock).open().unwrap()
    };
    let log = open(&disk);
    append(&log, 0);
    transaction(&log, 0);
    fill(&log, 4..8);
    log.truncate(offset(6)).unwrap();
    append(&log, 6);
    log.sync().unwrap();
    clock.advance(Duration::from_secs(2));
    log.sync_if_due().unwrap();
    let log = open(&disk.power_cut(Survivors::Nothing));
    let aborted = log.aborted_transactions(offset(0), log.end_offset()).unwrap();
    assert_eq!(aborted.iter().map(|txn| (txn.first, txn.last)).collect::<Vec<_>>(), [(offset(1), offset(3))]);
}

/// What stood in the blocks before may be whole batches of higher offsets, one after the other. The hole reached to the
/// first of them, over everything that was intact in between.
#[test]
fn a_hole_ends_at_the_next_batch_of_the_log_and_not_at_a_strangers() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..12);
    log.close().unwrap();
    drop(log);
    let good = bench.file(&log_name(0));
    let len = crate::format::batch::batch_len(&good).unwrap();
    let mut bad = good.clone();
    // Two of the later ones, as if at offsets 500 and 501, over the first ones.
    for (n, at) in [(0_i64, 7), (1, 7 + len)] {
        bad[at..at + len].copy_from_slice(&good[..len]);
        bad[at..at + 8].copy_from_slice(&(500 + n).to_be_bytes());
    }
    bench.overwrite(&log_name(0), &bad);
    let log = bench.open();
    let (records, error) = dump_from(&log, offset(0));
    assert!(records.is_empty() && error.is_some());
    let damage = log.damage();
    assert_eq!(damage.len(), 1, "{damage:?}");
    let behind = damage[0].offsets.end;
    assert!(behind <= offset(4), "{damage:?}");
    assert_eq!(dump_from(&log, behind).0, numbered(behind.get()..12));
}

/// Its file has no checksum, and no recovery reads batches below the mark to compare: a flipped bit, or a file that was cut
/// or lost, gave aborted records to readers of committed ones.
#[test]
fn a_damaged_index_of_aborted_transactions_is_made_anew() {
    let bench = Bench::small(500);
    let log = bench.open();
    for n in 0..6 {
        transaction(&log, n * 2);
        append(&log, 0);
    }
    log.close().unwrap();
    let end = log.end_offset();
    let whole = log.aborted_transactions(offset(0), end).unwrap();
    assert_eq!(whole.len(), 6);
    drop(log);
    let names: Vec<_> = bench.names().into_iter().filter(|name| name.ends_with(".txnindex")).collect();
    assert!(names.len() > 1, "{names:?}");
    let check = |what: &str| {
        let log = bench.open();
        assert_eq!(log.aborted_transactions(offset(0), end).unwrap(), whole, "{what}");
        log.close().unwrap();
    };
    for name in &names {
        let good = bench.file(name);
        for bit in (0..good.len() * 8).step_by(5) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            bench.overwrite(name, &bad);
            check(&format!("{name} bit {bit}"));
        }
        bench.overwrite(name, &good[..good.len() - 34]);
        check(&format!("{name} without its last entry"));
        bench.remove(name);
        check(&format!("{name} missing"));
        assert_eq!(bench.file(name), good);
    }
}

/// The start of the last epoch lay beyond the end, so the entry was dropped, and every batch of that epoch was refused.
#[test]
fn an_epoch_that_begins_beyond_the_end_and_has_batches_is_put_right() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..8);
    log.close().unwrap();
    drop(log);
    let file = "leader-epoch-checkpoint";
    let mut bytes = bench.file(&log_name(0));
    let mut at = 0;
    for n in 0..8 {
        let next = at + crate::format::batch::batch_len(&bytes[at..]).unwrap();
        if n >= 5 {
            bytes[at + 12..at + 16].copy_from_slice(&3_i32.to_be_bytes());
        }
        at = next;
    }
    bench.overwrite(&log_name(0), &bytes);
    bench.overwrite(file, b"0\n2\n0 0\n3 5\n");
    assert_eq!(dump(&bench.open()), numbered(0..8));
    bench.overwrite(file, b"0\n2\n0 0\n3 95\n");
    let log = bench.open();
    assert_eq!(log.epoch(), LeaderEpoch::new(3).unwrap());
    assert_eq!(dump(&log), numbered(0..8));
}

/// The damaged batch claimed to reach to where the reader wanted to begin. The reader was refused, although the batch that
/// it wanted was intact, and known to be.
#[test]
fn a_reader_behind_damage_that_claims_its_offset_reads_on() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..8);
    log.delete_records_before(offset(4)).unwrap();
    log.close().unwrap();
    drop(log);
    let mut bad = bench.file(&log_name(0));
    bad[crate::format::batch::LAST_OFFSET_DELTA_AT + 3] = 6;
    bench.overwrite(&log_name(0), &bad);
    let log = bench.open();
    let (records, error) = dump_from(&log, offset(4));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(records, numbered(4..8));
}

/// Damage lay before the first batch of an epoch. What was found instead of the batch before was one behind, of that epoch,
/// and the entry was taken for one that begins too late; the list that was made instead began behind the damaged segment.
#[test]
fn damage_before_an_epoch_begins_leaves_its_entry_alone() {
    let (bench, bases) = closed_with_twenty();
    // The second batch of the second segment, and all behind it, are of another epoch; the first one is damaged.
    for base in &bases[1..] {
        let mut bytes = bench.file(&log_name(*base));
        claim_epoch(&mut bytes, usize::from(*base == bases[1]), 3);
        if *base == bases[1] {
            bytes[8] ^= 0x80;
        }
        bench.overwrite(&log_name(*base), &bytes);
    }
    let text = format!("0\n2\n0 0\n3 {}\n", bases[1] + 1);
    bench.overwrite("leader-epoch-checkpoint", text.as_bytes());
    let log = bench.open();
    assert_eq!(dump_from(&log, offset(bases[1] + 1)).0, numbered(bases[1] + 1..20));
}

/// Readers refused it by the epochs of the log, and what looked through the segment believed it, having no batch before it to
/// compare with: an error without a range, and all of the log behind it out of reach.
#[test]
fn a_first_batch_of_a_segment_with_a_lower_epoch_is_named_with_its_range() {
    let (bench, bases) = closed_with_twenty();
    // All segments from the second one on are of epoch 3.
    let mut files = Vec::new();
    for base in &bases[1..] {
        let mut bytes = bench.file(&log_name(*base));
        claim_epoch(&mut bytes, 0, 3);
        bench.overwrite(&log_name(*base), &bytes);
        files.push((*base, bytes));
    }
    let text = format!("0\n2\n0 0\n3 {}\n", bases[1]);
    bench.overwrite("leader-epoch-checkpoint", text.as_bytes());
    // The epoch begins with the one segment; the other is in the midst of it.
    for (base, good) in &files[..2] {
        for lower in [0_u8, 1, 2] {
            let mut bad = good.clone();
            bad[15] = lower;
            bench.overwrite(&log_name(*base), &bad);
            let log = bench.open();
            assert_eq!(log.epoch(), LeaderEpoch::new(3).unwrap());
            let (_, error) = dump_from(&log, offset(*base));
            let error = error.unwrap().to_string();
            let damage = log.damage();
            let ranges: Vec<_> = damage.iter().map(|damage| damage.offsets.clone()).collect();
            assert_eq!(ranges, [offset(*base)..offset(base + 1)], "{error}");
            let (behind, error) = dump_from(&log, offset(base + 1));
            assert!(error.is_none(), "{error:?}");
            assert_eq!(behind, numbered(base + 1..20));
            drop(log);
        }
        bench.overwrite(&log_name(*base), good);
    }
}

/// A log of twenty batches in several segments, closed; and where the segments begin.
fn closed_with_twenty() -> (Bench, Vec<i64>) {
    let bench = Bench::small(700);
    let log = bench.open();
    fill(&log, 0..20);
    log.close().unwrap();
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    drop(log);
    (bench, bases)
}

/// Gives the batches of a segment another epoch, from number `from` on.
fn claim_epoch(bytes: &mut [u8], from: usize, epoch: i32) {
    let (mut at, mut number) = (0, 0);
    while at < bytes.len() {
        if number >= from {
            bytes[at + 12..at + 16].copy_from_slice(&epoch.to_be_bytes());
        }
        at += crate::format::batch::batch_len(&bytes[at..]).unwrap();
        number += 1;
    }
}

/// The last batch of an epoch, with a flipped bit that makes the next epoch of it: it lies well between its neighbours, so that
/// nothing but the list of epochs speaks against it. Readers refused it without a range.
#[test]
fn a_last_batch_of_an_epoch_that_claims_the_next_one_is_named_with_its_range() {
    let (bench, bases) = closed_with_twenty();
    // Epoch 3 begins with the fourth batch.
    for base in &bases {
        let mut bytes = bench.file(&log_name(*base));
        claim_epoch(&mut bytes, if *base == 0 { 3 } else { 0 }, 3);
        bench.overwrite(&log_name(*base), &bytes);
    }
    bench.overwrite("leader-epoch-checkpoint", b"0\n2\n0 0\n3 3\n");
    let good = bench.file(&log_name(0));
    let at = (0..2).fold(0, |at, _| at + crate::format::batch::batch_len(&good[at..]).unwrap());
    for claimed in 1..=3 {
        let mut bad = good.clone();
        bad[at + 15] = claimed;
        bench.overwrite(&log_name(0), &good);
        let log = bench.open();
        // While it is open: the list of epochs was found to be right.
        bench.overwrite(&log_name(0), &bad);
        let (before, error) = dump_from(&log, offset(0));
        assert_eq!(before, numbered(0..2));
        let ranges: Vec<_> = log.damage().iter().map(|damage| damage.offsets.clone()).collect();
        assert_eq!(ranges, [offset(2)..offset(3)], "{claimed}: {error:?}");
        assert_eq!(dump_from(&log, offset(3)).0, numbered(3..20));
    }
}

/// The same while the log is closed: the batch and the list then stand against each other. Which of them is wrong was not
/// asked: the list was made anew, and the batch was served with an epoch in which nobody wrote it.
#[test]
fn of_a_batch_and_the_list_of_epochs_the_one_that_is_wrong_by_fewer_bits_is_not_believed() {
    // Epoch 2 begins with the fifth batch, at offset 4.
    for (first_claimed, listed, damage) in [
        // The batch before claims it, by one bit; 3 and 4 are three bits apart.
        (3, "4", vec![offset(3)..offset(4)]),
        // The list has 5, one bit from 4: it may be as wrong as the batch.
        (4, "5", vec![]),
        // The list has 6, further from 5; but two batches are not both wrong.
        (4, "6", vec![]),
    ] {
        let (bench, bases) = closed_with_twenty();
        for base in &bases {
            let mut bytes = bench.file(&log_name(*base));
            let first_claimed = usize::try_from((first_claimed - base).max(0)).unwrap();
            claim_epoch(&mut bytes, first_claimed, 2);
            bench.overwrite(&log_name(*base), &bytes);
        }
        bench.overwrite("leader-epoch-checkpoint", format!("0\n2\n0 0\n2 {listed}\n").as_bytes());
        let log = bench.open();
        let (before, error) = dump_from(&log, offset(0));
        let found: Vec<_> = log.damage().iter().map(|damage| damage.offsets.clone()).collect();
        assert_eq!(found, damage, "{error:?}");
        if damage.is_empty() {
            assert_eq!(before, numbered(0..20));
        } else {
            assert_eq!(before, numbered(0..3));
            assert_eq!(dump_from(&log, offset(4)).0, numbered(4..20));
        }
        log.close().unwrap();
        assert_eq!(bench.file("leader-epoch-checkpoint"), b"0\n2\n0 0\n2 4\n");
    }
}

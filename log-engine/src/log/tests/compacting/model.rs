//! Compaction against a list of all that was ever written, under every order of operations.

use super::*;
use proptest::prelude::*;

const HORIZON: u64 = 2000;

#[derive(Clone, Debug)]
enum Op {
    /// Records of one batch: key, and whether it is a value or a tombstone.
    Write(Vec<(u8, bool)>),
    Compact,
    Step(u16),
    Tick(u16),
    Sync,
    Remove,
    DeleteBefore(u8),
    Truncate(u8),
    ReopenClean,
    Kill,
}

fn op() -> impl Strategy<Value = Op> {
    let records = prop::collection::vec((0u8..6, prop::bool::weighted(0.8)), 1..5);
    prop_oneof![
        12 => records.prop_map(Op::Write),
        3 => Just(Op::Compact),
        4 => (1u16..900).prop_map(Op::Step),
        3 => (1u16..1500).prop_map(Op::Tick),
        1 => Just(Op::Sync),
        1 => Just(Op::Remove),
        1 => any::<u8>().prop_map(Op::DeleteBefore),
        1 => any::<u8>().prop_map(Op::Truncate),
        1 => Just(Op::ReopenClean),
        2 => Just(Op::Kill),
    ]
}

/// Everything that was written, and when.
#[derive(Default)]
struct Model {
    written: Vec<(Seen, Timestamp)>,
    number: i64,
}

impl Model {
    fn write(&mut self, bench: &Bench, log: &Log, records: &[(u8, bool)]) {
        let owned: Vec<_> = (self.number..)
            .zip(records)
            .map(|(n, (key, has_value))| (format!("key-{key}"), has_value.then(|| value(n))))
            .collect();
        let new: Vec<_> = owned
            .iter()
            .map(|(k, v)| NewRecord {
                key: Some(k.as_bytes()),
                value: v.as_deref().map(str::as_bytes),
                ..NewRecord::default()
            })
            .collect();
        let base = log.append(&new).unwrap().base_offset.get();
        self.number += i64::try_from(records.len()).unwrap();
        let now = bench.clock.now();
        self.written.extend((base..).zip(owned).map(|(at, (k, v))| ((at, Some(k), v), now)));
    }

    fn check(&self, bench: &Bench, log: &Log) {
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        let there = seen(log);
        assert_eq!(log.damage(), []);
        let mut left = there.iter().peekable();
        for (index, (record, when)) in self.written.iter().enumerate() {
            if record.0 < start {
                continue;
            }
            // In order, at its offset, and with the same content.
            let is_there =
                left.next_if(|found| found.0 == record.0).inspect(|found| assert_eq!(*found, record));
            let is_newest = self.written[index + 1..].iter().all(|(later, _)| later.1 != record.1);
            let is_old_tombstone = record.2.is_none() && bench.clock.now().millis_since(*when) > 2000;
            let is_above = log.compaction_point().is_none_or(|point| record.0 >= point.get());
            let may_go = !is_newest || is_old_tombstone;
            // Segments above the point are compacted before the point is moved, but never the active one.
            let active = log.segment_offsets().last().unwrap().0.get();
            assert!(is_there.is_some() || may_go && (is_above || record.0 < active), "{record:?} is gone");
            assert!(is_there.is_some() || record.0 < active, "{record:?} is gone");
        }
        assert_eq!(left.next(), None, "what was never written");
        assert!(there.last().is_none_or(|(at, ..)| *at < end));
        let kept: Vec<_> =
            self.written.iter().map(|(record, _)| record).filter(|r| r.0 >= start).cloned().collect();
        assert_eq!(last_values(&there), last_values(&kept));
    }

    /// After a cut the newest record that is left of a key may have been compacted away.
    fn truncate(&mut self, log: &Log) {
        let there = seen_from(log, log.start_offset());
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        self.written.retain(|(record, _)| record.0 < end && (record.0 < start || there.contains(record)));
    }
}

fn run(bench: &Bench, ops: Vec<Op>) {
    let mut log = bench.open();
    let mut model = Model::default();
    for op in ops {
        let now = bench.clock.now();
        let pick = |log: &Log, raw: u8| {
            let (start, end) = (log.start_offset().get(), log.end_offset().get());
            offset(start + i64::from(raw) % (end - start + 1))
        };
        match op {
            Op::Write(records) => model.write(bench, &log, &records),
            Op::Compact => drop(log.compact(now).unwrap()),
            Op::Step(budget) => drop(log.compact_step(now, &mut u64::from(budget)).unwrap()),
            Op::Tick(ms) => bench.advance(u64::from(ms)),
            Op::Sync => drop(log.sync().unwrap()),
            Op::Remove => drop(log.remove_deleted().unwrap()),
            Op::DeleteBefore(raw) => {
                log.delete_records_before(pick(&log, raw)).unwrap();
                log.apply_retention(now).unwrap();
            }
            Op::Truncate(raw) => {
                log.truncate(pick(&log, raw)).unwrap();
                model.truncate(&log);
            }
            Op::ReopenClean => {
                log.close().unwrap();
                drop(log);
                log = bench.open();
            }
            Op::Kill => {
                drop(log);
                log = bench.open();
            }
        }
        model.check(bench, &log);
    }
    // Compacted to the end, twice: the second time there is nothing to do, and nothing changes.
    roll_over(&log);
    let filler = log.end_offset();
    log.compact(bench.clock.now()).unwrap();
    while log.compaction_due(bench.clock.now()).unwrap().is_some() {
        log.compact(bench.clock.now()).unwrap();
    }
    let once = seen(&log);
    assert_eq!(log.compact(bench.clock.now()).unwrap().segments, 0);
    assert_eq!((seen(&log), log.end_offset()), (once, filler));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_of_each_key_stays(
        ops in prop::collection::vec(op(), 1..60),
        segment in 250u32..900,
        keys in prop_oneof![Just(3u64), Just(1000)],
        codec in prop_oneof![3 => Just(None), 1 => Just(Some(Codec::Lz4))],
        file_delete_delay_ms in prop_oneof![Just(0u64), Just(60_000)],
    ) {
        let mut bench = compacted(segment);
        bench.config.compaction_map_bytes = 24 * keys;
        bench.config.compression = codec;
        bench.config.delete_retention_ms = HORIZON;
        bench.config.file_delete_delay_ms = file_delete_delay_ms;
        run(&bench, ops);
    }
}

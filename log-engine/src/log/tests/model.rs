//! The log against a list of values, under every order of operations.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Producer(u8),
    Sync,
    Tick(u32),
    Retain,
    DeleteBefore(u8),
    Truncate(u8),
    ReopenClean,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u8..5).prop_map(Step::Append),
        3 => (0u8..3).prop_map(Step::Producer),
        2 => Just(Step::Sync),
        2 => (1u32..4000).prop_map(Step::Tick),
        1 => Just(Step::Retain),
        1 => any::<u8>().prop_map(Step::DeleteBefore),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => Just(Step::ReopenClean),
        2 => Just(Step::Kill),
    ]
}

struct Model {
    start: i64,
    /// First offset and values of each batch.
    batches: Vec<(i64, Vec<String>)>,
    end: i64,
    next: i64,
}

impl Model {
    fn push(&mut self, values: Vec<String>) {
        let count = i64::try_from(values.len()).unwrap();
        self.batches.push((self.end, values));
        self.end += count;
    }

    fn records(&self) -> Vec<(i64, String)> {
        let all = self.batches.iter().flat_map(|(base, values)| (*base..).zip(values.iter().cloned()));
        all.filter(|(at, _)| (self.start..self.end).contains(at)).collect()
    }

    fn truncate(&mut self, to: i64) {
        while let Some((base, values)) = self.batches.last() {
            if base + i64::try_from(values.len()).unwrap() <= to {
                break;
            }
            self.end = *base;
            self.batches.pop();
        }
    }
}

fn run(bench: &Bench, steps: Vec<Step>) {
    let mut log = bench.open();
    let mut model = Model { start: 0, batches: Vec::new(), end: 0, next: 0 };
    let mut sequences = [0_i32; 3];
    for step in steps {
        let pick = |raw: u8, model: &Model| model.start + i64::from(raw) % (model.end - model.start + 1);
        match step {
            Step::Append(count) => {
                let values: Vec<String> = (model.next..model.next + i64::from(count)).map(value).collect();
                model.next += i64::from(count);
                let records: Vec<_> = values.iter().map(|value| NewRecord::value(value.as_bytes())).collect();
                assert_eq!(log.append(&records).unwrap().base_offset, offset(model.end));
                model.push(values);
            }
            Step::Producer(which) => {
                let first = sequences[usize::from(which)];
                let batch = idempotent(i64::from(which), 0, first, 2, false);
                let appended = log.append_batch(&batch, Origin::Client).unwrap();
                let again = log.append_batch(&batch, Origin::Client).unwrap();
                assert_eq!((again.duplicate, again.base_offset), (true, appended.base_offset));
                sequences[usize::from(which)] += 2;
                model.push((0..2).map(|n| format!("{which}/{first}+{n}")).collect());
            }
            Step::Sync => assert_eq!(log.sync().unwrap(), offset(model.end)),
            Step::Tick(ms) => {
                bench.advance(u64::from(ms));
                log.sync_if_due().unwrap();
                log.remove_deleted().unwrap();
            }
            Step::Retain => {
                let report = log.apply_retention(bench.clock.now()).unwrap();
                assert!(report.log_start >= offset(model.start));
                model.start = report.log_start.get();
            }
            Step::DeleteBefore(raw) => {
                let to = pick(raw, &model);
                assert_eq!(log.delete_records_before(offset(to)).unwrap(), offset(to));
                model.start = to;
            }
            Step::Truncate(raw) => {
                let to = pick(raw, &model);
                model.truncate(to);
                // A batch across the log start cannot be kept in part: the log is empty then.
                model.start = model.start.min(model.end);
                log.truncate(offset(to)).unwrap();
                // What the producers' state is now, the log knows; the model begins with new ones.
                sequences = [0; 3];
                for (_, values) in &model.batches {
                    if let Some((which, rest)) = values[0].split_once('/') {
                        let first: i32 = rest.split_once('+').unwrap().0.parse().unwrap();
                        sequences[which.parse::<usize>().unwrap()] = first + 2;
                    }
                }
            }
            Step::ReopenClean => {
                log.close().unwrap();
                drop(log);
                log = bench.open();
            }
            Step::Kill => {
                drop(log);
                log = bench.open();
            }
        }
        assert_eq!((log.start_offset(), log.end_offset()), (offset(model.start), offset(model.end)));
        assert_eq!((dump(&log), log.damage()), (model.records(), vec![]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_log_agrees_with_a_list(steps in prop::collection::vec(step(), 1..40), segment in 250u32..900) {
        let mut bench = Bench::small(segment);
        bench.config.retention_ms = Some(10_000);
        run(&bench, steps);
    }
}

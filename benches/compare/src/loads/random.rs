//! One record at a time, anywhere in a hot log of batches of 100 x 100 B: by its number, and by its time.

use super::read::prepare;
use super::{Watch, settle};
use crate::Setup;
use crate::peers::Outcome;
use crate::peers::ours::{self, config};
use crate::raw;
use crate::report::{Bench, Better, OURS, interleave};
use crate::work::{SMALL, Unit};
use bytes::Bytes;
use log_engine::format::batch::HEADER_LEN;
use log_engine::{Log, NewRecord, Offset, Timestamp};

/// Reads of one measurement.
const READS: u64 = 20_000;
const RAW: &str = "raw: map + batch walk";
const CHECKED: &str = "log-engine, by offset, checksum each time";

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    Ok(vec![by_offset(setup)?, by_time(setup)?])
}

/// Numbers below `end` that look random: the same ones for everybody.
fn numbers(end: u64) -> impl Iterator<Item = u64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % end
    })
}

fn by_offset(setup: &Setup) -> Outcome<Bench> {
    let unit = Unit::new(SMALL);
    let mut bench = Bench::new("random read by offset, 100 x 100 B", "ns", Better::Lower);
    let mut filled = Vec::new();
    let mut scratches = Vec::new();
    for kind in &setup.peers {
        if !kind.facts.random {
            bench.note(kind.facts.name, "reads by cursor only");
            continue;
        }
        let scratch = setup.scratch(&format!("random {}", kind.facts.name));
        match prepare(setup, kind, scratch.path(), &unit) {
            Ok((engine, records)) => filled.push((kind.facts.name, Some(engine), records)),
            Err(error) => bench.note(kind.facts.name, error),
        }
        scratches.push(scratch);
    }
    settle(&setup.options.dir);
    let records = filled.first().map_or(0, |(_, _, records)| *records);
    filled.push((RAW, None, records));
    let whole = raw::map(&setup.options.dir.join(format!("random_{OURS}")).join("00000000000000000000.log"))?;
    interleave(setup.options.rounds, &filled, |_, (name, engine, records)| {
        let read = |number: u64, see: &mut dyn FnMut(&[u8])| match engine {
            Some(engine) => engine.get(number, see),
            None => {
                see(raw_record(&whole, &unit, number));
                Ok(())
            }
        };
        match measure(&unit, *records, read) {
            Ok(figure) => bench.add(name, figure),
            Err(error) => bench.note(name, error),
        }
    });
    let raw = bench.median(RAW).map(|figure| (RAW.to_owned(), figure));
    bench.goal_against("a raw mapped read and one batch walk", raw, 1.2);
    Ok(bench)
}

/// Nanoseconds of one read.
fn measure(
    unit: &Unit,
    records: u64,
    mut read: impl FnMut(u64, &mut dyn FnMut(&[u8])) -> Outcome,
) -> Outcome<f64> {
    let mut wrong = 0;
    let start = Watch::start();
    for number in numbers(records).take(usize::try_from(READS).unwrap_or(usize::MAX)) {
        let expected = &unit.records[usize::try_from(number % unit.records.len() as u64).unwrap_or(0)];
        let mut same = false;
        read(number, &mut |found| same = found == expected)?;
        wrong += u64::from(!same);
    }
    let figure = start.elapsed().as_nanos() as f64 / READS as f64;
    if wrong == 0 { Ok(figure) } else { Err(format!("{wrong} of {READS} records were not what was written")) }
}

/// Knows where the batch is, and walks it to the record.
fn raw_record<'a>(whole: &'a Bytes, unit: &Unit, number: u64) -> &'a [u8] {
    let count = unit.records.len() as u64;
    let batch = usize::try_from(number / count).unwrap_or(0) * unit.batch.len();
    let body = &whole[batch + HEADER_LEN..batch + unit.batch.len()];
    let (mut left, mut found) = (number % count, &[][..]);
    raw::walk(body, &mut |value| {
        found = value;
        left = left.wrapping_sub(1);
        left != u64::MAX
    });
    found
}

fn by_time(setup: &Setup) -> Outcome<Bench> {
    let unit = Unit::new(SMALL);
    let mut bench = Bench::new("random lookup by time, 100 x 100 B", "ns", Better::Lower);
    let scratch = setup.scratch("random by time");
    let log = Log::open(scratch.path(), config()).map_err(|e| e.to_string())?;
    let batches = (setup.options.bytes * 4).div_ceil(unit.payload());
    for batch in 0..batches {
        let time = Timestamp::from_millis(batch.cast_signed());
        let records: Vec<_> = unit
            .records
            .iter()
            .map(|value| NewRecord { timestamp: time, ..NewRecord::value(value) })
            .collect();
        log.append(&records).map_err(|e| e.to_string())?;
    }
    interleave(setup.options.rounds, &[OURS, "log-engine, by offset, same log", CHECKED], |_, name| {
        let outcome = if *name == CHECKED {
            measure(&unit, batches * 100, |n, see| ours::get_checked(&log, n, see))
        } else if *name == OURS {
            times(&log, batches)
        } else {
            measure(&unit, batches * 100, |n, see| ours::get(&log, n, see))
        };
        match outcome {
            Ok(figure) => bench.add(name, figure),
            Err(error) => bench.note(name, error),
        }
    });
    bench.note(OURS, "no peer looks up by time; finds the batch, opens it and walks to the record");
    Ok(bench)
}

fn times(log: &Log, batches: u64) -> Outcome<f64> {
    let start = Watch::start();
    for number in numbers(batches).take(usize::try_from(READS).unwrap_or(usize::MAX)) {
        let time = Timestamp::from_millis(number.cast_signed()).ok_or("a time")?;
        let found = log.offset_for_time(time).map_err(|e| e.to_string())?;
        if found != Offset::new(number.cast_signed() * 100).map(|offset| (offset, time)) {
            return Err(format!("time {number}: {found:?}"));
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / READS as f64)
}

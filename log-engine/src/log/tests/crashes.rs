//! Every cut of the tail with every kind of rest behind it, and every flipped bit.

use super::*;
use crate::format::batch::LAST_OFFSET_DELTA_AT;
use crate::log::recovery::RecoveryReport;
use std::collections::{BTreeMap, BTreeSet};

/// The content of all files, to be put back before each fault. Files keep their identity: the mark holds.
type Files = BTreeMap<String, Vec<u8>>;

impl Bench {
    fn files(&self) -> Files {
        self.names()
            .into_iter()
            .map(|name| (name.clone(), self.file(&name)))
            .filter(|(n, _)| !n.contains("lock"))
            .collect()
    }

    fn put_back(&self, files: &Files) {
        for name in self.names() {
            match files.get(&name) {
                Some(bytes) if *bytes != self.file(&name) => self.overwrite(&name, bytes),
                Some(_) => {}
                None => self.remove(&name),
            }
        }
        for (name, bytes) in files {
            let path = Path::new(DIR).join(name);
            if !self.storage.exists(&path).unwrap() {
                let file = self.storage.open(&path, crate::io::OpenMode::CreateNew).unwrap();
                file.write_all_at(&[bytes], 0).unwrap();
            }
        }
    }
}

/// Batches of one to three records; where each ends, and the offset there.
fn write_batches(log: &Log, bytes: u64) -> Vec<(u64, i64)> {
    let mut ends = vec![(0, 0)];
    let mut number = 0;
    while log.size_bytes() < bytes {
        let values: Vec<String> = (number..=number + number % 3).map(value).collect();
        let records: Vec<_> = values.iter().map(|value| NewRecord::value(value.as_bytes())).collect();
        number = log.append(&records).unwrap().last_offset.get() + 1;
        ends.push((log.size_bytes(), number));
    }
    ends
}

/// Where the batches of a whole file begin.
fn batch_starts(bytes: &[u8]) -> Vec<usize> {
    let next = |at: &usize| Some(at + crate::format::batch::batch_len(&bytes[*at..])?);
    std::iter::successors(Some(0), |at| next(at).filter(|next| *next < bytes.len())).collect()
}

/// What lies behind a cut.
fn rest_of(kind: usize, old: &[u8], len: usize) -> Vec<u8> {
    match kind {
        0 => Vec::new(),
        1 => vec![0; len],
        2 => vec![0xff; len],
        _ => old[..len].to_vec(),
    }
}

#[test]
fn a_log_cut_anywhere_keeps_every_whole_batch_and_takes_the_next_append() {
    for windows in [false, true] {
        cut_anywhere(windows);
    }
}

fn cut_anywhere(windows: bool) {
    // The window reaches to the end of the segment.
    let bench = if windows { Bench::small(4700) } else { Bench::new() };
    bench.storage.allow_windows(windows);
    let ends = write_batches(&bench.open(), 4096);
    let files = bench.files();
    let good = files[&log_name(0)].clone();
    assert_eq!(good.len() as u64 > ends.last().unwrap().0, windows);
    // Old bytes: another log's batches, whole and valid, at other places (and shifted, lest the same batch comes back).
    let other = Bench::new();
    let log = other.builder().start_offset(Some(offset(1000))).open().unwrap();
    write_batches(&log, 6000);
    let old = other.file(&log_name(1000));
    for cut in 0..good.len() {
        for kind in 0..4 {
            let mut torn = files.clone();
            let mut bytes = good[..cut].to_vec();
            bytes.extend(rest_of(kind, &old[cut + 37..], 300));
            // A batch ends with a zero: what lies behind the cut may happen to be what was there.
            let same = bytes.iter().zip(&good).take_while(|(a, b)| a == b).count();
            torn.insert(log_name(0), bytes);
            bench.put_back(&torn);
            let log = bench.open();
            let (_, end) = ends.iter().rev().find(|(at, _)| *at <= same as u64).copied().unwrap();
            assert_eq!(log.end_offset(), offset(end), "cut {cut}, rest {kind}");
            assert_eq!(dump(&log), numbered(0..end), "cut {cut}, rest {kind}");
            assert_eq!(log.damage(), [], "cut {cut}, rest {kind}");
            append(&log, end);
            drop(log);
            assert_eq!(dump(&bench.open()), numbered(0..end + 1), "cut {cut}, rest {kind}");
        }
    }
}

#[test]
fn what_is_cut_off_is_set_aside_once_and_never_written_over() {
    let bench = Bench::new();
    let ends = write_batches(&bench.open(), 2000);
    let files = bench.files();
    let (at, end) = ends[3];
    let at = usize::try_from(at).unwrap();
    let mut torn = files.clone();
    torn.get_mut(&log_name(0)).unwrap()[at + 70] ^= 1;
    bench.put_back(&torn);
    let log = bench.open();
    assert_eq!(log.end_offset(), offset(end));
    let report = log.recovery_report().clone();
    let aside = format!("{}.{at}.torn", log_name(0));
    assert_eq!(report.set_aside, [Path::new(DIR).join(&aside)]);
    assert_eq!(report.batches_set_aside, ends.len() as u64 - 5);
    assert_eq!(bench.file(&aside), torn[&log_name(0)][at..]);
    drop(log);
    // An interrupted recovery: the copy is there, the log is not cut yet.
    let mut again = torn.clone();
    again.insert(aside.clone(), bench.file(&aside));
    bench.put_back(&again);
    assert_eq!(bench.open().recovery_report().set_aside, [] as [PathBuf; 0]);
    // Another tail at the same place gets another name.
    again.get_mut(&log_name(0)).unwrap().push(9);
    bench.put_back(&again);
    let second = Path::new(DIR).join(format!("{}.{at}.1.torn", log_name(0)));
    assert_eq!(bench.open().recovery_report().set_aside, [second]);
    assert_eq!(bench.file(&aside), torn[&log_name(0)][at..]);
}

#[test]
fn a_tail_torn_in_an_earlier_segment_sets_the_later_ones_aside() {
    let bench = Bench::small(400);
    let log = bench.open();
    fill(&log, 0..20);
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    drop(log);
    let mut files = bench.files();
    *files.get_mut(&log_name(bases[1])).unwrap().last_mut().unwrap() ^= 1;
    bench.put_back(&files);
    let log = bench.open();
    assert_eq!(log.end_offset(), offset(bases[2] - 1));
    assert_eq!(dump(&log), numbered(0..bases[2] - 1));
    let aside = bench.names().into_iter().filter(|name| name.ends_with(".log.torn")).count();
    assert_eq!(aside, bases.len() - 2);
    append(&log, bases[2] - 1);
    drop(log);
    assert_eq!(dump(&bench.open()), numbered(0..bases[2]));
}

/// Opens and reads all that can be read, from every offset on. Whatever is served must be what was written.
fn served(bench: &Bench, end: i64) -> Option<BTreeSet<i64>> {
    let log = match bench.builder().open() {
        Ok(log) => log,
        Err(LogError::Corrupt { .. }) => return None,
        Err(other) => panic!("{other}"),
    };
    let mut seen = BTreeSet::new();
    for from in log.start_offset().get()..=end.min(log.end_offset().get()) {
        for (at, text) in dump_from(&log, offset(from)).0 {
            assert_eq!(text, value(at), "offset {at}");
            seen.insert(at);
        }
    }
    Some(seen)
}

/// What the log is known to have synced before the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// Nothing: the mark is at the start.
    Unsynced,
    /// All of it: it was closed.
    Closed,
    /// There is no mark.
    Unknown,
}

fn flip_every_bit(known: Known) {
    let bench = Bench::small(700);
    // Zeros behind the end are no batch whose bits could be flipped.
    bench.storage.allow_windows(false);
    let log = bench.open();
    let ends = write_batches(&log, 1400);
    let end = log.end_offset().get();
    if known == Known::Closed {
        log.close().unwrap();
    }
    drop(log);
    let mut files = bench.files();
    if known == Known::Unknown {
        files.remove(mark::FILE_NAME);
    }
    let names: Vec<_> = files.keys().filter(|name| name.ends_with(".log")).cloned().collect();
    assert!(names.len() >= 2);
    let mut before = 0;
    for name in names {
        let len = files[&name].len();
        for bit in 0..len * 8 {
            let mut flipped = files.clone();
            flipped.get_mut(&name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            bench.put_back(&flipped);
            let at = before + bit as u64 / 8;
            let hit = ends.iter().position(|(end, _)| *end > at).unwrap();
            let (from, to) = (ends[hit - 1].1, ends[hit].1);
            let Some(seen) = served(&bench, end) else {
                panic!("{name} bit {bit} of {from}..{to} kept it closed")
            };
            let all: BTreeSet<i64> = match known {
                Known::Unsynced => (0..from).collect(),
                Known::Closed => (0..end).filter(|n| !(from..to).contains(n)).collect(),
                // Of the very last batch nobody knows that it was whole.
                Known::Unknown => (0..end).filter(|n| !(from..to).contains(n)).collect(),
            };
            assert_eq!(seen, all, "{name} bit {bit} of batch {from}..{to}, {known:?}");
        }
        before += len as u64;
    }
}

#[test]
fn a_flipped_bit_above_the_mark_ends_the_log_before_its_batch() {
    flip_every_bit(Known::Unsynced);
}

#[test]
fn a_flipped_bit_below_the_mark_costs_its_batch_and_nothing_else() {
    flip_every_bit(Known::Closed);
}

#[test]
fn a_flipped_bit_without_a_mark_costs_its_batch_and_nothing_else() {
    flip_every_bit(Known::Unknown);
}

#[test]
fn every_flipped_bit_of_a_derived_file_changes_nothing() {
    let bench = Bench::small(700);
    let log = bench.open();
    log.append_batch(&idempotent(7, 0, 0, 2, false), Origin::Client).unwrap();
    fill(&log, 2..14);
    log.close().unwrap();
    let whole = dump(&log);
    drop(log);
    let files = bench.files();
    for name in files.keys().filter(|name| !name.ends_with(".log")) {
        for bit in 0..files[name].len() * 8 {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            bench.put_back(&flipped);
            let log = bench.open();
            assert_eq!(dump(&log), whole, "{name} bit {bit}");
            for (at, _) in &whole {
                let read =
                    log.read(offset(*at), ReadLimits { max_bytes: 1, ..ReadLimits::default() }).unwrap();
                assert!(read.start <= offset(*at) && offset(*at) < read.next, "{name} bit {bit}");
            }
            let again = log.append_batch(&idempotent(7, 0, 0, 2, false), Origin::Client).unwrap();
            assert_eq!((again.duplicate, again.base_offset), (true, offset(0)), "{name} bit {bit}");
        }
    }
}

#[test]
fn damage_below_the_mark_is_reported_with_its_range_and_appends_go_to_a_new_segment() {
    let bench = Bench::new();
    let log = bench.open();
    let ends = write_batches(&log, 2000);
    log.close().unwrap();
    drop(log);
    let mut files = bench.files();
    // Without the mark's word everything is scanned; the recovery point says that it was synced.
    files.remove(mark::FILE_NAME);
    let (at, from) = ends[4];
    let (next_at, to) = ends[5];
    files.get_mut(&log_name(0)).unwrap()[usize::try_from(at).unwrap() + 65] ^= 4;
    bench.put_back(&files);
    let end = ends.last().unwrap().1;
    let log = bench.builder().recovery_point(Some(offset(end))).open().unwrap();
    let damage = log.damage();
    assert_eq!(damage.len(), 1);
    assert_eq!((damage[0].bytes.clone(), damage[0].offsets.clone()), (at..next_at, offset(from)..offset(to)));
    let error = log.read(offset(from), ReadLimits::default()).unwrap_err();
    let text = format!("offsets [{from}, {to}) in {} bytes are damaged", next_at - at);
    assert!(error.to_string().contains(&text), "{error}");
    assert_eq!(log.end_offset(), offset(end));
    let appended = append(&log, end);
    assert_eq!(appended.base_offset, offset(end));
    assert!(bench.names().contains(&log_name(end)));
    assert_eq!(dump_from(&log, offset(to)).0, numbered(to..end + 1));
    assert_eq!(log.recovery_report().set_aside, RecoveryReport::default().set_aside);
}

#[test]
fn a_missing_segment_is_a_hole_and_nothing_is_given_twice() {
    for missing in 0..4 {
        let bench = Bench::small(300);
        let log = bench.open();
        fill(&log, 0..12);
        let mut bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
        assert_eq!(bases.len(), 4, "{bases:?}");
        bases.push(12);
        log.close().unwrap();
        drop(log);
        bench.remove(&log_name(bases[missing]));
        let log = bench.open();
        let hole = bases[missing]..bases[missing + 1];
        assert_eq!(log.end_offset(), offset(12), "segment {missing}");
        for from in 0..12 {
            let read = log.read(offset(from), ReadLimits::default());
            match read {
                Ok(_) => assert!(!hole.contains(&from), "segment {missing}, offset {from}"),
                Err(LogError::Corrupt { .. }) => assert!(hole.contains(&from)),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(append(&log, 12).base_offset, offset(12));
    }
}

/// Fuzzing found it: one write of three bytes damaged a batch and the base offset of the one behind it, which no
/// checksum covers. The hole was said to reach to that offset, far above the log end, and an append could not be read.
#[test]
fn a_damaged_offset_behind_a_damaged_batch_moves_nothing() {
    // Which batch of the last segment, and how far it is from that segment's last one.
    for behind in 0..3 {
        let bench = Bench::small(700);
        let log = bench.open();
        let mut ends = Vec::new();
        for number in 0..18 {
            append(&log, number);
            ends.push(log.segment_offsets().last().map(|(base, _)| base.get()).unwrap());
        }
        let base = *ends.last().unwrap();
        log.close().unwrap();
        drop(log);
        let mut bytes = bench.file(&log_name(base));
        let starts = batch_starts(&bytes);
        let at = starts[starts.len() - 1 - behind];
        bytes[at - 2..=at].copy_from_slice(&[0x98, 0x18, 0x18]);
        bench.overwrite(&log_name(base), &bytes);
        for clean in [true, false] {
            let log = bench.builder().clean(clean).open().unwrap();
            let (read, _) = dump_from(&log, offset(0));
            assert_eq!(read, numbered(0..i64::try_from(read.len()).unwrap()));
            assert_eq!(log.end_offset(), offset(18), "{behind} {clean}");
            assert!(log.damage().iter().all(|damage| damage.offsets.end <= offset(18)), "{:?}", log.damage());
            let appended = append(&log, 18);
            assert_eq!(dump_from(&log, appended.base_offset).0, numbered(18..19), "{behind} {clean}");
            log.truncate(offset(18)).unwrap();
            log.close().unwrap();
        }
    }
}

/// Fuzzing found it: with the epoch file cut short, the epochs were read off the batches, and a damaged batch at the
/// start of the last segment gave the log an epoch of a thousand million, under which nothing appended could be read.
#[test]
fn the_epoch_of_a_damaged_batch_is_not_the_epoch_of_the_log() {
    let bench = Bench::small(700);
    let log = bench.open();
    fill(&log, 0..18);
    let base = log.segment_offsets().last().map(|(base, _)| base.get()).unwrap();
    log.close().unwrap();
    drop(log);
    let files = bench.files();
    for damage in [&[0xbf; 6][..], &[0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0x17, 0, 0, 0, 0xbf, 0x3f, 0xff]] {
        for clean in [true, false] {
            bench.put_back(&files);
            let mut bytes = bench.file(&log_name(base));
            bytes[1..=damage.len()].copy_from_slice(damage);
            bench.overwrite(&log_name(base), &bytes);
            bench.overwrite("leader-epoch-checkpoint", b"0\n1\n");
            let log = bench.builder().clean(clean).open().unwrap();
            assert_eq!(log.epoch(), LeaderEpoch::ZERO);
            let appended = append(&log, 18);
            assert_eq!(dump_from(&log, appended.base_offset).0, numbered(18..19));
            log.close().unwrap();
            drop(log);
        }
    }
}

/// The index of a segment that lost its end to a crash kept the entries of what was lost: appends grew past them, and
/// after the next crash they pointed into the middle of other batches.
#[test]
fn an_index_that_is_ahead_of_its_log_is_gone_before_the_next_append() {
    let bench = Bench::new();
    let log = bench.open();
    let ends = write_batches(&log, 3000);
    log.close().unwrap();
    drop(log);
    let index = format!("{:020}.index", 0);
    let (at, end) = ends[ends.len() / 2];
    let whole = bench.file(&log_name(0));
    bench.remove(mark::FILE_NAME);
    bench.overwrite(&log_name(0), &whole[..usize::try_from(at).unwrap()]);
    assert!(!bench.file(&index).is_empty());
    let log = bench.open();
    append(&log, end);
    assert!(!bench.names().contains(&index));
    drop(log);
    let log = bench.open();
    assert_eq!(dump(&log), numbered(0..end + 1));
}

/// Fuzzing found it: behind a damaged first batch lay one whose base offset, which no checksum covers, had become that
/// of the first. Its record was served at an offset that was never its own.
#[test]
fn a_batch_behind_damage_is_not_served_at_the_offset_of_the_damaged_one() {
    let bench = Bench::new();
    let log = bench.open();
    fill(&log, 0..8);
    log.close().unwrap();
    drop(log);
    let files = bench.files();
    // The first batch has another base offset, or a last offset delta of -1: its end would be its begin.
    let (base_offset, delta): (&[u8], &[u8]) = (&[0, 7], &[0xff; 4]);
    let damages = [(0, base_offset), (LAST_OFFSET_DELTA_AT, delta)];
    for ((at, damage), clean) in damages.into_iter().flat_map(|damage| [(damage, true), (damage, false)]) {
        bench.put_back(&files);
        let mut bytes = bench.file(&log_name(0));
        let starts = batch_starts(&bytes);
        bytes[at..at + damage.len()].copy_from_slice(damage);
        bytes[starts[1] + 70] ^= 1;
        bytes[starts[3]..starts[3] + 8].fill(0);
        bench.overwrite(&log_name(0), &bytes);
        let log = bench.builder().clean(clean).open().unwrap();
        let mut served = Vec::new();
        for from in 0..8 {
            served.extend(dump_from(&log, offset(from)).0);
        }
        assert!(served.contains(&(7, value(7))), "{served:?}");
        assert!(served.iter().all(|(at, text)| *text == value(*at)), "{served:?}");
        log.close().unwrap();
    }
}

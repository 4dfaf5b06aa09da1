//! Appends, rolls, ends, lookups, slices and deletions of one segment.

use super::*;
use crate::error::LogError;
use crate::format::build::{BatchBuilder, NewRecord};
use crate::format::index_entry::TxnEntry;
use crate::index::TimeIndex;
use crate::io::{CountingStorage, Fault, FaultStorage, MemStorage, Op, RealStorage};
use crate::types::{LeaderEpoch, ProducerId};
use proptest::prelude::*;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

const HOUR: i64 = 3_600_000;
const T0: i64 = 1_700_000_000_000;

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

fn options() -> SegmentOptions {
    SegmentOptions {
        segment_bytes: 1 << 20,
        index_interval_bytes: 256,
        segment_index_bytes: 10 << 20,
        segment_ms: i64::MAX,
        segment_jitter_ms: 0,
    }
}

/// A batch with one record for each of `times`, at `base`.
fn batch(base: i64, times: &[i64]) -> (Vec<u8>, AppendedBatch) {
    let mut builder = BatchBuilder::new().at(offset(base), Some(LeaderEpoch::ZERO));
    for at in times {
        let record = NewRecord::value(b"some bytes of value");
        builder.push(&Timestamp::from_millis(*at).map_or(record, |at| record.at(at)));
    }
    let bytes = builder.finish().unwrap();
    let last_offset = offset(base + i64::try_from(times.len()).unwrap() - 1);
    let max_timestamp = times.iter().copied().max().and_then(Timestamp::from_millis);
    let len = bytes.len();
    (bytes, AppendedBatch { last_offset, max_timestamp, len })
}

fn append(segment: &Segment, base: i64, times: &[i64]) -> Placed {
    let (bytes, meta) = batch(base, times);
    let (head, body) = bytes.split_at(16);
    let placed = segment.append(&[head, body], &meta, time(T0)).unwrap();
    segment.publish(placed.end);
    placed
}

struct Bench {
    storage: Arc<dyn Storage>,
    counts: CountingStorage,
    dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

fn memory() -> Bench {
    let disk = MemStorage::new();
    // What is written is to be seen as calls, and files are to end where their batches do.
    disk.allow_windows(false);
    let counts = CountingStorage::new(Arc::new(disk));
    counts.create_dir_all(Path::new("/t-0")).unwrap();
    Bench { storage: Arc::new(counts.clone()), counts, dir: PathBuf::from("/t-0"), _temp: None }
}

fn real_with(storage: RealStorage) -> Bench {
    let temp = tempfile::tempdir().unwrap();
    let counts = CountingStorage::new(Arc::new(storage));
    Bench { storage: Arc::new(counts.clone()), counts, dir: temp.path().to_owned(), _temp: Some(temp) }
}

fn real() -> Bench {
    real_with(RealStorage::new())
}

impl Bench {
    fn create(&self, base: i64, options: &SegmentOptions) -> Arc<Segment> {
        Segment::create(Arc::clone(&self.storage), &self.dir, offset(base), options, time(T0)).unwrap()
    }

    /// A segment from offset 100 with `batches` of three records, times rising by 10 a record.
    fn filled(&self, batches: i64) -> Arc<Segment> {
        let segment = self.create(100, &options());
        for n in 0..batches {
            let first = T0 + n * 30;
            append(&segment, 100 + n * 3, &[first, first + 10, first + 20]);
        }
        segment
    }

    fn reopen(&self, base: i64) -> Arc<Segment> {
        let listing = self.storage.list(&self.dir).unwrap();
        let (_, entry) = segments_in(&listing).into_iter().find(|(found, _)| *found == offset(base)).unwrap();
        let len = Position::new(entry.len).unwrap();
        Segment::open(Arc::clone(&self.storage), &self.dir, offset(base), len, Some(entry.modified))
    }

    fn path(&self, base: i64, kind: FileKind) -> PathBuf {
        self.dir.join(SegmentFile::live(offset(base), kind).name())
    }

    fn read(&self, base: i64, kind: FileKind) -> Vec<u8> {
        let file = self.storage.open(&self.path(base, kind), OpenMode::Read).unwrap();
        let mut buf = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut buf, 0).unwrap();
        buf
    }

    fn overwrite(&self, base: i64, kind: FileKind, bytes: &[u8]) {
        let file = self.storage.open(&self.path(base, kind), OpenMode::Truncate).unwrap();
        file.write_all_at(&[bytes], 0).unwrap();
    }
}

/// Every offset of a [`Bench::filled`] segment, and every time, is found where it is.
fn all_is_found(segment: &Arc<Segment>, batches: i64) {
    for n in 0..batches * 3 {
        let found = segment.locate(offset(100 + n)).unwrap().unwrap();
        assert_eq!(found.base_offset, offset(100 + n / 3 * 3), "offset {}", 100 + n);
        let at = T0 + n * 10;
        let expected = Some((offset(100 + n), time(at)));
        assert_eq!(segment.find_time(time(at), Offset::ZERO, 1 << 20).unwrap(), expected);
        assert_eq!(segment.find_time(time(at - 9), Offset::ZERO, 1 << 20).unwrap(), expected);
    }
    assert_eq!(segment.locate(offset(100 + batches * 3)).unwrap(), None);
    assert_eq!(segment.find_time(time(T0 + batches * 30), Offset::ZERO, 1 << 20).unwrap(), None);
    let (max, holder) = segment.max_timestamp().unwrap().unwrap();
    assert_eq!(max, time(T0 + batches * 30 - 10));
    assert_eq!(segment.locate(holder).unwrap().unwrap().max_timestamp, Some(max));
}

#[test]
fn what_was_appended_is_found_before_and_after_sealing_and_reopening() {
    for bench in [memory(), real(), real_with(RealStorage::with_max_maps(0))] {
        let segment = bench.filled(40);
        all_is_found(&segment, 40);
        segment.seal().unwrap();
        all_is_found(&segment, 40);
        all_is_found(&bench.reopen(100), 40);
        let active = bench.reopen(100);
        active.activate(&options(), time(T0));
        all_is_found(&active, 40);
        append(&active, 220, &[T0 + 1200, T0 + 1210, T0 + 1220]);
        all_is_found(&active, 41);
    }
}

#[test]
fn an_append_is_one_write_and_no_read() {
    for bench in [memory(), real_with(RealStorage::with_max_maps(0))] {
        let segment = bench.create(0, &options());
        append(&segment, 0, &[T0]);
        bench.counts.reset();
        let mut bytes = 0;
        for n in 1..=50 {
            let placed = append(&segment, n, &[T0 + n]);
            bytes += u64::from(placed.end.get() - placed.start.get());
        }
        assert_eq!((bench.counts.calls(Op::Write), bench.counts.count(Op::Write).bytes), (50, bytes));
        assert_eq!(bench.counts.total_calls(), 50, "nothing but writes");
    }
}

#[test]
fn reading_a_slice_copies_nothing_and_calls_nothing_but_the_map() {
    let bench = real();
    let segment = bench.filled(10);
    let at = segment.locate(offset(110)).unwrap().unwrap();
    segment.slice(at.position, at.len as usize).unwrap().bytes().unwrap();
    bench.counts.reset();
    let slice = segment.slice(at.position, at.len as usize).unwrap();
    let (one, two) = (slice.bytes().unwrap(), slice.bytes().unwrap());
    assert_eq!(one.as_ptr(), two.as_ptr(), "the same memory");
    assert_eq!(bench.counts.calls(Op::Slice), 2);
    assert_eq!(bench.counts.total_calls(), 2);
    assert_eq!(one, batch(109, &[T0 + 90, T0 + 100, T0 + 110]).0);
}

#[test]
fn opening_costs_nothing_until_it_is_read() {
    let bench = memory();
    let segment = bench.filled(10);
    segment.seal().unwrap();
    let listing = bench.storage.list(&bench.dir).unwrap();
    bench.counts.reset();
    let (base, entry) = segments_in(&listing).remove(0);
    let len = Position::new(entry.len).unwrap();
    let segment = Segment::open(Arc::clone(&bench.storage), &bench.dir, base, len, Some(entry.modified));
    assert_eq!(segment.modified().unwrap(), time(T0));
    let active = Segment::open(Arc::clone(&bench.storage), &bench.dir, base, len, Some(entry.modified));
    active.activate(&options(), time(T0));
    active.set_options(&options());
    assert!(active.is_active());
    assert_eq!(bench.counts.total_calls(), 0);
    assert!(segment.locate(offset(100)).unwrap().is_some());
    assert_eq!(bench.counts.calls(Op::Open), 3, "the batches and two indexes");
    bench.counts.reset();
    active.seal().unwrap();
    let written = [Op::Write, Op::Set, Op::Name].map(|op| bench.counts.calls(op));
    assert_eq!(written, [0; 3], "nothing was appended, nothing is written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Offsets and times are found as a list of all records would find them: while written, sealed, reopened, and with
    /// the index files gone.
    #[test]
    fn lookups_agree_with_a_list(
        batches in prop::collection::vec(prop::collection::vec(-1i64..60, 1..5), 1..40),
        interval in 0u32..1000,
        from in 0i64..120,
    ) {
        let bench = memory();
        let options = SegmentOptions { index_interval_bytes: interval, ..options() };
        let segment = bench.create(100, &options);
        let mut records = Vec::new();
        for times in &batches {
            append(&segment, 100 + i64::try_from(records.len()).unwrap(), times);
            records.extend_from_slice(times);
        }
        agrees(&segment, &records, from)?;
        segment.seal().unwrap();
        agrees(&segment, &records, from)?;
        agrees(&bench.reopen(100), &records, from)?;
        bench.storage.remove_file(&bench.path(100, FileKind::OffsetIndex)).unwrap();
        agrees(&bench.reopen(100), &records, from)?;
    }
}

fn agrees(segment: &Arc<Segment>, records: &[i64], from: i64) -> Result<(), TestCaseError> {
    let listed = || (100..).zip(records.iter().copied());
    for (at, _) in listed() {
        let found = segment.locate(offset(at)).unwrap().unwrap();
        prop_assert!(found.base_offset <= offset(at) && offset(at) <= found.last_offset);
    }
    for target in 0..=60 {
        let first = listed().find(|(at, time)| *at >= 100 + from && *time >= target);
        let found = segment.find_time(time(target), offset(100 + from), 1 << 20).unwrap();
        prop_assert_eq!(found, first.map(|(at, found)| (offset(at), time(found))), "time {}", target);
    }
    let greatest = records.iter().copied().max().and_then(Timestamp::from_millis);
    prop_assert_eq!(segment.max_timestamp().unwrap().map(|(time, _)| time), greatest);
    Ok(())
}

#[test]
fn unpublished_batches_are_not_seen() {
    let bench = memory();
    let segment = bench.filled(10);
    let (bytes, meta) = batch(130, &[T0 + 300]);
    let placed = segment.append(&[&bytes], &meta, time(T0)).unwrap();
    assert_eq!(segment.locate(offset(130)).unwrap(), None);
    assert_eq!(segment.last_batch().unwrap().unwrap().last_offset, offset(129));
    assert_eq!(segment.find_time(time(T0 + 299), Offset::ZERO, 1 << 20).unwrap(), None);
    segment.publish(placed.end);
    assert_eq!(segment.locate(offset(130)).unwrap().unwrap().position, placed.start);
    assert_eq!(segment.last_batch().unwrap().unwrap().last_offset, offset(130));
}

#[test]
#[should_panic(expected = "published bytes are never taken back")]
fn publishing_less_than_before_is_a_bug() {
    memory().filled(2).publish(Position::ZERO);
}

#[test]
fn a_slice_outlives_deletion_and_release() {
    for bench in [memory(), real(), real_with(RealStorage::with_max_maps(0))] {
        let segment = bench.filled(4);
        segment.seal().unwrap();
        segment.sync().unwrap();
        let len = segment.len().to_usize();
        let (mapped, late) =
            (segment.slice(Position::ZERO, len).unwrap(), segment.slice(Position::ZERO, len).unwrap());
        let before = mapped.bytes().unwrap();
        segment.mark_deleted().unwrap();
        assert!(!bench.storage.exists(&bench.path(100, FileKind::Log)).unwrap());
        segment.remove_files().unwrap();
        assert!(bench.storage.list(&bench.dir).unwrap().is_empty());
        assert!(segment.release());
        assert_eq!(before, late.bytes().unwrap());
        let (front, back) = late.split_at(100);
        assert_eq!([front.bytes().unwrap(), back.bytes().unwrap()].concat(), before);
        assert!(
            matches!(segment.locate(offset(100)), Err(LogError::Io { .. })),
            "it is gone for new readers"
        );
    }
}

#[test]
fn a_segment_renamed_before_it_was_opened_is_still_read() {
    let bench = memory();
    bench.filled(4).seal().unwrap();
    let segment = bench.reopen(100);
    segment.mark_deleted().unwrap();
    all_is_found(&segment, 4);
    assert!(segment.path().to_str().unwrap().ends_with("00000000000000000100.log.deleted"));
    segment.remove_files().unwrap();
    segment.remove_files().unwrap();
}

#[test]
fn a_slice_is_sent_to_a_socket_in_pieces() {
    for bench in [memory(), real()] {
        let segment = bench.filled(2);
        let slice = segment.slice(Position::ZERO, segment.len().to_usize()).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(slice.send_to(ours.as_fd(), 0, 50).unwrap(), 50);
        assert_eq!(slice.send_to(ours.as_fd(), 50, usize::MAX).unwrap(), slice.len() - 50);
        assert_eq!(slice.send_to(ours.as_fd(), slice.len(), 10).unwrap(), 0);
        drop(ours);
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).unwrap();
        assert_eq!(got, slice.bytes().unwrap());
    }
}

#[test]
fn release_waits_for_the_sync() {
    let bench = memory();
    let segment = bench.filled(2);
    assert!(!segment.release(), "unsynced bytes");
    segment.sync().unwrap();
    assert!(segment.release(), "an idle active segment is closed too");
    append(&segment, 106, &[T0]);
    assert!(!segment.release());
    segment.seal().unwrap();
    assert!(!segment.release());
    segment.sync().unwrap();
    assert!(segment.release());
    assert!(segment.locate(offset(106)).unwrap().is_some());
}

/// The rows of Kafka's measured example: segment.ms = 1 h; at now; +2 h (rolls); now (does not); in the new segment
/// +3 h - 1 ms (does not) and +3 h + 1 ms (rolls).
#[test]
fn time_rolls_at_more_than_segment_ms_after_the_first_batch() {
    let bench = memory();
    let hour = SegmentOptions { segment_ms: HOUR, ..options() };
    let rolls = |segment: &Segment, at: &[i64]| segment.needs_roll(&batch(10_000, at).1, &hour, time(T0));
    let first = bench.create(0, &hour);
    assert!(!rolls(&first, &[T0 + 100 * HOUR]), "an empty segment never rolls by time");
    append(&first, 0, &[T0]);
    assert!(rolls(&first, &[T0 + 2 * HOUR]));
    let second = bench.create(1, &hour);
    append(&second, 1, &[T0 + 2 * HOUR]);
    assert!(!rolls(&second, &[T0]));
    append(&second, 2, &[T0]);
    assert!(!rolls(&second, &[T0 + 3 * HOUR - 1]));
    assert!(!rolls(&second, &[T0 + 3 * HOUR]));
    assert!(rolls(&second, &[T0 + 3 * HOUR + 1]));
    // It is the greatest time of the first batch that counts: first batch now and +9 h, then +2 h.
    let third = bench.create(3, &hour);
    append(&third, 3, &[T0, T0 + 9 * HOUR]);
    assert!(!rolls(&third, &[T0 + 2 * HOUR]));
    assert!(rolls(&third, &[T0 + 10 * HOUR + 1]));
    // And it still does after a restart.
    third.seal().unwrap();
    let third = bench.reopen(3);
    third.activate(&hour, time(T0));
    assert!(!rolls(&third, &[T0 + 10 * HOUR]));
    assert!(rolls(&third, &[T0 + 10 * HOUR + 1]));
}

#[test]
fn without_a_time_in_the_first_batch_the_age_of_the_segment_counts() {
    let hour = SegmentOptions { segment_ms: HOUR, ..options() };
    let segment = memory().create(0, &hour);
    append(&segment, 0, &[-1]);
    let incoming = batch(1, &[T0 + 50 * HOUR]).1;
    assert!(!segment.needs_roll(&incoming, &hour, time(T0 + HOUR)));
    assert!(segment.needs_roll(&incoming, &hour, time(T0 + HOUR + 1)));
    assert!(!segment.needs_roll(&incoming, &hour, time(0)), "a clock set back");
}

#[test]
fn size_rolls_when_the_next_batch_would_pass_the_limit() {
    let (bytes, meta) = batch(0, &[T0]);
    let len = u32::try_from(bytes.len()).unwrap();
    let with = |segment_bytes| SegmentOptions { segment_bytes, ..options() };
    let segment = memory().create(0, &with(2 * len));
    assert!(!segment.needs_roll(&meta, &with(len - 1), time(T0)), "an empty segment takes any batch");
    append(&segment, 0, &[T0]);
    assert!(!segment.needs_roll(&meta, &with(2 * len), time(T0)));
    assert!(segment.needs_roll(&meta, &with(2 * len - 1), time(T0)));
}

#[test]
fn full_indexes_roll_and_the_time_index_one_entry_early() {
    let sized =
        |segment_index_bytes| SegmentOptions { segment_index_bytes, index_interval_bytes: 0, ..options() };
    let meta = batch(99, &[T0]).1;
    let times_rise = memory().create(0, &options());
    times_rise.set_options(&sized(36));
    // Interval 0: every batch but the first makes an entry in both.
    append(&times_rise, 0, &[T0]);
    append(&times_rise, 1, &[T0 + 1]);
    assert!(!times_rise.needs_roll(&meta, &sized(36), time(T0)), "three time entries fit, one is there");
    append(&times_rise, 2, &[T0 + 2]);
    assert!(times_rise.needs_roll(&meta, &sized(36), time(T0)));
    let times_stay = memory().create(0, &sized(36));
    append(&times_stay, 0, &[T0]);
    for n in 1..=3 {
        append(&times_stay, n, &[T0]);
    }
    assert!(!times_stay.needs_roll(&meta, &sized(36), time(T0)), "four offset entries fit, three are there");
    append(&times_stay, 4, &[T0]);
    assert!(times_stay.needs_roll(&meta, &sized(36), time(T0)));
}

#[test]
fn an_offset_that_no_index_entry_holds_rolls_even_an_empty_segment() {
    let segment = memory().create(10, &options());
    let at = |raw: i64| AppendedBatch { last_offset: offset(raw), max_timestamp: None, len: 70 };
    assert!(!segment.needs_roll(&at(10 + i64::from(i32::MAX)), &options(), time(T0)));
    assert!(segment.needs_roll(&at(11 + i64::from(i32::MAX)), &options(), time(T0)));
}

#[test]
fn jitter_only_ever_shortens_and_stays_below_its_bound() {
    let jittered = SegmentOptions { segment_ms: HOUR, segment_jitter_ms: HOUR / 2, ..options() };
    let bench = memory();
    let mut early = 0;
    for base in 0..40 {
        let segment = bench.create(base, &jittered);
        append(&segment, base, &[T0]);
        let rolls = |after: i64| segment.needs_roll(&batch(base + 1, &[T0 + after]).1, &jittered, time(T0));
        assert!(rolls(HOUR + 1));
        assert!(!rolls(HOUR / 2));
        early += usize::from(rolls(HOUR * 3 / 4));
    }
    assert!((1..40).contains(&early), "{early} of 40 rolled in the first half of the jitter");
}

#[test]
fn sealing_trims_sets_the_time_and_leaves_blocks_behind() {
    let bench = real();
    let segment = bench.filled(20);
    let path = bench.path(100, FileKind::Log);
    let blocks = |path: &Path| std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap());
    let before = blocks(&path);
    segment.seal().unwrap();
    let listing = bench.storage.list(&bench.dir).unwrap();
    let (_, entry) = segments_in(&listing).remove(0);
    assert_eq!(entry.modified, time(T0), "the time of the last append");
    assert_eq!(entry.len, segment.len().to_u64());
    assert!(blocks(&path) <= before);
    assert!(blocks(&path) * 512 <= segment.len().to_u64() + 4096, "reserved blocks were given back");
    segment.seal().unwrap();
}

#[test]
fn index_files_grow_with_flushes_to_the_same_bytes() {
    let (once, often) = (memory(), memory());
    once.filled(40).seal().unwrap();
    let segment = often.create(100, &options());
    for n in 0..40 {
        let first = T0 + n * 30;
        append(&segment, 100 + n * 3, &[first, first + 10, first + 20]);
        if n % 7 == 0 {
            segment.flush_indexes(n % 2 == 0).unwrap();
        }
    }
    segment.seal().unwrap();
    for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
        assert_eq!(once.read(100, kind), often.read(100, kind), "{kind:?}");
        assert!(!once.read(100, kind).is_empty());
    }
}

/// Recovery's way: a trusted front, then batches accepted one by one, then the tail cut.
#[test]
fn replaying_a_tail_gives_the_indexes_of_appending_it() {
    let bench = memory();
    let whole = bench.filled(40);
    let front = whole.locate(offset(160)).unwrap().unwrap().position;
    whole.flush_indexes(false).unwrap();
    whole.file().unwrap();
    let writer = bench.storage.open(&bench.path(100, FileKind::Log), OpenMode::ReadWrite).unwrap();
    writer.write_all_at(&[b"a torn batch"], whole.len().to_u64()).unwrap();
    let tail: Vec<_> = whole.walk(front).map(Result::unwrap).collect();

    let again = Segment::open(Arc::clone(&bench.storage), &bench.dir, offset(100), front, None);
    again.activate(&options(), time(T0));
    assert_eq!(again.file_len().unwrap(), whole.len().to_u64() + 12);
    for at in tail {
        let mut head = [0; 61];
        again.read_unpublished(at.position.to_u64(), &mut head).unwrap();
        let meta = AppendedBatch {
            last_offset: at.last_offset,
            max_timestamp: at.max_timestamp,
            len: at.len as usize,
        };
        let placed = again.replay(&meta).unwrap();
        assert_eq!(placed.start, at.position);
        again.publish(placed.end);
    }
    again.trim().unwrap();
    assert_eq!(again.file_len().unwrap(), whole.len().to_u64());
    again.seal().unwrap();
    all_is_found(&again, 40);
    let fresh = memory();
    fresh.filled(40).seal().unwrap();
    for kind in [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex] {
        assert_eq!(bench.read(100, kind), fresh.read(100, kind), "{kind:?}");
    }
}

#[test]
fn missing_or_broken_index_files_are_made_anew() {
    let bench = memory();
    bench.filled(40).seal().unwrap();
    let kinds = [FileKind::OffsetIndex, FileKind::TimeIndex];
    let sound = kinds.map(|kind| bench.read(100, kind));
    for (kind, sound) in kinds.iter().zip(&sound) {
        for damage in [&[][..], &sound[..sound.len() - 1], &sound[..13], &[0xff; 48], &[0; 4096]] {
            bench.overwrite(100, *kind, damage);
            all_is_found(&bench.reopen(100), 40);
            // A sealed segment's is made at Kafka's default interval, an active one's at the log's.
            bench.overwrite(100, *kind, damage);
            let active = bench.reopen(100);
            active.activate(&options(), time(T0));
            all_is_found(&active, 40);
            active.seal().unwrap();
            assert_eq!(bench.read(100, *kind), *sound, "{kind:?} after {} bytes", damage.len());
        }
        bench.storage.remove_file(&bench.path(100, *kind)).unwrap();
        all_is_found(&bench.reopen(100), 40);
    }
}

#[test]
fn no_flipped_bit_of_an_index_hides_an_offset_or_a_time() {
    let bench = memory();
    bench.filled(16).seal().unwrap();
    for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
        let sound = bench.read(100, kind);
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            bench.overwrite(100, kind, &flipped);
            all_is_found(&bench.reopen(100), 16);
            bench.overwrite(100, kind, &sound);
        }
    }
}

#[test]
fn a_copied_front_replaces_the_file_and_leaves_old_slices_alone() {
    for bench in [memory(), real()] {
        let segment = bench.filled(40);
        segment.flush_indexes(false).unwrap();
        let old = segment.slice(Position::ZERO, segment.len().to_usize()).unwrap();
        let to = segment.locate(offset(150)).unwrap().unwrap().position;
        let before = old.bytes().unwrap();
        let front = segment.copy_front(to).unwrap();
        let cut = segment.replace_by(&front, &options(), time(T0)).unwrap();
        assert_eq!(cut.file_id().unwrap(), front.id());
        assert_eq!(cut.len(), to);
        assert_ne!(cut.file_id().unwrap(), segment.file_id().unwrap());
        assert_eq!(cut.locate(offset(147)).unwrap().unwrap().base_offset, offset(145));
        assert_eq!(cut.locate(offset(148)).unwrap(), None);
        assert_eq!(cut.max_timestamp().unwrap(), Some((time(T0 + 470), offset(147))));
        append(&cut, 148, &[T0 + 480, T0 + 490, T0 + 500]);
        assert_eq!(old.bytes().unwrap(), before);
        assert_eq!(&before[..to.to_usize()], &cut.bytes(Position::ZERO, to.to_usize()).unwrap()[..]);
        // The old one never opens the file that has its name now.
        segment.sync().unwrap();
        assert!(segment.release());
        assert!(segment.locate(offset(100)).is_err());
        segment.remove_files().unwrap();
        assert!(bench.storage.exists(&bench.path(100, FileKind::Log)).unwrap());
    }
}

#[test]
fn a_full_disk_refuses_the_batch_and_takes_it_when_there_is_room() {
    let disk = MemStorage::new();
    disk.allow_windows(false);
    disk.create_dir_all(Path::new("/t-0")).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let segment = Segment::create(storage, Path::new("/t-0"), Offset::ZERO, &options(), time(T0)).unwrap();
    append(&segment, 0, &[T0]);
    disk.set_capacity(100);
    let (bytes, meta) = batch(1, &[T0 + 1]);
    let refused = segment.append(&[&bytes], &meta, time(T0)).unwrap_err();
    assert!(matches!(refused, LogError::NoSpace { needed, .. } if needed == bytes.len() as u64), "{refused}");
    assert_eq!(segment.file_len().unwrap(), segment.len().to_u64());
    disk.set_capacity(1 << 20);
    append(&segment, 1, &[T0 + 1]);
    assert_eq!(segment.max_timestamp().unwrap(), Some((time(T0 + 1), offset(1))));
}

#[test]
fn a_damaged_header_is_reported_where_it_is_and_what_the_index_knows_behind_it_is_read() {
    let bench = memory();
    bench.filled(40).seal().unwrap();
    let victim = bench.reopen(100).locate(offset(160)).unwrap().unwrap();
    let mut bytes = bench.read(100, FileKind::Log);
    bytes[victim.position.to_usize() + 8] ^= 0x40;
    bench.overwrite(100, FileKind::Log, &bytes);
    let segment = bench.reopen(100);
    match segment.locate(offset(160)) {
        Err(LogError::Corrupt { position, .. }) => assert_eq!(position, victim.position),
        other => panic!("{other:?}"),
    }
    assert!(segment.locate(offset(130)).unwrap().is_some());
    assert!(segment.locate(offset(200)).unwrap().is_some());
}

#[test]
fn a_file_that_somebody_shortened_is_not_mapped() {
    let bench = real();
    let segment = bench.filled(40);
    segment.seal().unwrap();
    let file = bench.storage.open(&bench.path(100, FileKind::Log), OpenMode::ReadWrite).unwrap();
    let reopened = bench.reopen(100);
    file.set_len(50).unwrap();
    assert!(matches!(reopened.locate(offset(200)), Err(LogError::Corrupt { .. })));
    assert!(reopened.slice(Position::ZERO, 10).is_err());
}

#[test]
fn a_flipped_record_byte_is_noticed_when_the_batch_is_opened() {
    let bench = memory();
    bench.filled(4).seal().unwrap();
    let mut bytes = bench.read(100, FileKind::Log);
    bytes[70] ^= 1;
    bench.overwrite(100, FileKind::Log, &bytes);
    let segment = bench.reopen(100);
    let at = segment.locate(offset(100)).unwrap().unwrap();
    assert!(matches!(
        segment.with_batch(&at, |_| Ok(())),
        Err(LogError::Corrupt { position: Position::ZERO, .. })
    ));
    assert!(matches!(segment.find_time(time(T0), Offset::ZERO, 1 << 20), Err(LogError::Corrupt { .. })));
}

#[test]
fn aborted_transactions_are_kept_in_their_file_and_cut_with_the_log() {
    let bench = memory();
    let segment = bench.filled(4);
    let txn = |first: i64, last: i64| TxnEntry {
        producer: ProducerId::new(7).unwrap(),
        first: offset(first),
        last: offset(last),
        last_stable: offset(last + 1),
    };
    assert!(!segment.has_txn_index().unwrap());
    segment.add_aborted(txn(100, 103)).unwrap();
    segment.add_aborted(txn(104, 108)).unwrap();
    segment.add_aborted(txn(104, 108)).unwrap();
    assert_eq!(bench.reopen(100).aborted_txns().unwrap(), [txn(100, 103), txn(104, 108)]);
    let again = bench.reopen(100);
    again.keep_aborted_below(offset(108)).unwrap();
    assert_eq!(bench.reopen(100).aborted_txns().unwrap(), [txn(100, 103)]);
    again.add_aborted(txn(104, 110)).unwrap();
    assert_eq!(bench.reopen(100).aborted_txns().unwrap(), [txn(100, 103), txn(104, 110)]);
}

#[test]
fn creating_removes_the_indexes_of_an_earlier_segment_of_that_name() {
    let bench = memory();
    let segment = bench.filled(40);
    segment.seal().unwrap();
    bench.storage.remove_file(&bench.path(100, FileKind::Log)).unwrap();
    let fresh = bench.create(100, &options());
    append(&fresh, 100, &[T0]);
    fresh.seal().unwrap();
    assert_eq!(bench.read(100, FileKind::OffsetIndex), []);
    assert_eq!(bench.read(100, FileKind::TimeIndex).len(), TimeIndex::ENTRY_LEN);
    let exists = Segment::create(Arc::clone(&bench.storage), &bench.dir, offset(100), &options(), time(T0));
    assert!(matches!(exists, Err(LogError::Io { op: "open", .. })));
}

/// A sync that found no descriptor for the index of aborted transactions is tried again, and left it out then: after a power
/// cut what had been aborted was read as committed.
#[test]
fn a_sync_that_is_tried_again_covers_the_aborted_transactions_too() {
    let fault = Fault::at(1, std::io::ErrorKind::Other).among(&[Op::SyncData]);
    let disk = FaultStorage::new(Arc::new(MemStorage::new()), fault);
    disk.create_dir_all(Path::new("/t-0")).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let segment = Segment::create(storage, Path::new("/t-0"), Offset::ZERO, &options(), time(T0)).unwrap();
    append(&segment, 0, &[T0]);
    let producer = ProducerId::new(1).unwrap();
    let (first, last) = (Offset::ZERO, offset(1));
    segment.add_aborted(TxnEntry { producer, first, last, last_stable: last }).unwrap();
    segment.sync().unwrap_err();
    assert_eq!(disk.calls(), 2);
    segment.sync().unwrap();
    assert_eq!(disk.calls(), 4, "the batches and the index");
    segment.sync().unwrap();
    assert_eq!(disk.calls(), 5);
}

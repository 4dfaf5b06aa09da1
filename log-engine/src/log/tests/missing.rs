//! Files that go, directories that go, while the log is closed and while it is open.

use super::*;
use crate::format::CorruptReason;
use crate::io::{EntryKind, Fault, FaultStorage, OpenMode, RealStorage};
use std::io::ErrorKind;
use std::process::Command;

const RECORDS: i64 = 60;

/// A log of several segments with everything beside it that a log has.
fn filled(bench: &Bench, close: bool) -> Vec<i64> {
    let log = bench.open();
    log.append_batch(&idempotent(7, 0, 0, 1, false), Origin::Client).unwrap();
    fill(&log, 1..RECORDS - 1);
    log.sync().unwrap();
    // The mark is due, so what was synced is known to have been.
    bench.advance(2000);
    append(&log, RECORDS - 1);
    log.sync().unwrap();
    let bases = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    if close {
        log.close().unwrap();
    }
    bases
}

/// Each offset by itself: what was written, or an error that says it is missing.
fn readable(log: &Log) -> Vec<i64> {
    let mut found = Vec::new();
    for n in log.start_offset().get()..log.end_offset().get() {
        match (dump_from(log, offset(n)), log.read(offset(n), ReadLimits::default())) {
            ((records, _), Ok(_)) if records.first().is_some_and(|first| first.0 == n) => {
                assert!(n == 0 || records[0].1 == value(n), "offset {n}");
                found.push(n);
            }
            ((records, error), read) => {
                assert!(records.is_empty(), "offset {n}: {records:?}");
                let told = [error, read.err()].into_iter().flatten().next();
                assert!(matches!(told, Some(LogError::Corrupt { .. })), "offset {n}: {told:?}");
            }
        }
    }
    found
}

#[test]
fn whatever_file_is_missing_is_told_and_the_rest_is_served() {
    for close in [true, false] {
        let bases = filled(&Bench::small(900), close);
        let names = {
            let bench = Bench::small(900);
            filled(&bench, close);
            bench.names()
        };
        assert!(bases.len() > 4 && names.iter().any(|name| name.ends_with(".timeindex")));
        for name in names.iter().filter(|name| *name != ".lock") {
            let bench = Bench::small(900);
            filled(&bench, close);
            bench.remove(name);
            let log = bench.open();
            assert_eq!(log.start_offset(), offset(0), "{name}: nothing was deleted");
            let hole = name.strip_suffix(".log").map_or(0..0, |digits| {
                let base: i64 = digits.parse().unwrap();
                base..bases.iter().copied().find(|next| *next > base).unwrap_or(RECORDS)
            });
            let expected: Vec<_> = (0..RECORDS).filter(|n| !hole.contains(n)).collect();
            assert_eq!(readable(&log), expected, "{name}, closed: {close}");
            assert_eq!(
                append(&log, RECORDS).base_offset,
                offset(RECORDS),
                "{name}: an offset is not given twice"
            );
            log.sync().unwrap();
            log.close().unwrap();
            drop(log);
            let again = bench.open();
            let expected: Vec<_> = (0..=RECORDS).filter(|n| !hole.contains(n)).collect();
            assert_eq!(readable(&again), expected, "{name}, closed: {close}, once more");
        }
    }
}

/// A log whose first segment is gone; where the second begins.
fn without_first(bench: &Bench, close: bool) -> i64 {
    let bases = filled(bench, close);
    bench.remove(&log_name(0));
    bases[1]
}

fn is_hole(error: Option<LogError>, from: i64, to: i64) -> bool {
    let hole = CorruptReason::Hole {
        from: offset(from),
        to: offset(to),
        bytes: 0,
        cause: Box::new(CorruptReason::Structure("the first segment is missing".to_owned())),
    };
    matches!(error, Some(LogError::Corrupt { reason, .. }) if reason == hole)
}

#[test]
fn a_missing_first_segment_is_a_hole_until_the_log_start_has_passed_it() {
    for close in [true, false] {
        let bench = Bench::small(900);
        let first = without_first(&bench, close);
        let log = bench.open();
        let holes = |log: &Log| log.damage().into_iter().map(|hole| hole.offsets).collect::<Vec<_>>();
        assert_eq!(holes(&log), [offset(0)..offset(first)]);
        for from in [0, first - 1] {
            assert!(is_hole(dump_from(&log, offset(from)).1, 0, first), "from {from}");
        }
        assert_eq!(log.offset_for_time(time(0)).unwrap(), Some((offset(first), time(NOW))));
        assert_eq!(log.offset_before_time(time(0)).unwrap(), None);
        assert!(is_hole(log.truncate(offset(1)).err(), 0, first));
        drop(log);
        // What is found in the second segment does not make it forgotten.
        let name = log_name(first);
        let sound = bench.file(&name);
        let mut bad = sound.clone();
        bad[70] ^= 1;
        bench.overwrite(&name, &bad);
        let log = bench.open();
        assert!(matches!(dump_from(&log, offset(first)).1, Some(LogError::Corrupt { .. })));
        assert_eq!(holes(&log), [offset(0)..offset(first), offset(first)..offset(first + 1)]);
        drop(log);
        bench.overwrite(&name, &sound);

        let log = bench.open();
        assert_eq!(log.delete_records_before(offset(2)).unwrap(), offset(2));
        assert_eq!(holes(&log), [offset(0)..offset(first)]);
        log.close().unwrap();
        drop(log);
        let log = bench.open();
        assert_eq!((log.start_offset(), holes(&log)), (offset(2), vec![offset(2)..offset(first)]));
        log.truncate(offset(first + 1)).unwrap();
        assert_eq!(dump_from(&log, offset(first)).0, numbered(first..first + 1));
        assert_eq!(log.delete_records_before(offset(first)).unwrap(), offset(first));
        assert_eq!(holes(&log), []);
        log.close().unwrap();
        drop(log);
        let log = bench.open();
        assert_eq!((log.start_offset(), holes(&log)), (offset(first), Vec::new()));
        assert_eq!(dump(&log), numbered(first..first + 1));
    }
}

#[test]
fn retention_takes_a_missing_first_segment_along() {
    let mut bench = Bench::small(900);
    without_first(&bench, true);
    bench.config.retention_bytes = Some(1800);
    let log = bench.open();
    assert!(!log.damage().is_empty());
    let report = log.apply_retention(bench.clock.now()).unwrap();
    assert!(report.segments > 0 && report.log_start == log.start_offset());
    assert_eq!(log.damage(), []);
    assert_eq!(dump(&log), numbered(report.log_start.get()..RECORDS));
    drop(log);
    let log = bench.open();
    assert_eq!((log.start_offset(), log.damage()), (report.log_start, Vec::new()));
}

#[test]
fn a_reader_and_a_copy_miss_the_first_segment_too() {
    let bench = Bench::small(900);
    let first = without_first(&bench, false);
    let storage = || Arc::clone(&bench.storage) as Arc<dyn Storage>;
    // Before the writer comes, and beside it.
    for _ in 0..2 {
        let reader = LogReader::open_in(storage(), DIR, &bench.config).unwrap();
        assert_eq!((reader.start_offset(), reader.end_offset()), (offset(0), offset(RECORDS)));
        assert!(is_hole(reader.records(offset(1)).next().unwrap().err(), 1, first));
        assert_eq!(reader.records(offset(first)).next().unwrap().unwrap().base_offset(), offset(first));
        drop(bench.open());
    }
    bench.open().snapshot("/logs/copy").unwrap();
    let copy = Log::builder("/logs/copy").storage(storage()).config(bench.config.clone()).open().unwrap();
    assert_eq!(copy.start_offset(), offset(0));
    assert!(is_hole(dump_from(&copy, offset(0)).1, 0, first));
    assert_eq!(dump_from(&copy, offset(first)).0, numbered(first..RECORDS));
}

/// Goes on for a while; answers whether somebody was told.
fn go_on(bench: &Bench, log: &Log) -> bool {
    let mut told = false;
    for _ in 0..60 {
        let next = value(log.end_offset().get());
        told |= log.append(&[NewRecord::value(next.as_bytes())]).is_err();
        told |= log.sync().is_err();
        bench.advance(300);
    }
    told
}

fn files_in(bench: &Bench, dir: &str) -> Vec<String> {
    let entries = bench.storage.list(Path::new(dir)).unwrap_or_default();
    entries.into_iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.name).collect()
}

#[test]
fn a_directory_that_is_removed_under_a_log_does_not_come_back_as_an_empty_one() {
    let bench = Bench::small(900);
    filled(&bench, true);
    let log = bench.open();
    append(&log, RECORDS);
    log.sync().unwrap();
    bench.storage.remove_dir_all(Path::new(DIR)).unwrap();
    assert!(go_on(&bench, &log));
    assert!(log.append(&[NewRecord::value(b"x")]).is_err());
    drop(dump_from(&log, Offset::ZERO));
    let _ = log.close();
    assert!(!bench.storage.exists(Path::new(DIR)).unwrap());
}

#[test]
fn a_directory_that_is_moved_is_not_gone_on_with_elsewhere() {
    for replaced in [false, true] {
        let bench = Bench::small(900);
        filled(&bench, true);
        let log = bench.open();
        append(&log, RECORDS);
        log.sync().unwrap();
        bench.storage.rename(Path::new(DIR), Path::new("/logs/moved")).unwrap();
        if replaced {
            bench.storage.create_dir_all(Path::new(DIR)).unwrap();
        }
        assert!(go_on(&bench, &log), "replaced: {replaced}");
        let _ = log.close();
        drop(log);
        let made = files_in(&bench, DIR);
        let believed = |name: &String| name.ends_with(".log") || name == mark::FILE_NAME;
        assert!(!made.iter().any(believed), "replaced: {replaced}: {made:?}");
        let moved = Log::builder("/logs/moved").storage(Arc::clone(&bench.storage) as Arc<dyn Storage>);
        let log = moved.config(bench.config.clone()).open().unwrap();
        assert!(log.end_offset() > offset(RECORDS));
        assert_eq!(readable(&log), (0..log.end_offset().get()).collect::<Vec<_>>());
        assert_eq!(log.damage(), []);
    }
}

#[test]
fn a_real_directory_that_goes_under_load_ends_in_errors() {
    for _ in 0..10 {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("t-0");
        let config = LogConfig { segment_bytes: 2000, ..LogConfig::default() };
        let log = Log::builder(&dir).config(config).storage(Arc::new(RealStorage::new())).open().unwrap();
        append(&log, 0);
        log.sync().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while log.append(&[NewRecord::value(&[7; 100])]).is_ok() {});
            }
            scope.spawn(|| {
                for _ in 0..50 {
                    drop(dump_from(&log, Offset::ZERO));
                }
            });
            // Whoever appends may make a file in a directory that is being emptied: again, until it is gone.
            while dir.exists() {
                let _ = std::fs::remove_dir_all(&dir);
            }
        });
        let _ = log.close();
        assert!(!dir.exists());
    }
}

#[test]
fn a_file_system_that_takes_no_writes_is_refused_with_what_to_do() {
    let bench = Bench::small(900);
    filled(&bench, false);
    // So that there is something to be written.
    bench.remove(mark::FILE_NAME);
    let fault = Fault::at(0, ErrorKind::ReadOnlyFilesystem).lasting();
    let read_only = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
    let refused = bench.builder().storage(Arc::new(read_only)).open().unwrap_err();
    assert!(matches!(refused, LogError::Directory { .. }), "{refused}");
    assert!(refused.to_string().contains("mount it for writing"), "{refused}");
    assert_eq!(readable(&bench.open()), (0..RECORDS).collect::<Vec<_>>());
}

#[test]
fn a_file_system_that_takes_no_writes_any_more_poisons_and_is_read() {
    let bench = Bench::small(900);
    filled(&bench, true);
    for at in 0..20 {
        let fault = Fault::at(at, ErrorKind::ReadOnlyFilesystem).lasting();
        let read_only = FaultStorage::new(Arc::clone(&bench.storage) as Arc<dyn Storage>, fault);
        let Ok(log) = bench.builder().storage(Arc::new(read_only.clone())).open() else { continue };
        let end = log.end_offset().get();
        let accepted = (end..end + 40).take_while(|n| {
            let accepted = log.append(&[NewRecord::value(value(*n).as_bytes())]).is_ok();
            accepted & log.sync().is_ok()
        });
        let accepted = end + i64::try_from(accepted.count()).unwrap();
        assert!(read_only.has_failed());
        let found = readable(&log);
        assert!(found.len() >= usize::try_from(accepted).unwrap(), "{at}");
        drop(log);
        assert!(bench.open().end_offset() >= offset(accepted));
    }
}

/// A file system of a test's own; `None` where this process may not mount one.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new() -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(temp.path()).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Self(temp))
    }

    fn run(&self, program: &str, options: &[&str]) {
        let done = Command::new(program).args(options).arg(self.0.path()).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_real_remount_for_reading_and_an_unmount_end_in_errors() {
    let Some(mounted) = Mounted::new() else {
        eprintln!("skipped: this process may not mount a file system");
        return;
    };
    let dir = mounted.0.path().join("t-0");
    let open = || {
        let config = LogConfig { segment_bytes: 900, ..LogConfig::default() };
        Log::builder(&dir).config(config).storage(Arc::new(RealStorage::new())).open()
    };
    let log = open().unwrap();
    fill(&log, 0..20);
    log.close().unwrap();
    drop(log);
    mounted.run("mount", &["-o", "remount,ro"]);
    let refused = open().unwrap_err().to_string();
    assert!(refused.contains("mount it for writing"), "{refused}");
    mounted.run("mount", &["-o", "remount,rw"]);
    let log = open().unwrap();
    assert_eq!(dump(&log), numbered(0..20));
    // Detached while it is open: the log's files are still there for it, its directory is not.
    append(&log, 20);
    mounted.run("umount", &["-l"]);
    let told = (21..200).any(|n| log.append(&[NewRecord::value(value(n).as_bytes())]).is_err());
    assert!(told, "a roll looks for the directory");
    let _ = log.close();
    assert!(!dir.exists());
}

#[test]
fn symbolic_links_are_nobodys_files() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, away) = (temp.path().join("t-0"), temp.path().join("away"));
    std::fs::create_dir(&away).unwrap();
    let config = LogConfig { segment_bytes: 900, ..LogConfig::default() };
    let open =
        || Log::builder(&dir).config(config.clone()).storage(Arc::new(RealStorage::new())).open().unwrap();
    let log = open();
    fill(&log, 0..RECORDS);
    let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
    log.close().unwrap();
    drop(log);
    // A segment in the middle and the index of another lie elsewhere now.
    let (hole, other) = (bases[1]..bases[2], bases[3]);
    let names = [log_name(hole.start), format!("{other:020}.index")];
    for name in &names {
        std::fs::rename(dir.join(name), away.join(name)).unwrap();
        std::os::unix::fs::symlink(away.join(name), dir.join(name)).unwrap();
    }
    let before: Vec<_> = names.iter().map(|name| std::fs::read(away.join(name)).unwrap()).collect();
    let log = open();
    let served = |log: &Log| {
        let found = (0..log.end_offset().get()).filter(|n| {
            let (records, _) = dump_from(log, offset(*n));
            records.first().is_some_and(|first| *first == (*n, value(*n)))
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(served(&log), (0..RECORDS).filter(|n| !hole.contains(n)).collect::<Vec<_>>());
    append(&log, RECORDS);
    log.close().unwrap();
    for (name, before) in names.iter().zip(before) {
        assert_eq!(std::fs::read(away.join(name)).unwrap(), before, "{name}");
    }
    assert!(std::fs::symlink_metadata(dir.join(&names[0])).unwrap().is_symlink());
}

/// A file was opened again by its name alone: appends went to, and reads came from, whatever had got the name meanwhile.
#[test]
fn another_file_that_has_got_the_name_is_not_taken_for_the_one_that_was_closed() {
    for sealed in [true, false] {
        let bench = Bench::small(300);
        let log = bench.open();
        fill(&log, 0..8);
        log.sync().unwrap();
        let bases: Vec<_> = log.segment_offsets().into_iter().map(|(base, _)| base.get()).collect();
        assert!(bases.len() > 2);
        while log.release_idle() > 0 || log.stats().open_files > 0 {}
        let base = if sealed { bases[0] } else { *bases.last().unwrap() };
        let path = Path::new(DIR).join(log_name(base));
        let mut bytes = bench.file(&log_name(base));
        for byte in &mut bytes[100..] {
            *byte = byte.wrapping_add(1);
        }
        bench.storage.rename(&path, &path.with_extension("away")).unwrap();
        let other = bench.storage.open(&path, OpenMode::CreateNew).unwrap();
        other.write_all_at(&[&bytes], 0).unwrap();
        let read = log.read(offset(base), ReadLimits::default()).unwrap_err();
        assert!(matches!(read, LogError::Io { source, .. } if source.kind() == ErrorKind::NotFound));
        if !sealed {
            log.append(&[NewRecord::value(b"x")]).unwrap_err();
            assert_eq!(bench.file(&log_name(base)), bytes);
        }
    }
}

//! A disk that fails: every call of a script once, with every kind of error that matters.

use super::*;
use crate::io::{DirEntry, FileId, Map, OpenMode, Space, StorageFile};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

/// Counts the calls that can change a disk, and fails one of them.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn Storage>,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    calls: AtomicU64,
    fail_at: u64,
    kind: io::ErrorKind,
    /// Whether a failing write leaves half of its bytes.
    torn: bool,
    only_syncs: bool,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn StorageFile>,
    plan: Arc<Plan>,
}

impl Plan {
    fn new(fail_at: u64, kind: io::ErrorKind) -> Self {
        Self { calls: AtomicU64::new(0), fail_at, kind, torn: true, only_syncs: false }
    }

    fn call(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call == self.fail_at && !self.only_syncs { Err(self.kind.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call == self.fail_at { Err(self.kind.into()) } else { Ok(()) }
    }
}

impl Storage for Faulty {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        if matches!(mode, OpenMode::CreateNew | OpenMode::Truncate) {
            self.plan.call()?;
        }
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(FaultyFile { inner, plan: Arc::clone(&self.plan) }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call()?;
        self.inner.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.plan.call()?;
        self.inner.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.plan.sync()?;
        self.inner.sync_dir(dir)
    }
    fn sync_fs(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_fs(dir)
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.inner.space(dir)
    }
    fn lock_dir(&self, dir: &Path) -> io::Result<std::result::Result<Box<dyn DirLock>, String>> {
        self.inner.lock_dir(dir)
    }
}

impl StorageFile for FaultyFile {
    fn id(&self) -> io::Result<FileId> {
        self.inner.id()
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.plan.call()?;
        self.inner.set_len(len)
    }
    fn read_exact_at(&self, buf: &mut [u8], pos: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, pos)
    }
    fn write_all_at(&self, parts: &[&[u8]], pos: u64) -> io::Result<()> {
        if let Err(error) = self.plan.call() {
            if self.plan.torn {
                let all = parts.concat();
                self.inner.write_all_at(&[&all[..all.len() / 2]], pos)?;
            }
            return Err(error);
        }
        self.inner.write_all_at(parts, pos)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.plan.sync()?;
        self.inner.sync_data()
    }
    fn start_write_back(&self, pos: u64, len: u64) -> io::Result<()> {
        self.inner.start_write_back(pos, len)
    }
    fn reserve(&self, pos: u64, len: u64) -> io::Result<()> {
        self.plan.call()?;
        self.inner.reserve(pos, len)
    }
    fn set_modified(&self, time: Timestamp) -> io::Result<()> {
        self.plan.call()?;
        self.inner.set_modified(time)
    }
    fn modified(&self) -> io::Result<Timestamp> {
        self.inner.modified()
    }
    fn map(&self, len: u64) -> io::Result<Option<Arc<dyn Map>>> {
        self.inner.map(len)
    }
    fn send_to(&self, socket: BorrowedFd<'_>, pos: u64, len: usize) -> io::Result<usize> {
        self.inner.send_to(socket, pos, len)
    }
}

fn open_on(bench: &Bench, plan: &Arc<Plan>) -> Result<Arc<Log>> {
    let inner = Arc::clone(&bench.storage) as Arc<dyn Storage>;
    bench.builder().storage(Arc::new(Faulty { inner, plan: Arc::clone(plan) })).open()
}

/// Appends, rolls, syncs, moves the start, deletes segments, closes, opens again. Answers what was accepted.
fn script(bench: &Bench, plan: &Arc<Plan>) -> Vec<(i64, String)> {
    let mut accepted: Vec<(i64, String)> = Vec::new();
    let mut number = 0;
    for round in 0..2 {
        let Ok(log) = open_on(bench, plan) else { continue };
        for step in 0..10 {
            let text = value(number);
            let record = [NewRecord::value(text.as_bytes())];
            let appended = if step % 3 == 0 { log.append_synced(&record) } else { log.append(&record) };
            if let Ok(appended) = appended {
                accepted.push((appended.base_offset.get(), text));
            }
            number += 1;
            bench.advance(400);
            let _ = log.sync_if_due();
        }
        let _ = log.delete_records_before(offset(4 + 4 * round));
        let _ = log.apply_retention(bench.clock.now());
        bench.advance(60_000);
        let _ = log.remove_deleted();
        let _ = log.close();
    }
    accepted
}

fn check(bench: &Bench, accepted: &[(i64, String)], what: &str) {
    let log = bench.builder().open().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(log.damage(), [], "{what}");
    let start = log.start_offset().get();
    let (records, error) = dump_from(&log, log.start_offset());
    assert!(error.is_none(), "{what}: {error:?}");
    let offsets: Vec<_> = records.iter().map(|(at, _)| *at).collect();
    assert_eq!(offsets, (start..log.end_offset().get()).collect::<Vec<_>>(), "{what}");
    for (at, text) in accepted.iter().filter(|(at, _)| *at >= start) {
        let index = usize::try_from(at - start).unwrap();
        assert_eq!(records.get(index), Some(&(*at, text.clone())), "{what}");
    }
    append(&log, 0);
}

fn fail_every_call(kind: io::ErrorKind, torn: bool) {
    let bench = || {
        let mut bench = Bench::small(300);
        bench.config.file_delete_delay_ms = 1000;
        bench
    };
    let whole = Arc::new(Plan::new(u64::MAX, kind));
    let accepted = script(&bench(), &whole);
    assert_eq!(accepted.len(), 20);
    let calls = whole.calls.load(Ordering::SeqCst);
    assert!(calls > 100, "{calls} calls");
    for fail_at in 0..calls {
        let bench = bench();
        let plan = Arc::new(Plan { torn, ..Plan::new(fail_at, kind) });
        let accepted = script(&bench, &plan);
        check(&bench, &accepted, &format!("{kind:?} at call {fail_at}"));
    }
}

#[test]
fn a_full_disk_at_any_call_loses_nothing_that_was_accepted() {
    fail_every_call(io::ErrorKind::StorageFull, true);
}

#[test]
fn a_failing_disk_at_any_call_loses_nothing_that_was_accepted() {
    fail_every_call(io::ErrorKind::Other, true);
    fail_every_call(io::ErrorKind::Other, false);
}

#[test]
fn a_cut_that_fails_anywhere_is_done_or_undone_by_the_next_start() {
    for fail_at in 0.. {
        let bench = Bench::small(300);
        let log = bench.open();
        fill(&log, 0..12);
        log.close().unwrap();
        drop(log);
        let plan = Arc::new(Plan::new(fail_at, io::ErrorKind::Other));
        let mut failed = true;
        if let Ok(log) = open_on(&bench, &plan) {
            failed = log.truncate(offset(5)).is_err();
            assert_eq!(
                (log.is_poisoned(), log.end_offset() == offset(5)),
                (failed, !failed),
                "call {fail_at}"
            );
            if failed {
                let refused = log.append(&[NewRecord::value(b"x")]);
                assert!(matches!(refused, Err(LogError::Poisoned { .. })), "call {fail_at}");
            }
        }
        let log = bench.open();
        let end = log.end_offset().get();
        assert!((5..=12).contains(&end), "call {fail_at}: {end}");
        assert_eq!((dump(&log), log.damage()), (numbered(0..end), vec![]), "call {fail_at}");
        drop(log);
        if !failed {
            assert!(fail_at > 5, "{fail_at}");
            return;
        }
    }
}

#[test]
fn the_first_failed_sync_poisons_and_nobody_is_told_that_it_worked() {
    let bench = Bench::new();
    let plan = Arc::new(Plan { only_syncs: true, ..Plan::new(u64::MAX, io::ErrorKind::Other) });
    let log = open_on(&bench, &plan).unwrap();
    append(&log, 0);
    log.sync().unwrap();
    append(&log, 1);
    let calls = plan.calls.load(Ordering::SeqCst);
    drop(log);
    let plan = Arc::new(Plan { only_syncs: true, ..Plan::new(calls, io::ErrorKind::Other) });
    let bench = Bench::new();
    let log = open_on(&bench, &plan).unwrap();
    append(&log, 0);
    log.sync().unwrap();
    append(&log, 1);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| log.sync())).collect();
        assert!(waiting.into_iter().all(|caller| caller.join().unwrap().is_err()));
    });
    assert!(log.is_poisoned());
    assert!(matches!(log.sync(), Err(LogError::Poisoned { .. })));
    assert!(matches!(log.append(&[NewRecord::value(b"x")]), Err(LogError::Poisoned { .. })));
    assert_eq!(log.synced_end(), offset(1));
    assert_eq!(dump(&log), numbered(0..2));
}

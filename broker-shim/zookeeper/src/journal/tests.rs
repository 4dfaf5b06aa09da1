//! The state on a disk that fails, loses its power, or is somebody else's.

use super::{Journal, JournalError, Keeping};
use crate::machine::tests::Rig;
use crate::machine::tests::bodies::{create, create_with, multi, path_int, set, set_to};
use crate::state::State;
use log_engine::io::{Clock, CrashStorage, Fault, FaultStorage, ManualClock, OpenMode, Storage, Survivors};
use log_engine::{LogError, Timestamp};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DIR: &str = "/data/zk";

fn keeping(snapshot_every: u64) -> Keeping {
    Keeping { snapshot_every, max_request: 64 << 10, threads: false }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000).unwrap()))
}

fn disk() -> CrashStorage {
    let disk = CrashStorage::new(clock());
    // Stores through windows are calls of their own that the power can be cut at; two runs in one would be slow.
    disk.allow_windows(false);
    disk
}

fn open(storage: Arc<dyn Storage>, every: u64) -> Result<(Journal, State), JournalError> {
    Journal::open(Path::new(DIR), Some(storage), &clock(), keeping(every))
}

/// What a client does in one go, and how far it came.
#[derive(Default)]
struct Run {
    /// The state after each zxid, from 0 on.
    states: Vec<State>,
    /// The last zxid that somebody was told of.
    acknowledged: i64,
}

impl Run {
    /// Does some of everything on a machine with this journal, until a commit fails; some steps are committed together.
    fn work(&mut self, journal: &mut Journal, state: State, rounds: i32) -> Result<(), LogError> {
        let mut rig = Rig::on(state);
        self.note(&rig);
        let (a, mut b) = (rig.client(), rig.client());
        self.commit(&mut rig, journal)?;
        for n in 0..rounds {
            let node = format!("/n{n}");
            rig.ask(a, 1, create_with(&node, &vec![7; 40 * usize::try_from(n % 7).unwrap_or(0)], 0));
            self.note(&rig);
            self.commit(&mut rig, journal)?;
            for (kind, body) in [
                (1, create(&format!("{node}/s-"), 2)),
                (1, create(&format!("{node}/e"), 1)),
                (5, set_to(&node, b"other", 0)),
                (5, set(&node, 9)),
                (14, multi(vec![(1, create(&format!("{node}/m"), 0)), (5, set("/n0", -1))])),
                (14, multi(vec![(1, create(&format!("{node}/x"), 0)), (13, path_int("/n0", 77))])),
                (2, path_int(&format!("{node}/s-0000000000"), -1)),
            ] {
                rig.ask(if kind == 1 { b } else { a }, kind, body);
                self.note(&rig);
            }
            self.commit(&mut rig, journal)?;
            if n % 3 == 2 {
                rig.ask(b, -11, crate::wire::jute::Writer::new());
                self.note(&rig);
                b = rig.client();
                self.note(&rig);
                self.commit(&mut rig, journal)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, rig: &Rig) {
        let state = rig.machine.state();
        let at = usize::try_from(state.zxid).unwrap();
        // Two sessions may begin between two looks; the first of them is looked at when it is compared.
        while self.states.len() < at {
            self.states.push(state.clone());
        }
        self.states.truncate(at);
        self.states.push(state.clone());
    }

    fn commit(&mut self, rig: &mut Rig, journal: &mut Journal) -> Result<(), LogError> {
        self.note(rig);
        journal.commit(&rig.machine.take_records())?;
        self.acknowledged = rig.machine.state().zxid;
        Ok(())
    }

    /// Nothing acknowledged is missing, nothing is there that nobody asked for.
    fn check(&self, found: &State, what: &str) {
        assert!(found.zxid >= self.acknowledged, "{what}: {} of {} are left", found.zxid, self.acknowledged);
        let expected = &self.states[usize::try_from(found.zxid).unwrap()];
        if expected.zxid == found.zxid {
            assert!(found == expected, "{what}: not the state at zxid {}", found.zxid);
        }
    }
}

fn cuts(n: u64) -> [Survivors; 4] {
    [Survivors::Nothing, Survivors::Everything, Survivors::Some(n), Survivors::Some(n.wrapping_mul(77) + 1)]
}

/// The process is killed, or the power is cut, at every call that changes the disk: at the start, while transactions and
/// snapshots are written, while old segments go.
#[test]
fn whatever_call_the_power_is_cut_at_nothing_acknowledged_is_lost() {
    let all = {
        let storage = Arc::new(FaultStorage::new(Arc::new(disk()), Fault::never()));
        let (mut journal, state) = open(storage.clone(), 10).unwrap();
        Run::default().work(&mut journal, state, 9).unwrap();
        journal.close().unwrap();
        storage.calls()
    };
    assert!(all > 100, "{all}");
    for n in 0..=all {
        let disk = disk();
        let fault = Fault::at(n, ErrorKind::Other).lasting().short_writes();
        let storage = Arc::new(FaultStorage::new(Arc::new(disk.clone()), fault));
        let mut run = Run::default();
        if let Ok((mut journal, state)) = open(storage, 10)
            && run.work(&mut journal, state, 9).is_ok()
        {
            let _ = journal.close();
        }
        for survivors in cuts(n) {
            let left = Arc::new(disk.power_cut(survivors));
            let what = format!("call {n}, {survivors:?}");
            let (mut journal, found) = open(left, 10).unwrap_or_else(|error| panic!("{what}: {error}"));
            if run.states.is_empty() {
                assert_eq!(found, State::new(), "{what}");
                continue;
            }
            run.check(&found, &what);
            // It goes on from there.
            let mut more = Run { states: run.states.clone(), acknowledged: found.zxid };
            more.work(&mut journal, found, 1).unwrap();
        }
    }
}

/// The power is cut again while the state is read back.
#[test]
fn a_second_cut_at_the_start_loses_nothing_either() {
    let disk = disk();
    let mut run = Run::default();
    {
        let (mut journal, state) = open(Arc::new(disk.clone()), 12).unwrap();
        run.work(&mut journal, state, 6).unwrap();
    }
    for seed in 0..12 {
        let first = disk.power_cut(Survivors::Some(seed));
        for n in 0..40 {
            let second = first.power_cut(Survivors::Everything);
            let fault = Fault::at(n, ErrorKind::Other).lasting().short_writes();
            let _ = open(Arc::new(FaultStorage::new(Arc::new(second.clone()), fault)), 12);
            for survivors in cuts(seed + n) {
                let what = format!("seed {seed}, call {n}, {survivors:?}");
                let (_, found) = open(Arc::new(second.power_cut(survivors)), 12)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                run.check(&found, &what);
            }
        }
    }
}

/// A start reads what came after the last snapshot but one at most, however long the server has run.
#[test]
fn snapshots_bound_what_a_start_reads_and_what_the_disk_keeps() {
    let storage = Arc::new(disk());
    let mut before = State::new();
    for _ in 0..4 {
        let (mut journal, state) = open(storage.clone(), 50).unwrap();
        assert_eq!(state, before);
        let mut run = Run::default();
        run.states.resize(usize::try_from(state.zxid).unwrap(), State::new());
        run.work(&mut journal, state, 20).unwrap();
        before = run.states.last().unwrap().clone();
        let (start, end) = (journal.logs.txns.start_offset().get(), journal.logs.txns.end_offset().get());
        assert!(end - start < 2 * 50 + 20, "{start} to {end}");
        assert!(start > 0);
        journal.close().unwrap();
    }
    let (journal, state) = open(storage, 50).unwrap();
    assert!(state == before);
    assert!(journal.records < 70, "{} transactions were read", journal.records);
}

/// The newest snapshot cannot be read: the one before it and the transactions behind that do too.
#[test]
fn a_damaged_snapshot_is_passed_over() {
    let disk = disk();
    let mut run = Run::default();
    let newest = |journal: &Journal| super::snapshot::newest(&journal.logs.snapshots).unwrap().unwrap().next;
    let (before, path, len) = {
        let (mut journal, state) = open(Arc::new(disk.clone()), 30).unwrap();
        run.work(&mut journal, state, 12).unwrap();
        (newest(&journal), journal.logs.snapshots.dir(), journal.logs.snapshots.size_bytes())
    };
    let mut files: Vec<_> = disk.list(&path).unwrap().into_iter().map(|entry| entry.name).collect();
    files.retain(|name| name.ends_with(".log"));
    let file = disk.open(&path.join(files.iter().max().unwrap()), OpenMode::ReadWrite).unwrap();
    // Somewhere in the last part: before the end mark, which has 17 bytes and a header.
    file.write_all_at(&[&[0xaa; 16]], len - 200).unwrap();
    file.sync_data().unwrap();
    let (journal, found) = open(Arc::new(disk.power_cut(Survivors::Everything)), 30).unwrap();
    assert!(newest(&journal) < before);
    assert_eq!(found.zxid, run.acknowledged);
    run.check(&found, "damaged snapshot");
}

#[test]
fn a_transaction_that_is_missing_is_not_guessed() {
    let disk = disk();
    let dir = {
        let (mut journal, state) = open(Arc::new(disk.clone()), 1000).unwrap();
        Run::default().work(&mut journal, state, 5).unwrap();
        journal.logs.txns.delete_records_before(log_engine::Offset::new(4).unwrap()).unwrap();
        journal.logs.txns.dir()
    };
    let error = open(Arc::new(disk.power_cut(Survivors::Everything)), 1000).err().unwrap().to_string();
    assert!(error.starts_with(&format!("{}: the transactions 4 to", dir.display())), "{error}");
    assert!(error.ends_with("remove it to begin with an empty tree"), "{error}");
}

#[test]
fn the_data_of_a_real_zookeeper_is_left_alone() {
    let disk = disk();
    disk.create_dir_all(Path::new("/data/zk/version-2")).unwrap();
    drop(open(Arc::new(disk.clone()), 10).unwrap());
    disk.open(Path::new("/data/zk/version-2/snapshot.0"), OpenMode::CreateNew).unwrap();
    let error = open(Arc::new(disk), 10).err().unwrap();
    assert!(matches!(error, JournalError::Foreign(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "/data/zk/version-2 holds the data of a ZooKeeper server, which Corrente neither reads nor overwrites; set dataDir \
         to another directory, or move /data/zk/version-2 away"
    );
}

#[test]
fn a_second_server_on_the_same_directory_is_told_who_has_it() {
    let disk = disk();
    let first = open(Arc::new(disk.clone()), 10).unwrap();
    let error = open(Arc::new(disk.clone()), 10).err().unwrap();
    assert!(matches!(error, JournalError::Log(LogError::Locked { .. })), "{error}");
    drop(first);
    open(Arc::new(disk), 10).unwrap();
}

/// Sessions, their passwords and their nodes are there after a restart, and have their whole timeout from then on.
#[test]
fn sessions_outlive_the_process() {
    let disk = disk();
    let before = {
        let (mut journal, state) = open(Arc::new(disk.clone()), 10).unwrap();
        let mut rig = Rig::on(state);
        let a = rig.client();
        rig.ask(a, 1, create("/e", 1));
        journal.commit(&rig.machine.take_records()).unwrap();
        rig.machine.state().clone()
    };
    let (_, state) = open(Arc::new(disk.power_cut(Survivors::Nothing)), 10).unwrap();
    assert_eq!(state, before);
    let mut rig = Rig::on(state);
    rig.advance(Duration::from_millis(9_999));
    assert!(rig.machine.state().tree.get("/e").is_some());
    rig.advance(Duration::from_millis(1));
    assert!(rig.machine.state().tree.get("/e").is_none());
}

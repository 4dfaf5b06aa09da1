//! A sync that fails as disks do, and then a new start of the process: the system still shows what the disk lacks.

use super::*;
use crate::io::{CrashStorage, RealStorage, Survivors};
use crate::log::doubt;

struct Machine {
    disk: CrashStorage,
    clock: Arc<ManualClock>,
}

impl Machine {
    fn new(windows: bool) -> Self {
        let clock = Arc::new(ManualClock::at(time(NOW)));
        let disk = CrashStorage::new(Arc::clone(&clock) as Arc<dyn Clock>);
        disk.allow_windows(windows);
        Self { disk, clock }
    }

    fn open_on(&self, disk: &CrashStorage) -> Arc<Log> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let config = LogConfig { segment_bytes: 2_000, ..LogConfig::default() };
        Log::builder(DIR).config(config).storage(Arc::new(disk.clone())).clock(clock).open().unwrap()
    }

    fn is_noted(&self) -> bool {
        self.disk.exists(&Path::new(DIR).join(doubt::FILE_NAME)).unwrap()
    }

    /// 30 records that are synced, and 30 whose sync fails and loses them, or a part.
    fn poisoned(&self, marked: bool) -> Arc<Log> {
        let log = self.open_on(&self.disk);
        fill(&log, 0..30);
        log.sync().unwrap();
        if marked {
            self.clock.advance(Duration::from_secs(2));
            log.sync_if_due().unwrap();
        }
        fill(&log, 30..60);
        assert!(!self.is_noted());
        self.disk.fail_sync(self.disk.syncs());
        assert!(log.sync().is_err());
        assert!(self.is_noted());
        log
    }
}

#[test]
fn what_a_failed_sync_lost_is_not_served_by_the_next_process() {
    for (windows, marked, how) in [(false, false, 0), (false, true, 1), (true, true, 0), (true, false, 2)] {
        let machine = Machine::new(windows);
        let log = machine.poisoned(marked);
        // Killed; closed; closed and still held by somebody.
        if how > 0 {
            let _ = log.close();
        }
        let held = (how == 2).then(|| Arc::clone(&log));
        drop(log);
        let log = machine.open_on(&machine.disk);
        assert!(!machine.is_noted(), "all is settled");
        let end = log.end_offset().get();
        assert!((30..60).contains(&end), "ends at {end}");
        assert_eq!(log.damage(), []);
        let served = dump(&log);
        assert_eq!(served, numbered(0..end));
        fill(&log, end..end + 3);
        log.sync().unwrap();
        drop((log, held));
        let after = machine.open_on(&machine.disk.power_cut(Survivors::Nothing));
        assert_eq!(dump(&after), numbered(0..end + 3), "windows {windows}, marked {marked}, {how}");
    }
}

/// Recovery syncs what it keeps: if that fails, what it read is as doubtful.
#[test]
fn a_sync_that_fails_while_a_log_is_opened_is_noted_too() {
    let machine = Machine::new(false);
    let log = machine.open_on(&machine.disk);
    fill(&log, 0..10);
    log.sync().unwrap();
    fill(&log, 10..20);
    drop(log);
    machine.disk.fail_sync(machine.disk.syncs());
    let clock = Arc::clone(&machine.clock) as Arc<dyn Clock>;
    let failed = Log::builder(DIR).storage(Arc::new(machine.disk.clone())).clock(clock).open();
    assert!(failed.is_err() && machine.is_noted());
    let log = machine.open_on(&machine.disk);
    let end = log.end_offset().get();
    assert_eq!(dump(&log), numbered(0..end));
    drop(log);
    let after = machine.open_on(&machine.disk.power_cut(Survivors::Nothing));
    assert_eq!((end, dump(&after)), (10, numbered(0..10)));
}

/// A note without a reason costs reads and nothing else; on a real disk what is dirty is written before it is forgotten.
#[test]
fn a_note_loses_nothing_that_the_disk_takes() {
    let temp = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RealStorage::new());
    let open = || Log::builder(temp.path().join("log")).storage(Arc::clone(&storage)).open().unwrap();
    let log = open();
    fill(&log, 0..200);
    let note = log.dir().join(doubt::FILE_NAME);
    drop(log);
    doubt::note(
        &*storage,
        note.parent().unwrap(),
        &LogError::io("sync", &note)(std::io::ErrorKind::Other.into()),
    );
    assert!(note.exists());
    let log = open();
    assert!(!note.exists());
    assert_eq!(dump(&log), numbered(0..200));
    // What is no failed sync is not noted.
    for failure in [LogError::io("write", &note)(std::io::ErrorKind::Other.into()), LogError::Closed] {
        doubt::note(&*storage, &log.dir(), &failure);
    }
    assert!(!note.exists());
}

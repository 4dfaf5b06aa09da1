//! Other processes at the directory of a log: one that holds the lock as Kafka does, one that inherited from us, one that
//! copies the files under load, and a writer that stands still for a while.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use log_engine::{Log, LogConfig, LogError, LogName, LogReader, LogStore, NewRecord, Offset};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const DIR: &str = "OTHER_PROCESSES_DIR";

fn config() -> LogConfig {
    LogConfig { segment_bytes: 32 * 1024, ..LogConfig::default() }
}

fn record(offset: i64) -> Vec<u8> {
    format!("record {offset} {}", "x".repeat(usize::try_from(offset % 90).unwrap())).into_bytes()
}

fn append(log: &Log) {
    let end = log.end_offset().get();
    log.append(&[NewRecord::value(&record(end))]).unwrap();
}

/// Ends the process with the test, however it ends.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes the lock as `java.nio.channels.FileLock` does: a POSIX record lock over the whole file. Says what came of it, and
/// holds it until it is ended.
const AS_JAVA: &str = "
import fcntl, sys, time
file = open(sys.argv[1], 'a+b')
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print('held', flush=True)
except OSError:
    print('refused', flush=True)
time.sleep(600)
";

/// What the other process answered; `None` where there is no python3.
fn lock_as_java(dir: &Path) -> Option<(Other, String)> {
    let mut command = Command::new("python3");
    command.args(["-c", AS_JAVA]).arg(dir.join(".lock")).stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "there is no python3 to hold a POSIX lock");
        eprintln!("SKIPPED: there is no python3 to hold a POSIX lock");
        return None;
    };
    let mut other = Other(child);
    let mut answer = String::new();
    BufReader::new(other.0.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    Some((other, answer.trim().to_owned()))
}

#[test]
fn a_process_that_locks_as_java_does_shuts_us_out_and_we_it() {
    let temp = tempfile::tempdir().unwrap();
    let Some((other, answer)) = lock_as_java(temp.path()) else { return };
    assert_eq!(answer, "held");
    let error = Log::open(temp.path(), config()).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    assert!(error.to_string().ends_with(&format!("in use by process {}", other.0.id())), "{error}");
    assert!(!temp.path().join("00000000000000000000.log").exists(), "nothing was written");
    drop(other);
    let log = Log::open(temp.path(), config()).unwrap();
    let (_other, answer) = lock_as_java(temp.path()).unwrap();
    assert_eq!(answer, "refused");
    append(&log);
}

#[test]
fn a_process_that_locks_a_data_directory_as_java_does_keeps_us_out_of_its_logs_and_we_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().canonicalize().unwrap();
    let Some((other, answer)) = lock_as_java(&dir) else { return };
    assert_eq!(answer, "held");
    let error = Log::open(dir.join("t-0"), config()).unwrap_err();
    assert!(matches!(&error, LogError::Locked { dir: locked, .. } if *locked == dir), "{error}");
    assert!(error.to_string().ends_with(&format!("in use by process {}", other.0.id())), "{error}");
    assert!(!dir.join("t-0").exists(), "nothing was made");
    drop(other);
    let log = Log::open(dir.join("t-0"), config()).unwrap();
    let (other, answer) = lock_as_java(&dir).unwrap();
    assert_eq!(answer, "refused", "while one of its logs is open");
    drop(other);
    log.close().unwrap();
    let (_other, answer) = lock_as_java(&dir).unwrap();
    assert_eq!(answer, "held");
}

#[test]
fn a_child_process_inherits_no_lock() {
    let temp = tempfile::tempdir().unwrap();
    let log = Log::open(temp.path(), config()).unwrap();
    append(&log);
    // Started while the log is open, and still there when it is not.
    let child = Other(Command::new("sleep").arg("600").spawn().unwrap());
    assert!(matches!(Log::open(temp.path(), config()), Err(LogError::Locked { .. })));
    log.close().unwrap();
    drop(log);
    let log = Log::open(temp.path(), config()).unwrap();
    assert_eq!(log.end_offset().get(), 1);
    drop(child);
}

/// Every offset of the copy below `must` is what was written; behind it, what is served is.
fn check_copy(copy: &Path, must: i64, round: usize) {
    let log = Log::open(copy, config()).unwrap_or_else(|error| panic!("round {round}: {error}"));
    let end = log.end_offset().get();
    assert!(end >= must, "round {round}: ends at {end}, {must} were synced before the copy began");
    for at in 0..end {
        let offset = Offset::new(at).unwrap();
        match log.get(offset) {
            Ok(Some(batch)) => {
                let records = batch.records().unwrap();
                let found = records.get(offset).unwrap().unwrap();
                assert_eq!(found.value, Some(&record(at)[..]), "round {round}, offset {at}");
            }
            // Two segments were copied at two moments: what lay between them is a hole that is named.
            Err(LogError::Corrupt { .. }) if at >= must => {}
            other => panic!("round {round}, offset {at} of {must} that must be there: {other:?}"),
        }
    }
    append(&log);
    log.close().unwrap();
}

/// Copies the directory of a log that is written; what was synced before, which the copy must hold. `cp` fails when a name
/// that it has listed is gone, as a file's temporary one is when it gets its own: such a copy is made again.
fn copy_whole(log: &Log, dir: &Path, copy: &Path) -> i64 {
    for _ in 0..20 {
        let must = log.synced_end().get();
        if Command::new("cp").arg("-r").arg(dir).arg(copy).status().unwrap().success() {
            return must;
        }
        fs::remove_dir_all(copy).unwrap();
    }
    panic!("cp fails each time");
}

#[test]
fn a_copy_that_was_made_under_load_is_as_after_a_power_cut() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let log = Log::open(&dir, config()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                append(&log);
                if log.end_offset().get() % 64 == 0 {
                    log.sync().unwrap();
                    // A few thousand records are enough.
                    std::thread::sleep(Duration::from_millis(4));
                }
            }
        });
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..20 {
                let copy = temp.path().join(format!("copy-{round}"));
                let must = copy_whole(&log, &dir, &copy);
                check_copy(&copy, must, round);
                fs::remove_dir_all(&copy).unwrap();
            }
        }));
        stop.store(true, Ordering::Relaxed);
        rounds.unwrap();
    });
}

/// The other process: appends until somebody ends it. As a test of its own it does nothing.
#[test]
fn the_writer() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let log = Log::open(dir, config()).unwrap();
    loop {
        append(&log);
        if log.end_offset().get() % 32 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Runs [`the_writer`] in a process of its own.
fn start_writer(dir: &Path) -> Other {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_writer", "--nocapture", "--test-threads=1"]).env(DIR, dir);
    Other(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Two writers of one log gave the same offsets, and each destroyed what the other had been told was there.
#[test]
fn a_log_of_a_store_that_another_process_has_open_is_not_written() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, name) = (temp.path().join("data"), LogName::new("t", 0).unwrap());
    let store = LogStore::builder([&dir]).open().unwrap();
    let log = store.create(&name, &config()).unwrap();
    append(&log);
    let mut refused = start_writer(&dir.join("t-0"));
    assert!(!refused.0.wait().unwrap().success(), "the log is the store's");
    assert_eq!(log.end_offset().get(), 1);
    append(&log);
    store.close().unwrap();
    drop((log, store));

    let writer = start_writer(&dir.join("t-0"));
    let deadline = Instant::now() + Duration::from_secs(120);
    wait_until(deadline, || {
        LogReader::open(dir.join("t-0"), &config()).is_ok_and(|log| log.end_offset().get() > 2)
    });
    let error = LogStore::builder([&dir]).open().unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    drop(writer);
    let store = LogStore::builder([&dir]).open().unwrap();
    assert!(store.get(&name).unwrap().end_offset().get() > 2);
}

fn signal(other: &Other, name: &str) {
    let sent = Command::new("kill").args([name, &other.0.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn is_stopped(other: &Other) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", other.0.id())).unwrap();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

fn wait_until(deadline: Instant, mut done: impl FnMut() -> bool) {
    while !done() {
        assert!(Instant::now() < deadline, "two minutes were not enough");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_writer_that_stands_still_is_read_to_its_end_and_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let writer = start_writer(&dir);
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut opened = None;
    wait_until(deadline, || {
        opened = LogReader::open(&dir, &config()).ok();
        opened.is_some()
    });
    let reader = opened.unwrap();
    let mut read = 0;
    for round in 0..10 {
        wait_until(deadline, || {
            reader.refresh().unwrap();
            reader.end_offset().get() > read
        });
        signal(&writer, "-STOP");
        wait_until(deadline, || is_stopped(&writer));
        reader.refresh().unwrap();
        let end = reader.end_offset();
        for batch in reader.records(Offset::new(read).unwrap()) {
            let batch = batch.unwrap_or_else(|error| panic!("round {round}: {error}"));
            for found in &batch.records().unwrap() {
                let found = found.unwrap();
                assert_eq!(found.value, Some(&record(found.offset.get())[..]), "round {round}");
            }
            read = batch.next_offset().get();
        }
        assert_eq!(read, end.get(), "round {round}: all of it, while the writer stands still");
        reader.refresh().unwrap();
        assert_eq!(reader.end_offset(), end, "round {round}: nothing comes from a process that stands still");
        // It is not dead: nobody takes its log from it.
        assert!(matches!(Log::open(&dir, config()), Err(LogError::Locked { .. })), "round {round}");
        signal(&writer, "-CONT");
    }
}

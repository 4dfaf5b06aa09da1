//! What was appended and synced, and what may be found of it.

use crate::shapes::{self, Shape};
use log_engine::format::batch::{BatchView, HEADER_LEN, TimestampType};
use log_engine::io::{Clock, ManualClock, Storage};
use log_engine::{Log, LogConfig, LogError, LogName, LogStore, Offset};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Once};

pub const DIR: &str = "/data";
pub const LOG_DIR: &str = "/data/t-0";
pub const CLEAN: &str = "/data/.kafka_cleanshutdown";
pub const NOW: i64 = 1_700_000_000_000;

pub fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

pub fn name() -> LogName {
    LogName::new("t", 0).unwrap()
}

/// Opens the store on one thread: switches and accounts are the thread's own.
pub fn open_store(
    storage: &Arc<dyn Storage>,
    clock: &Arc<ManualClock>,
    config: &LogConfig,
) -> Result<Arc<LogStore>, LogError> {
    LogStore::builder([DIR])
        .storage(Arc::clone(storage))
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .config(config.clone())
        .threads(1)
        .open()
}

/// One appended batch.
#[derive(Clone, Debug)]
pub struct Entry {
    pub next: i64,
    pub shape: Shape,
    /// As the client sent it.
    pub sent: Arc<Vec<u8>>,
}

impl Entry {
    /// Whether stored bytes are this batch at an offset: all but what the log itself puts into the header.
    pub fn is(&self, base: i64, stored: &[u8]) -> bool {
        let Ok(view) = BatchView::parse(stored) else { return false };
        if stored.len() != self.sent.len() || view.base_offset().get() != base || view.check_crc().is_err() {
            return false;
        }
        let own_time = view.attributes().timestamp_type() == TimestampType::LogAppendTime;
        let from = if own_time { HEADER_LEN } else { 16 };
        stored[from..] == self.sent[from..]
    }
}

/// In what state the disk was left.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// Everything that was written is there.
    pub killed: bool,
    /// The marker of a clean stop is there.
    pub marked_clean: bool,
}

/// What may be found after a crash.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub accepted: BTreeMap<i64, Entry>,
    /// Refused with an error that leaves open whether they are there.
    pub tried: BTreeMap<i64, Vec<Entry>>,
    pub synced_end: i64,
    /// What a kill of the process leaves, whatever failed before.
    pub kept_end: i64,
    pub start_min: i64,
    pub start_max: i64,
    /// Checks that were made.
    pub checks: u64,
}

impl Model {
    pub fn end(&self) -> i64 {
        self.accepted.values().next_back().map_or(0, |entry| entry.next)
    }

    /// The sequence number that a producer goes on with, by what is there.
    pub fn next_sequence(&self, transactional: bool) -> i32 {
        let of = |entry: &Entry| match entry.shape {
            Shape::Idempotent(sequence) if !transactional => Some(sequence + 2),
            Shape::Transactional(sequence) if transactional => Some(sequence + 2),
            _ => None,
        };
        self.accepted.values().rev().find_map(of).unwrap_or(0)
    }

    /// Holds a log that was opened after a crash against this, and takes on what is there.
    ///
    /// # Panics
    ///
    /// With what differs.
    pub fn check(&mut self, log: &Log, state: State, what: &dyn Fn() -> String) {
        assert_eq!(log.damage(), [], "{}", what());
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        let possible = self.start_min..=self.start_max;
        assert!(possible.contains(&start), "{}: start {start}, {possible:?} are possible", what());
        assert!(end >= self.synced_end, "{}: end {end}, synced to {}", what(), self.synced_end);
        if state.marked_clean {
            assert!(end >= self.kept_end, "{}: marked clean, ends at {end} of {}", what(), self.kept_end);
        }
        if state.killed {
            assert!(end >= self.kept_end, "{}: killed, ends at {end} of {}", what(), self.kept_end);
        }
        let mut found = BTreeMap::new();
        let mut expected = None;
        for batch in log.records(log.start_offset()) {
            let batch = batch.unwrap_or_else(|error| panic!("{}: {error}", what()));
            let (base, next) = (batch.view().base_offset().get(), batch.view().next_offset().get());
            assert!(expected.map_or(base <= start, |at| base == at), "{}: {base} after {expected:?}", what());
            expected = Some(next);
            let entry = self.recognise(base, batch.bytes(), what);
            found.insert(base, Entry { next, ..entry });
        }
        assert!(expected.map_or(start == end, |at| at == end), "{}: read to {expected:?}", what());
        check_transactions(log, &found, what);
        check_producer(log, &found, what);
        *self = Self {
            accepted: found,
            synced_end: end,
            kept_end: end,
            start_min: start,
            start_max: start,
            checks: self.checks + 1,
            ..Self::default()
        };
    }

    fn recognise(&self, base: i64, stored: &[u8], what: &dyn Fn() -> String) -> Entry {
        let candidates =
            self.accepted.get(&base).into_iter().chain(self.tried.get(&base).into_iter().flatten());
        let known = candidates.into_iter().find(|entry| entry.is(base, stored));
        known.cloned().unwrap_or_else(|| panic!("{}: nobody wrote what is served at {base}", what()))
    }
}

/// Readers of committed records never see what was aborted, or may be.
fn check_transactions(log: &Log, found: &BTreeMap<i64, Entry>, what: &dyn Fn() -> String) {
    let (start, end) = (log.start_offset(), log.end_offset());
    let aborted = log.aborted_transactions(start, end).unwrap();
    let mut later = None;
    for (base, entry) in found.iter().rev() {
        match entry.shape {
            Shape::Marker { commit } => later = Some(commit),
            Shape::Transactional(_) => {
                let listed = aborted.iter().any(|t| (t.first.get()..=t.last.get()).contains(base));
                let open = log.last_stable_offset().get() <= *base;
                let expected = (later == Some(false), later.is_none());
                // What lies below the log start is nobody's any more.
                let below = *base < start.get();
                assert!(
                    below || (listed, open) == expected,
                    "{}: the transaction at {base}: listed, open {:?}, expected {expected:?}; {aborted:?}",
                    what(),
                    (listed, open)
                );
            }
            _ => {}
        }
    }
}

/// A client that repeats its last batch is told where it is.
fn check_producer(log: &Log, found: &BTreeMap<i64, Entry>, what: &dyn Fn() -> String) {
    let last = found.iter().rev().find(|(_, entry)| matches!(entry.shape, Shape::Idempotent(_)));
    let Some((base, entry)) = last else { return };
    let again = log.append_batch(&entry.sent, log_engine::Origin::Client);
    let again = again.unwrap_or_else(|error| panic!("{}: {error}", what()));
    assert_eq!((again.duplicate, again.base_offset.get()), (true, *base), "{}", what());
}

/// The content of a small file.
pub fn read_file(storage: &dyn Storage, path: &Path) -> Vec<u8> {
    let file = storage.open(path, log_engine::io::OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Puts other bytes into a file, as a fault would.
pub fn overwrite(storage: &dyn Storage, path: &Path, bytes: &[u8]) {
    let file = storage.open(path, log_engine::io::OpenMode::ReadWrite).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_all_at(&[bytes], 0).unwrap();
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may panic; the text of the panic, which is not printed.
pub fn caught(work: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    QUIET.set(before);
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default())
}

pub use shapes::time;

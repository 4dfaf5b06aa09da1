//! A log of 64 KiB with batches of every shape, on a disk in memory, and what may be served of it after a fault.
//!
//! The oracle knows every stored byte. A batch whose bytes are as they were must be served, and no other; what is not
//! served is named as damage, or lies at the floor or above, at the end, and is set aside. A fault in any other file
//! changes nothing.

use crate::model::{DIR, LOG_DIR, name, offset, open_store, overwrite, read_file, time};
use crate::script::{self, Runner};
use crate::shapes::{self, Shape};
use log_engine::format::batch::TimestampType;
use log_engine::io::{ManualClock, MemStorage, OpenMode, PeakAllocator, Storage};
use log_engine::{CorruptReason, LeaderEpoch, Log, LogConfig, LogError, NewRecord, ReadLimits};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How the log was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Left {
    /// The store was closed.
    Closed,
    /// The process was killed; a part is above the synced mark.
    Killed,
    /// The directory was copied after a close, and has neither a mark that holds nor checkpoints.
    Copied,
}

/// No fault in a log of 64 KiB may ask for more at once.
const MEMORY: usize = 8 << 20;

/// One stored batch.
#[derive(Debug)]
struct Stored {
    base: i64,
    next: i64,
    file: String,
    at: usize,
    bytes: Vec<u8>,
}

pub struct Image {
    pub left: Left,
    disk: MemStorage,
    clock: Arc<ManualClock>,
    config: LogConfig,
    /// Every file under its path.
    pub files: BTreeMap<String, Vec<u8>>,
    batches: Vec<Stored>,
    by_base: BTreeMap<i64, usize>,
    /// Everything below was synced and marked.
    floor: i64,
    start: i64,
    end: i64,
    last_stable: i64,
    aborted: Vec<(i64, i64)>,
    /// Offset and time of every record from the start on.
    times: Vec<(i64, i64)>,
    /// The idempotent producer's last batch, and where it is.
    last: (Vec<u8>, i64),
}

fn config() -> LogConfig {
    LogConfig {
        index_interval_bytes: 1024,
        segment_bytes: 9_000,
        retention_ms: None,
        file_delete_delay_ms: 1,
        ..LogConfig::default()
    }
}

/// Appends shapes until the log has so many bytes.
fn fill(runner: &mut Runner, bytes: u64) {
    for shape in shapes::ALL.into_iter().cycle() {
        if runner.log().unwrap().size_bytes() >= bytes {
            return;
        }
        assert!(runner.append(shape), "{shape:?} was refused");
    }
}

/// Makes the last batch one of another leadership, under which the log then goes on. No checksum covers the epoch.
fn raise_epoch(disk: &MemStorage, epoch: i32, last: i64) {
    let path = Path::new(LOG_DIR).join("leader-epoch-checkpoint");
    let text = String::from_utf8(read_file(disk, &path)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let count: usize = lines[1].parse().unwrap();
    lines[1] = (count + 1).to_string();
    lines.push(format!("{epoch} {last}\n"));
    overwrite(disk, &path, lines.join("\n").as_bytes());
    let log = files(disk).into_iter().rfind(|(file, _)| file.ends_with(".log"));
    let (file, mut bytes) = log.unwrap();
    let at = bytes.windows(8).rposition(|window| window == last.to_be_bytes()).unwrap();
    bytes[at + 12..at + 16].copy_from_slice(&epoch.to_be_bytes());
    overwrite(disk, Path::new(&file), &bytes);
}

impl Image {
    pub fn new(left: Left) -> Self {
        let clock = script::clock();
        let disk = MemStorage::with_clock(Arc::clone(&clock) as Arc<dyn log_engine::io::Clock>);
        // A window leaves zeros behind the end of a process that was killed.
        disk.allow_windows(left == Left::Killed);
        let mut runner = Runner::new(Arc::new(disk.clone()), clock, config());
        runner.start();
        fill(&mut runner, 26_000);
        runner.delete_before(4);
        for (epoch, size) in [(2, 36_000), (5, 44_000)] {
            runner.close();
            raise_epoch(&disk, epoch, *runner.model.accepted.keys().next_back().unwrap());
            runner.start();
            fill(&mut runner, size);
        }
        runner.config.timestamp_type = TimestampType::LogAppendTime;
        runner.log().unwrap().set_config(runner.config.clone()).unwrap();
        runner.tick(2_000);
        runner.sync();
        runner.tick(70_000);
        runner.checkpoint();
        let floor = runner.model.synced_end;
        fill(&mut runner, 64_000);
        runner.append(Shape::Transactional(0));
        runner.append(Shape::Idempotent(0));
        if left == Left::Killed {
            runner.kill();
        } else {
            runner.close();
        }
        Self::of(runner, disk, left, floor)
    }

    fn of(mut runner: Runner, mut disk: MemStorage, left: Left, floor: i64) -> Self {
        if left == Left::Copied {
            disk = copy_of(&disk);
        }
        let end = runner.model.end();
        let floor = match left {
            Left::Closed => end,
            Left::Killed => floor,
            Left::Copied => 0,
        };
        // What is served of an undamaged copy is the truth, once each batch of it was recognised.
        let fork: Arc<dyn Storage> = Arc::new(disk.fork());
        let store = open_store(&fork, &runner.clock, &runner.config).unwrap();
        let log = store.get(&name()).unwrap();
        assert_eq!(log.end_offset().get(), end);
        assert_eq!(log.epoch(), LeaderEpoch::new(5).unwrap());
        let (aborted, last_stable) = (aborted_of(&log), log.last_stable_offset().get());
        let mut image = Self {
            left,
            files: files(&disk),
            disk,
            clock: Arc::clone(&runner.clock),
            config: runner.config.clone(),
            batches: Vec::new(),
            by_base: BTreeMap::new(),
            floor,
            start: log.start_offset().get(),
            end,
            last_stable,
            aborted,
            times: Vec::new(),
            last: (Vec::new(), 0),
        };
        image.learn(&log, &mut runner);
        image
    }

    /// The batches of a log of other offsets, whole and valid: what may stand in blocks that were another file's.
    pub fn strangers(&self) -> Vec<Vec<u8>> {
        let mut logs: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for batch in &self.batches {
            let log = logs.entry(&batch.file).or_default();
            let at = log.len();
            log.extend_from_slice(&batch.bytes);
            log[at..at + 8].copy_from_slice(&(batch.base + 100_000).to_be_bytes());
        }
        logs.into_values().collect()
    }

    fn learn(&mut self, log: &Log, runner: &mut Runner) {
        for (base, entry) in &runner.model.accepted {
            if matches!(entry.shape, Shape::Idempotent(_)) {
                self.last = (entry.sent.to_vec(), *base);
            }
        }
        for (file, bytes) in self.files.iter().filter(|(file, _)| file.ends_with(".log")) {
            let mut at = 0;
            while let Some(len) = log_engine::format::batch::batch_len(&bytes[at..]).filter(|len| *len > 12) {
                let stored = bytes[at..at + len].to_vec();
                let view = log_engine::format::batch::BatchView::parse(&stored).unwrap();
                let (base, next) = (view.base_offset().get(), view.next_offset().get());
                if let Some(entry) = runner.model.accepted.get(&base) {
                    assert!(entry.is(base, &stored), "{base} was stored as something else");
                }
                self.by_base.insert(base, self.batches.len());
                self.batches.push(Stored { base, next, file: file.clone(), at, bytes: stored });
                at += len;
            }
        }
        for batch in log.records(log.start_offset()) {
            let batch = batch.unwrap();
            for record in &batch.records().unwrap() {
                let record = record.unwrap();
                if record.offset >= log.start_offset() {
                    let time = record.timestamp.map_or(-1, log_engine::Timestamp::as_millis);
                    self.times.push((record.offset.get(), time));
                }
            }
        }
        assert!(self.batches.len() > 150, "{} batches", self.batches.len());
    }

    /// Puts a file in the place of one on a copy of the disk, opens it, and holds it against what was written.
    ///
    /// # Panics
    ///
    /// With what differs.
    pub fn judge(&self, file: &str, content: &[u8], deep: bool) -> Verdict {
        let disk = self.disk.fork();
        overwrite(&disk, Path::new(file), content);
        let touched: Vec<bool> = self
            .batches
            .iter()
            .map(|b| b.file == file && content.get(b.at..b.at + b.bytes.len()) != Some(&b.bytes[..]))
            .collect();
        let rest = content.iter().any(|byte| *byte != 0);
        let in_log = file.ends_with(".log") && rest;
        let unmarked = self.left == Left::Copied && file.ends_with("synced-mark");
        let (verdict, peak) =
            PeakAllocator::peak_of(|| self.judge_disk(&disk, &touched, deep, in_log, unmarked));
        assert!(peak <= MEMORY, "{peak} bytes of memory");
        verdict
    }

    fn judge_disk(
        &self,
        disk: &MemStorage,
        touched: &[bool],
        deep: bool,
        in_log: bool,
        unmarked: bool,
    ) -> Verdict {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let store = open_store(&storage, &self.clock, &self.config).unwrap();
        let log = store.get(&name()).unwrap_or_else(|| panic!("refused: {:?}", store.report().failed));
        if unmarked && log.start_offset().get() == 0 {
            // A copy without checkpoints whose mark is damaged too: nobody knows that something had been deleted.
            let (seen, _) = self.read_all(&log, None);
            assert!(seen.iter().all(|seen| *seen), "something is missing");
            return Verdict::Whole;
        }
        assert_eq!(log.start_offset().get(), self.start, "the log start");
        let (seen, named) = self.read_all(&log, None);
        let verdict = self.account(&log, touched, &seen, &named);
        if !in_log || deep {
            self.look_up(&log, touched.iter().all(|t| !t));
        }
        if deep {
            let end = log.end_offset();
            let appended = log.append(&[NewRecord::value(b"after the fault")]).unwrap();
            assert_eq!(appended.base_offset, end);
            assert_eq!(self.read_all(&log, Some(end.get())).0, seen, "after an append");
            drop((store, log));
            let store = open_store(&storage, &self.clock, &self.config).unwrap();
            let log = store.get(&name()).unwrap();
            assert_eq!(log.end_offset().get(), end.get() + 1, "opened again");
            assert_eq!(self.read_all(&log, Some(end.get())).0, seen, "opened again");
        }
        verdict
    }

    /// Reads everything that can be read; which batches were served, and which offsets errors spoke of.
    fn read_all(&self, log: &Log, appended: Option<i64>) -> (Vec<bool>, Vec<Range<i64>>) {
        let mut named = Vec::new();
        let mut seen = vec![false; self.batches.len()];
        let mut found = false;
        let (mut at, end) = (log.start_offset(), log.end_offset());
        while at < end {
            let mut batches = log.records(at);
            let mut failed = None;
            for batch in batches.by_ref() {
                match batch {
                    Ok(batch) if Some(batch.view().base_offset().get()) == appended => found = true,
                    Ok(batch) => {
                        let base = batch.view().base_offset().get();
                        let known = self.by_base.get(&base).map(|index| (*index, &self.batches[*index]));
                        let (index, stored) =
                            known.unwrap_or_else(|| panic!("nobody wrote a batch at {base}"));
                        assert!(stored.bytes[..] == batch.bytes()[..], "the batch at {base} is another one");
                        seen[index] = true;
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            at = at.max(batches.next_offset());
            match failed {
                None => break,
                // Every error has the exact range.
                Some(LogError::Corrupt { reason: CorruptReason::Hole { from, to, .. }, .. })
                    if (from..to).contains(&at) =>
                {
                    named.push(from.get()..to.get());
                    at = to;
                }
                Some(other) => panic!("at {at}: {other}; {:?}", log.damage()),
            }
        }
        assert!(appended.is_none() || found, "what was appended after the fault is not there");
        (seen, named)
    }

    /// Whether what is missing is what was hit, and was named or cut off.
    fn account(&self, log: &Log, touched: &[bool], seen: &[bool], errors: &[Range<i64>]) -> Verdict {
        let (end, damage) = (log.end_offset().get(), log.damage());
        let cut_from = self.cut_from(touched);
        let mut verdict = Verdict::Whole;
        for (index, batch) in self.batches.iter().enumerate().filter(|(_, batch)| batch.next > self.start) {
            let holds = |range: &Range<i64>| range.start <= batch.base && batch.next <= range.end;
            let named = errors.iter().any(holds);
            let cut = batch.base >= end;
            if seen[index] {
                assert!(!touched[index], "the batch at {} was damaged and is served", batch.base);
                continue;
            }
            assert!(cut || named, "the batch at {} is missing, and nothing says so", batch.base);
            if cut {
                assert!(
                    cut_from.is_some_and(|from| from <= batch.base),
                    "{} was cut off: {:?}",
                    batch.base,
                    damage
                );
                verdict = Verdict::SetAside;
            } else {
                assert!(touched[index], "the batch at {} is intact and not served: {damage:?}", batch.base);
                verdict = Verdict::Named;
            }
        }
        if cut_from.is_none() {
            assert_eq!(end, self.end, "the log end");
        }
        if touched.iter().all(|touched| !touched) {
            assert_eq!(damage, [], "nothing was damaged");
        }
        verdict
    }

    /// From where on the log may end early: the first batch that was hit and that nobody promised.
    fn cut_from(&self, touched: &[bool]) -> Option<i64> {
        let hit = |index: &usize| touched[*index];
        let floor = |index: &usize| self.batches[*index].base >= self.floor;
        match self.left {
            Left::Closed => None,
            Left::Killed => (0..touched.len()).filter(hit).find(floor).map(|index| self.batches[index].base),
            // Only the very end.
            Left::Copied => {
                let whole = touched.iter().rposition(|touched| !touched).map_or(0, |index| index + 1);
                self.batches
                    .get(whole)
                    .filter(|first| self.batches.last().is_some_and(|last| last.file == first.file))
                    .map(|first| first.base)
            }
        }
    }

    /// Looks up every offset and every time, transactions and the producer. With damage only what must hold then, too.
    fn look_up(&self, log: &Log, whole: bool) {
        if !whole {
            return;
        }
        let one = ReadLimits { max_bytes: 1, ..ReadLimits::default() };
        for batch in self.batches.iter().filter(|batch| batch.next > self.start) {
            let at = batch.next - 1;
            let read = log.read(offset(at), one).unwrap();
            assert_eq!((read.start.get(), read.next.get()), (batch.base, batch.next), "offset {at}");
        }
        let greatest = self.times.iter().map(|(_, time)| *time).max().unwrap();
        for (_, wanted) in self.times.iter().step_by(7).chain([&(0, 0), &(0, greatest), &(0, greatest + 1)]) {
            let expected = self.times.iter().find(|(_, time)| time >= wanted && *time >= 0);
            let found = log.offset_for_time(time(*wanted)).unwrap();
            let found = found.map(|(at, time)| (at.get(), time.as_millis()));
            assert_eq!(found.as_ref(), expected, "time {wanted}");
        }
        assert_eq!(
            (aborted_of(log), log.last_stable_offset().get()),
            (self.aborted.clone(), self.last_stable)
        );
        let again = log.append_batch(&self.last.0, log_engine::Origin::Client).unwrap();
        assert_eq!(
            (again.duplicate, again.base_offset.get()),
            (true, self.last.1),
            "the producer's last batch"
        );
    }
}

fn aborted_of(log: &Log) -> Vec<(i64, i64)> {
    let aborted = log.aborted_transactions(log.start_offset(), log.end_offset()).unwrap();
    aborted.iter().map(|txn| (txn.first.get(), txn.last.get())).collect()
}

/// How a fault ended that was noticed or did no harm.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// All is served.
    Whole,
    /// What is missing is named as damage.
    Named,
    /// What is missing was above the mark, and set aside.
    SetAside,
}

fn files(disk: &MemStorage) -> BTreeMap<String, Vec<u8>> {
    let mut names = crate::disks::files_of(disk, DIR);
    names.extend(crate::disks::log_files(disk));
    let locks = |name: &String| !name.contains(".lock");
    names.into_iter().filter(locks).map(|name| (name.clone(), read_file(disk, Path::new(&name)))).collect()
}

/// The same files under other identities, without what a store knows of them.
fn copy_of(disk: &MemStorage) -> MemStorage {
    let copy = MemStorage::new();
    copy.allow_windows(false);
    copy.create_dir_all(Path::new(LOG_DIR)).unwrap();
    // Identities count up: none of the copies has the number that its original had.
    for n in 0..500 {
        let path = Path::new(DIR).join(n.to_string());
        copy.open(&path, OpenMode::CreateNew).unwrap();
        copy.remove_file(&path).unwrap();
    }
    for (path, bytes) in files(disk).iter().filter(|(path, _)| path.starts_with(LOG_DIR)) {
        copy.open(Path::new(path), OpenMode::CreateNew).unwrap().write_all_at(&[bytes], 0).unwrap();
    }
    copy
}

//! Reading a few messages out of partitions, forwards or backwards, within bounds.
//!
//! ```text
//!  older:  lo ........ [chunk 2][chunk 1] hi      newest first, chunk after chunk towards the start
//!  newer:  next -> [batch][batch] ...... end      oldest first
//! ```
//!
//! # Invariants
//!
//! * Only what a consumer with `read_committed` sees is read: below the last stable offset, no markers, nothing aborted.
//! * A scan ends when it has enough, or its budget of bytes or time is spent: the next one goes on at `at`. It may exceed
//!   the budget by one batch.
//! * Damage is stepped over and told, as its exact range.

use log_engine::error::{LogError, Result};
use log_engine::log::{Log, RecordBatch};
use log_engine::types::Offset;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of the log that are looked at in one step backwards.
const CHUNK: u64 = 512 << 10;
/// Offsets of one step backwards at most.
const MOST_OFFSETS: i64 = 20_000;

/// What may still be read.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes.
    pub(super) bytes: u64,
    /// Until then.
    pub(super) deadline: Instant,
}

impl Budget {
    fn take(&mut self, batch: &RecordBatch) {
        self.bytes = self.bytes.saturating_sub(batch.bytes().len() as u64);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.bytes == 0 || Instant::now() >= self.deadline
    }
}

/// Which messages are wanted; beside it, in [`Reader::read`], whether that may be few of them.
pub(super) type Wanted<'a> = &'a dyn Fn(&log_engine::Record<'_>) -> bool;

/// A message that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Where.
    pub(super) offset: i64,
    /// Its time in milliseconds; -1 if it has none.
    pub(super) time: i64,
    /// As it is shown.
    pub(super) shown: serde_json::Value,
}

/// One partition and how far it was read.
#[derive(Debug)]
pub(super) struct Reader {
    /// The partition.
    pub(super) partition: i32,
    /// Its log.
    pub(super) log: Arc<Log>,
    /// Older: everything at or above was read. Newer: everything below was.
    pub(super) at: i64,
    /// What was found, in the order of reading.
    pub(super) found: Vec<Found>,
    /// How many messages were looked at.
    pub(super) looked_at: u64,
    /// What could not be read.
    pub(super) damage: Vec<String>,
}

impl Reader {
    pub(super) fn new(partition: i32, log: Arc<Log>, at: i64) -> Self {
        Self { partition, log, at, found: Vec::new(), looked_at: 0, damage: Vec::new() }
    }

    fn start(&self) -> i64 {
        self.log.start_offset().get()
    }

    fn end(&self) -> i64 {
        self.log.last_stable_offset().get()
    }

    /// Whether nothing is left in this direction now.
    pub(super) fn is_done(&self, older: bool) -> bool {
        if older { self.at <= self.start() } else { self.at >= self.end() }
    }

    /// Reads until `count` messages were found, or the budget is spent.
    pub(super) fn read(
        &mut self,
        older: bool,
        count: usize,
        (wanted, few): (Wanted<'_>, bool),
        budget: &mut Budget,
    ) -> Result<()> {
        if older { self.backwards(count, wanted, few, budget) } else { self.forwards(count, wanted, budget) }
    }

    fn forwards(&mut self, count: usize, wanted: Wanted<'_>, budget: &mut Budget) -> Result<()> {
        let end = self.end();
        self.at = self.at.max(self.start());
        while self.at < end && self.found.len() < count && !budget.is_spent() {
            let stop = (self.at, end);
            let mut found = Vec::new();
            let read = self.pass(stop, count - self.found.len(), wanted, budget, &mut found);
            self.found.append(&mut found);
            self.at = self.after(read, self.at)?;
        }
        Ok(())
    }

    /// Where to go on after a pass that began at `from`: behind the damage, if that is what ended it.
    fn after(&mut self, read: Result<i64>, from: i64) -> Result<i64> {
        match read {
            Ok(next) => Ok(next.max(from)),
            Err(LogError::OffsetOutOfRange { start, .. }) if start.get() > from => Ok(start.get()),
            Err(error @ LogError::Corrupt { .. }) => self.step_over(from, error),
            Err(error) => Err(error),
        }
    }

    /// The offset behind the damage that lies at or after `from`.
    fn step_over(&mut self, from: i64, error: LogError) -> Result<i64> {
        let ranges = self.log.damage();
        let range = ranges.iter().map(|d| (d.offsets.start.get(), d.offsets.end.get()));
        let Some((start, end)) = range.filter(|(_, end)| *end > from).min() else { return Err(error) };
        self.damage.push(format!("partition {}: offsets {start} to {end} are damaged", self.partition));
        Ok(end)
    }

    fn backwards(&mut self, count: usize, wanted: Wanted<'_>, few: bool, budget: &mut Budget) -> Result<()> {
        self.at = self.at.min(self.end());
        // Where all are wanted, as many offsets hold them, but for what compaction took.
        let most = if few { MOST_OFFSETS } else { i64::try_from(count).unwrap_or(MOST_OFFSETS) };
        let mut step = self.first_step().min(most);
        while self.at > self.start() && self.found.len() < count && !budget.is_spent() {
            let from = self.start().max(self.at - step);
            let before = budget.bytes;
            let mut chunk = Vec::new();
            let begin = self.chunk(from, wanted, budget, &mut chunk)?;
            let missing = count - self.found.len();
            let cut = chunk.len().saturating_sub(missing);
            // Those that are too many are read again: the next scan begins behind them.
            self.at = if cut > 0 { chunk[cut - 1].offset + 1 } else { begin };
            self.found.extend(chunk.drain(cut..).rev());
            step = next_step(step, before - budget.bytes);
        }
        Ok(())
    }

    /// Reads a whole chunk up to `self.at`, oldest first, and says where it really begins: with the batch that holds
    /// `from`, so that no batch is opened twice.
    fn chunk(
        &mut self,
        from: i64,
        wanted: Wanted<'_>,
        budget: &mut Budget,
        into: &mut Vec<Found>,
    ) -> Result<i64> {
        let (start, end) = (self.start(), self.at);
        let holds = Offset::new(from).and_then(|from| self.log.get(from).ok().flatten());
        let begin = holds.map_or(from, |batch| batch.base_offset().get().max(start).min(from));
        let mut at = begin;
        while at < end {
            // The budget ends a scan between chunks: half a chunk is the wrong half.
            let read = self.pass((at, end), usize::MAX, wanted, budget, into);
            at = self.after(read, at)?;
        }
        Ok(begin)
    }

    /// How many offsets are about a chunk, by the average of the log.
    fn first_step(&self) -> i64 {
        let messages = u64::try_from(self.end() - self.start()).unwrap_or(0).max(1);
        let average = (self.log.size_bytes() / messages).max(1);
        i64::try_from(CHUNK / average).unwrap_or(MOST_OFFSETS).clamp(1, MOST_OFFSETS)
    }

    /// Reads from one offset up to another, at most so many; gives the offset to go on at.
    fn pass(
        &mut self,
        (from, to): (i64, i64),
        count: usize,
        wanted: Wanted<'_>,
        budget: &mut Budget,
        into: &mut Vec<Found>,
    ) -> Result<i64> {
        let bounds = Offset::new(from).zip(Offset::new(to));
        let (first, last) = bounds.ok_or(LogError::Closed)?;
        let log = Arc::clone(&self.log);
        for batch in log.records(first).committed().up_to(last) {
            let batch = batch?;
            budget.take(&batch);
            let opened = batch.records().map_err(|reason| LogError::Corrupt {
                path: log.dir(),
                position: log_engine::types::Position::ZERO,
                reason,
            })?;
            for record in &opened {
                let Ok(record) = record else { break };
                if record.offset < first || record.offset >= last {
                    continue;
                }
                self.looked_at += 1;
                if wanted(&record) {
                    into.push(self.found(&batch, &record));
                    if into.len() >= count {
                        return Ok(record.offset.get() + 1);
                    }
                }
            }
            if count != usize::MAX && budget.is_spent() {
                return Ok(batch.next_offset().get());
            }
        }
        // Nothing more below `to`: what lies there is markers, or was aborted, or taken by compaction.
        Ok(to)
    }

    fn found(&self, batch: &RecordBatch, record: &log_engine::Record<'_>) -> Found {
        Found {
            offset: record.offset.get(),
            time: record.timestamp.map_or(-1, log_engine::Timestamp::as_millis),
            shown: super::messages::row(self.partition, batch, record),
        }
    }
}

/// The next step backwards: towards a chunk of the usual size.
fn next_step(step: i64, bytes: u64) -> i64 {
    let factor = if bytes > 2 * CHUNK {
        return (step / 4).max(1);
    } else if bytes < CHUNK / 2 {
        2
    } else {
        1
    };
    (step * factor).min(MOST_OFFSETS)
}

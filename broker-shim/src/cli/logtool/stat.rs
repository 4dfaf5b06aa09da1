//! `corrente log stat`: how large, from when to when, how compressed, how much of it not synced.

use super::decode::CAP;
use super::line::Line;
use super::output::{Output, Progress};
use super::target::{Target, base_of};
use super::{Common, Outcome, read_only, size_of, target};
use crate::convert::StoredEntry;
use log_engine::error::{LogError, Result};
use log_engine::format::batch::HEADER_LEN;
use log_engine::format::names::{FileKind, SegmentFile, Stage};
use log_engine::inspect::{Entry, SegmentReader, decode, read_small};
use log_engine::io::Storage;
use log_engine::types::{Offset, Timestamp};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> Outcome {
    let storage = read_only();
    let mut out = Output::new(args.common.json);
    let mut rows = Vec::new();
    for path in &args.common.paths {
        let target = target(&storage, path)?;
        let only = match &target {
            Target::File(file) => match base_of(file) {
                Some((base, FileKind::Log)) => Some(base),
                _ => {
                    return Err(
                        format!("{} is no .log file; name one, or its directory", file.display()).into()
                    );
                }
            },
            _ => None,
        };
        let logs = target.logs(&storage)?;
        let total = logs.iter().map(|dir| size_of(&storage, dir)).sum::<Result<u64>>()?;
        let progress = Progress::over(&storage, storage.bytes_read() + total);
        for dir in logs {
            let segments = segments(&storage, &dir, only)?;
            let mut sum = segments.iter().fold(Stat::default(), |sum, (_, stat)| sum.plus(stat));
            sum.unsynced = unsynced(&storage, &dir, &segments)?.filter(|_| only.is_none());
            if !matches!(target, Target::Data(_)) {
                rows.extend(segments.into_iter().map(|(path, stat)| ("segment", path, stat)));
            }
            if only.is_none() {
                rows.push(("log", dir, sum));
            }
        }
        drop(progress);
    }
    if out.is_json() {
        rows.iter().try_for_each(|(kind, path, stat)| out.line(&stat.line(kind, path)))?;
    } else {
        table(&rows).iter().try_for_each(|row| out.text(row))?;
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// What is counted, of a segment or of many.
#[derive(Clone, Debug, Default)]
struct Stat {
    segments: usize,
    bytes: u64,
    first: Option<Offset>,
    next: Option<Offset>,
    batches: u64,
    records: u64,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// Bytes of batches, and what they are without compression; `None` once one cannot be opened.
    stored: u64,
    opened: Option<u64>,
    index_bytes: u64,
    unreadable: u64,
    unsynced: Option<u64>,
}

impl Stat {
    fn plus(self, other: &Self) -> Self {
        // Of an empty one nothing is unknown.
        let opened = if self.segments == 0 { Some(0) } else { self.opened };
        Self {
            segments: self.segments + other.segments,
            bytes: self.bytes + other.bytes,
            first: self.first.or(other.first),
            next: other.next.or(self.next),
            batches: self.batches + other.batches,
            records: self.records + other.records,
            from: [self.from, other.from].into_iter().flatten().min(),
            to: self.to.max(other.to),
            stored: self.stored + other.stored,
            opened: opened.zip(other.opened).map(|(a, b)| a + b),
            index_bytes: self.index_bytes + other.index_bytes,
            unreadable: self.unreadable + other.unreadable,
            unsynced: None,
        }
    }

    /// How many bytes are stored as one.
    fn ratio(&self) -> Option<String> {
        let opened = self.opened.filter(|_| self.stored > 0)?;
        let hundredths = opened.saturating_mul(100) / self.stored;
        Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
    }

    fn line(&self, kind: &'static str, path: &Path) -> Line {
        Line::new(kind)
            .with("path", path.display().to_string())
            .with("segments", self.segments)
            .with("bytes", self.bytes)
            .with("first_offset", self.first.map(Offset::get))
            .with("next_offset", self.next.map(Offset::get))
            .with("batches", self.batches)
            .with("records", self.records)
            .with("min_timestamp", self.from.map(Timestamp::as_millis))
            .with("max_timestamp", self.to.map(Timestamp::as_millis))
            .with("compression_ratio", self.ratio())
            .with("index_bytes", self.index_bytes)
            .with("unreadable_bytes", self.unreadable)
            .with("unsynced_bytes", self.unsynced)
    }
}

/// The segments of a log, oldest first.
fn segments(storage: &dyn Storage, dir: &Path, only: Option<Offset>) -> Result<Vec<(PathBuf, Stat)>> {
    let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
    let mut files: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((SegmentFile::parse(&entry.name)?, entry.len)))
        .filter(|(file, _)| file.stage == Stage::Live && only.is_none_or(|only| only == file.base))
        .collect();
    files.sort_by_key(|(file, _)| file.base);
    let mut out = Vec::new();
    for (file, len) in files.iter().filter(|(file, _)| file.kind == FileKind::Log) {
        let path = dir.join(file.name());
        let mut stat = count(storage, &path, file.base)?;
        stat.bytes = *len;
        let of_it = |(other, _): &&(SegmentFile, u64)| {
            other.base == file.base && !matches!(other.kind, FileKind::Log | FileKind::Snapshot)
        };
        stat.index_bytes = files.iter().filter(of_it).map(|(_, len)| len).sum();
        out.push((path, stat));
    }
    Ok(out)
}

fn count(storage: &dyn Storage, path: &Path, base: Offset) -> Result<Stat> {
    let mut stat =
        Stat { segments: 1, first: Some(base), next: Some(base), opened: Some(0), ..Stat::default() };
    let mut reader = SegmentReader::open(storage, path, base)?;
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Batch { batch, .. } => {
                stat.next = Some(batch.next_offset());
                let body = batch.open_body(CAP).ok().map(|body| (HEADER_LEN + body.len()) as u64);
                stat.take(u64::from(batch.record_count()), batch.len(), body);
                let base_time = Timestamp::from_millis(batch.raw_base_timestamp());
                let first = base_time.filter(|_| !batch.attributes().has_delete_horizon());
                stat.times(first.min(batch.max_timestamp()).or(batch.max_timestamp()), batch.max_timestamp());
            }
            Entry::Old { bytes, .. } => {
                let Ok(entry) = StoredEntry::open(bytes) else {
                    stat.unreadable += bytes.len() as u64;
                    continue;
                };
                let messages = entry.messages().unwrap_or_default();
                stat.next = entry.last.next();
                stat.take(messages.len() as u64, bytes.len(), Some(entry.opened_len()));
                let times = || messages.iter().filter_map(|message| message.timestamp);
                stat.times(times().min(), times().max());
            }
            Entry::Unreadable { bytes, .. } => stat.unreadable += bytes.end - bytes.start,
            _ => {}
        }
    }
    Ok(stat)
}

impl Stat {
    fn take(&mut self, records: u64, stored: usize, opened: Option<u64>) {
        self.batches += 1;
        self.records += records;
        self.stored += stored as u64;
        self.opened = self.opened.zip(opened).map(|(a, b)| a + b);
    }

    fn times(&mut self, from: Option<Timestamp>, to: Option<Timestamp>) {
        self.from = [self.from, from].into_iter().flatten().min();
        self.to = self.to.max(to);
    }
}

/// Bytes behind the synced mark; `None` without a mark.
fn unsynced(storage: &dyn Storage, dir: &Path, segments: &[(PathBuf, Stat)]) -> Result<Option<u64>> {
    let Some(bytes) = read_small(storage, &dir.join(decode::MARK_FILE))? else { return Ok(None) };
    let newest = decode::mark(&bytes).into_iter().flatten().max_by_key(|slot| slot.generation);
    let behind = |mark: decode::MarkSlot| {
        let of = |stat: &Stat| match stat.first.cmp(&Some(mark.segment)) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => stat.bytes.saturating_sub(mark.position.to_u64()),
            std::cmp::Ordering::Greater => stat.bytes,
        };
        segments.iter().map(|(_, stat)| of(stat)).sum()
    };
    Ok(newest.map(behind))
}

const HEADS: [&str; 11] =
    ["PATH", "BYTES", "FIRST", "NEXT", "BATCHES", "RECORDS", "FROM", "TO", "RATIO", "INDEX", "UNSYNCED"];

fn table(rows: &[(&'static str, PathBuf, Stat)]) -> Vec<String> {
    let number = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let cells = |(kind, path, stat): &(&str, PathBuf, Stat)| {
        let mut name = path.display().to_string();
        if *kind == "log" {
            name = format!("{name} ({} segments)", stat.segments);
        }
        [
            name,
            stat.bytes.to_string(),
            number(stat.first.map(Offset::get)),
            number(stat.next.map(Offset::get)),
            stat.batches.to_string(),
            stat.records.to_string(),
            number(stat.from.map(Timestamp::as_millis)),
            number(stat.to.map(Timestamp::as_millis)),
            stat.ratio().unwrap_or_else(|| "-".to_owned()),
            stat.index_bytes.to_string(),
            stat.unsynced.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
        ]
    };
    let all: Vec<[String; 11]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| all.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: [usize; 11] = std::array::from_fn(width);
    let row = |cells: &[String; 11]| {
        let rest =
            (1..11).map(|column| format!("  {:>1$}", cells[column], widths[column])).collect::<String>();
        format!("{:<1$}{rest}", cells[0], widths[0])
    };
    all.iter().map(row).collect()
}

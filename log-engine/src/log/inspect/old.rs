//! Segments of message sets: magic 0 and 1, as Kafka wrote them before there were batches.

use super::against::{Against, Step};
use super::check::{Finding, Kind};
use super::{Entry, SegmentReader};
use crate::error::Result;
use crate::format::batch::{self, MAGIC_AT};
use crate::io::Storage;
use crate::log::recovery::FoundSegment;
use crate::types::{Offset, Timestamp};
use std::path::Path;

/// What a whole entry of a message set holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OldRange {
    /// Offset of its first message.
    pub first: Offset,
    /// Offset of its last message: the one in its head.
    pub last: Offset,
    /// The greatest time in it; `None` in magic 0.
    pub max_timestamp: Option<Timestamp>,
}

/// Looks into one entry of a message set, checksums included; the error says what is wrong, as a part of a sentence.
pub type CheckOld = dyn Fn(&[u8]) -> std::result::Result<OldRange, String>;

/// Where a message of magic 1 has its time: behind the attributes.
const TIME_AT: usize = MAGIC_AT + 2;

/// What is known without looking into it.
fn by_head(bytes: &[u8]) -> std::result::Result<OldRange, String> {
    let raw = batch::read_i64(bytes, 0);
    let last = Offset::new(raw).ok_or_else(|| format!("offset {raw}"))?;
    // A wrapper has the greatest time of what is in it.
    let time = bytes.get(TIME_AT..).and_then(|rest| rest.first_chunk()).filter(|_| bytes[MAGIC_AT] == 1);
    let max_timestamp = time.and_then(|time| Timestamp::from_millis(i64::from_be_bytes(*time)));
    Ok(OldRange { first: last, last, max_timestamp })
}

/// Whether the file begins with a message.
pub(super) fn begins_old(storage: &dyn Storage, path: &Path, base: Offset) -> Result<bool> {
    Ok(matches!(SegmentReader::open(storage, path, base)?.next_entry()?, Some(Entry::Old { .. })))
}

/// What was found in such a segment.
pub(super) struct OldSegment {
    pub(super) next: Offset,
    pub(super) entries: u64,
    pub(super) findings: Vec<Finding>,
}

/// Goes through a segment that begins with messages; batches may follow them.
pub(super) fn check_old(
    storage: &dyn Storage,
    dir: &Path,
    found: &FoundSegment,
    check: Option<&CheckOld>,
    against: &mut Against,
) -> Result<OldSegment> {
    let path = dir.join(&found.name);
    let mut reader = SegmentReader::open(storage, &path, found.base)?;
    let mut out = OldSegment { next: found.base, entries: 0, findings: Vec::new() };
    while let Some(entry) = reader.next_entry()? {
        out.entries += 1;
        let (bytes, range, problem) = match entry {
            Entry::Old { position, bytes } => {
                let range = check.map_or_else(|| by_head(bytes), |check| check(bytes));
                let (range, problem) = match range {
                    Ok(range) if range.first >= out.next => (Some(range), None),
                    Ok(range) => (None, Some(format!("offset {} again", range.first))),
                    Err(problem) => (None, Some(problem)),
                };
                (position..position + bytes.len() as u64, range, problem)
            }
            Entry::Batch { position, batch, problem } => {
                let range = OldRange {
                    first: batch.base_offset(),
                    last: batch.last_offset(),
                    max_timestamp: batch.max_timestamp(),
                };
                let problem = problem.map(|reason| reason.to_string());
                (position..position + batch.len() as u64, problem.is_none().then_some(range), problem)
            }
            Entry::Unreadable { bytes, reason } => (bytes, None, Some(reason.to_string())),
            Entry::Zeros { bytes } => {
                out.findings.push(Finding::new(Kind::Note, &path, bytes, "zeros behind the last message"));
                continue;
            }
        };
        if let Some(range) = range {
            let (base, last, max_timestamp) = (range.first, range.last, range.max_timestamp);
            let position = bytes.start;
            against.step(&Step { position, base, last, max_timestamp, epoch: None, marker: None });
            out.next = last.next().unwrap_or(last);
        }
        if let Some(problem) = problem {
            against.hole(&bytes);
            let finding = Finding::new(Kind::Damage, &path, bytes, problem);
            out.findings.push(finding.at(out.next..out.next));
        }
    }
    Ok(out)
}

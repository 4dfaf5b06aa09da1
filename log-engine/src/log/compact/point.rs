//! `compaction-point`: how far a log is compacted, that it may have gaps, and which segments must be there.
//!
//! ```text
//!  1                      version
//!  5000                   everything below is compacted
//!  0                      base offsets of segments, rising: none of them is missing
//!  5000
//!  9120
//!  8a2f01cc               CRC-32C of all lines above, eight hexadecimal digits
//! ```
//!
//! Version 0 is the same without the list; it is still read, and says of no segment that it must be there.
//!
//! # Invariants
//!
//! * The file is there, durably, before the first compacted segment takes its place: whatever the settings say later,
//!   gaps are not taken for damage.
//! * The offset is never above what was compacted: a tombstone below it would be dropped before what it deletes. It is
//!   lowered, durably, before a cut. A file that does not read says 0, which costs another compaction.
//! * A listed segment between two that are there was not taken away by anybody here, and is missed: what goes is struck
//!   off, durably, before it goes, unless it goes from the log's begin. The list may lack segments: a roll adds to it
//!   later ([`Log::note_segments`](crate::log::Log)).
//! * The first line is the version and the last the checksum of all lines before it, in every version: what a later one
//!   wrote is refused, and never written over.

use crate::error::Result;
use crate::io::Storage;
use crate::log::files::{Newer, read_small, replace};
use crate::types::Offset;
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

/// Name of the file, in the log's directory.
pub(crate) const FILE_NAME: &str = "compaction-point";

const VERSION: u32 = 1;

/// What the file says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Point {
    /// Everything below is compacted.
    pub(crate) offset: Offset,
    /// Base offsets of segments, rising.
    pub(crate) segments: Vec<Offset>,
}

impl Point {
    /// A point and nothing known of the segments.
    pub(crate) const fn at(offset: Offset) -> Self {
        Self { offset, segments: Vec::new() }
    }

    /// The same for a log that ends at `end`, and whose last segment begins at `last`.
    pub(crate) fn ending(mut self, end: Offset, last: Option<Offset>) -> Self {
        self.offset = self.offset.min(end);
        self.segments.retain(|base| last.is_some_and(|last| *base <= last));
        self
    }

    /// The offsets of listed segments that are not among those there, `bases`, rising: each range ends where the next
    /// segment that is there begins.
    pub(crate) fn missing(&self, bases: &[Offset]) -> Vec<Range<Offset>> {
        let mut missing: Vec<Range<Offset>> = Vec::new();
        for listed in &self.segments {
            let behind = bases.partition_point(|base| base < listed);
            // In front of the first one retention may have been at work, and behind the last one a cut.
            let Some(next) = bases.get(behind).filter(|next| *next != listed && behind > 0) else { continue };
            if missing.last().is_none_or(|last| last.end != *next) {
                missing.push(*listed..*next);
            }
        }
        missing
    }
}

/// Reads the file; `None` if there is none. One of a later version is an error.
pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Point>> {
    let path = dir.join(FILE_NAME);
    let Some(bytes) = read_small(storage, &path)? else { return Ok(None) };
    let point = decode(&bytes).map_err(|newer| newer.refuse(&path))?;
    Ok(Some(point.unwrap_or_default()))
}

/// Writes the file, durably.
pub(crate) fn store(storage: &dyn Storage, dir: &Path, point: &Point) -> Result<()> {
    replace(storage, &dir.join(FILE_NAME), encode(point, VERSION).as_bytes(), true)
}

fn encode(point: &Point, version: u32) -> String {
    let mut front = format!("{version}\n{}\n", point.offset.get());
    for base in &point.segments {
        let _ = writeln!(front, "{}", base.get());
    }
    sealed(&front)
}

/// The lines, and their checksum behind them.
fn sealed(front: &str) -> String {
    format!("{front}{:08x}\n", crc32c::crc32c(front.as_bytes()))
}

/// What a file says; nothing if it is not as it was written.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Point>, Newer> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    match version(text) {
        Some(found) if found > VERSION => Err(Newer { found, known: VERSION }),
        Some(version) => Ok(content(text, version)),
        None => Ok(None),
    }
}

/// The version of a text whose checksum fits.
fn version(text: &str) -> Option<u32> {
    // What stands before the last line, with its line break.
    let front = text.strip_suffix('\n')?.rsplit_once('\n')?.0.len() + 1;
    let front = &text[..front];
    if sealed(front) != text {
        return None;
    }
    front.split_once('\n')?.0.parse().ok()
}

fn content(text: &str, version: u32) -> Option<Point> {
    let mut lines: Vec<_> = text.lines().skip(1).collect();
    lines.pop();
    let mut offsets = lines.iter().map(|line| Offset::new(line.parse().ok()?));
    let offset = offsets.next()??;
    let segments = offsets.collect::<Option<Vec<_>>>()?;
    let rises = segments.is_sorted_by(|a, b| a < b);
    let point = Point { offset, segments };
    // One text for one number: signs, zeros in front and lines behind are not ours.
    let ours = rises && (version > 0 || point.segments.is_empty()) && encode(&point, version) == text;
    ours.then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    fn listing(point: i64, segments: &[i64]) -> Point {
        Point { offset: offset(point), segments: segments.iter().copied().map(offset).collect() }
    }

    #[test]
    fn a_point_reads_as_it_was_written_and_no_flipped_bit_makes_another() {
        for point in [listing(0, &[]), listing(7, &[0]), listing(31, &[0, 7, 31]), listing(i64::MAX, &[9])] {
            let good = encode(&point, VERSION).into_bytes();
            assert_eq!(decode(&good), Ok(Some(point)));
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&bad), Ok(None), "bit {bit}");
            }
            for len in 0..good.len() {
                assert_eq!(decode(&good[..len]), Ok(None), "length {len}");
            }
        }
    }

    #[test]
    fn the_first_version_is_read_and_lists_nothing() {
        assert_eq!(decode(sealed("0\n7\n").as_bytes()), Ok(Some(listing(7, &[]))));
        assert_eq!(decode(sealed("0\n7\n9\n").as_bytes()), Ok(None));
    }

    #[test]
    fn a_later_version_is_told_from_a_damaged_file() {
        let newer = |found| Err(Newer { found, known: VERSION });
        assert_eq!(decode(sealed("2\n7\n").as_bytes()), newer(2));
        assert_eq!(decode(sealed("12\n7 of 9\nand more\n").as_bytes()), newer(12));
        let falls = sealed("1\n7\n5\n5\n");
        for no_version in ["1\n7\n00000000\n".to_owned(), sealed("x\n7\n"), sealed("0\n07\n"), falls] {
            assert_eq!(decode(no_version.as_bytes()), Ok(None), "{no_version}");
        }
    }

    #[test]
    fn only_what_is_missing_between_two_that_are_there_is_missed() {
        let bases = |raw: &[i64]| raw.iter().copied().map(offset).collect::<Vec<_>>();
        let listed = listing(50, &[0, 10, 20, 30, 40]);
        assert_eq!(listed.missing(&bases(&[0, 10, 20, 30, 40, 50])), []);
        assert_eq!(listed.missing(&bases(&[20, 30, 40])), []);
        assert_eq!(listed.missing(&bases(&[0, 10, 20])), []);
        assert_eq!(listed.missing(&bases(&[])), []);
        assert_eq!(listed.missing(&bases(&[0, 30, 50])), [offset(10)..offset(30), offset(40)..offset(50)]);
        assert_eq!(listed.ending(offset(25), Some(offset(20))), listing(25, &[0, 10, 20]));
    }
}

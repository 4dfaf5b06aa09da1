//! `compaction-point`: how far a log is compacted, and that it may have gaps.
//!
//! Three lines of text: `0`, the offset below which the log is compacted, and the CRC-32C of these two lines in eight
//! hexadecimal digits.
//!
//! # Invariants
//!
//! * The file is there, durably, before the first compacted segment takes its place: whatever the settings say later,
//!   gaps are not taken for damage.
//! * The offset is never above what was compacted: a tombstone below it would be dropped before what it deletes. It is
//!   lowered, durably, before a cut. A file that does not read says 0, which costs another compaction.
//! * The first line is the version and the last the checksum of all lines before it, in every version: what a later one
//!   wrote is refused, and never written over.

use crate::error::Result;
use crate::io::Storage;
use crate::log::files::{Newer, read_small, replace};
use crate::types::Offset;
use std::path::Path;

/// Name of the file, in the log's directory.
pub(crate) const FILE_NAME: &str = "compaction-point";

const VERSION: u32 = 0;

/// Reads the file; `None` if there is none. One of a later version is an error.
pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Offset>> {
    let path = dir.join(FILE_NAME);
    let Some(bytes) = read_small(storage, &path)? else { return Ok(None) };
    let point = decode(&bytes).map_err(|newer| newer.refuse(&path))?;
    Ok(Some(point.unwrap_or_default()))
}

/// Writes the file, durably.
pub(crate) fn store(storage: &dyn Storage, dir: &Path, point: Offset) -> Result<()> {
    replace(storage, &dir.join(FILE_NAME), encode(point).as_bytes(), true)
}

fn encode(point: Offset) -> String {
    sealed(&format!("{VERSION}\n{}\n", point.get()))
}

/// The lines, and their checksum behind them.
fn sealed(front: &str) -> String {
    format!("{front}{:08x}\n", crc32c::crc32c(front.as_bytes()))
}

/// What a file says; nothing if it is not as it was written.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Offset>, Newer> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    match version(text) {
        Some(found) if found > VERSION => Err(Newer { found, known: VERSION }),
        Some(_) => Ok(content(text)),
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

fn content(text: &str) -> Option<Offset> {
    let point = Offset::new(text.split('\n').nth(1)?.parse().ok()?)?;
    // One text for one number: signs, zeros in front and lines behind are not ours.
    (encode(point) == text).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_reads_as_it_was_written_and_no_flipped_bit_makes_another() {
        for raw in [0, 7, 31, i64::MAX] {
            let point = Offset::new(raw).unwrap();
            let good = encode(point).into_bytes();
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
    fn a_later_version_is_told_from_a_damaged_file() {
        let newer = |found| Err(Newer { found, known: VERSION });
        assert_eq!(decode(sealed("1\n7\n").as_bytes()), newer(1));
        assert_eq!(decode(sealed("12\n7 of 9\nand more\n").as_bytes()), newer(12));
        for no_version in ["1\n7\n00000000\n".to_owned(), sealed("x\n7\n"), sealed("0\n07\n")] {
            assert_eq!(decode(no_version.as_bytes()), Ok(None), "{no_version}");
        }
    }
}

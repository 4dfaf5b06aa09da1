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

use crate::error::Result;
use crate::io::Storage;
use crate::log::files::{read_small, replace};
use crate::types::Offset;
use std::path::Path;

/// Name of the file, in the log's directory.
pub(crate) const FILE_NAME: &str = "compaction-point";

/// Reads the file; `None` if there is none.
pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Offset>> {
    let bytes = read_small(storage, &dir.join(FILE_NAME))?;
    Ok(bytes.map(|bytes| decode(&bytes).unwrap_or_default()))
}

/// Writes the file, durably.
pub(crate) fn store(storage: &dyn Storage, dir: &Path, point: Offset) -> Result<()> {
    replace(storage, &dir.join(FILE_NAME), encode(point).as_bytes(), true)
}

fn encode(point: Offset) -> String {
    let front = format!("0\n{}\n", point.get());
    format!("{front}{:08x}\n", crc32c::crc32c(front.as_bytes()))
}

fn decode(bytes: &[u8]) -> Option<Offset> {
    let text = std::str::from_utf8(bytes).ok()?;
    let point = Offset::new(text.strip_prefix("0\n")?.split_once('\n')?.0.parse().ok()?)?;
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
            assert_eq!(decode(&good), Some(point));
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&bad), None, "bit {bit}");
            }
            for len in 0..good.len() {
                assert_eq!(decode(&good[..len]), None, "length {len}");
            }
        }
    }
}

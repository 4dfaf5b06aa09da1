//! LZ4 frames, as Kafka reads and writes them.
//!
//! ```text
//! 04 22 4d 18   flags   block size   [content size, 8]   header checksum
//! blocks:       length (LE, top bit: stored)   data   [block checksum, 4]
//! end:          00 00 00 00   [content checksum, 4]
//! ```
//!
//! Flags: bits 7-6 version 1, 5 blocks are independent, 4 block checksums, 3 content size, 2 content checksum,
//! 1-0 zero. The block size has 4-7 in bits 6-4 (64 KiB, 256 KiB, 1 MiB, 4 MiB), all else zero. Kafka's reader takes
//! independent blocks only and no dictionary, so we refuse the others too: what is stored must be readable by all.
//!
//! The header checksum is the second byte of XXH32 over the header from the flags on. Magic 0 messages have it over
//! the magic number as well ([`Lz4Header::Legacy`]).

use super::xxh32::{Xxh32, xxh32};
use super::{Lz4Header, Problem};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const VERSION_1: u8 = 0x40;
const INDEPENDENT: u8 = 0x20;
const BLOCK_CHECKSUM: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
/// Block size 4: 64 KiB.
const BLOCK_64K: u8 = 0x40;
const BLOCK: usize = 64 * 1024;
const STORED: u32 = 1 << 31;

pub(super) fn compress(data: &[u8], header: Lz4Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 2 + 64);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION_1 | INDEPENDENT, BLOCK_64K]);
    out.push(header_checksum(&out, header));
    let mut room = vec![0; lz4_flex::block::get_maximum_output_size(BLOCK)];
    for chunk in data.chunks(BLOCK) {
        // The buffer is as large as the library asks for; what does not shrink is stored.
        match lz4_flex::block::compress_into(chunk, &mut room) {
            Ok(len) if len < chunk.len() => put_block(&mut out, 0, &room[..len]),
            _ => put_block(&mut out, STORED, chunk),
        }
    }
    out.extend_from_slice(&[0; 4]);
    out
}

fn put_block(out: &mut Vec<u8>, flag: u32, block: &[u8]) {
    let len = u32::try_from(block.len()).expect("a block is at most 64 KiB");
    out.extend_from_slice(&(len | flag).to_le_bytes());
    out.extend_from_slice(block);
}

/// Over the header so far, which begins with the magic number.
fn header_checksum(head: &[u8], header: Lz4Header) -> u8 {
    let from = match header {
        Lz4Header::Correct => MAGIC.len(),
        Lz4Header::Legacy => 0,
    };
    xxh32(&head[from..]).to_le_bytes()[1]
}

pub(super) struct Stream<'a> {
    rest: &'a [u8],
    flags: u8,
    block_size: usize,
    content: Xxh32,
    declared: Option<u64>,
    produced: u64,
    done: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8], header: Lz4Header) -> Result<Self, Problem> {
        const CUT: &str = "the frame header is cut";
        let (&[flags, block], rest) =
            data.strip_prefix(&MAGIC).ok_or("no frame begins here")?.split_first_chunk().ok_or(CUT)?;
        if flags & (0xc0 | INDEPENDENT | 3) != VERSION_1 | INDEPENDENT {
            return Err(Problem::from("frame flags that are not supported"));
        }
        if block & 0x8f != 0 || block < BLOCK_64K {
            return Err(Problem::from("no such block size"));
        }
        let (declared, rest) = if flags & CONTENT_SIZE == 0 {
            (None, rest)
        } else {
            let (size, rest) = rest.split_first_chunk().ok_or(CUT)?;
            (Some(u64::from_le_bytes(*size)), rest)
        };
        let head = &data[..data.len() - rest.len()];
        let (&checksum, rest) = rest.split_first().ok_or(CUT)?;
        if header == Lz4Header::Correct && checksum != header_checksum(head, header) {
            return Err(Problem::from("the frame header's checksum is wrong"));
        }
        let block_size = BLOCK << (2 * (usize::from(block >> 4) - 4));
        Ok(Self { rest, flags, block_size, content: Xxh32::new(), declared, produced: 0, done: false })
    }

    pub(super) fn next(&mut self, piece: &mut Vec<u8>) -> Result<(), Problem> {
        while !self.done && piece.is_empty() {
            let field = self.word("a block length is cut")?;
            if field == 0 {
                return self.end();
            }
            // Widening: usize has at least 32 bits wherever this builds.
            let len = (field & !STORED) as usize;
            if len > self.block_size {
                return Err(Problem::from("a block is larger than the frame allows"));
            }
            let (block, rest) = self.rest.split_at_checked(len).ok_or("a block is cut")?;
            self.rest = rest;
            if self.flags & BLOCK_CHECKSUM != 0 && self.word("a block checksum is cut")? != xxh32(block) {
                return Err(Problem::from("a block's checksum is wrong"));
            }
            self.open(block, field & STORED != 0, piece)?;
        }
        Ok(())
    }

    fn open(&mut self, block: &[u8], stored: bool, piece: &mut Vec<u8>) -> Result<(), Problem> {
        if stored {
            piece.extend_from_slice(block);
        } else {
            // One input byte gives at most 255: a length byte of a match.
            piece.resize(self.block_size.min(block.len().saturating_mul(256)), 0);
            let got = lz4_flex::block::decompress_into(block, piece);
            piece.truncate(got.map_err(|e| Problem::Bad(e.to_string().into()))?);
        }
        self.produced += piece.len() as u64;
        if self.flags & CONTENT_CHECKSUM != 0 {
            self.content.update(piece);
        }
        Ok(())
    }

    /// What follows the end mark. Anything behind it is no part of the stream, as in Kafka's reader.
    fn end(&mut self) -> Result<(), Problem> {
        self.done = true;
        if self.declared.is_some_and(|declared| declared != self.produced) {
            return Err(Problem::from("the frame opens to another size than it declares"));
        }
        if self.flags & CONTENT_CHECKSUM != 0 && self.word("the checksum is cut")? != self.content.finish() {
            return Err(Problem::from("the content's checksum is wrong"));
        }
        Ok(())
    }

    fn word(&mut self, cut: &'static str) -> Result<u32, Problem> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(cut)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }
}

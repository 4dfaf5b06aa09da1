//! Snappy in the framing of the xerial library, or one bare block as some old C and Go clients send it.
//!
//! ```text
//! 82 53 4e 41 50 50 59 00   int32 version 1   int32 oldest reader's version 1
//! then chunks:              int32 length      a raw Snappy block
//! ```
//!
//! The header may come again between chunks, where streams were joined. A raw block begins with its opened size; all
//! those sizes are checked (against the cap, and against what so few bytes can open to) before the first is opened.

use super::{Problem, problem};
use crate::format::CorruptReason;
use crate::format::batch::Codec;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_LEN: usize = MAGIC.len() + 4 + 4;
/// Bytes compressed at once, as xerial does by default.
const BLOCK: usize = 32 * 1024;
/// The densest element gives 64 bytes for 3.
const MOST_PER_BYTE: usize = 22;

pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>, CorruptReason> {
    let mut out = Vec::with_capacity(HEADER_LEN + data.len() / 2 + 64);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(BLOCK)];
    for chunk in data.chunks(BLOCK) {
        let len = encoder.compress(chunk, &mut block).map_err(|e| problem(Codec::Snappy, e))?;
        let field = u32::try_from(len).map_err(|e| problem(Codec::Snappy, e))?;
        out.extend_from_slice(&field.to_be_bytes());
        out.extend_from_slice(&block[..len]);
    }
    Ok(out)
}

pub(super) struct Stream<'a> {
    rest: &'a [u8],
    bare: bool,
    decoder: snap::raw::Decoder,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8], cap: usize) -> Result<Self, Problem> {
        let bare = !data.starts_with(&MAGIC);
        let mut stream = Self { rest: data, bare, decoder: snap::raw::Decoder::new() };
        let mut sum = 0usize;
        while let Some(block) = stream.block()? {
            sum = sum.saturating_add(opened_len(block)?);
            if sum > cap {
                return Err(Problem::TooMuch);
            }
        }
        stream.rest = data;
        Ok(stream)
    }

    pub(super) fn next(&mut self, piece: &mut Vec<u8>, room: usize) -> Result<(), Problem> {
        while let Some(block) = self.block()? {
            let len = opened_len(block)?;
            if len > room {
                return Err(Problem::TooMuch);
            }
            piece.resize(len, 0);
            let got =
                self.decoder.decompress(block, piece).map_err(|e| Problem::Bad(e.to_string().into()))?;
            piece.truncate(got);
            // An empty piece would mean the end.
            if got > 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next raw block.
    fn block(&mut self) -> Result<Option<&'a [u8]>, Problem> {
        if self.bare {
            let block = std::mem::take(&mut self.rest);
            return Ok((!block.is_empty()).then_some(block));
        }
        while self.rest.starts_with(&MAGIC) {
            self.rest = self.rest.get(HEADER_LEN..).ok_or("the header is cut")?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (field, rest) = self.rest.split_first_chunk().ok_or("a chunk length is cut")?;
        let len = usize::try_from(i32::from_be_bytes(*field)).map_err(|_| "a chunk length is negative")?;
        let (block, rest) = rest.split_at_checked(len).ok_or("a chunk is cut")?;
        self.rest = rest;
        Ok(Some(block))
    }
}

fn opened_len(block: &[u8]) -> Result<usize, Problem> {
    let len = snap::raw::decompress_len(block).map_err(|e| Problem::Bad(e.to_string().into()))?;
    if len > block.len().saturating_mul(MOST_PER_BYTE) {
        return Err(Problem::from("a block claims more than it can hold"));
    }
    Ok(len)
}

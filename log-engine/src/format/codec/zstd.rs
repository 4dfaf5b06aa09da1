//! Plain Zstandard frames.
//!
//! A frame names the window its reader must keep. Up to [`STREAM_WINDOW_LOG`] we stream and keep it; beyond that the
//! data are opened in one go into a buffer that is no larger than the room the caller left, so that a frame of a few
//! bytes cannot make us allocate the 128 MiB that level 22 asks for.

use super::{Problem, problem};
use crate::format::CorruptReason;
use crate::format::batch::Codec;
use std::io::Read;
use zstd::stream::read::Decoder;

/// Kafka's default level.
const LEVEL: i32 = 3;
/// Bytes handed out at once.
const PIECE: usize = 64 * 1024;
/// 8 MiB: what levels up to 19 use.
const STREAM_WINDOW_LOG: u32 = 23;

pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>, CorruptReason> {
    zstd::bulk::compress(data, LEVEL).map_err(|e| problem(Codec::Zstd, e))
}

pub(super) enum Stream<'a> {
    Piecewise(Decoder<'static, &'a [u8]>),
    Whole(&'a [u8]),
    Done,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8]) -> Result<Self, Problem> {
        if wide_window(data) {
            return Ok(Self::Whole(data));
        }
        let mut decoder = Decoder::with_buffer(data)?;
        decoder.window_log_max(STREAM_WINDOW_LOG)?;
        Ok(Self::Piecewise(decoder))
    }

    pub(super) fn next(&mut self, piece: &mut Vec<u8>, room: usize) -> Result<(), Problem> {
        match self {
            Self::Piecewise(decoder) => {
                piece.resize(PIECE, 0);
                let got = decoder.read(piece)?;
                piece.truncate(got);
            }
            Self::Whole(data) => {
                *piece = open_whole(data, room)?;
                *self = Self::Done;
            }
            Self::Done => {}
        }
        Ok(())
    }
}

/// Opens all frames into one buffer: of the first frame's declared size if that is enough, else of all the room.
fn open_whole(data: &[u8], room: usize) -> Result<Vec<u8>, Problem> {
    let declared = zstd::zstd_safe::get_frame_content_size(data).ok().flatten();
    let declared = declared.map_or(room, |size| usize::try_from(size).unwrap_or(usize::MAX));
    for capacity in [declared, room] {
        if capacity > room {
            return Err(Problem::TooMuch);
        }
        // Reserved, not touched: the system gives memory as far as bytes come out.
        let mut out = Vec::with_capacity(capacity);
        match zstd::bulk::Decompressor::new()?.decompress_to_buffer(data, &mut out) {
            Ok(_) => return Ok(out),
            Err(error) if !error.to_string().contains("Destination buffer is too small") => {
                return Err(error.into());
            }
            Err(_) => {}
        }
    }
    Err(Problem::TooMuch)
}

/// Whether the first frame's window is beyond what is streamed. The header: magic, descriptor (bit 5: single segment,
/// the window is the content), window descriptor (exponent in the upper 5 bits, from 10).
fn wide_window(data: &[u8]) -> bool {
    match data {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] => {
            let single_segment = descriptor & 0x20 != 0;
            single_segment || u32::from(window >> 3) + 10 >= STREAM_WINDOW_LOG
        }
        _ => false,
    }
}

//! Plain gzip members, one after the other.

use super::{Problem, problem};
use crate::format::CorruptReason;
use crate::format::batch::Codec;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

/// Bytes handed out at once.
const PIECE: usize = 32 * 1024;

pub(super) fn compress(data: &[u8]) -> Result<Vec<u8>, CorruptReason> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 2 + 64), Compression::default());
    encoder.write_all(data).and_then(|()| encoder.finish()).map_err(|e| problem(Codec::Gzip, e))
}

pub(super) struct Stream<'a>(MultiGzDecoder<&'a [u8]>);

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(MultiGzDecoder::new(data))
    }

    pub(super) fn next(&mut self, piece: &mut Vec<u8>) -> Result<(), Problem> {
        piece.resize(PIECE, 0);
        let got = self.0.read(piece)?;
        piece.truncate(got);
        Ok(())
    }
}

//! Compressed bodies, opened a piece at a time and never beyond a cap.
//!
//! A [`Decompressor`] hands out pieces of at most a few MiB and refuses at the first byte beyond its cap, so that
//! walking a batch costs memory of the order of one compressor block, whatever the sizes inside claim. The codecs
//! are features of the crate; one that is not compiled in is [`CorruptReason::Compression`] with a text that says so.
//!
//! # Invariants
//!
//! * At most `cap` bytes come out; sizes declared in the data are checked against the room that is left, and against
//!   what that many bytes can possibly hold, before anything is allocated for them.
//! * Every step consumes input or ends: no stream loops.
//!
//! # Not here
//!
//! What the bytes mean (`record`, the broker's old message sets).

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "lz4")]
mod xxh32;
#[cfg(feature = "zstd")]
mod zstd;

use super::CorruptReason;
use super::batch::{BatchView, Codec};
use std::borrow::Cow;

/// Which quirks a stream may have: the oldest messages hash their LZ4 frame header wrongly.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Lz4Header {
    /// The checksum the LZ4 frame format demands: magic 1 and 2.
    #[default]
    Correct,
    /// Magic 0: written over the magic number too, and not looked at when read.
    Legacy,
}

/// Bytes that come a piece at a time: what a walk over records reads from.
pub(crate) trait Pieces {
    /// What is there without more work, after the same was refilled if it was empty; empty at the end.
    fn fill(&mut self) -> Result<&[u8], CorruptReason>;
    /// Forgets `count` bytes of what [`Pieces::fill`] gave.
    fn consume(&mut self, count: usize);
}

impl Pieces for &[u8] {
    fn fill(&mut self) -> Result<&[u8], CorruptReason> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }
}

/// Compresses `data` as one stream.
///
/// # Errors
///
/// [`CorruptReason::Compression`] if the codec is not compiled in.
pub fn compress(codec: Codec, data: &[u8]) -> Result<Vec<u8>, CorruptReason> {
    compress_for(codec, Lz4Header::Correct, data)
}

/// Compresses `data` as one stream, with the quirk of magic 0 if asked for.
///
/// # Errors
///
/// [`CorruptReason::Compression`] if the codec is not compiled in.
pub fn compress_for(codec: Codec, header: Lz4Header, data: &[u8]) -> Result<Vec<u8>, CorruptReason> {
    let _ = header;
    match codec {
        Codec::None => Ok(data.to_vec()),
        #[cfg(feature = "gzip")]
        Codec::Gzip => gzip::compress(data),
        #[cfg(feature = "snappy")]
        Codec::Snappy => snappy::compress(data),
        #[cfg(feature = "lz4")]
        Codec::Lz4 => Ok(lz4::compress(data, header)),
        #[cfg(feature = "zstd")]
        Codec::Zstd => zstd::compress(data),
        #[cfg(not(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")))]
        _ => Err(problem(codec, "not compiled in")),
    }
}

/// Opens one compressed stream.
pub struct Decompressor<'a> {
    codec: Codec,
    stream: Stream<'a>,
    /// The piece being handed out, and how much of it is gone.
    piece: Vec<u8>,
    taken: usize,
    /// Bytes that may still come out.
    room: usize,
    cap: usize,
}

enum Stream<'a> {
    Plain(&'a [u8]),
    #[cfg(feature = "gzip")]
    Gzip(Box<gzip::Stream<'a>>),
    #[cfg(feature = "snappy")]
    Snappy(snappy::Stream<'a>),
    #[cfg(feature = "lz4")]
    Lz4(lz4::Stream<'a>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Stream<'a>),
}

impl<'a> Decompressor<'a> {
    /// Opens `data`, of which at most `cap` bytes may come out.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Compression`] for a bad beginning, or a codec that is not compiled in.
    pub fn new(codec: Codec, data: &'a [u8], cap: usize) -> Result<Self, CorruptReason> {
        Self::with_header(codec, Lz4Header::Correct, data, cap)
    }

    /// The same, forgiving magic 0 its LZ4 header checksum if asked to.
    ///
    /// # Errors
    ///
    /// As [`Decompressor::new`].
    pub fn with_header(
        codec: Codec,
        header: Lz4Header,
        data: &'a [u8],
        cap: usize,
    ) -> Result<Self, CorruptReason> {
        let _ = header;
        let opened = match codec {
            Codec::None => Ok(Stream::Plain(data)),
            #[cfg(feature = "gzip")]
            Codec::Gzip => Ok(Stream::Gzip(Box::new(gzip::Stream::new(data)))),
            #[cfg(feature = "snappy")]
            Codec::Snappy => snappy::Stream::new(data, cap).map(Stream::Snappy),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => lz4::Stream::new(data, header).map(Stream::Lz4),
            #[cfg(feature = "zstd")]
            Codec::Zstd => zstd::Stream::new(data).map(Stream::Zstd),
            #[cfg(not(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")))]
            _ => Err(Problem::from("not compiled in")),
        };
        let stream = opened.map_err(|what| what.of(codec, cap))?;
        Ok(Self { codec, stream, piece: Vec::new(), taken: 0, room: cap, cap })
    }

    /// All that is left, in one buffer.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Compression`] for bad data or more than the cap.
    pub fn read_all(mut self) -> Result<Vec<u8>, CorruptReason> {
        let mut out = self.piece.split_off(self.taken);
        loop {
            self.refill().map_err(|what| what.of(self.codec, self.cap))?;
            match (self.piece.is_empty(), out.is_empty()) {
                (true, _) => return Ok(out),
                // Codecs that open in one piece are not copied.
                (false, true) => std::mem::swap(&mut out, &mut self.piece),
                (false, false) => out.extend_from_slice(&self.piece),
            }
        }
    }

    fn refill(&mut self) -> Result<(), Problem> {
        self.piece.clear();
        self.taken = 0;
        let (piece, room) = (&mut self.piece, self.room);
        match &mut self.stream {
            Stream::Plain(data) => piece.extend_from_slice(std::mem::take(data)),
            #[cfg(feature = "gzip")]
            Stream::Gzip(stream) => stream.next(piece)?,
            #[cfg(feature = "snappy")]
            Stream::Snappy(stream) => stream.next(piece, room)?,
            #[cfg(feature = "lz4")]
            Stream::Lz4(stream) => stream.next(piece)?,
            #[cfg(feature = "zstd")]
            Stream::Zstd(stream) => stream.next(piece, room)?,
        }
        self.room = room.checked_sub(piece.len()).ok_or(Problem::TooMuch)?;
        Ok(())
    }
}

impl Pieces for Decompressor<'_> {
    fn fill(&mut self) -> Result<&[u8], CorruptReason> {
        if self.taken == self.piece.len() {
            let (codec, cap) = (self.codec, self.cap);
            self.refill().map_err(|what| what.of(codec, cap))?;
        }
        Ok(&self.piece[self.taken..])
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        assert!(self.taken <= self.piece.len(), "only what was handed out is consumed");
    }
}

impl<'a> BatchView<'a> {
    /// The records as bytes: the body itself if it is not compressed, else opened to at most `cap` bytes.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Compression`] for an unknown codec, bad data, or more than `cap` bytes.
    pub fn open_body(&self, cap: usize) -> Result<Cow<'a, [u8]>, CorruptReason> {
        match self.known_codec()? {
            Codec::None => Ok(Cow::Borrowed(self.body())),
            codec => Ok(Cow::Owned(Decompressor::new(codec, self.body(), cap)?.read_all()?)),
        }
    }

    /// The codec.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Compression`] for a number no format defines.
    pub fn known_codec(&self) -> Result<Codec, CorruptReason> {
        self.attributes().codec().map_err(|id| CorruptReason::Compression {
            codec: "unknown",
            problem: format!("codec {id} is not defined"),
        })
    }
}

/// What is wrong with a stream, before it is known whose stream it is.
#[derive(Debug)]
pub(crate) enum Problem {
    /// More than the cap would come out.
    TooMuch,
    /// Anything else.
    Bad(Cow<'static, str>),
}

impl Problem {
    fn of(self, codec: Codec, cap: usize) -> CorruptReason {
        let text = match self {
            Self::TooMuch => format!("opens to more than {cap} bytes"),
            Self::Bad(text) => text.into_owned(),
        };
        CorruptReason::Compression { codec: codec.name(), problem: text }
    }
}

impl From<&'static str> for Problem {
    fn from(text: &'static str) -> Self {
        Self::Bad(Cow::Borrowed(text))
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Bad(Cow::Owned(error.to_string()))
    }
}

#[allow(dead_code, reason = "not every set of features needs it")]
fn problem(codec: Codec, text: impl std::fmt::Display) -> CorruptReason {
    CorruptReason::Compression { codec: codec.name(), problem: text.to_string() }
}

#[cfg(test)]
mod tests;

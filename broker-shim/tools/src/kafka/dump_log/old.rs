//! Messages of magic 0 and 1, to be shown: also those whose checksum is wrong.
//!
//! ```text
//! offset int64, size int32, crc uint32 (CRC-32 of all behind it), magic int8, attributes int8 (codec 0-2, time type 3),
//! timestamp int64 (magic 1), key int32 length and bytes, value int32 length and bytes
//! ```
//!
//! With a codec the value holds messages: with offsets of their own in magic 0, counted from the first in magic 1.

use log_engine::format::batch::Codec;
use log_engine::format::codec::{Decompressor, Lz4Header};

/// Most bytes that a wrapper is opened to.
const CAP: usize = 1 << 28;
const CRC_AT: usize = 12;
const MAGIC_AT: usize = CRC_AT + 4;
const ATTRIBUTES_AT: usize = MAGIC_AT + 1;
const BODY_AT: usize = ATTRIBUTES_AT + 1;
const CODEC_BITS: u8 = 7;
const APPEND_TIME_BIT: u8 = 8;

/// One entry: a message, or a wrapper of several.
pub(super) struct Entry<'a> {
    pub(super) offset: i64,
    pub(super) magic: u8,
    pub(super) crc: u32,
    /// The checksum fits.
    pub(super) valid: bool,
    attributes: u8,
    timestamp: Option<i64>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

/// A message as a reader gets it.
pub(super) struct Opened {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) crc: u32,
    pub(super) valid: bool,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
}

impl<'a> Entry<'a> {
    /// Of exactly the bytes of an entry. Fields that are cut are as if they were not there.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let magic = bytes.get(MAGIC_AT).copied().unwrap_or_default();
        let attributes = bytes.get(ATTRIBUTES_AT).copied().unwrap_or_default();
        let crc = word(bytes, CRC_AT).map_or(0, u32::from_be_bytes);
        let valid = bytes.get(MAGIC_AT..).is_some_and(|counted| crc32fast::hash(counted) == crc);
        let timestamp = (magic == 1).then(|| word(bytes, BODY_AT).map_or(-1, i64::from_be_bytes));
        let mut rest = bytes.get(BODY_AT + if magic == 1 { 8 } else { 0 }..).unwrap_or_default();
        let key = take_sized(&mut rest);
        let value = take_sized(&mut rest);
        let offset = word(bytes, 0).map_or(-1, i64::from_be_bytes);
        Self { offset, magic, crc, valid, attributes, timestamp, key, value }
    }

    pub(super) const fn time_type(&self) -> &'static str {
        match (self.magic, self.attributes & APPEND_TIME_BIT) {
            (0, _) => "NoTimestampType",
            (_, 0) => "CreateTime",
            _ => "LogAppendTime",
        }
    }

    pub(super) fn timestamp(&self) -> i64 {
        self.timestamp.unwrap_or(-1)
    }

    fn codec(&self) -> Option<Codec> {
        Codec::from_id(self.attributes & CODEC_BITS)
    }

    pub(super) fn codec_name(&self) -> &'static str {
        self.codec().map_or("unknown", Codec::name)
    }

    /// The messages in it; itself if it is no wrapper. The error is the end of a sentence.
    pub(super) fn open(&self) -> Result<Vec<Opened>, String> {
        let codec = self.codec().ok_or("has a codec that no format defines")?;
        if codec == Codec::None {
            return Ok(vec![self.opened(self.offset, self.timestamp())]);
        }
        let header = if self.magic == 0 { Lz4Header::Legacy } else { Lz4Header::Correct };
        let data = self.value.unwrap_or_default();
        let opened = Decompressor::with_header(codec, header, data, CAP).and_then(Decompressor::read_all);
        let opened = opened.map_err(|reason| format!("cannot be opened: {reason}"))?;
        let mut rest = &opened[..];
        let mut inner = Vec::new();
        while let Some(size) = word(rest, CRC_AT - 4).map(i32::from_be_bytes) {
            let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(CRC_AT);
            let Some((bytes, after)) = rest.split_at_checked(size) else { break };
            inner.push(Entry::of(bytes));
            rest = after;
        }
        let end = inner.last().map_or(0, |last| last.offset);
        let base = if self.magic == 1 { self.offset.saturating_sub(end) } else { 0 };
        let lent = self.attributes & APPEND_TIME_BIT != 0 && self.magic == 1;
        let place = |entry: &Entry<'_>| {
            let timestamp = if lent { self.timestamp() } else { entry.timestamp() };
            entry.opened(entry.offset.saturating_add(base), timestamp)
        };
        Ok(inner.iter().map(place).collect())
    }

    fn opened(&self, offset: i64, timestamp: i64) -> Opened {
        let (key, value) = (self.key.map(<[u8]>::to_vec), self.value.map(<[u8]>::to_vec));
        Opened { offset, timestamp, crc: self.crc, valid: self.valid, key, value }
    }
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied()
}

/// A length and as many bytes; `None` for null, or where they are not there.
fn take_sized<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, rest) = data.split_first_chunk()?;
    let size = usize::try_from(i32::from_be_bytes(*head));
    let taken = size.ok().and_then(|size| rest.split_at_checked(size));
    *data = taken.map_or(rest, |(_, after)| after);
    taken.map(|(taken, _)| taken)
}

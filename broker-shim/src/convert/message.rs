//! One entry of a message set.
//!
//! ```text
//! offset      int64
//! size        int32    bytes after it
//! crc         uint32   CRC-32 (IEEE) of everything after it
//! magic       int8     0 or 1
//! attributes  int8     codec 0-2; time type 3 (magic 1)
//! timestamp   int64    magic 1 only; -1 none
//! key         int32 length (-1 null), bytes
//! value       int32 length (-1 null), bytes
//! ```
//!
//! With a codec the entry is a wrapper: its value is a compressed message set, its offset that of the last message
//! inside. Offsets inside are absolute in magic 0 and relative to the first in magic 1.
//!
//! # Invariants
//!
//! * A [`Message`] has a right checksum and parts that fill its size exactly.

use super::OldMagic;
use log_engine::format::CorruptReason;
use log_engine::format::batch::{Codec, TimestampType};
use log_engine::format::codec::{Decompressor, Lz4Header};
use log_engine::types::{Offset, Timestamp};

/// Bytes before and in the size field.
const OVERHEAD: usize = 8 + 4;
/// Where the magic lies in the counted bytes.
const MAGIC_AT: usize = 4;
/// Size of a magic 0 message without key and value bytes.
const SMALLEST: usize = 4 + 1 + 1 + 4 + 4;
const CODEC_BITS: u8 = 7;
const APPEND_TIME_BIT: u8 = 8;

const _: () = assert!(SMALLEST == 14);

/// What is wrong with an entry, as the end of a sentence.
pub type Problem = &'static str;

/// One message, or a wrapper around several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Message<'a> {
    /// As it came: old clients put anything there.
    pub raw_offset: i64,
    /// Its format.
    pub magic: OldMagic,
    /// Codec and time type.
    attributes: u8,
    /// Its time; none in magic 0.
    pub timestamp: Option<Timestamp>,
    /// The key; nothing in a wrapper.
    pub key: Option<&'a [u8]>,
    /// The value, or the wrapped messages.
    pub value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// The codec's number; 0 for a plain message.
    #[must_use]
    pub const fn codec_id(&self) -> u8 {
        self.attributes & CODEC_BITS
    }

    /// Whose clock its timestamp is; always the producer's in magic 0.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic == OldMagic::V1 && self.attributes & APPEND_TIME_BIT != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Takes the next message, with its size in bytes, off the front: `None` at the end, which is also where a cut one begins.
    ///
    /// # Errors
    ///
    /// What is wrong with the message.
    pub fn take(data: &mut &'a [u8]) -> Result<Option<(Self, usize)>, Problem> {
        let Some((head, rest)) =
            data.split_first_chunk::<OVERHEAD>().filter(|(_, rest)| rest.len() > MAGIC_AT)
        else {
            return Ok(None);
        };
        let [o0, o1, o2, o3, o4, o5, o6, o7, s0, s1, s2, s3] = *head;
        let size = usize::try_from(i32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(0);
        if size < SMALLEST {
            return Err("a message size is impossible");
        }
        let Some((counted, rest)) = rest.split_at_checked(size) else {
            return Ok(None);
        };
        *data = rest;
        let raw_offset = i64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        Self::parse(raw_offset, counted).map(|message| Some((message, OVERHEAD + size)))
    }

    fn parse(raw_offset: i64, counted: &'a [u8]) -> Result<Self, Problem> {
        const CUT: Problem = "a message is smaller than its parts";
        let (crc, mut rest) = counted.split_first_chunk().ok_or(CUT)?;
        let magic = match counted.get(MAGIC_AT) {
            Some(0) => OldMagic::V0,
            Some(1) => OldMagic::V1,
            _ => return Err("a message has neither magic 0 nor 1"),
        };
        if crc32fast::hash(rest) != u32::from_be_bytes(*crc) {
            return Err("a message has a wrong checksum");
        }
        let [_, attributes] = take_array(&mut rest).ok_or(CUT)?;
        let timestamp = match magic {
            OldMagic::V0 => None,
            OldMagic::V1 => Timestamp::from_millis(i64::from_be_bytes(take_array(&mut rest).ok_or(CUT)?)),
        };
        let key = take_sized(&mut rest).ok_or(CUT)?;
        let value = take_sized(&mut rest).ok_or(CUT)?;
        if !rest.is_empty() {
            return Err("a message is larger than its parts");
        }
        Ok(Self { raw_offset, magic, attributes, timestamp, key, value })
    }

    /// The messages inside a wrapper, as bytes; at most `room` of them.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Compression`].
    pub fn open(&self, codec: Codec, room: usize) -> Result<Vec<u8>, CorruptReason> {
        let header = match self.magic {
            OldMagic::V0 => Lz4Header::Legacy,
            OldMagic::V1 => Lz4Header::Correct,
        };
        Decompressor::with_header(codec, header, self.value.unwrap_or_default(), room)?.read_all()
    }
}

fn take_array<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(*array)
}

/// A length and as many bytes: `None` if they are not there, `Some(None)` for null.
fn take_sized<'a>(data: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = i32::from_be_bytes(take_array(data)?);
    if len == -1 {
        return Some(None);
    }
    let (taken, rest) = data.split_at_checked(usize::try_from(len).ok()?)?;
    *data = rest;
    Some(Some(taken))
}

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Its offset, or its number inside a wrapper of magic 1.
    pub offset: Offset,
    /// [`Codec::None`] for a plain message.
    pub codec: Codec,
    /// Written in magic 1 only.
    pub timestamp_type: TimestampType,
    /// Written in magic 1 only.
    pub timestamp: Option<Timestamp>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value, or the compressed messages.
    pub value: Option<&'a [u8]>,
}

impl NewMessage<'_> {
    /// Appends the message in the given format; `None` if a part is larger than the format can say.
    #[must_use]
    pub fn put(&self, magic: OldMagic, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(&self.offset.get().to_be_bytes());
        // Size and checksum come when the rest is there.
        out.extend_from_slice(&[0; 8]);
        let append_time = self.timestamp_type == TimestampType::LogAppendTime;
        match magic {
            OldMagic::V0 => out.extend_from_slice(&[0, self.codec.id()]),
            OldMagic::V1 => {
                let bit = if append_time { APPEND_TIME_BIT } else { 0 };
                out.extend_from_slice(&[1, self.codec.id() | bit]);
                out.extend_from_slice(&Timestamp::to_raw(self.timestamp).to_be_bytes());
            }
        }
        put_sized(out, self.key)?;
        put_sized(out, self.value)?;
        let size = i32::try_from(out.len() - start - OVERHEAD).ok()?;
        let crc = crc32fast::hash(&out[start + OVERHEAD + MAGIC_AT..]);
        out[start + 8..start + OVERHEAD].copy_from_slice(&size.to_be_bytes());
        out[start + OVERHEAD..start + OVERHEAD + MAGIC_AT].copy_from_slice(&crc.to_be_bytes());
        Some(())
    }
}

fn put_sized(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Option<()> {
    let len = bytes.map_or(Ok(-1), |bytes| i32::try_from(bytes.len())).ok()?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
    Some(())
}

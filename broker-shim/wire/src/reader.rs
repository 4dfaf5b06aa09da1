//! Bytes to fields: every length is checked against the bytes that remain before anything is allocated.
//!
//! # The bytes
//!
//! ```text
//!  kind            classic versions            flexible versions
//!  bool, i8..i64   big-endian                  the same
//!  string          i16 length, UTF-8           uvarint length + 1, UTF-8
//!  bytes, records  i32 length, bytes           uvarint length + 1, bytes
//!  array           i32 count, elements         uvarint count + 1, elements
//!  null            length or count -1          length or count + 1 = 0
//!  nullable struct i8: -1 null, else 1         the same
//!  struct          its fields                  its fields, tag section
//!  tag section     -                           uvarint count, each: uvarint tag, uvarint size, content
//! ```
//!
//! A uvarint is base 128, least group first, not zigzag.
//!
//! # Invariants
//!
//! * An array's count is at most the remaining bytes divided by the least size of an element; only then is memory taken.
//! * All memory of a decoded message is counted beforehand: `8 x input + 64 KiB` is the most it may take
//!   ([`Problem::Memory`]). `bytes` and `records` are slices of the input and take none.
//! * Depth is bounded by the schema: no message contains itself.
//! * Unknown tagged fields are skipped, not kept.

use crate::error::{DecodeError, Problem};
use crate::message::Versions;
use crate::uuid::Uuid;
use crate::writer::Payload;
use bytes::Bytes;

/// The longest string Kafka reads or writes, bytes.
pub const MAX_STRING: usize = 32_767;
/// Memory a message may take beyond eight times its bytes. 4 KiB below the promise: the error text needs some too.
const MEMORY_FLOOR: usize = 60 * 1024;
/// Memory a message may take per byte of it.
const MEMORY_FACTOR: usize = 8;

/// A cursor over one message.
#[derive(Clone, Debug)]
pub struct Reader {
    buf: Bytes,
    pos: usize,
    /// End of the message, or of the tagged field that is being read. `pos <= end <= buf.len()`.
    end: usize,
    flexible: bool,
    message: &'static str,
    version: i16,
    /// The field of the array that is being read, for its elements' errors.
    array: &'static str,
    memory_left: usize,
}

/// The state of a tag section: how many fields are still to come, and where the surrounding bytes end.
#[derive(Debug)]
pub struct Tags {
    left: u32,
    open: bool,
    outer_end: usize,
}

impl Reader {
    /// A cursor at the start of `buf`.
    #[must_use]
    pub fn new(buf: Bytes) -> Self {
        let end = buf.len();
        let memory_left = memory_limit(end);
        Self { buf, pos: 0, end, flexible: false, message: "frame", version: 0, array: "", memory_left }
    }

    /// Starts a message: from here on errors carry its name, and its flexibility decides the form of lengths.
    pub fn begin(
        &mut self,
        message: &'static str,
        version: i16,
        versions: Versions,
    ) -> Result<(), DecodeError> {
        self.message = message;
        self.version = version;
        self.flexible = versions.is_flexible(version);
        if versions.contains(version) {
            return Ok(());
        }
        Err(self.error("version", Problem::Version { min: versions.min, max: versions.max }))
    }

    /// Whether lengths are compact and structs end in a tag section.
    #[must_use]
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.end - self.pos
    }

    /// The bytes not yet read, without copying them.
    #[must_use]
    pub fn into_rest(self) -> Bytes {
        self.buf.slice(self.pos..self.end)
    }

    /// Ends the message: a byte left over is an error.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error("end", Problem::Trailing(left))),
        }
    }

    /// An error at the current position.
    #[must_use]
    #[cold]
    pub fn error(&self, field: &'static str, problem: Problem) -> DecodeError {
        DecodeError { message: self.message, version: self.version, field, position: self.pos, problem }
    }

    /// The next `N` bytes.
    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let found = self.buf[self.pos..self.end].first_chunk::<N>().copied();
        match found {
            Some(bytes) => {
                self.pos += N;
                Ok(bytes)
            }
            None => Err(self.error(field, Problem::Short { needed: N, left: self.remaining() })),
        }
    }

    /// A boolean: any byte but 0 is true, as in Kafka.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.fixed::<1>(field)? != [0])
    }

    /// A signed byte.
    pub fn i8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        self.fixed(field).map(i8::from_be_bytes)
    }

    /// Two bytes, signed.
    pub fn i16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.fixed(field).map(i16::from_be_bytes)
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.fixed(field).map(i32::from_be_bytes)
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.fixed(field).map(i64::from_be_bytes)
    }

    /// An IEEE 754 number of eight bytes.
    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        self.fixed(field).map(f64::from_be_bytes)
    }

    /// A topic id or the like.
    pub fn uuid(&mut self, field: &'static str) -> Result<Uuid, DecodeError> {
        self.fixed(field).map(Uuid)
    }

    /// A signed byte whose -1 means none.
    pub fn option_i8(&mut self, field: &'static str) -> Result<Option<i8>, DecodeError> {
        Ok(Some(self.i8(field)?).filter(|raw| *raw != -1))
    }

    /// Two bytes whose -1 means none.
    pub fn option_i16(&mut self, field: &'static str) -> Result<Option<i16>, DecodeError> {
        Ok(Some(self.i16(field)?).filter(|raw| *raw != -1))
    }

    /// Four bytes whose -1 means none.
    pub fn option_i32(&mut self, field: &'static str) -> Result<Option<i32>, DecodeError> {
        Ok(Some(self.i32(field)?).filter(|raw| *raw != -1))
    }

    /// Eight bytes whose -1 means none.
    pub fn option_i64(&mut self, field: &'static str) -> Result<Option<i64>, DecodeError> {
        Ok(Some(self.i64(field)?).filter(|raw| *raw != -1))
    }

    /// An unsigned number in base 128, at most 32 bits.
    pub fn uvarint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>(field)?;
            let group = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(self.error(field, Problem::Varint(5)));
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(value)
    }

    /// A length or count in the form of this version; `None` for null. `short` strings have two bytes of it.
    fn length(&mut self, field: &'static str, short: bool) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible {
            match self.uvarint(field)?.checked_sub(1) {
                None => return Ok(None),
                Some(length) => i32::try_from(length).map_err(|_| self.error(field, Problem::Varint(5)))?,
            }
        } else if short {
            i32::from(self.i16(field)?)
        } else {
            self.i32(field)?
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.error(field, Problem::Negative(length))),
        }
    }

    /// Takes `bytes` from what the message may still take of memory.
    fn charge(&mut self, field: &'static str, bytes: usize) -> Result<(), DecodeError> {
        match self.memory_left.checked_sub(bytes) {
            Some(left) => {
                self.memory_left = left;
                Ok(())
            }
            None => Err(self.error(field, Problem::Memory { limit: memory_limit(self.buf.len()) })),
        }
    }

    fn check_left(&self, field: &'static str, needed: usize) -> Result<(), DecodeError> {
        let left = self.remaining();
        if needed <= left { Ok(()) } else { Err(self.error(field, Problem::Short { needed, left })) }
    }

    fn non_null<T>(&self, field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
        value.ok_or_else(|| self.error(field, Problem::Null))
    }

    /// A string.
    pub fn string(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let value = self.nullable_string(field)?;
        self.non_null(field, value)
    }

    /// A string or null.
    pub fn nullable_string(&mut self, field: &'static str) -> Result<Option<String>, DecodeError> {
        let Some(len) = self.length(field, true)? else { return Ok(None) };
        if len > MAX_STRING {
            return Err(self.error(field, Problem::StringTooLong(len)));
        }
        self.check_left(field, len)?;
        self.charge(field, len)?;
        match std::str::from_utf8(&self.buf[self.pos..self.pos + len]) {
            Ok(text) => {
                let text = text.to_owned();
                self.pos += len;
                Ok(Some(text))
            }
            Err(e) => Err(self.error(field, Problem::Utf8 { valid: e.valid_up_to(), len })),
        }
    }

    /// Bytes, as a slice of the input: whoever keeps them longer than the request copies them.
    pub fn bytes(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        let value = self.nullable_bytes(field)?;
        self.non_null(field, value)
    }

    /// Bytes or null, as a slice of the input.
    pub fn nullable_bytes(&mut self, field: &'static str) -> Result<Option<Bytes>, DecodeError> {
        let Some(len) = self.length(field, false)? else { return Ok(None) };
        self.check_left(field, len)?;
        let slice = self.buf.slice(self.pos..self.pos + len);
        self.pos += len;
        Ok(Some(slice))
    }

    /// Records of a response, as a slice of the input.
    pub fn payload(&mut self, field: &'static str) -> Result<Payload, DecodeError> {
        Ok(self.nullable_bytes(field)?.map_or(Payload::None, Payload::Bytes))
    }

    /// Whether a nullable struct follows.
    pub fn presence(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.i8(field)? >= 0)
    }

    /// An array. `min` is the least size of an element in bytes, `read` reads one.
    pub fn array<T>(
        &mut self,
        field: &'static str,
        min: usize,
        read: fn(&mut Self, i16) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let value = self.nullable_array(field, min, read)?;
        self.non_null(field, value)
    }

    /// An array or null: see [`Self::array`].
    pub fn nullable_array<T>(
        &mut self,
        field: &'static str,
        min: usize,
        read: fn(&mut Self, i16) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(field, false)? else { return Ok(None) };
        self.check_count(field, count, min, size_of::<T>())?;
        self.array = field;
        let version = self.version;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(read(self, version)?);
        }
        Ok(Some(elements))
    }

    /// Checks an element count before memory of `size` bytes for each is taken.
    fn check_count(
        &mut self,
        field: &'static str,
        count: usize,
        min: usize,
        size: usize,
    ) -> Result<(), DecodeError> {
        let left = self.remaining();
        if count > left / min.max(1) {
            return Err(self.error(field, Problem::Count { count, min, left }));
        }
        self.charge(field, count.saturating_mul(size))
    }

    /// One element of an array of `i8`.
    pub fn i8_element(&mut self, _version: i16) -> Result<i8, DecodeError> {
        self.i8(self.array)
    }

    /// One element of an array of `i32`.
    pub fn i32_element(&mut self, _version: i16) -> Result<i32, DecodeError> {
        self.i32(self.array)
    }

    /// One element of an array of `i64`.
    pub fn i64_element(&mut self, _version: i16) -> Result<i64, DecodeError> {
        self.i64(self.array)
    }

    /// One element of an array of strings.
    pub fn string_element(&mut self, _version: i16) -> Result<String, DecodeError> {
        self.string(self.array)
    }

    /// One element of an array of ids.
    pub fn uuid_element(&mut self, _version: i16) -> Result<Uuid, DecodeError> {
        self.uuid(self.array)
    }

    /// Starts the tag section of a struct; an empty one in versions without.
    pub fn tags(&mut self) -> Result<Tags, DecodeError> {
        let left = if self.flexible { self.uvarint("tagged fields")? } else { 0 };
        Ok(Tags { left, open: false, outer_end: self.end })
    }

    /// Ends the tagged field before, if any, and starts the next: its number, or `None` after the last.
    pub fn next_tag(&mut self, tags: &mut Tags) -> Result<Option<u32>, DecodeError> {
        if tags.open {
            self.finish()?;
            self.end = tags.outer_end;
            tags.open = false;
        }
        let Some(left) = tags.left.checked_sub(1) else { return Ok(None) };
        tags.left = left;
        let tag = self.uvarint("tag")?;
        // Widening: a usize has at least 32 bits on every platform that is supported.
        let size = self.uvarint("tag size")? as usize;
        self.check_left("tagged field", size)?;
        self.end = self.pos + size;
        tags.open = true;
        Ok(Some(tag))
    }

    /// Passes over a tagged field that this codec does not know.
    pub fn skip_tag(&mut self) {
        self.pos = self.end;
    }

    /// Passes over the whole tag section of a struct without known ones.
    pub fn skip_tags(&mut self) -> Result<(), DecodeError> {
        let mut tags = self.tags()?;
        while self.next_tag(&mut tags)?.is_some() {
            self.skip_tag();
        }
        Ok(())
    }
}

/// The memory that a message of `input` bytes may take when decoded, in bytes.
fn memory_limit(input: usize) -> usize {
    input.saturating_mul(MEMORY_FACTOR).saturating_add(MEMORY_FLOOR)
}

#[cfg(test)]
mod tests;

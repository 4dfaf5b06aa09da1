//! Fields to segments: small things are written into one buffer, record data is passed on as it is.
//!
//! A message becomes a list of [`Segment`]s in sending order. A [`Segment::Bytes`] goes out by a vectored write; a
//! [`Segment::Gap`] stands for `len` bytes that the caller sends from elsewhere (`sendfile` from a segment file).
//! Lengths and the frame's size are known before the first byte leaves: a gap counts with its `len`.
//!
//! # What a version cannot carry
//!
//! * A field that the version lacks is left out. In a *request* that holds a value other than its default there, and
//!   whose schema does not say `ignorable`, this is [`Unencodable::Absent`], as in Kafka; in a *response* and in data
//!   it is silent, so that a handler fills in all it knows and the version decides.
//! * `None` where the version has no null: [`Unencodable::Null`] in a request; in a response and in data the empty
//!   value is sent.
//!
//! The first error sticks; [`Writer::finish`] returns it.

use crate::error::{EncodeError, Unencodable};
use crate::message::Versions;
use crate::reader::MAX_STRING;
use crate::uuid::Uuid;
use bytes::{BufMut, Bytes, BytesMut};

/// `bytes` fields below this size are copied: a segment of their own costs more. Records are never copied.
const COPY_BELOW: usize = 256;

/// One piece of an encoded message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// These bytes.
    Bytes(Bytes),
    /// `len` bytes that the caller sends in this place.
    Gap {
        /// Which ones: the number that the payload was given.
        slot: u32,
        /// How many bytes.
        len: u32,
    },
}

impl Segment {
    /// Bytes it adds to the message.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Gap { len, .. } => widen(*len),
        }
    }

    /// Whether it adds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Record data of a response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Payload {
    /// Null. Towards clients an empty [`Payload::Bytes`] is what brokers send for "no records".
    #[default]
    None,
    /// These bytes, passed on without a copy.
    Bytes(Bytes),
    /// `len` bytes that the caller sends when the segments' turn comes.
    Gap {
        /// The caller's number for them.
        slot: u32,
        /// How many bytes.
        len: u32,
    },
}

impl Payload {
    /// Bytes it adds to the message.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len(),
            Self::Gap { len, .. } => widen(*len),
        }
    }

    /// Whether there is no record data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many bytes lengths and numbers of `u32` are in memory.
fn widen(len: u32) -> usize {
    // Widening: a usize has at least 32 bits on every platform that is supported.
    len as usize
}

#[derive(Debug)]
enum Part {
    Own(BytesMut),
    Shared(Segment),
}

/// The place of a tagged field: what was written before it.
#[derive(Debug)]
pub struct OuterParts {
    head: BytesMut,
    parts: Vec<Part>,
    len: usize,
}

/// Collects a message.
#[derive(Debug)]
pub struct Writer {
    /// What follows the last part.
    head: BytesMut,
    parts: Vec<Part>,
    /// Bytes in `parts`.
    len: usize,
    flexible: bool,
    strict: bool,
    message: &'static str,
    version: i16,
    error: Option<EncodeError>,
    /// Error codes other than 0, in their order.
    codes: Vec<i16>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::with_head(BytesMut::with_capacity(256))
    }

    /// One that begins with four bytes for the frame's length, which [`Self::finish_frame`] fills.
    #[must_use]
    pub fn framed() -> Self {
        let mut head = BytesMut::with_capacity(256);
        head.put_i32(0);
        Self::with_head(head)
    }

    fn with_head(head: BytesMut) -> Self {
        let (message, version) = ("frame", 0);
        Self {
            head,
            parts: Vec::new(),
            len: 0,
            flexible: false,
            strict: false,
            message,
            version,
            error: None,
            codes: Vec::new(),
        }
    }

    /// Starts a message: its flexibility decides the form of lengths; `strict` is for requests (see the module).
    pub fn begin(&mut self, message: &'static str, version: i16, versions: Versions, strict: bool) {
        self.message = message;
        self.version = version;
        self.strict = strict;
        self.flexible = versions.is_flexible(version);
        if !versions.contains(version) {
            self.refuse("version", Unencodable::Version { min: versions.min, max: versions.max });
        }
    }

    /// Whether lengths are compact and structs end in a tag section.
    #[must_use]
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// Bytes so far, gaps included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len + self.head.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first error.
    #[cold]
    fn refuse(&mut self, field: &'static str, problem: Unencodable) {
        let (message, version) = (self.message, self.version);
        self.error.get_or_insert(EncodeError { message, version, field, problem });
    }

    /// A request's field that this version lacks must have its default.
    pub fn absent(&mut self, field: &'static str, is_default: bool) {
        if self.strict && !is_default {
            self.refuse(field, Unencodable::Absent);
        }
    }

    /// The segments, or the first error.
    pub fn finish(mut self) -> Result<Vec<Segment>, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.head.is_empty() {
            self.parts.push(Part::Own(self.head));
        }
        Ok(self.parts.into_iter().map(Part::freeze).collect())
    }

    /// The segments of a frame: the four bytes at the start become the number of bytes after them.
    pub fn finish_frame(mut self) -> Result<Vec<Segment>, EncodeError> {
        let after = self.len().saturating_sub(4);
        let Ok(size) = i32::try_from(after) else {
            self.refuse("frame", Unencodable::TooLong { len: after, max: MAX_LENGTH });
            return self.finish();
        };
        let first = match self.parts.first_mut() {
            Some(Part::Own(own)) => own,
            _ => &mut self.head,
        };
        if let Some(place) = first.get_mut(..4) {
            place.copy_from_slice(&size.to_be_bytes());
        }
        self.finish()
    }

    /// What [`Self::finish_frame`] does, and the error codes other than 0 that were written: most responses have none, and
    /// those cost nothing.
    pub fn finish_frame_with_codes(mut self) -> Result<(Vec<Segment>, Vec<i16>), EncodeError> {
        let codes = std::mem::take(&mut self.codes);
        Ok((self.finish_frame()?, codes))
    }

    /// The error code of a response, or of a part of one.
    pub fn error_code(&mut self, value: i16) {
        if value != 0 {
            self.codes.push(value);
        }
        self.head.put_i16(value);
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.head.put_u8(u8::from(value));
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.head.put_i8(value);
    }

    /// Two bytes, signed.
    pub fn i16(&mut self, value: i16) {
        self.head.put_i16(value);
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, value: i32) {
        self.head.put_i32(value);
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) {
        self.head.put_i64(value);
    }

    /// An IEEE 754 number of eight bytes.
    pub fn f64(&mut self, value: f64) {
        self.head.put_f64(value);
    }

    /// A topic id or the like.
    pub fn uuid(&mut self, value: Uuid) {
        self.head.put_slice(&value.0);
    }

    /// A signed byte, -1 for none.
    pub fn option_i8(&mut self, value: Option<i8>) {
        self.i8(value.unwrap_or(-1));
    }

    /// Two bytes, -1 for none.
    pub fn option_i16(&mut self, value: Option<i16>) {
        self.i16(value.unwrap_or(-1));
    }

    /// Four bytes, -1 for none.
    pub fn option_i32(&mut self, value: Option<i32>) {
        self.i32(value.unwrap_or(-1));
    }

    /// Eight bytes, -1 for none.
    pub fn option_i64(&mut self, value: Option<i64>) {
        self.i64(value.unwrap_or(-1));
    }

    /// An unsigned number in base 128.
    pub fn uvarint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.head.put_u8(low_bits(value) | 0x80);
            value >>= 7;
        }
        self.head.put_u8(low_bits(value));
    }

    /// A length or count in the form of this version, `None` for null.
    fn length(&mut self, field: &'static str, length: Option<usize>) {
        let Ok(length) = length.map(i32::try_from).transpose() else {
            let len = length.unwrap_or_default();
            return self.refuse(field, Unencodable::TooLong { len, max: MAX_LENGTH });
        };
        if self.flexible {
            self.uvarint(length.map_or(0, |length| length.unsigned_abs() + 1));
        } else {
            self.i32(length.unwrap_or(-1));
        }
    }

    /// A string.
    pub fn string(&mut self, field: &'static str, value: &str) {
        self.nullable_string(field, Some(value));
    }

    /// A string or null.
    pub fn nullable_string(&mut self, field: &'static str, value: Option<&str>) {
        let len = value.map_or(0, str::len);
        let Some(short) = i16::try_from(len).ok().filter(|_| len <= MAX_STRING) else {
            return self.refuse(field, Unencodable::TooLong { len, max: MAX_STRING });
        };
        if self.flexible {
            self.length(field, value.map(str::len));
        } else {
            self.i16(if value.is_some() { short } else { -1 });
        }
        self.head.put_slice(value.unwrap_or_default().as_bytes());
    }

    /// A string in a version without null: see the module for `None`.
    pub fn some_string(&mut self, field: &'static str, value: Option<&str>) {
        self.require(field, value.is_some());
        self.string(field, value.unwrap_or_default());
    }

    /// `None` where there is no null is an error in a request.
    fn require(&mut self, field: &'static str, is_some: bool) {
        if self.strict && !is_some {
            self.refuse(field, Unencodable::Null);
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, field: &'static str, value: &Bytes) {
        self.nullable_bytes(field, Some(value));
    }

    /// Bytes or null; large ones are shared, not copied.
    pub fn nullable_bytes(&mut self, field: &'static str, value: Option<&Bytes>) {
        self.length(field, value.map(Bytes::len));
        match value {
            Some(bytes) if bytes.len() >= COPY_BELOW => self.share(Segment::Bytes(bytes.clone())),
            Some(bytes) => self.head.put_slice(bytes),
            None => {}
        }
    }

    /// Bytes in a version without null: see the module for `None`.
    pub fn some_bytes(&mut self, field: &'static str, value: Option<&Bytes>) {
        self.require(field, value.is_some());
        self.nullable_bytes(field, Some(value.unwrap_or(&Bytes::new())));
    }

    /// Record data: never copied.
    pub fn payload(&mut self, field: &'static str, value: &Payload) {
        match value {
            Payload::None => self.length(field, None),
            Payload::Bytes(bytes) => {
                self.length(field, Some(bytes.len()));
                self.share(Segment::Bytes(bytes.clone()));
            }
            Payload::Gap { slot, len } => {
                self.length(field, Some(widen(*len)));
                self.share(Segment::Gap { slot: *slot, len: *len });
            }
        }
    }

    /// Puts a segment that is not ours behind what was written.
    fn share(&mut self, segment: Segment) {
        if segment.is_empty() {
            return;
        }
        if !self.head.is_empty() {
            let own = self.head.split();
            self.len += own.len();
            self.parts.push(Part::Own(own));
        }
        self.len += segment.len();
        self.parts.push(Part::Shared(segment));
    }

    /// Whether a nullable struct follows.
    pub fn presence(&mut self, present: bool) {
        self.i8(if present { 1 } else { -1 });
    }

    /// An array. `write` writes one element.
    pub fn array<T>(&mut self, field: &'static str, value: &[T], write: fn(&T, &mut Self, i16)) {
        self.nullable_array(field, Some(value), write);
    }

    /// An array or null.
    pub fn nullable_array<T>(
        &mut self,
        field: &'static str,
        value: Option<&[T]>,
        write: fn(&T, &mut Self, i16),
    ) {
        self.length(field, value.map(<[T]>::len));
        let version = self.version;
        for element in value.unwrap_or_default() {
            write(element, self, version);
        }
    }

    /// An array in a version without null: see the module for `None`.
    pub fn some_array<T>(&mut self, field: &'static str, value: Option<&[T]>, write: fn(&T, &mut Self, i16)) {
        self.require(field, value.is_some());
        self.array(field, value.unwrap_or_default(), write);
    }

    /// One element of an array of `i8`.
    pub fn i8_element(value: &i8, w: &mut Self, _version: i16) {
        w.i8(*value);
    }

    /// One element of an array of `i32`.
    pub fn i32_element(value: &i32, w: &mut Self, _version: i16) {
        w.i32(*value);
    }

    /// One element of an array of `i64`.
    pub fn i64_element(value: &i64, w: &mut Self, _version: i16) {
        w.i64(*value);
    }

    /// One element of an array of strings.
    #[expect(clippy::ptr_arg, reason = "the function is passed on for elements of this very type")]
    pub fn string_element(value: &String, w: &mut Self, _version: i16) {
        w.string("array element", value);
    }

    /// One element of an array of ids.
    pub fn uuid_element(value: &Uuid, w: &mut Self, _version: i16) {
        w.uuid(*value);
    }

    /// The empty tag section of a struct without tagged fields.
    pub fn no_tags(&mut self) {
        if self.flexible {
            self.uvarint(0);
        }
    }

    /// Starts a tag section with as many fields as there are `true`s.
    pub fn tags(&mut self, present: &[bool]) {
        let count = present.iter().filter(|present| **present).count();
        self.uvarint(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Starts a tagged field: its content is written, then [`Self::end_tag`] puts number and size in front.
    #[must_use]
    pub fn begin_tag(&mut self) -> OuterParts {
        OuterParts {
            head: std::mem::take(&mut self.head),
            parts: std::mem::take(&mut self.parts),
            len: std::mem::take(&mut self.len),
        }
    }

    /// Ends a tagged field.
    pub fn end_tag(&mut self, tag: u32, outer: OuterParts) {
        let size = self.len();
        let head = std::mem::replace(&mut self.head, outer.head);
        let parts = std::mem::replace(&mut self.parts, outer.parts);
        self.len = outer.len;
        self.uvarint(tag);
        match u32::try_from(size) {
            Ok(size) => self.uvarint(size),
            Err(_) => self.refuse("tagged field", Unencodable::TooLong { len: size, max: MAX_LENGTH }),
        }
        for part in parts {
            match part {
                Part::Own(own) => self.head.put_slice(&own),
                Part::Shared(segment) => self.share(segment),
            }
        }
        self.head.put_slice(&head);
    }
}

/// The longest array, bytes field or frame.
const MAX_LENGTH: usize = 0x7fff_ffff;

/// The low seven bits.
fn low_bits(value: u32) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

impl Part {
    fn freeze(self) -> Segment {
        match self {
            Self::Own(own) => Segment::Bytes(own.freeze()),
            Self::Shared(segment) => segment,
        }
    }
}

/// All segments in one piece: for tests and small data. A gap is filled with zeros.
#[must_use]
pub fn concat(segments: &[Segment]) -> Bytes {
    if let [Segment::Bytes(only)] = segments {
        return only.clone();
    }
    let mut all = BytesMut::with_capacity(segments.iter().map(Segment::len).sum());
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => all.put_slice(bytes),
            Segment::Gap { len, .. } => all.put_bytes(0, widen(*len)),
        }
    }
    all.freeze()
}

#[cfg(test)]
mod tests;

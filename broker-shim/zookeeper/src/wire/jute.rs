//! The primitives of the protocol: jute's binary form.
//!
//! ```text
//! int, long    4, 8 bytes, big-endian, signed       bool     1 byte, not 0 is true
//! string       int length, -1 for null, UTF-8       buffer   int length, -1 for null, bytes
//! vector       int count, -1 for null, elements
//! ```
//!
//! # Invariants
//!
//! * Nothing is believed: a length beyond the frame is an error, and room is made for elements that the rest of the frame
//!   can hold, whatever the count says.
//!
//! # Not here
//!
//! What the fields mean (`request`, `connect`).

use std::fmt;

/// A frame that contradicts itself; the connection cannot go on, as nobody knows where the next field begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Reads a frame from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed("it ends within a field"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed("it ends within a field"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        self.byte().map(|byte| byte != 0)
    }

    pub(crate) fn int(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn long(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// A buffer; `None` is null, which is not the same as empty.
    pub(crate) fn buffer(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.int()? {
            -1 => Ok(None),
            len => self.take(usize::try_from(len).map_err(|_| Malformed("a negative length"))?).map(Some),
        }
    }

    /// A string; null reads as empty, which no path and no scheme is.
    pub(crate) fn string(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.buffer()?.unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| Malformed("a string that is not UTF-8"))
    }

    /// The count of a vector whose elements take at least `min` bytes each.
    pub(crate) fn count(&mut self, min: usize) -> Result<usize, Malformed> {
        match self.int()? {
            -1 => Ok(0),
            count => {
                let count = usize::try_from(count).map_err(|_| Malformed("a negative count"))?;
                let fits = self.rest.len() / min.max(1);
                if count > fits { Err(Malformed("a count beyond the frame")) } else { Ok(count) }
            }
        }
    }

    /// A vector of strings.
    pub(crate) fn strings(&mut self) -> Result<Vec<&'a str>, Malformed> {
        let count = self.count(4)?;
        (0..count).map(|_| self.string()).collect()
    }
}

/// Writes a frame or a record.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// A frame whose length is written by [`Writer::into_frame`].
    pub(crate) fn frame() -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The frame with its length in front.
    pub(crate) fn into_frame(mut self) -> Vec<u8> {
        let len = length(self.bytes.len().saturating_sub(4));
        if let Some(head) = self.bytes.first_chunk_mut() {
            *head = len.to_be_bytes();
        }
        self.bytes
    }

    /// All that another writer has written.
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.byte(u8::from(value))
    }

    pub(crate) fn int(&mut self, value: i32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn long(&mut self, value: i64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn buffer(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            None => self.int(-1),
            Some(value) => {
                self.count(value.len());
                self.bytes.extend_from_slice(value);
                self
            }
        }
    }

    pub(crate) fn string(&mut self, value: &str) -> &mut Self {
        self.buffer(Some(value.as_bytes()))
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.int(length(count))
    }
}

/// A length as the protocol writes it. Nothing that is kept or answered comes near two gigabytes.
pub(crate) fn length(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut w = Writer::new();
        w.int(-5).long(1 << 40).bool(true).string("/a").buffer(None).buffer(Some(b"")).count(2);
        w.string("x").string("y");
        let bytes = w.into_bytes();
        let mut r = Reader::new(&bytes);
        assert_eq!((r.int(), r.long(), r.bool()), (Ok(-5), Ok(1 << 40), Ok(true)));
        assert_eq!((r.string(), r.buffer(), r.buffer()), (Ok("/a"), Ok(None), Ok(Some(&b""[..]))));
        assert_eq!(r.strings(), Ok(vec!["x", "y"]));
        assert!(r.is_empty());
    }

    #[test]
    fn a_count_that_the_frame_cannot_hold_is_refused_before_room_is_made() {
        let mut bytes = i32::MAX.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 100]);
        assert_eq!(Reader::new(&bytes).strings(), Err(Malformed("a count beyond the frame")));
        assert_eq!(Reader::new(&(-2_i32).to_be_bytes()).count(4), Err(Malformed("a negative count")));
        assert_eq!(Reader::new(&(-1_i32).to_be_bytes()).count(4), Ok(0));
    }

    #[test]
    fn a_length_beyond_the_frame_is_refused() {
        assert!(Reader::new(&[0, 0, 0, 5, 1, 2, 3, 4]).buffer().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xfe]).buffer().is_err());
        assert!(Reader::new(&[0, 0, 0, 1, 0xff]).string().is_err());
    }

    #[test]
    fn a_frame_begins_with_its_length() {
        let mut w = Writer::frame();
        w.int(7);
        assert_eq!(w.into_frame(), [0, 0, 0, 4, 0, 0, 0, 7]);
    }
}

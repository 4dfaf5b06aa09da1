//! Cutting a connection's bytes into request frames.
//!
//! # The bytes
//!
//! ```text
//!  byte  0               4                    4 + size
//!        +---------------+--------------------+
//!        | size (int32)  | header and body    |  next frame ...
//!        +---------------+--------------------+
//! ```
//!
//! # Invariants
//!
//! * Memory follows the bytes received, never the size that was claimed: room at most doubles with each read.
//! * A frame leaves as one [`Bytes`] that shares the buffer it was read into: nothing is copied a second time.
//! * An idle connection holds no buffer.
//!
//! # Not here
//!
//! What is in a frame (`handlers`), and how much all connections may hold together (`budget`).

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the size field.
pub(crate) const SIZE_LEN: usize = 4;
/// Room for the first read of a connection: hostile ones send little, and there may be many.
const FIRST_ROOM: usize = 512;
/// The most that is read at once where no frame asks for more, in bytes.
const MAX_ROOM: usize = 256 * 1024;
/// The least that a frame known to be longer is given at once, in bytes.
const MIN_STEP: usize = 16 * 1024;

/// Why the bytes cannot be a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameError {
    /// The size field is negative.
    Negative(i32),
    /// The size field is above `socket.request.max.bytes`.
    TooLarge(i32),
}

/// The unread bytes of one connection.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buf: BytesMut,
    max: usize,
    room: usize,
}

impl FrameReader {
    /// A reader that refuses frames of more than `max` bytes (without the size field).
    pub(crate) fn new(max: usize) -> Self {
        Self { buf: BytesMut::new(), max, room: FIRST_ROOM }
    }

    /// Bytes received and not yet taken as a frame.
    pub(crate) fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// The first bytes of what is buffered, to say what they look like.
    pub(crate) fn peek(&self) -> &[u8] {
        self.buf.get(..self.buf.len().min(16)).unwrap_or_default()
    }

    /// The API key of the next frame, if so much of it is there.
    pub(crate) fn next_api_key(&self) -> Option<i16> {
        let bytes = self.buf.get(SIZE_LEN..SIZE_LEN + 2)?;
        Some(i16::from_be_bytes(bytes.try_into().ok()?))
    }

    /// Bytes of the frame being received, with its size field; `None` before the size is known.
    pub(crate) fn needed(&self) -> Result<Option<usize>, FrameError> {
        let Some(Ok(size)) = self.buf.get(..SIZE_LEN).map(<[u8; SIZE_LEN]>::try_from) else {
            return Ok(None);
        };
        let raw = i32::from_be_bytes(size);
        let size = usize::try_from(raw).map_err(|_| FrameError::Negative(raw))?;
        if size > self.max {
            return Err(FrameError::TooLarge(raw));
        }
        Ok(Some(SIZE_LEN + size))
    }

    /// Takes the next frame, without its size field, if it is there as a whole.
    pub(crate) fn take(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(needed) = self.needed()?.filter(|needed| self.buf.len() >= *needed) else { return Ok(None) };
        self.learn(needed);
        let mut frame = self.buf.split_to(needed);
        frame.advance(SIZE_LEN);
        if self.buf.is_empty() {
            // Gives the allocation to the frame alone, so that an idle connection keeps none.
            self.buf = BytesMut::new();
        }
        Ok(Some(frame.freeze()))
    }

    /// The next read gets room for a frame like the last ones, so that a steady client costs one read each.
    fn learn(&mut self, frame: usize) {
        self.room = if frame > self.room {
            frame.next_multiple_of(1024).min(MAX_ROOM)
        } else {
            // Forgets large frames slowly: an eighth of the difference with each smaller one.
            self.room - (self.room - frame.max(FIRST_ROOM).min(self.room)) / 8
        };
    }

    /// The buffer with room for the next read.
    pub(crate) fn with_room(&mut self) -> &mut BytesMut {
        let held = self.buf.len();
        let room = match self.needed() {
            Ok(Some(needed)) if needed > held => (needed - held).min(held.max(self.room).max(MIN_STEP)),
            _ => self.room,
        };
        self.buf.reserve(room);
        &mut self.buf
    }

    /// A test's way in: bytes as if they had been received.
    #[cfg(test)]
    fn push(&mut self, bytes: &[u8]) {
        self.with_room().extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_its_last_byte_is_there() {
        let mut reader = FrameReader::new(100);
        reader.push(&[0, 0, 0, 3, 0, 18]);
        assert_eq!(reader.take(), Ok(None));
        assert_eq!(reader.next_api_key(), Some(18));
        reader.push(&[7, 0, 0]);
        assert_eq!(reader.take().unwrap().unwrap(), &[0, 18, 7][..]);
        assert_eq!(reader.buffered(), 2);
    }

    #[test]
    fn sizes_outside_the_range_are_refused_at_the_border() {
        for (size, expected) in [
            (100_i32, Ok(Some(104))),
            (101, Err(FrameError::TooLarge(101))),
            (0, Ok(Some(4))),
            (-1, Err(FrameError::Negative(-1))),
        ] {
            let mut reader = FrameReader::new(100);
            reader.push(&size.to_be_bytes());
            assert_eq!(reader.needed(), expected, "size {size}");
        }
    }

    #[test]
    fn a_claimed_size_allocates_little() {
        let mut reader = FrameReader::new(104_857_600);
        reader.push(&[0x06, 0x40, 0, 0, 1]);
        assert_eq!(reader.needed(), Ok(Some(104_857_604)));
        assert!(reader.with_room().capacity() <= 64 * 1024);
    }

    #[test]
    fn an_empty_reader_holds_no_memory() {
        let mut reader = FrameReader::new(100);
        reader.push(&[0, 0, 0, 1, 9]);
        drop(reader.take());
        assert_eq!(reader.buf.capacity(), 0);
    }

    #[test]
    fn a_frame_is_not_copied_out_of_the_buffer() {
        let mut reader = FrameReader::new(100);
        reader.push(&[0, 0, 0, 4, 1, 2, 3, 4]);
        let at = reader.buf.as_ptr() as usize;
        assert_eq!(reader.take().unwrap().unwrap().as_ptr() as usize, at + SIZE_LEN);
    }
}

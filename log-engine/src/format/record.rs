//! The records inside a batch.
//!
//! # The bytes
//!
//! ```text
//! length         varint   bytes after it
//! attributes     int8     0
//! timestamp      varlong  less the batch's base timestamp
//! offset         varint   less the batch's base offset
//! key length     varint   -1 null        then the key
//! value length   varint   -1 null        then the value
//! headers        varint   their number, then each: key length varint (>= 0), key, value length varint (-1 null), value
//! ```
//!
//! # Invariants
//!
//! * A [`Record`] borrows: from the batch if it is not compressed, else from the opened body. Iterating allocates
//!   nothing per record.
//! * An iteration yields exactly the record count of the batch or an error, and nothing after an error.
//! * Offsets lie between the batch's base and last offset. Whether they rise is not demanded: Kafka stores
//!   uncompressed batches whose deltas the producer chose.
//!
//! # Not here
//!
//! Checksums ([`BatchView::check_crc`]), what a client may send (`validate`).

use super::CorruptReason;
use super::batch::{BatchView, HEADER_LEN, TimestampType};
use super::varint::{take_varint, take_varlong};
use crate::types::{Offset, Timestamp};
use bytes::Bytes;
use std::borrow::Cow;

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Where in the log.
    pub offset: Offset,
    /// Its time: the producer's, or for `LogAppendTime` batches the batch's.
    pub timestamp: Option<Timestamp>,
    /// What compaction goes by.
    pub key: Option<&'a [u8]>,
    /// The content; `None` deletes the key in a compacted log.
    pub value: Option<&'a [u8]>,
    /// Names and values beside the content.
    pub headers: Headers<'a>,
}

/// A record's headers, checked when the record was read; iterate to see them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Headers<'a> {
    /// The headers without their number.
    raw: &'a [u8],
    count: u32,
}

/// One header of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header<'a> {
    /// The name; UTF-8 by the format, but only as true as the producer was.
    pub key: &'a [u8],
    /// The value, opaque.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The name as text; `None` if a producer sent other bytes.
    #[must_use]
    pub fn key_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.key).ok()
    }
}

impl<'a> Headers<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The encoded headers without their number, for copying them as they are.
    pub(crate) const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Takes `count` headers off the front of `bytes`.
    #[inline]
    fn take(bytes: &mut &'a [u8], count: u32) -> Option<Self> {
        // Most records have none.
        if count == 0 { Some(Self::default()) } else { Self::take_some(bytes, count) }
    }

    fn take_some(bytes: &mut &'a [u8], count: u32) -> Option<Self> {
        let whole = *bytes;
        for _ in 0..count {
            take_header(bytes)?;
        }
        Some(Self { raw: &whole[..whole.len() - bytes.len()], count })
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = Header<'a>;
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        HeaderIter { rest: self.raw }
    }
}

/// The headers of one record, in the producer's order.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        // The bytes were walked when the record was read, so only the end gives `None`.
        take_header(&mut self.rest)
    }
}

fn take_header<'a>(bytes: &mut &'a [u8]) -> Option<Header<'a>> {
    let key = take_bytes(bytes)??;
    Some(Header { key, value: take_bytes(bytes)? })
}

/// A length and as many bytes: `None` if they are not there, `Some(None)` for null. A length below -1 is null, as
/// in Kafka's reader.
#[inline]
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = take_varint(bytes)?;
    let Ok(len) = usize::try_from(len) else {
        return Some(None);
    };
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(Some(taken))
}

/// The records of one batch, opened: iterate over `&records`.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    frame: Frame,
    body: Cow<'a, [u8]>,
}

impl Records<'_> {
    /// From the first record on.
    #[must_use]
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { frame: self.frame, rest: &self.body, index: 0, failed: false }
    }

    /// The record with an offset; `None` if compaction has taken it or it lies outside the batch. O(records).
    ///
    /// # Errors
    ///
    /// If the records cannot be walked so far.
    pub fn get(&self, offset: Offset) -> Result<Option<Record<'_>>, CorruptReason> {
        let mut records = self.iter();
        let delta = i32::try_from(offset.distance_from(self.frame.base));
        if let Ok(delta) = delta {
            records.skip_to(delta);
        }
        for record in records {
            let record = record?;
            if record.offset == offset {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// The records of one batch, with the bytes that they lie in, and how far they were read.
#[derive(Clone, Debug)]
pub(crate) struct OwnedRecords {
    frame: Frame,
    body: Bytes,
    at: usize,
    index: u32,
    failed: bool,
}

impl OwnedRecords {
    /// Of exactly one batch whose structure was checked: its own bytes, or decompressed to at most `cap`.
    pub(crate) fn open(batch: &Bytes, cap: usize) -> Result<Self, CorruptReason> {
        let view = BatchView::parse(batch)?;
        let body = match view.open_body(cap)? {
            Cow::Borrowed(_) => batch.slice(HEADER_LEN..view.len()),
            Cow::Owned(body) => Bytes::from(body),
        };
        Ok(Self { frame: Frame::of(&view), body, at: 0, index: 0, failed: false })
    }

    /// Whether [`OwnedRecords::next`] gives nothing more.
    pub(crate) fn is_done(&self) -> bool {
        self.failed || self.index >= self.frame.count && self.at == self.body.len()
    }

    /// The next record, or what is wrong with it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Result<Record<'_>, CorruptReason>> {
        let rest = &self.body[self.at..];
        let mut iter = RecordIter { frame: self.frame, rest, index: self.index, failed: self.failed };
        let found = iter.next();
        self.at = self.body.len() - iter.rest.len();
        (self.index, self.failed) = (iter.index, iter.failed);
        found
    }

    /// Goes to the first record at `offset` or above.
    pub(crate) fn skip_below(&mut self, offset: Offset) -> Result<(), CorruptReason> {
        if self.frame.base >= offset {
            return Ok(());
        }
        loop {
            let before = (self.at, self.index);
            match self.next() {
                Some(Ok(record)) if record.offset < offset => {}
                Some(Ok(_)) => {
                    (self.at, self.index) = before;
                    return Ok(());
                }
                Some(Err(reason)) => return Err(reason),
                None => return Ok(()),
            }
        }
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = Result<Record<'a>, CorruptReason>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// What a record needs to know of its batch.
#[derive(Clone, Copy, Debug)]
struct Frame {
    base: Offset,
    last_delta: u32,
    count: u32,
    base_timestamp: i64,
    /// What every record reads as, whatever its own delta.
    append_time: Option<Option<Timestamp>>,
}

impl Frame {
    fn of(batch: &BatchView<'_>) -> Self {
        let append_time = match batch.attributes().timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(batch.max_timestamp()),
        };
        Self {
            base: batch.base_offset(),
            last_delta: batch.last_offset_delta(),
            count: batch.record_count(),
            base_timestamp: batch.raw_base_timestamp(),
            append_time,
        }
    }
}

impl<'a> BatchView<'a> {
    /// Opens the records: nothing to do for an uncompressed batch, else decompressed once, to at most `cap` bytes.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Compression`] for an unknown codec, bad data, or more than `cap` bytes.
    pub fn records(&self, cap: usize) -> Result<Records<'a>, CorruptReason> {
        Ok(Records { frame: Frame::of(self), body: self.open_body(cap)? })
    }

    /// Walks a body that was opened before ([`BatchView::open_body`]), for callers who keep it themselves.
    #[must_use]
    pub fn records_in<'b>(&self, body: &'b [u8]) -> RecordIter<'b> {
        RecordIter { frame: Frame::of(self), rest: body, index: 0, failed: false }
    }
}

/// The records of one batch in order; see [`Records::iter`].
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    frame: Frame,
    rest: &'a [u8],
    index: u32,
    failed: bool,
}

impl<'a> RecordIter<'a> {
    /// The error, once.
    #[cold]
    fn fail(&mut self, problem: &'static str) -> Option<Result<Record<'a>, CorruptReason>> {
        if self.failed {
            return None;
        }
        self.failed = true;
        Some(Err(CorruptReason::Record { index: self.index, problem }))
    }

    /// Skips the records up to the one with this offset less the base, by their lengths and offsets alone; stops at
    /// whatever looks odd.
    fn skip_to(&mut self, delta: i32) {
        while self.index < self.frame.count {
            let Some((found, rest)) = offset_and_rest(self.rest) else { return };
            if found == delta {
                return;
            }
            self.rest = rest;
            self.index += 1;
        }
    }

    #[inline]
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        let len = take_varint(&mut self.rest).ok_or("its length does not end")?;
        let len = usize::try_from(len).map_err(|_| "its length is negative")?;
        let (mut bytes, rest) = self.rest.split_at_checked(len).ok_or("it is longer than the batch")?;
        self.rest = rest;
        let record = self.decode(&mut bytes)?;
        if bytes.is_empty() { Ok(record) } else { Err("its parts are shorter than its length") }
    }

    #[inline]
    fn decode(&self, bytes: &mut &'a [u8]) -> Result<Record<'a>, &'static str> {
        const SHORT: &str = "its parts are longer than its length";
        let (_attributes, rest) = bytes.split_first().ok_or(SHORT)?;
        *bytes = rest;
        let timestamp = self.timestamp(take_varlong(bytes).ok_or(SHORT)?);
        let offset = self.offset(take_varint(bytes).ok_or(SHORT)?)?;
        let key = take_bytes(bytes).ok_or(SHORT)?;
        let value = take_bytes(bytes).ok_or(SHORT)?;
        let count =
            u32::try_from(take_varint(bytes).ok_or(SHORT)?).map_err(|_| "its header count is negative")?;
        let headers = Headers::take(bytes, count).ok_or("its headers cannot be walked")?;
        Ok(Record { offset, timestamp, key, value, headers })
    }

    #[inline]
    fn timestamp(&self, delta: i64) -> Option<Timestamp> {
        match self.frame.append_time {
            Some(time) => time,
            // Wrapping, as Kafka's reader and every writer: the greatest timestamp is 2^63 from "none".
            None => Timestamp::from_millis(self.frame.base_timestamp.wrapping_add(delta)),
        }
    }

    #[inline]
    fn offset(&self, delta: i32) -> Result<Offset, &'static str> {
        u32::try_from(delta)
            .ok()
            .filter(|delta| *delta <= self.frame.last_delta)
            .and_then(|delta| self.frame.base.checked_add(i64::from(delta)))
            .ok_or("its offset lies outside the batch")
    }
}

/// The offset of the first record less the base, and what follows the record.
#[inline]
fn offset_and_rest(mut bytes: &[u8]) -> Option<(i32, &[u8])> {
    let len = usize::try_from(take_varint(&mut bytes)?).ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let mut record = record.get(1..)?;
    take_varlong(&mut record)?;
    Some((take_varint(&mut record)?, rest))
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, CorruptReason>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index < self.frame.count && !self.failed {
            match self.read() {
                Ok(record) => {
                    self.index += 1;
                    return Some(Ok(record));
                }
                Err(problem) => return self.fail(problem),
            }
        }
        if self.rest.is_empty() { None } else { self.fail("bytes follow the last record") }
    }
}

#[cfg(test)]
mod tests;

//! A walk over records that looks at their heads and skips keys, values and headers.
//!
//! What validation and time lookup need: the timestamp, the offset delta and whether there is a key. It reads from
//! the batch itself or from a decompressor, piece by piece, and holds nothing. The bytes are those of [`super::record`].
//!
//! # Invariants
//!
//! * A record that this accepts, `record` reads, and the other way round (a test holds them together).

use super::CorruptReason;
use super::batch::{BatchView, Codec};
use super::codec::{Decompressor, Pieces};
use super::varint::{MAX_VARINT, MAX_VARLONG, decode, low32, take_varint, take_varlong, unfold64};

/// The head of one record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RecordHead {
    /// Which record of the batch, from 0.
    pub(crate) index: u32,
    /// Base timestamp and delta, as in the formats: -1 none.
    pub(crate) timestamp: i64,
    /// Its offset less the batch's base.
    pub(crate) delta: i32,
    /// Whether its key is not null.
    pub(crate) has_key: bool,
}

/// Calls `see` for every record of `batch`, opening at most `cap` bytes.
///
/// # Errors
///
/// [`CorruptReason::Compression`] if the body cannot be opened, [`CorruptReason::Record`] if it cannot be walked or
/// does not hold exactly the batch's number of records.
pub(crate) fn walk(
    batch: &BatchView<'_>,
    cap: usize,
    see: impl FnMut(RecordHead),
) -> Result<(), CorruptReason> {
    match batch.known_codec()? {
        Codec::None => walk_plain(batch, see),
        codec => {
            Walk::over(batch, Decompressor::new(codec, batch.body(), cap)?).run(batch.record_count(), see)
        }
    }
}

/// The common case, by slices alone; whatever it stumbles on, the careful walk puts into words.
fn walk_plain(batch: &BatchView<'_>, mut see: impl FnMut(RecordHead)) -> Result<(), CorruptReason> {
    let (mut rest, base, last) = (batch.body(), batch.raw_base_timestamp(), batch.last_offset_delta());
    let walked = (0..batch.record_count()).try_for_each(|index| {
        see(plain_record(&mut rest, index, base, last)?);
        Some(())
    });
    if walked.is_some() && rest.is_empty() {
        return Ok(());
    }
    Walk::over(batch, batch.body()).run(batch.record_count(), |_| {})?;
    Err(CorruptReason::Record { index: 0, problem: "it cannot be walked" })
}

#[inline]
fn plain_record(body: &mut &[u8], index: u32, base_timestamp: i64, last_delta: u32) -> Option<RecordHead> {
    let len = usize::try_from(take_varint(body)?).ok()?;
    let (record, rest) = body.split_at_checked(len)?;
    *body = rest;
    let mut record = record.get(1..)?;
    let timestamp = base_timestamp.wrapping_add(take_varlong(&mut record)?);
    let delta = take_varint(&mut record)?;
    if u32::try_from(delta).ok()? > last_delta {
        return None;
    }
    let has_key = skip_sized(&mut record)?;
    skip_sized(&mut record)?;
    for _ in 0..u32::try_from(take_varint(&mut record)?).ok()? {
        if !skip_sized(&mut record)? {
            return None;
        }
        skip_sized(&mut record)?;
    }
    record.is_empty().then_some(RecordHead { index, timestamp, delta, has_key })
}

/// Skips a length and as many bytes; whether they are not null.
#[inline]
fn skip_sized(record: &mut &[u8]) -> Option<bool> {
    let Ok(len) = usize::try_from(take_varint(record)?) else {
        return Some(false);
    };
    *record = record.get(len..)?;
    Some(true)
}

struct Walk<P> {
    pieces: P,
    base_timestamp: i64,
    last_delta: i64,
    index: u32,
    /// Bytes left of the record being walked.
    left: u64,
}

const LONG: &str = "its parts are longer than its length";
const CUT: &str = "it is longer than the batch";

impl<P: Pieces> Walk<P> {
    fn over(batch: &BatchView<'_>, pieces: P) -> Self {
        let base_timestamp = batch.raw_base_timestamp();
        Self { pieces, base_timestamp, last_delta: i64::from(batch.last_offset_delta()), index: 0, left: 0 }
    }

    fn run(mut self, count: u32, mut see: impl FnMut(RecordHead)) -> Result<(), CorruptReason> {
        for index in 0..count {
            self.index = index;
            see(self.record()?);
        }
        self.index = count;
        if self.pieces.fill()?.is_empty() { Ok(()) } else { self.bad("bytes follow the last record") }
    }

    fn record(&mut self) -> Result<RecordHead, CorruptReason> {
        // The length itself is not counted by it.
        self.left = u64::MAX;
        let len = low32(self.number(MAX_VARINT, "its length does not end")?);
        let Ok(len) = u64::try_from(len) else {
            return self.bad("its length is negative");
        };
        self.left = len;
        self.skip(1)?;
        let timestamp = self.base_timestamp.wrapping_add(unfold64(self.number(MAX_VARLONG, LONG)?));
        let delta = low32(self.number(MAX_VARINT, LONG)?);
        if !(0..=self.last_delta).contains(&i64::from(delta)) {
            return self.bad("its offset lies outside the batch");
        }
        let has_key = self.sized()?;
        self.sized()?;
        self.headers()?;
        if self.left > 0 {
            return self.bad("its parts are shorter than its length");
        }
        Ok(RecordHead { index: self.index, timestamp, delta, has_key })
    }

    fn headers(&mut self) -> Result<(), CorruptReason> {
        let count = low32(self.number(MAX_VARINT, LONG)?);
        if count < 0 {
            return self.bad("its header count is negative");
        }
        for _ in 0..count {
            if !self.sized()? {
                return self.bad("its headers cannot be walked");
            }
            self.sized()?;
        }
        Ok(())
    }

    /// Skips a length and as many bytes; whether they are not null.
    fn sized(&mut self) -> Result<bool, CorruptReason> {
        match u64::try_from(low32(self.number(MAX_VARINT, LONG)?)) {
            Ok(len) => self.skip(len).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn number(&mut self, max: usize, cut: &'static str) -> Result<u64, CorruptReason> {
        let piece = self.pieces.fill()?;
        let whole = piece.len() >= max;
        if let Some((raw, used)) = decode(piece, max) {
            self.pieces.consume(used);
            return self.charge(used).map(|()| raw);
        }
        if whole {
            return self.bad(cut);
        }
        self.number_across_pieces(max, cut)
    }

    fn number_across_pieces(&mut self, max: usize, cut: &'static str) -> Result<u64, CorruptReason> {
        let mut bytes = [0; MAX_VARLONG];
        for at in 0..max {
            let Some(byte) = self.pieces.fill()?.first().copied() else {
                return self.bad(cut);
            };
            self.pieces.consume(1);
            bytes[at] = byte;
            if byte & 0x80 == 0 {
                self.charge(at + 1)?;
                return decode(&bytes[..=at], max).map_or_else(|| self.bad(cut), |(raw, _)| Ok(raw));
            }
        }
        self.bad(cut)
    }

    fn skip(&mut self, count: u64) -> Result<(), CorruptReason> {
        let Some(left) = self.left.checked_sub(count) else {
            return self.bad(LONG);
        };
        self.left = left;
        let mut count = usize::try_from(count).unwrap_or(usize::MAX);
        while count > 0 {
            let there = self.pieces.fill()?.len().min(count);
            if there == 0 {
                return self.bad(CUT);
            }
            self.pieces.consume(there);
            count -= there;
        }
        Ok(())
    }

    fn charge(&mut self, used: usize) -> Result<(), CorruptReason> {
        match self.left.checked_sub(used as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => self.bad(LONG),
        }
    }

    fn bad<T>(&self, problem: &'static str) -> Result<T, CorruptReason> {
        Err(CorruptReason::Record { index: self.index, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::{any_parts, build};
    use super::*;
    use proptest::prelude::*;

    /// Bytes a few at a time.
    struct Dribble<'a>(&'a [u8], usize);

    impl Pieces for Dribble<'_> {
        fn fill(&mut self) -> Result<&[u8], CorruptReason> {
            Ok(&self.0[..self.1.min(self.0.len())])
        }

        fn consume(&mut self, count: usize) {
            assert!(count <= self.1);
            self.0 = &self.0[count..];
        }
    }

    fn dribbled(batch: &BatchView<'_>, piece: usize) -> (Result<(), CorruptReason>, Vec<RecordHead>) {
        let mut heads = Vec::new();
        let walked = Walk::over(batch, Dribble(batch.body(), piece))
            .run(batch.record_count(), |head| heads.push(head));
        (walked, heads)
    }

    proptest! {
        /// Where the pieces end makes no difference, whether the records are sound or not.
        #[test]
        fn pieces_of_any_size_are_walked_alike(
            parts in proptest::collection::vec(any_parts(), 1..5),
            flip: Option<(prop::sample::Index, u8)>,
        ) {
            let mut bytes = build(&parts, Codec::None);
            let body = super::super::batch::HEADER_LEN;
            if let Some((at, byte)) = flip {
                let at = body + at.index(bytes.len() - body);
                bytes[at] = byte;
            }
            let batch = BatchView::parse(&bytes).unwrap();
            let mut heads = Vec::new();
            let walked = walk(&batch, 0, |head| heads.push(head));
            let careful = dribbled(&batch, usize::MAX);
            prop_assert_eq!(&careful, &(walked, heads));
            for piece in 1..12 {
                prop_assert_eq!(&dribbled(&batch, piece), &careful);
            }
        }
    }
}

//! From batch to batch by their headers, without touching records.

use super::{Piece, Segment};
use crate::error::Result;
use crate::format::CorruptReason;
use crate::format::batch::{self, BatchView, HEADER_LEN};
use crate::types::{LeaderEpoch, Offset, Position, Timestamp};

/// Read at once: an index interval and some, so that most lookups read once.
const WINDOW: usize = 8 * 1024;
/// Looked at at once where nothing is copied for it.
const MAPPED_WINDOW: usize = 16 * 1024 * 1024;

/// Where a batch lies and what its header says. The checksum was not looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchAt {
    /// Where it begins.
    pub position: Position,
    /// How many bytes it has.
    pub len: u32,
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// The greatest time in it.
    pub max_timestamp: Option<Timestamp>,
    /// The leadership that wrote it.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl BatchAt {
    /// The position after it.
    #[must_use]
    pub fn end(&self) -> Position {
        self.position.checked_add(self.len as usize).expect("a batch was checked to lie in its segment")
    }

    /// The offset after it.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset.next().expect("a batch was checked to have a next offset")
    }
}

/// The batches of a range of one segment; ends after the first error.
///
/// Checked: structure of each header, lengths that chain within the range, and offsets that rise.
#[derive(Debug)]
pub struct Walk<'a> {
    segment: &'a Segment,
    at: Position,
    end: Position,
    /// The lowest base offset that may come next.
    next_offset: Offset,
    window: Piece,
    window_at: Position,
}

impl Segment {
    /// Whether it is mapped, and all of it can be read so far.
    fn is_mapped(&self) -> bool {
        self.open.read().map.as_ref().is_some_and(|mapped| mapped.map.lost().is_none())
    }

    /// The batches from `from`, where one must begin, to the published end.
    #[must_use]
    pub fn walk(&self, from: Position) -> Walk<'_> {
        self.walk_to(from, self.len())
    }

    /// The batches from `from`, where one must begin, to `end`, where one must end: at or below the published end.
    #[must_use]
    pub fn walk_to(&self, from: Position, end: Position) -> Walk<'_> {
        let end = end.min(self.len());
        Walk {
            segment: self,
            at: from,
            end,
            next_offset: self.base,
            window: Piece::default(),
            window_at: from,
        }
    }
}

impl Walk<'_> {
    /// Where the next batch begins.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.at
    }

    fn read(&mut self) -> Result<BatchAt> {
        let found = self.read_once();
        if self.window.is_intact() {
            return found;
        }
        // What the map could not give is read: it is there, or the system says what is wrong.
        let left = self.end.to_usize() - self.at.to_usize();
        self.window = self.segment.copied(self.at, left.min(WINDOW))?;
        self.window_at = self.at;
        self.read_once()
    }

    fn read_once(&mut self) -> Result<BatchAt> {
        let left = self.end.to_usize() - self.at.to_usize();
        let torn = |needed: usize| CorruptReason::Torn { needed: needed as u64, available: left as u64 };
        if left < HEADER_LEN {
            return Err(self.segment.corrupt(self.at, torn(HEADER_LEN)));
        }
        let at = self.at;
        let found = match read_header(self.header(left)?, at) {
            Ok(found) if found.len as usize > left => Err(torn(found.len as usize)),
            Ok(found) if found.base_offset < self.next_offset => {
                let found = found.base_offset.get();
                Err(CorruptReason::OffsetOrder { expected: self.next_offset, found })
            }
            other => other,
        };
        found.map_err(|reason| self.segment.corrupt(self.at, reason))
    }

    /// The header at the present position, of `left` bytes to the end.
    fn header(&mut self, left: usize) -> Result<&[u8; HEADER_LEN]> {
        let inside = self.at.to_usize() - self.window_at.to_usize();
        if inside + HEADER_LEN > self.window.bytes().len() {
            let most = if self.segment.is_mapped() { MAPPED_WINDOW } else { WINDOW };
            let large = self.segment.piece(self.at, left.min(most));
            // What is lost far behind is no matter of this header.
            self.window = large.or_else(|_| self.segment.piece(self.at, left.min(WINDOW)))?;
            self.window_at = self.at;
        }
        let inside = self.at.to_usize() - self.window_at.to_usize();
        Ok(self.window.bytes()[inside..].first_chunk().expect("the window holds a header"))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<BatchAt>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let found = self.read();
        match &found {
            Ok(batch) => {
                self.at = batch.end();
                self.next_offset = batch.next_offset();
            }
            Err(_) => self.at = self.end,
        }
        Some(found)
    }
}

/// What a header says, checked as [`BatchView::parse`] checks it, for a batch whose body is not at hand.
fn read_header(header: &[u8; HEADER_LEN], position: Position) -> Result<BatchAt, CorruptReason> {
    let (length, batch_len) = {
        let raw = header[batch::LENGTH_AT..batch::EPOCH_AT].try_into().map(i32::from_be_bytes);
        (raw.expect("four bytes"), batch::batch_len(header))
    };
    let len = batch_len.ok_or(CorruptReason::BatchLength(length))?;
    // A batch of no records has the same header but for length and count: what is left to check is the rest.
    let mut alone = *header;
    alone[batch::LENGTH_AT..batch::EPOCH_AT].copy_from_slice(&EMPTY_LENGTH.to_be_bytes());
    let view = BatchView::parse(&alone)?;
    let fits = position.checked_add(len).is_some();
    let len = u32::try_from(len).ok().filter(|_| fits).ok_or(CorruptReason::BatchLength(length))?;
    Ok(BatchAt {
        position,
        len,
        base_offset: view.base_offset(),
        last_offset: view.last_offset(),
        max_timestamp: view.max_timestamp(),
        leader_epoch: view.leader_epoch(),
    })
}

/// The length field of a batch that is only a header.
const EMPTY_LENGTH: i32 = 49;
const _: () = assert!(EMPTY_LENGTH as usize + batch::LENGTH_OVERHEAD == HEADER_LEN);

impl Segment {
    /// Looks at one whole batch's bytes, which were checked in structure and by their checksum. If some were lost meanwhile
    /// it looks again, at what the file really holds.
    ///
    /// # Errors
    ///
    /// [`crate::error::LogError::Corrupt`], or what the reading or the look gives.
    pub(crate) fn with_batch<T>(&self, at: &BatchAt, look: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        let checked = |piece: &Piece| {
            let checked = BatchView::parse(piece.bytes()).and_then(|view| view.check_crc());
            checked.map_err(|reason| self.corrupt(at.position, reason))?;
            look(piece.bytes())
        };
        let piece = self.piece(at.position, at.len as usize)?;
        let found = checked(&piece);
        if piece.is_intact() {
            return found;
        }
        checked(&self.copied(at.position, at.len as usize)?)
    }
}

//! Bytes of a file together with the map that they are a view of.
//!
//! A load through a map cannot fail; what could not be read is zeros, and the map says so afterwards
//! ([`Map::lost`]). Whoever looks at the bytes of a piece asks it *after* the look, and before anything follows from it.
//! Pieces that were read with `pread` are always intact: what cannot be read was an error then.
//!
//! A file that is cut inside a page has zeros in the rest of that page, without a fault: no map can tell. Whoever has no
//! checksum to hold against them compares the file's length too ([`super::FileSlice::intact`]).

use crate::io::Map;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Bytes, and what they are a view of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    bytes: Bytes,
    origin: Origin,
}

/// A range of a map; nothing for bytes that are a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin(Option<(Arc<dyn Map>, Range<u64>)>);

impl Piece {
    /// Published bytes of a map.
    pub(crate) fn mapped(map: &Arc<dyn Map>, pos: u64, len: usize, published: u64) -> Self {
        let bytes = Arc::clone(map).slice(pos, len, published);
        Self { bytes, origin: Origin(Some((Arc::clone(map), pos..pos + len as u64))) }
    }

    /// Bytes that were read.
    pub(crate) fn copied(bytes: Vec<u8>) -> Self {
        Self { bytes: Bytes::from(bytes), origin: Origin(None) }
    }

    /// The bytes; ask [`Piece::is_intact`] after looking at them.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether all bytes of the piece that were looked at so far are the file's.
    pub(crate) fn is_intact(&self) -> bool {
        self.origin.is_intact()
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Origin {
    pub(crate) const fn is_mapped(&self) -> bool {
        self.0.is_some()
    }

    /// That of `len` bytes from `pos` of the file, which are a part of it.
    pub(crate) fn part(&self, pos: u64, len: usize) -> Self {
        Self(self.0.as_ref().map(|(map, _)| (Arc::clone(map), pos..pos + len as u64)))
    }

    pub(crate) fn is_intact(&self) -> bool {
        let Some((map, range)) = &self.0 else { return true };
        map.lost().is_none_or(|lost| lost.end <= range.start || range.end <= lost.start)
    }
}

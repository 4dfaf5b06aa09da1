//! An ordered table of entries of one size: on the heap while it grows, bytes of a file afterwards.

use bytes::Bytes;

/// An entry of fixed size.
pub(super) trait Entry: Copy {
    /// Bytes in the file.
    const LEN: usize;
    /// From exactly [`Entry::LEN`] bytes; `None` if a field is out of its range.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// Appends [`Entry::LEN`] bytes.
    fn write(self, out: &mut Vec<u8>);
    /// Whether it may come after `before`, or come first.
    fn may_follow(self, before: Option<Self>) -> bool;
}

/// Entries, each of which may follow the one before.
#[derive(Clone, Debug)]
pub(super) enum Table<E> {
    /// While it grows.
    Heap(Vec<E>),
    /// As they are in the file; every entry was checked when it was loaded.
    File(Bytes),
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl<E: Entry> Table<E> {
    /// Takes a file's content up to the first entry that is out of order, and whether that is all of it. O(entries).
    pub(super) fn from_file(bytes: &Bytes) -> (Self, bool) {
        let mut before = None;
        let mut sound = 0;
        for chunk in bytes.chunks_exact(E::LEN) {
            match E::read(chunk) {
                Some(entry) if entry.may_follow(before) => before = Some(entry),
                _ => break,
            }
            sound += E::LEN;
        }
        (Self::File(bytes.slice(..sound)), sound == bytes.len())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Heap(entries) => entries.len(),
            Self::File(bytes) => bytes.len() / E::LEN,
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<E> {
        match self {
            Self::Heap(entries) => entries.get(index).copied(),
            Self::File(bytes) => {
                let at = index.checked_mul(E::LEN)?;
                E::read(bytes.get(at..at.checked_add(E::LEN)?)?)
            }
        }
    }

    pub(super) fn last(&self) -> Option<E> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The last entry of those in front for which `holds`.
    pub(super) fn last_where(&self, holds: impl Fn(E) -> bool) -> Option<E> {
        self.last_two_where(holds)[0]
    }

    /// The same and the one before it.
    pub(super) fn last_two_where(&self, holds: impl Fn(E) -> bool) -> [Option<E>; 2] {
        let end = self.front_where(holds);
        [1, 2].map(|back| self.get(end.checked_sub(back)?))
    }

    /// The same and the one after it.
    pub(super) fn around(&self, holds: impl Fn(E) -> bool) -> [Option<E>; 2] {
        let end = self.front_where(holds);
        [end.checked_sub(1).and_then(|last| self.get(last)), self.get(end)]
    }

    /// For how many entries in front it holds.
    fn front_where(&self, holds: impl Fn(E) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&holds) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Appends an entry that the caller knows may follow.
    pub(super) fn push(&mut self, entry: E) {
        self.heap().push(entry);
    }

    /// Keeps the entries in front for which `holds`.
    pub(super) fn keep_while(&mut self, holds: impl Fn(E) -> bool) {
        while self.last().is_some_and(|entry| !holds(entry)) {
            match self {
                Self::Heap(entries) => drop(entries.pop()),
                Self::File(bytes) => bytes.truncate(bytes.len() - E::LEN),
            }
        }
    }

    /// Moves the entries to the heap.
    pub(super) fn heap(&mut self) -> &mut Vec<E> {
        if let Self::File(bytes) = self {
            *self = Self::Heap(bytes.chunks_exact(E::LEN).filter_map(E::read).collect());
        }
        match self {
            Self::Heap(entries) => entries,
            Self::File(_) => unreachable!("moved above"),
        }
    }

    /// The file's bytes of the entries from `first` on.
    pub(super) fn encode_from(&self, first: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len().saturating_sub(first) * E::LEN);
        for index in first..self.len() {
            if let Some(entry) = self.get(index) {
                entry.write(&mut out);
            }
        }
        out
    }
}

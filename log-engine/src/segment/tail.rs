//! The file behind the end of a segment that is written: where the bytes of an append go, and the blocks ahead of them.
//!
//! ```text
//!  0             published      end                window end         reserved
//!  +--------------+--------------+------------------+------------------+
//!  | batches      | not shown yet| zeros: the file  | blocks, no       |
//!  |              |              | is so long       | length           |
//!  +--------------+--------------+------------------+------------------+
//! ```
//!
//! | an append of | goes | why |
//! |---|---|---|
//! | less than [`WINDOW_BELOW`] | through a window: a copy to memory | a system call costs more than the copy |
//! | more | by one positioned write | faults and the zeroing of pages cost more than the call |
//! | any size, to a log that is synced every few bytes | by one positioned write, into zeros that were written before | the sync then has no metadata to write |
//!
//! All three meet in the page cache, in any order. The measurements are in `docs/adr/0004`.
//!
//! # Invariants
//!
//! * Everything here happens at `end` or above: what is published is not touched.
//! * The window is dropped before the file is cut or closed. The writer alone cuts, and only zeros that it never published:
//!   readers have maps of the whole file, and touch only what is published.
//! * Whatever stands between `end` and the end of the file is zeros, or the rest of an append that failed and could not be
//!   cut off. A killed process leaves it behind: recovery takes zeros for a clean end.
//!
//! # Not here
//!
//! Whether a file system can give windows at all, and how many (`io`).

use super::Placed;
use crate::io::{StorageFile, Window};
use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::sync::Arc;

/// Appends of so many bytes or more are written, smaller ones stored through the window. Found by measurement, as the other
/// figures here (`docs/adr/0004`).
pub(super) const WINDOW_BELOW: usize = 4096;
/// First step by which blocks are reserved and windows made; each further one is twice as long.
const FIRST_STEP: u64 = 64 * 1024;
/// Longest step.
const LAST_STEP: u64 = 16 * 1024 * 1024;
/// Write-back is started each time so much was written: the disk works while the writer does, and a later sync has
/// little left to do.
const WRITE_BACK: u64 = 8 * 1024 * 1024;
/// Write-back ends at a whole page: the last one is still being written.
const PAGE: u64 = 4096;
/// A sync of at most so many bytes is a small one...
const FEW_BYTES: u64 = 32 * 1024;
/// ... and so many of them in a row make a log that is synced often.
const OFTEN: u32 = 2;
/// So many syncs are to come of one stretch of zeros; else it was not worth its second write.
const SYNCS_PER_STRETCH: u32 = 4;
/// First stretch of zeros; each further one is twice as long.
const FIRST_ZEROS: usize = 64 * 1024;
/// Longest stretch.
const LAST_ZEROS: usize = 256 * 1024;

static ZEROS: [u8; FIRST_ZEROS] = [0; FIRST_ZEROS];

/// What is behind the end.
#[derive(Debug)]
pub(super) struct Tail {
    file: Option<Arc<dyn StorageFile>>,
    window: Option<(Range<u64>, Box<dyn Window>)>,
    /// Blocks are reserved up to here.
    reserved: u64,
    next_step: u64,
    /// There are no windows up to here, as far as is known: asking costs a call.
    refused: u64,
    /// Where it was cut last, if nothing was done since.
    cut_at: Option<u64>,
    /// Write-back was started up to here.
    write_back: u64,
    synced: Synced,
}

/// How often the segment is synced, and the zeros that are written ahead for it.
#[derive(Debug)]
struct Synced {
    /// Where the last sync ended.
    end: u64,
    /// How many small syncs in a row.
    small: u32,
    /// Zeros were written up to here.
    zeros: u64,
    next_zeros: usize,
    /// Syncs since they were, if they ever were.
    in_stretch: Option<u32>,
}

impl Tail {
    /// Behind `end`, with nothing there.
    pub(super) fn new(end: u64) -> Self {
        let synced = Synced::new(end);
        Self {
            file: None,
            window: None,
            reserved: end,
            next_step: FIRST_STEP,
            refused: end,
            cut_at: None,
            write_back: end,
            synced,
        }
    }

    /// The open file, if it was used since it was last let go of.
    pub(super) fn file(&self) -> Option<&Arc<dyn StorageFile>> {
        self.file.as_ref()
    }

    pub(super) fn use_file(&mut self, file: Arc<dyn StorageFile>) {
        self.file = Some(file);
    }

    /// Before the file is closed: the window goes, what was stored stays.
    pub(super) fn let_go(&mut self) {
        self.window = None;
        self.file = None;
    }

    /// Writes an append of `len` bytes. `limit` is the size of the segment.
    ///
    /// # Errors
    ///
    /// The system's. Something may stand at `place`, unless it could be cut off; nothing before it has changed.
    pub(super) fn write(&mut self, parts: &[&[u8]], len: usize, place: Placed, limit: u64) -> Result<()> {
        // Taken out and put back: counting a reference up and down would cost as much as the copy.
        let Some(file) = self.file.take() else { return Err(ErrorKind::NotConnected.into()) };
        let written = self.write_to(&*file, parts, len, place, limit);
        self.file = Some(file);
        written
    }

    fn write_to(
        &mut self,
        file: &dyn StorageFile,
        parts: &[&[u8]],
        len: usize,
        place: Placed,
        limit: u64,
    ) -> Result<()> {
        let range = place.start.to_u64()..place.end.to_u64();
        let limit = limit.max(range.end);
        self.cut_at = None;
        let written = if self.synced.is_often() {
            self.window = None;
            self.write_into_zeros(file, parts, &range, limit)
        } else if len >= WINDOW_BELOW {
            self.reserve(file, range.end, limit).and_then(|()| file.write_all_at(parts, range.start))
        } else if self.reach(file, &range, limit)? {
            store(&mut self.window, parts, range.start)
        } else {
            let reserved = self.reserve(file, range.end, limit);
            self.refused = self.reserved;
            reserved.and_then(|()| file.write_all_at(parts, range.start))
        };
        if written.is_err() {
            // A part may be there: cut it, so that no later, shorter batch leaves its rest behind. If that fails too,
            // recovery finds an unpublished tail.
            let _ = self.cut(file, range.start);
        }
        written
    }

    /// Sees to it that the window holds the range; false if there is none to be had.
    fn reach(&mut self, file: &dyn StorageFile, range: &Range<u64>, limit: u64) -> Result<bool> {
        let holds = |(window, _): &(Range<u64>, Box<dyn Window>)| {
            window.start <= range.start && range.end <= window.end
        };
        if self.window.as_ref().is_some_and(holds) {
            return Ok(true);
        }
        if range.end <= self.refused {
            return Ok(false);
        }
        self.window = None;
        let end = (range.start + self.next_step).clamp(range.end, limit);
        match file.window(range.start, end - range.start) {
            Ok(None) => Ok(false),
            Ok(Some(window)) => {
                self.window = Some((range.start..end, window));
                self.reserved = self.reserved.max(end);
                self.next_step = (self.next_step * 2).min(LAST_STEP);
                Ok(true)
            }
            Err(e) if is_full(&e) => {
                // There may still be room for this batch alone. What was taken of the step is given back: others need it.
                self.next_step = FIRST_STEP;
                self.cut(file, range.start)?;
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn write_into_zeros(
        &mut self,
        file: &dyn StorageFile,
        parts: &[&[u8]],
        range: &Range<u64>,
        limit: u64,
    ) -> Result<()> {
        self.reserve(file, range.end, limit)?;
        let zeros = self.synced.zeros_behind(range.end, limit);
        if zeros == 0 {
            return file.write_all_at(parts, range.start);
        }
        // One call: the blocks of this append are new too, so its sync has the metadata to write in any case.
        let mut all = parts.to_vec();
        all.extend(std::iter::repeat_n(&ZEROS[..], zeros / ZEROS.len()));
        all.push(&ZEROS[..zeros % ZEROS.len()]);
        match file.write_all_at(&all, range.start) {
            Ok(()) => {
                self.synced.zeros = range.end + zeros as u64;
                self.reserved = self.reserved.max(self.synced.zeros);
                Ok(())
            }
            Err(e) if is_full(&e) => {
                self.synced.small = 0;
                file.write_all_at(parts, range.start)
            }
            Err(e) => Err(e),
        }
    }

    /// Sees to it that there are blocks up to `end`, in growing steps within `limit`.
    fn reserve(&mut self, file: &dyn StorageFile, end: u64, limit: u64) -> Result<()> {
        if end <= self.reserved {
            return Ok(());
        }
        let wanted = (self.reserved + self.next_step).clamp(end, limit);
        match file.reserve(self.reserved, wanted - self.reserved) {
            Ok(()) => {
                self.reserved = wanted;
                self.next_step = (self.next_step * 2).min(LAST_STEP);
                Ok(())
            }
            Err(e) if is_full(&e) && wanted > end => {
                // The whole step does not fit; this batch alone may.
                self.next_step = FIRST_STEP;
                file.reserve(self.reserved, end - self.reserved)?;
                self.reserved = end;
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Cuts the file at `end`, the writer's, and gives back what was reserved behind it.
    ///
    /// Readers of this process have maps that reach beyond. They do not touch what was never published, and all that is
    /// cut here is that.
    pub(super) fn cut(&mut self, file: &dyn StorageFile, end: u64) -> Result<()> {
        // Before the file gets shorter: a store behind its end would be the end of the process.
        self.window = None;
        file.set_len(end)?;
        self.reserved = end;
        self.refused = end;
        self.synced.zeros = end;
        self.cut_at = Some(end);
        Ok(())
    }

    /// Whether there is nothing behind `end` that this process has put there.
    pub(super) fn is_cut_at(&self, end: u64) -> bool {
        self.cut_at == Some(end)
    }

    /// Starts the write-back of what was written, if that is enough by now.
    pub(super) fn start_write_back(&mut self, end: u64) {
        if end - self.write_back < WRITE_BACK {
            return;
        }
        let end = end / PAGE * PAGE;
        if let Some(file) = &self.file {
            // A hint: what went wrong is told by the sync.
            let _ = file.start_write_back(self.write_back, end - self.write_back);
        }
        self.write_back = end;
    }

    /// Notes that all up to `end` is being synced.
    pub(super) fn note_sync(&mut self, end: u64) {
        self.synced.note(end);
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn store(window: &mut Option<(Range<u64>, Box<dyn Window>)>, parts: &[&[u8]], mut at: u64) -> Result<()> {
    let Some((_, window)) = window else { return Err(ErrorKind::NotConnected.into()) };
    for part in parts {
        window.store(at, part)?;
        at += part.len() as u64;
    }
    Ok(())
}

impl Synced {
    fn new(end: u64) -> Self {
        Self { end, small: 0, zeros: end, next_zeros: FIRST_ZEROS, in_stretch: None }
    }

    fn is_often(&self) -> bool {
        self.small >= OFTEN
    }

    fn note(&mut self, end: u64) {
        let bytes = end.saturating_sub(self.end);
        if bytes == 0 {
            return;
        }
        self.end = end;
        self.small = if bytes <= FEW_BYTES { self.small.saturating_add(1) } else { 0 };
        self.in_stretch = self.in_stretch.map(|count| count.saturating_add(1));
    }

    /// How many zeros to write behind an append that ends at `end`: none while it still ends in zeros, or when the last
    /// ones were not worth it.
    fn zeros_behind(&mut self, end: u64, limit: u64) -> usize {
        if end <= self.zeros {
            return 0;
        }
        if self.in_stretch.is_some_and(|count| count < SYNCS_PER_STRETCH) {
            *self = Self::new(self.end);
            return 0;
        }
        let zeros = self.next_zeros.min(usize::try_from(limit - end).unwrap_or(usize::MAX));
        self.next_zeros = (self.next_zeros * 2).min(LAST_ZEROS);
        self.in_stretch = Some(0);
        zeros
    }
}

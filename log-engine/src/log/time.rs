//! From a time to an offset.
//!
//! Times are the records' own and need not rise. Both answers are about the first record at or after a time, which is
//! well defined whatever the clock did: [`Log::offset_for_time`] is that record, [`Log::offset_before_time`] the one in
//! front of it. A time index is only asked where to begin; what it says is checked against the batches.

use super::{Log, View};
use crate::error::{LogError, Result};
use crate::format::batch::BatchView;
use crate::segment::{BatchAt, Segment};
use crate::types::{Offset, Position, Timestamp};
use std::sync::Arc;

impl Log {
    /// The last record before a time: the one in front of the first record whose time is `time` or later, or the last
    /// record of the log if there is none. `None` if the log begins at or after `time`.
    ///
    /// So this record and all before it are older than `time`. Where a clock was set back, an older record may come again
    /// further on: it does not count, or the whole log would have to be read. Records without a time and markers are
    /// passed over. One search for the time and one for the offset, each logarithmic, and two batches of reading.
    ///
    /// ```
    /// # use log_engine::{Log, LogConfig, NewRecord, Offset, Timestamp};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let log = Log::open(temp.path().join("log"), LogConfig::default())?;
    /// let at = |ms| Timestamp::from_millis(ms).unwrap();
    /// log.append(&[NewRecord::value(b"a").at(at(1_000)), NewRecord::value(b"b").at(at(2_000))])?;
    /// assert_eq!(log.offset_before_time(at(2_000))?, Some((Offset::ZERO, at(1_000))));
    /// assert_eq!(log.offset_before_time(at(1_000))?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::offset_for_time`].
    pub fn offset_before_time(&self, time: Timestamp) -> Result<Option<(Offset, Timestamp)>> {
        let end = self.end_offset();
        let mut below = self.offset_for_time(time)?.map_or(end, |(offset, _)| offset);
        let cap = self.config.load().decompressed_cap();
        self.with_view(|view| {
            // A batch of markers, or of records without times, is passed over.
            while let Some((segment, batch)) = self.batch_before(view, below)? {
                if let Some(found) = last_with_time(&segment, &batch, below, cap)? {
                    return Ok(Some(found).filter(|(offset, _)| *offset >= self.start_offset()));
                }
                below = batch.base_offset;
            }
            Ok(None)
        })
    }

    /// The last batch that begins below an offset, and its segment; `None` if there is none above the log start.
    fn batch_before(&self, view: &View, below: Offset) -> Result<Option<(Arc<Segment>, BatchAt)>> {
        let start = self.start_offset();
        let Some(last) = Offset::new(below.get() - 1).filter(|last| *last >= start) else { return Ok(None) };
        for segment in view.segments[..=view.segment_of(last)].iter().rev() {
            let found = match segment.locate(last)? {
                Some(batch) if batch.base_offset < below => Some(batch),
                // Compaction has left nothing there.
                _ => last_below(segment, below)?,
            };
            if let Some(batch) = found {
                return Ok((batch.last_offset >= start).then(|| (Arc::clone(segment), batch)));
            }
        }
        Ok(None)
    }
}

/// The last batch of a segment that begins below an offset, by its headers.
fn last_below(segment: &Segment, below: Offset) -> Result<Option<BatchAt>> {
    let mut last = None;
    for batch in segment.walk(Position::ZERO) {
        let batch = batch?;
        if batch.base_offset >= below {
            break;
        }
        last = Some(batch);
    }
    Ok(last)
}

/// The last record of a batch that lies below an offset and has a time.
fn last_with_time(
    segment: &Arc<Segment>,
    at: &BatchAt,
    below: Offset,
    cap: usize,
) -> Result<Option<(Offset, Timestamp)>> {
    segment.with_batch(at, |bytes| last_in(segment, at, bytes, below, cap))
}

fn last_in(
    segment: &Segment,
    at: &BatchAt,
    bytes: &[u8],
    below: Offset,
    cap: usize,
) -> Result<Option<(Offset, Timestamp)>> {
    let corrupt = |reason| LogError::Corrupt { path: segment.path(), position: at.position, reason };
    let view = BatchView::parse(bytes).map_err(corrupt)?;
    if view.attributes().is_control() {
        return Ok(None);
    }
    let mut last = None;
    for record in &view.records(cap).map_err(corrupt)? {
        let record = record.map_err(corrupt)?;
        if record.offset < below {
            last = record.timestamp.map(|time| (record.offset, time)).or(last);
        }
    }
    Ok(last)
}

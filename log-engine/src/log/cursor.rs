//! One record after the other, borrowed from its batch.

use super::records::{RecordBatch, RecordBatches};
use super::{Log, reader::ReaderBatches};
use crate::error::Result;
use crate::format::record::{OwnedRecords, Record};
use crate::types::Offset;

/// The records of a log from an offset on, in order, without markers.
///
/// It lends: a record borrows from the cursor until the next one is asked for, and nothing is copied or allocated per
/// record. That is why this is no [`Iterator`]; `while let` does as well:
///
/// ```
/// use log_engine::{Log, LogConfig, NewRecord, Offset};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temp = tempfile::tempdir()?;
/// # let log = Log::open(temp.path().join("log"), LogConfig::default())?;
/// log.append(&[NewRecord::value(b"a"), NewRecord::value(b"b"), NewRecord::value(b"c")])?;
/// let mut cursor = log.cursor(Offset::new(1).unwrap());
/// let mut seen = Vec::new();
/// while let Some(record) = cursor.next()? {
///     seen.extend_from_slice(record.value.unwrap_or_default());
/// }
/// assert_eq!(seen, b"bc");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cursor<I> {
    batches: I,
    /// Records below are not asked for, though their batch is.
    from: Offset,
    open: Option<(RecordBatch, OwnedRecords)>,
}

impl Log {
    /// The records from an offset on; short for [`Log::records`] and [`RecordBatches::cursor`].
    pub fn cursor(&self, from: Offset) -> Cursor<RecordBatches<'_>> {
        self.records(from).cursor()
    }
}

impl<'a> RecordBatches<'a> {
    /// Record by record.
    #[must_use]
    pub fn cursor(self) -> Cursor<RecordBatches<'a>> {
        let from = self.next;
        Cursor { batches: self, from, open: None }
    }
}

impl<'a> ReaderBatches<'a> {
    /// Record by record.
    #[must_use]
    pub fn cursor(self) -> Cursor<ReaderBatches<'a>> {
        let from = self.next_offset();
        Cursor { batches: self, from, open: None }
    }
}

impl<I: Iterator<Item = Result<RecordBatch>>> Cursor<I> {
    /// The next record; `None` at the end, as the batches have it: there may be more later.
    ///
    /// # Errors
    ///
    /// As the batches; [`Corrupt`](crate::LogError::Corrupt) for records that cannot be decompressed or walked.
    #[expect(clippy::should_implement_trait, reason = "it lends")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        while self.open.as_ref().is_none_or(|(_, records)| records.is_done()) {
            self.open = None;
            let Some(batch) = self.batches.next().transpose()? else { return Ok(None) };
            if !batch.is_control() {
                let mut records = batch.owned_records()?;
                records.skip_below(self.from).map_err(|reason| batch.corrupt(reason))?;
                self.open = Some((batch, records));
            }
        }
        let Some((batch, records)) = &mut self.open else { return Ok(None) };
        records.next().transpose().map_err(|reason| batch.corrupt(reason))
    }
}

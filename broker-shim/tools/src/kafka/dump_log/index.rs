//! `.index` and `.timeindex` files, held against the `.log` beside them.

use super::{Complaints, Dump, Stop, missing};
use log_engine::format::index_entry::{OffsetEntry, TimeEntry};
use log_engine::format::names::{FileKind, segment_file};
use log_engine::inspect::{Entry, SegmentReader};
use log_engine::io::Storage;
use log_engine::types::{Offset, RelativeOffset, Timestamp};
use std::path::Path;

/// A batch, as far as an index speaks of it.
struct Batch {
    position: u64,
    last: i64,
    max_timestamp: i64,
}

impl Dump<'_> {
    pub(super) fn offset_index(&mut self, path: &Path, base: Offset) -> Result<(), Stop> {
        let bytes = self.read(path)?;
        let file = path.display();
        if bytes.len() < OffsetEntry::LEN {
            writeln!(self.out, "{file} is empty.")?;
            return Ok(());
        }
        let entries = entries(&bytes, |entry: &[u8; OffsetEntry::LEN]| {
            let entry = OffsetEntry::from_bytes(entry)?;
            Some((entry.offset, entry.position.to_u64()))
        });
        if self.options.sanity_only {
            return self.sanity(path, bytes.len(), OffsetEntry::LEN, entries.contains(&None));
        }
        let batches = self.batches(path, base)?;
        for (n, entry) in entries.iter().enumerate() {
            let Some((relative, position)) = entry else { return Err(negative(path, n)) };
            let offset = base.get().saturating_add(relative.get().into());
            // A running log lays out its indexes in advance: zeros at the end are no entries.
            if relative.get() == 0 && n > 0 {
                break;
            }
            let found = batches.iter().find(|batch| batch.position == *position);
            let last = found.map_or(-1, |batch| batch.last);
            if last != offset {
                Complaints::note(&mut self.complaints.index, path, offset, last);
            }
            if !self.options.verify_only {
                writeln!(self.out, "offset: {offset} position: {position}")?;
            }
        }
        Ok(())
    }

    pub(super) fn time_index(&mut self, path: &Path, base: Offset) -> Result<(), Stop> {
        let bytes = self.read(path)?;
        let entries = entries(&bytes, |entry: &[u8; TimeEntry::LEN]| {
            let entry = TimeEntry::from_bytes(entry)?;
            Some((entry.offset, entry.timestamp.as_millis()))
        });
        if self.options.sanity_only {
            let falls =
                |pair: &[Option<(RelativeOffset, i64)>]| matches!(pair, [Some(a), Some(b)] if b.1 < a.1);
            let wrong = entries.contains(&None)
                || falls(&[*entries.first().unwrap_or(&None), *entries.last().unwrap_or(&None)]);
            return self.sanity(path, bytes.len(), TimeEntry::LEN, wrong);
        }
        let batches = self.batches(path, base)?;
        let mut before = -1;
        for (n, entry) in entries.iter().enumerate() {
            let Some((relative, timestamp)) = entry else { return Err(negative(path, n)) };
            let offset = base.get().saturating_add(relative.get().into());
            if relative.get() == 0 && n > 0 {
                break;
            }
            match batches.iter().find(|batch| batch.last >= offset) {
                Some(batch) if batch.last == offset => {
                    if batch.max_timestamp != *timestamp {
                        let pairs = &mut self.complaints.time_mismatch;
                        Complaints::note(pairs, path, *timestamp, batch.max_timestamp);
                    }
                    if before >= *timestamp {
                        Complaints::note(&mut self.complaints.time_order, path, *timestamp, before);
                    }
                }
                other => {
                    let found = other.map_or(-1, |batch| batch.last);
                    Complaints::note(&mut self.complaints.time_lost, path, offset, found);
                }
            }
            if !self.options.verify_only {
                writeln!(self.out, "timestamp: {timestamp} offset: {offset}")?;
            }
            before = *timestamp;
        }
        Ok(())
    }

    /// What a start of the broker would ask before it trusts an index.
    fn sanity(&mut self, path: &Path, len: usize, entry: usize, wrong: bool) -> Result<(), Stop> {
        let file = path.display();
        if !len.is_multiple_of(entry) {
            return Err(Stop::Trouble(format!(
                "{file} is corrupt: {len} bytes are no multiple of {entry}; delete it, and the next start makes it anew"
            )));
        }
        if wrong {
            return Err(Stop::Trouble(format!(
                "{file} is corrupt: its last entry is smaller than its first; delete it, and the next start makes it anew"
            )));
        }
        writeln!(self.out, "{file} passed sanity check.")?;
        Ok(())
    }

    /// The batches of the log that an index belongs to.
    fn batches(&self, index: &Path, base: Offset) -> Result<Vec<Batch>, Stop> {
        let path = index.with_file_name(segment_file(base, FileKind::Log));
        if !self.storage.exists(&path).map_err(|_| missing(&path))? {
            return Err(missing(&path));
        }
        let mut reader = SegmentReader::open(&self.storage, &path, base)?;
        let mut found = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            found.extend(match entry {
                Entry::Batch { position, batch, .. } => {
                    let max_timestamp = Timestamp::to_raw(batch.max_timestamp());
                    Some(Batch { position, last: batch.last_offset().get(), max_timestamp })
                }
                Entry::Old { position, bytes } => {
                    let old = super::old::Entry::of(bytes);
                    Some(Batch { position, last: old.offset, max_timestamp: old.timestamp() })
                }
                _ => None,
            });
        }
        Ok(found)
    }
}

fn entries<const N: usize, T>(bytes: &[u8], read: impl Fn(&[u8; N]) -> Option<T>) -> Vec<Option<T>> {
    bytes.chunks_exact(N).map(|entry| entry.first_chunk().and_then(&read)).collect()
}

fn negative(path: &Path, entry: usize) -> Stop {
    Stop::Trouble(format!(
        "{}: entry {entry} has a negative number; delete the index, and the next start makes it anew",
        path.display()
    ))
}

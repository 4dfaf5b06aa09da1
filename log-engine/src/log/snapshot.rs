//! A consistent copy of a log that can be opened, made while the log is written.
//!
//! Sealed segments are linked: they get a second name in the copy and no byte is read. The active segment is copied up to
//! its end, or, if it is long, a new one is begun first, so that what is copied never exceeds 16 MiB. The copy has a
//! synced mark of its own, about its own files.
//!
//! # Invariants
//!
//! * The copy appears under its name whole and durable, or not at all: it is made beside it and renamed.
//! * What it holds is a prefix of the log that was synced: the end is one at which a sync has succeeded.
//! * A file with two names is never written: both logs append to a file of their own, and cutting either makes a new
//!   file of what is kept. Files that are written in place (`.txnindex`) are copied. Deleting either takes its names only.
//!
//! # Not here
//!
//! Copies to another file system: links do not reach there. Copy the snapshot, and remove it.

use super::compact::point;
use super::files::{appear, check_outside, make_dir, parent_of};
use super::mark::{LastBatch, Mark, MarkFile};
use super::producer_file::{self, Evidence, StateFile};
use super::producers::Producers;
use super::{Log, View};
use crate::error::{LogError, Result};
use crate::format::names::{FileKind, SegmentFile, Stage, segment_file};
use crate::io::{EntryKind, FileId, OpenMode};
use crate::segment::Segment;
use crate::types::{Offset, Position};
use std::path::Path;
use std::sync::Arc;

/// An active segment that is longer is not copied: a new one is begun.
const COPIED: u64 = 16 * 1024 * 1024;

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its log start offset.
    pub start: Offset,
    /// Its log end offset: everything that was appended when it was made.
    pub end: Offset,
    /// Segments that it shares with the log.
    pub linked_segments: usize,
    /// Bytes that were copied.
    pub copied_bytes: u64,
}

/// What the copy is made of, taken between two appends.
struct Source {
    view: Arc<View>,
    active: Arc<Segment>,
    position: Position,
    end: Offset,
    last: Option<LastBatch>,
    producers: Producers,
    truncations: u64,
}

impl Log {
    /// Makes a copy of the log in a new directory: consistent, durable, complete up to the present end, and ready to be
    /// opened. Appends and reads go on meanwhile; syncs, retention and cuts wait.
    ///
    /// It costs a sync of what is unsynced, a link for each file of a sealed segment, and a copy of at most 16 MiB:
    /// milliseconds for a log of any size. A longer active segment is sealed first and a new one begun.
    ///
    /// The directory must lie on the log's file system and must not exist; not inside the log's own or a store's directory. The copy holds
    /// on to the bytes of segments that retention has taken from the log, until it is removed.
    ///
    /// ```
    /// # use log_engine::{Log, LogConfig, NewRecord};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// # let (dir, backup) = (temp.path().join("log"), temp.path().join("backup"));
    /// let log = Log::open(&dir, LogConfig::default())?;
    /// log.append(&[NewRecord::value(b"kept")])?;
    /// log.snapshot(&backup)?;
    /// log.append(&[NewRecord::value(b"not in the copy")])?;
    ///
    /// let copy = Log::open(&backup, LogConfig::default())?;
    /// assert_eq!(copy.end_offset().get(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError::Directory`] if the name is taken, lies in the log's directory or in that of a store, or on another file
    /// system; as [`Log::sync`]; what the system answers. Nothing has the name then.
    pub fn snapshot(&self, to: impl AsRef<Path>) -> Result<Snapshot> {
        let (to, mut dirs) = (to.as_ref(), vec![self.dir()]);
        if self.files.is_some() {
            // That of its store.
            dirs.push(parent_of(&dirs[0]).to_owned());
        }
        check_outside(&*self.storage, to, &dirs)?;
        appear(&*self.storage, to, |fresh| self.snapshot_into(fresh))
    }

    /// Fills a directory, which is made; all that is in it is durable.
    pub(crate) fn snapshot_into(&self, dir: &Path) -> Result<Snapshot> {
        self.check_usable()?;
        // Who has the turn keeps away whoever takes segments away.
        let turn = self.turns.take();
        let source = self.take_source()?;
        self.sync_in_turn(&turn)?;
        make_dir(&*self.storage, dir)?;
        let mut made = Snapshot {
            start: self.start_offset(),
            end: source.end,
            linked_segments: 0,
            copied_bytes: source.position.to_u64(),
        };
        for segment in source.sealed() {
            self.link_segment(segment, source.end, dir)?;
            made.linked_segments += 1;
        }
        let file = self.copy_active(&source, dir)?;
        self.copy_state(&source, dir)?;
        let mark = Mark {
            segment: source.active.base_offset(),
            position: source.position,
            next_offset: source.end,
            log_start: made.start,
            file,
            last_batch: source.last,
            truncations: source.truncations,
            heir: None,
        };
        // Syncs the names too: nothing is claimed that is not there.
        MarkFile::read(&*self.storage, dir)?.0.write(&*self.storage, &mark)?;
        drop(turn);
        Ok(made)
    }

    /// Rolls if the active segment is too long to be copied, and looks where everything stands.
    fn take_source(&self) -> Result<Source> {
        let mut writer = self.writer.lock();
        self.check_usable()?;
        let end = self.end.get();
        if writer.active.len().to_u64() > COPIED {
            self.roll(&mut writer, end, self.clock.now())?;
        }
        Ok(Source {
            view: self.view.load_full(),
            active: Arc::clone(&writer.active),
            position: writer.active.len(),
            end,
            last: writer.last,
            producers: writer.producers.clone(),
            truncations: writer.truncations,
        })
    }

    /// Links what is replaced as a whole when it changes, and copies what is not.
    fn link_segment(&self, segment: &Segment, end: Offset, dir: &Path) -> Result<()> {
        for kind in [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex] {
            let name = segment_file(segment.base_offset(), kind);
            let from = if kind == FileKind::Log { segment.path() } else { self.dir().join(&name) };
            match self.storage.link(&from, &dir.join(&name)) {
                // Indexes are made anew where they are missing.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && kind != FileKind::Log => {}
                linked => linked.map_err(LogError::io("link", &from))?,
            }
        }
        self.copy_txn_index(segment, end, dir)
    }

    fn copy_active(&self, source: &Source, dir: &Path) -> Result<FileId> {
        let name = segment_file(source.active.base_offset(), FileKind::Log);
        let (from, to) = (source.active.path(), dir.join(name));
        let len = source.position.to_u64();
        let copy = if len == 0 {
            self.storage.open(&to, OpenMode::CreateNew).map_err(LogError::io("create", &to))?
        } else {
            self.storage.copy(&from, &to, len).map_err(LogError::io("copy", &from))?
        };
        copy.set_modified(source.active.modified()?).map_err(LogError::io("set the time of", &to))?;
        copy.sync_data().map_err(LogError::io("sync", &to))?;
        self.copy_txn_index(&source.active, source.end, dir)?;
        copy.id().map_err(LogError::io("look at", &to))
    }

    /// The aborted transactions of a segment, without those that were aborted since the copy was begun: to it they are
    /// open.
    fn copy_txn_index(&self, segment: &Segment, end: Offset, dir: &Path) -> Result<()> {
        if !segment.has_txn_index()? {
            return Ok(());
        }
        let path = dir.join(segment_file(segment.base_offset(), FileKind::TxnIndex));
        let file = self.storage.open(&path, OpenMode::CreateNew).map_err(LogError::io("create", &path))?;
        let bytes = segment.encode_aborted_below(end)?;
        file.write_all_at(&[&bytes], 0).map_err(LogError::io("write", &path))?;
        file.sync_data().map_err(LogError::io("sync", &path))
    }

    /// Epochs, producers, how far it is compacted, and the topic's id for tools of Kafka.
    fn copy_state(&self, source: &Source, dir: &Path) -> Result<()> {
        self.epochs.load().store(&*self.storage, dir, true)?;
        producer_file::store_snapshot(&*self.storage, dir, source.end, &source.producers)?;
        let segment = source.active.base_offset();
        if let Some(batch) = source.last {
            let evidence = Some(Evidence { segment, batch });
            let (offset, producers) = (source.end, source.producers.clone());
            // The last one may have got entries since the copy began.
            let txns = self.txn_sums().into_iter().filter(|(base, _)| *base < segment).collect();
            StateFile { offset, evidence, producers, txns }.store(&*self.storage, dir)?;
        }
        for entry in self.storage.list(&self.dir()).map_err(LogError::io("list", self.dir()))? {
            let snapshot = SegmentFile::parse(&entry.name).is_some_and(|file| {
                file.kind == FileKind::Snapshot && file.stage == Stage::Live && file.base < source.end
            });
            let other = [point::FILE_NAME, "partition.metadata"].contains(&entry.name.as_str());
            if entry.kind == EntryKind::File && (snapshot || other) {
                let from = self.dir().join(&entry.name);
                let linked = self.storage.link(&from, &dir.join(&entry.name));
                linked.map_err(LogError::io("link", &from))?;
            }
        }
        Ok(())
    }
}

impl Source {
    /// The segments before the active one.
    fn sealed(&self) -> &[Arc<Segment>] {
        let active = self.view.segments.iter().position(|segment| Arc::ptr_eq(segment, &self.active));
        &self.view.segments[..active.unwrap_or(self.view.segments.len())]
    }
}

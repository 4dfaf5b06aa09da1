//! The files of a segment: their names, index files written and read, renaming, removal, the copy of a front.

use super::write::Writer;
use super::{Opened, Piece, Role, Segment, SegmentOptions, TxnSum};
use crate::error::{LogError, Result};
use crate::format::index_entry::TxnEntry;
use crate::format::names::{FileKind, SegmentFile, Stage};
use crate::index::TxnIndex;
use crate::io::{FileId, OpenMode, StorageFile};
use crate::types::{Offset, Position, Timestamp};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The indexes that are made anew from headers; that of transactions is not.
const OFFSET_INDEXES: [FileKind; 2] = [FileKind::OffsetIndex, FileKind::TimeIndex];
/// All files that belong to a segment and are not its batches; the snapshot is the log's.
const DERIVED: [FileKind; 3] = [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];
/// Read to the heap up to this size, mapped above: a map costs more than copying a few pages.
const MAP_FROM: u64 = 16 * 1024;
/// Ends the name of an index that is being written anew; whoever starts removes it.
pub(crate) const TEMPORARY: &str = ".tmp";
/// Copied at once when a front is copied.
const COPY: usize = 1 << 20;

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct Names {
    dir: PathBuf,
    base: Offset,
    stage: Stage,
}

impl Names {
    pub(super) fn new(dir: &Path, base: Offset) -> Self {
        Self { dir: dir.to_owned(), base, stage: Stage::Live }
    }

    fn path(&self, kind: FileKind) -> PathBuf {
        self.dir.join(SegmentFile::live(self.base, kind).at(self.stage).name())
    }

    /// The name under which a copy of a front is written; whoever starts removes it.
    fn unfinished(&self) -> PathBuf {
        self.dir.join(SegmentFile::live(self.base, FileKind::Log).at(Stage::Cleaned).name())
    }

    /// The name under which an index is written anew. Not `.cleaned`: a start would take that for a compaction that did
    /// not finish, and the finished one beside it for a part of it.
    fn temporary(&self, kind: FileKind) -> PathBuf {
        let mut name = SegmentFile::live(self.base, kind).at(self.stage).name();
        name.push_str(TEMPORARY);
        self.dir.join(name)
    }

    /// The same files at another stage.
    pub(super) fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path(FileKind::Log)
    }
}

/// A synced copy of the front of a segment, beside it; see [`Segment::copy_front`].
#[derive(Debug)]
pub struct Front {
    path: PathBuf,
    len: Position,
    id: FileId,
}

impl Front {
    /// Which file the segment will be.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.id
    }
}

/// Treats a file that is not there as dealt with.
fn unless_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether something else than a file has the name: a directory or a link, which is somebody's and stays. What is derived
/// is made anew on the heap then.
fn is_no_file(error: &std::io::Error) -> bool {
    const LOOP: i32 = rustix::io::Errno::LOOP.raw_os_error();
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::IsADirectory)
        || error.raw_os_error() == Some(LOOP)
}

impl Segment {
    /// Opens the `.log` file; the name cannot change meanwhile.
    pub(super) fn open_file(&self, mode: OpenMode) -> Result<Arc<dyn StorageFile>> {
        let names = self.names.lock();
        let path = names.log();
        self.storage.open(&path, mode).map_err(LogError::io("open", &path))
    }

    /// A derived file's content; `None` if there is no such file.
    ///
    /// `may_map` asks for a map of a large file; never for a segment that is going to be written.
    pub(super) fn read_derived(&self, kind: FileKind, may_map: bool) -> Result<Option<Piece>> {
        let path = self.names.lock().path(kind);
        let file = match self.storage.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound || is_no_file(&e) => return Ok(None),
            Err(e) => return Err(LogError::io("open", &path)(e)),
        };
        let read = || {
            let len = file.len()?;
            // No index is larger than its segment may be; a file that is, is read as far as it can be one.
            let size = usize::try_from(len).unwrap_or(usize::MAX).min(Position::MAX.to_usize());
            if len > MAP_FROM
                && may_map
                && let Some(map) = file.map(len)?
            {
                return Ok(Piece::mapped(&map, 0, size, len));
            }
            let mut buf = vec![0; size];
            file.read_exact_at(&mut buf, 0)?;
            Ok(Piece::copied(buf))
        };
        read().map(Some).map_err(LogError::io("read", &path))
    }

    /// Syncs those of the derived files that are there.
    pub(super) fn sync_derived(&self, kinds: &[FileKind]) -> Result<()> {
        for kind in kinds {
            let path = self.names.lock().path(*kind);
            let sync = || self.storage.open(&path, OpenMode::ReadWrite)?.sync_data();
            unless_missing(sync()).map_err(LogError::io("sync", &path))?;
        }
        Ok(())
    }

    /// Appends to a derived file from `at` on, which is made if need be.
    pub(super) fn extend_derived(&self, kind: FileKind, bytes: &[u8], at: u64) -> Result<()> {
        let path = self.names.lock().path(kind);
        let open = || match self.storage.open(&path, OpenMode::ReadWrite) {
            Err(e) if e.kind() == ErrorKind::NotFound => self.storage.open(&path, OpenMode::CreateNew),
            other => other,
        };
        let write = || {
            let file = open()?;
            if file.links()? > 1 {
                // Somebody else's too: it stays as it is, and a file of our own takes its name.
                let mut whole = vec![0; usize::try_from(at).map_err(|_| ErrorKind::FileTooLarge)?];
                file.read_exact_at(&mut whole, 0)?;
                whole.extend_from_slice(bytes);
                return Ok(Some(whole));
            }
            file.write_all_at(&[bytes], at).map(|()| None)
        };
        match write().map_err(LogError::io("write", &path))? {
            Some(whole) => self.replace_derived(kind, &whole, true),
            None => Ok(()),
        }
    }

    /// Replaces a derived file as a whole: another reader's map of the old one stays as it is. `sync` makes the content
    /// durable before it gets the name.
    pub(super) fn replace_derived(&self, kind: FileKind, bytes: &[u8], sync: bool) -> Result<()> {
        let path = self.names.lock().path(kind);
        let fresh = self.names.lock().temporary(kind);
        let write = || {
            let file = self.storage.open(&fresh, OpenMode::Truncate)?;
            file.write_all_at(&[bytes], 0)?;
            if sync {
                file.sync_data()?;
            }
            self.storage.rename(&fresh, &path)
        };
        write().map_err(|error| {
            // On a full disk every block counts.
            let _ = self.storage.remove_file(&fresh);
            LogError::io("write", &path)(error)
        })
    }

    /// Removes all indexes of this name.
    pub(super) fn remove_derived(&self) -> Result<()> {
        self.remove_kinds(&DERIVED)
    }

    pub(super) fn sync_names(&self) -> Result<()> {
        let dir = self.names.lock().dir.clone();
        self.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))
    }

    fn remove_kinds(&self, kinds: &[FileKind]) -> Result<()> {
        let names = self.names.lock();
        for kind in kinds {
            let path = names.path(*kind);
            unless_missing(self.storage.remove_file(&path)).map_err(LogError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Renames all files of the segment to `*.deleted`; a reader that opens it later still finds it.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; some files may have been renamed, and a second call goes on.
    pub fn mark_deleted(&self) -> Result<()> {
        let mut names = self.names.lock();
        let mut target = names.clone();
        target.stage = Stage::Deleted;
        // The batches last: a start in between finds a segment without indexes, never indexes without a segment.
        for kind in DERIVED.into_iter().chain([FileKind::Log]) {
            let (from, to) = (names.path(kind), target.path(kind));
            unless_missing(self.storage.rename(&from, &to)).map_err(LogError::io("rename", &from))?;
        }
        *names = target;
        Ok(())
    }

    /// Takes all files to another stage, durably, the batches last: they are never there without what belongs to them.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; some files may have been renamed, and nobody knows what the disk holds.
    pub(crate) fn advance(&self, to: Stage) -> Result<()> {
        let mut names = self.names.lock();
        let target = names.clone().at(to);
        let sync = || self.storage.sync_dir(&target.dir).map_err(LogError::io("sync", &target.dir));
        for kind in DERIVED {
            let (from, to) = (names.path(kind), target.path(kind));
            unless_missing(self.storage.rename(&from, &to)).map_err(LogError::io("rename", &from))?;
        }
        sync()?;
        let (from, to) = (names.log(), target.log());
        self.storage.rename(&from, &to).map_err(LogError::io("rename", &from))?;
        *names = target.clone();
        sync()
    }

    /// Removes all files of the segment, under their present names. Readers that hold slices keep the content.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; a second call goes on.
    pub fn remove_files(&self) -> Result<()> {
        self.remove_derived()?;
        let path = self.path();
        unless_missing(self.storage.remove_file(&path)).map_err(LogError::io("remove", &path))
    }

    /// Follows the directory after it was renamed.
    pub fn moved_to(&self, dir: &Path) {
        dir.clone_into(&mut self.names.lock().dir);
    }

    /// Closes the file, lets go of the map and, if it is sealed, forgets the indexes: all come back when they are needed.
    /// Does nothing and answers `false` while there are bytes that were not synced, or while
    /// somebody uses it.
    pub fn release(&self) -> bool {
        // Nobody is waited for: what is in use is not idle, and whoever uses it may wait for a file to be closed.
        let Some(mut role) = self.role.try_lock() else { return false };
        let writer = role.writer();
        let end = writer.as_ref().map_or_else(|| self.len(), |writer| writer.end());
        if self.synced.load(Ordering::Acquire) < end.get() {
            return false;
        }
        let Some(mut open) = self.open.try_write() else { return false };
        let written = writer.map(Writer::let_go_of_file).is_some();
        *open = Opened::default();
        drop(open);
        if !written {
            if let Some(mut indexes) = self.indexes.try_write() {
                *indexes = None;
            }
            if let Some(mut txns) = self.txns.try_write() {
                *txns = None;
            }
        }
        true
    }

    /// Closes the file and lets go of its maps, whatever is unsynced: of a log that was closed because it cannot be. Nobody
    /// appends any more; who reads opens it again.
    pub(crate) fn let_go(&self) {
        if let Some(writer) = self.role.lock().writer() {
            writer.let_go_of_file();
        }
        *self.open.write() = Opened::default();
    }

    /// [Releases](Segment::release) the segment if its file is open and was not asked for since the last call. True if
    /// it did.
    pub fn release_if_idle(&self) -> bool {
        let used = self.used.swap(false, Ordering::Relaxed);
        !used && self.open.try_read().is_some_and(|open| open.file.is_some()) && self.release()
    }

    /// Copies the first `to` bytes, whole batches, to a new file and syncs it: how a log is cut without shortening a file
    /// that may be mapped. This segment is as it was; [`Segment::replace_by`] puts the copy in its place.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; whoever starts next removes the copy.
    pub fn copy_front(&self, to: Position) -> Result<Front> {
        assert!(to <= self.len(), "only published bytes can be kept");
        let path = self.names.lock().unfinished();
        let file = self.storage.open(&path, OpenMode::Truncate).map_err(LogError::io("create", &path))?;
        let mut at = Position::ZERO;
        // Read, not mapped: what cannot be read must not become zeros in the copy.
        let mut buf = vec![0; COPY.min(to.to_usize())];
        while at < to {
            let len = COPY.min(to.to_usize() - at.to_usize());
            self.read_unpublished(at.to_u64(), &mut buf[..len])?;
            file.write_all_at(&[&buf[..len]], at.to_u64()).map_err(LogError::io("write", &path))?;
            at = at.checked_add(len).expect("at most the end");
        }
        file.sync_data().map_err(LogError::io("sync", &path))?;
        let id = file.id().map_err(LogError::io("look at", &path))?;
        Ok(Front { path, len: to, id })
    }

    /// Renames a copy of its front over this segment. The answer replaces this one, which must not be used to write
    /// again; its slices stay valid. The directory is not synced.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`]; this segment is then as it was, but takes no appends.
    pub fn replace_by(&self, front: &Front, options: &SegmentOptions, now: Timestamp) -> Result<Arc<Self>> {
        let path = self.path();
        // The copy is complete: from here on the old segment only reads.
        let modified = self.modified().ok();
        *self.role.lock() = Role::Sealed;
        self.remove_offset_indexes()?;
        self.storage.rename(&front.path, &path).map_err(LogError::io("rename", &front.path))?;
        let dir = {
            let mut names = self.names.lock();
            // The name is another file's now: should somebody open this one again, there is none.
            names.stage = Stage::Deleted;
            names.dir.clone()
        };
        let cut = Self::open(Arc::clone(&self.storage), &dir, self.base, front.len, modified);
        cut.is_of(front.id);
        cut.trust_from(self.trusted_from().min(front.len));
        // The index of aborted transactions keeps its file, and what of it is not on the disk yet.
        cut.txns_dirty.store(self.txns_dirty.load(Ordering::Acquire), Ordering::Release);
        cut.activate(options, now);
        if let Some(count) = self.counted.get() {
            cut.count_in(count);
        }
        Ok(cut)
    }

    /// Removes the indexes that are made anew from headers: what they say of bytes that will be cut must not be found
    /// once others stand there.
    ///
    /// # Errors
    ///
    /// [`LogError::Io`].
    pub fn remove_offset_indexes(&self) -> Result<()> {
        self.remove_kinds(&OFFSET_INDEXES)
    }

    /// The aborted transactions whose markers lie in this segment, in the order of the markers.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn aborted_txns(&self) -> Result<Vec<TxnEntry>> {
        self.with_txns(|index| index.iter().collect())
    }

    /// Those whose markers lie below `end`, as the content of an index file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(crate) fn encode_aborted_below(&self, end: Offset) -> Result<Vec<u8>> {
        self.with_txns(|index| {
            let mut below = TxnIndex::default();
            for txn in index.iter().filter(|txn| txn.last < end) {
                below.push(txn);
            }
            below.encode_from(0)
        })
    }

    fn with_txns<T>(&self, look: impl FnOnce(&mut TxnIndex) -> T) -> Result<T> {
        let mut txns = self.txns.write();
        if txns.is_none() {
            *txns = Some(
                TxnIndex::from_file(
                    self.read_derived(FileKind::TxnIndex, false)?.unwrap_or_default().bytes(),
                )
                .0,
            );
        }
        Ok(look(txns.as_mut().expect("loaded above")))
    }

    /// Adds an aborted transaction, written to its file at once: aborts are rare. [`Segment::sync`] makes it durable, but
    /// for the name of a file that is new.
    ///
    /// # Errors
    ///
    /// If the file cannot be written; the entry then counts until the segment is opened again.
    pub fn add_aborted(&self, txn: TxnEntry) -> Result<()> {
        let (added, before, bytes) = self.with_txns(|index| {
            let before = index.len();
            (index.push(txn), before, index.encode_from(before))
        })?;
        if !added {
            return Ok(());
        }
        self.extend_derived(FileKind::TxnIndex, &bytes, (before * TxnIndex::ENTRY_LEN) as u64)?;
        self.txns_dirty.store(true, Ordering::Release);
        let mut known = self.txn_sum.lock();
        match &mut *known {
            Some(sum) if sum.entries as usize == before => {
                sum.entries = sum.entries.saturating_add(1);
                sum.crc = crc32c::crc32c_append(sum.crc, &bytes);
            }
            _ => {
                drop(known);
                self.with_txns(|index| self.note_txn_sum(index))?;
            }
        }
        Ok(())
    }

    fn note_txn_sum(&self, index: &TxnIndex) {
        let entries = u32::try_from(index.len()).unwrap_or(u32::MAX);
        let sum = TxnSum { entries, crc: crc32c::crc32c(&index.encode_from(0)) };
        *self.txn_sum.lock() = Some(sum).filter(|sum| sum.entries > 0);
    }

    /// What the index of aborted transactions holds, if it holds anything and this process knows.
    pub(crate) fn txn_sum(&self) -> Option<TxnSum> {
        *self.txn_sum.lock()
    }

    /// Takes over what an earlier process knew, which was compared with the file.
    pub(crate) fn set_txn_sum(&self, sum: TxnSum) {
        *self.txn_sum.lock() = Some(sum);
    }

    /// Whether the file begins with these entries.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn holds_txns(&self, sum: TxnSum) -> Result<bool> {
        let file = self.read_derived(FileKind::TxnIndex, false)?;
        let bytes = file.as_ref().map_or(&[][..], |file| file.bytes());
        let len = (sum.entries as usize).saturating_mul(TxnIndex::ENTRY_LEN);
        Ok(bytes.get(..len).is_some_and(|entries| crc32c::crc32c(entries) == sum.crc))
    }

    /// Forgets aborted transactions whose markers lie at `end` or above, and replaces the file if there were any or if
    /// it holds more than it should.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn keep_aborted_below(&self, end: Offset) -> Result<()> {
        let file_len = self.read_derived(FileKind::TxnIndex, false)?.map(|file| file.bytes().len());
        let bytes = self.with_txns(|index| {
            index.keep_below(end);
            self.note_txn_sum(index);
            index.encode_from(0)
        })?;
        match file_len {
            Some(len) if len != bytes.len() => self.replace_derived(FileKind::TxnIndex, &bytes, true),
            _ => Ok(()),
        }
    }

    /// Whether there is an index of aborted transactions on disk, however it reads.
    ///
    /// # Errors
    ///
    /// If the directory cannot be looked at.
    pub fn has_txn_index(&self) -> Result<bool> {
        let path = self.names.lock().path(FileKind::TxnIndex);
        self.storage.exists(&path).map_err(LogError::io("look at", &path))
    }
}

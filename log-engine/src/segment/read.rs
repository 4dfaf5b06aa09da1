//! Reading a segment: its file and its map, made when they are first needed, and slices that outlive both.

use super::piece::{Origin, Piece};
use super::{MappedFile, Opened, Segment, Slot};
use crate::error::Result;
use crate::format::CorruptReason;
use crate::io::{OpenMode, StorageFile};
use crate::types::{Offset, Position};
use bytes::Bytes;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// So many bytes at the end of a segment that this process writes count as cached.
const NEWEST: usize = 64 * 1024;
/// Read at once by [`FileSlice::load`].
const LOAD: usize = 64 * 1024;

/// A range of published bytes of one segment. No byte of it is touched before it is asked for.
///
/// It keeps the file open: retention and deletion of the log do not disturb it.
#[derive(Clone, Debug)]
pub struct FileSlice {
    segment: Arc<Segment>,
    file: Arc<dyn StorageFile>,
    position: Position,
    len: usize,
    /// What the bytes that it gave out are a view of.
    seen: OnceLock<Origin>,
}

impl FileSlice {
    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where in its segment it begins.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Where in its segment it ends.
    pub(crate) fn end(&self) -> Position {
        self.position.checked_add(self.len).expect("within the segment")
    }

    pub(crate) const fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(crate) const fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }

    /// The base offset of its segment.
    #[must_use]
    pub fn segment_base(&self) -> Offset {
        self.segment.base
    }

    /// Its bytes: a view of the map, without a copy; read from the file if no map is to be had.
    ///
    /// A file that somebody shortens, or a sector that cannot be read, shows while the bytes are looked at. Without
    /// [`install_sigbus_handler`](crate::io::install_sigbus_handler) that ends the process; with it the bytes are zeros,
    /// and [`FileSlice::intact`] says so. It is to be asked after the look and before anything follows from it.
    ///
    /// # Errors
    ///
    /// What the system answers to mapping or reading.
    pub fn bytes(&self) -> io::Result<Bytes> {
        let piece = self.piece()?;
        // The first map it is: a later one of the same range is made only when this one has failed.
        let _ = self.seen.set(piece.origin().clone());
        Ok(piece.bytes().clone())
    }

    /// Whether the bytes that it gave out and that were looked at so far are what the file holds. Once a fault was met it
    /// is false for ever: what [`FileSlice::bytes`] gives from then on is read with `pread`, and says what is wrong.
    ///
    /// One system call if the bytes are a view of a map: what is cut off inside the last page of a file is zeros without
    /// a fault, so the file is asked for its length.
    #[must_use]
    pub fn intact(&self) -> bool {
        let Some(seen) = self.seen.get().filter(|seen| seen.is_mapped()) else { return true };
        seen.is_intact() && self.file.len().is_ok_and(|len| len >= self.end().to_u64())
    }

    /// Its bytes, read: for who was not given by the map what the file may well hold.
    pub(crate) fn copied(&self) -> io::Result<Piece> {
        let mut buf = vec![0; self.len];
        self.file.read_exact_at(&mut buf, self.position.to_u64())?;
        Ok(Piece::copied(buf))
    }

    /// Its bytes, and whether they are intact.
    pub(crate) fn piece(&self) -> io::Result<Piece> {
        self.segment.piece_of(&self.file, self.position, self.len)
    }

    /// Whether up to `max` bytes from `skip` on can be sent or read without waiting for a device, as far as can be told
    /// at once.
    #[must_use]
    pub fn is_cached(&self, skip: usize, max: usize) -> bool {
        let len = self.len.saturating_sub(skip).min(max);
        len == 0 || self.file.is_cached(self.position.to_u64() + skip as u64, len)
    }

    /// Brings up to `max` bytes from `skip` on into memory, and waits for the device: what follows does not.
    ///
    /// # Errors
    ///
    /// What the system answers to reading.
    pub fn load(&self, skip: usize, max: usize) -> io::Result<()> {
        let mut buf = vec![0; LOAD];
        let (mut at, end) = (skip, skip.saturating_add(max).min(self.len));
        while at < end {
            let piece = LOAD.min(end - at);
            self.file.read_exact_at(&mut buf[..piece], self.position.to_u64() + at as u64)?;
            at += piece;
        }
        Ok(())
    }

    /// The part before `middle` bytes and the part from there on.
    ///
    /// # Panics
    ///
    /// If `middle` lies beyond the end.
    #[must_use]
    pub fn split_at(&self, middle: usize) -> (Self, Self) {
        assert!(middle <= self.len, "cannot split {} bytes at {middle}", self.len);
        let (mut front, mut back) = (self.clone(), self.clone());
        front.len = middle;
        back.len = self.len - middle;
        back.position = self.position.checked_add(middle).expect("within the segment");
        // What was seen is a range of the whole.
        (front.seen, back.seen) = (OnceLock::new(), OnceLock::new());
        (front, back)
    }

    /// Sends up to `max` bytes from `skip` on to a socket, by `sendfile` where the storage is made of files. Answers
    /// how many were taken, which may be fewer.
    ///
    /// # Errors
    ///
    /// The socket's, `WouldBlock` among them, and `UnexpectedEof` if somebody has shortened the file.
    pub fn send_to(&self, socket: BorrowedFd<'_>, skip: usize, max: usize) -> io::Result<usize> {
        let len = self.len.saturating_sub(skip).min(max);
        if len == 0 {
            return Ok(0);
        }
        match self.file.send_to(socket, self.position.to_u64() + skip as u64, len)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }
}

impl Segment {
    /// A range of published bytes.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    ///
    /// # Panics
    ///
    /// If the range ends beyond [`Segment::len`].
    pub fn slice(self: &Arc<Self>, position: Position, len: usize) -> Result<FileSlice> {
        self.check_published(position, len);
        Ok(FileSlice { segment: Arc::clone(self), file: self.file()?, position, len, seen: OnceLock::new() })
    }

    /// The bytes of a published range, as [`FileSlice::bytes`], for whoever does without [`FileSlice::intact`].
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, mapped or read.
    ///
    /// # Panics
    ///
    /// If the range ends beyond [`Segment::len`].
    pub fn bytes(&self, position: Position, len: usize) -> Result<Bytes> {
        Ok(self.piece(position, len)?.bytes().clone())
    }

    /// The same, with what tells whether they are intact. Bytes of a map that has lost some of them already are read.
    pub(super) fn piece(&self, position: Position, len: usize) -> Result<Piece> {
        self.check_published(position, len);
        self.piece_of(&self.file()?, position, len).map_err(self.io("read"))
    }

    /// The same, read: for who was not given by the map what the file may well hold.
    pub(super) fn copied(&self, position: Position, len: usize) -> Result<Piece> {
        self.check_published(position, len);
        let mut buf = vec![0; len];
        self.read_unpublished(position.to_u64(), &mut buf)?;
        Ok(Piece::copied(buf))
    }

    /// Whether up to `max` bytes from the batch that holds `offset` on can be found and read without waiting for a
    /// device. False if it takes more than a look to tell.
    #[must_use]
    pub fn is_cached(&self, offset: Offset, max: usize) -> bool {
        let position = match self.indexes.read().as_ref() {
            Some(indexes) => indexes.offsets.lookup(offset).map_or(Position::ZERO, |entry| entry.position),
            None => return false,
        };
        let (file, written_here) = {
            let open = self.open.read();
            let Some(file) = &open.file else { return false };
            (Arc::clone(file), open.writable)
        };
        let left = self.len().to_usize().saturating_sub(position.to_usize());
        // Readers at the end of a log that is written pay for no look. If it has been idle for long, one of them waits once.
        left == 0 || written_here && left <= NEWEST || file.is_cached(position.to_u64(), left.min(max))
    }

    fn check_published(&self, position: Position, len: usize) {
        let end = position.checked_add(len);
        let published = self.len();
        assert!(end.is_some_and(|end| end <= published), "{len} bytes at {position} of {published}");
    }

    /// The length of the file on disk, which may lie beyond what is published: for recovery.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or looked at.
    pub fn file_len(&self) -> Result<u64> {
        self.file()?.len().map_err(self.io("look at"))
    }

    /// Fills `buf` from the file, published or not: for recovery, before there are readers.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or read so far.
    pub fn read_unpublished(&self, position: u64, buf: &mut [u8]) -> Result<()> {
        self.file()?.read_exact_at(buf, position).map_err(self.io("read"))
    }

    /// The open file, opened if need be.
    pub(super) fn file(&self) -> Result<Arc<dyn StorageFile>> {
        self.note_use();
        if let Some(file) = &self.open.read().file {
            return Ok(Arc::clone(file));
        }
        let mut open = self.open.write();
        if let Some(file) = &open.file {
            return Ok(Arc::clone(file));
        }
        let file = self.open_whole(OpenMode::Read)?;
        self.hold(&mut open, &file);
        Ok(file)
    }

    fn hold(&self, open: &mut Opened, file: &Arc<dyn StorageFile>) {
        open.file = Some(Arc::clone(file));
        if open.slot.is_none() {
            open.slot = self.counted.get().map(Slot::new);
        }
    }

    pub(super) fn note_use(&self) {
        // Looked at first: readers of one segment do not take its cache line from each other.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Opens the file and sees to it that it is the one it was, whose name another may have got since it was closed, and
    /// as long as what was published: a map of a shorter one would end the process.
    fn open_whole(&self, mode: OpenMode) -> Result<Arc<dyn StorageFile>> {
        let file = self.open_file(mode)?;
        let id = file.id().map_err(self.io("look at"))?;
        if *self.id.get_or_init(|| id) != id {
            let gone = io::Error::new(io::ErrorKind::NotFound, "another file has its name");
            return Err(self.io("open")(gone));
        }
        let (needed, available) = (self.len().to_u64(), file.len().map_err(self.io("look at"))?);
        if available < needed {
            let at = Position::new(available).unwrap_or(Position::MAX);
            return Err(self.corrupt(at, CorruptReason::Torn { needed, available }));
        }
        Ok(file)
    }

    /// Whether its file was found to have a second name when it was to be written: nothing was, and nothing can be.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// The open file, opened for writing if it is not.
    pub(super) fn writable_file(&self) -> Result<Arc<dyn StorageFile>> {
        self.note_use();
        {
            let open = self.open.read();
            if let Some(file) = open.file.as_ref().filter(|_| open.writable) {
                return Ok(Arc::clone(file));
            }
        }
        // Nobody else opens it for writing: that is the writer's alone.
        let mut open = self.open.write();
        let file = self.open_whole(OpenMode::ReadWrite)?;
        if file.links().map_err(self.io("look at"))? > 1 {
            self.shared.store(true, Ordering::Relaxed);
            return Err(self.io("write")(io::Error::other(
                "the file has a second name: it is somebody else's too",
            )));
        }
        self.hold(&mut open, &file);
        open.writable = true;
        Ok(file)
    }

    fn piece_of(&self, file: &Arc<dyn StorageFile>, position: Position, len: usize) -> io::Result<Piece> {
        let end = position.to_u64() + len as u64;
        if let Some(mapped) = self.mapped(file, end)? {
            // The range was published when it was made, and published bytes stay.
            let piece = Piece::mapped(&mapped.map, position.to_u64(), len, self.len().to_u64());
            if piece.is_intact() {
                return Ok(piece);
            }
        }
        let mut buf = vec![0; len];
        file.read_exact_at(&mut buf, position.to_u64())?;
        Ok(Piece::copied(buf))
    }

    /// A map that reaches to `end`; `None` if the process has no room for another.
    fn mapped(&self, file: &Arc<dyn StorageFile>, end: u64) -> io::Result<Option<MappedFile>> {
        let large_enough = |mapped: &&MappedFile| mapped.len >= end;
        if let Some(mapped) = self.open.read().map.as_ref().filter(large_enough) {
            return Ok(Some(mapped.clone()));
        }
        let whole = self.map_len().max(end);
        let mut open = self.open.write();
        if let Some(mapped) = open.map.as_ref().filter(large_enough) {
            return Ok(Some(mapped.clone()));
        }
        let Some(map) = file.map(whole)? else { return Ok(None) };
        let mapped = MappedFile { map, len: whole };
        // A slice may outlive the release of its segment: its map is then its own.
        if open.file.as_ref().is_some_and(|open| Arc::ptr_eq(open, file)) {
            open.map = Some(mapped.clone());
        }
        Ok(Some(mapped))
    }
}

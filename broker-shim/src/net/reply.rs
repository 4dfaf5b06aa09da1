//! An answer on its way to the socket: heads by one gathered write, records by `sendfile`.
//!
//! Bytes that lie in a file go to the socket straight from the page cache if there are enough of them
//! ([`SENDFILE_FROM`]); shorter ranges are cheaper as mapped bytes in the same gathered write as the heads.
//!
//! A piece that is not in the page cache is loaded on the blocking pool first: `sendfile` would wait for the device on
//! a thread that serves other connections, too. The first [`MAX_SENDFILE`] bytes of a range are not looked at: who
//! made the answer has seen to it that they are there.
//!
//! Mapped bytes are the file's only as long as its map says so ([`FileSlice::intact`]): it is asked before each write and
//! after the last. If somebody has shortened the file, or the disk failed, the connection is closed.
//!
//! # Not here
//!
//! What an answer says (`handlers`), when it may be written (`connection`).

use super::FileSlice;
use bytes::{Buf, Bytes};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Ranges of a file from this many bytes on go by `sendfile` (measured: DESIGN 4.2).
pub const SENDFILE_FROM: usize = 16 * 1024;
/// Pieces of one gathered write.
const MAX_PIECES: usize = 64;
/// The most one `sendfile` moves: connections of one worker take turns.
pub const MAX_SENDFILE: usize = 1024 * 1024;

/// A piece of an answer.
#[derive(Debug)]
pub enum Part {
    /// Bytes in memory (or mapped).
    Bytes(Bytes),
    /// Bytes of a segment file, whole batches or the beginning of them.
    File(FileSlice),
}

impl Part {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => slice.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A whole answer, its size field included.
#[derive(Debug, Default)]
pub struct Reply {
    parts: Vec<Part>,
    codes: Vec<i16>,
}

impl Reply {
    /// An answer of these pieces in this order; the first four bytes are the size of the rest.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts, codes: Vec::new() }
    }

    /// Notes the error codes other than 0 that stand in it, for whoever counts them.
    #[must_use]
    pub fn with_codes(self, codes: Vec<i16>) -> Self {
        Self { codes, ..self }
    }

    /// The error codes other than 0 that stand in it.
    #[must_use]
    pub fn codes(&self) -> &[i16] {
        &self.codes
    }

    /// The pieces.
    #[must_use]
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }
}

/// What the connections of a server did: how many system calls for how many bytes.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Calls that read from a socket.
    pub reads: AtomicU64,
    /// Bytes read.
    pub bytes_in: AtomicU64,
    /// Gathered writes.
    pub writes: AtomicU64,
    /// Bytes they wrote.
    pub bytes_written: AtomicU64,
    /// `sendfile` calls.
    pub sendfiles: AtomicU64,
    /// Bytes they sent, never seen by this process.
    pub bytes_sent: AtomicU64,
}

impl Traffic {
    pub(crate) fn count(calls: &AtomicU64, bytes: &AtomicU64, n: usize) {
        calls.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Why an answer could not be written as a whole.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The peer is gone.
    Peer,
    /// The peer took nothing for too long.
    Stalled,
    /// The file could not be read.
    Storage(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Stalled } else { Self::Peer }
    }
}

/// Writes all of `parts`. `stall` is how long the peer may take nothing.
pub(crate) async fn write(
    stream: &TcpStream,
    parts: &mut VecDeque<Part>,
    traffic: &Traffic,
    stall: Duration,
) -> Result<(), WriteError> {
    let mapped = map_small(parts).map_err(WriteError::Storage)?;
    check_intact(&mapped)?;
    while let Some(first) = parts.front_mut() {
        match first {
            part if part.is_empty() => {
                parts.pop_front();
            }
            Part::Bytes(_) => {
                let written = retry(stream, stall, || gathered(stream, parts)).await.map_err(of_write)?;
                Traffic::count(&traffic.writes, &traffic.bytes_written, written);
                // Between the look before and the write somebody else may have met the hole.
                check_intact(&mapped)?;
                advance(parts, written);
            }
            Part::File(slice) => {
                let slice = slice.clone();
                parts.pop_front();
                send_file(stream, &slice, traffic, stall).await?;
            }
        }
    }
    Ok(())
}

/// Turns ranges that are too short for `sendfile` into mapped bytes, and answers which.
fn map_small(parts: &mut VecDeque<Part>) -> io::Result<Vec<FileSlice>> {
    let mut mapped = Vec::new();
    for part in parts {
        let Part::File(slice) = part else { continue };
        if slice.len() < SENDFILE_FROM {
            let bytes = slice.bytes()?;
            if let Part::File(slice) = std::mem::replace(part, Part::Bytes(bytes)) {
                mapped.push(slice);
            }
        }
    }
    Ok(mapped)
}

/// Refuses to go on with an answer of which some bytes are not the file's any more.
fn check_intact(mapped: &[FileSlice]) -> Result<(), WriteError> {
    match mapped.iter().find(|slice| !slice.intact()) {
        None => Ok(()),
        Some(slice) => Err(WriteError::Storage(lost(slice))),
    }
}

fn lost(slice: &FileSlice) -> io::Error {
    let (base, at) = (slice.segment_base(), slice.position());
    io::Error::other(format!(
        "{} bytes at {at} of segment {base} cannot be read through its map",
        slice.len()
    ))
}

/// One gathered write of the leading pieces in memory; `MSG_MORE` if a file follows, so that the head does not
/// travel in a packet of its own.
fn gathered(stream: &TcpStream, parts: &VecDeque<Part>) -> io::Result<usize> {
    let mut slices = Vec::with_capacity(parts.len().min(MAX_PIECES));
    for part in parts.iter().take(MAX_PIECES) {
        let Part::Bytes(bytes) = part else { break };
        slices.push(IoSlice::new(bytes));
    }
    let more = if parts.len() > slices.len() { SendFlags::MORE } else { SendFlags::empty() };
    let mut control = SendAncillaryBuffer::default();
    Ok(sendmsg(stream.as_fd(), &slices, &mut control, more | SendFlags::NOSIGNAL)?)
}

/// Drops `n` written bytes from the front.
fn advance(parts: &mut VecDeque<Part>, mut n: usize) {
    while let Some(Part::Bytes(bytes)) = parts.front_mut() {
        if bytes.len() > n {
            bytes.advance(n);
            return;
        }
        n -= bytes.len();
        parts.pop_front();
    }
}

async fn send_file(
    stream: &TcpStream,
    slice: &FileSlice,
    traffic: &Traffic,
    stall: Duration,
) -> Result<(), WriteError> {
    let mut sent = 0;
    while sent < slice.len() {
        let max = (slice.len() - sent).min(MAX_SENDFILE);
        if sent > 0 && !slice.is_cached(sent, max) {
            load(slice, sent, max).await?;
        }
        let n =
            retry(stream, stall, || slice.send_to(stream.as_fd(), sent, max)).await.map_err(of_sendfile)?;
        if n == 0 {
            let short =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the segment file is shorter than it was");
            return Err(WriteError::Storage(short));
        }
        Traffic::count(&traffic.sendfiles, &traffic.bytes_sent, n);
        sent += n;
    }
    Ok(())
}

/// Brings a piece into memory without holding up the other connections of this thread.
async fn load(slice: &FileSlice, skip: usize, max: usize) -> Result<(), WriteError> {
    let slice = slice.clone();
    let loaded = tokio::task::spawn_blocking(move || slice.load(skip, max)).await;
    loaded.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(WriteError::Storage)
}

/// Whether the file or the socket failed.
fn of_sendfile(error: io::Error) -> WriteError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut => error.into(),
        _ => WriteError::Storage(error),
    }
}

/// The same for a write from memory: bytes of a map that cannot be read are the file's failure, not the peer's.
fn of_write(error: io::Error) -> WriteError {
    if error.raw_os_error() == Some(rustix::io::Errno::FAULT.raw_os_error()) {
        return WriteError::Storage(error);
    }
    error.into()
}

/// Tries `op` whenever the socket takes bytes; an error after `stall` without that.
async fn retry(
    stream: &TcpStream,
    stall: Duration,
    mut op: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match stream.try_io(Interest::WRITABLE, &mut op) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            done => return done,
        }
        tokio::time::timeout(stall, stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    }
}

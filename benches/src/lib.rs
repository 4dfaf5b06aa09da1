//! What the benches share: records, a scratch directory, and a client that does nothing but wait for its answer.

use bytes::Bytes;
use kafka_wire::{Request, Response, Segment, header};
use log_engine::format::build::{BatchBuilder, NewRecord};
use log_engine::io::{Clock, SystemClock};
use log_engine::{Log, LogConfig, LogError, Origin};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that look like nothing: a codec or a sparse file gains nothing from them. Same for every run.
#[must_use]
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// A ready batch of `count` records of `len` value bytes each, as a producer sends it.
#[must_use]
pub fn batch(count: usize, len: usize) -> Vec<u8> {
    let value = noise(len);
    let mut batch = BatchBuilder::new();
    for _ in 0..count {
        batch.push(&NewRecord::value(&value));
    }
    batch.finish().expect("a small batch without a codec")
}

/// A log in a directory of its own that goes with it.
#[derive(Debug)]
pub struct Scratch {
    log: Arc<Log>,
    written: AtomicU64,
    _dir: tempfile::TempDir,
}

/// Retention looks at a log that is written for long each time so much was appended.
const TIDY_AFTER: u64 = 256 << 20;

impl Scratch {
    /// With small segments, of which the oldest go: a long run does not fill the disk (see [`Scratch::append_batch`]).
    #[must_use]
    pub fn log() -> Self {
        Self::with(LogConfig {
            segment_bytes: 256 << 20,
            retention_bytes: Some(1 << 30),
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        })
    }

    /// Appends a ready batch, and keeps house now and then, as whoever embeds a log does.
    pub fn append_batch(&self, bytes: &[u8]) -> Result<(), LogError> {
        self.log.append_batch(bytes, Origin::Client)?;
        let len = bytes.len() as u64;
        if (self.written.fetch_add(len, Ordering::Relaxed) + len) % TIDY_AFTER < len {
            let now = SystemClock::default().now();
            self.log.apply_retention(now)?;
            self.log.remove_deleted()?;
        }
        Ok(())
    }

    /// With other settings.
    #[must_use]
    pub fn with(config: LogConfig) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = Log::open(dir.path().join("bench-0"), config).expect("a new log");
        Self { log, written: AtomicU64::new(0), _dir: dir }
    }

    /// The log, for another thread.
    #[must_use]
    pub fn share(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }
}

impl Deref for Scratch {
    type Target = Arc<Log>;

    fn deref(&self) -> &Arc<Log> {
        &self.log
    }
}

/// A blocking connection to a broker: one request, one answer.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    correlation_id: i32,
    answer: Vec<u8>,
}

impl Client {
    /// Connects without delay of small packets.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, correlation_id: 0, answer: Vec::new() })
    }

    /// Sends a request and returns the body of its answer, undecoded: decoding is not what is measured.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<Bytes> {
        self.send(version, request)?;
        let mut size = [0; 4];
        self.socket.read_exact(&mut size)?;
        self.answer.resize(u32::from_be_bytes(size) as usize, 0);
        self.socket.read_exact(&mut self.answer)?;
        let frame = Bytes::copy_from_slice(&self.answer);
        let (_, body) = header::split_response(R::KEY, version, frame).map_err(io::Error::other)?;
        Ok(body)
    }

    /// Like [`Self::call`], but keeps nothing of the answer: returns how many bytes came.
    pub fn call_and_drop<R: Request>(&mut self, version: i16, request: &R) -> io::Result<usize> {
        self.send(version, request)?;
        let mut size = [0; 4];
        self.socket.read_exact(&mut size)?;
        self.answer.resize(u32::from_be_bytes(size) as usize, 0);
        self.socket.read_exact(&mut self.answer)?;
        Ok(self.answer.len())
    }

    /// Sends a request and decodes its answer.
    pub fn ask<Q: Request, A: Response>(&mut self, version: i16, request: &Q) -> io::Result<A> {
        let body = self.call(version, request)?;
        A::from_body(body, version).map_err(io::Error::other)
    }

    fn send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<()> {
        self.correlation_id += 1;
        let frame = kafka_wire::request_frame(version, self.correlation_id, Some("bench"), request)
            .map_err(io::Error::other)?;
        for segment in frame {
            match segment {
                Segment::Bytes(bytes) => self.socket.write_all(&bytes)?,
                Segment::Gap { .. } => unreachable!("requests have no gaps"),
            }
        }
        Ok(())
    }
}

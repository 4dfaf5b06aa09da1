//! What the benches share: records, a scratch directory, and a client that does nothing but wait for its answer.

use bytes::Bytes;
use kafka_wire::{Request, Response, Segment, header};
use log_engine::format::build::{BatchBuilder, NewRecord};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

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

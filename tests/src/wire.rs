//! The few Kafka requests which tests write by hand, byte by byte: enough to ask a broker whether it is alive and
//! where its logs end, and to send an old Produce as the very first request of a connection.
//!
//! Written out here on purpose: the broker's own codec must not be the judge of its own bytes.
//!
//! ```text
//!  request:   size i32 | api i16 | version i16 | correlation i32 | client id string | body
//!  response:  size i32 | correlation i32 | body
//! ```

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PRODUCE: i16 = 0;
const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

const CORRELATION: i32 = 0x0b5e_55ed;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// A connection that sends one request at a time.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects; reads and writes give up after `timeout`.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the address is unusable.
    pub fn open(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self(stream))
    }

    /// Sends a request and returns the body of its response.
    ///
    /// # Errors
    ///
    /// When the connection ends or times out, or the response has another correlation id.
    pub fn ask(&mut self, api: i16, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = Vec::with_capacity(body.len() + 32);
        frame.extend(api.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(CORRELATION.to_be_bytes());
        put_string(&mut frame, "corrente-tests");
        frame.extend(body);
        let size = i32::try_from(frame.len()).expect("test requests are small");
        self.0.write_all(&size.to_be_bytes())?;
        self.0.write_all(&frame)?;
        let mut size = [0; 4];
        self.0.read_exact(&mut size)?;
        let size =
            usize::try_from(i32::from_be_bytes(size)).map_err(|_| bad("a response of negative size"))?;
        let mut response = vec![0; size];
        self.0.read_exact(&mut response)?;
        let mut cursor = Cursor(&response);
        if cursor.i32()? != CORRELATION {
            return Err(bad("response to another request"));
        }
        Ok(cursor.0.to_vec())
    }

    /// ApiVersions v0: how many APIs the broker offers. The cheapest question there is.
    ///
    /// # Errors
    ///
    /// As [`Connection::ask`], and when the answer carries an error code.
    pub fn api_versions(&mut self) -> io::Result<usize> {
        let answer = self.ask(API_VERSIONS, 0, &[])?;
        let mut cursor = Cursor(&answer);
        check_code("ApiVersions", cursor.i16()?)?;
        cursor.count()
    }

    /// Metadata v0 for one topic, which creates it where the broker does so on its own; the number of partitions.
    ///
    /// # Errors
    ///
    /// As [`Connection::ask`], and when the topic has an error (LEADER_NOT_AVAILABLE while it comes into being).
    pub fn partitions(&mut self, topic: &str) -> io::Result<usize> {
        let mut body = 1_i32.to_be_bytes().to_vec();
        put_string(&mut body, topic);
        let answer = self.ask(METADATA, 0, &body)?;
        let mut cursor = Cursor(&answer);
        for _ in 0..cursor.count()? {
            cursor.i32()?;
            cursor.string()?;
            cursor.i32()?;
        }
        cursor.count()?;
        check_code(topic, cursor.i16()?)?;
        cursor.string()?;
        cursor.count()
    }

    /// ListOffsets v1: the end of each of the first `partitions` partitions of a topic.
    ///
    /// # Errors
    ///
    /// As [`Connection::ask`], and when a partition has an error.
    pub fn ends(&mut self, topic: &str, partitions: i32) -> io::Result<Vec<i64>> {
        self.offsets(topic, partitions, LATEST)
    }

    /// The same for where they begin.
    ///
    /// # Errors
    ///
    /// As [`Connection::ends`].
    pub fn starts(&mut self, topic: &str, partitions: i32) -> io::Result<Vec<i64>> {
        self.offsets(topic, partitions, EARLIEST)
    }

    fn offsets(&mut self, topic: &str, partitions: i32, time: i64) -> io::Result<Vec<i64>> {
        let mut body = (-1_i32).to_be_bytes().to_vec();
        body.extend(1_i32.to_be_bytes());
        put_string(&mut body, topic);
        body.extend(partitions.to_be_bytes());
        for partition in 0..partitions {
            body.extend(partition.to_be_bytes());
            body.extend(time.to_be_bytes());
        }
        let answer = self.ask(LIST_OFFSETS, 1, &body)?;
        let mut cursor = Cursor(&answer);
        cursor.count()?;
        cursor.string()?;
        let mut offsets = vec![-1; cursor.count()?];
        for _ in 0..offsets.len() {
            let partition = usize::try_from(cursor.i32()?).map_err(|_| bad("negative partition"))?;
            check_code(topic, cursor.i16()?)?;
            cursor.i64()?;
            *offsets.get_mut(partition).ok_or_else(|| bad("a partition nobody asked for"))? = cursor.i64()?;
        }
        Ok(offsets)
    }

    /// Produce v2, acks 1, one message set (magic 1) to partition 0 of a topic; the base offset it got.
    ///
    /// # Errors
    ///
    /// As [`Connection::ask`], and when the broker refuses.
    pub fn produce_v2(&mut self, topic: &str, message_set: &[u8]) -> io::Result<i64> {
        let mut body = 1_i16.to_be_bytes().to_vec();
        body.extend(10_000_i32.to_be_bytes());
        body.extend(1_i32.to_be_bytes());
        put_string(&mut body, topic);
        body.extend(1_i32.to_be_bytes());
        body.extend(0_i32.to_be_bytes());
        put_bytes(&mut body, message_set);
        let answer = self.ask(PRODUCE, 2, &body)?;
        let mut cursor = Cursor(&answer);
        cursor.count()?;
        cursor.string()?;
        cursor.count()?;
        cursor.i32()?;
        check_code("Produce", cursor.i16()?)?;
        cursor.i64()
    }
}

/// A message set of one uncompressed message in format 1 (Kafka 0.10).
pub fn message_v1(timestamp: i64, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut covered = vec![1, 0];
    covered.extend(timestamp.to_be_bytes());
    put_bytes(&mut covered, key);
    put_bytes(&mut covered, value);
    let crc = crc32fast::hash(&covered);
    let mut set = 0_i64.to_be_bytes().to_vec();
    set.extend(i32::try_from(covered.len() + 4).expect("test messages are small").to_be_bytes());
    set.extend(crc.to_be_bytes());
    set.extend(covered);
    set
}

fn put_string(to: &mut Vec<u8>, text: &str) {
    to.extend(i16::try_from(text.len()).expect("test names are short").to_be_bytes());
    to.extend(text.as_bytes());
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(i32::try_from(bytes.len()).expect("test values are small").to_be_bytes());
    to.extend(bytes);
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn check_code(what: &str, code: i16) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::other(format!("{what}: error code {code}"))) }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(|| bad("response cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take gives what it was asked for"))
    }

    fn i16(&mut self) -> io::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> io::Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn count(&mut self) -> io::Result<usize> {
        usize::try_from(self.i32()?).map_err(|_| bad("negative count"))
    }

    fn string(&mut self) -> io::Result<&'a [u8]> {
        let len = usize::try_from(self.i16()?).map_err(|_| bad("null string"))?;
        self.take(len)
    }
}

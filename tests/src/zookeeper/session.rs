//! The few ZooKeeper requests which tests write by hand, byte by byte: to look at what brokers and recipes left, and
//! to be a client of an age or of manners that no library has any more.
//!
//! ```text
//!  connect:   size i32 | 0 i32 | last zxid i64 | timeout i32 | session i64 | password buffer | [read only bool]
//!  request:   size i32 | xid i32 | type i32 | body
//!  reply:     size i32 | xid i32 | zxid i64 | error i32 | body, if the error is 0
//! ```

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_CHILDREN: i32 = 8;
const PING: i32 = 11;
const CLOSE: i32 = -11;
const NO_NODE: i32 = -101;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients before 3.4 sent no read-only flag: 44 bytes instead of 45, and the answer has 36 instead of 37.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// Without the flag.
    Old,
    /// With it.
    New,
}

/// A reply or a watch event (xid -1).
#[derive(Debug)]
pub struct Reply {
    /// Of the request.
    pub xid: i32,
    /// Of the change, or the newest.
    pub zxid: i64,
    /// 0 or an error code.
    pub error: i32,
    /// What follows.
    pub body: Vec<u8>,
}

/// What tests look at of a node's Stat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// The zxid of its creation.
    pub czxid: i64,
    /// The number of changes of its data.
    pub version: i32,
    /// The session it belongs to, or 0.
    pub owner: i64,
}

/// A connection with a session on it.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    xid: i32,
    /// What the server called it; 0: the server did not take it (expired, or a wrong password).
    pub id: i64,
    /// What it is resumed with.
    pub password: Vec<u8>,
    /// Milliseconds.
    pub timeout: i32,
    /// Bytes of the answer to connect.
    pub answered: usize,
    /// The newest zxid seen.
    pub zxid: i64,
}

impl Session {
    /// A new session.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the server closes the connection.
    pub fn open(address: SocketAddr, timeout: i32, age: Age) -> io::Result<Self> {
        Self::connect(address, timeout, age, 0, 0, &[0; 16])
    }

    /// The session `id` again, by a client that has seen all up to `zxid`.
    ///
    /// # Errors
    ///
    /// As [`Session::open`].
    pub fn resume(address: SocketAddr, id: i64, password: &[u8], zxid: i64) -> io::Result<Self> {
        Self::connect(address, 30_000, Age::New, zxid, id, password)
    }

    fn connect(
        address: SocketAddr,
        timeout: i32,
        age: Age,
        zxid: i64,
        id: i64,
        password: &[u8],
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut frame = 0_i32.to_be_bytes().to_vec();
        frame.extend(zxid.to_be_bytes());
        frame.extend(timeout.to_be_bytes());
        frame.extend(id.to_be_bytes());
        put_buffer(&mut frame, Some(password));
        if age == Age::New {
            frame.push(0);
        }
        send(&mut stream, &frame)?;
        let answer = receive(&mut stream)?;
        let mut cursor = Cursor(&answer);
        cursor.i32()?;
        let timeout = cursor.i32()?;
        let id = cursor.i64()?;
        let password = cursor.buffer()?.unwrap_or_default();
        Ok(Self { stream, xid: 0, id, password, timeout, answered: answer.len(), zxid })
    }

    /// Sends a request without waiting for its reply; its xid.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn tell(&mut self, op: i32, body: &[u8]) -> io::Result<i32> {
        self.xid += 1;
        let mut frame = self.xid.to_be_bytes().to_vec();
        frame.extend(op.to_be_bytes());
        frame.extend(body);
        send(&mut self.stream, &frame)?;
        Ok(self.xid)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn tell_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame, whatever it is.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn listen(&mut self) -> io::Result<Reply> {
        let frame = receive(&mut self.stream)?;
        let mut cursor = Cursor(&frame);
        let (xid, zxid, error) = (cursor.i32()?, cursor.i64()?, cursor.i32()?);
        self.zxid = self.zxid.max(zxid);
        Ok(Reply { xid, zxid, error, body: cursor.0.to_vec() })
    }

    /// A request and its reply; events that come before it are dropped.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn ask(&mut self, op: i32, body: &[u8]) -> io::Result<Reply> {
        let xid = self.tell(op, body)?;
        loop {
            let reply = self.listen()?;
            if reply.xid == xid {
                return Ok(reply);
            }
        }
    }

    /// Creates a node that everybody may do everything with; its name, or the error code.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn create(&mut self, path: &str, data: &[u8], flags: i32) -> io::Result<Result<String, i32>> {
        let reply = self.ask(CREATE, &create_body(path, data, flags))?;
        if reply.error != 0 {
            return Ok(Err(reply.error));
        }
        Cursor(&reply.body).string().map(Ok)
    }

    /// Sends a create without waiting; its xid.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn tell_create(&mut self, path: &str, data: &[u8], flags: i32) -> io::Result<i32> {
        self.tell(CREATE, &create_body(path, data, flags))
    }

    /// Sets a node's data, whatever its version; the error code.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn set(&mut self, path: &str, data: &[u8]) -> io::Result<i32> {
        let mut body = path_body(path);
        put_buffer(&mut body, Some(data));
        body.extend((-1_i32).to_be_bytes());
        Ok(self.ask(SET_DATA, &body)?.error)
    }

    /// Deletes a node, whatever its version; the error code.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn delete(&mut self, path: &str) -> io::Result<i32> {
        let mut body = path_body(path);
        body.extend((-1_i32).to_be_bytes());
        Ok(self.ask(DELETE, &body)?.error)
    }

    /// Data and Stat of a node, if it is there.
    ///
    /// # Errors
    ///
    /// When the connection ends, or the server answers with another error than that there is none.
    pub fn get(&mut self, path: &str) -> io::Result<Option<(Vec<u8>, Stat)>> {
        let mut body = path_body(path);
        body.push(0);
        let reply = self.ask(GET_DATA, &body)?;
        match reply.error {
            0 => {}
            NO_NODE => return Ok(None),
            code => return Err(io::Error::other(format!("{path}: error {code}"))),
        }
        let mut cursor = Cursor(&reply.body);
        let data = cursor.buffer()?.unwrap_or_default();
        let czxid = cursor.i64()?;
        cursor.take(24)?;
        let version = cursor.i32()?;
        cursor.take(8)?;
        Ok(Some((data, Stat { czxid, version, owner: cursor.i64()? })))
    }

    /// Names of the children of a node, sorted; none if it is not there.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn children(&mut self, path: &str) -> io::Result<Vec<String>> {
        let mut body = path_body(path);
        body.push(0);
        let reply = self.ask(GET_CHILDREN, &body)?;
        if reply.error != 0 {
            return Ok(Vec::new());
        }
        let mut cursor = Cursor(&reply.body);
        let mut names = (0..cursor.i32()?).map(|_| cursor.string()).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// The newest zxid of the server, by a ping.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub fn ping(&mut self) -> io::Result<i64> {
        let mut frame = (-2_i32).to_be_bytes().to_vec();
        frame.extend(PING.to_be_bytes());
        send(&mut self.stream, &frame)?;
        loop {
            let reply = self.listen()?;
            if reply.xid == -2 {
                return Ok(reply.zxid);
            }
        }
    }

    /// Ends the session; its ephemeral nodes are gone when this returns.
    ///
    /// # Errors
    ///
    /// When the connection ends before the reply.
    pub fn close(mut self) -> io::Result<()> {
        self.ask(CLOSE, &[]).map(drop)
    }

    /// Whether the server ends the connection within the time limit, without a further frame.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        // A reset is an end as well.
        match self.stream.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// A path as a request's body begins.
fn path_body(path: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_buffer(&mut body, Some(path.as_bytes()));
    body
}

fn create_body(path: &str, data: &[u8], flags: i32) -> Vec<u8> {
    let mut body = path_body(path);
    put_buffer(&mut body, Some(data));
    body.extend(1_i32.to_be_bytes());
    body.extend(31_i32.to_be_bytes());
    put_buffer(&mut body, Some(b"world"));
    put_buffer(&mut body, Some(b"anyone"));
    body.extend(flags.to_be_bytes());
    body
}

fn put_buffer(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let len = bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).expect("test values are small"));
    to.extend(len.to_be_bytes());
    to.extend(bytes.unwrap_or_default());
}

fn send(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let mut bytes = i32::try_from(frame.len()).expect("test requests are small").to_be_bytes().to_vec();
    bytes.extend(frame);
    stream.write_all(&bytes)
}

fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).map_err(|_| bad("negative size"))?;
    let mut frame = vec![0; size];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(|| bad("reply cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take gives what it was asked for"))
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> io::Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn buffer(&mut self) -> io::Result<Option<Vec<u8>>> {
        let len = self.i32()?;
        if len == -1 {
            return Ok(None);
        }
        let len = usize::try_from(len).map_err(|_| bad("negative length"))?;
        self.take(len).map(|bytes| Some(bytes.to_vec()))
    }

    fn string(&mut self) -> io::Result<String> {
        let bytes = self.buffer()?.unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| bad("a name that is no UTF-8"))
    }
}

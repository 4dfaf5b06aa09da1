//! The bytes' way to a broker and back: plain TCP, and the place where TLS would stand.
//!
//! # Invariants
//!
//! * Every read ends: at its deadline, if not before ([`Transport::read_within`]).

use crate::address::Address;
use crate::error::DialProblem;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How bytes travel. A listener with TLS or SASL becomes another variant.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
}

impl Transport {
    /// Dials every address that the host stands for until one answers.
    pub(crate) fn dial(address: &Address, timeout: Duration) -> Result<Self, DialProblem> {
        let resolved = (address.host.as_str(), address.port).to_socket_addrs();
        let mut problem = None;
        for address in resolved.map_err(DialProblem::Unresolved)? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(DialProblem::Io)?;
                    return Ok(Self::Plain(stream));
                }
                Err(error) => problem = Some(error),
            }
        }
        Err(match problem {
            None => {
                DialProblem::Unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
            }
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => DialProblem::Refused,
            Some(error) if is_timeout(&error) => DialProblem::TimedOut(timeout),
            Some(error) => DialProblem::Io(error),
        })
    }

    /// The other end.
    pub(crate) fn peer(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer_addr(),
        }
    }

    #[cfg(test)]
    pub(crate) fn hang_up(&self) {
        match self {
            Self::Plain(stream) => stream.shutdown(std::net::Shutdown::Both).expect("it is open"),
        }
    }

    /// Writes all of it, giving up when nothing moved for `timeout`.
    pub(crate) fn write_all(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                stream.set_write_timeout(Some(at_least_a_millisecond(timeout)))?;
                stream.write_all(bytes)
            }
        }
    }

    /// Reads whatever is there, or waits for something until `deadline`.
    pub(crate) fn read_within(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self {
            Self::Plain(stream) => {
                stream.set_read_timeout(Some(at_least_a_millisecond(left)))?;
                loop {
                    match stream.read(buffer) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => return other,
                    }
                }
            }
        }
    }
}

/// A time-out of zero would mean none.
fn at_least_a_millisecond(timeout: Duration) -> Duration {
    timeout.max(Duration::from_millis(1))
}

/// Whether the system gave up waiting.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

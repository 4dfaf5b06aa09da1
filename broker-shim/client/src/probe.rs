//! Who is it that listens there, if it is no broker? Asked only after something went wrong.
//!
//! | first bytes of an answer to a Kafka request | who |
//! |---|---|
//! | `HTTP` | a web server |
//! | `15 03` | a TLS alert: a listener that wants TLS |
//! | none, but `srvr` is answered with `Zookeeper version` or `... whitelist` | a ZooKeeper |

use crate::address::Address;
use crate::error::DialProblem;
use crate::transport::Transport;
use std::time::{Duration, Instant};

/// Bytes of a ZooKeeper's answer that are looked at.
const ENOUGH: usize = 64;
/// How long the second question may take: it is only there to put an error into better words.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the first four bytes of an answer say, where a size was expected.
pub(crate) fn by_first_bytes(bytes: [u8; 4]) -> Option<DialProblem> {
    match &bytes {
        b"HTTP" => Some(DialProblem::Web),
        [0x15, 0x03, ..] => Some(DialProblem::Tls),
        _ => None,
    }
}

/// What listens at an address that closed the connection at our first request.
pub(crate) fn by_asking(address: &Address, connect: Duration) -> DialProblem {
    let answer = ask(address, connect.min(PATIENCE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&answer);
    if text.starts_with("Zookeeper version") || text.contains("not in the whitelist") {
        DialProblem::ZooKeeper
    } else {
        DialProblem::Closed
    }
}

/// The beginning of the answer to ZooKeeper's four-letter word.
fn ask(address: &Address, timeout: Duration) -> Option<Vec<u8>> {
    let mut transport = Transport::dial(address, timeout).ok()?;
    transport.write_all(b"srvr", timeout).ok()?;
    let deadline = Instant::now() + timeout;
    let mut answer = vec![0; ENOUGH];
    let mut len = 0;
    while len < ENOUGH {
        match transport.read_within(&mut answer[len..], deadline) {
            Ok(0) | Err(_) => break,
            Ok(read) => len += read,
        }
    }
    answer.truncate(len);
    Some(answer)
}

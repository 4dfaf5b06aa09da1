//! Why a connection is closed, and the one line that says so.
//!
//! # Invariants
//!
//! * What a peer sent appears escaped and cut at [`SHOWN`] bytes: no line break, no terminal sequence, no flood.
//! * At most [`LINES`] lines per peer address and [`WINDOW`]: the next line says how many were left out.

use super::frame::FrameError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The most that is shown of what a peer sent, in characters.
pub const SHOWN: usize = 256;
/// Lines per peer address within a [`WINDOW`].
const LINES: u32 = 5;
/// How long lines are counted together.
const WINDOW: Duration = Duration::from_secs(10);
/// Slots of the line counter: addresses that share one share its lines.
const SLOTS: usize = 256;

/// Why a connection ends.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed, or vanished.
    Peer,
    /// The broker stops.
    Shutdown,
    /// Nothing moved for `connections.max.idle.ms`.
    Idle,
    /// A frame's size is negative or above `socket.request.max.bytes`; `looks_like` guesses what was sent instead.
    Frame {
        /// The size field.
        size: i32,
        /// `socket.request.max.bytes`.
        max: usize,
        /// `a TLS handshake`, `an HTTP request`, if it looks like one.
        looks_like: Option<&'static str>,
    },
    /// A frame was begun and not continued, while it mattered.
    Stalled {
        /// Bytes of the frame that were received.
        received: usize,
        /// Bytes of the frame.
        needed: usize,
    },
    /// The peer sends no more, in the middle of a frame.
    Truncated {
        /// Bytes of the frame that were received.
        received: usize,
        /// Bytes of the frame.
        needed: usize,
    },
    /// The request cannot be answered: malformed, or an API or version that is not served.
    Request(String),
    /// Records that the answer needs cannot be read.
    Storage(String),
    /// A Produce without answer (`acks=0`) failed: closing is the only way to tell.
    NoAnswer(String),
}

impl CloseReason {
    /// The reason for a frame that cannot be one; `start` are its first bytes.
    pub(crate) fn frame(error: FrameError, max: usize, start: &[u8]) -> Self {
        let (FrameError::Negative(size) | FrameError::TooLarge(size)) = error;
        Self::Frame { size, max, looks_like: looks_like(start) }
    }

    /// All kinds of reasons.
    pub const KINDS: [&'static str; 9] = [
        "peer",
        "shutdown",
        "idle",
        "bad_frame",
        "stalled",
        "truncated",
        "bad_request",
        "storage",
        "produce_without_answer",
    ];

    /// In one word, for counting: one of [`CloseReason::KINDS`].
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Shutdown => "shutdown",
            Self::Idle => "idle",
            Self::Frame { .. } => "bad_frame",
            Self::Stalled { .. } => "stalled",
            Self::Truncated { .. } => "truncated",
            Self::Request(_) => "bad_request",
            Self::Storage(_) => "storage",
            Self::NoAnswer(_) => "produce_without_answer",
        }
    }

    /// Whether the end of the connection is worth a line.
    const fn is_ordinary(&self) -> bool {
        matches!(self, Self::Peer | Self::Shutdown | Self::Idle)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => f.write_str("closed by the peer"),
            Self::Shutdown => f.write_str("the broker stops"),
            Self::Idle => f.write_str("idle"),
            Self::Frame { size, max, looks_like: None } => {
                write!(f, "request of {size} bytes, expected 0 to {max} (socket.request.max.bytes)")
            }
            Self::Frame { looks_like: Some(what), .. } => {
                write!(f, "received {what} where a Kafka request was expected: this listener is PLAINTEXT")
            }
            Self::Stalled { received, needed } => {
                write!(f, "request stalled: {received} of {needed} bytes received")
            }
            Self::Truncated { received, needed } => {
                write!(f, "request cut off by the peer: {received} of {needed} bytes received")
            }
            Self::Request(why) => write!(f, "bad request: {}", Escaped(why)),
            Self::Storage(why) => write!(f, "records cannot be read: {}", Escaped(why)),
            Self::NoAnswer(why) => write!(f, "a produce request with acks=0 failed: {}", Escaped(why)),
        }
    }
}

/// What the first bytes of a connection are, if they are well known and no Kafka request.
fn looks_like(start: &[u8]) -> Option<&'static str> {
    const HTTP: [&[u8]; 9] =
        [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"PRI "];
    match start {
        [0x16, 0x03, ..] => Some("a TLS handshake"),
        // A two-byte record with the high bit set, then CLIENT-HELLO (1).
        [high, _, 0x01, ..] if high & 0x80 != 0 => Some("an old SSL handshake"),
        [b'S', b'S', b'H', b'-', ..] => Some("an SSH greeting"),
        _ => HTTP.iter().any(|verb| start.starts_with(verb)).then_some("an HTTP request"),
    }
}

/// Text from outside, made safe to print: escaped, and cut at [`SHOWN`] characters.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for c in self.0.chars() {
            // Text of ours passes here as well: quotes stay readable.
            let escaped =
                if matches!(c, '\'' | '"') { String::from(c) } else { c.escape_default().to_string() };
            shown += escaped.len();
            if shown > SHOWN {
                return f.write_str("...");
            }
            f.write_str(&escaped)?;
        }
        Ok(())
    }
}

/// Writes the lines, few per peer.
#[derive(Debug)]
pub(crate) struct CloseLog {
    slots: parking_lot::Mutex<Vec<Slot>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Default for CloseLog {
    fn default() -> Self {
        Self { slots: parking_lot::Mutex::new(vec![Slot::default(); SLOTS]) }
    }
}

impl CloseLog {
    /// Says why the connection of `peer` was closed, unless that is ordinary or was said too often.
    pub(crate) fn closed(&self, peer: SocketAddr, reason: &CloseReason) {
        if reason.is_ordinary() {
            tracing::debug!("connection from {peer} closed: {reason}");
        } else if let Some(left_out) = self.admit(peer.ip(), Instant::now()) {
            self.warn(&format!("connection from {peer} closed: {reason}"), left_out);
        }
    }

    /// Says something about a peer, unless it was said too often.
    pub(crate) fn refused(&self, peer: SocketAddr, why: &str) {
        if let Some(left_out) = self.admit(peer.ip(), Instant::now()) {
            self.warn(&format!("connection from {peer} refused: {why}"), left_out);
        }
    }

    fn warn(&self, line: &str, left_out: u64) {
        if left_out == 0 {
            tracing::warn!("{line}");
        } else {
            tracing::warn!("{line} ({left_out} more like this were not logged)");
        }
    }

    /// `Some(lines left out before)` if a line may be written.
    fn admit(&self, peer: IpAddr, now: Instant) -> Option<u64> {
        let mut slots = self.slots.lock();
        let slot = slots.get_mut(slot_of(peer))?;
        if slot.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            slot.since = Some(now);
            slot.lines = 0;
        }
        if slot.lines >= LINES {
            slot.left_out += 1;
            return None;
        }
        slot.lines += 1;
        Some(std::mem::take(&mut slot.left_out))
    }
}

/// Which slot counts an address: a sum of its bytes will do, for nothing but log lines depends on it.
fn slot_of(peer: IpAddr) -> usize {
    let sum =
        |octets: &[u8]| octets.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let hash = match peer {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    };
    hash % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sent_is_escaped_and_cut() {
        let text = format!("a\n\u{1b}[31m\u{e9}{}", "x".repeat(1000));
        let shown = Escaped(&text).to_string();
        assert!(shown.starts_with("a\\n\\u{1b}[31m\\u{e9}xxx"));
        assert!(shown.len() <= SHOWN + 3 && shown.ends_with("..."));
    }

    #[test]
    fn known_first_bytes_are_named() {
        let reason = |bytes: &[u8]| {
            CloseReason::frame(FrameError::TooLarge(1), 100, bytes)
                .to_string()
                .split(" where")
                .next()
                .map(String::from)
        };
        assert_eq!(reason(&[0x16, 3, 1, 2]).unwrap(), "received a TLS handshake");
        assert_eq!(reason(b"GET / HTTP/1.1").unwrap(), "received an HTTP request");
        assert_eq!(reason(&[0x80, 0x2e, 1, 3]).unwrap(), "received an old SSL handshake");
        assert!(reason(&[0x7f, 1, 2, 3]).unwrap().starts_with("request of 1 bytes, expected 0 to 100"));
    }

    #[test]
    fn a_peer_gets_five_lines_and_then_a_count() {
        let log = CloseLog::default();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let start = Instant::now();
        let said: Vec<_> = (0..8).map(|_| log.admit(peer, start)).collect();
        assert_eq!(said, [Some(0), Some(0), Some(0), Some(0), Some(0), None, None, None]);
        assert_eq!(log.admit(IpAddr::from([10, 0, 0, 2]), start), Some(0), "another peer");
        assert_eq!(log.admit(peer, start + WINDOW), Some(3));
    }
}

//! Log lines about peers: escaped, short, and few.
//!
//! # Invariants
//!
//! * At most [`LINES`] lines within [`WINDOW`], whoever they are about; the next one says how many were left out.

use parking_lot::Mutex;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// Characters that are shown of what a peer sent.
const SHOWN: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Quiet {
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Quiet {
    /// Says something about a peer, unless too much was said just now.
    pub(super) fn say(&self, peer: SocketAddr, what: &str) {
        match self.admit(Instant::now()) {
            None => {}
            Some(0) => tracing::warn!("connection from {peer}: {}", Escaped(what)),
            Some(n) => {
                tracing::warn!(
                    "connection from {peer}: {} ({n} more like this were not logged)",
                    Escaped(what)
                );
            }
        }
    }

    /// `Some(lines left out before)` if a line may be written.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut said = self.said.lock();
        if said.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            said.since = Some(now);
            said.lines = 0;
        }
        if said.lines >= LINES {
            said.left_out += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.left_out))
    }
}

/// Text from outside, made safe to print.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for c in self.0.chars() {
            let c = if matches!(c, '\'' | '"') { String::from(c) } else { c.escape_default().to_string() };
            shown += c.len();
            if shown > SHOWN {
                return f.write_str("...");
            }
            f.write_str(&c)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_few_and_say_what_was_left_out() {
        let quiet = Quiet::default();
        let start = Instant::now();
        let said: Vec<_> = (0..12).map(|_| quiet.admit(start)).collect();
        assert_eq!(said[9..], [Some(0), None, None]);
        assert_eq!(quiet.admit(start + WINDOW), Some(2));
    }

    #[test]
    fn what_a_peer_sent_is_escaped_and_cut() {
        let shown = Escaped(&format!("a\n\u{1b}[31m{}", "x".repeat(1000))).to_string();
        assert!(shown.starts_with("a\\n\\u{1b}[31mxxx") && shown.ends_with("...") && shown.len() < 210);
    }
}

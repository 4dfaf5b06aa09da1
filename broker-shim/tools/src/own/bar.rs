//! A bar on standard error while somebody looks: long work shows how far it is.
//!
//! ```text
//! [############                  ]  41 %  410000 of 1000000
//! ```

use crate::io::Io;
use std::time::{Duration, Instant};

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
const STEP: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

/// How far some work is.
#[derive(Debug)]
pub(super) struct Bar {
    total: u64,
    begin: Instant,
    shown: Option<Instant>,
    quiet: bool,
}

impl Bar {
    /// For work of so many steps; quiet where nobody looks.
    #[must_use]
    pub(super) fn new(total: u64, io: &Io<'_>) -> Self {
        Self { total, begin: Instant::now(), shown: None, quiet: !io.err_is_terminal || total == 0 }
    }

    /// Shows `done` steps, now and then.
    pub(super) fn at(&mut self, done: u64, io: &mut Io<'_>) {
        let late = self.begin.elapsed() >= PATIENCE;
        if self.quiet || !late || self.shown.is_some_and(|shown| shown.elapsed() < STEP) {
            return;
        }
        self.shown = Some(Instant::now());
        // Nothing can be done if nobody takes it.
        let _ = io.err.write_all(format!("\r{}", text(done, self.total)).as_bytes());
    }

    /// Leaves the line as it was found.
    pub(super) fn end(self, io: &mut Io<'_>) {
        if self.shown.is_some() {
            let _ = io.err.write_all(b"\r\x1b[K");
        }
    }
}

fn text(done: u64, total: u64) -> String {
    let done = done.min(total);
    let filled = usize::try_from(done.saturating_mul(WIDTH) / total.max(1)).unwrap_or_default();
    let width = usize::try_from(WIDTH).unwrap_or_default();
    let percent = done.saturating_mul(100) / total.max(1);
    format!("[{:<width$}] {percent:3} %  {done} of {total}", "#".repeat(filled))
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_bar_fills_up_and_no_further() {
        assert_eq!(text(0, 10), format!("[{}]   0 %  0 of 10", " ".repeat(30)));
        assert_eq!(text(5, 10), format!("[{}{}]  50 %  5 of 10", "#".repeat(15), " ".repeat(15)));
        assert_eq!(text(99, 10), format!("[{}] 100 %  10 of 10", "#".repeat(30)));
    }
}

//! Where lines go, and how far a long look has got.

use super::line::Line;
use log_engine::io::ReadOnlyStorage;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Standard output, in lines of text or of JSON.
pub(super) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { out: BufWriter::new(io::stdout().lock()), json }
    }

    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// A line in either form.
    pub(super) fn line(&mut self, line: &Line) -> io::Result<()> {
        let text = if self.json { line.json() } else { line.text() };
        writeln!(self.out, "{text}")
    }

    /// A line that is only for people.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.out, "{text}") }
    }

    /// A line for programs, or a sentence for people.
    pub(super) fn line_or_text(&mut self, line: &Line, text: &str) -> io::Result<()> {
        if self.json { self.line(line) } else { self.text(text) }
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(700);
const STEP: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

/// A bar on a terminal's stderr, while it is not dropped.
pub(super) struct Progress {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Follows the bytes read of `total`.
    pub(super) fn over(storage: &ReadOnlyStorage, total: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if !io::stderr().is_terminal() || total == 0 {
            return Self { stop, thread: None };
        }
        let (stopped, storage, started) = (Arc::clone(&stop), storage.clone(), Instant::now());
        let show = move || {
            let mut shown = false;
            while !stopped.load(Ordering::Relaxed) {
                if started.elapsed() >= PATIENCE {
                    shown = true;
                    let _ = write!(io::stderr(), "\r{}", bar(storage.bytes_read(), total));
                }
                std::thread::sleep(STEP);
            }
            if shown {
                // Leaves the line as it was found.
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        };
        Self { stop, thread: Some(std::thread::spawn(show)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic; if it did, the work is done all the same.
            let _ = thread.join();
        }
    }
}

fn bar(done: u64, total: u64) -> String {
    let done = done.min(total);
    let filled = usize::try_from(done * WIDTH / total.max(1)).unwrap_or_default();
    let width = usize::try_from(WIDTH).unwrap_or_default();
    let (percent, mib) = (done * 100 / total.max(1), 1 << 20);
    format!("[{:<width$}] {percent:3} % of {} MiB", "#".repeat(filled), total.div_ceil(mib))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn the_bar_fills_up_and_no_further() {
        assert_eq!(bar(0, 1 << 20), format!("[{}]   0 % of 1 MiB", " ".repeat(30)));
        assert_eq!(bar(5 << 20, 10 << 20), format!("[{}{}]  50 % of 10 MiB", "#".repeat(15), " ".repeat(15)));
        assert_eq!(bar(99, 10), format!("[{}] 100 % of 1 MiB", "#".repeat(30)));
    }
}

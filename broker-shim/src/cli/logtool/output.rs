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
        let storage = storage.clone();
        let read = move || storage.bytes_read();
        Self::start(io::stderr().is_terminal(), PATIENCE, total, read, io::stderr())
    }

    fn start(
        terminal: bool,
        patience: Duration,
        total: u64,
        read: impl Fn() -> u64 + Send + 'static,
        mut to: impl Write + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if !terminal || total == 0 {
            return Self { stop, thread: None };
        }
        let (stopped, started) = (Arc::clone(&stop), Instant::now());
        let show = move || {
            let mut shown = false;
            while !stopped.load(Ordering::Relaxed) {
                if started.elapsed() >= patience {
                    shown = true;
                    let _ = write!(to, "\r{}", bar(read(), total));
                }
                std::thread::sleep(STEP);
            }
            if shown {
                // Leaves the line as it was found.
                let _ = write!(to, "\r\x1b[K");
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
    use super::{Progress, bar};
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Screen {
        fn text(&self) -> String {
            let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&shown).into_owned()
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_sees_the_bar_and_its_line_is_left_empty() {
        let screen = Screen::default();
        let progress = Progress::start(true, Duration::ZERO, 10 << 20, || 5 << 20, screen.clone());
        while screen.text().is_empty() {
            std::thread::yield_now();
        }
        drop(progress);
        let text = screen.text();
        assert!(text.starts_with(&format!("\r{}", bar(5 << 20, 10 << 20))), "{text:?}");
        assert!(text.ends_with("\r\x1b[K"), "{text:?}");
    }

    #[test]
    fn a_file_or_a_pipe_sees_nothing() {
        let screen = Screen::default();
        for (terminal, total) in [(false, 10), (true, 0)] {
            let progress = Progress::start(terminal, Duration::ZERO, total, || 5, screen.clone());
            assert!(progress.thread.is_none());
            drop(progress);
        }
        assert_eq!(screen.text(), "");
    }

    #[test]
    fn the_bar_fills_up_and_no_further() {
        assert_eq!(bar(0, 1 << 20), format!("[{}]   0 % of 1 MiB", " ".repeat(30)));
        assert_eq!(bar(5 << 20, 10 << 20), format!("[{}{}]  50 % of 10 MiB", "#".repeat(15), " ".repeat(15)));
        assert_eq!(bar(99, 10), format!("[{}] 100 % of 1 MiB", "#".repeat(30)));
    }
}

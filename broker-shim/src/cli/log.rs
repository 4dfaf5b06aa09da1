//! Log lines on stderr: one event, one line, whatever text from outside is in it.

use std::io::{self, Write};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends events of this level and above to stderr. A second call in one process does nothing.
pub(super) fn init(level: LevelFilter) {
    // What the ZooKeeper client says of its connections, our own lines say with what follows from it.
    let client = if level >= LevelFilter::DEBUG { level } else { LevelFilter::OFF };
    let levels = Targets::new().with_default(level).with_target("zookeeper_client", client);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_writer(|| OneLine(io::stderr()));
    // An error means that somebody has set a subscriber already: then that one is used.
    let _ = tracing_subscriber::registry().with(levels).with(lines).try_init();
}

/// Escapes control characters: each call writes one event, which ends with the only line break.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut out = String::with_capacity(event.len() + 1);
        for c in line.chars() {
            if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
        }
        out.push('\n');
        self.0.write_all(out.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let mut out = OneLine(Vec::new());
        let event = "INFO client \"a\nERROR fake\x1b[31m\u{85}\"\n";
        assert_eq!(out.write(event.as_bytes()).unwrap(), event.len());
        assert_eq!(out.0, b"INFO client \"a\\nERROR fake\\u{1b}[31m\\u{85}\"\n");
    }
}

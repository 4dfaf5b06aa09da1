//! Where a tool reads and writes.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};

/// Bytes gathered before they are written.
const BUFFER: usize = 64 << 10;

/// A tool's streams: the process's, or a test's.
pub struct Io<'a> {
    /// What is typed or piped in.
    pub input: &'a mut dyn BufRead,
    /// Buffered: flush before waiting for anything.
    pub out: &'a mut dyn Write,
    /// Not buffered.
    pub err: &'a mut dyn Write,
    /// Whether somebody types.
    pub input_is_terminal: bool,
    /// Whether somebody looks at `out` as it comes.
    pub out_is_terminal: bool,
    /// Whether `err` is a place for bars that move.
    pub err_is_terminal: bool,
}

impl Io<'_> {
    /// A line on standard output.
    ///
    /// # Errors
    ///
    /// If nobody takes it.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// A line on standard error, behind what is on standard output so far. Nothing can be done if nobody takes it.
    pub fn err_line(&mut self, text: &str) {
        let _ = self.out.flush();
        let _ = self.err.write_all(format!("{text}\n").as_bytes());
    }

    /// Whether colours are wanted: by somebody who looks, and has not said no (`NO_COLOR`, `TERM=dumb`).
    #[must_use]
    pub fn colours(&self) -> bool {
        let no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.out_is_terminal && !no && !dumb
    }
}

/// Runs `work` on the process's streams.
pub(crate) fn with_standard_streams<T>(work: impl FnOnce(&mut Io<'_>) -> T) -> T {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let terminals = (stdin.is_terminal(), stdout.is_terminal(), stderr.is_terminal());
    let mut out = BufWriter::with_capacity(BUFFER, stdout.lock());
    let mut io = Io {
        input: &mut stdin.lock(),
        out: &mut out,
        err: &mut stderr.lock(),
        input_is_terminal: terminals.0,
        out_is_terminal: terminals.1,
        err_is_terminal: terminals.2,
    };
    work(&mut io)
}

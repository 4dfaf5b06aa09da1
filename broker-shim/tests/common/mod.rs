//! A `corrente` process, for the tests that look at one from outside.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program with these arguments in that directory, its output captured.
pub(crate) fn corrente(args: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corrente"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it wrote to standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server process; killed if a test ends early.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// The first two lines of its output.
    pub(crate) ready: [String; 2],
}

impl Server {
    /// Starts it, and waits for these lines.
    pub(crate) fn start(args: &[&str], dir: &Path) -> Self {
        let mut child = corrente(args, dir).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().map(Result::unwrap);
        let Some(first) = first else {
            let output = child.wait_with_output().unwrap();
            panic!("no ready line; stderr: {}", stderr(&output));
        };
        Self { child, ready: [first, lines.next().unwrap().unwrap()] }
    }

    /// The first address that it listens on.
    pub(crate) fn address(&self) -> String {
        let rest = self.ready[0].split_once(" on ").expect(&self.ready[0]).1;
        rest.split_once(',').expect(rest).0.to_owned()
    }

    /// Sends a signal by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: exit code and stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

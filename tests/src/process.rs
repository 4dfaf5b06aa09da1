//! Client programs: run to their end with a time limit, or followed line by line while they run.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What a finished program left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, which for our clients is JSON lines.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// The program itself when it ended with status 0.
    ///
    /// # Panics
    ///
    /// If it did not, with all it printed to standard error.
    pub fn success(self, what: &str) -> Self {
        assert!(
            self.status.success(),
            "{what}: {}\n{}\n{}",
            self.status,
            tail(&self.stdout),
            tail(&self.stderr)
        );
        self
    }
}

/// Runs a program to its end, with this standard input.
///
/// # Panics
///
/// If it cannot be started, or is not done within `limit`.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Finished {
    let what = format!("{command:?}");
    let mut child = spawn(command);
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A program may end without reading all it was given: the broken pipe is its business.
    let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child can be waited for") {
            break status;
        }
        if begin.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            let (stdout, stderr) = (join(stdout), join(stderr));
            panic!("{what}: not done after {limit:?}\n{}\n{}", tail(&stdout), tail(&stderr));
        }
        thread::sleep(Duration::from_millis(5));
    };
    drop(feeder.join());
    Finished { status, stdout: join(stdout), stderr: join(stderr) }
}

/// A line of a running program.
#[derive(Debug)]
pub enum Line {
    /// Of its standard output.
    Out(String),
    /// Of its standard error.
    Err(String),
}

/// A program that runs beside the test. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Line>,
    errors: Vec<String>,
}

impl Running {
    /// Starts a program whose lines can be followed.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let mut child = spawn(command);
        let stdin = child.stdin.take();
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().expect("piped"), sender.clone(), Line::Out);
        forward(child.stderr.take().expect("piped"), sender, Line::Err);
        Self { what, child, stdin, lines, errors: Vec::new() }
    }

    /// The next line, or `None` when there is none until then.
    ///
    /// Lines of standard error are also kept for the text of a failure.
    pub fn line(&mut self, until: Instant) -> Option<Line> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Line::Err(text) = &line {
                    self.errors.push(text.clone());
                }
                Some(line)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Writes a line to the program.
    ///
    /// # Panics
    ///
    /// If it reads no more.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        writeln!(stdin, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.what));
    }

    /// Closes the program's standard input, at which our clients leave politely.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends SIGTERM, at which other people's clients leave politely.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Lets the program not run for that long: what a long garbage collection or a suspended machine is to it.
    pub fn pause(&mut self, time: Duration) {
        self.signal(Signal::STOP);
        thread::sleep(time);
        self.signal(Signal::CONT);
    }

    fn signal(&mut self, signal: Signal) {
        let pid =
            Pid::from_raw(self.child.id().try_into().expect("a pid is positive")).expect("a pid is not zero");
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    /// Sends SIGKILL and waits for the end; lines printed before can still be read.
    pub fn kill9(&mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }

    /// Waits for the end of the program, which the caller has asked for.
    ///
    /// # Panics
    ///
    /// If it takes longer than `limit` or ends with an error.
    pub fn finish(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child can be waited for") {
                if status.success() {
                    return;
                }
                self.fail(&status.to_string());
            }
            if Instant::now() > until {
                self.fail(&format!("not done after {limit:?}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn fail(&mut self, how: &str) -> ! {
        let complaints = self.complaints();
        panic!("{}: {how}{complaints}", self.what);
    }

    /// What the program wrote to standard error so far, for the text of a failure.
    pub fn complaints(&mut self) -> String {
        while self.line(Instant::now()).is_some() {}
        format!("\n--- its standard error ---\n{}", tail(&self.errors.join("\n")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> String {
    let bytes = reader.join().expect("the reader does not panic");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn forward(from: impl Read + Send + 'static, to: mpsc::Sender<Line>, wrap: fn(String) -> Line) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if to.send(wrap(line)).is_err() {
                return;
            }
        }
    });
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

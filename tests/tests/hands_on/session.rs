//! One command at a terminal: its output as it comes, what is typed into it, its end.

use corrente_tests::transcript::{self, Line};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{PipeReader, Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take: a JVM on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// A running command. Dropping it kills it and what it started in its group.
pub(crate) struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Mutex<Vec<u8>>>,
    /// What the document has shown of its output so far.
    shown: Vec<String>,
    /// Ports in what it prints, and those of the document in their place.
    ports: Vec<[String; 2]>,
    /// Whether something was typed: then the prompts are not compared, which only a terminal sees.
    typed: bool,
}

impl Session {
    /// Starts it in a process group of its own, with both kinds of output in one pipe as on a terminal.
    pub(crate) fn start(mut command: Command, ports: Vec<[String; 2]>) -> Self {
        let (reader, writer) = pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stdout(writer.try_clone().expect("a second descriptor")).stderr(writer);
        let mut child = command.process_group(0).spawn().expect("a shell is there");
        // The last of ours goes with the command: the pipe ends with the processes that write to it.
        drop(command);
        let output = Arc::new(Mutex::new(Vec::new()));
        let stdin = child.stdin.take();
        thread::spawn({
            let output = Arc::clone(&output);
            move || collect(reader, &output)
        });
        Self { child, stdin, output, shown: Vec::new(), ports, typed: false }
    }

    /// Goes through the lines of a document: types, waits for what is printed before a key is pressed.
    pub(crate) fn follow(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Printed(text) => self.shown.push(text.clone()),
                Line::Typed(text) => {
                    self.typed = true;
                    if let Some(stdin) = &mut self.stdin {
                        // A command that has ended says so by its output.
                        let _ = writeln!(stdin, "{text}").and_then(|()| stdin.flush());
                    }
                }
                Line::EndOfInput => {
                    self.typed = true;
                    self.stdin = None;
                }
                Line::Interrupt => {
                    self.wait_for_shown();
                    self.signal(Signal::INT);
                }
            }
        }
    }

    /// Waits until all that the document has shown so far is there; false if it does not come.
    pub(crate) fn wait_for_shown(&mut self) -> bool {
        let until = Instant::now() + LIMIT;
        loop {
            let printed = self.printed();
            let lines: Vec<&str> = printed.lines().collect();
            let shown: Vec<&str> = self.shown.iter().map(String::as_str).collect();
            if transcript::has_come(&shown, &lines) {
                return true;
            }
            let ended = self.child.try_wait().expect("our own child can be waited for").is_some();
            if ended || Instant::now() > until {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits for the end; whether all its output is what the document has shown.
    pub(crate) fn finish(&mut self) -> bool {
        // Nobody types any more.
        self.stdin = None;
        let until = Instant::now() + LIMIT;
        while self.child.try_wait().expect("our own child can be waited for").is_none() {
            if Instant::now() > until {
                return false;
            }
            thread::sleep(LOOK);
        }
        // The reader is behind the end by moments: what is missing comes, and what is too much stays.
        let until = Instant::now() + Duration::from_millis(500);
        loop {
            let printed = self.printed();
            let lines: Vec<&str> = printed.lines().collect();
            let shown: Vec<&str> = self.shown.iter().map(String::as_str).collect();
            if transcript::agrees(&shown, &lines) {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    /// What it printed so far, without prompts if something was typed.
    pub(crate) fn printed(&self) -> String {
        let bytes = self.output.lock().expect("nobody panics with this lock").clone();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = self
            .ports
            .iter()
            .fold(text, |text, [real, port]| text.replace(&format!(":{real}"), &format!(":{port}")));
        if !self.typed {
            return text;
        }
        let lines = text.lines().map(|line| line.trim_start_matches('>')).filter(|line| !line.is_empty());
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// What the document says that it prints.
    pub(crate) fn shown(&self) -> String {
        self.shown.iter().map(|line| format!("{line}\n")).collect()
    }

    fn signal(&self, signal: Signal) {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has a number");
        // It fails if all of them have ended.
        let _ = kill_process_group(pid, signal);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

fn collect(mut reader: PipeReader, output: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(count) = reader.read(&mut piece) {
        if count == 0 {
            return;
        }
        output.lock().expect("nobody panics with this lock").extend_from_slice(&piece[..count]);
    }
}

//! A server as a process of its own, whatever it is written in: started, watched, stopped or killed; what it prints
//! goes to a file, so that a failed test can say how it ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Lines shown of a server that did not do what it should.
const LAST_WORDS: usize = 30;

/// A server process. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    output: PathBuf,
}

impl Daemon {
    /// Starts it; standard output and standard error go to the file `output`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn spawn(command: &mut Command, output: &Path) -> Self {
        let file = File::create(output).unwrap_or_else(|error| panic!("{}: {error}", output.display()));
        let both = file.try_clone().expect("a second descriptor");
        command.stdin(Stdio::null()).stdout(both).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, output: output.to_owned() }
    }

    /// Waits until `ready` says so.
    ///
    /// # Panics
    ///
    /// If the process ends meanwhile, or after `limit`; with the end of what it printed.
    pub fn wait_until(&mut self, what: &str, limit: Duration, mut ready: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !ready(self) {
            if let Some(status) = self.child.try_wait().expect("our own child can be waited for") {
                panic!("{what}: the process ended: {status}{}", self.last_words());
            }
            assert!(begin.elapsed() < limit, "{what}: not after {limit:?}{}", self.last_words());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill9(mut self) {
        self.kill();
    }

    /// Asks it to end with SIGTERM and waits; how it ended.
    ///
    /// # Panics
    ///
    /// If it still runs after `limit`.
    pub fn stop(mut self, limit: Duration) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).expect("our own child can be signalled");
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child can be waited for") {
                return status;
            }
            assert!(begin.elapsed() < limit, "still running {limit:?} after SIGTERM{}", self.last_words());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets it not run for that long.
    pub fn pause(&self, time: Duration) {
        kill_process(self.pid(), Signal::STOP).expect("our own child can be signalled");
        thread::sleep(time);
        kill_process(self.pid(), Signal::CONT).expect("our own child can be signalled");
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of what it printed, for the text of a failure.
    pub fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let lines = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        format!("\n--- last lines of {} ---\n{}\n---", self.output.display(), lines.join("\n"))
    }

    /// Memory the process holds now, in KiB: `VmRSS` of `/proc/PID/status`.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid is positive")).expect("a pid is not zero")
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            // Not by the panic's own text: whoever panicked may hold no server.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), self.last_words().as_bytes());
        }
    }
}

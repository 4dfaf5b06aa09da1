//! A broker as a process of its own, on a port and a directory of its own.
//!
//! Ports are picked below the kernel's ephemeral range. A client that reconnects to a port of that range while
//! nobody listens can, once in some ten thousand attempts, connect to itself: it then holds the port, and the
//! restarted broker cannot have it.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::place;
use crate::wire::Connection;

/// Longest wait for a first answer. Far above what we promise: the promises have tests of their own.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for a leader.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A broker process. Dropping it kills the process and removes the directory.
#[derive(Debug)]
pub struct Broker {
    dir: TempDir,
    port: u16,
    overrides: Vec<(String, String)>,
    child: Option<Child>,
    starts: u32,
}

impl Broker {
    /// Starts a broker on an empty directory and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it does not: with the end of what it printed.
    pub fn start(overrides: &[(&str, &str)]) -> Self {
        let mut broker = Self {
            dir: tempfile::Builder::new().prefix("corrente-").tempdir().expect("a temporary directory"),
            port: free_port(),
            overrides: overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            child: None,
            starts: 0,
        };
        broker.spawn();
        broker
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn bootstrap(&self) -> String {
        self.address().to_string()
    }

    /// The same as an address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The directory given as `log.dirs`.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The folder of one partition.
    pub fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.log_dir().join(format!("{topic}-{partition}"))
    }

    /// A connection for requests written by hand.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address(), Duration::from_secs(10)).expect("the broker accepts connections")
    }

    /// Makes sure the topic is there (the broker creates it when asked for its metadata) and has a leader; its
    /// number of partitions.
    pub fn ensure_topic(&self, topic: &str) -> usize {
        self.insist(|connection| connection.partitions(topic))
    }

    /// Where the first `partitions` partitions of a topic end.
    pub fn ends(&self, topic: &str, partitions: i32) -> Vec<i64> {
        self.insist(|connection| connection.ends(topic, partitions))
    }

    /// Where they begin.
    pub fn starts_of(&self, topic: &str, partitions: i32) -> Vec<i64> {
        self.insist(|connection| connection.starts(topic, partitions))
    }

    /// Asks again while the answer is an error, as clients do while a leader is not there yet.
    fn insist<T>(&self, ask: impl Fn(&mut Connection) -> io::Result<T>) -> T {
        let give_up = Instant::now() + ANSWER_LIMIT;
        let mut connection = self.connect();
        loop {
            match ask(&mut connection) {
                Ok(answer) => return answer,
                Err(error) if Instant::now() > give_up => {
                    panic!("still an error after {ANSWER_LIMIT:?}: {error}")
                }
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Ends the process with SIGKILL: no clean-up of any kind on its side.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be waited for");
        }
    }

    /// Ends the process with SIGTERM and checks that it went cleanly; the time it took.
    pub fn stop(&mut self) -> Duration {
        let mut child = self.child.take().expect("a stopped broker cannot be stopped");
        let begin = Instant::now();
        kill_process(pid(&child), Signal::TERM).expect("our own child can be signalled");
        let status = loop {
            if let Some(status) = child.try_wait().expect("our own child can be waited for") {
                break status;
            }
            if begin.elapsed() > STOP_LIMIT {
                let _ = child.kill();
                panic!("still running {STOP_LIMIT:?} after SIGTERM{}", self.last_words());
            }
            thread::sleep(Duration::from_millis(2));
        };
        assert!(is_clean(status), "SIGTERM is a clean stop, but: {status}{}", self.last_words());
        begin.elapsed()
    }

    /// A clean stop and a start on the same directory and port.
    pub fn restart(&mut self) -> Duration {
        self.stop();
        self.spawn()
    }

    /// The end by SIGKILL and a start on the same directory and port.
    pub fn kill9_and_restart(&mut self) -> Duration {
        self.kill9();
        self.spawn()
    }

    /// Starts the process on the directory as it is; the time from there to the first answer.
    pub fn spawn(&mut self) -> Duration {
        assert!(self.child.is_none(), "the broker runs already");
        self.starts += 1;
        let output = File::create(self.output_file()).expect("the temporary directory is writable");
        let mut command = Command::new(binary());
        command.arg("server");
        command.args(["--override", &format!("listeners=PLAINTEXT://{}", self.address())]);
        command.args(["--override", "http.listener="]);
        command.args(["--override", &format!("log.dirs={}", self.log_dir().display())]);
        for (key, value) in &self.overrides {
            command.args(["--override", &format!("{key}={value}")]);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a second descriptor")).stderr(output);
        let begin = Instant::now();
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary().display())));
        self.await_answer(begin);
        begin.elapsed()
    }

    /// Runs a start that has to fail, on the directory as it is, with these settings over those of before: its exit code and
    /// what it printed to standard error.
    ///
    /// # Panics
    ///
    /// If the process does not end.
    pub fn refused(&self, overrides: &[(&str, &str)]) -> (Option<i32>, String) {
        assert!(self.child.is_none(), "the broker runs already");
        let mut command = Command::new(binary());
        command.arg("server");
        command.args(["--override", &format!("listeners=PLAINTEXT://{}", self.address())]);
        command.args(["--override", "http.listener="]);
        command.args(["--override", &format!("log.dirs={}", self.log_dir().display())]);
        let before = self.overrides.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in before.chain(overrides.iter().copied()) {
            command.args(["--override", &format!("{key}={value}")]);
        }
        let finished = crate::process::run(&mut command, &[], START_LIMIT);
        (finished.status.code(), finished.stderr)
    }

    /// Takes a setting for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.overrides.push((key.to_owned(), value.to_owned()));
    }

    fn await_answer(&mut self, begin: Instant) {
        loop {
            let answer =
                Connection::open(self.address(), Duration::from_secs(5)).and_then(|mut c| c.api_versions());
            let Err(error) = answer else { return };
            let child = self.child.as_mut().expect("just started");
            if let Some(status) = child.try_wait().expect("our own child can be waited for") {
                panic!("the broker ended at once: {status}{}", self.last_words());
            }
            assert!(
                begin.elapsed() < START_LIMIT,
                "no answer in {START_LIMIT:?}: {error}{}",
                self.last_words()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the process printed since its last start.
    pub fn output(&self) -> String {
        fs::read(self.output_file())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn output_file(&self) -> PathBuf {
        self.dir.path().join(format!("output-{}", self.starts))
    }

    fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().rev().take(30).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("\n--- last lines of the broker ---\n{}\n---", lines.join("\n"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            // Not by the panic's own text: whoever panicked may hold no broker.
            let _ = io::Write::write_all(&mut io::stderr(), self.last_words().as_bytes());
        }
    }
}

/// The broker's executable: `CORRENTE_BIN`, or the one that cargo builds into our own profile directory.
///
/// `cargo test` holds no lock on the target directory while tests run, so cargo can be asked again here; it
/// compiles only what is out of date.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("CORRENTE_BIN") {
        Some(given) => PathBuf::from(given),
        None => build(&place::profile_dir()),
    })
}

fn build(profile_dir: &Path) -> PathBuf {
    let name = profile_dir.file_name().and_then(|n| n.to_str()).expect("a profile directory has a name");
    let profile = if name == "debug" { "dev" } else { name };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(place::workspace()).args([
        "build",
        "--quiet",
        "-p",
        "broker-shim",
        "--bin",
        "corrente",
    ]);
    cargo.args(["--profile", profile, "--target-dir"]).arg(place::target_dir());
    // What cargo tells a test about its package would look like a change of environment to build scripts.
    for (key, _) in env::vars_os() {
        if key.to_str().is_some_and(|k| k.starts_with("CARGO_PKG_") || k.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(key);
        }
    }
    let output = cargo.stdin(Stdio::null()).output().expect("cargo is there, it started this test");
    assert!(
        output.status.success(),
        "cargo build of the broker: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    profile_dir.join("corrente")
}

/// Exit status 0; a JVM in our place (`CORRENTE_BIN`) exits with 128 + SIGTERM after a clean stop.
fn is_clean(status: ExitStatus) -> bool {
    status.success() || (env::var_os("CORRENTE_BIN").is_some() && status.code() == Some(143))
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a pid is positive")).expect("a pid is not zero")
}

/// A port that nobody listens on, outside the range from which connections get theirs.
///
/// # Panics
///
/// If all are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let width = PORTS.end - PORTS.start;
    let first = u16::try_from(process::id() % u32::from(width)).expect("below the width of the range");
    for _ in 0..width {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + first.wrapping_add(step) % width;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {PORTS:?}");
}

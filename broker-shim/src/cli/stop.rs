//! `corrente stop server|zookeeper`: ends what this program runs here, and waits until it is gone.
//!
//! # Which processes are ours
//!
//! Those of this user which run this very file with the command `server` (or `zookeeper`), found in `/proc`. Kafka's
//! own script looks for `kafka.Kafka` in the list of all processes and signals whatever matches; a JVM never runs this
//! file, so a real Kafka or ZooKeeper on the same machine is not touched, nor is a broker of another installation,
//! which may be in the middle of somebody's test.
//!
//! Files with process numbers would be the other way. They are wrong after a crash, when the number may be anybody's,
//! they need a place that start and stop agree on, and one for each of several brokers; and who holds the lock of a
//! data directory cannot be asked without knowing all the directories. What runs is what `/proc` says.
//!
//! # Invariants
//!
//! * A process is signalled only if it was ours a moment before, by its number and its start.
//! * It is over when the process has ended: the system has closed its sockets then, so the port is free, and the
//!   lock of its data directory with it: the next start finds nothing in its way.

use super::names;
use crate::processes::{self, PROC, Process};
use clap::ValueEnum;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// How long a clean stop may take before it is reported.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether a process is still there.
const LOOK: Duration = Duration::from_millis(10);
/// What the system puts behind the name of a program whose file was replaced since it started.
const REPLACED: &str = " (deleted)";

/// Arguments of `corrente stop`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// What to stop
    pub(super) what: What,
}

/// What can be stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum What {
    /// All brokers that this program runs for this user
    Server,
    /// All ZooKeeper servers that it runs
    Zookeeper,
}

impl What {
    /// Kafka's words where there is none.
    fn none(self) -> &'static str {
        match self {
            Self::Server => "No kafka server to stop",
            Self::Zookeeper => "No zookeeper server to stop",
        }
    }
}

/// Stops them with SIGTERM, which is a clean stop, and waits for their end.
pub(super) fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let proc = Path::new(PROC);
    if !proc.join("self/stat").exists() {
        return Err(
            "this system has no /proc to find running servers in: stop them by their number, kill NUMBER"
                .into(),
        );
    }
    let found = ours(proc, &env::current_exe()?, args.what);
    if found.is_empty() {
        // Kafka's script says so on standard output.
        let _ = writeln!(io::stdout(), "{}", args.what.none());
        return Ok(ExitCode::FAILURE);
    }
    for process in &found {
        terminate(process)?;
    }
    let give_up = Instant::now() + PATIENCE;
    found.iter().try_for_each(|process| wait(proc, process, give_up))?;
    Ok(ExitCode::SUCCESS)
}

/// The processes to stop.
fn ours(proc: &Path, program: &Path, what: What) -> Vec<Process> {
    let user = rustix::process::geteuid().as_raw();
    // The same file in another container is another program.
    let place = |pid: &str| std::fs::read_link(proc.join(pid).join("ns/mnt")).ok();
    let here = place("self");
    let all = processes::numbers(proc).into_iter().filter_map(|pid| Process::read(proc, pid));
    all.filter(|process| {
        process.owner(proc) == Some(user)
            && process.program(proc).is_some_and(|file| original(file) == program)
            && place(&process.pid.to_string()) == here
            && runs(&process.arguments) == Some(what)
    })
    .collect()
}

/// The name that a program had when it was started.
fn original(file: PathBuf) -> PathBuf {
    let name = file.to_str().and_then(|name| name.strip_suffix(REPLACED)).map(PathBuf::from);
    name.unwrap_or(file)
}

/// What a command line of this program runs, if it is a server.
fn runs(line: &[OsString]) -> Option<What> {
    let line = names::spelled_out(line.to_vec()).ok()?;
    match line.get(1).map(|word| word.to_str()) {
        None | Some(Some("server")) => Some(What::Server),
        Some(Some("zookeeper")) => Some(What::Zookeeper),
        Some(_) => None,
    }
}

fn terminate(process: &Process) -> Result<(), Box<dyn Error>> {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw).ok_or("a process has no number")?;
    match kill_process(pid, Signal::TERM) {
        // It ended by itself.
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => {
            Err(format!("cannot stop process {} ({}): {error}", process.pid, process.command()).into())
        }
    }
}

fn wait(proc: &Path, process: &Process, give_up: Instant) -> Result<(), Box<dyn Error>> {
    while process.lives(proc) {
        if Instant::now() > give_up {
            return Err(format!(
                "process {} ({}) was told to stop and is still there after {} s; wait for it, or end it by kill -9 {}: \
                 what was acknowledged is safe, and the next start checks the logs",
                process.pid,
                process.command(),
                PATIENCE.as_secs(),
                process.pid
            )
            .into());
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::testing::add;
    use std::os::unix::fs::symlink;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_command_line_tells_what_is_run() {
        for (line, expected) in [
            ("corrente", Some(What::Server)),
            ("target/release/corrente server", Some(What::Server)),
            ("corrente server --daemon config/server.properties", Some(What::Server)),
            ("bin/kafka-server-start.sh config/server.properties", Some(What::Server)),
            ("corrente kafka-server-start config/server.properties", Some(What::Server)),
            ("corrente zookeeper config/zookeeper.properties", Some(What::Zookeeper)),
            ("corrente zookeeper-server-start x", Some(What::Zookeeper)),
            ("corrente log dump x", None),
            ("corrente kafka-topics --list", None),
            ("corrente stop server", None),
            ("corrente kafka-server-stop", None),
            ("corrente --version", None),
        ] {
            assert_eq!(runs(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn only_servers_that_run_this_file_are_found() {
        let proc = tempfile::tempdir().unwrap();
        let program = Path::new("/opt/corrente");
        for (pid, file, line) in [
            (10, "/opt/corrente", &["corrente", "server"][..]),
            (11, "/opt/corrente (deleted)", &["corrente", "server"]),
            (12, "/usr/lib/jvm/bin/java", &["java", "kafka.Kafka", "config/server.properties"]),
            (13, "/usr/bin/vi", &["corrente", "server"]),
            (14, "/opt/other/corrente", &["corrente", "server"]),
            (15, "/opt/corrente", &["corrente", "zookeeper"]),
            (16, "/opt/corrente", &["corrente", "kafka-console-consumer", "server"]),
        ] {
            add(proc.path(), pid, 'S', line, &[]);
            symlink(file, proc.path().join(format!("{pid}/exe"))).unwrap();
        }
        let found = |what| ours(proc.path(), program, what).iter().map(|p| p.pid).collect::<Vec<_>>();
        assert_eq!(found(What::Server), [10, 11]);
        assert_eq!(found(What::Zookeeper), [15]);
    }

    #[test]
    fn a_process_of_another_mount_namespace_is_somebody_else_s() {
        let proc = tempfile::tempdir().unwrap();
        for (pid, place) in [("self", "mnt:[1]"), ("10", "mnt:[1]"), ("11", "mnt:[2]")] {
            if let Ok(pid) = pid.parse() {
                add(proc.path(), pid, 'S', &["corrente", "server"], &[]);
                symlink("/opt/corrente", proc.path().join(format!("{pid}/exe"))).unwrap();
            }
            std::fs::create_dir_all(proc.path().join(pid).join("ns")).unwrap();
            symlink(place, proc.path().join(pid).join("ns/mnt")).unwrap();
        }
        let found = ours(proc.path(), Path::new("/opt/corrente"), What::Server);
        assert_eq!(found.iter().map(|p| p.pid).collect::<Vec<_>>(), [10]);
    }
}

//! `--daemon`: the server goes on in the background, and the command ends when it is ready, or says why it is not.
//!
//! ```text
//! corrente server --daemon FILE     waits for the first line or the end of the socket
//!   +- corrente server FILE         a session of its own; standard input is the other end of that socket,
//!                                   the output goes to LOG_DIR/kafkaServer.out, behind what is there
//! ```
//!
//! Kafka's scripts do this with `nohup` and `&`: they cannot know what becomes of the start. Done here, a port that is
//! in use or a wrong setting is an error of the command that was typed, with its exit code. The child leaves the
//! terminal's session by itself, so no hang-up and no Ctrl-C meant for somebody else reaches it.
//!
//! # Invariants
//!
//! * Whatever ends the child closes the socket: the parent never waits for the dead.
//! * A parent that is gone is no reason for the child to stop.

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// Set for the child: standard input is the socket to the parent.
const DETACHED: &str = "CORRENTE_DETACHED";
/// The first line on that socket.
const READY: &[u8] = b"ready\n";
/// How long a start is waited for: one that reads a large log after a crash goes on without being watched.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most that is read back of the child's output.
const LAST_WORDS: u64 = 64 * 1024;

/// The option of commands that can be started in the background.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Background {
    /// Run in the background and return when it is ready; its output goes to LOG_DIR (default: logs)
    #[arg(long)]
    pub(super) daemon: bool,
}

/// Runs this command line without `--daemon` in the background, and waits until it is ready.
///
/// `name` is the name of the output file without `.out`; both are Kafka's.
pub(super) fn launch(name: &str, line: &[OsString]) -> Result<(), Box<dyn Error>> {
    let log = Log::open(&env::var_os("LOG_DIR").unwrap_or_else(|| "logs".into()), name)?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = {
        // Dropped with the block: nobody but the child has the other end then.
        let mut command = Command::new(env::current_exe()?);
        command.args(line.iter().skip(1).filter(|word| *word != "--daemon")).env(DETACHED, "1");
        command.stdin(OwnedFd::from(theirs)).stdout(log.file.try_clone()?).stderr(log.file.try_clone()?);
        command.spawn()?
    };
    let said = match answer(ours)? {
        Answer::Ready => format!("process {} is ready, its log is {}\n", child.id(), log.path.display()),
        Answer::Nothing => format!(
            "process {} is not ready after {} s and goes on, its log is {}\n",
            child.id(),
            PATIENCE.as_secs(),
            log.path.display()
        ),
        Answer::Ended => return Err(failure(&mut child, &log)?.into()),
    };
    // Nobody needs to read it.
    let _ = io::stdout().write_all(said.as_bytes());
    Ok(())
}

/// What the child did first.
enum Answer {
    Ready,
    Ended,
    Nothing,
}

fn answer(mut socket: UnixStream) -> io::Result<Answer> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut line = [0; READY.len()];
    match socket.read_exact(&mut line) {
        Ok(()) => Ok(Answer::Ready),
        // A child that is killed with something unread in its socket resets it.
        Err(e) if [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset].contains(&e.kind()) => {
            Ok(Answer::Ended)
        }
        Err(e) if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&e.kind()) => {
            Ok(Answer::Nothing)
        }
        Err(e) => Err(e),
    }
}

/// The child's own last line, which says what is wrong, and where the others are.
fn failure(child: &mut Child, log: &Log) -> io::Result<String> {
    let status = child.wait()?;
    let words = log.last_line()?;
    let said = match words.trim_start_matches("corrente: ") {
        "" => how(status),
        words => words.to_owned(),
    };
    Ok(format!("not started: {said} (its log is {})", log.path.display()))
}

fn how(status: ExitStatus) -> String {
    format!("it ended with {status} and said nothing")
}

/// Where the output of the child goes.
struct Log {
    path: PathBuf,
    file: File,
    /// Where what it says begins.
    start: u64,
}

impl Log {
    fn open(dir: &OsStr, name: &str) -> Result<Self, Box<dyn Error>> {
        let dir = Path::new(dir);
        let cannot = |path: &Path| {
            let path = path.display().to_string();
            move |e| format!("cannot write {path}: {e}; set LOG_DIR to a folder that can be written")
        };
        fs::create_dir_all(dir).map_err(cannot(dir))?;
        // The scripts say bin/../logs.
        let path = dir.canonicalize()?.join(format!("{name}.out"));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(cannot(&path))?;
        let start = file.metadata()?.len();
        Ok(Self { path, file, start })
    }

    fn last_line(&self) -> io::Result<String> {
        use std::io::{Seek, SeekFrom};
        let mut file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.start.max(end.saturating_sub(LAST_WORDS))))?;
        let mut text = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
    }
}

/// For the child, before anything else: leaves the session of the terminal.
pub(super) fn settle() {
    if env::var_os(DETACHED).is_some() {
        // It fails if the session is already its own.
        let _ = rustix::process::setsid();
    }
}

/// For the child: tells the parent, and lets go of the socket. Does nothing in the foreground.
pub(super) fn tell_ready() {
    if env::var_os(DETACHED).is_none() {
        return;
    }
    // The parent may have given up, and a server without a standard input is one all the same.
    let _ = rustix::io::write(rustix::stdio::stdin(), READY);
    if let Ok(null) = File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_gone_on_with_and_only_its_new_end_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        fs::write(dir.path().join("logs/a.out"), "old\n").unwrap();
        let mut log = Log::open(dir.path().join("logs").as_os_str(), "a").unwrap();
        assert_eq!(log.last_line().unwrap(), "");
        log.file.write_all(b"one\ntwo\n\n").unwrap();
        assert_eq!(log.last_line().unwrap(), "two");
        assert_eq!(fs::read_to_string(dir.path().join("logs/a.out")).unwrap(), "old\none\ntwo\n\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Log::open(dir.path().join("file").as_os_str(), "a").err().unwrap().to_string();
        assert!(
            error.starts_with("cannot write ")
                && error.ends_with("set LOG_DIR to a folder that can be written")
        );
    }

    #[test]
    fn the_socket_tells_ready_from_ended() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(READY).unwrap();
        assert!(matches!(answer(ours).unwrap(), Answer::Ready));
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(answer(ours).unwrap(), Answer::Ended));
    }
}

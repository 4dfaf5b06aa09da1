//! The lock of a directory: an open-file-description lock on `.lock`, and the holder's process id in `.lock.pid`.
//!
//! This kind of `fcntl` lock conflicts with the one Java takes, so that Kafka and we shut each other out, and
//! with another descriptor of the same process. (`flock`, which std offers, conflicts with neither.) The system
//! lets go of it when the process ends, however it ends; the pid file may stay and means nothing then.

use crate::io::DirLock;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name Kafka uses.
const LOCK_FILE: &str = ".lock";
/// Says who holds it, for a person to read.
const PID_FILE: &str = ".lock.pid";

#[derive(Debug)]
struct HeldLock {
    file: File,
    pid_file: PathBuf,
}

impl DirLock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // While the lock is still held, so that it cannot be the next holder's.
        let _ = fs::remove_file(&self.pid_file);
        // Closing would do it too, but for a child that was forked a moment ago and has not run its program yet: until then
        // it holds the same lock by its copy of the descriptor. If this fails, closing is what is left.
        let _ = set_lock(&self.file, libc::F_UNLCK);
    }
}

pub(super) fn lock(dir: &Path) -> io::Result<Result<Box<dyn DirLock>, String>> {
    Ok(take(dir)?.map(|held| Box::new(held) as Box<dyn DirLock>))
}

fn take(dir: &Path) -> io::Result<Result<HeldLock, String>> {
    let file = open(&dir.join(LOCK_FILE), OpenOptions::new().truncate(false))?;
    let pid_file = dir.join(PID_FILE);
    if !set_lock(&file, libc::F_WRLCK)? {
        return Ok(Err(holder(&file, &pid_file)));
    }
    let text = format!("{}\n", std::process::id());
    // For people only: a lock without it is as good.
    let _ = open(&pid_file, OpenOptions::new().truncate(true))
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    Ok(Ok(HeldLock { file, pid_file }))
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.read(true).write(true).create(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn holder(file: &File, pid_file: &Path) -> String {
    let named = || fs::read_to_string(pid_file).ok()?.trim().parse().ok();
    // A lock of the older kind (Java's) tells its process; one of ours does not.
    let pid: Option<u32> = lock_owner(file).or_else(named);
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: libc::c_short::try_from(kind).expect("the kinds of lock are 0, 1 and 2"),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).expect("0"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Takes or lets go; false if somebody else has it.
fn set_lock(file: &File, kind: libc::c_int) -> io::Result<bool> {
    let lock = whole_file(kind);
    // SAFETY: the descriptor is open for the call, and the structure is the one this command reads.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::PermissionDenied => Ok(false),
        _ => Err(error),
    }
}

fn lock_owner(file: &File) -> Option<u32> {
    let mut lock = whole_file(libc::F_WRLCK);
    // SAFETY: the descriptor is open for the call, and the structure is the one this command fills.
    let code = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if code != 0 || i32::from(lock.l_type) == libc::F_UNLCK {
        return None;
    }
    u32::try_from(lock.l_pid).ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letting_go_does_not_wait_for_a_child_that_was_forked_a_moment_ago() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path()).unwrap().unwrap();
        // As a child has it between fork and exec.
        let child = held.file.try_clone().unwrap();
        assert!(take(dir.path()).unwrap().is_err(), "held");
        drop(held);
        take(dir.path()).unwrap().expect("free");
        drop(child);
    }
}

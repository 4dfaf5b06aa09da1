//! The lock of a directory: an open-file-description lock on `.lock`, and the holder's process id in `.lock.pid`.
//!
//! This kind of `fcntl` lock conflicts with the one Java takes, so that Kafka and we shut each other out, and
//! with another descriptor of the same process. (`flock`, which std offers, conflicts with neither.) The system
//! lets go of it when the process ends, however it ends; the pid file may stay and means nothing then.
//!
//! A share of it is a read lock of the same kind: any number go together, and each shuts out who wants the lock itself, Java
//! too. It needs no more than to read the file, and leaves no pid.

use crate::io::{DirLock, SHARED};
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
    /// `None` for a share.
    pid_file: Option<PathBuf>,
}

impl DirLock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if let Some(pid_file) = &self.pid_file {
            // While the lock is still held, so that it cannot be the next holder's.
            let _ = fs::remove_file(pid_file);
        }
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
    Ok(Ok(HeldLock { file, pid_file: Some(pid_file) }))
}

pub(super) fn share(dir: &Path) -> io::Result<Result<Option<Box<dyn DirLock>>, String>> {
    // O_NONBLOCK has no meaning for files, and keeps a FIFO of that name from holding us up.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(dir.join(LOCK_FILE)) {
        Ok(file) => file,
        // A link of that name is as good as none: it keeps whoever locks a directory from it.
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Ok(Ok(None)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Ok(None));
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(Ok(None));
    }
    if !set_lock(&file, libc::F_RDLCK)? {
        return Ok(Err(holder(&file, &dir.join(PID_FILE))));
    }
    Ok(Ok(Some(Box::new(HeldLock { file, pid_file: None }))))
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.read(true).write(true).create(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn holder(file: &File, pid_file: &Path) -> String {
    let named = || fs::read_to_string(pid_file).ok()?.trim().parse::<u32>().ok();
    let process = |pid| format!("process {pid}");
    match in_the_way(file) {
        // A lock of the older kind (Java's) tells its process; one of ours does not.
        Some(lock) if lock.l_pid > 0 => process(lock.l_pid.unsigned_abs()),
        Some(lock) if i32::from(lock.l_type) == libc::F_RDLCK => SHARED.to_owned(),
        _ => named().map_or_else(|| "another process".to_owned(), process),
    }
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

/// The lock that keeps us from having the file for ourselves.
fn in_the_way(file: &File) -> Option<libc::flock> {
    let mut lock = whole_file(libc::F_WRLCK);
    // SAFETY: the descriptor is open for the call, and the structure is the one this command fills.
    let code = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    (code == 0 && i32::from(lock.l_type) != libc::F_UNLCK).then_some(lock)
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

//! Starting write-back without the writer waiting for it.
//!
//! `sync_file_range` only starts it, but to do so it walks over all pages of the range, makes the requests and hands them to
//! the device: a fifth of the time that writing these bytes to the page cache took (`docs/BENCHMARKS.md`). Whoever has a core
//! to spare lets one thread of the process do it for all files.
//!
//! # Invariants
//!
//! * There is no thread unless somebody holds a [`WriteBackThread`].
//! * At most [`WAITING`] ranges wait. With more the writer does it himself: so he is held back by a device that does not
//!   follow, as he would be without the thread.
//! * Only started, never waited for: no error of the write-back itself is taken here from the sync that must see it.
//! * A file that is closed meanwhile stays open for as long as its range waits.
//!
//! # Not here
//!
//! When to start it, and how much (`segment`).

use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

/// So many ranges may wait for the thread.
const WAITING: usize = 4;
/// Less than this is done at once: waking the thread costs as much.
const LARGE: u64 = 1 << 20;

/// The thread, while anybody wants it.
static THREAD: Mutex<Option<Thread>> = Mutex::new(None);

struct Thread {
    users: usize,
    ranges: SyncSender<Range>,
    handle: JoinHandle<()>,
}

/// Part of a file.
struct Range {
    file: Arc<File>,
    pos: u64,
    len: u64,
}

/// While one of these lives, a thread of this process starts the write-back of what is appended to the logs in it, so that
/// the appends themselves are not held up: see [`write_back_thread`].
#[derive(Debug)]
#[must_use = "the thread ends with the last of its guards"]
pub struct WriteBackThread(());

/// Starts the thread that starts write-back, or shares the one there is. For programs that append more than a hundred
/// megabytes a second and have a core to spare: large appends take a fifth less time. What is durable when does not change.
///
/// # Errors
///
/// If there can be no further thread.
pub fn write_back_thread() -> io::Result<WriteBackThread> {
    let mut thread = THREAD.lock();
    if let Some(thread) = &mut *thread {
        thread.users += 1;
        return Ok(WriteBackThread(()));
    }
    let (ranges, waiting) = sync_channel::<Range>(WAITING);
    let handle = Builder::new().name("log-write-back".to_owned()).spawn(move || {
        while let Ok(range) = waiting.recv() {
            // A hint: what went wrong is told by the sync.
            let _ = start_now(&range);
        }
    })?;
    *thread = Some(Thread { users: 1, ranges, handle });
    Ok(WriteBackThread(()))
}

impl Drop for WriteBackThread {
    fn drop(&mut self) {
        let mut thread = THREAD.lock();
        let Some(running) = &mut *thread else { return };
        running.users -= 1;
        if running.users > 0 {
            return;
        }
        let ended = thread.take();
        drop(thread);
        if let Some(Thread { ranges, handle, .. }) = ended {
            drop(ranges);
            // It cannot panic.
            let _ = handle.join();
        }
    }
}

/// Starts the write-back of a range; of a large one on the thread, if there is one.
pub(super) fn start(file: &Arc<File>, pos: u64, len: u64) -> io::Result<()> {
    let range = Range { file: Arc::clone(file), pos, len };
    if len < LARGE {
        return start_now(&range);
    }
    let refused = match &*THREAD.lock() {
        Some(thread) => match thread.ranges.try_send(range) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(range) | TrySendError::Disconnected(range)) => range,
        },
        None => range,
    };
    start_now(&refused)
}

#[cfg(target_os = "linux")]
fn start_now(range: &Range) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let number =
        |n: u64| libc::off64_t::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let (fd, pos, len) = (range.file.as_raw_fd(), number(range.pos)?, number(range.len)?);
    // SAFETY: a system call on a descriptor that `range.file` keeps open, without pointers.
    let code = unsafe { libc::sync_file_range(fd, pos, len, libc::SYNC_FILE_RANGE_WRITE) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn start_now(_range: &Range) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn ranges_are_started_with_the_thread_and_without_and_more_than_may_wait() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 64 * 1024]).unwrap();
        let file = Arc::new(file);
        let start_all = || {
            for at in 0..10 * WAITING as u64 {
                start(&file, at * 1024, 1024).unwrap();
                start(&file, at * 1024, LARGE).unwrap();
            }
        };
        start_all();
        let first = write_back_thread().unwrap();
        let second = write_back_thread().unwrap();
        start_all();
        drop(first);
        start_all();
        drop(second);
        // The thread has ended, and with it all that it held.
        assert_eq!(Arc::strong_count(&file), 1);
        start_all();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_range_that_no_file_has_is_refused_by_who_does_it() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        assert!(start_now(&Range { file, pos: u64::MAX, len: 1 }).is_err());
    }
}

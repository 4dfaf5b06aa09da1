//! What becomes of a read through a map when the file ends early or the disk fails: `SIGBUS`.
//!
//! Three things make the kernel send it for a map of ours: somebody shortened the file, the medium cannot be read, or
//! memory itself is broken. Where `pread` would answer with an error, a load through a map has no way to, and the
//! process ends. [`install_sigbus_handler`] gives it one:
//!
//! ```text
//!  load -> fault -> handler: is the address in a map of ours?
//!                     yes: note the page as lost, put a page of zeros there, go on with the load
//!                     no:  whoever handled the signal before (also the default: the process ends)
//!  ... bytes read ... -> Map::lost(): does what I read overlap what was lost? then it is an error, not data
//! ```
//!
//! # Invariants
//!
//! * The handler takes no lock, allocates nothing and calls `mmap`, `sigaction` and `raise` only; it leaves `errno` as it
//!   was. Several threads may be in it at once, for the same page too.
//! * A page is noted as lost before zeros are put in its place. Who reads first and looks afterwards
//!   ([`super::Map::lost`]) never takes such zeros for data; `table` says why that needs no lock.
//! * Nothing that was substituted reaches the file: the pages are private. A store that met one is lost, and the
//!   writer's look afterwards says so.
//! * A fault inside a system call (`write` from a map) is the kernel's to report: it answers `EFAULT`.
//!
//! # Not here
//!
//! What readers do about it (`segment`).

mod table;

use self::table::{Slot, Table};
use std::io;
use std::ops::Range;

static MAPS: Table = Table::new();

/// How a map may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Loads only.
    Read,
    /// Loads and stores: what is substituted takes stores too, and forgets them.
    Write,
}

/// A map that the handler knows. To be dropped before the range is unmapped: it stands before the map in its owner.
#[derive(Debug)]
pub(super) struct Watched(&'static Slot);

impl Watched {
    /// Makes a map known, whether or not there is a handler yet.
    ///
    /// `[start, start + len)` is mapped from a file, and stays so until this is dropped.
    pub(super) fn new(start: *const u8, len: usize, access: Access) -> Self {
        let start = start.addr();
        // The last page is mapped as a whole, whatever of it the file has.
        let end = start.saturating_add(len.next_multiple_of(page_size()));
        Self(MAPS.add(start..end, access == Access::Write))
    }

    /// The bytes of the map that were not to be had from the file, if there are any: one range that holds all of them.
    /// To be asked after the bytes in question were read or stored.
    pub(super) fn lost(&self) -> Option<Range<u64>> {
        let lost = self.0.lost()?;
        Some(lost.start as u64..lost.end as u64)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        MAPS.remove(self.0);
    }
}

fn page_size() -> usize {
    rustix::param::page_size()
}

/// Lets this process survive a fault in a map of a segment: the read is answered with an error that names the file.
///
/// Without it, or before it was called, a segment file that somebody else shortens and a sector that cannot be read end
/// the process when they are read through a map. Programs that handle `SIGBUS` themselves install their handler first:
/// signals that are none of ours go there. A handler that is installed later must pass on what is none of its own.
/// The second call and later ones do nothing. Where there is no such thing ([`RealStorage::without_maps`] is the way
/// out there) the answer is `Unsupported`.
///
/// [`RealStorage::without_maps`]: super::RealStorage::without_maps
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// log_engine::io::install_sigbus_handler()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What the system answers to asking for the signal.
pub fn install_sigbus_handler() -> io::Result<()> {
    handler::install()
}

#[cfg(not(target_os = "linux"))]
mod handler {
    pub(super) fn install() -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
mod handler {
    use super::{MAPS, page_size};
    use libc::{c_int, c_void, siginfo_t};
    use parking_lot::Mutex;
    use std::io;
    use std::mem::MaybeUninit;
    use std::ops::Range;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

    /// What was installed before us; null before [`install`]. Never freed: a handler may be looking at it.
    static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());
    /// Known before the handler runs: it asks the system for nothing that may allocate.
    static PAGE: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn install() -> io::Result<()> {
        static INSTALLED: Mutex<bool> = Mutex::new(false);
        let mut installed = INSTALLED.lock();
        if *installed {
            return Ok(());
        }
        PAGE.store(page_size(), Ordering::Relaxed);
        let before = Box::into_raw(Box::new(current()?));
        // Before ours is in place: it may be called at once.
        BEFORE.store(before, Ordering::Release);
        let mut ours = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a `sigaction` of zeros is a valid one: no flags, an empty mask, the default action.
        let ours = unsafe { ours.assume_init_mut() };
        ours.sa_sigaction = on_sigbus as *const () as usize;
        // On the other stack if the thread has one: the one that overflowed may be why we are called.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: `ours` is complete, and `on_sigbus` does only what a signal handler may (see the module's front page).
        if unsafe { libc::sigaction(libc::SIGBUS, ours, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        *installed = true;
        Ok(())
    }

    fn current() -> io::Result<libc::sigaction> {
        let mut now = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: only asks; the answer has room.
        if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), now.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: zeros are a valid `sigaction`, and the call has filled it in.
        Ok(unsafe { now.assume_init() })
    }

    extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the location of this thread's errno, which the kernel's calls below write.
        let errno = unsafe { &mut *libc::__errno_location() };
        let saved = *errno;
        // SAFETY: the kernel hands a handler with SA_SIGINFO a valid `siginfo_t`, and with a positive code of this signal
        // its address field is set.
        let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
        // Codes up to 0 are signals that a process sent. A wrong alignment is not the file's fault.
        let by_fault = code == libc::BUS_ADRERR || code == BUS_MCEERR_AR || code == libc::BUS_OBJERR;
        if !(by_fault && substitute(address)) {
            // Broken memory that nobody has touched is news, not a fault: nothing is about to fault once more.
            pass_on(signal, info, context, code > 0 && code != BUS_MCEERR_AO);
        }
        *errno = saved;
    }

    /// Broken memory was about to be read. Not in all versions of libc.
    const BUS_MCEERR_AR: c_int = 4;
    /// Broken memory was found; the kernel tells those who asked to know early.
    const BUS_MCEERR_AO: c_int = 5;

    /// Puts zeros where an address of a map of ours cannot be read. False if it is none of ours.
    fn substitute(address: usize) -> bool {
        let Some((slot, hit)) = MAPS.find(address) else { return false };
        let page = PAGE.load(Ordering::Relaxed);
        let start = address - address % page;
        let one = start..start + page;
        slot.lose(&one);
        if put_zeros(&one, hit.writable) {
            return true;
        }
        // Every hole splits a mapping in up to three, and the kernel counts them: give up the whole map.
        slot.lose(&hit.range);
        put_zeros(&hit.range, hit.writable)
    }

    fn put_zeros(range: &Range<usize>, writable: bool) -> bool {
        let access = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let at = ptr::without_provenance_mut::<c_void>(range.start);
        // SAFETY: the range lies in a map that its owner has registered (`Watched`) and that cannot be unmapped now: the
        // thread that faulted is reading it. Nobody holds a reference that promises that its bytes do not change: they
        // could not be read.
        let made = unsafe { libc::mmap(at, range.len(), access, flags, -1, 0) };
        made != libc::MAP_FAILED
    }

    /// Does with a signal what would be done without us.
    fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void, by_fault: bool) {
        let before = BEFORE.load(Ordering::Acquire);
        // SAFETY: written once, before the handler was installed, and never freed.
        let before = unsafe { &*before };
        match before.sa_sigaction {
            libc::SIG_IGN if !by_fault => {}
            // A fault cannot be ignored: the instruction would only fault again, for ever.
            libc::SIG_DFL | libc::SIG_IGN => end(signal, by_fault),
            handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                // SAFETY: with SA_SIGINFO the field holds a function of these parameters; who installed it said so.
                let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                    unsafe { std::mem::transmute(handler) };
                handler(signal, info, context);
            }
            handler => {
                // SAFETY: without SA_SIGINFO the field holds a function of the signal's number.
                let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
                handler(signal);
            }
        }
    }

    /// Lets the default action come when this handler returns: by the same fault, or by the same signal once more.
    fn end(signal: c_int, by_fault: bool) {
        // SAFETY: both calls may be made from a handler. The signal is blocked until the handler returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            if !by_fault {
                libc::raise(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests;

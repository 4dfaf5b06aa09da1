//! Real faults: files are shortened under maps. What ends a process is done in a child: this test binary again.

#![cfg(all(target_os = "linux", not(miri)))]

use super::*;
use crate::io::{OpenMode, RealStorage, Storage, StorageFile};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};

const CASE: &str = "LOG_ENGINE_SIGBUS_CASE";

fn filled(dir: &Path, len: usize) -> Arc<dyn StorageFile> {
    let file = RealStorage::new().open(&dir.join("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[&vec![7; len]], 0).unwrap();
    file
}

/// A map that nobody has registered, and its file.
fn foreign(dir: &Path, len: u64) -> (MmapRaw, File) {
    let file = File::options().read(true).write(true).create_new(true).open(dir.join("foreign")).unwrap();
    file.set_len(len).unwrap();
    (MmapOptions::new().len(usize::try_from(len).unwrap()).map_raw(&file).unwrap(), file)
}

fn touch(map: &MmapRaw, at: usize) -> u8 {
    assert!(at < map.len());
    // SAFETY: inside the map, as was just checked; whether it can be read is what is tested.
    unsafe { map.as_ptr().add(at).read_volatile() }
}

#[test]
fn what_is_cut_off_under_a_map_is_zeros_and_lost_and_the_rest_stays() {
    install_sigbus_handler().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let page = page_size();
    let file = filled(temp.path(), 5 * page);
    let map = file.map(5 * page as u64).unwrap().unwrap();
    let bytes = Arc::clone(&map).slice(0, 5 * page, 5 * page as u64);
    assert!(bytes.iter().all(|byte| *byte == 7));
    assert_eq!(map.lost(), None);
    file.set_len(2 * page as u64 + 1).unwrap();
    assert!(bytes[..2 * page + 1].iter().all(|byte| *byte == 7));
    assert_eq!(map.lost(), None, "nothing was looked at that is not there");
    // The kernel gives zeros for the rest of the last page without a fault: the length tells.
    assert_eq!(bytes[3 * page + 5], 0);
    assert_eq!(map.lost(), Some(3 * page as u64..4 * page as u64));
    assert_eq!(bytes[4 * page], 0);
    assert_eq!(map.lost(), Some(3 * page as u64..5 * page as u64));
    drop((bytes, map));
    let again = file.map(page as u64).unwrap().unwrap();
    assert_eq!(again.lost(), None, "another map begins anew");
}

#[test]
fn threads_that_meet_the_same_hole_all_hear_of_it() {
    install_sigbus_handler().unwrap();
    let page = page_size();
    for _ in 0..20 {
        let temp = tempfile::tempdir().unwrap();
        let file = filled(temp.path(), 64 * page);
        let map = file.map(64 * page as u64).unwrap().unwrap();
        file.set_len(0).unwrap();
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for at in 0..64 {
                        let bytes = Arc::clone(&map).slice((at * page) as u64, 1, 64 * page as u64);
                        assert_eq!(bytes[0], 0);
                        let lost = map.lost().expect("asked after the byte was read");
                        assert!(lost.contains(&((at * page) as u64)), "{at}: {lost:?}");
                    }
                });
            }
        });
    }
}

#[test]
fn a_store_that_cannot_reach_its_file_is_lost_and_said_to_be() {
    install_sigbus_handler().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let page = page_size();
    let (map, file) = foreign(temp.path(), 2 * page as u64);
    let watched = Watched::new(map.as_ptr(), map.len(), Access::Write);
    let store = |at: usize| {
        assert!(at < map.len());
        // SAFETY: inside the map, as was just checked, and nobody else looks at it.
        unsafe { map.as_mut_ptr().add(at).write_volatile(9) }
    };
    store(page);
    assert_eq!(watched.lost(), None);
    file.set_len(1).unwrap();
    store(page + 1);
    store(page + 2);
    assert_eq!(watched.lost(), Some(page as u64..2 * page as u64));
    assert_eq!(file.metadata().unwrap().len(), 1);
    drop(watched);
}

#[test]
fn errno_is_as_it_was() {
    install_sigbus_handler().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let file = filled(temp.path(), 1);
    let map = file.map(1).unwrap().unwrap();
    file.set_len(0).unwrap();
    let bytes = Arc::clone(&map).slice(0, 1, 1);
    // SAFETY: this thread's own.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; nothing but the fault lies between the two.
    let after = unsafe {
        *errno = 77;
        assert_eq!(std::hint::black_box(&bytes)[0], 0);
        *errno
    };
    assert_eq!(after, 77);
    assert_eq!(map.lost(), Some(0..page_size() as u64));
}

extern "C" fn leaves_with_41(_signal: libc::c_int) {
    // SAFETY: may be called from a handler.
    unsafe { libc::_exit(41) }
}

extern "C" fn leaves_with_42(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: as above; the kernel gave `info`.
    unsafe { libc::_exit(if (*info).si_code > 0 { 42 } else { 43 }) }
}

fn handle_with(handler: usize, flags: libc::c_int) {
    // SAFETY: a handler of the kind that the flags say, a complete action.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
    }
}

fn raise() {
    // SAFETY: a signal to this thread.
    unsafe { libc::raise(libc::SIGBUS) };
}

/// What the kernel sends to those who asked to know of broken memory early.
fn told_early() {
    // SAFETY: a signal to this thread; the kernel copies a complete `siginfo_t`.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        info.si_code = 5;
        let (process, thread) = (libc::getpid(), libc::gettid());
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, libc::SIGBUS, &raw const info);
    }
}

fn fault_in_a_foreign_map() {
    let temp = tempfile::tempdir().unwrap();
    let (map, file) = foreign(temp.path(), 4096);
    file.set_len(0).unwrap();
    touch(&map, 0);
}

/// What the child does; it ends in it unless it says otherwise.
fn case(name: &str) {
    let plain = leaves_with_41 as *const () as usize;
    let with_info = leaves_with_42 as *const () as usize;
    let (before, deed) = name.split_once('/').unwrap();
    match before {
        "std" => {}
        "default" => handle_with(libc::SIG_DFL, 0),
        "ignore" => handle_with(libc::SIG_IGN, 0),
        "plain" => handle_with(plain, 0),
        "info" => handle_with(with_info, libc::SA_SIGINFO),
        other => panic!("{other}"),
    }
    install_sigbus_handler().unwrap();
    install_sigbus_handler().unwrap();
    match deed {
        "fault" => fault_in_a_foreign_map(),
        "raise" => raise(),
        "early" => told_early(),
        other => panic!("{other}"),
    }
    std::process::exit(7);
}

#[test]
fn what_is_not_ours_goes_where_it_went_before() {
    if let Ok(name) = std::env::var(CASE) {
        case(&name);
    }
    let died = Err(libc::SIGBUS);
    for (name, expected) in [
        ("std/fault", died),
        // The handler of Rust's runtime takes a signal that was sent for a fault, and waits for it to come again.
        ("std/raise", Ok(7)),
        ("default/fault", died),
        ("default/raise", died),
        // Sent by the kernel, and no fault: it does not come again by itself.
        ("default/early", died),
        // The kernel does not let a fault be ignored.
        ("ignore/fault", died),
        ("ignore/raise", Ok(7)),
        ("plain/fault", Ok(41)),
        ("plain/raise", Ok(41)),
        ("info/fault", Ok(42)),
        ("info/raise", Ok(43)),
    ] {
        let test = "io::sigbus::tests::what_is_not_ours_goes_where_it_went_before";
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--test-threads=1"])
            .env(CASE, name)
            .output()
            .unwrap()
            .status;
        let found = status.code().ok_or_else(|| status.signal().unwrap());
        assert_eq!(found, expected, "{name}");
    }
}

//! One list of behaviours, demanded of every storage.

use super::*;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Runs `check` on a fresh directory of every storage.
fn each_storage(check: impl Fn(&dyn Storage, &Path)) {
    let temp = tempfile::tempdir().unwrap();
    check(&RealStorage::new(), temp.path());
    let memory = MemStorage::new();
    memory.create_dir_all(Path::new("/data")).unwrap();
    check(&memory, Path::new("/data"));
    let temp = tempfile::tempdir().unwrap();
    check(&CountingStorage::new(Arc::new(RealStorage::new())), temp.path());
}

fn kind<T: Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn read(file: &dyn StorageFile, pos: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    file.read_exact_at(&mut buf, pos).unwrap();
    buf
}

#[test]
fn open_modes_do_what_they_say() {
    each_storage(|storage, dir| {
        let path = dir.join("a");
        assert_eq!(kind(storage.open(&path, OpenMode::Read)), ErrorKind::NotFound);
        assert_eq!(kind(storage.open(&path, OpenMode::ReadWrite)), ErrorKind::NotFound);
        assert_eq!(kind(storage.open(&dir.join("no/a"), OpenMode::CreateNew)), ErrorKind::NotFound);
        let file = storage.open(&path, OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abc"], 0).unwrap();
        assert_eq!(kind(storage.open(&path, OpenMode::CreateNew)), ErrorKind::AlreadyExists);
        assert_eq!(storage.open(&path, OpenMode::ReadWrite).unwrap().len().unwrap(), 3);
        assert!(storage.open(&path, OpenMode::Read).unwrap().write_all_at(&[b"x"], 0).is_err());
        assert_eq!(storage.open(&path, OpenMode::Truncate).unwrap().len().unwrap(), 0);
        assert!(storage.open(dir, OpenMode::Read).is_err(), "a directory is no file");
    });
}

#[test]
fn parts_are_written_one_after_the_other() {
    each_storage(|storage, dir| {
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"", b"head", b"", b"body", b""], 2).unwrap();
        assert_eq!(file.len().unwrap(), 10);
        assert_eq!(read(&*file, 0, 10), b"\0\0headbody");
        file.write_all_at(&[], 0).unwrap();
        file.write_all_at(&[b""], 100).unwrap();
        assert_eq!(file.len().unwrap(), 10, "writing nothing does not lengthen");
        let many = vec![&b"xy"[..]; 3000];
        file.write_all_at(&many, 10).unwrap();
        assert_eq!(read(&*file, 10, 6000), b"xy".repeat(3000));
        assert_eq!(kind(file.read_exact_at(&mut [0; 2], 6009)), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn reserved_blocks_do_not_lengthen_the_file() {
    each_storage(|storage, dir| {
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abc"], 0).unwrap();
        file.reserve(0, 1 << 16).unwrap();
        file.start_write_back(0, 3).unwrap();
        file.sync_data().unwrap();
        assert_eq!(file.len().unwrap(), 3);
        file.set_len(5).unwrap();
        assert_eq!(read(&*file, 0, 5), b"abc\0\0");
    });
}

#[test]
fn a_file_lives_on_after_its_name_is_gone() {
    each_storage(|storage, dir| {
        let (a, b) = (dir.join("a"), dir.join("b"));
        let file = storage.open(&a, OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abc"], 0).unwrap();
        storage.link(&a, &b).unwrap();
        assert_eq!(kind(storage.link(&a, &b)), ErrorKind::AlreadyExists);
        storage.remove_file(&a).unwrap();
        assert!(!storage.exists(&a).unwrap());
        assert_eq!(storage.open(&b, OpenMode::Read).unwrap().id().unwrap(), file.id().unwrap());
        storage.remove_file(&b).unwrap();
        assert_eq!(kind(storage.remove_file(&b)), ErrorKind::NotFound);
        assert_eq!(read(&*file, 0, 3), b"abc");
        let fresh = storage.open(&a, OpenMode::CreateNew).unwrap();
        assert_ne!(fresh.id().unwrap(), file.id().unwrap());
    });
}

#[test]
fn rename_replaces_a_file_and_moves_a_directory() {
    each_storage(|storage, dir| {
        let (a, b) = (dir.join("a"), dir.join("b"));
        storage.open(&a, OpenMode::CreateNew).unwrap().write_all_at(&[b"new"], 0).unwrap();
        storage.open(&b, OpenMode::CreateNew).unwrap();
        storage.rename(&a, &b).unwrap();
        assert_eq!(kind(storage.rename(&a, &b)), ErrorKind::NotFound);
        assert_eq!(read(&*storage.open(&b, OpenMode::Read).unwrap(), 0, 3), b"new");

        let (d, e) = (dir.join("d"), dir.join("e"));
        storage.create_dir_all(&d.join("sub")).unwrap();
        storage.create_dir_all(&d).unwrap();
        storage.open(&d.join("sub/f"), OpenMode::CreateNew).unwrap();
        storage.rename(&d, &e).unwrap();
        assert!(storage.exists(&e.join("sub/f")).unwrap());
        assert!(!storage.exists(&d).unwrap());
        assert!(storage.rename(&b, &e).is_err(), "a file does not replace a directory");
        storage.sync_dir(dir).unwrap();
        storage.sync_fs(dir).unwrap();
        let space = storage.space(dir).unwrap();
        assert!(space.available <= space.total && space.total > 0);
        storage.remove_dir_all(&e).unwrap();
        assert!(!storage.exists(&e.join("sub/f")).unwrap());
        assert_eq!(kind(storage.sync_dir(&e)), ErrorKind::NotFound);
    });
}

#[test]
fn list_shows_names_kinds_lengths_and_times() {
    each_storage(|storage, dir| {
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abc"], 0).unwrap();
        file.set_modified(Timestamp::from_millis(1_700_000_000_123).unwrap()).unwrap();
        storage.create_dir_all(&dir.join("d/inner")).unwrap();
        let mut found = storage.list(dir).unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].kind, found[0].len), ("a", EntryKind::File, 3));
        assert_eq!(found[0].modified.as_millis(), 1_700_000_000_123);
        assert_eq!(found[0].modified, file.modified().unwrap());
        assert_eq!(found[0].id, file.id().unwrap());
        assert_eq!((found[1].name.as_str(), found[1].kind), ("d", EntryKind::Dir));
        assert_eq!(kind(storage.list(&dir.join("nowhere"))), ErrorKind::NotFound);
    });
}

#[test]
fn a_map_made_early_shows_what_is_written_later() {
    each_storage(|storage, dir| {
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        let map = file.map(1 << 20).unwrap().unwrap();
        file.write_all_at(&[b"abcdef"], 0).unwrap();
        assert_eq!(&Arc::clone(&map).slice(2, 4, 6)[..], b"cdef");
        storage.remove_file(&dir.join("a")).unwrap();
        let slice = Arc::clone(&map).slice(0, 6, 6);
        drop((map, file));
        assert_eq!(&slice[..], b"abcdef");
    });
}

#[test]
#[should_panic(expected = "bytes [2, 7) are not published yet, only 6 are")]
fn a_slice_of_unpublished_bytes_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let file = RealStorage::new().open(&temp.path().join("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[b"abcdefgh"], 0).unwrap();
    let _ = file.map(4096).unwrap().unwrap().slice(2, 5, 6);
}

#[test]
#[should_panic(expected = "lie beyond a map of 4")]
fn a_slice_beyond_the_map_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let file = RealStorage::new().open(&temp.path().join("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[b"abcdefgh"], 0).unwrap();
    let _ = file.map(4).unwrap().unwrap().slice(2, 5, 8);
}

#[test]
fn no_map_is_made_beyond_the_limit() {
    let temp = tempfile::tempdir().unwrap();
    let file = RealStorage::with_max_maps(0).open(&temp.path().join("a"), OpenMode::CreateNew).unwrap();
    assert!(file.map(4096).unwrap().is_none());
}

#[test]
fn slices_of_one_range_are_the_same_memory() {
    let temp = tempfile::tempdir().unwrap();
    let file = RealStorage::new().open(&temp.path().join("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[b"abcdefgh"], 0).unwrap();
    let map = file.map(4096).unwrap().unwrap();
    let (one, two) = (Arc::clone(&map).slice(1, 4, 8), map.slice(1, 4, 8));
    assert_eq!(one.as_ptr(), two.as_ptr());
}

/// On all storages that give windows.
fn each_window(check: impl Fn(&dyn StorageFile, Box<dyn Window>)) {
    let memory = MemStorage::new();
    memory.allow_windows(true);
    let temp = tempfile::tempdir().unwrap();
    let crash = CrashStorage::new(Arc::new(SystemClock::default()));
    crash.allow_windows(true);
    let real: Arc<dyn Storage> = Arc::new(RealStorage::new());
    let places: [(Arc<dyn Storage>, &Path); 4] = [
        (Arc::new(memory), Path::new("/")),
        (Arc::new(crash), Path::new("/")),
        (Arc::clone(&real), temp.path()),
        (Arc::new(FaultStorage::new(Arc::new(CountingStorage::new(real)), Fault::never())), temp.path()),
    ];
    for (storage, dir) in places {
        let _ = storage.remove_file(&dir.join("a"));
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[&[1; 5000]], 0).unwrap();
        // Not every file system of a temporary directory reserves for real.
        if let Some(window) = file.window(5000, 10_000).unwrap() {
            check(&*file, window);
        }
    }
}

#[test]
fn what_is_stored_through_a_window_is_read_in_every_way_and_makes_the_file_no_shorter() {
    each_window(|file, mut window| {
        assert_eq!(file.len().unwrap(), 15_000);
        let map = file.map(1 << 20).unwrap().unwrap();
        window.store(5000, b"abc").unwrap();
        window.store(14_997, b"xyz").unwrap();
        assert_eq!(read(file, 4999, 5), b"\x01abc\0");
        assert_eq!(&Arc::clone(&map).slice(4999, 4, 5003)[..], b"\x01abc");
        // Both ways lead to the same bytes, in any order.
        file.write_all_at(&[b"ABCD"], 5001).unwrap();
        window.store(5003, b"e").unwrap();
        assert_eq!(&Arc::clone(&map).slice(5000, 5, 5005)[..], b"aABeD");
        drop(window);
        assert_eq!(read(file, 14_996, 4), b"\0xyz");
        assert_eq!(file.len().unwrap(), 15_000);
    });
}

#[test]
fn a_window_within_a_file_leaves_its_length_and_what_is_there() {
    each_window(|file, window| {
        drop(window);
        let mut window = file.window(4000, 100).unwrap().unwrap();
        window.store(4050, b"abc").unwrap();
        assert_eq!((file.len().unwrap(), read(file, 4049, 5)), (15_000, b"\x01abc\x01".to_vec()));
    });
}

#[test]
fn a_store_outside_of_its_window_is_a_bug() {
    each_window(|_, mut window| {
        for (pos, len) in [(4999, 1), (14_998, 3), (0, 1), (u64::MAX, 2)] {
            let mut store = || window.store(pos, &vec![7; len]);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut store));
            assert!(outcome.is_err(), "{len} bytes at {pos}");
        }
    });
}

#[test]
fn there_are_no_windows_without_maps_nor_onto_a_full_disk() {
    let temp = tempfile::tempdir().unwrap();
    let file = RealStorage::with_max_maps(0).open(&temp.path().join("a"), OpenMode::CreateNew).unwrap();
    assert!(file.window(0, 4096).unwrap().is_none());
    let memory = MemStorage::new();
    let file = memory.open(Path::new("a"), OpenMode::CreateNew).unwrap();
    memory.allow_windows(false);
    assert!(file.window(0, 4096).unwrap().is_none());
    memory.allow_windows(true);
    memory.set_capacity(4096);
    assert_eq!(kind(file.window(0, 4097)), ErrorKind::StorageFull);
    assert!(file.window(0, 4096).unwrap().is_some());
}

#[test]
fn a_directory_is_locked_once() {
    each_storage(|storage, dir| {
        let held = storage.lock_dir(dir).unwrap().unwrap();
        let refused = storage.lock_dir(dir).unwrap().unwrap_err();
        assert_eq!(refused, format!("process {}", std::process::id()));
        drop(held);
        let held = storage.lock_dir(dir).unwrap().unwrap();
        assert!(storage.exists(&dir.join(".lock")).unwrap());
        drop(held);
        assert!(!storage.exists(&dir.join(".lock.pid")).unwrap());
    });
}

#[test]
fn a_lock_is_shared_by_any_number_and_had_by_one() {
    each_storage(|storage, dir| {
        assert!(storage.share_lock(dir).unwrap().unwrap().is_none(), "nothing to lock");
        assert!(!storage.exists(&dir.join(".lock")).unwrap(), "nothing is made");
        let held = storage.lock_dir(dir).unwrap().unwrap();
        let refused = storage.share_lock(dir).unwrap().unwrap_err();
        assert_eq!(refused, format!("process {}", std::process::id()));
        drop(held);
        let first = storage.share_lock(dir).unwrap().unwrap().expect("there is a file");
        let second = storage.share_lock(dir).unwrap().unwrap().expect("there is a file");
        for share in [first, second] {
            assert_eq!(storage.lock_dir(dir).unwrap().unwrap_err(), super::SHARED);
            drop(share);
        }
        storage.lock_dir(dir).unwrap().unwrap();
    });
}

#[test]
fn the_canonical_path_is_that_of_what_is_there() {
    each_storage(|storage, dir| {
        storage.create_dir_all(&dir.join("a/b")).unwrap();
        let found = storage.canonical(&dir.join("a/../a/./b/..")).unwrap();
        assert_eq!(found, storage.canonical(dir).unwrap().join("a"));
        let missing = storage.canonical(&dir.join("c")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn bytes_are_sent_to_a_socket() {
    each_storage(|storage, dir| {
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abcdefgh"], 0).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(file.send_to(ours.as_fd(), 2, 3).unwrap(), 3);
        assert_eq!(file.send_to(ours.as_fd(), 8, 3).unwrap(), 0);
        drop(ours);
        let mut got = String::new();
        theirs.read_to_string(&mut got).unwrap();
        assert_eq!(got, "cde");
    });
}

#[test]
fn links_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let storage = RealStorage::new();
    let (target, link) = (temp.path().join("t"), temp.path().join("l"));
    storage.open(&target, OpenMode::CreateNew).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    for mode in [OpenMode::Read, OpenMode::ReadWrite, OpenMode::CreateNew, OpenMode::Truncate] {
        assert!(storage.open(&link, mode).is_err(), "{mode:?}");
    }
    let found = storage.list(temp.path()).unwrap();
    assert!(found.iter().any(|e| e.name == "l" && e.kind == EntryKind::Other));
}

#[test]
fn a_full_memory_disk_refuses_and_recovers() {
    let storage = MemStorage::new();
    storage.set_capacity(10);
    let file = storage.open(Path::new("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[b"0123456789"], 0).unwrap();
    assert_eq!(kind(file.write_all_at(&[b"0"], 10)), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 10);
    file.set_len(4).unwrap();
    assert_eq!(storage.space(Path::new("/")).unwrap(), Space { total: 10, available: 6 });
    file.write_all_at(&[b"456789"], 4).unwrap();
    storage.remove_file(Path::new("a")).unwrap();
    drop(file);
    assert_eq!(storage.space(Path::new("/")).unwrap().available, 10);
}

#[test]
fn the_counting_storage_counts_calls_and_bytes() {
    let storage = CountingStorage::new(Arc::new(MemStorage::new()));
    let file = storage.open(Path::new("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[b"abc", b"de"], 0).unwrap();
    file.write_all_at(&[b"f"], 5).unwrap();
    read(&*file, 1, 4);
    assert_eq!(storage.count(Op::Write), Count { calls: 2, bytes: 6 });
    assert_eq!(storage.count(Op::Read), Count { calls: 1, bytes: 4 });
    assert_eq!(storage.calls(Op::SyncData), 0);
    storage.reset();
    assert_eq!(storage.total_calls(), 0);
}

#[test]
fn what_was_just_written_or_read_is_cached() {
    each_storage(|storage, dir| {
        let file = storage.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[&[7; 300_000]], 0).unwrap();
        assert!(file.is_cached(0, 300_000) && file.is_cached(299_999, 1) && file.is_cached(0, 0));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_page_cache_has_let_go_is_not_cached() {
    use rustix::fs::{Advice, fadvise, statfs};
    let dir = tempfile::tempdir().unwrap();
    // These let go of clean pages when they are told to, and can tell what they have: ext4, xfs, btrfs.
    if ![0xef53, 0x5846_5342, 0x9123_683e].contains(&statfs(dir.path()).unwrap().f_type) {
        return;
    }
    let file = RealStorage::new().open(&dir.path().join("a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[&[7; 300_000]], 0).unwrap();
    file.sync_data().unwrap();
    fadvise(std::fs::File::open(dir.path().join("a")).unwrap(), 0, None, Advice::DontNeed).unwrap();
    assert!(!file.is_cached(0, 300_000));
    assert_eq!(read(&*file, 0, 300_000), [7; 300_000]);
    assert!(file.is_cached(0, 300_000));
}

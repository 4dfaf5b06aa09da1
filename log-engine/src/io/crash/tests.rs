use super::*;
use crate::io::ManualClock;

fn disk() -> CrashStorage {
    let disk = CrashStorage::new(Arc::new(ManualClock::default()));
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn write(disk: &CrashStorage, path: &str, bytes: &[u8], pos: u64) -> Arc<dyn StorageFile> {
    let path = Path::new(path);
    let mode = if disk.exists(path).unwrap() { OpenMode::ReadWrite } else { OpenMode::CreateNew };
    let file = disk.open(path, mode).unwrap();
    file.write_all_at(&[bytes], pos).unwrap();
    file
}

fn read(disk: &CrashStorage, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

#[test]
fn only_what_was_synced_is_certain_and_a_name_is_not_its_content() {
    let disk = disk();
    let file = write(&disk, "/d/a", b"one", 0);
    file.sync_data().unwrap();
    assert_eq!(read(&disk.power_cut(Survivors::Nothing), "/d/a"), None, "its name was not synced");
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_all_at(&[b"two"], 0).unwrap();
    let cut = disk.power_cut(Survivors::Nothing);
    assert_eq!(read(&cut, "/d/a").as_deref(), Some(b"one".as_slice()));
    assert_eq!(cut.open(Path::new("/d/a"), OpenMode::Read).unwrap().id().unwrap(), file.id().unwrap());
    assert_eq!(read(&disk.power_cut(Survivors::Everything), "/d/a").as_deref(), Some(b"two".as_slice()));
    assert_eq!(read(&disk, "/d/a").as_deref(), Some(b"two".as_slice()), "the old disk is as it was");
}

#[test]
fn unsynced_pages_survive_in_any_combination() {
    let disk = disk();
    let file = write(&disk, "/d/a", &[1; 4 * PAGE], 0);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_all_at(&[&[2; 4 * PAGE]], 0).unwrap();
    let mut seen = BTreeSet::new();
    let mut torn = 0;
    for seed in 0..600 {
        let bytes = read(&disk.power_cut(Survivors::Some(seed)), "/d/a").unwrap();
        let pages: Vec<&[u8]> = bytes.chunks(PAGE).collect();
        if pages.iter().all(|page| page.iter().all(|byte| *byte == page[0])) {
            seen.insert(pages.iter().map(|page| page[0]).collect::<Vec<_>>());
        } else {
            torn += 1;
        }
        assert_eq!(bytes, read(&disk.power_cut(Survivors::Some(seed)), "/d/a").unwrap(), "not repeatable");
    }
    assert_eq!(seen.len(), 16);
    assert!(torn > 50, "{torn}");
}

#[test]
fn a_longer_file_may_hold_zeros_where_nothing_arrived() {
    let disk = disk();
    let file = write(&disk, "/d/a", &[1; 10], 0);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_all_at(&[&[2; PAGE]], 10).unwrap();
    let found: BTreeSet<_> = (0..200)
        .map(|seed| read(&disk.power_cut(Survivors::Some(seed)), "/d/a").unwrap())
        .map(|bytes| (bytes.len(), bytes.get(10).copied(), bytes[0]))
        .collect();
    assert!(found.contains(&(10, None, 1)));
    assert!(found.contains(&(PAGE + 10, Some(0), 1)));
    assert!(found.contains(&(PAGE + 10, Some(2), 1)));
    assert_eq!(found.len(), 3);
}

#[test]
fn a_rename_happens_or_does_not_and_names_keep_their_order() {
    let disk = disk();
    write(&disk, "/d/a", b"old", 0).sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    write(&disk, "/d/b", b"new", 0).sync_data().unwrap();
    disk.rename(Path::new("/d/b"), Path::new("/d/a")).unwrap();
    disk.remove_file(Path::new("/d/a")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let cut = disk.power_cut(Survivors::Some(seed));
        let names: Vec<_> = ["/d/a", "/d/b"].iter().map(|path| read(&cut, path)).collect();
        seen.insert(names);
    }
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let possible =
        [vec![text("old"), None], vec![text("old"), text("new")], vec![text("new"), None], vec![None, None]];
    assert_eq!(seen, BTreeSet::from(possible));
}

#[test]
fn a_directory_that_was_renamed_keeps_what_is_in_it() {
    let disk = disk();
    write(&disk, "/d/a", b"x", 0).sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.rename(Path::new("/d"), Path::new("/e")).unwrap();
    let cut = disk.power_cut(Survivors::Nothing);
    assert_eq!((read(&cut, "/d/a"), read(&cut, "/e/a")), (Some(b"x".to_vec()), None));
    disk.sync_dir(Path::new("/")).unwrap();
    let cut = disk.power_cut(Survivors::Nothing);
    assert_eq!((read(&cut, "/d/a"), read(&cut, "/e/a")), (None, Some(b"x".to_vec())));
}

#[test]
fn what_is_stored_through_a_window_is_as_unsynced_as_what_is_written() {
    let disk = disk();
    disk.allow_windows(true);
    let file = write(&disk, "/d/a", &[1; PAGE], 0);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    let mut window = file.window(PAGE as u64, 2 * PAGE as u64).unwrap().unwrap();
    window.store(PAGE as u64, &[2; PAGE]).unwrap();
    window.store(2 * PAGE as u64, &[3; PAGE]).unwrap();
    assert_eq!(read(&disk.power_cut(Survivors::Nothing), "/d/a").unwrap(), [1; PAGE]);
    let mut seen = BTreeSet::new();
    for seed in 0..600 {
        let bytes = read(&disk.power_cut(Survivors::Some(seed)), "/d/a").unwrap();
        seen.insert(bytes.chunks(PAGE).map(|page| [page[0], page[PAGE - 1]]).collect::<Vec<_>>());
    }
    // The old length, or the new one with any of both pages; zeros where a page is not there.
    for whole in [vec![1], vec![1, 0, 0], vec![1, 2, 0], vec![1, 0, 3], vec![1, 2, 3]] {
        assert!(seen.contains(&whole.iter().map(|byte| [*byte; 2]).collect::<Vec<_>>()), "{whole:?}");
    }
    file.sync_data().unwrap();
    window.store(PAGE as u64, &[4; 10]).unwrap();
    let synced = [[1; PAGE], [2; PAGE], [3; PAGE]].concat();
    assert_eq!(read(&disk.power_cut(Survivors::Nothing), "/d/a").unwrap(), synced);
}

#[test]
fn what_a_failed_sync_lost_is_shown_until_the_cache_is_dropped() {
    let disk = disk();
    let file = write(&disk, "/d/a", &[1; 3 * PAGE], 0);
    file.sync_data().unwrap();
    write(&disk, "/d/a", &[2; 10], PAGE as u64);
    write(&disk, "/d/a", &[3; 10], 3 * PAGE as u64);
    disk.fail_sync(disk.syncs());
    assert!(file.sync_data().is_err());
    write(&disk, "/d/a", &[4; 10], 0);
    file.sync_data().unwrap();
    let shown = read(&disk, "/d/a").unwrap();
    assert_eq!((shown[0], shown[PAGE], shown[3 * PAGE], shown.len()), (4, 2, 3, 3 * PAGE + 10));
    file.drop_cached(2 * PAGE as u64, u64::MAX / 2).unwrap();
    assert_eq!(read(&disk, "/d/a").unwrap()[PAGE], 2, "not in the range");
    file.drop_cached(0, PAGE as u64 + 1).unwrap();
    let there = read(&disk, "/d/a").unwrap();
    assert_eq!((there[0], there[PAGE], there[3 * PAGE], there.len()), (4, 1, 0, 3 * PAGE + 10));
    // What is dirty is written before.
    disk.sync_dir(Path::new("/d")).unwrap();
    write(&disk, "/d/a", &[5; 10], 0);
    file.drop_cached(0, 10).unwrap();
    assert_eq!(read(&disk.power_cut(Survivors::Nothing), "/d/a").unwrap()[0], 5);
}

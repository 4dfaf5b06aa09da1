//! Small files that are replaced whole: checkpoints and snapshots.

use crate::error::{LogError, Result};
use crate::io::{OpenMode, Storage, StorageFile};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Files read by [`read_small`] are never larger; what is larger is not ours. 64 MiB.
const SMALL_MAX: u64 = 64 * 1024 * 1024;

/// The content of a small file of a log; `None` if there is no file of this name, or one of more than 64 MiB, which is none
/// of a log's.
///
/// # Errors
///
/// [`LogError::Io`].
pub fn read_small(storage: &dyn Storage, path: &Path) -> Result<Option<Vec<u8>>> {
    if !storage.exists(path).map_err(LogError::io("look for", path))? {
        return Ok(None);
    }
    let file = storage.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let len = file.len().map_err(LogError::io("measure", path))?;
    let Some(len) = usize::try_from(len).ok().filter(|_| len <= SMALL_MAX) else { return Ok(None) };
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).map_err(LogError::io("read", path))?;
    Ok(Some(bytes))
}

/// A file of ours that a later program wrote: its checksum fits, and covers the version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Newer {
    pub(crate) found: u32,
    pub(crate) known: u32,
}

impl Newer {
    pub(crate) fn refuse(self, path: &Path) -> LogError {
        let Self { found, known } = self;
        let problem = format!(
            "has version {found}, this program knows them up to {known}: a newer one wrote it; nothing was changed"
        );
        LogError::Directory { path: path.to_owned(), problem }
    }
}

/// The checksum that a binary file of ours holds at 12: of all its other bytes, those in front of it too. `bytes` must be
/// at least 16.
pub(crate) fn sealed_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// Writes a file beside the old one and renames it in; `durable` syncs the file before and the directory after.
pub(crate) fn replace(storage: &dyn Storage, path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let temporary = with_suffix(path, ".tmp");
    if let Err(error) = write_fresh(storage, &temporary, bytes, durable) {
        // On a full disk every block counts. Whoever writes it next begins anew in any case.
        let _ = storage.remove_file(&temporary);
        return Err(error);
    }
    storage.rename(&temporary, path).map_err(LogError::io("rename", &temporary))?;
    if durable {
        let dir = parent_of(path);
        storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    }
    Ok(())
}

fn write_fresh(storage: &dyn Storage, path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let file = storage.open(path, OpenMode::Truncate).map_err(LogError::io("create", path))?;
    file.write_all_at(&[bytes], 0).map_err(LogError::io("write", path))?;
    if durable { file.sync_data().map_err(LogError::io("sync", path)) } else { Ok(()) }
}

/// The answer where a directory that was opened is not where it was.
pub(crate) fn moved_away() -> std::io::Error {
    std::io::Error::new(ErrorKind::NotFound, "the directory was moved, removed or replaced while it was open")
}

/// Makes a directory and its missing parents, all of them with durable names; false if it was there.
pub(crate) fn make_dir(storage: &dyn Storage, dir: &Path) -> Result<bool> {
    let mut missing = Vec::new();
    for above in dir.ancestors().take_while(|above| !above.as_os_str().is_empty()) {
        if storage.exists(above).map_err(LogError::io("look for", above))? {
            break;
        }
        missing.push(above);
    }
    if missing.is_empty() {
        return Ok(false);
    }
    storage.create_dir_all(dir).map_err(LogError::io("create", dir))?;
    for made in missing.into_iter().rev() {
        let parent = parent_of(made);
        storage.sync_dir(parent).map_err(LogError::io("sync", parent))?;
    }
    Ok(true)
}

/// Makes the name of a directory durable that may have been made by somebody who was stopped before he could do so. With
/// `all`, the names of those above it too, as far as this process may.
pub(crate) fn sync_name(storage: &dyn Storage, dir: &Path, all: bool) -> Result<()> {
    let parent = parent_of(dir);
    storage.sync_dir(parent).map_err(LogError::io("sync", parent))?;
    if all {
        for above in parent.ancestors().take_while(|above| above.parent().is_some()) {
            // Not ours to read, or a file system that cannot: then it is not we who made it.
            let _ = storage.sync_dir(parent_of(above));
        }
    }
    Ok(())
}

/// What a copy is called while it is made; what is left of an earlier try is removed.
const UNFINISHED: &str = ".snapshot-unfinished";

/// Makes a copy in a directory that appears under its name whole and durable, or not at all: `fill` makes it, with all that is
/// in it durable, under the name that it is given.
pub(crate) fn appear<T>(
    storage: &dyn Storage,
    to: &Path,
    fill: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    if storage.exists(to).map_err(LogError::io("look for", to))? {
        let problem = "is there already: a snapshot is made in a new directory".to_owned();
        return Err(LogError::Directory { path: to.to_owned(), problem });
    }
    let fresh = with_suffix(to, UNFINISHED);
    if storage.exists(&fresh).map_err(LogError::io("look for", &fresh))? {
        storage.remove_dir_all(&fresh).map_err(LogError::io("remove", &fresh))?;
    }
    let made = fill(&fresh).map_err(|error| name_file_system(error, to)).and_then(|made| {
        storage.rename(&fresh, to).map_err(LogError::io("rename", &fresh))?;
        Ok(made)
    });
    let named = made.is_ok();
    let made = made.and_then(|made| sync_name(storage, to, false).map(|()| made));
    if made.is_err() {
        // As far as it goes: the error is the one that came first.
        let _ = storage.remove_dir_all(if named { to } else { &fresh });
    }
    made
}

/// Says of a copy that cannot be made of links which two directories must lie on one file system.
fn name_file_system(error: LogError, to: &Path) -> LogError {
    match error {
        LogError::Io { op: "link", path, source } if source.kind() == ErrorKind::CrossesDevices => {
            let problem = format!(
                "lies on another file system than {}: a snapshot is made of links, in a directory on the file system of its log",
                path.display()
            );
            LogError::Directory { path: to.to_owned(), problem }
        }
        other => other,
    }
}

/// Fails if a new directory would lie in one of these, or right in that of a store or of another log: whoever opens that
/// would take it for one of its own.
pub(crate) fn check_outside(storage: &dyn Storage, to: &Path, dirs: &[PathBuf]) -> Result<()> {
    let to = real_path(storage, to)?;
    let inside = |dir: &Path| {
        let problem = format!(
            "lies in {}, a directory of logs, which could not be opened any more or would have it as a log: make the \
             snapshot outside of it; nothing was written",
            dir.display()
        );
        Err(LogError::Directory { path: to.clone(), problem })
    };
    for dir in dirs {
        let dir = real_path(storage, dir)?;
        if to != dir && to.starts_with(&dir) {
            return inside(&dir);
        }
    }
    let (parent, lock) = (parent_of(&to), parent_of(&to).join(".lock"));
    if storage.exists(&lock).map_err(LogError::io("look for", &lock))? { inside(parent) } else { Ok(()) }
}

/// The directory that a name stands in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The absolute path that a name has or will have, without links, `.` and `..`.
pub(crate) fn real_path(storage: &dyn Storage, path: &Path) -> Result<PathBuf> {
    for above in path.ancestors() {
        let there = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        let mut found = match storage.canonical(there) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found.map_err(LogError::io("look at", there))?,
        };
        // What is not there yet has no links.
        for part in path.strip_prefix(above).unwrap_or(Path::new("")).components() {
            match part {
                Component::ParentDir => drop(found.pop()),
                Component::Normal(name) => found.push(name),
                _ => {}
            }
        }
        return Ok(found);
    }
    Ok(path.to_owned())
}

/// The path with something put behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Reads a piece of a file to the heap.
pub(crate) fn read_exact(file: &dyn StorageFile, path: &Path, at: u64, len: u64) -> Result<Vec<u8>> {
    let size = usize::try_from(len)
        .map_err(|_| LogError::io("read", path)(std::io::ErrorKind::FileTooLarge.into()))?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, at).map_err(LogError::io("read", path))?;
    Ok(bytes)
}

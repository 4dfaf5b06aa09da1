//! Who a data directory belongs to: `meta.properties`.
//!
//! ```text
//! #                                         two comment lines, as Kafka writes them, but without a date
//! #
//! version=1
//! cluster.id=46j5Mn07Qv-bGI1z80v2ww
//! node.id=0
//! directory.id=4kXlKzBSSwG9SLDyiH7nYQ
//! corrente.metadata=log                     ours: topics are in the metadata log of this directory
//! ```
//!
//! # Invariants
//!
//! * A directory whose file lacks `corrente.metadata` was written by Apache Kafka: it is refused before anything in
//!   it is touched. So is one that holds partitions and no `meta.properties`.
//! * The file is written to a temporary name, synced, renamed, and the directory synced.
//! * All directories of a broker have the same cluster and node; each has a directory id of its own.
//!
//! # Not here
//!
//! The lock of the directory (`log_engine::store`), and the same ids as the metadata log has them (`log_catalog`).

use super::uuid::Uuid;
use crate::config::parse_properties;
use log_engine::io::{EntryKind, OpenMode, Storage};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "meta.properties";
/// The directory of the metadata log, in one of the data directories.
pub(super) const METADATA_LOG: &str = "__corrente_metadata-0";

/// Who the broker is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    /// The cluster's id.
    pub cluster: Uuid,
    /// The broker's number.
    pub node: i32,
}

/// Why the data directories cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Kafka wrote it.
    #[error(
        "{dir}: the data of an Apache Kafka broker is in there, and was not touched; set log.dirs to an empty folder",
        dir = .0.display()
    )]
    Foreign(PathBuf),
    /// Partitions without a file that says whose they are.
    #[error(
        "{dir}: holds partitions but no meta.properties, so it is not ours, and was not touched; restore the file \
         from a backup or set log.dirs to an empty folder",
        dir = .0.display()
    )]
    Unclaimed(PathBuf),
    /// The file is damaged.
    #[error("{file}: {key} = {value}: expected {expected}; restore the file from a backup", file = .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What it holds; empty if it is not there.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Two directories, or file and metadata log, disagree.
    #[error("{file}: {key} is {found}, but {other} says {expected}; these do not belong together", file = .file.display())]
    Mismatch {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it is held against.
        other: String,
        /// What that says.
        expected: String,
    },
    /// The metadata log is not where it was.
    #[error(
        "{dir}: meta.properties is there but {METADATA_LOG} is not, so the topics are unknown; restore it from a \
         backup, or remove meta.properties to begin with no topics",
        dir = .0.display()
    )]
    NoMetadata(PathBuf),
    /// The operating system refused.
    #[error("cannot {op} {path}", path = .path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

fn io_error(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    move |source| DirectoryError::Io { op, path: path.to_owned(), source }
}

/// Looks at all directories without touching them: who they belong to, `None` if all are new.
///
/// # Errors
///
/// They are not ours, do not belong together, or cannot be read.
pub(super) fn inspect(
    storage: &dyn Storage,
    dirs: &[PathBuf],
    configured: Option<i32>,
) -> Result<Option<Identity>, DirectoryError> {
    let mut found: Option<(Identity, PathBuf)> = None;
    for dir in dirs {
        let Some(identity) = inspect_one(storage, dir)? else { continue };
        let file = dir.join(FILE);
        match &found {
            Some((first, at)) => agree(&file, identity, *first, &at.display().to_string())?,
            None => found = Some((identity, file)),
        }
    }
    let Some((identity, file)) = found else { return Ok(None) };
    if let Some(node) = configured.filter(|node| *node != identity.node) {
        return Err(DirectoryError::Mismatch {
            file,
            key: "node.id",
            found: identity.node.to_string(),
            other: "the configuration".to_owned(),
            expected: node.to_string(),
        });
    }
    for dir in dirs {
        let metadata = dir.join(METADATA_LOG);
        if storage.exists(&metadata).map_err(io_error("look for", &metadata))? {
            return Ok(Some(identity));
        }
    }
    Err(DirectoryError::NoMetadata(file.parent().unwrap_or(&file).to_owned()))
}

/// Refuses an identity that differs from another.
pub(super) fn agree(
    file: &Path,
    found: Identity,
    expected: Identity,
    other: &str,
) -> Result<(), DirectoryError> {
    let mismatch = |key, found: String, expected: String| DirectoryError::Mismatch {
        file: file.to_owned(),
        key,
        found,
        other: other.to_owned(),
        expected,
    };
    if found.cluster != expected.cluster {
        return Err(mismatch("cluster.id", found.cluster.to_string(), expected.cluster.to_string()));
    }
    if found.node != expected.node {
        return Err(mismatch("node.id", found.node.to_string(), expected.node.to_string()));
    }
    Ok(())
}

fn inspect_one(storage: &dyn Storage, dir: &Path) -> Result<Option<Identity>, DirectoryError> {
    let entries = match storage.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", dir)(error)),
    };
    if entries.iter().any(|e| e.name == FILE) {
        return read(storage, dir).map(Some);
    }
    let is_partition = |name: &str| {
        name.rsplit_once('-').is_some_and(|(topic, n)| !topic.is_empty() && n.parse::<u32>().is_ok())
    };
    let ours = entries.iter().any(|e| e.name == METADATA_LOG);
    let partitions = entries.iter().any(|e| e.kind == EntryKind::Dir && is_partition(&e.name));
    if partitions && !ours { Err(DirectoryError::Unclaimed(dir.to_owned())) } else { Ok(None) }
}

fn read(storage: &dyn Storage, dir: &Path) -> Result<Identity, DirectoryError> {
    let path = dir.join(FILE);
    let content = read_all(storage, &path).map_err(io_error("read", &path))?;
    let damaged = |key, value: &str, expected| DirectoryError::Damaged {
        file: path.clone(),
        key,
        value: crate::config::Escaped(value).to_string(),
        expected,
    };
    let all: BTreeMap<String, String> = parse_properties(&path, &content)
        .map_err(|_| damaged("", "", "Java properties"))?
        .into_iter()
        .collect();
    let get = |key: &str| all.get(key).map(String::as_str);
    match get("corrente.metadata") {
        Some("log") => {}
        // Every file of Kafka has one of these; one without is cut short or empty, whoever wrote it.
        None if get("broker.id").is_some() || get("node.id").is_some() || get("cluster.id").is_some() => {
            return Err(DirectoryError::Foreign(dir.to_owned()));
        }
        other => return Err(damaged("corrente.metadata", other.unwrap_or_default(), "log")),
    }
    if get("version") != Some("1") {
        return Err(damaged("version", get("version").unwrap_or_default(), "1"));
    }
    let cluster = get("cluster.id").unwrap_or_default();
    let node = get("node.id").unwrap_or_default();
    Ok(Identity {
        cluster: cluster.parse().map_err(|expected| damaged("cluster.id", cluster, expected))?,
        node: node
            .parse()
            .ok()
            .filter(|n| *n >= 0)
            .ok_or_else(|| damaged("node.id", node, "a whole number from 0 to 2147483647"))?,
    })
}

fn read_all(storage: &dyn Storage, path: &Path) -> io::Result<Vec<u8>> {
    const MOST: u64 = 64 * 1024;
    let file = storage.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes are too many")));
    }
    let mut content = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

/// Writes the file into each directory that has none. The directories exist and are locked.
///
/// # Errors
///
/// The operating system refused.
pub(super) fn claim(
    storage: &dyn Storage,
    dirs: &[PathBuf],
    identity: Identity,
) -> Result<(), DirectoryError> {
    for dir in dirs {
        let path = dir.join(FILE);
        if !storage.exists(&path).map_err(io_error("look for", &path))? {
            write(storage, dir, identity).map_err(io_error("write", &path))?;
        }
    }
    Ok(())
}

fn write(storage: &dyn Storage, dir: &Path, identity: Identity) -> io::Result<()> {
    let text = format!(
        "#\n#\nversion=1\ncluster.id={}\nnode.id={}\ndirectory.id={}\ncorrente.metadata=log\n",
        identity.cluster,
        identity.node,
        Uuid::random()
    );
    let temporary = dir.join("meta.properties.tmp");
    let file = storage.open(&temporary, OpenMode::Truncate)?;
    file.write_all_at(&[text.as_bytes()], 0)?;
    file.sync_data()?;
    storage.rename(&temporary, &dir.join(FILE))?;
    storage.sync_dir(dir)
}

#[cfg(test)]
mod tests;

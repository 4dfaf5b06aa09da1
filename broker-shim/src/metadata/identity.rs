//! Who a data directory belongs to: `meta.properties`.
//!
//! ```text
//! #                                         two comment lines, as Kafka writes them, but without a date
//! #
//! version=1
//! cluster.id=46j5Mn07Qv-bGI1z80v2ww
//! node.id=0
//! directory.id=4kXlKzBSSwG9SLDyiH7nYQ
//! corrente.metadata=log                     ours: topics are in the metadata log of this directory; or zookeeper
//! ```
//!
//! # Invariants
//!
//! * A directory whose file lacks `corrente.metadata` was written by Apache Kafka: it is refused before anything in
//!   it is touched. So is one that holds partitions and no `meta.properties`.
//! * The file is written to a temporary name, synced, renamed, and the directory synced.
//! * All directories of a broker have the same cluster and node; each has a directory id of its own.
//! * Who keeps the topics changes by the conversion command only: a start with another configuration is refused.
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

/// Who keeps the topics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// The metadata log.
    Log,
    /// A ZooKeeper; the metadata log remembers what was there, and the topics' ids.
    ZooKeeper,
}

impl Owner {
    /// What `corrente.metadata` says.
    fn text(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::ZooKeeper => "zookeeper",
        }
    }

    /// The end of the sentence of [`DirectoryError::OtherOwner`].
    fn advice(self) -> &'static str {
        match self {
            Self::Log => {
                "the topics are in the metadata log, but zookeeper.connect is set; remove it, or move the topics with \
                 `corrente metadata convert --to zookeeper FILE.properties --apply` (without --apply it only says what it \
                 would move)"
            }
            Self::ZooKeeper => {
                "the topics are in ZooKeeper, but zookeeper.connect is not set; set it, or move the topics with \
                 `corrente metadata convert --to log --zookeeper HOST:PORT FILE.properties --apply` (without --apply it only \
                 says what it would move)"
            }
        }
    }
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
    #[error(
        "{file}: {key} is {found}, but {other} says {expected}; these do not belong together: point log.dirs at the \
         directory that does, or use an empty one", file = .file.display()
    )]
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
    /// The ZooKeeper has another cluster.
    #[error(
        "{file}: these topics are of cluster {found}, but ZooKeeper at {at} has cluster {expected}; set zookeeper.connect to \
         the ZooKeeper and path of cluster {found} (a path of its own is host:port/path), or log.dirs to a directory of \
         cluster {expected} or an empty one", file = .file.display()
    )]
    OtherCluster {
        /// The file.
        file: PathBuf,
        /// The cluster that it names.
        found: String,
        /// What was dialled.
        at: String,
        /// The cluster there.
        expected: String,
    },
    /// The topics are kept elsewhere than the configuration says.
    #[error("{file}: {advice}", file = .file.display(), advice = .found.advice())]
    OtherOwner {
        /// The file.
        file: PathBuf,
        /// Who keeps them.
        found: Owner,
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

/// That the directories belong to the cluster `found`, and the ZooKeeper at `at` to another one.
pub(super) fn other_cluster(dirs: &[PathBuf], found: String, at: &str, expected: String) -> DirectoryError {
    DirectoryError::OtherCluster {
        file: dirs.first().map_or_else(|| PathBuf::from(FILE), |dir| dir.join(FILE)),
        found,
        at: at.to_owned(),
        expected,
    }
}

/// Looks at all directories without touching them: who they belong to, `None` if all are new. `owner` is who is to keep
/// the topics; `None`: whoever does.
///
/// # Errors
///
/// They are not ours, do not belong together, or cannot be read.
pub(super) fn inspect(
    storage: &dyn Storage,
    dirs: &[PathBuf],
    configured: Option<i32>,
    owner: Option<Owner>,
) -> Result<Option<Identity>, DirectoryError> {
    let mut found: Option<(Identity, PathBuf)> = None;
    for dir in dirs {
        let Some((identity, keeper)) = inspect_one(storage, dir)? else { continue };
        let file = dir.join(FILE);
        if owner.is_some_and(|owner| owner != keeper) {
            return Err(DirectoryError::OtherOwner { file, found: keeper });
        }
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

fn inspect_one(storage: &dyn Storage, dir: &Path) -> Result<Option<(Identity, Owner)>, DirectoryError> {
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

fn read(storage: &dyn Storage, dir: &Path) -> Result<(Identity, Owner), DirectoryError> {
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
    let owner = match get("corrente.metadata") {
        Some("log") => Owner::Log,
        Some("zookeeper") => Owner::ZooKeeper,
        // Every file of Kafka has one of these; one without is cut short or empty, whoever wrote it.
        None if get("broker.id").is_some() || get("node.id").is_some() || get("cluster.id").is_some() => {
            return Err(DirectoryError::Foreign(dir.to_owned()));
        }
        other => {
            return Err(damaged("corrente.metadata", other.unwrap_or_default(), "log or zookeeper"));
        }
    };
    if get("version") != Some("1") {
        return Err(damaged("version", get("version").unwrap_or_default(), "1"));
    }
    let cluster = get("cluster.id").unwrap_or_default();
    let node = get("node.id").unwrap_or_default();
    let identity = Identity {
        cluster: cluster.parse().map_err(|expected| damaged("cluster.id", cluster, expected))?,
        node: node
            .parse()
            .ok()
            .filter(|n| *n >= 0)
            .ok_or_else(|| damaged("node.id", node, "a whole number from 0 to 2147483647"))?,
    };
    Ok((identity, owner))
}

/// A small file.
pub(super) fn read_all(storage: &dyn Storage, path: &Path) -> io::Result<Vec<u8>> {
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
    owner: Owner,
) -> Result<(), DirectoryError> {
    for dir in dirs {
        let path = dir.join(FILE);
        if !storage.exists(&path).map_err(io_error("look for", &path))? {
            let text = format!(
                "#\n#\nversion=1\ncluster.id={}\nnode.id={}\ndirectory.id={}\ncorrente.metadata={}\n",
                identity.cluster,
                identity.node,
                Uuid::random(),
                owner.text()
            );
            replace(storage, dir, FILE, &text)?;
        }
    }
    Ok(())
}

/// Makes the file of each directory say that somebody else keeps the topics now; all else in it stays. The directories
/// are locked. After a crash in between, to be called again.
///
/// # Errors
///
/// The operating system refused.
pub(super) fn hand_over(storage: &dyn Storage, dirs: &[PathBuf], owner: Owner) -> Result<(), DirectoryError> {
    for dir in dirs {
        let path = dir.join(FILE);
        let content = read_all(storage, &path).map_err(io_error("read", &path))?;
        let is_owner = |line: &&str| line.trim_start().starts_with("corrente.metadata");
        let text = String::from_utf8_lossy(&content);
        let mut text: String =
            text.lines().filter(|line| !is_owner(line)).map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("corrente.metadata={}\n", owner.text()));
        replace(storage, dir, FILE, &text)?;
    }
    Ok(())
}

/// Replaces a small file of a directory, durably.
///
/// # Errors
///
/// The operating system refused.
pub(super) fn replace(
    storage: &dyn Storage,
    dir: &Path,
    name: &str,
    text: &str,
) -> Result<(), DirectoryError> {
    let path = dir.join(name);
    let written = || {
        let temporary = dir.join(format!("{name}.tmp"));
        let file = storage.open(&temporary, OpenMode::Truncate)?;
        file.write_all_at(&[text.as_bytes()], 0)?;
        file.sync_data()?;
        storage.rename(&temporary, &path)?;
        storage.sync_dir(dir)
    };
    written().map_err(io_error("write", &path))
}

#[cfg(test)]
mod tests;

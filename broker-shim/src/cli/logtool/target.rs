//! What a path on the command line is: a file of a log, the directory of one, or a data directory of many.

use crate::metadata;
use log_engine::error::{LogError, Result};
use log_engine::format::checkpoint::{OffsetLine, read_offsets};
use log_engine::format::names::{
    CLEAN, COMPACTED, DirState, FileKind, LOG_STARTS, META, PartitionDir, RECOVERY_POINTS, SegmentFile,
};
use log_engine::inspect::{CheckOptions, decode, read_small};
use log_engine::io::{DirEntry, EntryKind, OpenMode, Storage};
use log_engine::types::{Offset, Timestamp};
use std::path::{Path, PathBuf};

/// What was named.
#[derive(Debug)]
pub(super) enum Target {
    File(PathBuf),
    Log(PathBuf),
    Data(PathBuf),
}

impl Target {
    /// Looks at a path; `None` if it is nothing of a log's.
    pub(super) fn of(storage: &dyn Storage, path: &Path) -> Result<Option<Self>> {
        if !path.is_dir() {
            // Says what is wrong with it, if it cannot be opened.
            storage.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
            return Ok(Some(Self::File(path.to_owned())));
        }
        let entries = storage.list(path).map_err(LogError::io("list", path))?;
        let of_a_log =
            |entry: &DirEntry| SegmentFile::parse(&entry.name).is_some() || entry.name == decode::MARK_FILE;
        let live = |name: &str| PartitionDir::parse(name).is_some_and(|dir| dir.state == DirState::Live);
        let named = path.file_name().and_then(|name| name.to_str()).is_some_and(live);
        let is_log = |entry: &DirEntry| entry.kind == EntryKind::Dir && live(&entry.name);
        Ok(if entries.iter().any(of_a_log) {
            Some(Self::Log(path.to_owned()))
        } else if entries.iter().any(is_log) || entries.iter().any(|entry| entry.name == META) {
            Some(Self::Data(path.to_owned()))
        } else if named {
            Some(Self::Log(path.to_owned()))
        } else {
            None
        })
    }

    /// The directories of logs that it stands for, in the order of their names.
    pub(super) fn logs(&self, storage: &dyn Storage) -> Result<Vec<PathBuf>> {
        match self {
            Self::File(file) => Ok(vec![parent(file)]),
            Self::Log(dir) => Ok(vec![dir.clone()]),
            Self::Data(dir) => {
                let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
                let live = |entry: &DirEntry| {
                    let parsed = PartitionDir::parse(&entry.name);
                    entry.kind == EntryKind::Dir && parsed.is_some_and(|dir| dir.state == DirState::Live)
                };
                let mut logs: Vec<_> =
                    entries.iter().filter(|entry| live(entry)).map(|entry| dir.join(&entry.name)).collect();
                logs.sort();
                Ok(logs)
            }
        }
    }

    /// The data directory that it lies in, or is.
    pub(super) fn data_dir(&self) -> PathBuf {
        match self {
            Self::File(file) => parent(&parent(file)),
            Self::Log(dir) => parent(dir),
            Self::Data(dir) => dir.clone(),
        }
    }
}

/// The directory that a path lies in.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

/// What a data directory says about the logs in it.
#[derive(Debug, Default)]
pub(super) struct Around {
    clean: bool,
    recovery_points: Vec<OffsetLine>,
    log_starts: Vec<OffsetLine>,
    cleaned: Vec<OffsetLine>,
    compacted: Vec<String>,
    /// Whoever asks says that all logs are compacted.
    all_compacted: bool,
}

impl Around {
    pub(super) fn load(storage: &dyn Storage, data_dir: &Path, all_compacted: bool) -> Result<Self> {
        let lines = |name: &str| -> Result<Vec<OffsetLine>> {
            let bytes = read_small(storage, &data_dir.join(name))?;
            Ok(bytes.and_then(|bytes| read_offsets(&bytes).ok()).unwrap_or_default())
        };
        let marker = data_dir.join(CLEAN);
        Ok(Self {
            clean: storage.exists(&marker).map_err(LogError::io("look for", &marker))?,
            recovery_points: lines(RECOVERY_POINTS)?,
            log_starts: lines(LOG_STARTS)?,
            cleaned: lines(COMPACTED)?,
            compacted: metadata::compacted_topics(storage, data_dir)?,
            all_compacted,
        })
    }

    /// How the log in a directory is to be checked.
    pub(super) fn options(&self, dir: &Path) -> CheckOptions<'static> {
        let name = dir.file_name().and_then(|name| name.to_str()).and_then(PartitionDir::parse);
        let noted = |lines: &[OffsetLine]| {
            let name = name.as_ref()?;
            let line = lines.iter().find(|l| l.topic == name.topic && l.partition == name.partition);
            line.map(|line| line.offset)
        };
        // Kafka's own topics are compacted, and so are ours of the same names.
        let known = name.as_ref().is_some_and(|name| {
            self.compacted.contains(&name.topic)
                || ["__consumer_offsets", "__transaction_state"].contains(&&*name.topic)
        });
        CheckOptions {
            compacted: self.all_compacted || known || noted(&self.cleaned).is_some(),
            recovery_point: noted(&self.recovery_points),
            start_offset: noted(&self.log_starts),
            clean: self.clean,
            segment: None,
            old: Some(&crate::convert::check_stored),
            now: Timestamp::default(),
        }
    }
}

/// The base offset of the segment that a file belongs to, by its name.
pub(super) fn base_of(path: &Path) -> Option<(Offset, FileKind)> {
    let name = path.file_name()?.to_str()?;
    if let Some(file) = SegmentFile::parse(name) {
        return Some((file.base, file.kind));
    }
    // What recovery and repair set aside.
    let (front, _) = name.split_once(".log.")?;
    let base = Offset::new(front.parse().ok()?)?;
    [".torn", ".damaged"].iter().any(|end| name.ends_with(end)).then_some((base, FileKind::Log))
}

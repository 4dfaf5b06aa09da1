//! Names of files and directories, Kafka's.
//!
//! ```text
//! 00000000000000000120.log          a segment's file: its base offset in 20 digits, then what it holds
//! 00000000000000000120.log.deleted  the same on its way out (.deleted), being made (.cleaned) or on its way in (.swap)
//! <topic>-<partition>               a partition's directory: the topic may hold '-', so split at the last one
//! <topic>-<partition>.<32 hex>-delete   on its way out; -future and -stray are Kafka's own moves
//! ```
//!
//! # Invariants
//!
//! * What is made here is read back here as the same; what is not of these forms is `None`, never a guess.
//! * A made name has at most [`MAX_NAME`] bytes.

use crate::types::Offset;

/// In a data directory: its last user left it in order. Only that it is there counts.
pub const CLEAN: &str = ".kafka_cleanshutdown";
/// In a data directory, per log: everything below is synced.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// In a data directory, per log: what readers may see; with one replica the end.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// In a data directory, per log whose start lies above its first segment's base: the start.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// In a data directory, per log that was compacted: everything below is.
pub const COMPACTED: &str = "cleaner-offset-checkpoint";
/// In a data directory: whose it is. A store does not look into it.
pub const META: &str = "meta.properties";
/// The lists of offsets in a data directory, one line a log.
pub const CHECKPOINTS: [&str; 4] = [RECOVERY_POINTS, HIGH_WATERMARKS, LOG_STARTS, COMPACTED];

/// Most bytes of a name, by the common file systems.
pub const MAX_NAME: usize = 255;

/// Digits of a base offset.
const OFFSET_DIGITS: usize = 20;

/// What a segment's file holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FileKind {
    /// `.log`: the batches.
    Log,
    /// `.index`: offset to position.
    OffsetIndex,
    /// `.timeindex`: time to offset.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TxnIndex,
    /// `.snapshot`: producer state before this offset; its name need not be a segment's base.
    Snapshot,
}

impl FileKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex, Self::Snapshot];

    /// With its dot.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }
}

/// Where in its life a file is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Stage {
    /// In use.
    #[default]
    Live,
    /// `.deleted`: to be unlinked, at once when a log is opened.
    Deleted,
    /// `.cleaned`: unfinished output of compaction, to be deleted when a log is opened.
    Cleaned,
    /// `.swap`: finished output of compaction, to be put in place when a log is opened.
    Swap,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Deleted, Self::Cleaned, Self::Swap, Self::Live];

    /// With its dot; nothing for a live file.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Deleted => ".deleted",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
        }
    }
}

/// The parts of a segment file's name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SegmentFile {
    /// The segment's base offset, or where a snapshot was taken.
    pub base: Offset,
    /// What it holds.
    pub kind: FileKind,
    /// Where in its life it is.
    pub stage: Stage,
}

impl SegmentFile {
    /// A live file.
    #[must_use]
    pub const fn live(base: Offset, kind: FileKind) -> Self {
        Self { base, kind, stage: Stage::Live }
    }

    /// The same file at another stage.
    #[must_use]
    pub const fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// Takes a name apart; `None` if it is no segment file's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (digits, rest) = name.split_at_checked(OFFSET_DIGITS)?;
        let stage = Stage::ALL.into_iter().find(|stage| rest.ends_with(stage.suffix()))?;
        let rest = rest.strip_suffix(stage.suffix())?;
        let kind = FileKind::ALL.into_iter().find(|kind| kind.suffix() == rest)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { base: Offset::new(digits.parse().ok()?)?, kind, stage })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> String {
        let (base, kind, stage) = (self.base.get(), self.kind.suffix(), self.stage.suffix());
        format!("{base:020}{kind}{stage}")
    }
}

/// Name of a live file: `segment_file(120, Log)` is `00000000000000000120.log`.
#[must_use]
pub fn segment_file(base: Offset, kind: FileKind) -> String {
    SegmentFile::live(base, kind).name()
}

/// The parts of a partition directory's name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PartitionDir {
    /// The topic; possibly cut short in a [`DirState::Deleted`] one.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
    /// What the directory is for.
    pub state: DirState,
}

/// What a partition directory is for.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum DirState {
    /// The partition itself.
    #[default]
    Live,
    /// Deleted: its removal is to be finished.
    Deleted,
    /// A copy that a move between disks makes.
    Future,
    /// Set aside by Kafka because no topic claimed it.
    Stray,
}

impl DirState {
    const TAGGED: [(Self, &'static str); 3] =
        [(Self::Deleted, "-delete"), (Self::Future, "-future"), (Self::Stray, "-stray")];
}

impl PartitionDir {
    /// Takes a name apart; `None` if Kafka would refuse to start on it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        for (state, suffix) in DirState::TAGGED {
            if let Some(rest) = name.strip_suffix(suffix)
                && let Some((live, unique)) = rest.rsplit_once('.')
                && !unique.is_empty()
                && let Some(parsed) = Self::parse_live(live)
            {
                return Some(Self { state, ..parsed });
            }
        }
        Self::parse_live(name)
    }

    fn parse_live(name: &str) -> Option<Self> {
        let (topic, digits) = name.rsplit_once('-')?;
        if topic.is_empty() || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { topic: topic.to_owned(), partition: digits.parse().ok()?, state: DirState::Live })
    }
}

/// The directory of a partition.
#[must_use]
pub fn partition_dir(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// Where a partition's directory goes when it is deleted: `live` is its name, `unique` 16 random bytes. The topic is
/// cut (at a character) so that the whole has at most [`MAX_NAME`] bytes.
#[must_use]
pub fn deleted_dir(live: &str, unique: u128) -> String {
    let (topic, partition) = live.rsplit_once('-').unwrap_or((live, "0"));
    let suffix = format!("-{partition}.{unique:032x}-delete");
    let mut keep = topic.len().min(MAX_NAME.saturating_sub(suffix.len()));
    while !topic.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}{suffix}", &topic[..keep])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_kafkas() {
        let base = Offset::new(120).unwrap();
        assert_eq!(segment_file(base, FileKind::Log), "00000000000000000120.log");
        let gone = SegmentFile::live(base, FileKind::TimeIndex).at(Stage::Deleted);
        assert_eq!(gone.name(), "00000000000000000120.timeindex.deleted");
        assert_eq!(partition_dir("a-b", 3), "a-b-3");
    }

    #[test]
    fn foreign_files_are_nobodys() {
        for name in [
            "",
            "leader-epoch-checkpoint",
            "120.log",
            "0000000000000000012x.log",
            "+0000000000000000120.log",
            "00000000000000000120",
            "00000000000000000120.log.bak",
            "00000000000000000120.log.deleted.swap",
            "99999999999999999999.log",
            "\u{20ac}0000000000000000000.log",
        ] {
            assert_eq!(SegmentFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn partition_names_split_at_the_last_dash() {
        let parsed = PartitionDir::parse("a-b-12").unwrap();
        assert_eq!((parsed.topic.as_str(), parsed.partition, parsed.state), ("a-b", 12, DirState::Live));
        let gone = PartitionDir::parse("t-0.0123456789abcdef0123456789abcdef-delete").unwrap();
        assert_eq!((gone.topic.as_str(), gone.partition, gone.state), ("t", 0, DirState::Deleted));
        assert_eq!(PartitionDir::parse("t.x-1").unwrap().topic, "t.x");
        for name in ["foo", ".hidden", "baz-x", "-0", "t-", "t-99999999999", "t--1x", "t-0.abc", "x.-delete"]
        {
            assert_eq!(PartitionDir::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_deleted_name_fits_and_keeps_its_partition() {
        let name = deleted_dir(&partition_dir(&"x".repeat(249), 77), 7);
        assert_eq!(name.len(), MAX_NAME);
        let parsed = PartitionDir::parse(&name).unwrap();
        assert_eq!((parsed.partition, parsed.state), (77, DirState::Deleted));
        assert_eq!(deleted_dir("t-0", u128::MAX), format!("t-0.{}-delete", "f".repeat(32)));
    }

    proptest! {
        #[test]
        fn names_survive(base in 0i64..=i64::MAX, kind in 0usize..5, stage in 0usize..4) {
            let file = SegmentFile {
                base: Offset::new(base).unwrap(),
                kind: FileKind::ALL[kind],
                stage: Stage::ALL[stage],
            };
            prop_assert_eq!(SegmentFile::parse(&file.name()), Some(file));
        }

        #[test]
        fn any_name_is_taken_apart_without_panic(name in "\\PC*", unique: u128) {
            let _ = SegmentFile::parse(&name);
            let _ = PartitionDir::parse(&name);
            prop_assert!(deleted_dir(&name, unique).len() <= MAX_NAME);
        }
    }
}

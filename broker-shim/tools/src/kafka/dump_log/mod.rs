//! `kafka-dump-log`: what the files of a log hold, in the form of Kafka 4's tool.
//!
//! ```text
//! Dumping t-0/00000000000000000000.log
//! Log starting offset: 0
//! baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1 ... position: 0 CreateTime: 1700000002000 size: 135 magic: 2 ...
//! | offset: 0 CreateTime: 1700000000000 keySize: 5 valueSize: 11 sequence: -1 headerKeys: [] key: k payload: v
//! ```
//!
//! What contradicts itself (an index entry that names another offset than its batch ends with, offsets with gaps) is
//! collected and told on standard error behind all files.
//!
//! # Invariants
//!
//! * Files are read, never written or created: it works on a [`ReadOnlyStorage`].
//! * One batch of a `.log` is in memory, and its indexes.
//!
//! # Not here
//!
//! Our own, wider look at a log (`corrente log`).

mod command;
mod index;
mod log;
mod old;
mod small;
#[cfg(test)]
mod tests;

pub(crate) use command::TOOL;

use crate::ops::coordinator::{Coordinator, Undecoded};
use log_engine::format::names::{FileKind, SegmentFile};
use log_engine::io::{ReadOnlyStorage, RealStorage};
use log_engine::types::Offset;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How keys and values are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decoder {
    /// As UTF-8; what is not becomes U+FFFD.
    Text,
    /// As four bytes of a number.
    Int,
    /// As eight bytes of a number.
    Long,
    /// In hexadecimal.
    Bytes,
}

impl Decoder {
    /// By the class that Kafka's tool would load, of 4.x or 2.2.
    pub(crate) fn of_class(name: &str) -> Option<Self> {
        match name.rsplit('.').next().unwrap_or_default() {
            "StringDecoder" => Some(Self::Text),
            "IntegerDecoder" => Some(Self::Int),
            "LongDecoder" => Some(Self::Long),
            "DefaultDecoder" => Some(Self::Bytes),
            _ => None,
        }
    }

    fn show(self, bytes: &[u8]) -> Result<String, String> {
        let length = |expected: usize| format!("{} bytes where the decoder expects {expected}", bytes.len());
        match self {
            Self::Text => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Self::Int => bytes.try_into().map(|b| i32::from_be_bytes(b).to_string()).map_err(|_| length(4)),
            Self::Long => bytes.try_into().map(|b| i64::from_be_bytes(b).to_string()).map_err(|_| length(8)),
            Self::Bytes => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// How records are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contents {
    /// By a decoder for the key and one for the value.
    Plain(Decoder, Decoder),
    /// As records of a coordinator.
    Coordinator(Coordinator),
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) files: Vec<PathBuf>,
    /// Show the records, one by one.
    pub(crate) deep: bool,
    /// Show what is in them.
    pub(crate) print: bool,
    pub(crate) contents: Contents,
    /// Leave offset, time and sizes of records out.
    pub(crate) skip_metadata: bool,
    pub(crate) verify_only: bool,
    pub(crate) sanity_only: bool,
    /// Batches are read up to here.
    pub(crate) max_bytes: Option<u64>,
}

#[cfg(test)]
impl Options {
    /// As the tool runs with nothing but files.
    pub(crate) fn of(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            deep: false,
            print: false,
            contents: Contents::Plain(Decoder::Text, Decoder::Text),
            skip_metadata: false,
            verify_only: false,
            sanity_only: false,
            max_bytes: None,
        }
    }
}

/// Why it stops: nothing can be printed any more, or a sentence for whoever asked.
#[derive(Debug)]
pub(crate) enum Stop {
    Output(io::Error),
    Trouble(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<log_engine::LogError> for Stop {
    fn from(error: log_engine::LogError) -> Self {
        use std::error::Error as _;
        match error.source() {
            Some(source) => Self::Trouble(format!("{error}: {source}")),
            None => Self::Trouble(error.to_string()),
        }
    }
}

/// Pairs of numbers that contradict each other, by the file they were found in.
type Pairs = BTreeMap<String, Vec<(i64, i64)>>;

/// What is told behind all files.
#[derive(Debug, Default)]
struct Complaints {
    /// Of an index entry and the batch it points to.
    index: Pairs,
    time_mismatch: Pairs,
    time_order: Pairs,
    time_lost: Pairs,
    gaps: Pairs,
}

impl Complaints {
    fn note(pairs: &mut Pairs, file: &Path, first: i64, second: i64) {
        pairs.entry(absolute(file)).or_default().push((first, second));
    }

    fn tell(mut self, err: &mut dyn Write) -> io::Result<()> {
        for pairs in self.index.values_mut() {
            // From the greatest offset down, each once.
            pairs.sort_by(|a, b| b.cmp(a));
            pairs.dedup_by_key(|pair| pair.0);
        }
        for pairs in self.gaps.values_mut() {
            pairs.sort_unstable();
        }
        section(err, &self.index, "Mismatches in :", "  Index offset: ", ", log offset: ")?;
        let times = "  Index timestamp: ";
        section(err, &self.time_mismatch, "Found timestamp mismatch in :", times, ", log timestamp: ")?;
        let before = ", Previously indexed timestamp: ";
        section(err, &self.time_order, "Found out of order timestamp in :", times, before)?;
        for pairs in self.time_lost.values() {
            writeln!(err, "The following indexed offsets are not found in the log.")?;
            for (indexed, found) in pairs {
                writeln!(err, "Indexed offset: {indexed}, found log offset: {found}")?;
            }
        }
        section(err, &self.gaps, "Non-consecutive offsets in ", "  ", " is followed by ")
    }
}

fn section(err: &mut dyn Write, pairs: &Pairs, head: &str, first: &str, second: &str) -> io::Result<()> {
    for (file, pairs) in pairs {
        writeln!(err, "{head}{file}")?;
        for (a, b) in pairs {
            writeln!(err, "{first}{a}{second}{b}")?;
        }
    }
    Ok(())
}

fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

/// One run of the tool.
struct Dump<'a> {
    options: &'a Options,
    storage: ReadOnlyStorage,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    complaints: Complaints,
}

/// Prints all files; what is wrong with one of them ends the run, as in Kafka's tool.
pub(crate) fn dump(options: &Options, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Stop> {
    let storage = ReadOnlyStorage::new(Arc::new(RealStorage::new()));
    let mut dump = Dump { options, storage, out, err, complaints: Complaints::default() };
    for file in &options.files {
        dump.file(file)?;
    }
    dump.complaints.tell(dump.err)?;
    Ok(())
}

impl Dump<'_> {
    fn file(&mut self, path: &Path) -> Result<(), Stop> {
        writeln!(self.out, "Dumping {}", path.display())?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let suffix = name.rfind('.').map_or("", |dot| &name[dot..]);
        let Some(kind) = FileKind::ALL.into_iter().find(|kind| kind.suffix() == suffix) else {
            writeln!(self.err, "Ignoring unknown file {}", path.display())?;
            return Ok(());
        };
        let base = base(path, name)?;
        match kind {
            FileKind::Log => self.log(path, base),
            FileKind::OffsetIndex => self.offset_index(path, base),
            FileKind::TimeIndex => self.time_index(path, base),
            FileKind::TxnIndex => self.txn_index(path),
            FileKind::Snapshot => self.snapshot(path),
        }
    }

    /// A small file's bytes.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Stop> {
        let found = log_engine::inspect::read_small(&self.storage, path)?;
        found.ok_or_else(|| missing(path))
    }

    /// What is shown of a record's key and value.
    fn contents(
        &self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(Option<String>, Option<String>), Stop> {
        match self.options.contents {
            Contents::Plain(keys, values) => {
                let trouble =
                    |problem: String| Stop::Trouble(format!("the record at offset {offset} has {problem}"));
                let key = key.map(|key| keys.show(key)).transpose().map_err(trouble)?;
                let value = value.map(|value| values.show(value)).transpose().map_err(trouble)?;
                Ok((key, value))
            }
            Contents::Coordinator(coordinator) => {
                let Some(key) = key else {
                    return Err(Stop::Trouble(format!(
                        "Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
                    )));
                };
                Ok(coordinator_record(coordinator, offset, key, value))
            }
        }
    }
}

fn coordinator_record(
    coordinator: Coordinator,
    offset: i64,
    key: &[u8],
    value: Option<&[u8]>,
) -> (Option<String>, Option<String>) {
    match coordinator.decode(key, value, true) {
        Ok(decoded) => {
            let key = format!("{{\"type\":\"{}\",\"data\":{}}}", decoded.kind, decoded.key);
            let value = decoded.value.map_or_else(
                || "<DELETE>".to_owned(),
                |(version, fields)| format!("{{\"version\":\"{version}\",\"data\":{fields}}}"),
            );
            (Some(key), Some(value))
        }
        Err(Undecoded::Unknown(kind)) => {
            (Some(format!("Unknown record type {kind} at offset {offset}, skipping.")), None)
        }
        Err(Undecoded::Invalid(problem)) => {
            (Some(format!("Error at offset {offset}, skipping. {problem}")), None)
        }
    }
}

/// The offset in a file's name.
fn base(path: &Path, name: &str) -> Result<Offset, Stop> {
    let front = name.split('.').next().unwrap_or_default();
    let base = front.parse().ok().and_then(Offset::new);
    base.ok_or_else(|| {
        Stop::Trouble(format!(
            "{}: the name of a log's file begins with its offset, as in {}; give the file the name it had",
            path.display(),
            SegmentFile::live(Offset::ZERO, FileKind::Log).name()
        ))
    })
}

fn missing(path: &Path) -> Stop {
    Stop::Trouble(format!("{}: there is no such file; look for it with ls", path.display()))
}

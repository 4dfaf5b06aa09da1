//! The golden directories (see `golden/README.md`) and the lists of what is in them, for any test of the workspace:
//! `#[path = "../../log-engine/tests/common/mod.rs"] mod common;` from another crate.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses what it needs")]

mod sha256;

use std::fs;
use std::path::{Path, PathBuf};

/// The versions there are directories of.
pub const VERSIONS: [&str; 2] = ["kafka-2.2.0", "kafka-4.3.1"];

/// What one partition's list says.
#[derive(Debug)]
pub struct Expected {
    /// Log start offset.
    pub start: i64,
    /// Log end offset; in a list of committed records the last stable offset.
    pub end: i64,
    /// The records, without control records.
    pub records: Vec<ExpectedRecord>,
}

/// One line of a list.
#[derive(Debug)]
pub struct ExpectedRecord {
    pub offset: i64,
    /// -1 none.
    pub timestamp: i64,
    /// `CreateTime`, `LogAppendTime`, `NoTimestampType`.
    pub timestamp_type: String,
    /// None for the old formats.
    pub epoch: Option<i32>,
    pub key: ExpectedBytes,
    pub value: ExpectedBytes,
    pub headers: Vec<(String, ExpectedBytes)>,
}

/// Bytes, or how to know them.
#[derive(Debug, PartialEq, Eq)]
pub enum ExpectedBytes {
    Null,
    Exact(Vec<u8>),
    Sha256 { len: usize, hex: String },
}

impl ExpectedBytes {
    fn parse(text: &str) -> Self {
        if text == "null" {
            return Self::Null;
        }
        if let Some(text) = text.strip_prefix('\'') {
            return Self::Exact(text.as_bytes().to_vec());
        }
        if let Some(rest) = text.strip_prefix("sha256:") {
            let (len, hex) = rest.split_once(':').unwrap();
            return Self::Sha256 { len: len.parse().unwrap(), hex: hex.to_owned() };
        }
        Self::Exact(unhex(text.strip_prefix('x').unwrap()))
    }

    /// Whether these are the bytes.
    pub fn is(&self, bytes: Option<&[u8]>) -> bool {
        match (self, bytes) {
            (Self::Null, None) => true,
            (Self::Exact(expected), Some(bytes)) => expected == bytes,
            (Self::Sha256 { len, hex }, Some(bytes)) => {
                bytes.len() == *len && sha256::sha256_hex(bytes) == *hex
            }
            _ => false,
        }
    }
}

/// Bytes from hex digits.
pub fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Where the golden directories are.
pub fn golden() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    [here.join("tests/golden"), here.join("../log-engine/tests/golden")]
        .into_iter()
        .find(|p| p.exists())
        .unwrap()
}

/// The partition directories of one version, in the order of their names.
pub fn partitions(version: &str) -> Vec<PathBuf> {
    let mut dirs: Vec<_> = fs::read_dir(golden().join(version))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.tsv").exists())
        .collect();
    dirs.sort();
    dirs
}

/// The list of a partition directory: `expected.tsv` or `expected-committed.tsv`.
pub fn expected(dir: &Path, list: &str) -> Expected {
    let text = fs::read_to_string(dir.join(list)).unwrap();
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().unwrap().split(' ').collect();
    let (start, end) = (head[3].parse().unwrap(), head[head.len() - 1].parse().unwrap());
    let records = lines.filter(|line| !line.starts_with('#')).map(parse_line).collect();
    Expected { start, end, records }
}

fn parse_line(line: &str) -> ExpectedRecord {
    let columns: Vec<_> = line.split('\t').collect();
    let [offset, timestamp, kind, epoch, key, value, headers] = columns[..] else {
        panic!("seven columns expected: {line}");
    };
    ExpectedRecord {
        offset: offset.parse().unwrap(),
        timestamp: timestamp.parse().unwrap(),
        timestamp_type: kind.to_owned(),
        epoch: epoch.parse().ok(),
        key: ExpectedBytes::parse(key),
        value: ExpectedBytes::parse(value),
        headers: headers.split(',').filter(|header| !header.is_empty()).map(parse_header).collect(),
    }
}

fn parse_header(header: &str) -> (String, ExpectedBytes) {
    let (key, value) = header.split_once('=').unwrap();
    (key.to_owned(), ExpectedBytes::parse(value))
}

/// The files of a directory with this suffix, in the order of their names, with their content.
pub fn files(dir: &Path, suffix: &str) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name.ends_with(suffix))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    out.sort();
    out
}

/// Copies a golden directory, so that it can be opened and written.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

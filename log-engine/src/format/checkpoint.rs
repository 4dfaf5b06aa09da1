//! The text files of a log directory.
//!
//! ```text
//! recovery-point-offset-checkpoint   0\n<number of lines>\n<topic> <partition> <offset>\n...
//!   (and replication-, log-start-, cleaner-)
//! leader-epoch-checkpoint            0\n<number of lines>\n<epoch> <start offset>\n...
//! partition.metadata                 version: 0\ntopic_id: <22 characters>      (no newline at the end)
//! meta.properties                    #comments, key=value lines
//! ```
//!
//! A 16 byte id is written as 22 characters of URL-safe base64 without padding.
//!
//! # Invariants
//!
//! * What was written by Kafka or by us reads and prints back byte for byte.
//! * A checkpoint that was cut anywhere does not read: its lines are counted and the last one must be whole.
//!
//! # Not here
//!
//! Writing them so that a crash leaves the old or the new one whole (`log`, `store`).

use super::CorruptReason;
use crate::types::{LeaderEpoch, Offset};
use std::fmt::Write as _;

/// One line of an offset checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OffsetLine {
    /// The topic; without blanks, as topic names are.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
    /// What the file is about: a recovery point, a log start...
    pub offset: Offset,
}

/// One line of a leader epoch checkpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EpochLine {
    /// The leadership.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start: Offset,
}

/// Text of an offset checkpoint.
#[must_use]
pub fn write_offsets(lines: &[OffsetLine]) -> String {
    let mut out = format!("0\n{}\n", lines.len());
    for OffsetLine { topic, partition, offset } in lines {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{topic} {partition} {offset}");
    }
    out
}

/// Reads an offset checkpoint.
///
/// # Errors
///
/// [`CorruptReason::Structure`] with the line that is wrong.
pub fn read_offsets(bytes: &[u8]) -> Result<Vec<OffsetLine>, CorruptReason> {
    let read = |line: &str| {
        let (rest, offset) = line.rsplit_once(' ')?;
        let (topic, partition) = rest.rsplit_once(' ')?;
        let partition: i32 = number(partition)?;
        (!topic.is_empty()).then_some(())?;
        Some(OffsetLine { topic: topic.to_owned(), partition, offset: Offset::new(number(offset)?)? })
    };
    read_lines(bytes, read)
}

/// Text of a leader epoch checkpoint.
#[must_use]
pub fn write_epochs(lines: &[EpochLine]) -> String {
    let mut out = format!("0\n{}\n", lines.len());
    for EpochLine { epoch, start } in lines {
        let _ = writeln!(out, "{epoch} {start}");
    }
    out
}

/// Reads a leader epoch checkpoint.
///
/// # Errors
///
/// [`CorruptReason::Structure`] with the line that is wrong.
pub fn read_epochs(bytes: &[u8]) -> Result<Vec<EpochLine>, CorruptReason> {
    let read = |line: &str| {
        let (epoch, start) = line.split_once(' ')?;
        Some(EpochLine { epoch: LeaderEpoch::new(number(epoch)?)?, start: Offset::new(number(start)?)? })
    };
    read_lines(bytes, read)
}

/// Digits only: what `parse` takes besides (a sign) no writer produces.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn read_lines<T>(bytes: &[u8], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, CorruptReason> {
    let bad = |text: String| CorruptReason::Structure(text);
    let text = std::str::from_utf8(bytes).map_err(|_| bad("checkpoint is not text".to_owned()))?;
    let body =
        text.strip_suffix('\n').ok_or_else(|| bad("checkpoint does not end with a line".to_owned()))?;
    // Somebody's editor may have left carriage returns; Kafka's reader takes them too.
    let mut lines = body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let version = lines.next().unwrap_or_default();
    if version != "0" {
        return Err(bad(format!("checkpoint version {version:?}, expected 0")));
    }
    let count = lines.next().unwrap_or_default();
    let count: usize = number(count).ok_or_else(|| bad(format!("checkpoint line count {count:?}")))?;
    let entries = lines
        .enumerate()
        .map(|(at, line)| read(line).ok_or_else(|| bad(format!("checkpoint line {}: {line:?}", at + 3))))
        .collect::<Result<Vec<_>, _>>()?;
    if entries.len() != count {
        return Err(bad(format!("checkpoint of {} lines, {count} expected", entries.len())));
    }
    Ok(entries)
}

/// A 16 byte id, as Kafka prints it: 22 characters.
#[must_use]
pub fn id_to_text(id: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(id);
    // 128 bits are 21 groups of six and two bits; the last group is filled with zeros.
    (0..22u32)
        .map(|at| {
            let group = if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 };
            char::from(ALPHABET[usize::from(group.to_le_bytes()[0] & 63)])
        })
        .collect()
}

/// Reads an id; `None` if it is not 22 characters of the alphabet or has bits behind the 128th.
#[must_use]
pub fn id_from_text(text: &str) -> Option<[u8; 16]> {
    if text.len() != 22 {
        return None;
    }
    let mut bits = 0u128;
    for (at, byte) in text.bytes().enumerate() {
        let group = u128::try_from(ALPHABET.iter().position(|c| *c == byte)?).ok()?;
        if at < 21 {
            bits = (bits << 6) | group;
        } else if group & 15 == 0 {
            bits = (bits << 2) | (group >> 4);
        } else {
            return None;
        }
    }
    Some(bits.to_be_bytes())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Text of `partition.metadata`.
#[must_use]
pub fn write_partition_metadata(topic_id: [u8; 16]) -> String {
    format!("version: 0\ntopic_id: {}", id_to_text(topic_id))
}

/// The topic id in a `partition.metadata`.
///
/// # Errors
///
/// [`CorruptReason::Structure`].
pub fn read_partition_metadata(bytes: &[u8]) -> Result<[u8; 16], CorruptReason> {
    let find = || {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        let version = lines.next()?.strip_prefix("version:")?.trim();
        let id = lines.next()?.strip_prefix("topic_id:")?.trim();
        (version == "0" && lines.all(|line| line.trim().is_empty())).then(|| id_from_text(id)).flatten()
    };
    find().ok_or_else(|| CorruptReason::Structure("partition.metadata cannot be read".to_owned()))
}

/// A small properties file, as `meta.properties` is: comments on top, then `key=value` lines in the order they had.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Properties {
    /// The lines from the top that begin with `#`, without it.
    pub comments: Vec<String>,
    /// The entries.
    pub entries: Vec<(String, String)>,
}

impl Properties {
    /// The value of `key`; the last one if it is there more than once, as in Java.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Sets the value of `key`, in its place or at the end.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        match self.entries.iter_mut().rev().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value.into(),
            None => self.entries.push((key.to_owned(), value.into())),
        }
    }

    /// Reads the file. Blank lines are dropped; escapes are not undone: the values that are kept there have none.
    ///
    /// # Errors
    ///
    /// [`CorruptReason::Structure`] with the line that is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, CorruptReason> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| CorruptReason::Structure("properties are not text".to_owned()))?;
        let mut out = Self::default();
        for line in text.lines().map(str::trim_start).filter(|line| !line.trim().is_empty()) {
            if let Some(comment) = line.strip_prefix('#').or_else(|| line.strip_prefix('!')) {
                out.comments.push(comment.to_owned());
                continue;
            }
            let Some((key, value)) = line.split_once(['=', ':']) else {
                return Err(CorruptReason::Structure(format!("properties line {line:?}")));
            };
            out.entries.push((key.trim_end().to_owned(), value.trim().to_owned()));
        }
        Ok(out)
    }

    /// The file's text.
    #[must_use]
    pub fn write(&self) -> String {
        let comments = self.comments.iter().map(|comment| format!("#{comment}\n"));
        let entries = self.entries.iter().map(|(key, value)| format!("{key}={value}\n"));
        comments.chain(entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    #[test]
    fn offsets_are_kafkas_text() {
        let lines = [OffsetLine { topic: "t".to_owned(), partition: 0, offset: offset(3) }];
        assert_eq!(write_offsets(&lines), "0\n1\nt 0 3\n");
        assert_eq!(read_offsets(b"0\n1\nt 0 3\n").unwrap(), lines);
        assert_eq!(read_offsets(b"0\r\n1\r\nt 0 3\r\n").unwrap(), lines);
        assert_eq!(read_offsets(b"0\n0\n"), Ok(vec![]));
    }

    #[test]
    fn epochs_are_kafkas_text() {
        let lines = [EpochLine { epoch: LeaderEpoch::ZERO, start: offset(1) }];
        assert_eq!(write_epochs(&lines), "0\n1\n0 1\n");
        assert_eq!(read_epochs(b"0\n1\n0 1\n").unwrap(), lines);
    }

    #[test]
    fn a_cut_or_doubled_checkpoint_does_not_read() {
        let text = b"0\n2\ntopic 0 123\nother 1 45\n";
        assert_eq!(read_offsets(text).unwrap().len(), 2);
        for len in 0..text.len() {
            assert!(read_offsets(&text[..len]).is_err(), "length {len}");
        }
        for bad in
            [&b"0\n1\nt 0 3\nt 0 3\n"[..], b"1\n0\n", b"0\n1\nt 0 -3\n", b"0\n1\n 0 3\n", b"0\n1\nt +0 3\n"]
        {
            assert!(read_offsets(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn the_id_of_a_real_topic() {
        let text = "version: 0\ntopic_id: eSLqG37kTtWYYBisLmvSug";
        let id = read_partition_metadata(text.as_bytes()).unwrap();
        assert_eq!(id[..3], [0x79, 0x22, 0xea]);
        assert_eq!(write_partition_metadata(id), text);
        assert_eq!(id_from_text("eSLqG37kTtWYYBisLmvSuh"), None, "bits behind the 128th");
        assert!(read_partition_metadata(b"version: 1\ntopic_id: eSLqG37kTtWYYBisLmvSug").is_err());
    }

    #[test]
    fn properties_keep_their_order_and_comments() {
        let text = "#\n#Mon Nov 23 07:28:49 UTC 2026\nbroker.id=0\nversion=0\n";
        let mut properties = Properties::read(text.as_bytes()).unwrap();
        assert_eq!(properties.write(), text);
        assert_eq!(properties.get("broker.id"), Some("0"));
        properties.set("version", "1");
        properties.set("cluster.id", "x=");
        assert!(properties.write().ends_with("version=1\ncluster.id=x=\n"));
        assert!(Properties::read(b"no separator\n").is_err());
    }

    proptest! {
        #[test]
        fn ids_survive(id: [u8; 16]) {
            prop_assert_eq!(id_from_text(&id_to_text(id)), Some(id));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[0-9 \\n\\rt]{0,40}") {
            for input in [&bytes, text.as_bytes()] {
                let _ = read_offsets(input);
                let _ = read_epochs(input);
                let _ = read_partition_metadata(input);
                let _ = Properties::read(input);
            }
        }
    }
}

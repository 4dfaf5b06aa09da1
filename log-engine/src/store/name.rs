//! Names of logs, which are names of directories.

use crate::error::{LogError, Result};
use crate::format::names::{DirState, MAX_NAME, PartitionDir, partition_dir};
use std::fmt;

/// Longest topic: the directory of a deleted log has a suffix, and must fit a file name.
const MAX_TOPIC: usize = 249;

/// The name of a log: `<topic>-<partition>`, checked. Directories are only ever made of these.
///
/// The topic has 1 to 249 characters of `a-z A-Z 0-9 . _ -` and is not `.` or `..`; the partition is a number without
/// leading zeros.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LogName {
    topic: String,
    partition: i32,
}

impl LogName {
    /// The name of one partition's log.
    ///
    /// # Errors
    ///
    /// [`LogError::Name`] saying what is wrong.
    pub fn new(topic: &str, partition: i32) -> Result<Self> {
        let problem = |problem| Err(LogError::Name { name: partition_dir(topic, partition), problem });
        if topic.is_empty() || topic.len() > MAX_TOPIC {
            return problem("has a topic that is not of 1 to 249 characters");
        }
        if topic == "." || topic == ".." {
            return problem("has a topic that names a directory");
        }
        if !topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return problem("has characters other than a-z A-Z 0-9 . _ - in its topic");
        }
        if partition < 0 {
            return problem("has a negative partition");
        }
        let name = Self { topic: topic.to_owned(), partition };
        if name.to_string().len() > MAX_NAME { problem("is longer than 255 characters") } else { Ok(name) }
    }

    /// Reads `<topic>-<partition>`.
    ///
    /// # Errors
    ///
    /// [`LogError::Name`] saying what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let problem = |problem| LogError::Name { name: text.to_owned(), problem };
        let parsed = PartitionDir::parse(text).filter(|dir| dir.state == DirState::Live);
        let parsed = parsed.ok_or_else(|| problem("is not in the form of topic-partition"))?;
        let name = Self::new(&parsed.topic, parsed.partition)?;
        if name.to_string() == text { Ok(name) } else { Err(problem("has leading zeros in its partition")) }
    }

    /// The part before the last `-`.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The number behind it, from 0.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.partition
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl Ord for LogName {
    /// By topic, then by number: partition 10 comes after partition 9.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.topic, self.partition).cmp(&(&other.topic, other.partition))
    }
}

impl PartialOrd for LogName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_last_dash() {
        let name = LogName::parse("a-b-12").unwrap();
        assert_eq!((name.topic(), name.partition()), ("a-b", 12));
        assert_eq!(name.to_string(), "a-b-12");
        assert_eq!(LogName::parse("__consumer_offsets-0").unwrap().topic(), "__consumer_offsets");
        assert!(LogName::parse("t-9").unwrap() < LogName::parse("t-10").unwrap());
    }

    #[test]
    fn what_cannot_be_a_directory_of_ours_is_refused() {
        let long = "x".repeat(250);
        for topic in ["", ".", "..", "a/b", "a\\b", "a b", "\u{e4}", "a\0", "a\n", &long] {
            assert!(matches!(LogName::new(topic, 0), Err(LogError::Name { .. })), "{topic:?}");
        }
        assert!(LogName::new(&long[1..], i32::MAX).is_err(), "the directory would be too long");
        assert!(LogName::new(&long[1..], 9999).is_ok());
        for text in
            ["", "foo", "-0", "t-", "t-x", "t-00", "t-01", "t-2147483648", "t-+1", "../t-0", ".hidden"]
        {
            assert!(LogName::parse(text).is_err(), "{text:?}");
        }
        assert!(LogName::parse("t-0.0123456789abcdef0123456789abcdef-delete").is_err());
        let said = LogName::parse("baz-x").unwrap_err().to_string();
        assert_eq!(said, "log \"baz-x\" is not in the form of topic-partition");
    }
}

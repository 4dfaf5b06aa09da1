//! The topic keys: type, range, default, the broker key behind each; and whether a topic may have certain values.
//!
//! Keys that newer Kafkas dropped and keys that newer ones added are both here, so that a client of any age finds
//! its own. `segment.bytes` may be as small as in Kafka 2.2.
//!
//! # Not here
//!
//! Which value is in force for a topic, and what a log does with it (`broker_shim::config`).

use crate::escaped::Escaped;
use crate::value::{Kind, Value};
use std::collections::BTreeMap;
use std::fmt;

/// What `compression.type` takes.
pub const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// What `cleanup.policy` takes.
pub const POLICIES: &[&str] = &["compact", "delete"];
/// What `message.timestamp.type` takes.
pub const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];

/// One topic key.
#[derive(Clone, Copy, Debug)]
pub struct TopicKey {
    /// The key.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// The value when nobody sets it.
    pub default: &'static str,
    /// The broker key that is the default of all topics.
    pub broker_key: Option<&'static str>,
    /// One line of documentation.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    broker_key: Option<&'static str>,
    doc: &'static str,
) -> TopicKey {
    TopicKey { name, kind, default, broker_key, doc }
}

const I32: i64 = i32::MAX as i64;
const I64: i64 = i64::MAX;
const FOREVER: &str = "9223372036854775807";
const OFF: Kind = Kind::Choice(&["false"]);

/// The longest value of an override, bytes.
pub const MAX_VALUE_LEN: usize = 32_767;

/// All rows, sorted by name.
#[rustfmt::skip]
pub static TOPIC_KEYS: &[TopicKey] = &[
    key("cleanup.policy", Kind::List(POLICIES), "delete", Some("log.cleanup.policy"), "Whether old segments are deleted, compacted, or both."),
    key("compression.gzip.level", Kind::Int(-1, 9), "-1", None, "Level when the broker compresses with gzip."),
    key("compression.lz4.level", Kind::Int(1, 17), "9", None, "Level when the broker compresses with lz4."),
    key("compression.type", Kind::Choice(COMPRESSIONS), "producer", Some("compression.type"), "The codec of batches; producer keeps what was sent."),
    key("compression.zstd.level", Kind::Int(-131_072, 22), "3", None, "Level when the broker compresses with zstd."),
    key("delete.retention.ms", Kind::Long(0, I64), "86400000", Some("log.cleaner.delete.retention.ms"), "How long a compacted topic keeps its tombstones."),
    key("file.delete.delay.ms", Kind::Long(0, I64), "60000", Some("log.segment.delete.delay.ms"), "How long a deleted file lingers under another name."),
    key("flush.messages", Kind::Long(1, I64), FOREVER, Some("log.flush.interval.messages"), "Records after which the log is synced."),
    key("flush.ms", Kind::Long(0, I64), FOREVER, Some("log.flush.interval.ms"), "Time after which the log is synced."),
    key("follower.replication.throttled.replicas", Kind::List(&[]), "", None, "Throttled followers; none on one node."),
    key("index.interval.bytes", Kind::Int(0, I32), "4096", Some("log.index.interval.bytes"), "Bytes between two index entries."),
    key("leader.replication.throttled.replicas", Kind::List(&[]), "", None, "Throttled leaders; none on one node."),
    key("local.retention.bytes", Kind::Long(-2, I64), "-2", None, "Local part of a tiered log; there is no tier here."),
    key("local.retention.ms", Kind::Long(-2, I64), "-2", None, "Local part of a tiered log; there is no tier here."),
    key("max.compaction.lag.ms", Kind::Long(1, I64), FOREVER, Some("log.cleaner.max.compaction.lag.ms"), "How long a record may stay uncompacted."),
    key("max.message.bytes", Kind::Int(0, I32), "1048588", Some("message.max.bytes"), "The largest batch a producer may send, bytes."),
    key("message.downconversion.enable", Kind::Bool, "true", Some("log.message.downconversion.enable"), "Whether old consumers get records in their own format."),
    key("message.format.version", Kind::Text, "3.0-IV1", Some("log.message.format.version"), "The version of records on disk; always 2 here."),
    key("message.timestamp.after.max.ms", Kind::Long(0, I64), "3600000", Some("log.message.timestamp.after.max.ms"), "How far ahead of the clock a record's time may be."),
    key("message.timestamp.before.max.ms", Kind::Long(0, I64), FOREVER, Some("log.message.timestamp.before.max.ms"), "How far behind the clock a record's time may be."),
    key("message.timestamp.difference.max.ms", Kind::Long(0, I64), FOREVER, Some("log.message.timestamp.difference.max.ms"), "Old form of the two limits before and after."),
    key("message.timestamp.type", Kind::Choice(TIMESTAMP_TYPES), "CreateTime", Some("log.message.timestamp.type"), "Whose clock stamps the records."),
    key("min.cleanable.dirty.ratio", Kind::Double(0.0, 1.0), "0.5", Some("log.cleaner.min.cleanable.ratio"), "The dirty share from which on the log is compacted."),
    key("min.compaction.lag.ms", Kind::Long(0, I64), "0", Some("log.cleaner.min.compaction.lag.ms"), "How long a record stays uncompacted at least."),
    key("min.insync.replicas", Kind::Int(1, I32), "1", Some("min.insync.replicas"), "Replicas that must have a record; one node has 1."),
    key("preallocate", Kind::Bool, "false", Some("log.preallocate"), "Whether segment files get their full size at once."),
    key("remote.log.copy.disable", OFF, "false", None, "Tiered storage; there is none here."),
    key("remote.log.delete.on.disable", OFF, "false", None, "Tiered storage; there is none here."),
    key("remote.storage.enable", OFF, "false", None, "Tiered storage; there is none here."),
    key("retention.bytes", Kind::Long(-1, I64), "-1", Some("log.retention.bytes"), "The size of a partition beyond which old segments go; -1: no limit."),
    key("retention.ms", Kind::Long(-1, I64), "604800000", Some("log.retention.ms"), "How long records are kept; -1: for ever."),
    key("segment.bytes", Kind::Int(14, I32), "1073741824", Some("log.segment.bytes"), "The size at which a segment rolls."),
    key("segment.index.bytes", Kind::Int(4, I32), "10485760", Some("log.index.size.max.bytes"), "The size at which an index is full and a segment rolls."),
    key("segment.jitter.ms", Kind::Long(0, I64), "0", Some("log.roll.jitter.ms"), "Random part of segment.ms."),
    key("segment.ms", Kind::Long(1, I64), "604800000", Some("log.roll.ms"), "The age at which a segment rolls."),
    key("unclean.leader.election.enable", Kind::Bool, "false", Some("unclean.leader.election.enable"), "Whether a replica that lags may lead."),
];

/// The row of a key.
#[must_use]
pub fn topic_key(name: &str) -> Option<&'static TopicKey> {
    let at = TOPIC_KEYS.binary_search_by_key(&name, |row| row.name).ok()?;
    TOPIC_KEYS.get(at)
}

/// Why an override is refused; the text is Kafka's, and so is the code (INVALID_CONFIG).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicConfigError(pub String);

impl fmt::Display for TopicConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TopicConfigError {}

/// The row of a key, or the refusal of one that there is not.
///
/// # Errors
///
/// No topic has such a key.
pub fn check_key(name: &str) -> Result<&'static TopicKey, TopicConfigError> {
    topic_key(name).ok_or_else(|| TopicConfigError(format!("Unknown topic config name: {}", Escaped(name))))
}

/// Checks overrides one by one and against each other.
///
/// # Errors
///
/// The first that does not fit.
pub fn validate(overrides: &BTreeMap<String, String>) -> Result<(), TopicConfigError> {
    for (name, value) in overrides {
        let row = check_key(name)?;
        let problem = match row.kind.parse(value) {
            Ok(Value::List(list)) if list.is_empty() && *name == "cleanup.policy" => {
                Some("String must be one of: compact, delete".to_owned())
            }
            Ok(Value::List(list)) if name.ends_with(".throttled.replicas") && !are_replicas(&list) => {
                Some(format!(
                    "{name} must be the literal '*' or a list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                ))
            }
            Ok(Value::Text(version)) if *name == "message.format.version" && !is_format_version(&version) => {
                Some(format!("Version `{}` is not a valid version", Escaped(&version)))
            }
            Ok(_) if value.len() > MAX_VALUE_LEN => {
                Some(format!("Value must have at most {MAX_VALUE_LEN} bytes"))
            }
            Ok(_) => None,
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            let value = Escaped(value);
            return Err(TopicConfigError(format!(
                "Invalid value {value} for configuration {name}: {problem}"
            )));
        }
    }
    let number = |name: &str| overrides.get(name).and_then(|value| value.trim().parse::<i64>().ok());
    match (number("min.compaction.lag.ms"), number("max.compaction.lag.ms")) {
        (Some(min), Some(max)) if min > max => Err(TopicConfigError(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        ))),
        _ => Ok(()),
    }
}

/// `*`, or pairs of numbers with a colon between.
fn are_replicas(list: &[String]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_pair = |item: &String| item.split_once(':').is_some_and(|(p, b)| is_number(p) && is_number(b));
    matches!(list, [only] if only == "*") || list.iter().all(is_pair)
}

/// A version of Kafka that had this key: `0.8.0` to `3.9`, with or without the part after the minor number.
fn is_format_version(text: &str) -> bool {
    let release = text.split_once("-IV").map_or(text, |(release, _)| release);
    let numbers: Option<Vec<u8>> = release.split('.').map(|part| part.parse().ok()).collect();
    matches!(numbers.as_deref(), Some([0, 8..=11, _, ..] | [1, 0..=1, ..] | [2, 0..=8, ..] | [3, 0..=9, ..]))
}

#[cfg(test)]
mod tests;

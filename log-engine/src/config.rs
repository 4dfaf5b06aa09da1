//! Settings of one log: every limit with its default, range and unit.
//!
//! The fields are Kafka's topic keys under their own names. Where Kafka writes -1 or `Long.MAX` for "no limit",
//! the field is an `Option` and the limit is `None`. Milliseconds are `u64`, sizes are bytes.
//!
//! # Invariants
//!
//! * A log only ever runs with a configuration that [`LogConfig::check`] accepts.
//!
//! # Not here
//!
//! Texts of property files and their precedence (the broker), settings of a whole store (`store`).

use crate::error::{LogError, Result};
use crate::format::batch::{Codec, HEADER_LEN, TimestampType};
use crate::types::Position;
use std::fmt::Display;

/// What happens to old records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CleanupPolicy {
    /// Whole segments go by age, size and log start.
    pub delete: bool,
    /// Of each key the last record stays.
    pub compact: bool,
}

impl Default for CleanupPolicy {
    fn default() -> Self {
        Self { delete: true, compact: false }
    }
}

/// Settings of one log. `LogConfig::default()` is Kafka's default topic.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `cleanup.policy`: delete (default), compact, or both.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type`: `None` (default) keeps what the producer chose (`producer`), else the codec that all
    /// batches are brought to; `Some(Codec::None)` is `uncompressed`.
    pub compression: Option<Codec>,
    /// `delete.retention.ms`: how long compaction keeps a tombstone. Default 24 h.
    pub delete_retention_ms: u64,
    /// `file.delete.delay.ms`: from the renaming of a file to its removal. Default 60 s.
    pub file_delete_delay_ms: u64,
    /// `flush.messages`: sync once so many records are unsynced; 1 syncs each append. Range 1.., default never.
    pub flush_messages: Option<u64>,
    /// `flush.ms`: sync once the oldest unsynced record is so old. Default never.
    pub flush_ms: Option<u64>,
    /// `index.interval.bytes`: bytes of log per index entry. Range 0 ..= 2 GiB - 1, default 4096.
    pub index_interval_bytes: u32,
    /// `max.message.bytes`: the largest batch, header included. Range 0 ..= 2 GiB - 1, default 1,048,588.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`: whose clock the records carry. Default the producer's.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's time may lie behind the broker's. Default any.
    pub timestamp_before_max_ms: Option<u64>,
    /// `message.timestamp.after.max.ms`: how far a record's time may lie ahead of the broker's. Default 1 h.
    pub timestamp_after_max_ms: Option<u64>,
    /// `min.cleanable.dirty.ratio`: share of uncompacted bytes that starts a compaction. Range 0 ..= 1, default 0.5.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: age below which a record is not compacted. Default 0.
    pub min_compaction_lag_ms: u64,
    /// `max.compaction.lag.ms`: age above which a record must be compacted. Default none.
    pub max_compaction_lag_ms: Option<u64>,
    /// `log.cleaner.dedupe.buffer.size`: how much memory compaction may use for keys, 24 bytes each. Range 1.., default
    /// 128 MiB: five million keys. With less than a log's keys need it is compacted piece by piece.
    pub compaction_map_bytes: u64,
    /// `preallocate`: accepted for Kafka's sake; blocks are always reserved ahead, the length never. Default off.
    pub preallocate: bool,
    /// `retention.bytes`: the log may shrink by whole segments as long as it keeps so many bytes. Default no limit.
    pub retention_bytes: Option<u64>,
    /// `retention.ms`: age at which a segment goes. Default 7 days.
    pub retention_ms: Option<u64>,
    /// `segment.bytes`: size at which a new segment begins, and the largest batch that fits one. Range 14 ..= 2 GiB - 1,
    /// default 1 GiB.
    pub segment_bytes: u32,
    /// `segment.index.bytes`: size of a full index file. Range 4 ..= 2 GiB - 1, default 10 MiB.
    pub segment_index_bytes: u32,
    /// `segment.jitter.ms`: at most so much is taken off `segment.ms`, at random, per segment. Default 0.
    pub segment_jitter_ms: u64,
    /// `segment.ms`: span of record time at which a new segment begins. Range 1.., default 7 days.
    pub segment_ms: u64,
    /// `producer.id.expiration.ms`: an idempotent producer that has not appended for so long is forgotten, by the
    /// time of its appends. Range 1.., default 24 h.
    pub producer_expiration_ms: u64,
    /// Unsynced bytes at which the log is due for a sync in the background, whatever durability was asked for:
    /// what bounds recovery. Range 1.., default 64 MiB.
    pub sync_after_bytes: u64,
    /// Age of the oldest unsynced append at which it is due, in milliseconds. Range 0.., where 0 is due at once; default 5 s.
    pub sync_after_ms: u64,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            cleanup_policy: CleanupPolicy::default(),
            compression: None,
            delete_retention_ms: DAY_MS,
            file_delete_delay_ms: 60_000,
            flush_messages: None,
            flush_ms: None,
            index_interval_bytes: 4096,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: None,
            timestamp_after_max_ms: Some(60 * 60 * 1000),
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: None,
            compaction_map_bytes: 128 * 1024 * 1024,
            preallocate: false,
            retention_bytes: None,
            retention_ms: Some(7 * DAY_MS),
            segment_bytes: 1 << 30,
            segment_index_bytes: 10 * 1024 * 1024,
            segment_jitter_ms: 0,
            segment_ms: 7 * DAY_MS,
            producer_expiration_ms: DAY_MS,
            sync_after_bytes: 64 * 1024 * 1024,
            sync_after_ms: 5_000,
        }
    }
}

impl LogConfig {
    /// Checks every range.
    ///
    /// # Errors
    ///
    /// [`LogError::Config`] with the first key that is outside its range.
    pub fn check(&self) -> Result<()> {
        const SIZE: &str = "at most 2147483647 bytes";
        let size = |key, value: u32| ensure(value <= Position::MAX.get(), key, value, SIZE);
        size("index.interval.bytes", self.index_interval_bytes)?;
        size("max.message.bytes", self.max_message_bytes)?;
        size("segment.bytes", self.segment_bytes)?;
        size("segment.index.bytes", self.segment_index_bytes)?;
        ensure(self.segment_bytes >= 14, "segment.bytes", self.segment_bytes, "at least 14 bytes")?;
        ensure(
            self.segment_index_bytes >= 4,
            "segment.index.bytes",
            self.segment_index_bytes,
            "at least 4 bytes",
        )?;
        ensure(self.segment_ms >= 1, "segment.ms", self.segment_ms, "at least 1 ms")?;
        ensure(self.flush_messages != Some(0), "flush.messages", 0, "at least 1 record")?;
        ensure(self.sync_after_bytes >= 1, "sync.after.bytes", self.sync_after_bytes, "at least 1 byte")?;
        let map = self.compaction_map_bytes;
        ensure(map >= 1, "log.cleaner.dedupe.buffer.size", map, "at least 1 byte")?;
        let expiration = self.producer_expiration_ms;
        ensure(expiration >= 1, "producer.id.expiration.ms", expiration, "at least 1 ms")?;
        let ratio = self.min_cleanable_dirty_ratio;
        ensure((0.0..=1.0).contains(&ratio), "min.cleanable.dirty.ratio", ratio, "between 0 and 1")?;
        let some = self.cleanup_policy.delete || self.cleanup_policy.compact;
        ensure(some, "cleanup.policy", "", "delete, compact, or both")
    }

    /// How many bytes a batch may decompress to: 16 times the largest message, a bound that no honest producer
    /// meets and that keeps a bomb small.
    #[must_use]
    pub fn decompressed_cap(&self) -> usize {
        usize::try_from(self.max_message_bytes).unwrap_or(usize::MAX).max(HEADER_LEN).saturating_mul(16)
    }
}

fn ensure(holds: bool, key: &'static str, value: impl Display + Copy, expected: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(LogError::Config { key, value: value.to_string(), expected }) }
}

/// A setting in milliseconds as a difference of timestamps, held at the end of its range.
pub(crate) fn millis(setting: u64) -> i64 {
    i64::try_from(setting).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_range() {
        LogConfig::default().check().unwrap();
    }

    #[test]
    fn both_sides_of_each_border_are_told_apart() {
        let refused = |change: fn(&mut LogConfig)| {
            let mut config = LogConfig::default();
            change(&mut config);
            match config.check() {
                Err(LogError::Config { key, .. }) => Some(key),
                Ok(()) => None,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(refused(|c| c.segment_bytes = 13), Some("segment.bytes"));
        assert_eq!(refused(|c| c.segment_bytes = 14), None);
        assert_eq!(refused(|c| c.segment_bytes = 1 << 31), Some("segment.bytes"));
        assert_eq!(refused(|c| c.segment_bytes = (1 << 31) - 1), None);
        assert_eq!(refused(|c| c.flush_messages = Some(0)), Some("flush.messages"));
        assert_eq!(refused(|c| c.min_cleanable_dirty_ratio = f64::NAN), Some("min.cleanable.dirty.ratio"));
        assert_eq!(refused(|c| c.cleanup_policy.delete = false), Some("cleanup.policy"));
    }
}

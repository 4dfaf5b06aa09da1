//! From topic settings to the settings of a log.
//!
//! Kafka writes `Long.MAX` or -1 for "no limit"; the engine has `None`.

use super::broker::BrokerConfig;
use super::topic::TopicSettings;
use log_engine::config::{CleanupPolicy, LogConfig};
use log_engine::format::batch::{Codec, TimestampType};
use std::collections::BTreeMap;

/// The settings of the logs of a topic with these (checked) overrides.
#[must_use]
pub fn log_config(broker: &BrokerConfig, overrides: &BTreeMap<String, String>) -> LogConfig {
    let topic = TopicSettings::new(broker, overrides);
    let count = |name: &str| u64::try_from(topic.number(name)).unwrap_or(0);
    let size = |name: &str| u32::try_from(topic.number(name)).unwrap_or(u32::MAX);
    let policies = topic.words("cleanup.policy");
    let has = |policy: &str| policies.iter().any(|p| p == policy);
    LogConfig {
        cleanup_policy: CleanupPolicy { delete: has("delete"), compact: has("compact") },
        compression: codec(&topic.words("compression.type")),
        delete_retention_ms: count("delete.retention.ms"),
        file_delete_delay_ms: count("file.delete.delay.ms"),
        flush_messages: limit(topic.number("flush.messages")),
        flush_ms: limit(topic.number("flush.ms")),
        index_interval_bytes: size("index.interval.bytes"),
        max_message_bytes: size("max.message.bytes"),
        timestamp_type: match topic.words("message.timestamp.type").first().map(String::as_str) {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: timestamp_limit(&topic, "message.timestamp.before.max.ms"),
        timestamp_after_max_ms: timestamp_limit(&topic, "message.timestamp.after.max.ms"),
        min_cleanable_dirty_ratio: topic.ratio("min.cleanable.dirty.ratio"),
        min_compaction_lag_ms: count("min.compaction.lag.ms"),
        max_compaction_lag_ms: limit(topic.number("max.compaction.lag.ms")),
        compaction_map_bytes: broker.storage.compaction_map_bytes,
        preallocate: topic.switch("preallocate"),
        retention_bytes: limit(topic.number("retention.bytes")),
        retention_ms: limit(topic.number("retention.ms")),
        segment_bytes: size("segment.bytes"),
        segment_index_bytes: size("segment.index.bytes"),
        segment_jitter_ms: count("segment.jitter.ms"),
        segment_ms: count("segment.ms"),
        producer_expiration_ms: u64::try_from(broker.storage.producer_id_expiration.as_millis())
            .unwrap_or(u64::MAX),
        ..LogConfig::default()
    }
}

fn limit(value: i64) -> Option<u64> {
    if value == i64::MAX { None } else { u64::try_from(value).ok() }
}

/// The old key is both limits at once, unless the newer one is set.
fn timestamp_limit(topic: &TopicSettings<'_>, name: &str) -> Option<u64> {
    const OLD: &str = "message.timestamp.difference.max.ms";
    let use_old = !topic.is_set(name) && topic.is_set(OLD);
    limit(topic.number(if use_old { OLD } else { name }))
}

/// The codec that all batches are brought to; `None` keeps what the producer chose.
fn codec(words: &[String]) -> Option<Codec> {
    match words.first().map(String::as_str) {
        Some("uncompressed") => Some(Codec::None),
        Some("gzip") => Some(Codec::Gzip),
        Some("snappy") => Some(Codec::Snappy),
        Some("lz4") => Some(Codec::Lz4),
        Some("zstd") => Some(Codec::Zstd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(broker: &[(&str, &str)], topic: &[(&str, &str)]) -> LogConfig {
        let builder = broker.iter().fold(BrokerConfig::builder(), |b, (key, value)| b.set(*key, *value));
        let overrides = topic.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let config = log_config(&builder.build().unwrap(), &overrides);
        config.check().unwrap();
        config
    }

    #[test]
    fn defaults_of_both_sides_are_the_same() {
        assert_eq!(of(&[], &[]), LogConfig::default());
    }

    #[test]
    fn no_limit_is_none() {
        let config =
            of(&[("log.retention.hours", "-1")], &[("retention.bytes", "5"), ("flush.messages", "1")]);
        assert_eq!(
            (config.retention_ms, config.retention_bytes, config.flush_messages),
            (None, Some(5), Some(1))
        );
    }

    #[test]
    fn the_old_timestamp_limit_is_both_new_ones() {
        let config = of(&[("log.message.timestamp.difference.max.ms", "5")], &[]);
        assert_eq!((config.timestamp_before_max_ms, config.timestamp_after_max_ms), (Some(5), Some(5)));
        let config = of(
            &[("log.message.timestamp.difference.max.ms", "5")],
            &[("message.timestamp.after.max.ms", "9")],
        );
        assert_eq!((config.timestamp_before_max_ms, config.timestamp_after_max_ms), (Some(5), Some(9)));
    }

    #[test]
    fn words_become_types() {
        let topic = [
            ("cleanup.policy", "compact"),
            ("compression.type", "uncompressed"),
            ("message.timestamp.type", "LogAppendTime"),
        ];
        let config = of(&[], &topic);
        assert_eq!(config.cleanup_policy, CleanupPolicy { delete: false, compact: true });
        assert_eq!(config.compression, Some(Codec::None));
        assert_eq!(config.timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(of(&[], &[("compression.type", "zstd")]).compression, Some(Codec::Zstd));
    }
}

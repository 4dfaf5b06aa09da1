//! The little that the catalog needs of the engine: logs by name, and the metadata log's records.

use super::uuid::Uuid;
use crate::trouble::Chain;
use kafka_settings::TopicName;
use log_engine::config::{CleanupPolicy, LogConfig};
use log_engine::error::LogError;
use log_engine::format::build::NewRecord;
use log_engine::log::Log;
use log_engine::store::{LogName, LogStore};
use log_engine::types::{Offset, Position};

/// A record of the metadata log.
pub(super) struct Stored {
    pub(super) offset: i64,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// The settings of the metadata log: the last fact of each key stays for ever.
pub(super) fn journal_config() -> LogConfig {
    LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        // As long as the directories of a deleted topic may wait for a start that removes them.
        delete_retention_ms: 7 * 24 * 60 * 60 * 1000,
        retention_ms: None,
        retention_bytes: None,
        // A start reads all of it, and what lies in the last segment is not compacted yet.
        segment_bytes: 2 * 1024 * 1024,
        ..LogConfig::default()
    }
}

/// The log of the metadata.
pub(super) fn journal_name() -> LogName {
    LogName::new("__corrente_metadata", 0).expect("the name is valid")
}

/// The log of a partition.
///
/// # Errors
///
/// The directory's name would be too long.
pub(super) fn log_name(topic: &TopicName, partition: i32) -> Result<LogName, LogError> {
    LogName::new(topic.as_str(), partition)
}

/// Writes the topic's id beside a partition's log, where tools of Kafka look for it. Nothing here depends on it, so it is
/// not synced, and an error is no more than a line: after an unclean stop it is written again.
pub(super) fn name_topic(store: &LogStore, name: &LogName, id: Uuid) {
    if let Err(error) = store.write_topic_id(name, id.0) {
        tracing::warn!(%name, error = %Chain(&error), "the topic's id cannot be written into the directory");
    }
}

/// Appends one record and waits until it survives a power cut.
pub(super) fn append(log: &Log, key: &[u8], value: Option<&[u8]>) -> Result<(), LogError> {
    log.append_synced(&[NewRecord { key: Some(key), value, ..NewRecord::default() }]).map(drop)
}

/// The same for a deletion: a full disk is no obstacle, as long as there is a reserve.
pub(super) fn append_to_make_room(log: &Log, key: &[u8], value: Option<&[u8]>) -> Result<(), LogError> {
    log.append_to_make_room(&[NewRecord { key: Some(key), value, ..NewRecord::default() }]).map(drop)
}

/// All records. Damage anywhere is an error: a fact that is missing is not to be guessed.
pub(super) fn values(log: &Log) -> Result<Vec<Stored>, LogError> {
    let mut all = Vec::new();
    let start = log.start_offset();
    for batch in log.records(start) {
        let batch = batch?;
        let corrupt = |reason| LogError::Corrupt { path: log.dir(), position: Position::ZERO, reason };
        for record in &batch.records().map_err(corrupt)? {
            let record = record.map_err(corrupt)?;
            all.push(Stored {
                offset: record.offset.get(),
                key: record.key.unwrap_or_default().to_vec(),
                value: record.value.map(<[u8]>::to_vec),
            });
        }
    }
    Ok(all)
}

/// Whether nothing is missing, neither at the start nor in between.
pub(super) fn is_whole(log: &Log) -> bool {
    log.start_offset() == Offset::ZERO && log.damage().is_empty()
}

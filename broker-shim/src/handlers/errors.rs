//! Errors of the engine and the catalog as codes of the protocol. The only such map.
//!
//! The code is that of Kafka 4; where that code is younger than the request's version, it is 2.2's.
//!
//! | what | Kafka 4 | before |
//! |---|---|---|
//! | a batch that contradicts itself | 87 INVALID_RECORD | 2 CORRUPT_MESSAGE below Produce v8 |
//! | the disk refused, or is full | 56 KAFKA_STORAGE_ERROR | 6 NOT_LEADER_OR_FOLLOWER below Produce v4, Fetch v6 |
//! | zstd data | 76 UNSUPPORTED_COMPRESSION_TYPE | the same: below Produce v7 and Fetch v10 it is the answer |
//!
//! All of 2, 6 and 56 make a client try again, so a full disk is survived by whoever waits for space.

use crate::config::ConfigRefusal;
use crate::convert::DownConvertError;
use crate::metadata::{AlterConfigsError, CreatePartitionsError, CreateTopicError, DeleteTopicError};
use kafka_wire::{ApiKey, ErrorCode};
use log_engine::error::LogError;
use log_engine::format::validate::Rejected;
use log_engine::log::producers::ProducerError;

/// The first Produce version that knows `INVALID_RECORD` and errors of single records.
pub(super) const RECORD_ERRORS_SINCE: i16 = 8;

/// The code for an error of the engine, as the newest clients know it.
pub(super) fn of_log(error: &LogError) -> ErrorCode {
    match error {
        LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        LogError::Rejected(rejected) => of_rejected(rejected),
        LogError::Producer(producer) => of_producer(producer),
        LogError::Config { .. } => ErrorCode::InvalidConfig,
        // The log is being deleted or the broker stops: the client asks for the leader again.
        LogError::Closed => ErrorCode::NotLeaderOrFollower,
        LogError::Name { .. } => ErrorCode::UnknownTopicOrPartition,
        LogError::Corrupt { .. } | LogError::Records(_) => ErrorCode::CorruptMessage,
        LogError::NoSpace { .. }
        | LogError::Poisoned { .. }
        | LogError::Io { .. }
        | LogError::Locked { .. } => ErrorCode::KafkaStorageError,
        _ => ErrorCode::UnknownServerError,
    }
}

/// The code for a topic that was not created.
pub(crate) fn of_create(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::Name(_) | CreateTopicError::Collision { .. } => ErrorCode::InvalidTopicException,
        CreateTopicError::Exists(_) => ErrorCode::TopicAlreadyExists,
        CreateTopicError::Partitions => ErrorCode::InvalidPartitions,
        CreateTopicError::NoReplica | CreateTopicError::Replication(_) => ErrorCode::InvalidReplicationFactor,
        CreateTopicError::Assignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreateTopicError::Config(_) => ErrorCode::InvalidConfig,
        CreateTopicError::Reserved(_) | CreateTopicError::CountsAndAssignment(_) => ErrorCode::InvalidRequest,
        CreateTopicError::TooManyPartitions => ErrorCode::PolicyViolation,
        CreateTopicError::Storage(_) | CreateTopicError::Occupied(_) => ErrorCode::KafkaStorageError,
        // Without ZooKeeper we are no controller; clients ask again.
        CreateTopicError::Elsewhere(_) => ErrorCode::NotController,
    }
}

/// The code for a topic that was not deleted; 73 is unknown below DeleteTopics v3, where it was 42.
pub(crate) fn of_delete(error: &DeleteTopicError) -> ErrorCode {
    match error {
        DeleteTopicError::Unknown => ErrorCode::UnknownTopicOrPartition,
        DeleteTopicError::Reserved(_) => ErrorCode::InvalidRequest,
        DeleteTopicError::Disabled => ErrorCode::TopicDeletionDisabled,
        DeleteTopicError::Storage(_) => ErrorCode::KafkaStorageError,
        DeleteTopicError::Elsewhere(_) => ErrorCode::NotController,
    }
}

/// The code for partitions that were not added.
pub(crate) fn of_growth(error: &CreatePartitionsError) -> ErrorCode {
    match error {
        CreatePartitionsError::Unknown => ErrorCode::UnknownTopicOrPartition,
        CreatePartitionsError::Reserved(_) => ErrorCode::InvalidTopicException,
        CreatePartitionsError::Same(_) | CreatePartitionsError::Fewer { .. } => ErrorCode::InvalidPartitions,
        CreatePartitionsError::TooMany => ErrorCode::PolicyViolation,
        CreatePartitionsError::Elsewhere(_) => ErrorCode::NotController,
        CreatePartitionsError::Assignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreatePartitionsError::Occupied(_) | CreatePartitionsError::Storage(_) => {
            ErrorCode::KafkaStorageError
        }
    }
}

/// The code for settings that were not changed.
pub(crate) fn of_alter(error: &AlterConfigsError) -> ErrorCode {
    match error {
        AlterConfigsError::Unknown(_) => ErrorCode::UnknownTopicOrPartition,
        AlterConfigsError::Refused(ConfigRefusal::Invalid(_)) => ErrorCode::InvalidConfig,
        AlterConfigsError::Refused(ConfigRefusal::Static(_)) => ErrorCode::InvalidRequest,
        // More than one record of the metadata log can hold: no use to try again.
        AlterConfigsError::Storage(LogError::Rejected(_)) => ErrorCode::InvalidRequest,
        AlterConfigsError::Storage(_) => ErrorCode::KafkaStorageError,
        AlterConfigsError::Elsewhere(_) => ErrorCode::NotController,
    }
}

/// The code for a batch that was refused.
pub(super) fn of_rejected(rejected: &Rejected) -> ErrorCode {
    match rejected {
        Rejected::TooLarge { .. } => ErrorCode::MessageTooLarge,
        Rejected::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
        // A format that is none; old ones are converted or refused before.
        Rejected::Corrupt(_) | Rejected::Magic(_) => ErrorCode::CorruptMessage,
        Rejected::Timestamp { .. } => ErrorCode::InvalidTimestamp,
        Rejected::Empty(_)
        | Rejected::MoreThanOneBatch
        | Rejected::Invalid(_)
        | Rejected::Records(_)
        | Rejected::MissingKey { .. } => ErrorCode::InvalidRecord,
        // Data that cannot be read: -1 in all versions.
        _ => ErrorCode::UnknownServerError,
    }
}

fn of_producer(error: &ProducerError) -> ErrorCode {
    match error {
        ProducerError::Fenced { .. } => ErrorCode::InvalidProducerEpoch,
        ProducerError::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
        ProducerError::InvalidTransactionState => ErrorCode::InvalidTxnState,
        _ => ErrorCode::UnknownServerError,
    }
}

/// The code for records that cannot be given to an old client.
pub(super) fn of_conversion(error: &DownConvertError) -> ErrorCode {
    match error {
        DownConvertError::Zstd => ErrorCode::UnsupportedCompressionType,
        DownConvertError::Corrupt(_) => ErrorCode::CorruptMessage,
    }
}

/// The code that a request of this version knows.
pub(super) fn in_version(code: ErrorCode, key: ApiKey, version: i16) -> ErrorCode {
    match (code, key) {
        (ErrorCode::InvalidRecord, ApiKey::Produce) if version < RECORD_ERRORS_SINCE => {
            ErrorCode::CorruptMessage
        }
        (ErrorCode::KafkaStorageError, ApiKey::Produce) if version < 4 => ErrorCode::NotLeaderOrFollower,
        (ErrorCode::KafkaStorageError, ApiKey::Fetch) if version < 6 => ErrorCode::NotLeaderOrFollower,
        (ErrorCode::KafkaStorageError, ApiKey::ListOffsets) if version < 2 => ErrorCode::NotLeaderOrFollower,
        (code, _) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_full_disk_is_retriable_in_every_version() {
        let full = LogError::NoSpace { path: PathBuf::from("t-0"), needed: 1, reserve: None };
        for version in 0..=13 {
            let code = in_version(of_log(&full), ApiKey::Produce, version);
            assert!(code.is_retriable(), "{code} in version {version}");
            assert_eq!(code == ErrorCode::KafkaStorageError, version >= 4);
        }
    }

    #[test]
    fn a_batch_that_contradicts_itself_has_the_code_of_its_time() {
        let code = of_rejected(&Rejected::Invalid(String::new()));
        assert_eq!(in_version(code, ApiKey::Produce, 7), ErrorCode::CorruptMessage);
        assert_eq!(in_version(code, ApiKey::Produce, 8), ErrorCode::InvalidRecord);
    }
}

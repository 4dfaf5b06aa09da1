//! Finding the topic and partition that a request names.

use super::RequestContext;
use crate::broker::BrokerState;
use crate::metadata::{NoLog, Topic, Uuid};
use kafka_wire::ErrorCode;
use log_engine::log::Log;
use log_engine::types::LeaderEpoch;
use std::sync::Arc;

/// The topic of a name, or of an id in versions that have ids (`id_since`).
pub(super) fn find(
    state: &BrokerState,
    cx: &RequestContext,
    id_since: i16,
    name: &str,
    id: kafka_wire::Uuid,
) -> Result<Arc<Topic>, ErrorCode> {
    if cx.version >= id_since {
        state.catalog.topic_by_id(&Uuid(id.0)).ok_or(ErrorCode::UnknownTopicId)
    } else {
        state.catalog.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

/// The log of a partition.
pub(super) fn partition(topic: &Topic, number: i32) -> Result<&Arc<Log>, ErrorCode> {
    topic.partition(number).map_err(|why| match why {
        NoLog::Unknown => ErrorCode::UnknownTopicOrPartition,
        NoLog::Offline => ErrorCode::KafkaStorageError,
    })
}

/// Compares the epoch that a client believes in with ours; `None` believes in nothing.
pub(super) fn check_epoch(log: &Log, believed: Option<i32>) -> Result<(), ErrorCode> {
    // Any negative number is no epoch, and believes in nothing as well.
    let Some(believed) = believed.and_then(LeaderEpoch::new) else { return Ok(()) };
    match believed.cmp(&log.epoch()) {
        std::cmp::Ordering::Less => Err(ErrorCode::FencedLeaderEpoch),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(ErrorCode::UnknownLeaderEpoch),
    }
}

/// The id as the protocol has it.
pub(super) fn wire_id(id: Uuid) -> kafka_wire::Uuid {
    kafka_wire::Uuid(id.0)
}

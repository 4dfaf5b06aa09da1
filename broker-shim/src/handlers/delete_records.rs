//! DeleteRecords: moves the start of logs up; what lies below cannot be read from then on, and stays so after a power cut.

use super::{RequestContext, errors, topics};
use crate::broker::BrokerState;
use kafka_wire::messages::delete_records_request::DeleteRecordsTopic;
use kafka_wire::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use kafka_wire::{ErrorCode, Uuid};
use log_engine::types::Offset;
use std::collections::BTreeMap;

/// Stands for the end of the log.
const HIGH_WATERMARK: i64 = -1;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    // A partition that is named twice is answered once, for the last offset, as in Kafka.
    let mut asked: BTreeMap<String, BTreeMap<i32, i64>> = BTreeMap::new();
    for DeleteRecordsTopic { name, partitions } in request.topics {
        let offsets = partitions.into_iter().map(|p| (p.partition_index, p.offset));
        asked.entry(name).or_default().extend(offsets);
    }
    let topic = |(name, offsets): (String, BTreeMap<i32, i64>)| {
        let one = |(number, offset)| partition(state, cx, &name, number, offset);
        let partitions = offsets.into_iter().map(one).collect();
        DeleteRecordsTopicResult { name, partitions }
    };
    DeleteRecordsResponse {
        topics: asked.into_iter().map(topic).collect(),
        ..DeleteRecordsResponse::default()
    }
}

fn partition(
    state: &BrokerState,
    cx: &RequestContext,
    topic: &str,
    number: i32,
    offset: i64,
) -> DeleteRecordsPartitionResult {
    let (low_watermark, code) = match delete(state, cx, topic, number, offset) {
        Ok(start) => (start.get(), ErrorCode::None),
        Err(code) => (-1, code),
    };
    DeleteRecordsPartitionResult { partition_index: number, low_watermark, error_code: code.into() }
}

fn delete(
    state: &BrokerState,
    cx: &RequestContext,
    name: &str,
    number: i32,
    offset: i64,
) -> Result<Offset, ErrorCode> {
    let topic = topics::find(state, cx, i16::MAX, name, Uuid::default())?;
    if topic.internal {
        return Err(ErrorCode::InvalidTopicException);
    }
    let log = topics::partition(&topic, number)?;
    if !log.config().cleanup_policy.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let up_to = match offset {
        HIGH_WATERMARK => log.end_offset(),
        other => Offset::new(other).ok_or(ErrorCode::OffsetOutOfRange)?,
    };
    log.delete_records_before(up_to).map_err(|error| {
        let code = errors::of_log(&error);
        if code == ErrorCode::KafkaStorageError {
            state.tell_trouble(name, number, "records cannot be deleted", &error);
        }
        code
    })
}

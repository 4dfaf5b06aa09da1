//! Produce: batches into logs.
//!
//! Each partition of a request stands for itself. What the answer promises is `acks`: 0 nothing and no answer (an
//! error closes the connection, which is the only way to tell), 1 that the batch is in the page cache, -1 that it is
//! on the disk (unless `log.durability=page-cache`).
//!
//! All appends happen before [`call`] returns; only the wait for the sync is left to the future. So the next Produce
//! of a connection may be appended while this one waits.

use super::{RequestContext, errors, respond, topics};
use crate::broker::BrokerState;
use crate::commits::SyncWait;
use crate::convert::{UpRules, first_magic, up_convert};
use crate::metadata::Topic;
use crate::net::{Call, CloseReason, Outcome};
use bytes::Bytes;
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_wire::messages::{ProduceRequest, ProduceResponse};
use kafka_wire::{ApiKey, ErrorCode};
use log_engine::error::LogError;
use log_engine::format::batch::{ATTRIBUTES_AT, Codec};
use log_engine::format::validate::Rejected;
use log_engine::log::{Appended, Log, Origin};
use log_engine::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The format of batches that is stored.
const PRESENT_MAGIC: i8 = 2;
/// The first version whose batches must be of the present format.
const ONE_FORMAT_SINCE: i16 = 3;
/// The first version that may carry zstd.
const ZSTD_SINCE: i16 = 7;
/// The first version to which the limit on times ahead of the clock applies: older clients never knew one.
const FUTURE_LIMIT_SINCE: i16 = 8;
/// The first version that names topics by id.
const IDS_SINCE: i16 = 13;
/// A client's timeout is meant for replicas that lag; a disk gets at least this long.
const MIN_SYNC_TIMEOUT: Duration = Duration::from_secs(10);
/// Attribute bit of a batch that belongs to a transaction.
const TRANSACTIONAL: u8 = 1 << 4;

/// Why a partition's data was refused.
struct Refusal {
    code: ErrorCode,
    text: String,
    records: Vec<BatchIndexAndErrorMessage>,
}

impl Refusal {
    fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), records: Vec::new() }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        let records = match &error {
            LogError::Rejected(rejected) => record_errors(rejected),
            _ => Vec::new(),
        };
        Self { code: errors::of_log(&error), text: text(&error), records }
    }
}

/// Appends what the request holds.
pub(super) fn call(state: &Arc<BrokerState>, cx: &RequestContext, request: &ProduceRequest) -> Call {
    let mut waits = Vec::new();
    let mut first_error = None;
    let mut responses = Vec::with_capacity(request.topic_data.len());
    let begin = std::time::Instant::now();
    for topic in &request.topic_data {
        let found = topics::find(state, cx, IDS_SINCE, &topic.name, topic.topic_id);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in &topic.partition_data {
            let appended = append(state, cx, request, found.as_ref().map_err(|code| *code), data);
            if let Err(refusal) = &appended {
                first_error.get_or_insert_with(|| describe(topic, data, refusal));
            }
            if let Ok((log, done)) = &appended {
                waits.extend(sync_wait(state, request, log, done, (responses.len(), partitions.len())));
            }
            partitions.push(answer(cx, data.index, appended.map(|(_, done)| done)));
        }
        responses.push(TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: partitions,
        });
    }
    state.meter.appends.note(begin.elapsed());
    let response = ProduceResponse { responses, ..ProduceResponse::default() };
    match (request.acks, first_error) {
        (0, Some(error)) => Call::Done(Outcome::Close(CloseReason::NoAnswer(error))),
        (0, None) => Call::Done(Outcome::NoResponse),
        _ if waits.is_empty() => Call::Done(respond(cx, &response)),
        _ => Call::Pending(Box::pin(answer_synced(cx.clone(), response, waits, request.timeout_ms))),
    }
}

/// The wait for a batch that must be on the disk before it is acknowledged; the sync is under way.
fn sync_wait(
    state: &Arc<BrokerState>,
    request: &ProduceRequest,
    log: &Arc<Log>,
    done: &Appended,
    place: (usize, usize),
) -> Option<(SyncWait, (usize, usize))> {
    if request.acks != -1 || !state.syncs_before_ack() {
        return None;
    }
    // The end of a batch that was just appended is in range.
    let target = done.last_offset.next()?;
    Some((state.commits.sync(log, target), place))
}

/// Waits for the syncs and answers. What was not synced is no success.
async fn answer_synced(
    cx: RequestContext,
    mut response: ProduceResponse,
    waits: Vec<(SyncWait, (usize, usize))>,
    timeout_ms: i32,
) -> Outcome {
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)).max(MIN_SYNC_TIMEOUT);
    let deadline = tokio::time::Instant::now() + timeout;
    for (wait, (topic, partition)) in waits {
        let refusal = match tokio::time::timeout_at(deadline, wait).await {
            Ok(Ok(_)) => continue,
            Ok(Err(e)) => Refusal::from(e),
            Err(_) => Refusal::new(ErrorCode::RequestTimedOut, "the disk did not sync in time"),
        };
        let place = response.responses.get_mut(topic).and_then(|t| t.partition_responses.get_mut(partition));
        if let Some(place) = place {
            *place = answer(&cx, place.index, Err(refusal));
        }
    }
    respond(&cx, &response)
}

/// Checks and appends one partition's data.
fn append<'a>(
    state: &BrokerState,
    cx: &RequestContext,
    request: &ProduceRequest,
    topic: Result<&'a Arc<Topic>, ErrorCode>,
    data: &PartitionProduceData,
) -> Result<(&'a Arc<Log>, Appended), Refusal> {
    if !(-1..=1).contains(&request.acks) {
        let text = format!("acks is {}, expected -1, 0 or 1", request.acks);
        return Err(Refusal::new(ErrorCode::InvalidRequiredAcks, text));
    }
    let unknown = |code| match code {
        ErrorCode::KafkaStorageError => Refusal::new(code, "the log of this partition could not be opened"),
        _ => Refusal::new(code, "This server does not host this topic-partition."),
    };
    let topic = topic.map_err(unknown)?;
    if topic.internal {
        let text = format!("Cannot append to internal topic {}", topic.name);
        return Err(Refusal::new(ErrorCode::InvalidTopicException, text));
    }
    let log = topics::partition(topic, data.index).map_err(unknown)?;
    let records = data.records.clone().unwrap_or_default();
    let batch = ready_batch(cx, request, log, records)?;
    let origin = if cx.version < FUTURE_LIMIT_SINCE { Origin::OldClient } else { Origin::Client };
    let append = || log.append_batch(&batch, origin);
    // Not on the blocking pool: the next request of this connection must not overtake it.
    let syncs = log.config().flush_messages.is_some();
    let appended = if syncs { without_holding_up(append) } else { append() };
    let appended = appended.inspect_err(|error| {
        if errors::of_log(error) == ErrorCode::KafkaStorageError {
            state.tell_trouble(topic.name.as_str(), data.index, "a log cannot be written", error);
        }
    })?;
    Ok((log, appended))
}

/// Runs what waits for the disk on this thread, and lets another one serve the other connections meanwhile.
fn without_holding_up<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // There is no other thread.
        _ => work(),
    }
}

/// The record data as one batch of the present format.
fn ready_batch(
    cx: &RequestContext,
    request: &ProduceRequest,
    log: &Log,
    records: Bytes,
) -> Result<Bytes, Refusal> {
    let old = first_magic(&records).is_some_and(|magic| magic < PRESENT_MAGIC);
    if old && cx.version >= ONE_FORMAT_SINCE {
        let text = format!(
            "Produce requests with version {} are only allowed to contain record batches with magic version 2",
            cx.version
        );
        return Err(Refusal::new(ErrorCode::InvalidRecord, text));
    }
    if old {
        let config = log.config();
        let rules = UpRules {
            max_message_bytes: usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX),
            decompressed_cap: config.decompressed_cap(),
            codec: config.compression,
        };
        return Ok(up_convert(&records, &rules).map_err(LogError::from)?.into());
    }
    if first_magic(&records) != Some(PRESENT_MAGIC) {
        // No batch at all, or one of a format that is none: the bits below would be noise.
        return Ok(records);
    }
    let attributes = records.get(ATTRIBUTES_AT + 1).copied().unwrap_or(0);
    if cx.version < ZSTD_SINCE && attributes & 7 == Codec::Zstd.id() {
        let text = format!(
            "Produce requests with version {} are not allowed to use ZStandard compression",
            cx.version
        );
        return Err(Refusal::new(ErrorCode::UnsupportedCompressionType, text));
    }
    if attributes & TRANSACTIONAL != 0 {
        // There are no transactions here yet, so no partition was ever added to one.
        return Err(match request.transactional_id {
            None => Refusal::new(
                ErrorCode::TransactionalIdAuthorizationFailed,
                "a transactional batch without a transactional id",
            ),
            Some(_) => Refusal::new(ErrorCode::InvalidTxnState, "Partition was not added to the transaction"),
        });
    }
    Ok(records)
}

fn answer(cx: &RequestContext, index: i32, done: Result<Appended, Refusal>) -> PartitionProduceResponse {
    match done {
        Ok(done) => PartitionProduceResponse {
            index,
            error_code: ErrorCode::None.into(),
            base_offset: done.base_offset.get(),
            log_append_time_ms: done.append_time.map(Timestamp::as_millis),
            log_start_offset: Some(done.log_start.get()),
            ..PartitionProduceResponse::default()
        },
        Err(refusal) => PartitionProduceResponse {
            index,
            error_code: errors::in_version(refusal.code, ApiKey::Produce, cx.version).into(),
            base_offset: -1,
            record_errors: refusal.records,
            error_message: Some(refusal.text),
            ..PartitionProduceResponse::default()
        },
    }
}

/// What a refusal says about single records.
fn record_errors(rejected: &Rejected) -> Vec<BatchIndexAndErrorMessage> {
    let (indexes, text) = match rejected {
        Rejected::MissingKey(indexes) => (indexes, "Compacted topic cannot accept message without key"),
        Rejected::Timestamp { records, .. } => (records, "Timestamp of message is out of range"),
        _ => return Vec::new(),
    };
    let error = |index: &u32| BatchIndexAndErrorMessage {
        batch_index: i32::try_from(*index).unwrap_or(i32::MAX),
        batch_index_error_message: Some(text.to_owned()),
    };
    indexes.iter().map(error).collect()
}

/// What a client is told about an error.
fn text(error: &LogError) -> String {
    match error {
        LogError::Rejected(Rejected::Timestamp { .. }) => {
            "One or more records have been rejected due to invalid timestamp".to_owned()
        }
        LogError::Rejected(Rejected::MissingKey(indexes)) => {
            format!("One or more records have been rejected due to {} record errors in total", indexes.len())
        }
        LogError::Rejected(rejected) => rejected.to_string(),
        LogError::Producer(producer) => producer.to_string(),
        // Paths and system errors are for our log, not for whoever is out there.
        LogError::NoSpace { .. } => "the disk is full".to_owned(),
        LogError::Closed => "the log is closed".to_owned(),
        _ => "the log cannot be written".to_owned(),
    }
}

/// For the line that says why a connection was closed.
fn describe(topic: &TopicProduceData, data: &PartitionProduceData, refusal: &Refusal) -> String {
    format!("{}-{}: {} ({})", topic.name, data.index, refusal.code, refusal.text)
}

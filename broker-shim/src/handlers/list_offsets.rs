//! ListOffsets: the ends of a partition, and where a time begins.
//!
//! | timestamp | meaning | from version |
//! |--:|---|--:|
//! | >= 0 | first record of that time or later | 1 (0: base offsets of segments, by file time) |
//! | -1 | the end: with read_committed the last stable offset | 0 |
//! | -2 | the start | 0 |
//! | -3 | the record with the greatest timestamp | 7 |
//! | -4 | the start on local disk: the same here | 8 |
//! | -5 | the end of what lies on remote storage: nothing here | 9 |
//! | -6 | the first that waits for remote storage: nothing here | 11 |

use super::{RequestContext, errors, on_blocking_pool, respond, topics};
use crate::broker::BrokerState;
use crate::net::Call;
use kafka_wire::messages::list_offsets_request::ListOffsetsPartition;
use kafka_wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use kafka_wire::{ErrorCode, Uuid};
use log_engine::log::Log;
use log_engine::types::{Offset, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// The isolation level that hides open transactions.
pub(super) const READ_COMMITTED: i8 = 1;

pub(super) fn call(state: &Arc<BrokerState>, cx: RequestContext, request: ListOffsetsRequest) -> Call {
    // The ends of a log are known without a look at it.
    let is_end = |p: &ListOffsetsPartition| cx.version > 0 && matches!(p.timestamp, LATEST | EARLIEST);
    if request.topics.iter().flat_map(|topic| &topic.partitions).all(is_end) {
        return Call::Done(respond(&cx, &handle(state, &cx, &request)));
    }
    let state = Arc::clone(state);
    Call::Pending(Box::pin(on_blocking_pool(move || respond(&cx, &handle(&state, &cx, &request)))))
}

fn handle(state: &BrokerState, cx: &RequestContext, request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let mut asked: HashMap<(&str, i32), u32> = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *asked.entry((&topic.name, partition.partition_index)).or_default() += 1;
        }
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            // What is there twice is answered once.
            let Some(count) = asked.remove(&(topic.name.as_str(), partition.partition_index)) else {
                continue;
            };
            let look_up = Lookup { state, cx, isolation: request.isolation_level, asked: partition };
            let found = if count > 1 { Err(ErrorCode::InvalidRequest) } else { look_up.run(&topic.name) };
            partitions.push(found.unwrap_or_else(|code| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                error_code: errors::in_version(code, cx.key, cx.version).into(),
                ..ListOffsetsPartitionResponse::default()
            }));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

/// One partition's question.
struct Lookup<'a> {
    state: &'a BrokerState,
    cx: &'a RequestContext,
    isolation: i8,
    asked: &'a ListOffsetsPartition,
}

impl Lookup<'_> {
    fn run(&self, topic: &str) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
        let topic = topics::find(self.state, self.cx, i16::MAX, topic, Uuid::default())?;
        let log = topics::partition(&topic, self.asked.partition_index)?;
        topics::check_epoch(log, self.asked.current_leader_epoch)?;
        let mut answer = ListOffsetsPartitionResponse {
            partition_index: self.asked.partition_index,
            error_code: ErrorCode::None.into(),
            ..ListOffsetsPartitionResponse::default()
        };
        if self.cx.version == 0 {
            answer.old_style_offsets = self.segments_before(log);
            return Ok(answer);
        }
        let (offset, timestamp) = self.find(log)?;
        answer.offset = offset.map(Offset::get);
        answer.timestamp = timestamp.map(Timestamp::as_millis);
        answer.leader_epoch = offset.map(|_| log.epoch().get());
        Ok(answer)
    }

    fn find(&self, log: &Log) -> Result<(Option<Offset>, Option<Timestamp>), ErrorCode> {
        let since = match self.asked.timestamp {
            LATEST | EARLIEST => 1,
            MAX_TIMESTAMP => 7,
            EARLIEST_LOCAL => 8,
            LATEST_TIERED => 9,
            EARLIEST_PENDING_UPLOAD => 11,
            time if time >= 0 => 1,
            _ => return Err(ErrorCode::UnsupportedVersion),
        };
        if self.cx.version < since {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let found = match self.asked.timestamp {
            LATEST => return Ok((Some(self.end(log)), None)),
            EARLIEST | EARLIEST_LOCAL => return Ok((Some(log.start_offset()), None)),
            MAX_TIMESTAMP => log.max_timestamp(),
            time => match Timestamp::from_millis(time) {
                Some(time) => log.offset_for_time(time),
                // Nothing lies on remote storage.
                None => return Ok((None, None)),
            },
        };
        let found = found.map_err(|e| errors::of_log(&e))?;
        // What is not visible yet is not found.
        let visible = found.filter(|(offset, _)| *offset < self.end(log));
        Ok((visible.map(|(offset, _)| offset), visible.map(|(_, time)| time)))
    }

    /// The end that this client sees.
    fn end(&self, log: &Log) -> Offset {
        if self.isolation == READ_COMMITTED { log.last_stable_offset() } else { log.end_offset() }
    }

    /// Version 0: the newest segments' base offsets whose files are not younger than the time, newest first, with the
    /// end of the log before them as the youngest of all.
    fn segments_before(&self, log: &Log) -> Vec<i64> {
        let most = usize::try_from(self.asked.max_num_offsets).unwrap_or(0);
        if self.asked.timestamp == EARLIEST {
            return [log.start_offset().get()].into_iter().take(most).collect();
        }
        if self.asked.timestamp < EARLIEST {
            // No file is that old.
            return Vec::new();
        }
        let time = Timestamp::from_millis(self.asked.timestamp);
        let segments = log.segment_offsets();
        let is_old = |modified: Timestamp| time.is_none_or(|time| modified <= time);
        let newest = segments.last().is_none_or(|(_, modified)| is_old(*modified));
        let end = Some(log.end_offset()).filter(|end| {
            // An empty newest segment has the end as its base already.
            newest && segments.last().is_none_or(|(base, _)| base < end)
        });
        let bases = segments.iter().rev().filter(|(_, modified)| is_old(*modified)).map(|(base, _)| *base);
        let visible = bases.map(|base| base.max(log.start_offset()));
        end.into_iter().chain(visible).take(most).map(Offset::get).collect()
    }
}

//! OffsetForLeaderEpoch: where an epoch ended. Consumers check the positions they committed with it; a wrong answer
//! looks like a truncated log to them.

use super::{RequestContext, errors, topics};
use crate::broker::BrokerState;
use kafka_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use kafka_wire::{ErrorCode, Uuid};
use log_engine::types::LeaderEpoch;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let answer = |name: &str, asked: &OffsetForLeaderPartition| {
        look_up(state, cx, name, asked).unwrap_or_else(|code| EpochEndOffset {
            error_code: errors::in_version(code, cx.key, cx.version).into(),
            partition: asked.partition,
            ..EpochEndOffset::default()
        })
    };
    let topics = request.topics.into_iter().map(|topic| OffsetForLeaderTopicResult {
        partitions: topic.partitions.iter().map(|asked| answer(&topic.topic, asked)).collect(),
        topic: topic.topic,
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}

fn look_up(
    state: &BrokerState,
    cx: &RequestContext,
    name: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<EpochEndOffset, ErrorCode> {
    let topic = topics::find(state, cx, i16::MAX, name, Uuid::default())?;
    let log = topics::partition(&topic, asked.partition)?;
    topics::check_epoch(log, asked.current_leader_epoch)?;
    // An epoch that we do not know, or that is none, ended nowhere; that is no error.
    let end = LeaderEpoch::new(asked.leader_epoch).and_then(|epoch| log.end_offset_for_epoch(epoch));
    Ok(EpochEndOffset {
        error_code: ErrorCode::None.into(),
        partition: asked.partition,
        leader_epoch: end.map(|(epoch, _)| epoch.get()),
        end_offset: end.map(|(_, offset)| offset.get()),
    })
}

//! OffsetDelete: single offsets of a group. What its members read stays.

use super::RequestContext;
use super::group_common::{TopicView, code, code_of};
use crate::broker::BrokerState;
use kafka_wire::ErrorCode;
use kafka_wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::collections::BTreeMap;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    // A partition that is named twice is answered once.
    let mut codes: BTreeMap<String, BTreeMap<i32, i16>> = BTreeMap::new();
    let mut there = Vec::new();
    for topic in request.topics {
        let known = codes.entry(topic.name.clone()).or_default();
        for partition in topic.partitions {
            let number = partition.partition_index;
            let exists = state.catalog.exists(&topic.name, number);
            if known.insert(number, ErrorCode::UnknownTopicOrPartition.into()).is_none() && exists {
                there.push((topic.name.clone(), number));
            }
        }
    }
    match state.groups.delete_offsets(&request.group_id, &there) {
        Ok(answers) => {
            for ((topic, number), answer) in there.iter().zip(answers) {
                codes.entry(topic.clone()).or_default().insert(*number, code_of(answer));
            }
            OffsetDeleteResponse { topics: answered(codes), ..OffsetDeleteResponse::default() }
        }
        Err(error) => {
            OffsetDeleteResponse { error_code: code(error).into(), ..OffsetDeleteResponse::default() }
        }
    }
}

fn answered(codes: BTreeMap<String, BTreeMap<i32, i16>>) -> Vec<OffsetDeleteResponseTopic> {
    let topic = |(name, codes): (String, BTreeMap<i32, i16>)| {
        let one =
            |(partition_index, error_code)| OffsetDeleteResponsePartition { partition_index, error_code };
        OffsetDeleteResponseTopic { name, partitions: codes.into_iter().map(one).collect() }
    };
    codes.into_iter().map(topic).collect()
}

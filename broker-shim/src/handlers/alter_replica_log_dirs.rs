//! AlterReplicaLogDirs: a partition stays in the directory where it is. To ask for that one is no error; to ask for another
//! one is, because nothing is moved here.

use super::{RequestContext, describe_log_dirs, topics};
use crate::broker::BrokerState;
use kafka_wire::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_wire::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use kafka_wire::{ErrorCode, Uuid};
use log_engine::store::LogName;
use std::collections::BTreeMap;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let ours: Vec<String> = state.store.dirs().iter().map(|dir| describe_log_dirs::shown(dir)).collect();
    // A partition that is named twice is answered once, for the last directory.
    let mut codes: BTreeMap<String, BTreeMap<i32, ErrorCode>> = BTreeMap::new();
    for dir in request.dirs {
        let known = ours.contains(&dir.path);
        for topic in dir.topics {
            for number in topic.partitions {
                let code = if known {
                    check(state, cx, &dir.path, &topic.name, number)
                } else {
                    ErrorCode::LogDirNotFound
                };
                codes.entry(topic.name.clone()).or_default().insert(number, code);
            }
        }
    }
    let result = |(topic_name, codes): (String, BTreeMap<i32, ErrorCode>)| {
        let one = |(partition_index, code): (i32, ErrorCode)| AlterReplicaLogDirPartitionResult {
            partition_index,
            error_code: code.into(),
        };
        AlterReplicaLogDirTopicResult { topic_name, partitions: codes.into_iter().map(one).collect() }
    };
    AlterReplicaLogDirsResponse {
        results: codes.into_iter().map(result).collect(),
        ..AlterReplicaLogDirsResponse::default()
    }
}

fn check(state: &BrokerState, cx: &RequestContext, dir: &str, topic: &str, number: i32) -> ErrorCode {
    let found = topics::find(state, cx, i16::MAX, topic, Uuid::default());
    if let Err(code) = found.and_then(|topic| topics::partition(&topic, number).map(|_| ())) {
        return code;
    }
    let lies_in = LogName::new(topic, number).ok().and_then(|name| state.store.dir_of(&name));
    match lies_in {
        Some(own) if describe_log_dirs::shown(own) == dir => ErrorCode::None,
        _ => ErrorCode::InvalidRequest,
    }
}

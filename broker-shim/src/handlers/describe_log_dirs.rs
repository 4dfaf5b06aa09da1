//! DescribeLogDirs: which partitions lie in which data directory, how large they are, and how much room there is.

use super::RequestContext;
use crate::broker::BrokerState;
use crate::metadata::Topic;
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use log_engine::store::LogName;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Partitions by topic, as they are asked for.
type Asked = BTreeMap<String, BTreeSet<i32>>;

pub(super) fn handle(
    state: &BrokerState,
    _: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let asked = request.topics.map(|topics| {
        let mut asked = Asked::new();
        for topic in topics {
            asked.entry(topic.topic).or_default().extend(topic.partitions);
        }
        asked
    });
    let mut found: BTreeMap<PathBuf, Vec<DescribeLogDirsTopic>> = BTreeMap::new();
    for topic in wanted(state, asked.as_ref()) {
        let numbers = asked.as_ref().and_then(|asked| asked.get(topic.name.as_str()));
        for (dir, partitions) in by_directory(state, &topic, numbers) {
            let name = topic.name.to_string();
            found.entry(dir).or_default().push(DescribeLogDirsTopic { name, partitions });
        }
    }
    let one = |dir: PathBuf| {
        let topics = found.remove(&dir).unwrap_or_default();
        directory(state, &dir, topics)
    };
    DescribeLogDirsResponse {
        error_code: ErrorCode::None.into(),
        results: state.store.dirs().into_iter().map(one).collect(),
        ..DescribeLogDirsResponse::default()
    }
}

fn wanted(state: &BrokerState, asked: Option<&Asked>) -> Vec<Arc<Topic>> {
    match asked {
        None => state.catalog.topics(),
        Some(asked) => asked.keys().filter_map(|name| state.catalog.topic(name)).collect(),
    }
}

/// The partitions of a topic that were asked for, by the directory that they lie in.
fn by_directory(
    state: &BrokerState,
    topic: &Topic,
    numbers: Option<&BTreeSet<i32>>,
) -> BTreeMap<PathBuf, Vec<DescribeLogDirsPartition>> {
    let mut found: BTreeMap<PathBuf, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for number in 0..topic.partition_count() {
        let (Ok(log), true) = (topic.partition(number), numbers.is_none_or(|all| all.contains(&number)))
        else {
            continue;
        };
        let name = LogName::new(topic.name.as_str(), number).ok();
        let Some(dir) = name.and_then(|name| state.store.dir_of(&name).map(Path::to_owned)) else { continue };
        found.entry(dir).or_default().push(DescribeLogDirsPartition {
            partition_index: number,
            partition_size: signed(log.size_bytes()),
            offset_lag: 0,
            is_future_key: false,
        });
    }
    found
}

fn directory(state: &BrokerState, dir: &Path, topics: Vec<DescribeLogDirsTopic>) -> DescribeLogDirsResult {
    // Only newer versions tell the room, and a disk that does not say is no reason to say nothing.
    let space = state.store.storage().space(dir).ok();
    DescribeLogDirsResult {
        error_code: ErrorCode::None.into(),
        log_dir: shown(dir),
        topics,
        total_bytes: space.as_ref().map(|space| signed(space.total)),
        usable_bytes: space.map(|space| signed(space.available)),
        is_cordoned: false,
    }
}

/// A data directory as clients are told it.
pub(super) fn shown(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

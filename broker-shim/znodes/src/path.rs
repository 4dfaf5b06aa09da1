//! Where the nodes are.

/// Brokers that run, by number.
pub const BROKER_IDS: &str = "/brokers/ids";
/// Topics, by name.
pub const TOPICS: &str = "/brokers/topics";
/// Its version makes broker numbers.
pub const SEQUENCE: &str = "/brokers/seqid";
/// Who the controller is.
pub const CONTROLLER: &str = "/controller";
/// How often there was an election.
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
/// The cluster's id.
pub const CLUSTER_ID: &str = "/cluster/id";
/// Settings of topics.
pub const TOPIC_CONFIGS: &str = "/config/topics";
/// Settings of brokers.
pub const BROKER_CONFIGS: &str = "/config/brokers";
/// Word that settings were changed.
pub const CONFIG_CHANGES: &str = "/config/changes";
/// The beginning of such a node's path; ZooKeeper adds a number.
pub const CONFIG_CHANGE: &str = "/config/changes/config_change_";
/// Topics that somebody wants deleted.
pub const DELETIONS: &str = "/admin/delete_topics";
/// A wish for partitions on other brokers.
pub const REASSIGNMENT: &str = "/admin/reassign_partitions";
/// A wish for the first replica to lead.
pub const PREFERRED_ELECTION: &str = "/admin/preferred_replica_election";
/// The last block of producer ids.
pub const PRODUCER_IDS: &str = "/latest_producer_id_block";
/// Old consumers.
pub const CONSUMERS: &str = "/consumers";

/// What a broker of 2.2 makes before anything else, in its order.
pub const PERSISTENT: [&str; 13] = [
    CONSUMERS,
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETIONS,
    SEQUENCE,
    "/isr_change_notification",
    PRODUCER_IDS,
    "/log_dir_event_notification",
    TOPIC_CONFIGS,
    "/config/clients",
    "/config/users",
    BROKER_CONFIGS,
];

/// A broker.
#[must_use]
pub fn broker(id: i32) -> String {
    format!("{BROKER_IDS}/{id}")
}

/// A topic.
#[must_use]
pub fn topic(name: &str) -> String {
    format!("{TOPICS}/{name}")
}

/// The parent of a topic's partitions.
#[must_use]
pub fn partitions(name: &str) -> String {
    format!("{TOPICS}/{name}/partitions")
}

/// A partition.
#[must_use]
pub fn partition(name: &str, partition: i32) -> String {
    format!("{TOPICS}/{name}/partitions/{partition}")
}

/// Who leads a partition.
#[must_use]
pub fn state(name: &str, partition: i32) -> String {
    format!("{TOPICS}/{name}/partitions/{partition}/state")
}

/// A topic's settings.
#[must_use]
pub fn topic_config(name: &str) -> String {
    format!("{TOPIC_CONFIGS}/{name}")
}

/// A broker's settings; `None`: those of all brokers.
#[must_use]
pub fn broker_config(id: Option<i32>) -> String {
    match id {
        Some(id) => format!("{BROKER_CONFIGS}/{id}"),
        None => format!("{BROKER_CONFIGS}/<default>"),
    }
}

/// A request to delete a topic.
#[must_use]
pub fn deletion(name: &str) -> String {
    format!("{DELETIONS}/{name}")
}

/// A consumer that runs.
#[must_use]
pub fn consumer(group: &str, consumer: &str) -> String {
    format!("{CONSUMERS}/{group}/ids/{consumer}")
}

/// Who of a group reads a partition.
#[must_use]
pub fn owner(group: &str, topic: &str, partition: i32) -> String {
    format!("{CONSUMERS}/{group}/owners/{topic}/{partition}")
}

/// How far a group has read a partition.
#[must_use]
pub fn offset(group: &str, topic: &str, partition: i32) -> String {
    format!("{CONSUMERS}/{group}/offsets/{topic}/{partition}")
}

/// The node above; `None` for those at the top.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

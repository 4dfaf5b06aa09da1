//! A partition whose log cannot be opened: it says so, and everything else is served.

use super::rig::{Client, batch, error, named, produce_request};
use crate::config::BrokerConfig;
use crate::metadata::{CreateTopic, Topic};
use crate::server::Broker;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_wire::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_wire::messages::{
    DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use kafka_wire::{ErrorCode, Payload};
use std::fs;
use std::path::{Path, PathBuf};

async fn start(dir: &Path) -> Broker {
    let builder =
        BrokerConfig::builder().set("listeners", "PLAINTEXT://127.0.0.1:0").set("http.listener", "");
    Broker::start(builder.set("log.dirs", dir.display().to_string()).build().unwrap()).await.unwrap()
}

/// Makes a partition's directory one that is refused; removed again, it is as before.
fn spoil(dir: &Path, partition: &str) -> PathBuf {
    let path = dir.join(partition).join("not-a-segment.log");
    fs::write(&path, "").unwrap();
    path
}

/// Topic `t` with three partitions and a message in each; partition 1 is spoilt when this returns.
async fn spoilt(dir: &Path) -> Broker {
    let broker = start(dir).await;
    let request = CreateTopic { partitions: Some(3), ..CreateTopic::named("t") };
    let topic = broker.catalog().create(&request).unwrap();
    let mut client = Client::to(broker.addr()).await;
    for partition in 0..3 {
        assert_eq!(produce(&mut client, 9, &topic, partition).await, ErrorCode::None);
    }
    drop(client);
    broker.shutdown().await.unwrap();
    spoil(dir, "t-1");
    start(dir).await
}

async fn produce(client: &mut Client, version: i16, topic: &Topic, partition: i32) -> ErrorCode {
    let request = produce_request(version, -1, topic, partition, batch(&[b"v"]));
    error(client.call(version, &request).await.responses[0].partition_responses[0].error_code)
}

async fn fetch(client: &mut Client, version: i16, topic: &Topic, partition: i32) -> (ErrorCode, usize) {
    let (topic, topic_id) = named(version, 13, topic);
    let asked = FetchPartition { partition, partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let request = FetchRequest {
        max_bytes: 1 << 20,
        topics: vec![FetchTopic { topic, topic_id, partitions: vec![asked] }],
        ..FetchRequest::default()
    };
    let response = client.call(version, &request).await;
    let partition = &response.responses[0].partitions[0];
    let len = match &partition.records {
        Payload::Bytes(bytes) => bytes.len(),
        Payload::None | Payload::Gap { .. } => 0,
    };
    (error(partition.error_code), len)
}

async fn end(client: &mut Client, version: i16, partition: i32) -> (ErrorCode, Option<i64>) {
    let asked = ListOffsetsPartition {
        partition_index: partition,
        timestamp: -1,
        max_num_offsets: 1,
        ..ListOffsetsPartition::default()
    };
    let topics = vec![ListOffsetsTopic { name: "t".to_owned(), partitions: vec![asked] }];
    let response = client.call(version, &ListOffsetsRequest { topics, ..Default::default() }).await;
    let partition = &response.topics[0].partitions[0];
    (error(partition.error_code), partition.offset)
}

#[tokio::test]
async fn metadata_names_no_leader_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let broker = spoilt(dir.path()).await;
    let mut client = Client::to(broker.addr()).await;
    for version in 0..=13 {
        let topic = MetadataRequestTopic { name: Some("t".to_owned()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
        let answer = client.call(version, &request).await;
        assert_eq!(error(answer.topics[0].error_code), ErrorCode::None);
        let told: Vec<_> =
            answer.topics[0].partitions.iter().map(|p| (error(p.error_code), p.leader_id)).collect();
        let fine = (ErrorCode::None, 0);
        assert_eq!(told, [fine, (ErrorCode::LeaderNotAvailable, -1), fine], "version {version}");
        let offline = &answer.topics[0].partitions[1];
        assert_eq!(offline.replica_nodes, [0]);
        assert_eq!(offline.offline_replicas, if version >= 5 { vec![0] } else { vec![] });
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_is_a_storage_error_and_its_neighbours_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let broker = spoilt(dir.path()).await;
    let topic = broker.catalog().topic("t").unwrap();
    let mut client = Client::to(broker.addr()).await;
    let old = ErrorCode::NotLeaderOrFollower;
    let new = ErrorCode::KafkaStorageError;
    for (version, expected) in [(3, old), (4, new), (13, new)] {
        assert_eq!(produce(&mut client, version, &topic, 1).await, expected, "Produce {version}");
        assert_eq!(produce(&mut client, version, &topic, 2).await, ErrorCode::None);
    }
    for (version, expected) in [(4, old), (5, old), (6, new), (17, new)] {
        assert_eq!(fetch(&mut client, version, &topic, 1).await, (expected, 0), "Fetch {version}");
        let (code, len) = fetch(&mut client, version, &topic, 0).await;
        assert!(code == ErrorCode::None && len > 0);
    }
    for (version, expected) in [(1, old), (2, new), (8, new)] {
        assert_eq!(end(&mut client, version, 1).await, (expected, None), "ListOffsets {version}");
        assert_eq!(end(&mut client, version, 0).await, (ErrorCode::None, Some(1)));
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn its_log_is_as_before_when_the_cause_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    spoilt(dir.path()).await.shutdown().await.unwrap();
    fs::remove_file(dir.path().join("t-1/not-a-segment.log")).unwrap();
    let broker = start(dir.path()).await;
    let mut client = Client::to(broker.addr()).await;
    assert_eq!(end(&mut client, 8, 1).await, (ErrorCode::None, Some(1)));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn its_topic_can_be_deleted_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let broker = spoilt(dir.path()).await;
    let mut client = Client::to(broker.addr()).await;
    let request =
        DeleteTopicsRequest { topic_names: vec!["t".to_owned()], timeout_ms: 1000, ..Default::default() };
    let answer = client.call(3, &request).await;
    assert_eq!(error(answer.responses[0].error_code), ErrorCode::None);
    assert!(!dir.path().join("t-1").exists());
    let request = CreateTopic { partitions: Some(3), ..CreateTopic::named("t") };
    broker.catalog().create(&request).unwrap();
    assert_eq!(end(&mut client, 8, 1).await, (ErrorCode::None, Some(0)));
    broker.shutdown().await.unwrap();
}

async fn commit(client: &mut Client, group: &str) -> ErrorCode {
    let partition =
        OffsetCommitRequestPartition { partition_index: 0, committed_offset: 1, ..Default::default() };
    let topic = OffsetCommitRequestTopic {
        name: "t".to_owned(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: None,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    error(client.call(2, &request).await.topics[0].partitions[0].error_code)
}

async fn committed(client: &mut Client, group: &str) -> (ErrorCode, ErrorCode, i64) {
    let topics = vec![OffsetFetchRequestTopics {
        name: "t".to_owned(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    }];
    let group =
        OffsetFetchRequestGroup { group_id: group.to_owned(), topics: Some(topics), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    let answer = client.call(8, &request).await.groups[0].clone();
    let partition = &answer.topics[0].partitions[0];
    (error(answer.error_code), error(partition.error_code), partition.committed_offset)
}

async fn coordinator(client: &mut Client, group: &str) -> ErrorCode {
    let request = FindCoordinatorRequest { key: group.to_owned(), ..FindCoordinatorRequest::default() };
    error(client.call(2, &request).await.error_code)
}

/// To a group of such a partition nobody may say that it has committed nothing.
#[tokio::test]
async fn groups_of_an_offline_offsets_partition_are_not_available() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path()).await;
    broker.catalog().create(&CreateTopic::named("t")).unwrap();
    let mut client = Client::to(broker.addr()).await;
    // The hashes of "a" and "b" are 97 and 98; there are 50 partitions.
    for group in ["a", "b"] {
        assert_eq!(produce(&mut client, 9, &broker.catalog().topic("t").unwrap(), 0).await, ErrorCode::None);
        assert_eq!(commit(&mut client, group).await, ErrorCode::None);
    }
    drop(client);
    broker.shutdown().await.unwrap();
    let cause = spoil(dir.path(), "__consumer_offsets-47");

    let broker = start(dir.path()).await;
    let mut client = Client::to(broker.addr()).await;
    assert_eq!(coordinator(&mut client, "a").await, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(commit(&mut client, "a").await, ErrorCode::CoordinatorNotAvailable);
    let not_here = ErrorCode::NotCoordinator;
    assert_eq!(committed(&mut client, "a").await, (not_here, not_here, -1));
    for version in 0..=6 {
        let request = DescribeGroupsRequest { groups: vec!["a".to_owned()], ..Default::default() };
        let group = client.call(version, &request).await.groups.remove(0);
        assert_eq!((error(group.error_code), group.group_state.as_str()), (not_here, ""));
    }
    let request = DeleteGroupsRequest { groups_names: vec!["a".to_owned()] };
    let deleted = client.call(2, &request).await.results.remove(0);
    assert_eq!(error(deleted.error_code), ErrorCode::CoordinatorNotAvailable);
    assert_eq!(coordinator(&mut client, "b").await, ErrorCode::None);
    assert_eq!(committed(&mut client, "b").await, (ErrorCode::None, ErrorCode::None, 1));
    drop(client);
    broker.shutdown().await.unwrap();

    fs::remove_file(cause).unwrap();
    let broker = start(dir.path()).await;
    let mut client = Client::to(broker.addr()).await;
    assert_eq!(committed(&mut client, "a").await, (ErrorCode::None, ErrorCode::None, 1));
    broker.shutdown().await.unwrap();
}

//! What operators' tools ask for besides settings: records and groups deleted, directories, elections, pages of topics.

use super::rig::{Client, Rig, batch};
use kafka_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_wire::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use kafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_wire::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_wire::messages::elect_leaders_request::TopicPartitions;
use kafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, DeleteGroupsRequest,
    DeleteRecordsRequest, DescribeLogDirsRequest, DescribeProducersRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, ListConfigResourcesRequest, ListPartitionReassignmentsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, describe_producers_request, describe_producers_response,
};
use log_engine::format::batch::ProducerStamp;
use log_engine::format::build::NewRecord;
use log_engine::types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

fn delete(topic: &str, partitions: &[(i32, i64)]) -> DeleteRecordsRequest {
    let one = |(partition_index, offset): &(i32, i64)| DeleteRecordsPartition {
        partition_index: *partition_index,
        offset: *offset,
    };
    let partitions = partitions.iter().map(one).collect();
    DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic { name: topic.to_owned(), partitions }],
        timeout_ms: 1000,
    }
}

/// Low watermark and code of each partition.
async fn deleted(client: &mut Client, version: i16, request: &DeleteRecordsRequest) -> Vec<(i64, i16)> {
    let answer = client.call(version, request).await;
    answer.topics[0].partitions.iter().map(|p| (p.low_watermark, p.error_code)).collect()
}

#[tokio::test]
async fn the_start_of_a_log_moves_up_and_never_down() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 2, &[]);
    let mut client = rig.client().await;
    client.produce(9, &topic, batch(&[b"a", b"b", b"c", b"d"])).await;
    for version in 0..=2 {
        let up_to = i64::from(version) + 1;
        assert_eq!(deleted(&mut client, version, &delete("t", &[(0, up_to)])).await, [(up_to, 0)]);
        assert_eq!(topic.partition(0).unwrap().start_offset().get(), up_to);
        assert_eq!(deleted(&mut client, version, &delete("t", &[(0, 0)])).await, [(up_to, 0)], "no way back");
        assert_eq!(deleted(&mut client, version, &delete("t", &[(0, 5)])).await, [(-1, 1)], "beyond the end");
        assert_eq!(deleted(&mut client, version, &delete("t", &[(0, -2)])).await, [(-1, 1)]);
        assert_eq!(deleted(&mut client, version, &delete("t", &[(9, 0)])).await, [(-1, 3)]);
        assert_eq!(deleted(&mut client, version, &delete("nope", &[(0, 0)])).await, [(-1, 3)]);
    }
    assert_eq!(deleted(&mut client, 2, &delete("t", &[(0, -1), (1, -1)])).await, [(4, 0), (0, 0)]);
    assert_eq!(topic.partition(0).unwrap().start_offset().get(), 4);
    assert_eq!(deleted(&mut client, 2, &delete("t", &[(0, 0), (0, 99)])).await, [(-1, 1)], "the last counts");
}

#[tokio::test]
async fn records_of_compacted_and_internal_topics_stay() {
    let rig = Rig::new().await;
    rig.topic("c", 1, &[("cleanup.policy", "compact")]);
    rig.topic("both", 1, &[("cleanup.policy", "compact,delete")]);
    rig.state.catalog.internal(crate::metadata::InternalTopic::ConsumerOffsets).unwrap();
    let mut client = rig.client().await;
    assert_eq!(deleted(&mut client, 2, &delete("c", &[(0, 0)])).await, [(-1, 44)]);
    assert_eq!(deleted(&mut client, 2, &delete("both", &[(0, 0)])).await, [(0, 0)]);
    assert_eq!(deleted(&mut client, 2, &delete("__consumer_offsets", &[(0, 0)])).await, [(-1, 17)]);
}

#[tokio::test]
async fn directories_are_described_in_every_version() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 2, &[]);
    rig.topic("u", 1, &[]);
    let mut client = rig.client().await;
    client.produce(9, &topic, batch(&[b"a"])).await;
    let size = i64::try_from(topic.partition(0).unwrap().size_bytes()).unwrap();
    assert!(size > 60);
    let dir = rig.state.store.dirs()[0].display().to_string();
    for version in 0..=5 {
        let answer = client.call(version, &DescribeLogDirsRequest { topics: None }).await;
        let [result] = &answer.results[..] else { panic!("one directory: {answer:?}") };
        assert_eq!((result.error_code, &result.log_dir), (0, &dir));
        let sizes: Vec<Vec<i64>> =
            result.topics.iter().map(|t| t.partitions.iter().map(|p| p.partition_size).collect()).collect();
        assert_eq!(sizes, [vec![size, 0], vec![0]], "version {version}");
        assert_eq!(result.total_bytes.is_some(), version >= 4);
        assert!(version < 4 || result.usable_bytes <= result.total_bytes);
    }
    let topics = [("t", vec![1, 9]), ("nope", vec![0])];
    let topics =
        topics.map(|(topic, partitions)| DescribableLogDirTopic { topic: topic.to_owned(), partitions });
    let answer = client.call(4, &DescribeLogDirsRequest { topics: Some(topics.into()) }).await;
    let [named] = &answer.results[0].topics[..] else { panic!("{answer:?}") };
    assert_eq!((named.name.as_str(), named.partitions.len()), ("t", 1));
    let answer = client.call(4, &DescribeLogDirsRequest { topics: Some(Vec::new()) }).await;
    assert!(answer.results[0].topics.is_empty());
}

#[tokio::test]
async fn partitions_stay_in_their_directory() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let dir = rig.state.store.dirs()[0].display().to_string();
    let mut client = rig.client().await;
    for version in 0..=2 {
        for (path, topic, code) in
            [(dir.as_str(), "t", 0), ("/nowhere", "t", 57), ("x", "t", 57), (&dir, "nope", 3)]
        {
            let topics = vec![AlterReplicaLogDirTopic { name: topic.to_owned(), partitions: vec![0] }];
            let dirs = vec![AlterReplicaLogDir { path: path.to_owned(), topics }];
            let answer = client.call(version, &AlterReplicaLogDirsRequest { dirs }).await;
            assert_eq!(answer.results[0].partitions[0].error_code, code, "{path} {topic}");
        }
    }
}

#[tokio::test]
async fn partitions_stay_on_the_one_broker() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let own = rig.state.catalog.broker_id();
    let mut client = rig.client().await;
    let no_broker = "The manual partition assignment includes broker 9, but no such broker is registered.";
    for version in 0..=1 {
        for (topic, partition, replicas, code, text) in [
            ("t", 0, Some(vec![own]), 0, ""),
            ("t", 0, Some(vec![9]), 39, no_broker),
            ("t", 0, Some(vec![own, 9]), 39, no_broker),
            ("t", 0, Some(vec![]), 39, "The manual partition assignment includes an empty replica list."),
            ("t", 0, None, 85, ""),
            ("t", 9, Some(vec![own]), 3, "Unable to find partition t:9."),
            ("nope", 0, None, 3, "Unable to find a topic named nope."),
        ] {
            let partitions = vec![ReassignablePartition { partition_index: partition, replicas }];
            let request = AlterPartitionReassignmentsRequest {
                topics: vec![ReassignableTopic { name: topic.to_owned(), partitions }],
                ..AlterPartitionReassignmentsRequest::default()
            };
            let answer = client.call(version, &request).await;
            let answer = &answer.responses[0].partitions[0];
            assert_eq!(
                (answer.error_code, answer.error_message.as_deref().unwrap_or_default()),
                (code, text),
                "version {version}"
            );
        }
    }
    let answer = client.call(0, &ListPartitionReassignmentsRequest::default()).await;
    assert_eq!((answer.error_code, answer.topics.len()), (0, 0));
}

#[tokio::test]
async fn no_leader_needs_to_be_elected() {
    let rig = Rig::new().await;
    rig.topic("t", 2, &[]);
    let mut client = rig.client().await;
    let named = |names: &[(&str, i32)]| {
        let one = |(topic, partition): &(&str, i32)| TopicPartitions {
            topic: (*topic).to_owned(),
            partitions: vec![*partition],
        };
        Some(names.iter().map(one).collect())
    };
    let request = |topic_partitions| ElectLeadersRequest {
        topic_partitions,
        timeout_ms: 1000,
        ..ElectLeadersRequest::default()
    };
    for version in 0..=2 {
        let answer = client.call(version, &request(named(&[("t", 0), ("t", 9), ("nope", 0)]))).await;
        let codes: Vec<i16> =
            answer.replica_election_results.iter().map(|r| r.partition_result[0].error_code).collect();
        assert_eq!(codes, [if version == 0 { 0 } else { 84 }, 3, 3]);
        let all = client.call(version, &request(None)).await;
        let partitions = all.replica_election_results[0].partition_result.len();
        assert_eq!(partitions, if version == 0 { 2 } else { 0 });
    }
    let odd = ElectLeadersRequest { election_type: 7, ..request(named(&[("t", 0)])) };
    let answer = client.call(2, &odd).await;
    let text = answer.replica_election_results[0].partition_result[0].error_message.as_deref();
    assert_eq!((answer.error_code, text), (42, Some("Unknown election type 7")));
}

/// Code, name and partitions of each topic, and where the next answer begins.
type Page = (Vec<(i16, String, Vec<i32>)>, Option<(String, i32)>);

async fn page(client: &mut Client, topics: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> Page {
    let request = DescribeTopicPartitionsRequest {
        topics: topics.iter().map(|name| TopicRequest { name: (*name).to_owned() }).collect(),
        response_partition_limit: limit,
        cursor: cursor
            .map(|(topic, partition_index)| Cursor { topic_name: topic.to_owned(), partition_index }),
    };
    let answer = client.call(0, &request).await;
    let topic = |t: &kafka_wire::messages::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic| {
        let numbers = t.partitions.iter().map(|p| p.partition_index).collect();
        (t.error_code, t.name.clone().unwrap_or_default(), numbers)
    };
    let next = answer.next_cursor.map(|cursor| (cursor.topic_name, cursor.partition_index));
    (answer.topics.iter().map(topic).collect(), next)
}

#[tokio::test]
async fn topics_come_in_pages() {
    let rig = Rig::new().await;
    rig.topic("t", 3, &[]);
    rig.topic("u", 1, &[]);
    let mut client = rig.client().await;
    let of = |name: &str, numbers: &[i32]| (0, name.to_owned(), numbers.to_vec());
    let none = |code: i16, name: &str| (code, name.to_owned(), Vec::new());
    let at = |name: &str, number: i32| Some((name.to_owned(), number));
    let client = &mut client;
    assert_eq!(page(client, &[], 2000, None).await, (vec![of("t", &[0, 1, 2]), of("u", &[0])], None));
    let odd = page(client, &["u", "nope", "t", "bad name", "t"], 2000, None).await;
    let expected = vec![none(17, "bad name"), none(3, "nope"), of("t", &[0, 1, 2]), of("u", &[0])];
    assert_eq!(odd, (expected, None));
    assert_eq!(page(client, &[], 2, None).await, (vec![of("t", &[0, 1])], at("t", 2)));
    assert_eq!(page(client, &[], 2, Some(("t", 2))).await, (vec![of("t", &[2]), of("u", &[0])], None));
    assert_eq!(page(client, &["u", "t"], 3, None).await, (vec![of("t", &[0, 1, 2])], at("u", 0)));
    assert_eq!(page(client, &["t"], 0, None).await, (vec![of("t", &[0])], at("t", 1)));
    assert_eq!(page(client, &["t"], -1, None).await, (vec![of("t", &[0])], at("t", 1)));
    let beyond = page(client, &["t", "u"], 2000, Some(("t", 7))).await;
    assert_eq!(beyond, (vec![none(0, "t"), of("u", &[0])], None));
    assert_eq!(page(client, &[], 2000, Some(("tt", 0))).await, (vec![of("u", &[0])], None), "it was deleted");
    assert_eq!(page(client, &["t"], 2000, Some(("t", -1))).await, (vec![none(42, "t")], None));
    assert_eq!(page(client, &["t"], 2000, Some(("s", 0))).await, (vec![none(42, "t")], None));
    let far = page(client, &["t"], i32::MAX, Some(("t", i32::MAX))).await;
    assert_eq!(far, (vec![none(0, "t")], None));
}

#[tokio::test]
async fn resources_with_settings_are_listed() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let own = rig.state.catalog.broker_id().to_string();
    let mut client = rig.client().await;
    assert!(client.call(0, &ListConfigResourcesRequest::default()).await.config_resources.is_empty());
    let mut listed = async |types: &[i8]| {
        let request = ListConfigResourcesRequest { resource_types: types.to_vec() };
        let answer = client.call(1, &request).await;
        let all = answer.config_resources.into_iter().map(|r| (r.resource_type, r.resource_name));
        (answer.error_code, all.collect::<Vec<_>>())
    };
    let (topic, broker, logger) = ((2, "t".to_owned()), (4, own.clone()), (8, own));
    assert_eq!(listed(&[]).await, (0, vec![topic.clone(), broker.clone(), logger]));
    assert_eq!(listed(&[2]).await, (0, vec![topic]));
    assert_eq!(listed(&[4, 4]).await, (0, vec![broker]));
    assert_eq!(listed(&[16, 32]).await, (0, Vec::new()));
    assert_eq!(listed(&[2, 99]).await, (35, Vec::new()));
}

#[tokio::test]
async fn producers_are_described() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 2, &[]);
    let stamp = ProducerStamp {
        id: ProducerId::new(77).unwrap(),
        epoch: ProducerEpoch::new(3).unwrap(),
        base_sequence: Some(Sequence::ZERO),
    };
    let time = Timestamp::from_millis(1_700_000_000_000).unwrap();
    let record = || NewRecord { value: Some(b"a"), timestamp: Some(time), ..NewRecord::default() };
    topic.partition(0).unwrap().append_as(stamp, &[record(), record()]).unwrap();
    let name = |name: &str, numbers: &[i32]| describe_producers_request::TopicRequest {
        name: name.to_owned(),
        partition_indexes: numbers.to_vec(),
    };
    let request = DescribeProducersRequest { topics: vec![name("t", &[0, 1, 9, 0]), name("nope", &[0])] };
    let answer = rig.client().await.call(0, &request).await;
    let [unknown, known] = &answer.topics[..] else { panic!("{answer:?}") };
    let codes = |t: &describe_producers_response::TopicResponse| {
        t.partitions.iter().map(|p| (p.partition_index, p.error_code)).collect::<Vec<_>>()
    };
    assert_eq!((codes(unknown), codes(known)), (vec![(0, 3)], vec![(0, 0), (1, 0), (9, 3)]));
    let expected = describe_producers_response::ProducerState {
        producer_id: 77,
        producer_epoch: 3,
        last_sequence: Some(1),
        last_timestamp: Some(1_700_000_000_000),
        coordinator_epoch: -1,
        current_txn_start_offset: None,
    };
    assert_eq!(known.partitions[0].active_producers, [expected]);
    assert!(known.partitions[1].active_producers.is_empty());
}

async fn commit(client: &mut Client, group: &str) {
    let offsets = (0..2).map(|partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 0,
        ..OffsetCommitRequestPartition::default()
    });
    let topic = OffsetCommitRequestTopic {
        name: "t".to_owned(),
        partitions: offsets.collect(),
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: None,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let answer = client.call(2, &request).await;
    assert!(answer.topics[0].partitions.iter().all(|p| p.error_code == 0), "{answer:?}");
}

#[tokio::test]
async fn groups_are_deleted_in_every_version() {
    let rig = Rig::new().await;
    rig.topic("t", 2, &[]);
    let mut client = rig.client().await;
    for version in 0..=3 {
        commit(&mut client, "g").await;
        let groups_names = vec!["g".to_owned(), "nope".to_owned(), "g".to_owned()];
        let answer = client.call(version, &DeleteGroupsRequest { groups_names }).await;
        let codes: Vec<_> = answer.results.iter().map(|r| (r.group_id.as_str(), r.error_code)).collect();
        assert_eq!(codes, [("g", 0), ("nope", 69)], "version {version}");
    }
}

#[tokio::test]
async fn single_offsets_of_a_group_are_deleted() {
    let rig = Rig::new().await;
    rig.topic("t", 2, &[]);
    let mut client = rig.client().await;
    commit(&mut client, "g").await;
    let request = |group: &str, topic: &str, numbers: &[i32]| {
        let one = |number: &i32| OffsetDeleteRequestPartition { partition_index: *number };
        let partitions = numbers.iter().map(one).collect();
        let topics = vec![OffsetDeleteRequestTopic { name: topic.to_owned(), partitions }];
        OffsetDeleteRequest { group_id: group.to_owned(), topics }
    };
    let answer = client.call(0, &request("g", "t", &[0, 9, 0])).await;
    let codes: Vec<_> =
        answer.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
    assert_eq!((answer.error_code, codes), (0, vec![(0, 0), (9, 3)]));
    let left: Vec<bool> =
        rig.state.groups.offsets("g", |offsets| (0..2).map(|n| offsets.get("t", n).is_some()).collect());
    assert_eq!(left, [false, true]);
    let answer = client.call(0, &request("g", "nope", &[0])).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 3);
    let answer = client.call(0, &request("nobody", "t", &[0])).await;
    assert_eq!((answer.error_code, answer.topics.len()), (69, 0));
}

/// The log start that a client was told outlives the broker.
#[tokio::test]
async fn deleted_records_stay_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = crate::config::BrokerConfig::builder()
            .set("listeners", "PLAINTEXT://127.0.0.1:0")
            .set("http.listener", "");
        let config = builder.set("log.dirs", dir.path().display().to_string()).build().unwrap();
        // The tasks of a broker that was dropped let go of its directory one after the other.
        for _ in 0..500 {
            match crate::server::Broker::start(config.clone()).await {
                Err(crate::server::StartError::InUse { .. }) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                started => return started.unwrap(),
            }
        }
        panic!("the directory is still in use");
    };
    let broker = start().await;
    let topic = broker.catalog().create(&crate::metadata::CreateTopic::named("t")).unwrap();
    let mut client = Client::to(broker.addr()).await;
    client.produce(9, &topic, batch(&[b"a", b"b", b"c"])).await;
    assert_eq!(deleted(&mut client, 2, &delete("t", &[(0, 2)])).await, [(2, 0)]);
    // As if it had been killed.
    drop((client, topic, broker));
    let broker = start().await;
    let log = broker.catalog().topic("t").unwrap();
    assert_eq!(log.partition(0).unwrap().start_offset(), Offset::new(2).unwrap());
}

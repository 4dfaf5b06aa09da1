//! Topics, settings, ends of logs: everything but records.

use super::rig::{Rig, batch, error};
use kafka_wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_wire::messages::delete_topics_request::DeleteTopicState;
use kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_wire::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_wire::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest,
};
use kafka_wire::{ErrorCode, Uuid};
use tokio::io::AsyncWriteExt;

fn metadata(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).to_owned()), ..Default::default() };
    MetadataRequest {
        topics: Some(names.iter().map(topic).collect()),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    }
}

#[tokio::test]
async fn a_missing_topic_is_created_and_answered_at_once_in_every_version() {
    let rig = Rig::with(&[("num.partitions", "3")]).await;
    let mut client = rig.client().await;
    for version in 0..=13 {
        let name = format!("t{version}");
        let answer = client.call(version, &metadata(&[&name])).await;
        let topic = &answer.topics[0];
        assert_eq!(error(topic.error_code), ErrorCode::None, "version {version}");
        assert_eq!(topic.name.as_deref(), Some(name.as_str()));
        assert_eq!(topic.partitions.iter().map(|p| p.partition_index).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(topic.partitions[0].isr_nodes, [answer.brokers[0].node_id]);
        assert_eq!(
            (answer.brokers[0].host.as_str(), answer.brokers[0].port),
            ("127.0.0.1", rig.address.port().into())
        );
        assert_eq!(answer.cluster_id.is_some(), version >= 2);
    }
    let all = client.call(0, &metadata(&[])).await;
    assert_eq!(all.topics.len(), 14, "none named is all in version 0");
    let none = client.call(1, &metadata(&[])).await;
    assert!(none.topics.is_empty(), "none named is none from version 1 on");
    let all = client.call(1, &MetadataRequest { topics: None, ..MetadataRequest::default() }).await;
    assert_eq!(all.topics.len(), 14);
}

#[tokio::test]
async fn a_topic_is_created_only_if_request_and_settings_allow() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let unwilling = MetadataRequest { allow_auto_topic_creation: false, ..metadata(&["t"]) };
    assert_eq!(
        error(client.call(4, &unwilling).await.topics[0].error_code),
        ErrorCode::UnknownTopicOrPartition
    );
    let strict = Rig::with(&[("auto.create.topics.enable", "false")]).await;
    let answer = strict.client().await.call(4, &metadata(&["t"])).await;
    assert_eq!(error(answer.topics[0].error_code), ErrorCode::UnknownTopicOrPartition);
}

#[tokio::test]
async fn bad_names_are_invalid_topics() {
    let rig = Rig::new().await;
    let long = "x".repeat(250);
    let answer = rig.client().await.call(9, &metadata(&["bad name", "..", "", "a/b", &long, "ok"])).await;
    let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [17, 17, 17, 17, 17, 0]);
}

#[tokio::test]
async fn topics_are_found_by_id_from_version_12_on() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let by_id = |id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id: id, name: None }]),
        ..MetadataRequest::default()
    };
    let mut client = rig.client().await;
    let answer = client.call(12, &by_id(Uuid(topic.id.0))).await;
    assert_eq!(answer.topics[0].name.as_deref(), Some("t"));
    let answer = client.call(12, &by_id(Uuid([3; 16]))).await;
    assert_eq!(error(answer.topics[0].error_code), ErrorCode::UnknownTopicId);
    assert_eq!(answer.topics[0].topic_id, Uuid([3; 16]));
}

#[tokio::test]
async fn advertised_listeners_are_what_clients_are_told() {
    let rig = Rig::with(&[("advertised.listeners", "PLAINTEXT://broker.example:1234")]).await;
    let answer = rig.client().await.call(1, &metadata(&[])).await;
    assert_eq!((answer.brokers[0].host.as_str(), answer.brokers[0].port), ("broker.example", 1234));
    let request = DescribeClusterRequest { endpoint_type: 1, ..DescribeClusterRequest::default() };
    let answer = rig.client().await.call(1, &request).await;
    assert_eq!((answer.brokers[0].host.as_str(), answer.brokers[0].port), ("broker.example", 1234));
    assert_eq!(answer.controller_id, Some(rig.state.catalog.broker_id()));
}

#[tokio::test]
async fn controllers_are_not_described_here() {
    let rig = Rig::new().await;
    let request = DescribeClusterRequest { endpoint_type: 2, ..DescribeClusterRequest::default() };
    let answer = rig.client().await.call(1, &request).await;
    assert_eq!(error(answer.error_code), ErrorCode::MismatchedEndpointType);
    let request = DescribeClusterRequest { endpoint_type: 9, ..DescribeClusterRequest::default() };
    let answer = rig.client().await.call(1, &request).await;
    assert_eq!(error(answer.error_code), ErrorCode::UnsupportedEndpointType);
    assert_eq!(answer.error_message.as_deref(), Some("Unsupported endpoint type 9"));
}

fn creatable(name: &str, partitions: i32, replication: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: replication,
        ..CreatableTopic::default()
    }
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest { topics, timeout_ms: 1000, validate_only: false }
}

#[tokio::test]
async fn topics_are_created_in_every_version() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for version in 0..=7 {
        let name = format!("t{version}");
        let answer = client.call(version, &create(vec![creatable(&name, 2, 1)])).await;
        let topic = &answer.topics[0];
        assert_eq!(error(topic.error_code), ErrorCode::None, "version {version}: {:?}", topic.error_message);
        let created = rig.state.catalog.topic(&name).unwrap();
        assert_eq!(created.partition_count(), 2);
        if version >= 5 {
            assert_eq!((topic.num_partitions, topic.replication_factor), (Some(2), Some(1)));
            assert!(topic.configs.as_ref().is_some_and(|configs| configs.len() > 20));
        }
        if version >= 7 {
            assert_eq!(topic.topic_id, Uuid(created.id.0));
        }
    }
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let rig = Rig::new().await;
    rig.topic("there", 1, &[]);
    let config = |name: &str, value: &str| CreatableTopic {
        configs: vec![CreatableTopicConfig { name: name.to_owned(), value: Some(value.to_owned()) }],
        ..creatable("c", 1, 1)
    };
    let assigned = |brokers: Vec<i32>, partitions| CreatableTopic {
        assignments: vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: brokers }],
        ..creatable("a", partitions, -1)
    };
    let own = rig.state.catalog.broker_id();
    let cases = vec![
        (creatable("there", 1, 1), 36),
        (creatable("bad name", 1, 1), 17),
        (creatable("p", 0, 1), 37),
        (creatable("r", 1, 3), 38),
        (config("no.such.key", "1"), 40),
        (config("retention.ms", "abc"), 40),
        (assigned(vec![own], 1), 42),
        (assigned(vec![own + 1], -1), 39),
        (assigned(vec![own], -1), 0),
        (creatable("defaults", -1, -1), 0),
    ];
    let mut client = rig.client().await;
    for (topic, code) in cases {
        let what = format!("{topic:?}");
        let answer = client.call(5, &create(vec![topic])).await;
        assert_eq!(answer.topics[0].error_code, code, "{what}: {:?}", answer.topics[0].error_message);
        assert_eq!(answer.topics[0].error_message.is_some(), code != 0);
        // Null would mean that they may not be seen.
        assert_eq!(answer.topics[0].configs.as_ref().map(Vec::is_empty), Some(code != 0));
    }
    let old = client.call(1, &create(vec![creatable("old", -1, -1)])).await;
    assert_eq!(old.topics[0].error_code, 37, "no defaults in versions that only Kafka 2.2 had");
    let newer = client.call(2, &create(vec![creatable("newer", -1, -1)])).await;
    assert_eq!(newer.topics[0].error_code, 0);
    let twice =
        client.call(5, &create(vec![creatable("x", 1, 1), creatable("y", 1, 1), creatable("x", 1, 1)])).await;
    let codes: Vec<(&str, i16)> = twice.topics.iter().map(|t| (t.name.as_str(), t.error_code)).collect();
    assert_eq!(codes, [("x", 42), ("y", 0)]);
}

#[tokio::test]
async fn validation_alone_creates_nothing() {
    let rig = Rig::new().await;
    let request = CreateTopicsRequest { validate_only: true, ..create(vec![creatable("t", 2, 1)]) };
    assert_eq!(rig.client().await.call(1, &request).await.topics[0].error_code, 0);
    assert!(rig.state.catalog.topic("t").is_none());
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for version in 0..=6 {
        let topic = rig.topic("t", 1, &[]);
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name: None, topic_id: Uuid(topic.id.0) }],
            topic_names: vec!["t".to_owned()],
            timeout_ms: 1000,
        };
        let request = match version {
            6 => DeleteTopicsRequest { topic_names: Vec::new(), ..request },
            _ => DeleteTopicsRequest { topics: Vec::new(), ..request },
        };
        let answer = client.call(version, &request).await;
        assert_eq!(answer.responses[0].error_code, 0, "version {version}");
        assert_eq!(answer.responses[0].name.as_deref(), Some("t"));
        assert!(rig.state.catalog.topic("t").is_none());
        let again = client.call(version, &request).await;
        assert_eq!(again.responses[0].error_code, if version == 6 { 100 } else { 3 });
    }
}

#[tokio::test]
async fn whoever_does_not_wait_is_told_of_a_timeout_though_it_is_done() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let request = CreateTopicsRequest { timeout_ms: 0, ..create(vec![creatable("t", 1, 1)]) };
    let answer = client.call(7, &request).await;
    assert_eq!(error(answer.topics[0].error_code), ErrorCode::RequestTimedOut);
    assert_eq!(answer.topics[0].error_message, None);
    assert!(rig.state.catalog.topic("t").is_some());
    let request = DeleteTopicsRequest { topic_names: vec!["t".to_owned()], ..DeleteTopicsRequest::default() };
    let answer = client.call(5, &request).await;
    assert_eq!(error(answer.responses[0].error_code), ErrorCode::RequestTimedOut);
    assert!(rig.state.catalog.topic("t").is_none());
}

#[tokio::test]
async fn a_topic_that_is_to_be_deleted_twice_stays() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let names = |n: usize| DeleteTopicsRequest {
        topic_names: vec!["t".to_owned(); n],
        timeout_ms: 1000,
        ..DeleteTopicsRequest::default()
    };
    let answer = client.call(5, &names(2)).await;
    let all: Vec<(i16, Option<&str>)> =
        answer.responses.iter().map(|r| (r.error_code, r.error_message.as_deref())).collect();
    assert_eq!(all, [(42, Some("Duplicate topic name."))]);
    let state =
        |name: Option<&str>, id| DeleteTopicState { name: name.map(str::to_owned), topic_id: Uuid(id) };
    for (asked, text) in [
        (state(Some("t"), topic.id.0), "You may not specify both topic name and topic id."),
        (state(None, [0; 16]), "Neither topic name nor id were specified."),
    ] {
        let request = DeleteTopicsRequest { topics: vec![asked], timeout_ms: 1000, ..names(0) };
        let answer = client.call(6, &request).await;
        assert_eq!(
            (answer.responses[0].error_code, answer.responses[0].error_message.as_deref()),
            (42, Some(text))
        );
    }
    assert!(rig.state.catalog.topic("t").is_some());
    assert_eq!(client.call(5, &names(1)).await.responses[0].error_code, 0);
}

#[tokio::test]
async fn deletion_may_be_switched_off() {
    let rig = Rig::with(&[("delete.topic.enable", "false")]).await;
    rig.topic("t", 1, &[]);
    let request = DeleteTopicsRequest { topic_names: vec!["t".to_owned()], ..DeleteTopicsRequest::default() };
    let mut client = rig.client().await;
    assert_eq!(error(client.call(2, &request).await.responses[0].error_code), ErrorCode::InvalidRequest);
    assert_eq!(
        error(client.call(3, &request).await.responses[0].error_code),
        ErrorCode::TopicDeletionDisabled
    );
}

fn describe(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
        }],
        ..DescribeConfigsRequest::default()
    }
}

#[tokio::test]
async fn settings_of_a_topic_say_where_they_come_from() {
    let rig = Rig::with(&[("log.segment.bytes", "2097152")]).await;
    rig.topic("t", 1, &[("retention.ms", "1000")]);
    let mut client = rig.client().await;
    let keys: &[&str] = &["retention.ms", "segment.bytes", "preallocate"];
    for version in 0..=4 {
        let mut request = describe(2, "t", Some(keys));
        request.include_synonyms = version >= 1;
        request.include_documentation = version >= 3;
        let answer = client.call(version, &request).await;
        let configs = &answer.results[0].configs;
        let named = |name: &str| configs.iter().find(|config| config.name == name).unwrap();
        assert_eq!(configs.len(), 3);
        assert_eq!(named("retention.ms").value.as_deref(), Some("1000"));
        assert_eq!(named("segment.bytes").value.as_deref(), Some("2097152"));
        if version == 0 {
            assert!(named("preallocate").is_default && !named("retention.ms").is_default);
        } else {
            let sources: Vec<Option<i8>> = keys.iter().map(|key| named(key).config_source).collect();
            assert_eq!(sources, [Some(1), Some(4), Some(5)]);
            assert_eq!(named("retention.ms").synonyms[0].name, "retention.ms");
        }
        if version >= 3 {
            assert_eq!(named("preallocate").config_type, 1);
            assert!(named("preallocate").documentation.is_some());
        }
    }
    assert!(client.call(1, &describe(2, "t", None)).await.results[0].configs.len() > 20);
}

#[tokio::test]
async fn settings_of_a_broker_are_asked_by_its_number() {
    let rig = Rig::new().await;
    let own = rig.state.catalog.broker_id().to_string();
    let mut client = rig.client().await;
    let answer = client.call(1, &describe(4, &own, Some(&["num.partitions"]))).await;
    assert_eq!(answer.results[0].configs[0].value.as_deref(), Some("1"));
    for (kind, name, code) in
        [(4, "77", 42), (4, "x", 42), (2, "nowhere", 3), (2, "bad name", 17), (99, "t", 42)]
    {
        let answer = client.call(1, &describe(kind, name, None)).await;
        assert_eq!(answer.results[0].error_code, code, "{kind} {name}");
    }
}

async fn list(rig: &Rig, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
    let partition = ListOffsetsPartition {
        timestamp,
        max_num_offsets: if version == 0 { 5 } else { 1 },
        ..ListOffsetsPartition::default()
    };
    let topics = vec![ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    rig.client().await.call(version, &request).await.topics[0].partitions[0].clone()
}

#[tokio::test]
async fn the_ends_of_a_partition_are_found_in_every_version() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    rig.client().await.produce(9, &topic, batch(&[b"a", b"b", b"c"])).await;
    assert_eq!(list(&rig, 0, -1).await.old_style_offsets, [3, 0]);
    assert_eq!(list(&rig, 0, -2).await.old_style_offsets, [0]);
    assert_eq!(list(&rig, 0, -3).await.old_style_offsets, [0; 0], "no file is older than time");
    for version in 1..=11 {
        let latest = list(&rig, version, -1).await;
        assert_eq!(
            (latest.error_code, latest.offset, latest.timestamp),
            (0, Some(3), None),
            "version {version}"
        );
        assert_eq!(latest.leader_epoch.is_some(), version >= 4);
        assert_eq!(list(&rig, version, -2).await.offset, Some(0));
    }
}

#[tokio::test]
async fn special_times_are_known_from_their_version_on() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    for (timestamp, since) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, 12)] {
        for version in 1..=11 {
            let expected = if version >= since { ErrorCode::None } else { ErrorCode::UnsupportedVersion };
            let code = list(&rig, version, timestamp).await.error_code;
            assert_eq!(error(code), expected, "{timestamp} in version {version}");
        }
    }
    let none = list(&rig, 9, 1_000).await;
    assert_eq!((none.error_code, none.offset, none.timestamp), (0, None, None));
}

#[tokio::test]
async fn a_partition_asked_twice_is_an_invalid_request() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let partition = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
    let topics =
        vec![ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition.clone(), partition] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    let answer = rig.client().await.call(5, &request).await;
    let codes: Vec<ErrorCode> = answer.topics[0].partitions.iter().map(|p| error(p.error_code)).collect();
    assert_eq!(codes, [ErrorCode::InvalidRequest], "answered once");
}

#[tokio::test]
async fn an_epoch_ends_where_the_log_ends() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    rig.client().await.produce(9, &topic, batch(&[b"a", b"b"])).await;
    let ours = topic.partition(0).unwrap().epoch().get();
    let ask = |leader_epoch, current| OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: "t".to_owned(),
            partitions: vec![OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch: current,
                leader_epoch,
            }],
        }],
    };
    let mut client = rig.client().await;
    for version in 0..=4 {
        let request =
            OffsetForLeaderEpochRequest { replica_id: if version < 3 { -2 } else { -1 }, ..ask(ours, None) };
        let answer = client.call(version, &request).await;
        let end = &answer.topics[0].partitions[0];
        assert_eq!((end.error_code, end.end_offset), (0, Some(2)), "version {version}");
    }
    let future = client.call(4, &ask(ours + 9, None)).await;
    let end = &future.topics[0].partitions[0];
    assert_eq!((end.error_code, end.leader_epoch, end.end_offset), (0, None, None));
    let wrong = client.call(4, &ask(ours, Some(ours + 1))).await;
    assert_eq!(error(wrong.topics[0].partitions[0].error_code), ErrorCode::UnknownLeaderEpoch);
}

#[tokio::test]
async fn producer_ids_are_never_given_twice() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let mut seen = std::collections::HashSet::new();
    for version in 0..=5 {
        let answer = client.call(version, &InitProducerIdRequest::default()).await;
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
        assert!(seen.insert(answer.producer_id.unwrap()));
    }
}

#[tokio::test]
async fn half_an_identity_of_a_producer_is_an_invalid_request() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for (id, epoch, code) in [(Some(5), None, 42), (None, Some(3), 42), (Some(5), Some(3), 0)] {
        let request = InitProducerIdRequest {
            producer_id: id,
            producer_epoch: epoch,
            ..InitProducerIdRequest::default()
        };
        assert_eq!(client.call(3, &request).await.error_code, code, "{id:?} {epoch:?}");
    }
}

#[tokio::test]
async fn transactional_producers_are_refused_for_good() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for (id, timeout, code) in [
        ("", 1000, ErrorCode::InvalidRequest),
        ("x", 0, ErrorCode::InvalidTransactionTimeout),
        ("x", 900_001, ErrorCode::InvalidTransactionTimeout),
        ("x", 900_000, ErrorCode::UnsupportedVersion),
    ] {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.to_owned()),
            transaction_timeout_ms: timeout,
            ..InitProducerIdRequest::default()
        };
        let answer = client.call(4, &request).await;
        assert_eq!(error(answer.error_code), code, "{id:?} {timeout}");
        assert_eq!((answer.producer_id, answer.producer_epoch), (None, -1));
    }
}

/// As librdkafka 2.16 asks for all topics: it reserves four bytes for a count that has one.
#[tokio::test]
async fn bytes_behind_a_request_are_ignored() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let frame = b"\0\0\0\x19\0\x03\0\x0d\0\0\0\x01\0\x07rdkafka\0\0\0\0\0\x01\0\0";
    client.stream.write_all(frame).await.unwrap();
    let answer = client.receive::<MetadataRequest>(13).await;
    assert_eq!(answer.topics.iter().map(|t| t.name.as_deref()).collect::<Vec<_>>(), [Some("t")]);
}

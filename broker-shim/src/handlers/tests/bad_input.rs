//! What is not a request, through the whole broker: the connection is closed without a byte, and others go on.

use super::rig::{Rig, batch, error};
use kafka_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, *};
use kafka_wire::{ErrorCode, Message, Request};
use tokio::io::AsyncWriteExt;

async fn closes(rig: &Rig, what: &str, bytes: &[u8]) {
    let mut client = rig.client().await;
    client.stream.write_all(bytes).await.unwrap();
    assert!(client.is_closed().await, "{what}");
}

/// A frame: size, key, version, correlation id 7, client id "c", body.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(11 + body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend([0, 0, 0, 7, 0, 1, b'c']);
    bytes.extend(body);
    bytes
}

#[tokio::test]
async fn whatever_is_no_request_closes_the_connection() {
    let rig = Rig::new().await;
    closes(&rig, "negative size", &[0xff, 0xff, 0xff, 0xff]).await;
    closes(&rig, "oversize", &104_857_601_i32.to_be_bytes()).await;
    closes(&rig, "empty frame", &[0, 0, 0, 0]).await;
    closes(&rig, "half a frame, then silence", &[0, 0, 0, 20, 0, 3, 0]).await;
    closes(&rig, "TLS hello", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await;
    closes(&rig, "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    closes(&rig, "random bytes", &[0x00, 0x00, 0x00, 0x08, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]).await;
    closes(&rig, "unknown key", &frame(999, 0, &[])).await;
    closes(&rig, "negative key", &frame(-1, 0, &[])).await;
    closes(&rig, "API that is not served", &frame(4, 0, &[])).await;
    closes(&rig, "version that is too new", &frame(3, 99, &[])).await;
    closes(&rig, "negative version", &frame(3, -1, &[])).await;
    closes(&rig, "cut body", &frame(3, 1, &[0, 0])).await;
    closes(&rig, "array that claims two billion", &frame(3, 1, &[0x7f, 0xff, 0xff, 0xff])).await;
    closes(&rig, "name that is no UTF-8", &frame(3, 1, &[0, 0, 0, 1, 0, 2, 0xc3, 0x28])).await;
    let mut other = rig.client().await;
    assert_eq!(other.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test]
async fn a_too_new_api_versions_is_answered_in_the_oldest_form() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    // Flexible header: a tag section after the client id; the body is of a version nobody knows.
    client.stream.write_all(&frame(18, 77, &[0, 1, 2, 3])).await.unwrap();
    let answer = client.frame().await;
    assert_eq!(answer.get(..4), Some(&[0, 0, 0, 7][..]));
    let response = ApiVersionsResponse::from_body(answer.slice(4..), 0).unwrap();
    assert_eq!(error(response.error_code), ErrorCode::UnsupportedVersion);
    let row = &response.api_keys[..];
    assert_eq!(row.len(), 1);
    assert_eq!((row[0].api_key, row[0].min_version), (18, 0));
    // The connection goes on.
    client.stream.write_all(&frame(18, 0, &[])).await.unwrap();
    let answer = client.frame().await;
    let response = ApiVersionsResponse::from_body(answer.slice(4..), 0).unwrap();
    assert_eq!(response.error_code, 0);
}

#[tokio::test]
async fn a_first_request_of_900_kilobytes_is_taken() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let answer = client.produce(2, &topic, batch(&[&vec![1; 900_000]])).await;
    assert_eq!(error(answer.error_code), ErrorCode::None);
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for byte in frame(18, 0, &[]) {
        client.stream.write_all(&[byte]).await.unwrap();
        client.stream.flush().await.unwrap();
    }
    let answer = client.frame().await;
    assert_eq!(ApiVersionsResponse::from_body(answer.slice(4..), 0).unwrap().error_code, 0);
}

#[tokio::test]
async fn a_hundred_thousand_times_the_same_topic_is_answered_once() {
    let rig = Rig::new().await;
    let name = "a-name-of-ordinary-length";
    rig.topic(name, 100, &[]);
    let mut client = rig.client().await;
    let topic = kafka_wire::messages::metadata_request::MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let request = MetadataRequest { topics: Some(vec![topic; 100_000]), ..MetadataRequest::default() };
    assert_eq!(client.call(9, &request).await.topics.len(), 1);
}

/// A request of an API in a version: cut anywhere it is no request, which the connection ends with; and where its first
/// array says that two billion follow, nothing is kept ready for them.
async fn cut<R: Request>(rig: &Rig, version: i16, request: &R) {
    let body = request.to_body(version).unwrap();
    for end in 0..body.len() {
        assert!(R::read(body.slice(..end), version).is_err(), "{} {version} cut at {end}", R::KEY);
    }
    let whole = frame(R::KEY.to_i16(), version, &body);
    let mut half = frame(R::KEY.to_i16(), version, &body[..body.len() / 2]);
    if R::VERSIONS.first_flexible <= version {
        // The tags of the header stand before the body.
        half = frame(R::KEY.to_i16(), version, &[&[0], &body[..body.len() / 2]].concat());
    }
    closes(rig, &format!("{} {version}, half of {} bytes", R::KEY, whole.len()), &half).await;
    let count: &[u8] = if R::VERSIONS.first_flexible <= version {
        &[0, 0xff, 0xff, 0xff, 0xff, 7]
    } else {
        &[0x7f, 0xff, 0xff, 0xff]
    };
    // Those that begin with something else than an array are longer than this.
    let mut lie = count.to_vec();
    lie.extend([0; 40]);
    let mut client = rig.client().await;
    client.stream.write_all(&frame(R::KEY.to_i16(), version, &lie)).await.unwrap();
    let mut other = rig.client().await;
    assert_eq!(other.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
}

/// A request with one of everything.
macro_rules! cut_all {
    ($rig:expr, $($request:expr, $versions:expr;)*) => {
        $(for version in $versions {
            cut($rig, version, &$request).await;
        })*
    };
}

fn alter_resource() -> alter_configs_request::AlterConfigsResource {
    let config = alter_configs_request::AlterableConfig { name: "a".into(), value: Some("1".into()) };
    alter_configs_request::AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".into(),
        configs: vec![config],
    }
}

fn change_resource() -> incremental_alter_configs_request::AlterConfigsResource {
    let config = incremental_alter_configs_request::AlterableConfig {
        name: "a".into(),
        config_operation: 0,
        value: Some("1".into()),
    };
    incremental_alter_configs_request::AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".into(),
        configs: vec![config],
    }
}

#[tokio::test]
async fn requests_of_tools_that_are_cut_or_lie_close_the_connection() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let grow = create_partitions_request::CreatePartitionsTopic {
        name: "t".into(),
        count: 9,
        assignments: Some(vec![create_partitions_request::CreatePartitionsAssignment {
            broker_ids: vec![0],
        }]),
    };
    let delete = delete_records_request::DeleteRecordsTopic {
        name: "t".into(),
        partitions: vec![delete_records_request::DeleteRecordsPartition { partition_index: 0, offset: 9 }],
    };
    let dirs = describe_log_dirs_request::DescribableLogDirTopic { topic: "t".into(), partitions: vec![0] };
    let moved = alter_replica_log_dirs_request::AlterReplicaLogDir {
        path: "/x".into(),
        topics: vec![alter_replica_log_dirs_request::AlterReplicaLogDirTopic {
            name: "t".into(),
            partitions: vec![0],
        }],
    };
    let offsets = offset_delete_request::OffsetDeleteRequestTopic {
        name: "t".into(),
        partitions: vec![offset_delete_request::OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let elect = elect_leaders_request::TopicPartitions { topic: "t".into(), partitions: vec![0] };
    let assign = alter_partition_reassignments_request::ReassignableTopic {
        name: "t".into(),
        partitions: vec![alter_partition_reassignments_request::ReassignablePartition {
            partition_index: 0,
            replicas: Some(vec![0]),
        }],
    };
    let listed = list_partition_reassignments_request::ListPartitionReassignmentsTopics {
        name: "t".into(),
        partition_indexes: vec![0],
    };
    let page = describe_topic_partitions_request::TopicRequest { name: "t".into() };
    let cursor = describe_topic_partitions_request::Cursor { topic_name: "t".into(), partition_index: 0 };
    cut_all!(&rig,
        CreatePartitionsRequest { topics: vec![grow.clone()], ..Default::default() }, 0..=3;
        AlterConfigsRequest { resources: vec![alter_resource()], ..Default::default() }, 0..=2;
        IncrementalAlterConfigsRequest { resources: vec![change_resource()], ..Default::default() }, 0..=1;
        DeleteRecordsRequest { topics: vec![delete.clone()], timeout_ms: 1 }, 0..=2;
        DescribeLogDirsRequest { topics: Some(vec![dirs.clone()]) }, 0..=5;
        AlterReplicaLogDirsRequest { dirs: vec![moved.clone()] }, 0..=2;
        DeleteGroupsRequest { groups_names: vec!["g".into()] }, 0..=3;
        OffsetDeleteRequest { group_id: "g".into(), topics: vec![offsets.clone()] }, 0..=0;
        ElectLeadersRequest { topic_partitions: Some(vec![elect.clone()]), ..Default::default() }, 0..=2;
        AlterPartitionReassignmentsRequest { topics: vec![assign.clone()], ..Default::default() }, 0..=1;
        ListPartitionReassignmentsRequest { topics: Some(vec![listed.clone()]), ..Default::default() }, 0..=0;
        ListConfigResourcesRequest { resource_types: vec![2] }, 1..=1;
        DescribeTopicPartitionsRequest { topics: vec![page.clone()], cursor: Some(cursor.clone()), ..Default::default() }, 0..=0;
    );
    assert_eq!(rig.state.catalog.topic("t").unwrap().partition_count(), 1);
}

/// What is asked a hundred thousand times is answered once: an answer is never much longer than its question.
#[tokio::test]
async fn a_hundred_thousand_times_the_same_is_answered_once_by_the_tools_apis_too() {
    let rig = Rig::new().await;
    let name = "a-name-of-ordinary-length";
    rig.topic(name, 100, &[]);
    let mut client = rig.client().await;
    let page = describe_topic_partitions_request::TopicRequest { name: name.into() };
    let request = DescribeTopicPartitionsRequest {
        topics: vec![page; 100_000],
        response_partition_limit: i32::MAX,
        cursor: None,
    };
    assert_eq!(client.call(0, &request).await.topics.len(), 1);
    let dir = describe_log_dirs_request::DescribableLogDirTopic {
        topic: name.into(),
        partitions: (0..100).collect(),
    };
    let request = DescribeLogDirsRequest { topics: Some(vec![dir; 10_000]) };
    let answer = client.call(4, &request).await;
    assert_eq!((answer.results[0].topics.len(), answer.results[0].topics[0].partitions.len()), (1, 100));
    let delete = delete_records_request::DeleteRecordsTopic {
        name: name.into(),
        partitions: vec![
            delete_records_request::DeleteRecordsPartition { partition_index: 0, offset: 0 };
            1000
        ],
    };
    let request = DeleteRecordsRequest { topics: vec![delete; 100], timeout_ms: 1 };
    assert_eq!(client.call(2, &request).await.topics[0].partitions.len(), 1);
    let request = DeleteGroupsRequest { groups_names: vec![name.into(); 100_000] };
    assert_eq!(client.call(2, &request).await.results.len(), 1);
    let request = ListConfigResourcesRequest { resource_types: vec![4; 100_000] };
    assert_eq!(client.call(1, &request).await.config_resources.len(), 1);
    let grow = create_partitions_request::CreatePartitionsTopic {
        name: name.into(),
        count: i32::MAX,
        assignments: None,
    };
    let request = CreatePartitionsRequest { topics: vec![grow.clone(); 100_000], ..Default::default() };
    assert_eq!(client.call(3, &request).await.results.len(), 1);
    let request = CreatePartitionsRequest { topics: vec![grow], ..Default::default() };
    assert_eq!(client.call(3, &request).await.results[0].error_code, 44);
}

//! Advertised is served: every version of every API in the list is answered.

use super::super::SERVED;
use super::rig::{Client, Rig, error};
use kafka_wire::messages::*;
use kafka_wire::{ApiKey, ErrorCode, Request};

/// Sends an empty request in all versions of the API's row: each is answered in its own form, or `receive` panics.
async fn answers<R: Request>(client: &mut Client, request: &R) -> ApiKey {
    let api = SERVED.iter().find(|api| api.key == R::KEY).unwrap();
    for version in api.min..=api.max {
        client.call(version, request).await;
    }
    R::KEY
}

/// Its topics moved into groups in version 8.
async fn offset_fetch(client: &mut Client) -> ApiKey {
    for version in 0..=10 {
        let topics = (version < 8).then(Vec::new);
        client.call(version, &OffsetFetchRequest { topics, ..OffsetFetchRequest::default() }).await;
    }
    ApiKey::OffsetFetch
}

/// Version 0 has no types.
async fn list_config_resources(client: &mut Client) -> ApiKey {
    for (version, resource_types) in [(0, Vec::new()), (1, vec![2])] {
        client.call(version, &ListConfigResourcesRequest { resource_types }).await;
    }
    ApiKey::ListConfigResources
}

#[tokio::test]
async fn every_advertised_version_is_answered() {
    let rig = Rig::new().await;
    let c = &mut rig.client().await;
    let named = ApiVersionsRequest {
        client_software_name: "a".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    for version in 0..=4 {
        let request = if version < 3 { ApiVersionsRequest::default() } else { named.clone() };
        assert_eq!(c.call(version, &request).await.error_code, 0, "version {version}");
    }
    let answered = [
        ApiKey::ApiVersions,
        answers(c, &ProduceRequest { acks: 1, ..ProduceRequest::default() }).await,
        answers(c, &FetchRequest::default()).await,
        answers(c, &ListOffsetsRequest::default()).await,
        answers(c, &MetadataRequest { topics: Some(Vec::new()), ..MetadataRequest::default() }).await,
        answers(c, &CreateTopicsRequest { validate_only: false, ..CreateTopicsRequest::default() }).await,
        answers(c, &DeleteTopicsRequest::default()).await,
        answers(c, &InitProducerIdRequest::default()).await,
        answers(c, &OffsetForLeaderEpochRequest { replica_id: -2, ..OffsetForLeaderEpochRequest::default() })
            .await,
        answers(c, &DescribeConfigsRequest::default()).await,
        answers(c, &OffsetCommitRequest::default()).await,
        offset_fetch(c).await,
        answers(c, &FindCoordinatorRequest::default()).await,
        answers(c, &JoinGroupRequest::default()).await,
        answers(c, &SyncGroupRequest::default()).await,
        answers(c, &HeartbeatRequest::default()).await,
        answers(c, &LeaveGroupRequest::default()).await,
        answers(c, &DescribeGroupsRequest::default()).await,
        answers(c, &ListGroupsRequest::default()).await,
        answers(c, &DescribeClusterRequest { endpoint_type: 1, ..DescribeClusterRequest::default() }).await,
        answers(c, &CreatePartitionsRequest::default()).await,
        answers(c, &AlterConfigsRequest::default()).await,
        answers(c, &IncrementalAlterConfigsRequest::default()).await,
        answers(c, &DeleteRecordsRequest::default()).await,
        answers(c, &DescribeLogDirsRequest::default()).await,
        answers(c, &AlterReplicaLogDirsRequest::default()).await,
        answers(c, &DeleteGroupsRequest::default()).await,
        answers(c, &OffsetDeleteRequest::default()).await,
        answers(c, &ElectLeadersRequest::default()).await,
        answers(c, &AlterPartitionReassignmentsRequest::default()).await,
        answers(c, &ListPartitionReassignmentsRequest::default()).await,
        answers(c, &DescribeProducersRequest::default()).await,
        list_config_resources(c).await,
        answers(c, &DescribeTopicPartitionsRequest::default()).await,
    ];
    for api in SERVED {
        assert!(answered.contains(&api.key), "{} is not tested", api.key);
    }
}

#[tokio::test]
async fn what_is_advertised_is_what_is_served_and_known_to_the_codec() {
    let rig = Rig::new().await;
    let rows = rig.client().await.call(0, &ApiVersionsRequest::default()).await.api_keys;
    assert_eq!(rows.len(), SERVED.len());
    for (row, api) in rows.iter().zip(SERVED) {
        assert_eq!((row.api_key, row.min_version, row.max_version), (api.key.to_i16(), api.min, api.max));
        let known = api.key.versions().unwrap();
        assert!(known.contains(api.min) && known.contains(api.max), "{}", api.key);
    }
    assert!(rows.is_sorted_by_key(|row| row.api_key));
}

#[tokio::test]
async fn a_software_name_with_a_blank_is_an_invalid_request() {
    let rig = Rig::new().await;
    let request = ApiVersionsRequest {
        client_software_name: "my client".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    let answer = rig.client().await.call(3, &request).await;
    assert_eq!(error(answer.error_code), ErrorCode::InvalidRequest);
}

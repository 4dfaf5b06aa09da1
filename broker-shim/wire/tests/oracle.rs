//! Differential test against two releases of the crate `kafka-protocol`: 0.15.1 knows the old versions, 0.18 today's.
//!
//! For every message and every version that both sides know: a valid body, made from the schema alone, is read by
//! both, written again by both to the same bytes, and the numbers in it have the same names on both sides.

#![allow(clippy::unwrap_used)]

mod sample;

use bytes::{Bytes, BytesMut};
use kafka_wire::messages::MESSAGES;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What the other side makes of a body.
struct Read {
    again: Bytes,
    debug: String,
}

/// One message of the other side.
struct Oracle {
    name: &'static str,
    versions: (i16, i16),
    read: fn(Bytes, i16) -> Result<Read, String>,
}

macro_rules! oracles {
    ($protocol:ident: $($name:ident),*) => {{
        use $protocol::messages::*;
        use $protocol::protocol::{Decodable, Encodable, Message};
        fn read<M: Encodable + Decodable + std::fmt::Debug>(mut body: Bytes, version: i16) -> Result<Read, String> {
            let message = M::decode(&mut body, version).map_err(|e| format!("{e:#}"))?;
            if !body.is_empty() {
                return Err(format!("{} bytes left over", body.len()));
            }
            let mut again = BytesMut::new();
            message.encode(&mut again, version).map_err(|e| format!("{e:#}"))?;
            Ok(Read { again: again.freeze(), debug: format!("{message:?}") })
        }
        vec![$(Oracle {
            name: stringify!($name),
            versions: ($name::VERSIONS.min, $name::VERSIONS.max),
            read: read::<$name>,
        }),*]
    }};
}

/// The messages that both releases know, and today's alone.
macro_rules! with_messages {
    ($protocol:ident $(, $more:ident)*) => {
        oracles!($protocol:
            AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
            AddPartitionsToTxnResponse, AlterClientQuotasRequest, AlterClientQuotasResponse,
            AlterConfigsRequest, AlterConfigsResponse, AlterPartitionReassignmentsRequest,
            AlterPartitionReassignmentsResponse, AlterReplicaLogDirsRequest,
            AlterReplicaLogDirsResponse, AlterUserScramCredentialsRequest,
            AlterUserScramCredentialsResponse, ApiVersionsRequest, ApiVersionsResponse,
            ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
            ConsumerGroupHeartbeatResponse, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
            CreateAclsRequest, CreateAclsResponse, CreateDelegationTokenRequest,
            CreateDelegationTokenResponse, CreatePartitionsRequest, CreatePartitionsResponse,
            CreateTopicsRequest, CreateTopicsResponse, DeleteAclsRequest, DeleteAclsResponse,
            DeleteGroupsRequest, DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
            DeleteTopicsRequest, DeleteTopicsResponse, DescribeAclsRequest, DescribeAclsResponse,
            DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClusterRequest,
            DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
            DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, DescribeGroupsRequest,
            DescribeGroupsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
            DescribeProducersRequest, DescribeProducersResponse, DescribeTopicPartitionsRequest,
            DescribeTopicPartitionsResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
            DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
            ElectLeadersRequest, ElectLeadersResponse, EndTxnRequest, EndTxnResponse,
            ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, FetchRequest, FetchResponse,
            FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
            IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
            InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
            LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest,
            ListOffsetsResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
            ListTransactionsRequest, ListTransactionsResponse, MetadataRequest, MetadataResponse,
            OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
            OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochRequest,
            OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse, RenewDelegationTokenRequest,
            RenewDelegationTokenResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
            SaslHandshakeRequest, SaslHandshakeResponse, SyncGroupRequest, SyncGroupResponse,
            TxnOffsetCommitRequest, TxnOffsetCommitResponse, UpdateFeaturesRequest,
            UpdateFeaturesResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse
            $(, $more)*)
    };
}

fn old() -> Vec<Oracle> {
    with_messages!(kafka_protocol_015)
}

fn new() -> Vec<Oracle> {
    with_messages!(kafka_protocol_018, ListConfigResourcesRequest, ListConfigResourcesResponse)
}

/// The numbers of a message by field name, from its debug form: `partition: 3`, `node: BrokerId(3)`, `epoch: Some(3)`.
fn numbers(debug: &str) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for (at, _) in debug.match_indices(": ") {
        let name = debug[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let value = debug[at + 2..].split([',', ' ', '}', ')']).next().unwrap_or_default();
        let value = value.rsplit('(').next().unwrap_or_default();
        if !name.is_empty() && value.parse::<i64>().is_ok() {
            *found.entry((name.trim_start_matches('_').to_owned(), value.to_owned())).or_insert(0) += 1;
        }
    }
    found
}

fn agree(oracle: &Oracle, entropy: &[u8]) -> Result<(), TestCaseError> {
    let info = MESSAGES.iter().find(|info| info.name == oracle.name).unwrap();
    let (min, max) = (info.versions.min.max(oracle.versions.0), info.versions.max.min(oracle.versions.1));
    for version in min..=max {
        let body = sample::body(sample::find(info.name), version, entropy);
        let theirs = (oracle.read)(body.clone(), version);
        let theirs =
            theirs.map_err(|e| TestCaseError::fail(format!("{} v{version}: {e}: {body:?}", info.name)))?;
        prop_assert_eq!(&theirs.again, &body, "{} v{}: theirs", info.name, version);
        let again = (info.recode)(body.clone(), version);
        prop_assert_eq!(again, Ok(Ok(body.clone())), "{} v{}: ours", info.name, version);
        let (ours, theirs) = ((info.debug)(body, version).unwrap(), theirs.debug);
        let known = numbers(&theirs);
        for (number, count) in numbers(&ours) {
            // Some fields got another name with a later version, and a field that came later is 0 on one side only.
            let there = known.get(&number).copied().unwrap_or(0);
            let renamed = !theirs.contains(&format!("{}: ", number.0));
            prop_assert!(
                renamed || number.1 == "0" || there >= count,
                "{} v{version}: {number:?} in {ours} but not in {theirs}",
                info.name
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_release_with_the_old_versions_agrees(entropy in vec(any::<u8>(), 0..500)) {
        for oracle in old() {
            agree(&oracle, &entropy)?;
        }
    }

    #[test]
    fn the_release_with_today_s_versions_agrees(entropy in vec(any::<u8>(), 0..500)) {
        for oracle in new() {
            agree(&oracle, &entropy)?;
        }
    }
}

/// What neither of the two knows is younger than they are, or is not sent at all.
#[test]
fn the_two_know_all_but_the_newest_versions() {
    let (old, new) = (old(), new());
    let knows = |list: &[Oracle], name: &str, version: i16| {
        list.iter().any(|o| o.name == name && (o.versions.0..=o.versions.1).contains(&version))
    };
    let mut unknown = Vec::new();
    for info in MESSAGES.iter().filter(|info| info.key.is_some()) {
        for version in info.versions.min..=info.versions.max {
            if !knows(&old, info.name, version) && !knows(&new, info.name, version) {
                unknown.push(format!("{} v{version}", info.name));
            }
        }
    }
    let expected = [
        ("ListOffsets", 11),
        ("ApiVersions", 5),
        ("WriteTxnMarkers", 2),
        ("TxnOffsetCommit", 6),
        ("DescribeLogDirs", 5),
        ("DeleteGroups", 3),
    ];
    let sides = |(api, version)| ["Request", "Response"].map(|side| format!("{api}{side} v{version}"));
    let mut expected: Vec<String> = expected.into_iter().flat_map(sides).collect();
    // Today's release knows these responses, and not yet the requests.
    expected.extend(["OffsetCommitRequest v10", "OffsetFetchRequest v10"].map(str::to_owned));
    unknown.sort();
    expected.sort();
    assert_eq!(unknown, expected);
}

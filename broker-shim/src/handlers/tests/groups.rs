//! The group APIs in their versions, on a coordinator with a journal in memory.

use super::super::group_common::{Client, OneTopic};
use super::super::*;
use crate::coordinators::group::GroupSettings;
use crate::coordinators::journal::Journal;
use crate::coordinators::journal::memory::MemoryJournal;
use crate::coordinators::{CoordinatorSettings, GroupCoordinator};
use bytes::Bytes;
use kafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_wire::messages::leave_group_request::MemberIdentity;
use kafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_wire::messages::*;
use kafka_wire::{Message, Uuid};
use log_engine::io::ManualClock;
use std::sync::Arc;

fn groups_with(settings: CoordinatorSettings) -> GroupCoordinator {
    GroupCoordinator::new(settings, Arc::new(MemoryJournal::default()), Arc::new(ManualClock::default()))
}

fn groups() -> GroupCoordinator {
    groups_with(CoordinatorSettings::default())
}

fn client() -> Client {
    Client { id: "app".into(), host: "127.0.0.1".parse().unwrap() }
}

/// A response as the client reads it, so that a field the version does not have is seen to be gone.
fn over_the_wire<M: Message>(response: &M, version: i16) -> M {
    M::from_body(response.to_body(version).unwrap(), version).unwrap()
}

fn join_request(member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: Some(30_000),
        member_id: member_id.into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from("sub") }],
        ..JoinGroupRequest::default()
    }
}

/// Joins and syncs as the only member, as a client of `version` does; the member's id.
async fn stable(groups: &GroupCoordinator, version: i16) -> String {
    let mut joined = join_group::answer(groups, &client(), version, join_request("")).await;
    if joined.error_code == 79 {
        joined = join_group::answer(groups, &client(), version, join_request(&joined.member_id)).await;
    }
    assert_eq!(joined.error_code, 0);
    let assignment =
        SyncGroupRequestAssignment { member_id: joined.member_id.clone(), assignment: Bytes::from("a") };
    let request = SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id.unwrap(),
        member_id: joined.member_id.clone(),
        assignments: vec![assignment],
        ..SyncGroupRequest::default()
    };
    assert_eq!(sync_group::answer(groups, 0, request).await.assignment, "a".as_bytes());
    joined.member_id
}

#[tokio::test]
async fn join_in_all_versions() {
    for version in 0..=9 {
        let groups = groups();
        let first = join_group::answer(&groups, &client(), version, join_request("")).await;
        let first = over_the_wire(&first, version);
        assert!(first.member_id.starts_with("app-"), "{first:?}");
        if version >= 4 {
            assert_eq!((first.error_code, first.generation_id), (79, None));
            assert_eq!(first.protocol_name, (version < 7).then(String::new));
            let second =
                join_group::answer(&groups, &client(), version, join_request(&first.member_id)).await;
            assert_eq!((second.error_code, second.member_id), (0, first.member_id));
            continue;
        }
        assert_eq!((first.error_code, first.generation_id), (0, Some(1)));
        assert_eq!(
            (first.leader.as_str(), first.protocol_name.as_deref()),
            (first.member_id.as_str(), Some("range"))
        );
        assert_eq!(first.members[0].metadata, "sub".as_bytes());
    }
}

#[tokio::test]
async fn version_0_has_its_session_timeout_for_rebalances_and_clients_show_up() {
    let groups = groups();
    let request = JoinGroupRequest { rebalance_timeout_ms: None, ..join_request("") };
    join_group::answer(&groups, &client(), 0, request).await;
    let described = groups.describe("g").unwrap();
    assert_eq!(
        (described.members[0].client_id.as_str(), described.members[0].client_host.as_str()),
        ("app", "/127.0.0.1")
    );
}

#[tokio::test]
async fn join_refusals_have_their_codes() {
    let group = GroupSettings { max_members: 1, ..GroupSettings::default() };
    let groups = groups_with(CoordinatorSettings { group, ..CoordinatorSettings::default() });
    let code =
        async |request: JoinGroupRequest| join_group::answer(&groups, &client(), 3, request).await.error_code;
    assert_eq!(code(JoinGroupRequest { group_id: String::new(), ..join_request("") }).await, 24);
    assert_eq!(code(JoinGroupRequest { session_timeout_ms: 5_999, ..join_request("") }).await, 26);
    assert_eq!(code(JoinGroupRequest { session_timeout_ms: -1, ..join_request("") }).await, 26);
    assert_eq!(code(join_request("stranger")).await, 25);
    assert_eq!(code(JoinGroupRequest { protocols: vec![], ..join_request("") }).await, 23);
    stable(&groups, 3).await;
    assert_eq!(code(join_request("")).await, 81);
    let metadata = Bytes::from(vec![0; 2 << 20]);
    let protocols = vec![JoinGroupRequestProtocol { name: "range".into(), metadata }];
    assert_eq!(code(JoinGroupRequest { group_id: "h".into(), protocols, ..join_request("") }).await, 42);
}

#[tokio::test]
async fn sync_from_version_5_on_must_name_the_protocol() {
    let groups = groups();
    let member_id = stable(&groups, 3).await;
    let request =
        SyncGroupRequest { group_id: "g".into(), generation_id: 1, member_id, ..SyncGroupRequest::default() };
    assert_eq!(sync_group::answer(&groups, 4, request.clone()).await.error_code, 0);
    assert_eq!(sync_group::answer(&groups, 5, request.clone()).await.error_code, 23);
    let named = SyncGroupRequest {
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        ..request
    };
    let synced = over_the_wire(&sync_group::answer(&groups, 5, named.clone()).await, 5);
    assert_eq!((synced.error_code, synced.protocol_name.as_deref()), (0, Some("range")));
    let other = SyncGroupRequest { protocol_name: Some("sticky".into()), ..named };
    assert_eq!(sync_group::answer(&groups, 5, other).await.error_code, 23);
}

#[tokio::test]
async fn heartbeats_have_their_codes() {
    let groups = groups();
    let member_id = stable(&groups, 3).await;
    let beat = |member_id: &str, generation_id| {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id,
            member_id: member_id.into(),
            group_instance_id: None,
        };
        heartbeat::answer(&groups, request).error_code
    };
    assert_eq!([beat(&member_id, 1), beat(&member_id, 2), beat("stranger", 1)], [0, 22, 25]);
}

#[tokio::test]
async fn leave_answers_one_or_each() {
    let groups = groups();
    let member_id = stable(&groups, 3).await;
    let leave = |version, request| over_the_wire(&leave_group::answer(&groups, version, request), version);
    let stranger =
        LeaveGroupRequest { group_id: "g".into(), member_id: "x".into(), ..LeaveGroupRequest::default() };
    assert_eq!(leave(0, stranger).error_code, 25);
    let named = |id: &str, instance: Option<&str>| MemberIdentity {
        member_id: id.into(),
        group_instance_id: instance.map(Into::into),
        reason: None,
    };
    let members = vec![named("x", None), named(&member_id, None), named("", Some("i1"))];
    let request = LeaveGroupRequest { group_id: "g".into(), members, ..LeaveGroupRequest::default() };
    let answer = leave(5, request.clone());
    let codes: Vec<i16> = answer.members.iter().map(|member| member.error_code).collect();
    assert_eq!((answer.error_code, codes), (0, vec![25, 0, 25]));
    let elsewhere = LeaveGroupRequest { group_id: "h".into(), ..request };
    assert!(leave(3, elsewhere).members.iter().all(|member| member.error_code == 25));
    let nameless = LeaveGroupRequest { group_id: String::new(), ..LeaveGroupRequest::default() };
    assert_eq!(leave(3, nameless).error_code, 24);
}

fn commit_request(topic: &str, partitions: &[(i32, i64, &str)]) -> OffsetCommitRequest {
    let partitions =
        partitions.iter().map(|(partition_index, committed_offset, text)| OffsetCommitRequestPartition {
            partition_index: *partition_index,
            committed_offset: *committed_offset,
            committed_metadata: Some((*text).to_owned()),
            ..OffsetCommitRequestPartition::default()
        });
    let topic = OffsetCommitRequestTopic {
        name: topic.into(),
        topic_id: Uuid([7; 16]),
        partitions: partitions.collect(),
    };
    OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..OffsetCommitRequest::default() }
}

async fn commit_codes(groups: &GroupCoordinator, version: i16, request: OffsetCommitRequest) -> Vec<i16> {
    let answer = offset_commit::answer(groups, &OneTopic, version, request).await;
    over_the_wire(&answer, version).topics[0].partitions.iter().map(|p| p.error_code).collect()
}

#[tokio::test]
async fn commit_refuses_partitions_one_by_one_and_stores_the_rest() {
    for version in 0..=10 {
        let groups = groups();
        let long = "x".repeat(4_097);
        let request = commit_request("t", &[(0, 5, "md"), (9, 5, ""), (1, 5, &long), (1, 6, &long[1..])]);
        assert_eq!(commit_codes(&groups, version, request).await, [0, 3, 12, 0]);
        let stored = groups.offsets("g", |o| o.iter().map(|(_, p, v)| (p, v.offset)).collect::<Vec<_>>());
        assert_eq!(stored, [(0, 5), (1, 6)]);
    }
    let groups = groups();
    assert_eq!(commit_codes(&groups, 9, commit_request("u", &[(0, 5, "")])).await, [3]);
    let mut request = commit_request("", &[(0, 5, "")]);
    request.topics[0].topic_id = Uuid([8; 16]);
    assert_eq!(commit_codes(&groups, 10, request).await, [100]);
    assert_eq!(groups.describe("g"), None);
    let nothing = offset_commit::answer(&groups, &OneTopic, 9, commit_request("t", &[])).await;
    assert_eq!(nothing.topics, [], "a topic without partitions is not answered");
    let odd =
        OffsetCommitRequest { generation_id_or_member_epoch: Some(-2), ..commit_request("t", &[(0, 5, "")]) };
    assert_eq!(commit_codes(&groups, 9, odd).await, [0], "any negative generation is none");
}

#[tokio::test]
async fn commit_of_the_wrong_generation_is_refused_beside_unknown_partitions() {
    let groups = groups();
    let member_id = stable(&groups, 3).await;
    let request = OffsetCommitRequest { member_id, ..commit_request("t", &[(0, 5, ""), (9, 5, "")]) };
    let with = |generation| OffsetCommitRequest {
        generation_id_or_member_epoch: Some(generation),
        ..request.clone()
    };
    assert_eq!(commit_codes(&groups, 7, with(2)).await, [22, 3]);
    assert_eq!(commit_codes(&groups, 7, with(1)).await, [0, 3]);
    assert_eq!(commit_codes(&groups, 0, commit_request("t", &[(0, 5, "")])).await, [25]);
}

#[tokio::test]
async fn retention_asked_for_is_kept_as_a_time() {
    let groups = groups();
    let request =
        OffsetCommitRequest { retention_time_ms: Some(60_000), ..commit_request("t", &[(0, 5, "")]) };
    commit_codes(&groups, 2, request).await;
    let ends = groups.offsets("g", |offsets| offsets.get("t", 0).unwrap().expires_at);
    assert_eq!(ends.unwrap().as_millis(), 60_000);
}

#[tokio::test]
async fn fetch_of_one_group_in_all_versions() {
    let groups = groups();
    commit_codes(&groups, 6, commit_request("t", &[(0, 5, "md")])).await;
    for version in 0..=7 {
        let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1] };
        let request = OffsetFetchRequest {
            group_id: "g".into(),
            topics: Some(vec![topic]),
            ..OffsetFetchRequest::default()
        };
        let answer = over_the_wire(&offset_fetch::answer(&groups, &OneTopic, version, request), version);
        let found: Vec<_> = answer.topics[0].partitions.iter().collect();
        assert_eq!((found[0].committed_offset, found[0].metadata.as_deref()), (5, Some("md")));
        let missing = if version == 0 { 3 } else { 0 };
        assert_eq!((found[1].committed_offset, found[1].error_code), (-1, missing));
        assert_eq!(found[1].metadata.as_deref(), Some(""));
    }
    let all = OffsetFetchRequest { group_id: "g".into(), ..OffsetFetchRequest::default() };
    let answer = over_the_wire(&offset_fetch::answer(&groups, &OneTopic, 2, all), 2);
    assert_eq!((answer.topics.len(), answer.topics[0].partitions.len()), (1, 1));
}

#[tokio::test]
async fn fetch_of_several_groups_by_name_and_by_id() {
    let groups = groups();
    commit_codes(&groups, 6, commit_request("t", &[(0, 5, "md")])).await;
    for version in 8..=10 {
        let topic = |id: u8| OffsetFetchRequestTopics {
            name: if id == 7 { "t".into() } else { "u".into() },
            topic_id: Uuid([id; 16]),
            partition_indexes: vec![0],
        };
        let asked = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(vec![topic(7), topic(8)]),
            ..OffsetFetchRequestGroup::default()
        };
        let all = OffsetFetchRequestGroup { group_id: "g".into(), ..OffsetFetchRequestGroup::default() };
        let none = OffsetFetchRequestGroup { group_id: "h".into(), ..OffsetFetchRequestGroup::default() };
        let request = OffsetFetchRequest {
            groups: vec![asked, all, none],
            require_stable: true,
            ..OffsetFetchRequest::default()
        };
        let answer = over_the_wire(&offset_fetch::answer(&groups, &OneTopic, version, request), version);
        let topics = &answer.groups[0].topics;
        assert_eq!(topics[0].partitions[0].committed_offset, 5);
        let unknown = if version >= 10 { 100 } else { 0 };
        assert_eq!(
            (topics[1].partitions[0].committed_offset, topics[1].partitions[0].error_code),
            (-1, unknown)
        );
        let everything = &answer.groups[1].topics;
        assert_eq!((everything.len(), everything[0].partitions[0].committed_offset), (1, 5));
        assert_eq!(everything[0].topic_id.is_zero(), version < 10);
        assert!(answer.groups[2].topics.is_empty());
    }
}

#[tokio::test]
async fn describe_knows_the_group_and_says_dead_of_others() {
    let groups = groups();
    stable(&groups, 3).await;
    for version in 0..=6 {
        let request = DescribeGroupsRequest {
            groups: vec!["g".into(), "h".into()],
            include_authorized_operations: version >= 3,
        };
        let answer = over_the_wire(&describe_groups::answer(&groups, version, request), version);
        let [known, unknown] = &answer.groups[..] else { panic!("two were asked for") };
        assert_eq!((known.group_state.as_str(), known.protocol_data.as_str()), ("Stable", "range"));
        assert_eq!(known.members[0].member_assignment, "a".as_bytes());
        assert_eq!(known.authorized_operations, if version >= 3 { 328 } else { i32::MIN });
        let code = if version >= 6 { 69 } else { 0 };
        assert_eq!((unknown.group_state.as_str(), unknown.error_code), ("Dead", code));
    }
}

#[tokio::test]
async fn list_filters_by_state_and_type() {
    let groups = groups();
    stable(&groups, 3).await;
    let simple = OffsetCommitRequest { group_id: "simple".into(), ..commit_request("t", &[(0, 5, "")]) };
    commit_codes(&groups, 6, simple).await;
    let list = |states: &[&str], types: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let request = ListGroupsRequest { states_filter: own(states), types_filter: own(types) };
        let answer = over_the_wire(&list_groups::answer(&groups, &request), 5);
        answer
            .groups
            .into_iter()
            .map(|g| format!("{}/{}/{}", g.group_id, g.protocol_type, g.group_state))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[], &[]), ["g/consumer/Stable", "simple//Empty"]);
    assert_eq!(list(&["empty"], &[]), ["simple//Empty"]);
    assert_eq!(list(&["Dead"], &[]), [""; 0]);
    assert_eq!(list(&["Stable"], &["Classic"]), ["g/consumer/Stable"]);
    assert_eq!(list(&[], &["consumer"]), [""; 0]);
}

#[tokio::test]
async fn coordinator_is_here_and_the_topic_is_made() {
    let journal = Arc::new(MemoryJournal::default());
    let groups = GroupCoordinator::new(
        CoordinatorSettings::default(),
        journal.clone(),
        Arc::new(ManualClock::default()),
    );
    let here = find_coordinator::Here { node_id: 1, host: "broker".into(), port: 9092 };
    let find = async |version, key_type| {
        let request = FindCoordinatorRequest {
            key: "g".into(),
            key_type,
            coordinator_keys: vec!["g".into(), "h".into()],
        };
        over_the_wire(&find_coordinator::answer(&groups, here.clone(), version, request).await, version)
    };
    assert_eq!(find(1, 1).await.error_code, 0);
    assert_eq!(journal.existing(), None, "a transaction needs no offsets topic");
    for version in 0..=6 {
        let answer = find(version, 0).await;
        if version < 4 {
            assert_eq!(
                (answer.error_code, answer.node_id, answer.host.as_str(), answer.port),
                (0, 1, "broker", 9092)
            );
        } else {
            let keys: Vec<&str> = answer.coordinators.iter().map(|c| c.key.as_str()).collect();
            assert_eq!(keys, ["g", "h"]);
            assert!(answer.coordinators.iter().all(|c| c.port == 9092 && c.error_code == 0));
        }
    }
    assert_eq!(journal.existing(), Some(50));
    let unknown = find(2, 9).await;
    assert_eq!((unknown.error_code, unknown.node_id, unknown.port), (42, -1, -1));
    assert_eq!(find(6, 2).await.coordinators[1].error_code, 42);
}

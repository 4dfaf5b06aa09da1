//! Consumer groups through a broker: list, describe, delete, forget or set offsets.
//!
//! # Not here
//!
//! How it is printed (`kafka::consumer_groups`, `own::groups`).

use crate::failure::Failure;
use kafka_client::{Address, Client, ClientError, Committed, Isolation, Node, OffsetSpec, TopicPartition};
use kafka_wire::ErrorCode;
use kafka_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_wire::messages::{
    ConsumerProtocolAssignment, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
    OffsetDeleteRequest,
};
use kafka_wire::records::decode_versioned;
use std::collections::{BTreeMap, BTreeSet};

/// A group as a list shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its name.
    pub group: String,
    /// `Stable`, `Empty` and so on; empty from a broker that does not tell.
    pub state: String,
    /// `Classic` or `Consumer`.
    pub kind: String,
}

/// A member.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Member {
    /// The name that the coordinator gave.
    pub id: String,
    /// A name that survives a restart.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client: String,
    /// Where it comes from: `/127.0.0.1`.
    pub host: String,
    /// What it has.
    pub assignment: Vec<TopicPartition>,
}

/// A group with its members.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Described {
    /// Its name.
    pub group: String,
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`.
    pub state: String,
    /// By which rule partitions are shared.
    pub strategy: String,
    /// Who is in it.
    pub members: Vec<Member>,
    /// Its coordinator.
    pub coordinator: i32,
    /// Where that is.
    pub address: Option<Address>,
}

/// How far a group has got with a partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Which partition.
    pub at: Option<TopicPartition>,
    /// The next offset it will read.
    pub offset: Option<i64>,
    /// The leadership of the record before it.
    pub leader_epoch: Option<i32>,
    /// Where the log ends.
    pub end: Option<i64>,
    /// Who reads it.
    pub member: Option<Member>,
}

impl Progress {
    /// Messages that are still to be read.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        Some(self.end? - self.offset?)
    }
}

/// The groups of all brokers, in the order in which they tell of them.
///
/// # Errors
///
/// If one of them cannot be asked.
pub fn list(client: &mut Client, states: &[String], kinds: &[String]) -> Result<Vec<Listed>, ClientError> {
    let brokers: Vec<i32> = client.metadata(Some(&[]), false)?.brokers.keys().copied().collect();
    let mut all = Vec::new();
    for id in brokers {
        let version = client.version_for(Node::Broker(id), kafka_wire::ApiKey::ListGroups)?;
        let mut request = ListGroupsRequest::default();
        if version >= 4 {
            request.states_filter = states.to_vec();
        }
        if version >= 5 {
            request.types_filter = kinds.to_vec();
        }
        let answer = client.call(Node::Broker(id), &request)?;
        ClientError::check("listing groups", answer.error_code, None)?;
        all.extend(answer.groups.into_iter().map(|found| {
            let kind =
                if found.group_type.is_empty() { "Classic".to_owned() } else { capital(&found.group_type) };
            Listed { group: found.group_id, state: found.group_state, kind }
        }));
    }
    // A broker that knows no filter has told of all.
    let wanted = |filter: &[String], found: &str| {
        filter.is_empty() || found.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(found))
    };
    all.retain(|found| wanted(states, &found.state) && wanted(kinds, &found.kind));
    Ok(all)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A group with its members. One that does not exist is an error of code `GROUP_ID_NOT_FOUND`.
///
/// # Errors
///
/// If its coordinator cannot be asked or refuses.
pub fn describe(client: &mut Client, group: &str) -> Result<Described, ClientError> {
    let coordinator = client.coordinator(group)?;
    let request = DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
    let answer = client.call(Node::Broker(coordinator), &request)?;
    let refused = |code, message: Option<String>| ClientError::Refused {
        what: format!("describing group {group}"),
        code,
        message: message.filter(|text| !text.is_empty()),
    };
    let missing = || refused(ErrorCode::GroupIdNotFound, Some(format!("Group {group} not found.")));
    let found = answer.groups.into_iter().next().ok_or_else(missing)?;
    ClientError::check(
        format!("describing group {group}"),
        found.error_code,
        found.error_message.as_deref(),
    )?;
    // Before version 6 a group that is not there is told of as dead.
    if found.group_state == "Dead" {
        return Err(missing());
    }
    let member = |member: kafka_wire::messages::describe_groups_response::DescribedGroupMember| Member {
        id: member.member_id,
        instance: member.group_instance_id,
        client: member.client_id,
        host: member.client_host,
        assignment: assignment(member.member_assignment),
    };
    Ok(Described {
        group: found.group_id,
        state: found.group_state,
        strategy: found.protocol_data,
        members: found.members.into_iter().map(member).collect(),
        coordinator,
        address: client.cluster().brokers.get(&coordinator).map(|broker| broker.address.clone()),
    })
}

/// In order; empty for what cannot be read, as while partitions are given anew.
fn assignment(bytes: bytes::Bytes) -> Vec<TopicPartition> {
    let Ok((_, share)) = decode_versioned::<ConsumerProtocolAssignment>(bytes) else { return Vec::new() };
    let mut all: Vec<_> = share
        .assigned_partitions
        .into_iter()
        .flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
        })
        .collect();
    all.sort();
    all
}

/// How far a group has got: for each member what it has, then what nobody has.
///
/// # Errors
///
/// If a broker cannot be asked or refuses.
pub fn progress(client: &mut Client, group: &Described) -> Result<Vec<Progress>, ClientError> {
    let committed = client.committed(&group.group, None)?;
    let mut members: Vec<&Member> =
        group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
    // Who has most comes first.
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let assigned: BTreeSet<&TopicPartition> = members.iter().flat_map(|member| &member.assignment).collect();
    let free: Vec<TopicPartition> = committed.keys().filter(|at| !assigned.contains(at)).cloned().collect();
    let wanted: Vec<TopicPartition> = assigned.into_iter().chain(&free).cloned().collect();
    let ends = ends(client, &wanted, OffsetSpec::Latest)?;
    let row = |at: &TopicPartition, member: Option<&Member>| {
        let known = committed.get(at).cloned().unwrap_or_else(Committed::default);
        Progress {
            at: Some(at.clone()),
            offset: known.offset,
            leader_epoch: known.leader_epoch,
            end: ends.get(at).copied(),
            member: member.cloned(),
        }
    };
    let mut rows = Vec::new();
    for member in members {
        rows.extend(member.assignment.iter().map(|at| row(at, Some(member))));
    }
    rows.extend(free.iter().map(|at| row(at, None)));
    Ok(rows)
}

/// Offsets of partitions; those without (no leader, no such topic any more) are left out.
///
/// # Errors
///
/// If a broker cannot be asked.
pub fn ends(
    client: &mut Client,
    wanted: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut names: Vec<String> = wanted.iter().map(|at| at.topic.clone()).collect();
    names.dedup();
    let cluster = client.metadata(Some(&names), false)?;
    let led = |at: &&TopicPartition| {
        let topic = cluster.topics.get(&at.topic).filter(|topic| topic.error.is_none());
        topic
            .and_then(|topic| topic.partition(at.partition))
            .is_some_and(|partition| partition.leader.is_some())
    };
    let asked: Vec<_> = wanted.iter().filter(led).map(|at| (at.clone(), spec)).collect();
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = client.list_offsets(&asked, Isolation::ReadUncommitted)?;
    Ok(found.into_iter().filter_map(|(at, found)| Some((at, found.ok()?.offset?))).collect())
}

/// Deletes a group.
///
/// # Errors
///
/// If its coordinator cannot be asked or refuses.
pub fn delete(client: &mut Client, group: &str) -> Result<(), ClientError> {
    let coordinator = client.coordinator(group)?;
    let request = DeleteGroupsRequest { groups_names: vec![group.to_owned()] };
    let answer = client.call(Node::Broker(coordinator), &request)?;
    let missing = || ClientError::Refused {
        what: format!("deleting group {group}"),
        code: ErrorCode::UnknownServerError,
        message: Some("the broker's answer does not tell of it".into()),
    };
    let result = answer.results.into_iter().next().ok_or_else(missing)?;
    ClientError::check(format!("deleting group {group}"), result.error_code, result.error_message.as_deref())
}

/// Forgets offsets of a group; for each partition what became of it.
///
/// # Errors
///
/// If the coordinator cannot be asked, or refuses altogether.
pub fn delete_offsets(
    client: &mut Client,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, ErrorCode>, ClientError> {
    let coordinator = client.coordinator(group)?;
    let mut topics: BTreeMap<String, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
    for at in partitions {
        let partition = OffsetDeleteRequestPartition { partition_index: at.partition };
        topics.entry(at.topic.clone()).or_default().push(partition);
    }
    let topics =
        topics.into_iter().map(|(name, partitions)| OffsetDeleteRequestTopic { name, partitions }).collect();
    let request = OffsetDeleteRequest { group_id: group.to_owned(), topics };
    let answer = client.call(Node::Broker(coordinator), &request)?;
    ClientError::check(format!("deleting offsets of group {group}"), answer.error_code, None)?;
    let results = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic
            .partitions
            .into_iter()
            .map(move |p| (TopicPartition::new(name.clone(), p.partition_index), p.error_code))
    });
    Ok(results
        .map(|(at, code)| (at, ErrorCode::from_i16(code).unwrap_or(ErrorCode::UnknownServerError)))
        .collect())
}

/// The partitions that `t` or `t:0,2` means; the first needs a broker.
///
/// # Errors
///
/// If it makes no sense, or there is no such topic.
pub fn partitions(client: &mut Client, words: &[String]) -> Result<Vec<TopicPartition>, Failure> {
    let mut all = Vec::new();
    let mut whole = Vec::new();
    for word in words {
        match word.split_once(':') {
            None => whole.push(word.clone()),
            Some((topic, list)) if !topic.is_empty() && !list.is_empty() && !list.contains(':') => {
                for number in list.split(',') {
                    let partition =
                        number.parse().ok().filter(|partition: &i32| *partition >= 0).ok_or_else(|| {
                            Failure::usage(format!(
                                "Invalid partition '{number}' specified in topic arg '{word}''"
                            ))
                        })?;
                    all.push(TopicPartition::new(topic, partition));
                }
            }
            Some(_) => {
                return Err(Failure::usage(format!(
                    "Invalid topic arg '{word}', expected topic name and partitions"
                )));
            }
        }
    }
    if !whole.is_empty() {
        let cluster = client.metadata(Some(&whole), false)?;
        for name in &whole {
            let topic = cluster.topics.get(name);
            if let Some(code) = topic.map_or(Some(ErrorCode::UnknownTopicOrPartition), |topic| topic.error) {
                return Err(
                    ClientError::Refused { what: format!("topic {name}"), code, message: None }.into()
                );
            }
            let count = topic.map_or(&[][..], |topic| &topic.partitions[..]);
            all.extend(count.iter().map(|partition| TopicPartition::new(name.clone(), partition.index)));
        }
    }
    Ok(all)
}

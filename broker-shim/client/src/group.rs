//! Membership of a consumer group: join, be given partitions, say that one is alive, commit, leave.
//!
//! ```text
//!  JoinGroup  (79: again with the id that was given)  -> generation, and for the leader all members
//!  SyncGroup  (the leader's with everybody's share)   -> our partitions
//!  Heartbeat  now and then                            -> fine | rebalance: join again
//! ```
//!
//! Shares are made by the range assignor, which every client knows: for each topic its partitions in order, cut into
//! as many pieces as it has subscribers, the larger ones first, members by their names.
//!
//! # Not here
//!
//! Positions: whoever reads has them, and commits them before joining again.

use crate::client::{Client, Node};
use crate::error::{ClientError, known};
use crate::offsets::{by_topic, check_commit, commit_request};
use crate::partition::TopicPartition;
use bytes::Bytes;
use kafka_wire::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use kafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_wire::messages::join_group_response::JoinGroupResponseMember;
use kafka_wire::messages::leave_group_request::MemberIdentity;
use kafka_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_wire::records::{decode_versioned, encode_versioned};
use kafka_wire::{ApiKey, ErrorCode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PROTOCOL_TYPE: &str = "consumer";
const RANGE: &str = "range";

/// Which group, and how.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// The group.
    pub group: String,
    /// A name that survives a restart.
    pub instance: Option<String>,
    /// What is to be read.
    pub topics: Vec<String>,
    /// After this long without a heartbeat a member is taken for dead.
    pub session_timeout: Duration,
    /// How long others wait for us when partitions are given anew.
    pub rebalance_timeout: Duration,
    /// How often we say that we live.
    pub heartbeat_interval: Duration,
}

impl GroupConfig {
    /// With the times that Kafka's consumer has.
    #[must_use]
    pub fn new(group: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            group: group.into(),
            instance: None,
            topics,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
        }
    }
}

/// How a member stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberState {
    /// It has its partitions.
    Stable,
    /// Partitions are given anew: commit, then [`GroupMember::rejoin`].
    Rebalancing,
}

/// A member of a group.
#[derive(Debug)]
pub struct GroupMember {
    config: GroupConfig,
    coordinator: i32,
    member: String,
    generation: i32,
    assignment: Vec<TopicPartition>,
    last_heartbeat: Instant,
}

impl GroupMember {
    /// Joins, and waits for a share.
    ///
    /// # Errors
    ///
    /// If the group's coordinator cannot be found or refuses.
    pub fn join(client: &mut Client, config: GroupConfig) -> Result<Self, ClientError> {
        let coordinator = client.coordinator(&config.group)?;
        let mut this = Self {
            config,
            coordinator,
            member: String::new(),
            generation: -1,
            assignment: Vec::new(),
            last_heartbeat: Instant::now(),
        };
        this.rejoin(client)?;
        Ok(this)
    }

    /// The partitions that are ours.
    #[must_use]
    pub fn assignment(&self) -> &[TopicPartition] {
        &self.assignment
    }

    /// The name that the coordinator gave us.
    #[must_use]
    pub fn member_id(&self) -> &str {
        &self.member
    }

    /// How often there was a new share.
    #[must_use]
    pub const fn generation(&self) -> i32 {
        self.generation
    }

    /// Joins again, and waits for a new share.
    ///
    /// # Errors
    ///
    /// As [`GroupMember::join`].
    pub fn rejoin(&mut self, client: &mut Client) -> Result<(), ClientError> {
        client.patiently(|client| match self.join_once(client) {
            // A member that was forgotten is a new one, and a round that was overtaken is tried again.
            Err(error) => match error.code() {
                Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                    self.member.clear();
                    Err(self.not_now(error))
                }
                Some(ErrorCode::RebalanceInProgress | ErrorCode::MemberIdRequired) => {
                    Err(self.not_now(error))
                }
                Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => {
                    self.coordinator = client.coordinator(&self.config.group)?;
                    Err(error)
                }
                _ => Err(error),
            },
            Ok(()) => Ok(()),
        })
    }

    /// The same as a code that [`Client::patiently`] tries again.
    fn not_now(&self, error: ClientError) -> ClientError {
        match error {
            ClientError::Refused { what, message, .. } => {
                ClientError::Refused { what, code: ErrorCode::CoordinatorLoadInProgress, message }
            }
            other => other,
        }
    }

    fn join_once(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let node = Node::Broker(self.coordinator);
        let version = client.version_for(node, ApiKey::JoinGroup)?;
        let timeout = self.config.rebalance_timeout + client.config().request_timeout;
        let mut joined = client.call_within(node, &self.join_request(version)?, timeout)?;
        if known(joined.error_code) == ErrorCode::MemberIdRequired && !joined.member_id.is_empty() {
            self.member.clone_from(&joined.member_id);
            joined = client.call_within(node, &self.join_request(version)?, timeout)?;
        }
        ClientError::check(format!("joining group {}", self.config.group), joined.error_code, None)?;
        self.member.clone_from(&joined.member_id);
        self.generation = joined.generation_id.unwrap_or(-1);
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let shares = if leads { self.shares(client, &joined)? } else { Vec::new() };
        let version = client.version_for(node, ApiKey::SyncGroup)?;
        let mut request = SyncGroupRequest {
            group_id: self.config.group.clone(),
            generation_id: self.generation,
            member_id: self.member.clone(),
            assignments: shares,
            ..Default::default()
        };
        if version >= 3 {
            request.group_instance_id.clone_from(&self.config.instance);
        }
        if version >= 5 {
            request.protocol_type = Some(PROTOCOL_TYPE.into());
            request.protocol_name = joined.protocol_name;
        }
        let synced = client.call_within(node, &request, timeout)?;
        ClientError::check(
            format!("getting a share of group {}", self.config.group),
            synced.error_code,
            None,
        )?;
        self.assignment = read_assignment(&self.config.group, synced.assignment)?;
        self.last_heartbeat = Instant::now();
        Ok(())
    }

    fn join_request(&self, version: i16) -> Result<JoinGroupRequest, ClientError> {
        let subscription =
            ConsumerProtocolSubscription { topics: self.config.topics.clone(), ..Default::default() };
        let metadata = encode_versioned(&subscription, 0)
            .map_err(|error| ClientError::Config(format!("these topics cannot be subscribed to: {error}")))?;
        let protocol = JoinGroupRequestProtocol { name: RANGE.into(), metadata };
        Ok(JoinGroupRequest {
            group_id: self.config.group.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: (version >= 1).then(|| millis(self.config.rebalance_timeout)),
            member_id: self.member.clone(),
            group_instance_id: self.config.instance.clone().filter(|_| version >= 5),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![protocol],
            ..Default::default()
        })
    }

    /// Everybody's share, made by us as the group's leader.
    fn shares(
        &self,
        client: &mut Client,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let members = joined.members.iter().filter_map(subscription).collect::<Vec<_>>();
        let mut topics: Vec<String> = members.iter().flat_map(|member| member.topics.clone()).collect();
        topics.sort();
        topics.dedup();
        let cluster = client.metadata(Some(&topics), false)?;
        let counts: BTreeMap<String, usize> =
            cluster.topics.values().map(|topic| (topic.name.clone(), topic.partitions.len())).collect();
        let shares = range(&members, &counts);
        let encode = |(member_id, share): (String, Vec<TopicPartition>)| {
            let topics = by_topic(&share);
            let assigned = topics.into_iter().map(|(topic, partitions)| AssignedTopic { topic, partitions });
            let assignment =
                ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), user_data: None };
            let assignment = encode_versioned(&assignment, 0)
                .map_err(|error| ClientError::Config(format!("a share cannot be written: {error}")))?;
            Ok(SyncGroupRequestAssignment { member_id, assignment })
        };
        shares.into_iter().map(encode).collect()
    }

    /// Says that we live, if it is time to.
    ///
    /// # Errors
    ///
    /// If the coordinator cannot be asked or refuses.
    pub fn heartbeat_if_due(&mut self, client: &mut Client) -> Result<MemberState, ClientError> {
        if self.last_heartbeat.elapsed() < self.config.heartbeat_interval {
            return Ok(MemberState::Stable);
        }
        let node = Node::Broker(self.coordinator);
        let version = client.version_for(node, ApiKey::Heartbeat)?;
        let request = HeartbeatRequest {
            group_id: self.config.group.clone(),
            generation_id: self.generation,
            member_id: self.member.clone(),
            group_instance_id: self.config.instance.clone().filter(|_| version >= 3),
        };
        let answer = client.call(node, &request)?;
        self.last_heartbeat = Instant::now();
        match known(answer.error_code) {
            ErrorCode::None | ErrorCode::CoordinatorLoadInProgress => Ok(MemberState::Stable),
            ErrorCode::RebalanceInProgress
            | ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable => Ok(MemberState::Rebalancing),
            _ => {
                ClientError::check(
                    format!("staying in group {}", self.config.group),
                    answer.error_code,
                    None,
                )?;
                Ok(MemberState::Stable)
            }
        }
    }

    /// Commits the next offset of partitions. What arrives too late for its generation is refused.
    ///
    /// # Errors
    ///
    /// If the coordinator cannot be asked or refuses.
    pub fn commit(
        &mut self,
        client: &mut Client,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let node = Node::Broker(self.coordinator);
        let version = client.version_for(node, ApiKey::OffsetCommit)?;
        let mut request = commit_request(&self.config.group, offsets);
        if version >= 1 {
            request.generation_id_or_member_epoch = Some(self.generation);
            request.member_id.clone_from(&self.member);
        }
        if version >= 7 {
            request.group_instance_id.clone_from(&self.config.instance);
        }
        let answer = client.call(node, &request)?;
        check_commit(&self.config.group, &answer)
    }

    /// Leaves, so that the others need not wait for the session to end. A member with a name of its own stays.
    ///
    /// # Errors
    ///
    /// If the coordinator cannot be asked or refuses.
    pub fn leave(self, client: &mut Client) -> Result<(), ClientError> {
        if self.config.instance.is_some() {
            return Ok(());
        }
        let node = Node::Broker(self.coordinator);
        let version = client.version_for(node, ApiKey::LeaveGroup)?;
        let mut request = LeaveGroupRequest { group_id: self.config.group.clone(), ..Default::default() };
        if version >= 3 {
            let member_id = self.member;
            request.members = vec![MemberIdentity { member_id, group_instance_id: None, reason: None }];
        } else {
            request.member_id = self.member;
        }
        let answer = client.call(node, &request)?;
        ClientError::check(format!("leaving group {}", self.config.group), answer.error_code, None)
    }
}

/// A member, and what it wants to read.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Subscription {
    member: String,
    /// What members are sorted by: names that survive restarts come first.
    rank: (bool, String),
    topics: Vec<String>,
}

fn subscription(member: &JoinGroupResponseMember) -> Option<Subscription> {
    // One that cannot be read gets nothing.
    let (_, wanted) = decode_versioned::<ConsumerProtocolSubscription>(member.metadata.clone()).ok()?;
    let rank = match &member.group_instance_id {
        Some(instance) => (false, instance.clone()),
        None => (true, member.member_id.clone()),
    };
    Some(Subscription { member: member.member_id.clone(), rank, topics: wanted.topics })
}

fn range(
    members: &[Subscription],
    counts: &BTreeMap<String, usize>,
) -> BTreeMap<String, Vec<TopicPartition>> {
    let mut shares: BTreeMap<String, Vec<TopicPartition>> =
        members.iter().map(|member| (member.member.clone(), Vec::new())).collect();
    for (topic, count) in counts {
        let mut takers: Vec<&Subscription> =
            members.iter().filter(|member| member.topics.contains(topic)).collect();
        takers.sort_by(|a, b| a.rank.cmp(&b.rank));
        let (each, more) = (count.checked_div(takers.len()).unwrap_or(0), count.checked_rem(takers.len()));
        let mut next = 0_i32;
        for (index, taker) in takers.iter().enumerate() {
            let size = each + usize::from(more.is_some_and(|more| index < more));
            let end = next.saturating_add(i32::try_from(size).unwrap_or(i32::MAX));
            let share = (next..end).map(|partition| TopicPartition::new(topic.clone(), partition));
            shares.entry(taker.member.clone()).or_default().extend(share);
            next = end;
        }
    }
    shares
}

fn read_assignment(group: &str, bytes: Bytes) -> Result<Vec<TopicPartition>, ClientError> {
    // A member without a share may be given no bytes at all.
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let (_, share) = decode_versioned::<ConsumerProtocolAssignment>(bytes).map_err(|error| {
        ClientError::Config(format!(
            "the share that the leader of group {group} made cannot be read: {error}"
        ))
    })?;
    let topics = share.assigned_partitions.into_iter();
    let partitions = topics.flat_map(|topic| {
        let name = topic.topic;
        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
    });
    Ok(partitions.collect())
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;

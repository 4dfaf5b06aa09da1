//! What the group APIs share: error codes, who asks, which topics there are.

use crate::coordinators::group::GroupError;
use crate::metadata::{self, Catalog};
use kafka_wire::{ErrorCode, Uuid};
use std::net::IpAddr;
use std::sync::Arc;

/// The code that a client is told.
pub(super) fn code(error: GroupError) -> ErrorCode {
    match error {
        GroupError::NotAvailable => ErrorCode::CoordinatorNotAvailable,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::UnknownMember => ErrorCode::UnknownMemberId,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        GroupError::Full => ErrorCode::GroupMaxSizeReached,
        GroupError::FencedInstance => ErrorCode::FencedInstanceId,
        GroupError::Subscribed => ErrorCode::GroupSubscribedToTopic,
        GroupError::NonEmpty => ErrorCode::NonEmptyGroup,
        GroupError::NotFound => ErrorCode::GroupIdNotFound,
        // As Kafka answers when the group's record is larger than the topic takes.
        GroupError::TooLarge => ErrorCode::UnknownServerError,
    }
}

/// The code of a result: 0 for a good one.
pub(super) fn code_of(result: Result<(), GroupError>) -> i16 {
    result.map_or_else(|error| code(error).into(), |()| ErrorCode::None.into())
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// What it calls itself.
    pub(super) id: String,
    /// Where it is.
    pub(super) host: IpAddr,
}

impl Client {
    /// The address in the form that Kafka's tools expect.
    pub(super) fn host_text(&self) -> String {
        format!("/{}", self.host)
    }
}

/// What the offset APIs want to know of topics.
pub(super) trait TopicView {
    /// The topic has this partition.
    fn exists(&self, topic: &str, partition: i32) -> bool;
    /// The topic of this id.
    fn name_of(&self, id: Uuid) -> Option<String>;
    /// The id of this topic; zero if there is none.
    fn id_of(&self, topic: &str) -> Uuid;
}

impl TopicView for Arc<dyn Catalog> {
    fn exists(&self, topic: &str, partition: i32) -> bool {
        self.topic(topic).is_some_and(|topic| topic.has_partition(partition))
    }

    fn name_of(&self, id: Uuid) -> Option<String> {
        self.topic_by_id(&metadata::Uuid(id.0)).map(|topic| topic.name.as_str().to_owned())
    }

    fn id_of(&self, topic: &str) -> Uuid {
        self.topic(topic).map_or(Uuid::ZERO, |topic| Uuid(topic.id.0))
    }
}

/// Topics for tests: `t` with two partitions and id 7.
#[cfg(test)]
pub(super) struct OneTopic;

#[cfg(test)]
impl TopicView for OneTopic {
    fn exists(&self, topic: &str, partition: i32) -> bool {
        topic == "t" && (0..2).contains(&partition)
    }

    fn name_of(&self, id: Uuid) -> Option<String> {
        (id == Uuid([7; 16])).then(|| "t".to_owned())
    }

    fn id_of(&self, topic: &str) -> Uuid {
        if topic == "t" { Uuid([7; 16]) } else { Uuid::ZERO }
    }
}

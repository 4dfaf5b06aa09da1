//! What can go wrong between a tool and a broker, in words for whoever sits before the tool.

use crate::address::Address;
use kafka_wire::{ApiKey, DecodeError, EncodeError, ErrorCode};
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// None of the addresses has a broker.
    #[error("{}", no_broker(.0))]
    NoBroker(Vec<Dialled>),
    /// A broker that another one told of cannot be reached.
    #[error("{}", unreachable(*.id, .dialled))]
    Unreachable {
        /// The broker.
        id: i32,
        /// What happened at its address.
        dialled: Dialled,
    },
    /// A connection that was open broke before the answer was there.
    #[error(
        "{address} broke the connection before it answered {api}: {source}; look into the broker's log, then try again"
    )]
    Broken {
        /// Who was asked.
        address: Address,
        /// What.
        api: ApiKey,
        /// What the system says.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{address} did not answer {api} within {} ms; it may be busy or stopped: try again, or give it longer", .timeout.as_millis())]
    TimedOut {
        /// Who was asked.
        address: Address,
        /// What.
        api: ApiKey,
        /// How long was waited.
        timeout: Duration,
    },
    /// An answer that is none.
    #[error("{address} sent what is no answer to {api}: {problem}; is it a Kafka broker?")]
    Nonsense {
        /// Who was asked.
        address: Address,
        /// What.
        api: ApiKey,
        /// What is wrong with it.
        problem: String,
    },
    /// The broker has no version of an API that we have.
    #[error("{}", unsupported(.address, *.api, *.broker))]
    Unsupported {
        /// Who was asked.
        address: Address,
        /// What.
        api: ApiKey,
        /// The broker's versions, if it has the API at all.
        broker: Option<(i16, i16)>,
    },
    /// The request needs a newer version than the broker has.
    #[error("{address} is too old for this: {source}")]
    Encode {
        /// Who was to be asked.
        address: Address,
        /// What cannot be said to it.
        source: EncodeError,
    },
    /// Nobody told of a broker with this id.
    #[error("broker {0} is not in the cluster; kafka-broker-api-versions.sh shows those that are")]
    UnknownNode(i32),
    /// The broker refused.
    #[error("{what}: {}", refusal(*.code, .message.as_deref()))]
    Refused {
        /// What was tried.
        what: String,
        /// The code, `UNKNOWN_SERVER_ERROR` for one that we do not know.
        code: ErrorCode,
        /// The broker's own words.
        message: Option<String>,
    },
    /// Records that cannot be read, or written.
    #[error("records of {topic}-{partition} at offset {offset}: {problem}")]
    Records {
        /// Of which topic.
        topic: String,
        /// Of which partition.
        partition: i32,
        /// Where.
        offset: i64,
        /// What is wrong with them.
        problem: String,
    },
    /// A setting that is not understood.
    #[error("{0}")]
    Config(String),
}

impl ClientError {
    /// The code with which the broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The broker's words or Kafka's for its code, without what was tried; another error's whole text.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Refused { code, message, .. } => refusal(*code, message.as_deref()),
            other => other.to_string(),
        }
    }

    /// Whether the same may succeed a little later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code.is_retriable(),
            Self::Broken { .. } | Self::TimedOut { .. } | Self::Unreachable { .. } => true,
            _ => false,
        }
    }

    /// Whether no broker answered: it may be back a little later, and nothing was refused.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            Self::NoBroker(_) | Self::Broken { .. } | Self::TimedOut { .. } | Self::Unreachable { .. }
        )
    }

    /// Whether the broker lacks the API.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
            || self.code().is_some_and(|code| code == ErrorCode::UnsupportedVersion)
    }

    /// An error if `code` is one.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] for any code but 0.
    pub fn check(what: impl Into<String>, code: i16, message: Option<&str>) -> Result<(), Self> {
        match known(code) {
            ErrorCode::None => Ok(()),
            code => {
                let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
                Err(Self::Refused { what: what.into(), code, message })
            }
        }
    }

    pub(crate) fn decode(address: &Address, api: ApiKey, error: &DecodeError) -> Self {
        Self::Nonsense { address: address.clone(), api, problem: error.to_string() }
    }
}

/// The code of a number on the wire; one that we do not know is `UNKNOWN_SERVER_ERROR`, as for every client.
#[must_use]
pub fn known(code: i16) -> ErrorCode {
    ErrorCode::from_i16(code).unwrap_or(ErrorCode::UnknownServerError)
}

/// An address, and what became of dialling it.
#[derive(Debug)]
pub struct Dialled {
    /// Where.
    pub address: Address,
    /// What happened.
    pub problem: DialProblem,
}

impl fmt::Display for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.problem)
    }
}

/// Why there is no connection to a broker; each reads on after the address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialProblem {
    /// No such name.
    #[error("cannot be resolved ({0})")]
    Unresolved(io::Error),
    /// Nobody listens.
    #[error("refused the connection")]
    Refused,
    /// Nothing came back.
    #[error("did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Anything else.
    #[error("cannot be reached ({0})")]
    Io(io::Error),
    /// It took the connection, and ended it at the first request.
    #[error("closed the connection without an answer")]
    Closed,
    /// A ZooKeeper.
    #[error("is a ZooKeeper, not a broker")]
    ZooKeeper,
    /// A listener that wants TLS.
    #[error("speaks TLS, which this tool does not")]
    Tls,
    /// A web server.
    #[error("is a web server, not a broker")]
    Web,
    /// Something answered, but not as a broker does.
    #[error("does not answer as a broker does ({0})")]
    Nonsense(String),
}

impl DialProblem {
    /// What to try, as the second half of a sentence.
    fn advice(&self) -> &'static str {
        match self {
            Self::Unresolved(_) => "check the name",
            Self::Refused | Self::TimedOut(_) | Self::Io(_) => {
                "is the broker running (kafka-server-start.sh starts one), and is this its address?"
            }
            Self::Closed | Self::Nonsense(_) => {
                "is this the address of a broker, and of its plaintext listener?"
            }
            Self::ZooKeeper => "name the broker's address, by default port 9092 (2181 is ZooKeeper's)",
            Self::Tls => "name the broker's plaintext listener",
            Self::Web => "name the broker's address, by default port 9092",
        }
    }
}

fn no_broker(dialled: &[Dialled]) -> String {
    let tried: Vec<String> = dialled.iter().map(ToString::to_string).collect();
    let advice = dialled.first().map_or("name one as host:port", |first| first.problem.advice());
    format!("cannot reach a broker: {}; {advice}", tried.join(", "))
}

fn unreachable(id: i32, dialled: &Dialled) -> String {
    format!(
        "cannot reach broker {id} at the address it is said to have: {dialled}; check advertised.listeners in its server.properties"
    )
}

fn unsupported(address: &Address, api: ApiKey, broker: Option<(i16, i16)>) -> String {
    match broker {
        None => format!("the broker at {address} does not offer {api}"),
        Some((min, max)) => {
            format!(
                "the broker at {address} speaks {api} in versions {min} to {max} only, which this tool does not"
            )
        }
    }
}

fn refusal(code: ErrorCode, message: Option<&str>) -> String {
    match message {
        Some(message) => message.to_owned(),
        None => meaning(code).to_owned(),
    }
}

/// What a code means, in the words of Kafka's own client: its tools print them.
#[must_use]
pub fn meaning(code: ErrorCode) -> &'static str {
    use ErrorCode as E;
    match code {
        E::OffsetOutOfRange => {
            "The requested offset is not within the range of offsets maintained by the server."
        }
        E::UnknownTopicOrPartition => "This server does not host this topic-partition.",
        E::LeaderNotAvailable => {
            "There is no leader for this topic-partition as we are in the middle of a leadership election."
        }
        E::NotLeaderOrFollower => {
            "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition."
        }
        E::RequestTimedOut => "The request timed out.",
        E::CoordinatorLoadInProgress => "The coordinator is loading and hence can't process requests.",
        E::CoordinatorNotAvailable => "The coordinator is not available.",
        E::NotCoordinator => "This is not the correct coordinator.",
        E::InvalidTopicException => "The request attempted to perform an operation on an invalid topic.",
        E::RecordListTooLarge => {
            "The request included message batch larger than the configured segment size on the server."
        }
        E::MessageTooLarge => {
            "The request included a message larger than the max message size the server will accept."
        }
        E::IllegalGeneration => "Specified group generation id is not valid.",
        E::InconsistentGroupProtocol => {
            "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list."
        }
        E::InvalidGroupId => "The group id is invalid.",
        E::UnknownMemberId => "The coordinator is not aware of this member.",
        E::RebalanceInProgress => "The group is rebalancing, so a rejoin is needed.",
        E::TopicAuthorizationFailed => "Topic authorization failed.",
        E::GroupAuthorizationFailed => "Group authorization failed.",
        E::ClusterAuthorizationFailed => "Cluster authorization failed.",
        E::UnsupportedVersion => "The version of API is not supported.",
        E::TopicAlreadyExists => "Topic with this name already exists.",
        E::InvalidPartitions => "Number of partitions is below 1.",
        E::InvalidReplicationFactor => {
            "Replication factor is below 1 or larger than the number of available brokers."
        }
        E::InvalidReplicaAssignment => "Replica assignment is invalid.",
        E::InvalidConfig => "Configuration is invalid.",
        E::NotController => "This is not the correct controller for this cluster.",
        E::InvalidRequest => {
            "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details."
        }
        E::PolicyViolation => "Request parameters do not satisfy the configured policy.",
        E::KafkaStorageError => "Disk error when trying to access log file on the disk.",
        E::NonEmptyGroup => "The group is not empty.",
        E::GroupIdNotFound => "The group id does not exist.",
        E::TopicDeletionDisabled => "Topic deletion is disabled.",
        E::UnsupportedCompressionType => {
            "The requesting client does not support the compression type of given partition."
        }
        E::GroupSubscribedToTopic => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."
        }
        E::NoReassignmentInProgress => "No partition reassignment is in progress.",
        E::UnknownTopicId => "This server does not host this topic ID.",
        E::UnknownServerError => "The server experienced an unexpected error when processing the request.",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_broker_says_who_was_dialled_and_what_to_try() {
        let refused = Dialled { address: Address::new("localhost", 1), problem: DialProblem::Refused };
        let zookeeper = Dialled { address: Address::new("::1", 2181), problem: DialProblem::ZooKeeper };
        let text = ClientError::NoBroker(vec![zookeeper, refused]).to_string();
        assert_eq!(
            text,
            "cannot reach a broker: [::1]:2181 is a ZooKeeper, not a broker, localhost:1 refused the connection; \
             name the broker's address, by default port 9092 (2181 is ZooKeeper's)"
        );
    }

    #[test]
    fn a_refusal_has_the_broker_s_words_or_kafka_s() {
        let error = ClientError::check("creating x", 36, Some("Topic 'x' already exists.")).unwrap_err();
        assert_eq!(error.to_string(), "creating x: Topic 'x' already exists.");
        let error = ClientError::check("asking", 3, Some("")).unwrap_err();
        assert_eq!(error.to_string(), "asking: This server does not host this topic-partition.");
        assert!(error.is_retriable());
        assert!(ClientError::check("asking", 0, Some("fine")).is_ok());
        assert_eq!(
            ClientError::check("asking", 9999, None).unwrap_err().code(),
            Some(ErrorCode::UnknownServerError)
        );
    }
}

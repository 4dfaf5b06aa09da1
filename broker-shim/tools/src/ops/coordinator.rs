//! The records of `__consumer_offsets` and `__transaction_state` as JSON, in the form of Kafka's decoders.
//!
//! ```text
//! key    int16 number (0 and 1 a commit, 2 a group; a transaction 0), then its fields
//! value  int16 version, then its fields; null: the key is deleted
//!
//! {"group":"g","topic":"t","partition":0}      {"offset":5,"leaderEpoch":-1,"metadata":"","commitTimestamp":1795413286784}
//! ```
//!
//! A value shows the fields that its version has. In a group of consumers the subscription and the assignment of a member
//! are shown as what they hold; where they cannot be read, and for other protocols, as base64.

use super::json::{Json, base64};
use bytes::Bytes;
use kafka_wire::messages::group_metadata_value::MemberMetadata;
use kafka_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupMetadataKey, GroupMetadataValue,
    OffsetCommitKey, OffsetCommitValue, TransactionLogKey, TransactionLogValue,
};
use kafka_wire::{DecodeError, Message};

/// Which internal topic the records are of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Coordinator {
    /// `__consumer_offsets`.
    Groups,
    /// `__transaction_state`.
    Transactions,
}

/// A record, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// The number in front of the key.
    pub(crate) kind: i16,
    pub(crate) key: Json,
    /// The version and the fields; `None` where the value is null.
    pub(crate) value: Option<(i16, Json)>,
}

/// Why a record is not shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Undecoded {
    /// The key has a number of which nothing is known here.
    Unknown(i16),
    /// It is not what its number or version says.
    Invalid(String),
}

impl From<DecodeError> for Undecoded {
    fn from(error: DecodeError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Keys have one layout per number, so inside they are all version 0.
const KEY: i16 = 0;
/// What consumers call their protocol.
const CONSUMER: &str = "consumer";

impl Coordinator {
    /// Takes a record apart; `open`: what members subscribed to and were assigned too.
    pub(crate) fn decode(self, key: &[u8], value: Option<&[u8]>, open: bool) -> Result<Decoded, Undecoded> {
        let (kind, rest) = number(key)?;
        let key = match (self, kind) {
            (Self::Groups, 0 | 1) => {
                let key = OffsetCommitKey::from_body(rest, KEY)?;
                Json::Object(vec![
                    ("group", key.group.into()),
                    ("topic", key.topic.into()),
                    ("partition", key.partition.into()),
                ])
            }
            (Self::Groups, 2) => {
                Json::Object(vec![("group", GroupMetadataKey::from_body(rest, KEY)?.group.into())])
            }
            (Self::Transactions, 0) => {
                let id = TransactionLogKey::from_body(rest, KEY)?.transactional_id;
                Json::Object(vec![("transactionalId", id.into())])
            }
            _ => return Err(Undecoded::Unknown(kind)),
        };
        let value = value.map(|value| {
            let (version, rest) = number(value)?;
            let fields = match (self, kind) {
                (Self::Transactions, _) => transaction(&parse(rest, version)?, version),
                (Self::Groups, 2) => group(parse(rest, version)?, version, open),
                (Self::Groups, _) => commit(parse(rest, version)?, version),
            };
            Ok::<_, Undecoded>((version, fields))
        });
        Ok(Decoded { kind, key, value: value.transpose()? })
    }
}

fn number(bytes: &[u8]) -> Result<(i16, Bytes), Undecoded> {
    let cut = || Undecoded::Invalid(format!("{} bytes are too few for a version", bytes.len()));
    let (head, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
    Ok((i16::from_be_bytes(*head), Bytes::copy_from_slice(rest)))
}

fn parse<M: Message>(rest: Bytes, version: i16) -> Result<M, Undecoded> {
    if !M::VERSIONS.contains(version) {
        return Err(Undecoded::Invalid(format!("{} of version {version} is not known", M::NAME)));
    }
    Ok(M::from_body(rest, version)?)
}

fn commit(value: OffsetCommitValue, version: i16) -> Json {
    let mut fields = vec![("offset", value.offset.into())];
    if version >= 3 {
        fields.push(("leaderEpoch", value.leader_epoch.unwrap_or(-1).into()));
    }
    fields.push(("metadata", value.metadata.into()));
    fields.push(("commitTimestamp", value.commit_timestamp.into()));
    if version == 1 {
        fields.push(("expireTimestamp", value.expire_timestamp.unwrap_or(-1).into()));
    }
    if version >= 4 && !value.topic_id.is_zero() {
        fields.push(("topicId", value.topic_id.to_string().into()));
    }
    Json::Object(fields)
}

fn group(value: GroupMetadataValue, version: i16, open: bool) -> Json {
    let consumers = open && value.protocol_type == CONSUMER;
    let members: Vec<Json> =
        value.members.into_iter().map(|member| self::member(member, version, consumers)).collect();
    let mut fields = vec![
        ("protocolType", value.protocol_type.into()),
        ("generation", value.generation.into()),
        ("protocol", value.protocol.into()),
        ("leader", value.leader.into()),
    ];
    if version >= 2 {
        fields.push(("currentStateTimestamp", value.current_state_timestamp.unwrap_or(-1).into()));
    }
    fields.push(("members", members.into()));
    Json::Object(fields)
}

fn member(member: MemberMetadata, version: i16, consumer: bool) -> Json {
    let opened = |bytes: &Bytes, open: fn(&[u8]) -> Option<Json>| {
        let shown = if consumer { open(bytes) } else { None };
        shown.unwrap_or_else(|| base64(bytes).into())
    };
    let subscription = opened(&member.subscription, subscription);
    let assignment = opened(&member.assignment, assignment);
    let mut fields = vec![("memberId", member.member_id.into())];
    if version >= 3 {
        fields.push(("groupInstanceId", member.group_instance_id.into()));
    }
    fields.push(("clientId", member.client_id.into()));
    fields.push(("clientHost", member.client_host.into()));
    if version >= 1 {
        fields.push(("rebalanceTimeout", member.rebalance_timeout.unwrap_or(-1).into()));
    }
    fields.push(("sessionTimeout", member.session_timeout.into()));
    fields.push(("subscription", subscription));
    fields.push(("assignment", assignment));
    Json::Object(fields)
}

fn subscription(bytes: &[u8]) -> Option<Json> {
    let (version, rest) = number(bytes).ok()?;
    let mut rest = kafka_wire::Reader::new(rest);
    let value = ConsumerProtocolSubscription::decode(&mut rest, version.min(3)).ok()?;
    let mut fields = vec![("topics", value.topics.into()), ("userData", user_data(value.user_data))];
    if version >= 1 {
        let owned = value.owned_partitions.into_iter();
        let owned: Vec<Json> = owned.map(|owned| partitions(owned.topic, owned.partitions)).collect();
        fields.push(("ownedPartitions", owned.into()));
    }
    if version >= 2 {
        fields.push(("generationId", value.generation_id.unwrap_or(-1).into()));
    }
    if version >= 3 {
        fields.push(("rackId", value.rack_id.into()));
    }
    Some(Json::Object(fields))
}

fn assignment(bytes: &[u8]) -> Option<Json> {
    let (version, rest) = number(bytes).ok()?;
    let mut rest = kafka_wire::Reader::new(rest);
    let value = ConsumerProtocolAssignment::decode(&mut rest, version.min(3)).ok()?;
    let assigned = value.assigned_partitions.into_iter();
    let assigned: Vec<Json> = assigned.map(|given| partitions(given.topic, given.partitions)).collect();
    Some(Json::Object(vec![
        ("assignedPartitions", assigned.into()),
        ("userData", user_data(value.user_data)),
    ]))
}

fn partitions(topic: String, partitions: Vec<i32>) -> Json {
    Json::Object(vec![("topic", topic.into()), ("partitions", partitions.into())])
}

fn user_data(bytes: Option<Bytes>) -> Json {
    bytes.map(|bytes| base64(&bytes)).into()
}

fn transaction(value: &TransactionLogValue, version: i16) -> Json {
    let mut fields = vec![("producerId", Json::from(value.producer_id))];
    let newer = version >= 1;
    // Fields with a tag are shown where they differ from their default.
    if let Some(id) = value.previous_producer_id.filter(|_| newer) {
        fields.push(("previousProducerId", id.into()));
    }
    if let Some(id) = value.next_producer_id.filter(|_| newer) {
        fields.push(("nextProducerId", id.into()));
    }
    fields.push(("producerEpoch", value.producer_epoch.into()));
    if let Some(epoch) = value.next_producer_epoch.filter(|_| newer) {
        fields.push(("nextProducerEpoch", epoch.into()));
    }
    fields.push(("transactionTimeoutMs", value.transaction_timeout_ms.into()));
    fields.push(("transactionStatus", value.transaction_status.into()));
    let partitions = value.transaction_partitions.as_ref().map(|all| {
        let one = |p: &kafka_wire::messages::transaction_log_value::PartitionsSchema| {
            Json::Object(vec![
                ("topic", p.topic.as_str().into()),
                ("partitionIds", p.partition_ids.clone().into()),
            ])
        };
        all.iter().map(one).collect::<Vec<_>>()
    });
    fields.push(("transactionPartitions", partitions.into()));
    fields.push(("transactionLastUpdateTimestampMs", value.transaction_last_update_timestamp_ms.into()));
    fields.push(("transactionStartTimestampMs", value.transaction_start_timestamp_ms.into()));
    if newer && value.client_transaction_version != 0 {
        fields.push(("clientTransactionVersion", value.client_transaction_version.into()));
    }
    Json::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::{Coordinator, Undecoded};

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn a_commit_of_2_2_0_and_one_of_4() {
        let key = bytes("0001000000047465737400000000");
        let old = bytes("00030000000000000005ffffffff00026d64000001a206f647d1");
        let new = bytes("00040000000000000005ffffffff036d64000001a206f6768100");
        let old = Coordinator::Groups.decode(&key, Some(&old), true).unwrap();
        assert_eq!(old.kind, 1);
        assert_eq!(old.key.to_string(), r#"{"group":"","topic":"test","partition":0}"#);
        let (version, fields) = old.value.unwrap();
        assert_eq!(version, 3);
        let expected = r#"{"offset":5,"leaderEpoch":-1,"metadata":"md","commitTimestamp":1795413133265}"#;
        assert_eq!(fields.to_string(), expected);
        let (version, fields) = Coordinator::Groups.decode(&key, Some(&new), true).unwrap().value.unwrap();
        assert_eq!(version, 4);
        assert!(
            fields
                .to_string()
                .starts_with(r#"{"offset":5,"leaderEpoch":-1,"metadata":"md","commitTimestamp":"#)
        );
    }

    #[test]
    fn a_group_shows_what_its_members_subscribed_to_where_that_can_be_read() {
        let key = bytes("0002000b6731373935343133313333");
        let value = bytes(
            "00020008636f6e73756d657200000001000572616e6765002a70726f62652d31393662646466322d636130392d346533332d383932612d31316361\
             35616235623937666238000001a206f6539e0000000000",
        );
        // A length of the member list is cut off: it is no such value, and said so.
        assert!(matches!(Coordinator::Groups.decode(&key, Some(&value), true), Err(Undecoded::Invalid(_))));
        let empty = bytes("00020008636f6e73756d657200000003ffffffff000001a206f6703300000000");
        let (version, fields) = Coordinator::Groups.decode(&key, Some(&empty), true).unwrap().value.unwrap();
        assert_eq!(version, 2);
        assert_eq!(
            fields.to_string(),
            r#"{"protocolType":"consumer","generation":3,"protocol":null,"leader":null,"currentStateTimestamp":1795413143603,"members":[]}"#
        );
    }

    #[test]
    fn a_deleted_key_has_no_value_and_an_unknown_one_is_said_to_be() {
        let gone = Coordinator::Groups.decode(&bytes("0002000b6731373935343133313333"), None, true).unwrap();
        assert_eq!((gone.kind, gone.value), (2, None));
        assert_eq!(Coordinator::Groups.decode(&bytes("0063"), None, true), Err(Undecoded::Unknown(99)));
    }

    #[test]
    fn a_transaction_names_its_partitions() {
        let key = bytes("00000003747831");
        let value = bytes(
            "0000000000000000000200010000ea6001000000010004746573740000000100000000000001a206f6706a000001a206f6706a",
        );
        let decoded = Coordinator::Transactions.decode(&key, Some(&value), true).unwrap();
        assert_eq!(decoded.key.to_string(), r#"{"transactionalId":"tx1"}"#);
        assert_eq!(
            decoded.value.unwrap().1.to_string(),
            r#"{"producerId":2,"producerEpoch":1,"transactionTimeoutMs":60000,"transactionStatus":1,"transactionPartitions":[{"topic":"test","partitionIds":[0]}],"transactionLastUpdateTimestampMs":1795413143658,"transactionStartTimestampMs":1795413143658}"#
        );
    }
}

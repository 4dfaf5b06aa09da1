use super::*;
use crate::error::Problem;
use crate::messages::group_metadata_value::MemberMetadata;
use crate::messages::transaction_log_value::PartitionsSchema;
use crate::messages::{
    ConsumerProtocolSubscription, GroupMetadataValue, OffsetCommitValue, TransactionLogKey,
    TransactionLogValue,
};
use std::fmt::Debug;

fn hex(text: &str) -> Bytes {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// What a real broker stored reads as `expected` and is written again as the same bytes.
#[track_caller]
fn value<M: Message + Debug>(text: &str, version: i16, expected: &M) {
    let (found, message) = decode_versioned::<M>(hex(text)).unwrap();
    assert_eq!((found, &message), (version, expected));
    assert_eq!(encode_versioned(expected, version).unwrap(), hex(text));
}

#[track_caller]
fn key(text: &str, expected: &GroupKey) {
    assert_eq!(GroupKey::decode(hex(text)).as_ref(), Ok(expected));
    assert_eq!(expected.encode().unwrap(), hex(text));
}

#[test]
fn a_committed_offset_of_2_2_0() {
    let offset = OffsetCommitKey { group: String::new(), topic: "test".into(), partition: 0 };
    key("0001000000047465737400000000", &GroupKey::Offset(offset));
    let expected = OffsetCommitValue {
        offset: 5,
        metadata: "md".into(),
        commit_timestamp: 0x01a2_06f6_47d1,
        ..OffsetCommitValue::default()
    };
    value("00030000000000000005ffffffff00026d64000001a206f647d1", 3, &expected);
    let tombstone = OffsetCommitKey { group: "g1795413133".into(), topic: "test".into(), partition: 0 };
    key("0001000b673137393534313331333300047465737400000000", &GroupKey::Offset(tombstone));
}

#[test]
fn a_committed_offset_of_4_1_2() {
    let expected = OffsetCommitValue {
        offset: 5,
        metadata: "md".into(),
        commit_timestamp: 0x01a2_06f6_7681,
        ..OffsetCommitValue::default()
    };
    value("00040000000000000005ffffffff036d64000001a206f6768100", 4, &expected);
}

#[test]
fn a_stable_group_of_2_2_0() {
    key("0002000b6731373935343133313333", &GroupKey::Group(GroupMetadataKey { group: "g1795413133".into() }));
    let member = MemberMetadata {
        member_id: "probe-196bddf2-ca09-4e33-892a-11caa5b97fb8".into(),
        client_id: "probe".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout: Some(10_000),
        session_timeout: 10_000,
        subscription: Bytes::from_static(b"sub"),
        assignment: Bytes::from_static(b"ASG"),
        ..MemberMetadata::default()
    };
    let text = "00020008636f6e73756d657200000001000572616e6765002a70726f62652d31393662646466322d636130392d346533332d\
                383932612d313163616135623937666238000001a206f6539e00000001002a70726f62652d31393662646466322d63613039\
                2d346533332d383932612d313163616135623937666238000570726f6265000a2f3132372e302e302e310000271000002710\
                0000000373756200000003415347";
    let (version, found) = decode_versioned::<GroupMetadataValue>(hex(text)).unwrap();
    assert_eq!((version, found.generation, found.protocol.as_deref()), (2, 1, Some("range")));
    assert_eq!(found.leader.as_deref(), Some(found.members[0].member_id.as_str()));
    assert_eq!(found.members, [member]);
    assert_eq!(encode_versioned(&found, 2).unwrap(), hex(text));
}

#[test]
fn a_group_gone_empty_of_2_2_0() {
    let expected = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 3,
        current_state_timestamp: Some(0x01a2_06f6_7033),
        ..GroupMetadataValue::default()
    };
    value("00020008636f6e73756d657200000003ffffffff000001a206f6703300000000", 2, &expected);
}

#[test]
fn groups_of_4_1_2() {
    let created = GroupMetadataValue {
        current_state_timestamp: Some(0x01a2_06f6_761c),
        ..GroupMetadataValue::default()
    };
    value("0003000000000000ffffffff000001a206f6761c00000000", 3, &created);
    let text = "00030008636f6e73756d657200000001000572616e6765002769312d63613534396639652d346362372d346664612d616532\
                352d623531626661353334303364000001a20707ae5e00000001002769312d63613534396639652d346362372d346664612d\
                616532352d62353162666135333430336400026931000570726f6265000a2f3132372e302e302e3100002710000027100000\
                00037375620000000141";
    let (version, found) = decode_versioned::<GroupMetadataValue>(hex(text)).unwrap();
    assert_eq!((version, found.members[0].group_instance_id.as_deref()), (3, Some("i1")));
    assert_eq!(encode_versioned(&found, 3).unwrap(), hex(text));
}

#[test]
fn a_transaction_of_2_2_0_in_its_states() {
    let key = TransactionLogKey { transactional_id: "tx1".into() };
    value("00000003747831", 0, &key);
    let empty = TransactionLogValue {
        producer_id: 2,
        transaction_timeout_ms: 60_000,
        transaction_last_update_timestamp_ms: 0x01a2_06f6_704b,
        transaction_start_timestamp_ms: -1,
        ..TransactionLogValue::default()
    };
    value("0000000000000000000200000000ea6000ffffffff000001a206f6704bffffffffffffffff", 0, &empty);
    let ongoing = TransactionLogValue {
        producer_epoch: 1,
        transaction_status: 1,
        transaction_partitions: Some(vec![PartitionsSchema { topic: "test".into(), partition_ids: vec![0] }]),
        transaction_last_update_timestamp_ms: 0x01a2_06f6_706a,
        transaction_start_timestamp_ms: 0x01a2_06f6_706a,
        ..empty
    };
    let text = "0000000000000000000200010000ea6001000000010004746573740000000100000000000001a206f6706a000001a206f6706a";
    value(text, 0, &ongoing);
    let aborted = TransactionLogValue {
        transaction_status: 5,
        transaction_partitions: Some(Vec::new()),
        transaction_last_update_timestamp_ms: 0x01a2_06f6_70a6,
        ..ongoing
    };
    value("0000000000000000000200010000ea600500000000000001a206f670a6000001a206f6706a", 0, &aborted);
}

#[test]
fn younger_kinds_of_keys_are_told_apart() {
    assert_eq!(GroupKey::decode(hex("000300056772")), Ok(GroupKey::Other(3)));
    assert_eq!(GroupKey::decode(hex("00")).unwrap_err().problem, Problem::Short { needed: 2, left: 1 });
    let trailing = GroupKey::decode(hex("0002000000")).unwrap_err();
    assert_eq!(trailing.problem, Problem::Trailing(1));
}

#[test]
fn a_value_of_a_version_nobody_knows_is_refused() {
    let e = decode_versioned::<OffsetCommitValue>(hex("00050000000000000005")).unwrap_err();
    assert_eq!(e.problem, Problem::Version { min: 0, max: 4 });
}

/// What kafka-python 1.4 sends with its JoinGroup: version 0, one topic, empty user data.
#[test]
fn a_subscription_is_versioned_like_a_record() {
    let expected = ConsumerProtocolSubscription {
        topics: vec!["t".into()],
        user_data: Some(Bytes::new()),
        ..Default::default()
    };
    value("00000000000100017400000000", 0, &expected);
    value("000000000001000174ffffffff", 0, &ConsumerProtocolSubscription { user_data: None, ..expected });
}

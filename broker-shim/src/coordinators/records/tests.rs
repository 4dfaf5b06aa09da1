//! Against bytes that Kafka 2.2.0 and 4.1.2 wrote.

use super::*;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

const OFFSET_KEY: &str = "0001000000047465737400000000";
const OFFSET_V3: &str = "00030000000000000005ffffffff00026d64000001a206f647d1";
const OFFSET_V4: &str = "00040000000000000005ffffffff036d64000001a206f6768100";
const GROUP_KEY: &str = "0002000b6731373935343133313333";
const GROUP_V2: &str = "00020008636f6e73756d657200000001000572616e6765002a70726f62652d31393662646466322d636130392d346533332d383932612d313163616135623937666238000001a206f6539e00000001002a70726f62652d31393662646466322d636130392d346533332d383932612d313163616135623937666238000570726f6265000a2f3132372e302e302e3100002710000027100000000373756200000003415347";
const GROUP_V3_STATIC: &str = "00030008636f6e73756d657200000001000572616e6765002769312d63613534396639652d346362372d346664612d616532352d623531626661353334303364000001a20707ae5e00000001002769312d63613534396639652d346362372d346664612d616532352d62353162666135333430336400026931000570726f6265000a2f3132372e302e302e310000271000002710000000037375620000000141";
const GROUP_V3_NEW: &str = "0003000000000000ffffffff000001a206f6761c00000000";
const GROUP_V2_EMPTY: &str = "00020008636f6e73756d657200000003ffffffff000001a206f6703300000000";

#[test]
fn offset_key_is_kafkas() {
    let key = Key::Offset { group: String::new(), topic: "test".into(), partition: 0 };
    assert_eq!(parse_key(&hex(OFFSET_KEY)), Ok(key));
    assert_eq!(offset_key("", "test", 0), hex(OFFSET_KEY));
    let old = hex(&OFFSET_KEY.replacen("0001", "0000", 1));
    assert!(matches!(parse_key(&old), Ok(Key::Offset { .. })));
}

#[test]
fn group_key_is_kafkas() {
    assert_eq!(parse_key(&hex(GROUP_KEY)), Ok(Key::Group("g1795413133".into())));
    assert_eq!(group_key("g1795413133"), hex(GROUP_KEY));
    assert_eq!(parse_key(&[0, 9]), Ok(Key::Other(9)));
}

fn five(at: i64) -> OffsetValue {
    OffsetValue {
        offset: 5,
        leader_epoch: None,
        metadata: "md".into(),
        committed_at: time(at),
        expires_at: None,
    }
}

#[test]
fn offset_value_3_is_written_and_all_are_read() {
    let v3 = five(0x01a2_06f6_47d1);
    assert_eq!(parse_offset(&hex(OFFSET_V3)), Ok(v3.clone()));
    assert_eq!(offset_value(&v3), hex(OFFSET_V3));
    assert_eq!(parse_offset(&hex(OFFSET_V4)), Ok(five(0x01a2_06f6_7681)));
    let with_topic_id =
        "0004000000000000000affffffff076d6574612d31000001a207503795010010ba9efd43fb5e4dca8a8bbb60c35ddb45";
    assert_eq!(parse_offset(&hex(with_topic_id)).unwrap().metadata, "meta-1");
    for version in ["0000", "0002"] {
        let old = format!("{version}000000000000000500026d640000000000000007");
        assert_eq!(parse_offset(&hex(&old)), Ok(five(7)));
    }
}

#[test]
fn offset_with_a_retention_of_its_own_is_version_1() {
    let v1 = OffsetValue { expires_at: Some(time(9)), ..five(7) };
    let bytes = hex("0001000000000000000500026d6400000000000000070000000000000009");
    assert_eq!(offset_value(&v1), bytes);
    assert_eq!(parse_offset(&bytes), Ok(v1));
    // Kafka writes -1 for none here.
    let none = hex("0001000000000000000500026d640000000000000007ffffffffffffffff");
    assert_eq!(parse_offset(&none).unwrap().expires_at, None);
}

#[test]
fn group_value_3_is_written_and_all_are_read() {
    let stored = parse_group(&hex(GROUP_V3_STATIC)).unwrap();
    assert_eq!(stored.members[0].instance_id.as_deref(), Some("i1"));
    assert_eq!(stored.members[0].assignment, "A".as_bytes());
    assert_eq!(group_value(&stored), hex(GROUP_V3_STATIC));

    let v2 = parse_group(&hex(GROUP_V2)).unwrap();
    assert_eq!((v2.generation, v2.protocol.as_deref()), (1, Some("range")));
    assert_eq!(v2.members[0].client_host, "/127.0.0.1");
    assert_eq!(v2.members[0].session_timeout_ms, 10_000);
    assert_eq!(v2.members[0].subscription, "sub".as_bytes());

    let new = parse_group(&hex(GROUP_V3_NEW)).unwrap();
    assert_eq!(group_value(&new), hex(GROUP_V3_NEW));
    let empty = parse_group(&hex(GROUP_V2_EMPTY)).unwrap();
    assert_eq!((empty.generation, empty.protocol, empty.leader), (3, None, None));
}

#[test]
fn group_values_0_1_and_4_are_read() {
    let head = "000163000000010001700001 6c".replace(' ', "");
    let old = |version: &str, timeouts: &str| {
        let member = format!("00016d00016300016800{timeouts}0000000173000000 0161").replace(' ', "");
        hex(&format!("{version}{head}00000001{}", member.replacen("00016800", "000168", 1)))
    };
    let v0 = parse_group(&old("0000", "00000007")).unwrap();
    assert_eq!((v0.members[0].session_timeout_ms, v0.members[0].rebalance_timeout_ms), (7, 7));
    let v1 = parse_group(&old("0001", "0000000900000007")).unwrap();
    assert_eq!((v1.members[0].session_timeout_ms, v1.members[0].rebalance_timeout_ms), (7, 9));
    let v4 = hex("0004026300000001027002 6c000000000000000502026d02690263026800000009000000070273026100 00"
        .replace(' ', "")
        .as_str());
    let v4 = parse_group(&v4).unwrap();
    assert_eq!((v4.leader.as_deref(), v4.since), (Some("l"), Some(time(5))));
    assert_eq!(v4.members[0].instance_id.as_deref(), Some("i"));
    assert_eq!(v4.members[0].assignment, "a".as_bytes());
}

#[test]
fn damage_is_an_error_at_every_length() {
    for text in [OFFSET_V3, OFFSET_V4, GROUP_V2, GROUP_V3_STATIC] {
        let bytes = hex(text);
        let parse =
            |cut: &[u8]| if text.len() < 80 { parse_offset(cut).is_ok() } else { parse_group(cut).is_ok() };
        assert!(parse(&bytes));
        for cut in 0..bytes.len() {
            assert!(!parse(&bytes[..cut]), "{cut} bytes of {text}");
        }
    }
    assert_eq!(parse_offset(&[0, 5]), Err(RecordError::Version { kind: "offset value", version: 5 }));
}

#[test]
fn partition_is_javas_hash() {
    // Values of String.hashCode: "" 0, "a" 97, "polygenelubricants" -2147483648.
    assert_eq!(partition_for("", 50), 0);
    assert_eq!(partition_for("a", 50), 47);
    assert_eq!(partition_for("polygenelubricants", 50), 0);
    // "golden-group-1".hashCode() is 1446936021; a pair of surrogates counts as two units.
    assert_eq!(partition_for("\u{1F600}", 50), (0xD83D_i32 * 31 + 0xDE00) % 50);
}

proptest! {
    /// Whatever is in a log, reading it does not panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 0u8..6) {
        let _ = parse_key(&bytes);
        let mut versioned = vec![0, version];
        versioned.extend(bytes);
        let _ = parse_offset(&versioned);
        let _ = parse_group(&versioned);
    }

    #[test]
    fn what_is_written_is_read(offset in any::<i64>(), epoch in proptest::option::of(0i32..), metadata in ".{0,40}",
                               at in 0i64.., ends in proptest::option::of(0i64..)) {
        let value = OffsetValue {
            offset,
            leader_epoch: epoch.filter(|_| ends.is_none()),
            metadata,
            committed_at: time(at),
            expires_at: ends.map(time),
        };
        prop_assert_eq!(parse_offset(&offset_value(&value)), Ok(value));
    }
}

//! Message sets of magic 0 and 1: what clients from before record batches send and get.

use super::fetch::{bytes, only, request};
use super::rig::{Rig, batch, error};
use crate::convert::OldMagic;
use crate::convert::message::{Message, NewMessage};
use bytes::Bytes;
use kafka_wire::ErrorCode;
use kafka_wire::messages::FetchRequest;
use log_engine::format::batch::{Codec, TimestampType};
use log_engine::types::{Offset, Timestamp};

fn set(magic: OldMagic, values: &[&[u8]]) -> Bytes {
    let mut out = Vec::new();
    for value in values {
        let message = NewMessage {
            offset: Offset::ZERO,
            codec: Codec::None,
            timestamp_type: TimestampType::CreateTime,
            timestamp: Timestamp::from_millis(1000),
            key: Some(b"k"),
            value: Some(value),
        };
        message.put(magic, &mut out).unwrap();
    }
    out.into()
}

/// Offset, time and value of each message of a set.
fn messages(mut data: &[u8]) -> Vec<(i64, Option<i64>, Vec<u8>)> {
    let mut all = Vec::new();
    while let Ok(Some((message, _))) = Message::take(&mut data) {
        let time = message.timestamp.map(Timestamp::as_millis);
        all.push((message.raw_offset, time, message.value.unwrap().to_vec()));
    }
    all
}

#[tokio::test]
async fn message_sets_become_batches_and_come_back_in_every_old_version() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for (version, magic) in [(0, OldMagic::V0), (1, OldMagic::V0), (2, OldMagic::V1)] {
        let answer = client.produce(version, &topic, set(magic, &[b"a", b"b"])).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, i64::from(version) * 2), "version {version}");
    }
    for version in 0..=3 {
        let response = client.call(version, &request(version, &topic, 0)).await;
        let found = messages(&bytes(only(&response)));
        let offsets: Vec<i64> = found.iter().map(|(offset, ..)| *offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3, 4, 5], "version {version}");
        assert_eq!(found[5].2, b"b");
        assert_eq!(found[5].1, (version >= 2).then_some(1000), "version {version}");
        assert_eq!(only(&response).high_watermark, 6);
    }
    // And a new client sees batches.
    let response = client.call(12, &request(12, &topic, 0)).await;
    assert_eq!(bytes(only(&response))[16], 2);
}

#[tokio::test]
async fn a_batch_is_converted_down_for_old_consumers() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    client.produce(9, &topic, batch(&[b"a", b"b", b"c"])).await;
    for version in 0..=3 {
        let response = client.call(version, &request(version, &topic, 1)).await;
        let values: Vec<Vec<u8>> = messages(&bytes(only(&response))).into_iter().map(|m| m.2).collect();
        assert_eq!(values.last().unwrap(), b"c", "version {version}");
    }
}

#[tokio::test]
async fn old_consumers_get_a_cut_message_below_version_3_and_a_whole_one_from_then_on() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    client.produce(9, &topic, batch(&[&[7; 500]])).await;
    for version in 0..=3 {
        let mut small = request(version, &topic, 0);
        small.topics[0].partitions[0].partition_max_bytes = 60;
        let found = bytes(only(&client.call(version, &small).await));
        if version < 3 {
            assert_eq!(found.len(), 60, "version {version}");
        } else {
            assert_eq!(messages(&found).len(), 1, "version {version}");
        }
    }
}

#[tokio::test]
async fn conversion_may_be_switched_off() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[("message.downconversion.enable", "false")]);
    let mut client = rig.client().await;
    client.produce(9, &topic, batch(&[b"a"])).await;
    let response = client.call(3, &request(3, &topic, 0)).await;
    assert_eq!(error(only(&response).error_code), ErrorCode::UnsupportedVersion);
    assert_eq!(only(&client.call(4, &request(4, &topic, 0)).await).error_code, 0);
}

#[tokio::test]
async fn a_message_with_a_wrong_checksum_is_corrupt() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut bytes = set(OldMagic::V1, &[b"a"]).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let answer = rig.client().await.produce(2, &topic, bytes.into()).await;
    assert_eq!(error(answer.error_code), ErrorCode::CorruptMessage);
}

/// What conversion makes lies in memory until the client took it.
#[tokio::test]
async fn an_answer_with_converted_records_has_a_limit_of_its_own() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for _ in 0..12 {
        assert_eq!(client.produce(9, &topic, batch(&[&vec![7; 1_000_000]])).await.error_code, 0);
    }
    for version in [1, 3] {
        let mut large = request(version, &topic, 0);
        large.topics[0].partitions[0].partition_max_bytes = 50 << 20;
        let found = bytes(only(&client.call(version, &large).await)).len();
        assert!((7_000_000..=8 << 20).contains(&found), "{found} bytes in version {version}");
    }
}

#[tokio::test]
async fn without_room_for_conversion_there_are_no_records_and_no_error() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    client.produce(9, &topic, batch(&[b"a"])).await;
    let all = rig.state.conversions.available_permits();
    let held = rig.state.conversions.acquire_many(u32::try_from(all).unwrap()).await.unwrap();
    let response = client.call(3, &request(3, &topic, 0)).await;
    assert_eq!((only(&response).error_code, bytes(only(&response)).len()), (0, 0));
    assert_eq!(only(&response).high_watermark, 1);
    drop(held);
    let response = client.call(3, &request(3, &topic, 0)).await;
    assert_eq!(messages(&bytes(only(&response))).len(), 1);
}

/// Clients that ask for much and read nothing.
#[tokio::test]
async fn converted_answers_that_nobody_reads_are_bounded_together() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for _ in 0..9 {
        client.produce(9, &topic, batch(&[&vec![7; 1_000_000]])).await;
    }
    let all = rig.state.conversions.available_permits();
    let mut large = request(3, &topic, 0);
    large.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    let mut deaf = Vec::new();
    for _ in 0..40 {
        let mut client = rig.client().await;
        client.send(3, &large).await;
        deaf.push(client);
    }
    // Those that found no room are answered without records; the others hold theirs.
    let first_bytes = async {
        for client in &deaf {
            client.stream.readable().await.unwrap();
        }
    };
    tokio::time::timeout(super::rig::SOON, first_bytes).await.unwrap();
    assert!(rig.state.conversions.available_permits() < all);
    let mut with_records = 0;
    for client in &mut deaf {
        with_records += usize::from(!bytes(only(&client.receive::<FetchRequest>(3).await)).is_empty());
    }
    assert!((1..40).contains(&with_records), "{with_records} of 40");
    // The last write ends a moment after its last byte was read.
    for _ in 0..100 {
        if rig.state.conversions.available_permits() == all {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} of {all} given back", rig.state.conversions.available_permits());
}

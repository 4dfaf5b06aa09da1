//! Produce: acks, codes by version, and what is in the log afterwards.

use super::rig::{Rig, batch, error, produce_request};
use bytes::{Bytes, BytesMut};
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::{ApiVersionsRequest, ProduceRequest};
use kafka_wire::{ErrorCode, Uuid};
use log_engine::format::batch::{ATTRIBUTES_AT, CRC_AT, ProducerStamp};
use log_engine::format::build::{BatchBuilder, NewRecord};
use log_engine::io::{MemStorage, Storage};
use log_engine::types::{Offset, ProducerEpoch, ProducerId, Sequence};
use std::sync::Arc;

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

#[tokio::test]
async fn a_batch_of_the_present_format_is_accepted_in_every_version() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for version in 0..=13 {
        let answer = client.produce(version, &topic, batch(&[b"a", b"b"])).await;
        assert_eq!(error(answer.error_code), ErrorCode::None, "version {version}");
        assert_eq!(answer.base_offset, i64::from(version) * 2, "version {version}");
        assert_eq!(answer.log_append_time_ms, None);
        assert_eq!(answer.log_start_offset, (version >= 5).then_some(0), "version {version}");
    }
}

#[tokio::test]
async fn acks_all_is_answered_after_the_sync() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for nth in 1..=20 {
        client.produce(9, &topic, batch(&[b"a"])).await;
        assert!(topic.partition(0).unwrap().synced_end() >= offset(nth));
    }
}

#[tokio::test]
async fn acks_0_has_no_answer_and_closes_on_an_error() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    client.send(7, &produce_request(7, 0, &topic, 0, batch(&[b"a"]))).await;
    // The next answer is that of the next request.
    let versions = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.error_code, 0);
    assert_eq!(topic.partition(0).unwrap().end_offset(), offset(1));
    client.send(7, &produce_request(7, 0, &topic, 5, batch(&[b"a"]))).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn wrong_acks_are_refused_on_every_partition() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for acks in [2, -2, i16::MAX] {
        let answer = client.call(3, &produce_request(3, acks, &topic, 0, batch(&[b"a"]))).await;
        assert_eq!(
            error(answer.responses[0].partition_responses[0].error_code),
            ErrorCode::InvalidRequiredAcks
        );
    }
    assert_eq!(topic.partition(0).unwrap().end_offset(), Offset::ZERO);
}

/// What is wrong with a batch, and the codes below and from version 8 on.
fn damaged() -> Vec<(&'static str, Bytes, ErrorCode, ErrorCode)> {
    let change = |what: fn(&mut BytesMut)| {
        let mut bytes = BytesMut::from(&batch(&[b"a", b"b"])[..]);
        what(&mut bytes);
        bytes.freeze()
    };
    let resealed = |what: fn(&mut BytesMut)| {
        let mut bytes = BytesMut::from(&batch(&[b"a", b"b"])[..]);
        what(&mut bytes);
        let crc = crc32c(&bytes[ATTRIBUTES_AT..]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        bytes.freeze()
    };
    let (old, new) = (ErrorCode::CorruptMessage, ErrorCode::InvalidRecord);
    vec![
        ("wrong checksum", change(|b| b[CRC_AT] ^= 1), old, ErrorCode::CorruptMessage),
        ("no batch", Bytes::new(), old, new),
        ("cut batch", batch(&[b"a"]).slice(..50), old, new),
        ("two batches", [batch(&[b"a"]), batch(&[b"b"])].concat().into(), old, new),
        ("base offset", change(|b| b[7] = 1), old, new),
        ("control bit", resealed(|b| b[ATTRIBUTES_AT + 1] |= 1 << 5), old, new),
        ("count", resealed(|b| b[60] = 9), old, new),
        ("magic 1", change(|b| b[16] = 1), old, new),
        ("magic 3", change(|b| b[16] = 3), old, ErrorCode::CorruptMessage),
        // Bits that would mean zstd and a transaction, were this a batch.
        ("random bytes", (1..120).collect::<Vec<u8>>().into(), old, ErrorCode::CorruptMessage),
    ]
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[tokio::test]
async fn damaged_batches_have_the_code_of_their_version_and_are_not_stored() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for (what, bytes, old, new) in damaged() {
        for version in [3, 7, 8, 13] {
            let answer = client.produce(version, &topic, bytes.clone()).await;
            let expected = if version < 8 { old } else { new };
            assert_eq!(error(answer.error_code), expected, "{what}, version {version}");
            assert_eq!(answer.base_offset, -1);
            assert_eq!(answer.error_message.is_some(), version >= 8, "{what}, version {version}");
        }
    }
    assert_eq!(topic.partition(0).unwrap().end_offset(), Offset::ZERO);
}

#[tokio::test]
async fn a_batch_above_the_limit_is_too_large() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let answer = rig.client().await.produce(9, &topic, batch(&[&vec![7; 1_100_000]])).await;
    assert_eq!(error(answer.error_code), ErrorCode::MessageTooLarge);
}

#[tokio::test]
async fn zstd_needs_version_7() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let mut bytes = BytesMut::from(&batch(&[b"a"])[..]);
    bytes[ATTRIBUTES_AT + 1] |= 4;
    let answer = client.produce(6, &topic, bytes.freeze()).await;
    assert_eq!(error(answer.error_code), ErrorCode::UnsupportedCompressionType);
}

/// The offset that the next answer tells. All requests were sent with the first correlation id.
async fn next_base(client: &mut super::rig::Client) -> i64 {
    let (_, body) =
        kafka_wire::header::split_response(kafka_wire::ApiKey::Produce, 9, client.frame().await).unwrap();
    let answer: kafka_wire::messages::ProduceResponse = kafka_wire::Message::from_body(body, 9).unwrap();
    answer.responses[0].partition_responses[0].base_offset
}

/// The appends sync, off the runtime's threads, and still happen in the order of the requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_messages_syncs_before_the_answer_and_keeps_the_order() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[("flush.messages", "1")]);
    let mut client = rig.client().await;
    for nth in 0..10_u8 {
        client.send(9, &produce_request(9, 1, &topic, 0, batch(&[&[nth]]))).await;
    }
    for nth in 0..10 {
        assert_eq!(next_base(&mut client).await, nth);
        assert!(topic.partition(0).unwrap().synced_end() > offset(nth));
    }
}

#[tokio::test]
async fn unknown_topics_and_partitions_do_not_hinder_the_others() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let data = |index| PartitionProduceData { index, records: Some(batch(&[b"a"])) };
    let named = |name: &str, partitions: Vec<i32>| TopicProduceData {
        name: name.to_owned(),
        partition_data: partitions.into_iter().map(data).collect(),
        ..TopicProduceData::default()
    };
    let topic_data = vec![named("nowhere", vec![0]), named("t", vec![1, 0, -1]), named("bad name", vec![0])];
    let answer = client.call(7, &ProduceRequest { acks: -1, topic_data, ..ProduceRequest::default() }).await;
    let codes: Vec<Vec<i16>> = answer
        .responses
        .iter()
        .map(|topic| topic.partition_responses.iter().map(|partition| partition.error_code).collect())
        .collect();
    assert_eq!(codes, [vec![3], vec![3, 0, 3], vec![3]]);
    assert_eq!(topic.partition(0).unwrap().end_offset(), offset(1));
}

#[tokio::test]
async fn an_unknown_topic_id_has_a_code_of_its_own() {
    let rig = Rig::new().await;
    let topic_data = vec![TopicProduceData {
        topic_id: Uuid([9; 16]),
        partition_data: vec![PartitionProduceData { index: 0, records: Some(batch(&[b"a"])) }],
        ..TopicProduceData::default()
    }];
    let request = ProduceRequest { acks: 1, topic_data, ..ProduceRequest::default() };
    let answer = rig.client().await.call(13, &request).await;
    assert_eq!(error(answer.responses[0].partition_responses[0].error_code), ErrorCode::UnknownTopicId);
}

#[tokio::test]
async fn transactional_batches_are_refused_while_there_are_no_transactions() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let mut bytes = BytesMut::from(&batch(&[b"a"])[..]);
    bytes[ATTRIBUTES_AT + 1] |= 1 << 4;
    let mut request = produce_request(9, -1, &topic, 0, bytes.freeze());
    let answer = client.call(9, &request).await;
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(error(code), ErrorCode::TransactionalIdAuthorizationFailed);
    request.transactional_id = Some("x".to_owned());
    let answer = client.call(9, &request).await;
    assert_eq!(error(answer.responses[0].partition_responses[0].error_code), ErrorCode::InvalidTxnState);
}

#[tokio::test]
async fn a_batch_that_is_sent_twice_is_stored_once() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let stamped = |sequence: i32| -> Bytes {
        let mut builder = BatchBuilder::new().producer(ProducerStamp {
            id: ProducerId::new(7).unwrap(),
            epoch: ProducerEpoch::new(0).unwrap(),
            base_sequence: Sequence::new(sequence),
        });
        builder.push(&NewRecord::value(b"v"));
        builder.finish().unwrap().into()
    };
    for (sequence, code, offset) in [(0, 0, 0), (1, 0, 1), (0, 0, 0), (1, 0, 1), (5, 45, -1), (2, 0, 2)] {
        let answer = client.produce(9, &topic, stamped(sequence)).await;
        assert_eq!((answer.error_code, answer.base_offset), (code, offset), "sequence {sequence}");
    }
}

#[tokio::test]
async fn times_ahead_of_the_clock_are_refused_from_version_8_on() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let ahead = rig.state.clock.now().saturating_add_millis(2 * 3_600_000);
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::value(b"now")).push(&NewRecord::value(b"then").at(ahead));
    let bytes: Bytes = builder.finish().unwrap().into();
    assert_eq!(client.produce(7, &topic, bytes.clone()).await.error_code, 0);
    let answer = client.produce(8, &topic, bytes).await;
    assert_eq!(error(answer.error_code), ErrorCode::InvalidTimestamp);
    let indexes: Vec<i32> = answer.record_errors.iter().map(|record| record.batch_index).collect();
    assert_eq!(indexes, [1]);
    let text = "One or more records have been rejected due to invalid timestamp";
    assert_eq!(answer.error_message.as_deref(), Some(text));
}

#[tokio::test]
async fn a_compacted_topic_wants_keys() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[("cleanup.policy", "compact")]);
    let mut client = rig.client().await;
    let old = client.produce(7, &topic, batch(&[b"a", b"b"])).await;
    assert_eq!(error(old.error_code), ErrorCode::CorruptMessage);
    let new = client.produce(8, &topic, batch(&[b"a", b"b"])).await;
    assert_eq!(error(new.error_code), ErrorCode::InvalidRecord);
    assert_eq!(new.record_errors.len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_retriable_and_reads_go_on() {
    let storage = Arc::new(MemStorage::new());
    let rig = Rig::on(Arc::clone(&storage) as Arc<dyn Storage>, &[]).await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    assert_eq!(client.produce(9, &topic, batch(&[b"before"])).await.error_code, 0);
    storage.set_capacity(0);
    let large = batch(&[&vec![1; 1_000_000]]);
    let mut code = 0;
    // The blocks that were reserved before may still take some.
    for _ in 0..200 {
        code = client.produce(9, &topic, large.clone()).await.error_code;
        if code != 0 {
            break;
        }
    }
    assert_eq!(error(code), ErrorCode::KafkaStorageError);
    assert_eq!(
        error(client.produce(3, &topic, large.clone()).await.error_code),
        ErrorCode::NotLeaderOrFollower
    );
    let read = client.call(12, &super::fetch::request(12, &topic, 0)).await;
    assert_eq!(super::fetch::only(&read).error_code, 0);
    assert!(!super::fetch::bytes(super::fetch::only(&read)).is_empty());
    storage.set_capacity(u64::MAX);
    assert_eq!(client.produce(9, &topic, large).await.error_code, 0, "space has returned");
}

#[tokio::test]
async fn pipelined_produces_are_stored_and_answered_in_order() {
    let rig = Rig::new().await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for nth in 0..50_u8 {
        client.send(9, &produce_request(9, -1, &topic, 0, batch(&[&[nth]]))).await;
    }
    for nth in 0..50 {
        assert_eq!(next_base(&mut client).await, nth);
    }
}

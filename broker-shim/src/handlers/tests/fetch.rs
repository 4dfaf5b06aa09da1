//! Fetch: ranges, limits, waiting, and errors.

use super::rig::{Client, Rig, batch, error, named, produce_request};
use crate::metadata::Topic;
use bytes::Bytes;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_wire::messages::fetch_response::PartitionData;
use kafka_wire::messages::{FetchRequest, FetchResponse};
use kafka_wire::{ErrorCode, Payload, Uuid};
use log_engine::format::batch::BatchView;
use std::time::{Duration, Instant};

pub(super) fn request(version: i16, topic: &Topic, offset: i64) -> FetchRequest {
    let (name, topic_id) = named(version, 13, topic);
    let partition = FetchPartition {
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        high_watermark: i64::MAX,
        ..FetchPartition::default()
    };
    FetchRequest {
        max_bytes: i32::MAX,
        min_bytes: 1,
        session_epoch: None,
        topics: vec![FetchTopic { topic: name, topic_id, partitions: vec![partition] }],
        ..FetchRequest::default()
    }
}

pub(super) fn only(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

pub(super) fn bytes(partition: &PartitionData) -> Bytes {
    match &partition.records {
        Payload::Bytes(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

/// Base offsets of the batches in an answer.
pub(super) fn bases(partition: &PartitionData) -> Vec<i64> {
    let (records, mut rest, mut bases) = (bytes(partition), 0, Vec::new());
    while rest < records.len() {
        let view = BatchView::parse(&records[rest..]).unwrap();
        view.check_crc().unwrap();
        bases.push(view.base_offset().get());
        rest += view.len();
    }
    bases
}

async fn filled(rig: &Rig, client: &mut Client, batches: u8) -> std::sync::Arc<Topic> {
    let topic = rig.topic("t", 1, &[]);
    for nth in 0..batches {
        client.produce(9, &topic, batch(&[&[nth; 100], b"second"])).await;
    }
    topic
}

#[tokio::test]
async fn what_was_produced_is_fetched_in_every_version() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 3).await;
    for version in 4..=18 {
        let response = client.call(version, &request(version, &topic, 0)).await;
        let partition = only(&response);
        assert_eq!(error(partition.error_code), ErrorCode::None, "version {version}");
        assert_eq!(bases(partition), [0, 2, 4], "version {version}");
        assert_eq!(partition.high_watermark, 6);
        assert_eq!(partition.last_stable_offset, Some(6));
        assert_eq!(partition.log_start_offset, (version >= 5).then_some(0));
        assert_eq!(partition.aborted_transactions, None);
        assert_eq!(response.session_id, 0);
    }
}

#[tokio::test]
async fn a_fetch_begins_with_the_batch_that_holds_the_offset() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 3).await;
    assert_eq!(bases(only(&client.call(11, &request(11, &topic, 3)).await)), [2, 4]);
}

#[tokio::test]
async fn a_large_range_leaves_by_sendfile_and_arrives_whole() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = rig.topic("t", 1, &[]);
    for nth in 0..20_u8 {
        client.produce(9, &topic, batch(&[&vec![nth; 40_000]])).await;
    }
    let response = client.call(12, &request(12, &topic, 0)).await;
    assert_eq!(bases(only(&response)), (0..20).collect::<Vec<i64>>());
    let sent = rig.server.traffic().bytes_sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!(sent >= 800_000, "{sent} bytes by sendfile");
}

/// Drops the log's records from the page cache, as far as the file system lets us.
fn evict(topic: &Topic) {
    let log = topic.partition(0).unwrap();
    log.sync().unwrap();
    let file = std::fs::File::open(log.dir().join("00000000000000000000.log")).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

#[tokio::test]
async fn what_is_not_in_memory_is_read_all_the_same() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = rig.topic("t", 1, &[]);
    for nth in 0..20_u8 {
        client.produce(9, &topic, batch(&[&vec![nth; 40_000]])).await;
    }
    evict(&topic);
    let all = client.call(12, &request(12, &topic, 0)).await;
    assert_eq!(bases(only(&all)), (0..20).collect::<Vec<i64>>());
    evict(&topic);
    let mut one = request(12, &topic, 7);
    one.max_bytes = 1;
    assert_eq!(bases(only(&client.call(12, &one).await)), [7]);
}

#[tokio::test]
async fn the_first_batch_is_whole_whatever_the_limits() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 3).await;
    let mut small = request(7, &topic, 0);
    small.topics[0].partitions[0].partition_max_bytes = 1;
    small.max_bytes = 1;
    assert_eq!(bases(only(&client.call(7, &small).await)), [0]);
}

#[tokio::test]
async fn the_limit_of_a_request_is_spent_in_the_order_of_its_partitions() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = rig.topic("t", 2, &[]);
    for index in 0..2 {
        client.call(9, &produce_request(9, -1, &topic, index, batch(&[&[1; 1000]]))).await;
    }
    let mut request = request(12, &topic, 0);
    let second = FetchPartition { partition: 1, ..request.topics[0].partitions[0].clone() };
    request.topics[0].partitions.push(second);
    request.max_bytes = 1100;
    let response = client.call(12, &request).await;
    let lengths: Vec<usize> = response.responses[0].partitions.iter().map(|p| bytes(p).len()).collect();
    assert!(lengths[0] > 1000 && lengths[1] == 0, "{lengths:?}");
}

#[tokio::test]
async fn an_offset_outside_the_log_is_told_at_once() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    for offset in [-1, 3, i64::MAX] {
        let mut request = request(12, &topic, offset);
        request.max_wait_ms = 60_000;
        let response = client.call(12, &request).await;
        assert_eq!(error(only(&response).error_code), ErrorCode::OffsetOutOfRange, "offset {offset}");
        assert_eq!(only(&response).high_watermark, -1);
        assert_eq!(only(&response).last_stable_offset, None);
        assert_eq!(only(&response).log_start_offset, None);
    }
}

#[tokio::test]
async fn a_fetch_at_the_end_waits_for_the_next_batch() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    let mut waiting = rig.client().await;
    let mut request = request(12, &topic, 2);
    request.max_wait_ms = 30_000;
    waiting.send(12, &request).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.produce(9, &topic, batch(&[b"new"])).await;
    assert_eq!(bases(only(&waiting.receive::<FetchRequest>(12).await)), [2]);
}

#[tokio::test]
async fn a_fetch_waits_until_there_are_enough_bytes() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    let mut waiting = rig.client().await;
    let mut request = request(12, &topic, 0);
    request.max_wait_ms = 30_000;
    request.min_bytes = 600;
    waiting.send(12, &request).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.produce(9, &topic, batch(&[&[0; 100]])).await;
    }
    let length = bytes(only(&waiting.receive::<FetchRequest>(12).await)).len();
    assert!((600..800).contains(&length), "{length}");
}

#[tokio::test]
async fn a_fetch_without_data_is_answered_when_its_time_is_up() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 0).await;
    let mut request = request(12, &topic, 0);
    request.max_wait_ms = 300;
    let start = Instant::now();
    let response = client.call(12, &request).await;
    assert_eq!(error(only(&response).error_code), ErrorCode::None);
    assert!(bytes(only(&response)).is_empty());
    assert!((290..1500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn min_bytes_0_is_answered_at_once() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 0).await;
    let mut request = request(12, &topic, 0);
    (request.max_wait_ms, request.min_bytes) = (60_000, 0);
    assert!(bytes(only(&client.call(12, &request).await)).is_empty());
}

#[tokio::test]
async fn epochs_that_do_not_fit_are_told() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    let ours = topic.partition(0).unwrap().epoch().get();
    let mut request = request(12, &topic, 0);
    request.topics[0].partitions[0].current_leader_epoch = Some(ours + 1);
    let response = client.call(12, &request).await;
    assert_eq!(error(only(&response).error_code), ErrorCode::UnknownLeaderEpoch);
    for fits in [ours, -2, i32::MIN] {
        request.topics[0].partitions[0].current_leader_epoch = Some(fits);
        assert_eq!(only(&client.call(12, &request).await).error_code, 0, "epoch {fits}");
    }
}

#[tokio::test]
async fn unknown_topics_have_the_code_of_their_version() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 0).await;
    let mut by_name = request(12, &topic, 0);
    by_name.topics[0].topic = "nowhere".to_owned();
    let response = client.call(12, &by_name).await;
    assert_eq!(error(only(&response).error_code), ErrorCode::UnknownTopicOrPartition);
    let mut by_id = request(13, &topic, 0);
    by_id.topics[0].topic_id = Uuid([7; 16]);
    assert_eq!(error(only(&client.call(13, &by_id).await).error_code), ErrorCode::UnknownTopicId);
    let mut partition = request(13, &topic, 0);
    partition.topics[0].partitions[0].partition = 1;
    assert_eq!(
        error(only(&client.call(13, &partition).await).error_code),
        ErrorCode::UnknownTopicOrPartition
    );
}

/// Sends the request in a session; the answer's session id, code, and partitions as (index, code, has records).
async fn in_session(
    client: &mut Client,
    request: &mut FetchRequest,
    id: i32,
    epoch: i32,
) -> (i32, i16, Vec<(i32, i16, bool)>) {
    (request.session_id, request.session_epoch) = (id, Some(epoch).filter(|epoch| *epoch != -1));
    let response = client.call(12, request).await;
    let told = response.responses.iter().flat_map(|topic| &topic.partitions);
    let told = told.map(|p| (p.partition_index, p.error_code, !bytes(p).is_empty())).collect();
    (response.session_id, response.error_code, told)
}

fn partition(index: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition {
        partition: index,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        high_watermark: i64::MAX,
        ..FetchPartition::default()
    }
}

/// As Kafka 4.3.1 answered the same requests.
#[tokio::test]
async fn a_session_is_told_only_what_is_new() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = rig.topic("t", 3, &[]);
    client.produce(9, &topic, batch(&[b"a"])).await;
    let mut request = request(12, &topic, 0);
    request.min_bytes = 0;
    request.topics[0].partitions = vec![partition(0, 0), partition(1, 0), partition(7, 0)];
    let (id, code, told) = in_session(&mut client, &mut request, 0, 0).await;
    assert_eq!((id != 0, code, told), (true, 0, vec![(0, 0, true), (1, 0, false), (7, 3, false)]));
    // Records and errors come again; partition 0 was moved to the end of the queue.
    request.topics.clear();
    let told = in_session(&mut client, &mut request, id, 1).await;
    assert_eq!(told, (id, 0, vec![(7, 3, false), (0, 0, true)]));
    request.topics = vec![FetchTopic {
        topic: "t".to_owned(),
        partitions: vec![partition(0, 1)],
        ..FetchTopic::default()
    }];
    request.forgotten_topics_data =
        vec![ForgottenTopic { topic: "t".to_owned(), partitions: vec![7], ..ForgottenTopic::default() }];
    assert_eq!(in_session(&mut client, &mut request, id, 2).await, (id, 0, vec![]));
    request.topics.clear();
    request.forgotten_topics_data.clear();
    assert_eq!(in_session(&mut client, &mut request, id, 3).await, (id, 0, vec![]));
    client.produce(9, &topic, batch(&[b"b"])).await;
    assert_eq!(in_session(&mut client, &mut request, id, 4).await, (id, 0, vec![(0, 0, true)]));
    // An end that the client has not heard of is news without records.
    request.topics = vec![FetchTopic {
        topic: "t".to_owned(),
        partitions: vec![partition(0, 3)],
        ..FetchTopic::default()
    }];
    client.produce(9, &topic, batch(&[b"c"])).await;
    assert_eq!(in_session(&mut client, &mut request, id, 5).await, (id, 0, vec![(0, 0, false)]));
    request.topics.clear();
    assert_eq!(in_session(&mut client, &mut request, id, 6).await, (id, 0, vec![]));
}

#[tokio::test]
async fn requests_that_fit_no_session_are_told() {
    let rig = Rig::with(&[("max.incremental.fetch.session.cache.slots", "1")]).await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    let full = FetchRequest { min_bytes: 0, ..request(12, &topic, 0) };
    let mut more = FetchRequest { topics: Vec::new(), ..full.clone() };
    let whole = vec![(0, 0, true)];
    for (id, epoch) in [(5, 1), (0, 5), (0, -2)] {
        assert_eq!(in_session(&mut client, &mut more, id, epoch).await, (0, 70, vec![]), "{id} {epoch}");
    }
    let (id, _, told) = in_session(&mut client, &mut full.clone(), 0, 0).await;
    assert_eq!((id != 0, &told), (true, &whole));
    assert_eq!(in_session(&mut client, &mut more, id, 2).await, (0, 71, vec![]), "not the next one");
    assert_eq!(in_session(&mut client, &mut full.clone(), 0, 0).await, (0, 0, whole.clone()), "no room");
    (more.session_id, more.session_epoch) = (id, Some(1));
    let by_id = client.call(13, &more).await;
    assert_eq!((error(by_id.error_code), by_id.session_id), (ErrorCode::FetchSessionTopicIdError, 0));
    assert_eq!(in_session(&mut client, &mut more, id, 1).await, (id, 0, whole.clone()), "it goes on");
    assert_eq!(in_session(&mut client, &mut full.clone(), id, -1).await, (0, 0, whole.clone()), "closed");
    assert_eq!(in_session(&mut client, &mut more, id, 2).await, (0, 70, vec![]));
    // Whoever forgets everything has no session left.
    let (id, ..) = in_session(&mut client, &mut full.clone(), 0, 0).await;
    more.forgotten_topics_data =
        vec![ForgottenTopic { topic: "t".to_owned(), partitions: vec![0], ..ForgottenTopic::default() }];
    assert_eq!(in_session(&mut client, &mut more, id, 1).await, (0, 0, vec![]));
    assert_eq!(in_session(&mut client, &mut more, id, 2).await, (0, 70, vec![]));
}

#[tokio::test]
async fn readers_of_committed_records_get_an_empty_list_of_aborted_transactions() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    let mut request = request(12, &topic, 0);
    request.isolation_level = 1;
    let response = client.call(12, &request).await;
    assert_eq!(only(&response).aborted_transactions, Some(Vec::new()));
    assert_eq!(bases(only(&response)), [0]);
}

#[tokio::test]
async fn deleting_the_topic_ends_a_waiting_fetch() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let topic = filled(&rig, &mut client, 1).await;
    let mut request = request(12, &topic, 2);
    request.max_wait_ms = 5_000;
    client.send(12, &request).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.state.catalog.delete("t").unwrap();
    let start = Instant::now();
    let response = client.receive::<FetchRequest>(12).await;
    assert_eq!(error(only(&response).error_code), ErrorCode::UnknownTopicOrPartition);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

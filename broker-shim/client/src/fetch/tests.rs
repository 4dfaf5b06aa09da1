//! What a fetch shows, and what it does not.

use super::*;
use crate::produce::{NewRecord, Producer, ProducerConfig};
use crate::testing::{broker, create};
use log_engine::format::build::{BatchBuilder, control_marker};
use log_engine::{Offset, ProducerEpoch, ProducerId, ProducerStamp, Timestamp};

fn fetcher(isolation: Isolation) -> Fetcher {
    let mut fetcher = Fetcher::new(FetcherConfig {
        max_wait: Duration::from_millis(20),
        isolation,
        ..FetcherConfig::default()
    });
    fetcher.assign(TopicPartition::new("t", 0), 0);
    fetcher
}

/// One answer with these batches one after the other.
fn answer(batches: &[Vec<u8>], aborted: &[(i64, i64)]) -> FetchResponse {
    use kafka_wire::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse};
    let aborted = aborted.iter().map(|(producer_id, first_offset)| AbortedTransaction {
        producer_id: *producer_id,
        first_offset: *first_offset,
    });
    let data = PartitionData {
        records: Payload::Bytes(Bytes::from(batches.concat())),
        aborted_transactions: Some(aborted.collect()),
        ..Default::default()
    };
    let topic = FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

fn batch(base: i64, producer: Option<i64>, values: &[&[u8]]) -> Vec<u8> {
    let mut builder = BatchBuilder::new().at(Offset::new(base).unwrap(), None);
    if let Some(id) = producer {
        let (id, epoch) = (ProducerId::new(id).unwrap(), ProducerEpoch::new(0).unwrap());
        builder = builder.producer(ProducerStamp { id, epoch, base_sequence: None }).transactional(true);
    }
    for value in values {
        builder.push(&log_engine::NewRecord::value(value));
    }
    builder.finish().unwrap()
}

/// A batch at another offset: base offset is the first eight bytes.
fn moved(mut batch: Vec<u8>, base: i64) -> Vec<u8> {
    batch[..8].copy_from_slice(&base.to_be_bytes());
    batch
}

fn shown(fetcher: &mut Fetcher, answer: FetchResponse) -> Result<Vec<(i64, String)>, ClientError> {
    let mut seen = Vec::new();
    let mut see = |_: &TopicPartition, _: BatchFacts, record: &Record<'_>| {
        seen.push((
            record.offset.get(),
            String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned(),
        ));
    };
    fetcher.take(answer, &mut see, &mut Vec::new())?;
    Ok(seen)
}

#[test]
fn aborted_records_and_markers_are_not_shown_to_who_reads_committed() {
    let marker = |base, producer, commit| {
        let (id, epoch) = (ProducerId::new(producer).unwrap(), ProducerEpoch::new(0).unwrap());
        moved(control_marker(id, epoch, commit, 0, Timestamp::from_millis(1).unwrap()), base)
    };
    let batches = [
        batch(0, Some(1), &[b"aborted"]),
        batch(1, Some(2), &[b"committed"]),
        batch(2, None, &[b"plain"]),
        marker(3, 1, false),
        marker(4, 2, true),
        batch(5, Some(1), &[b"again"]),
        marker(6, 1, true),
    ];
    let texts = |isolation| {
        let mut fetcher = fetcher(isolation);
        let seen = shown(&mut fetcher, answer(&batches, &[(1, 0)])).unwrap();
        assert_eq!(fetcher.positions().values().copied().collect::<Vec<_>>(), [7], "markers are passed");
        seen.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    };
    assert_eq!(texts(Isolation::ReadUncommitted), ["aborted", "committed", "plain", "again"]);
    assert_eq!(texts(Isolation::ReadCommitted), ["committed", "plain", "again"]);
}

#[test]
fn a_cut_batch_at_the_end_comes_again_and_one_alone_is_an_error() {
    let whole = batch(0, None, &[b"a", b"b"]);
    let cut = batch(2, None, &[b"c"])[..40].to_vec();
    let mut reader = fetcher(Isolation::ReadUncommitted);
    reader.assign(TopicPartition::new("t", 0), 1);
    let seen = shown(&mut reader, answer(&[whole, cut.clone()], &[])).unwrap();
    assert_eq!(seen, [(1, "b".to_owned())], "what lies before the position is not shown");
    assert_eq!(reader.positions().values().copied().collect::<Vec<_>>(), [2]);
    let error = shown(&mut reader, answer(&[cut], &[])).unwrap_err();
    assert!(error.to_string().starts_with("records of t-0 at offset 2: torn batch"), "{error}");
}

#[test]
fn damaged_records_are_an_error_not_a_panic() {
    let mut batch = batch(0, None, &[b"value"]);
    *batch.last_mut().unwrap() ^= 1;
    let error = shown(&mut fetcher(Isolation::default()), answer(&[batch], &[])).unwrap_err();
    assert!(error.to_string().contains("crc32c"), "{error}");
    let garbage = vec![0x41; 300];
    assert!(shown(&mut fetcher(Isolation::default()), answer(&[garbage], &[])).is_err());
}

#[test]
fn a_position_out_of_range_is_told_and_the_rest_is_read() {
    let (_broker, mut client) = broker();
    create(&mut client, "t", 2);
    let mut producer = Producer::new(ProducerConfig::default());
    let record = NewRecord { topic: "t", partition: Some(1), value: Some(b"a"), ..NewRecord::default() };
    producer.send(&mut client, &record).unwrap();
    producer.flush(&mut client).unwrap();
    let mut fetcher = fetcher(Isolation::default());
    fetcher.assign(TopicPartition::new("t", 0), 99);
    fetcher.assign(TopicPartition::new("t", 1), 0);
    let fetched = fetcher.poll(&mut client).unwrap();
    let problem =
        PartitionProblem { at: TopicPartition::new("t", 0), code: ErrorCode::OffsetOutOfRange, offset: 99 };
    assert_eq!(fetched.problems, [problem]);
    assert_eq!(fetched.records.len(), 1);
    assert_eq!(fetcher.ends(&TopicPartition::new("t", 1)).map(|ends| ends.high_watermark), Some(1));
}

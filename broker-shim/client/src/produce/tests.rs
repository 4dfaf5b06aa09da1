//! Records sent to a broker of ours and read again.

use super::*;
use crate::fetch::{Fetcher, FetcherConfig};
use crate::testing::{broker, create};

fn read_all(client: &mut Client, topic: &str, partitions: i32) -> Vec<(i32, i64, Option<Bytes>, Bytes)> {
    let config = FetcherConfig { max_wait: Duration::from_millis(20), ..FetcherConfig::default() };
    let mut fetcher = Fetcher::new(config);
    (0..partitions).for_each(|p| fetcher.assign(TopicPartition::new(topic, p), 0));
    let mut all = Vec::new();
    loop {
        let fetched = fetcher.poll(client).unwrap();
        assert_eq!(fetched.problems, []);
        if fetched.records.is_empty() {
            return all;
        }
        for (at, records) in fetched.records {
            all.extend(records.into_iter().map(|r| (at.partition, r.offset, r.key, r.value.unwrap())));
        }
    }
}

#[test]
fn records_arrive_in_order_with_every_codec() {
    let (_broker, mut client) = broker();
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let topic = format!("t-{}", codec.name());
        let config = ProducerConfig { codec, batch_size: 200, ..ProducerConfig::default() };
        let mut producer = Producer::new(config);
        let values: Vec<String> = (0..50).map(|n| format!("value number {n}")).collect();
        for (tag, value) in (0..).zip(&values) {
            let record =
                NewRecord { topic: &topic, value: Some(value.as_bytes()), tag, ..NewRecord::default() };
            producer.send(&mut client, &record).unwrap();
        }
        producer.flush(&mut client).unwrap();
        let deliveries = producer.take_deliveries();
        let tags: Vec<u64> = deliveries.iter().flat_map(|delivery| delivery.tags.clone()).collect();
        assert_eq!(tags, (0..50).collect::<Vec<_>>());
        assert!(deliveries.len() > 5, "{} batches", deliveries.len());
        let read: Vec<_> =
            read_all(&mut client, &topic, 1).into_iter().map(|(_, _, _, value)| value).collect();
        assert_eq!(read, values);
    }
}

#[test]
fn a_key_decides_the_partition_and_a_partition_may_be_named() {
    let (_broker, mut client) = broker();
    create(&mut client, "t", 3);
    let mut producer = Producer::new(ProducerConfig { acks: 1, ..ProducerConfig::default() });
    let keyed = NewRecord { topic: "t", key: Some(b"foobar"), value: Some(b"a"), ..NewRecord::default() };
    producer.send(&mut client, &keyed).unwrap();
    producer.send(&mut client, &NewRecord { partition: Some(0), ..keyed }).unwrap();
    producer.flush(&mut client).unwrap();
    let expected = i32::try_from((crate::partition::murmur2(b"foobar") & 0x7fff_ffff) % 3).unwrap();
    let mut partitions: Vec<i32> = read_all(&mut client, "t", 3).iter().map(|record| record.0).collect();
    partitions.sort_unstable();
    assert_eq!(partitions, [0, expected]);
    let error = producer.send(&mut client, &NewRecord { partition: Some(3), ..keyed }).unwrap_err();
    assert_eq!(error.to_string(), "topic t has partitions 0 to 2, not 3");
}

#[test]
fn without_acknowledgement_nothing_is_waited_for() {
    let (_broker, mut client) = broker();
    let mut producer = Producer::new(ProducerConfig { acks: 0, ..ProducerConfig::default() });
    let record = NewRecord { topic: "t", value: Some(b"a"), ..NewRecord::default() };
    producer.send(&mut client, &record).unwrap();
    producer.flush(&mut client).unwrap();
    assert!(matches!(producer.take_deliveries()[..], [Delivery { result: Ok(None), .. }]));
    // The answer to the next request shows that the broker has done with it.
    assert_eq!(read_all(&mut client, "t", 1).len(), 1);
}

#[test]
fn a_record_that_is_too_large_fails_alone() {
    let (_broker, mut client) = broker();
    let mut producer = Producer::new(ProducerConfig::default());
    let large = vec![b'x'; 2 << 20];
    for value in [&b"a"[..], &large, b"b"] {
        let record = NewRecord { topic: "t", value: Some(value), ..NewRecord::default() };
        producer.send(&mut client, &record).unwrap();
        producer.flush(&mut client).unwrap();
    }
    let codes: Vec<_> = producer
        .take_deliveries()
        .iter()
        .map(|d| d.result.as_ref().err().and_then(ClientError::code))
        .collect();
    assert_eq!(codes, [None, Some(ErrorCode::MessageTooLarge), None]);
}

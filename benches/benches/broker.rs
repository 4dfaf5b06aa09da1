//! A broker on loopback, one connection, one request after the other: what a client can see of it.
//!
//! `page_cache` asks for acks=1, `synced` for acks=all with the default durability (group-committed fdatasync).
//! The client keeps nothing of the answers. Throughput counts record batch bytes.

use broker_shim::server::{BlockingBroker, Broker};
use bytes::Bytes;
use corrente_benches::{Client, batch};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kafka_wire::messages::create_topics_request::CreatableTopic;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest};
use std::hint::black_box;

const TOPIC: &str = "bench";

fn produce_request(bytes: &[u8], acks: i16) -> ProduceRequest {
    let records = Some(Bytes::copy_from_slice(bytes));
    let partition = PartitionProduceData { index: 0, records };
    let topic =
        TopicProduceData { name: TOPIC.into(), partition_data: vec![partition], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
}

fn fetch_request(offset: i64, max_bytes: i32) -> FetchRequest {
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: offset,
        partition_max_bytes: max_bytes,
        ..Default::default()
    };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: 0, min_bytes: 0, max_bytes, topics: vec![topic], ..Default::default() }
}

fn start() -> (BlockingBroker, Client) {
    let broker = Broker::temporary().start_blocking().expect("a broker on a free port");
    let mut client = Client::connect(broker.addr()).expect("loopback");
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    client.call(4, &create).expect("a topic");
    (broker, client)
}

fn produce(c: &mut Criterion) {
    let mut group = c.benchmark_group("loopback_produce");
    for (name, count, len) in [("16KiB", 16, 1000), ("256KiB", 256, 1000)] {
        let bytes = batch(count, len);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        for (durability, acks) in [("page_cache", 1), ("synced", -1)] {
            let (_broker, mut client) = start();
            let request = produce_request(&bytes, acks);
            group.bench_function(BenchmarkId::new(name, durability), |b| {
                b.iter(|| client.call_and_drop(7, black_box(&request)).expect("an answer"));
            });
        }
    }
    group.finish();
}

fn consume(c: &mut Criterion) {
    let (_broker, mut client) = start();
    let request = produce_request(&batch(16, 1000), 1);
    for _ in 0..8192 {
        client.call(7, &request).expect("an answer");
    }
    let mut group = c.benchmark_group("loopback_consume");
    for (name, max_bytes) in [("one_batch_of_16KiB", 1), ("1MiB", 1 << 20)] {
        let size = client.call_and_drop(10, &fetch_request(0, max_bytes)).expect("an answer");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new(name, "hot"), |b| {
            b.iter(|| {
                client.call_and_drop(10, black_box(&fetch_request(256, max_bytes))).expect("an answer")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, produce, consume);
criterion_main!(benches);

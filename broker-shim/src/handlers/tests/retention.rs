//! How long records are kept: seven days, or what the broker or the topic says, at the start or at run time.

use super::rig::{Client, Rig};
use crate::server::Broker;
use bytes::Bytes;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_wire::messages::{FetchRequest, IncrementalAlterConfigsRequest};
use log_engine::format::build::{BatchBuilder, NewRecord};
use log_engine::io::{Clock, ManualClock};
use log_engine::types::Timestamp;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// The time at which tests begin: that of the files' own times, which age plays a part in.
fn clock() -> ManualClock {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    ManualClock::at(Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap()).unwrap())
}

/// A batch of one record of 100 bytes and this time.
fn at(time: Timestamp) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { value: Some(&[7; 100]), timestamp: Some(time), ..NewRecord::default() });
    builder.finish().unwrap().into()
}

/// A topic with one record of this moment.
async fn topic(rig: &Rig, clock: &ManualClock, name: &str, configs: &[(&str, &str)]) {
    let topic = rig.topic(name, 1, configs);
    assert_eq!(rig.client().await.produce(9, &topic, at(clock.now())).await.error_code, 0);
}

/// Lets time pass, looks after the logs as the broker does, and says how many records of a topic are gone.
fn gone_after(rig: &Rig, clock: &ManualClock, time: Duration, topic: &str) -> i64 {
    clock.advance(time);
    let report = rig.state.store.maintain(clock.now());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    rig.state.catalog.topic(topic).unwrap().partition(0).unwrap().start_offset().get()
}

async fn set(client: &mut Client, kind: i8, name: &str, key: &str, value: Option<&str>) {
    let config = AlterableConfig {
        name: key.to_owned(),
        config_operation: i8::from(value.is_none()),
        value: value.map(str::to_owned),
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs: vec![config],
        }],
        validate_only: false,
    };
    let answer = client.call(1, &request).await;
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

#[tokio::test]
async fn records_are_kept_for_seven_days() {
    let clock = clock();
    let rig = Rig::at(&clock, &[]).await;
    topic(&rig, &clock, "t", &[]).await;
    assert_eq!(gone_after(&rig, &clock, 7 * 24 * HOUR - MINUTE, "t"), 0);
    // The check comes every five minutes.
    assert_eq!(gone_after(&rig, &clock, 2 * MINUTE, "t"), 0);
    assert_eq!(gone_after(&rig, &clock, 5 * MINUTE, "t"), 1);
    let asked = FetchPartition { partition_max_bytes: 1000, ..FetchPartition::default() };
    let request = FetchRequest {
        max_bytes: 1000,
        topics: vec![FetchTopic { topic: "t".to_owned(), partitions: vec![asked], ..FetchTopic::default() }],
        ..FetchRequest::default()
    };
    let answer = rig.client().await.call(11, &request).await;
    assert_eq!(answer.responses[0].partitions[0].error_code, 1, "what is gone is out of range");
}

#[tokio::test]
async fn the_broker_s_hours_minutes_and_milliseconds_say_otherwise() {
    for (key, value, time) in [
        ("log.retention.hours", "2", 2 * HOUR),
        ("log.retention.minutes", "30", 30 * MINUTE),
        ("log.retention.ms", "900000", 15 * MINUTE),
    ] {
        let clock = clock();
        let rig = Rig::at(&clock, &[("log.retention.hours", "1000"), (key, value)]).await;
        topic(&rig, &clock, "t", &[]).await;
        assert_eq!(gone_after(&rig, &clock, time - MINUTE, "t"), 0, "{key}");
        assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "t"), 1, "{key}");
    }
    let clock = clock();
    let rig = Rig::at(&clock, &[("log.retention.ms", "-1")]).await;
    topic(&rig, &clock, "t", &[]).await;
    assert_eq!(gone_after(&rig, &clock, 10_000 * HOUR, "t"), 0, "for ever");
}

#[tokio::test]
async fn a_topic_says_otherwise_when_it_is_made_or_later() {
    let clock = clock();
    let rig = Rig::at(&clock, &[]).await;
    let mut client = rig.client().await;
    topic(&rig, &clock, "made", &[("retention.ms", "3600000")]).await;
    topic(&rig, &clock, "later", &[]).await;
    assert_eq!(gone_after(&rig, &clock, HOUR + MINUTE, "made"), 1);
    assert_eq!(gone_after(&rig, &clock, HOUR, "later"), 0);
    set(&mut client, TOPIC, "later", "retention.ms", Some("60000")).await;
    assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "later"), 1);
    // And back: a new record is kept for seven days again.
    set(&mut client, TOPIC, "later", "retention.ms", None).await;
    let later = rig.state.catalog.topic("later").unwrap();
    assert_eq!(client.produce(9, &later, at(clock.now())).await.error_code, 0);
    assert_eq!(gone_after(&rig, &clock, 6 * 24 * HOUR, "later"), 1);
    assert_eq!(gone_after(&rig, &clock, 25 * HOUR, "later"), 2);
}

#[tokio::test]
async fn the_broker_says_otherwise_at_run_time() {
    let clock = clock();
    let rig = Rig::at(&clock, &[]).await;
    let mut client = rig.client().await;
    topic(&rig, &clock, "t", &[]).await;
    topic(&rig, &clock, "own", &[("retention.ms", "-1")]).await;
    set(&mut client, BROKER, "", "log.retention.ms", Some("3600000")).await;
    assert_eq!(gone_after(&rig, &clock, 30 * MINUTE, "t"), 0);
    assert_eq!(gone_after(&rig, &clock, 36 * MINUTE, "t"), 1);
    assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "own"), 0, "what the topic says goes first");
}

/// Three segments of one record each: as many go as leave the size that is to be kept.
#[tokio::test]
async fn size_is_bounded_too() {
    let clock = clock();
    let rig = Rig::at(&clock, &[("log.segment.bytes", "200")]).await;
    let mut client = rig.client().await;
    let topic = rig.topic("t", 1, &[]);
    for _ in 0..3 {
        assert_eq!(client.produce(9, &topic, at(clock.now())).await.error_code, 0);
    }
    assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "t"), 0);
    let size = topic.partition(0).unwrap().size_bytes();
    let most = (size - 1).to_string();
    set(&mut client, TOPIC, "t", "retention.bytes", Some(&most)).await;
    assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "t"), 0, "without the first it would be smaller");
    let two = (size * 2 / 3).to_string();
    set(&mut client, TOPIC, "t", "retention.bytes", Some(&two)).await;
    assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "t"), 1);
    let one = (size / 3).to_string();
    set(&mut client, TOPIC, "t", "retention.bytes", None).await;
    set(&mut client, BROKER, "", "log.retention.bytes", Some(&one)).await;
    assert_eq!(gone_after(&rig, &clock, 6 * MINUTE, "t"), 2);
}

/// The same by the clock on the wall: a broker that looks every second, and a topic that is told to keep a second.
#[tokio::test]
async fn a_second_passes_for_real() {
    let broker = Broker::temporary_with(&[("log.retention.check.interval.ms", "500")]).start().await.unwrap();
    let request = crate::metadata::CreateTopic::named("t");
    let topic = broker.catalog().create(&request).unwrap();
    let mut client = Client::to(broker.addr()).await;
    let now = log_engine::io::SystemClock::default().now();
    assert_eq!(client.produce(9, &topic, at(now)).await.error_code, 0);
    let log = topic.partition(0).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(log.start_offset().get(), 0, "seven days have not passed");
    set(&mut client, TOPIC, "t", "retention.ms", Some("1000")).await;
    let begun = Instant::now();
    while log.start_offset().get() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the record is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(log.end_offset().get(), 1);
}

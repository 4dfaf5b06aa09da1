use super::logs::{MAX_PARTITIONS, MAX_TOPICS};
use crate::metadata::CreateTopic;
use crate::server::{BlockingBroker, Broker};
use crate::web::testing::{broker, get, port, send};
use kafka_wire::messages::{ApiVersionsRequest, HeartbeatRequest};
use kafka_wire::{Request, concat, request_frame};
use log_engine::NewRecord;
use log_engine::io::MemStorage;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Sends a request and waits for its answer.
fn ask<R: Request>(broker: &BlockingBroker, version: i16, request: &R) {
    let mut stream = TcpStream::connect(broker.addr()).unwrap();
    let frame = concat(&request_frame(version, 1, Some("test"), request).unwrap());
    stream.write_all(&frame).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut body).unwrap();
}

fn create(broker: &BlockingBroker, name: &str, partitions: i32) {
    let request = CreateTopic { partitions: Some(partitions), ..CreateTopic::named(name) };
    broker.catalog().create(&request).unwrap();
}

fn append(broker: &BlockingBroker, topic: &str, partition: i32, value: &[u8]) {
    let topic = broker.catalog().topic(topic).unwrap();
    topic.partition(partition).unwrap().append(&[NewRecord::value(value)]).unwrap();
}

/// The value of a row, as it is written.
fn value<'a>(page: &'a str, row: &str) -> Option<&'a str> {
    page.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '))
}

#[test]
fn what_clients_do_is_seen() {
    let broker = broker(&[]);
    create(&broker, "orders", 2);
    append(&broker, "orders", 1, b"one");
    ask(&broker, 3, &ApiVersionsRequest::default());
    ask(&broker, 0, &HeartbeatRequest { group_id: "g".into(), ..HeartbeatRequest::default() });
    let page = get(port(&broker), "/metrics").body;
    for (row, expected) in [
        ("corrente_requests_total{api=\"ApiVersions\",version=\"3\"}", "1"),
        ("corrente_requests_total{api=\"Heartbeat\",version=\"0\"}", "1"),
        ("corrente_request_errors_total{api=\"Heartbeat\",error=\"UNKNOWN_MEMBER_ID\"}", "1"),
        ("corrente_request_seconds_count{api=\"ApiVersions\"}", "1"),
        ("corrente_connections_accepted_total", "2"),
        ("corrente_appended_records_total", "1"),
        ("corrente_topic_appended_records_total{topic=\"orders\"}", "1"),
        ("corrente_partition_end_offset{topic=\"orders\",partition=\"0\"}", "0"),
        ("corrente_partition_end_offset{topic=\"orders\",partition=\"1\"}", "1"),
        ("corrente_partitions", "2"),
        ("corrente_metrics_left_out{what=\"topics\"}", "0"),
        ("corrente_damaged_ranges", "0"),
    ] {
        assert_eq!(value(&page, row), Some(expected), "{row} in\n{page}");
    }
    assert!(value(&page, "corrente_received_bytes_total").unwrap().parse::<u64>().unwrap() > 20);
    assert!(!page.contains("corrente_zookeeper"), "there is none");
}

#[test]
fn the_sum_of_all_topics_does_not_fall_with_one_that_is_deleted() {
    let broker = broker(&[]);
    create(&broker, "gone", 1);
    append(&broker, "gone", 0, b"one");
    broker.catalog().delete("gone").unwrap();
    let page = get(port(&broker), "/metrics").body;
    assert_eq!(value(&page, "corrente_appended_records_total"), Some("1"));
    assert!(!page.contains("topic=\"gone\""));
}

#[test]
fn each_form_is_answered_to_who_asks_for_it() {
    let broker = broker(&[]);
    let plain = get(port(&broker), "/metrics");
    assert!(plain.head.contains("text/plain; version=0.0.4"), "{}", plain.head);
    assert!(!plain.body.contains("# EOF"));
    let asked = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
    let open = send(port(&broker), asked);
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
}

#[test]
fn rows_are_bounded_and_the_busiest_topics_are_told() {
    let settings = [("http.listener", "127.0.0.1:0"), ("log.dir.reserve.bytes", "0")];
    let broker =
        Broker::temporary_with(&settings).storage(Arc::new(MemStorage::new())).start_blocking().unwrap();
    for number in 0..=MAX_TOPICS {
        create(&broker, &format!("t{number:05}"), 1);
    }
    let wide = i32::try_from(MAX_PARTITIONS).unwrap() + 1;
    create(&broker, "wide", wide);
    append(&broker, "wide", 0, b"x");
    append(&broker, "t01000", 0, b"y");
    let page = get(port(&broker), "/metrics").body;
    let rows = |start: &str| page.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(rows("corrente_topic_bytes{"), MAX_TOPICS);
    assert_eq!(rows("corrente_partition_bytes{"), MAX_TOPICS - 1, "one topic is too wide for any");
    for busy in ["wide", "t01000"] {
        assert!(
            value(&page, &format!("corrente_topic_appended_records_total{{topic=\"{busy}\"}}")).is_some()
        );
    }
    assert_eq!(value(&page, "corrente_metrics_left_out{what=\"topics\"}"), Some("2"));
    let left_out = (MAX_PARTITIONS + 1 + 2).to_string();
    assert_eq!(value(&page, "corrente_metrics_left_out{what=\"partitions\"}"), Some(&*left_out));
    assert_eq!(value(&page, "corrente_appended_records_total"), Some("2"), "sums are of all");
}

/// The page of names is for people: it must have all of them, and none that is not there.
#[test]
fn all_names_are_documented() {
    let broker = broker(&[]);
    let page = get(port(&broker), "/metrics").body;
    let mut told: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    told.extend(["corrente_zookeeper_connected", "corrente_zookeeper_losses_total"]);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md")).unwrap();
    let documented: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .filter(|name| name.starts_with("corrente_") || name.starts_with("process_"))
        .collect();
    assert_eq!(documented, told);
}

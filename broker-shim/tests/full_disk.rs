//! A disk that is really full: the broker refuses what it cannot keep, reads on, and needs no restart afterwards.
//!
//! The disk is a tmpfs of a few MiB that the test mounts, which needs root; without it the test says so and ends, and
//! fails where `CI` is set.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use bytes::Bytes;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::{FetchRequest, MetadataRequest, ProduceRequest};
use kafka_wire::{ErrorCode, Message, Payload, Request, concat, header, request_frame};
use log_engine::format::build::{BatchBuilder, NewRecord};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A mounted tmpfs, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], dir.path()).then_some(Self(dir))
    }

    fn grow(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], self.0.path()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    let status = Command::new("mount").args(args).arg(at).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A broker process; killed if the test ends early.
struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_corrente"))
            .args(["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override"])
            .arg(format!("log.dirs={}", data.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let rest = line.split_once(" on ").expect(&line).1;
        let address = rest.split_once(',').expect(rest).0.to_owned();
        Self { child, address }
    }

    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    fn call<R: Request>(&self, version: i16, request: &R) -> R::Response {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(&concat(&request_frame(version, 1, Some("test"), request).unwrap())).unwrap();
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
        stream.read_exact(&mut frame).unwrap();
        let (_, body) = header::split_response(R::KEY, version, frame.into()).unwrap();
        R::Response::from_body(body, version).unwrap()
    }

    fn create_topic(&self) {
        let topic = MetadataRequestTopic { name: Some("t".to_owned()), ..MetadataRequestTopic::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        };
        assert_eq!(self.call(4, &request).topics[0].error_code, 0);
    }

    /// Produces one record of `len` bytes: its offset or the error.
    fn produce(&self, len: usize) -> Result<i64, ErrorCode> {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord::value(&vec![7; len]));
        let records: Bytes = builder.finish().unwrap().into();
        let partition_data = vec![PartitionProduceData { index: 0, records: Some(records) }];
        let topic = TopicProduceData { name: "t".to_owned(), partition_data, ..TopicProduceData::default() };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![topic],
            ..ProduceRequest::default()
        };
        let answer = self.call(9, &request);
        let partition = &answer.responses[0].partition_responses[0];
        match ErrorCode::from_i16(partition.error_code).unwrap() {
            ErrorCode::None => Ok(partition.base_offset),
            code => Err(code),
        }
    }

    /// The end of the partition and the bytes that lie at an offset.
    fn fetch(&self, fetch_offset: i64) -> (i64, usize) {
        let partition = FetchPartition {
            fetch_offset,
            partition_max_bytes: 1 << 20,
            high_watermark: i64::MAX,
            ..FetchPartition::default()
        };
        let topic =
            FetchTopic { topic: "t".to_owned(), partitions: vec![partition], ..FetchTopic::default() };
        let request = FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..FetchRequest::default() };
        let answer = self.call(11, &request);
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        let Payload::Bytes(records) = &partition.records else { panic!("{:?}", partition.records) };
        (partition.high_watermark, records.len())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_disk_is_survived_without_a_restart() {
    let Some(disk) = SmallDisk::new("48m") else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs cannot be mounted here, and CI is set");
        eprintln!(
            "SKIPPED: a_full_disk_is_survived_without_a_restart: a tmpfs cannot be mounted (not root?)"
        );
        return;
    };
    let data = disk.0.path().join("data");
    let broker = Broker::start(&data);
    broker.create_topic();
    assert_eq!(broker.produce(100), Ok(0));
    let mut stored = 1;
    let refused = loop {
        match broker.produce(900_000) {
            Ok(offset) => {
                assert_eq!(offset, stored);
                stored += 1;
                assert!(stored < 100, "90 MB on a disk of 48 MiB");
            }
            Err(code) => break code,
        }
    };
    assert_eq!(refused, ErrorCode::KafkaStorageError);
    assert!(refused.is_retriable());
    assert_eq!(broker.produce(900_000), Err(ErrorCode::KafkaStorageError), "again");
    let (end, bytes) = broker.fetch(0);
    assert_eq!(end, stored, "nothing of what was refused is there");
    assert!(bytes > 100);
    assert!(broker.fetch(stored - 1).1 > 900_000, "the last one is whole");

    disk.grow("96m");
    assert_eq!(broker.produce(900_000), Ok(stored), "space has returned");
    assert_eq!(broker.stop(), Some(0));

    let broker = Broker::start(&data);
    let (end, bytes) = broker.fetch(stored);
    assert_eq!(end, stored + 1);
    assert!(bytes > 900_000);
    assert_eq!(broker.stop(), Some(0));
}

#[test]
fn a_broker_stops_and_starts_on_a_full_disk() {
    let Some(disk) = SmallDisk::new("48m") else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs cannot be mounted here, and CI is set");
        eprintln!("SKIPPED: a_broker_stops_and_starts_on_a_full_disk: a tmpfs cannot be mounted (not root?)");
        return;
    };
    let data = disk.0.path().join("data");
    let broker = Broker::start(&data);
    broker.create_topic();
    let mut stored = 0;
    while broker.produce(900_000).is_ok() {
        stored += 1;
    }
    // And not a byte is left.
    let filler = std::fs::File::create(disk.0.path().join("filler")).unwrap();
    while (&filler).write(&[1; 4096]).is_ok_and(|n| n > 0) {}
    assert_eq!(broker.produce(900_000), Err(ErrorCode::KafkaStorageError));
    assert_eq!(broker.fetch(0).0, stored);
    let code = broker.stop();
    assert!(code.is_some(), "it ended by itself");

    std::fs::remove_file(disk.0.path().join("filler")).unwrap();
    disk.grow("96m");
    let broker = Broker::start(&data);
    assert_eq!(broker.fetch(0).0, stored);
    assert_eq!(broker.produce(100), Ok(stored));
    assert_eq!(broker.stop(), Some(0));
}

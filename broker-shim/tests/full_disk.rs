//! A disk that is really full: the broker refuses what it cannot keep, reads on, and needs no restart afterwards.
//!
//! The disk is a tmpfs of a few MiB that the test mounts, which needs root; without it the test says so and ends, and
//! fails under CI.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use bytes::Bytes;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_wire::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::{
    DeleteTopicsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
};
use kafka_wire::{ErrorCode, Message, Payload, Request, concat, header, request_frame};
use log_engine::format::build::{BatchBuilder, NewRecord};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A mounted tmpfs, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None, and a line that says so, where nothing may be mounted.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        if mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], dir.path()) {
            return Some(Self(dir));
        }
        assert!(!under_ci(), "CI=true allows no skip: a tmpfs cannot be mounted here");
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        // Past libtest, which keeps to itself what a passing test prints.
        let line = format!("SKIPPED: {name}: a tmpfs cannot be mounted (not root?)\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        None
    }

    /// Takes every byte that is left.
    fn fill(&self) {
        let filler =
            std::fs::File::options().create(true).append(true).open(self.0.path().join("filler")).unwrap();
        while (&filler).write(&[1; 4096]).is_ok_and(|n| n > 0) {}
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

/// As the tests of all crates decide it.
fn under_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
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
    fn start(data: &Path, settings: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_corrente"))
            .args(["server", "--override", "http.listener="])
            .args(["--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override"])
            .arg(format!("log.dirs={}", data.display()))
            .args(settings.iter().flat_map(|setting| ["--override", setting]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let rest = line.split_once(" on ").expect(&line).1;
        let address = rest.split_once(',').expect(rest).0.to_owned();
        Self { child, address }
    }

    /// Exit code and what it had to say.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
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

    fn create_topic(&self, name: &str) {
        let topic = MetadataRequestTopic { name: Some(name.to_owned()), ..MetadataRequestTopic::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        };
        assert_eq!(self.call(4, &request).topics[0].error_code, 0);
    }

    /// Produces one record of `len` bytes: its offset or the error.
    fn produce(&self, topic: &str, len: usize) -> Result<i64, ErrorCode> {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord::value(&vec![7; len]));
        let records: Bytes = builder.finish().unwrap().into();
        let partition_data = vec![PartitionProduceData { index: 0, records: Some(records) }];
        let topic =
            TopicProduceData { name: topic.to_owned(), partition_data, ..TopicProduceData::default() };
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
    fn fetch(&self, topic: &str, fetch_offset: i64) -> (i64, usize) {
        let partition = FetchPartition {
            fetch_offset,
            partition_max_bytes: 1 << 20,
            high_watermark: i64::MAX,
            ..FetchPartition::default()
        };
        let topic =
            FetchTopic { topic: topic.to_owned(), partitions: vec![partition], ..FetchTopic::default() };
        let request = FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..FetchRequest::default() };
        let answer = self.call(11, &request);
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        let Payload::Bytes(records) = &partition.records else { panic!("{:?}", partition.records) };
        (partition.high_watermark, records.len())
    }

    /// Produces until the disk is full; the end of the partition.
    fn fill(&self, topic: &str) -> i64 {
        while self.produce(topic, 900_000).is_ok() {}
        self.fetch(topic, self.start_of(topic)).0
    }

    /// Tries again for as long as there is no room; the offset in the end.
    fn eventually_produces(&self, topic: &str) -> i64 {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            match self.produce(topic, 900_000) {
                Ok(offset) => return offset,
                Err(code) => assert!(Instant::now() < give_up, "still {code:?}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn start_of(&self, topic: &str) -> i64 {
        let partition = ListOffsetsPartition { timestamp: -2, ..ListOffsetsPartition::default() };
        let topic = ListOffsetsTopic { name: topic.to_owned(), partitions: vec![partition] };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        self.call(5, &request).topics[0].partitions[0].offset.unwrap()
    }

    fn delete_topic(&self, topic: &str) -> ErrorCode {
        let request = DeleteTopicsRequest {
            topic_names: vec![topic.to_owned()],
            timeout_ms: 10_000,
            ..DeleteTopicsRequest::default()
        };
        ErrorCode::from_i16(self.call(4, &request).responses[0].error_code).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is kept for deletions and a clean stop, in bytes.
const RESERVE: u64 = 16 * 1024 * 1024;

fn reserve(data: &Path) -> u64 {
    std::fs::metadata(data.join(".space-reserve")).unwrap().len()
}

#[test]
fn a_full_disk_is_survived_without_a_restart() {
    let Some(disk) = SmallDisk::new("48m") else { return };
    let data = disk.0.path().join("data");
    let broker = Broker::start(&data, &[]);
    broker.create_topic("t");
    assert_eq!(broker.produce("t", 100), Ok(0));
    let mut stored = 1;
    let refused = loop {
        match broker.produce("t", 900_000) {
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
    assert_eq!(broker.produce("t", 900_000), Err(ErrorCode::KafkaStorageError), "again");
    let (end, bytes) = broker.fetch("t", 0);
    assert_eq!(end, stored, "nothing of what was refused is there");
    assert!(bytes > 100);
    assert!(broker.fetch("t", stored - 1).1 > 900_000, "the last one is whole");

    disk.grow("96m");
    // First the reserve is made whole again.
    assert_eq!(broker.eventually_produces("t"), stored, "space has returned");
    assert_eq!(reserve(&data), RESERVE);
    assert_eq!(broker.stop().0, Some(0));

    let broker = Broker::start(&data, &[]);
    let (end, bytes) = broker.fetch("t", stored);
    assert_eq!(end, stored + 1);
    assert!(bytes > 900_000);
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_broker_stops_and_starts_on_a_full_disk() {
    let Some(disk) = SmallDisk::new("48m") else { return };
    let data = disk.0.path().join("data");
    let broker = Broker::start(&data, &[]);
    broker.create_topic("t");
    let stored = broker.fill("t");
    disk.fill();
    assert_eq!(broker.produce("t", 900_000), Err(ErrorCode::KafkaStorageError));
    assert_eq!(broker.fetch("t", 0).0, stored);
    let (code, log) = broker.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(data.join(".kafka_cleanshutdown").exists(), "a stop as clean as any other: {log}");

    // Still not a byte is free.
    let broker = Broker::start(&data, &[]);
    assert_eq!(broker.fetch("t", 0).0, stored);
    assert!(broker.fetch("t", stored - 1).1 > 900_000, "the last one is whole");
    assert_eq!(broker.produce("t", 900_000), Err(ErrorCode::KafkaStorageError));
    let (code, log) = broker.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("not a clean one"), "{log}");

    disk.grow("96m");
    let broker = Broker::start(&data, &[]);
    let all = (0..stored).map(|offset| broker.fetch("t", offset).1 > 900_000).filter(|whole| *whole).count();
    assert_eq!(i64::try_from(all).unwrap(), stored);
    assert_eq!(broker.produce("t", 100), Ok(stored));
    let (code, log) = broker.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("not a clean one"), "{log}");
}

/// What frees space needs none.
#[test]
fn retention_and_deletion_make_room_on_a_full_disk() {
    let Some(disk) = SmallDisk::new("48m") else { return };
    let data = disk.0.path().join("data");
    let settings = [
        "log.segment.bytes=4194304",
        "log.segment.delete.delay.ms=100",
        "log.retention.check.interval.ms=1000",
        "log.retention.ms=20000",
    ];
    let broker = Broker::start(&data, &settings);
    broker.create_topic("old");
    while broker.fetch("old", 0).0 < 8 {
        broker.produce("old", 900_000).unwrap();
    }
    broker.create_topic("t");
    let stored = broker.fill("t");
    disk.fill();
    assert_eq!(broker.produce("t", 900_000), Err(ErrorCode::KafkaStorageError));

    assert_eq!(broker.delete_topic("t"), ErrorCode::None);
    let freed = broker.eventually_produces("old");
    assert!(freed >= 8, "{freed}, after {stored} of the other topic went");

    disk.fill();
    assert_eq!(broker.produce("old", 900_000), Err(ErrorCode::KafkaStorageError));
    let end = broker.eventually_produces("old");
    assert!(broker.start_of("old") > 0, "retention has made the room for {end}");
    assert_eq!(reserve(&data), RESERVE, "and for the next time");
    let (code, log) = broker.stop();
    assert_eq!(code, Some(0), "{log}");
}

//! A broker without groups or signals, and a client without cleverness.

use super::super::Dispatcher;
use crate::broker::BrokerState;
use crate::config::BrokerConfig;
use crate::coordinators::journal::memory::MemoryJournal;
use crate::coordinators::{CoordinatorSettings, GroupCoordinator};
use crate::metadata::{CreateTopic, LogCatalog, Topic, inspect_directories};
use crate::net::{Limits, ListenAddress, Listeners, Server};
use bytes::Bytes;
use kafka_wire::messages::ProduceRequest;
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::produce_response::PartitionProduceResponse;
use kafka_wire::{ErrorCode, Message, Request, Uuid, concat, request_frame};
use log_engine::format::build::{BatchBuilder, NewRecord};
use log_engine::io::{Clock, ManualClock, RealStorage, Storage, SystemClock};
use log_engine::store::LogStore;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A broker in a directory of its own.
pub(super) struct Rig {
    pub(super) state: Arc<BrokerState>,
    pub(super) server: Server,
    pub(super) address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(super) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(RealStorage::default()), settings).await
    }

    pub(super) async fn on(storage: Arc<dyn Storage>, settings: &[(&str, &str)]) -> Self {
        Self::build(storage, settings, Arc::new(SystemClock::default())).await
    }

    /// One whose time is the test's.
    pub(super) async fn at(clock: &ManualClock, settings: &[(&str, &str)]) -> Self {
        Self::build(Arc::new(RealStorage::default()), settings, Arc::new(clock.clone())).await
    }

    async fn build(storage: Arc<dyn Storage>, settings: &[(&str, &str)], clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let builder = BrokerConfig::builder().set("log.dirs", dir.path().display().to_string());
        let builder = settings.iter().fold(builder, |builder, (key, value)| builder.set(*key, *value));
        let config = Arc::new(builder.build().unwrap());
        let state = Arc::new(state(config, &storage, clock));
        let limits = Limits {
            request_max_bytes: state.config.network.socket_request_max_bytes,
            stalled: Duration::from_millis(300),
            ..Limits::default()
        };
        let listen =
            ListenAddress { name: "PLAINTEXT".into(), addresses: vec![(Ipv4Addr::LOCALHOST, 0).into()] };
        let listeners = Listeners::bind(&[listen], &limits).unwrap();
        let address = listeners.addresses()[0].1;
        let server = listeners.serve(Arc::new(Dispatcher::new(Arc::clone(&state))), limits);
        Self { state, server, address, _dir: dir }
    }

    pub(super) async fn client(&self) -> Client {
        Client::to(self.address).await
    }

    /// Creates a topic behind the protocol's back.
    pub(super) fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Arc<Topic> {
        let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect();
        let request = CreateTopic { partitions: Some(partitions), configs, ..CreateTopic::named(name) };
        self.state.catalog.create(&request).unwrap()
    }
}

fn state(config: Arc<BrokerConfig>, storage: &Arc<dyn Storage>, clock: Arc<dyn Clock>) -> BrokerState {
    let known = inspect_directories(&**storage, &config).unwrap();
    let dirs = config.storage.log_dirs.iter().cloned();
    let builder = LogStore::builder(dirs).storage(Arc::clone(storage)).clock(Arc::clone(&clock));
    let store = builder.open().unwrap();
    let catalog = LogCatalog::open(Arc::clone(&store), &**storage, Arc::clone(&config), known).unwrap();
    let journal = Arc::new(MemoryJournal::default());
    let groups = GroupCoordinator::new(CoordinatorSettings::default(), journal, Arc::clone(&clock));
    BrokerState::new(config, store, Arc::new(catalog), Arc::new(groups), clock)
}

/// One connection.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    next: i32,
}

pub(super) const SOON: Duration = Duration::from_secs(10);

impl Client {
    /// A connection to any broker.
    pub(super) async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), next: 1 }
    }

    /// Sends a request and reads its answer.
    pub(super) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    pub(super) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        let frame = concat(&request_frame(version, self.next, Some("test"), request).unwrap());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Reads the answer to the oldest request that was sent.
    pub(super) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let frame = self.frame().await;
        let (correlation, body) = kafka_wire::header::split_response(R::KEY, version, frame).unwrap();
        assert_eq!(correlation, self.next);
        self.next += 1;
        R::Response::from_body(body, version).unwrap()
    }

    /// Sends a request and reads its answer; `None` if the broker closes the connection before all of it has come.
    pub(super) async fn try_call<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        self.send(version, request).await;
        let read = async {
            let size = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; usize::try_from(size).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        let frame = tokio::time::timeout(SOON, read).await.expect("an answer or an end in time")?;
        let (correlation, body) = kafka_wire::header::split_response(R::KEY, version, frame).unwrap();
        assert_eq!(correlation, self.next);
        self.next += 1;
        Some(R::Response::from_body(body, version).unwrap())
    }

    /// The next frame, without its size.
    pub(super) async fn frame(&mut self) -> Bytes {
        let read = async {
            let size = self.stream.read_u32().await.unwrap();
            let mut frame = vec![0; usize::try_from(size).unwrap()];
            self.stream.read_exact(&mut frame).await.unwrap();
            Bytes::from(frame)
        };
        tokio::time::timeout(SOON, read).await.expect("an answer in time")
    }

    /// Whether the broker closes the connection without a byte.
    pub(super) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match tokio::time::timeout(SOON, self.stream.read(&mut byte)).await {
            Ok(Ok(n)) => n == 0,
            Ok(Err(e)) => e.kind() == std::io::ErrorKind::ConnectionReset,
            Err(_) => false,
        }
    }

    /// Produces to one partition and gives its part of the answer.
    pub(super) async fn produce(
        &mut self,
        version: i16,
        topic: &Topic,
        records: Bytes,
    ) -> PartitionProduceResponse {
        let response = self.call(version, &produce_request(version, -1, topic, 0, records)).await;
        response.responses[0].partition_responses[0].clone()
    }
}

/// A request for one partition.
pub(super) fn produce_request(
    version: i16,
    acks: i16,
    topic: &Topic,
    index: i32,
    records: Bytes,
) -> ProduceRequest {
    let (name, topic_id) = named(version, 13, topic);
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name,
            topic_id,
            partition_data: vec![PartitionProduceData { index, records: Some(records) }],
        }],
        ..ProduceRequest::default()
    }
}

/// A topic's name, or its id where a version has ids.
pub(super) fn named(version: i16, id_since: i16, topic: &Topic) -> (String, Uuid) {
    if version >= id_since {
        (String::new(), Uuid(topic.id.0))
    } else {
        (topic.name.to_string(), Uuid::default())
    }
}

/// A batch of these values.
pub(super) fn batch(values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(&NewRecord::value(value));
    }
    builder.finish().unwrap().into()
}

/// The name of a code.
pub(super) fn error(code: i16) -> ErrorCode {
    ErrorCode::from_i16(code).unwrap()
}

//! Connections against a service that echoes.

use super::*;
use parking_lot::Mutex;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// API keys of the echo: what a request does.
const PIPELINED: i16 = 0;
const EXCLUSIVE: i16 = 1;
const AT_ONCE: i16 = 2;
const BAD: i16 = 3;

/// Echoes frames; pipelined and exclusive ones when a permit is given.
struct Echo {
    started: Mutex<Vec<u8>>,
    permits: Arc<Semaphore>,
}

fn reply(frame: &Bytes) -> Outcome {
    let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
    Outcome::Respond(Reply::new(vec![Part::Bytes(Bytes::copy_from_slice(&size)), Part::Bytes(frame.clone())]))
}

impl Service for Echo {
    fn call(&self, _: &Arc<ConnectionContext>, frame: Bytes) -> Call {
        self.started.lock().push(frame.last().copied().unwrap_or_default());
        match frame.get(..2).map(|key| i16::from_be_bytes([key[0], key[1]])) {
            Some(AT_ONCE) => Call::Done(reply(&frame)),
            Some(PIPELINED | EXCLUSIVE) => {
                let permits = Arc::clone(&self.permits);
                Call::Pending(Box::pin(async move {
                    permits.acquire().await.unwrap().forget();
                    reply(&frame)
                }))
            }
            _ => Call::Done(Outcome::Close(CloseReason::Request("bad".into()))),
        }
    }

    fn may_pipeline(&self, api_key: i16) -> bool {
        api_key == PIPELINED
    }
}

struct Fixture {
    server: Server,
    echo: Arc<Echo>,
    address: SocketAddr,
}

fn local(port: u16) -> ListenAddress {
    ListenAddress { name: "PLAINTEXT".into(), addresses: vec![(Ipv4Addr::LOCALHOST, port).into()] }
}

fn start(limits: Limits) -> Fixture {
    let listeners = Listeners::bind(&[local(0)], &limits).unwrap();
    let address = listeners.addresses()[0].1;
    let echo = Arc::new(Echo { started: Mutex::default(), permits: Arc::new(Semaphore::new(0)) });
    let server = listeners.serve(Arc::clone(&echo) as Arc<dyn Service>, limits);
    Fixture { server, echo, address }
}

impl Fixture {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn started(&self, count: usize) -> Vec<u8> {
        for _ in 0..500 {
            if self.echo.started.lock().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Whoever should not start gets a moment to do so.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.echo.started.lock().clone()
    }
}

fn frame(key: i16, id: u8, padding: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(3 + padding).unwrap().to_be_bytes().to_vec();
    bytes.extend(key.to_be_bytes());
    bytes.resize(bytes.len() + padding, 0xaa);
    bytes.push(id);
    bytes
}

async fn read_id(stream: &mut TcpStream) -> u8 {
    let size = stream.read_u32().await.unwrap();
    let mut body = vec![0; size.try_into().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    *body.last().unwrap()
}

async fn closed_within(stream: &mut TcpStream, time: Duration) -> bool {
    let mut byte = [0];
    match tokio::time::timeout(time, stream.read(&mut byte)).await {
        Ok(Ok(n)) => n == 0,
        Ok(Err(e)) => e.kind() == io::ErrorKind::ConnectionReset,
        Err(_) => false,
    }
}

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn five_pipelined_requests_start_together_and_are_answered_in_order() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    let mut bytes: Vec<u8> = (1..=7).flat_map(|id| frame(PIPELINED, id, 0)).collect();
    bytes.extend(frame(AT_ONCE, 8, 0));
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(fixture.started(5).await, [1, 2, 3, 4, 5]);
    fixture.echo.permits.add_permits(1);
    assert_eq!(fixture.started(6).await, [1, 2, 3, 4, 5, 6]);
    fixture.echo.permits.add_permits(6);
    for id in 1..=8 {
        assert_eq!(read_id(&mut stream).await, id);
    }
}

#[tokio::test]
async fn a_pipelined_request_of_a_megabyte_starts_beside_the_one_before_it() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    for id in 1..=2 {
        stream.write_all(&frame(PIPELINED, id, 1 << 20)).await.unwrap();
    }
    assert_eq!(fixture.started(2).await, [1, 2]);
}

#[tokio::test]
async fn an_exclusive_request_waits_for_those_before_it_and_holds_those_behind_it() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    let bytes = [frame(PIPELINED, 1, 0), frame(EXCLUSIVE, 2, 0), frame(PIPELINED, 3, 0)].concat();
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(fixture.started(1).await, [1]);
    fixture.echo.permits.add_permits(1);
    assert_eq!(fixture.started(2).await, [1, 2]);
    fixture.echo.permits.add_permits(2);
    assert_eq!(fixture.started(3).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_million_requests_unread_are_not_a_million_in_memory() {
    let fixture = start(Limits::default());
    let stream = fixture.connect().await;
    let (mut reader, mut writer) = stream.into_split();
    let bytes: Vec<u8> = frame(AT_ONCE, 1, 100).repeat(1000);
    let mut sent = 0;
    // Nobody reads the answers: soon the broker stops reading requests.
    let patience = Duration::from_millis(500);
    while let Ok(result) = tokio::time::timeout(patience, writer.write(&bytes[sent % bytes.len()..])).await {
        sent += result.unwrap();
        assert!(sent < 64 << 20, "the broker reads without end");
    }
    let mut byte = [0];
    assert_eq!(reader.read(&mut byte).await.unwrap(), 1, "it still answers");
}

#[tokio::test]
async fn a_first_request_that_stalls_is_closed_and_a_later_one_is_not() {
    let fixture = start(Limits { stalled: Duration::from_millis(200), ..Limits::default() });
    let mut silent = fixture.connect().await;
    silent.write_all(&[0, 0, 0, 9, 1]).await.unwrap();
    let mut known = fixture.connect().await;
    known.write_all(&frame(AT_ONCE, 1, 0)).await.unwrap();
    assert_eq!(read_id(&mut known).await, 1);
    known.write_all(&[0, 0, 0, 9, 1]).await.unwrap();
    assert!(closed_within(&mut silent, SOON).await);
    assert!(!closed_within(&mut known, Duration::from_millis(600)).await);
}

#[tokio::test]
async fn whoever_holds_memory_and_stalls_is_closed_when_others_wait() {
    let fixture = start(Limits {
        stalled: Duration::from_millis(200),
        request_max_bytes: 300_000,
        queued_max_request_bytes: Some(1),
        ..Limits::default()
    });
    let mut holder = fixture.connect().await;
    holder.write_all(&frame(AT_ONCE, 1, 0)).await.unwrap();
    assert_eq!(read_id(&mut holder).await, 1);
    let large = frame(AT_ONCE, 2, 250_000);
    holder.write_all(&large[..100_000]).await.unwrap();
    assert!(!closed_within(&mut holder, Duration::from_millis(500)).await, "nobody waits yet");
    let mut other = fixture.connect().await;
    other.write_all(&large).await.unwrap();
    assert_eq!(read_id(&mut other).await, 2);
    assert!(closed_within(&mut holder, SOON).await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let fixture = start(Limits { max_idle: Duration::from_millis(200), ..Limits::default() });
    let mut idle = fixture.connect().await;
    let mut waiting = fixture.connect().await;
    waiting.write_all(&frame(EXCLUSIVE, 1, 0)).await.unwrap();
    assert!(closed_within(&mut idle, SOON).await);
    assert!(!closed_within(&mut waiting, Duration::from_millis(400)).await);
    fixture.echo.permits.add_permits(1);
    assert_eq!(read_id(&mut waiting).await, 1);
}

#[tokio::test]
async fn what_is_no_request_is_closed_without_an_answer() {
    let fixture = start(Limits { stalled: Duration::from_millis(100), ..Limits::default() });
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for bytes in
        [&tls[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 40], &[0x7f, 0xff, 0xff, 0xff], &frame(BAD, 1, 0)]
    {
        let mut stream = fixture.connect().await;
        stream.write_all(bytes).await.unwrap();
        assert!(closed_within(&mut stream, SOON).await, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_ends_its_waiting_request() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    stream.write_all(&frame(EXCLUSIVE, 1, 0)).await.unwrap();
    fixture.started(1).await;
    drop(stream);
    for _ in 0..800 {
        if fixture.server.connections().total() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection is still open");
}

#[tokio::test]
async fn a_peer_that_sends_no_more_still_gets_its_answers() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    let bytes = [frame(AT_ONCE, 1, 0), frame(EXCLUSIVE, 2, 0), frame(AT_ONCE, 3, 0)].concat();
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    fixture.started(2).await;
    fixture.echo.permits.add_permits(1);
    for id in 1..=3 {
        assert_eq!(read_id(&mut stream).await, id);
    }
    assert!(closed_within(&mut stream, SOON).await);
}

#[tokio::test]
async fn connections_above_the_limit_of_an_address_are_closed() {
    let limits = ConnectionLimits { max_connections_per_ip: 2, ..ConnectionLimits::default() };
    let fixture = start(Limits { connections: limits, ..Limits::default() });
    let (_first, second) = (fixture.connect().await, fixture.connect().await);
    let mut third = fixture.connect().await;
    assert!(closed_within(&mut third, SOON).await);
    drop(second);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut fourth = fixture.connect().await;
    fourth.write_all(&frame(AT_ONCE, 1, 0)).await.unwrap();
    assert_eq!(read_id(&mut fourth).await, 1);
}

#[tokio::test]
async fn connections_above_the_limit_of_the_broker_wait() {
    let limits = ConnectionLimits { max_connections: 1, ..ConnectionLimits::default() };
    let fixture = start(Limits { connections: limits, ..Limits::default() });
    let first = fixture.connect().await;
    let mut second = fixture.connect().await;
    second.write_all(&frame(AT_ONCE, 1, 0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(fixture.echo.started.lock().is_empty());
    drop(first);
    assert_eq!(read_id(&mut second).await, 1);
    let mut third = fixture.connect().await;
    third.write_all(&frame(AT_ONCE, 2, 0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.echo.started.lock().len(), 1);
    fixture.server.connections().set_limits(ConnectionLimits::default());
    assert_eq!(read_id(&mut third).await, 2);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let fixture = start(Limits::default());
    let error = Listeners::bind(&[local(fixture.address.port())], &Limits::default()).unwrap_err();
    let (text, own) = (error.to_string(), std::process::id());
    let expected =
        format!("cannot listen on {} (listener PLAINTEXT): in use by process {own}", fixture.address);
    assert!(text.starts_with(&expected), "{text}");
}

#[tokio::test]
async fn port_0_is_one_port_for_all_addresses_of_a_listener() {
    let addresses = vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv4Addr::new(127, 0, 0, 2), 0).into()];
    let listener = ListenAddress { name: "A".into(), addresses };
    let bound = Listeners::bind(&[listener], &Limits::default()).unwrap().addresses();
    assert_eq!(bound.len(), 2);
    assert_eq!(bound[0].1.port(), bound[1].1.port());
}

#[tokio::test]
async fn stopping_lets_started_requests_end_and_starts_no_more() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    let mut idle = fixture.connect().await;
    stream.write_all(&[frame(EXCLUSIVE, 1, 0), frame(AT_ONCE, 2, 0)].concat()).await.unwrap();
    fixture.started(1).await;
    let permits = Arc::clone(&fixture.echo.permits);
    let stopped = tokio::spawn(fixture.server.stop());
    assert!(closed_within(&mut idle, SOON).await);
    assert!(!stopped.is_finished());
    permits.add_permits(1);
    assert_eq!(read_id(&mut stream).await, 1);
    assert!(closed_within(&mut stream, SOON).await);
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_steady_client_costs_one_read_and_one_write_per_request() {
    let fixture = start(Limits::default());
    let mut stream = fixture.connect().await;
    let ask = frame(AT_ONCE, 1, 16_000);
    let traffic = Arc::clone(fixture.server.traffic());
    let calls = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    for _ in 0..20 {
        stream.write_all(&ask).await.unwrap();
        assert_eq!(read_id(&mut stream).await, 1);
    }
    let before = (calls(&traffic.reads), calls(&traffic.writes));
    for _ in 0..100 {
        stream.write_all(&ask).await.unwrap();
        assert_eq!(read_id(&mut stream).await, 1);
    }
    let (reads, writes) = (calls(&traffic.reads) - before.0, calls(&traffic.writes) - before.1);
    assert!(reads <= 110, "{reads} reads for 100 requests");
    assert!(writes <= 110, "{writes} writes for 100 requests");
}

/// A thousand connections that claim 100 MiB each and send five bytes.
#[tokio::test]
async fn claims_cost_no_memory() {
    let fixture = start(Limits::default());
    let before = resident();
    let mut streams = Vec::new();
    for _ in 0..1000 {
        let Ok(mut stream) = TcpStream::connect(fixture.address).await else { break };
        stream.write_all(&[0x06, 0x3f, 0xff, 0xff, 0]).await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(streams.len() >= 400, "only {} connections: too few descriptors", streams.len());
    assert_eq!(fixture.server.connections().total(), streams.len());
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for {} connections", streams.len());
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size()
}

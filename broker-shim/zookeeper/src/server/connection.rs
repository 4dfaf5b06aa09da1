//! One connection: what it sends goes to the driver, what the driver has for it is written.
//!
//! # Invariants
//!
//! * Nothing is believed before it is there: a frame's room grows with its bytes.
//! * A connection that is closed for what it sent costs one log line and no answer, but those that were due before.

use super::inbox::{Frame, Inbox, Message, Room};
use super::outbox::{Next, Outbox};
use super::quiet::Quiet;
use crate::config::Config;
use crate::watch::ConnId;
use crate::wire::connect::MAX_CONNECT;
use crate::words::Word;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Requests of a connection that are not answered yet.
pub(super) const WINDOW: usize = 64;
/// Requests up to this size are free, those above share [`BUDGET`].
pub(super) const FREE: usize = 4096;
/// Bytes of large requests, of all connections, that are not answered yet; one more of the largest size fits always.
const BUDGET: usize = 64 << 20;
/// How long the end of a connection may take: writing what is due, and reading what was sent in vain.
const END_TIME: Duration = Duration::from_secs(5);
const LINGER: Duration = Duration::from_millis(500);

/// What connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inbox: Arc<Inbox>,
    pub(super) quiet: Quiet,
    max_request: usize,
    connect_time: Duration,
    max_per_address: Option<usize>,
    max: Option<usize>,
    budget: Arc<Semaphore>,
    open: Mutex<HashMap<IpAddr, usize>>,
    next: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: &Config, inbox: Arc<Inbox>) -> Self {
        let budget = BUDGET.saturating_add(config.max_request_bytes).min(Semaphore::MAX_PERMITS);
        Self {
            inbox,
            quiet: Quiet::default(),
            max_request: config.max_request_bytes,
            connect_time: config.connect_time,
            max_per_address: config.max_client_connections,
            max: config.max_connections,
            budget: Arc::new(Semaphore::new(budget)),
            open: Mutex::new(HashMap::new()),
            next: AtomicU64::new(1),
        }
    }

    /// Counts a connection in, if there is room for it.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Admitted, String> {
        let mut open = self.open.lock();
        if let Some(max) = self.max
            && open.values().sum::<usize>() >= max
        {
            return Err(format!("refused, {max} connections are open (maxCnxns)"));
        }
        let count = open.entry(peer.ip()).or_default();
        if let Some(max) = self.max_per_address.filter(|max| *count >= *max) {
            return Err(format!("refused, its address has {max} connections open (maxClientCnxns)"));
        }
        *count += 1;
        Ok(Admitted { shared: Arc::clone(self), ip: peer.ip() })
    }
}

/// A connection that was counted in; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Admitted {
    shared: Arc<Shared>,
    ip: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        if let Some(count) = open.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.ip);
            }
        }
    }
}

/// Why reading ended.
enum Ended {
    /// The peer closed, or vanished.
    Peer,
    /// It sent something that no client sends.
    Bad(String),
    /// It asked for a word; the answer is the last that it gets.
    Asked,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Peer
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(mut stream: TcpStream, peer: SocketAddr, admitted: Admitted, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let id = shared.next.fetch_add(1, Ordering::Relaxed);
    let outbox = Arc::new(Outbox::default());
    shared.inbox.push(Message::Opened(id, peer, Arc::clone(&outbox)));
    let (read, write) = stream.split();
    let mut reader = Reader { stream: BufReader::new(read), id, shared: &shared };
    let writing = write_all(write, &outbox, id, &shared.inbox);
    tokio::pin!(writing);
    let in_order = tokio::select! {
        in_order = &mut writing => in_order,
        ended = reader.run() => match ended {
            Ended::Bad(why) => {
                shared.quiet.say(peer, &format!("closed, {why}"));
                false
            }
            // The answer to a goodbye is written, if it was given.
            Ended::Peer if !outbox.is_ending() => false,
            Ended::Peer | Ended::Asked => timeout(END_TIME, writing).await.unwrap_or(false),
        },
    };
    if in_order {
        reader.linger().await;
    }
    shared.inbox.push(Message::Closed(id));
    drop(admitted);
}

/// Writes what comes into the outbox until its end; false if that was not reached.
async fn write_all(mut stream: WriteHalf<'_>, outbox: &Outbox, id: ConnId, inbox: &Inbox) -> bool {
    loop {
        match outbox.next().await {
            Next::Write(frames, bytes) => {
                if write_frames(&mut stream, &frames).await.is_err() {
                    return false;
                }
                if outbox.written(bytes) {
                    inbox.push(Message::Drained(id));
                }
            }
            Next::End => {
                let _ = stream.shutdown().await;
                return true;
            }
            Next::Cut => return false,
        }
    }
}

async fn write_frames(stream: &mut WriteHalf<'_>, frames: &[Bytes]) -> io::Result<()> {
    match frames {
        [one] => stream.write_all(one).await,
        many => stream.write_all(&many.concat()).await,
    }
}

struct Reader<'a> {
    stream: BufReader<ReadHalf<'a>>,
    id: ConnId,
    shared: &'a Arc<Shared>,
}

impl Reader<'_> {
    async fn run(&mut self) -> Ended {
        let time = self.shared.connect_time;
        match timeout(time, self.first()).await {
            Err(_) => return Ended::Bad(format!("it has said nothing whole for {time:?}")),
            Ok(Err(ended)) => return ended,
            Ok(Ok(())) => {}
        }
        match self.requests().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    /// The connect request, or a word.
    async fn first(&mut self) -> Result<(), Ended> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        if let Some(word) = Word::parse(head) {
            self.shared.inbox.push(Message::Word(self.id, word));
            return Err(Ended::Asked);
        }
        let len = i32::from_be_bytes(head);
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= MAX_CONNECT) else {
            return Err(Ended::Bad(not_a_connect(head)));
        };
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).await?;
        self.pass_on(bytes, (None, None));
        Ok(())
    }

    async fn requests(&mut self) -> Result<std::convert::Infallible, Ended> {
        let window = Arc::new(Semaphore::new(WINDOW));
        loop {
            let len = self.stream.read_i32().await?;
            let max = self.shared.max_request;
            let Some(len) = usize::try_from(len).ok().filter(|len| *len <= max) else {
                return Err(Ended::Bad(format!(
                    "it sent a request of {len} bytes, the most is {max} (jute.maxbuffer)"
                )));
            };
            let gone = |_| Ended::Peer;
            let place = Arc::clone(&window).acquire_owned().await.map_err(gone)?;
            let share = match u32::try_from(len) {
                Ok(bytes) if len > FREE => {
                    Some(Arc::clone(&self.shared.budget).acquire_many_owned(bytes).await.map_err(gone)?)
                }
                _ => None,
            };
            let bytes = match share {
                None => self.body(len).await?,
                // Others may wait for what it holds.
                Some(_) => timeout(self.shared.connect_time, self.body(len)).await.map_err(|_| {
                    Ended::Bad(format!("it has begun a request of {len} bytes and not gone on"))
                })??,
            };
            self.pass_on(bytes, (Some(place), share));
        }
    }

    /// So many bytes; room is made as they come.
    async fn body(&mut self, len: usize) -> Result<Vec<u8>, Ended> {
        let mut bytes = Vec::with_capacity(len.min(FREE));
        (&mut self.stream).take(len as u64).read_to_end(&mut bytes).await?;
        if bytes.len() < len { Err(Ended::Peer) } else { Ok(bytes) }
    }

    fn pass_on(&self, bytes: Vec<u8>, room: Room) {
        let frame = Frame { bytes, arrived: Instant::now(), _room: room };
        self.shared.inbox.push(Message::Frame(self.id, frame));
    }

    /// Reads what was sent in vain: bytes that nobody reads would make the system reset the connection, and the last answer
    /// could be lost with that.
    async fn linger(&mut self) {
        let mut sink = [0; 1024];
        let drain = async { while self.stream.read(&mut sink).await.is_ok_and(|n| n > 0) {} };
        let _ = timeout(LINGER, drain).await;
    }
}

/// What the first bytes of a connection are, if they are no connect request.
fn not_a_connect(head: [u8; 4]) -> String {
    const HTTP: [&[u8; 4]; 5] = [b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI"];
    match head {
        [0x16, 3, ..] => "it began a TLS handshake: there is no TLS here".to_owned(),
        _ if HTTP.contains(&&head) => "it sent an HTTP request: this is a ZooKeeper".to_owned(),
        _ => {
            let len = i32::from_be_bytes(head);
            format!("its first frame has {len} bytes, a connect request has 45: it is no ZooKeeper client")
        }
    }
}

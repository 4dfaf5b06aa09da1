//! Addresses, and the loop that accepts connections on them.

use super::budget::Budget;
use super::close::{CloseLog, CloseReason};
use super::connection::{Connection, Shared};
use super::holder;
use super::limits::{ConnectionCounts, Counted};
use super::reply::Traffic;
use super::{ConnectionContext, Limits, Service};
use crate::config::HTTP_LISTENER;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long accepting pauses after the system refused (no descriptors, no memory), first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How often a port that was free for one address and taken for the next is drawn anew.
const PORT_TRIES: usize = 16;

/// A listener's name and where it listens.
#[derive(Clone, Debug)]
pub struct ListenAddress {
    /// Its name: `PLAINTEXT`.
    pub name: Arc<str>,
    /// Its addresses; with port 0 the system chooses one port, the same for all of them.
    pub addresses: Vec<SocketAddr>,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (listener {name}){hint}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The listener's name.
    pub name: Arc<str>,
    hint: String,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

impl BindError {
    fn new(address: SocketAddr, name: &Arc<str>, source: io::Error) -> Self {
        // A listener that is no client's has a key of its own, and its name is that.
        let key = if **name == *HTTP_LISTENER { HTTP_LISTENER } else { "listeners" };
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => holder::in_use(address, key),
            io::ErrorKind::AddrNotAvailable => ": this machine has no such address".to_owned(),
            io::ErrorKind::PermissionDenied => {
                ": not permitted; ports below 1024 need a privilege".to_owned()
            }
            _ => String::new(),
        };
        Self { address, name: Arc::clone(name), hint, source }
    }
}

/// Sockets that listen; nobody is accepted before [`Listeners::serve`], but clients may already connect.
#[derive(Debug)]
pub struct Listeners {
    bound: Vec<(Arc<str>, TcpListener)>,
}

impl Listeners {
    /// Listens on all addresses or on none. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The first address that cannot be had. An IPv6 wildcard or loopback beside an IPv4 one is left out without
    /// an error where the machine has no IPv6.
    pub fn bind(addresses: &[ListenAddress], limits: &Limits) -> Result<Self, BindError> {
        let mut bound = Vec::new();
        for listener in addresses {
            for socket in bind_same_port(listener, limits)? {
                bound.push((Arc::clone(&listener.name), socket));
            }
        }
        Ok(Self { bound })
    }

    /// The sockets, for a server that is not ours; they do not block.
    ///
    /// # Errors
    ///
    /// What the system answers.
    pub(crate) fn into_sockets(self) -> io::Result<Vec<std::net::TcpListener>> {
        self.bound.into_iter().map(|(_, socket)| socket.into_std()).collect()
    }

    /// The names and the addresses, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        let address =
            |(name, socket): &(Arc<str>, TcpListener)| Some((Arc::clone(name), socket.local_addr().ok()?));
        self.bound.iter().filter_map(address).collect()
    }

    /// Starts to accept connections and to hand their requests to `service`.
    #[must_use]
    pub fn serve(self, service: Arc<dyn Service>, limits: Limits) -> Server {
        let traffic = Arc::new(Traffic::default());
        let counts = Arc::new(ConnectionCounts::default());
        counts.set_limits(limits.connections.clone());
        let budget = Budget::new(limits.budget_bytes());
        let shared = Arc::new(Shared { service, limits, budget, traffic: Arc::clone(&traffic) });
        let (stop, stopping) = watch::channel(false);
        let log = Arc::new(CloseLog::default());
        let mut loops = JoinSet::new();
        for (name, socket) in self.bound {
            let acceptor = Acceptor {
                name,
                socket,
                shared: Arc::clone(&shared),
                counts: Arc::clone(&counts),
                log: Arc::clone(&log),
                stopping: stopping.clone(),
                open: JoinSet::new(),
            };
            loops.spawn(acceptor.run());
        }
        Server { stop, loops, traffic, counts }
    }
}

/// A running server; dropping it ends all its connections at once.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
    traffic: Arc<Traffic>,
    counts: Arc<ConnectionCounts>,
}

impl Server {
    /// What its connections did so far.
    #[must_use]
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> &Arc<ConnectionCounts> {
        &self.counts
    }

    /// Stops accepting and reading; requests that have started may end within [`Limits::drain`].
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.loops.join_next().await.is_some() {}
    }
}

/// Binds a listener's addresses; port 0 becomes one port for all.
fn bind_same_port(listener: &ListenAddress, limits: &Limits) -> Result<Vec<TcpListener>, BindError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_bind(listener, limits) {
            Err(e) if e.source.kind() == io::ErrorKind::AddrInUse && tries < PORT_TRIES => {
                if listener.addresses.iter().all(|address| address.port() != 0) {
                    return Err(e);
                }
            }
            done => return done,
        }
    }
}

fn try_bind(listener: &ListenAddress, limits: &Limits) -> Result<Vec<TcpListener>, BindError> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    for address in &listener.addresses {
        let mut address = *address;
        let first = sockets.first().and_then(|socket| socket.local_addr().ok());
        if let Some(first) = first.filter(|_| address.port() == 0) {
            address.set_port(first.port());
        }
        match bind_one(address, limits) {
            Ok(socket) => sockets.push(socket),
            Err(e) if listener.addresses.len() > 1 && is_missing_ipv6(address, &e) => {
                tracing::debug!("not listening on {address}: {e}");
            }
            Err(e) => return Err(BindError::new(address, &listener.name, e)),
        }
    }
    Ok(sockets)
}

fn is_missing_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    let IpAddr::V6(ip) = address.ip() else { return false };
    let missing = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL];
    (ip.is_loopback() || ip.is_unspecified())
        && missing.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn bind_one(address: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The IPv4 address is a socket of its own, so that both can be named.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if let Some(bytes) = limits.receive_buffer_bytes {
        // Before listening: the window scale is negotiated with it.
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(limits.backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Accepts the connections of one address.
struct Acceptor {
    name: Arc<str>,
    socket: TcpListener,
    shared: Arc<Shared>,
    counts: Arc<ConnectionCounts>,
    log: Arc<CloseLog>,
    stopping: watch::Receiver<bool>,
    open: JoinSet<()>,
}

impl Acceptor {
    async fn run(mut self) {
        let mut back_off = BACK_OFF.0;
        let mut stopping = self.stopping.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => break,
                Some(ended) = self.open.join_next() => {
                    report_panic(&ended);
                    continue;
                }
                accepted = accept(&self.socket, &self.counts) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    back_off = BACK_OFF.0;
                    self.admit(stream, peer);
                }
                // The peer changed its mind between connecting and being accepted.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    tracing::warn!(
                        "cannot accept connections on {}, next try in {back_off:?}: {e}",
                        self.name
                    );
                    tokio::time::sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF.1);
                }
            }
        }
        self.drain().await;
    }

    /// Lets open connections end; those that take too long are cut.
    async fn drain(mut self) {
        drop(self.socket);
        let all = async {
            while let Some(ended) = self.open.join_next().await {
                report_panic(&ended);
            }
        };
        if tokio::time::timeout(self.shared.limits.drain, all).await.is_err() {
            self.open.shutdown().await;
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let counted = match self.counts.enter(peer.ip()) {
            Ok(counted) => counted,
            Err((open, max)) => {
                self.log
                    .refused(peer, &format!("it has {open} connections, max.connections.per.ip is {max}"));
                return;
            }
        };
        if let Err(e) = configure(&stream, &self.shared.limits) {
            tracing::debug!("cannot set up the socket of {peer}: {e}");
            return;
        }
        let Ok(local) = stream.local_addr() else { return };
        let context = Arc::new(ConnectionContext { peer, local, listener: Arc::clone(&self.name) });
        let connection = Connection::new(stream, context, Arc::clone(&self.shared), self.stopping.clone());
        let ended = Ended { log: Arc::clone(&self.log), counts: Arc::clone(&self.counts) };
        self.open.spawn(serve(connection, peer, ended, counted));
    }
}

/// Runs a connection to its end and says why it ended.
async fn serve(connection: Connection, peer: SocketAddr, ended: Ended, _counted: Counted) {
    let reason: CloseReason = connection.run().await;
    ended.counts.note_closed(&reason);
    ended.log.closed(peer, &reason);
}

/// Who hears of the end of a connection.
struct Ended {
    log: Arc<CloseLog>,
    counts: Arc<ConnectionCounts>,
}

/// Accepts the next connection when there is room for one.
async fn accept(socket: &TcpListener, counts: &ConnectionCounts) -> io::Result<(TcpStream, SocketAddr)> {
    counts.room().await;
    socket.accept().await
}

fn configure(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    if let Some(bytes) = limits.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// A panic in one request ends its connection and nothing else; the hook has printed where it was.
fn report_panic(ended: &Result<(), tokio::task::JoinError>) {
    if ended.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
        tracing::error!("a connection ended by a bug of this broker: please report the panic above");
    }
}

//! Addresses, and the loop that accepts connections on them.

use super::connection::{self, Shared};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long accepting pauses after the system refused: no descriptors, no memory.
const BACK_OFF: Duration = Duration::from_millis(200);
/// How often a port that the system chose for one address and that is taken on the next is drawn anew.
const PORT_TRIES: usize = 16;
const BACKLOG: i32 = 128;

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{hint}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    hint: &'static str,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => {
                ": another process has this address; stop it, or set clientPort to another port"
            }
            io::ErrorKind::AddrNotAvailable => {
                ": this machine has no such address; set clientPortAddress to one that it has"
            }
            io::ErrorKind::PermissionDenied => ": not permitted; ports below 1024 need a privilege",
            _ => "",
        };
        Self { address, hint, source }
    }

    /// Whether another process has the address.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

/// Listens on all addresses or on none. An IPv6 wildcard or loopback beside an IPv4 one is left out where the machine has
/// no IPv6.
pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    let drawn = addresses.iter().any(|address| address.port() == 0);
    let mut tries = 1;
    loop {
        match bind_all(addresses) {
            Err(error) if drawn && error.is_in_use() && tries < PORT_TRIES => tries += 1,
            done => return done,
        }
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    let mut bound: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        let port = bound.first().and_then(|first| first.local_addr().ok()).map(|first| first.port());
        if let Some(port) = port.filter(|_| address.port() == 0) {
            address.set_port(port);
        }
        match bind_one(address) {
            Ok(listener) => bound.push(listener),
            Err(error) if addresses.len() > 1 && is_missing_ipv6(address, &error) => {
                tracing::debug!("not listening on {address}: {error}");
            }
            Err(error) => return Err(BindError::new(address, error)),
        }
    }
    Ok(bound)
}

fn is_missing_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    let own = address.ip().is_loopback() || address.ip().is_unspecified();
    let missing = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL];
    address.is_ipv6() && own && missing.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The IPv4 address is a socket of its own, so that both can be named.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until the runtime ends.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match shared.admit(peer) {
                Ok(admitted) => {
                    tokio::spawn(connection::serve(stream, peer, admitted, Arc::clone(&shared)));
                }
                Err(why) => shared.quiet.say(peer, &why),
            },
            // The peer changed its mind between connecting and being accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!("cannot accept connections, next try in {BACK_OFF:?}: {error}");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

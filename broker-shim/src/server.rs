//! A broker in this process: started, stopped, and put together from its parts.
//!
//! ```no_run
//! # use broker_shim::server::Broker;
//! let broker = Broker::temporary().start_blocking()?;
//! println!("a broker on {}, gone when this is dropped", broker.addr());
//! # Ok::<(), broker_shim::server::StartError>(())
//! ```
//!
//! # Order
//!
//! ```text
//! start:  look at the directories -> listen (clients, then people and monitors) -> open the logs -> topics (and ZooKeeper, if there is one) -> groups -> accept
//! stop:   accept no more -> requests that run may end -> groups -> logs closed -> clean mark
//! ```
//!
//! A broker that is dropped and not stopped ends like a process that was killed: nothing that was acknowledged is
//! lost, and the next start checks the logs.
//!
//! # Not here
//!
//! Signals and the ready line (`cli`), what requests do (`handlers`).

mod parts;

use crate::config::{BrokerConfig, ConfigError, Listener};
use crate::coordinators::journal::JournalError;
use crate::metadata::{Catalog, CatalogError, DirectoryError, Uuid, inspect_directories};
use crate::net::{BindError, ConnectionLimits, Limits, ListenAddress, Listeners, Server};
use crate::trouble::Chain;
use crate::web::{Running, WebError, WebServer};
use log_engine::error::LogError;
use log_engine::io::{Clock, RealStorage, Storage, SystemClock};
use parts::Parts;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a broker does not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A data directory is not ours, or damaged.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Another process has a data directory.
    #[error("{dir} is in use by {holder}: stop that broker, or set log.dirs to another folder", dir = .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// The topics cannot be read.
    #[error(transparent)]
    Catalog(CatalogError),
    /// The logs cannot be opened.
    #[error("the logs cannot be opened")]
    Log(#[source] LogError),
    /// The committed offsets cannot be read.
    #[error("the committed offsets cannot be read; restore the __consumer_offsets directories from a backup")]
    Groups(#[source] JournalError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A host name of `listeners` has no address.
    #[error(
        "listener {name}: cannot find the address of its host; set listeners to a name that resolves here"
    )]
    Resolve {
        /// The listener.
        name: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The port for people and monitors.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The operating system has no threads or sockets to give.
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
}

impl From<LogError> for StartError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Locked { dir, holder } => Self::InUse { dir, holder },
            other => Self::Log(other),
        }
    }
}

impl From<CatalogError> for StartError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Directory(error) => Self::Directory(error),
            CatalogError::Log(error) => error.into(),
            other => Self::Catalog(other),
        }
    }
}

/// What a broker is started with.
#[derive(Debug)]
pub struct BrokerBuilder {
    config: Result<BrokerConfig, ConfigError>,
    storage: Option<Arc<dyn Storage>>,
    clock: Arc<dyn Clock>,
    prepare: Prepare,
    temporary: Option<TemporaryDir>,
}

type OnTopics = dyn FnOnce(&dyn Catalog) + Send;

/// What is done with the topics before clients are served.
#[derive(Default)]
struct Prepare(Option<Box<OnTopics>>);

impl std::fmt::Debug for Prepare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepare").field("is_some", &self.0.is_some()).finish()
    }
}

impl BrokerBuilder {
    /// Does this when the logs are open and before clients are served; it may block.
    #[must_use]
    pub fn prepare(mut self, prepare: impl FnOnce(&dyn Catalog) + Send + 'static) -> Self {
        self.prepare = Prepare(Some(Box::new(prepare)));
        self
    }

    /// Keeps the data there. The default is the file system, read as `log.read.mode` says.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Takes the time from there. The default is the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts it on the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// As the error says; nothing is left running.
    pub async fn start(self) -> Result<Broker, StartError> {
        let config = Arc::new(self.config?);
        let limits = limits(&config);
        guard_maps();
        // Blocking work off the runtime's threads: a start may have to read a lot of log.
        let storage = self.storage.unwrap_or_else(|| real_storage(&config));
        let known = inspect_directories(&*storage, &config)?;
        let listeners = Listeners::bind(&listen_addresses(&config.listeners.bind)?, &limits)?;
        let web = WebServer::start(&config)?;
        let bound = listeners.addresses();
        let addresses = bound.iter().map(|(_, address)| *address).collect();
        let parts = {
            let config = Arc::clone(&config);
            let clock = Arc::clone(&self.clock);
            let Prepare(prepare) = self.prepare;
            let open = move || {
                let parts = Parts::open(&config, &storage, &clock, known, bound)?;
                if let Some(prepare) = prepare {
                    prepare(&*parts.state.catalog);
                }
                Ok::<_, StartError>(parts)
            };
            tokio::task::spawn_blocking(open)
                .await
                .map_err(|e| StartError::Runtime(io::Error::other(e)))??
        };
        let server = listeners.serve(parts.service(), limits);
        let counts = Arc::clone(server.connections());
        let told = move |config: &BrokerConfig| counts.set_limits(connection_limits(config));
        parts.state.catalog.on_config(Box::new(told));
        let (traffic, connections) = (Arc::clone(server.traffic()), Arc::clone(server.connections()));
        let web = web.show(Running { state: Arc::clone(&parts.state), traffic, connections });
        Ok(Broker { web, server: Some(server), parts, addresses, _temporary: self.temporary })
    }

    /// Starts it on a runtime of its own, for callers that have none.
    ///
    /// # Errors
    ///
    /// As the error says; nothing is left running.
    pub fn start_blocking(self) -> Result<BlockingBroker, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("corrente")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let broker = runtime.block_on(self.start())?;
        Ok(BlockingBroker { broker: Some(broker), runtime })
    }
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    // The first field: it holds parts of the broker.
    web: Option<WebServer>,
    server: Option<Server>,
    parts: Parts,
    addresses: Vec<SocketAddr>,
    // The last field: the directory goes when everything that uses it has gone.
    _temporary: Option<TemporaryDir>,
}

impl Broker {
    /// Starts a broker on the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// As the error says; nothing is left running.
    pub async fn start(config: BrokerConfig) -> Result<Self, StartError> {
        Self::builder(config).start().await
    }

    /// Starts a broker on a runtime of its own.
    ///
    /// # Errors
    ///
    /// As the error says; nothing is left running.
    pub fn start_blocking(config: BrokerConfig) -> Result<BlockingBroker, StartError> {
        Self::builder(config).start_blocking()
    }

    /// A broker with these settings.
    #[must_use]
    pub fn builder(config: BrokerConfig) -> BrokerBuilder {
        BrokerBuilder {
            config: Ok(config),
            storage: None,
            clock: Arc::new(SystemClock::default()),
            prepare: Prepare::default(),
            temporary: None,
        }
    }

    /// A broker for a test: on a free port of 127.0.0.1, with its data in a new directory that goes with it, and without the
    /// port for people and monitors.
    #[must_use]
    pub fn temporary() -> BrokerBuilder {
        Self::temporary_with(&[])
    }

    /// As [`Broker::temporary`], with settings of the test's own.
    #[must_use]
    pub fn temporary_with(settings: &[(&str, &str)]) -> BrokerBuilder {
        let dir = TemporaryDir::new();
        let builder = BrokerConfig::builder()
            .set("listeners", "PLAINTEXT://127.0.0.1:0")
            .set("http.listener", "")
            .set("log.dirs", dir.0.display().to_string());
        let builder = settings.iter().fold(builder, |b, (key, value)| b.set(*key, *value));
        BrokerBuilder {
            config: builder.build(),
            storage: None,
            clock: Arc::new(SystemClock::default()),
            prepare: Prepare::default(),
            temporary: Some(dir),
        }
    }

    /// The first address it listens on, with the port that it really has.
    ///
    /// # Panics
    ///
    /// Never: a broker that listens nowhere does not start.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        *self.addresses.first().expect("a broker listens somewhere")
    }

    /// All addresses it listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses of its port for people and monitors; none without one.
    #[must_use]
    pub fn http_addresses(&self) -> &[SocketAddr] {
        self.web.as_ref().map_or(&[], WebServer::addresses)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.parts.state.catalog.broker_id()
    }

    /// Its topics, for tests and tools in the same process.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.parts.state.catalog
    }

    /// Stops cleanly: when this returns, the logs are closed and the next start need not check them.
    ///
    /// # Errors
    ///
    /// A log could not be closed: the next start checks the logs.
    pub async fn shutdown(mut self) -> Result<(), LogError> {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        drop(self.web.take());
        self.parts.close().await
    }
}

/// A running broker with a runtime of its own; dropping it stops it cleanly. Not to be dropped within another runtime.
#[derive(Debug)]
pub struct BlockingBroker {
    broker: Option<Broker>,
    runtime: tokio::runtime::Runtime,
}

impl BlockingBroker {
    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("it is there until it is stopped, which takes self")
    }

    /// The first address it listens on, with the port that it really has.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.broker().addr()
    }

    /// All addresses it listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.broker().addresses()
    }

    /// The addresses of its port for people and monitors; none without one.
    #[must_use]
    pub fn http_addresses(&self) -> &[SocketAddr] {
        self.broker().http_addresses()
    }

    /// Its topics.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        self.broker().catalog()
    }

    /// Stops cleanly.
    ///
    /// # Errors
    ///
    /// A log could not be closed: the next start checks the logs.
    pub fn shutdown(mut self) -> Result<(), LogError> {
        self.stop()
    }

    /// Ends it as if the process had been killed: nothing is flushed, no clean mark is written.
    pub fn kill(mut self) {
        // Dropped within the runtime, where its tasks are.
        let _inside = self.runtime.enter();
        self.broker = None;
    }

    fn stop(&mut self) -> Result<(), LogError> {
        match self.broker.take() {
            Some(broker) => self.runtime.block_on(broker.shutdown()),
            None => Ok(()),
        }
    }
}

impl Drop for BlockingBroker {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(error = %Chain(&error), "a broker was not stopped cleanly");
        }
    }
}

/// The file system, with or without maps.
fn real_storage(config: &BrokerConfig) -> Arc<dyn Storage> {
    Arc::new(if config.storage.read_by_map { RealStorage::new() } else { RealStorage::without_maps() })
}

/// Asks for the signal that a read through a map ends in when somebody shortens a segment file or the disk fails: one
/// partition, or one connection, fails then, and not the process.
fn guard_maps() {
    match log_engine::io::install_sigbus_handler() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => {
            tracing::warn!(%error, "an error of the disk may end the process; log.read.mode=pread helps");
        }
        _ => {}
    }
}

/// Where to listen, with host names resolved.
fn listen_addresses(bind: &[Listener]) -> Result<Vec<ListenAddress>, StartError> {
    let one = |listener: &Listener| match listener.addresses() {
        Ok(addresses) => Ok(ListenAddress { name: listener.name.as_str().into(), addresses }),
        Err(source) => Err(StartError::Resolve { name: listener.name.clone(), source }),
    };
    bind.iter().map(one).collect()
}

/// The limits of connections, as the socket layer takes them.
fn limits(config: &BrokerConfig) -> Limits {
    let network = &config.network;
    let defaults = Limits::default();
    Limits {
        request_max_bytes: network.socket_request_max_bytes,
        queued_max_request_bytes: network.queued_max_request_bytes,
        // "Never" is a century.
        max_idle: network.connections_max_idle.unwrap_or(std::time::Duration::from_secs(100 * 365 * 86_400)),
        connections: connection_limits(config),
        backlog: u32::try_from(network.listen_backlog).unwrap_or(defaults.backlog),
        send_buffer_bytes: network.socket_send_buffer_bytes,
        receive_buffer_bytes: network.socket_receive_buffer_bytes,
        ..defaults
    }
}

fn connection_limits(config: &BrokerConfig) -> ConnectionLimits {
    let network = &config.network;
    let per_ip = network.max_connections_per_ip_overrides.iter();
    ConnectionLimits {
        max_connections: network.max_connections,
        max_connections_per_ip: network.max_connections_per_ip,
        per_ip_overrides: per_ip.flat_map(|(host, limit)| addresses_of(host, *limit)).collect(),
    }
}

/// The addresses of a host of `max.connections.per.ip.overrides`. One that cannot be found is left out and named.
fn addresses_of(host: &str, limit: usize) -> Vec<(std::net::IpAddr, usize)> {
    use std::net::ToSocketAddrs;
    match (host, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| (address.ip(), limit)).collect(),
        Err(error) => {
            tracing::warn!(host, %error, "max.connections.per.ip.overrides: this host has no address");
            Vec::new()
        }
    }
}

/// A directory that is removed when this is dropped.
#[derive(Debug)]
struct TemporaryDir(PathBuf);

impl TemporaryDir {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("corrente-{}", Uuid::random())))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        let gone = std::fs::remove_dir_all(&self.0);
        if let Err(error) =
            gone.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        {
            tracing::warn!(dir = %Path::new(&self.0).display(), %error, "a temporary directory is left behind");
        }
    }
}

#[cfg(test)]
mod tests;

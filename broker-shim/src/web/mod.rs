//! The port for people and monitors: health, metrics and the console, over HTTP, off the data path.
//!
//! ```text
//! GET /healthz    200 while the process lives
//! GET /readyz     200 when clients are served; else 503 and what is wrong, a line each
//! GET /metrics    the figures, for Prometheus
//! everything else is the console's
//! ```
//!
//! It has one thread and a runtime of its own: a slow page costs a connection of the broker nothing. What waits for the disk
//! goes to that runtime's blocking pool (`tokio::task::spawn_blocking`), never to its one thread.
//!
//! # Invariants
//!
//! * The port answers before the logs are open: a start that takes long is seen (`Web::running` is an error until then).
//! * Connections are few, and none of them stays when nothing moves on it: see `patience`.
//! * A page of somebody else's that makes a browser believe that its name is this machine (DNS rebinding) reads nothing: see
//!   `host`.
//! * When `WebServer` is dropped nothing of the broker is held any more.
//!
//! # Not here
//!
//! Settings (`config`), what is counted (`meter`).

mod console;
mod health;
mod host;
mod metrics;
mod patience;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::broker::BrokerState;
use crate::config::{BrokerConfig, HTTP_LISTENER, Listener};
use crate::net::{BindError, ConnectionCounts, Limits, ListenAddress, Listeners, Traffic};
use crate::trouble::Chain;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use patience::Patient;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Threads that pages may keep waiting for the disk.
const BLOCKING_THREADS: usize = 4;
/// How long a stop waits for them.
const STOP: Duration = Duration::from_secs(2);

/// Why the port is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// Its address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its host name has no address.
    #[error("http.listener: cannot find the address of its host; set it to a name that resolves here")]
    Resolve(#[source] io::Error),
    /// The operating system has no thread or socket to give.
    #[error("the thread for http.listener cannot be started")]
    Thread(#[source] io::Error),
}

/// What every page sees: the state of the router.
pub(crate) struct Web {
    /// The settings the broker was started with.
    pub(crate) config: Arc<BrokerConfig>,
    running: OnceLock<Running>,
    /// What the console counts.
    pub(crate) live: Arc<console::Live>,
}

/// A broker that serves clients.
pub(crate) struct Running {
    /// Topics, groups, logs.
    pub(crate) state: Arc<BrokerState>,
    /// What its connections did.
    pub(crate) traffic: Arc<Traffic>,
    /// How many there are.
    pub(crate) connections: Arc<ConnectionCounts>,
}

/// The answer of a page that needs a broker while it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starting;

impl IntoResponse for Starting {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, "the broker starts: its logs are being opened\n").into_response()
    }
}

impl Web {
    /// The broker, once it serves clients.
    pub(crate) fn running(&self) -> Result<&Running, Starting> {
        self.running.get().ok_or(Starting)
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("is_running", &self.running.get().is_some()).finish_non_exhaustive()
    }
}

/// All routes.
fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .merge(console::router())
        .layer(from_fn_with_state(Arc::clone(&web), host::check))
        .with_state(web)
}

/// What became of the port.
#[derive(Debug)]
pub(crate) enum Port {
    /// Nobody wants it.
    Off,
    Open(WebServer),
    /// The default address cannot be listened on.
    Taken(WebError),
}

impl Port {
    /// Shows a broker that has started. Only now is it told that there is no port: a start that fails has one reason.
    pub(crate) fn show(self, running: Running) -> Option<WebServer> {
        match self {
            Self::Off => None,
            Self::Open(server) => {
                server.show(running);
                Some(server)
            }
            Self::Taken(error) => {
                tracing::warn!(error = %Chain(&error), "the broker goes on without metrics and console");
                None
            }
        }
    }
}

/// The port and its thread; dropping it ends both.
#[derive(Debug)]
pub(crate) struct WebServer {
    web: Arc<Web>,
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Listens as `http.listener` says. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The address that somebody asked for cannot be had. The default is done without then.
    pub(crate) fn start(config: &Arc<BrokerConfig>) -> Result<Port, WebError> {
        let Some(listener) = &config.web.listener else { return Ok(Port::Off) };
        let listeners = match bind(listener) {
            Err(error) if !config.web.is_set => return Ok(Port::Taken(error)),
            bound => bound?,
        };
        let addresses: Vec<_> = listeners.addresses().into_iter().map(|(_, address)| address).collect();
        let sockets = listeners.into_sockets().map_err(WebError::Thread)?;
        let web =
            Arc::new(Web { config: Arc::clone(config), running: OnceLock::new(), live: Arc::default() });
        let (stop, stopped) = oneshot::channel();
        let pages = router(Arc::clone(&web));
        let thread = std::thread::Builder::new()
            .name("corrente-http".to_owned())
            .spawn({
                let web = Arc::clone(&web);
                move || run(sockets, &pages, web, stopped)
            })
            .map_err(WebError::Thread)?;
        if let Some(first) = addresses.first() {
            tracing::info!("metrics and console are on http://{first}/");
        }
        Ok(Port::Open(Self { web, addresses, stop: Some(stop), thread: Some(thread) }))
    }

    /// Shows this broker from now on.
    fn show(&self, running: Running) {
        // A second broker would be a bug; the first one stays then.
        let _ = self.web.running.set(running);
    }

    /// Where it listens, with the ports that it really has.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the thread for http.listener ended by a bug of this broker: please report the panic above"
            );
        }
    }
}

fn bind(listener: &Listener) -> Result<Listeners, WebError> {
    let addresses = listener.addresses().map_err(WebError::Resolve)?;
    let address = ListenAddress { name: HTTP_LISTENER.into(), addresses };
    Ok(Listeners::bind(&[address], &Limits::default())?)
}

/// The thread: serves until it is told to stop, and ends what is left of requests.
fn run(sockets: Vec<std::net::TcpListener>, pages: &Router, web: Arc<Web>, stopped: oneshot::Receiver<()>) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("corrente-http")
        .build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "http.listener is not served: there is no runtime for it");
            return;
        }
    };
    runtime.block_on(async {
        drop(tokio::spawn(console::count(web)));
        for socket in sockets {
            let pages = pages.clone();
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    let socket = Patient::new(socket);
                    drop(tokio::spawn(async move { axum::serve(socket, pages).await }));
                }
                Err(error) => tracing::error!(%error, "an address of http.listener is not served"),
            }
        }
        // Also when the sender is gone.
        let _ = stopped.await;
    });
    runtime.shutdown_timeout(STOP);
}

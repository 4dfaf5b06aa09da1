//! A running server: sockets, one thread that answers, and the order of start and stop.
//!
//! ```text
//! connection tasks --frames--> inbox --> driver thread: machine, then journal, then --frames--> outboxes --> tasks
//! ```
//!
//! All that waits in the inbox is handled together and its records are synced together: under load a sync is shared by
//! everybody who came while the one before it ran.
//!
//! # Bounds
//!
//! | what | at most |
//! |---|---|
//! | a frame before the session | [`MAX_CONNECT`](crate::wire::connect::MAX_CONNECT), within ten seconds |
//! | a frame after it | jute.maxbuffer; room is made as bytes come |
//! | requests of a connection that are not answered | [`connection::WINDOW`]; those above [`connection::FREE`] share a budget |
//! | answers that a connection has not read | [`outbox::HIGH`] and one more: its next request waits |
//! | events beyond that | [`outbox::MOST`]: the connection is closed |
//!
//! # Not here
//!
//! What requests do (`machine`).

mod connection;
mod driver;
mod inbox;
mod listener;
mod outbox;
mod quiet;

use crate::config::Config;
use crate::journal::{Journal, JournalError, Keeping};
use crate::machine::{Machine, Settings};
use connection::Shared;
use driver::Driver;
use inbox::{Inbox, Message};
pub use listener::BindError;
use log_engine::LogError;
use log_engine::io::{Clock, Storage, SystemClock};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process has the data directory.
    #[error("the data directory {dir} is in use by {holder}; stop it, or set dataDir to another directory", dir = .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// The data cannot be used.
    #[error(transparent)]
    Journal(JournalError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The operating system has no threads or sockets to give.
    #[error("the server cannot be started")]
    System(#[source] io::Error),
}

impl From<JournalError> for StartError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Log(LogError::Locked { dir, holder }) => Self::InUse { dir, holder },
            other => Self::Journal(other),
        }
    }
}

/// A running server, with a runtime and a thread of its own. Dropping it ends it as a kill would: nothing that was
/// acknowledged is lost.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    driver: Option<JoinHandle<Result<(), LogError>>>,
    inbox: Arc<Inbox>,
    addresses: Vec<SocketAddr>,
    failure: watch::Receiver<Option<String>>,
}

impl Server {
    /// Starts a server. It may be called from anywhere; it blocks while the data is read.
    ///
    /// # Errors
    ///
    /// As the error says; nothing is left running.
    #[expect(clippy::needless_pass_by_value, reason = "a server takes its settings with it")]
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_on(&config, None, Arc::new(SystemClock::default()))
    }

    /// The same with its data somewhere else than in the file system, or by another clock.
    ///
    /// # Errors
    ///
    /// As the error says; nothing is left running.
    pub fn start_on(
        config: &Config,
        storage: Option<Arc<dyn Storage>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let runtime = Runtime::new().map_err(StartError::System)?;
        let listeners = {
            let _inside = runtime.get().enter();
            listener::bind(&config.client_addresses)?
        };
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
        let keeping = Keeping {
            snapshot_every: config.snapshot_every,
            max_request: config.max_request_bytes,
            threads: storage.is_none(),
        };
        let (journal, state) = Journal::open(&config.data_dir, storage, &clock, keeping)?;
        let (min_timeout, max_timeout) = config.session_timeouts();
        let settings = Settings {
            min_timeout,
            max_timeout,
            super_digest: config.super_digest.clone(),
            container_interval: config.container_interval,
        };
        let machine = Machine::new(settings, Arc::clone(&clock), state);
        let inbox = Arc::new(Inbox::default());
        let (failed, failure) = watch::channel(None);
        let shared = Arc::new(Shared::new(config, Arc::clone(&inbox)));
        let driver =
            Driver::new(machine, journal, clock, Arc::clone(&shared), driver::settings(config, &addresses));
        let driver = std::thread::Builder::new()
            .name("zookeeper-driver".into())
            .spawn(move || driver.run(&failed))
            .map_err(StartError::System)?;
        for listener in listeners {
            runtime.get().spawn(listener::accept(listener, Arc::clone(&shared)));
        }
        Ok(Self { runtime, driver: Some(driver), inbox, addresses, failure })
    }

    /// The addresses that it listens on, with the ports that it really has.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Becomes `Some` when the server has ended by itself, because its log cannot be written: the sentence says why. Nobody
    /// was told of anything that is not on the disk.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.clone()
    }

    /// Stops: connections are closed, sessions and their nodes stay for the next start.
    ///
    /// # Errors
    ///
    /// The log could not be closed, or had failed before: the next start looks at what was not closed.
    pub fn stop(mut self) -> Result<(), LogError> {
        self.inbox.push(Message::Stop);
        let ended = self.driver.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or_else(|_| {
            tracing::error!("the server ended by a bug of its own: please report the panic above");
            Ok(())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.end();
        if let Some(driver) = self.driver.take() {
            self.inbox.push(Message::Kill);
            // The directory is free when this returns.
            let _ = driver.join();
        }
    }
}

/// The threads of the connections. Dropping it does not wait for them, so that it may be dropped within another runtime.
#[derive(Debug)]
struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("zookeeper")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn get(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().expect("it is there until its end")
    }

    fn end(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;

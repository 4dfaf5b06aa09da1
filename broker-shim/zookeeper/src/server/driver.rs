//! The thread that answers: requests in their order, a sync for all that came together, then the answers.
//!
//! # Invariants
//!
//! * What a connection or the log is told happens in this order: machine, log, sync, outboxes.
//! * A request of a connection with much unread waits, and those behind it; others do not wait for it.
//! * After a failure of the log nothing is sent any more.

use super::connection::Shared;
use super::inbox::{Frame, Message};
use super::outbox::Outbox;
use crate::config::Config;
use crate::journal::Journal;
use crate::machine::{Machine, Output};
use crate::watch::ConnId;
use crate::words::{self, About};
use bytes::Bytes;
use log_engine::LogError;
use log_engine::io::Clock;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Answers that are kept back for a sync, in bytes; with more of them there is a sync in between.
const KEPT_BACK: usize = 4 << 20;

struct Conn {
    peer: SocketAddr,
    outbox: Arc<Outbox>,
    /// Requests that wait until the connection has read.
    waiting: VecDeque<Frame>,
}

pub(super) struct Driver {
    machine: Machine,
    journal: Journal,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    about: About,
    conns: HashMap<ConnId, Conn>,
    /// Requests whose answers are kept back.
    handled: Vec<(ConnId, Instant)>,
    outputs: Vec<Output>,
    kept_back: usize,
}

/// How the driver ends.
enum End {
    Stop,
    Kill,
}

impl Driver {
    pub(super) fn new(
        machine: Machine,
        journal: Journal,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
        about: About,
    ) -> Self {
        Self {
            machine,
            journal,
            clock,
            shared,
            about,
            conns: HashMap::new(),
            handled: Vec::new(),
            outputs: Vec::new(),
            kept_back: 0,
        }
    }

    /// Answers until it is told to stop, or the log cannot be written.
    pub(super) fn run(mut self, failed: &watch::Sender<Option<String>>) -> Result<(), LogError> {
        let _alarm = Alarm(failed);
        let ended = self.answer_all();
        // Answers on their way get out, nothing else.
        for conn in self.conns.values() {
            if ended.is_ok() { conn.outbox.end() } else { conn.outbox.cut() }
        }
        match ended {
            Ok(End::Stop) => self.journal.close(),
            Ok(End::Kill) => Ok(()),
            Err(error) => {
                let why = format!(
                    "the log of transactions in {} cannot be written, nothing that is not on the disk was acknowledged: {}",
                    self.journal.dir().display(),
                    chain(&error)
                );
                failed.send_replace(Some(why));
                Err(error)
            }
        }
    }

    fn answer_all(&mut self) -> Result<End, LogError> {
        loop {
            let timeout = self.machine.due().map(|at| at.saturating_sub(self.clock.monotonic()));
            let messages = self.shared.inbox.wait(timeout.map(|t| t.max(Duration::from_millis(1))));
            for message in messages {
                match message {
                    Message::Stop => {
                        self.flush()?;
                        return Ok(End::Stop);
                    }
                    Message::Kill => return Ok(End::Kill),
                    other => self.take(other)?,
                }
            }
            self.machine.tick();
            self.collect();
            self.flush()?;
        }
    }

    fn take(&mut self, message: Message) -> Result<(), LogError> {
        match message {
            Message::Opened(id, peer, outbox) => {
                self.conns.insert(id, Conn { peer, outbox, waiting: VecDeque::new() });
                self.machine.opened(id, peer);
            }
            Message::Frame(id, frame) => self.frame(id, frame)?,
            Message::Word(id, word) => {
                self.about.bytes = self.journal.size_bytes();
                self.about.outstanding = self.conns.values().map(|conn| conn.waiting.len()).sum();
                let text = words::answer(word, &mut self.machine, &self.about);
                self.machine.closed(id);
                self.outputs.push(Output::Send(id, Bytes::from(text)));
                self.outputs.push(Output::Close(id, None));
            }
            Message::Drained(id) => self.go_on(id)?,
            Message::Closed(id) => {
                self.machine.closed(id);
                self.conns.remove(&id);
            }
            Message::Stop | Message::Kill => {}
        }
        Ok(())
    }

    fn frame(&mut self, id: ConnId, frame: Frame) -> Result<(), LogError> {
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        if !conn.waiting.is_empty() || !conn.outbox.has_room() {
            self.machine.heard(id);
            conn.waiting.push_back(frame);
            return Ok(());
        }
        self.handle(id, &frame)
    }

    /// Handles what waited, as far as there is room.
    fn go_on(&mut self, id: ConnId) -> Result<(), LogError> {
        while let Some(conn) = self.conns.get_mut(&id)
            && !conn.waiting.is_empty()
            && conn.outbox.has_room()
        {
            let Some(frame) = conn.waiting.pop_front() else { break };
            self.handle(id, &frame)?;
            // Its answer must be in the outbox before that is asked again.
            self.flush()?;
        }
        Ok(())
    }

    fn handle(&mut self, id: ConnId, frame: &Frame) -> Result<(), LogError> {
        self.machine.frame(id, &frame.bytes);
        self.handled.push((id, frame.arrived));
        self.collect();
        if self.kept_back > KEPT_BACK { self.flush() } else { Ok(()) }
    }

    /// Takes over what the machine has to send.
    fn collect(&mut self) {
        for output in self.machine.take_outputs() {
            if let Output::Send(_, bytes) = &output {
                self.kept_back += bytes.len();
            }
            self.outputs.push(output);
        }
    }

    /// Brings the records to the disk, then the answers to the connections.
    fn flush(&mut self) -> Result<(), LogError> {
        let records = self.machine.take_records();
        if !records.is_empty() {
            self.journal.commit(&records)?;
        }
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Send(id, bytes) => self.send(id, bytes),
                Output::Close(id, why) => {
                    if let Some(conn) = self.conns.remove(&id) {
                        conn.outbox.end();
                        if let Some(why) = why {
                            self.shared.quiet.say(conn.peer, &format!("closed, {why}"));
                        }
                    }
                }
            }
        }
        self.kept_back = 0;
        for (id, arrived) in self.handled.drain(..) {
            self.machine.took(id, arrived.elapsed());
        }
        Ok(())
    }

    fn send(&mut self, id: ConnId, bytes: Bytes) {
        let Some(conn) = self.conns.get(&id) else { return };
        if !conn.outbox.put(bytes) {
            self.shared.quiet.say(conn.peer, "closed, it does not read what it is sent");
            self.conns.remove(&id);
            self.machine.closed(id);
        }
    }
}

/// Tells of the driver's end if that was a bug: without it nobody would be answered, and nobody would know.
struct Alarm<'a>(&'a watch::Sender<Option<String>>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(Some(
                "the server ended by a bug of its own: please report the panic above".into(),
            ));
        }
    }
}

/// What `conf` answers, and which words are answered.
pub(super) fn settings(config: &Config, addresses: &[SocketAddr]) -> About {
    let (min, max) = config.session_timeouts();
    let dir = config.data_dir.display().to_string();
    let address = addresses.first().copied();
    let settings = vec![
        ("clientPort", address.map_or(0, |address| address.port()).to_string()),
        ("clientPortAddress", address.map_or_else(String::new, |address| address.ip().to_string())),
        ("dataDir", dir.clone()),
        ("dataLogDir", dir),
        ("tickTime", config.tick_time.to_string()),
        ("maxClientCnxns", config.max_client_connections.unwrap_or(0).to_string()),
        ("minSessionTimeout", min.to_string()),
        ("maxSessionTimeout", max.to_string()),
        ("jute.maxbuffer", config.max_request_bytes.to_string()),
        ("serverId", "0".to_owned()),
    ];
    About { settings, words: config.words.clone(), ..About::default() }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! What waits for the driver: a queue that many tasks fill and one thread empties, all at once.
//!
//! Its length is bounded by those who fill it: a connection has a window of requests.

use super::outbox::Outbox;
use crate::watch::ConnId;
use crate::words::Word;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// A request, with the room that it takes until it is answered.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) arrived: Instant,
    pub(super) _room: Room,
}

/// A place in the connection's window, and a share of the budget for large requests.
pub(super) type Room = (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

#[derive(Debug)]
pub(super) enum Message {
    Opened(ConnId, SocketAddr, Arc<Outbox>),
    Frame(ConnId, Frame),
    Word(ConnId, Word),
    /// A connection has read what made its requests wait.
    Drained(ConnId),
    Closed(ConnId),
    /// Ends in order.
    Stop,
    /// Ends without another word to the disk.
    Kill,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    queue: Mutex<VecDeque<Message>>,
    filled: Condvar,
}

impl Inbox {
    pub(super) fn push(&self, message: Message) {
        let mut queue = self.queue.lock();
        queue.push_back(message);
        if queue.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// All that waits, as soon as there is something, or nothing after the timeout.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> VecDeque<Message> {
        let mut queue = self.queue.lock();
        if queue.is_empty() {
            match timeout {
                Some(timeout) => {
                    self.filled.wait_for(&mut queue, timeout);
                }
                None => self.filled.wait(&mut queue),
            }
        }
        std::mem::take(&mut *queue)
    }
}

//! Waiting for any of many logs to change, without a thread and without polling.
//!
//! A [`Watch`] puts a place into the queue of each log ([`WaitSlot`]) and is ready when the first of them has
//! something new: records, a moved start, its end. Dropping it leaves all queues.
//!
//! # Not here
//!
//! Whether what is new is enough (`handlers::fetch`), and for how long to wait.

use log_engine::log::{Log, WaitSlot};
use log_engine::types::Offset;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Ready once one of its logs has grown beyond the offset it was given with, or something else happened to it.
/// Without logs it is never ready.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    logs: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    log: Arc<Log>,
    beyond: Offset,
    slot: WaitSlot,
}

impl FromIterator<(Arc<Log>, Offset)> for Watch {
    fn from_iter<T: IntoIterator<Item = (Arc<Log>, Offset)>>(logs: T) -> Self {
        let watched = |(log, beyond)| Watched { log, beyond, slot: WaitSlot::new() };
        // Nothing more comes to a poisoned log: it is always ready, and who looks again and again would not wait.
        let alive = logs.into_iter().filter(|(log, _): &(Arc<Log>, Offset)| !log.is_poisoned());
        Self { logs: alive.map(watched).collect() }
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for watched in &mut self.get_mut().logs {
            if watched.log.poll_end(watched.beyond, cx, &mut watched.slot).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

//! Waiting for the log to grow, or to be synced: blocking, and polled by any runtime.

use super::Log;
use super::end::{PublishedOffset, WaitSlot};
use crate::error::Result;
use crate::types::Offset;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Wakes the thread that made it.
#[derive(Debug)]
pub(crate) struct Unpark(Thread);

impl Unpark {
    pub(crate) fn current() -> Self {
        Self(std::thread::current())
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Log {
    /// Waits until the log's end is beyond an offset, at most for `timeout`; the answer is the end.
    ///
    /// Also returns when the log is closed or poisoned, or its start moves: the caller looks again.
    pub fn wait_for_end(&self, beyond: Offset, timeout: Duration) -> Offset {
        wait(&self.end, beyond, timeout, || self.is_closed());
        self.end.get()
    }

    /// The same without blocking: ready once the end is beyond `beyond`, or something else happened to the log.
    ///
    /// The slot keeps the place in the queue between polls; dropping it leaves the queue.
    pub fn poll_end(&self, beyond: Offset, cx: &mut Context<'_>, slot: &mut WaitSlot) -> Poll<Offset> {
        // In this order: who closes sets the flag first and then wakes those who are in the queue.
        if self.end.poll(beyond, cx, slot) || self.is_closed() {
            Poll::Ready(self.end.get())
        } else {
            Poll::Pending
        }
    }

    /// Ready once everything below `target` is synced, by whoever syncs: this does not start a sync.
    ///
    /// # Errors
    ///
    /// The log is poisoned or closed: `target` will not be synced.
    pub fn poll_synced(
        &self,
        target: Offset,
        cx: &mut Context<'_>,
        slot: &mut WaitSlot,
    ) -> Poll<Result<Offset>> {
        let Some(beyond) = Offset::new(target.get() - 1) else { return Poll::Ready(Ok(self.synced.get())) };
        loop {
            // In this order: who poisons or closes sets the flag first and then wakes those who are in the queue.
            let over = self.synced.poll(beyond, cx, slot);
            if self.synced.get() >= target {
                return Poll::Ready(Ok(self.synced.get()));
            }
            if let Err(error) = self.check_usable() {
                return Poll::Ready(Err(error));
            }
            if !over {
                return Poll::Pending;
            }
        }
    }
}

/// Blocks until the offset is beyond, an event happened, `over` says so, or the time is up.
fn wait(queue: &Arc<PublishedOffset>, beyond: Offset, timeout: Duration, over: impl Fn() -> bool) {
    let deadline = Instant::now().checked_add(timeout);
    let waker = Waker::from(Arc::new(Unpark::current()));
    let cx = Context::from_waker(&waker);
    let mut slot = WaitSlot::new();
    while !queue.poll(beyond, &cx, &mut slot) && !over() {
        match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}

//! Waiting for the log to grow, or to be synced: blocking, and polled by any runtime.
//!
//! # Invariants
//!
//! * Nobody waits for ever on a log that was closed or poisoned, or for what was cut off: whoever changes that sets the
//!   flag (or the end) first and wakes afterwards; whoever waits takes a place first and looks afterwards.
//! * A wait blocks no writer and keeps no file.

use super::Log;
use super::end::WaitSlot;
use super::records::{Bound, RecordBatch, RecordBatches};
use crate::error::{LogError, Result};
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
    /// Also returns when the log is closed, poisoned or cut, or its start moves, or a transaction ends: the caller looks
    /// again. With `timeout` zero it only looks.
    pub fn wait_for_end(&self, beyond: Offset, timeout: Duration) -> Offset {
        block(timeout, |cx, slot| self.poll_end(beyond, cx, slot).is_ready());
        self.end.get()
    }

    /// Waits until what is on the disk ends beyond an offset, at most for `timeout`; the answer is the synced end. It is
    /// synced by whoever syncs: this does not start it.
    ///
    /// Also returns when the log is closed or poisoned, or was cut below: the caller looks again.
    pub fn wait_for_synced(&self, beyond: Offset, timeout: Duration) -> Offset {
        let over = |cx: &mut Context<'_>, slot: &mut WaitSlot| {
            self.synced.poll(beyond, cx, slot) || self.is_closed() || self.is_poisoned()
        };
        block(timeout, over);
        self.synced.get()
    }

    /// The same as [`Log::wait_for_end`] without blocking: ready once the end is beyond `beyond`, or something else
    /// happened to the log.
    ///
    /// A log that is closed or poisoned is always ready: nothing more comes, and who looks again should stop asking
    /// ([`Log::is_closed`], [`Log::is_poisoned`]).
    ///
    /// The slot keeps the place in the queue between polls; dropping it leaves the queue.
    pub fn poll_end(&self, beyond: Offset, cx: &mut Context<'_>, slot: &mut WaitSlot) -> Poll<Offset> {
        // In this order: who closes or poisons says so first and then wakes those who are in the queue.
        if self.end.poll(beyond, cx, slot) || self.is_closed() || self.is_poisoned() {
            Poll::Ready(self.end.get())
        } else {
            Poll::Pending
        }
    }

    /// Ready once everything below `target` is synced, by whoever syncs: this does not start a sync.
    ///
    /// # Errors
    ///
    /// The log is poisoned or closed: `target` will not be synced. [`LogError::OffsetOutOfRange`] if `target` lies above
    /// the log end: nothing was appended up to there, or the log was cut since.
    pub fn poll_synced(
        &self,
        target: Offset,
        cx: &mut Context<'_>,
        slot: &mut WaitSlot,
    ) -> Poll<Result<Offset>> {
        let Some(beyond) = Offset::new(target.get() - 1) else { return Poll::Ready(Ok(self.synced.get())) };
        loop {
            // In this order: who poisons, closes or cuts says so first and then wakes those who are in the queue.
            let waited = slot.is_waiting();
            let over = self.synced.poll(beyond, cx, slot);
            if self.synced.get() >= target {
                return Poll::Ready(Ok(self.synced.get()));
            }
            if let Err(error) = self.check_usable() {
                return Poll::Ready(Err(error));
            }
            let end = self.end.get();
            // The end may have grown again: what was waited for is gone all the same.
            if target > end || waited && over {
                slot.leave();
                return Poll::Ready(Err(LogError::OffsetOutOfRange {
                    requested: target,
                    start: self.start_offset(),
                    end,
                }));
            }
            if !over {
                return Poll::Pending;
            }
        }
    }
}

impl RecordBatches<'_> {
    /// The next batch; waits for it at the end, at most for `timeout`. `None` when the time is up, when the log was closed
    /// and all of it was read, and where [`up_to`](Self::up_to) or the [`budget`](Self::budget) ends.
    ///
    /// ```
    /// # use log_engine::{Log, LogConfig, NewRecord, Offset};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temp = tempfile::tempdir()?;
    /// let log = Log::open(temp.path().join("log"), LogConfig::default())?;
    /// let mut follower = log.follow(Offset::ZERO).synced();
    /// let reader = std::thread::spawn(move || follower.next_within(Duration::from_secs(10)));
    /// log.append_synced(&[NewRecord::value(b"news")])?;
    /// let batch = reader.join().unwrap()?.ok_or("ten seconds are long")?;
    /// assert_eq!(batch.next_offset(), log.synced_end());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::records`]; [`LogError::Poisoned`] when all of a poisoned log was read: nothing more comes.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<RecordBatch>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            // First: what was appended before the close is still given.
            let last = self.log.is_closed();
            if let Some(found) = self.next() {
                return found.map(Some);
            }
            if last || self.is_over() {
                return Ok(None);
            }
            self.log.check_not_poisoned()?;
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            block(left, |cx, slot| self.poll_more(cx, slot).is_ready());
        }
    }

    /// Ready once there is more to read, or something else happened to the log.
    pub(super) fn poll_more(&self, cx: &mut Context<'_>, slot: &mut WaitSlot) -> Poll<()> {
        let log = self.log();
        let event = match self.bound {
            Bound::Accepted => log.end.poll(self.next, cx, slot),
            Bound::Synced => log.synced.poll(self.next, cx, slot),
            // The end of a transaction wakes as an event: the log end says nothing of it.
            Bound::Stable => log.end.poll(log.end.get(), cx, slot) || self.readable_end() > self.next,
        };
        let over = event || log.is_closed() || log.is_poisoned();
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Blocks until `poll` says that it is over, or the time is up.
fn block(timeout: Duration, mut poll: impl FnMut(&mut Context<'_>, &mut WaitSlot) -> bool) {
    let deadline = Instant::now().checked_add(timeout);
    let waker = Waker::from(Arc::new(Unpark::current()));
    let mut cx = Context::from_waker(&waker);
    let mut slot = WaitSlot::new();
    while !poll(&mut cx, &mut slot) {
        match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}

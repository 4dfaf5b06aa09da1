//! How many bytes of requests all connections together may hold.
//!
//! A frame of up to [`FREE`] bytes is free; a larger one takes its whole size out of the budget before more than
//! that is read, and gives it back when the request was handled. So a frame that has begun can always be finished
//! (no two connections wait for each other), and connections that find the budget spent stop reading, which the
//! client's TCP window turns into back-pressure.
//!
//! What is taken is a number, not memory: memory still follows the bytes received (`frame`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Frames up to this many bytes are not counted: they are bounded by the number of connections.
pub(crate) const FREE: usize = 64 * 1024;

/// The budget; cheap to share.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    bytes: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A frame's part of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `bytes`; the caller makes sure that the largest frame fits.
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(bytes)), waiting: Arc::default() }
    }

    /// Takes a frame's bytes, waiting for others to give theirs back.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.bytes).try_acquire_many_owned(count) {
            return Share { _permit: permit };
        }
        let _waiting = Waiting::register(&self.waiting);
        match Arc::clone(&self.bytes).acquire_many_owned(count).await {
            Ok(permit) => Share { _permit: permit },
            Err(_) => unreachable!("the budget's semaphore is never closed"),
        }
    }

    /// Whether somebody waits for bytes: then those who hold some and do not go on are shut out.
    pub(crate) fn under_pressure(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counts who waits, also when the wait is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn register(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_spent_budget_makes_others_wait_and_says_so() {
        let budget = Budget::new(100);
        let first = budget.take(80).await;
        assert!(!budget.under_pressure());
        let other = budget.clone();
        let waiter = tokio::spawn(async move { other.take(40).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(budget.under_pressure());
        assert!(!waiter.is_finished());
        drop(first);
        waiter.await.unwrap();
        assert!(!budget.under_pressure());
    }
}

//! Group commit: one sync of a log at a time, and everybody who came while it ran is covered by the next one.
//!
//! ```text
//!  append A -> sync 1 starts ............ ends -> A is answered
//!     append B, C: sync 1 may have missed them -> sync 2 ............ ends -> B, C are answered
//! ```
//!
//! Syncs run on the blocking pool: a connection's task only waits to be woken ([`Log::poll_synced`]). A sync that
//! fails poisons the log, which wakes the waiters with the error; nothing is tried again here.

use crate::meter::Histogram;
use crate::trouble::Chain;
use log_engine::error::Result;
use log_engine::log::{Log, WaitSlot};
use log_engine::types::Offset;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Which logs are being synced.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// By the log's address; true if somebody came after the sync had started.
    running: Mutex<HashMap<usize, bool>>,
    /// How long the syncs took that somebody waited for.
    pub(crate) times: Histogram,
}

/// Ready once a log is synced up to an offset, or will never be.
#[derive(Debug)]
pub(crate) struct SyncWait {
    log: Arc<Log>,
    target: Offset,
    slot: WaitSlot,
}

impl Commits {
    /// Makes sure that everything below `target`, which is appended already, will be synced. To be called within a
    /// tokio runtime.
    pub(crate) fn sync(self: &Arc<Self>, log: &Arc<Log>, target: Offset) -> SyncWait {
        if log.synced_end() < target && self.must_start(log) {
            let this = Arc::clone(self);
            let log = Arc::clone(log);
            tokio::task::spawn_blocking(move || this.run(&log));
        }
        SyncWait { log: Arc::clone(log), target, slot: WaitSlot::new() }
    }

    /// Whether the caller is the first; else whoever syncs now does it once more.
    fn must_start(&self, log: &Arc<Log>) -> bool {
        match self.running.lock().entry(key(log)) {
            Entry::Occupied(mut again) => {
                again.insert(true);
                false
            }
            Entry::Vacant(first) => {
                first.insert(false);
                true
            }
        }
    }

    /// Syncs until nobody came in the meantime.
    fn run(&self, log: &Arc<Log>) {
        loop {
            let begin = Instant::now();
            let synced = log.sync();
            self.times.note(begin.elapsed());
            if let Err(e) = synced {
                tracing::error!(error = %Chain(&e), "a log cannot be synced: its appends are refused from now on");
            }
            let mut running = self.running.lock();
            match running.get_mut(&key(log)) {
                Some(again) if *again => *again = false,
                _ => {
                    running.remove(&key(log));
                    return;
                }
            }
        }
    }
}

/// Two logs that live at the same time have different addresses.
fn key(log: &Arc<Log>) -> usize {
    Arc::as_ptr(log).addr()
}

impl Future for SyncWait {
    type Output = Result<Offset>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Offset>> {
        let Self { log, target, slot } = self.get_mut();
        log.poll_synced(*target, cx, slot)
    }
}

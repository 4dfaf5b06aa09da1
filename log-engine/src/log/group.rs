//! Syncs of several logs at once.
//!
//! Write-back of all of them is started first, then up to [`OVERLAP`] syncs run at the same time: file systems answer
//! syncs that overlap with one commit of theirs, and a device that has one request at a time is idle most of it
//! (`docs/adr/0005`). The threads live as long as the call.
//!
//! # Not here
//!
//! Who waits for whom within one log: each log keeps its turns (`sync`), and two callers who want the same log share its
//! sync. A sync that fails poisons its log and no other.

use super::Log;
use crate::error::Result;
use crate::types::Offset;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many syncs run at the same time...
const OVERLAP: usize = 4;
/// ... and so many if there are very many to do: the more overlap, the more share a commit.
const OVERLAP_OF_MANY: usize = 16;
const MANY: usize = 64;

/// Syncs every log; the answers in the order of the logs.
pub(crate) fn sync_together(logs: &[Arc<Log>]) -> Vec<Result<Offset>> {
    let behind = logs.iter().filter(|log| log.synced_end() < log.end_offset()).count();
    if behind > 1 {
        for log in logs {
            log.start_write_back();
        }
    }
    let threads = if behind >= MANY { OVERLAP_OF_MANY } else { OVERLAP.min(behind) };
    each(logs, threads, |log| log.sync())
}

/// Does every job once, on so many threads or on those that are to be had; the answers in the order of the jobs.
pub(crate) fn each<J: Sync, T: Send>(jobs: &[J], threads: usize, work: impl Fn(&J) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return done };
            done.push((index, work(job)));
        }
    };
    let mut all = if threads <= 1 || jobs.len() <= 1 {
        run()
    } else {
        std::thread::scope(|scope| {
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, run).ok();
            let others: Vec<_> = (1..threads.min(jobs.len())).map_while(spawn).collect();
            let mut all = run();
            for other in others {
                match other.join() {
                    Ok(done) => all.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        })
    };
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, answer)| answer).collect()
}

impl Log {
    /// Starts the write-back of what is not synced, and waits for nothing. A hint: what goes wrong is told by the sync.
    pub(crate) fn start_write_back(&self) {
        let synced = self.synced.get();
        let view = self.view.load();
        for (index, segment) in view.segments.iter().enumerate() {
            if view.segments.get(index + 1).is_none_or(|next| next.base_offset() > synced) {
                segment.start_write_back();
            }
        }
    }
}

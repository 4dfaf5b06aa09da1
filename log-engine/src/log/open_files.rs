//! How many files the logs of a store hold open together.
//!
//! A log enters the ring when one of its segments has opened a file. Whoever finds at the end of an append or a read that
//! there are too many goes round: segments that nobody used since the last time are closed, and if that is not enough, the
//! logs that have been in the ring for longest are synced together and then closed.
//!
//! # Invariants
//!
//! * A file with unsynced bytes is not closed: the error of its write-back would be lost.
//! * Nobody who goes round holds a lock of a log: he may have to sync any of them.
//! * The bound is a soft one: a thread that comes while another goes round passes it, up to a quarter more; and slices
//!   that are being sent keep their file.
//!
//! # Not here
//!
//! Counting (`segment`), how many the process may have (`io`).

use super::Log;
use super::group::sync_together;
use crate::segment::FileCount;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// What closing or making a log has open at most: a segment, a directory, a file that is replaced, one to spare.
const FILES_OF_ONE: usize = 4;

/// The bound, and those who hold files.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    limit: usize,
    count: Arc<FileCount>,
    ring: Mutex<VecDeque<Weak<Log>>>,
    going_round: Mutex<()>,
}

impl OpenFiles {
    /// At most about so many.
    pub(crate) fn new(limit: usize) -> Self {
        let count = Arc::default();
        Self { limit: limit.max(1), count, ring: Mutex::default(), going_round: Mutex::default() }
    }

    /// How many logs may be worked on at the same time, of at most `wanted`: each has a few files open meanwhile.
    pub(crate) fn at_once(&self, wanted: usize) -> usize {
        wanted.min(self.limit / FILES_OF_ONE).max(1)
    }

    /// Where segments count what they open.
    pub(crate) fn count(&self) -> &Arc<FileCount> {
        &self.count
    }

    fn is_over(&self) -> bool {
        self.count.get() > self.limit
    }

    /// Closes some if there are too many. Called without a lock of any log.
    fn settle(&self) {
        if !self.is_over() {
            return;
        }
        let far_over = self.count.get() > self.limit + self.limit / 4;
        let turn = if far_over { Some(self.going_round.lock()) } else { self.going_round.try_lock() };
        if turn.is_some() && self.is_over() {
            self.make_room(self.count.get() - self.limit + self.limit / 8);
        }
    }

    /// Closes so many if it can, syncs what must be synced before, and answers how many. Called without a lock of any log.
    fn make_room(&self, wanted: usize) -> usize {
        let mut unsynced = Vec::new();
        let mut closed = self.go_round(wanted, &mut unsynced);
        if closed < wanted {
            closed += self.go_round(wanted - closed, &mut Vec::new());
        }
        if closed < wanted {
            unsynced.truncate(wanted - closed);
            // Who cannot be synced is poisoned, and keeps its file.
            sync_together(&unsynced);
            closed += unsynced.iter().map(|log| log.release_files()).sum::<usize>();
        }
        closed
    }

    /// Goes round once: closes what nobody used since the last time, until that is enough.
    fn go_round(&self, wanted: usize, unsynced: &mut Vec<Arc<Log>>) -> usize {
        let mut closed = 0;
        let all = self.ring.lock().len();
        for _ in 0..all {
            if closed >= wanted {
                break;
            }
            let Some(entry) = self.ring.lock().pop_front() else { break };
            let Some(log) = entry.upgrade() else { continue };
            // In this order: who opens a file from now on enters the ring again.
            log.in_ring.store(false, Ordering::SeqCst);
            closed += log.release_idle();
            if log.holds_files() && !log.in_ring.swap(true, Ordering::SeqCst) {
                self.ring.lock().push_back(entry);
                if log.synced_end() < log.end_offset() && !log.is_poisoned() {
                    unsynced.push(log);
                }
            }
        }
        closed
    }
}

impl Log {
    /// At the end of what may have opened a file. Called without a lock of this or another log.
    pub(super) fn settle_files(&self) {
        let Some(files) = &self.files else { return };
        if !self.in_ring.load(Ordering::Relaxed) && !self.in_ring.swap(true, Ordering::SeqCst) {
            let this = self.this.get().cloned().unwrap_or_default();
            files.ring.lock().push_back(this);
        }
        files.settle();
    }

    /// When the process can open no more files: closes a quarter of what its store holds; false if that is none. Called
    /// without a lock of this or another log.
    pub(super) fn free_files(&self) -> bool {
        self.files.as_ref().is_some_and(|files| files.make_room(files.count.get() / 4 + 1) > 0)
    }

    /// The same for who holds a lock: closes only what need not be synced.
    pub(super) fn free_synced_files(&self) -> bool {
        let free = |files: &Arc<OpenFiles>| {
            let wanted = files.count.get() / 4 + 1;
            files.go_round(wanted, &mut Vec::new()) + files.go_round(wanted, &mut Vec::new()) > 0
        };
        self.files.as_ref().is_some_and(free)
    }

    fn holds_files(&self) -> bool {
        self.view.load().segments.iter().any(|segment| segment.is_open().0)
    }

    /// Closes every file that has nothing unsynced.
    pub(super) fn release_files(&self) -> usize {
        let view = self.view.load();
        view.segments.iter().filter(|segment| segment.is_open().0 && segment.release()).count()
    }
}

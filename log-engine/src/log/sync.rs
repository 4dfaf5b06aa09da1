//! Group commit, and the synced mark behind it.
//!
//! Whoever wants to be on the disk takes the turn or waits for it; who has it syncs for all that was appended when it
//! began. A turn that is taken while another runs covers all that came meanwhile.
//!
//! # Invariants
//!
//! * A sync covers every segment from the synced end on, oldest first, and the names in the directory if they changed.
//! * The first failed sync poisons the log: it is not tried again, and nobody who waits is told that it worked. One that
//!   found no descriptor was not tried.
//! * The mark is written after the sync that it claims, when the turn has been given back: nobody waits for it but the
//!   one who writes it, at most once a second or each 16 MiB.
//! * Each 16 MiB the indexes and the producer state are on the disk before the mark that passes them; on a full disk
//!   there are no indexes, and the state is an older one.

use super::append::Writer;
use super::mark::{LastBatch, Mark, MarkFile};
use super::producer_file::{self, Evidence, StateFile};
use super::producers::Producers;
use super::{Log, Reserve, View, doubt};
use crate::error::{LogError, Result, if_room};
use crate::io::Storage;
use crate::segment::{Segment, TxnSum};
use crate::types::{Offset, Position};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The mark follows the last sync at most by so much time...
const MARK_AFTER: Duration = Duration::from_secs(1);
/// ... and by so many bytes.
const MARK_AFTER_BYTES: u64 = 16 * 1024 * 1024;

/// So often whoever has the turn lets others run, if some are expected.
const GATHER: usize = 4;

/// Whose turn it is to sync.
///
/// The standard library's lock and condition: all who wait are woken by one system call. A lock that hands its waiters on
/// one by one makes 64 of them wait for 64 switches.
#[derive(Debug, Default)]
pub(super) struct SyncTurns {
    state: Mutex<Turns>,
    given_back: Condvar,
}

#[derive(Debug, Default)]
struct Turns {
    taken: bool,
    /// Counts the turns that were given back, and whatever else everybody must see.
    round: u64,
    /// How many wait for this round to end, and for how many the last one was.
    waiting: usize,
    crowd: usize,
}

/// The right to sync; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a SyncTurns);

impl SyncTurns {
    /// The turn; `None` after waiting for somebody else to give it back.
    fn take_or_wait(&self) -> Option<Turn<'_>> {
        let mut turns = self.lock();
        if !turns.taken {
            turns.taken = true;
            return Some(Turn(self));
        }
        let round = turns.round;
        turns.waiting += 1;
        while turns.round == round {
            turns = self.given_back.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// The turn, however long it takes.
    pub(super) fn take(&self) -> Turn<'_> {
        loop {
            if let Some(turn) = self.take_or_wait() {
                return turn;
            }
        }
    }

    pub(super) fn wake_all(&self) {
        self.end_round(self.lock());
    }

    fn end_round(&self, mut turns: MutexGuard<'_, Turns>) {
        turns.round += 1;
        turns.crowd = std::mem::take(&mut turns.waiting);
        // Before they are woken: else each of them runs into the lock first and has to be woken again.
        drop(turns);
        self.given_back.notify_all();
    }

    /// Nobody panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Lets those append first who were answered by the last sync and are about to come back: else the first of them syncs
    /// for itself and all others wait for the sync after that. Costs nothing if nobody waited.
    fn gather(&self) {
        for _ in 0..GATHER {
            let all_here = {
                let turns = self.0.lock();
                turns.waiting + 1 >= turns.crowd
            };
            if all_here {
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.taken = false;
        self.0.end_round(turns);
    }
}

/// Everything that was appended at some moment: what a sync covers and a mark may claim.
#[derive(Debug)]
pub(super) struct Reached {
    end: Offset,
    view: Arc<View>,
    segment: Arc<Segment>,
    position: Position,
    last: Option<LastBatch>,
    written: u64,
    /// What the writer had noted as synced before, and since when not all was: for a sync that was not tried.
    before: (u64, Option<Duration>),
    truncations: u64,
    dir_changed: bool,
    /// Producer state, if it is time to persist it.
    state: Option<StateFile>,
}

/// The mark's file, and what it may say next.
#[derive(Debug)]
pub(super) struct Marking {
    file: MarkFile,
    last: Mark,
    synced: Option<Reached>,
    /// When the last mark was written, and how much had been appended by then.
    at: Duration,
    written: u64,
    reserve: Option<Arc<Reserve>>,
}

impl Marking {
    pub(super) fn new(file: MarkFile, last: Mark, at: Duration, reserve: Option<Arc<Reserve>>) -> Self {
        Self { file, last, synced: None, at, written: 0, reserve }
    }

    /// The mark that is on the disk.
    pub(super) fn last(&self) -> &Mark {
        &self.last
    }

    /// Writes a mark; what was to be marked before is forgotten.
    pub(super) fn write(&mut self, storage: &dyn Storage, mark: Mark, at: Duration) -> Result<()> {
        self.synced = None;
        let file = &mut self.file;
        let written = match &self.reserve {
            Some(reserve) => reserve.cover(|| file.write(storage, &mark)),
            None => file.write(storage, &mark),
        };
        // Whoever opens the log next must not read a claim from the cache that the disk has refused.
        written.inspect_err(|error| doubt::note(storage, self.file.dir(), error))?;
        self.last = mark;
        self.at = at;
        Ok(())
    }

    /// What this mark says is on the disk, and the one that is there leads to it: it is written when the next is due.
    pub(super) fn leave_for_later(&mut self, mark: &Mark, view: &Arc<View>, active: &Arc<Segment>) {
        self.synced = Some(Reached {
            end: mark.next_offset,
            view: Arc::clone(view),
            segment: Arc::clone(active),
            position: mark.position,
            last: mark.last_batch,
            written: 0,
            before: (0, None),
            truncations: mark.truncations,
            dir_changed: false,
            state: None,
        });
    }

    /// What was synced is marked with the next sync: a file that it would name has been replaced.
    pub(super) fn forget_synced(&mut self) {
        self.synced = None;
    }

    pub(super) fn moved_to(&mut self, dir: &Path) {
        self.file.moved_to(dir);
    }

    /// Whether something was synced that no mark claims yet.
    pub(super) fn is_behind(&self) -> bool {
        self.synced.is_some()
    }

    fn is_due(&self, now: Duration) -> bool {
        let behind = |reached: &Reached| {
            now.saturating_sub(self.at) >= MARK_AFTER || reached.written - self.written >= MARK_AFTER_BYTES
        };
        self.synced.as_ref().is_some_and(behind)
    }
}

impl Log {
    /// Returns when everything that was appended before the call is on the disk; the answer is the synced end.
    ///
    /// Callers that come together share one sync. With nothing unsynced this costs nothing.
    ///
    /// # Errors
    ///
    /// What the system answered to the first sync that failed; [`LogError::Poisoned`] from then on. Records that were
    /// appended and not yet synced may or may not be there when the log is opened again. [`LogError::Closed`].
    pub fn sync(&self) -> Result<Offset> {
        let target = self.end.get();
        loop {
            let synced = self.synced.get();
            // A log that was cut meanwhile has nothing above its end left to sync.
            if synced >= target.min(self.end.get()) && !self.is_poisoned() {
                return Ok(synced);
            }
            self.check_usable()?;
            let Some(turn) = self.turns.take_or_wait() else { continue };
            turn.gather();
            self.sync_in_turn(&turn)?;
            drop(turn);
            // A mark that cannot be written stays behind, which costs a longer scan after a crash: the next try, or the
            // background, reports it.
            let _ = self.write_due_mark();
        }
    }

    /// Syncs if the log has been unsynced for longer, or with more bytes, than the settings allow, and brings the mark
    /// up to date. To be called about once a second; true if it synced.
    ///
    /// # Errors
    ///
    /// As [`Log::sync`]; an error of writing the mark does not poison the log.
    pub fn sync_if_due(&self) -> Result<bool> {
        if self.is_closed() || self.is_poisoned() {
            return Ok(false);
        }
        let due = self.is_sync_due();
        if due {
            self.sync()?;
        }
        self.write_due_mark()?;
        Ok(due)
    }

    /// Whether the log has been unsynced for longer, or with more bytes, than the settings allow.
    pub(crate) fn is_sync_due(&self) -> bool {
        if self.is_closed() || self.is_poisoned() {
            return false;
        }
        let config = self.config.load();
        let (bytes, since) = {
            let writer = self.writer.lock();
            (writer.written - writer.written_synced, writer.unsynced_since)
        };
        let age = since.map_or(Duration::ZERO, |since| self.clock.monotonic().saturating_sub(since));
        let limit = Duration::from_millis(
            config.flush_ms.map_or(config.sync_after_ms, |ms| ms.min(config.sync_after_ms)),
        );
        since.is_some() && (bytes >= config.sync_after_bytes || age >= limit)
    }

    /// Whether a mark is to be written for what was synced, and nobody does so now.
    pub(crate) fn is_mark_due(&self) -> bool {
        let due = |marking: parking_lot::MutexGuard<'_, Marking>| marking.is_due(self.clock.monotonic());
        !self.is_closed() && !self.is_poisoned() && self.marking.try_lock().is_some_and(due)
    }

    /// Bytes that were appended since the last sync.
    #[must_use]
    pub fn unsynced_bytes(&self) -> u64 {
        let writer = self.writer.lock();
        writer.written - writer.written_synced
    }

    /// Syncs if the settings ask for it after so many records.
    pub(super) fn sync_as_configured(&self, config: &crate::config::LogConfig) -> Result<()> {
        let Some(limit) = config.flush_messages else { return Ok(()) };
        let unsynced = self.end.get().distance_from(self.synced.get());
        if u64::try_from(unsynced).is_ok_and(|unsynced| unsynced >= limit) {
            self.sync()?;
        }
        Ok(())
    }

    /// One sync of all that is appended by now.
    pub(super) fn sync_in_turn(&self, _turn: &Turn<'_>) -> Result<()> {
        let reached = self.reach();
        let synced = self.sync_reached(&reached);
        #[cfg(feature = "planted-bugs")]
        let synced = planted(synced, || self.sync_reached(&reached));
        if let Err(error) = synced {
            if error.is_too_many_files() {
                self.take_back(&reached);
            } else {
                self.poison(&error);
            }
            return Err(error);
        }
        self.counters.note_sync();
        self.synced.publish(reached.end);
        self.synced.wake();
        self.marking.lock().synced = Some(reached);
        Ok(())
    }

    /// Without a descriptor nothing was tried: all is as unsynced as before, and another try may succeed.
    fn take_back(&self, reached: &Reached) {
        let mut writer = self.writer.lock();
        (writer.written_synced, writer.unsynced_since) = reached.before;
        writer.dir_changed |= reached.dir_changed;
        writer.persist |= reached.state.is_some();
    }

    /// What is appended by now. What this notes as synced is, or is taken back, or the log is poisoned.
    fn reach(&self) -> Reached {
        let mut writer = self.writer.lock();
        let before = (writer.written_synced, writer.unsynced_since);
        writer.written_synced = writer.written;
        writer.unsynced_since = None;
        let end = self.end.get();
        let persist = writer.persist || writer.written - writer.written_persisted >= MARK_AFTER_BYTES;
        if persist {
            writer.written_persisted = writer.written;
            writer.persist = false;
        }
        let state = persist.then(|| StateFile {
            offset: end,
            evidence: writer.last.map(|batch| Evidence { segment: writer.active.base_offset(), batch }),
            producers: writer.producers.clone(),
            txns: self.txn_sums(),
        });
        Reached {
            end,
            view: self.view.load_full(),
            segment: Arc::clone(&writer.active),
            position: writer.active.len(),
            last: writer.last,
            written: writer.written,
            before,
            truncations: writer.truncations,
            dir_changed: std::mem::take(&mut writer.dir_changed),
            // Without a batch in the active segment there is nothing to tie the state to.
            state: state.filter(|state| state.evidence.is_some()),
        }
    }

    /// What is known of the indexes of aborted transactions, for the file of the producers' state.
    pub(super) fn txn_sums(&self) -> Vec<(Offset, TxnSum)> {
        let sum = |segment: &Arc<Segment>| Some((segment.base_offset(), segment.txn_sum()?));
        self.view.load().segments.iter().filter_map(sum).collect()
    }

    fn sync_reached(&self, reached: &Reached) -> Result<()> {
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::planted::Bug::AcknowledgeBeforeSync) {
            return Ok(());
        }
        let synced = self.synced.get();
        let segments = &reached.view.segments;
        for (index, segment) in segments.iter().enumerate() {
            let ended = segments.get(index + 1).is_some_and(|next| next.base_offset() <= synced);
            if !ended {
                self.with_files(|| segment.sync())?;
            }
        }
        let names_wanted = reached.dir_changed;
        #[cfg(feature = "planted-bugs")]
        let names_wanted = names_wanted && !crate::planted::is(crate::planted::Bug::SkipDirectorySync);
        if names_wanted {
            let dir = self.dir();
            self.with_files(|| self.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir)))?;
        }
        Ok(())
    }

    /// Tries again what found no descriptor, as long as others can be closed: nothing was synced yet that could be lost.
    pub(super) fn with_files<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        loop {
            match work() {
                Err(error) if error.is_too_many_files() && self.free_synced_files() => {}
                done => return done,
            }
        }
    }

    pub(super) fn write_due_mark(&self) -> Result<()> {
        let Some(mut marking) = self.marking.try_lock() else { return Ok(()) };
        // Closing sets its flag and then waits for this lock: afterwards the directory may be somebody else's.
        if self.is_closed() || !marking.is_due(self.clock.monotonic()) {
            return Ok(());
        }
        self.write_mark(&mut marking)
    }

    /// Writes the mark for the last sync; if that fails it stays to be written.
    pub(super) fn write_mark(&self, marking: &mut Marking) -> Result<()> {
        let Some(reached) = marking.synced.take() else { return Ok(()) };
        let written = self.write_mark_for(marking, &reached);
        if written.is_err() {
            marking.synced = Some(reached);
        }
        written
    }

    fn write_mark_for(&self, marking: &mut Marking, reached: &Reached) -> Result<()> {
        if let Some(state) = &reached.state {
            reached.segment.flush_indexes(true)?;
            // Without room the older state stays: it is as good, and the next start reads more batches.
            if_room(self.cover(|| state.store(&*self.storage, &self.dir())))?;
        }
        let mark = Mark {
            segment: reached.segment.base_offset(),
            position: reached.position,
            next_offset: reached.end,
            log_start: self.start_offset(),
            file: reached.segment.file_id()?,
            last_batch: reached.last,
            truncations: reached.truncations,
            heir: None,
        };
        marking.write(&*self.storage, mark, self.clock.monotonic())?;
        marking.written = reached.written;
        Ok(())
    }

    /// Waits for whoever writes a mark. Nobody begins to once the log was closed.
    pub(super) fn wait_for_mark(&self) {
        drop(self.marking.lock());
    }

    /// Brings everything to the disk such that opening the log again reads one batch. On a full disk what is derived is left
    /// out.
    ///
    /// Writes nothing for a poisoned log, but waits for whoever still writes.
    pub(super) fn flush_for_close(&self) -> Result<()> {
        let turn = self.turns.take();
        {
            let mut writer = self.writer.lock();
            // Nobody knows what the disk holds: nothing is written, and nobody is told that all is well.
            self.check_not_poisoned()?;
            if self.is_as_it_was_left(&writer) {
                return Ok(());
            }
            writer.active.seal()?;
            writer.dir_changed = true;
            writer.persist = true;
            let end = self.end.get();
            self.store_last_snapshot(end, &writer.producers)?;
        }
        self.sync_in_turn(&turn)?;
        drop(turn);
        // Without room for the mark the old one stays, and the next start has to look at what lies behind it.
        self.write_mark(&mut self.marking.lock()).map_err(LogError::into_no_space)
    }

    /// Whether all that closing would write is there, since the last one who had the log open closed it.
    fn is_as_it_was_left(&self, writer: &Writer) -> bool {
        let marking = self.marking.lock();
        self.left_in_order.as_ref().is_some_and(|left| marking.last() == left)
            && !marking.is_behind()
            && writer.active.is_untouched()
            && writer.written == 0
            && !writer.dir_changed
            && !writer.persist
    }

    /// Kafka's snapshot of a clean close, in the place of the one before; without room for it that one stays.
    fn store_last_snapshot(&self, end: Offset, producers: &Producers) -> Result<()> {
        let dir = self.dir();
        if !if_room(self.cover(|| producer_file::store_snapshot(&*self.storage, &dir, end, producers)))? {
            return Ok(());
        }
        let bases: Vec<_> = self.view.load().segments.iter().map(|segment| segment.base_offset()).collect();
        producer_file::keep_snapshots(&*self.storage, &dir, |at| at == end || bases.contains(&at))
    }
}

#[cfg(feature = "planted-bugs")]
fn planted(synced: Result<()>, again: impl FnOnce() -> Result<()>) -> Result<()> {
    if crate::planted::is(crate::planted::Bug::RetryAFailedSync) {
        synced.or_else(|_| again())
    } else {
        synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_is_given_back_wakes_all_who_waited_and_counts_them() {
        let turns = SyncTurns::default();
        let turn = turns.take();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!(turns.take_or_wait().is_none()));
            }
            while turns.lock().waiting < 3 {
                std::thread::yield_now();
            }
            drop(turn);
        });
        assert_eq!(turns.lock().crowd, 3);
        assert_eq!(turns.lock().waiting, 0);
        // They do not come back: whoever has the turn does not wait for them for ever.
        turns.take().gather();
        assert_eq!(turns.lock().crowd, 0);
    }
}

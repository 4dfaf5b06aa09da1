//! A published offset, and those who wait for it to grow.
//!
//! # Invariants
//!
//! * No wake-up is lost: the writer stores the offset, passes a `SeqCst` fence and then looks whether anybody waits;
//!   a waiter announces itself, passes a `SeqCst` fence and then looks at the offset again. Whatever the order, one
//!   of the two sees the other. (`Release` and `Acquire` alone let both miss.)
//! * An append with nobody waiting takes no lock here: one store, one fence, one load.
//! * The bytes below a published offset were written before it was stored (`Release`), so who loads it may read them.
//!
//! # Not here
//!
//! What is waited for and when to give up (`follow`). The atomics and the lock are named in one place below: with
//! `cfg(loom)` a model checker takes the place of the standard ones, and goes through every order of steps of this very
//! type (`log-engine/loom`).

use crate::types::Offset;
use std::sync::Arc;
use std::task::{Context, Waker};
use sync::{AtomicI64, AtomicUsize, Mutex, Ordering, fence};

#[cfg(not(loom))]
mod sync {
    pub(super) use parking_lot::Mutex;
    pub(super) use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence};
}

#[cfg(loom)]
mod sync {
    pub(super) use loom::sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence};

    /// The model's lock, with the methods of the one that is shipped.
    #[derive(Debug, Default)]
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("no thread of the model panics while it holds the lock")
        }
    }
}

/// One offset that one writer at a time publishes and anybody reads and waits for.
#[derive(Debug)]
pub(crate) struct PublishedOffset {
    value: AtomicI64,
    /// How many entries `waiters` has; the writer looks here first.
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// Counts the events that every waiter must see, whatever it waits for: close, deletion, a new log start.
    events: u64,
    next_id: u64,
    entries: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    /// It is woken once the published offset is greater.
    beyond: Offset,
    waker: Waker,
}

/// A place in the queue of those who wait. It may be used again and again; dropping it leaves the queue.
#[derive(Debug, Default)]
pub struct WaitSlot {
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    queue: Arc<PublishedOffset>,
    id: u64,
    events: u64,
}

impl PublishedOffset {
    pub(crate) fn new(value: Offset) -> Self {
        Self { value: AtomicI64::new(value.get()), waiting: AtomicUsize::new(0), waiters: Mutex::default() }
    }

    pub(crate) fn get(&self) -> Offset {
        Offset::new(self.value.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// Stores the offset. Called by one writer at a time; [`PublishedOffset::wake`] must follow.
    pub(crate) fn publish(&self, value: Offset) {
        self.value.store(value.get(), Ordering::Release);
    }

    /// Wakes those who waited for what is now published. Takes no lock if nobody waits.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let reached = self.get();
        let mut waiters = self.waiters.lock();
        let woken: Vec<Waiter> = waiters.entries.extract_if(.., |w| w.beyond < reached).collect();
        self.waiting.store(waiters.entries.len(), Ordering::Relaxed);
        drop(waiters);
        for waiter in woken {
            waiter.waker.wake();
        }
    }

    /// Wakes everybody: something happened that is not a greater offset.
    pub(crate) fn wake_all(&self) {
        let mut waiters = self.waiters.lock();
        waiters.events += 1;
        let woken = std::mem::take(&mut waiters.entries);
        self.waiting.store(0, Ordering::Relaxed);
        drop(waiters);
        for waiter in woken {
            waiter.waker.wake();
        }
    }

    /// Wakes those who wait for more than `end`: the log was cut there, and what they wait for is gone. To be called
    /// after the lower offset was published.
    pub(crate) fn wake_above(&self, end: Offset) {
        let mut waiters = self.waiters.lock();
        let woken: Vec<Waiter> = waiters.entries.extract_if(.., |w| w.beyond >= end).collect();
        self.waiting.store(waiters.entries.len(), Ordering::Relaxed);
        drop(waiters);
        for waiter in woken {
            waiter.waker.wake();
        }
    }

    /// Waits until the offset is greater than `beyond`, or was and was cut again, or [`PublishedOffset::wake_all`] was
    /// called since the slot was first used for this wait. True if there is nothing (more) to wait for.
    pub(crate) fn poll(self: &Arc<Self>, beyond: Offset, cx: &Context<'_>, slot: &mut WaitSlot) -> bool {
        if self.get() > beyond {
            slot.leave();
            return true;
        }
        let known = slot.place.take().filter(|place| Arc::ptr_eq(&place.queue, self));
        let mut waiters = self.waiters.lock();
        let since = known.as_ref().map_or(waiters.events, |place| place.events);
        let before = waiters.entries.len();
        if let Some(place) = &known {
            waiters.entries.retain(|w| w.id != place.id);
        }
        // Somebody has taken the place away: whoever waited is answered, and looks for himself.
        let woken = known.is_some() && waiters.entries.len() == before;
        if woken || waiters.events != since {
            self.waiting.store(waiters.entries.len(), Ordering::Relaxed);
            return true;
        }
        let id = waiters.next_id;
        waiters.next_id += 1;
        waiters.entries.push(Waiter { id, beyond, waker: cx.waker().clone() });
        self.waiting.store(waiters.entries.len(), Ordering::Relaxed);
        drop(waiters);
        slot.place = Some(Place { queue: Arc::clone(self), id, events: since });
        fence(Ordering::SeqCst);
        if self.get() > beyond {
            slot.leave();
            return true;
        }
        false
    }
}

impl WaitSlot {
    /// A slot that waits for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it has a place.
    pub(crate) fn is_waiting(&self) -> bool {
        self.place.is_some()
    }

    /// Leaves the queue.
    pub(crate) fn leave(&mut self) {
        let Some(Place { queue, id, .. }) = self.place.take() else { return };
        let mut waiters = queue.waiters.lock();
        waiters.entries.retain(|w| w.id != id);
        queue.waiting.store(waiters.entries.len(), Ordering::Relaxed);
    }
}

impl Drop for WaitSlot {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

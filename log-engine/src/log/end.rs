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
//! What is waited for and when to give up (`follow`). The atomics and the lock are named in one place below, so that
//! a model checker can take the place of the standard ones.

use crate::types::Offset;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence};
use std::task::{Context, Waker};

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

    /// Waits until the offset is greater than `beyond` or [`PublishedOffset::wake_all`] was called since the slot
    /// was first used for this wait. True if there is nothing (more) to wait for.
    pub(crate) fn poll(self: &Arc<Self>, beyond: Offset, cx: &Context<'_>, slot: &mut WaitSlot) -> bool {
        if self.get() > beyond {
            slot.leave();
            return true;
        }
        let known = slot.place.take().filter(|place| Arc::ptr_eq(&place.queue, self));
        let mut waiters = self.waiters.lock();
        let since = known.as_ref().map_or(waiters.events, |place| place.events);
        if let Some(place) = &known {
            waiters.entries.retain(|w| w.id != place.id);
        }
        if waiters.events != since {
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

    /// Leaves the queue.
    fn leave(&mut self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    #[derive(Debug, Default)]
    struct Bell(AtomicU32);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    #[test]
    fn a_waiter_is_woken_once_and_only_by_a_greater_offset() {
        let end = Arc::new(PublishedOffset::new(offset(5)));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let cx = Context::from_waker(&waker);
        let mut slot = WaitSlot::new();
        assert!(end.poll(offset(4), &cx, &mut slot));
        assert!(!end.poll(offset(5), &cx, &mut slot));
        end.publish(offset(5));
        end.wake();
        assert_eq!(bell.0.load(Ordering::SeqCst), 0);
        end.publish(offset(6));
        end.wake();
        end.wake();
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        assert!(end.poll(offset(5), &cx, &mut slot));
    }

    #[test]
    fn a_dropped_slot_leaves_the_queue() {
        let end = Arc::new(PublishedOffset::new(offset(0)));
        let waker = Waker::noop();
        let mut slot = WaitSlot::new();
        assert!(!end.poll(offset(0), &Context::from_waker(waker), &mut slot));
        assert!(!end.poll(offset(0), &Context::from_waker(waker), &mut slot));
        assert_eq!(end.waiting.load(Ordering::SeqCst), 1);
        drop(slot);
        assert_eq!(end.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn an_event_ends_the_wait_without_a_greater_offset_and_only_once() {
        let end = Arc::new(PublishedOffset::new(offset(0)));
        let cx = Context::from_waker(Waker::noop());
        let mut slot = WaitSlot::new();
        assert!(!end.poll(offset(0), &cx, &mut slot));
        end.wake_all();
        assert!(end.poll(offset(0), &cx, &mut slot));
        assert!(!end.poll(offset(0), &cx, &mut slot));
    }

    #[test]
    fn no_wake_up_is_lost_between_threads() {
        let end = Arc::new(PublishedOffset::new(offset(0)));
        let writer = {
            let end = Arc::clone(&end);
            std::thread::spawn(move || {
                for n in 1..=20_000 {
                    end.publish(offset(n));
                    end.wake();
                }
            })
        };
        let waker = Waker::from(Arc::new(crate::log::follow::Unpark::current()));
        let mut slot = WaitSlot::new();
        let mut seen = 0;
        while seen < 20_000 {
            if end.poll(offset(seen), &Context::from_waker(&waker), &mut slot) {
                seen = end.get().get();
            } else {
                std::thread::park_timeout(std::time::Duration::from_secs(20));
            }
        }
        writer.join().unwrap();
    }
}

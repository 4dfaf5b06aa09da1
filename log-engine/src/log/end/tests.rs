//! A waiter, a writer, and what they must not miss; every order of steps is gone through in `log-engine/loom`.

#![allow(clippy::unwrap_used, reason = "tests: the cfg that leaves them out of the model hides it")]

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

#[test]
fn whoever_waits_for_what_was_cut_is_woken_and_others_are_not() {
    let end = Arc::new(PublishedOffset::new(offset(3)));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let cx = Context::from_waker(&waker);
    let (mut above, mut below) = (WaitSlot::new(), WaitSlot::new());
    assert!(!end.poll(offset(7), &cx, &mut above));
    assert!(!end.poll(offset(4), &cx, &mut below));
    end.wake_above(offset(5));
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert!(!end.poll(offset(4), &cx, &mut below));
    assert!(end.poll(offset(7), &cx, &mut above));
}

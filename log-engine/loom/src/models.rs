//! A writer and its waiters, in every order.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::end::{PublishedOffset, WaitSlot};
use crate::types::Offset;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// What a waiter sleeps on.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn offset(raw: i64) -> Offset {
    Offset::new(raw).unwrap()
}

/// Sleeps until the offset is beyond, an event happened, or `over` says so.
fn wait(end: &Arc<PublishedOffset>, beyond: Offset, over: impl Fn() -> bool) {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut slot = WaitSlot::new();
    while !end.poll(beyond, &Context::from_waker(&waker), &mut slot) && !over() {
        bell.0.wait();
    }
}

#[test]
fn who_waits_for_an_offset_is_woken_when_it_is_published() {
    loom::model(|| {
        let end = Arc::new(PublishedOffset::new(Offset::ZERO));
        let writer = {
            let end = Arc::clone(&end);
            thread::spawn(move || {
                for n in 1..=2 {
                    end.publish(offset(n));
                    end.wake();
                }
            })
        };
        wait(&end, offset(1), || false);
        assert_eq!(end.get(), offset(2));
        writer.join().unwrap();
    });
}

#[test]
fn two_waiters_of_different_offsets_are_both_woken() {
    // The third thread makes every order a very long story: two preemptions find what there is.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let end = Arc::new(PublishedOffset::new(Offset::ZERO));
        let spawn = |work: fn(&Arc<PublishedOffset>)| {
            let end = Arc::clone(&end);
            thread::spawn(move || work(&end))
        };
        let writer = spawn(|end| {
            for n in 1..=2 {
                end.publish(offset(n));
                end.wake();
            }
        });
        let other = spawn(|end| wait(end, Offset::ZERO, || false));
        wait(&end, offset(1), || false);
        writer.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn the_close_wakes_who_looks_at_its_flag_after_taking_a_place() {
    loom::model(|| {
        let end = Arc::new(PublishedOffset::new(Offset::ZERO));
        let closed = Arc::new(AtomicBool::new(false));
        let closer = {
            let (end, closed) = (Arc::clone(&end), Arc::clone(&closed));
            thread::spawn(move || {
                closed.store(true, Ordering::SeqCst);
                end.wake_all();
            })
        };
        wait(&end, Offset::ZERO, || closed.load(Ordering::SeqCst));
        closer.join().unwrap();
    });
}

#[test]
fn a_cut_wakes_who_waits_for_what_is_gone() {
    loom::model(|| {
        let end = Arc::new(PublishedOffset::new(offset(2)));
        let cutter = {
            let end = Arc::clone(&end);
            thread::spawn(move || {
                end.publish(offset(1));
                end.wake_above(offset(1));
            })
        };
        wait(&end, offset(2), || end.get() < offset(2));
        cutter.join().unwrap();
    });
}

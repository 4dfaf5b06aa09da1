//! What waits to be written to a connection.
//!
//! # Invariants
//!
//! * Frames leave in the order in which they were put.
//! * A connection that was told to end ends when all that was put before has left, or at once if it was cut.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// With so many bytes unread the connection's next request waits...
pub(super) const HIGH: usize = 1 << 20;
/// ... until there are no more than these.
const LOW: usize = 256 << 10;
/// With so many unread bytes it is cut: it lets events pile up.
pub(super) const MOST: usize = 32 << 20;
/// Bytes that are written at once.
const CHUNK: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    ending: bool,
    cut: bool,
    /// The driver wants to know when there is room again.
    awaited: bool,
}

/// What the writer does next.
pub(super) enum Next {
    Write(Vec<Bytes>, usize),
    /// All is written and nothing more comes.
    End,
    Cut,
}

impl Outbox {
    /// Adds a frame; false if there is so much already that the connection was cut instead.
    pub(super) fn put(&self, frame: Bytes) -> bool {
        let mut state = self.state.lock();
        if state.bytes > MOST {
            state.cut = true;
            state.frames.clear();
        } else {
            state.bytes += frame.len();
            state.frames.push_back(frame);
        }
        let fits = !state.cut;
        drop(state);
        self.changed.notify_one();
        fits
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.state.lock().ending = true;
        self.changed.notify_one();
    }

    pub(super) fn cut(&self) {
        self.state.lock().cut = true;
        self.changed.notify_one();
    }

    /// Whether another request may be answered; if not, the writer says when.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.state.lock();
        state.awaited = state.bytes > HIGH;
        !state.awaited
    }

    pub(super) fn is_ending(&self) -> bool {
        self.state.lock().ending
    }

    /// What there is to write, as soon as there is something.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut state = self.state.lock();
        if state.cut {
            return Some(Next::Cut);
        }
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK
            && let Some(frame) = state.frames.pop_front()
        {
            bytes += frame.len();
            taken.push(frame);
        }
        match taken.is_empty() {
            false => Some(Next::Write(taken, bytes)),
            true => state.ending.then_some(Next::End),
        }
    }

    /// So many bytes have left; true if the driver waits to hear that there is room.
    pub(super) fn written(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.bytes <= LOW && std::mem::take(&mut state.awaited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_while_answers_are_unread_and_hears_of_room_once() {
        let outbox = Outbox::default();
        assert!(outbox.has_room());
        assert!(outbox.put(Bytes::from(vec![0; HIGH + 1])));
        assert!(!outbox.has_room());
        assert!(!outbox.written(HIGH - LOW), "still above the mark");
        assert!(outbox.written(1));
        assert!(!outbox.written(1), "told once");
        assert!(outbox.has_room());
    }

    #[test]
    fn whoever_lets_events_pile_up_is_cut() {
        let outbox = Outbox::default();
        assert!(outbox.put(Bytes::from(vec![0; MOST + 1])), "one large answer is nobody's fault");
        assert!(!outbox.put(Bytes::from_static(b"x")));
        assert!(matches!(outbox.take(), Some(Next::Cut)));
    }

    #[test]
    fn the_end_comes_behind_what_was_put() {
        let outbox = Outbox::default();
        outbox.put(Bytes::from_static(b"x"));
        outbox.end();
        assert!(matches!(outbox.take(), Some(Next::Write(frames, 1)) if frames.len() == 1));
        assert!(matches!(outbox.take(), Some(Next::End)));
    }
}

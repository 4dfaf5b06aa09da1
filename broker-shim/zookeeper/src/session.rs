//! Sessions that are alive: who serves them, and until when they may be silent.
//!
//! # Invariants
//!
//! * A session has one connection at most, and each connection one session.
//! * [`Sessions::expired`] names a session once its timeout has passed since it was last heard of, not before.
//! * Hearing of a session costs no search: its place in the queue is looked at when it comes up.

use crate::watch::ConnId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

#[derive(Debug)]
struct Live {
    timeout: Duration,
    conn: Option<ConnId>,
    /// By the monotonic clock.
    heard: Duration,
    /// Its place in the queue.
    queued: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: HashMap<i64, Live>,
    queue: BTreeSet<(Duration, i64)>,
}

impl Sessions {
    /// Begins a session, or gives it another timeout; it counts as heard of. The answer is the connection that it had.
    pub(crate) fn serve(
        &mut self,
        id: i64,
        timeout: Duration,
        conn: Option<ConnId>,
        now: Duration,
    ) -> Option<ConnId> {
        let queued = now.saturating_add(timeout);
        let before = self.live.insert(id, Live { timeout, conn, heard: now, queued });
        if let Some(before) = &before {
            self.queue.remove(&(before.queued, id));
        }
        self.queue.insert((queued, id));
        before.and_then(|before| before.conn)
    }

    pub(crate) fn remove(&mut self, id: i64) -> Option<ConnId> {
        let live = self.live.remove(&id)?;
        self.queue.remove(&(live.queued, id));
        live.conn
    }

    pub(crate) fn heard(&mut self, id: i64, now: Duration) {
        if let Some(live) = self.live.get_mut(&id) {
            live.heard = live.heard.max(now);
        }
    }

    /// The connection is gone; the session waits for another one.
    pub(crate) fn detach(&mut self, id: i64, conn: ConnId) {
        if let Some(live) = self.live.get_mut(&id)
            && live.conn == Some(conn)
        {
            live.conn = None;
        }
    }

    /// When to look again.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// A session that was silent for too long, if there is one.
    pub(crate) fn expired(&mut self, now: Duration) -> Option<i64> {
        while let Some((at, id)) = self.queue.first().copied() {
            if at > now {
                return None;
            }
            self.queue.pop_first();
            let Some(live) = self.live.get_mut(&id) else { continue };
            let until = live.heard.saturating_add(live.timeout);
            if until <= now {
                live.queued = at;
                return Some(id);
            }
            live.queued = until;
            self.queue.insert((until, id));
        }
        None
    }

    /// Sessions and their timeouts, for those who look at the server.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i64, Duration)> {
        self.live.iter().map(|(id, live)| (*id, live.timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_session_lives_as_long_as_it_is_heard_of() {
        let mut all = Sessions::default();
        all.serve(1, S(10), Some(7), S(0));
        all.heard(1, S(5));
        assert_eq!((all.expired(S(10)), all.due()), (None, Some(S(15))));
        assert_eq!(all.expired(S(14)), None);
        assert_eq!(all.expired(S(15)), Some(1));
        assert_eq!((all.remove(1), all.due()), (Some(7), None));
    }

    #[test]
    fn a_second_connection_takes_over_with_its_own_timeout() {
        let mut all = Sessions::default();
        assert_eq!(all.serve(1, S(10), Some(7), S(0)), None);
        assert_eq!(all.serve(1, S(4), Some(8), S(1)), Some(7));
        all.detach(1, 7);
        assert_eq!(all.expired(S(4)), None);
        assert_eq!(all.expired(S(5)), Some(1));
        assert_eq!(all.remove(1), Some(8), "the first connection's end is not the second's");
        assert_eq!(all.queue.len(), 0);
    }
}

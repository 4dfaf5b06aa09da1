//! What happens because time passes: sessions end, containers and nodes with a time to live go.

use super::Machine;
use crate::tree::Change;
use crate::txn::What;
use crate::watch::ConnId;
use std::time::Duration;

/// Nodes that are removed in one round; the rest waits for the next one.
const MORTALS_AT_ONCE: usize = 1000;

impl Machine {
    /// When [`Machine::tick`] has something to do, by the monotonic clock.
    pub(crate) fn due(&self) -> Option<Duration> {
        let mortals = self.state.tree.has_mortals().then_some(self.mortals_due);
        [self.sessions.due(), mortals].into_iter().flatten().min()
    }

    /// Does what the time asks for. To be called when all that came before now was given to the machine: a ping that
    /// waits counts.
    pub(crate) fn tick(&mut self) {
        let now = self.clock.monotonic();
        while let Some(session) = self.sessions.expired(now) {
            tracing::info!("session {session:#x} has expired");
            if let Some(conn) = self.end_session(session) {
                self.close(conn, None);
            }
        }
        if now >= self.mortals_due {
            self.mortals_due = now.saturating_add(self.settings.container_interval);
            self.remove_mortals();
        }
    }

    fn remove_mortals(&mut self) {
        for path in self.state.tree.overdue(self.clock.now().as_millis(), MORTALS_AT_ONCE) {
            let at = self.next_moment();
            let change = Change::Delete { path };
            let Ok(undo) = self.state.tree.apply(&change, at) else { continue };
            self.record(at, 0, What::Changes(vec![change.clone()]));
            self.fire(&[(change, undo)], at.zxid);
        }
    }

    /// Ends a session: takes a zxid, deletes its ephemeral nodes, tells those who watch them, its own connection too. The
    /// answer is that connection.
    pub(super) fn end_session(&mut self, session: i64) -> Option<ConnId> {
        let at = self.next_moment();
        let steps = self.state.close_session(session, at).unwrap_or_else(|misfit| {
            tracing::error!("session {session:#x} cannot be closed: {misfit}");
            Vec::new()
        });
        self.record(at, session, What::Closed);
        self.fire(&steps, at.zxid);
        self.sessions.remove(session)
    }
}

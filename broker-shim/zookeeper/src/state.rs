//! What outlives the process: the tree, the sessions, the last zxid.
//!
//! # Invariants
//!
//! * Applying the transactions of the log in order to the state of a snapshot gives the state that answered them: the same
//!   functions change it in both cases.
//! * zxids have no gaps.
//!
//! # Not here
//!
//! Connections, watches and deadlines (`machine`), which end with the process.

use crate::tree::{Change, Misfit, Moment, Tree, Undo};
use crate::txn::{Txn, What};
use crate::wire::connect::Password;
use std::collections::BTreeMap;

/// What is kept of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Saved {
    /// Milliseconds.
    pub(crate) timeout: i32,
    pub(crate) password: Password,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) sessions: BTreeMap<i64, Saved>,
    /// The last one that was taken.
    pub(crate) zxid: i64,
    /// The highest number that a session ever had.
    pub(crate) last_session: i64,
}

/// A change that was applied, and how to take it back.
pub(crate) type Step = (Change, Undo);

impl State {
    /// A server that was never used.
    pub(crate) fn new() -> Self {
        Self { tree: Tree::new(), sessions: BTreeMap::new(), zxid: 0, last_session: 0 }
    }

    pub(crate) fn open_session(&mut self, id: i64, saved: Saved) {
        self.sessions.insert(id, saved);
        self.last_session = self.last_session.max(id);
    }

    /// Ends a session: its ephemeral nodes go.
    ///
    /// # Errors
    ///
    /// Never, unless an ephemeral node has children.
    pub(crate) fn close_session(&mut self, id: i64, at: Moment) -> Result<Vec<Step>, Misfit> {
        self.sessions.remove(&id);
        let paths: Vec<Box<str>> = self.tree.ephemerals_of(id).map(Box::from).collect();
        let delete = |path| {
            let change = Change::Delete { path };
            self.tree.apply(&change, at).map(|undo| (change, undo))
        };
        paths.into_iter().map(delete).collect()
    }

    /// Applies a transaction of the log.
    ///
    /// # Errors
    ///
    /// It does not follow what was applied so far.
    pub(crate) fn apply(&mut self, txn: &Txn) -> Result<(), Misfit> {
        let at = txn.at;
        if at.zxid != self.zxid + 1 {
            return Err(Misfit(format!("zxid {:#x} follows {:#x}", at.zxid, self.zxid)));
        }
        match &txn.what {
            What::Failed(_) => {}
            What::Opened { timeout, password } => {
                self.open_session(txn.session, Saved { timeout: *timeout, password: *password });
            }
            What::Closed => {
                self.close_session(txn.session, at)?;
            }
            What::Changes(changes) => {
                for change in changes {
                    self.tree.apply(change, at)?;
                }
            }
        }
        self.zxid = at.zxid;
        Ok(())
    }
}

//! Watches: setting, finding, removing and firing them.

use super::{Machine, Refusal};
use crate::acl::{self, AclList};
use crate::path;
use crate::state::Step;
use crate::tree::{Change, Undo};
use crate::watch::{ConnId, Event, Mode, Which};
use crate::wire::code::Code;
use crate::wire::reply;
use crate::wire::request::SetWatches;
use bytes::Bytes;

/// The zxid of events that tell what was missed.
const NO_ZXID: i64 = -1;

impl Machine {
    /// Tells of changes that were applied.
    pub(super) fn fire(&mut self, steps: &[Step], zxid: i64) {
        for (change, undo) in steps {
            let path = change.path();
            match (change, undo) {
                (Change::Create { acl, .. }, _) => self.tell(path, Event::Created, Some(acl), zxid),
                (_, Undo::Deleted { node, .. }) => self.tell(path, Event::Deleted, Some(&node.acl), zxid),
                (Change::SetData { .. }, _) => {
                    let acl = self.state.tree.get(path).map(|node| node.acl.clone());
                    self.tell(path, Event::DataChanged, acl.as_ref(), zxid);
                }
                _ => {}
            }
            if matches!(change, Change::Create { .. } | Change::Delete { .. })
                && let Some((parent, _)) = path::split(path)
            {
                let acl = self.state.tree.get(parent).map(|node| node.acl.clone());
                self.tell(parent, Event::ChildrenChanged, acl.as_ref(), zxid);
            }
        }
    }

    /// Tells those who watch and may read the node.
    fn tell(&mut self, path: &str, event: Event, acl: Option<&AclList>, zxid: i64) {
        let told = self.watches.fire(path, event);
        if told.is_empty() {
            return;
        }
        let frame = Bytes::from(reply::event(event, path, zxid));
        for id in told {
            let may = self.conns.get(&id).is_some_and(|c| acl.is_none_or(|acl| c.who.may(acl, acl::READ)));
            if may {
                self.send(id, frame.clone());
            }
        }
    }

    /// What a client had watched before it lost its connection: what it missed is told at once, the rest is watched again.
    pub(super) fn set_watches(&mut self, id: ConnId, xid: i32, set: &SetWatches<'_>) -> Result<(), Refusal> {
        for path in &set.data {
            match self.state.tree.get(path).map(|node| node.mzxid > set.zxid) {
                None => self.tell_one(id, path, Event::Deleted),
                Some(true) => self.tell_one(id, path, Event::DataChanged),
                Some(false) => self.watches.add_data(id, path)?,
            }
        }
        for path in &set.exist {
            match self.state.tree.get(path) {
                Some(_) => self.tell_one(id, path, Event::Created),
                None => self.watches.add_data(id, path)?,
            }
        }
        for path in &set.child {
            match self.state.tree.get(path).map(|node| node.pzxid > set.zxid) {
                None => self.tell_one(id, path, Event::Deleted),
                Some(true) => self.tell_one(id, path, Event::ChildrenChanged),
                Some(false) => self.watches.add_child(id, path)?,
            }
        }
        for path in &set.persistent {
            self.watches.add_lasting(id, path, Mode::Persistent)?;
        }
        for path in &set.recursive {
            self.watches.add_lasting(id, path, Mode::Recursive)?;
        }
        self.answer(id, xid);
        Ok(())
    }

    fn tell_one(&mut self, id: ConnId, path: &str, event: Event) {
        let acl = self.state.tree.get(path).map(|node| node.acl.clone());
        let may = self.conns.get(&id).is_some_and(|c| acl.is_none_or(|acl| c.who.may(&acl, acl::READ)));
        if may {
            self.send(id, reply::event(event, path, NO_ZXID));
        }
    }

    pub(super) fn add_watch(&mut self, id: ConnId, xid: i32, path: &str, mode: i32) -> Result<(), Refusal> {
        let mode = match mode {
            0 => Mode::Persistent,
            1 => Mode::Recursive,
            _ => return Err(Code::BadArguments.into()),
        };
        path::check(path)?;
        self.watches.add_lasting(id, path, mode)?;
        let mut w = reply::ok(xid, self.state.zxid);
        w.int(0);
        self.send(id, w.into_frame());
        Ok(())
    }

    /// Answers whether there are such watches, and removes them if asked to.
    pub(super) fn check_watches(
        &mut self,
        id: ConnId,
        xid: i32,
        path: &str,
        kind: i32,
        remove: bool,
    ) -> Result<(), Refusal> {
        let which = Which::from_number(kind).ok_or(Code::BadArguments)?;
        let found =
            if remove { self.watches.remove(id, path, which) } else { self.watches.has(id, path, which) };
        if !found {
            return Err(Code::NoWatcher.into());
        }
        self.answer(id, xid);
        Ok(())
    }
}

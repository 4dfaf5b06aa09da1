//! Requests that change nothing.
//!
//! # Invariants
//!
//! * A watch is set if the read worked; `exists` sets it on a node that is not there, too.
//! * The answer of a multiRead is bounded by [`MAX_ANSWER`]: a megabyte of requests could ask for the same megabyte of data
//!   sixty thousand times.

use super::{Machine, Refusal};
use crate::acl;
use crate::path;
use crate::tree::Node;
use crate::watch::ConnId;
use crate::wire::code::Code;
use crate::wire::jute::{Writer, length};
use crate::wire::reply;
use crate::wire::request::{GET_CHILDREN, GET_DATA, ReadOp};

/// The longest answer of a multiRead.
const MAX_ANSWER: usize = 32 << 20;

impl Machine {
    pub(super) fn read(&mut self, id: ConnId, session: i64, xid: i32, op: ReadOp<'_>) -> Result<(), Refusal> {
        let mut w = reply::ok(xid, self.state.zxid);
        self.read_into(&mut w, id, session, op)?;
        self.send(id, w.into_frame());
        Ok(())
    }

    /// Several reads; each has its own error.
    pub(super) fn multi_read(
        &mut self,
        id: ConnId,
        session: i64,
        xid: i32,
        ops: &[ReadOp<'_>],
    ) -> Result<(), Refusal> {
        let mut w = reply::ok(xid, self.state.zxid);
        for op in ops {
            let kind = if matches!(op, ReadOp::GetData { .. }) { GET_DATA } else { GET_CHILDREN };
            let mut body = Writer::new();
            match self.read_into(&mut body, id, session, *op) {
                Ok(()) => {
                    reply::multi_header(&mut w, kind);
                    w.append(&body);
                }
                Err(Refusal::Code(code)) => reply::multi_error(&mut w, code.number()),
                Err(other) => return Err(other),
            }
            if w.len() > MAX_ANSWER {
                return Err(Refusal::Close(format!(
                    "the answer of a multiRead has more than {MAX_ANSWER} bytes"
                )));
            }
        }
        reply::multi_end(&mut w);
        self.send(id, w.into_frame());
        Ok(())
    }

    fn read_into(&mut self, w: &mut Writer, id: ConnId, session: i64, op: ReadOp<'_>) -> Result<(), Refusal> {
        match op {
            ReadOp::Exists { path, watch } => {
                let found = self.readable(id, path).map(Node::stat);
                // Who may not read a node learns nothing of it, as of ZooKeeper 3.9.4.
                if watch && found != Err(Code::NoAuth) {
                    self.watches.add_data(id, path)?;
                }
                found?.write(w);
            }
            ReadOp::GetData { path, watch } => {
                let node = self.readable(id, path)?;
                w.buffer(node.data.as_deref());
                node.stat().write(w);
                if watch {
                    self.watches.add_data(id, path)?;
                }
            }
            ReadOp::GetAcl { path } => self.get_acl(w, id, path)?,
            ReadOp::GetChildren { path, watch, with_stat } => {
                let node = self.readable(id, path)?;
                reply::names(w, node.children.iter().map(|name| &**name));
                if with_stat {
                    node.stat().write(w);
                }
                if watch {
                    self.watches.add_child(id, path)?;
                }
            }
            // All that came before is answered from this very tree.
            ReadOp::Sync { path } => {
                w.string(path);
            }
            ReadOp::GetEphemerals { prefix } => {
                let mine = self.state.tree.ephemerals_of(session);
                let wanted = |path: &&str| path.starts_with(prefix);
                let found: Vec<&str> = mine.filter(wanted).collect();
                reply::names(w, found.into_iter());
            }
            ReadOp::CountDescendants { path } => {
                self.readable(id, path)?;
                w.int(length(self.state.tree.descendants(path)));
            }
            ReadOp::WhoAmI => {
                let shown = self.conns.get(&id).map(|conn| conn.who.shown()).unwrap_or_default();
                w.count(shown.len());
                for (scheme, user) in &shown {
                    w.string(scheme).string(user);
                }
            }
        }
        Ok(())
    }

    /// A node, for one who may read it.
    fn readable(&self, id: ConnId, path: &str) -> Result<&Node, Code> {
        let node = self.state.tree.get(path).ok_or(Code::NoNode)?;
        if self.may(id, node, acl::READ) { Ok(node) } else { Err(Code::NoAuth) }
    }

    fn may(&self, id: ConnId, node: &Node, perms: i32) -> bool {
        self.conns.get(&id).is_some_and(|conn| conn.who.may(&node.acl, perms))
    }

    fn get_acl(&self, w: &mut Writer, id: ConnId, path: &str) -> Result<(), Code> {
        path::check(path)?;
        let node = self.state.tree.get(path).ok_or(Code::NoNode)?;
        if !self.may(id, node, acl::READ | acl::ADMIN) {
            return Err(Code::NoAuth);
        }
        if self.may(id, node, acl::ADMIN) {
            reply::acl(w, &node.acl);
        } else {
            reply::acl(w, &acl::masked(&node.acl));
        }
        node.stat().write(w);
        Ok(())
    }
}

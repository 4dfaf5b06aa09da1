//! Requests that change the tree, alone or several at once.
//!
//! # Invariants
//!
//! * An operation that fails changes nothing; if one of several fails, none of them has changed anything.
//! * Either way one zxid is taken, and one record written.

use super::Machine;
use crate::acl::{self, Identities};
use crate::path;
use crate::state::Step;
use crate::tree::{Change, Kind, MAX_TTL, Moment, Node, Tree};
use crate::txn::What;
use crate::watch::ConnId;
use crate::wire::code::Code;
use crate::wire::reply::{self, Done};
use crate::wire::request::{CHECK, Create, DELETE, SET_DATA, WriteOp};
use std::sync::Arc;

/// The type of setACL's result in a multi, where no client can ask for it.
const SET_ACL: i32 = 7;

impl Machine {
    pub(super) fn write(&mut self, id: ConnId, session: i64, xid: i32, op: WriteOp<'_>) {
        let at = self.next_moment();
        let done = self.carry_out(id, session, at, vec![op]);
        match done {
            Ok((steps, results)) => {
                self.settle(session, at, &steps);
                let mut w = reply::ok(xid, at.zxid);
                for done in &results {
                    done.write(&mut w);
                }
                self.send(id, w.into_frame());
            }
            Err((_, code)) => {
                self.record(at, session, What::Failed(code.number()));
                self.send(id, reply::error(xid, at.zxid, code));
            }
        }
    }

    pub(super) fn multi(&mut self, id: ConnId, session: i64, xid: i32, ops: Vec<WriteOp<'_>>) {
        let at = self.next_moment();
        let count = ops.len();
        let done = self.carry_out(id, session, at, ops);
        let mut w = reply::ok(xid, at.zxid);
        match done {
            Ok((steps, results)) => {
                self.settle(session, at, &steps);
                reply::multi_done(&mut w, &results);
            }
            Err((failed, code)) => {
                self.record(at, session, What::Failed(code.number()));
                reply::multi_failed(&mut w, count, failed, code);
            }
        }
        self.send(id, w.into_frame());
    }

    /// Records what was applied and tells those who watch.
    fn settle(&mut self, session: i64, at: Moment, steps: &[Step]) {
        let changes = steps.iter().map(|(change, _)| change.clone()).collect();
        self.record(at, session, What::Changes(changes));
        self.fire(steps, at.zxid);
    }

    /// Applies all operations, or none: then it says which of them failed, and why.
    fn carry_out(
        &mut self,
        id: ConnId,
        session: i64,
        at: Moment,
        ops: Vec<WriteOp<'_>>,
    ) -> Result<(Vec<Step>, Vec<Done>), (usize, Code)> {
        let Some(conn) = self.conns.get(&id) else { return Err((0, Code::NoAuth)) };
        let mut asker = Asker { session, who: &conn.who, at, expanded: 0 };
        let (mut steps, mut results) = (Vec::with_capacity(ops.len()), Vec::with_capacity(ops.len()));
        for (n, op) in ops.into_iter().enumerate() {
            match asker.carry_out(&mut self.state.tree, op) {
                Ok((step, done)) => {
                    steps.extend(step);
                    results.push(done);
                }
                Err(code) => {
                    for (_, undo) in steps.into_iter().rev() {
                        self.state.tree.undo(undo);
                    }
                    return Err((n, code));
                }
            }
        }
        Ok((steps, results))
    }
}

/// Who asks, and when.
struct Asker<'a> {
    session: i64,
    who: &'a Identities,
    at: Moment,
    /// Bytes that the request's `auth` entries have become so far.
    expanded: usize,
}

impl Asker<'_> {
    fn carry_out(&mut self, tree: &mut Tree, op: WriteOp<'_>) -> Result<(Option<Step>, Done), Code> {
        match op {
            WriteOp::Create(create) => self.create(tree, create),
            WriteOp::Delete { path, version } => self.delete(tree, path, version),
            WriteOp::SetData { path, data, version } => {
                path::check(path)?;
                let node = self.permitted(tree, path, acl::WRITE)?;
                let version = next_version(node.version, version)?;
                let change = Change::SetData { path: path.into(), data: data.map(Arc::from), version };
                let step = self.apply(tree, change)?;
                Ok((Some(step), Done::Stat(SET_DATA, stat(tree, path)?)))
            }
            WriteOp::SetAcl { path, acl, version } => {
                path::check(path)?;
                let acl = acl::settle(acl, self.who, &mut self.expanded)?;
                let node = self.permitted(tree, path, acl::ADMIN)?;
                let version = next_version(node.aversion, version)?;
                let step = self.apply(tree, Change::SetAcl { path: path.into(), acl, version })?;
                Ok((Some(step), Done::Stat(SET_ACL, stat(tree, path)?)))
            }
            WriteOp::Check { path, version } => {
                path::check(path)?;
                let node = self.permitted(tree, path, acl::READ)?;
                next_version(node.version, version)?;
                Ok((None, Done::Nothing(CHECK)))
            }
        }
    }

    fn create(&mut self, tree: &mut Tree, create: Create<'_>) -> Result<(Option<Step>, Done), Code> {
        let Create { path, data, acl, flags, ttl, with_stat } = create;
        let (kind, sequential) = self.kind(flags, ttl)?;
        if path == "/" {
            return Err(Code::NodeExists);
        }
        // The last part of a sequential node may be all number.
        let (parent_path, _) = path::split(path).ok_or(Code::BadArguments)?;
        if !sequential {
            path::check(path)?;
        }
        let acl = acl::settle(acl, self.who, &mut self.expanded)?;
        let parent = self.permitted(tree, parent_path, acl::CREATE)?;
        let path: Box<str> =
            if sequential { format!("{path}{:010}", parent.created).into() } else { path.into() };
        path::check(&path)?;
        if tree.get(&path).is_some() {
            return Err(Code::NodeExists);
        }
        if matches!(parent.kind, Kind::Ephemeral(_)) {
            return Err(Code::NoChildrenForEphemerals);
        }
        let change = Change::Create { path: path.clone(), data: data.map(Arc::from), acl, kind };
        let step = self.apply(tree, change)?;
        let done = if with_stat {
            let stat = stat(tree, &path)?;
            Done::PathAndStat(path.into(), stat)
        } else {
            Done::Path(path.into())
        };
        Ok((Some(step), done))
    }

    /// What the flags ask for, and whether the server adds a number to the name.
    fn kind(&self, flags: i32, ttl: Option<i64>) -> Result<(Kind, bool), Code> {
        match (flags, ttl) {
            (0, _) => Ok((Kind::Persistent, false)),
            (1, _) => Ok((Kind::Ephemeral(self.session), false)),
            (2, _) => Ok((Kind::Persistent, true)),
            (3, _) => Ok((Kind::Ephemeral(self.session), true)),
            (4, _) => Ok((Kind::Container, false)),
            (5 | 6, Some(ms)) if (1..=MAX_TTL).contains(&ms) => Ok((Kind::Ttl(ms), flags == 6)),
            _ => Err(Code::BadArguments),
        }
    }

    fn delete(&self, tree: &mut Tree, path: &str, version: i32) -> Result<(Option<Step>, Done), Code> {
        if path::OWN.contains(&path) || path.contains('\0') {
            return Err(Code::BadArguments);
        }
        let (parent, _) = path::split(path).ok_or(Code::BadArguments)?;
        self.permitted(tree, parent, acl::DELETE)?;
        let node = tree.get(path).ok_or(Code::NoNode)?;
        next_version(node.version, version)?;
        if !node.children.is_empty() {
            return Err(Code::NotEmpty);
        }
        let step = self.apply(tree, Change::Delete { path: path.into() })?;
        Ok((Some(step), Done::Nothing(DELETE)))
    }

    /// A node, for one who has this permission there.
    fn permitted<'t>(&self, tree: &'t Tree, path: &str, perms: i32) -> Result<&'t Node, Code> {
        let node = tree.get(path).ok_or(Code::NoNode)?;
        if self.who.may(&node.acl, perms) { Ok(node) } else { Err(Code::NoAuth) }
    }

    /// Applies what was looked at from all sides; a tree that refuses it now is not the one that was looked at.
    fn apply(&self, tree: &mut Tree, change: Change) -> Result<Step, Code> {
        match tree.apply(&change, self.at) {
            Ok(undo) => Ok((change, undo)),
            Err(misfit) => {
                tracing::error!("a checked change was refused, please report this: {misfit}");
                Err(Code::RuntimeInconsistency)
            }
        }
    }
}

/// The version after a write that expects this one; -1 expects any.
fn next_version(version: i32, expected: i32) -> Result<i32, Code> {
    if expected == -1 || expected == version { Ok(version.wrapping_add(1)) } else { Err(Code::BadVersion) }
}

fn stat(tree: &Tree, path: &str) -> Result<crate::wire::stat::Stat, Code> {
    tree.get(path).map(Node::stat).ok_or(Code::RuntimeInconsistency)
}

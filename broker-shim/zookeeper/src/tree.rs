//! The nodes, and the changes that are applied to them.
//!
//! A change is applied the same way when it is asked for and when it is read back from the log: whatever had to be decided
//! (the number of a sequential node, an access list, a new version) is in it.
//!
//! # Invariants
//!
//! * Each node but the root has its parent, which lists its name.
//! * A node whose owner is a session is in that session's set; containers and nodes with a time to live are in theirs.
//! * [`Tree::undo`] of the answers of [`Tree::apply`], in reverse, gives the tree that was there before, to the last
//!   counter.
//! * The server's own nodes are there and count as never created: they show in their parent's number of children only.
//!
//! # Not here
//!
//! Whether a change is allowed (`machine`), what the log holds of it (`txn`).

use crate::acl::{self, AclList};
use crate::path;
use crate::wire::jute::length;
use crate::wire::stat::Stat;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// What a node is, beside its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Persistent,
    /// Goes with this session.
    Ephemeral(i64),
    /// Goes when its last child has gone.
    Container,
    /// Goes when it has no children and was not changed for so many milliseconds.
    Ttl(i64),
}

/// The longest time to live: 40 bits.
pub(crate) const MAX_TTL: i64 = (1 << 40) - 1;
const CONTAINER_OWNER: i64 = i64::MIN;
const TTL_MARK: i64 = 0xff << 56;

impl Kind {
    /// As Stat shows it.
    pub(crate) const fn owner(self) -> i64 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral(session) => session,
            Self::Container => CONTAINER_OWNER,
            Self::Ttl(ms) => TTL_MARK | ms,
        }
    }
}

/// A node's content; `None` is null, which is not the same as empty.
pub(crate) type Data = Option<Arc<[u8]>>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) acl: AclList,
    pub(crate) kind: Kind,
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) pzxid: i64,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    pub(crate) version: i32,
    pub(crate) aversion: i32,
    /// Children that were ever created: the number of the next sequential one.
    pub(crate) created: i32,
    pub(crate) children: BTreeSet<Box<str>>,
}

impl Node {
    fn own(data: Data, acl: AclList, aversion: i32) -> Self {
        Self {
            data,
            acl,
            kind: Kind::Persistent,
            czxid: 0,
            mzxid: 0,
            pzxid: 0,
            ctime: 0,
            mtime: 0,
            version: 0,
            aversion,
            created: 0,
            children: BTreeSet::new(),
        }
    }

    pub(crate) fn stat(&self) -> Stat {
        let children = length(self.children.len());
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // Creations and deletions of children both count.
            cversion: self.created.wrapping_mul(2).wrapping_sub(children),
            aversion: self.aversion,
            ephemeral_owner: self.kind.owner(),
            data_length: self.data.as_ref().map_or(0, |data| length(data.len())),
            num_children: children,
            pzxid: self.pzxid,
        }
    }

    fn data_len(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.len() as u64)
    }
}

/// One step from one state of the tree to the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Create { path: Box<str>, data: Data, acl: AclList, kind: Kind },
    Delete { path: Box<str> },
    SetData { path: Box<str>, data: Data, version: i32 },
    SetAcl { path: Box<str>, acl: AclList, version: i32 },
}

impl Change {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Delete { path }
            | Self::SetData { path, .. }
            | Self::SetAcl { path, .. } => path,
        }
    }
}

/// When something happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) zxid: i64,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
}

/// What was there before a change.
#[derive(Debug)]
pub(crate) enum Undo {
    Created { path: Box<str>, parent_pzxid: i64 },
    Deleted { path: Box<str>, node: Node, parent_pzxid: i64 },
    Data { path: Box<str>, data: Data, mzxid: i64, mtime: i64, version: i32 },
    Acl { path: Box<str>, acl: AclList, version: i32 },
}

/// A change that this tree cannot take: it was made for another one.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Misfit(pub(crate) String);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    nodes: HashMap<Box<str>, Node>,
    ephemerals: BTreeMap<i64, BTreeSet<Box<str>>>,
    containers: BTreeSet<Box<str>>,
    ttls: BTreeSet<Box<str>>,
    /// Bytes of paths and data, for those who look at the server.
    bytes: u64,
}

impl Tree {
    /// The root and the server's own nodes.
    pub(crate) fn new() -> Self {
        let mut tree = Self::bare();
        let empty: Data = Some(Arc::new([]));
        let root = Node::own(empty.clone(), acl::open(), 0);
        tree.link("/", root);
        tree.link(path::ZOOKEEPER, Node::own(empty.clone(), acl::open(), 0));
        tree.link(path::QUOTA, Node::own(empty.clone(), acl::open(), 0));
        tree.link(path::CONFIG, Node::own(empty, acl::read_only(), -1));
        tree
    }

    /// Nothing, not even a root: to be filled from a snapshot.
    pub(crate) fn bare() -> Self {
        Self {
            nodes: HashMap::new(),
            ephemerals: BTreeMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            bytes: 0,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (&**path, node))
    }

    /// The ephemeral nodes of a session, by path.
    pub(crate) fn ephemerals_of(&self, session: i64) -> impl Iterator<Item = &str> {
        self.ephemerals.get(&session).into_iter().flatten().map(|path| &**path)
    }

    /// Sessions that have ephemeral nodes, with these.
    pub(crate) fn ephemerals(&self) -> impl Iterator<Item = (i64, &BTreeSet<Box<str>>)> {
        self.ephemerals.iter().map(|(session, paths)| (*session, paths))
    }

    pub(crate) fn descendants(&self, path: &str) -> usize {
        match self.get(path) {
            Some(_) if path == "/" => self.len().saturating_sub(1),
            Some(node) if node.children.is_empty() => 0,
            _ => self.nodes.keys().filter(|other| path::is_below(other, path)).count(),
        }
    }

    /// Containers whose children are all gone, and nodes that have lived their time, at most so many.
    pub(crate) fn overdue(&self, now: i64, most: usize) -> Vec<Box<str>> {
        let is_over = |node: &Node| {
            node.children.is_empty()
                && match node.kind {
                    Kind::Container => node.created > 0,
                    Kind::Ttl(ms) => now.saturating_sub(node.mtime) > ms,
                    Kind::Persistent | Kind::Ephemeral(_) => false,
                }
        };
        let mortals = self.containers.iter().chain(&self.ttls);
        mortals.filter(|path| self.get(path).is_some_and(is_over)).take(most).cloned().collect()
    }

    /// Whether anything may ever be overdue.
    pub(crate) fn has_mortals(&self) -> bool {
        !(self.containers.is_empty() && self.ttls.is_empty())
    }

    /// Puts a node of a snapshot in its place; parents come before their children.
    pub(crate) fn restore(&mut self, path: &str, node: Node) -> Result<(), Misfit> {
        let known =
            path == "/" || path::split(path).is_some_and(|(parent, _)| self.nodes.contains_key(parent));
        if !known || self.nodes.contains_key(path) {
            return Err(Misfit(format!("a node of the snapshot has no parent or is there twice: {path:?}")));
        }
        self.link(path, node);
        Ok(())
    }

    /// Applies a change, and says how to take it back.
    ///
    /// # Errors
    ///
    /// The change was not made for this tree; nothing is changed.
    pub(crate) fn apply(&mut self, change: &Change, at: Moment) -> Result<Undo, Misfit> {
        match change {
            Change::Create { path, data, acl, kind } => {
                let new = Node {
                    kind: *kind,
                    czxid: at.zxid,
                    mzxid: at.zxid,
                    pzxid: at.zxid,
                    ctime: at.time,
                    mtime: at.time,
                    ..Node::own(data.clone(), Arc::clone(acl), 0)
                };
                self.create(path, new, at)
            }
            Change::Delete { path } => self.delete(path, at),
            Change::SetData { path, data, version } => {
                let node = self.nodes.get_mut(path).ok_or_else(|| missing(path))?;
                let undo = Undo::Data {
                    path: path.clone(),
                    data: std::mem::replace(&mut node.data, data.clone()),
                    mzxid: std::mem::replace(&mut node.mzxid, at.zxid),
                    mtime: std::mem::replace(&mut node.mtime, at.time),
                    version: std::mem::replace(&mut node.version, *version),
                };
                let len = node.data_len();
                let Undo::Data { data: old, .. } = &undo else { return Ok(undo) };
                let old = old.as_ref().map_or(0, |data| data.len() as u64);
                self.bytes = self.bytes.saturating_add(len).saturating_sub(old);
                Ok(undo)
            }
            Change::SetAcl { path, acl, version } => {
                let node = self.nodes.get_mut(path).ok_or_else(|| missing(path))?;
                let acl = std::mem::replace(&mut node.acl, Arc::clone(acl));
                let version = std::mem::replace(&mut node.aversion, *version);
                Ok(Undo::Acl { path: path.clone(), acl, version })
            }
        }
    }

    fn create(&mut self, path: &str, new: Node, at: Moment) -> Result<Undo, Misfit> {
        let parent = path::split(path).and_then(|(parent, _)| self.nodes.get_mut(parent));
        let parent = parent.ok_or_else(|| Misfit(format!("{path:?} is created without its parent")))?;
        let parent_pzxid = parent.pzxid;
        if self.nodes.contains_key(path) {
            return Err(Misfit(format!("{path:?} is created twice")));
        }
        let parent = self.link(path, new);
        if let Some(parent) = self.nodes.get_mut(&*parent) {
            parent.pzxid = at.zxid;
            parent.created = parent.created.wrapping_add(1);
        }
        Ok(Undo::Created { path: path.into(), parent_pzxid })
    }

    fn delete(&mut self, path: &str, at: Moment) -> Result<Undo, Misfit> {
        let node = self.nodes.get(path).ok_or_else(|| missing(path))?;
        if !node.children.is_empty() || path::OWN.contains(&path) {
            return Err(Misfit(format!("{path:?} is deleted, but cannot be")));
        }
        let (parent, node) = self.unlink(path).ok_or_else(|| missing(path))?;
        let parent = self.nodes.get_mut(&*parent).ok_or_else(|| missing(path))?;
        let parent_pzxid = std::mem::replace(&mut parent.pzxid, at.zxid);
        Ok(Undo::Deleted { path: path.into(), node, parent_pzxid })
    }

    /// Takes the last change back that was not taken back yet.
    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Created { path, parent_pzxid } => {
                if let Some((parent, _)) = self.unlink(&path)
                    && let Some(parent) = self.nodes.get_mut(&*parent)
                {
                    parent.pzxid = parent_pzxid;
                    parent.created = parent.created.wrapping_sub(1);
                }
            }
            Undo::Deleted { path, node, parent_pzxid } => {
                let parent = self.link(&path, node);
                if let Some(parent) = self.nodes.get_mut(&*parent) {
                    parent.pzxid = parent_pzxid;
                }
            }
            Undo::Data { path, data, mzxid, mtime, version } => {
                if let Some(node) = self.nodes.get_mut(&path) {
                    let now = node.data_len();
                    (node.data, node.mzxid, node.mtime, node.version) = (data, mzxid, mtime, version);
                    self.bytes = self.bytes.saturating_sub(now).saturating_add(node.data_len());
                }
            }
            Undo::Acl { path, acl, version } => {
                if let Some(node) = self.nodes.get_mut(&path) {
                    (node.acl, node.aversion) = (acl, version);
                }
            }
        }
    }

    /// Adds a node to all the maps; the answer is its parent's path.
    fn link(&mut self, path: &str, node: Node) -> Box<str> {
        let (parent, name) = path::split(path).unwrap_or_default();
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.insert(name.into());
        }
        match node.kind {
            Kind::Persistent => {}
            Kind::Ephemeral(session) => {
                self.ephemerals.entry(session).or_default().insert(path.into());
            }
            Kind::Container => {
                self.containers.insert(path.into());
            }
            Kind::Ttl(_) => {
                self.ttls.insert(path.into());
            }
        }
        self.bytes += path.len() as u64 + node.data_len();
        self.nodes.insert(path.into(), node);
        parent.into()
    }

    /// Takes a node out of all the maps; the answer is its parent's path, and the node.
    fn unlink(&mut self, path: &str) -> Option<(Box<str>, Node)> {
        let node = self.nodes.remove(path)?;
        let (parent, name) = path::split(path)?;
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.remove(name);
        }
        match node.kind {
            Kind::Persistent => {}
            Kind::Ephemeral(session) => {
                if let Some(paths) = self.ephemerals.get_mut(&session) {
                    paths.remove(path);
                    if paths.is_empty() {
                        self.ephemerals.remove(&session);
                    }
                }
            }
            Kind::Container => {
                self.containers.remove(path);
            }
            Kind::Ttl(_) => {
                self.ttls.remove(path);
            }
        }
        self.bytes = self.bytes.saturating_sub(path.len() as u64 + node.data_len());
        Some((parent.into(), node))
    }
}

fn missing(path: &str) -> Misfit {
    Misfit(format!("{path:?} is changed, but is not there"))
}

#[cfg(test)]
mod tests;

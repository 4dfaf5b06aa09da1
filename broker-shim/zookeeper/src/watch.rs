//! Who wants to be told of what.
//!
//! | set by | kind | fires |
//! |---|---|---|
//! | getData, exists | data | once: created, deleted, data changed |
//! | getChildren | child | once: children changed, deleted |
//! | addWatch 0 | persistent | each of them, until it is removed |
//! | addWatch 1 | recursive | created, deleted, data changed, of the node and of all below it, until it is removed |
//!
//! # Invariants
//!
//! * A connection is told once of one change of one node, whatever it has set there.
//! * What a connection may set is bounded by [`MAX_BYTES`] of paths.
//!
//! # Not here
//!
//! Whether the connection may read the node (`machine`), the bytes of events (`wire::reply`).

use crate::path;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A connection's number, never given twice.
pub(crate) type ConnId = u64;

/// Bytes of paths that one connection may watch, with [`OVERHEAD`] for each.
pub(crate) const MAX_BYTES: usize = 32 << 20;
const OVERHEAD: usize = 64;

/// What happened to a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    Created,
    Deleted,
    DataChanged,
    ChildrenChanged,
}

impl Event {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Created => 1,
            Self::Deleted => 2,
            Self::DataChanged => 3,
            Self::ChildrenChanged => 4,
        }
    }
}

/// How a watch was set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// By a read: once.
    Once,
    Persistent,
    Recursive,
}

/// What one connection has set at one path.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    once: bool,
    persistent: bool,
    recursive: bool,
}

impl Set {
    const fn is_empty(self) -> bool {
        !(self.once || self.persistent || self.recursive)
    }

    const fn flag(&mut self, mode: Mode) -> &mut bool {
        match mode {
            Mode::Once => &mut self.once,
            Mode::Persistent => &mut self.persistent,
            Mode::Recursive => &mut self.recursive,
        }
    }
}

/// The connection has set more than [`MAX_BYTES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooMany;

/// One of the two tables: data watches, or child watches.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_path: HashMap<Box<str>, BTreeMap<ConnId, Set>>,
    by_conn: HashMap<ConnId, Watcher>,
    recursive: usize,
}

#[derive(Debug, Default)]
struct Watcher {
    paths: HashSet<Box<str>>,
    bytes: usize,
}

impl Table {
    fn add(&mut self, conn: ConnId, path: &str, mode: Mode) -> Result<(), TooMany> {
        let watcher = self.by_conn.entry(conn).or_default();
        if !watcher.paths.contains(path) {
            watcher.bytes += path.len() + OVERHEAD;
            if watcher.bytes > MAX_BYTES {
                return Err(TooMany);
            }
            watcher.paths.insert(path.into());
        }
        let set = self.by_path.entry(path.into()).or_default().entry(conn).or_default();
        let flag = set.flag(mode);
        if !std::mem::replace(flag, true) && mode == Mode::Recursive {
            self.recursive += 1;
        }
        Ok(())
    }

    fn has(&self, conn: ConnId, path: &str) -> bool {
        self.by_path.get(path).is_some_and(|conns| conns.contains_key(&conn))
    }

    /// Forgets some of what a connection has set at a path; true if there was any of it.
    fn remove(&mut self, conn: ConnId, path: &str, modes: &[Mode]) -> bool {
        let Some(conns) = self.by_path.get_mut(path) else { return false };
        let Some(set) = conns.get_mut(&conn) else { return false };
        let mut found = false;
        for mode in modes {
            let was = std::mem::replace(set.flag(*mode), false);
            if was && *mode == Mode::Recursive {
                self.recursive -= 1;
            }
            found |= was;
        }
        if set.is_empty() {
            conns.remove(&conn);
            if conns.is_empty() {
                self.by_path.remove(path);
            }
            if let Some(watcher) = self.by_conn.get_mut(&conn)
                && watcher.paths.remove(path)
            {
                watcher.bytes -= path.len() + OVERHEAD;
            }
        }
        found
    }

    fn forget(&mut self, conn: ConnId) {
        let Some(watcher) = self.by_conn.get_mut(&conn) else { return };
        for path in std::mem::take(&mut watcher.paths) {
            self.remove(conn, &path, &[Mode::Once, Mode::Persistent, Mode::Recursive]);
        }
        self.by_conn.remove(&conn);
    }

    /// Who is told of an event; whoever had asked to be told once is forgotten.
    fn fire(&mut self, path: &str, event: Event, told: &mut Vec<ConnId>) {
        let mut once = Vec::new();
        for (conn, set) in self.by_path.get(path).into_iter().flatten() {
            let recursive = set.recursive && event != Event::ChildrenChanged;
            if set.once || set.persistent || recursive {
                told.push(*conn);
            }
            if set.once {
                once.push(*conn);
            }
        }
        for conn in once {
            self.remove(conn, path, &[Mode::Once]);
        }
        if self.recursive > 0 && event != Event::ChildrenChanged {
            for above in path::upwards(path).skip(1) {
                for (conn, set) in self.by_path.get(above).into_iter().flatten() {
                    if set.recursive {
                        told.push(*conn);
                    }
                }
            }
        }
    }

    fn len(&self) -> usize {
        self.by_path.values().map(BTreeMap::len).sum()
    }
}

/// All watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    data: Table,
    child: Table,
}

/// Which watches a client speaks of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    Children,
    Data,
    Any,
    Persistent,
    Recursive,
}

impl Which {
    pub(crate) const fn from_number(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Children),
            2 => Some(Self::Data),
            3 => Some(Self::Any),
            4 => Some(Self::Persistent),
            5 => Some(Self::Recursive),
            _ => None,
        }
    }
}

impl Watches {
    pub(crate) fn add_data(&mut self, conn: ConnId, path: &str) -> Result<(), TooMany> {
        self.data.add(conn, path, Mode::Once)
    }

    pub(crate) fn add_child(&mut self, conn: ConnId, path: &str) -> Result<(), TooMany> {
        self.child.add(conn, path, Mode::Once)
    }

    /// Sets a watch that stays.
    pub(crate) fn add_lasting(&mut self, conn: ConnId, path: &str, mode: Mode) -> Result<(), TooMany> {
        self.data.add(conn, path, mode)?;
        self.child.add(conn, path, mode)
    }

    pub(crate) fn has(&self, conn: ConnId, path: &str, which: Which) -> bool {
        let of = |table: &Table, mode: Mode| {
            let set = table.by_path.get(path).and_then(|conns| conns.get(&conn)).copied();
            set.is_some_and(|mut set| *set.flag(mode))
        };
        match which {
            Which::Children => self.child.has(conn, path),
            Which::Data => self.data.has(conn, path),
            Which::Any => self.data.has(conn, path) || self.child.has(conn, path),
            Which::Persistent => of(&self.data, Mode::Persistent),
            Which::Recursive => of(&self.data, Mode::Recursive),
        }
    }

    /// Removes watches; true if there were any.
    pub(crate) fn remove(&mut self, conn: ConnId, path: &str, which: Which) -> bool {
        let all = [Mode::Once, Mode::Persistent, Mode::Recursive];
        let modes: &[Mode] = match which {
            // What lasts lies in both tables and is removed from both, by its own name or by `any`.
            Which::Children | Which::Data => &[Mode::Once],
            Which::Any => &all,
            Which::Persistent => &[Mode::Persistent],
            Which::Recursive => &[Mode::Recursive],
        };
        let data = which != Which::Children && self.data.remove(conn, path, modes);
        let child = which != Which::Data && self.child.remove(conn, path, modes);
        data || child
    }

    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.data.forget(conn);
        self.child.forget(conn);
    }

    /// Who is told of an event of a node: each once, the oldest connection first.
    pub(crate) fn fire(&mut self, path: &str, event: Event) -> Vec<ConnId> {
        let mut told = Vec::new();
        if event != Event::ChildrenChanged {
            self.data.fire(path, event, &mut told);
        }
        if matches!(event, Event::Deleted | Event::ChildrenChanged) {
            self.child.fire(path, event, &mut told);
        }
        told.sort_unstable();
        told.dedup();
        told
    }

    /// Connections that watch, paths that are watched, watches.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let watching = |table: &Table| -> HashSet<ConnId> {
            table.by_conn.iter().filter(|(_, w)| !w.paths.is_empty()).map(|(conn, _)| *conn).collect()
        };
        let conns = watching(&self.data).union(&watching(&self.child)).count();
        let child_only =
            self.child.by_path.keys().filter(|path| !self.data.by_path.contains_key(*path)).count();
        (conns, self.data.by_path.len() + child_only, self.data.len() + self.child.len())
    }

    /// What each connection watches, sorted.
    pub(crate) fn by_connection(&self) -> BTreeMap<ConnId, Vec<&str>> {
        let mut all: BTreeMap<ConnId, Vec<&str>> = BTreeMap::new();
        for (conn, watcher) in self.data.by_conn.iter().chain(&self.child.by_conn) {
            if !watcher.paths.is_empty() {
                all.entry(*conn).or_default().extend(watcher.paths.iter().map(|path| &**path));
            }
        }
        for paths in all.values_mut() {
            paths.sort_unstable();
            paths.dedup();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_fires_once() {
        let mut w = Watches::default();
        w.add_data(1, "/a").unwrap();
        w.add_data(2, "/a").unwrap();
        assert_eq!(w.fire("/a", Event::DataChanged), [1, 2]);
        assert_eq!(w.fire("/a", Event::DataChanged), [0; 0]);
        assert_eq!(w.counts(), (0, 0, 0));
    }

    #[test]
    fn data_and_child_watches_hear_of_their_own_events_and_both_of_deletion_once() {
        let mut w = Watches::default();
        w.add_data(1, "/a").unwrap();
        w.add_child(1, "/a").unwrap();
        w.add_child(2, "/a").unwrap();
        assert_eq!(w.fire("/a", Event::Created), [1]);
        w.add_data(1, "/a").unwrap();
        assert_eq!(w.fire("/a", Event::Deleted), [1, 2]);
        assert_eq!(w.fire("/a", Event::ChildrenChanged), [0; 0], "the deletion took the child watches too");
    }

    #[test]
    fn persistent_watches_stay_and_recursive_ones_look_down() {
        let mut w = Watches::default();
        w.add_lasting(1, "/a", Mode::Persistent).unwrap();
        w.add_lasting(2, "/a", Mode::Recursive).unwrap();
        for _ in 0..2 {
            assert_eq!(w.fire("/a", Event::DataChanged), [1, 2]);
            assert_eq!(
                w.fire("/a", Event::ChildrenChanged),
                [1],
                "recursive watches hear of the child itself"
            );
            assert_eq!(w.fire("/a/b/c", Event::Created), [2]);
            assert_eq!(w.fire("/ab", Event::Created), [0; 0]);
        }
        w.add_lasting(3, "/", Mode::Recursive).unwrap();
        assert_eq!(w.fire("/x", Event::Deleted), [3]);
    }

    #[test]
    fn removal_says_whether_there_was_one() {
        let mut w = Watches::default();
        w.add_data(1, "/a").unwrap();
        w.add_lasting(1, "/b", Mode::Recursive).unwrap();
        assert!(!w.remove(1, "/a", Which::Children) && w.remove(1, "/a", Which::Data));
        assert!(!w.remove(1, "/a", Which::Any));
        assert!(w.has(1, "/b", Which::Recursive) && !w.has(1, "/b", Which::Persistent));
        assert!(w.has(1, "/b", Which::Any) && w.remove(1, "/b", Which::Any));
        assert_eq!(w.fire("/b/c", Event::Created), [0; 0]);
        assert_eq!(w.counts(), (0, 0, 0));
    }

    #[test]
    fn whoever_is_gone_is_not_told() {
        let mut w = Watches::default();
        w.add_data(1, "/a").unwrap();
        w.add_child(1, "/a").unwrap();
        w.add_lasting(1, "/a", Mode::Recursive).unwrap();
        w.forget(1);
        assert_eq!(w.fire("/a", Event::Deleted), [0; 0]);
        assert_eq!((w.counts(), w.data.recursive, w.child.recursive), ((0, 0, 0), 0, 0));
    }

    #[test]
    fn what_a_connection_may_watch_is_bounded() {
        let mut w = Watches::default();
        let long = "x".repeat(1 << 20);
        let last = (0..64).map(|n| w.add_data(1, &format!("/{n}{long}"))).last();
        assert_eq!(last, Some(Err(TooMany)));
        w.add_data(2, "/a").unwrap();
    }
}

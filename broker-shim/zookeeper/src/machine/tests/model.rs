//! The machine against a model that is too simple to be wrong: a map of paths, and a list of watches.
//!
//! The model knows no order of maps, no undo (it copies everything), and no wire format; it counts as the protocol's
//! description says.

use super::Rig;
use super::bodies::{create_with, multi, path_and, path_int, set_to};
use crate::state::State;
use crate::txn::Txn;
use crate::watch::ConnId;
use crate::wire::jute::{Reader, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Write {
    Create { path: String, data: Vec<u8>, flags: i32 },
    Delete { path: String, version: i32 },
    Set { path: String, data: Vec<u8>, version: i32 },
    Check { path: String, version: i32 },
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Write),
    Multi(usize, Vec<Write>),
    Exists(usize, String, bool),
    Get(usize, String, bool),
    Children(usize, String, bool),
    /// The session ends; the client begins another one.
    Goodbye(usize),
}

#[derive(Clone, Debug)]
struct Node {
    data: Vec<u8>,
    version: i32,
    owner: i64,
    created: i32,
    deleted: i32,
    zxids: (i64, i64, i64),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Data,
    Child,
}

type Events = Vec<(ConnId, (i32, String))>;

#[derive(Clone, Debug, Default)]
struct Model {
    nodes: BTreeMap<String, Node>,
    watches: Vec<(ConnId, Kind, String)>,
    zxid: i64,
}

fn parent(path: &str) -> String {
    match path.rfind('/') {
        Some(0) | None => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}

impl Model {
    fn new() -> Self {
        let node = || Node { data: vec![], version: 0, owner: 0, created: 0, deleted: 0, zxids: (0, 0, 0) };
        let own = ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];
        Self { nodes: own.map(|path| (path.to_owned(), node())).into(), ..Self::default() }
    }

    fn children(&self, path: &str) -> Vec<String> {
        let below = self.nodes.keys().filter(|other| *other != "/" && parent(other) == path);
        below.map(|other| other.rsplit('/').next().unwrap().to_owned()).collect()
    }

    /// Stat as the protocol writes it, without the times.
    fn stat(&self, path: &str) -> Vec<i64> {
        let node = &self.nodes[path];
        // The server's own children were never created.
        let own = if path == "/" { 1 } else { 0 };
        let (czxid, mzxid, pzxid) = node.zxids;
        let cversion = node.created + node.deleted - own;
        let children = i64::try_from(self.children(path).len()).unwrap();
        let len = i64::try_from(node.data.len()).unwrap();
        vec![czxid, mzxid, i64::from(node.version), i64::from(cversion), 0, node.owner, len, children, pzxid]
    }

    fn fire(&mut self, kinds: &[Kind], event: i32, path: &str, events: &mut Events) {
        let hit = |w: &(ConnId, Kind, String)| kinds.contains(&w.1) && w.2 == path;
        let mut told: Vec<ConnId> = self.watches.iter().filter(|w| hit(w)).map(|w| w.0).collect();
        told.sort_unstable();
        told.dedup();
        self.watches.retain(|w| !hit(w));
        events.extend(told.into_iter().map(|conn| (conn, (event, path.to_owned()))));
    }

    fn write(&mut self, session: i64, zxid: i64, write: &Write, events: &mut Events) -> Result<String, i32> {
        match write {
            Write::Create { path, data, flags } => {
                let up = self.nodes.get(&parent(path)).ok_or(-101)?.clone();
                let path = if flags & 2 == 2 { format!("{path}{:010}", up.created) } else { path.clone() };
                if self.nodes.contains_key(&path) {
                    return Err(-110);
                }
                if up.owner != 0 {
                    return Err(-108);
                }
                let owner = if flags & 1 == 1 { session } else { 0 };
                let new = Node {
                    data: data.clone(),
                    version: 0,
                    owner,
                    created: 0,
                    deleted: 0,
                    zxids: (zxid, zxid, zxid),
                };
                self.nodes.insert(path.clone(), new);
                let up = self.nodes.get_mut(&parent(&path)).unwrap();
                up.created += 1;
                up.zxids.2 = zxid;
                self.fire(&[Kind::Data], 1, &path, events);
                self.fire(&[Kind::Child], 4, &parent(&path), events);
                Ok(path)
            }
            Write::Delete { path, version } => {
                let node = self.nodes.get(path).ok_or(-101)?;
                if *version != -1 && *version != node.version {
                    return Err(-103);
                }
                if !self.children(path).is_empty() {
                    return Err(-111);
                }
                self.delete(path, zxid, events);
                Ok(String::new())
            }
            Write::Set { path, data, version } => {
                let node = self.nodes.get_mut(path).ok_or(-101)?;
                if *version != -1 && *version != node.version {
                    return Err(-103);
                }
                (node.data, node.version, node.zxids.1) = (data.clone(), node.version + 1, zxid);
                self.fire(&[Kind::Data], 3, path, events);
                Ok(String::new())
            }
            Write::Check { path, version } => {
                let node = self.nodes.get(path).ok_or(-101)?;
                if *version == -1 || *version == node.version { Ok(String::new()) } else { Err(-103) }
            }
        }
    }

    fn delete(&mut self, path: &str, zxid: i64, events: &mut Events) {
        self.nodes.remove(path);
        let up = self.nodes.get_mut(&parent(path)).unwrap();
        up.deleted += 1;
        up.zxids.2 = zxid;
        self.fire(&[Kind::Data, Kind::Child], 2, path, events);
        self.fire(&[Kind::Child], 4, &parent(path), events);
    }

    /// All of them, or none: then which of them failed, and why.
    fn all(
        &mut self,
        session: i64,
        writes: &[Write],
        events: &mut Events,
    ) -> Result<Vec<String>, (usize, i32)> {
        let before = self.clone();
        let zxid = before.zxid + 1;
        let mut done = Vec::new();
        for (n, write) in writes.iter().enumerate() {
            match self.write(session, zxid, write, events) {
                Ok(path) => done.push(path),
                Err(code) => {
                    *self = Self { zxid, ..before };
                    events.clear();
                    return Err((n, code));
                }
            }
        }
        self.zxid = zxid;
        Ok(done)
    }

    fn goodbye(&mut self, conn: ConnId, session: i64) -> Events {
        let mut events = Vec::new();
        self.zxid += 1;
        let gone: Vec<String> =
            self.nodes.iter().filter(|(_, n)| n.owner == session).map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.delete(&path, self.zxid, &mut events);
        }
        self.watches.retain(|w| w.0 != conn);
        events
    }
}

/// Stat of a reply, without the times.
fn stat(r: &mut Reader<'_>) -> Vec<i64> {
    let (czxid, mzxid, _, _) = (r.long().unwrap(), r.long().unwrap(), r.long().unwrap(), r.long().unwrap());
    let mut int = || i64::from(r.int().unwrap());
    let mut all = vec![czxid, mzxid, int(), int(), int()];
    all.push(r.long().unwrap());
    all.extend([i64::from(r.int().unwrap()), i64::from(r.int().unwrap()), r.long().unwrap()]);
    all
}

fn request(write: &Write) -> (i32, Writer) {
    match write {
        Write::Create { path, data, flags } => (1, create_with(path, data, *flags)),
        Write::Delete { path, version } => (2, path_int(path, *version)),
        Write::Set { path, data, version } => (5, set_to(path, data, *version)),
        Write::Check { path, version } => (13, path_int(path, *version)),
    }
}

/// Machine and model side by side.
struct Pair {
    rig: Rig,
    model: Model,
    clients: Vec<(ConnId, i64)>,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self { rig: Rig::new(), model: Model::new(), clients: Vec::new() };
        for _ in 0..3 {
            let client = pair.client();
            pair.clients.push(client);
        }
        pair
    }

    fn client(&mut self) -> (ConnId, i64) {
        let conn = self.rig.client();
        self.model.zxid += 1;
        (conn, self.rig.machine.state().last_session)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(who, write) => self.write(*who, write),
            Step::Multi(who, writes) => self.multi(*who, writes),
            Step::Exists(who, path, watch) => self.read(*who, 3, path, *watch),
            Step::Get(who, path, watch) => self.read(*who, 4, path, *watch),
            Step::Children(who, path, watch) => self.read(*who, 12, path, *watch),
            Step::Goodbye(who) => {
                let (conn, session) = self.clients[*who];
                let answer = self.rig.ask(conn, -11, Writer::new());
                let events = self.model.goodbye(conn, session);
                assert_eq!((answer.err, answer.zxid), (0, self.model.zxid));
                assert_eq!(answer.events, events);
                self.clients[*who] = self.client();
            }
        }
        assert_eq!(self.rig.machine.state().zxid, self.model.zxid);
    }

    fn write(&mut self, who: usize, write: &Write) {
        let (conn, session) = self.clients[who];
        let mut events = Vec::new();
        let expected = self.model.all(session, std::slice::from_ref(write), &mut events);
        let (kind, body) = request(write);
        let answer = self.rig.ask(conn, kind, body);
        assert_eq!((answer.zxid, &answer.events), (self.model.zxid, &events), "{write:?}");
        match expected {
            Err((_, code)) => assert_eq!((answer.err, answer.body.len()), (code, 0), "{write:?}"),
            Ok(done) => {
                assert_eq!(answer.err, 0, "{write:?}");
                let mut r = Reader::new(&answer.body);
                match write {
                    Write::Create { .. } => assert_eq!(r.string().unwrap(), done[0]),
                    Write::Set { path, .. } => assert_eq!(stat(&mut r), self.model.stat(path)),
                    Write::Delete { .. } | Write::Check { .. } => {}
                }
                assert!(r.is_empty());
            }
        }
    }

    fn multi(&mut self, who: usize, writes: &[Write]) {
        let (conn, session) = self.clients[who];
        let mut events = Vec::new();
        let expected = self.model.all(session, writes, &mut events);
        let answer = self.rig.ask(conn, 14, multi(writes.iter().map(request).collect()));
        assert_eq!((answer.err, answer.zxid, &answer.events), (0, self.model.zxid, &events), "{writes:?}");
        let mut r = Reader::new(&answer.body);
        for (n, write) in writes.iter().enumerate() {
            let (kind, done, err) = (r.int().unwrap(), r.bool().unwrap(), r.int().unwrap());
            assert!(!done);
            match &expected {
                Ok(paths) => {
                    assert_eq!((kind, err), (request(write).0, 0));
                    match write {
                        Write::Create { .. } => assert_eq!(r.string().unwrap(), paths[n]),
                        // A later operation of the same multi may have changed it again.
                        Write::Set { .. } => drop(stat(&mut r)),
                        Write::Delete { .. } | Write::Check { .. } => {}
                    }
                }
                Err((failed, code)) => {
                    let expected = match n.cmp(failed) {
                        std::cmp::Ordering::Less => 0,
                        std::cmp::Ordering::Equal => *code,
                        std::cmp::Ordering::Greater => -2,
                    };
                    assert_eq!((kind, err, r.int().unwrap()), (-1, expected, expected));
                }
            }
        }
        assert_eq!((r.int(), r.bool(), r.int(), r.is_empty()), (Ok(-1), Ok(true), Ok(-1), true));
    }

    fn read(&mut self, who: usize, kind: i32, path: &str, watch: bool) {
        let (conn, _) = self.clients[who];
        let answer = self.rig.ask(conn, kind, path_and(path, watch));
        assert_eq!((answer.zxid, answer.events.len()), (self.model.zxid, 0));
        let there = self.model.nodes.contains_key(path);
        assert_eq!(answer.err, if there { 0 } else { -101 });
        if watch && (there || kind == 3) {
            let table = if kind == 12 { Kind::Child } else { Kind::Data };
            self.model.watches.push((conn, table, path.to_owned()));
        }
        if !there {
            return assert_eq!(answer.body.len(), 0);
        }
        let mut r = Reader::new(&answer.body);
        match kind {
            4 => assert_eq!(r.buffer().unwrap(), Some(&self.model.nodes[path].data[..])),
            12 => assert_eq!(r.strings().unwrap(), self.model.children(path)),
            _ => {}
        }
        assert_eq!(stat(&mut r), self.model.stat(path));
        assert!(r.is_empty());
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "/a",
        "/b",
        "/a/x",
        "/a/y",
        "/b/x",
        "/a/x/u",
        "/s-0000000001",
        "/a/-0000000000",
    ])
    .prop_map(String::from)
}

fn write() -> impl Strategy<Value = Write> {
    let data = || vec(any::<u8>(), 0..4);
    let version = || prop_oneof![3 => Just(-1), 2 => 0..3_i32];
    let new = prop_oneof![3 => path(), 1 => Just("/s-".to_owned()), 1 => Just("/a/-".to_owned())];
    prop_oneof![
        4 => (new, data(), 0..4_i32).prop_map(|(path, data, flags)| Write::Create { path, data, flags }),
        2 => (path(), version()).prop_map(|(path, version)| Write::Delete { path, version }),
        2 => (path(), data(), version()).prop_map(|(path, data, version)| Write::Set { path, data, version }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..3_usize;
    let check = (path(), 0..2_i32).prop_map(|(path, version)| Write::Check { path, version });
    let part = prop_oneof![4 => write(), 1 => check];
    let place = || prop_oneof![4 => path(), 1 => Just("/".to_owned())];
    prop_oneof![
        6 => (who(), write()).prop_map(|(who, write)| Step::Write(who, write)),
        2 => (who(), vec(part, 0..5)).prop_map(|(who, writes)| Step::Multi(who, writes)),
        2 => (who(), place(), any::<bool>()).prop_map(|(who, path, watch)| Step::Exists(who, path, watch)),
        2 => (who(), place(), any::<bool>()).prop_map(|(who, path, watch)| Step::Get(who, path, watch)),
        2 => (who(), place(), any::<bool>()).prop_map(|(who, path, watch)| Step::Children(who, path, watch)),
        1 => who().prop_map(Step::Goodbye),
    ]
}

/// A body that begins like one, or does not.
fn nearly_a_body() -> impl Strategy<Value = Vec<u8>> {
    let int = prop_oneof![(-3..4_i32), Just(i32::MAX), Just(i32::MIN), Just(0x10_0000)];
    let piece = prop_oneof![
        int.prop_map(|int| int.to_be_bytes().to_vec()),
        path().prop_map(|path| {
            let mut w = Writer::new();
            w.string(&path);
            w.into_bytes()
        }),
        vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever comes is answered or ends its connection, and what it did is in the records.
    #[test]
    fn no_bytes_bring_the_machine_down(frames in vec((-12..110_i32, nearly_a_body()), 1..40)) {
        let mut rig = Rig::new();
        let mut id = rig.client();
        for (kind, body) in &frames {
            let frame = [&7_i32.to_be_bytes()[..], &kind.to_be_bytes(), body].concat();
            rig.say(id, &frame);
            if rig.closed.pop().is_some() {
                id = rig.client();
            }
        }
        let mut state = State::new();
        for record in rig.machine.take_records() {
            state.apply(&Txn::decode(&record).unwrap()).unwrap();
        }
        prop_assert!(&state == rig.machine.state());
    }

    /// Errors, zxids, Stats, numbers of sequential nodes, events and their order, the shape of a failed multi: all as the
    /// model has them; and the records that were written on the way give the same state again.
    #[test]
    fn the_machine_does_what_the_model_does(steps in vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
        }
        let mut state = State::new();
        for record in pair.rig.machine.take_records() {
            state.apply(&Txn::decode(&record).unwrap()).unwrap();
        }
        prop_assert!(&state == pair.rig.machine.state());
        let paths: Vec<&str> = pair.model.nodes.keys().map(String::as_str).collect();
        let mut found: Vec<&str> = state.tree.nodes().map(|(path, _)| path).collect();
        found.sort_unstable();
        prop_assert_eq!(found, paths);
    }
}

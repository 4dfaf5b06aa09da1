//! The state written down.
//!
//! # Format
//!
//! A snapshot is a run of records of its log, each without a key; the value begins with its kind:
//!
//! ```text
//! 0 begin     1 byte format (1), long zxid, long offset of the first transaction that is not in it, long highest session
//! 1 sessions  int count, then each: long session, int timeout ms, buffer password
//! 2 nodes     int count, then each, parents before children:
//!               string path, buffer data, vector acl, 1 byte kind, long session or time to live (as in `txn`),
//!               long czxid, mzxid, pzxid, ctime, mtime, int version, aversion, children ever created
//! 3 end       long sessions, long nodes
//! ```
//!
//! Records of kinds 1 and 2 come as often as needed, about [`PART`] bytes each.
//!
//! # Invariants
//!
//! * A snapshot without its end is none: the process was killed, or the power went, while it was written.

use super::JournalError;
use crate::state::{Saved, State};
use crate::tree::{Node, Tree};
use crate::txn::{decode_acl, decode_kind, encode_kind, password};
use crate::wire::jute::{Malformed, Reader, Writer};
use crate::wire::reply;
use log_engine::{Fault, Log, LogError, NewRecord, Offset};
use std::collections::BTreeSet;
use std::sync::Arc;

const FORMAT: u8 = 1;
const PART: usize = 256 << 10;
const BEGIN: u8 = 0;
const SESSIONS: u8 = 1;
const NODES: u8 = 2;
const END: u8 = 3;

/// A snapshot that was read.
pub(super) struct Found {
    pub(super) state: State,
    /// The first transaction that is not in it.
    pub(super) next: Offset,
    /// Its first record.
    pub(super) begin: Offset,
}

/// Writes a state down; when this returns, it is on the disk.
pub(super) fn write(log: &Log, state: &State, next: Offset) -> Result<(), LogError> {
    let mut w = Writer::new();
    w.byte(BEGIN).byte(FORMAT).long(state.zxid).long(next.get()).long(state.last_session);
    append(log, w)?;
    let mut part = Part::new(SESSIONS);
    for (id, saved) in &state.sessions {
        part.element().long(*id).int(saved.timeout).buffer(Some(&saved.password));
        part.flush_if_full(log)?;
    }
    part.flush(log)?;
    let mut nodes: Vec<(&str, &Node)> = state.tree.nodes().collect();
    // A path sorts behind all of which it is a continuation, its parent among them.
    nodes.sort_unstable_by_key(|(path, _)| *path);
    let mut part = Part::new(NODES);
    for (path, node) in &nodes {
        write_node(part.element(), path, node);
        part.flush_if_full(log)?;
    }
    part.flush(log)?;
    let mut w = Writer::new();
    let long = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    w.byte(END).long(long(state.sessions.len())).long(long(nodes.len()));
    append(log, w)?;
    log.sync().map(drop)
}

fn append(log: &Log, record: Writer) -> Result<(), LogError> {
    log.append(&[NewRecord::value(&record.into_bytes())]).map(drop)
}

/// A record of sessions or nodes that is being filled.
struct Part {
    kind: u8,
    count: usize,
    elements: Writer,
}

impl Part {
    const fn new(kind: u8) -> Self {
        Self { kind, count: 0, elements: Writer::new() }
    }

    fn element(&mut self) -> &mut Writer {
        self.count += 1;
        &mut self.elements
    }

    fn flush_if_full(&mut self, log: &Log) -> Result<(), LogError> {
        if self.elements.len() >= PART { self.flush(log) } else { Ok(()) }
    }

    fn flush(&mut self, log: &Log) -> Result<(), LogError> {
        if self.count == 0 {
            return Ok(());
        }
        let mut w = Writer::new();
        w.byte(self.kind).count(std::mem::take(&mut self.count));
        w.append(&std::mem::take(&mut self.elements));
        append(log, w)
    }
}

fn write_node(w: &mut Writer, path: &str, node: &Node) {
    w.string(path).buffer(node.data.as_deref());
    reply::acl(w, &node.acl);
    encode_kind(w, node.kind);
    w.long(node.czxid).long(node.mzxid).long(node.pzxid).long(node.ctime).long(node.mtime);
    w.int(node.version).int(node.aversion).int(node.created);
}

fn read_node<'a>(r: &mut Reader<'a>) -> Result<(&'a str, Node), Malformed> {
    let path = r.string()?;
    let node = Node {
        data: r.buffer()?.map(Arc::from),
        acl: decode_acl(r)?,
        kind: decode_kind(r)?,
        czxid: r.long()?,
        mzxid: r.long()?,
        pzxid: r.long()?,
        ctime: r.long()?,
        mtime: r.long()?,
        version: r.int()?,
        aversion: r.int()?,
        created: r.int()?,
        children: BTreeSet::new(),
    };
    Ok((path, node))
}

/// The newest snapshot that is whole. What is damaged is passed over: an older one and the transactions behind it do too.
pub(super) fn newest(log: &Log) -> Result<Option<Found>, JournalError> {
    let mut reading = Reading { at: log.start_offset(), begun: None, newest: None };
    while let Err(error) = reading.go_on(log) {
        if error.fault() != Fault::Corrupt {
            return Err(error.into());
        }
        tracing::warn!("a snapshot cannot be read, an older one is used: {error}");
        reading.begun = None;
        let behind =
            log.damage().into_iter().map(|damage| damage.offsets.end).filter(|end| *end > reading.at).min();
        match behind {
            Some(behind) => reading.at = behind,
            None => break,
        }
    }
    Ok(reading.newest)
}

/// A walk through the log.
struct Reading {
    at: Offset,
    begun: Option<Found>,
    newest: Option<Found>,
}

impl Reading {
    fn go_on(&mut self, log: &Log) -> Result<(), LogError> {
        for batch in log.records(self.at) {
            let batch = batch?;
            for record in &batch.records()? {
                let record = record?;
                if record.offset < self.at {
                    continue;
                }
                if self.take(record.offset, record.value.unwrap_or_default()).is_none() {
                    // Written by another version, or by nobody: it counts as not there.
                    self.begun = None;
                }
                self.at = record.offset.next().unwrap_or(record.offset);
            }
        }
        Ok(())
    }

    /// Takes a record; `None` if it does not go on with what was begun.
    fn take(&mut self, offset: Offset, bytes: &[u8]) -> Option<()> {
        let mut r = Reader::new(bytes);
        match r.byte().ok()? {
            BEGIN => self.begun = Some(begin(offset, &mut r).ok()??),
            SESSIONS => {
                let state = &mut self.begun.as_mut()?.state;
                for _ in 0..r.count(32).ok()? {
                    let (id, timeout) = (r.long().ok()?, r.int().ok()?);
                    state.sessions.insert(id, Saved { timeout, password: password(&mut r).ok()? });
                }
            }
            NODES => {
                let tree = &mut self.begun.as_mut()?.state.tree;
                for _ in 0..r.count(73).ok()? {
                    let (path, node) = read_node(&mut r).ok()?;
                    tree.restore(path, node).ok()?;
                }
            }
            END => {
                let counts = (r.long().ok()?, r.long().ok()?);
                let found = self.begun.take()?;
                let state = &found.state;
                let has = (i64::try_from(state.sessions.len()).ok()?, i64::try_from(state.tree.len()).ok()?);
                if counts == has {
                    self.newest = Some(found);
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// A snapshot that begins; `None` inside if this version does not know the format.
fn begin(offset: Offset, r: &mut Reader<'_>) -> Result<Option<Found>, Malformed> {
    if r.byte()? != FORMAT {
        return Ok(None);
    }
    let (zxid, next, last_session) = (r.long()?, r.long()?, r.long()?);
    let state = State { tree: Tree::bare(), sessions: std::collections::BTreeMap::new(), zxid, last_session };
    Ok(Offset::new(next).map(|next| Found { state, next, begin: offset }))
}

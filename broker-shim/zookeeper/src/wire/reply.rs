//! Replies and events.
//!
//! # Invariants
//!
//! * A reply with an error has no body, but for multi and multiRead, whose errors are inside.

use super::code::Code;
use super::jute::Writer;
use super::stat::Stat;
use crate::acl::Acl;
use crate::watch::Event;

/// The xid of events.
const EVENT_XID: i32 = -1;
/// The state that events carry: connected.
const SYNC_CONNECTED: i32 = 3;
/// The type of an operation's result that is an error, and of the end mark.
const NO_TYPE: i32 = -1;

/// A reply without an error, to be completed with a body.
pub(crate) fn ok(xid: i32, zxid: i64) -> Writer {
    header(xid, zxid, 0)
}

/// A whole reply that says what went wrong.
pub(crate) fn error(xid: i32, zxid: i64, code: Code) -> Vec<u8> {
    header(xid, zxid, code.number()).into_frame()
}

fn header(xid: i32, zxid: i64, err: i32) -> Writer {
    let mut w = Writer::frame();
    w.int(xid).long(zxid).int(err);
    w
}

/// A watch that fires.
pub(crate) fn event(event: Event, path: &str, zxid: i64) -> Vec<u8> {
    let mut w = header(EVENT_XID, zxid, 0);
    w.int(event.number()).int(SYNC_CONNECTED).string(path);
    w.into_frame()
}

/// What a write did, as its reply says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Done {
    /// delete, check: no more than that it worked. With the type that a multi answers.
    Nothing(i32),
    /// create.
    Path(String),
    /// create2 and its kin.
    PathAndStat(String, Stat),
    /// setData, setACL. With the type that a multi answers.
    Stat(i32, Stat),
}

impl Done {
    /// The body of a reply.
    pub(crate) fn write(&self, w: &mut Writer) {
        match self {
            Self::Nothing(_) => {}
            Self::Path(path) => {
                w.string(path);
            }
            Self::PathAndStat(path, stat) => {
                w.string(path);
                stat.write(w);
            }
            Self::Stat(_, stat) => stat.write(w),
        }
    }

    const fn kind(&self) -> i32 {
        match self {
            Self::Path(_) => super::request::CREATE,
            Self::PathAndStat(..) => super::request::CREATE2,
            Self::Nothing(kind) | Self::Stat(kind, _) => *kind,
        }
    }
}

/// The body of a multi that worked.
pub(crate) fn multi_done(w: &mut Writer, results: &[Done]) {
    for done in results {
        multi_header(w, done.kind());
        done.write(w);
    }
    multi_end(w);
}

/// The body of a multi that failed: 0 for the operations before, its code for the one at `failed`, -2 for those behind.
pub(crate) fn multi_failed(w: &mut Writer, count: usize, failed: usize, code: Code) {
    for n in 0..count {
        let err = match n.cmp(&failed) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => code.number(),
            std::cmp::Ordering::Greater => Code::RuntimeInconsistency.number(),
        };
        multi_error(w, err);
    }
    multi_end(w);
}

pub(crate) fn multi_header(w: &mut Writer, kind: i32) {
    w.int(kind).bool(false).int(0);
}

pub(crate) fn multi_error(w: &mut Writer, err: i32) {
    w.int(NO_TYPE).bool(false).int(err).int(err);
}

pub(crate) fn multi_end(w: &mut Writer) {
    w.int(NO_TYPE).bool(true).int(-1);
}

pub(crate) fn acl(w: &mut Writer, acl: &[Acl]) {
    w.count(acl.len());
    for entry in acl {
        w.int(entry.perms).string(&entry.scheme).string(&entry.id);
    }
}

pub(crate) fn names<'a>(w: &mut Writer, names: impl ExactSizeIterator<Item = &'a str>) {
    w.count(names.len());
    for name in names {
        w.string(name);
    }
}

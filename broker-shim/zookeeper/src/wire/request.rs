//! Requests after the connect: numbers and bodies.
//!
//! | type | body |
//! |---|---|
//! | 1 create, 15 create2, 19 createContainer, 21 createTTL | path, data, vector of (perms int, scheme, id), flags int; 21: ttl long |
//! | 2 delete, 13 check (in a multi) | path, version int |
//! | 3 exists, 4 getData, 8 getChildren, 12 getChildren2 | path, watch bool |
//! | 5 setData, 7 setACL | path, data or acl, version int |
//! | 6 getACL, 9 sync, 103 getEphemerals, 104 getAllChildrenNumber | path |
//! | 11 ping, 107 whoAmI, -11 closeSession | - |
//! | 14 multi, 22 multiRead | (type int, done bool, err int, body)*, then -1, true, -1 |
//! | 17 checkWatches, 18 removeWatches | path, kind int |
//! | 100 auth | int, scheme, buffer |
//! | 101 setWatches, 105 setWatches2 | zxid long, vectors of data, exist, child paths; 105: persistent, recursive too |
//! | 102 sasl | buffer |
//! | 106 addWatch | path, mode int |
//!
//! # Invariants
//!
//! * An operation borrows from the frame; what it needs beside is proportional to the frame.

use super::jute::{Malformed, Reader};
use crate::acl::Acl;

/// A request's number, and what it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) xid: i32,
    pub(crate) op: Op<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op<'a> {
    Ping,
    CloseSession,
    Auth {
        scheme: &'a str,
        data: &'a [u8],
    },
    Sasl,
    Read(ReadOp<'a>),
    Write(WriteOp<'a>),
    Multi(Vec<WriteOp<'a>>),
    MultiRead(Vec<ReadOp<'a>>),
    SetWatches(SetWatches<'a>),
    AddWatch {
        path: &'a str,
        mode: i32,
    },
    CheckWatches {
        path: &'a str,
        kind: i32,
    },
    RemoveWatches {
        path: &'a str,
        kind: i32,
    },
    /// A type that this server does not have.
    Unknown(i32),
}

/// What changes nothing and takes no zxid.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadOp<'a> {
    Exists { path: &'a str, watch: bool },
    GetData { path: &'a str, watch: bool },
    GetAcl { path: &'a str },
    GetChildren { path: &'a str, watch: bool, with_stat: bool },
    Sync { path: &'a str },
    GetEphemerals { prefix: &'a str },
    CountDescendants { path: &'a str },
    WhoAmI,
}

/// What takes a zxid, also when it fails.
#[derive(Clone, Debug)]
pub(crate) enum WriteOp<'a> {
    Create(Create<'a>),
    Delete { path: &'a str, version: i32 },
    SetData { path: &'a str, data: Option<&'a [u8]>, version: i32 },
    SetAcl { path: &'a str, acl: Vec<Acl>, version: i32 },
    Check { path: &'a str, version: i32 },
}

#[derive(Clone, Debug)]
pub(crate) struct Create<'a> {
    pub(crate) path: &'a str,
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acl: Vec<Acl>,
    pub(crate) flags: i32,
    /// Only createTTL has one.
    pub(crate) ttl: Option<i64>,
    /// Whether the answer has a Stat: all but the first create.
    pub(crate) with_stat: bool,
}

/// What a client had set before it lost its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetWatches<'a> {
    pub(crate) zxid: i64,
    pub(crate) data: Vec<&'a str>,
    pub(crate) exist: Vec<&'a str>,
    pub(crate) child: Vec<&'a str>,
    pub(crate) persistent: Vec<&'a str>,
    pub(crate) recursive: Vec<&'a str>,
}

pub(crate) const CREATE: i32 = 1;
pub(crate) const DELETE: i32 = 2;
const EXISTS: i32 = 3;
pub(crate) const GET_DATA: i32 = 4;
pub(crate) const SET_DATA: i32 = 5;
const GET_ACL: i32 = 6;
const SET_ACL: i32 = 7;
pub(crate) const GET_CHILDREN: i32 = 8;
const SYNC: i32 = 9;
const PING: i32 = 11;
const GET_CHILDREN2: i32 = 12;
pub(crate) const CHECK: i32 = 13;
const MULTI: i32 = 14;
pub(crate) const CREATE2: i32 = 15;
const CHECK_WATCHES: i32 = 17;
const REMOVE_WATCHES: i32 = 18;
const CREATE_CONTAINER: i32 = 19;
const CREATE_TTL: i32 = 21;
const MULTI_READ: i32 = 22;
const AUTH: i32 = 100;
const SET_WATCHES: i32 = 101;
const SASL: i32 = 102;
const GET_EPHEMERALS: i32 = 103;
const COUNT_DESCENDANTS: i32 = 104;
const SET_WATCHES2: i32 = 105;
const ADD_WATCH: i32 = 106;
const WHO_AM_I: i32 = 107;
const CLOSE_SESSION: i32 = -11;

impl<'a> Request<'a> {
    pub(crate) fn decode(frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame);
        let (xid, kind) = (r.int()?, r.int()?);
        Ok(Self { xid, op: Op::decode(&mut r, kind)? })
    }
}

impl<'a> Op<'a> {
    fn decode(r: &mut Reader<'a>, kind: i32) -> Result<Self, Malformed> {
        Ok(match kind {
            PING => Self::Ping,
            CLOSE_SESSION => Self::CloseSession,
            AUTH => {
                r.int()?;
                Self::Auth { scheme: r.string()?, data: r.buffer()?.unwrap_or_default() }
            }
            SASL => Self::Sasl,
            MULTI => Self::Multi(multi(r, |r, kind| WriteOp::decode(r, kind).transpose())?),
            MULTI_READ => Self::MultiRead(multi(r, |r, kind| match kind {
                GET_DATA | GET_CHILDREN => ReadOp::decode(r, kind).transpose(),
                _ => None,
            })?),
            SET_WATCHES | SET_WATCHES2 => Self::SetWatches(SetWatches::decode(r, kind == SET_WATCHES2)?),
            ADD_WATCH => Self::AddWatch { path: r.string()?, mode: r.int()? },
            CHECK_WATCHES => Self::CheckWatches { path: r.string()?, kind: r.int()? },
            REMOVE_WATCHES => Self::RemoveWatches { path: r.string()?, kind: r.int()? },
            // Alone it would change nothing and tell nothing.
            CHECK => Self::Unknown(kind),
            _ => {
                if let Some(write) = WriteOp::decode(r, kind)? {
                    return Ok(Self::Write(write));
                }
                ReadOp::decode(r, kind)?.map_or(Self::Unknown(kind), Self::Read)
            }
        })
    }

    /// Its name in the answers of four-letter words.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Ping => "PING",
            Self::CloseSession => "CLOS",
            Self::Auth { .. } => "AUTH",
            Self::Sasl => "SASL",
            Self::Read(read) => match read {
                ReadOp::Exists { .. } => "EXIS",
                ReadOp::GetData { .. } => "GETD",
                ReadOp::GetAcl { .. } => "GETA",
                ReadOp::GetChildren { .. } => "GETC",
                ReadOp::Sync { .. } => "SYNC",
                ReadOp::GetEphemerals { .. } => "GETE",
                ReadOp::CountDescendants { .. } => "GETACN",
                ReadOp::WhoAmI => "HOMI",
            },
            Self::Write(write) => match write {
                WriteOp::Create(_) => "CREA",
                WriteOp::Delete { .. } => "DELE",
                WriteOp::SetData { .. } => "SETD",
                WriteOp::SetAcl { .. } => "SETA",
                WriteOp::Check { .. } => "CHEC",
            },
            Self::Multi(_) => "MULT",
            Self::MultiRead(_) => "MLTR",
            Self::SetWatches(_) => "SETW",
            Self::AddWatch { .. } => "ADDW",
            Self::CheckWatches { .. } => "CHKW",
            Self::RemoveWatches { .. } => "REMW",
            Self::Unknown(_) => "NA",
        }
    }
}

impl<'a> ReadOp<'a> {
    fn decode(r: &mut Reader<'a>, kind: i32) -> Result<Option<Self>, Malformed> {
        Ok(Some(match kind {
            EXISTS => Self::Exists { path: r.string()?, watch: r.bool()? },
            GET_DATA => Self::GetData { path: r.string()?, watch: r.bool()? },
            GET_ACL => Self::GetAcl { path: r.string()? },
            GET_CHILDREN | GET_CHILDREN2 => {
                let (path, watch) = (r.string()?, r.bool()?);
                Self::GetChildren { path, watch, with_stat: kind == GET_CHILDREN2 }
            }
            SYNC => Self::Sync { path: r.string()? },
            GET_EPHEMERALS => Self::GetEphemerals { prefix: r.string()? },
            COUNT_DESCENDANTS => Self::CountDescendants { path: r.string()? },
            WHO_AM_I => Self::WhoAmI,
            _ => return Ok(None),
        }))
    }
}

impl<'a> WriteOp<'a> {
    fn decode(r: &mut Reader<'a>, kind: i32) -> Result<Option<Self>, Malformed> {
        Ok(Some(match kind {
            CREATE | CREATE2 | CREATE_CONTAINER | CREATE_TTL => Self::Create(Create {
                path: r.string()?,
                data: r.buffer()?,
                acl: acl(r)?,
                flags: r.int()?,
                ttl: if kind == CREATE_TTL { Some(r.long()?) } else { None },
                with_stat: kind != CREATE,
            }),
            DELETE => Self::Delete { path: r.string()?, version: r.int()? },
            SET_DATA => Self::SetData { path: r.string()?, data: r.buffer()?, version: r.int()? },
            SET_ACL => Self::SetAcl { path: r.string()?, acl: acl(r)?, version: r.int()? },
            CHECK => Self::Check { path: r.string()?, version: r.int()? },
            _ => return Ok(None),
        }))
    }
}

impl<'a> SetWatches<'a> {
    fn decode(r: &mut Reader<'a>, second: bool) -> Result<Self, Malformed> {
        let mut all = Self {
            zxid: r.long()?,
            data: r.strings()?,
            exist: r.strings()?,
            child: r.strings()?,
            ..Self::default()
        };
        if second {
            all.persistent = r.strings()?;
            all.recursive = r.strings()?;
        }
        Ok(all)
    }
}

fn acl(r: &mut Reader<'_>) -> Result<Vec<Acl>, Malformed> {
    let count = r.count(12)?;
    (0..count)
        .map(|_| Ok(Acl { perms: r.int()?, scheme: r.string()?.into(), id: r.string()?.into() }))
        .collect()
}

/// The operations of a multi up to the one that is marked as the end.
fn multi<'a, T>(
    r: &mut Reader<'a>,
    mut decode: impl FnMut(&mut Reader<'a>, i32) -> Option<Result<T, Malformed>>,
) -> Result<Vec<T>, Malformed> {
    let mut all = Vec::new();
    loop {
        let (kind, done, _) = (r.int()?, r.bool()?, r.int()?);
        if done {
            return Ok(all);
        }
        all.push(decode(r, kind).ok_or(Malformed("an operation that a multi cannot have"))??);
    }
}

#[cfg(test)]
mod tests {
    use super::super::jute::Writer;
    use super::*;

    #[test]
    fn the_operations_of_a_multi_are_read_up_to_the_end_mark() {
        let mut w = Writer::new();
        w.int(1).int(MULTI).int(CHECK).bool(false).int(-1).string("").int(0).int(-1).bool(true).int(-1);
        let bytes = w.into_bytes();
        let Op::Multi(ops) = Request::decode(&bytes).unwrap().op else { unreachable!() };
        assert!(matches!(ops[..], [WriteOp::Check { path: "", version: 0 }]));
    }

    #[test]
    fn a_multi_without_end_or_of_other_operations_is_refused() {
        let mut w = Writer::new();
        w.int(1).int(MULTI).int(CHECK).bool(false).int(-1).string("/a").int(0);
        assert!(Request::decode(&w.into_bytes()).is_err());
        let mut w = Writer::new();
        w.int(1)
            .int(MULTI)
            .int(EXISTS)
            .bool(false)
            .int(-1)
            .string("/a")
            .bool(false)
            .int(-1)
            .bool(true)
            .int(-1);
        assert!(Request::decode(&w.into_bytes()).is_err());
    }

    #[test]
    fn check_alone_and_new_types_are_unknown() {
        for kind in [CHECK, 16, 20, 55, -10] {
            let mut w = Writer::new();
            w.int(1).int(kind).string("/a").int(0);
            assert!(matches!(Request::decode(&w.into_bytes()).unwrap().op, Op::Unknown(k) if k == kind));
        }
    }

    #[test]
    fn every_cut_of_a_request_is_refused() {
        let mut w = Writer::new();
        w.int(1)
            .int(CREATE)
            .string("/a")
            .buffer(Some(b"x"))
            .count(1)
            .int(31)
            .string("world")
            .string("anyone")
            .int(0);
        let bytes = w.into_bytes();
        assert!(Request::decode(&bytes).is_ok());
        for len in 0..bytes.len() {
            assert!(Request::decode(&bytes[..len]).is_err(), "{len}");
        }
    }
}

//! Transactions, and the bytes that the log keeps of them.
//!
//! # Format
//!
//! One transaction is one record of the log, without a key; its value is
//!
//! ```text
//! byte 0   format, 1
//!      1   zxid      long     one more than the transaction's before
//!      9   time      long     milliseconds since 1970
//!     17   session   long     whose it is; 0: the server's own
//!     25   kind      1 byte   0 failed, 1 session opened, 2 session closed, 3 changes
//!
//! failed           int error code: it changed nothing but the zxid
//! session opened   int timeout ms, buffer password
//! session closed   -: its ephemeral nodes go, by path
//! changes          int count, then each: 1 byte kind, string path, and
//!                    1 create    buffer data, vector acl, 1 byte kind of node, long its session or time to live
//!                    2 delete    -
//!                    3 set data  buffer data, int version that it has then
//!                    4 set acl   vector acl, int aversion that it has then
//! kinds of nodes   0 persistent, 1 ephemeral, 2 container, 3 with a time to live
//! ```
//!
//! in the encoding of the protocol (`wire::jute`). Checksums, torn ends and lengths are the log's business.
//!
//! # Invariants
//!
//! * Reading the records in order and applying each gives the state that was answered from.

use crate::acl::{self, Acl, AclList};
use crate::tree::{Change, Kind, Moment};
use crate::wire::connect::Password;
use crate::wire::jute::{Malformed, Reader, Writer};
use crate::wire::reply;
use std::sync::Arc;

const FORMAT: u8 = 1;

/// What took a zxid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Txn {
    pub(crate) at: Moment,
    pub(crate) session: i64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Failed(i32),
    Opened { timeout: i32, password: Password },
    Closed,
    Changes(Vec<Change>),
}

impl Txn {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.byte(FORMAT).long(self.at.zxid).long(self.at.time).long(self.session);
        match &self.what {
            What::Failed(code) => {
                w.byte(0).int(*code);
            }
            What::Opened { timeout, password } => {
                w.byte(1).int(*timeout).buffer(Some(password));
            }
            What::Closed => {
                w.byte(2);
            }
            What::Changes(changes) => {
                w.byte(3).count(changes.len());
                for change in changes {
                    encode_change(&mut w, change);
                }
            }
        }
        w.into_bytes()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.byte()? != FORMAT {
            return Err(Malformed("a format that this version does not know"));
        }
        let at = Moment { zxid: r.long()?, time: r.long()? };
        let session = r.long()?;
        let what = match r.byte()? {
            0 => What::Failed(r.int()?),
            1 => What::Opened { timeout: r.int()?, password: password(&mut r)? },
            2 => What::Closed,
            3 => {
                let count = r.count(5)?;
                What::Changes((0..count).map(|_| decode_change(&mut r)).collect::<Result<_, _>>()?)
            }
            _ => return Err(Malformed("a kind of transaction that this version does not know")),
        };
        if !r.is_empty() {
            return Err(Malformed("bytes behind the transaction"));
        }
        Ok(Self { at, session, what })
    }
}

fn encode_change(w: &mut Writer, change: &Change) {
    match change {
        Change::Create { path, data, acl, kind } => {
            w.byte(1).string(path).buffer(data.as_deref());
            reply::acl(w, acl);
            encode_kind(w, *kind);
        }
        Change::Delete { path } => {
            w.byte(2).string(path);
        }
        Change::SetData { path, data, version } => {
            w.byte(3).string(path).buffer(data.as_deref()).int(*version);
        }
        Change::SetAcl { path, acl, version } => {
            w.byte(4).string(path);
            reply::acl(w, acl);
            w.int(*version);
        }
    }
}

fn decode_change(r: &mut Reader<'_>) -> Result<Change, Malformed> {
    let kind = r.byte()?;
    let path = r.string()?.into();
    Ok(match kind {
        1 => Change::Create {
            path,
            data: r.buffer()?.map(Arc::from),
            acl: decode_acl(r)?,
            kind: decode_kind(r)?,
        },
        2 => Change::Delete { path },
        3 => Change::SetData { path, data: r.buffer()?.map(Arc::from), version: r.int()? },
        4 => Change::SetAcl { path, acl: decode_acl(r)?, version: r.int()? },
        _ => return Err(Malformed("a kind of change that this version does not know")),
    })
}

pub(crate) fn encode_kind(w: &mut Writer, kind: Kind) {
    match kind {
        Kind::Persistent => w.byte(0).long(0),
        Kind::Ephemeral(session) => w.byte(1).long(session),
        Kind::Container => w.byte(2).long(0),
        Kind::Ttl(ms) => w.byte(3).long(ms),
    };
}

pub(crate) fn decode_kind(r: &mut Reader<'_>) -> Result<Kind, Malformed> {
    let (kind, number) = (r.byte()?, r.long()?);
    match kind {
        0 => Ok(Kind::Persistent),
        1 => Ok(Kind::Ephemeral(number)),
        2 => Ok(Kind::Container),
        3 => Ok(Kind::Ttl(number)),
        _ => Err(Malformed("a kind of node that this version does not know")),
    }
}

pub(crate) fn decode_acl(r: &mut Reader<'_>) -> Result<AclList, Malformed> {
    let count = r.count(12)?;
    let entry = |r: &mut Reader<'_>| -> Result<Acl, Malformed> {
        Ok(Acl { perms: r.int()?, scheme: r.string()?.into(), id: r.string()?.into() })
    };
    (0..count).map(|_| entry(r)).collect::<Result<Vec<_>, _>>().map(acl::shared)
}

pub(crate) fn password(r: &mut Reader<'_>) -> Result<Password, Malformed> {
    r.buffer()?.and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed("a password that has not 16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Txn> {
        let at = Moment { zxid: 7, time: 1_700_000_000_000 };
        let acl = acl::shared(vec![Acl { perms: 1, scheme: "ip".into(), id: "::1".into() }]);
        let create = |kind, data: Data| Change::Create { path: "/a".into(), data, acl: acl.clone(), kind };
        let changes = vec![
            create(Kind::Persistent, None),
            create(Kind::Ephemeral(-5), Some(Arc::from(&b""[..]))),
            create(Kind::Container, Some(Arc::from(&b"x"[..]))),
            create(Kind::Ttl(99), None),
            Change::Delete { path: "/b".into() },
            Change::SetData { path: "/c".into(), data: None, version: 3 },
            Change::SetAcl { path: "/d".into(), acl: acl::open(), version: 4 },
        ];
        [
            What::Failed(-101),
            What::Opened { timeout: 6000, password: [7; 16] },
            What::Closed,
            What::Changes(changes),
            What::Changes(vec![]),
        ]
        .map(|what| Txn { at, session: 0x0100_0000_0000_0001, what })
        .into()
    }
    use crate::tree::Data;

    #[test]
    fn what_is_written_is_read() {
        for txn in all() {
            assert_eq!(Txn::decode(&txn.encode()), Ok(txn));
        }
    }

    /// The bytes are a promise to every later version.
    #[test]
    fn the_bytes_are_these() {
        let at = Moment { zxid: 2, time: 3 };
        let change = Change::SetData { path: "/a".into(), data: Some(Arc::from(&b"z"[..])), version: 1 };
        let txn = Txn { at, session: 4, what: What::Changes(vec![change]) };
        let expected = [
            &[1][..],
            &[0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 0, 0, 0, 0, 0, 0, 4],
            &[3, 0, 0, 0, 1],
            &[3, 0, 0, 0, 2, b'/', b'a', 0, 0, 0, 1, b'z', 0, 0, 0, 1],
        ]
        .concat();
        assert_eq!(txn.encode(), expected);
    }

    #[test]
    fn whatever_is_cut_or_added_is_refused() {
        for txn in all() {
            let bytes = txn.encode();
            for len in 0..bytes.len() {
                assert!(Txn::decode(&bytes[..len]).is_err(), "{txn:?} cut to {len}");
            }
            assert!(Txn::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }
}

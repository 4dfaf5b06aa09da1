//! The first frame of a connection and its answer.
//!
//! ```text
//! request  int protocol 0, long last zxid seen, int timeout ms, long session (0: new), buffer password, bool read-only
//! reply    int protocol 0, int timeout ms,      long session,                 buffer password, bool read-only
//! ```
//!
//! Clients before 3.4 leave the last byte out (44 bytes, not 45), and do not get it in the answer either. A session that
//! cannot be had is answered with timeout 0, session 0 and a password of 16 zeros.

use super::jute::{Malformed, Reader, Writer};

/// The longest first frame that is read: a connect request has 44 or 45 bytes.
pub(crate) const MAX_CONNECT: usize = 1024;

/// A session's password.
pub(crate) type Password = [u8; 16];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ConnectRequest<'a> {
    pub(crate) last_zxid: i64,
    pub(crate) timeout: i32,
    /// 0 asks for a new one.
    pub(crate) session: i64,
    pub(crate) password: &'a [u8],
    /// Whether the client knows of read-only servers.
    pub(crate) modern: bool,
}

impl<'a> ConnectRequest<'a> {
    pub(crate) fn decode(frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame);
        let _protocol = r.int()?;
        let (last_zxid, timeout, session) = (r.long()?, r.int()?, r.long()?);
        let password = r.buffer()?.unwrap_or_default();
        let modern = !r.is_empty();
        if modern {
            r.bool()?;
        }
        if !r.is_empty() {
            return Err(Malformed("bytes behind the connect request"));
        }
        Ok(Self { last_zxid, timeout, session, password, modern })
    }
}

/// The answer; session 0 says that there is no such session.
pub(crate) fn reply(timeout: i32, session: i64, password: &Password, modern: bool) -> Vec<u8> {
    let mut w = Writer::frame();
    w.int(0).int(timeout).long(session).buffer(Some(password));
    if modern {
        w.bool(false);
    }
    w.into_frame()
}

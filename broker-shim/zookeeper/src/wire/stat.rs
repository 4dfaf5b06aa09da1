//! The 68 bytes that describe a node.
//!
//! ```text
//! byte 0  czxid    8  mzxid    16 ctime    24 mtime                      long each
//!      32 version  36 cversion 40 aversion                               int each
//!      44 ephemeralOwner (long)  52 dataLength  56 numChildren (int)  60 pzxid (long)
//! ```

use super::jute::Writer;

/// What clients are told of a node beside its data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stat {
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    pub(crate) version: i32,
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
    pub(crate) ephemeral_owner: i64,
    pub(crate) data_length: i32,
    pub(crate) num_children: i32,
    pub(crate) pzxid: i64,
}

impl Stat {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.long(self.czxid).long(self.mzxid).long(self.ctime).long(self.mtime);
        w.int(self.version).int(self.cversion).int(self.aversion);
        w.long(self.ephemeral_owner).int(self.data_length).int(self.num_children).long(self.pzxid);
    }
}

//! Keys and values of the coordinators' internal topics: a version of two bytes, then a message of that version.
//!
//! ```text
//!  __consumer_offsets   key  0, 1  OffsetCommitKey     value 0 to 4  OffsetCommitValue   (0 and 1 have one layout)
//!                       key  2     GroupMetadataKey    value 0 to 4  GroupMetadataValue
//!  __transaction_state  key  0     TransactionLogKey   value 0, 1    TransactionLogValue
//! ```
//!
//! A key's version says which kind of record it is, a value's which layout it has. A null value is a tombstone and
//! does not come here. Brokers of today write many more kinds of keys into `__consumer_offsets`:
//! [`GroupKey::Other`].

use crate::error::{DecodeError, EncodeError};
use crate::message::Message;
use crate::messages::{GroupMetadataKey, OffsetCommitKey};
use crate::reader::Reader;
use crate::writer::{Writer, concat};
use bytes::Bytes;

/// The key version of a committed offset, as every broker since 0.9 writes it.
const OFFSET_COMMIT: i16 = 1;
/// The key version of a group.
const GROUP_METADATA: i16 = 2;

/// A key of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupKey {
    /// A committed offset of one group and partition.
    Offset(OffsetCommitKey),
    /// A group's members and generation.
    Group(GroupMetadataKey),
    /// A kind that is not read here, by its number.
    Other(i16),
}

impl GroupKey {
    /// Reads a key.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let key = match r.i16("key version")? {
            0 | OFFSET_COMMIT => Self::Offset(OffsetCommitKey::decode(&mut r, 0)?),
            GROUP_METADATA => Self::Group(GroupMetadataKey::decode(&mut r, 0)?),
            other => return Ok(Self::Other(other)),
        };
        r.finish()?;
        Ok(key)
    }

    /// Writes a key; [`GroupKey::Other`] is its number alone.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut w = Writer::new();
        match self {
            Self::Offset(key) => {
                w.i16(OFFSET_COMMIT);
                key.encode(&mut w, 0);
            }
            Self::Group(key) => {
                w.i16(GROUP_METADATA);
                key.encode(&mut w, 0);
            }
            Self::Other(number) => w.i16(*number),
        }
        w.finish().map(|segments| concat(&segments))
    }
}

/// Reads a value, or a key of `__transaction_state`, or a consumer's subscription or assignment: two bytes of version,
/// then the message. The version is returned beside it.
pub fn decode_versioned<M: Message>(bytes: Bytes) -> Result<(i16, M), DecodeError> {
    let mut r = Reader::new(bytes);
    let version = r.i16("version")?;
    let message = M::decode(&mut r, version)?;
    r.finish()?;
    Ok((version, message))
}

/// Writes two bytes of version, then the message in it.
pub fn encode_versioned<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new();
    w.i16(version);
    message.encode(&mut w, version);
    w.finish().map(|segments| concat(&segments))
}

#[cfg(test)]
mod tests;

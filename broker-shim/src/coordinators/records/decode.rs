//! Bytes to records. Whatever the bytes are: no panic, and no more memory than they have.

use super::{GroupValue, Key, MemberValue, OffsetValue};
use bytes::Bytes;
use log_engine::types::Timestamp;

/// Why a record is not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// It ends too early.
    #[error("record ends inside {field}")]
    Short {
        /// What was being read.
        field: &'static str,
    },
    /// A number or a text that cannot be.
    #[error("{field} is not valid")]
    Invalid {
        /// What was being read.
        field: &'static str,
    },
    /// From a newer broker.
    #[error("{kind} version {version} is not known")]
    Version {
        /// Which schema.
        kind: &'static str,
        /// The number found.
        version: i16,
    },
}

type Result<T> = std::result::Result<T, RecordError>;

/// First value version with varint lengths and tags.
const FLEXIBLE: i16 = 4;

/// Whose record it is.
pub fn parse_key(bytes: &[u8]) -> Result<Key> {
    let mut cursor = Cursor { rest: bytes, flexible: false };
    match cursor.i16("key version")? {
        0 | 1 => Ok(Key::Offset {
            group: cursor.string("group")?,
            topic: cursor.string("topic")?,
            partition: cursor.i32("partition")?,
        }),
        2 => Ok(Key::Group(cursor.string("group")?)),
        other => Ok(Key::Other(other)),
    }
}

/// A committed offset, of any version.
pub fn parse_offset(bytes: &[u8]) -> Result<OffsetValue> {
    let (version, mut cursor) = Cursor::open(bytes, "offset value")?;
    let offset = cursor.i64("offset")?;
    let leader_epoch =
        if version >= 3 { Some(cursor.i32("leader epoch")?).filter(|e| *e >= 0) } else { None };
    let metadata = cursor.string("metadata")?;
    let committed_at = cursor.timestamp("commit time")?.unwrap_or_default();
    let expires_at = if version == 1 { cursor.timestamp("expiry time")? } else { None };
    // What follows from version 4 on, the topic id, says nothing that the name does not.
    Ok(OffsetValue { offset, leader_epoch, metadata, committed_at, expires_at })
}

/// A group, of any version.
pub fn parse_group(bytes: &[u8]) -> Result<GroupValue> {
    let (version, mut cursor) = Cursor::open(bytes, "group value")?;
    let mut group = GroupValue {
        protocol_type: cursor.string("protocol type")?,
        generation: cursor.i32("generation")?,
        protocol: cursor.nullable_string("protocol")?,
        leader: cursor.nullable_string("leader")?,
        ..GroupValue::default()
    };
    if version >= 2 {
        group.since = cursor.timestamp("state since")?;
    }
    for _ in 0..cursor.count("members")? {
        group.members.push(cursor.member(version)?);
    }
    Ok(group)
}

struct Cursor<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Cursor<'a> {
    fn open(bytes: &'a [u8], kind: &'static str) -> Result<(i16, Self)> {
        let mut cursor = Self { rest: bytes, flexible: false };
        let version = cursor.i16(kind)?;
        if !(0..=FLEXIBLE).contains(&version) {
            return Err(RecordError::Version { kind, version });
        }
        cursor.flexible = version >= FLEXIBLE;
        Ok((version, cursor))
    }

    fn member(&mut self, version: i16) -> Result<MemberValue> {
        let mut member = MemberValue { member_id: self.string("member id")?, ..MemberValue::default() };
        if version >= 3 {
            member.instance_id = self.nullable_string("instance id")?;
        }
        member.client_id = self.string("client id")?;
        member.client_host = self.string("client host")?;
        if version >= 1 {
            member.rebalance_timeout_ms = self.i32("rebalance timeout")?;
        }
        member.session_timeout_ms = self.i32("session timeout")?;
        if version == 0 {
            member.rebalance_timeout_ms = member.session_timeout_ms;
        }
        member.subscription = self.bytes("subscription")?;
        member.assignment = self.bytes("assignment")?;
        self.skip_tags()?;
        Ok(member)
    }

    fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(RecordError::Short { field })?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        self.take(N, field)?.try_into().map_err(|_| RecordError::Short { field })
    }

    fn i16(&mut self, field: &'static str) -> Result<i16> {
        self.array(field).map(i16::from_be_bytes)
    }

    fn i32(&mut self, field: &'static str) -> Result<i32> {
        self.array(field).map(i32::from_be_bytes)
    }

    fn i64(&mut self, field: &'static str) -> Result<i64> {
        self.array(field).map(i64::from_be_bytes)
    }

    fn timestamp(&mut self, field: &'static str) -> Result<Option<Timestamp>> {
        self.i64(field).map(Timestamp::from_millis)
    }

    fn uvarint(&mut self, field: &'static str) -> Result<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>(field)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RecordError::Invalid { field })
    }

    /// A length: none for null. `wide` is the size of the classic form.
    fn len(&mut self, wide: bool, field: &'static str) -> Result<Option<usize>> {
        let raw = if self.flexible {
            i64::from(self.uvarint(field)?) - 1
        } else if wide {
            i64::from(self.i32(field)?)
        } else {
            i64::from(self.i16(field)?)
        };
        match raw {
            -1 => Ok(None),
            raw => usize::try_from(raw).map(Some).map_err(|_| RecordError::Invalid { field }),
        }
    }

    fn nullable_string(&mut self, field: &'static str) -> Result<Option<String>> {
        let Some(len) = self.len(false, field)? else { return Ok(None) };
        let bytes = self.take(len, field)?;
        std::str::from_utf8(bytes)
            .map(|text| Some(text.to_owned()))
            .map_err(|_| RecordError::Invalid { field })
    }

    fn string(&mut self, field: &'static str) -> Result<String> {
        self.nullable_string(field).map(Option::unwrap_or_default)
    }

    fn bytes(&mut self, field: &'static str) -> Result<Bytes> {
        let len = self.len(true, field)?.unwrap_or(0);
        self.take(len, field).map(Bytes::copy_from_slice)
    }

    /// A count of structures, each of at least one byte.
    fn count(&mut self, field: &'static str) -> Result<usize> {
        let count = self.len(true, field)?.unwrap_or(0);
        if count > self.rest.len() { Err(RecordError::Short { field }) } else { Ok(count) }
    }

    fn skip_tags(&mut self) -> Result<()> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.uvarint("tags")? {
            self.uvarint("tag")?;
            let len = self.uvarint("tag length")?;
            self.take(usize::try_from(len).unwrap_or(usize::MAX), "tag")?;
        }
        Ok(())
    }
}

//! What lies in an entry of a message set on disk: the messages with the offsets and times that a reader gives them.
//!
//! Inside a wrapper of magic 0 offsets are absolute; in magic 1 they count from the first one, and the wrapper's offset is
//! the last one's. A wrapper under the log's time lends its time to all that is in it.

use super::OldMagic;
use super::message::Message;
use log_engine::format::batch::{Codec, TimestampType};
use log_engine::inspect::OldRange;
use log_engine::types::{Offset, Timestamp};

/// Most bytes that a stored wrapper is opened to.
const CAP: usize = 1 << 28;

/// One message as it is read from disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredMessage<'a> {
    /// Where in the log.
    pub offset: Offset,
    /// Its time; `None` in magic 0.
    pub timestamp: Option<Timestamp>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// One entry of a stored message set, opened: checksums are right at both levels.
#[derive(Debug)]
pub struct StoredEntry<'a> {
    /// The message, or the wrapper.
    pub outer: Message<'a>,
    /// Its codec.
    pub codec: Codec,
    /// The offset in its head, which is that of its last message.
    pub last: Offset,
    opened: Option<Vec<u8>>,
}

impl<'a> StoredEntry<'a> {
    /// Opens exactly one entry.
    ///
    /// # Errors
    ///
    /// What is wrong, as a part of a sentence.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let mut rest = bytes;
        let (outer, _) = Message::take(&mut rest)?.ok_or("the message is cut")?;
        let last = Offset::new(outer.raw_offset).ok_or_else(|| format!("offset {}", outer.raw_offset))?;
        let id = outer.codec_id();
        let codec = Codec::from_id(id).ok_or_else(|| format!("codec {id} is not defined"))?;
        let opened = match codec {
            Codec::None => None,
            codec => Some(outer.open(codec, CAP).map_err(|reason| reason.to_string())?),
        };
        Ok(Self { outer, codec, last, opened })
    }

    /// Bytes of the messages in it without compression.
    #[must_use]
    pub fn opened_len(&self) -> u64 {
        let value = self.outer.value.map_or(0, <[u8]>::len);
        let key = self.outer.key.map_or(0, <[u8]>::len);
        self.opened.as_ref().map_or(26 + key + value, Vec::len) as u64
    }

    /// The messages in it, in order; itself if it is no wrapper.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them.
    pub fn messages(&self) -> Result<Vec<StoredMessage<'_>>, String> {
        let Some(opened) = &self.opened else {
            let Message { timestamp, key, value, .. } = self.outer;
            return Ok(vec![StoredMessage { offset: self.last, timestamp, key, value }]);
        };
        let (mut rest, mut inner) = (&opened[..], Vec::new());
        while let Some((message, _)) = Message::take(&mut rest)? {
            inner.push(message);
        }
        let relative = self.outer.magic == OldMagic::V1;
        let end = inner.last().ok_or("a wrapper without messages")?.raw_offset;
        let base =
            if relative { self.last.get().checked_sub(end).ok_or("an offset is impossible")? } else { 0 };
        let lent = self.outer.timestamp_type() == TimestampType::LogAppendTime;
        let place = |message: &Message<'_>| message.raw_offset.checked_add(base).and_then(Offset::new);
        inner
            .into_iter()
            .map(|message| {
                let timestamp = if lent { self.outer.timestamp } else { message.timestamp };
                let offset = place(&message).ok_or("an offset is impossible")?;
                Ok(StoredMessage { offset, timestamp, key: message.key, value: message.value })
            })
            .collect()
    }
}

/// Looks into one entry for [`log_engine::inspect::check_log`].
///
/// # Errors
///
/// What is wrong with it.
pub fn check_stored(bytes: &[u8]) -> Result<OldRange, String> {
    let entry = StoredEntry::open(bytes)?;
    let messages = entry.messages()?;
    let first = messages.first().map_or(entry.last, |message| message.offset);
    if messages.windows(2).any(|pair| pair[0].offset >= pair[1].offset) {
        return Err("the offsets in a wrapper do not rise".to_owned());
    }
    if messages.last().is_some_and(|message| message.offset != entry.last) {
        return Err("a wrapper's offset is not that of its last message".to_owned());
    }
    let max_timestamp = messages.iter().filter_map(|message| message.timestamp).max();
    Ok(OldRange { first, last: entry.last, max_timestamp })
}

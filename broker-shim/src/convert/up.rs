//! A message set to one batch, as Kafka 2.2 stores it.
//!
//! All that one partition entry holds becomes one batch of records 0, 1, 2...: offsets, a wrapper's key and its time
//! are not looked at, times come from the messages themselves. The batch has the codec of the last wrapper, or none,
//! unless the topic names one.

use super::message::{Message, Problem};
use log_engine::format::batch::{Codec, TimestampType};
use log_engine::format::build::{BatchBuilder, NewRecord};
use log_engine::format::validate::Rejected;

/// What a message set may be.
#[derive(Clone, Copy, Debug)]
pub struct UpRules {
    /// Most bytes of one entry, `max.message.bytes`.
    pub max_message_bytes: usize,
    /// Most bytes that all wrappers together may open to.
    pub decompressed_cap: usize,
    /// The topic's codec; `None` keeps the producer's.
    pub codec: Option<Codec>,
}

/// Makes one v2 batch of a message set; a cut message at its end is dropped.
///
/// # Errors
///
/// [`Rejected::Empty`] without a whole message, [`Rejected::TooLarge`] for one entry, [`Rejected::Timestamp`] if one
/// claims the log's time, [`Rejected::Unreadable`] for a stream that does not open, else [`Rejected::Invalid`]: in
/// these versions "corrupt message".
pub fn up_convert(data: &[u8], rules: &UpRules) -> Result<Vec<u8>, Rejected> {
    let mut up = Up {
        builder: BatchBuilder::with_capacity(data.len()),
        room: rules.decompressed_cap,
        last_wrapper: Codec::None,
    };
    let mut rest = data;
    while let Some((message, size)) = Message::take(&mut rest).map_err(invalid)? {
        if size > rules.max_message_bytes {
            return Err(Rejected::TooLarge { size, max: rules.max_message_bytes });
        }
        if message.timestamp_type() == TimestampType::LogAppendTime {
            return Err(Rejected::Timestamp { records: vec![up.builder.count()], allowed: None });
        }
        match message.codec_id() {
            0 => up.push(&message),
            id => up.unwrap(&message, id)?,
        }
    }
    if up.builder.is_empty() {
        return Err(Rejected::Empty(data.len()));
    }
    up.builder.codec(rules.codec.unwrap_or(up.last_wrapper)).finish()
}

struct Up {
    builder: BatchBuilder,
    /// Bytes that wrappers may still open to.
    room: usize,
    last_wrapper: Codec,
}

impl Up {
    fn push(&mut self, message: &Message<'_>) {
        self.builder.push(&NewRecord {
            key: message.key,
            value: message.value,
            headers: &[],
            timestamp: message.timestamp,
        });
    }

    fn unwrap(&mut self, wrapper: &Message<'_>, codec_id: u8) -> Result<(), Rejected> {
        let codec = match Codec::from_id(codec_id) {
            // Younger than these formats: no reader of theirs would know it.
            Some(Codec::Zstd) => return Err(invalid("zstd in a message of magic 0 or 1")),
            Some(codec) => codec,
            None => return Err(invalid_codec(codec_id)),
        };
        let opened = wrapper.open(codec, self.room).map_err(Rejected::Unreadable)?;
        self.room = self.room.saturating_sub(opened.len());
        let (before, mut rest) = (self.builder.count(), &opened[..]);
        while let Some((message, _)) = Message::take(&mut rest).map_err(invalid)? {
            if message.magic != wrapper.magic {
                return Err(invalid("a wrapped message has another magic than its wrapper"));
            }
            if message.codec_id() != 0 {
                return Err(invalid("a wrapper inside a wrapper"));
            }
            self.push(&message);
        }
        self.last_wrapper = codec;
        if self.builder.count() == before { Err(invalid("a wrapper without messages")) } else { Ok(()) }
    }
}

fn invalid(problem: Problem) -> Rejected {
    Rejected::Invalid(problem.to_owned())
}

fn invalid_codec(id: u8) -> Rejected {
    Rejected::Unreadable(log_engine::format::CorruptReason::Compression {
        codec: "unknown",
        problem: format!("codec {id} is not defined"),
    })
}

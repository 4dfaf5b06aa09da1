//! What every message of the protocol has: a name, versions, two directions.

use crate::api_key::ApiKey;
use crate::error::{DecodeError, EncodeError};
use crate::reader::Reader;
use crate::writer::{Segment, Writer};
use bytes::Bytes;

/// The versions of one message or API that the codec knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions {
    /// The lowest, inclusive.
    pub min: i16,
    /// The highest, inclusive.
    pub max: i16,
    /// The first one with compact lengths and tag sections; `i16::MAX` if there is none.
    pub first_flexible: i16,
}

impl Versions {
    /// A range; `first_flexible` is `i16::MAX` for none.
    #[must_use]
    pub const fn new(min: i16, max: i16, first_flexible: i16) -> Self {
        Self { min, max, first_flexible }
    }

    /// Whether `version` is in the range.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Whether `version` has compact lengths and tag sections.
    #[must_use]
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.first_flexible
    }
}

/// A message: the body of a request or response, or data that travels inside one.
pub trait Message: Clone + std::fmt::Debug + Default + PartialEq {
    /// Kafka's name of it.
    const NAME: &'static str;
    /// The versions that the codec knows.
    const VERSIONS: Versions;

    /// Reads the message and leaves the reader behind it.
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    /// Writes the message; what cannot be written is kept in the writer as its error.
    fn encode(&self, w: &mut Writer, version: i16);

    /// Reads a message that must be all of `body`.
    fn from_body(body: Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let message = Self::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(message)
    }

    /// The message alone, without length and header.
    fn to_segments(&self, version: i16) -> Result<Vec<Segment>, EncodeError> {
        let mut writer = Writer::new();
        self.encode(&mut writer, version);
        writer.finish()
    }

    /// The message alone as one piece: for tests and small data. A gap is filled with zeros.
    fn to_body(&self, version: i16) -> Result<Bytes, EncodeError> {
        self.to_segments(version).map(|segments| crate::writer::concat(&segments))
    }
}

/// A message that a client sends.
pub trait Request: Message {
    /// Its API.
    const KEY: ApiKey;
    /// What is answered.
    type Response: Response;

    /// Reads a request as a broker does: bytes behind the message are ignored, as Kafka ignores them. librdkafka 2
    /// sends three of them whenever it asks for the metadata of all topics.
    fn read(body: Bytes, version: i16) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::new(body), version)
    }
}

/// A message that answers a request.
pub trait Response: Message {
    /// Its API.
    const KEY: ApiKey;
}

/// One row of [`crate::messages::MESSAGES`]: for tools and tests that go through all messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageInfo {
    /// Kafka's name.
    pub name: &'static str,
    /// The API, `None` for data.
    pub key: Option<ApiKey>,
    /// The versions that the codec knows.
    pub versions: Versions,
    /// Reads a body that must be all of the bytes, and drops it.
    pub check: fn(Bytes, i16) -> Result<(), DecodeError>,
    /// Reads a body and writes it again, in the same version.
    pub recode: fn(Bytes, i16) -> Result<Result<Bytes, EncodeError>, DecodeError>,
    /// Reads a body and gives its debug form.
    pub debug: fn(Bytes, i16) -> Result<String, DecodeError>,
    /// Writes the message in which every field has its default.
    pub default_body: fn(i16) -> Result<Bytes, EncodeError>,
}

impl MessageInfo {
    /// The row of `M`.
    pub(crate) const fn of<M: Message>(key: Option<ApiKey>) -> Self {
        Self {
            name: M::NAME,
            key,
            versions: M::VERSIONS,
            check: |body, version| M::from_body(body, version).map(drop),
            recode: |body, version| Ok(M::from_body(body, version)?.to_body(version)),
            debug: |body, version| M::from_body(body, version).map(|message| format!("{message:?}")),
            default_body: |version| M::default().to_body(version),
        }
    }
}

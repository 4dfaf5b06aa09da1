//! What can be wrong with bytes that came in, and with a message that should go out.
//!
//! A [`DecodeError`] names the message, its version, the field and the byte at which decoding stopped, what was
//! expected there and what was found: `ProduceRequest v7: TopicProduceData.name at byte 31: 500 bytes needed,
//! 12 left`. An [`EncodeError`] is a mistake of our own code (or of a handler's input): nothing is sent then.

/// Why bytes are not the message they claim to be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message} v{version}: {field} at byte {position}: {problem}")]
pub struct DecodeError {
    /// The message, by Kafka's name.
    pub message: &'static str,
    /// The version it was decoded as.
    pub version: i16,
    /// The field, with its struct in front if it is not one of the message's own.
    pub field: &'static str,
    /// Where decoding stopped, in bytes from the start of what the reader was given.
    pub position: usize,
    /// Expected against found.
    pub problem: Problem,
}

/// What was expected against what was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end inside the field.
    #[error("{needed} bytes needed, {left} left")]
    Short {
        /// Bytes the field takes.
        needed: usize,
        /// Bytes that remain.
        left: usize,
    },
    /// More array elements are claimed than the remaining bytes can hold.
    #[error("{count} elements of at least {min} bytes claimed, {left} bytes left")]
    Count {
        /// Elements claimed.
        count: usize,
        /// Least size of one, bytes.
        min: usize,
        /// Bytes that remain.
        left: usize,
    },
    /// A length below -1 (or below 0 where there is no null).
    #[error("length {0} is negative")]
    Negative(i32),
    /// Null where this version has none.
    #[error("null is not allowed here")]
    Null,
    /// A string longer than any that Kafka reads.
    #[error("a string of {0} bytes, at most 32767 allowed")]
    StringTooLong(usize),
    /// A string that is not UTF-8.
    #[error("not UTF-8 after {valid} bytes of {len}")]
    Utf8 {
        /// Bytes before the first bad one.
        valid: usize,
        /// Length of the string in bytes.
        len: usize,
    },
    /// A variable-length number of more bits than its type has.
    #[error("a variable-length number does not end within {0} bytes")]
    Varint(usize),
    /// Bytes remain after the end.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// The decoded form would take more memory than a frame of this size is worth.
    #[error("the decoded form passes the limit of {limit} bytes of memory")]
    Memory {
        /// Bytes allowed for the whole message.
        limit: usize,
    },
    /// The codec does not know this version.
    #[error("version is outside {min}..={max}")]
    Version {
        /// Lowest known.
        min: i16,
        /// Highest known.
        max: i16,
    },
    /// No API has this key.
    #[error("api key {0} is unknown")]
    ApiKey(i16),
}

/// Why a message cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message} v{version}: {field}: {problem}")]
pub struct EncodeError {
    /// The message, by Kafka's name.
    pub message: &'static str,
    /// The version it was to be encoded as.
    pub version: i16,
    /// The field, with its struct in front if it is not one of the message's own.
    pub field: &'static str,
    /// What is wrong with its value.
    pub problem: Unencodable,
}

/// What is wrong with a value that should go out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unencodable {
    /// A request has a value that this version cannot carry and that may not be left out.
    #[error("this version has no such field, and it is set")]
    Absent,
    /// A request has null where this version has none.
    #[error("null is not allowed in this version")]
    Null,
    /// Longer than the length field can say.
    #[error("{len} is more than {max}")]
    TooLong {
        /// Bytes or elements.
        len: usize,
        /// The most that fit.
        max: usize,
    },
    /// The codec does not know this version.
    #[error("version is outside {min}..={max}")]
    Version {
        /// Lowest known.
        min: i16,
        /// Highest known.
        max: i16,
    },
}

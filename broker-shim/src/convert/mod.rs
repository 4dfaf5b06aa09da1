//! Message sets of magic 0 and 1, at the door: up to one record batch when they come, down again when they are asked for.
//!
//! Only v2 batches are stored. What a Produce v0 to v2 brings for a partition, plain messages and compressed wrappers,
//! magic 0 and 1 mixed, becomes one batch ([`up_convert`]), as in Kafka 2.2. A Fetch v0 to v3 gets stored batches back
//! as messages ([`down_convert`]).
//!
//! | module | what |
//! |---|---|
//! | [`message`] | one entry of a message set, both ways |
//! | `up` | a message set to one batch |
//! | `down` | batches to a message set |
//! | `stored` | entries that Kafka stored in these formats, for tools |
//!
//! # Invariants
//!
//! * No size in the data is trusted, what wrappers open to is capped over the whole entry, nothing recurses: a wrapper
//!   in a wrapper is refused.
//! * What is converted up carried a right checksum at every level; what is converted down was checked against its
//!   batch's before it gets new ones.
//!
//! # Not here
//!
//! What the topic demands of keys, times and sizes: the result goes through the log's validation like any batch.

mod down;
pub mod message;
mod stored;
mod up;

pub use down::{DownConvertError, DownConverted, DownRules, down_convert};
pub use stored::{StoredEntry, StoredMessage, check_stored};
pub use up::{UpRules, up_convert};

use log_engine::format::batch::MAGIC_AT;

/// A format older than record batches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OldMagic {
    /// Without timestamps: Produce and Fetch v0 and v1.
    V0,
    /// With timestamps: Produce v2, Fetch v2 and v3.
    V1,
}

/// Magic of the first entry of record data, which lies at the same place in all formats; `None` if it is cut before.
#[must_use]
pub fn first_magic(data: &[u8]) -> Option<i8> {
    data.get(MAGIC_AT).map(|byte| byte.cast_signed())
}

#[cfg(test)]
mod tests;

//! Batches of every shape that a log may hold, the same ones each time.

use log_engine::format::batch::{Codec, ProducerStamp};
use log_engine::format::build::{BatchBuilder, NewRecord, control_marker};
use log_engine::types::{ProducerEpoch, ProducerId, Sequence, Timestamp};

/// The idempotent producer, and the transactional one.
pub const IDEMPOTENT: i64 = 7;
pub const TRANSACTIONAL: i64 = 9;

/// What is appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// One record of always the same size, with a number in it.
    Plain,
    /// Several records with keys and compressed values.
    Packed(Codec),
    /// Headers: with a value, without, empty, twice the same name.
    Headers,
    /// No key, no value; a tombstone; an empty key and value.
    Nulls,
    /// Random bytes of about 3 KiB.
    Large,
    /// Of the idempotent producer, from this sequence number on.
    Idempotent(i32),
    /// Of the transactional producer, from this sequence number on.
    Transactional(i32),
    /// The transaction's end.
    Marker { commit: bool },
}

impl Shape {
    pub fn is_marker(self) -> bool {
        matches!(self, Self::Marker { .. })
    }
}

/// The shapes of a log that holds them all, over and over. Sequence numbers are put in by who appends.
pub const ALL: [Shape; 15] = [
    Shape::Plain,
    Shape::Packed(Codec::Gzip),
    Shape::Headers,
    Shape::Idempotent(0),
    Shape::Packed(Codec::Lz4),
    Shape::Nulls,
    Shape::Transactional(0),
    Shape::Plain,
    Shape::Packed(Codec::Snappy),
    Shape::Transactional(0),
    Shape::Marker { commit: false },
    Shape::Packed(Codec::Zstd),
    Shape::Transactional(0),
    Shape::Marker { commit: true },
    Shape::Large,
];

pub fn time(raw: i64) -> Timestamp {
    Timestamp::from_millis(raw).unwrap()
}

/// A generator known as splitmix64.
pub fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn text(number: u64) -> String {
    format!("value {number:06} of the campaign, {:016x}", mix(number))
}

/// The batch number `number`, as a client sends it. Record times rise and fall around `now`.
pub fn build(shape: Shape, number: u64, now: i64) -> Vec<u8> {
    let at = |n: u64| time(now + i64::try_from((number * 7 + n * 13) % 40).unwrap() - 20);
    let mut builder = BatchBuilder::new();
    match shape {
        Shape::Plain => drop(builder.push(&NewRecord::value(text(number).as_bytes()).at(at(0)))),
        Shape::Packed(codec) => {
            builder = builder.codec(codec);
            for n in 0..6 {
                let (key, value) = (format!("key {}", n % 3), text(number).repeat(2));
                builder.push(&NewRecord::keyed(key.as_bytes(), value.as_bytes()).at(at(n)));
            }
        }
        Shape::Headers => {
            let value = text(number);
            let headers: [(&str, Option<&[u8]>); 4] =
                [("trace", Some(value.as_bytes())), ("none", None), ("", Some(b"")), ("trace", Some(b"2"))];
            builder.push(&NewRecord::keyed(b"k", b"v").with_headers(&headers).at(at(0)));
        }
        Shape::Nulls => {
            let key = text(number);
            builder.push(&NewRecord::default().at(at(0)));
            builder.push(&NewRecord::tombstone(key.as_bytes()).at(at(1)));
            builder.push(&NewRecord::keyed(b"", b"").at(at(2)));
        }
        Shape::Large => {
            let bytes: Vec<u8> = (0..380).flat_map(|n| mix(number << 32 | n).to_be_bytes()).collect();
            builder.push(&NewRecord::value(&bytes).at(at(0)));
        }
        Shape::Idempotent(sequence) => return stamped(IDEMPOTENT, sequence, false, number, &at),
        Shape::Transactional(sequence) => return stamped(TRANSACTIONAL, sequence, true, number, &at),
        Shape::Marker { commit } => {
            let (id, epoch) = (ProducerId::new(TRANSACTIONAL).unwrap(), ProducerEpoch::new(0).unwrap());
            return control_marker(id, epoch, commit, 0, time(now));
        }
    }
    builder.finish().unwrap()
}

fn stamped(id: i64, sequence: i32, txn: bool, number: u64, at: &dyn Fn(u64) -> Timestamp) -> Vec<u8> {
    let stamp = ProducerStamp {
        id: ProducerId::new(id).unwrap(),
        epoch: ProducerEpoch::new(0).unwrap(),
        base_sequence: Sequence::new(sequence),
    };
    let mut builder = BatchBuilder::new().producer(stamp).transactional(txn);
    for n in 0..2 {
        builder.push(&NewRecord::keyed(b"p", text(number + n).as_bytes()).at(at(n)));
    }
    builder.finish().unwrap()
}

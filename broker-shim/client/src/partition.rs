//! Which partition a record goes to: as Java's default partitioner, so that a key meets its fellows.
//!
//! A key's partition is its murmur2 hash without the sign bit, modulo the number of partitions. A record without a key
//! goes where the last one went until that batch is full, then to the next ([`Partitioner::next_batch`]).

use std::collections::HashMap;
use std::fmt;

/// One partition of one topic, written `topic-3`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    #[must_use]
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Chooses partitions; see the module.
#[derive(Clone, Debug, Default)]
pub struct Partitioner {
    sticky: HashMap<String, u32>,
}

impl Partitioner {
    /// The partition of a record in a topic of `count` partitions (at least 1).
    pub fn partition(&mut self, topic: &str, key: Option<&[u8]>, count: u32) -> u32 {
        let count = count.max(1);
        match key {
            Some(key) => of_key(key, count),
            None => self.sticky.get(topic).copied().unwrap_or_default() % count,
        }
    }

    /// Sends the next records without a key elsewhere: called when a batch of theirs is full or has left.
    pub fn next_batch(&mut self, topic: &str) {
        match self.sticky.get_mut(topic) {
            Some(next) => *next = next.wrapping_add(1),
            None => drop(self.sticky.insert(topic.to_owned(), 1)),
        }
    }
}

/// The partition of a key in a topic of `count` partitions (at least 1).
#[must_use]
pub fn of_key(key: &[u8], count: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % count.max(1)
}

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The hash of keys: murmur2 with Kafka's seed, 32 bits.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    // Kafka computes with the length as a signed 32-bit number; a key is never longer.
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ len;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte)).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own test of its hash.
    #[test]
    fn keys_hash_as_in_java() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn records_without_a_key_stay_together_until_a_batch_is_full() {
        let mut partitioner = Partitioner::default();
        let first = partitioner.partition("t", None, 3);
        assert_eq!(partitioner.partition("t", None, 3), first);
        partitioner.next_batch("t");
        let second = partitioner.partition("t", None, 3);
        assert_ne!(second, first);
        assert_eq!(partitioner.partition("t", Some(b"21"), 3), (murmur2(b"21") & 0x7fff_ffff) % 3);
        assert_eq!(partitioner.partition("other", None, 1), 0);
    }
}

//! What Kafka's tools print because they are written in Java: the order of hash maps, the names of exceptions.
//!
//! A `HashMap` walks its buckets; an entry's bucket is its key's hash, folded, modulo a power of two. Entries of one bucket
//! come in the order in which they were put in. A map that was made for a number of entries begins with the next power
//! of two at least as large, any other with 16; each doubles when it is three quarters full.

use kafka_client::{ClientError, TopicPartition};
use kafka_wire::ErrorCode;

/// Java's hash of a string: over its UTF-16 units.
#[must_use]
pub fn string_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit.cast_signed()) & 0xffff))
}

/// Java's hash of a partition of a topic, as Kafka's class has it.
#[must_use]
pub fn partition_hash(at: &TopicPartition) -> i32 {
    31_i32.wrapping_add(at.partition).wrapping_mul(31).wrapping_add(string_hash(&at.topic))
}

/// Kafka's exception for a code, with its package: what its tools print where they print an exception.
#[must_use]
pub fn exception(code: ErrorCode) -> String {
    use ErrorCode as E;
    let simple = match code {
        E::UnknownServerError => "UnknownServerException",
        E::CorruptMessage => "CorruptRecordException",
        E::RequestTimedOut => "TimeoutException",
        E::MessageTooLarge => "RecordTooLargeException",
        E::OffsetMetadataTooLarge => "OffsetMetadataTooLarge",
        E::NetworkException => "NetworkException",
        E::RecordListTooLarge => "RecordBatchTooLargeException",
        E::InvalidTopicException => "InvalidTopicException",
        E::TopicAlreadyExists => "TopicExistsException",
        E::InvalidConfig => "InvalidConfigurationException",
        E::NonEmptyGroup => "GroupNotEmptyException",
        E::GroupSubscribedToTopic => "GroupSubscribedToTopicException",
        E::KafkaStorageError => "KafkaStorageException",
        _ => "",
    };
    if !simple.is_empty() {
        return format!("{PACKAGE}{simple}");
    }
    let words = code.name().split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    });
    format!("{PACKAGE}{}Exception", words.collect::<String>())
}

/// An error as Java prints an exception: its class, and what it says.
#[must_use]
pub fn shown(error: &ClientError) -> String {
    match error.code() {
        Some(code) => format!("{}: {}", exception(code), error.words()),
        None => error.words(),
    }
}

const PACKAGE: &str = "org.apache.kafka.common.errors.";

/// The bucket that a `HashMap` of `buckets` (a power of two) puts a hash into.
fn bucket(hash: i32, buckets: usize) -> usize {
    let hash = hash.cast_unsigned();
    let folded = usize::try_from(hash ^ hash >> 16).unwrap_or_default();
    folded & (buckets - 1)
}

/// How many buckets a map has that holds `count` entries, and was made for `capacity`.
fn buckets(count: usize, capacity: usize) -> usize {
    let mut buckets = capacity.max(1).next_power_of_two();
    while count * 4 > buckets * 3 {
        buckets *= 2;
    }
    buckets
}

/// Puts entries into the order of a `HashMap` that was made without a size.
pub fn hash_order<T>(entries: &mut [T], key: impl Fn(&T) -> i32) {
    let buckets = buckets(entries.len(), 16);
    entries.sort_by_key(|entry| bucket(key(entry), buckets));
}

/// Puts entries into the order of a `HashMap` that was made for as many as it got.
pub fn sized_hash_order<T>(entries: &mut [T], key: impl Fn(&T) -> i32) {
    let buckets = buckets(entries.len(), entries.len());
    entries.sort_by_key(|entry| bucket(key(entry), buckets));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("a"), 97);
        assert_eq!(string_hash("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn exceptions_have_the_names_of_kafka_s_classes() {
        for (code, name) in [
            (ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException"),
            (ErrorCode::TopicAlreadyExists, "TopicExistsException"),
            (ErrorCode::InvalidReplicationFactor, "InvalidReplicationFactorException"),
            (ErrorCode::GroupIdNotFound, "GroupIdNotFoundException"),
        ] {
            assert_eq!(exception(code), format!("org.apache.kafka.common.errors.{name}"));
        }
    }

    #[test]
    fn maps_grow_at_three_quarters() {
        assert_eq!((buckets(12, 16), buckets(13, 16)), (16, 32));
        assert_eq!((buckets(3, 3), buckets(4, 4), buckets(0, 0)), (4, 8, 1));
    }

    #[test]
    fn entries_of_one_bucket_stay_in_their_order() {
        // "Aa" and "BB" have one hash.
        let mut names = ["b", "BB", "Aa", "a"];
        hash_order(&mut names, |name| string_hash(name));
        assert_eq!(names, ["BB", "Aa", "a", "b"]);
    }
}

//! Records of the metadata log: bytes to facts about topics and ids, and back.
//!
//! # Format
//!
//! Each fact is the value of one record, in a batch of its own: the batch's CRC-32C covers it. All numbers are
//! big-endian; a `text` is its length in bytes (`u16`) and so many bytes of UTF-8. The record's key names what the
//! fact is about, so that the last record of a key is the one that counts: `c`, `p`, `a`, `b`, or `t` and the topic's
//! name.
//!
//! ```text
//!  byte  0         1
//!        +---------+---------+--------------------------------------------------------------+
//!        | version | kind    | fields                                                       |
//!        +---------+---------+--------------------------------------------------------------+
//!          1         1         cluster:      id 16 | node i32
//!                    2         topic:        id 16 | partitions i32 | name text | count u16 | count * (key text,
//!                                            value text): the topic is as this says
//!                    3         no topic:     id 16 | name text: it was deleted; read, and no longer written
//!                    4         producer ids: next i64: all below it may have been given out
//!                    5         settings:     scope u8 (0 of all brokers, 1 of this one) | count u16 | count * (key
//!                                            text, value text): made at run time, and no others. Releases before
//!                                            it do not start with a log that has one.
//! ```
//!
//! A record without a value says that the topic in its key was deleted. The log is compacted: the last fact of each key
//! stays, and the word of a deleted topic for a week.
//!
//! # Invariants
//!
//! * The first record of the log is `cluster`, and there is no other.
//! * Nothing follows the last field. A version or a kind that is not in the table is refused: whoever wrote it knew
//!   more than we do.
//!
//! # Not here
//!
//! What follows from a fact (`log_catalog`).

use super::uuid::Uuid;
use crate::config::BrokerScope;
use kafka_settings::TopicName;
use std::collections::BTreeMap;

const VERSION: u8 = 1;

/// One fact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fact {
    /// Who wrote this log.
    Cluster {
        /// The cluster's id.
        id: Uuid,
        /// The broker's number.
        node: i32,
    },
    /// A topic as it is from now on.
    Topic {
        /// Its id.
        id: Uuid,
        /// Its name.
        name: TopicName,
        /// How many partitions; positive.
        partitions: i32,
        /// Its settings.
        overrides: BTreeMap<String, String>,
    },
    /// The topic is gone.
    NoTopic {
        /// Its name.
        name: TopicName,
    },
    /// What was set for brokers at run time.
    Settings {
        /// For which.
        scope: BrokerScope,
        /// All of it.
        settings: BTreeMap<String, String>,
    },
    /// Producer ids below this may have been given out.
    ProducerIds {
        /// The first that was not.
        next: i64,
    },
}

/// Why a record cannot be used; the text is the end of the sentence "the record ...".
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Unusable {
    /// It is not what was written.
    Damaged(String),
    /// Whoever wrote it knew more than we do.
    Newer(String),
}

impl From<String> for Unusable {
    fn from(problem: String) -> Self {
        Self::Damaged(problem)
    }
}

impl Fact {
    /// The record's key.
    pub(super) fn key(&self) -> Vec<u8> {
        match self {
            Self::Cluster { .. } => b"c".to_vec(),
            Self::ProducerIds { .. } => b"p".to_vec(),
            Self::Settings { scope: BrokerScope::All, .. } => b"a".to_vec(),
            Self::Settings { scope: BrokerScope::Own, .. } => b"b".to_vec(),
            Self::Topic { name, .. } | Self::NoTopic { name, .. } => {
                [b"t", name.as_str().as_bytes()].concat()
            }
        }
    }

    /// The record's value; `None` for a topic that is gone.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = vec![VERSION];
        match self {
            Self::Cluster { id, node } => {
                out.push(1);
                out.extend_from_slice(&id.0);
                out.extend_from_slice(&node.to_be_bytes());
            }
            Self::Topic { id, name, partitions, overrides } => {
                out.push(2);
                out.extend_from_slice(&id.0);
                out.extend_from_slice(&partitions.to_be_bytes());
                put_text(&mut out, name.as_str());
                put_settings(&mut out, overrides);
            }
            Self::Settings { scope, settings } => {
                out.push(5);
                out.push(u8::from(*scope == BrokerScope::Own));
                put_settings(&mut out, settings);
            }
            Self::NoTopic { .. } => return None,
            Self::ProducerIds { next } => {
                out.push(4);
                out.extend_from_slice(&next.to_be_bytes());
            }
        }
        Some(out)
    }

    /// Reads a record.
    pub(super) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, Unusable> {
        let Some(mut rest) = value else {
            let name = key.strip_prefix(b"t").ok_or_else(|| "has no value".to_owned())?;
            return Ok(Self::NoTopic { name: topic_name(name)? });
        };
        let [version, kind] = take::<2>(&mut rest)?;
        if version != VERSION {
            return Err(Unusable::Newer(format!("has version {version}, and this release knows {VERSION}")));
        }
        let fact = match kind {
            1 => Self::Cluster { id: Uuid(take(&mut rest)?), node: i32::from_be_bytes(take(&mut rest)?) },
            2 => topic(&mut rest)?,
            3 => {
                let _id: [u8; 16] = take(&mut rest)?;
                Self::NoTopic { name: name(&mut rest)? }
            }
            4 => Self::ProducerIds { next: i64::from_be_bytes(take(&mut rest)?) },
            5 => settings(&mut rest)?,
            other => {
                return Err(Unusable::Newer(format!("is of kind {other}, which this release does not know")));
            }
        };
        if rest.is_empty() { Ok(fact) } else { Err(format!("has {} bytes too many", rest.len()).into()) }
    }
}

fn topic(rest: &mut &[u8]) -> Result<Fact, String> {
    let id = Uuid(take(rest)?);
    let partitions = i32::from_be_bytes(take(rest)?);
    if partitions < 1 {
        return Err(format!("has {partitions} partitions"));
    }
    let name = name(rest)?;
    let overrides = pairs(rest)?;
    Ok(Fact::Topic { id, name, partitions, overrides })
}

fn settings(rest: &mut &[u8]) -> Result<Fact, Unusable> {
    let scope = match take::<1>(rest)? {
        [0] => BrokerScope::All,
        [1] => BrokerScope::Own,
        [other] => {
            let problem = format!("holds settings of scope {other}, which this release does not know");
            return Err(Unusable::Newer(problem));
        }
    };
    Ok(Fact::Settings { scope, settings: pairs(rest)? })
}

fn pairs(rest: &mut &[u8]) -> Result<BTreeMap<String, String>, String> {
    let count = u16::from_be_bytes(take(rest)?);
    (0..count).map(|_| Ok((text(rest)?, text(rest)?))).collect()
}

fn put_settings(out: &mut Vec<u8>, settings: &BTreeMap<String, String>) {
    let count = u16::try_from(settings.len()).expect("there are fewer keys of a topic or a broker");
    out.extend_from_slice(&count.to_be_bytes());
    for (key, value) in settings {
        put_text(out, key);
        put_text(out, value);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("texts are checked to be shorter when they are set");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or("ends too early")?;
    *rest = tail;
    Ok(*head)
}

fn text(rest: &mut &[u8]) -> Result<String, String> {
    let len = usize::from(u16::from_be_bytes(take(rest)?));
    let (head, tail) = rest.split_at_checked(len).ok_or("ends too early")?;
    *rest = tail;
    utf8(head).map(str::to_owned)
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "holds text that is not UTF-8".to_owned())
}

fn name(rest: &mut &[u8]) -> Result<TopicName, String> {
    topic_name(text(rest)?.as_bytes())
}

fn topic_name(bytes: &[u8]) -> Result<TopicName, String> {
    TopicName::new(utf8(bytes)?).map_err(|error| format!("names a topic: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<Fact> {
        let name = TopicName::new("t.1").unwrap();
        let overrides = [("retention.ms".to_owned(), "1".to_owned())].into();
        vec![
            Fact::Cluster { id: Uuid([7; 16]), node: 3 },
            Fact::Topic { id: Uuid([8; 16]), name: name.clone(), partitions: 12, overrides },
            Fact::NoTopic { name },
            Fact::ProducerIds { next: 1000 },
            Fact::Settings { scope: BrokerScope::All, settings: [("a".to_owned(), "1".to_owned())].into() },
            Fact::Settings { scope: BrokerScope::Own, settings: BTreeMap::new() },
        ]
    }

    #[test]
    fn every_kind_comes_back() {
        for fact in sample() {
            assert_eq!(Fact::decode(&fact.key(), fact.encode().as_deref()), Ok(fact));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_table() {
        let [_, topic, gone, ids, all, own] = &sample()[..] else { unreachable!() };
        assert_eq!(
            (all.key(), all.encode()),
            (b"a".to_vec(), Some(b"\x01\x05\0\0\x01\0\x01a\0\x011".to_vec()))
        );
        assert_eq!((own.key(), own.encode()), (b"b".to_vec(), Some(vec![1, 5, 1, 0, 0])));
        let expected = [
            &[1, 2][..],
            &[8; 16],
            &[0, 0, 0, 12],
            b"\0\x03t.1",
            b"\0\x01",
            b"\0\x0cretention.ms",
            b"\0\x011",
        ];
        assert_eq!(topic.encode(), Some(expected.concat()));
        assert_eq!(topic.key(), b"tt.1");
        assert_eq!((gone.key(), gone.encode()), (b"tt.1".to_vec(), None));
        assert_eq!(ids.encode(), Some(vec![1, 4, 0, 0, 0, 0, 0, 0, 3, 232]));
        // As it was written once.
        let old = [&[1, 3][..], &[8; 16], b"\0\x03t.1"].concat();
        assert_eq!(Fact::decode(b"tt.1", Some(&old)).as_ref(), Ok(gone));
    }

    #[test]
    fn what_is_not_in_the_table_is_refused() {
        let newer = |bytes: &[u8]| match Fact::decode(b"tt", Some(bytes)) {
            Err(Unusable::Newer(problem)) => problem,
            other => panic!("{other:?}"),
        };
        let refused = |bytes: &[u8]| match Fact::decode(b"tt", Some(bytes)) {
            Err(Unusable::Damaged(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(Fact::decode(b"c", None), Err(Unusable::Damaged("has no value".to_owned())));
        assert!(Fact::decode(b"ta/b", None).is_err());
        assert_eq!(newer(&[2, 1]), "has version 2, and this release knows 1");
        assert_eq!(newer(&[1, 9]), "is of kind 9, which this release does not know");
        assert_eq!(newer(&[1, 5, 2, 0, 0]), "holds settings of scope 2, which this release does not know");
        assert_eq!(refused(&[1]), "ends too early");
        assert_eq!(refused(&[1, 4, 0, 0, 0, 0, 0, 0, 3, 232, 0]), "has 1 bytes too many");
        let no_partition = [&[1, 2][..], &[8; 16], &[0, 0, 0, 0], b"\0\x01t", b"\0\0"].concat();
        assert_eq!(refused(&no_partition), "has 0 partitions");
        let path = [&[1, 3][..], &[8; 16], b"\0\x03a/b"].concat();
        assert!(refused(&path).starts_with("names a topic: Topic name is invalid"));
        for fact in sample() {
            let bytes = fact.encode().unwrap_or_default();
            for end in 0..bytes.len() {
                assert_eq!(refused(&bytes[..end]), "ends too early");
            }
        }
    }

    proptest! {
        /// Whatever the bytes, an answer comes; and what is read is written back the same.
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0_u8..7) {
            let bytes = [&[1, kind][..], &bytes].concat();
            if let Ok(fact) = Fact::decode(b"t", Some(&bytes)) {
                prop_assert_eq!(Fact::decode(&fact.key(), fact.encode().as_deref()), Ok(fact));
            }
        }
    }
}

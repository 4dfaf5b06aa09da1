//! Messages as the client programs print them, and the comparison of what was read with what was sent.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// A message on its way in or out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Partition it is sent to.
    pub partition: i32,
    /// Milliseconds since 1970, set by the producer.
    pub timestamp: i64,
    /// Key, if any.
    pub key: Option<String>,
    /// Value; a message without one is a tombstone.
    pub value: Option<String>,
    /// Headers in order; the value of one may be null.
    pub headers: Vec<(String, Option<String>)>,
}

/// A message with the offset the broker gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Offset in its partition.
    pub offset: i64,
    /// The message itself.
    pub message: Message,
}

impl Message {
    /// One JSON line for a client's standard input.
    pub fn to_line(&self) -> String {
        let headers: Vec<Value> = self.headers.iter().map(|(k, v)| json!([k, v])).collect();
        json!({
            "partition": self.partition, "timestamp": self.timestamp,
            "key": self.key, "value": self.value, "headers": headers,
        })
        .to_string()
    }
}

impl Stored {
    /// Reads a message as our client programs print it.
    ///
    /// # Panics
    ///
    /// If a field is missing or of another type: the client program is wrong then.
    pub fn from_json(line: &Value) -> Self {
        if let Some(kind) = line.get("timestamp_type") {
            assert_eq!(kind, "create", "timestamps are the producer's own: {line}");
        }
        let headers = line["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            offset: number(line, "offset"),
            message: Message {
                partition: i32::try_from(number(line, "partition")).expect("a partition number"),
                timestamp: number(line, "timestamp"),
                key: text(&line["key"]),
                value: text(&line["value"]),
                headers: headers
                    .iter()
                    .map(|h| (text(&h[0]).expect("a header's name"), text(&h[1])))
                    .collect(),
            },
        }
    }
}

/// A number out of a JSON line.
///
/// # Panics
///
/// If it is not there.
pub fn number(line: &Value, field: &str) -> i64 {
    line[field].as_i64().unwrap_or_else(|| panic!("no number {field} in {line}"))
}

/// A string or null out of a JSON line.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("within the next millions of years")
}

/// Messages of all shapes: with and without key, value and headers, empty ones, text beyond ASCII, sizes from
/// nothing to some kilobytes, timestamps that go back and forth. Round robin over `partitions`.
pub fn all_shapes(label: &str, count: usize, partitions: usize) -> Vec<Message> {
    let begin = now_ms() - 3_600_000;
    let message = |i: usize| {
        let filling = "lorem ipsum dolor sit amet ".repeat((i * i) % 97);
        Message {
            partition: i32::try_from(i % partitions).expect("few partitions"),
            timestamp: begin + i64::try_from(i ^ 5).expect("few messages"),
            key: (i % 7 != 3).then(|| format!("key-{}", i % 10)),
            value: match i % 23 {
                11 => None,
                17 => Some(String::new()),
                _ => Some(format!("{label} {i} \u{e8} \u{65e5}\u{672c} {filling}")),
            },
            headers: match i % 5 {
                0 => vec![],
                1 => vec![("label".into(), Some(label.into())), ("empty".into(), Some(String::new()))],
                2 => vec![("null".into(), None)],
                _ => vec![("n".into(), Some(i.to_string())), ("n".into(), Some("again".into()))],
            },
        }
    };
    (0..count).map(message).collect()
}

/// Checks that a topic holds exactly these messages: each partition from offset 0 without gaps, in the order in
/// which they were sent, each field as it was.
///
/// # Panics
///
/// At the first difference.
pub fn assert_same(what: &str, sent: &[Message], read: &[Stored]) {
    let mut logs: BTreeMap<i32, Vec<&Stored>> = BTreeMap::new();
    for stored in read {
        logs.entry(stored.message.partition).or_default().push(stored);
    }
    let mut expected: BTreeMap<i32, Vec<&Message>> = BTreeMap::new();
    for message in sent {
        expected.entry(message.partition).or_default().push(message);
    }
    for (partition, messages) in expected {
        let log = logs.remove(&partition).unwrap_or_default();
        for (offset, (message, stored)) in (0_i64..).zip(messages.iter().zip(&log)) {
            assert_eq!(
                stored.offset, offset,
                "{what}: partition {partition} is read out of order or with a gap"
            );
            assert_eq!(stored.message, **message, "{what}: partition {partition}, offset {offset}");
        }
        assert_eq!(log.len(), messages.len(), "{what}: messages in partition {partition}");
    }
    assert!(logs.is_empty(), "{what}: messages in partitions nobody wrote to: {:?}", logs.keys());
}

#[cfg(test)]
mod tests {
    use super::{Message, Stored, all_shapes, assert_same};

    fn stored(messages: &[Message]) -> Vec<Stored> {
        let mut next = [0; 3];
        let place = |message: &Message| {
            let next = &mut next[usize::try_from(message.partition).unwrap()];
            *next += 1;
            Stored { offset: *next - 1, message: message.clone() }
        };
        messages.iter().map(place).collect()
    }

    #[test]
    fn what_came_back_as_it_was_sent_is_the_same() {
        let sent = all_shapes("x", 60, 3);
        assert_same("test", &sent, &stored(&sent));
    }

    #[test]
    #[should_panic(expected = "messages in partition 2")]
    fn a_lost_last_message_is_noticed() {
        let sent = all_shapes("x", 60, 3);
        assert_same("test", &sent, &stored(&sent[..59]));
    }

    #[test]
    #[should_panic(expected = "partition 0, offset 1")]
    fn a_message_in_the_place_of_another_is_noticed() {
        let sent = all_shapes("x", 60, 3);
        let mut swapped = sent.clone();
        swapped.swap(3, 6);
        assert_same("test", &sent, &stored(&swapped));
    }

    #[test]
    #[should_panic(expected = "with a gap")]
    fn a_gap_is_noticed() {
        let sent = all_shapes("x", 60, 3);
        let mut read = stored(&sent);
        read.remove(4);
        assert_same("test", &sent, &read);
    }

    #[test]
    #[should_panic(expected = "messages in partition 0")]
    fn a_message_twice_is_noticed() {
        let sent = all_shapes("x", 60, 3);
        let mut twice = sent.clone();
        twice.push(sent[57].clone());
        assert_same("test", &sent, &stored(&twice));
    }

    #[test]
    #[should_panic(expected = "partition 1, offset 0")]
    fn a_changed_header_is_noticed() {
        let sent = all_shapes("x", 60, 3);
        let mut read = stored(&sent);
        read[1].message.headers.pop();
        assert_same("test", &sent, &read);
    }
}

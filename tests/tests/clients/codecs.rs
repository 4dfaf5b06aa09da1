//! Produce and consume with all codecs, keys, headers and timestamps, over three partitions.

use corrente_tests::broker::Broker;
use corrente_tests::client::Client;
use corrente_tests::install::Missing;
use corrente_tests::message::{Message, all_shapes, assert_same, now_ms};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// For clients that can send any message.
pub(crate) fn all(client: &impl Client) -> Result<(), Missing> {
    let mut broker = Broker::start(&[("num.partitions", "3")]);
    let mut sent: Vec<(String, Vec<Message>)> = Vec::new();
    for codec in CODECS {
        let topic = format!("codec-{codec}");
        assert_eq!(broker.ensure_topic(&topic), 3);
        let messages = all_shapes(codec, 300, 3);
        let offsets = client.produce(&broker, &topic, codec, &messages);
        check_offsets(&topic, &messages, &offsets.unwrap_or_default(), 0);
        assert_same(&topic, &messages, &client.read(&broker, &topic, 3));
        sent.push((topic, messages));
    }
    broker.restart();
    for ((topic, messages), codec) in sent.iter_mut().zip(CODECS) {
        assert_same(&format!("{topic} after restart"), messages, &client.read(&broker, topic, 3));
        let more = all_shapes(&format!("more {codec}"), 90, 3);
        let offsets = client.produce(&broker, topic, codec, &more);
        check_offsets(topic, &more, &offsets.unwrap_or_default(), 100);
        messages.extend(more);
        assert_same(&format!("{topic} continued"), messages, &client.read(&broker, topic, 3));
    }
    Ok(())
}

/// For kcat: timestamps are the time of sending, and headers are the same for a whole run.
pub(crate) fn all_but_timestamps(client: &impl Client) -> Result<(), Missing> {
    let mut broker = Broker::start(&[("num.partitions", "3")]);
    let mut sent: Vec<(String, Vec<Message>)> = Vec::new();
    let begin = now_ms();
    for codec in CODECS {
        let topic = format!("codec-{codec}");
        assert_eq!(broker.ensure_topic(&topic), 3);
        let messages = in_runs(codec, 300);
        client.produce(&broker, &topic, codec, &messages);
        assert_same_but_timestamps(&topic, &messages, client, &broker, begin);
        sent.push((topic, messages));
    }
    broker.restart();
    for ((topic, messages), codec) in sent.iter_mut().zip(CODECS) {
        assert_same_but_timestamps(&format!("{topic} after restart"), messages, client, &broker, begin);
        let more = in_runs(&format!("more {codec}"), 90);
        client.produce(&broker, topic, codec, &more);
        messages.extend(more);
        assert_same_but_timestamps(&format!("{topic} continued"), messages, client, &broker, begin);
    }
    Ok(())
}

/// The offsets a producer was told are those of its messages, in order, from `start` on in each partition.
fn check_offsets(topic: &str, messages: &[Message], offsets: &[i64], start: i64) {
    let mut next = [start; 3];
    for (message, offset) in messages.iter().zip(offsets) {
        let next = &mut next[usize::try_from(message.partition).expect("a partition number")];
        assert_eq!(offset, next, "{topic}: offset the producer was told for {message:?}");
        *next += 1;
    }
    assert_eq!(messages.len(), offsets.len(), "{topic}");
}

/// Messages sorted by partition, with the headers of the partition, and nothing empty.
fn in_runs(label: &str, count: usize) -> Vec<Message> {
    let mut messages = all_shapes(label, count, 3);
    for message in &mut messages {
        message.timestamp = 0;
        message.value = message.value.take().filter(|value| !value.is_empty());
        message.headers = match message.partition {
            0 => vec![],
            1 => vec![("null".into(), None)],
            _ => vec![("codec".into(), Some(label.into())), ("codec".into(), Some("again".into()))],
        };
    }
    messages.sort_by_key(|message| message.partition);
    messages
}

fn assert_same_but_timestamps(
    what: &str,
    sent: &[Message],
    client: &impl Client,
    broker: &Broker,
    begin: i64,
) {
    let topic = what.split(' ').next().expect("the topic comes first");
    let mut read = client.read(broker, topic, 3);
    for stored in &mut read {
        assert!(
            (begin..=now_ms()).contains(&stored.message.timestamp),
            "{what}: time of sending: {stored:?}"
        );
        stored.message.timestamp = 0;
    }
    assert_same(what, sent, &read);
}

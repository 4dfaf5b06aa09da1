//! A group of two members shares three partitions; one leaves and the other has them all; neither the broker's end by
//! SIGKILL nor a clean stop forgets messages or committed positions.

use std::collections::BTreeSet;

use corrente_tests::broker::Broker;
use corrente_tests::client::{Client, Member, listen_until};
use corrente_tests::install::Missing;
use corrente_tests::message::{Message, Stored, all_shapes, now_ms};

pub(crate) const TOPIC: &str = "shared-work";
pub(crate) const GROUP: &str = "workers";

pub(crate) fn rebalances(client: &impl Client) -> Result<(), Missing> {
    let mut broker = Broker::start(&[("num.partitions", "3")]);
    assert_eq!(broker.ensure_topic(TOPIC), 3);

    let mut first = client.member(&broker, TOPIC, GROUP);
    listen_until("the first member has all partitions", &mut [&mut first], |m| has_all(m[0]));
    let mut second = client.member(&broker, TOPIC, GROUP);
    listen_until("two members share the partitions", &mut [&mut first, &mut second], |m| share(m[0], m[1]));

    let sent = send(client, &broker, "both", 60, 0);
    listen_until("the two have read all", &mut [&mut first, &mut second], |m| {
        m[0].read.len() + m[1].read.len() >= 60
    });
    let read_by = |member: &Member| member.read.iter().map(|s| s.message.partition).collect::<BTreeSet<_>>();
    assert!(read_by(&first).is_disjoint(&read_by(&second)), "a partition has one reader at a time");
    let together: Vec<Stored> = first.read.drain(..).chain(second.read.drain(..)).collect();
    assert_same_set(&sent, &together);

    second.leave();
    listen_until("the one left has all partitions", &mut [&mut first], |m| has_all(m[0]));
    let sent = send(client, &broker, "one left", 30, 20);
    listen_until("the one left has read all", &mut [&mut first], |m| m[0].read.len() >= 30);
    assert!(second.read.is_empty(), "who has left reads no more");
    first.leave();
    assert_same_set(&sent, &first.read);

    broker.kill9_and_restart();
    sees_only_what_is_new(client, &broker, "after kill -9", 30);
    broker.restart();
    sees_only_what_is_new(client, &broker, "after a clean stop", 40);
    Ok(())
}

/// A new member of the group reads 30 new messages, ten in each partition from the offset `start` on, and nothing else.
fn sees_only_what_is_new(client: &impl Client, broker: &Broker, when: &str, start: i64) {
    let mut member = client.member(broker, TOPIC, GROUP);
    listen_until(&format!("{when}: a member has all partitions"), &mut [&mut member], |m| has_all(m[0]));
    let sent = send(client, broker, when, 30, start);
    listen_until(&format!("{when}: it has read what is new"), &mut [&mut member], |m| m[0].read.len() >= 30);
    member.leave();
    assert_same_set(&sent, &member.read);
}

fn has_all(member: &Member) -> bool {
    member.assigned == [0, 1, 2]
}

fn share(one: &Member, other: &Member) -> bool {
    let mut all = [one.assigned.clone(), other.assigned.clone()].concat();
    all.sort_unstable();
    all == [0, 1, 2] && !one.assigned.is_empty() && !other.assigned.is_empty()
}

/// Sends messages that any client can send; what is expected to be read, with offsets from `start` on.
pub(crate) fn send(
    client: &impl Client,
    broker: &Broker,
    label: &str,
    count: usize,
    start: i64,
) -> Vec<Stored> {
    let mut messages = all_shapes(label, count, 3);
    for message in &mut messages {
        message.value.get_or_insert_default().push('.');
        message.headers.clear();
        message.timestamp = now_ms();
    }
    messages.sort_by_key(|message: &Message| message.partition);
    client.produce(broker, TOPIC, "none", &messages);
    let mut next = [start; 3];
    let place = |message: Message| {
        let next = &mut next[usize::try_from(message.partition).expect("a partition number")];
        *next += 1;
        Stored { offset: *next - 1, message }
    };
    messages.into_iter().map(place).collect()
}

/// The same messages at the same offsets, each once; timestamps apart, which kcat chooses itself.
fn assert_same_set(sent: &[Stored], read: &[Stored]) {
    let sorted = |messages: &[Stored]| {
        let mut messages = messages.to_vec();
        messages.iter_mut().for_each(|stored| stored.message.timestamp = 0);
        messages.sort_by_key(|stored| (stored.message.partition, stored.offset));
        messages
    };
    assert_eq!(sorted(read), sorted(sent), "the group reads each message once");
}

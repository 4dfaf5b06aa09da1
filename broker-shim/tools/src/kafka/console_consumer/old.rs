//! The consumer of the time when ZooKeeper knew the brokers and kept the offsets: `--zookeeper`.
//!
//! ```text
//! $ kafka-console-consumer.sh --zookeeper localhost:2181 --topic t --from-beginning
//! ```
//!
//! What differs from the original: partitions that another consumer of the group owns are left to it for good; a topic that
//! is not there is an error.

use super::{read_options, to_the_end};
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::consume::{Consumer, Wanted};
use crate::ops::interrupt;
use crate::options::Options;
use crate::zookeeper::consumer::OldGroup;
use kafka_client::TopicPartition;
use std::time::Duration;

/// How often offsets are noted, as in the original.
pub(super) const COMMIT_INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn run(hosts: &str, options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    let topic = options
        .value("topic")?
        .ok_or_else(|| Failure::usage("--zookeeper reads one topic: name it with --topic"))?;
    if options.has("partition") {
        return Err(Failure::usage("--zookeeper and --partition cannot be specified together."));
    }
    // Read first: a mistake on the command line leaves nothing in ZooKeeper.
    let (_, asked) = read_options(options, "localhost:9092")?;
    let named = options.has("group") || asked.group.group != generated(&asked.group.group);
    interrupt::watch();
    let old = OldGroup::join(hosts, &asked.group.group, topic)?;
    let done = read(hosts, options, topic, &old, io);
    let left = old.leave(!named);
    done?;
    left
}

/// The name itself if it is one of those that are made for one run.
fn generated(group: &str) -> &str {
    let number = group.strip_prefix("console-consumer-").unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) { group } else { "" }
}

fn read(hosts: &str, options: &Options, topic: &str, old: &OldGroup, io: &mut Io<'_>) -> Result<(), Failure> {
    let brokers: Vec<String> = old.brokers().iter().map(ToString::to_string).collect();
    let (bootstrap, mut asked) = read_options(options, &brokers.join(","))?;
    let mut kept = Vec::new();
    for partition in old.partitions() {
        kept.push((TopicPartition::new(topic, *partition), old.offset(*partition)?));
    }
    if kept.is_empty() {
        return Err(Failure::Plain(format!(
            "nothing to read: ZooKeeper at {hosts} knows no topic {topic}, or others of the group have all of it"
        )));
    }
    if options.has("from-beginning") && kept.iter().any(|(_, offset)| offset.is_some()) {
        return Err(Failure::Plain(format!(
            "Found previous offset information for this group {}. Leave out --from-beginning to go on from there, or name \
             another group",
            asked.group.group
        )));
    }
    asked.wanted = Wanted::Kept(kept);
    let mut client = bootstrap.connect()?;
    let consumer =
        Consumer::start(&mut client, asked.wanted.clone(), asked.rules.clone(), asked.group.clone())?;
    to_the_end(&mut client, consumer, &asked, Some(old), io)
}

/// Notes how far was shown.
pub(super) fn commit(old: &OldGroup, consumer: &Consumer) -> Result<(), Failure> {
    let offsets: Vec<(i32, i64)> =
        consumer.next_to_show().iter().map(|(at, offset)| (at.partition, *offset)).collect();
    old.commit(&offsets)
}

//! The broker is killed with SIGKILL a hundred times while an idempotent producer of librdkafka keeps sending.
//!
//! Every message it was told to be there is there once, at the offset it was told, in the order of sending; a
//! restarted broker answers, and knows the ends of its partitions, within a second.
//!
//! SIGKILL leaves the page cache alone, so this says nothing about power cuts: the crash storage tests do that.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use corrente_tests::broker::Broker;
use corrente_tests::client::{Client, Program};
use corrente_tests::install::{self, Missing};
use corrente_tests::message::{Message, Stored, number};
use corrente_tests::place;
use corrente_tests::process::{Line, Running};
use corrente_tests::wire::Connection;
use serde_json::{Value, json};

const TOPIC: &str = "under-fire";
const PARTITIONS: i32 = 3;
/// Messages a second: a batch of about two dozen in flight at any time.
const RATE: u32 = 3000;
const SIZE: usize = 200;
/// Kills of a run that counts.
const LEAST_UNDER_CI: u64 = 100;

#[test]
fn acknowledged_messages_survive_a_hundred_kills_once_and_in_order() {
    let python = match install::python("confluent-kafka", 9, 14, &["confluent-kafka"]) {
        Ok(python) => python,
        Err(Missing(what)) => {
            assert!(!place::under_ci(), "CI=true allows no skip: {what}");
            say(&format!("SKIPPED, no broker was killed: {what}"));
            return;
        }
    };
    let client = Program::python(&python, "python/confluent_client.py");
    let cycles = place::number("CORRENTE_CRASH_CYCLES", LEAST_UNDER_CI);
    assert!(
        enough(cycles, place::under_ci()),
        "CORRENTE_CRASH_CYCLES={cycles}: CI=true takes no fewer than {LEAST_UNDER_CI}"
    );
    let limit = Duration::from_millis(place::number("CORRENTE_RESTART_LIMIT_MS", 1000));

    // Small segments, so that kills also meet rolls.
    let mut broker = Broker::start(&[("num.partitions", "3"), ("log.segment.bytes", "1048576")]);
    broker.ensure_topic(TOPIC);
    let mut producer = Producer::start(&client, &broker);
    let (mut slowest, mut random) = (Duration::ZERO, Random(0x9e37_79b9_7f4a_7c15));
    for cycle in 1..=cycles {
        producer.await_news(cycle);
        thread::sleep(Duration::from_millis(random.below(500)));
        broker.kill9();
        producer.listen(Instant::now());
        let begin = Instant::now();
        broker.spawn();
        let ends = first_ends(&broker);
        slowest = slowest.max(begin.elapsed());
        assert!(slowest <= limit, "restart {cycle} answered after {slowest:?}, the limit is {limit:?}");
        producer.check_ends(cycle, &ends);
    }
    producer.finish();
    verify(&client.read(&broker, TOPIC, PARTITIONS), &producer.acked);
    let told = producer.acked.len();
    say(&format!("{cycles} kills, {told} messages acknowledged, slowest restart {slowest:?}"));
}

fn enough(cycles: u64, under_ci: bool) -> bool {
    !under_ci || cycles >= LEAST_UNDER_CI
}

#[test]
fn fewer_kills_are_for_developers_only() {
    assert!(enough(100, true) && enough(1, false));
    assert!(!enough(99, true));
}

/// A line that libtest does not keep to itself.
fn say(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("crash: {line}\n").as_bytes());
}

/// The ends of the partitions, asked for from the start of the process until it tells them.
fn first_ends(broker: &Broker) -> Vec<i64> {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        let ends = Connection::open(broker.address(), Duration::from_secs(5))
            .and_then(|mut c| c.ends(TOPIC, PARTITIONS));
        match ends {
            Ok(ends) => return ends,
            Err(error) => assert!(Instant::now() < give_up, "no ends of partitions: {error}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Each acknowledged message lies where the producer was told, no number is there twice, and the numbers rise.
fn verify(read: &[Stored], acked: &BTreeMap<u64, Place>) {
    let mut log: BTreeMap<Place, u64> = BTreeMap::new();
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    let mut last: BTreeMap<i32, (i64, u64)> = BTreeMap::new();
    for Stored { offset, message } in read {
        let sent: u64 = message.key.as_deref().and_then(|key| key.parse().ok()).expect("the key is a number");
        let value = message.value.as_deref().unwrap_or_default();
        assert_eq!(value, format!("{sent} {}", "x".repeat(SIZE)), "value at {}-{offset}", message.partition);
        assert!(seen.insert(sent), "message {sent} is there twice, again at {}-{offset}", message.partition);
        if let Some((before, earlier)) = last.insert(message.partition, (*offset, sent)) {
            assert_eq!(*offset, before + 1, "offsets of partition {} have no gaps", message.partition);
            assert!(sent > earlier, "partition {}: {sent} lies behind {earlier}", message.partition);
        }
        log.insert((message.partition, *offset), sent);
    }
    for (sent, (partition, offset)) in acked {
        assert!(seen.contains(sent), "message {sent} was acknowledged and is lost");
        // For a duplicate of a batch that was forgotten meanwhile a broker may say "there", but not where.
        if *offset >= 0 {
            assert_eq!(log.get(&(*partition, *offset)), Some(sent), "what lies at {partition}-{offset}");
        }
    }
}

/// Partition and offset.
type Place = (i32, i64);

struct Producer {
    process: Running,
    /// Where each message is, by its number.
    acked: BTreeMap<u64, Place>,
}

impl Producer {
    fn start(client: &Program, broker: &Broker) -> Self {
        let command = json!({
            "do": "stream", "bootstrap": broker.bootstrap(), "topic": TOPIC, "partitions": PARTITIONS,
            "rate": RATE, "size": SIZE,
        });
        Self { process: client.start(&command), acked: BTreeMap::new() }
    }

    /// Takes in what it says until then.
    fn listen(&mut self, until: Instant) {
        while let Some(line) = self.process.line(until) {
            let Line::Out(line) = line else { continue };
            if line.starts_with('{') {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                assert_eq!(line["event"], "closed", "the producer gave up: {line}");
                assert_eq!(number(&line, "left"), 0, "all messages are acknowledged in the end");
                let sent = usize::try_from(number(&line, "sent")).expect("a count");
                assert_eq!(self.acked.len(), sent, "each message is acknowledged once");
                continue;
            }
            let mut numbers = line.split(' ').map(|word| word.parse::<i64>().expect("a number"));
            let mut next = || numbers.next().expect("three numbers");
            let sent = u64::try_from(next()).expect("messages are numbered from 0");
            let partition = i32::try_from(next()).expect("a partition number");
            assert_eq!(
                self.acked.insert(sent, (partition, next())),
                None,
                "message {sent} acknowledged twice"
            );
        }
    }

    /// Waits until the broker of this cycle has acknowledged something.
    fn await_news(&mut self, cycle: u64) {
        // What the broker before it had said.
        self.listen(Instant::now());
        let (had, give_up) = (self.acked.len(), Instant::now() + Duration::from_secs(60));
        while self.acked.len() == had {
            self.listen(Instant::now() + Duration::from_millis(5));
            if Instant::now() > give_up {
                let complaints = self.process.complaints();
                panic!("cycle {cycle}: nothing acknowledged for a minute{complaints}");
            }
        }
    }

    /// No partition may end before what was acknowledged in it.
    fn check_ends(&self, cycle: u64, ends: &[i64]) {
        for (sent, (partition, offset)) in self.acked.iter().rev().take(10_000) {
            let end = ends[usize::try_from(*partition).expect("a partition number")];
            assert!(
                *offset < end,
                "kill {cycle}: message {sent} at {partition}-{offset} is lost, the end is {end}"
            );
        }
    }

    fn finish(&mut self) {
        self.process.close_stdin();
        self.process.finish(Duration::from_secs(120));
        self.listen(Instant::now());
    }
}

/// xorshift: kills at different moments, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A log of one partition with these messages, and the acknowledgements that belong to it.
fn small_log(numbers: &[u64]) -> (Vec<Stored>, BTreeMap<u64, Place>) {
    let place = |(offset, sent): (i64, &u64)| Stored {
        offset,
        message: Message {
            partition: 0,
            timestamp: 0,
            key: Some(sent.to_string()),
            value: Some(format!("{sent} {}", "x".repeat(SIZE))),
            headers: vec![],
        },
    };
    (
        (0..).zip(numbers).map(place).collect(),
        (0..).zip(numbers).map(|(offset, sent)| (*sent, (0, offset))).collect(),
    )
}

#[test]
fn the_check_takes_a_log_with_unacknowledged_messages_in_it() {
    let (read, mut acked) = small_log(&[0, 3, 6, 9]);
    acked.remove(&6);
    verify(&read, &acked);
}

#[test]
#[should_panic(expected = "message 9 was acknowledged and is lost")]
fn the_check_notices_a_lost_message() {
    let (mut read, acked) = small_log(&[0, 3, 6, 9]);
    read.pop();
    verify(&read, &acked);
}

#[test]
#[should_panic(expected = "message 3 is there twice")]
fn the_check_notices_a_message_written_twice() {
    let (read, acked) = small_log(&[0, 3, 3, 6]);
    verify(&read, &acked);
}

#[test]
#[should_panic(expected = "3 lies behind 6")]
fn the_check_notices_a_changed_order() {
    let (read, acked) = small_log(&[0, 6, 3, 9]);
    verify(&read, &acked);
}

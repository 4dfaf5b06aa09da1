//! kafka-python as an analytics team uses it: JSON values, the group `group_data_science`, automatic commits each
//! second; a consumer that is killed, and its successor.

use std::time::{Duration, Instant};

use corrente_tests::broker::Broker;
use corrente_tests::client::{LIMIT, Program};
use corrente_tests::install::{self, Missing};
use corrente_tests::message::number;
use corrente_tests::process::{Line, Running};
use corrente_tests::runner;
use serde_json::{Value, json};

const TOPIC: &str = "measurements";
const GROUP: &str = "group_data_science";

const SESSION: Duration = Duration::from_secs(6);
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// A commit is due an interval after the last one and happens at the client's next poll: the client's own slack.
const POLL_SLACK: Duration = Duration::from_millis(500);

pub(crate) fn release_1_4_7() -> Result<(), Missing> {
    scenario(&program("kafka-python-1.4.7", "kafka-python==1.4.7", 11)?, &json!([0, 10, 1]))
}

pub(crate) fn release_2_0_2() -> Result<(), Missing> {
    scenario(&program("kafka-python-2.0.2", "kafka-python==2.0.2", 11)?, &json!([0, 10, 1]))
}

pub(crate) fn newest_as_of_0_10_1() -> Result<(), Missing> {
    scenario(&program("kafka-python-newest", "kafka-python>=3.0.12", 14)?, &json!([0, 10, 1]))
}

pub(crate) fn newest() -> Result<(), Missing> {
    scenario(&program("kafka-python-newest", "kafka-python>=3.0.12", 14)?, &Value::Null)
}

/// The releases before 3 do not import on Python 3.12.
pub(crate) fn program(name: &str, requirement: &str, newest_python: u8) -> Result<Program, Missing> {
    let python = install::python(name, 8, newest_python, &[requirement])?;
    let program = Program::python(&python, "python/kafka_python_client.py");
    runner::ran("kafka-python", &program.version());
    Ok(program)
}

fn scenario(program: &Program, api_version: &Value) -> Result<(), Missing> {
    let mut broker = Broker::start(&[]);
    let team = Team { program, api_version };

    let mut sent = team.send(&broker, 0, 50);
    assert_eq!(team.consume(&broker, GROUP, sent.len()), sent, "the first run reads all");
    assert_eq!(team.consume(&broker, GROUP, 0), [], "a second run sees nothing old");
    let new = team.send(&broker, 50, 10);
    assert_eq!(team.consume(&broker, GROUP, new.len()), new, "a further run sees only what is new");
    sent.extend(new);

    sent.extend(team.killed_consumer_is_replaced(&broker, 60));

    for end in ["kill -9", "a clean stop"] {
        if end == "kill -9" {
            broker.kill9_and_restart()
        } else {
            broker.restart()
        };
        assert_eq!(team.consume(&broker, GROUP, 0), [], "after {end} the group sees nothing old");
        let new = team.send(&broker, sent.len(), 10);
        assert_eq!(
            team.consume(&broker, GROUP, new.len()),
            new,
            "after {end} the group sees only what is new"
        );
        sent.extend(new);
    }
    assert_eq!(
        team.consume(&broker, "another_group", sent.len()),
        sent,
        "another group reads all from the start"
    );
    Ok(())
}

/// Offset, timestamp and value of a message in partition 0.
type Seen = (i64, i64, Value);

struct Team<'a> {
    program: &'a Program,
    api_version: &'a Value,
}

impl Team<'_> {
    fn command(&self, broker: &Broker, rest: &Value) -> Value {
        let mut command =
            json!({"bootstrap": broker.bootstrap(), "topic": TOPIC, "api_version": self.api_version});
        let fields = command.as_object_mut().expect("an object");
        fields.extend(rest.as_object().expect("an object").clone());
        command
    }

    /// Sends values number `from` to `from + count`, which become the offsets of that number.
    fn send(&self, broker: &Broker, from: usize, count: usize) -> Vec<Seen> {
        let values = values(from, count);
        let input: Vec<String> = values.iter().map(Value::to_string).collect();
        let told = self.program.ask(&self.command(broker, &json!({"do": "send"})), &input);
        places(from, values, &told)
    }

    /// One run of a consumer, which ends politely when it has `count` messages and then nothing for a while.
    fn consume(&self, broker: &Broker, group: &str, count: usize) -> Vec<Seen> {
        let command = json!({"do": "consume", "group": group, "count": count, "idle_ms": 1200});
        let lines = self.program.ask(&self.command(broker, &command), &[]);
        lines.iter().filter(|line| line["event"] == "record").map(seen).collect()
    }

    /// A consumer is killed while messages keep coming. Its successor has the partition within the session timeout
    /// and a second, misses nothing, and reads again at most what came in one commit interval.
    fn killed_consumer_is_replaced(&self, broker: &Broker, from: usize) -> Vec<Seen> {
        let session = json!({"session_timeout_ms": SESSION.as_millis()});
        let consume = json!({"do": "consume", "group": GROUP, "count": null, "settings": session});
        let consume = self.command(broker, &consume);
        let values = values(from, 300);
        let mut producer = self.program.start(&self.command(broker, &json!({"do": "send", "rate": 25})));
        values.iter().for_each(|value| producer.tell(&value.to_string()));
        producer.close_stdin();

        let mut first = self.program.start(&consume);
        let mut read_by_first = records(&mut first, |read| {
            read.first().zip(read.last()).is_some_and(|(a, z)| at(z) - at(a) > 3.3)
        });
        first.kill9();
        let killed = Instant::now();
        let killed_at = wall_clock();
        let mut second = self.program.start(&consume);
        // What the first one had printed when it was killed.
        read_by_first.extend(records(&mut first, |_| false));

        let mut read_by_second = records(&mut second, |read| !read.is_empty());
        let takeover = killed.elapsed();
        assert!(
            takeover <= SESSION + Duration::from_secs(1),
            "the successor had its partition after {takeover:?}"
        );
        producer.finish(LIMIT);
        let told = records(&mut producer, |_| false);
        let sent = places(from, values, &told);
        let last = i64::try_from(from + 300 - 1).expect("few messages");
        read_by_second
            .extend(records(&mut second, |read| read.last().is_some_and(|r| number(r, "offset") >= last)));
        second.close_stdin();
        second.finish(LIMIT);

        check_handover(&read_by_first, &read_by_second, killed_at, from, &sent);
        sent
    }
}

fn check_handover(first: &[Value], second: &[Value], killed_at: f64, from: usize, sent: &[Seen]) {
    let start = i64::try_from(from).expect("few messages");
    let read_first: Vec<Seen> = first.iter().map(seen).collect();
    let read_second: Vec<Seen> = second.iter().map(seen).collect();
    assert_eq!(read_first, sent[..read_first.len()], "the first reads in order, from where the group stood");
    let resumed = read_second[0].0;
    let stopped = start + i64::try_from(read_first.len()).expect("few messages");
    assert!(
        (start..=stopped).contains(&resumed),
        "the first read up to {stopped}, the second from {resumed}"
    );
    let resumed = usize::try_from(resumed - start).expect("checked above");
    assert_eq!(read_second, sent[resumed..], "the second misses nothing");
    if let Some(oldest) = first.get(resumed) {
        let age = killed_at - at(oldest);
        let most = (COMMIT_INTERVAL + POLL_SLACK).as_secs_f64();
        assert!(age <= most, "read again what the first had read {age:.2} s before it was killed");
    }
}

fn values(from: usize, count: usize) -> Vec<Value> {
    let value = |n: usize| json!({"n": n, "city": "Bel\u{e9}m", "reading": [n, 0.5, null], "ok": n.is_multiple_of(2)});
    (from..from + count).map(value).collect()
}

/// What a producer was told: the messages lie at offsets in order.
fn places(from: usize, values: Vec<Value>, told: &[Value]) -> Vec<Seen> {
    assert_eq!(told.len(), values.len(), "each message is acknowledged");
    let offsets = i64::try_from(from).expect("few messages")..;
    let place = |((offset, value), line): ((i64, Value), &Value)| {
        assert_eq!(number(line, "partition"), 0);
        assert_eq!(number(line, "offset"), offset, "offsets are told in the order of sending");
        (offset, number(line, "timestamp"), value)
    };
    offsets.zip(values).zip(told).map(place).collect()
}

fn seen(line: &Value) -> Seen {
    assert_eq!(number(line, "partition"), 0);
    (number(line, "offset"), number(line, "timestamp"), line["value"].clone())
}

fn at(line: &Value) -> f64 {
    line["at"].as_f64().expect("a time")
}

fn wall_clock() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_secs_f64()
}

/// Lines with an offset that the program prints until there are `enough`, or, after its end, all that are left.
fn records(process: &mut Running, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let give_up = Instant::now() + LIMIT;
    let mut read: Vec<Value> = Vec::new();
    while !enough(&read) {
        match process.line(give_up) {
            Some(Line::Out(line)) => {
                let line: Value = serde_json::from_str(&line).expect("the client prints JSON");
                if line.get("offset").is_some() {
                    read.push(line);
                }
            }
            Some(Line::Err(_)) => {}
            None if Instant::now() >= give_up => panic!("not enough after {LIMIT:?}{}", process.complaints()),
            None => break,
        }
    }
    read
}

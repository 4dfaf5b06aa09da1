//! Client programs that follow one command line contract: a JSON object as the argument, JSON lines in and out
//! (see `tests/clients/python/confluent_client.py`), and kcat behind the same functions.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::broker::Broker;
use crate::message::{Message, Stored, number, text};
use crate::place;
use crate::process::{self, Line, Running};

/// Longest time for a client to do one thing.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A program that takes its commands as JSON.
#[derive(Clone, Debug)]
pub struct Program(Vec<OsString>);

impl Program {
    /// A Python program of ours on this interpreter.
    pub fn python(interpreter: &Path, program: &str) -> Self {
        Self(vec![interpreter.into(), "-W".into(), "ignore".into(), place::client_program(program).into()])
    }

    /// An executable.
    pub fn executable(path: &Path) -> Self {
        Self(vec![path.into()])
    }

    /// The program with its command as the argument, not yet started.
    pub fn command(&self, command: &Value) -> Command {
        let mut process = Command::new(&self.0[0]);
        process.args(&self.0[1..]).arg(command.to_string());
        process
    }

    /// Runs one command to its end; the lines it printed.
    ///
    /// # Panics
    ///
    /// If the program fails.
    pub fn ask(&self, command: &Value, input: &[String]) -> Vec<Value> {
        let input: String = input.iter().map(|line| format!("{line}\n")).collect();
        let finished = process::run(&mut self.command(command), input.as_bytes(), LIMIT);
        let finished = finished.success(&command.to_string());
        finished.stdout.lines().map(parse).collect()
    }

    /// Starts a command that goes on until its standard input is closed.
    pub fn start(&self, command: &Value) -> Running {
        Running::start(&mut self.command(command))
    }

    /// The version of the client library in the program.
    pub fn version(&self) -> String {
        let lines = self.ask(&json!({"do": "version"}), &[]);
        text(&lines[0]["version"]).expect("a version")
    }
}

/// What all scenarios with codecs and groups need from a client.
pub trait Client {
    /// Sends messages in this order, each to its partition; returns the offset each got, where the client tells.
    fn produce(&self, broker: &Broker, topic: &str, codec: &str, messages: &[Message]) -> Option<Vec<i64>>;

    /// Reads all partitions of a topic from offset 0 to their present ends.
    fn read(&self, broker: &Broker, topic: &str, partitions: i32) -> Vec<Stored>;

    /// Joins a group.
    fn member(&self, broker: &Broker, topic: &str, group: &str) -> Member;
}

impl Client for Program {
    fn produce(&self, broker: &Broker, topic: &str, codec: &str, messages: &[Message]) -> Option<Vec<i64>> {
        let command =
            json!({"do": "produce", "bootstrap": broker.bootstrap(), "topic": topic, "codec": codec});
        let input: Vec<String> = messages.iter().map(Message::to_line).collect();
        let answer = self.ask(&command, &input).pop().expect("produce prints one line");
        assert_eq!(answer["failures"], json!([]), "{command}");
        assert_eq!(answer["left"], 0, "{command}");
        let places = answer["places"].as_array().expect("a list of places");
        assert_eq!(places.len(), messages.len(), "{command}");
        for (place, message) in places.iter().zip(messages) {
            assert_eq!(place[0], message.partition, "{command}: partition of {message:?}");
        }
        Some(places.iter().map(|place| place[1].as_i64().expect("an offset")).collect())
    }

    fn read(&self, broker: &Broker, topic: &str, partitions: i32) -> Vec<Stored> {
        let ends = broker.ends(topic, partitions);
        let command = json!({
            "do": "read", "bootstrap": broker.bootstrap(), "topic": topic, "partitions": partitions, "ends": ends,
        });
        let lines = self.ask(&command, &[]);
        for range in lines.iter().filter(|line| line.get("event").is_some()) {
            let partition = usize::try_from(number(range, "partition")).expect("a partition number");
            assert_eq!(number(range, "low"), 0, "{command}");
            assert_eq!(
                number(range, "high"),
                ends[partition],
                "{command}: both clients are told the same end"
            );
        }
        lines.iter().filter(|line| line.get("event").is_none()).map(Stored::from_json).collect()
    }

    fn member(&self, broker: &Broker, topic: &str, group: &str) -> Member {
        let command =
            json!({"do": "member", "bootstrap": broker.bootstrap(), "topic": topic, "group": group});
        Member::new(self.start(&command), json_event, Running::close_stdin)
    }
}

/// kcat, which has a command line of its own.
#[derive(Clone, Debug)]
pub struct Kcat(pub std::path::PathBuf);

impl Kcat {
    /// `1.7.1 (librdkafka 2.0.2)`.
    pub fn version(&self) -> String {
        let output = process::run(Command::new(&self.0).arg("-V"), &[], LIMIT).success("kcat -V").stdout;
        let after = |word: &str| {
            let (_, rest) = output.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {output}"));
            rest.split([' ', '\n', ',', '(']).next().unwrap_or_default().to_owned()
        };
        format!("{} (librdkafka {})", after("Version "), after("librdkafka "))
    }

    fn command(&self, broker: &Broker, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(["-b", &broker.bootstrap()]).args(arguments);
        command
    }
}

impl Client for Kcat {
    /// kcat takes one partition and one set of headers a run; it cannot send a timestamp of our choice, an empty
    /// key or an empty value (`-Z` makes them null).
    fn produce(&self, broker: &Broker, topic: &str, codec: &str, messages: &[Message]) -> Option<Vec<i64>> {
        for run in messages.chunk_by(|a, b| a.partition == b.partition && a.headers == b.headers) {
            let partition = run[0].partition.to_string();
            let mut command = self.command(broker, &["-P", "-t", topic, "-p", &partition, "-z", codec, "-Z"]);
            command.args([
                "-K",
                "\t",
                "-X",
                "acks=all",
                "-X",
                "message.timeout.ms=30000",
                "-X",
                "linger.ms=20",
            ]);
            for (name, value) in &run[0].headers {
                let header = value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}"));
                command.args(["-H", &header]);
            }
            let line = |m: &Message| {
                format!(
                    "{}\t{}\n",
                    m.key.as_deref().unwrap_or_default(),
                    m.value.as_deref().unwrap_or_default()
                )
            };
            let input: String = run.iter().map(line).collect();
            process::run(&mut command, input.as_bytes(), LIMIT).success("kcat -P");
        }
        None
    }

    fn read(&self, broker: &Broker, topic: &str, partitions: i32) -> Vec<Stored> {
        // kcat gives up on a topic that has no leader yet.
        broker.ends(topic, partitions);
        let mut command = self.command(broker, &["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"]);
        command.args(["-X", "check.crcs=true"]);
        let finished = process::run(&mut command, &[], LIMIT).success("kcat -C");
        finished.stdout.lines().map(|line| kcat_message(&parse(line))).collect()
    }

    fn member(&self, broker: &Broker, topic: &str, group: &str) -> Member {
        let mut command =
            self.command(broker, &["-G", group, "-J", "-u", "-X", "auto.offset.reset=earliest"]);
        command.args(["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500", topic]);
        Member::new(Running::start(&mut command), kcat_event, Running::terminate)
    }
}

fn kcat_message(line: &Value) -> Stored {
    assert_eq!(line["tstype"], "create", "timestamps are the producer's own: {line}");
    let headers = line["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pair = |pair: &[Value]| (text(&pair[0]).expect("a header's name"), text(&pair[1]));
    Stored {
        offset: number(line, "offset"),
        message: Message {
            partition: i32::try_from(number(line, "partition")).expect("a partition number"),
            timestamp: number(line, "ts"),
            key: text(&line["key"]),
            value: text(&line["payload"]),
            headers: headers.chunks(2).map(pair).collect(),
        },
    }
}

/// What a member of a group reports.
#[derive(Debug)]
pub enum Event {
    /// All partitions it has now.
    Assigned(Vec<i32>),
    /// A message it read.
    Read(Stored),
    /// Nothing of interest.
    Other,
}

/// A group member: a client process and what it has said so far.
#[derive(Debug)]
pub struct Member {
    process: Running,
    parse: fn(&Line) -> Event,
    leave: fn(&mut Running),
    /// Partitions it has now.
    pub assigned: Vec<i32>,
    /// Messages it read, in order.
    pub read: Vec<Stored>,
}

impl Member {
    fn new(process: Running, parse: fn(&Line) -> Event, leave: fn(&mut Running)) -> Self {
        Self { process, parse, leave, assigned: Vec::new(), read: Vec::new() }
    }

    /// Takes in what it says until then.
    pub fn listen(&mut self, until: Instant) {
        while let Some(line) = self.process.line(until) {
            match (self.parse)(&line) {
                Event::Assigned(partitions) => self.assigned = partitions,
                Event::Read(stored) => self.read.push(stored),
                Event::Other => {}
            }
        }
    }

    /// Asks it to leave the group and waits until it has.
    pub fn leave(&mut self) {
        (self.leave)(&mut self.process);
        self.process.finish(LIMIT);
        self.listen(Instant::now());
        self.assigned.clear();
    }

    /// What it wrote to standard error, for the text of a failure.
    pub fn complaints(&mut self) -> String {
        self.process.complaints()
    }
}

/// Listens to members until the condition holds.
///
/// # Panics
///
/// If it does not within [`LIMIT`]; the text says what the members had and read.
pub fn listen_until(what: &str, members: &mut [&mut Member], holds: impl Fn(&[&mut Member]) -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !holds(members) {
        for member in members.iter_mut() {
            member.listen(Instant::now() + Duration::from_millis(20));
        }
        if Instant::now() > give_up {
            let show = |m: &mut Member| {
                let complaints = m.complaints();
                format!("has {:?}, read {}{complaints}", m.assigned, m.read.len())
            };
            let members: Vec<String> = members.iter_mut().map(|member| show(member)).collect();
            panic!("not after {LIMIT:?}: {what}\n{}", members.join("\n"));
        }
    }
}

fn json_event(line: &Line) -> Event {
    let Line::Out(line) = line else { return Event::Other };
    let line = parse(line);
    match line["event"].as_str() {
        Some("assigned") => {
            let partitions = line["partitions"].as_array().expect("a list of partitions");
            let number =
                |p: &Value| p.as_i64().and_then(|p| i32::try_from(p).ok()).expect("a partition number");
            Event::Assigned(partitions.iter().map(number).collect())
        }
        Some("record") => Event::Read(Stored::from_json(&line)),
        Some("error") => panic!("a group member reports {line}"),
        _ => Event::Other,
    }
}

/// `% Group g rebalanced (memberid m): assigned: topic [0], topic [2]`
fn kcat_event(line: &Line) -> Event {
    let line = match line {
        Line::Out(line) => return Event::Read(kcat_message(&parse(line))),
        Line::Err(line) => line,
    };
    if !line.contains(" rebalanced ") || line.contains(": revoked: ") {
        return if line.contains(": revoked: ") { Event::Assigned(vec![]) } else { Event::Other };
    }
    let (_, list) = line.split_once(": assigned: ").unwrap_or((line, ""));
    let number = |part: &str| part.split_once(']').and_then(|(number, _)| number.parse().ok());
    Event::Assigned(list.split('[').skip(1).filter_map(number).collect())
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("a client printed no JSON: {error}: {line}"))
}

#[cfg(test)]
mod tests {
    use super::{Event, Line, kcat_event};

    fn assigned(line: &str) -> Option<Vec<i32>> {
        match kcat_event(&Line::Err(line.to_owned())) {
            Event::Assigned(partitions) => Some(partitions),
            _ => None,
        }
    }

    #[test]
    fn kcat_says_what_it_was_assigned_and_what_was_taken_away() {
        assert_eq!(assigned("% Group g rebalanced (memberid m-1): assigned: t [0], t [2]"), Some(vec![0, 2]));
        assert_eq!(assigned("% Group g rebalanced (memberid m-1): assigned: "), Some(vec![]));
        assert_eq!(assigned("% Group g rebalanced (memberid m-1): revoked: t [0], t [2]"), Some(vec![]));
        assert_eq!(assigned("% Reached end of topic t [0] at offset 5"), None);
    }
}

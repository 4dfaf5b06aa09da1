//! Kafka's own dump tool reads our segments, rolled ones while the broker runs and all after a clean stop: every
//! batch is valid, nothing is left over, and every index entry points to the batch it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use corrente_tests::broker::Broker;
use corrente_tests::client::Program;
use corrente_tests::install::Missing;
use corrente_tests::message::{Message, now_ms};
use corrente_tests::process::Finished;
use serde_json::json;

use crate::confluent_kafka;
use crate::java_tools::{Tools, tools_2_2_0, tools_4};

const TOPIC: &str = "dumped";
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const MESSAGES: usize = 400;

pub(crate) fn every_batch_is_valid() -> Result<(), Missing> {
    let (old, new, client) = (tools_2_2_0()?, tools_4()?, confluent_kafka()?);
    let mut broker = Broker::start(&[]);
    create_topic(&client, &broker);
    for codec in CODECS {
        produce(&client, &broker, codec, MESSAGES);
    }
    let dir = broker.partition_dir(TOPIC, 0);
    let segments = segments(&dir);
    assert!(segments.len() >= 3, "{segments:?}: segments of 1 MiB have rolled");

    let rolled = &segments[..segments.len() - 1];
    let active: i64 = segments[segments.len() - 1].parse().expect("segments are named by their base offset");
    check(&dump(&old, &dir, rolled), active);

    broker.stop();
    let end = i64::try_from(MESSAGES * CODECS.len()).expect("few messages");
    for tools in [&old, &new] {
        check(&dump(tools, &dir, &segments), end);
        sanity(tools, &dir, &segments);
    }

    // The tool has changed nothing, and a broker goes on from there, also after it was killed.
    let mut end = end;
    for killed in [false, true] {
        broker.spawn();
        produce(&client, &broker, "none", 10);
        end += 10;
        assert_eq!(broker.ends(TOPIC, 1), [end]);
        if killed {
            broker.kill9_and_restart();
            assert_eq!(broker.ends(TOPIC, 1), [end], "after kill -9");
        }
        broker.stop();
        let segments = self::segments(&dir);
        for tools in [&old, &new] {
            check(&dump(tools, &dir, &segments), end);
            sanity(tools, &dir, &segments);
        }
    }
    Ok(())
}

fn create_topic(client: &Program, broker: &Broker) {
    // 1 MiB is the smallest segment that today's Kafka allows.
    let config = json!({"segment.bytes": "1048576"});
    let command = json!({"do": "create", "bootstrap": broker.bootstrap(), "topic": TOPIC, "partitions": 1, "config": config});
    client.ask(&command, &[]);
}

/// In batches of five, so that there are some hundred of them.
fn produce(client: &Program, broker: &Broker, codec: &str, count: usize) {
    let command = json!({
        "do": "produce", "bootstrap": broker.bootstrap(), "topic": TOPIC, "codec": codec,
        "settings": {"batch.num.messages": 5},
    });
    let input: Vec<String> = messages(count).iter().map(Message::to_line).collect();
    let answer = client.ask(&command, &input);
    assert_eq!(answer[0]["failures"], json!([]));
}

/// Values that hardly compress, with keys and headers.
fn messages(count: usize) -> Vec<Message> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut message = |n: usize| Message {
        partition: 0,
        timestamp: now_ms(),
        key: Some(format!("key {n}")),
        value: Some((0..200).map(|_| format!("{:016x}", random())).collect()),
        headers: vec![("n".into(), Some(n.to_string()))],
    };
    (0..count).map(&mut message).collect()
}

/// Names of the segments, without suffix, in order.
pub(crate) fn segments(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("names are ASCII");
    let names = entries.map(|entry| name(entry.expect("the directory is readable")));
    let mut logs: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".log").map(str::to_owned)).collect();
    logs.sort();
    logs
}

pub(crate) fn files(dir: &Path, segments: &[String], suffixes: &[&str]) -> Vec<PathBuf> {
    let of = |segment: &String| {
        suffixes.iter().map(|suffix| dir.join(format!("{segment}.{suffix}"))).collect::<Vec<_>>()
    };
    segments.iter().flat_map(of).collect()
}

pub(crate) fn run(tools: &Tools, files: &[PathBuf], options: &[&str]) -> Finished {
    let list: Vec<&str> = files.iter().map(|file| file.to_str().expect("paths are UTF-8")).collect();
    let list = list.join(",");
    tools.run(tools.dump, &[&["--files", &list], options].concat(), "")
}

fn dump(tools: &Tools, dir: &Path, segments: &[String]) -> Finished {
    run(tools, &files(dir, segments, &["log", "index", "timeindex"]), &["--deep-iteration"])
}

/// The tool's own check of indexes.
fn sanity(tools: &Tools, dir: &Path, segments: &[String]) {
    let text = run(tools, &files(dir, segments, &["index", "timeindex"]), &["--index-sanity-check"]).stdout;
    assert_eq!(text.matches("passed sanity check").count(), segments.len() * 2, "{text}");
}

/// A batch, as the dump tool tells of it.
#[derive(Debug)]
struct Batch {
    base_offset: i64,
    last_offset: i64,
    max_timestamp: i64,
}

/// What the output of the tool has said so far.
#[derive(Debug, Default)]
struct Report<'a> {
    file: &'a str,
    next_offset: i64,
    /// Of the segment at hand, by position.
    batches: BTreeMap<i64, Batch>,
    entries: [usize; 2],
    /// Base offsets of the segments.
    segments: BTreeSet<i64>,
    /// First and last offset of every batch.
    ranges: BTreeSet<(i64, i64)>,
}

/// Goes through the output file by file: `Dumping <path>`, then the lines about it.
fn check(finished: &Finished, end: i64) {
    let mut report = Report::default();
    finished.stdout.lines().for_each(|line| report.line(line));
    assert_eq!(report.next_offset, end, "all batches up to the end are there");
    let [offsets, times] = report.entries;
    assert!(offsets > report.ranges.len() / 2, "{offsets} offset index entries for {}", report.ranges.len());
    assert!(times > 0, "no time index entries");
    finished.stderr.lines().for_each(|line| report.complaint(line));
}

impl<'a> Report<'a> {
    fn line(&mut self, line: &'a str) {
        if let Some(path) = line.strip_prefix("Dumping ") {
            self.file = path;
            if path.ends_with(".log") {
                self.batches.clear();
                self.segments.insert(base(path));
            }
        } else if line.starts_with("baseOffset:") {
            self.batch(line);
        } else if line.starts_with("offset:") && self.file.ends_with(".index") {
            self.offset_entry(line);
        } else if line.starts_with("timestamp:") && self.file.ends_with(".timeindex") {
            self.time_entry(line);
        } else {
            let known = ["Starting offset: ", "Log starting offset: ", "| offset: "];
            assert!(known.iter().any(|known| line.starts_with(known)), "{}: {line}", self.file);
        }
    }

    fn batch(&mut self, line: &str) {
        assert!(line.ends_with("isvalid: true"), "{}: {line}", self.file);
        let (base_offset, last_offset) = (field(line, "baseOffset"), field(line, "lastOffset"));
        assert_eq!(base_offset, self.next_offset, "{}: {line}", self.file);
        self.next_offset = last_offset + 1;
        self.ranges.insert((base_offset, last_offset));
        let batch = Batch { base_offset, last_offset, max_timestamp: field(line, "CreateTime") };
        self.batches.insert(field(line, "position"), batch);
    }

    /// An entry names the last offset of the batch at its position.
    fn offset_entry(&mut self, line: &str) {
        let (file, offset, position) = (self.file, field(line, "offset"), field(line, "position"));
        let batch = self.batches.get(&position).unwrap_or_else(|| panic!("{file}: {line}: no batch there"));
        // An index without entries is shown as one entry of zeros.
        if position == 0 && offset == base(file) {
            return;
        }
        assert_eq!(offset, batch.last_offset, "{file}: {line}: {batch:?} is there");
        self.entries[0] += 1;
    }

    /// An entry names the largest timestamp of a batch and the batch's last offset.
    fn time_entry(&mut self, line: &str) {
        let (file, timestamp, offset) = (self.file, field(line, "timestamp"), field(line, "offset"));
        let named = self.batches.values().find(|batch| batch.last_offset >= offset);
        let named = named.unwrap_or_else(|| panic!("{file}: {line}: no such offset"));
        assert!((named.base_offset..=named.last_offset).contains(&offset), "{file}: {line}: {named:?}");
        assert_eq!(timestamp, named.max_timestamp, "{file}: {line}: {named:?}");
        self.entries[1] += 1;
    }

    /// What the tools say of Kafka's own files too, where those are right: 2.2.0 expects an offset index entry to
    /// name the first offset of its batch (it names the last), both expect a time index entry to name the last
    /// (2.2.0 writes that of the record), and 4 takes the start of each segment but the first for a gap. They may
    /// say so of our files if the entry and the batch belong together, and they may say nothing else.
    fn complaint(&self, line: &str) {
        let headers = [
            "Mismatches in :",
            "The following indexed offsets are not found in",
            "Non-consecutive offsets in ",
        ];
        if headers.iter().any(|header| line.starts_with(header)) {
            return;
        }
        if let Some(first) = line.strip_prefix("  -1 is followed by ") {
            let first: i64 = first.parse().unwrap_or(-1);
            assert!(first > 0 && self.segments.contains(&first), "the dump tool complains: {line}");
            return;
        }
        let (index, log) = line.split_once(", ").unwrap_or_else(|| panic!("the dump tool complains: {line}"));
        let (indexed, found) = (field(index, "offset"), field(log, "offset"));
        let fits = if line.starts_with("Indexed offset: ") {
            let batch = self.ranges.iter().find(|(_, last)| *last == found);
            batch.is_some_and(|(base, last)| (base..=last).contains(&&indexed))
        } else {
            line.starts_with("  Index offset: ") && self.ranges.contains(&(found, indexed))
        };
        assert!(fits, "the dump tool complains: {line}");
    }
}

/// The base offset in a file's name.
fn base(file: &str) -> i64 {
    let name = Path::new(file).file_stem().and_then(|stem| stem.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_else(|| panic!("{file}: no base offset in the name"))
}

/// The number behind `name: `.
pub(crate) fn field(line: &str, name: &str) -> i64 {
    let mut words = line.split_whitespace();
    let value = words.by_ref().find(|word| word.strip_suffix(':') == Some(name)).and_then(|_| words.next());
    let value = value.and_then(|value| value.trim_end_matches(',').parse().ok());
    value.unwrap_or_else(|| panic!("no number {name} in: {line}"))
}

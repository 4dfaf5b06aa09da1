//! `--reset-offsets`: where a group goes on, shown or done.

use super::{SCENARIOS, chosen, print};
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::{groups, when};
use crate::options::Options;
use kafka_client::{Client, ClientError, Isolation, OffsetSpec, TopicPartition};
use kafka_wire::ErrorCode;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is said when neither `--dry-run` nor `--execute` was.
pub(super) const NOTHING_WILL_BE_DONE: &str = "WARN: No action will be performed as the --execute option is missing. In \
    version 5.0, this command will require either --dry-run or --execute to be specified. You should add the --dry-run option \
    explicitly if you are scripting this command and want to keep the current default behavior without prompting.";

type Offsets = Vec<(TopicPartition, i64)>;

pub(super) fn run(options: &Options, client: &mut Client, io: &mut Io<'_>) -> Result<(), Failure> {
    if !SCENARIOS.iter().any(|scenario| options.has(scenario)) {
        let all: Vec<String> = SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
        return Err(Failure::usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
            all.join(", ")
        )));
    }
    let mut plans = Vec::new();
    for group in chosen(options, client)? {
        let state = match groups::describe(client, &group) {
            Ok(found) => found.state,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => "Dead".to_owned(),
            Err(error) => return Err(error.into()),
        };
        if !["Empty", "Dead"].contains(&state.as_str()) {
            io.line(&format!(
                "\nError: Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            ))?;
            plans.push((group, Vec::new()));
            continue;
        }
        let plan = plan(options, client, &group, io)?;
        if options.has("execute") {
            client.commit_for(&group, &plan)?;
        }
        plans.push((group, plan));
    }
    if options.has("export") {
        let single = options.values("group").len() == 1;
        return Ok(io.line(&csv(&plans, single))?);
    }
    Ok(io.out.write_all(print::resets(&plans).as_bytes())?)
}

/// A line a partition, with the group in front if there may be several.
fn csv(plans: &[(String, Offsets)], single: bool) -> String {
    let mut text = String::new();
    for (group, plan) in plans {
        for (at, offset) in plan {
            let front = if single { String::new() } else { format!("{},", quoted(group)) };
            text.push_str(&format!("{front}{},{},{offset}\n", quoted(&at.topic), at.partition));
        }
    }
    text
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', ' ']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn plan(options: &Options, client: &mut Client, group: &str, io: &mut Io<'_>) -> Result<Offsets, Failure> {
    if let Some(file) = options.value("from-file")? {
        let wanted = from_file(file, group)?;
        return in_range(client, wanted, io);
    }
    let partitions = if options.has("all-topics") {
        client.committed(group, None)?.into_keys().collect()
    } else if options.has("topic") {
        let mut found = groups::partitions(client, options.values("topic"))?;
        found.sort();
        found
    } else {
        return Err(Failure::usage("One of the reset scopes should be defined: --all-topics, --topic."));
    };
    check_there(client, &partitions)?;
    if let Some(offset) = options.parsed::<i64>("to-offset")? {
        return in_range(client, partitions.into_iter().map(|at| (at, offset)).collect(), io);
    }
    if options.has("to-earliest") {
        return at(client, &partitions, OffsetSpec::Earliest);
    }
    if options.has("to-latest") {
        return at(client, &partitions, OffsetSpec::Latest);
    }
    if let Some(text) = options.value("to-datetime")? {
        let time = when::date_time(text).map_err(Failure::told)?;
        return at_time(client, &partitions, time, io);
    }
    if let Some(text) = options.value("by-duration")? {
        let length = when::duration(text).map_err(Failure::told)?;
        return at_time(client, &partitions, now() - length, io);
    }
    let committed = client.committed(group, None)?;
    let current = |at: &TopicPartition| committed.get(at).and_then(|found| found.offset);
    if let Some(shift) = options.parsed::<i64>("shift-by")? {
        let shifted = partitions.into_iter().map(|at| match current(&at) {
            Some(offset) => Ok((at, offset.saturating_add(shift))),
            None => Err(Failure::usage(format!(
                "Cannot shift offset for partition {at} since there is no current committed offset"
            ))),
        });
        return in_range(client, shifted.collect::<Result<_, _>>()?, io);
    }
    let (known, new): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|at| current(at).is_some());
    let mut plan: Offsets =
        known.into_iter().filter_map(|at| current(&at).map(|offset| (at, offset))).collect();
    plan.extend(self::at(client, &new, OffsetSpec::Latest)?);
    plan.sort();
    Ok(plan)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Refuses partitions that do not exist.
fn check_there(client: &mut Client, partitions: &[TopicPartition]) -> Result<(), Failure> {
    let mut names: Vec<String> = partitions.iter().map(|at| at.topic.clone()).collect();
    names.dedup();
    let cluster = client.metadata(Some(&names), false)?;
    let there = |at: &&TopicPartition| {
        cluster
            .topics
            .get(&at.topic)
            .is_some_and(|topic| topic.error.is_none() && topic.partition(at.partition).is_some())
    };
    let lost: Vec<String> = partitions.iter().filter(|at| !there(at)).map(ToString::to_string).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!("The partitions \"{}\" do not exist", lost.join(","))))
}

fn at(client: &mut Client, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Offsets, Failure> {
    let found = groups::ends(client, partitions, spec)?;
    partitions
        .iter()
        .map(|at| match found.get(at) {
            Some(offset) => Ok((at.clone(), *offset)),
            None => Err(Failure::told(format!("the broker tells no offset of {at}; is its leader there?"))),
        })
        .collect()
}

/// The first record of that time or later; where there is none, the end.
fn at_time(
    client: &mut Client,
    partitions: &[TopicPartition],
    time: i64,
    io: &mut Io<'_>,
) -> Result<Offsets, Failure> {
    let wanted: Vec<_> = partitions.iter().map(|at| (at.clone(), OffsetSpec::Timestamp(time))).collect();
    let mut found = BTreeMap::new();
    for (at, result) in client.list_offsets(&wanted, Isolation::ReadUncommitted)? {
        let result = result.map_err(|code| {
            let what = format!("looking for an offset of {at}");
            Failure::from(ClientError::Refused { what, code, message: None })
        })?;
        found.extend(result.offset.filter(|offset| *offset >= 0).map(|offset| (at, offset)));
    }
    let late: Vec<TopicPartition> =
        partitions.iter().filter(|at| !found.contains_key(*at)).cloned().collect();
    for at in &late {
        io.line(&format!(
            "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
            at.partition, at.topic
        ))?;
    }
    found.extend(self::at(client, &late, OffsetSpec::Latest)?);
    Ok(found.into_iter().collect())
}

/// Moves offsets that the log does not have to its nearer end.
fn in_range(client: &mut Client, wanted: Offsets, io: &mut Io<'_>) -> Result<Offsets, Failure> {
    let partitions: Vec<TopicPartition> = wanted.iter().map(|(at, _)| at.clone()).collect();
    let starts = groups::ends(client, &partitions, OffsetSpec::Earliest)?;
    let ends = groups::ends(client, &partitions, OffsetSpec::Latest)?;
    let mut plan = Vec::new();
    for (at, offset) in wanted {
        let (start, end) =
            (starts.get(&at).copied().unwrap_or(0), ends.get(&at).copied().unwrap_or(i64::MAX));
        let (bound, word) =
            if offset > end { (end, "higher than latest") } else { (start, "lower than earliest") };
        let outside = offset > end || offset < start;
        if outside {
            io.err_line(&format!(
                "WARN New offset ({offset}) is {word} offset for topic partition {at}. Value will be set to {bound}."
            ));
        }
        plan.push((at, if outside { bound } else { offset }));
    }
    Ok(plan)
}

/// Reads `topic,partition,offset` or `group,topic,partition,offset` lines.
fn from_file(file: &str, group: &str) -> Result<Offsets, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::told(format!("{file} cannot be read: {error}")))?;
    let mut wanted = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let (of, rest) = match fields[..] {
            [of, topic, partition, offset] => (of, [topic, partition, offset]),
            [topic, partition, offset] => (group, [topic, partition, offset]),
            _ => ("", [""; 3]),
        };
        let [topic, partition, offset] = rest;
        match (partition.parse(), offset.parse()) {
            (Ok(partition), Ok(offset)) if of == group => {
                wanted.push((TopicPartition::new(topic, partition), offset));
            }
            (Ok::<i32, _>(_), Ok::<i64, _>(_)) => {}
            _ => {
                return Err(Failure::told(format!(
                    "line {number} of {file} is '{line}'; it should be topic,partition,offset or group,topic,partition,offset"
                )));
            }
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::{csv, from_file};
    use kafka_client::TopicPartition;

    #[test]
    fn a_plan_that_was_exported_is_read_again() {
        let plan = vec![(TopicPartition::new("t", 0), 5), (TopicPartition::new("t", 1), 7)];
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().to_str().unwrap().to_owned();
        for single in [true, false] {
            std::fs::write(file.path(), csv(&[("g".into(), plan.clone())], single)).unwrap();
            assert_eq!(from_file(&name, "g").unwrap(), plan);
        }
        assert!(from_file(&name, "other").unwrap().is_empty());
        std::fs::write(file.path(), "t,0\n").unwrap();
        assert!(format!("{:?}", from_file(&name, "g").unwrap_err()).contains("line 1 of "));
    }
}

//! Tables as Kafka prints them: each row begins with a line break, and one more ends the last.

use crate::failure::Failure;
use crate::io::Io;
use crate::ops::groups::{Described, Listed, Member, Progress};
use crate::ops::table::{row, width};
use kafka_client::TopicPartition;
use std::collections::BTreeMap;

/// A column's least width.
const LEAST: usize = 15;

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// `--list`: names, or a table with types and states.
pub(super) fn listing(groups: &[Listed], kinds: bool, states: bool) -> String {
    let mut text = String::new();
    if !kinds && !states {
        for found in groups {
            text.push_str(&format!("{}\n", found.group));
        }
        return text;
    }
    let first = width(LEAST, groups.iter().map(|found| found.group.as_str())) + 10;
    let unknown = |text: &str| if text.is_empty() { "Unknown".to_owned() } else { text.to_owned() };
    let mut lines = vec![("GROUP".to_owned(), "TYPE".to_owned(), "STATE".to_owned())];
    lines.extend(
        groups.iter().map(|found| (found.group.clone(), unknown(&found.kind), unknown(&found.state))),
    );
    for (group, kind, state) in lines {
        let mut cells = vec![group];
        cells.extend(kinds.then_some(kind));
        cells.extend(states.then_some(state));
        text.push_str(&format!("{}\n", row(&cells, &[first, 20, 20])));
    }
    text
}

/// What is said of a group's state before its table, on standard error.
pub(super) fn state_note(group: &Described, io: &mut Io<'_>) -> Result<(), Failure> {
    let name = &group.group;
    match group.state.as_str() {
        "Empty" => io.err_line(&format!("\nConsumer group '{name}' has no active members.")),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            io.err_line(&format!("\nWarning: Consumer group '{name}' is rebalancing."));
        }
        _ => {}
    }
    Ok(())
}

/// `--describe`: a row a partition.
pub(super) fn offsets(group: &str, rows: &[Progress], verbose: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let member = |show: fn(&Member) -> &str, progress: &Progress| {
        progress.member.as_ref().map_or_else(|| "-".to_owned(), |member| show(member).to_owned())
    };
    let mut lines = vec![
        [
            "GROUP",
            "TOPIC",
            "PARTITION",
            "LEADER-EPOCH",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "CONSUMER-ID",
            "HOST",
            "CLIENT-ID",
        ]
        .map(str::to_owned),
    ];
    lines.extend(rows.iter().map(|progress| {
        [
            group.to_owned(),
            or_dash(progress.at.as_ref().map(|at| at.topic.clone())),
            or_dash(progress.at.as_ref().map(|at| at.partition)),
            or_dash(progress.leader_epoch),
            or_dash(progress.offset),
            or_dash(progress.end),
            or_dash(progress.lag()),
            member(|member| &member.id, progress),
            member(|member| &member.host, progress),
            member(|member| &member.client, progress),
        ]
    }));
    let wide = |column: usize| width(LEAST, lines.iter().map(|line| line[column].as_str()));
    let widths = [wide(0), wide(1), 10, 15, 15, 15, 15, wide(7), wide(8), 0];
    let epoch = 3;
    let shown = |n: usize| verbose || n != epoch;
    let widths: Vec<usize> = (0..).zip(widths).filter(|(n, _)| shown(*n)).map(|(_, width)| width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<&String> =
            line.iter().enumerate().filter(|(n, _)| shown(*n)).map(|(_, cell)| cell).collect();
        text.push_str(&format!("\n{}", row(&cells, &widths)));
    }
    text.push('\n');
    text
}

/// `--describe --members`: a row a member.
pub(super) fn members(group: &Described, verbose: bool) -> String {
    let members = &group.members;
    let wide = |least: usize, of: fn(&Member) -> &str| width(least, members.iter().map(of));
    let assignments: Vec<String> = members.iter().map(|member| assignment(&member.assignment)).collect();
    let instances = members.iter().any(|member| member.instance.is_some());
    let mut heads = vec!["GROUP", "CONSUMER-ID"];
    let mut widths = vec![group.group.chars().count().max(LEAST), wide(LEAST, |member| &member.id)];
    if instances {
        heads.push("GROUP-INSTANCE-ID");
        widths.push(wide(17, |member| member.instance.as_deref().unwrap_or_default()));
    }
    heads.extend(["HOST", "CLIENT-ID", "#PARTITIONS"]);
    widths.extend([wide(LEAST, |member| &member.host), wide(LEAST, |member| &member.client), 15]);
    if verbose {
        heads.extend(["CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT"]);
        widths.extend([15, width(20, assignments.iter().map(String::as_str)), 15, 20]);
    }
    // The short table ends each line with a blank.
    let end = if verbose { "\n" } else { " \n" };
    let mut text = format!("\n{}{end}", row(&heads, &widths));
    for (member, assignment) in members.iter().zip(assignments) {
        let mut cells = vec![group.group.clone(), member.id.clone()];
        if instances {
            cells.push(member.instance.clone().unwrap_or_default());
        }
        cells.extend([member.host.clone(), member.client.clone(), member.assignment.len().to_string()]);
        if verbose {
            cells.extend(["-".to_owned(), assignment, "-".to_owned(), "-".to_owned()]);
        }
        text.push_str(&format!("{}{end}", row(&cells, &widths)));
    }
    text
}

/// `t:0,1;u:0`, or a dash for nothing.
pub(crate) fn assignment(partitions: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for at in partitions {
        topics.entry(&at.topic).or_default().push(at.partition.to_string());
    }
    let parts: Vec<String> =
        topics.into_iter().map(|(topic, list)| format!("{topic}:{}", list.join(","))).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(";") }
}

/// `--describe --state`.
pub(super) fn state(group: &Described, verbose: bool) -> String {
    let address = group.address.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let coordinator = format!("{address}  ({})", group.coordinator);
    let strategy = if group.strategy.is_empty() { "-" } else { &group.strategy };
    let count = group.members.len().to_string();
    let mut heads = vec!["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"];
    let mut cells = vec![group.group.as_str(), &coordinator, strategy, &group.state];
    let mut widths =
        vec![group.group.chars().count().max(LEAST), coordinator.chars().count().max(25), 20, 20];
    if verbose {
        heads.extend(["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]);
        cells.extend(["-", "-"]);
        widths.extend([15, 25]);
    }
    heads.push("#MEMBERS");
    cells.push(&count);
    format!("\n{}\n{}\n", row(&heads, &widths), row(&cells, &widths))
}

/// `--reset-offsets`: where each partition goes on.
pub(super) fn resets(groups: &[(String, Vec<(TopicPartition, i64)>)]) -> String {
    let first = width(LEAST, groups.iter().map(|(group, _)| group.as_str()));
    let topics = groups.iter().flat_map(|(_, offsets)| offsets.iter().map(|(at, _)| at.topic.as_str()));
    let widths = [first, width(LEAST, topics), 10];
    let mut text = String::new();
    if !groups.is_empty() {
        text.push_str(&format!("\n{}", row(&["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"], &widths)));
    }
    for (group, offsets) in groups {
        for (at, offset) in offsets {
            let (partition, offset) = (at.partition.to_string(), offset.to_string());
            text.push_str(&format!("\n{}", row(&[group.as_str(), &at.topic, &partition, &offset], &widths)));
        }
    }
    text.push('\n');
    text
}

/// `--delete-offsets`: what became of each partition.
pub(super) fn deleted(results: &BTreeMap<TopicPartition, Option<String>>) -> String {
    let widths = [width(LEAST, results.keys().map(|at| at.topic.as_str())), 10, 15];
    let mut text = format!("\n{}", row(&["TOPIC", "PARTITION", "STATUS"], &widths));
    for (at, error) in results {
        let status =
            error.as_ref().map_or_else(|| "Successful".to_owned(), |error| format!("Error: {error}"));
        text.push_str(&format!(
            "\n{}",
            row(&[at.topic.as_str(), &at.partition.to_string(), &status], &widths)
        ));
    }
    text.push('\n');
    text
}

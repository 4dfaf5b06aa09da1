//! What is wrong, in sentences: what an operator is told before anything else.

use super::groups::Standing;
use crate::broker::BrokerState;
use serde_json::{Value, json};

/// Lines that one answer holds at most.
const MOST: usize = 50;
/// A data directory with less room than this share is told.
const LITTLE_ROOM: u64 = 20;

/// A line: how bad (`bad`, `warn`, or `note` for what may well be meant), a sentence, and the page that shows more.
fn line(level: &str, text: &str, link: &str) -> Value {
    json!({ "level": level, "text": text, "link": link })
}

/// All that this broker knows to be wrong.
pub(super) fn all(state: &BrokerState) -> Vec<Value> {
    let mut lines = Vec::new();
    directories(state, &mut lines);
    logs(state, &mut lines);
    groups(state, &mut lines);
    lines.truncate(MOST);
    lines
}

fn directories(state: &BrokerState, lines: &mut Vec<Value>) {
    let link = || "#/broker".to_owned();
    if state.store.is_on_reserve() {
        let text = "The disk is full: messages are refused, and only deletions go on. Make room, or shorten \
                    retention.";
        lines.push(line("bad", text, &link()));
        return;
    }
    for dir in state.store.dirs() {
        match state.store.storage().space(&dir) {
            Ok(space) if space.available < space.total / LITTLE_ROOM => {
                let text = format!("{} has less than 5 % of its disk left.", dir.display());
                lines.push(line("warn", &text, &link()));
            }
            Ok(_) => {}
            Err(error) => {
                lines.push(line("bad", &format!("{} cannot be looked at: {error}.", dir.display()), &link()));
            }
        }
    }
}

fn logs(state: &BrokerState, lines: &mut Vec<Value>) {
    for topic in state.catalog.topics() {
        let link = || format!("#/topic/{}/partitions", topic.name);
        for (number, log) in topic.partitions.iter().enumerate() {
            let Some(log) = log else {
                let text = format!("{}-{number} is offline: its log could not be opened.", topic.name);
                lines.push(line("bad", &text, &link()));
                continue;
            };
            if log.is_poisoned() {
                let text = format!("{}-{number} refuses messages: the disk failed to sync it.", topic.name);
                lines.push(line("bad", &text, &link()));
            }
            for damage in log.damage() {
                let (from, to) = (damage.offsets.start, damage.offsets.end);
                let text =
                    format!("{}-{number} is damaged: offsets {from} to {to} cannot be read.", topic.name);
                lines.push(line("bad", &text, &link()));
            }
        }
        if lines.len() >= MOST {
            return;
        }
    }
}

/// Groups without members that are behind: nobody reads on.
fn groups(state: &BrokerState, lines: &mut Vec<Value>) {
    for group in state.groups.list() {
        if group.state != crate::coordinators::group::State::Empty || group.protocol_type.is_empty() {
            continue;
        }
        let standing =
            state.groups.offsets(&group.group_id, |offsets| Standing::of_all(state, offsets, false));
        if let Some(lag) = standing.lag.filter(|lag| *lag > 0) {
            let text = format!(
                "Group {} has no members and is {lag} {} behind: nobody reads for it.",
                group.group_id,
                if lag == 1 { "message" } else { "messages" }
            );
            lines.push(line("note", &text, &("#/group/".to_owned() + &escaped(&group.group_id))));
        }
        if lines.len() >= MOST {
            return;
        }
    }
}

/// A name as part of a link: everything but letters, digits and `-_.` as `%XX`.
fn escaped(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(one).collect()
}

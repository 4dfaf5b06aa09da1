//! Groups: who reads what, how far behind, and who of them has which partition.

use super::{Answer, Desk, Params, Problem, has};
use crate::broker::BrokerState;
use crate::coordinators::group::MemberDescription;
use crate::coordinators::offsets::Offsets;
use crate::coordinators::records::assigned_partitions;
use crate::metadata::Topic;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Positions of a group that one answer holds at most.
const MOST_POSITIONS: usize = 2_000;

/// Where a group stands in a topic, or in all of them.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// One line a partition.
    pub(super) places: Vec<Value>,
    /// Messages that are there and were not committed; `None` if no position is of a partition that is there.
    pub(super) lag: Option<i64>,
    /// When it last committed, in milliseconds.
    pub(super) last_commit: Option<i64>,
    /// Topics with a position.
    pub(super) topics: usize,
}

impl Standing {
    /// In one topic.
    pub(super) fn of_topic(topic: &Topic, offsets: &Offsets) -> Self {
        let mut standing = Self::default();
        let all = offsets.topics().find(|(name, _)| *name == topic.name.as_str());
        for (number, value) in all.into_iter().flat_map(|(_, partitions)| partitions) {
            standing.topics = 1;
            let at = value.committed_at.as_millis();
            standing.add(topic.name.as_str(), Some(topic), *number, value.offset, at, true);
        }
        standing
    }

    /// In all topics; without the lines if they are not wanted.
    pub(super) fn of_all(state: &BrokerState, offsets: &Offsets, with_places: bool) -> Self {
        let mut standing = Self::default();
        for (name, partitions) in offsets.topics() {
            let topic = state.catalog.topic(name);
            standing.topics += 1;
            for (number, value) in partitions {
                let at = value.committed_at.as_millis();
                standing.add(name, topic.as_deref(), *number, value.offset, at, with_places);
            }
        }
        standing
    }

    fn add(&mut self, name: &str, topic: Option<&Topic>, number: i32, offset: i64, at: i64, keep: bool) {
        let log = topic.and_then(|topic| topic.partition(number).ok());
        let end = log.map(|log| log.last_stable_offset().get());
        let lag = end.map(|end| (end - offset).max(0));
        if let Some(lag) = lag {
            self.lag = Some(self.lag.unwrap_or(0).saturating_add(lag));
        }
        self.last_commit = self.last_commit.max(Some(at));
        if keep && self.places.len() < MOST_POSITIONS {
            self.places.push(json!({
                "topic": name, "partition": number, "offset": offset, "committed": at,
                "start": log.map(|log| log.start_offset().get()), "end": end, "lag": lag,
            }));
        }
    }
}

/// A lag in words.
pub(super) fn lag_text(lag: Option<i64>) -> String {
    match lag {
        None => "its topics are gone".to_owned(),
        Some(0) => "has read everything".to_owned(),
        Some(1) => "1 message behind".to_owned(),
        Some(lag) => format!("{lag} messages behind"),
    }
}

/// A page of the list of groups: `q` in the name, sorted by `name` or `lag`.
pub(in super::super) fn groups(desk: &Desk, params: &Params) -> Answer {
    let (skip, limit) = params.page()?;
    let needle = params.text("q").unwrap_or_default().to_ascii_lowercase();
    let state = &desk.state;
    let mut found: Vec<_> =
        state.groups.list().into_iter().filter(|group| has(&group.group_id, &needle)).collect();
    let total = found.len();
    let standing = |name: &str| state.groups.offsets(name, |offsets| Standing::of_all(state, offsets, false));
    if params.text("sort") == Some("lag") {
        found.sort_by_cached_key(|group| Reverse(standing(&group.group_id).lag));
    }
    let rows = found.into_iter().skip(skip).take(limit).map(|group| {
        let standing = standing(&group.group_id);
        json!({
            "name": group.group_id, "state": group.state.name(), "protocol": group.protocol_type,
            "members": group.members, "topics": standing.topics, "lag": standing.lag,
            "lag_text": lag_text(standing.lag), "committed": standing.last_commit,
        })
    });
    let rows: Vec<Value> = rows.collect();
    Ok(json!({ "total": total, "skip": skip, "groups": rows }))
}

/// One group: members, what each has, and every position.
pub(in super::super) fn group(desk: &Desk, params: &Params) -> Answer {
    let name = params.required("name")?;
    let state = &desk.state;
    let Some(group) = state.groups.describe(name) else {
        let text = if state.groups.is_offline(name) {
            format!(
                "The offsets of group {name} lie in a log that could not be opened: nobody knows them now."
            )
        } else {
            format!("There is no group {name}: it was deleted, or its offsets were kept long enough.")
        };
        return Err(Problem::gone(text));
    };
    let standing = state.groups.offsets(name, |offsets| Standing::of_all(state, offsets, true));
    let mut owners = HashMap::new();
    let members: Vec<Value> = group.members.iter().map(|member| shown(member, &mut owners)).collect();
    let positions: Vec<Value> = standing.places.into_iter().map(|place| with_owner(place, &owners)).collect();
    Ok(json!({
        "name": name, "state": group.state.name(), "protocol_type": group.protocol_type,
        "protocol": group.protocol, "members": members, "lag": standing.lag,
        "lag_text": lag_text(standing.lag), "committed": standing.last_commit,
        "topics": standing.topics, "positions": positions,
    }))
}

fn shown(member: &MemberDescription, owners: &mut HashMap<(String, i64), String>) -> Value {
    // What a foreign protocol assigns is not ours to read: then nothing is shown.
    let assigned = assigned_partitions(&member.assignment).unwrap_or_default();
    let mut partitions = Vec::new();
    for (topic, number) in assigned {
        partitions.push(json!({ "topic": topic, "partition": number }));
        owners.insert((topic, i64::from(number)), member.client_id.clone());
    }
    json!({
        "id": member.member_id, "instance": member.instance_id, "client": member.client_id,
        "host": member.client_host.trim_start_matches('/'), "partitions": partitions,
    })
}

fn with_owner(mut place: Value, owners: &HashMap<(String, i64), String>) -> Value {
    let topic = place.get("topic").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = place.get("partition").and_then(Value::as_i64).unwrap_or(-1);
    if let (Some(owner), Some(object)) = (owners.get(&(topic, number)), place.as_object_mut()) {
        object.insert("owner".to_owned(), json!(owner));
    }
    place
}

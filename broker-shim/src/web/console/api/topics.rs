//! The list of topics, and one topic: its partitions, its settings, who reads it.

use super::super::live::Rate;
use super::groups::{Standing, lag_text};
use super::{Answer, Desk, Params, has};
use crate::broker::BrokerState;
use crate::config::{ConfigEntry, ConfigSource, TopicSettings};
use crate::metadata::Topic;
use log_engine::log::Log;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;

/// What a row of the list shows, and is sorted by.
#[derive(Debug)]
struct Row {
    topic: Arc<Topic>,
    messages: i64,
    bytes: u64,
    rate: Rate,
    last: i64,
}

/// A page of the list of topics: `q` in the name, sorted by `name`, `messages`, `size`, `rate` or `recent`.
pub(in super::super) fn topics(desk: &Desk, params: &Params) -> Answer {
    let (skip, limit) = params.page()?;
    let needle = params.text("q").unwrap_or_default().to_ascii_lowercase();
    let internal = params.is_on("internal");
    let all = desk.state.catalog.topics();
    let hidden = all.iter().filter(|topic| topic.internal).count();
    let found = all.into_iter().filter(|t| (internal || !t.internal) && has(t.name.as_str(), &needle));
    let sort = params.text("sort").unwrap_or("name");
    let (total, rows) = if sort == "name" {
        // Only what is shown is looked at.
        let found: Vec<_> = found.collect();
        (found.len(), found.into_iter().skip(skip).take(limit).map(|topic| row(desk, topic)).collect())
    } else {
        let mut rows: Vec<_> = found.map(|topic| row(desk, topic)).collect();
        sort_rows(&mut rows, sort);
        (rows.len(), rows.into_iter().skip(skip).take(limit).collect::<Vec<_>>())
    };
    let rows: Vec<Value> = rows.iter().map(shown).collect();
    Ok(json!({ "total": total, "skip": skip, "internal_topics": hidden, "topics": rows }))
}

fn row(desk: &Desk, topic: Arc<Topic>) -> Row {
    let logs = || topic.partitions.iter().flatten();
    Row {
        messages: logs().map(|log| span(log)).sum(),
        bytes: logs().map(|log| log.size_bytes()).sum(),
        rate: desk.live.rate(topic.id),
        last: desk.live.last_active(topic.id),
        topic,
    }
}

fn sort_rows(rows: &mut [Row], by: &str) {
    match by {
        "messages" => rows.sort_by_key(|row| Reverse(row.messages)),
        "size" => rows.sort_by_key(|row| Reverse(row.bytes)),
        "rate" => rows.sort_by(|a, b| b.rate.messages.total_cmp(&a.rate.messages)),
        "recent" => rows.sort_by_key(|row| Reverse(row.last)),
        _ => {}
    }
}

fn shown(row: &Row) -> Value {
    json!({
        "name": row.topic.name.as_str(),
        "internal": row.topic.internal,
        "partitions": row.topic.partition_count(),
        "offline": row.topic.partitions.iter().filter(|log| log.is_none()).count(),
        "messages": row.messages,
        "bytes": row.bytes,
        "rate": row.rate.messages,
        "rate_bytes": row.rate.bytes_in,
        "last": Some(row.last).filter(|last| *last > 0),
    })
}

/// How many offsets lie between the ends: the messages, but for markers and what compaction took.
pub(super) fn span(log: &Log) -> i64 {
    log.end_offset().distance_from(log.start_offset())
}

/// One topic, with a page of its partitions and all groups that have read it.
pub(in super::super) fn topic(desk: &Desk, params: &Params) -> Answer {
    let topic = desk.topic(params, "name")?;
    let (skip, limit) = params.page()?;
    let partitions: Vec<Value> =
        (0..topic.partition_count()).skip(skip).take(limit).map(|n| one_partition(&topic, n)).collect();
    let rate = desk.live.rate(topic.id);
    Ok(json!({
        "name": topic.name.as_str(),
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "partition_count": topic.partition_count(),
        "messages": topic.partitions.iter().flatten().map(|log| span(log)).sum::<i64>(),
        "bytes": topic.partitions.iter().flatten().map(|log| log.size_bytes()).sum::<u64>(),
        "rate": { "messages": rate.messages, "bytes_in": rate.bytes_in, "bytes_out": rate.bytes_out },
        "overrides": topic.overrides,
        "retention_ms": setting(&desk.state, &topic, "retention.ms"),
        "cleanup_policy": words(&desk.state, &topic),
        "skip": skip,
        "partitions": partitions,
        "groups": readers(&desk.state, &topic),
    }))
}

fn setting(state: &BrokerState, topic: &Topic, name: &str) -> i64 {
    TopicSettings::new(&state.catalog.config(), &topic.overrides).number(name)
}

fn words(state: &BrokerState, topic: &Topic) -> String {
    TopicSettings::new(&state.catalog.config(), &topic.overrides).words("cleanup.policy").join(",")
}

fn one_partition(topic: &Topic, number: i32) -> Value {
    let Ok(log) = topic.partition(number) else {
        return json!({ "partition": number, "offline": true });
    };
    let segments = log.segment_offsets();
    let messages = span(log);
    json!({
        "partition": number,
        "start": log.start_offset().get(),
        "end": log.end_offset().get(),
        "stable": log.last_stable_offset().get(),
        "synced": log.synced_end().get(),
        "messages": messages,
        "bytes": log.size_bytes(),
        "segments": segments.len(),
        "last_write": segments.last().filter(|_| messages > 0).map(|(_, time)| time.as_millis()),
        "damage": log.damage().len(),
        "refuses_writes": log.is_poisoned(),
        "dir": log.dir().display().to_string(),
    })
}

/// The groups that have committed offsets of the topic, and those positions.
fn readers(state: &BrokerState, topic: &Topic) -> Vec<Value> {
    let mut readers = Vec::new();
    for group in state.groups.list() {
        let standing = state.groups.offsets(&group.group_id, |offsets| Standing::of_topic(topic, offsets));
        if standing.places.is_empty() {
            continue;
        }
        readers.push(json!({
            "group": group.group_id,
            "state": group.state.name(),
            "members": group.members,
            "lag": standing.lag,
            "lag_text": lag_text(standing.lag),
            "committed": standing.last_commit,
            "positions": standing.places,
        }));
        if readers.len() == super::MOST_ROWS {
            break;
        }
    }
    readers
}

/// All settings of a topic, those that were made for it first.
pub(in super::super) fn topic_settings(desk: &Desk, params: &Params) -> Answer {
    let topic = desk.topic(params, "name")?;
    let config = desk.state.catalog.config();
    let mut entries = TopicSettings::new(&config, &topic.overrides).entries();
    entries.sort_by_key(|entry| entry.source.code());
    Ok(json!({ "name": topic.name.as_str(), "settings": entries.iter().map(entry).collect::<Vec<_>>() }))
}

/// A setting as the pages show it; a secret has no value.
pub(super) fn entry(entry: &ConfigEntry) -> Value {
    let source = match entry.source {
        ConfigSource::Topic => "this topic",
        ConfigSource::DynamicBroker => "this broker, at run time",
        ConfigSource::DynamicDefaultBroker => "all brokers, at run time",
        ConfigSource::StaticBroker => "the broker's start",
        ConfigSource::Default => "default",
    };
    json!({
        "name": entry.name, "value": entry.value, "source": source, "secret": entry.sensitive,
        "is_set": entry.source != ConfigSource::Default, "doc": entry.doc,
    })
}

//! What the pages may change, with `console.writes.enable` only: topics made, grown and deleted, a message sent.
//!
//! A message sent here goes the way of a producer's: the same checks, the same partition for the same key, and the answer
//! comes when it is on the disk (unless `log.durability=page-cache`).

use super::{Answer, Desk, Problem, partition};
use crate::metadata::{CreatePartitions, CreateTopic, CreateTopicError, DeleteTopicError, Topic};
use crate::trouble::Chain;
use kafka_client::partition::of_key;
use log_engine::error::LogError;
use log_engine::format::build::{BatchBuilder, NewRecord};
use log_engine::log::Origin;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// A form that was sent: a JSON object.
type Form = Value;

fn text<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, Problem> {
    text(form, name).ok_or_else(|| Problem::bad(format!("The field {name} is missing.")))
}

fn number<T: TryFrom<i64>>(form: &Form, name: &str) -> Result<Option<T>, Problem> {
    let Some(value) = form.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_i64().and_then(|number| T::try_from(number).ok());
    number.map(Some).ok_or_else(|| Problem::bad(format!("The field {name} is no number it can be.")))
}

/// Refuses what was not enabled.
fn check(desk: &Desk) -> Result<(), Problem> {
    if desk.writes {
        return Ok(());
    }
    Err(Problem::new(
        403,
        "This console only shows: set console.writes.enable=true to change things from here.",
    ))
}

/// `{name, partitions?, configs?: {key: value}}`
pub(in super::super) fn create_topic(desk: &Desk, form: &Form) -> Answer {
    check(desk)?;
    let configs = form.get("configs").and_then(Value::as_object).into_iter().flatten();
    let configs = configs.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect();
    let wanted = CreateTopic {
        partitions: number(form, "partitions")?,
        configs,
        ..CreateTopic::named(required(form, "name")?)
    };
    let created = desk.state.catalog.create(&wanted).map_err(|error| {
        let status = match &error {
            CreateTopicError::Exists(_) | CreateTopicError::Collision { .. } => 409,
            CreateTopicError::Storage(_) | CreateTopicError::Elsewhere(_) => 503,
            _ => 400,
        };
        Problem::new(status, Chain(&error).to_string())
    })?;
    Ok(json!({ "name": created.name.as_str(), "partitions": created.partition_count() }))
}

/// `{topic, count}`
pub(in super::super) fn create_partitions(desk: &Desk, form: &Form) -> Answer {
    check(desk)?;
    let topic = required(form, "topic")?.to_owned();
    let count = number(form, "count")?.ok_or_else(|| Problem::bad("The field count is missing."))?;
    let wanted = CreatePartitions { topic: topic.clone(), count, assignment: None };
    let done = desk.state.catalog.create_partitions(&wanted, false);
    done.map_err(|error| Problem::bad(Chain(&error).to_string()))?;
    Ok(json!({ "name": topic, "partitions": count }))
}

/// `{name, confirm: name}`
pub(in super::super) fn delete_topic(desk: &Desk, form: &Form) -> Answer {
    check(desk)?;
    let name = required(form, "name")?;
    if text(form, "confirm") != Some(name) {
        return Err(Problem::bad("To delete a topic, its name is to be repeated in the field confirm."));
    }
    desk.state.catalog.delete(name).map_err(|error| match &error {
        DeleteTopicError::Unknown => Problem::gone(format!("There is no topic {name}.")),
        DeleteTopicError::Storage(_) | DeleteTopicError::Elsewhere(_) => {
            Problem::new(503, Chain(&error).to_string())
        }
        _ => Problem::new(403, error.to_string()),
    })?;
    Ok(json!({ "name": name }))
}

/// `{topic, partition?, key?, value?, headers?: [[key, value], ...]}`; no value is null, which deletes a key.
pub(in super::super) fn send(desk: &Desk, form: &Form) -> Answer {
    check(desk)?;
    let name = required(form, "topic")?;
    let gone = || Problem::gone(format!("There is no topic {name}."));
    let topic = desk.state.catalog.topic(name).ok_or_else(gone)?;
    if topic.internal {
        return Err(Problem::new(403, format!("{name} is the broker's own: nothing is sent to it.")));
    }
    let key = form.get("key").and_then(Value::as_str);
    let value = form.get("value").and_then(Value::as_str);
    let number = match number(form, "partition")? {
        Some(number) => number,
        None => choose(&topic, key),
    };
    let log = partition(&topic, number)?;
    let headers = headers(form);
    let headers: Vec<(&str, Option<&[u8]>)> =
        headers.iter().map(|(key, value)| (*key, value.map(str::as_bytes))).collect();
    let record = NewRecord {
        key: key.map(str::as_bytes),
        value: value.map(str::as_bytes),
        headers: &headers,
        timestamp: Some(desk.state.clock.now()),
    };
    let refused = |error: LogError| Problem::bad(format!("The message was refused: {}.", Chain(&error)));
    let mut batch = BatchBuilder::new();
    batch.push(&record);
    let batch = batch.finish().map_err(|error| refused(error.into()))?;
    let done = log.append_batch(&batch, Origin::Client).map_err(refused)?;
    if desk.state.syncs_before_ack() {
        let unsure = |error: LogError| {
            Problem::new(503, format!("The message may be lost, the disk refused it: {}.", Chain(&error)))
        };
        log.sync().map_err(unsure)?;
    }
    Ok(json!({ "topic": name, "partition": number, "offset": done.base_offset.get() }))
}

fn headers(form: &Form) -> Vec<(&str, Option<&str>)> {
    let all = form.get("headers").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1).and_then(Value::as_str)))).collect()
}

/// The partition of a key, as Java's producers choose it; without a key each in turn.
fn choose(topic: &Topic, key: Option<&str>) -> i32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = topic.partition_count().unsigned_abs().max(1);
    let number = match key {
        Some(key) => of_key(key.as_bytes(), count),
        None => NEXT.fetch_add(1, Ordering::Relaxed) % count,
    };
    i32::try_from(number).unwrap_or(0)
}

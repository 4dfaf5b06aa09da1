//! What the pages ask, as JSON: one function per question, of a broker's state and the parameters of a URL.
//!
//! ```text
//!  GET /api/overview                                     facts, totals, what is wrong
//!  GET /api/live?since=MS[&topic=NAME]                   points of the throughput pictures
//!  GET /api/topics?q=&sort=&skip=&limit=&internal=       a page of the list of topics
//!  GET /api/topic?name=                                  one topic: partitions, who reads it
//!  GET /api/topic/settings?name=
//!  GET /api/messages?topic=&partition=&at=&dir=&find=    messages, see `messages`
//!  GET /api/message?topic=&partition=&offset=            one message, and who has read it
//!  GET /api/message/value?...&of=value|key               its bytes, as a download
//!  GET /api/groups, /api/group?name=, /api/settings?q=
//!  POST /api/topics, /api/partitions, /api/messages, /api/topic/delete      with console.writes.enable only
//! ```
//!
//! An answer that is no success is `{"error": "a sentence"}` with its status.
//!
//! # Invariants
//!
//! * Nothing here knows HTTP beyond a status: all of it is called by tests with plain values.
//! * What a client may name is looked up, never joined into a path; every number is bounded before it is used.

mod facts;
mod groups;
mod messages;
mod scan;
mod topics;
mod trouble;
mod writes;

pub(super) use facts::{live, overview, settings};
pub(super) use groups::{group, groups};
pub(super) use messages::{message, messages, raw};
pub(super) use topics::{topic, topic_settings, topics};
pub(super) use writes::{create_partitions, create_topic, delete_topic, send};

use super::live::Live;
use crate::broker::BrokerState;
use crate::metadata::{NoLog, Topic};
use log_engine::log::Log;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows of a list that one answer holds at most.
const MOST_ROWS: usize = 200;
/// Rows of a list if nothing is said.
const ROWS: usize = 50;

/// What every question is asked of.
#[derive(Debug)]
pub(super) struct Desk {
    /// The broker.
    pub(super) state: Arc<BrokerState>,
    /// What was counted while nobody looked.
    pub(super) live: Arc<Live>,
    /// Whether topics and messages may be made from here.
    pub(super) writes: bool,
}

/// Why a question has no answer: a status of HTTP and a sentence.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Problem {
    /// 400, 403, 404, 409, 429, 503.
    pub(super) status: u16,
    /// What was asked, what was found, what to do.
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(400, text)
    }

    pub(super) fn gone(text: impl Into<String>) -> Self {
        Self::new(404, text)
    }
}

/// An answer, or why there is none.
pub(super) type Answer = Result<Value, Problem>;

/// The parameters of a URL.
#[derive(Debug, Default)]
pub(super) struct Params(pub(super) HashMap<String, String>);

impl Params {
    /// A parameter; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::bad(format!("The parameter {name} is missing.")))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Problem::bad(format!("The parameter {name} is no number it can be.")))
        };
        self.text(name).map(parse).transpose()
    }

    fn is_on(&self, name: &str) -> bool {
        matches!(self.text(name), Some("1" | "true"))
    }

    /// Which rows of a list: how many to pass over, how many to give.
    fn page(&self) -> Result<(usize, usize), Problem> {
        let limit = self.number("limit")?.unwrap_or(ROWS).clamp(1, MOST_ROWS);
        Ok((self.number("skip")?.unwrap_or(0), limit))
    }
}

impl Desk {
    /// The topic of a parameter.
    fn topic(&self, params: &Params, name: &str) -> Result<Arc<Topic>, Problem> {
        let name = params.required(name)?;
        let gone = || Problem::gone(format!("There is no topic {name}: it was deleted, or never created."));
        self.state.catalog.topic(name).ok_or_else(gone)
    }
}

/// The log of a partition.
fn partition(topic: &Topic, number: i32) -> Result<&Arc<Log>, Problem> {
    topic.partition(number).map_err(|error| match error {
        NoLog::Unknown => Problem::gone(format!(
            "Topic {} has no partition {number}: it has {}, counted from 0.",
            topic.name,
            topic.partition_count()
        )),
        NoLog::Offline => Problem::new(
            503,
            format!(
                "Partition {number} of {} is offline: its log could not be opened, the broker's log says why.",
                topic.name
            ),
        ),
    })
}

/// Whether a text has the words of a search in it, whatever their case.
fn has(text: &str, lower_needle: &str) -> bool {
    lower_needle.is_empty() || text.to_ascii_lowercase().contains(lower_needle)
}

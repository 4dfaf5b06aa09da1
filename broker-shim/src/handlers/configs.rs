//! What the APIs about settings share: resources, and how a change of one is made.
//!
//! | number | resource | name | to be read | to be changed |
//! |--:|---|---|---|---|
//! | 2 | topic | its name | yes | yes |
//! | 4 | broker | our number, or empty for all brokers | yes | yes, what can change at run time |
//! | 8 | loggers of a broker | our number | there are none | no |
//! | 16, 32 | client metrics, groups | | there are none | no |

use super::errors;
use crate::broker::BrokerState;
use crate::config::{BrokerScope, ConfigChange, Escaped};
use crate::metadata::{AlterConfigsError, TopicName};
use crate::trouble::Chain;
use kafka_wire::ErrorCode;
use log_engine::error::LogError;
use std::collections::HashSet;

pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
/// Broker loggers: there are none to set.
pub(super) const BROKER_LOGGER: i8 = 8;
/// Client metrics and groups have settings in newer brokers; none here, and so no error when they are read.
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

pub(super) type Refusal = (ErrorCode, String);

/// Which resources of a request are named once; the others are refused, each.
fn named_once<'a>(all: impl Iterator<Item = (i8, &'a str)>) -> HashSet<(i8, &'a str)> {
    let (mut once, mut twice) = (HashSet::new(), HashSet::new());
    for resource in all {
        if !once.insert(resource) {
            twice.insert(resource);
        }
    }
    once.retain(|resource| !twice.contains(resource));
    once
}

/// Refuses a request that names a resource twice.
fn named_twice() -> Refusal {
    (ErrorCode::InvalidRequest, "Each resource must appear at most once.".to_owned())
}

/// Refuses keys that are named twice, as they could mean two things.
pub(super) fn keys_once<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    let mut keys = keys;
    if keys.all(|key| seen.insert(key)) {
        return Ok(());
    }
    Err((ErrorCode::InvalidRequest, "Error due to duplicate config keys".to_owned()))
}

/// Refuses a key without a value.
pub(super) fn no_value(key: &str) -> Refusal {
    (ErrorCode::InvalidRequest, format!("Null value not supported for : {}", Escaped(key)))
}

/// Makes the change of each resource, or only checks it; what is answered to each, in their order.
pub(super) fn alter_each<R>(
    state: &BrokerState,
    resources: &[R],
    validate_only: bool,
    named: for<'r> fn(&'r R) -> (i8, &'r str),
    change: fn(&R) -> Result<ConfigChange, Refusal>,
) -> Vec<(ErrorCode, Option<String>)> {
    let once = named_once(resources.iter().map(named));
    let answer = |resource: &R| {
        let (kind, name) = named(resource);
        let done = if once.contains(&(kind, name)) {
            change(resource).and_then(|change| alter(state, kind, name, &change, validate_only))
        } else {
            Err(named_twice())
        };
        match done {
            Ok(()) => (ErrorCode::None, None),
            Err((code, text)) => (code, Some(text)),
        }
    };
    resources.iter().map(answer).collect()
}

/// Makes a change, or only checks it.
fn alter(
    state: &BrokerState,
    resource_type: i8,
    name: &str,
    change: &ConfigChange,
    validate_only: bool,
) -> Result<(), Refusal> {
    match resource_type {
        TOPIC => {
            if name.is_empty() {
                return Err((
                    ErrorCode::InvalidRequest,
                    "Default topic resources are not allowed.".to_owned(),
                ));
            }
            TopicName::new(name).map_err(|e| (ErrorCode::InvalidTopicException, e.to_string()))?;
            let done = state.catalog.alter_topic(name, change, validate_only);
            done.map_err(|error| refused(name, &error, errors::of_alter(&error)))
        }
        BROKER => {
            let scope = scope(state, name)?;
            let done = state.catalog.alter_broker(scope, change, validate_only);
            done.map_err(|error| {
                // Here a bad value is an invalid request, in Kafka 2.2 and 4.
                let code = match errors::of_alter(&error) {
                    ErrorCode::InvalidConfig => ErrorCode::InvalidRequest,
                    other => other,
                };
                refused("the broker", &error, code)
            })
        }
        BROKER_LOGGER | CLIENT_METRICS | GROUP => {
            let what = match resource_type {
                BROKER_LOGGER => "Loggers of the broker",
                CLIENT_METRICS => "Client metrics",
                _ => "Settings of groups",
            };
            Err((ErrorCode::InvalidRequest, format!("{what} cannot be changed here.")))
        }
        other => Err((ErrorCode::InvalidRequest, format!("Unknown resource type {other}"))),
    }
}

fn refused(what: &str, error: &AlterConfigsError, code: ErrorCode) -> Refusal {
    if let AlterConfigsError::Storage(LogError::Rejected(_)) = error {
        return (code, "These settings are too large to be stored.".to_owned());
    }
    if let AlterConfigsError::Storage(cause) = error {
        tracing::warn!(of = what, error = %Chain(cause), "settings could not be stored");
    }
    (code, error.to_string())
}

/// Our own number, or the empty name of all brokers.
fn scope(state: &BrokerState, name: &str) -> Result<BrokerScope, Refusal> {
    if name.is_empty() {
        return Ok(BrokerScope::All);
    }
    let own = state.catalog.broker_id();
    match name.parse::<i32>() {
        Ok(id) if id == own => Ok(BrokerScope::Own),
        Ok(id) => {
            let text = format!("Unexpected broker id, expected {own}, but received {id}");
            Err((ErrorCode::InvalidRequest, text))
        }
        Err(_) => {
            let text = format!("Node id must be an integer, but it is: {}", Escaped(name));
            Err((ErrorCode::InvalidRequest, text))
        }
    }
}

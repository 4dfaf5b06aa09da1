//! The page of all settings, `docs/CONFIGURATION.md`, made from the tables that the broker reads them by.
//!
//! A test compares the page with the file; `cargo run -p broker-shim --example configuration` writes it anew.
//!
//! # Not here
//!
//! The tables (`keys`, `topic`; ZooKeeper's in its crate).

use super::keys::{BROKER_KEYS, BrokerKey, FAMILIES, Standing};
use super::topic::{TOPIC_KEYS, TopicKey};
use super::value::Kind;
use corrente_zookeeper::KEYS as ZOOKEEPER_KEYS;
use std::fmt::Write;

/// The release in which a key got its effect, where it is not the first.
const LATER: &[(&str, &str)] = &[];
/// The first release.
const FIRST: &str = "0.1";

const HEAD: &str = "\
# Configuration

Made from the code by `cargo run -p broker-shim --example configuration`: edit the tables in `broker-shim/src/config/`,
not this page.

A broker takes its settings from a `server.properties`, from the environment (with `--env`) and from
`--override key=value`; the last of these goes before the ones before it. Settings that are made while it runs
(`kafka-configs.sh`) go before all of them, and those for one broker before those for all. Relative folders in a file are
relative to that file. A key that is not on this page is a warning and has no effect; a wrong value stops the start and says
file, line and what was expected.

Without a file, `--env` and `advertised.listeners` only this machine is served (127.0.0.1 and ::1); with one of them all
interfaces are, unless `listeners` says otherwise.

| effect | meaning |
|---|---|
| read-only | read when the broker starts |
| dynamic | also by `kafka-configs.sh --entity-type brokers`, for one broker or for all, while it runs |
| topic | for one topic, when it is created (`--config`) and while it is there (`kafka-configs.sh --entity-type topics`) |
| none | taken without a warning, because a cluster's file has it; one node has no use for it |
| not yet | a warning says that it is ignored |
";

/// The text of the page.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    page.push_str(
        "\n## Broker\n\n| key | type | default | effect | since | meaning |\n|---|---|---|---|---|---|\n",
    );
    for row in BROKER_KEYS {
        broker_row(&mut page, row);
    }
    page.push_str("\nWhole families of keys are told by how they begin:\n\n| keys | effect |\n|---|---|\n");
    for (prefix, standing) in FAMILIES {
        let _ = writeln!(page, "| `{prefix}*` | {} |", effect(*standing, false));
    }
    page.push_str(
        "\n## Topics\n\nThe default of a topic is the broker's key beside it where that is set, else what is here. The effect of all \
         is `topic`.\n\n| key | type | default | broker's key | since | meaning |\n|---|---|---|---|---|---|\n",
    );
    for row in TOPIC_KEYS {
        topic_row(&mut page, row);
    }
    zookeeper(&mut page);
    page
}

fn zookeeper(page: &mut String) {
    page.push_str(
        "\n## ZooKeeper\n\nThe keys of a `zookeeper.properties` for `corrente zookeeper`, all `read-only`. What only an ensemble has is \
         taken and has no effect; other keys are a warning.\n\n| key | type | default | since | meaning |\n|---|---|---|---|---|\n",
    );
    for row in ZOOKEEPER_KEYS {
        let default = row.default.map_or_else(|| "not set".to_owned(), shown);
        let (name, kind, since) = (row.name, row.kind, since(row.name));
        let _ = writeln!(page, "| `{name}` | {kind} | {default} | {since} | {} |", cell(row.doc));
    }
}

fn broker_row(page: &mut String, row: &BrokerKey) {
    let default = row.default.map_or_else(|| "not set".to_owned(), shown);
    let effect = effect(row.standing, row.dynamic);
    let (name, kind, since) = (row.name, words(row.kind), since(row.name));
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| `{name}` | {kind} | {default} | {effect} | {since} | {} |", cell(row.doc));
}

fn topic_row(page: &mut String, row: &TopicKey) {
    let (name, kind, since) = (row.name, words(row.kind), since(row.name));
    let broker = row.broker_key.map_or_else(String::new, |key| format!("`{key}`"));
    let (default, doc) = (shown(row.default), cell(row.doc));
    let _ = writeln!(page, "| `{name}` | {kind} | {default} | {broker} | {since} | {doc} |");
}

fn effect(standing: Standing, dynamic: bool) -> &'static str {
    match standing {
        Standing::Used if dynamic => "dynamic",
        Standing::Used => "read-only",
        Standing::Accepted => "none",
        Standing::NotYet => "not yet",
    }
}

fn since(name: &str) -> &'static str {
    LATER.iter().find(|(key, _)| *key == name).map_or(FIRST, |(_, release)| release)
}

fn shown(default: &str) -> String {
    if default.is_empty() { "empty".to_owned() } else { format!("`{}`", cell(default)) }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A type and its range, in Kafka's names for types.
fn words(kind: Kind) -> String {
    match kind {
        Kind::Bool => "boolean".to_owned(),
        Kind::Short(low, high) => range("short", low, high, i16::MAX.into()),
        Kind::Int(low, high) => range("int", low, high, i32::MAX.into()),
        Kind::Long(low, high) => range("long", low, high, i64::MAX),
        Kind::Double(low, high) => format!("double, {low} to {high}"),
        Kind::Text => "string".to_owned(),
        Kind::Choice(words) => one_of(words),
        Kind::List([]) => "list".to_owned(),
        Kind::List(words) => format!("list of {}", one_of(words)),
        Kind::Class => "class".to_owned(),
        Kind::Password => "password".to_owned(),
    }
}

fn range(name: &str, low: i64, high: i64, top: i64) -> String {
    if high == top { format!("{name}, from {low}") } else { format!("{name}, {low} to {high}") }
}

fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_made_of_these_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
        let found = std::fs::read_to_string(path).unwrap_or_default();
        let first = found.lines().zip(reference().lines()).find(|(a, b)| a != b).map(|(a, _)| a.to_owned());
        assert!(
            found == reference(),
            "docs/CONFIGURATION.md is not what the code says (first at {first:?}): run cargo run -p broker-shim --example \
             configuration"
        );
    }

    #[test]
    fn rows_say_type_range_default_and_effect() {
        let page = reference();
        for line in [
            "| `log.retention.hours` | int, from -1 | `168` | read-only | 0.1 | How long records are kept, hours; \
             log.retention.minutes and .ms go first. |",
            "| `log.retention.ms` | long, from -1 | not set | dynamic | 0.1 | How long records are kept, ms; -1: for ever. |",
            "| `ssl.*` | not yet |",
            "| `retention.ms` | long, from -1 | `604800000` | `log.retention.ms` | 0.1 | How long records are kept; -1: for \
             ever. |",
        ] {
            assert!(page.contains(&format!("{line}\n")), "{line}");
        }
    }

    #[test]
    fn a_release_is_told_for_keys_that_there_are() {
        for (name, _) in LATER {
            let known = super::super::broker_key(name).is_some() || super::super::topic_key(name).is_some();
            assert!(known, "{name}");
        }
    }
}

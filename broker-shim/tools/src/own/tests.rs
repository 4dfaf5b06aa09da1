//! Our commands against a broker of ours.

use super::*;
use crate::testing::{Ran, Rig, ran_by};
use clap::Parser;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

fn run(line: &str) -> Ran {
    let words = std::iter::once("corrente").chain(line.split_whitespace());
    let command = Line::try_parse_from(words).expect(line).command;
    ran_by("", |io| execute(&command, io))
}

fn at(rig: &Rig, line: &str) -> String {
    let ran = run(&format!("{line} --bootstrap {}", rig.address()));
    assert_eq!((ran.err.as_str(), ran.code), ("", 0), "{line}");
    ran.out
}

#[test]
fn topics_are_made_shown_and_deleted() {
    let rig = Rig::start();
    assert_eq!(at(&rig, "topics"), "NAME  PARTITIONS  REPLICAS  ID\n");
    assert_eq!(at(&rig, "topics create a b -p 2 -c retention.ms=5"), "created a\ncreated b\n");
    let listed = at(&rig, "topics list");
    assert!(
        listed.lines().nth(1).is_some_and(|line| line.starts_with("a              2         1  ")),
        "{listed}"
    );
    let shown = at(&rig, "topics describe a");
    assert!(
        shown.contains("retention.ms  5\n") && shown.contains("        1       0  0         0\n"),
        "{shown}"
    );
    let json: serde_json::Value = serde_json::from_str(&at(&rig, "topics describe a --json")).unwrap();
    assert_eq!(json[0]["partitions"].as_array().map(Vec::len), Some(2));
    assert_eq!(json[0]["settings"]["retention.ms"], "5");
    assert_eq!(at(&rig, "topics delete a b --json").lines().count(), 2);
}

#[test]
fn settings_are_shown() {
    let rig = Rig::start();
    at(&rig, "topics create a -c retention.ms=5");
    assert_eq!(at(&rig, "configs show topic a"), "SETTING       VALUE  SET BY\nretention.ms  5      topic\n");
    assert!(at(&rig, "configs show topic a --all").lines().count() > 10);
    let json: serde_json::Value = serde_json::from_str(&at(&rig, "configs show topic a --json")).unwrap();
    assert_eq!(json[0]["set_by"], "topic");
}

#[test]
fn mistakes_are_one_sentence() {
    let rig = Rig::start();
    for (line, text, code) in [
        (
            "topics describe nope",
            "corrente: there is no topic nope; corrente topics lists those that exist\n",
            1,
        ),
        ("topics delete nope", "corrente: topic nope: This server does not host this topic-partition.\n", 1),
        ("topics create a -c b", "corrente: \"b\" is no setting: write key=value\n", 2),
        (
            "configs show topic nope",
            "corrente: there is no topic nope; corrente topics lists those that exist\n",
            1,
        ),
        (
            "configs set topic nope retention.ms=1",
            "corrente: there is no topic nope; corrente topics lists those that exist\n",
            1,
        ),
        ("configs show broker x", "corrente: \"x\" is no broker: give its number, for example 0\n", 2),
    ] {
        let ran = run(&format!("{line} --bootstrap {}", rig.address()));
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("", text, code), "{line}");
    }
    let ran = run("topics --bootstrap nothing");
    assert_eq!(
        ran.err,
        "corrente: \"nothing\" is no address of a broker: write host:port, for example localhost:9092\n"
    );
}

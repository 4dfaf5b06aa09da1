use super::TOOL;
use crate::kafka::{console_consumer, console_producer};
use crate::testing::{Rig, run_with};

/// A group `g` that has read two of three messages in topic `t`.
fn rig() -> Rig {
    let rig = Rig::start();
    let line = format!("--bootstrap-server {} --topic t", rig.address());
    assert_eq!(run_with(&console_producer::TOOL, &line, "a\nb\nc\n").code, 0);
    let read = rig.run(&console_consumer::TOOL, "--topic t --from-beginning --max-messages 2 --group g");
    assert_eq!((read.out.as_str(), read.err.as_str()), ("a\nb\n", "Processed a total of 2 messages\n"));
    rig
}

const HEAD: &str = "GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     \
                    HOST            CLIENT-ID";
const NOBODY: &str = "\nConsumer group 'g' has no active members.\n";

#[test]
fn a_group_is_listed_and_described() {
    let rig = rig();
    assert_eq!(rig.out(&TOOL, "--list"), "g\n");
    let listed = rig.out(&TOOL, "--list --state");
    assert_eq!(listed, format!("{:<25} {:<20}\n{:<25} {:<20}\n", "GROUP", "STATE", "g", "Empty"));
    assert_eq!(rig.out(&TOOL, "--list --state stable"), format!("{:<25} {:<20}\n", "GROUP", "STATE"));
    let offsets = rig.run(&TOOL, "--describe --group g");
    let row = "g               t               0          2               3               1               -               \
               -               -";
    assert_eq!(offsets.out, format!("\n{HEAD}\n{row}\n"));
    assert_eq!((offsets.err.as_str(), offsets.code), (NOBODY, 0));
    let state = rig.run(&TOOL, "--describe --group g --state").out;
    assert!(state.contains("  (0)      -                    Empty                0\n"), "{state}");
    let members = rig.run(&TOOL, "--describe --group g --members").out;
    assert!(
        members.starts_with(
            "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     \n"
        ),
        "{members:?}"
    );
}

#[test]
fn a_group_that_is_not_there_is_said_to_be_so() {
    let rig = Rig::start();
    let ran = rig.run(&TOOL, "--describe --group nope");
    let expected = "\nError: Executing consumer group command failed due to \
                    org.apache.kafka.common.errors.GroupIdNotFoundException: Group nope not found.\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), (expected, "", 0));
}

#[test]
fn offsets_are_set_only_if_asked_to() {
    let rig = rig();
    let shown = |spec: &str| rig.out(&TOOL, &format!("--reset-offsets --group g --topic t {spec}"));
    let table = |offset: i64| {
        format!(
            "\n{:<15} {:<15} {:<10} NEW-OFFSET\n{:<15} {:<15} {:<10} {offset}\n",
            "GROUP", "TOPIC", "PARTITION", "g", "t", 0
        )
    };
    assert_eq!(shown("--to-earliest --dry-run"), table(0));
    assert_eq!(shown("--to-latest --dry-run"), table(3));
    assert_eq!(shown("--shift-by -1 --dry-run"), table(1));
    assert_eq!(shown("--to-current --dry-run"), table(2));
    assert_eq!(shown("--by-duration P1D --dry-run"), table(0));
    assert!(shown("--to-datetime 2999-01-01T00:00:00.000 --dry-run").ends_with(&table(3)));
    assert_eq!(shown("--to-offset 1 --export --dry-run"), "t,0,1\n\n");
    let beyond = rig.run(&TOOL, "--reset-offsets --group g --topic t:0 --to-offset 99 --execute");
    assert!(beyond.err.contains("higher than latest"), "{}", beyond.err);
    assert_eq!(beyond.out, table(3));
    assert!(rig.run(&TOOL, "--describe --group g").out.contains(" 3               3               0 "));
    let warned = rig.run(&TOOL, "--reset-offsets --group g --topic t --to-earliest").err;
    assert!(warned.starts_with("WARN: No action will be performed"), "{warned}");
}

#[test]
fn what_makes_no_sense_is_refused_before_a_broker_is_asked() {
    for (line, told) in [
        ("", "Command must include exactly one action"),
        ("--list --describe", "Command must include exactly one action"),
        ("--describe", "Option [describe] takes one of these options: [group], [all-groups]"),
        ("--describe --group g --members --state", "at most one of these options"),
        ("--reset-offsets --group g --topic t --to-latest --to-earliest", "can't be used with option"),
        ("--reset-offsets --group g --topic t --dry-run", "requires one of the following scenarios"),
        ("--delete-offsets --group g", "takes the following options"),
    ] {
        let ran = crate::testing::run(&TOOL, &format!("--bootstrap-server 127.0.0.1:1 {line}"));
        let scenario = line.ends_with("--dry-run");
        assert!(ran.err.contains(told) || scenario, "{line}: {}", ran.err);
        assert_eq!(ran.code, 1, "{line}");
    }
}

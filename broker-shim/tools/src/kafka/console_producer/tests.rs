use super::TOOL;
use crate::kafka::console_consumer;
use crate::testing::{Ran, Rig, run_with};

fn produce(rig: &Rig, options: &str, input: &str) -> Ran {
    run_with(&TOOL, &format!("--bootstrap-server {} --topic t {options}", rig.address()), input)
}

fn read(rig: &Rig, options: &str) -> String {
    rig.run(&console_consumer::TOOL, &format!("--topic t --partition 0 --offset earliest {options}")).out
}

#[test]
fn lines_are_messages_and_nothing_is_printed_but_to_a_terminal() {
    let rig = Rig::start();
    let ran = produce(&rig, "--broker-list ignored:1", "x\n");
    assert_eq!(ran.code, 1, "two names of one option");
    let ran = produce(&rig, "", "a\n\nlast");
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("", "", 0));
    assert_eq!(read(&rig, "--max-messages 3"), "a\n\nlast\n");
}

#[test]
fn what_was_read_before_a_bad_line_is_sent() {
    let rig = Rig::start();
    let ran = produce(&rig, "--property parse.key=true --property key.separator=:", "k:1\nnokey\nk:2\n");
    assert_eq!((ran.err.as_str(), ran.code), ("No key separator found on line number 2: 'nokey'\n", 1));
    assert_eq!(read(&rig, "--timeout-ms 100 --property print.key=true"), "k\t1\n");
}

#[test]
fn every_codec_and_every_kind_of_acknowledgement_is_taken() {
    let rig = Rig::start();
    let mut expected = String::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for acks in ["all", "-1", "1", "0"] {
            let options =
                format!("--compression-codec {codec} --request-required-acks {acks} --batch-size 10");
            let ran = produce(&rig, &options, &format!("{codec} {acks}\n"));
            assert_eq!((ran.err.as_str(), ran.code), ("", 0), "{options}");
            expected.push_str(&format!("{codec} {acks}\n"));
        }
    }
    assert_eq!(read(&rig, "--max-messages 20"), expected);
}

#[test]
fn a_topic_that_is_not_made_is_one_sentence() {
    let rig = Rig::with(&[("auto.create.topics.enable", "false")]);
    let ran = produce(&rig, "", "x\n");
    assert_eq!((ran.out.as_str(), ran.code, ran.err.lines().count()), ("", 1, 1), "{}", ran.err);
}

#[test]
fn messages_too_large_for_the_topic_are_told_of_by_their_line() {
    let rig = Rig::with(&[("message.max.bytes", "200")]);
    let ran = produce(&rig, "--batch-size 1", &format!("small\n{}\nsmall too\n", "x".repeat(500)));
    assert!(ran.err.starts_with("line 2 did not arrive: "), "{}", ran.err);
    assert_eq!(ran.code, 1);
}

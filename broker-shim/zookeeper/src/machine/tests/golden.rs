//! Conversations that were recorded on real servers, byte for byte.

use super::super::Output;
use super::{Frame, Rig};
use crate::acl;
use crate::state::{Saved, State};
use crate::tree::{Change, Kind, Moment};
use crate::watch::ConnId;

const SESSION: &str = include_str!("../golden/session.txt");
const KAFKA: &str = include_str!("../golden/kafka.txt");

fn bytes(hex: &str) -> Frame {
    let hex: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    hex.chunks(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Times of nodes differ from run to run: those of the recordings' year become zeros.
fn timeless(hex: &str) -> String {
    let mut out = hex.to_owned();
    while let Some(at) = out.find("000001a207") {
        let end = (at + 16).min(out.len());
        out.replace_range(at..end, &"0".repeat(end - at));
    }
    out
}

/// Plays a conversation on a connection and compares what comes back.
fn play(rig: &mut Rig, id: ConnId, text: &str) {
    let mut got: Vec<String> = Vec::new();
    let mut what = "";
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("#", name)) => what = name,
            Some((mark @ (">" | "!"), frame)) => {
                assert_eq!(got, [""; 0], "more than was recorded, {what}");
                rig.machine.frame(id, &bytes(frame)[4..]);
                for output in rig.machine.take_outputs() {
                    match output {
                        Output::Send(_, bytes) if mark == ">" => got.push(hex(&bytes)),
                        Output::Send(..) => {}
                        Output::Close(..) => got.push("(connection closed)".into()),
                    }
                }
            }
            Some(("<", expected)) => {
                assert!(!got.is_empty(), "no answer, {what}");
                let mut answer = timeless(&got.remove(0));
                let mut expected = timeless(expected);
                if what.starts_with("connect") {
                    // The password is random.
                    answer.replace_range(48..80, "");
                    expected.replace_range(48..80, "");
                }
                assert_eq!(answer, expected, "{what}");
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!(got, [""; 0], "more than was recorded, {what}");
}

#[test]
fn a_session_is_answered_as_a_real_server_does() {
    let state = State { zxid: 0xee, last_session: 0x0100_006c_31b1_001e, ..State::new() };
    let mut rig = Rig::on(state);
    let id = rig.open();
    play(&mut rig, id, SESSION);
    assert_eq!(rig.closed.len(), 0);
}

/// A state in which a broker's nodes are there and nothing happened after `zxid`.
fn kafka(zxid: i64, session: i64, nodes: &[&str]) -> State {
    let mut state = State { zxid, last_session: session - 1, ..State::new() };
    for path in nodes {
        let change =
            Change::Create { path: (*path).into(), data: None, acl: acl::open(), kind: Kind::Persistent };
        state.tree.apply(&change, Moment { zxid: 0x19, time: 0x1a2_0700_0000 }).unwrap();
    }
    state
}

fn part(name: &str) -> &'static str {
    let from = KAFKA.find(name).unwrap();
    let end = KAFKA[from..].find("\n# ").map_or(KAFKA.len(), |len| from + len);
    &KAFKA[KAFKA[..from].rfind('#').unwrap()..end]
}

#[test]
fn a_kafka_broker_registers_and_takes_the_controller() {
    let (epoch, ids) = ("/controller_epoch", "/brokers/ids");
    let state = kafka(0x9e, 0x0100_006c_31b1_0012, &["/brokers", ids, epoch]);
    let mut rig = Rig::on(state);
    let id = rig.client();
    play(&mut rig, id, part("multi that registers"));
    let mut w = crate::wire::jute::Writer::new();
    w.string("/controller").bool(true);
    assert_eq!(rig.ask(id, 3, w).err, -101);
    // The epoch's node was written once before.
    let change = Change::SetData { path: epoch.into(), data: None, version: 1 };
    rig.machine.state.tree.apply(&change, Moment { zxid: 0x19, time: 0 }).unwrap();
    play(&mut rig, id, part("multi that takes"));
    let mut w = crate::wire::jute::Writer::new();
    w.string("/nope").int(-1);
    assert_eq!(rig.ask(id, 2, w).err, -101, "something takes a zxid");
    play(&mut rig, id, part("fence"));
}

#[test]
fn a_kafka_broker_comes_back_with_its_watches() {
    let config = ["/config", "/config/changes", "/admin", "/admin/delete_topics"];
    let brokers = ["/brokers", "/brokers/ids", "/brokers/ids/0", "/brokers/topics", "/brokers/topics/c1"];
    let rest = ["/controller", "/isr_change_notification", "/log_dir_event_notification"];
    let nodes = [&config[..], &brokers, &rest].concat();
    let mut state = kafka(0x7a, 0x0100_006c_31b1_0001, &nodes);
    let text = part("reconnect");
    let password = bytes(&text.lines().nth(1).unwrap()[2..])[32..48].try_into().unwrap();
    state.sessions.insert(0x0100_006c_31b1_0000, Saved { timeout: 6000, password });
    let mut rig = Rig::on(state);
    let id = rig.open();
    play(&mut rig, id, text);
    assert_eq!(rig.machine.watch_counts().2, 11);
}

#[test]
fn connects_are_answered_as_a_real_server_does() {
    let state = State { zxid: 0xee, last_session: 0x0100_006c_31b1_001e, ..State::new() };
    let mut rig = Rig::on(state);
    let new = |timeout: &str| {
        format!(
            "> 0000002d000000000000000000000000{timeout}00000000000000000000001000000000000000000000000000000000\
         00\n"
        )
    };
    for (asked, given) in [("00000001", "00001770"), ("00989680", "0000ea60")] {
        let id = rig.open();
        let answer = rig.say(id, &bytes(&new(asked)[2..].replace('\n', ""))[4..]);
        assert_eq!(hex(&answer[0].1[4..8]), given);
    }
    let id = rig.open();
    let old =
        "0000002c0000000000000000000000000000271000000000000000000000001000000000000000000000000000000000";
    let answer = rig.say(id, &bytes(old)[4..]);
    assert_eq!(answer[0].1.len(), 36, "without the byte that old clients do not know");
    let id = rig.open();
    let wrong = "0000002d000000000000000000000000000027100100006c31b1001f0000001001010101010101010101010101010101\
                 00";
    play(&mut rig, id, &format!("# connect\n> {wrong}\n< 00000025000000000000000000000000000000000000001000000000000000000000000000000000\
         00\n< (connection closed)")
        .replace("# connect", "# wrong password"));
    let id = rig.open();
    let ahead =
        "0000002d00000000000000007fffffff000027100000000000000000000000100000000000000000000000000000000000";
    play(&mut rig, id, &format!("# from the future\n> {ahead}\n< (connection closed)"));
}

#[test]
fn what_ends_a_connection_ends_it_as_on_a_real_server() {
    for (what, frame, answer) in [
        ("op 55", "0000000e0000000100000037000000022f67", "0000001000000001fffffffffffffffffffffffa"),
        (
            "auth with scheme nope",
            "00000019fffffffc0000006400000000000000046e6f70650000000175",
            "00000010fffffffc0000000000000000ffffff8d",
        ),
    ] {
        let mut rig = Rig::new();
        let id = rig.client();
        play(&mut rig, id, &format!("# {what}\n> {frame}\n< {answer}\n< (connection closed)"));
        play(&mut rig, id, "# behind it\n> 0000000e0000000200000003000000012f00");
    }
    let state = State { zxid: 0x10b, ..State::new() };
    let mut rig = Rig::on(state);
    let id = rig.client();
    play(
        &mut rig,
        id,
        "# sasl\n> 0000000c000000010000006600000000\n< 0000001400000001000000000000000000000000ffffffff",
    );
    play(
        &mut rig,
        id,
        "# closeSession\n> 0000000800000002fffffff5\n< 0000001000000002000000000000010d00000000\n< (connection closed)",
    );
}

//! One behaviour after the other.

use super::bodies::{body, create, multi, path, path_and, path_int, set};
use super::{Rig, connect, session_of};
use crate::state::State;
use crate::txn::Txn;
use crate::wire::jute::{Reader, Writer};
use std::time::Duration;

fn path_of(body: &[u8]) -> String {
    Reader::new(body).string().unwrap().to_owned()
}

#[test]
fn ephemerals_go_before_the_reply_to_the_goodbye_and_their_watchers_are_told() {
    let mut rig = Rig::new();
    let (a, b) = (rig.client(), rig.client());
    assert_eq!(rig.ask(a, 1, create("/e", 1)).err, 0);
    assert_eq!(rig.ask(a, 3, path_and("/e", true)).err, 0);
    assert_eq!(rig.ask(b, 3, path_and("/e", true)).err, 0);
    assert_eq!(rig.ask(b, 8, path_and("/", true)).err, 0);
    let bye = rig.ask(a, -11, Writer::new());
    assert_eq!(bye.err, 0);
    let deleted = (2, "/e".to_owned());
    assert_eq!(bye.events, [(a, deleted.clone()), (b, deleted), (b, (4, "/".to_owned()))]);
    assert_eq!(rig.closed, [(a, None)]);
    assert_eq!(rig.ask(b, 3, path_and("/e", false)).err, -101);
}

#[test]
fn a_silent_session_dies_after_its_timeout_and_not_before() {
    let mut rig = Rig::new();
    let (a, b) = (rig.client(), rig.client());
    rig.ask(a, 1, create("/e", 1));
    rig.ask(b, 3, path_and("/e", true));
    rig.advance(Duration::from_millis(9_000));
    rig.say(b, &[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11]);
    assert_eq!(rig.advance(Duration::from_millis(999)).len(), 0);
    let events = rig.advance(Duration::from_millis(1));
    assert_eq!(events.len(), 1, "the other one is told");
    assert_eq!((events[0].0, super::event(&events[0].1)), (b, (2, "/e".to_owned())));
    assert_eq!(rig.closed, [(a, None)]);
}

#[test]
fn a_session_that_lost_its_connection_is_taken_up_again_with_its_password() {
    let mut rig = Rig::new();
    let a = rig.open();
    let first = rig.say(a, &connect(0, 10_000, 0, &[0; 16]));
    let (timeout, session, password) = session_of(&first[0].1);
    assert_eq!(timeout, 10_000);
    rig.ask(a, 1, create("/e", 1));
    rig.machine.closed(a);
    rig.advance(Duration::from_secs(9));
    let b = rig.open();
    let again = rig.say(b, &connect(1, 10_000, session, &password));
    assert_eq!(session_of(&again[0].1), (10_000, session, password.clone()));
    rig.advance(Duration::from_secs(9));
    assert_eq!(rig.ask(b, 3, path_and("/e", false)).err, 0, "its node is there");
    let c = rig.open();
    assert_eq!(rig.say(c, &connect(1, 10_000, session, &password)).len(), 1);
    assert_eq!(rig.closed, [(b, None)], "the second connection takes over");
    assert_eq!(rig.say(b, &[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11]), [], "the first is not heard any more");
    rig.advance(Duration::from_secs(10));
    let d = rig.open();
    let late = rig.say(d, &connect(1, 10_000, session, &password));
    assert_eq!(session_of(&late[0].1), (0, 0, vec![0; 16]));
}

#[test]
fn zxids_count_sessions_writes_and_failures_and_nothing_else() {
    let mut rig = Rig::new();
    let a = rig.client();
    assert_eq!(rig.ask(a, 3, path_and("/", false)).zxid, 1);
    assert_eq!(rig.ask(a, 1, create("/a", 0)).zxid, 2);
    let failed = rig.ask(a, 1, create("/a", 0));
    assert_eq!((failed.err, failed.zxid), (-110, 3));
    assert_eq!(rig.ask(a, 5, set("/a", 7)).zxid, 4);
    assert_eq!(rig.ask(a, 9, path("/a")).zxid, 4);
    let records = rig.machine.take_records();
    let zxids: Vec<i64> = records.iter().map(|r| Txn::decode(r).unwrap().at.zxid).collect();
    assert_eq!(zxids, [1, 2, 3, 4]);
}

/// What the records say is what was answered from.
#[test]
fn the_records_rebuild_the_state() {
    let mut rig = Rig::new();
    let (a, b) = (rig.client(), rig.client());
    for (kind, body) in [
        (1, create("/a", 0)),
        (1, create("/a/s-", 2)),
        (1, create("/a/s-", 3)),
        (5, set("/a", 0)),
        (5, set("/a", 0)),
        (2, path_int("/a/s-0000000000", -1)),
        (19, create("/c", 4)),
    ] {
        rig.ask(a, kind, body);
    }
    rig.ask(b, 1, create("/b", 1));
    rig.ask(b, -11, Writer::new());
    let mut state = State::new();
    for record in rig.machine.take_records() {
        state.apply(&Txn::decode(&record).unwrap()).unwrap();
    }
    assert_eq!(&state, rig.machine.state());
    assert_eq!(state.tree.len(), 4 + 3);
}

#[test]
fn a_failed_multi_changes_nothing_but_the_zxid() {
    let mut rig = Rig::new();
    let a = rig.client();
    rig.ask(a, 1, create("/a", 0));
    rig.ask(a, 8, path_and("/a", true));
    let before = rig.machine.state().tree.clone();
    let ops = vec![
        (1, create("/a/s-", 2)),
        (1, create("/a/e", 1)),
        (5, set("/a", 0)),
        (2, path_int("/a/e", -1)),
        (13, path_int("/a", 0)),
    ];
    let answer = rig.ask(a, 14, multi(ops));
    assert_eq!((answer.err, answer.events), (0, vec![]));
    assert_eq!(&before, &rig.machine.state().tree);
    let errors: Vec<i32> = {
        let mut r = Reader::new(&answer.body);
        (0..5).map(|_| (r.int(), r.bool(), r.int(), r.int().unwrap()).3).collect()
    };
    assert_eq!(errors, [0, 0, 0, 0, -103]);
}

#[test]
fn create2_answers_with_the_stat_and_containers_go_when_their_last_child_has_gone() {
    let mut rig = Rig::new();
    let a = rig.client();
    let made = rig.ask(a, 15, create("/g", 0));
    assert_eq!((made.err, made.body.len(), path_of(&made.body)), (0, 6 + 68, "/g".to_owned()));
    assert_eq!(rig.ask(a, 19, create("/c", 4)).err, 0);
    let ping = |rig: &mut Rig| {
        for _ in 0..9 {
            rig.clock.advance(Duration::from_secs(9));
            rig.say(a, &[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11]);
            rig.machine.tick();
        }
    };
    ping(&mut rig);
    assert_eq!(rig.ask(a, 3, path_and("/c", false)).err, 0, "it never had a child");
    rig.ask(a, 1, create("/c/x", 0));
    rig.ask(a, 2, path_int("/c/x", -1));
    rig.ask(a, 3, path_and("/c", true));
    ping(&mut rig);
    assert_eq!(rig.ask(a, 3, path_and("/c", false)).err, -101);
}

#[test]
fn a_node_with_a_time_to_live_goes_when_it_was_not_changed_for_so_long() {
    let mut rig = Rig::new();
    let a = rig.client();
    let ttl = |path: &str, flags: i32, ms: i64| {
        body(|w| {
            w.append(&create(path, flags)).long(ms);
        })
    };
    assert_eq!(rig.ask(a, 21, ttl("/t", 5, 100_000)).err, 0);
    assert_eq!(rig.ask(a, 21, ttl("/s-", 6, 1 << 30)).err, 0);
    assert_eq!(rig.ask(a, 21, ttl("/x", 5, 0)).err, -8);
    assert_eq!(rig.ask(a, 1, create("/x", 5)).err, -8);
    let wait = |rig: &mut Rig, secs: u64| {
        for _ in 0..secs / 5 {
            rig.clock.advance(Duration::from_secs(5));
            rig.say(a, &[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11]);
            rig.machine.tick();
        }
    };
    wait(&mut rig, 90);
    rig.ask(a, 5, set("/t", -1));
    wait(&mut rig, 60);
    assert_eq!(rig.ask(a, 3, path_and("/t", false)).err, 0, "it was changed meanwhile");
    wait(&mut rig, 120);
    assert_eq!(rig.ask(a, 3, path_and("/t", false)).err, -101);
    assert_eq!(rig.ask(a, 3, path_and("/s-0000000001", false)).err, 0);
}

#[test]
fn what_is_closed_with_a_digest_is_open_to_whoever_sends_it_only() {
    let mut rig = Rig::new();
    let (a, b) = (rig.client(), rig.client());
    let auth = || {
        body(|w| {
            w.int(0).string("digest").buffer(Some(b"u:p"));
        })
    };
    assert_eq!(rig.ask(a, 100, auth()).err, 0);
    let mine = body(|w| {
        w.string("/p").buffer(Some(b"x")).count(1).int(31).string("auth").string("").int(0);
    });
    assert_eq!(rig.ask(a, 1, mine).err, 0);
    assert_eq!(rig.ask(b, 4, path_and("/p", true)).err, -102);
    assert_eq!(rig.ask(b, 8, path_and("/p", false)).err, -102);
    assert_eq!(rig.ask(b, 5, set("/p", -1)).err, -102);
    assert_eq!(rig.ask(b, 1, create("/p/c", 0)).err, -102);
    assert_eq!(rig.ask(b, 6, path("/p")).err, -102);
    assert_eq!(rig.ask(b, 3, path_and("/p", true)).err, -102, "not even that it is there, as of 3.9.4");
    let told = rig.ask(a, 5, set("/p", -1));
    assert_eq!((told.err, told.events), (0, vec![]), "who may not read is not told");
    assert_eq!(rig.ask(b, 100, auth()).err, 0);
    assert_eq!(rig.ask(b, 4, path_and("/p", false)).err, 0);
    let who = rig.ask(b, 107, Writer::new());
    let mut r = Reader::new(&who.body);
    assert_eq!(r.strings_of_pairs(), [("ip", "127.0.0.1"), ("digest", "u")]);
}

impl<'a> Reader<'a> {
    fn strings_of_pairs(&mut self) -> Vec<(&'a str, &'a str)> {
        let count = self.count(8).unwrap();
        (0..count).map(|_| (self.string().unwrap(), self.string().unwrap())).collect()
    }
}

#[test]
fn lasting_watches_are_set_found_and_removed() {
    let mut rig = Rig::new();
    let (a, b) = (rig.client(), rig.client());
    assert_eq!(rig.ask(a, 106, path_int("/r", 1)).err, 0);
    for flags in [0, 0] {
        let made = rig.ask(b, 1, create("/r", flags));
        assert_eq!(made.events.len(), usize::from(made.err == 0));
    }
    assert_eq!(rig.ask(b, 1, create("/r/x", 0)).events, [(a, (1, "/r/x".to_owned()))]);
    assert_eq!(rig.ask(a, 17, path_int("/r", 3)).err, 0);
    assert_eq!(rig.ask(a, 17, path_int("/none", 3)).err, -121);
    assert_eq!(rig.ask(a, 18, path_int("/r", 3)).err, 0);
    assert_eq!(rig.ask(a, 18, path_int("/r", 3)).err, -121);
    assert_eq!(rig.ask(b, 2, path_int("/r/x", -1)).events, []);
    assert_eq!(rig.ask(a, 106, path_int("/r", 7)).err, -8);
}

#[test]
fn several_reads_have_each_their_own_error_and_a_bounded_answer() {
    let mut rig = Rig::new();
    let a = rig.client();
    let big = body(|w| {
        w.string("/big").buffer(Some(&[7; 1 << 20])).count(1).int(31).string("world").string("anyone").int(0);
    });
    rig.ask(a, 1, big);
    let reads = |paths: &[&str]| {
        body(|w| {
            for path in paths {
                w.int(4).bool(false).int(-1).string(path).bool(false);
            }
            w.int(-1).bool(true).int(-1);
        })
    };
    let answer = rig.ask(a, 22, reads(&["/none", "/zookeeper"]));
    assert_eq!((answer.err, answer.body.len()), (0, 13 + 9 + 4 + 68 + 9));
    assert_eq!(rig.ask(a, 22, reads(&["/big"; 40])).err, i32::MIN);
    assert!(rig.closed[0].1.as_deref().unwrap().contains("multiRead"));
}

#[test]
fn descendants_are_counted_and_own_ephemerals_listed() {
    let mut rig = Rig::new();
    let (a, b) = (rig.client(), rig.client());
    for (path, flags) in [("/a", 0), ("/a/b", 0), ("/a/b/c", 0), ("/ab", 0), ("/a/e", 1), ("/f", 1)] {
        assert_eq!(rig.ask(a, 1, create(path, flags)).err, 0);
    }
    rig.ask(b, 1, create("/a/mine", 1));
    let count = |answer: super::Answer| i32::from_be_bytes(answer.body[..4].try_into().unwrap());
    assert_eq!(count(rig.ask(a, 104, path("/a"))), 4);
    assert_eq!(count(rig.ask(a, 104, path("/"))), 10);
    assert_eq!(rig.ask(a, 104, path("/none")).err, -101);
    let listed = |answer: super::Answer| {
        let all = Reader::new(&answer.body).strings().unwrap();
        all.into_iter().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(listed(rig.ask(a, 103, path("/"))), ["/a/e", "/f"]);
    assert_eq!(listed(rig.ask(a, 103, path("/a"))), ["/a/e"]);
}

#[test]
fn the_servers_own_nodes_stay() {
    let mut rig = Rig::new();
    let a = rig.client();
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
        assert_eq!(rig.ask(a, 2, path_int(path, -1)).err, -8, "{path}");
    }
    assert_eq!(rig.ask(a, 1, create("/", 0)).err, -110);
    let config = rig.ask(a, 4, path_and("/zookeeper/config", true));
    assert_eq!((config.err, &config.body[..4]), (0, &[0; 4][..]));
    assert_eq!(rig.ask(a, 5, set("/zookeeper/config", -1)).err, -102);
}

#[test]
fn a_frame_that_cannot_be_read_closes_the_connection_and_leaves_the_session() {
    let mut rig = Rig::new();
    let a = rig.client();
    assert_eq!(rig.say(a, &[0, 0, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]), []);
    assert!(rig.closed[0].1.as_deref().unwrap().starts_with("a request cannot be read"));
    assert_eq!(rig.machine.state().sessions.len(), 1);
    let b = rig.open();
    assert_eq!(rig.say(b, b"nonsense"), []);
    assert_eq!(rig.closed.len(), 2);
}

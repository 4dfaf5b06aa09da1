//! The machine against frames that real servers and clients exchanged, then one behaviour after the other.

mod behaviour;
mod golden;
mod model;

use super::{Machine, Output, Settings};
use crate::state::State;
use crate::watch::ConnId;
use crate::wire::jute::Writer;
use log_engine::Timestamp;
use log_engine::io::ManualClock;
use std::sync::Arc;
use std::time::Duration;

/// A machine, and the clock that it sees.
pub(crate) struct Rig {
    pub(crate) machine: Machine,
    pub(crate) clock: ManualClock,
    next: ConnId,
    /// What was closed, and why.
    closed: Vec<(ConnId, Option<String>)>,
    xid: i32,
}

/// A frame without its length.
pub(crate) type Frame = Vec<u8>;

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(State::new())
    }

    pub(crate) fn on(state: State) -> Self {
        // The beginning of time: sessions are numbered from the state, and times in nodes are zeros.
        let clock = ManualClock::at(Timestamp::from_millis(0).unwrap());
        let machine = Machine::new(Settings::default(), Arc::new(clock.clone()), state);
        Self { machine, clock, next: 1, closed: Vec::new(), xid: 0 }
    }

    pub(crate) fn open(&mut self) -> ConnId {
        let id = self.next;
        self.next += 1;
        self.machine.opened(id, ([127, 0, 0, 1], 4000).into());
        id
    }

    /// What is sent to each connection for a frame of this one.
    fn say(&mut self, id: ConnId, frame: &[u8]) -> Vec<(ConnId, Frame)> {
        self.machine.frame(id, frame);
        self.heard()
    }

    fn heard(&mut self) -> Vec<(ConnId, Frame)> {
        let mut sent = Vec::new();
        for output in self.machine.take_outputs() {
            match output {
                Output::Send(id, bytes) => {
                    let (len, rest) = bytes.split_at(4);
                    assert_eq!(len, u32::try_from(rest.len()).unwrap().to_be_bytes());
                    sent.push((id, rest.to_vec()));
                }
                Output::Close(id, why) => self.closed.push((id, why)),
            }
        }
        sent
    }

    /// A new connection with a new session.
    pub(crate) fn client(&mut self) -> ConnId {
        let id = self.open();
        let answer = self.say(id, &connect(0, 10_000, 0, &[0; 16]));
        assert_eq!((answer.len(), answer[0].0, answer[0].1.len()), (1, id, 37));
        id
    }

    /// Asks and gives the answer's error and body; events of the same connection come before.
    #[expect(clippy::needless_pass_by_value, reason = "made for the call")]
    pub(crate) fn ask(&mut self, id: ConnId, kind: i32, body: Writer) -> Answer {
        self.xid += 1;
        let mut w = Writer::new();
        w.int(self.xid).int(kind);
        w.append(&body);
        let all = self.say(id, &w.into_bytes());
        let mut mine: Vec<Frame> = all.iter().filter(|(to, _)| *to == id).map(|(_, f)| f.clone()).collect();
        let reply = mine.pop();
        let events = all.iter().filter(|(_, f)| f[..4] == [0xff; 4]).map(|(to, f)| (*to, event(f))).collect();
        let Some(reply) = reply.filter(|r| r[..4] == self.xid.to_be_bytes()) else {
            return Answer { err: i32::MIN, zxid: 0, body: Vec::new(), events };
        };
        let zxid = i64::from_be_bytes(reply[4..12].try_into().unwrap());
        let err = i32::from_be_bytes(reply[12..16].try_into().unwrap());
        Answer { err, zxid, body: reply[16..].to_vec(), events }
    }

    pub(crate) fn advance(&mut self, by: Duration) -> Vec<(ConnId, Frame)> {
        self.clock.advance(by);
        self.machine.tick();
        self.heard()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    /// `i32::MIN` if there was none.
    pub(crate) err: i32,
    pub(crate) zxid: i64,
    pub(crate) body: Vec<u8>,
    /// To whom, what kind, which path.
    pub(crate) events: Vec<(ConnId, (i32, String))>,
}

pub(crate) mod bodies {
    //! Bodies of requests.

    use crate::wire::jute::Writer;

    pub(crate) fn body(fill: impl FnOnce(&mut Writer)) -> Writer {
        let mut w = Writer::new();
        fill(&mut w);
        w
    }

    pub(crate) fn create(path: &str, flags: i32) -> Writer {
        create_with(path, b"x", flags)
    }

    pub(crate) fn create_with(path: &str, data: &[u8], flags: i32) -> Writer {
        body(|w| {
            w.string(path).buffer(Some(data)).count(1).int(31).string("world").string("anyone").int(flags);
        })
    }

    pub(crate) fn path(path: &str) -> Writer {
        body(|w| {
            w.string(path);
        })
    }

    pub(crate) fn path_and(path: &str, watch: bool) -> Writer {
        body(|w| {
            w.string(path).bool(watch);
        })
    }

    pub(crate) fn path_int(path: &str, int: i32) -> Writer {
        body(|w| {
            w.string(path).int(int);
        })
    }

    pub(crate) fn set(path: &str, version: i32) -> Writer {
        set_to(path, b"y", version)
    }

    pub(crate) fn set_to(path: &str, data: &[u8], version: i32) -> Writer {
        body(|w| {
            w.string(path).buffer(Some(data)).int(version);
        })
    }

    /// The operations of a multi.
    pub(crate) fn multi(ops: Vec<(i32, Writer)>) -> Writer {
        body(|w| {
            for (kind, op) in ops {
                w.int(kind).bool(false).int(-1).append(&op);
            }
            w.int(-1).bool(true).int(-1);
        })
    }
}

fn event(frame: &[u8]) -> (i32, String) {
    let kind = i32::from_be_bytes(frame[16..20].try_into().unwrap());
    (kind, String::from_utf8(frame[28..].to_vec()).unwrap())
}

fn connect(last_zxid: i64, timeout: i32, session: i64, password: &[u8]) -> Frame {
    let mut w = Writer::new();
    w.int(0).long(last_zxid).int(timeout).long(session).buffer(Some(password)).bool(false);
    w.into_bytes()
}

/// Session and password of a connect answer.
fn session_of(answer: &[u8]) -> (i32, i64, Vec<u8>) {
    let timeout = i32::from_be_bytes(answer[4..8].try_into().unwrap());
    (timeout, i64::from_be_bytes(answer[8..16].try_into().unwrap()), answer[20..36].to_vec())
}

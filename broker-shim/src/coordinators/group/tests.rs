//! One behaviour each, then the table of all states and requests.

use super::*;
use crate::coordinators::records::GroupValue;
use bytes::Bytes;

mod rounds;
mod statics;
mod table;

/// A group with its clock and what came out of it.
pub(super) struct Bench {
    pub(super) group: Group,
    pub(super) settings: GroupSettings,
    pub(super) now: Now,
    tickets: u64,
    fresh: u64,
    pub(super) stored: Vec<GroupValue>,
    joins: BTreeMap<Ticket, JoinReply>,
    syncs: BTreeMap<Ticket, SyncReply>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let now =
            Now { at: Duration::from_secs(1_000), wall: Timestamp::from_millis(1_700_000_000_000).unwrap() };
        Self {
            group: Group::new("g", now),
            settings: GroupSettings::default(),
            now,
            tickets: 0,
            fresh: 0,
            stored: Vec::new(),
            joins: BTreeMap::new(),
            syncs: BTreeMap::new(),
        }
    }

    fn absorb(&mut self, fx: Effects) {
        if fx.store {
            self.stored.push(self.group.record());
        }
        for (ticket, reply) in fx.joins {
            assert!(self.joins.insert(ticket, reply).is_none(), "{ticket:?} answered twice");
        }
        for (ticket, reply) in fx.syncs {
            assert!(self.syncs.insert(ticket, reply).is_none(), "{ticket:?} answered twice");
        }
    }

    pub(super) fn join_ticket(&mut self, mut join: Join) -> Ticket {
        self.fresh += u64::from(join.member_id.is_empty());
        join.fresh_id = format!("m{}", self.fresh);
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let mut fx = Effects::default();
        self.group.join(ticket, join, &self.settings, self.now, &mut fx);
        self.absorb(fx);
        ticket
    }

    pub(super) fn join_reply(&mut self, ticket: Ticket) -> Option<JoinReply> {
        self.joins.remove(&ticket)
    }

    pub(super) fn sync_reply(&mut self, ticket: Ticket) -> Option<SyncReply> {
        self.syncs.remove(&ticket)
    }

    /// A join that is answered at once.
    pub(super) fn join(&mut self, join: Join) -> JoinReply {
        let ticket = self.join_ticket(join);
        self.join_reply(ticket).expect("answered at once")
    }

    pub(super) fn refused(&mut self, join: Join) -> GroupError {
        self.join(join).unwrap_err().error
    }

    pub(super) fn sync_ticket(&mut self, member: &str, assignments: &[(&str, &'static str)]) -> Ticket {
        let assignments = assignments.iter().map(|(id, a)| ((*id).to_owned(), Bytes::from(*a))).collect();
        let generation = self.group.generation();
        self.sync_with(Sync { member_id: member.into(), generation, assignments, ..Sync::default() })
    }

    pub(super) fn sync_with(&mut self, sync: Sync) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let mut fx = Effects::default();
        self.group.sync(ticket, sync, self.now, &mut fx);
        self.absorb(fx);
        ticket
    }

    pub(super) fn fail_storing(&mut self) {
        let mut fx = Effects::default();
        self.group.storing_failed(&self.settings, self.now, &mut fx);
        self.absorb(fx);
    }

    pub(super) fn heartbeat(&mut self, member: &str) -> Result<(), GroupError> {
        let generation = self.group.generation();
        self.group.heartbeat(&Leaver { member_id: member.into(), instance_id: None }, generation, self.now)
    }

    pub(super) fn leave(&mut self, member: &str) -> Result<(), GroupError> {
        self.leave_as(&Leaver { member_id: member.into(), instance_id: None })
    }

    pub(super) fn leave_as(&mut self, leaver: &Leaver) -> Result<(), GroupError> {
        let mut fx = Effects::default();
        let results = self.group.leave(std::slice::from_ref(leaver), &self.settings, self.now, &mut fx);
        self.absorb(fx);
        results[0]
    }

    /// Lets time pass and does what falls due on the way, each at its deadline.
    pub(super) fn pass(&mut self, millis: u64) {
        let end = self.now.at + Duration::from_millis(millis);
        while let Some(due) = self.group.deadline().filter(|due| *due <= end) {
            self.advance_to(due);
            let mut fx = Effects::default();
            self.group.expire(&self.settings, self.now, &mut fx);
            self.absorb(fx);
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, at: Duration) {
        let by = at.saturating_sub(self.now.at);
        self.now.at += by;
        self.now.wall = self.now.wall.saturating_add_millis(i64::try_from(by.as_millis()).unwrap());
    }

    /// A stable group of `count` members `m1`, `m2`, ...; the first leads.
    pub(super) fn stable(count: usize) -> Self {
        let mut bench = Self::new();
        let _ = bench.join_ticket(consumer(""));
        for _ in 1..count {
            bench.join_ticket(consumer(""));
            let ids: Vec<String> = bench.group.members.keys().cloned().collect();
            for id in
                ids.iter().filter(|id| bench.group.members[*id].join.is_none()).cloned().collect::<Vec<_>>()
            {
                bench.join_ticket(consumer(&id));
            }
        }
        assert_eq!(bench.group.state(), State::Completing);
        let ids: Vec<String> = bench.group.members.keys().cloned().collect();
        for id in ids.iter().rev() {
            bench.sync_ticket(id, &[("m1", "a1"), ("m2", "a2"), ("m3", "a3")]);
        }
        assert_eq!(bench.group.state(), State::Stable);
        bench.joins.clear();
        bench.syncs.clear();
        bench
    }
}

/// A consumer that speaks `range`, with a session of 10 s and a rebalance timeout of 30 s.
pub(super) fn consumer(member_id: &str) -> Join {
    Join {
        member_id: member_id.into(),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(30),
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", "sub")],
        ..Join::default()
    }
}

pub(super) fn speaking(member_id: &str, names: &[&'static str]) -> Join {
    Join { protocols: names.iter().map(|name| protocol(name, "sub")).collect(), ..consumer(member_id) }
}

pub(super) fn protocol(name: &str, metadata: &'static str) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::from(metadata) }
}

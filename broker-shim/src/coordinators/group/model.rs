//! Any requests in any order at any time, against what must always hold.

use super::tests::{Bench, consumer, protocol};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug)]
enum Step {
    Join { slot: usize, with_id: bool, id_required: bool, subscription: u8, sticky_first: bool },
    Sync { slot: usize, stale: bool },
    Heartbeat { slot: usize },
    Leave { slot: usize },
    Commit { slot: usize },
    Pass { millis: u64 },
    Restart,
    StoringFailed,
}

const SLOTS: usize = 6;

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..SLOTS;
    prop_oneof![
        6 => (slot.clone(), prop::bool::weighted(0.8), any::<bool>(), 0u8..3, prop::bool::weighted(0.2)).prop_map(
            |(slot, with_id, id_required, subscription, sticky_first)| Step::Join {
                slot, with_id, id_required, subscription, sticky_first
            }
        ),
        5 => (slot.clone(), prop::bool::weighted(0.1)).prop_map(|(slot, stale)| Step::Sync { slot, stale }),
        3 => slot.clone().prop_map(|slot| Step::Heartbeat { slot }),
        1 => slot.clone().prop_map(|slot| Step::Leave { slot }),
        2 => slot.prop_map(|slot| Step::Commit { slot }),
        4 => (0u64..20_000).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Restart),
        1 => Just(Step::StoringFailed),
    ]
}

/// A client: slots 4 and 5 are static members.
#[derive(Default)]
struct Client {
    id: String,
    generation: i32,
    join: Option<(Ticket, Duration)>,
    sync: Option<(Ticket, Duration)>,
    /// The generation the sync was asked for.
    syncs: i32,
    leads: Option<Vec<String>>,
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    highest: i32,
    /// Assignment of each generation as members learned it: member id to what it owns.
    owned: BTreeMap<i32, BTreeMap<String, Bytes>>,
}

impl World {
    fn new(delay: u64) -> Self {
        let mut bench = Bench::new();
        bench.settings.initial_delay = Duration::from_millis(delay);
        let clients = (0..SLOTS).map(|_| Client::default()).collect();
        Self { bench, clients, highest: 0, owned: BTreeMap::new() }
    }

    fn instance(slot: usize) -> Option<String> {
        (slot >= 4).then(|| format!("i{slot}"))
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Join { slot, with_id, id_required, subscription, sticky_first } => {
                self.join(slot, with_id, id_required, subscription, sticky_first);
            }
            Step::Sync { slot, stale } => self.sync(slot, stale),
            Step::Heartbeat { slot } => {
                let member = self.leaver(slot);
                let generation = self.clients[slot].generation;
                let _ = self.bench.group.heartbeat(&member, generation, self.bench.now);
            }
            Step::Leave { slot } => {
                let member = self.leaver(slot);
                let _ = self.bench.leave_as(&member);
            }
            Step::Commit { slot } => self.commit(slot),
            Step::Pass { millis } => self.bench.pass(millis),
            Step::Restart => self.restart(),
            Step::StoringFailed => self.bench.fail_storing(),
        }
        self.collect();
        self.check();
    }

    fn leaver(&self, slot: usize) -> Leaver {
        Leaver { member_id: self.clients[slot].id.clone(), instance_id: Self::instance(slot) }
    }

    fn join(&mut self, slot: usize, with_id: bool, id_required: bool, subscription: u8, sticky_first: bool) {
        let id = if with_id { self.clients[slot].id.clone() } else { String::new() };
        let text = ["s0", "s1", "s2"][usize::from(subscription)];
        let mut protocols = vec![protocol("range", text), protocol("sticky", text)];
        if sticky_first {
            protocols.reverse();
        }
        let join = Join { instance_id: Self::instance(slot), id_required, protocols, ..consumer(&id) };
        let at = self.bench.now.at;
        let ticket = self.bench.join_ticket(join);
        let client = &mut self.clients[slot];
        // An older request of this client has lost its reader; whether it is answered is not of interest here.
        client.join = Some((ticket, at));
    }

    fn sync(&mut self, slot: usize, stale: bool) {
        let client = &self.clients[slot];
        let generation = client.generation - i32::from(stale);
        // Partition n of the topic goes to the n-th member: no partition to two.
        let members = client.leads.clone().unwrap_or_default();
        let assignments = members
            .iter()
            .enumerate()
            .map(|(n, id)| (id.clone(), Bytes::from(format!("{generation}:p{n}"))))
            .collect();
        let sync = Sync {
            member_id: client.id.clone(),
            instance_id: Self::instance(slot),
            generation,
            assignments,
            ..Sync::default()
        };
        let at = self.bench.now.at;
        let ticket = self.bench.sync_with(sync);
        self.clients[slot].sync = Some((ticket, at));
        self.clients[slot].syncs = generation;
    }

    fn commit(&mut self, slot: usize) {
        let generation = Some(self.clients[slot].generation).filter(|g| *g > 0);
        let Leaver { member_id, instance_id } = self.leaver(slot);
        let committer = Committer { generation, member_id, instance_id };
        let verdict = self.bench.group.check_commit(&committer, self.bench.now);
        if verdict.is_ok() && self.bench.group.state() != State::Empty {
            assert_eq!(generation, Some(self.bench.group.generation()), "a commit of another generation");
            assert!(self.bench.group.members.contains_key(&committer.member_id), "a commit of a stranger");
        }
    }

    /// Only what was stored last is left, and all requests are gone with their connections.
    fn restart(&mut self) {
        let stored = self.bench.stored.last().cloned();
        self.bench.group = match stored {
            Some(stored) => Group::restore("g", stored, self.bench.now),
            None => Group::new("g", self.bench.now),
        };
        // A round that was not stored did not happen: its number is given again, to others, and its owners are gone.
        self.highest = self.bench.group.generation();
        self.owned.retain(|generation, _| *generation <= self.highest);
        for client in &mut self.clients {
            client.join = None;
            client.sync = None;
        }
    }

    /// Hands the replies to the clients.
    fn collect(&mut self) {
        for client in &mut self.clients {
            if let Some(reply) = client.join.and_then(|(ticket, _)| self.bench.join_reply(ticket)) {
                client.join = None;
                client.leads = None;
                match reply {
                    Ok(joined) => {
                        client.generation = joined.generation;
                        client.id.clone_from(&joined.member_id);
                        if joined.leader == joined.member_id && !joined.skip_assignment {
                            client.leads = Some(joined.members.into_iter().map(|m| m.member_id).collect());
                        }
                    }
                    Err(refused) if refused.error == GroupError::MemberIdRequired => {
                        client.id = refused.member_id;
                    }
                    Err(_) => client.id.clear(),
                }
            }
            if let Some(reply) = client.sync.and_then(|(ticket, _)| self.bench.sync_reply(ticket)) {
                client.sync = None;
                if let Ok(synced) = reply
                    && !synced.assignment.is_empty()
                {
                    let owned = self.owned.entry(client.syncs).or_default();
                    owned.insert(client.id.clone(), synced.assignment);
                }
            }
        }
    }

    fn check(&mut self) {
        let group = &self.bench.group;
        assert!(group.generation() >= self.highest, "the generation fell");
        self.highest = group.generation();
        self.check_shape();
        let held =
            |ticket: Ticket| group.members.values().any(|m| m.join == Some(ticket) || m.sync == Some(ticket));
        for client in &self.clients {
            for (ticket, since) in client.join.iter().chain(&client.sync) {
                assert!(held(*ticket), "{ticket:?} is neither held nor answered");
                // Sessions 10 s, rounds 30 s, the first join 300 s: nobody waits longer than a round after all that.
                assert!(self.bench.now.at - *since <= Duration::from_secs(301), "{ticket:?} waits for ever");
                assert!(group.deadline().is_some(), "{ticket:?} is held without a deadline");
            }
        }
        for (generation, owned) in &self.owned {
            let distinct: BTreeSet<&Bytes> = owned.values().collect();
            // A replaced static member hands its partition on to its new id.
            let statics = usize::from(owned.len() > distinct.len());
            assert!(owned.len() == distinct.len() || statics > 0, "generation {generation}: {owned:?}");
            for assignment in distinct {
                let prefix = format!("{generation}:");
                assert!(assignment.starts_with(prefix.as_bytes()), "an assignment of another generation");
            }
        }
        self.check_current_owners();
    }

    /// Among the members of now no two have the same partition.
    fn check_current_owners(&self) {
        let mut seen = BTreeSet::new();
        for member in self.bench.group.members.values().filter(|m| !m.assignment.is_empty()) {
            assert!(seen.insert(member.assignment.clone()), "two members own {:?}", member.assignment);
        }
    }

    fn check_shape(&self) {
        let group = &self.bench.group;
        let state = group.state();
        assert_eq!(group.members.is_empty(), group.leader.is_none());
        assert!(group.leader.as_ref().is_none_or(|leader| group.members.contains_key(leader)));
        assert!(
            group
                .statics
                .iter()
                .all(|(instance, id)| group.members[id].instance_id.as_ref() == Some(instance))
        );
        for member in group.members.values() {
            assert!(member.join.is_none() || state == State::Preparing);
            assert!(member.sync.is_none() || state == State::Completing);
            assert!(member.join.is_none() || member.sync.is_none());
            if state == State::Stable || state == State::Completing {
                assert!(member.supports(group.protocol.as_deref().unwrap()));
            }
        }
        if state == State::Empty {
            assert!(group.members.is_empty());
        }
        if let Some(due) = group.deadline() {
            assert!(due > self.bench.now.at || state == State::Preparing, "{due:?} is overdue in {state:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn rules_hold_whatever_clients_do(steps in prop::collection::vec(step(), 1..120), delay in prop_oneof![Just(0u64), Just(3_000)]) {
        let mut world = World::new(delay);
        for step in steps {
            world.run(step);
        }
        // Left alone, everything that is held is answered.
        world.bench.pass(700_000);
        world.collect();
        prop_assert!(world.clients.iter().all(|client| client.join.is_none() && client.sync.is_none()));
        prop_assert!(world.bench.group.is_vacant());
        prop_assert_eq!(world.bench.group.deadline(), None);
    }
}

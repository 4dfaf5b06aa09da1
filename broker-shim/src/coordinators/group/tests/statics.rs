//! Static members: an instance id that outlives its process.

use super::*;

fn fixed(member_id: &str, instance: &str) -> Join {
    Join { instance_id: Some(instance.into()), id_required: true, ..consumer(member_id) }
}

/// A stable group of static members `i1` (m1, leads) and `i2` (m2).
fn stable_pair() -> Bench {
    let mut bench = Bench::new();
    bench.settings.initial_delay = Duration::from_secs(1);
    bench.join_ticket(fixed("", "i1"));
    bench.join_ticket(fixed("", "i2"));
    bench.pass(3_000);
    bench.sync_ticket("m1", &[("m1", "a1"), ("m2", "a2")]);
    bench.sync_ticket("m2", &[]);
    assert_eq!(bench.group.state(), State::Stable);
    bench
}

#[test]
fn static_member_needs_no_id_to_join() {
    let joined = Bench::new().join(fixed("", "i1")).unwrap();
    assert_eq!(joined.members[0].instance_id.as_deref(), Some("i1"));
}

#[test]
fn replaced_follower_keeps_its_assignment_without_a_round() {
    let mut bench = stable_pair();
    let joined = bench.join(fixed("", "i2")).unwrap();
    assert_eq!((joined.member_id.as_str(), joined.generation, joined.leader.as_str()), ("m3", 1, "m1"));
    assert!(joined.members.is_empty());
    assert!(bench.stored.last().unwrap().members.iter().any(|member| member.member_id == "m3"));
    let ticket = bench.sync_ticket("m3", &[]);
    assert_eq!(bench.sync_reply(ticket).unwrap().unwrap().assignment, "a2".as_bytes());
}

#[test]
fn replaced_leader_must_not_assign_again() {
    let mut bench = stable_pair();
    let old = bench.join(fixed("", "i1")).unwrap();
    assert_eq!((old.leader.as_str(), old.skip_assignment, old.members.len()), ("m1", false, 0));
    let newer = bench.join(Join { can_skip_assignment: true, ..fixed("", "i1") }).unwrap();
    assert_eq!((newer.leader.as_str(), newer.skip_assignment, newer.members.len()), ("m4", true, 2));
}

#[test]
fn old_id_is_fenced() {
    let mut bench = stable_pair();
    bench.join(fixed("", "i2")).unwrap();
    let old = Leaver { member_id: "m2".into(), instance_id: Some("i2".into()) };
    assert_eq!(bench.group.heartbeat(&old, 1, bench.now), Err(GroupError::FencedInstance));
    assert_eq!(bench.leave_as(&old), Err(GroupError::FencedInstance));
    assert_eq!(bench.refused(fixed("m2", "i2")), GroupError::FencedInstance);
    assert_eq!(bench.heartbeat("m2"), Err(GroupError::UnknownMember));
    let unknown = Leaver { member_id: "m3".into(), instance_id: Some("i9".into()) };
    assert_eq!(bench.group.heartbeat(&unknown, 1, bench.now), Err(GroupError::UnknownMember));
}

#[test]
fn held_join_of_the_old_id_is_fenced_at_once() {
    let mut bench = stable_pair();
    let held = bench.join_ticket(Join { protocols: vec![protocol("range", "new")], ..fixed("m2", "i2") });
    assert_eq!(bench.join_reply(held), None);
    let new = bench.join_ticket(fixed("", "i2"));
    assert_eq!(bench.join_reply(held).unwrap().unwrap_err().error, GroupError::FencedInstance);
    bench.join_ticket(fixed("m1", "i1"));
    assert_eq!(bench.join_reply(new).unwrap().unwrap().generation, 2);
}

#[test]
fn replacement_while_the_leader_computes_starts_a_round() {
    let mut bench = stable_pair();
    bench.join_ticket(fixed("m1", "i1"));
    bench.join_ticket(fixed("m2", "i2"));
    let held = bench.sync_ticket("m1x", &[]);
    assert_eq!(bench.sync_reply(held), Some(Err(GroupError::UnknownMember)));
    let follower = bench.sync_ticket("m2", &[]);
    bench.join_ticket(fixed("", "i1"));
    assert_eq!(bench.group.state(), State::Preparing);
    assert_eq!(bench.sync_reply(follower), Some(Err(GroupError::RebalanceInProgress)));
}

#[test]
fn replacement_that_changes_the_chosen_protocol_starts_a_round() {
    let mut bench = Bench::new();
    bench.join(Join { instance_id: Some("i1".into()), ..speaking("", &["range", "sticky"]) }).unwrap();
    bench.sync_ticket("m1", &[("m1", "a1")]);
    let other = Join { instance_id: Some("i1".into()), ..speaking("", &["sticky", "range"]) };
    let joined = bench.join(other).unwrap();
    assert_eq!((joined.generation, joined.protocol.as_deref()), (2, Some("sticky")));
}

#[test]
fn operator_removes_by_instance_id() {
    let mut bench = stable_pair();
    let by_instance = |name: &str| Leaver { member_id: String::new(), instance_id: Some(name.into()) };
    assert_eq!(bench.leave_as(&by_instance("i9")), Err(GroupError::UnknownMember));
    assert_eq!(bench.leave_as(&by_instance("i2")), Ok(()));
    assert_eq!(bench.group.state(), State::Preparing);
    assert_eq!(bench.heartbeat("m2"), Err(GroupError::UnknownMember));
}

#[test]
fn static_members_that_are_not_back_stay_until_their_sessions_end() {
    let mut bench = stable_pair();
    for member in bench.group.members.values_mut() {
        member.session_timeout = Duration::from_secs(100);
        member.touch(bench.now);
    }
    let long =
        |id: &str, instance: &str| Join { session_timeout: Duration::from_secs(100), ..fixed(id, instance) };
    let first = bench.join_ticket(long("m1", "i1"));
    bench.pass(29_999);
    assert_eq!(bench.join_reply(first), None);
    bench.pass(1);
    assert_eq!(bench.join_reply(first).unwrap().unwrap().members.len(), 2, "i2 is away, but a member");
}

//! Rounds: joining, waiting, choosing, assigning, expiring.

use super::*;

#[test]
fn first_join_is_answered_at_once_with_generation_1() {
    let mut bench = Bench::new();
    let joined = bench.join(consumer("")).unwrap();
    assert_eq!((joined.generation, joined.leader.as_str(), joined.member_id.as_str()), (1, "m1", "m1"));
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, "sub".as_bytes());
    assert_eq!(bench.group.state(), State::Completing);
}

#[test]
fn leaders_sync_makes_the_group_stable_and_stores_it() {
    let mut bench = Bench::new();
    bench.join(consumer("")).unwrap();
    let ticket = bench.sync_ticket("m1", &[("m1", "a1")]);
    let synced = bench.sync_reply(ticket).unwrap().unwrap();
    assert_eq!(synced.assignment, "a1".as_bytes());
    assert_eq!(bench.group.state(), State::Stable);
    let stored = bench.stored.pop().unwrap();
    assert_eq!((stored.generation, stored.members.len()), (1, 1));
    assert_eq!(stored.members[0].assignment, "a1".as_bytes());
}

#[test]
fn followers_sync_waits_for_the_leader_and_a_missing_assignment_is_empty() {
    let mut bench = Bench::stable(2);
    let first = bench.join_ticket(Join { protocols: vec![protocol("range", "new")], ..consumer("m1") });
    let second = bench.join_ticket(consumer("m2"));
    assert_eq!(bench.join_reply(first).unwrap().unwrap().members.len(), 2);
    assert_eq!(bench.join_reply(second).unwrap().unwrap().members.len(), 0);
    let follower = bench.sync_ticket("m2", &[]);
    assert_eq!(bench.sync_reply(follower), None);
    let leader = bench.sync_ticket("m1", &[("m1", "a1")]);
    assert_eq!(bench.sync_reply(leader).unwrap().unwrap().assignment, "a1".as_bytes());
    assert!(bench.sync_reply(follower).unwrap().unwrap().assignment.is_empty());
}

#[test]
fn initial_delay_waits_for_others_and_grows_with_each_to_the_rebalance_timeout() {
    let mut bench = Bench::new();
    bench.settings.initial_delay = Duration::from_secs(3);
    let first = bench.join_ticket(consumer(""));
    bench.pass(2_000);
    let second = bench.join_ticket(consumer(""));
    bench.pass(1_500);
    assert_eq!(bench.join_reply(first), None, "the second join gives another step");
    bench.pass(2_500);
    assert_eq!(bench.join_reply(first).unwrap().unwrap().generation, 1);
    assert_eq!(bench.join_reply(second).unwrap().unwrap().generation, 1);
}

#[test]
fn initial_delay_ends_at_the_rebalance_timeout_however_many_come() {
    let mut bench = Bench::new();
    bench.settings.initial_delay = Duration::from_secs(10);
    let first = bench.join_ticket(consumer(""));
    for _ in 0..10 {
        bench.pass(2_900);
        bench.join_ticket(consumer(""));
    }
    bench.pass(2_000);
    assert!(bench.join_reply(first).is_some(), "31 s have passed, the timeout is 30 s");
}

#[test]
fn member_without_id_is_sent_away_with_one_and_comes_back() {
    let mut bench = Bench::new();
    let refused = bench.join(Join { id_required: true, ..consumer("") }).unwrap_err();
    assert_eq!((refused.error, refused.member_id.as_str()), (GroupError::MemberIdRequired, "m1"));
    assert_eq!(bench.group.state(), State::Empty);
    let joined = bench.join(Join { id_required: true, ..consumer("m1") }).unwrap();
    assert_eq!(joined.member_id, "m1");
}

#[test]
fn pending_id_holds_up_the_round_until_its_session_ends() {
    let mut bench = Bench::stable(1);
    bench.refused(Join { id_required: true, ..consumer("") });
    let rejoin = bench.join_ticket(consumer("m1"));
    bench.pass(9_999);
    assert_eq!(bench.join_reply(rejoin), None);
    bench.pass(1);
    assert_eq!(bench.join_reply(rejoin).unwrap().unwrap().generation, 2);
}

#[test]
fn pending_id_that_leaves_lets_the_round_complete() {
    let mut bench = Bench::stable(1);
    bench.refused(Join { id_required: true, ..consumer("") });
    let rejoin = bench.join_ticket(consumer("m1"));
    assert_eq!(bench.leave("m2"), Ok(()));
    assert!(bench.join_reply(rejoin).is_some());
}

#[test]
fn round_waits_for_all_and_drops_who_is_not_back_in_time() {
    let mut bench = Bench::stable(2);
    let third = bench.join_ticket(consumer(""));
    assert_eq!(bench.heartbeat("m1"), Err(GroupError::RebalanceInProgress));
    let first = bench.join_ticket(consumer("m1"));
    for _ in 0..5 {
        bench.pass(5_500);
        let _ = bench.heartbeat("m2");
    }
    assert_eq!(bench.join_reply(third), None, "27.5 s");
    bench.pass(2_500);
    assert_eq!(bench.join_reply(third).unwrap().unwrap().generation, 3);
    assert_eq!(bench.join_reply(first).unwrap().unwrap().members.len(), 2);
    assert_eq!(bench.heartbeat("m2"), Err(GroupError::UnknownMember));
}

#[test]
fn silent_member_is_removed_at_the_end_of_its_session_and_a_heartbeat_saves_it() {
    let mut bench = Bench::stable(1);
    bench.pass(9_999);
    assert_eq!(bench.heartbeat("m1"), Ok(()));
    bench.pass(9_999);
    assert_eq!(bench.group.state(), State::Stable);
    bench.pass(1);
    assert_eq!(bench.group.state(), State::Empty);
    assert_eq!(bench.group.generation(), 2);
    let stored = bench.stored.pop().unwrap();
    assert_eq!((stored.generation, stored.protocol, stored.leader, stored.members.len()), (2, None, None, 0));
    assert_eq!(stored.protocol_type, "consumer");
}

#[test]
fn join_held_with_a_new_id_ends_after_five_minutes() {
    let mut bench = Bench::new();
    bench.join(Join { rebalance_timeout: Duration::from_secs(3_600), ..consumer("") }).unwrap();
    bench.sync_ticket("m1", &[]);
    let new = bench.join_ticket(consumer(""));
    for _ in 0..59 {
        bench.pass(5_000);
        let _ = bench.heartbeat("m1");
    }
    assert_eq!(bench.join_reply(new), None);
    bench.pass(5_000);
    assert_eq!(bench.join_reply(new).unwrap().unwrap_err().error, GroupError::UnknownMember);
}

#[test]
fn leader_that_does_not_assign_is_removed_and_the_others_join_again() {
    let mut bench = Bench::stable(2);
    bench.join_ticket(Join { protocols: vec![protocol("range", "new")], ..consumer("m1") });
    bench.join_ticket(consumer("m2"));
    let held = bench.sync_ticket("m2", &[]);
    bench.pass(10_000);
    assert_eq!(bench.sync_reply(held), Some(Err(GroupError::RebalanceInProgress)));
    let rejoined = bench.join(consumer("m2")).unwrap();
    assert_eq!((rejoined.generation, rejoined.leader.as_str()), (4, "m2"));
}

#[test]
fn member_that_never_syncs_is_removed_at_the_rebalance_timeout() {
    let mut bench = Bench::stable(2);
    bench.join_ticket(Join { protocols: vec![protocol("range", "new")], ..consumer("m1") });
    bench.join_ticket(consumer("m2"));
    bench.sync_ticket("m1", &[("m1", "a")]);
    for _ in 0..6 {
        bench.pass(5_000);
        let _ = bench.heartbeat("m1");
        let _ = bench.heartbeat("m2");
    }
    assert_eq!(bench.group.state(), State::Preparing);
    assert_eq!(bench.heartbeat("m2"), Err(GroupError::UnknownMember));
    assert_eq!(bench.heartbeat("m1"), Err(GroupError::RebalanceInProgress));
}

#[test]
fn most_votes_win_among_what_all_can_speak() {
    let mut bench = Bench::new();
    bench.settings.initial_delay = Duration::from_secs(1);
    let ticket = bench.join_ticket(speaking("", &["sticky", "range", "only-me"]));
    bench.join_ticket(speaking("", &["roundrobin", "range", "sticky"]));
    bench.join_ticket(speaking("", &["range", "sticky"]));
    bench.pass(5_000);
    let joined = bench.join_reply(ticket).unwrap().unwrap();
    assert_eq!(joined.protocol.as_deref(), Some("range"));
}

#[test]
fn nothing_in_common_is_refused() {
    let mut bench = Bench::stable(1);
    assert_eq!(bench.refused(speaking("", &["sticky"])), GroupError::InconsistentProtocol);
    assert_eq!(bench.refused(speaking("", &[])), GroupError::InconsistentProtocol);
    let connect = Join { protocol_type: "connect".into(), ..consumer("") };
    assert_eq!(bench.refused(connect), GroupError::InconsistentProtocol);
    let untyped = Join { protocol_type: String::new(), ..consumer("") };
    assert_eq!(Bench::new().refused(untyped), GroupError::InconsistentProtocol);
}

#[test]
fn full_group_refuses_new_members_and_ids_but_keeps_its_own() {
    let mut bench = Bench::stable(2);
    bench.settings.max_members = 2;
    let refused = bench.join(consumer("")).unwrap_err();
    assert_eq!((refused.error, refused.member_id.as_str()), (GroupError::Full, ""));
    assert_eq!(bench.refused(Join { id_required: true, ..consumer("") }), GroupError::Full);
    assert!(bench.join(consumer("m2")).is_ok());
}

#[test]
fn ids_given_out_are_bounded() {
    let mut bench = Bench::new();
    bench.settings.max_members = 3;
    for _ in 0..3 {
        assert_eq!(bench.refused(Join { id_required: true, ..consumer("") }), GroupError::MemberIdRequired);
    }
    assert_eq!(bench.refused(Join { id_required: true, ..consumer("") }), GroupError::Full);
    bench.pass(10_000);
    assert_eq!(bench.refused(Join { id_required: true, ..consumer("") }), GroupError::MemberIdRequired);
}

#[test]
fn too_large_a_subscription_is_refused() {
    let mut bench = Bench::new();
    bench.settings.max_metadata = 100;
    let metadata = Bytes::from(vec![0; 200]);
    let large = Join { protocols: vec![Protocol { name: "range".into(), metadata }], ..consumer("") };
    assert_eq!(bench.refused(large), GroupError::TooLarge);
    let long_name = Join { client_id: "c".repeat(40_000), ..consumer("") };
    assert_eq!(bench.refused(long_name), GroupError::TooLarge);
}

#[test]
fn unchanged_follower_learns_the_generation_and_a_changed_one_starts_a_round() {
    let mut bench = Bench::stable(2);
    let joined = bench.join(consumer("m2")).unwrap();
    assert_eq!((joined.generation, joined.members.len()), (2, 0));
    assert_eq!(bench.group.state(), State::Stable);
    let changed = Join { protocols: vec![protocol("range", "other")], ..consumer("m2") };
    let ticket = bench.join_ticket(changed);
    assert_eq!(bench.join_reply(ticket), None);
    assert_eq!(bench.group.state(), State::Preparing);
}

#[test]
fn leader_that_joins_a_stable_group_starts_a_round() {
    let mut bench = Bench::stable(1);
    assert_eq!(bench.join(consumer("m1")).unwrap().generation, 2);
}

#[test]
fn join_repeated_while_the_leader_computes_is_answered_again() {
    let mut bench = Bench::new();
    bench.join(consumer("")).unwrap();
    let again = bench.join(consumer("m1")).unwrap();
    assert_eq!((again.generation, again.members.len()), (1, 1));
}

#[test]
fn repeated_requests_take_the_place_of_the_held_ones() {
    let mut bench = Bench::stable(2);
    let first = bench.join_ticket(consumer("m1"));
    let second = bench.join_ticket(consumer("m1"));
    let superseded = bench.join_reply(first).unwrap().unwrap_err();
    assert_eq!(superseded.error, GroupError::RebalanceInProgress);
    bench.join_ticket(consumer("m2"));
    assert!(bench.join_reply(second).unwrap().is_ok());
    let first = bench.sync_ticket("m2", &[]);
    let second = bench.sync_ticket("m2", &[]);
    assert_eq!(bench.sync_reply(first), Some(Err(GroupError::RebalanceInProgress)));
    bench.sync_ticket("m1", &[("m2", "a2")]);
    assert_eq!(bench.sync_reply(second).unwrap().unwrap().assignment, "a2".as_bytes());
}

#[test]
fn leader_leaves_and_the_eldest_of_those_who_are_back_leads() {
    let mut bench = Bench::stable(3);
    assert_eq!(bench.leave("m1"), Ok(()));
    let third = bench.join_ticket(consumer("m3"));
    let second = bench.join_ticket(consumer("m2"));
    assert_eq!(bench.join_reply(second).unwrap().unwrap().leader, "m2");
    assert_eq!(bench.join_reply(third).unwrap().unwrap().leader, "m2");
}

#[test]
fn record_that_could_not_be_stored_voids_the_round() {
    let mut bench = Bench::stable(1);
    bench.fail_storing();
    assert_eq!(bench.group.state(), State::Preparing);
    assert_eq!(bench.join(consumer("m1")).unwrap().generation, 2);
}

#[test]
fn failed_effects_keep_bad_news_and_turn_good_news() {
    let mut bench = Bench::new();
    let good = bench.join(consumer("")).unwrap();
    let bad = JoinRefused { error: GroupError::Full, member_id: String::new() };
    let mut fx =
        Effects { joins: vec![(Ticket(1), Ok(good)), (Ticket(2), Err(bad.clone()))], ..Effects::default() };
    fx.fail(GroupError::NotAvailable);
    let turned = JoinRefused { error: GroupError::NotAvailable, member_id: "m1".into() };
    assert_eq!(fx.joins, [(Ticket(1), Err(turned)), (Ticket(2), Err(bad))]);
}

#[test]
fn restored_group_keeps_members_generation_and_assignments() {
    let bench = Bench::stable(2);
    let stored = bench.group.record();
    let mut again = Bench::new();
    again.group = Group::restore("g", stored.clone(), again.now);
    assert_eq!(again.group.record(), stored);
    assert_eq!((again.group.state(), again.group.generation()), (State::Stable, 2));
    assert_eq!(again.heartbeat("m2"), Ok(()));
    let ticket = again.sync_ticket("m2", &[]);
    assert_eq!(again.sync_reply(ticket).unwrap().unwrap().assignment, "a2".as_bytes());
    again.pass(9_999);
    assert_eq!(again.group.state(), State::Stable);
    again.pass(1);
    assert_eq!(again.group.state(), State::Empty);
}

//! The shell: held requests, timers, what is stored, what comes back.

use super::*;
use crate::coordinators::group::{Committer, GroupSettings, Protocol, State};
use crate::coordinators::journal::memory::MemoryJournal;
use bytes::Bytes;
use log_engine::io::{ManualClock, SystemClock};
use log_engine::types::Timestamp;
use std::time::Duration;

mod golden;

struct Rig {
    journal: Arc<MemoryJournal>,
    clock: ManualClock,
    groups: Arc<GroupCoordinator>,
}

fn rig_with(settings: CoordinatorSettings) -> Rig {
    let journal = Arc::new(MemoryJournal::default());
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000).unwrap());
    let groups = Arc::new(GroupCoordinator::new(settings, journal.clone(), Arc::new(clock.clone())));
    Rig { journal, clock, groups }
}

fn rig() -> Rig {
    rig_with(CoordinatorSettings::default())
}

impl Rig {
    /// The broker is killed and started again.
    fn restart(&mut self, clean: bool) -> LoadReport {
        let settings = self.groups.settings().clone();
        let groups = GroupCoordinator::new(settings, self.journal.clone(), Arc::new(self.clock.clone()));
        self.groups = Arc::new(groups);
        self.groups.load(clean).unwrap()
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.groups.fire_due();
    }

    async fn stable(&self, group: &str) -> String {
        let joined = self.groups.join(group, consumer("m1")).await.unwrap();
        let sync = Sync {
            member_id: joined.member_id.clone(),
            generation: joined.generation,
            assignments: vec![(joined.member_id.clone(), Bytes::from("a1"))],
            ..Sync::default()
        };
        self.groups.sync(group, sync).await.unwrap();
        joined.member_id
    }

    fn committed(&self, group: &str) -> Option<i64> {
        self.groups.offsets(group, |offsets| offsets.get("t", 0).map(|value| value.offset))
    }
}

fn consumer(fresh_id: &str) -> Join {
    Join {
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(30),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from("sub") }],
        fresh_id: fresh_id.into(),
        ..Join::default()
    }
}

fn offset(offset: i64) -> CommitOffset {
    CommitOffset { topic: "t".into(), partition: 0, offset, leader_epoch: None, metadata: String::new() }
}

fn member(id: &str, generation: i32) -> Committer {
    Committer { generation: Some(generation), member_id: id.into(), instance_id: None }
}

fn leaver(id: &str) -> Leaver {
    Leaver { member_id: id.into(), instance_id: None }
}

#[tokio::test]
async fn held_join_is_answered_when_the_others_are_back() {
    let rig = rig();
    let first = rig.stable("g").await;
    let groups = Arc::clone(&rig.groups);
    let second = tokio::spawn(async move { groups.join("g", consumer("m2")).await });
    while rig.groups.describe("g").unwrap().members.len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    assert_eq!(rig.groups.heartbeat("g", &leaver(&first), 1), Err(GroupError::RebalanceInProgress));
    let again = rig.groups.join("g", Join { member_id: first, ..consumer("") }).await.unwrap();
    assert_eq!((again.generation, again.members.len()), (2, 2));
    assert_eq!(second.await.unwrap().unwrap().generation, 2);
}

#[tokio::test]
async fn timer_ends_sessions_and_a_heartbeat_puts_it_off() {
    let rig = rig();
    let id = rig.stable("g").await;
    rig.pass(Duration::from_secs(9));
    assert_eq!(rig.groups.heartbeat("g", &leaver(&id), 1), Ok(()));
    rig.pass(Duration::from_secs(9));
    assert_eq!(rig.groups.describe("g").unwrap().state, State::Stable);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.groups.describe("g").unwrap().state, State::Empty);
}

#[tokio::test]
async fn timer_task_wakes_for_the_earliest_deadline() {
    let group = GroupSettings { min_session: Duration::ZERO, ..GroupSettings::default() };
    let settings = CoordinatorSettings { group, ..CoordinatorSettings::default() };
    let groups =
        GroupCoordinator::new(settings, Arc::new(MemoryJournal::default()), Arc::new(SystemClock::default()));
    let groups = Arc::new(groups);
    let task = groups.spawn();
    tokio::task::yield_now().await;
    // The task sleeps for an hour by now: the first deadline must wake it.
    let brief = Join { session_timeout: Duration::from_millis(30), ..consumer("m1") };
    groups.join("g", brief).await.unwrap();
    while groups.describe("g").unwrap().state != State::Empty {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
}

#[tokio::test]
async fn group_survives_a_kill_with_members_generation_and_assignments() {
    let mut rig = rig();
    let id = rig.stable("g").await;
    rig.groups.commit("g", &member(&id, 1), None, vec![offset(7)]).await.unwrap();
    let report = rig.restart(false);
    assert_eq!((report.groups, report.offsets, report.skipped), (1, 1, 0));
    assert_eq!(rig.groups.heartbeat("g", &leaver(&id), 1), Ok(()));
    assert_eq!(rig.committed("g"), Some(7));
    let described = rig.groups.describe("g").unwrap();
    assert_eq!(described.members[0].assignment, "a1".as_bytes());
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.groups.describe("g").unwrap().state, State::Empty, "the session runs again after a start");
}

#[tokio::test]
async fn data_is_synced_before_the_commit_and_the_commit_before_the_answer() {
    let rig = rig();
    rig.groups.commit("g", &Committer::default(), None, vec![offset(5)]).await.unwrap();
    assert_eq!(rig.journal.state.lock().calls, ["sync_data", "append", "sync"]);
    rig.journal.state.lock().calls.clear();
    rig.groups.commit("g", &Committer::default(), None, vec![offset(5)]).await.unwrap();
    assert_eq!(rig.journal.state.lock().calls, ["append", "sync"], "the data is synced already");
}

#[tokio::test]
async fn page_cache_durability_waits_for_nothing() {
    let rig = rig_with(CoordinatorSettings { durable: false, ..CoordinatorSettings::default() });
    rig.groups.commit("g", &Committer::default(), None, vec![offset(5)]).await.unwrap();
    assert_eq!(rig.journal.state.lock().calls, ["append"]);
}

#[tokio::test]
async fn commits_of_unknown_groups_and_strangers() {
    let rig = rig();
    let commit = |committer: Committer| {
        let groups = Arc::clone(&rig.groups);
        async move { groups.commit("g", &committer, None, vec![offset(1)]).await }
    };
    assert_eq!(commit(member("m", 3)).await, Err(GroupError::IllegalGeneration));
    assert_eq!(rig.groups.describe("g"), None);
    rig.stable("g").await;
    assert_eq!(commit(Committer::default()).await, Err(GroupError::UnknownMember));
    assert_eq!(commit(member("m9", 1)).await, Err(GroupError::UnknownMember));
    assert_eq!(commit(member("m1", 2)).await, Err(GroupError::IllegalGeneration));
    assert_eq!(commit(member("m1", 1)).await, Ok(()));
}

#[tokio::test]
async fn empty_group_id_commits_but_has_no_members() {
    let rig = rig();
    rig.groups.commit("", &Committer::default(), None, vec![offset(1)]).await.unwrap();
    assert_eq!(rig.committed(""), Some(1));
    assert_eq!(rig.groups.join("", consumer("m")).await.unwrap_err().error, GroupError::InvalidGroupId);
    assert_eq!(rig.groups.heartbeat("", &leaver("m"), 1), Err(GroupError::InvalidGroupId));
    assert_eq!(rig.groups.sync("", Sync::default()).await, Err(GroupError::InvalidGroupId));
    assert_eq!(rig.groups.leave("", &[]), Err(GroupError::InvalidGroupId));
}

#[tokio::test]
async fn session_timeouts_have_borders() {
    let rig = rig();
    let join = |millis| {
        let groups = Arc::clone(&rig.groups);
        let session_timeout = Duration::from_millis(millis);
        async move { groups.join(&format!("g{millis}"), Join { session_timeout, ..consumer("m") }).await }
    };
    for refused in [5_999, 1_800_001] {
        assert_eq!(join(refused).await.unwrap_err().error, GroupError::InvalidSessionTimeout);
    }
    assert!(join(6_000).await.is_ok());
    assert!(join(1_800_000).await.is_ok());
}

#[tokio::test]
async fn record_that_is_not_stored_is_told_and_the_members_join_again() {
    let rig = rig();
    let joined = rig.groups.join("g", consumer("m1")).await.unwrap();
    rig.journal.state.lock().full = true;
    let sync = Sync { member_id: joined.member_id.clone(), generation: 1, ..Sync::default() };
    assert_eq!(rig.groups.sync("g", sync.clone()).await, Err(GroupError::NotAvailable));
    assert_eq!(rig.groups.heartbeat("g", &leaver("m1"), 1), Err(GroupError::RebalanceInProgress));
    assert_eq!(
        rig.groups.commit("g", &member("m1", 1), None, vec![offset(1)]).await,
        Err(GroupError::NotAvailable)
    );
    assert_eq!(rig.committed("g"), None);
    rig.journal.state.lock().full = false;
    let again = rig.groups.join("g", Join { member_id: "m1".into(), ..consumer("") }).await.unwrap();
    rig.journal.state.lock().too_large = true;
    let sync = Sync { generation: again.generation, ..sync };
    assert_eq!(rig.groups.sync("g", sync).await, Err(GroupError::TooLarge));
}

#[tokio::test]
async fn group_that_nobody_used_leaves_nothing_behind() {
    let rig = rig();
    let asked = rig.groups.join("g", Join { id_required: true, ..consumer("m1") }).await.unwrap_err();
    assert_eq!((asked.error, asked.member_id.as_str()), (GroupError::MemberIdRequired, "m1"));
    assert_eq!(rig.groups.list().len(), 1);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.groups.list().len(), 0);
    let refused = rig.groups.join("h", Join { protocols: Vec::new(), ..consumer("m") }).await.unwrap_err();
    assert_eq!(refused.error, GroupError::InconsistentProtocol);
    assert_eq!(rig.groups.list().len(), 0);
    assert_eq!(rig.groups.bytes.load(Ordering::Relaxed), 0);
    assert!(rig.journal.state.lock().records.is_empty());
}

#[tokio::test]
async fn groups_and_bytes_are_bounded() {
    let rig = rig_with(CoordinatorSettings { max_groups: 1, ..CoordinatorSettings::default() });
    let id = rig.stable("g").await;
    assert_eq!(rig.groups.join("h", consumer("m")).await.unwrap_err().error, GroupError::NotAvailable);
    rig.groups.commit("g", &member(&id, 1), None, vec![offset(1)]).await.unwrap();

    let rig = rig_with(CoordinatorSettings { max_bytes: 1, ..CoordinatorSettings::default() });
    let id = rig.stable("g").await;
    assert_eq!(rig.groups.join("g", consumer("m")).await.unwrap_err().error, GroupError::NotAvailable);
    let simple = rig.groups.commit("h", &Committer::default(), None, vec![offset(1)]).await;
    assert_eq!(simple, Err(GroupError::NotAvailable));
    rig.groups.commit("g", &member(&id, 1), None, vec![offset(1)]).await.unwrap();
    assert!(rig.groups.join("g", Join { member_id: id, ..consumer("") }).await.is_ok());
}

#[tokio::test]
async fn offsets_expire_a_retention_after_the_group_emptied_and_the_group_with_them() {
    let mut rig = rig();
    let id = rig.stable("g").await;
    rig.groups.commit("g", &member(&id, 1), None, vec![offset(1)]).await.unwrap();
    rig.groups.commit("simple", &Committer::default(), None, vec![offset(1)]).await.unwrap();
    let week = CoordinatorSettings::default().retention;
    for _ in 0..70 {
        rig.clock.advance(week / 70);
        rig.groups.heartbeat("g", &leaver(&id), 1).unwrap();
    }
    rig.groups.expire_offsets();
    assert_eq!((rig.committed("g"), rig.committed("simple")), (Some(1), None));
    assert_eq!(rig.groups.leave("g", &[leaver(&id)]), Ok(vec![Ok(())]));
    rig.clock.advance(week - Duration::from_millis(1));
    rig.groups.expire_offsets();
    assert_eq!(rig.committed("g"), Some(1));
    rig.clock.advance(Duration::from_millis(1));
    rig.groups.expire_offsets();
    assert!(rig.groups.list().is_empty());
    assert!(rig.journal.standing().is_empty(), "everything has a tombstone");
    assert_eq!(rig.restart(true).groups, 0);
    assert_eq!(rig.groups.bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn retention_of_the_clients_own_is_kept_through_a_restart() {
    let mut rig = rig();
    let hour = Some(Duration::from_secs(3_600));
    rig.groups.commit("g", &Committer::default(), hour, vec![offset(1)]).await.unwrap();
    rig.restart(true);
    rig.clock.advance(Duration::from_secs(3_599));
    rig.groups.expire_offsets();
    assert_eq!(rig.committed("g"), Some(1));
    rig.clock.advance(Duration::from_secs(1));
    rig.groups.expire_offsets();
    assert_eq!(rig.committed("g"), None);
}

#[tokio::test]
async fn deleted_topic_takes_its_offsets_along() {
    let mut rig = rig();
    let other = CommitOffset { topic: "u".into(), ..offset(3) };
    rig.groups.commit("g", &Committer::default(), None, vec![offset(1), other]).await.unwrap();
    rig.groups.forget_topic("t");
    assert_eq!(rig.committed("g"), None);
    assert_eq!(rig.restart(true).offsets, 1);
    rig.groups.forget_topic("u");
    assert!(rig.groups.list().is_empty());
}

#[tokio::test]
async fn groups_are_deleted_without_members_only() {
    let mut rig = rig();
    assert_eq!(rig.groups.delete_group("g"), Err(GroupError::NotFound));
    let id = rig.stable("g").await;
    rig.groups.commit("g", &member(&id, 1), None, vec![offset(1)]).await.unwrap();
    assert_eq!(rig.groups.delete_group("g"), Err(GroupError::NonEmpty));
    rig.groups.leave("g", &[leaver(&id)]).unwrap();
    let offsets = [("t".into(), 0), ("t".into(), 9)];
    assert_eq!(rig.groups.delete_offsets("g", &offsets), Ok(vec![Ok(()), Ok(())]));
    assert_eq!(rig.committed("g"), None);
    assert_eq!(rig.groups.delete_group("g"), Ok(()));
    assert!(rig.journal.standing().is_empty());
    assert_eq!(rig.restart(true).groups, 0);
}

#[tokio::test]
async fn offsets_of_topics_that_members_read_stay() {
    let rig = rig();
    assert_eq!(rig.groups.delete_offsets("g", &[("t".into(), 0)]), Err(GroupError::NotFound));
    // Version 1, one topic `t`, no user data, nothing owned.
    let subscription = Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0");
    let join = |group_type: &str, metadata: Bytes| Join {
        protocol_type: group_type.into(),
        protocols: vec![Protocol { name: "range".into(), metadata }],
        ..consumer("m1")
    };
    let both = [("t".into(), 0), ("u".into(), 0)];
    for (group, subscription, expected) in [
        ("g", subscription, [Err(GroupError::Subscribed), Ok(())]),
        ("newer", Bytes::from_static(b"\0\x07\0\0\0\0"), [Err(GroupError::Subscribed); 2]),
        ("odd", Bytes::from_static(b"sub"), [Err(GroupError::Subscribed); 2]),
    ] {
        rig.groups.join(group, join("consumer", subscription)).await.unwrap();
        assert_eq!(rig.groups.delete_offsets(group, &both), Ok(expected.to_vec()), "{group}");
    }
    rig.groups.join("c", join("connect", Bytes::new())).await.unwrap();
    assert_eq!(rig.groups.delete_offsets("c", &both), Err(GroupError::NonEmpty));
}

#[tokio::test]
async fn offset_past_the_end_is_lowered_after_an_unclean_start_only() {
    let mut rig = rig();
    rig.groups.commit("g", &Committer::default(), None, vec![offset(10)]).await.unwrap();
    rig.journal.state.lock().ends.insert(("t".into(), 0), 6);
    assert_eq!(rig.restart(true).lowered, []);
    assert_eq!(rig.committed("g"), Some(10));
    let lowered = Lowered { group: "g".into(), topic: "t".into(), partition: 0, from: 10, to: 6 };
    assert_eq!(rig.restart(false).lowered, [lowered]);
    assert_eq!(rig.committed("g"), Some(6));
    assert_eq!(rig.restart(false).lowered, [], "it was stored so");
}

#[test]
fn offsets_of_a_transaction_count_when_it_is_committed() {
    struct Script(Vec<(Vec<u8>, Vec<u8>, i64)>, Vec<(i64, bool)>);
    impl Journal for Script {
        fn open(&self) -> Result<i32, JournalError> {
            Ok(1)
        }
        fn existing(&self) -> Option<i32> {
            Some(1)
        }
        fn append(&self, _: i32, _: &[super::super::journal::JournalRecord]) -> Result<(), JournalError> {
            Ok(())
        }
        fn sync(&self, _: i32) -> Result<(), JournalError> {
            Ok(())
        }
        fn data_is_synced(&self, _: &str, _: i32, _: i64) -> bool {
            true
        }
        fn sync_data(&self, _: &str, _: i32, _: i64) -> Result<(), JournalError> {
            Ok(())
        }
        fn data_end(&self, _: &str, _: i32) -> Option<i64> {
            None
        }
        fn replay(
            &self,
            _: i32,
            visit: &mut dyn FnMut(super::super::journal::Replayed<'_>),
        ) -> Result<(), JournalError> {
            use super::super::journal::Replayed;
            for (key, value, producer) in &self.0 {
                visit(Replayed::Record { key, value: Some(value), producer: Some(*producer) });
            }
            for (producer, commit) in &self.1 {
                visit(Replayed::Marker { producer: *producer, commit: *commit });
            }
            Ok(())
        }
    }
    let value = records::OffsetValue {
        offset: 5,
        leader_epoch: None,
        metadata: String::new(),
        committed_at: Timestamp::default(),
        expires_at: None,
    };
    let record = |partition, producer| {
        (records::offset_key("g", "t", partition), records::offset_value(&value), producer)
    };
    let script = Script(vec![record(0, 1), record(1, 2), record(2, 3)], vec![(1, true), (2, false)]);
    let groups = GroupCoordinator::new(
        CoordinatorSettings::default(),
        Arc::new(script),
        Arc::new(ManualClock::default()),
    );
    let report = groups.load(true).unwrap();
    assert_eq!((report.offsets, report.open_transactions), (1, 1));
    groups.offsets("g", |offsets| {
        assert!(
            offsets.get("t", 0).is_some() && offsets.get("t", 1).is_none() && offsets.get("t", 2).is_none()
        );
    });
}

#[tokio::test]
async fn records_that_are_not_understood_are_counted_and_skipped() {
    let mut rig = rig();
    rig.groups.commit("g", &Committer::default(), None, vec![offset(1)]).await.unwrap();
    {
        let mut state = rig.journal.state.lock();
        state.records.push((0, (vec![0, 3, 0, 1, b'g'], Some(vec![0, 0]))));
        state.records.push((0, (Vec::new(), None)));
        state.records.push((0, (records::group_key("h"), Some(vec![0, 9]))));
    }
    let report = rig.restart(true);
    assert_eq!((report.records, report.skipped, report.groups), (4, 3, 1));
}

//! Every request in every state.

use super::*;

/// A group in `state` with a leader `m1`; in Preparing a follower `m2` is not back, in Empty and Dead nobody is in.
fn in_state(state: State) -> Bench {
    match state {
        State::Empty => Bench::new(),
        State::Preparing => {
            let mut bench = Bench::stable(2);
            bench.join_ticket(consumer("m1"));
            bench
        }
        State::Completing => {
            let mut bench = Bench::new();
            bench.join(consumer("")).unwrap();
            bench
        }
        State::Stable => Bench::stable(1),
        State::Dead => {
            let mut bench = Bench::new();
            bench.group.kill(bench.now);
            bench
        }
    }
}

const STATES: [State; 5] = [State::Empty, State::Preparing, State::Completing, State::Stable, State::Dead];

type Verdict = Result<(), GroupError>;

#[test]
fn heartbeat_by_state() {
    use GroupError::{IllegalGeneration, NotAvailable, RebalanceInProgress, UnknownMember};
    // member known and right generation; wrong generation; unknown member
    let table: [(State, [Verdict; 3]); 5] = [
        (State::Empty, [Err(UnknownMember), Err(UnknownMember), Err(UnknownMember)]),
        (State::Preparing, [Err(RebalanceInProgress), Err(IllegalGeneration), Err(UnknownMember)]),
        (State::Completing, [Ok(()), Err(IllegalGeneration), Err(UnknownMember)]),
        (State::Stable, [Ok(()), Err(IllegalGeneration), Err(UnknownMember)]),
        (State::Dead, [Err(NotAvailable); 3]),
    ];
    for (state, expected) in table {
        let mut bench = in_state(state);
        assert_eq!(bench.group.state(), state);
        let generation = bench.group.generation();
        let mut beat = |id: &str, generation| {
            bench.group.heartbeat(&Leaver { member_id: id.into(), instance_id: None }, generation, bench.now)
        };
        let found = [beat("m1", generation), beat("m1", generation + 1), beat("m9", generation)];
        assert_eq!(found, expected, "{state:?}");
    }
}

#[test]
fn sync_by_state() {
    use GroupError::{
        IllegalGeneration, InconsistentProtocol, NotAvailable, RebalanceInProgress, UnknownMember,
    };
    // good; wrong generation; unknown member; another protocol
    let table: [(State, [Verdict; 4]); 5] = [
        (State::Empty, [Err(UnknownMember); 4]),
        (
            State::Preparing,
            [Err(RebalanceInProgress), Err(IllegalGeneration), Err(UnknownMember), Err(InconsistentProtocol)],
        ),
        (State::Completing, [Ok(()), Err(IllegalGeneration), Err(UnknownMember), Err(InconsistentProtocol)]),
        (State::Stable, [Ok(()), Err(IllegalGeneration), Err(UnknownMember), Err(InconsistentProtocol)]),
        (State::Dead, [Err(NotAvailable); 4]),
    ];
    for (state, expected) in table {
        let sync = |id: &str, ahead: i32, protocol: Option<&str>| {
            let mut bench = in_state(state);
            let generation = bench.group.generation() + ahead;
            let protocol = protocol.map(Into::into);
            let sync = Sync { member_id: id.into(), generation, protocol, ..Sync::default() };
            let ticket = bench.sync_with(sync);
            bench.sync_reply(ticket).expect("nobody else is waited for").map(|_| ())
        };
        let found = [
            sync("m1", 0, Some("range")),
            sync("m1", 1, None),
            sync("m9", 0, None),
            sync("m1", 0, Some("sticky")),
        ];
        assert_eq!(found, expected, "{state:?}");
    }
}

#[test]
fn leave_by_state() {
    use GroupError::{NotAvailable, UnknownMember};
    let table: [(State, [Verdict; 2], State); 5] = [
        (State::Empty, [Err(UnknownMember), Err(UnknownMember)], State::Empty),
        (State::Preparing, [Ok(()), Err(UnknownMember)], State::Preparing),
        (State::Completing, [Ok(()), Err(UnknownMember)], State::Empty),
        (State::Stable, [Ok(()), Err(UnknownMember)], State::Empty),
        (State::Dead, [Err(NotAvailable), Err(NotAvailable)], State::Dead),
    ];
    for (state, expected, after) in table {
        let mut bench = in_state(state);
        assert_eq!([bench.leave("m1"), bench.leave("m9")], expected, "{state:?}");
        assert_eq!(bench.group.state(), after, "after leaving in {state:?}");
    }
}

#[test]
fn commit_by_state() {
    use GroupError::{IllegalGeneration, NotAvailable, RebalanceInProgress, UnknownMember};
    // no membership; good member; wrong generation; unknown member; member without generation
    let table: [(State, [Verdict; 5]); 5] = [
        (State::Empty, [Ok(()), Err(UnknownMember), Err(UnknownMember), Err(UnknownMember), Ok(())]),
        (
            State::Preparing,
            [Err(UnknownMember), Ok(()), Err(IllegalGeneration), Err(UnknownMember), Err(IllegalGeneration)],
        ),
        (
            State::Completing,
            [
                Err(UnknownMember),
                Err(RebalanceInProgress),
                Err(IllegalGeneration),
                Err(UnknownMember),
                Err(IllegalGeneration),
            ],
        ),
        (
            State::Stable,
            [Err(UnknownMember), Ok(()), Err(IllegalGeneration), Err(UnknownMember), Err(IllegalGeneration)],
        ),
        (State::Dead, [Err(NotAvailable); 5]),
    ];
    for (state, expected) in table {
        let mut bench = in_state(state);
        let current = bench.group.generation();
        let mut commit = |id: &str, generation: Option<i32>| {
            let committer = Committer { generation, member_id: id.into(), instance_id: None };
            bench.group.check_commit(&committer, bench.now)
        };
        let found = [
            commit("", None),
            commit("m1", Some(current)),
            commit("m1", Some(current + 1)),
            commit("m9", Some(current)),
            commit("m1", None),
        ];
        assert_eq!(found, expected, "{state:?}");
    }
}

#[test]
fn join_by_state() {
    // A new member; the leader unchanged; an unknown id. `None`: held.
    type Outcome = Option<Result<i32, GroupError>>;
    let unknown = Some(Err(GroupError::UnknownMember));
    let table: [(State, [Outcome; 3]); 5] = [
        (State::Empty, [Some(Ok(1)), unknown, unknown]),
        (State::Preparing, [None, None, unknown]),
        (State::Completing, [None, Some(Ok(1)), unknown]),
        (State::Stable, [None, Some(Ok(2)), unknown]),
        (State::Dead, [Some(Err(GroupError::NotAvailable)); 3]),
    ];
    for (state, expected) in table {
        let join = |id: &str| {
            let mut bench = in_state(state);
            let ticket = bench.join_ticket(consumer(id));
            bench.join_reply(ticket).map(|reply| reply.map(|j| j.generation).map_err(|refused| refused.error))
        };
        assert_eq!([join(""), join("m1"), join("m9")], expected, "{state:?}");
    }
}

#[test]
fn description_shows_metadata_in_stable_only() {
    for state in STATES {
        let described = in_state(state).group.describe();
        assert_eq!(described.state, state);
        let stable = state == State::Stable;
        assert_eq!(described.protocol == "range", stable);
        assert!(described.members.iter().all(|member| member.metadata.is_empty() != stable));
        assert!(described.members.iter().all(|member| member.assignment.is_empty() != stable));
    }
}

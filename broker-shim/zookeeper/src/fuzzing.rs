//! A door for the fuzz targets: the machine, played with bytes. Nobody else's.

use crate::machine::{Machine, Output, Settings};
use crate::state::State;
use crate::txn::Txn;
use log_engine::Timestamp;
use log_engine::io::ManualClock;
use std::sync::Arc;

/// Plays frames on a connection: each is a byte that says how long it is, and so many bytes. One that ends its connection
/// is followed by a new one, with a new session.
///
/// # Panics
///
/// If the records that were written on the way do not give the state that was answered from.
pub fn play(input: &[u8]) {
    let clock = ManualClock::at(Timestamp::default());
    let mut machine = Machine::new(Settings::default(), Arc::new(clock), State::new());
    let mut id = begin(&mut machine, 1);
    let mut rest = input;
    while let Some((len, more)) = rest.split_first() {
        let (frame, more) = more.split_at(usize::from(*len).min(more.len()));
        rest = more;
        machine.frame(id, frame);
        if machine.take_outputs().iter().any(|output| matches!(output, Output::Close(..))) {
            id = begin(&mut machine, id + 1);
        }
    }
    let mut state = State::new();
    for record in machine.take_records() {
        let txn = Txn::decode(&record).unwrap_or_else(|why| panic!("a record of ours cannot be read: {why}"));
        state.apply(&txn).unwrap_or_else(|why| panic!("a record of ours cannot be applied: {why}"));
    }
    assert!(&state == machine.state(), "the records give another state");
}

/// A connection with a new session.
fn begin(machine: &mut Machine, id: u64) -> u64 {
    machine.opened(id, ([127, 0, 0, 1], 4000).into());
    let mut connect = [0; 45];
    // A password of 16 bytes.
    connect[27] = 16;
    machine.frame(id, &connect);
    machine.take_outputs();
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: &[u8] = include_bytes!("../../../fuzz/seeds/zookeeper_frame/session");

    #[test]
    fn the_seeds_play() {
        play(SEED);
        play(include_bytes!("../../../fuzz/seeds/zookeeper_frame/kafka"));
    }

    proptest! {
        /// What a minute of the fuzz target does, in short: a real conversation with some bytes changed.
        #[test]
        fn a_conversation_with_changed_bytes_plays(changes in prop::collection::vec((0..SEED.len(), any::<u8>()), 0..9)) {
            let mut input = SEED.to_vec();
            for (at, byte) in changes {
                input[at] = byte;
            }
            play(&input);
        }
    }
}

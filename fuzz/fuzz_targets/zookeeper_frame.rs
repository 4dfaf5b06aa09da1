//! Does any run of frames make the ZooKeeper server panic, ask for memory out of proportion, or write records that do not
//! give its state again?
//!
//! The input is frames, each with its length in one byte in front. A byte of input makes some hundred bytes live at most: an
//! empty frame ends its connection, and the next one has a session of its own and a record of that.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bounded(data.len(), 1024, 256 * 1024, || corrente_zookeeper::fuzzing::play(data)));

//! Does any run of frames make the ZooKeeper server panic, ask for memory out of proportion, or write records that do not
//! give its state again?
//!
//! The input is frames, each with its length in one byte in front. What the server holds of a frame is a few times its size:
//! paths are kept as node, as name in the parent and as watch; an operation of a multi is a record and a step that could be
//! taken back.
#![no_main]

use corrente_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bounded(data.len(), 512, 256 * 1024, || corrente_zookeeper::fuzzing::play(data)));

//! `log-engine/src/log/end.rs`, the very file that is shipped, with the atomics and the lock of a model checker: it goes
//! through every order in which the steps of a writer and its waiters can come, and through every value that a load may
//! see under the memory model. A lost wake-up is a thread of the model that waits for ever, which it reports.
//!
//! `cargo test -p log-engine-loom` takes seconds. What is checked, with one waiter and with two:
//!
//! * who waits for an offset is woken when it is published, or sees it and does not wait;
//! * who waits for what is cut, or when the log is closed, is woken too.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::wrong_self_convention,
    reason = "the files belong to another crate, which uses all of them"
)]

#[path = "../../src/log/end.rs"]
mod end;
#[path = "../../src/types.rs"]
mod types;

#[cfg(test)]
mod models;

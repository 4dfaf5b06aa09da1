//! The engines, behind one face: each does the work the way its documentation says.

mod commitlog;
mod fjall;
mod okaywal;
pub mod ours;
mod raft_engine;
mod redb;
mod seglog;
mod walrus;

use crate::work::{Check, Unit};
use std::path::Path;

/// What went wrong, as text: the engine's figure is then left out and the table says why.
pub type Outcome<T = ()> = Result<T, String>;

/// An open engine that holds one log.
pub trait Engine: Send + Sync {
    /// Appends one unit, which a process that is killed afterwards does not lose (unless the facts say otherwise).
    fn append(&self, unit: &Unit) -> Outcome;
    /// Appends one unit and returns when it is on the disk.
    fn append_synced(&self, unit: &Unit) -> Outcome;
    /// Reads everything from the beginning, as safely as the engine can.
    fn scan(&self, check: &mut Check<'_>) -> Outcome;
    /// Reads the record with this number, counted from 0.
    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome;
    /// Stops in order.
    fn close(self: Box<Self>) -> Outcome;
}

/// What is known of an engine without running it.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub name: &'static str,
    pub version: &'static str,
    /// Whether a read checks a checksum of what it returns.
    pub verifies: bool,
    /// Whether appends of many threads share a sync inside the engine.
    pub groups: bool,
    /// Set if `append` promises less than ours: why it is not the same work.
    pub unsynced_note: Option<&'static str>,
    /// Set if it has no append without a sync.
    pub always_syncs: bool,
    /// Where its reading stands out.
    pub read_note: Option<&'static str>,
    /// Whether reading one record by its number is offered.
    pub random: bool,
}

impl Facts {
    const fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            verifies: true,
            groups: false,
            unsynced_note: None,
            always_syncs: false,
            read_note: None,
            random: true,
        }
    }
}

/// Opens or makes the log in a directory, with room for so many bytes.
type Open = fn(dir: &Path, room: u64) -> Outcome<Box<dyn Engine>>;

/// An engine and its facts.
#[derive(Clone, Copy)]
pub struct Kind {
    pub facts: Facts,
    pub open: Open,
}

/// All of them, ours first.
pub const ALL: [Kind; 8] = [
    Kind { facts: ours::FACTS, open: ours::open },
    Kind { facts: commitlog::FACTS, open: commitlog::open },
    Kind { facts: raft_engine::FACTS, open: raft_engine::open },
    Kind { facts: walrus::FACTS, open: walrus::open },
    Kind { facts: okaywal::FACTS, open: okaywal::open },
    Kind { facts: seglog::FACTS, open: seglog::open },
    Kind { facts: fjall::FACTS, open: fjall::open },
    Kind { facts: redb::FACTS, open: redb::open },
];

/// An error as text, with what was tried.
fn told<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

//! What a broker coordinates for its clients: consumer groups and their committed offsets.
//!
//! * [`group`]: one group as a pure state machine: no I/O, no runtime, no clock.
//! * [`groups`]: all groups of the broker: locks, held requests, the timer, storing and loading.
//! * [`offsets`]: the committed offsets of one group.
//! * [`records`]: the bytes of `__consumer_offsets`; [`journal`]: where they go and come from.
//!
//! # Not here
//!
//! API versions and error numbers of the wire (`handlers`), topics (`metadata`).

pub mod group;
pub mod groups;
pub mod journal;
pub mod offsets;
pub mod records;

pub use groups::{CoordinatorSettings, GroupCoordinator};

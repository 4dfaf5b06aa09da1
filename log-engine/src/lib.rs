//! A memory-mapped, segmented commit log: sparse indexes, time-based retention, zero-copy reads.
pub mod config;
pub mod error;
pub mod format;
pub mod index;
pub mod io;
pub mod log;
pub mod segment;
pub mod store;
pub mod types;

//! One partition's log.
pub mod producers;

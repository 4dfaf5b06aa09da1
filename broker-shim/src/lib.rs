//! Corrente.

pub mod config;
pub mod metadata;
pub mod net;

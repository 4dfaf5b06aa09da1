//! Corrente.

pub mod config;
pub mod convert;
pub mod metadata;
pub mod net;

//! Corrente.

pub mod config;
pub mod coordinators;
pub mod metadata;
pub mod net;

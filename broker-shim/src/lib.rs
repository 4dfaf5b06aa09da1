//! Corrente.

pub mod cli;
pub mod config;
pub mod coordinators;
pub mod metadata;
pub mod net;
pub mod server;

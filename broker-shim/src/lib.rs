//! Corrente.

pub mod cli;
pub mod config;
pub mod coordinators;
mod handlers;
pub mod metadata;
pub mod net;
pub mod server;

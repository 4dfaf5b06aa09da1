//! Corrente.

pub mod broker;
pub mod cli;
mod commits;
pub mod config;
pub mod convert;
pub mod coordinators;
pub mod handlers;
pub mod metadata;
pub mod net;
mod purgatory;
pub mod server;
mod trouble;

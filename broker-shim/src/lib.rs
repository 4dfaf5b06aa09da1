//! Corrente.

pub mod config;
pub mod coordinators;
mod handlers;
pub mod metadata;
pub mod net;

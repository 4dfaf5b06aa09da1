//! Corrente.
pub mod coordinators;

//! Corrente.

pub mod net;

//! Corrente.

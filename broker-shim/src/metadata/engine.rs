//! The seam to the engine: its log, until `log_engine::log::Log` is merged.

/// Stands in for `log_engine::log::Log`.
#[derive(Debug)]
pub struct Log;

//! The seam to the engine.

pub use log_engine::log::Log;

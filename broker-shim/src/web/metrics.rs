//! `/metrics`: the figures.

use super::{Starting, Web};
use axum::extract::State;
use std::sync::Arc;

/// The figures of this moment.
pub(super) async fn metrics(State(web): State<Arc<Web>>) -> Result<String, Starting> {
    let _running = web.running()?;
    Ok(String::new())
}

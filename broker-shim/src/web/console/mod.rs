//! The console: pages for people, and the JSON behind them.
//!
//! A handler takes `State(web): State<Arc<Web>>`; `web.running()?` is the broker, or the answer while it starts.

use super::Web;
use axum::Router;
use std::sync::Arc;

/// The console's routes.
pub(super) fn router() -> Router<Arc<Web>> {
    Router::new()
}

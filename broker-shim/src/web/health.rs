//! `/healthz` and `/readyz`: whether the process lives, and whether it is of use.

use super::Web;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// 200 while the process lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when clients are served.
pub(super) async fn readyz(State(web): State<Arc<Web>>) -> (StatusCode, &'static str) {
    match web.running() {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the broker starts: its logs are being opened\n"),
    }
}

//! `/metrics`: the figures of this moment, for Prometheus.
//!
//! | what | from where |
//! |---|---|
//! | requests, times, errors | counted where they are handled (`meter`) |
//! | connections, bytes | counted by the sockets (`net`) |
//! | topics, partitions, groups, lag | looked up when somebody asks; nothing is kept |
//! | the process | `/proc` |
//!
//! The names are documented in `docs/OPERATIONS.md`; a test compares.

mod broker;
mod groups;
mod logs;
mod process;
#[cfg(test)]
mod tests;
mod text;

use super::{Running, Starting, Web};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Instant;
use text::{Kind, Page};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers with the form that was asked for.
pub(super) async fn metrics(State(web): State<Arc<Web>>, headers: HeaderMap) -> Result<Response, Starting> {
    web.running()?;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let open_metrics = accepted.contains("application/openmetrics-text");
    // Ten thousand topics take some milliseconds: whoever asks for health meanwhile is not to wait.
    let made = tokio::task::spawn_blocking(move || web.running().map(|running| text(running, open_metrics)));
    let text = made.await.map_err(|_| Starting)??;
    let kind = if open_metrics { OPEN_METRICS } else { PLAIN };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The whole page.
fn text(running: &Running, open_metrics: bool) -> String {
    let begin = Instant::now();
    let mut page = Page::new(open_metrics);
    broker::add(&mut page, running);
    let logs = logs::add(&mut page, &running.state);
    let groups = groups::add(&mut page, &running.state);
    process::add(&mut page);
    let help = "What has no rows of its own here, because there is too much of it; sums are of all.";
    let mut family = page.family(Kind::Gauge, "corrente_metrics_left_out", help);
    for (what, count) in [
        ("topics", logs.topics),
        ("partitions", logs.partitions),
        ("groups", groups.groups),
        ("offsets", groups.offsets),
    ] {
        family.row(&[("what", what)], count);
    }
    let took = begin.elapsed().as_secs_f64();
    page.gauge("corrente_metrics_seconds", "What it took to make this page.", took);
    page.finish()
}

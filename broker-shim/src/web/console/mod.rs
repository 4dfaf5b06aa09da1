//! The console: pages for people, and the JSON behind them.
//!
//! ```text
//!  GET /             one page; its scripts and its style are embedded here, nothing comes from elsewhere
//!  GET /api/...      JSON, see `api`
//!  POST /api/...     changes; only with console.writes.enable=true, the field x-corrente-console and a JSON body
//! ```
//!
//! # Invariants
//!
//! * Questions run on the HTTP runtime's blocking pool, and those that read messages two at a time: whoever looks never
//!   holds up a producer or a consumer.
//! * A page of another site reads nothing and changes nothing: its requests say so (`Sec-Fetch-Site`, `Origin`) or need a
//!   permission of ours (`x-corrente-console`) that we never give.
//! * No script and no style stands in the page itself, and the policy sent with it forbids any: a message with `<script>` in
//!   it is text.
//!
//! # Not here
//!
//! Which host names are believed (`web`), what the answers hold (`api`), what is counted (`live`).

mod api;
mod assets;
mod live;
#[cfg(test)]
mod tests;

pub(super) use live::Live;

use super::Web;
use api::{Answer, Desk, Params, Problem};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What the page may load, and who may show it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The field that a request that changes something has: no other site can send it.
const FIELD: &str = "x-corrente-console";
/// How long a question waits for those that read messages before it.
const PATIENCE: Duration = Duration::from_secs(5);

type Parameters = Query<HashMap<String, String>>;

/// The console's routes.
pub(super) fn router() -> Router<Arc<Web>> {
    let pages = assets::ALL.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(move || async move { asset.answer() }))
    });
    pages
        .route("/api/overview", question(api::overview))
        .route("/api/settings", question(api::settings))
        .route("/api/topic", question(api::topic))
        .route("/api/topic/settings", question(api::topic_settings))
        .route("/api/topic/delete", change(api::delete_topic))
        .route("/api/topics", question(api::topics).merge(change(api::create_topic)))
        .route("/api/partitions", change(api::create_partitions))
        .route("/api/groups", question(api::groups))
        .route("/api/group", question(api::group))
        .route("/api/live", question(api::live))
        .route("/api/message", question(api::message))
        .route("/api/message/value", get(value))
        .route("/api/messages", get(messages).merge(change(api::send)))
        .fallback(|| async { failed(&Problem::gone("There is no such page.")) })
        .layer(from_fn(guard))
}

/// Counts for the pictures until the runtime ends.
pub(super) async fn count(web: Arc<Web>) {
    let mut ticks = tokio::time::interval(live::EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(running) = web.running() else { continue };
        let (live, state) = (Arc::clone(&web.live), Arc::clone(&running.state));
        // With very many topics it takes a few milliseconds, which are not the other pages'.
        if tokio::task::spawn_blocking(move || live.sample(&state)).await.is_err() {
            return;
        }
    }
}

/// A question that is answered from what is in memory, or nearly so.
fn question(ask: fn(&Desk, &Params) -> Answer) -> MethodRouter<Arc<Web>> {
    get(async move |State(web): State<Arc<Web>>, Query(params): Parameters| {
        shown(with_desk(&web, move |desk| ask(desk, &Params(params))).await)
    })
}

/// A change, asked for by a form.
fn change(make: fn(&Desk, &Value) -> Answer) -> MethodRouter<Arc<Web>> {
    post(async move |State(web): State<Arc<Web>>, fields: HeaderMap, body: Bytes| {
        let form = match form(&fields, &body) {
            Ok(form) => form,
            Err(problem) => return failed(&problem),
        };
        shown(with_desk(&web, move |desk| make(desk, &form)).await)
    })
}

/// The form of a request that was really made by our page.
fn form(fields: &HeaderMap, body: &Bytes) -> Result<Value, Problem> {
    let field = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
    if field(FIELD).is_none() {
        return Err(Problem::new(
            403,
            format!("Changes need the field {FIELD}, so that no other site makes them."),
        ));
    }
    if let (Some(origin), Some(host)) = (field("origin"), field("host"))
        && origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host))
    {
        return Err(Problem::new(403, "This change was asked for by the page of another site."));
    }
    let is_json = field("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let parsed = serde_json::from_slice(body).ok().filter(|form: &Value| is_json && form.is_object());
    parsed.ok_or_else(|| Problem::bad("The request is no JSON object (content-type: application/json)."))
}

async fn messages(State(web): State<Arc<Web>>, Query(params): Parameters) -> Response {
    let Ok(Ok(_permit)) = tokio::time::timeout(PATIENCE, web.live.readers.acquire()).await else {
        return failed(&Problem::new(429, "Others are searching already: try again in a moment."));
    };
    shown(with_desk(&web, move |desk| api::messages(desk, &Params(params))).await)
}

/// The bytes of a message, as a file: never as something that a browser would show or run.
async fn value(State(web): State<Arc<Web>>, Query(params): Parameters) -> Response {
    match with_desk(&web, move |desk| api::raw(desk, &Params(params))).await {
        Ok((name, bytes)) => {
            // A topic's name has nothing in it that would need quotes or escapes.
            let disposition = format!("attachment; filename=\"{name}\"");
            let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
            ([kind, (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
        }
        Err(problem) => failed(&problem),
    }
}

/// Runs what may wait for locks and disks where it holds up nobody.
async fn with_desk<T: Send + 'static>(
    web: &Arc<Web>,
    work: impl FnOnce(&Desk) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let starting = |_| Problem::new(503, "The broker starts: its logs are being opened.");
    let running = web.running().map_err(starting)?;
    let desk = Desk {
        state: Arc::clone(&running.state),
        live: Arc::clone(&web.live),
        writes: web.config.web.console_writes,
    };
    let bug =
        |_| Problem::new(500, "This question met a bug of the broker: please report the panic in its log.");
    tokio::task::spawn_blocking(move || work(&desk)).await.map_err(bug)?
}

fn shown(answer: Answer) -> Response {
    match answer {
        Ok(value) => json_answer(StatusCode::OK, &value),
        Err(problem) => failed(&problem),
    }
}

fn failed(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json_answer(status, &json!({ "error": problem.text }))
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Refuses what a page of another site asks, and tells the browser what it may do with an answer.
async fn guard(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let site = request.headers().get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let mut response = if is_api && matches!(site, Some("cross-site" | "same-site")) {
        failed(&Problem::new(403, "This was asked for by the page of another site."))
    } else {
        next.run(request).await
    };
    let fields = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", if is_api { "no-store" } else { "no-cache" }),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    response
}

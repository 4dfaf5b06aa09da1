//! The files of the page, embedded: plain HTML, CSS and JavaScript modules, as they lie in `assets/`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// A file of the page.
pub(super) struct Asset {
    pub(super) path: &'static str,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    pub(super) fn answer(&self) -> Response {
        ([(header::CONTENT_TYPE, self.kind)], self.content).into_response()
    }
}

const JS: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $kind:expr, $file:literal) => {
        Asset { path: $path, kind: $kind, content: include_str!(concat!("assets/", $file)) }
    };
}

/// All of them.
pub(super) static ALL: &[Asset] = &[
    asset!("/", "text/html; charset=utf-8", "index.html"),
    asset!("/style.css", "text/css; charset=utf-8", "style.css"),
    asset!("/icon.svg", "image/svg+xml", "icon.svg"),
    asset!("/app.js", JS, "app.js"),
    asset!("/ui.js", JS, "ui.js"),
    asset!("/charts.js", JS, "charts.js"),
    asset!("/overview.js", JS, "overview.js"),
    asset!("/topics.js", JS, "topics.js"),
    asset!("/messages.js", JS, "messages.js"),
    asset!("/groups.js", JS, "groups.js"),
    asset!("/broker.js", JS, "broker.js"),
    asset!("/forms.js", JS, "forms.js"),
];

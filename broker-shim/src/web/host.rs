//! Which names of this machine are believed: the answer to DNS rebinding.
//!
//! A page on `evil.example` may make its own name resolve to 127.0.0.1 and have the browser that shows it read from here. Such
//! a request says `Host: evil.example`, and that is how it is told. Nobody can be tricked by an address, by `localhost`, by a
//! name without a dot (no domain can be bought for it) or by a name that stands in `http.listener` or `advertised.listeners`.
//!
//! A port that is open beyond this machine shows its health and its figures under any name: monitors call it as they like, and
//! whoever opened it has decided that they may be read.

use super::Web;
use crate::config::BindHost;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Pages that only tell, and nothing of what is in the messages.
const FOR_MONITORS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Refuses requests for a name that nobody gave this machine.
pub(super) async fn check(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_believed(&web, host) || (is_open(&web) && FOR_MONITORS.contains(&request.uri().path())) {
        return next.run(request).await;
    }
    let text = "this name is not one of this broker's: use its address, or name it in advertised.listeners\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// Whether other machines reach the port.
fn is_open(web: &Web) -> bool {
    match web.config.web.listener.as_ref().map(|listener| &listener.host) {
        Some(BindHost::Host(host)) => !is_this_machine(host),
        Some(BindHost::Loopback) | None => false,
        Some(_) => true,
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a `Host` field names this machine.
fn is_believed(web: &Web, field: &str) -> bool {
    let name = name_of(field);
    if name.is_empty() {
        return false;
    }
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    let ours = web.config.listeners.advertised.iter().any(|advertised| same(&advertised.host));
    let bound = match web.config.web.listener.as_ref().map(|listener| &listener.host) {
        Some(BindHost::Host(host)) => same(host),
        _ => false,
    };
    let below_localhost = name.to_ascii_lowercase().ends_with(".localhost");
    ours || bound || below_localhost || !name.contains('.') || name.parse::<IpAddr>().is_ok()
}

/// The field without its port and brackets.
fn name_of(field: &str) -> &str {
    if field.contains('@') {
        return "";
    }
    if let Some(rest) = field.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    let name = match field.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => field,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;
    use std::sync::OnceLock;

    fn web(listener: &str) -> Web {
        let config = BrokerConfig::builder()
            .set("http.listener", listener)
            .set("advertised.listeners", "PLAINTEXT://kafka.example.org:9092");
        Web { config: Arc::new(config.build().unwrap()), running: OnceLock::new(), live: Arc::default() }
    }

    #[test]
    fn names_that_nobody_can_buy_are_believed() {
        let web = web("127.0.0.1:9464");
        for host in [
            "127.0.0.1:9464",
            "[::1]:9464",
            "::1",
            "localhost:9464",
            "LOCALHOST",
            "corrente:9464",
            "a.localhost:1",
            "kafka.example.org:9464",
            "Kafka.Example.org.:9464",
            "192.168.1.7",
        ] {
            assert!(is_believed(&web, host), "{host}");
        }
        for host in [
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "",
            ":9464",
            "localhost.evil.example",
            "example.org",
        ] {
            assert!(!is_believed(&web, host), "{host}");
        }
    }

    #[test]
    fn a_port_for_all_interfaces_is_open_and_loopback_is_not() {
        for (listener, open) in [
            (":1", true),
            ("0.0.0.0:1", true),
            ("10.0.0.1:1", true),
            ("127.0.0.1:1", false),
            ("[::1]:1", false),
            ("localhost:1", false),
        ] {
            assert_eq!(is_open(&web(listener)), open, "{listener}");
        }
    }
}

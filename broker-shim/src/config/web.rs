//! `http.listener` and `console.writes.enable`: the port for people and monitors.
//!
//! ```text
//! http.listener=127.0.0.1:9464    this machine only; the default
//! http.listener=:9464             all interfaces, IPv4 and IPv6
//! http.listener=[::1]:0           any free port; the log says which
//! http.listener=                  no such port
//! ```
//!
//! # Invariants
//!
//! * Beyond this machine only where somebody said so: neither a file nor the container's environment opens it by being there.
//!
//! # Not here
//!
//! What is served on it (`web`).

use super::error::ConfigError;
use super::listeners::{self, Listener};
use super::settings::Settings;

/// Where the port is when nobody says so.
pub const DEFAULT_HTTP_LISTENER: &str = "127.0.0.1:9464";
/// The key.
pub(crate) const HTTP_LISTENER: &str = "http.listener";
const EXPECTED: &str = "host:port, :port for all interfaces, or nothing for no such port";

/// The port for people and monitors.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebConfig {
    /// Where it listens; `None`: nowhere.
    pub listener: Option<Listener>,
    /// Whether somebody asked for this address: then a port that is taken stops the start.
    pub is_set: bool,
    /// Whether the console may change things.
    pub console_writes: bool,
}

/// Reads the keys.
pub(super) fn web(s: &Settings) -> Result<WebConfig, ConfigError> {
    let text = s.text(HTTP_LISTENER).unwrap_or_default().trim();
    let listener = if text.is_empty() { None } else { Some(one_listener(s, text)?) };
    Ok(WebConfig {
        listener,
        is_set: s.get(HTTP_LISTENER).is_some(),
        console_writes: s.switch("console.writes.enable"),
    })
}

fn one_listener(s: &Settings, text: &str) -> Result<Listener, ConfigError> {
    let mut found = listeners::parse_bind(&format!("HTTP://{text}"))
        .map_err(|_| s.error(HTTP_LISTENER, EXPECTED))?
        .into_iter();
    match (found.next(), found.next()) {
        (Some(listener), None) => Ok(Listener { name: HTTP_LISTENER.to_owned(), ..listener }),
        _ => Err(s.error(HTTP_LISTENER, EXPECTED)),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{BindHost, BrokerConfig, WebConfig};

    fn with(text: &str) -> Result<WebConfig, String> {
        let built = BrokerConfig::builder().set("http.listener", text).build();
        built.map(|config| config.web).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_is_for_this_machine_and_nobody_asked_for_it() {
        for config in [BrokerConfig::builder(), BrokerConfig::builder().env([])] {
            let web = config.build().unwrap().web;
            let listener = web.listener.unwrap();
            assert_eq!((listener.host, listener.port), (BindHost::Host("127.0.0.1".into()), 9464));
            assert!(!web.is_set && !web.console_writes);
        }
    }

    #[test]
    fn an_address_a_port_for_all_and_nothing_are_understood() {
        let any = with(":0").unwrap();
        assert_eq!(any.listener.unwrap().host, BindHost::Any);
        assert!(any.is_set);
        assert_eq!(with("[::1]:9").unwrap().listener.unwrap().host, BindHost::Host("::1".into()));
        assert_eq!(with("monitor.example:9").unwrap().listener.unwrap().port, 9);
        assert_eq!(with("").unwrap().listener, None);
        assert_eq!(with("  ").unwrap().listener, None);
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_was_expected() {
        for text in
            ["9464", "localhost", "localhost:http", "a:1,b:2", "http://localhost:1", "localhost:70000"]
        {
            let error = with(text).unwrap_err();
            let expected = "host:port, :port for all interfaces, or nothing for no such port";
            assert!(error.contains("http.listener") && error.contains(expected), "{text}: {error}");
        }
    }
}

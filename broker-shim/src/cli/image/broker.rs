//! The broker's settings out of a container's surroundings: where the coordinator is, and where the data goes.
//!
//! ```text
//! ZOOKEEPER_CONNECTION_STRING=a:2181,b:2181                    as the image of the 0.10 days has them
//! ZOOKEEPER_IP=10.0.0.2  ZOOKEEPER_PORT=2181                   the same for one server
//! ZOOKEEPER_CHROOT=/kafka                                      behind any of the forms
//! ZOOKEEPER_CONNECTION_TIMEOUT_MS, ZOOKEEPER_SESSION_TIMEOUT_MS
//! ZOOKEEPER_PORT_2181_TCP_ADDR, ZOOKEEPER_PORT_2181_TCP_PORT   set by the engine for --link zookeeper:zookeeper
//! 10.0.0.2  zookeeper 0f3a zookeeper                           in /etc/hosts, where the engine no longer sets them
//! ```
//!
//! The first four are settings; the last two count only where nothing else names a coordinator. Without any of them the
//! broker keeps its topics itself.

use super::is_injected;
use crate::config::{BrokerConfigBuilder, Escaped, nearest};
use std::collections::BTreeMap;

/// Where the logs are.
const LOG_DIR: &str = "/data/kafka";
/// The name that the coordinator's container is linked by.
const ALIAS: &str = "zookeeper";
const PORT: &str = "2181";
const CONNECT: &str = "zookeeper.connect";
/// The ends of the variables that are read, behind `ZOOKEEPER_`.
const ENDS: [&str; 6] =
    ["CONNECTION_STRING", "IP", "PORT", "CHROOT", "CONNECTION_TIMEOUT_MS", "SESSION_TIMEOUT_MS"];

/// Adds what the image, the container's variables and its `/etc/hosts` say.
pub(in crate::cli) fn settings(
    mut builder: BrokerConfigBuilder,
    variables: &BTreeMap<String, String>,
    hosts: &str,
) -> BrokerConfigBuilder {
    builder = builder.image("log.dir", LOG_DIR);
    for warning in mistyped(variables) {
        tracing::warn!("{warning}");
    }
    for (variable, key) in [
        ("ZOOKEEPER_CONNECTION_TIMEOUT_MS", "zookeeper.connection.timeout.ms"),
        ("ZOOKEEPER_SESSION_TIMEOUT_MS", "zookeeper.session.timeout.ms"),
    ] {
        if let Some(value) = given(variables, variable) {
            builder = builder.variable(variable, key, value);
        }
    }
    if let Some(command) = given(variables, "HOSTNAME_COMMAND") {
        tracing::warn!(
            command,
            "HOSTNAME_COMMAND has no effect: this image has no shell; set KAFKA_ADVERTISED_LISTENERS"
        );
    }
    let chroot = given(variables, "ZOOKEEPER_CHROOT").unwrap_or_default();
    let chroot =
        if chroot.is_empty() || chroot.starts_with('/') { chroot.into() } else { format!("/{chroot}") };
    if let Some((variable, servers)) = named(variables) {
        return builder.variable(variable, CONNECT, &format!("{servers}{chroot}"));
    }
    // A broker with the roles of KRaft has no coordinator, whoever else is linked.
    let kraft = ["KAFKA_PROCESS_ROLES", "KAFKA_CFG_PROCESS_ROLES"];
    if kraft.iter().any(|variable| given(variables, variable).is_some()) {
        return builder;
    }
    match linked(variables).or_else(|| aliased(variables, hosts)) {
        Some(server) => builder.image(CONNECT, &format!("{server}{chroot}")),
        None => builder,
    }
}

/// A note for each variable that is nearly one of ours: the broker would start alone without a word.
fn mistyped(variables: &BTreeMap<String, String>) -> Vec<String> {
    let note = |(variable, value): (&String, &String)| {
        let (prefix, rest) = variable.split_once('_')?;
        let is_ours = prefix == "ZOOKEEPER";
        if !is_ours && nearest(prefix, ["ZOOKEEPER"]).is_none()
            || value.trim().is_empty()
            || is_injected(rest, value)
        {
            return None;
        }
        let exact = ENDS.into_iter().find(|end| *end == rest);
        let meant = exact.filter(|_| !is_ours).or_else(|| nearest(rest, ENDS))?;
        Some(format!(
            "environment variable {}: sets nothing; did you mean ZOOKEEPER_{meant}?",
            Escaped(variable)
        ))
    };
    variables.iter().filter_map(note).collect()
}

/// A variable that is there and not empty: compose files pass on what is not set as nothing.
fn given<'a>(variables: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// The coordinator that somebody named, and the variable that says so.
fn named(variables: &BTreeMap<String, String>) -> Option<(&'static str, String)> {
    const ALL: &str = "ZOOKEEPER_CONNECTION_STRING";
    if let Some(servers) = given(variables, ALL) {
        return Some((ALL, servers.to_owned()));
    }
    let ip = given(variables, "ZOOKEEPER_IP")?;
    Some(("ZOOKEEPER_IP", server(ip, port(variables))))
}

/// `ZOOKEEPER_PORT`, where it is a number: a link puts a whole address there.
fn port(variables: &BTreeMap<String, String>) -> &str {
    given(variables, "ZOOKEEPER_PORT").filter(|port| port.parse::<u16>().is_ok()).unwrap_or(PORT)
}

/// What a link's variables say. The container is called `zookeeper` in the first place, and may be called anything.
fn linked(variables: &BTreeMap<String, String>) -> Option<String> {
    const END: &str = "_PORT_2181_TCP_ADDR";
    let usual = format!("{}{END}", ALIAS.to_ascii_uppercase());
    let any = || variables.keys().find(|name| name.ends_with(END)).map(String::as_str);
    let variable = given(variables, &usual).map(|_| usual.as_str()).or_else(any)?;
    let port = variable.replace("_TCP_ADDR", "_TCP_PORT");
    Some(server(given(variables, variable)?, given(variables, &port).unwrap_or(PORT)))
}

/// The alias, if `/etc/hosts` has it: the name and not its address, which is another one after a restart.
fn aliased(variables: &BTreeMap<String, String>, hosts: &str) -> Option<String> {
    let names = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        words.next().is_some() && words.any(|name| name == ALIAS)
    };
    hosts.lines().any(names).then(|| server(ALIAS, port(variables)))
}

fn server(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::map;
    use super::*;
    use crate::config::BrokerConfig;

    const LINK: [(&str, &str); 4] = [
        ("ZOOKEEPER_PORT", "tcp://172.17.0.2:2181"),
        ("ZOOKEEPER_PORT_2181_TCP", "tcp://172.17.0.2:2181"),
        ("ZOOKEEPER_PORT_2181_TCP_ADDR", "172.17.0.2"),
        ("ZOOKEEPER_PORT_2181_TCP_PORT", "2181"),
    ];
    const HOSTS: &str =
        "127.0.0.1\tlocalhost\n172.17.0.2\tzookeeper 0f3a21 zookeeper # a link\n172.17.0.3 b7\n";

    fn config(variables: &[(&str, &str)], hosts: &str) -> BrokerConfig {
        let variables = map(variables);
        let builder = BrokerConfig::builder().env(variables.clone());
        settings(builder, &variables, hosts).build().unwrap()
    }

    fn connect(variables: &[(&str, &str)], hosts: &str) -> Option<String> {
        config(variables, hosts).zookeeper.map(|zookeeper| zookeeper.connect.to_string())
    }

    #[test]
    fn without_a_coordinator_the_broker_keeps_its_topics_itself() {
        let config =
            config(&[], "127.0.0.1 localhost\n# 10.0.0.1 zookeeper\n10.0.0.1 zookeeper.example\nzookeeper\n");
        assert_eq!(config.zookeeper, None);
        assert_eq!(config.storage.log_dirs, [std::path::PathBuf::from("/data/kafka")]);
    }

    #[test]
    fn a_link_is_understood_by_its_variables_and_by_its_alias() {
        assert_eq!(connect(&LINK, "").as_deref(), Some("172.17.0.2:2181"));
        assert_eq!(connect(&[], HOSTS).as_deref(), Some("zookeeper:2181"));
        assert_eq!(connect(&LINK, HOSTS).as_deref(), Some("172.17.0.2:2181"));
        assert_eq!(connect(&[("ZK_PORT_2181_TCP_ADDR", "10.0.0.9")], "").as_deref(), Some("10.0.0.9:2181"));
        assert_eq!(connect(&[("ZOOKEEPER_CHROOT", "kafka")], HOSTS).as_deref(), Some("zookeeper:2181/kafka"));
    }

    #[test]
    fn what_somebody_wrote_goes_before_a_link() {
        let with = |more: &[(&str, &str)]| connect(&[&LINK[..], more].concat(), HOSTS);
        assert_eq!(with(&[("ZOOKEEPER_IP", "10.0.0.4")]).as_deref(), Some("10.0.0.4:2181"));
        let ip = [("ZOOKEEPER_IP", "10.0.0.4"), ("ZOOKEEPER_PORT", "2182"), ("ZOOKEEPER_CHROOT", "/k")];
        assert_eq!(connect(&ip, "").as_deref(), Some("10.0.0.4:2182/k"));
        assert_eq!(with(&[("ZOOKEEPER_CONNECTION_STRING", "a:1,b:2")]).as_deref(), Some("a:1,b:2"));
        assert_eq!(with(&[("KAFKA_ZOOKEEPER_CONNECT", "c:3")]).as_deref(), Some("c:3"));
        assert_eq!(with(&[("KAFKA_PROCESS_ROLES", "broker,controller")]), None);
        assert_eq!(connect(&[("ZOOKEEPER_IP", "")], ""), None);
    }

    #[test]
    fn the_times_of_the_older_image_are_settings() {
        let config = config(&[("ZOOKEEPER_IP", "::1"), ("ZOOKEEPER_SESSION_TIMEOUT_MS", "7000")], "");
        let zookeeper = config.zookeeper.unwrap();
        assert_eq!(zookeeper.session_timeout.as_millis(), 7000);
        assert_eq!(zookeeper.connect.to_string(), "[::1]:2181");
    }

    #[test]
    fn a_mistyped_variable_is_named_and_one_of_a_link_is_not() {
        for (variable, meant) in [
            ("ZOOKEEPER_CONECTION_STRING", "ZOOKEEPER_CONNECTION_STRING"),
            ("ZOOKEPER_IP", "ZOOKEEPER_IP"),
            ("ZOKEEPER_CHROT", "ZOOKEEPER_CHROOT"),
        ] {
            let note = format!("environment variable {variable}: sets nothing; did you mean {meant}?");
            assert_eq!(mistyped(&map(&[(variable, "x")])), [note]);
        }
        let others = [
            ("ZOOKEEPER_TICK_TIME", "1"),
            ("ZOOKEEPER_HOST", "a"),
            ("ZOOKEEPER_IP", "a"),
            ("ZOOKEEPER_PORT", "1"),
            ("ZOOKEEPERS_PORT", "tcp://10.0.0.1:2181"),
            ("ZOOKEEPERS_PORT_2181_TCP_PORT", "2181"),
            ("ZOOKEEPER_CHROT", ""),
        ];
        assert!(mistyped(&map(&others)).is_empty(), "{:?}", mistyped(&map(&others)));
    }
}

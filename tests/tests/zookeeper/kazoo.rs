//! kazoo: its own tests against a server of ours, and what they leave out: the end and the return of the server.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use corrente_tests::install::{self, Missing};
use corrente_tests::zookeeper::Zookeeper;
use corrente_tests::{place, process, runner};
use serde_json::{Value, json};

use crate::checks;

const LIMIT: Duration = Duration::from_secs(400);
/// Fewer would mean that the tests were not found.
const LEAST: u64 = 200;

/// Tests that are not run, and why.
const OMITTED: &[(&str, &str)] = &[
    ("test_gevent_handler.py", "the same tests once more for another way of waiting, which is not installed"),
    ("test_eventlet_handler.py", "as gevent"),
    ("test_timeout_arg_eventlet", "as gevent"),
    ("test_sasl.py", "wants a server with SASL"),
    ("test_build.py", "looks at the wheel"),
    ("test_selectors_select.py", "tests the select of Python, for ten seconds"),
    ("TestSSLClient", "wants a TLS port"),
    ("test_update_host_list", "wants a second server of the cluster"),
    ("TestReadOnlyMode", "wants a cluster that loses its majority"),
    ("TestReconfig", "wants a cluster"),
];

fn python() -> Result<PathBuf, Missing> {
    install::python("kazoo", 8, 14, &["kazoo", "pytest", "objgraph"])
}

/// The end and the return of the server under clients with locks, watches, rights and nodes of their own.
pub(crate) fn through_restarts() -> Result<(), Missing> {
    let mut server = Zookeeper::start(&[("tickTime", "2000"), ("minSessionTimeout", "1000")])?;
    let mut program = Command::new(python()?);
    program.arg(place::client_program("python/kazoo_client.py")).arg(server.connect_string());
    let wanted = ["restart", "rights_after_a_restart", "expired_while_asleep"];
    checks::run("kazoo", &mut program, &mut server, &wanted);
    Ok(())
}

/// Its own tests, all that one server can serve.
pub(crate) fn own_tests() -> Result<(), Missing> {
    let mut server = Zookeeper::start(&[])?;
    // From here on the tests start and stop it.
    server.kill9();
    let omit: Value = OMITTED
        .iter()
        .map(|(name, why)| ((*name).to_owned(), json!(why)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let command = json!({"command": server.command(), "port": server.address().port(), "omit": omit});
    let mut program = Command::new(python()?);
    program
        .args(["-W", "ignore"])
        .arg(place::client_program("python/kazoo_suite.py"))
        .arg(command.to_string());
    program.env("ZOOKEEPER_VERSION", "3.9.4");
    let finished = process::run(&mut program, &[], LIMIT).success("kazoo's own tests");
    let lines: Vec<Value> =
        finished.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed: Vec<String> = lines.iter().filter(|line| line["outcome"] == "failed").map(explain).collect();
    let last = lines.last().expect("a summary");
    assert!(failed.is_empty(), "{} of kazoo's tests failed: {last}\n{}", failed.len(), failed.join("\n"));
    assert!(last["passed"].as_u64() >= Some(LEAST), "too few of kazoo's tests ran: {last}");
    assert_eq!(last["skipped"], 0, "tests that do not run are named here: {:?}", skipped(&lines));
    let version = lines[0]["version"].as_str().expect("a version");
    runner::ran("kazoo", &format!("{version} and {} of its own tests", last["passed"]));
    Ok(())
}

fn explain(line: &Value) -> String {
    format!("{}:\n{}\n", line["test"].as_str().unwrap_or_default(), line["text"].as_str().unwrap_or_default())
}

fn skipped(lines: &[Value]) -> Vec<String> {
    lines.iter().filter(|line| line["outcome"] == "skipped").map(explain).collect()
}

//! `/metrics` read by Prometheus' own parsers for Python, in both forms.

use corrente_tests::broker::Broker;
use corrente_tests::install::{self, Missing};
use corrente_tests::{place, process};
use std::process::Command;
use std::time::Duration;

/// Where this scenario's broker has its figures.
const HTTP: &str = "127.0.0.1:22801";

pub(crate) fn is_read() -> Result<(), Missing> {
    let python = install::python("prometheus-client", 9, 14, &["prometheus-client"])?;
    let broker = Broker::start(&[("http.listener", HTTP)]);
    broker.ensure_topic("shown");
    let mut command = Command::new(python);
    command.arg(place::client_program("python/exposition.py"));
    command.args([&format!("http://{HTTP}/metrics"), "shown"]);
    let read = process::run(&mut command, &[], Duration::from_secs(60)).success("exposition.py");
    assert!(read.stdout.contains("text/plain") && read.stdout.contains("application/openmetrics-text"));
    Ok(())
}

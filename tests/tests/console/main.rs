//! The web console in Debian's Chromium: what a person does on it, from the empty broker to a broker that goes away and
//! comes back.
//!
//! `cargo test -p corrente-tests --test console`. What the browser does is `tests/clients/console/console.mjs`; the pictures
//! of its steps are in `target/console/` afterwards.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use corrente_tests::broker::{self, Broker};
use corrente_tests::install::{self, Missing};
use corrente_tests::process::{Line, Running};
use corrente_tests::runner::{self, Scenario};
use corrente_tests::{place, process};

/// One step of the browser.
const STEP: Duration = Duration::from_secs(60);
/// What it has to have done at the end.
const STEPS: usize = 12;

fn main() -> ExitCode {
    runner::main(&[Scenario::new("the_console_in_chromium", in_chromium)])
}

fn in_chromium() -> Result<(), Missing> {
    let dir = install::chromium()?;
    let http = format!("127.0.0.1:{}", broker::free_port());
    let mut broker = Broker::start(&[("http.listener", &http), ("console.writes.enable", "true")]);
    let program = place::client_program("console/console.mjs");
    let mut browser =
        Running::start(Command::new("node").arg(&program).arg(&dir).arg(format!("http://{http}/")));
    let mut done = 0;
    while let Some(line) = browser.line(Instant::now() + STEP) {
        let Line::Out(line) = line else { continue };
        match line.split_once(' ').unwrap_or((line.as_str(), "")) {
            ("version", version) => runner::ran("chromium", version),
            ("ok", _) => done += 1,
            ("consume", _) => consume(&broker),
            ("kill", _) => broker.kill9(),
            ("start", _) => drop(broker.spawn()),
            _ => panic!("{line}\n{}\n{}", browser.complaints(), broker.output()),
        }
        if ["consume", "kill", "start"].contains(&line.as_str()) {
            browser.tell("done");
        }
        if done == STEPS {
            browser.finish(STEP);
            return Ok(());
        }
    }
    panic!("the browser stopped after {done} steps\n{}\n{}", browser.complaints(), broker.output());
}

/// A group that reads everything and commits.
fn consume(broker: &Broker) {
    let mut command = Command::new(broker::binary());
    command.args(["consume", "orders", "-b", &broker.bootstrap(), "-f", "-e", "-g", "billing"]);
    process::run(&mut command, &[], STEP).success("a group reads the topic");
}

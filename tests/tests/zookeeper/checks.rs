//! Client programs that print a line for each thing they checked: `ok NAME`, or `FAILED NAME: why`; `ask WHAT` when
//! they want something done with the server, and `version V`.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use corrente_tests::process::{Line, Running};
use corrente_tests::runner;
use corrente_tests::zookeeper::Zookeeper;

const LIMIT: Duration = Duration::from_secs(120);
/// Longer than the session of who asks for it.
const NAP: Duration = Duration::from_secs(5);

/// Runs a program to its end and does with the server what it asks for.
///
/// # Panics
///
/// If a check failed, or one of those `wanted` did not run, or it is not done in time.
pub(crate) fn run(client: &str, command: &mut Command, server: &mut Zookeeper, wanted: &[&str]) {
    let mut program = Running::start(command);
    let give_up = Instant::now() + LIMIT;
    let (mut passed, mut failed) = (BTreeSet::new(), Vec::new());
    while let Some(line) = program.line(give_up) {
        let Line::Out(line) = line else { continue };
        match line.split_once(' ') {
            Some(("ok", name)) => drop(passed.insert(name.to_owned())),
            Some(("FAILED", why)) => failed.push(why.to_owned()),
            Some(("version", version)) => runner::ran(client, version),
            Some(("ask", what)) => {
                match what {
                    "kill9_and_restart" => drop(server.kill9_and_restart()),
                    "sleep" => program.pause(NAP),
                    other => panic!("a client asks for {other:?}"),
                }
                program.tell("done");
            }
            _ => {}
        }
    }
    let complaints = program.complaints();
    assert!(failed.is_empty(), "{client}:\n{}{complaints}", failed.join("\n"));
    let missing: Vec<&&str> = wanted.iter().filter(|name| !passed.contains(**name)).collect();
    assert!(missing.is_empty(), "{client}: it never came to {missing:?}{complaints}");
    program.finish(LIMIT);
}

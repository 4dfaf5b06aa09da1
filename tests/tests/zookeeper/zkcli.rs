//! `zkCli` of 3.9.4, with what is typed in `zkcli/commands.txt`: it prints what it prints to the real server.
//!
//! `zkcli/expected.txt` was written down from the real one (`CORRENTE_ZOOKEEPER=real` still compares it with that).
//! Watch events come when they come, so they are listed apart; times and session ids are left out, zxids are counted
//! from the first one.

use std::fs;
use std::process::Command;
use std::time::Duration;

use corrente_tests::install::Missing;
use corrente_tests::process::{self, Finished};
use corrente_tests::zookeeper::{self, Zookeeper};
use corrente_tests::{place, runner};

const COMMANDS: &str = include_str!("zkcli/commands.txt");
const EXPECTED: &str = include_str!("zkcli/expected.txt");
const LIMIT: Duration = Duration::from_secs(120);

/// See the module.
pub(crate) fn prints_what_it_prints_to_the_real_one() -> Result<(), Missing> {
    let server = Zookeeper::start(&[])?;
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    java.arg(format!("-Dlogback.configurationFile={}", place::client_program("java/logback.xml").display()));
    java.arg("-cp").arg(zookeeper::jars()?.join("*")).arg("org.apache.zookeeper.ZooKeeperMain");
    java.args(["-server", &server.connect_string()]);
    let found = normal(&process::run(&mut java, COMMANDS.as_bytes(), LIMIT), &server.connect_string());
    // Whoever changes the commands finds here what to look at and to keep.
    fs::write(place::clients_dir().join("zkcli-actual.txt"), &found)
        .expect("the target directory is writable");
    for (n, (found, expected)) in found.lines().zip(EXPECTED.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of what zkCli prints", n + 1);
    }
    assert_eq!(found.lines().count(), EXPECTED.lines().count(), "lines that zkCli prints");
    runner::ran("zkCli", zookeeper::RELEASE);
    Ok(())
}

/// Standard output, standard error and the events, each in its order.
fn normal(finished: &Finished, address: &str) -> String {
    let (mut output, mut events) = (String::new(), Vec::new());
    let mut zxids = Zxids::default();
    let mut lines = finished.stdout.lines();
    while let Some(line) = lines.next() {
        if line == "WATCHER::" {
            let event = lines.by_ref().find(|line| line.starts_with("WatchedEvent"));
            // The client tells of connections by a thread of each.
            events.extend(event.filter(|event| !event.contains(" type:None ")));
        } else if !line.is_empty() {
            output.push_str(&zxids.normal(&line.replace(address, "HOST:PORT")));
            output.push('\n');
        }
    }
    let events = events.iter().map(|line| zxids.normal(line) + "\n").collect::<String>();
    let errors: String = finished.stderr.lines().map(|line| format!("{line}\n")).collect();
    format!("--- standard output\n{output}--- standard error\n{errors}--- events\n{events}")
}

/// zxids as their distance from the first.
#[derive(Default)]
struct Zxids(Option<i64>);

impl Zxids {
    fn normal(&mut self, line: &str) -> String {
        let (name, value) = line.rsplit_once(' ').unwrap_or_default();
        match name {
            "cZxid =" | "mZxid =" | "pZxid =" => {
                let zxid = value.strip_prefix("0x").and_then(|hex| i64::from_str_radix(hex, 16).ok());
                return format!("{name} {}", self.distance(zxid.expect("a number in hex")));
            }
            "ephemeralOwner =" if value != "0x0" => return format!("{name} SESSION"),
            _ => {}
        }
        if line.starts_with("ctime = ") || line.starts_with("mtime = ") {
            return format!("{} TIME", &line[..7]);
        }
        match (name.ends_with(" zxid:"), value.parse()) {
            (true, Ok(zxid @ 1..)) => format!("{name} {}", self.distance(zxid)),
            _ => line.to_owned(),
        }
    }

    fn distance(&mut self, zxid: i64) -> String {
        let first = *self.0.get_or_insert(zxid);
        format!("first{:+}", zxid - first)
    }
}

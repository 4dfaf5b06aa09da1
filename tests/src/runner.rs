//! The `main` of a test program with `harness = false`: libtest's habits, and a summary at the end.
//!
//! Scenarios run two at a time (most of their time is waiting). The lines are libtest's, so that people and tools
//! read them as ever; then follows which clients took part, with their versions, also written to
//! `target/clients/ran.txt` for whoever prints the end of a longer run.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use crate::install::Missing;
use crate::place;

/// A named test. It passes when it returns `Ok`, fails when it panics, and is skipped (under `CI=true`: fails)
/// when the machine lacks something.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the line says, and what a filter is matched against.
    pub name: String,
    /// The test.
    pub run: fn() -> Result<(), Missing>,
}

impl Scenario {
    /// A scenario by this name.
    pub fn new(name: &str, run: fn() -> Result<(), Missing>) -> Self {
        Self { name: name.to_owned(), run }
    }
}

static RAN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes that a client took part, e.g. `ran("kcat", "1.7.1")`.
pub fn ran(client: &str, version: &str) {
    RAN.lock().expect("nobody panics with this lock").insert(format!("{client} {version}"));
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the scenarios that the command line asks for, as `cargo test` passes it on: names or parts of names,
/// `--exact`, `--skip NAME`, `--list`; other options of libtest are accepted and have no effect.
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    let options = Options::parse(env::args().skip(1));
    let chosen: Vec<&Scenario> = scenarios.iter().filter(|s| options.wants(&s.name)).collect();
    if options.list {
        for scenario in chosen {
            say(&format!("{}: test", scenario.name));
        }
        return ExitCode::SUCCESS;
    }
    if options.ignored_only {
        say(
            "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        return ExitCode::SUCCESS;
    }
    let begin = Instant::now();
    say(&format!("\nrunning {} tests", chosen.len()));
    let tally = run_all(&chosen);
    summary(tally, scenarios.len() - chosen.len(), begin);
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(chosen: &[&Scenario]) -> Tally {
    let workers = usize::try_from(place::number("CORRENTE_TEST_THREADS", 2)).expect("a small number").max(1);
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..workers.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(scenario) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = scenario.name.clone();
                    // The name of the thread is what a panic's first line says.
                    let work = thread::Builder::new().name(name).spawn_scoped(scope, || run_one(scenario));
                    let one = work.expect("a thread").join().expect("panics are caught inside");
                    let mut tally = tally.lock().expect("nobody panics with this lock");
                    tally.passed += one.passed;
                    tally.failed += one.failed;
                    tally.skipped += one.skipped;
                }
            });
        }
    });
    tally.into_inner().expect("nobody panics with this lock")
}

fn run_one(scenario: &Scenario) -> Tally {
    let begin = Instant::now();
    let outcome = panic::catch_unwind(AssertUnwindSafe(scenario.run));
    let seconds = begin.elapsed().as_secs_f64();
    let name = &scenario.name;
    match outcome {
        Ok(Ok(())) => {
            say(&format!("test {name} ... ok ({seconds:.1} s)"));
            Tally { passed: 1, ..Tally::default() }
        }
        Ok(Err(Missing(what))) if place::under_ci() => {
            say(&format!("test {name} ... FAILED (CI=true allows no skip): {what}"));
            Tally { failed: 1, ..Tally::default() }
        }
        Ok(Err(Missing(what))) => {
            say(&format!("test {name} ... ignored, SKIPPED: {what}"));
            Tally { skipped: 1, ..Tally::default() }
        }
        Err(_) => {
            say(&format!("test {name} ... FAILED ({seconds:.1} s)"));
            Tally { failed: 1, ..Tally::default() }
        }
    }
}

fn summary(tally: Tally, filtered: usize, begin: Instant) {
    let ran = RAN.lock().expect("nobody panics with this lock");
    let mut text = String::from("clients that ran:\n");
    for client in ran.iter() {
        text.push_str(&format!("  {client}\n"));
    }
    let clients = place::clients_dir();
    let written = fs::create_dir_all(&clients).and_then(|()| fs::write(clients.join("ran.txt"), &text));
    written.expect("the target directory is writable");
    let Tally { passed, failed, skipped } = tally;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let seconds = begin.elapsed().as_secs_f64();
    say(&format!(
        "\n{text}\ntest result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; \
         {filtered} filtered out; finished in {seconds:.2}s\n"
    ));
}

#[derive(Debug, Default)]
struct Options {
    filters: Vec<String>,
    skips: Vec<String>,
    exact: bool,
    list: bool,
    ignored_only: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--exact" => options.exact = true,
                "--list" => options.list = true,
                "--ignored" => options.ignored_only = true,
                "--skip" => options.skips.extend(arguments.next()),
                // Options of libtest that are followed by a value of their own.
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => drop(arguments.next()),
                other if other.starts_with('-') => {}
                filter => options.filters.push(filter.to_owned()),
            }
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        let fits =
            |pattern: &String| if self.exact { name == pattern } else { name.contains(pattern.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skips.iter().any(fits)
    }
}

fn say(line: &str) {
    // One write a line: several workers print.
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn options(line: &str) -> Options {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_filter_is_a_part_of_the_name_unless_exact() {
        assert!(options("kcat").wants("kcat_codecs"));
        assert!(!options("kcat --exact").wants("kcat_codecs"));
        assert!(!options("franz").wants("kcat_codecs"));
        assert!(options("").wants("kcat_codecs"));
    }

    #[test]
    fn skip_wins_over_filter_and_option_values_are_no_filters() {
        assert!(!options("kcat --skip codecs").wants("kcat_codecs"));
        assert!(options("--test-threads 4 --nocapture").wants("kcat_codecs"));
    }
}

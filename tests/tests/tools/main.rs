//! Kafka's command line tools and ours of the same names, run with the same words on two brokers of ours that began empty,
//! and their output compared line by line: standard output, standard error, exit code.
//!
//! ```text
//!  case 1: kafka-topics --create ...   original -> broker A     ours -> broker B     normalise, compare
//!  case 2: kafka-console-producer ...  original -> broker A     ours -> broker B     normalise, compare
//! ```
//!
//! | module | what |
//! |---|---|
//! | `cases` | the command lines, for tools of 4.3.1 and of 2.2.0 |
//! | `differences` | where the two may differ, and why; an entry that is needed no more is a failure too |
//! | `normal` | what is taken for equal: times, ids, ports, log lines, stack traces, the tables of options |
//! | `java` | many originals in one virtual machine |
//!
//! `cargo test -p corrente-tests --test tools [NAME...]`; `CORRENTE_TOOL_CASES=text` runs the cases that have it in their
//! names and what they need, and prints both sides.

mod cases;
mod differences;
mod java;
mod normal;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::Duration;

use corrente_tests::broker::{Broker, binary};
use corrente_tests::install::Missing;
use corrente_tests::place;
use corrente_tests::process;
use corrente_tests::runner::{self, Scenario};

use cases::Case;
use differences::Difference;
use java::Java;
use normal::{Output, Side};

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("tools_of_4_3_1", || {
            compare(&java::tools_4()?, cases::OF_4, cases::ON_FILES, differences::FROM_4)
        }),
        Scenario::new("tools_of_2_2_0", || {
            compare(&java::tools_2_2_0()?, cases::OF_2_2, &[], differences::FROM_2_2)
        }),
        Scenario::new("differences_are_documented", documented),
    ])
}

/// One of the two: its broker, and a directory for files that are named on command lines.
struct Place {
    broker: Broker,
    files: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let broker =
            Broker::start(&[("offsets.topic.num.partitions", "1"), ("log.segment.bytes", "1048576")]);
        let files = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in cases::FILES {
            fs::write(files.path().join(name), text).expect("the temporary directory is writable");
        }
        Self { broker, files }
    }

    /// The words of a case, with what is this side's own in its places.
    fn words(&self, line: &str, data: &str) -> Vec<String> {
        let files = self.files.path().display().to_string();
        let golden = place::workspace().join("log-engine/tests/golden").display().to_string();
        let word = |word: &str| {
            word.replace("{b}", &self.broker.bootstrap())
                .replace("{port}", &self.broker.address().port().to_string())
                .replace("{files}", &files)
                .replace("{data}", data)
                .replace("{golden}", &golden)
        };
        line.split_whitespace().map(word).collect()
    }

    /// `data` is the directory that a case names, if it is not this side's own.
    fn side(&self, data: &str) -> Side {
        Side {
            bootstrap: self.broker.bootstrap(),
            files: self.files.path().display().to_string(),
            data: if data.is_empty() { self.broker.log_dir().display().to_string() } else { data.to_owned() },
        }
    }
}

fn compare(
    originals: &java::Tools,
    cases: &[Case],
    on_files: &[Case],
    allowed: &[Difference],
) -> Result<(), Missing> {
    let mut java = Java::start(originals);
    let (theirs, mut ours) = (Place::new(), Place::new());
    let mut report = Report::new(allowed);
    for case in cases {
        one(originals, &mut java, (&theirs, &ours), "", case, &mut report);
    }
    if !on_files.is_empty() {
        // The same files for both, and all of them whole.
        ours.broker.stop();
        let data = ours.broker.log_dir().display().to_string();
        for case in on_files {
            one(originals, &mut java, (&theirs, &ours), &data, case, &mut report);
        }
    }
    report.finish();
    Ok(())
}

fn one(
    originals: &java::Tools,
    java: &mut Java,
    (theirs, ours): (&Place, &Place),
    data: &str,
    case: &Case,
    report: &mut Report<'_>,
) {
    let here = run_ours(case.tool, &ours.words(case.line, data), case.input);
    let there = if case.setup {
        run_ours(case.tool, &theirs.words(case.line, data), case.input)
    } else {
        let class = originals.class(case.tool);
        java.run(class, &theirs.words(case.line, data), case.input)
    };
    if case.setup {
        assert_eq!((here.code, there.code), (0, 0), "{}: {here:?} {there:?}", case.name);
        return;
    }
    let there = normal::output(&there, &theirs.side(data), case.like);
    let here = normal::output(&here, &ours.side(data), case.like);
    report.case(case.name, &there, &here);
}

fn run_ours(tool: &str, words: &[String], input: &str) -> Output {
    let mut command = Command::new(binary());
    command.arg(tool).args(words).env("TZ", "UTC").env_remove("NO_COLOR");
    let finished = process::run(&mut command, input.as_bytes(), Duration::from_secs(60));
    Output { code: finished.status.code().unwrap_or(-1), out: finished.stdout, err: finished.stderr }
}

/// What differs, against what may.
struct Report<'a> {
    allowed: &'a [Difference],
    used: BTreeSet<(&'static str, &'static str)>,
    cases: BTreeSet<&'static str>,
    text: String,
    shown: Option<String>,
}

impl<'a> Report<'a> {
    fn new(allowed: &'a [Difference]) -> Self {
        let shown = std::env::var("CORRENTE_TOOL_CASES").ok();
        Self { allowed, used: BTreeSet::new(), cases: BTreeSet::new(), text: String::new(), shown }
    }

    fn case(&mut self, name: &'static str, theirs: &Output, ours: &Output) {
        assert!(self.cases.insert(name), "two cases are called {name}");
        let codes = (theirs.code.to_string(), ours.code.to_string());
        let streams =
            [("out", &theirs.out, &ours.out), ("err", &theirs.err, &ours.err), ("code", &codes.0, &codes.1)];
        for (stream, theirs, ours) in streams {
            let shown = self.shown.as_ref().is_some_and(|part| name.contains(part.as_str()));
            if theirs == ours && !shown {
                continue;
            }
            let listed = self.allowed.iter().any(|d| d.case == name && d.stream == stream);
            if theirs != ours && listed {
                self.used.insert((name, stream));
            }
            if shown || (theirs != ours && !listed) {
                let _ =
                    write!(self.text, "\n=== {name}: {stream}{}\n", if listed { " (listed)" } else { "" });
                let _ = write!(self.text, "--- original\n{theirs}\n--- ours\n{ours}\n");
            }
        }
    }

    fn finish(self) {
        let idle = self.allowed.iter().filter(|d| !d.sometimes && !self.used.contains(&(d.case, d.stream)));
        let idle: Vec<String> = idle.map(|d| format!("{}: {}", d.case, d.stream)).collect();
        // Kept beside the output of the test, which is long.
        let file = place::clients_dir().join("tools-differ.txt");
        let _ = fs::write(file, &self.text);
        assert!(self.text.is_empty(), "tools differ:\n{}", self.text);
        assert!(idle.is_empty(), "listed as different, and are not: {idle:?}");
    }
}

/// Every reason stands in the documentation, word for word.
fn documented() -> Result<(), Missing> {
    let text =
        fs::read_to_string(place::workspace().join("docs/COMPATIBILITY.md")).expect("the file is there");
    let all = differences::FROM_4.iter().chain(differences::FROM_2_2);
    let missing: BTreeSet<&str> = all.map(|d| d.reason).filter(|reason| !text.contains(reason)).collect();
    assert!(missing.is_empty(), "not in docs/COMPATIBILITY.md: {missing:#?}");
    Ok(())
}

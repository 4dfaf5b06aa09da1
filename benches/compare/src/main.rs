//! The same work by log-engine, by its peers, and without any engine: ratios in one interleaved run.
//!
//! Every workload runs in rounds; in each round the engines take turns, each round beginning with another one, and the
//! median of an engine's rounds counts. So whatever the machine does meanwhile, it does to all of them. Absolute
//! figures are this machine's; the ratios are what is compared.
//!
//! Every read is checked: number, length, beginning and end of the records inside the time that is taken, all bytes once
//! outside of it.

mod child;
mod loads;
mod options;
mod peers;
mod raw;
mod report;
mod work;

use options::Options;
use peers::{ALL, Kind, Outcome};
use report::{Bench, OURS};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where one of the peers puts its files can only be said by the environment.
const WALRUS_DIR: &str = "WALRUS_DATA_DIR";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|arg| arg == child::FLAG).is_some() {
        return told(child::run(args));
    }
    match Options::parse(args) {
        Ok(options) if std::env::var_os(WALRUS_DIR).is_some() => told(run(&options)),
        Ok(options) => told(again(&options)),
        Err(text) => told(Err(text)),
    }
}

fn told(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again with what the peers want in the environment, and tidies up whatever happens.
fn again(options: &Options) -> Outcome {
    let dir = std::path::absolute(&options.dir).map_err(|e| e.to_string())?;
    let scratch = dir.join(format!("compare-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let status = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--dir")
        .arg(&scratch)
        .env(WALRUS_DIR, &scratch)
        .env("WALRUS_QUIET", "1")
        .status();
    let removed = std::fs::remove_dir_all(&scratch);
    let status = status.map_err(|e| e.to_string())?;
    removed.map_err(|e| format!("{}: {e}", scratch.display()))?;
    if status.success() { Ok(()) } else { Err(format!("the run ended with {status}")) }
}

type Load = fn(&Setup) -> Outcome<Vec<Bench>>;

/// In the order in which they run.
const LOADS: [(&str, Load); 10] = [
    ("limits", loads::limits::run),
    ("durable", loads::durable::run),
    ("append", loads::append::run),
    ("synced", loads::synced::run),
    ("read", loads::read::run),
    ("random", loads::random::run),
    ("reopen", loads::reopen::run),
    ("rebuild", loads::rebuild::run),
    ("sustained", loads::sustained::run),
    ("many", loads::many::run),
];

/// What the workloads need to know.
pub struct Setup {
    pub options: Options,
    pub peers: Vec<Kind>,
}

impl Setup {
    /// An empty directory that is gone when the guard is.
    pub fn scratch(&self, name: &str) -> Scratch {
        let path = self.options.dir.join(name.replace([' ', '/', ':'], "_"));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }
}

/// A directory of one measurement.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(options: &Options) -> Outcome {
    if let Some(name) = options.workloads.iter().find(|name| LOADS.iter().all(|(known, _)| known != name)) {
        return Err(format!("no workload {name:?}\n\n{}", options::USAGE));
    }
    let wanted = |kind: &&Kind| {
        let name = kind.facts.name;
        name == OURS || options.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    };
    let peers = ALL.iter().filter(wanted).copied().collect();
    let setup = Setup { options: options.clone(), peers };
    if options.cpu_time {
        loads::count_cpu_time();
    }
    let mut goals = Vec::new();
    for (name, load) in LOADS.iter().filter(|(name, _)| options.wants(name)) {
        println!("\n## {name}");
        for bench in load(&setup)? {
            println!("{}", bench.markdown());
            goals.extend(bench.goals());
        }
    }
    println!("\n## goals\n");
    goals.iter().for_each(|goal| println!("- {goal}"));
    println!("\nversions: {}", versions());
    Ok(())
}

fn versions() -> String {
    let all: Vec<String> =
        ALL.iter().map(|kind| format!("{} {}", kind.facts.name, kind.facts.version)).collect();
    all.join(", ")
}

//! Work that wants a process of its own: to be killed, to be counted, or to have settings that are the process's.

use crate::loads;
use crate::peers::{ALL, Kind, Outcome};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The first argument of a child.
pub const FLAG: &str = "--child";

/// Runs a job; its figures go to standard output, one a line.
pub fn run(mut args: impl Iterator<Item = String>) -> Outcome {
    let mut next = || args.next().ok_or("a child lacks an argument");
    let (job, engine, dir) = (next()?, next()?, PathBuf::from(next()?));
    let number: u64 = next()?.parse().map_err(|_| "a child wants a number")?;
    let figures = match job.as_str() {
        "synced" => vec![loads::synced::child(&engine, &dir, number)?],
        "probe" => loads::durable::child(&engine, &dir, number)?,
        "fill" => loads::reopen::child(&engine, &dir, number)?,
        "many" => loads::many::child(&engine, &dir, number)?,
        other => return Err(format!("no job {other}")),
    };
    figures.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

/// The engine of that name.
pub fn kind(name: &str) -> Outcome<Kind> {
    ALL.iter().find(|kind| kind.facts.name == name).copied().ok_or_else(|| format!("no engine {name}"))
}

/// A command that runs a job in a child, below `under` if that names another program.
pub fn command(under: &[&str], job: &str, engine: &str, dir: &Path, number: u64) -> Outcome<Command> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = match under {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    command.args([FLAG, job, engine]).arg(dir).arg(number.to_string());
    command.stdin(Stdio::null());
    Ok(command)
}

/// Runs a job in a child and takes its figures.
pub fn figures(job: &str, engine: &str, dir: &Path, number: u64) -> Outcome<Vec<f64>> {
    let output = command(&[], job, engine, dir, number)?.output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it failed").to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

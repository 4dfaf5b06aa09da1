//! Whether an engine syncs when it is asked to: its system calls are counted.
//!
//! A child appends a hundred times, synced, below `strace`; one sync at least must be seen for each, or a file that is
//! opened for synchronous writes.

use crate::Setup;
use crate::child;
use crate::peers::Outcome;
use crate::report::{Bench, Better};
use crate::work::{Shape, Unit};
use std::path::Path;

const SHAPE: Shape = Shape { name: "100 B", count: 1, len: 100, singly: true };
const APPENDS: u64 = 100;
const CALLS: &str = "trace=fsync,fdatasync,msync,sync_file_range,openat,io_uring_enter";

pub fn run(setup: &Setup) -> Outcome<Vec<Bench>> {
    let mut bench = Bench::new("syncs seen for 100 synced appends", "calls", Better::Higher);
    for kind in &setup.peers {
        let name = kind.facts.name;
        match trace(setup, name) {
            Ok(seen) => {
                bench.add(name, seen.syncs as f64);
                if let Some(doubt) = seen.doubt() {
                    bench.note(name, format!("NOT DURABLE: {doubt}"));
                } else if seen.synchronous_files > 0 {
                    bench.note(name, "writes to files opened with O_SYNC or O_DSYNC");
                }
            }
            Err(error) => bench.note(name, error),
        }
    }
    Ok(vec![bench])
}

/// For each engine what speaks against the durability of its synced appends.
pub fn syncs(setup: &Setup) -> Vec<(String, Option<String>)> {
    let doubt = |name: &str| trace(setup, name).ok().and_then(|seen| seen.doubt());
    setup.peers.iter().map(|kind| (kind.facts.name.to_owned(), doubt(kind.facts.name))).collect()
}

struct Seen {
    syncs: u64,
    synchronous_files: u64,
}

impl Seen {
    fn doubt(&self) -> Option<String> {
        let enough = self.syncs >= APPENDS || self.synchronous_files > 0;
        (!enough).then(|| format!("{} syncs for {APPENDS} synced appends", self.syncs))
    }
}

fn trace(setup: &Setup, engine: &str) -> Outcome<Seen> {
    let scratch = setup.scratch(&format!("synced probe {engine}"));
    let log = setup.options.dir.join("strace.out");
    let log_name = log.display().to_string();
    let under = ["strace", "-f", "-e", CALLS, "-o", &log_name];
    let output = child::command(&under, "probe", engine, scratch.path(), APPENDS)?.output();
    let output = output.map_err(|e| format!("not checked, strace: {e}"))?;
    if !output.status.success() {
        return Err("not checked: the probe failed".to_owned());
    }
    let text = std::fs::read_to_string(&log).map_err(|e| e.to_string())?;
    let _ = std::fs::remove_file(&log);
    let calls = |names: &[&str]| {
        text.lines().filter(|line| names.iter().any(|name| line.contains(name))).count() as u64
    };
    Ok(Seen {
        syncs: calls(&[" fsync(", " fdatasync(", " msync("]),
        synchronous_files: calls(&["O_SYNC", "O_DSYNC"]),
    })
}

/// The job of the child.
pub fn child(engine: &str, dir: &Path, appends: u64) -> Outcome<Vec<f64>> {
    let unit = Unit::new(SHAPE);
    let engine = (child::kind(engine)?.open)(dir, 64 << 20)?;
    (0..appends).try_for_each(|_| engine.append_synced(&unit))?;
    Ok(Vec::new())
}

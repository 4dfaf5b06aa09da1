//! `corrente log repair`: what would put logs right, and with `--apply`, doing it.

use super::line::Line;
use super::output::{Output, Progress};
use super::target::{Around, Target, parent};
use super::{Common, FOUND, Outcome, read_only, size_of, target};
use log_engine::error::{LogError, Result};
use log_engine::format::names::META;
use log_engine::inspect::CheckOptions;
use log_engine::io::{DirLock, ReadOnlyStorage, RealStorage, Storage};
use log_engine::repair::{Step, plan, repair};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Do it; without it nothing is written
    #[arg(long)]
    apply: bool,
    /// Compaction may have left gaps in these logs; known without it for logs whose data directory says so
    #[arg(long)]
    compacted: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let look = read_only();
    let mut targets = Vec::new();
    for path in &args.common.paths {
        match target(&look, path)? {
            Target::File(file) => {
                let dir = parent(&file);
                return Err(format!(
                    "{} is repaired with its neighbours: name {}",
                    file.display(),
                    dir.display()
                )
                .into());
            }
            other => targets.push(other),
        }
    }
    let mut out = Output::new(args.common.json);
    let mut count = 0;
    let mut locks = BTreeMap::new();
    for target in &targets {
        if args.apply {
            lock(&RealStorage::new(), target, &mut locks)?;
        }
        let around = Around::load(&look, &target.data_dir(), args.compacted)?;
        for dir in target.logs(&look)? {
            let steps = repaired(&look, &dir, &around.options(&dir), args.apply)?;
            for step in &steps {
                out.line_or_text(&line(step), &step.to_string())?;
            }
            count += steps.len();
        }
    }
    out.text(&match (count, args.apply) {
        (0, _) => "nothing to repair".to_owned(),
        (_, true) => format!("{count} steps done"),
        (_, false) => format!("{count} steps; nothing was written: say --apply to do them"),
    })?;
    out.finish()?;
    Ok(if count == 0 || args.apply { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// The steps for one log, done if `apply` says so.
fn repaired(
    look: &ReadOnlyStorage,
    dir: &Path,
    options: &CheckOptions<'_>,
    apply: bool,
) -> Result<Vec<Step>> {
    // What is sound is read twice, for its checksums and for what is derived from it; what is not, once more.
    let progress = Progress::over(look, look.bytes_read() + size_of(look, dir)? * 2);
    let shared: Arc<dyn Storage> = Arc::new(look.clone());
    let steps = plan(&shared, dir, options)?;
    drop(progress);
    if !apply || steps.is_empty() {
        return Ok(steps);
    }
    let storage: Arc<dyn Storage> = Arc::new(RealStorage::new());
    repair(&storage, dir, options)
}

/// Takes the locks under which a broker or whoever embeds the engine holds a log.
fn lock(
    storage: &dyn Storage,
    target: &Target,
    held: &mut BTreeMap<PathBuf, Box<dyn DirLock>>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut dirs = Vec::new();
    let data_dir = target.data_dir();
    let whole = matches!(target, Target::Data(_));
    if whole || is_there(storage, &data_dir.join(META))? || is_there(storage, &data_dir.join(".lock"))? {
        dirs.push(data_dir);
    }
    for dir in target.logs(storage)? {
        // In a data directory there is one lock for all; a log by itself has its own.
        if dirs.is_empty() || is_there(storage, &dir.join(".lock"))? {
            dirs.push(dir);
        }
    }
    for dir in dirs {
        if held.contains_key(&dir) {
            continue;
        }
        match storage.lock_dir(&dir).map_err(LogError::io("lock", &dir))? {
            Ok(lock) => drop(held.insert(dir, lock)),
            Err(holder) => {
                let text = format!(
                    "{} is in use by {holder}: stop it, then repair; nothing was written",
                    dir.display()
                );
                return Err(text.into());
            }
        }
    }
    Ok(())
}

fn is_there(storage: &dyn Storage, path: &Path) -> Result<bool> {
    storage.exists(path).map_err(LogError::io("look for", path))
}

fn line(step: &Step) -> Line {
    let line = |what: &'static str, file: &Path| {
        Line::new("step").with("step", what).with("file", file.display().to_string())
    };
    match step {
        Step::SetAside { file, bytes, to } => line("set_aside", file)
            .with("from_position", bytes.start)
            .with("to_position", bytes.end)
            .with("to", to.display().to_string()),
        Step::Rename { file, to } => line("rename", file).with("to", to.display().to_string()),
        Step::Cut { file, at } => line("cut", file).with("at", *at),
        Step::Fill { file, bytes, offsets } => line("fill", file)
            .with("from_position", bytes.start)
            .with("to_position", bytes.end)
            .with("from_offset", offsets.start.get())
            .with("to_offset", offsets.end.get()),
        Step::Rebuild { file } => line("rebuild", file),
        other => Line::new("step").with("step", other.to_string()),
    }
}

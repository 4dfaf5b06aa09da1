//! `corrente log dump`: what is in the files.

use super::line::Line;
use super::output::Output;
use super::target::{Target, base_of};
use super::{Common, Outcome, decode, read_only, target};
use log_engine::error::{LogError, Result};
use log_engine::format::names::{CHECKPOINTS, FileKind, META, SegmentFile, Stage};
use log_engine::inspect::{SegmentReader, read_small};
use log_engine::io::{EntryKind, Storage};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Show the records in the batches too
    #[arg(long)]
    records: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let storage = read_only();
    let mut out = Output::new(args.common.json);
    for path in &args.common.paths {
        match target(&storage, path)? {
            Target::File(file) => {
                if !dump_file(&storage, &file, args.records, &mut out)? {
                    let name = file.display();
                    return Err(
                        format!("{name} has a name that no file of a log has; give it its own name").into()
                    );
                }
            }
            whole => dump_all(&storage, &whole, args.records, &mut out)?,
        }
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn dump_all(
    storage: &dyn Storage,
    target: &Target,
    records: bool,
    out: &mut Output,
) -> std::result::Result<(), Box<dyn Error>> {
    if let Target::Data(dir) = target {
        for name in CHECKPOINTS.iter().chain([&META]) {
            if storage.exists(&dir.join(name)).map_err(LogError::io("look for", dir))? {
                dump_file(storage, &dir.join(name), records, out)?;
            }
        }
    }
    for dir in target.logs(storage)? {
        for file in files(storage, &dir)? {
            // What nothing is known of is nobody's, and left out.
            dump_file(storage, &file, records, out)?;
        }
    }
    Ok(())
}

fn files(storage: &dyn Storage, dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = storage.list(dir).map_err(LogError::io("list", dir))?;
    // What is on its way in or out is not part of the log; it can be named by itself.
    let unfinished = |name: &str| SegmentFile::parse(name).is_some_and(|file| file.stage != Stage::Live);
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File && !unfinished(&entry.name));
    let mut paths: Vec<_> = files.map(|entry| dir.join(&entry.name)).collect();
    paths.sort();
    Ok(paths)
}

/// Prints a file; false if its name says nothing.
fn dump_file(
    storage: &dyn Storage,
    path: &Path,
    records: bool,
    out: &mut Output,
) -> std::result::Result<bool, Box<dyn Error>> {
    let kind = base_of(path);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let file = |bytes: u64| Line::new("file").with("path", path.display().to_string()).with("size", bytes);
    if let Some((base, FileKind::Log)) = kind {
        let mut reader = SegmentReader::open(storage, path, base)?;
        out.line(&file(reader.len()))?;
        while let Some(entry) = reader.next_entry()? {
            let mut written = Ok(());
            decode::entry(&entry, records, &mut |line| {
                if written.is_ok() {
                    written = out.line(&line);
                }
            });
            written?;
        }
        return Ok(true);
    }
    let Some(bytes) = read_small(storage, path)? else {
        return match kind {
            Some(_) => Err(format!("{} is larger than 64 MiB", path.display()).into()),
            None => Ok(false),
        };
    };
    let Some(lines) = decode::small_file(name, kind, &bytes) else { return Ok(false) };
    out.line(&file(bytes.len() as u64))?;
    match lines {
        Ok(lines) => lines.iter().try_for_each(|line| out.line(line))?,
        Err(problem) => out.line(&Line::new("unreadable").with("problem", problem))?,
    }
    Ok(true)
}

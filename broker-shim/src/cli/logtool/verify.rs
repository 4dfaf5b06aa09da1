//! `corrente log verify`: whether anything is wrong.

use super::line::Line;
use super::output::{Output, Progress};
use super::target::{Around, Target, base_of, parent};
use super::{Common, FOUND, Outcome, read_only, size_of, target};
use log_engine::error::Result;
use log_engine::format::checkpoint::{Properties, read_offsets};
use log_engine::format::names::{CHECKPOINTS, FileKind, META};
use log_engine::inspect::{Finding, Kind, LogCheck, check_log, read_small};
use log_engine::io::{ReadOnlyStorage, Storage};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Compaction may have left gaps in these logs; known without it for logs whose data directory says so
    #[arg(long)]
    compacted: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let storage = read_only();
    let mut out = Output::new(args.common.json);
    let mut all = Summary::default();
    for path in &args.common.paths {
        let target = target(&storage, path)?;
        verify(&storage, &target, args.compacted, &mut out, &mut all)?;
    }
    all.print(&mut out)?;
    if all.damage > 0 {
        let paths: Vec<_> = args.common.paths.iter().map(|path| path.display().to_string()).collect();
        out.text(&format!("what can be done about it: corrente log repair {}", paths.join(" ")))?;
    }
    out.finish()?;
    Ok(if all.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn verify(
    storage: &ReadOnlyStorage,
    target: &Target,
    compacted: bool,
    out: &mut Output,
    all: &mut Summary,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let around = Around::load(storage, &target.data_dir(), compacted)?;
    if let Target::Data(dir) = target {
        for finding in data_files(storage, dir)? {
            all.take(out, &finding)?;
        }
    }
    let logs = target.logs(storage)?;
    let total = logs.iter().map(|dir| size_of(storage, dir)).sum::<Result<u64>>()?;
    // Every byte is read for its checksum, and again for what is derived from it.
    let progress = Progress::over(storage, (storage.bytes_read() + total) * 2);
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let mut checks = Vec::new();
    for dir in logs {
        let mut options = around.options(&dir);
        if let Target::File(file) = target {
            let Some(base) = base_of(file).filter(|(_, kind)| *kind != FileKind::Snapshot) else {
                return Err(format!("{} is no segment's file; name its directory", file.display()).into());
            };
            options.segment = Some(base.0);
        }
        checks.push(check_log(&shared, &dir, &options)?);
    }
    drop(progress);
    for check in checks {
        for finding in &check.findings {
            all.take(out, finding)?;
        }
        all.add(&check);
    }
    Ok(())
}

/// The files of a data directory that belong to no log.
fn data_files(storage: &dyn Storage, dir: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut wrong = |name: &str, kind, problem: String| {
        findings.push(Finding::new(kind, &dir.join(name), 0..0, problem));
    };
    for name in CHECKPOINTS {
        if let Some(Err(reason)) = read_small(storage, &dir.join(name))?.map(|bytes| read_offsets(&bytes)) {
            wrong(name, Kind::Derived, format!("{reason}; a start does without it"));
        }
    }
    if let Some(Err(reason)) = read_small(storage, &dir.join(META))?.map(|bytes| Properties::read(&bytes)) {
        wrong(META, Kind::Damage, format!("{reason}; restore it from a backup: no broker starts without it"));
    }
    Ok(findings)
}

/// What was found in all.
#[derive(Debug, Default)]
struct Summary {
    logs: usize,
    segments: usize,
    batches: u64,
    damage: usize,
    torn: usize,
    derived: usize,
    notes: usize,
    gaps: bool,
}

impl Summary {
    const fn is_clean(&self) -> bool {
        self.damage + self.torn + self.derived == 0
    }

    fn add(&mut self, check: &LogCheck) {
        self.logs += 1;
        self.segments += check.segments;
        self.batches += check.batches;
    }

    fn take(&mut self, out: &mut Output, finding: &Finding) -> io::Result<()> {
        *match finding.kind {
            Kind::Damage => &mut self.damage,
            Kind::Torn => &mut self.torn,
            Kind::Derived => &mut self.derived,
            Kind::Note => &mut self.notes,
        } += 1;
        self.gaps |= finding.kind == Kind::Damage && finding.is_gap;
        out.line_or_text(&line(finding), &finding.to_string())
    }

    fn print(&self, out: &mut Output) -> io::Result<()> {
        let verdict = if self.is_clean() { "clean" } else { "not clean" };
        out.text(&format!(
            "{} logs, {} segments, {} batches: {verdict}{}",
            self.logs,
            self.segments,
            self.batches,
            [(self.damage, "damage"), (self.torn, "torn"), (self.derived, "derived"), (self.notes, "note")]
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, name)| format!(", {name} {count}"))
                .collect::<String>()
        ))?;
        if self.gaps {
            out.text("if these are gaps that compaction has left, say --compacted")?;
        }
        let summary = Line::new("summary")
            .with("logs", self.logs)
            .with("segments", self.segments)
            .with("batches", self.batches)
            .with("clean", self.is_clean())
            .with("damage", self.damage)
            .with("torn", self.torn)
            .with("derived", self.derived)
            .with("notes", self.notes);
        if out.is_json() { out.line(&summary) } else { Ok(()) }
    }
}

fn line(finding: &Finding) -> Line {
    let bytes = Some(&finding.bytes).filter(|bytes| !bytes.is_empty());
    let offsets = Some(&finding.offsets).filter(|offsets| !offsets.is_empty());
    Line::new("finding")
        .with("kind", finding.kind.name())
        .with("log", parent(&finding.file).display().to_string())
        .with("file", finding.file.display().to_string())
        .with("from_position", bytes.map(|bytes| bytes.start))
        .with("to_position", bytes.map(|bytes| bytes.end))
        .with("from_offset", offsets.map(|offsets| offsets.start.get()))
        .with("to_offset", offsets.map(|offsets| offsets.end.get()))
        .with("problem", finding.problem.clone())
}

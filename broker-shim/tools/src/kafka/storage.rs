//! `kafka-storage`: ids, and data directories that are ready before the first start.
//!
//! ```text
//! $ kafka-storage.sh random-uuid
//! 46j5Mn07Qv-bGI1z80v2ww
//! $ kafka-storage.sh format -t 46j5Mn07Qv-bGI1z80v2ww -c config/server.properties
//! Formatting metadata directory /data with metadata.version 4.3-IV0.
//! $ kafka-storage.sh info -c config/server.properties
//! Found log directory:
//!   /data
//!
//! Found metadata: {cluster.id=46j5Mn07Qv-bGI1z80v2ww, corrente.metadata=log, directory.id=..., node.id=0, version=1}
//! ```
//!
//! Our broker needs no formatting: it makes its directories itself. Whoever wants to choose the cluster's id does it here.
//!
//! # Not here
//!
//! Quorums of controllers and credentials: options for them are refused.

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::options::{Opt, Options, Spec};
use kafka_client::properties::{self, Properties};
use kafka_wire::Uuid;
use log_engine::{Log, LogConfig, LogError, NewRecord};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-storage",
        about: "The Kafka storage tool: kafka-storage info | format | random-uuid",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(&["config", "c"], "file", "The server.properties of the broker."),
    Opt::value(&["cluster-id", "t"], "id", "The cluster's id (format)."),
    Opt::flag(&["ignore-formatted", "g"], "Leave alone what is formatted already (format)."),
    Opt::value(&["release-version", "r"], "version", "Accepted; there is one format."),
    Opt::value(&["feature", "f"], "feature=level", "Accepted; there is one format."),
    Opt::flag(&["standalone", "s"], "Accepted: a broker of ours always stands alone."),
    Opt::flag(&["no-initial-controllers", "N"], "Accepted: there are no controllers beside the broker."),
    Opt::value(
        &["initial-controllers", "I"],
        "list",
        "Not served: there are no controllers beside the broker.",
    ),
    Opt::value(&["add-scram", "S"], "credential", "Not served: there are no credentials yet."),
];

const META: &str = "meta.properties";
/// Where the broker keeps its topics: it is in the first directory.
const METADATA_LOG: &str = "__corrente_metadata-0";
/// What a directory of ours is told to be like.
const VERSION: &str = "4.3-IV0";

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    let [command] = options.rest() else {
        return Err(Failure::usage("name one command: info, format or random-uuid"));
    };
    match command.as_str() {
        "random-uuid" => Ok(io.line(&random_uuid()?.to_string())?),
        "info" => info(&Config::read(options)?, io),
        "format" => format_all(options, io),
        other => Err(Failure::usage(format!("{other:?} is no command: name info, format or random-uuid"))),
    }
}

/// What is needed of the broker's settings.
struct Config {
    dirs: Vec<PathBuf>,
    node: i32,
}

impl Config {
    fn read(options: &Options) -> Result<Self, Failure> {
        let file =
            options.value("config")?.ok_or_else(|| Failure::usage("argument --config/-c is required"))?;
        let file = Path::new(file);
        let settings = properties::load(file)?;
        let list = settings.get("log.dirs").or_else(|| settings.get("log.dir"));
        // Relative to the file, as the broker takes them.
        let base = file.parent().unwrap_or(Path::new(""));
        let dirs: BTreeSet<PathBuf> = list
            .map_or("/tmp/kafka-logs", String::as_str)
            .split(',')
            .map(str::trim)
            .filter(|dir| !dir.is_empty())
            .map(|dir| base.join(dir))
            .collect();
        Ok(Self { dirs: dirs.into_iter().collect(), node: node(&settings)? })
    }
}

fn node(settings: &Properties) -> Result<i32, Failure> {
    let key = if settings.contains_key("node.id") { "node.id" } else { "broker.id" };
    let Some(text) = settings.get(key) else { return Ok(0) };
    match text.trim().parse() {
        Ok(id) if id >= 0 => Ok(id),
        // As the broker: none was chosen.
        Ok(_) => Ok(0),
        Err(_) => Err(Failure::told(format!("{key}={text}: a number is needed"))),
    }
}

fn random_uuid() -> Result<Uuid, Failure> {
    loop {
        let id = random()
            .map_err(|error| Failure::told(format!("the system gives no random numbers: {error}")))?;
        // One that looks like an option is no good on a command line.
        if !id.to_string().starts_with('-') {
            return Ok(id);
        }
    }
}

/// A random id by its standard, as Java's are.
fn random() -> Result<Uuid, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(Uuid(bytes))
}

fn format_all(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    for refused in ["initial-controllers", "add-scram"] {
        if options.has(refused) {
            return Err(Failure::told(format!("--{refused} is not served: leave it out")));
        }
    }
    let config = Config::read(options)?;
    let id =
        options.value("cluster-id")?.ok_or_else(|| Failure::usage("argument --cluster-id/-t is required"))?;
    let cluster: Uuid = id.parse().map_err(|problem| {
        Failure::told(format!(
            "Cluster ID string {id} does not appear to be a valid UUID: {problem}; kafka-storage.sh random-uuid makes one"
        ))
    })?;
    let (done, new): (Vec<&PathBuf>, Vec<&PathBuf>) =
        config.dirs.iter().partition(|dir| dir.join(META).exists());
    if let Some(dir) = done.first().filter(|_| !options.has("ignore-formatted")) {
        return Err(Failure::told(format!(
            "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
            dir.display()
        )));
    }
    if new.is_empty() {
        return Ok(io.line("All of the log directories are already formatted.")?);
    }
    for (index, dir) in new.into_iter().enumerate() {
        let first = index == 0 && done.is_empty();
        format_one(dir, cluster, config.node, first)
            .map_err(|error| Failure::told(format!("cannot format {}: {error}", dir.display())))?;
        let kind = if first { "metadata" } else { "data" };
        io.line(&format!("Formatting {kind} directory {} with metadata.version {VERSION}.", dir.display()))?;
    }
    Ok(())
}

fn format_one(dir: &Path, cluster: Uuid, node: i32, with_metadata: bool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(dir)?;
    if with_metadata {
        begin_metadata(dir, cluster, node)?;
    }
    let text = format!(
        "#\n#\nversion=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={}\ncorrente.metadata=log\n",
        random().map_err(|error| error.to_string())?
    );
    let temporary = dir.join("meta.properties.tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(META))?;
    Ok(fs::File::open(dir)?.sync_all()?)
}

/// The first record of the broker's metadata log, which says whose it is: as the broker's first start would write it
/// (a test holds the two together).
fn begin_metadata(dir: &Path, cluster: Uuid, node: i32) -> Result<(), LogError> {
    const VERSION_1_CLUSTER: [u8; 2] = [1, 1];
    let fact = [&VERSION_1_CLUSTER[..], &cluster.0, &node.to_be_bytes()].concat();
    let log = Log::open(dir.join(METADATA_LOG), LogConfig::default())?;
    log.append_synced(&[NewRecord::keyed(b"c", &fact)]).map(drop)
}

fn info(config: &Config, io: &mut Io<'_>) -> Result<(), Failure> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut first: Option<Properties> = None;
    for dir in &config.dirs {
        let shown = dir.display();
        if !dir.is_dir() {
            let what = if dir.exists() { "is not a directory" } else { "does not exist" };
            problems.push(format!("{shown} {what}"));
            continue;
        }
        found.push(shown.to_string());
        let meta = dir.join(META);
        if !meta.exists() {
            problems.push(format!("{shown} is not formatted."));
            continue;
        }
        match (properties::load(&meta), &first) {
            (Err(error), _) => problems.push(format!("Error loading {}: {error}", meta.display())),
            (Ok(read), None) => first = Some(read),
            (Ok(read), Some(first)) => problems.extend(mismatch(first, &read)),
        }
    }
    list("Found log director", &found, io)?;
    if let Some(meta) = first {
        let pairs: Vec<String> = meta.iter().map(|(key, value)| format!("{key}={value}")).collect();
        io.line(&format!("Found metadata: {{{}}}\n", pairs.join(", ")))?;
    }
    list("Found problem", &problems, io)?;
    if problems.is_empty() { Ok(()) } else { Err(Failure::Silent(1)) }
}

fn mismatch(first: &Properties, other: &Properties) -> Option<String> {
    let differ = |key: &str| first.get(key) != other.get(key);
    if differ("cluster.id") {
        Some("Mismatched cluster IDs between storage directories.".into())
    } else if differ("node.id") {
        Some("Mismatched node IDs between storage directories.".into())
    } else {
        None
    }
}

/// A head in singular or plural, then what there is, then an empty line.
fn list(head: &str, entries: &[String], io: &mut Io<'_>) -> Result<(), Failure> {
    let ending = match (head.ends_with("director"), entries.len()) {
        (_, 0) => return Ok(()),
        (true, 1) => "y",
        (true, _) => "ies",
        (false, 1) => "",
        (false, _) => "s",
    };
    io.line(&format!("{head}{ending}:"))?;
    entries.iter().try_for_each(|entry| io.line(&format!("  {entry}")))?;
    Ok(io.line("")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, run};

    fn config(dir: &Path) -> String {
        let file = dir.join("server.properties");
        fs::write(&file, "log.dirs=one,two\nbroker.id=7\n").unwrap();
        file.display().to_string()
    }

    #[test]
    fn an_id_is_22_characters_and_no_option() {
        let out = run(&TOOL, "random-uuid").out;
        assert!(out.trim_end().parse::<Uuid>().is_ok() && !out.starts_with('-'), "{out}");
    }

    #[test]
    fn directories_are_formatted_once_and_shown() {
        let dir = tempfile::tempdir().unwrap();
        let (file, root) = (config(dir.path()), dir.path().display());
        let missing = run(&TOOL, &format!("info -c {file}"));
        assert_eq!(
            (missing.code, missing.out),
            (1, format!("Found problems:\n  {root}/one does not exist\n  {root}/two does not exist\n\n"))
        );
        let format = format!("format -t 46j5Mn07Qv-bGI1z80v2ww -c {file}");
        assert_eq!(
            run(&TOOL, &format).out,
            format!(
                "Formatting metadata directory {root}/one with metadata.version {VERSION}.\nFormatting data directory {root}/two with metadata.version {VERSION}.\n"
            )
        );
        let again = run(&TOOL, &format);
        assert_eq!(
            (again.code, again.err),
            (
                1,
                format!(
                    "Log directory {root}/one is already formatted. Use --ignore-formatted to ignore this directory and format the others.\n"
                )
            )
        );
        assert_eq!(
            run(&TOOL, &format!("{format} -g")).out,
            "All of the log directories are already formatted.\n"
        );
        let info = run(&TOOL, &format!("info --config {file}"));
        assert_eq!(info.code, 0, "{info:?}");
        assert!(info.out.starts_with(&format!("Found log directories:\n  {root}/one\n  {root}/two\n\nFound metadata: {{cluster.id=46j5Mn07Qv-bGI1z80v2ww, corrente.metadata=log, directory.id=")), "{}", info.out);
    }

    #[test]
    fn a_broker_takes_what_was_formatted() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        format_one(&data, "46j5Mn07Qv-bGI1z80v2ww".parse().unwrap(), 0, true).unwrap();
        let rig = Rig::with(&[("log.dirs", &data.display().to_string())]);
        assert_eq!(
            rig.out(&super::super::cluster::TOOL, "cluster-id"),
            "Cluster ID: 46j5Mn07Qv-bGI1z80v2ww\n"
        );
    }

    #[test]
    fn mistakes_are_one_sentence() {
        for (line, text) in [
            ("", "name one command: info, format or random-uuid"),
            ("explode", "\"explode\" is no command: name info, format or random-uuid"),
            ("info", "argument --config/-c is required"),
            ("format -c Cargo.toml -t short", "Cluster ID string short does not appear to be a valid UUID: "),
            ("info -c /nowhere/x", "cannot read /nowhere/x: "),
        ] {
            let ran = run(&TOOL, line);
            assert_eq!((ran.code, ran.out.as_str()), (1, ""));
            assert!(ran.err.starts_with(text), "{}", ran.err);
        }
    }
}

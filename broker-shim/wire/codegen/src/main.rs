//! Writes `broker-shim/wire/src/messages/*.rs` and `api_key/table.rs` from the compact schema beside them.
//!
//! `cargo run -p kafka-wire-codegen` reads `broker-shim/wire/schema/*.txt`, writes the modules and has rustfmt bring
//! them into the house's form. The result is checked in; a test here compares it with what would be written.

mod emit;
mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = io::Write::write_all(
                &mut io::stderr(),
                format!("kafka-wire-codegen: {problem}\n").as_bytes(),
            );
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let files = generate(&wire_dir().join("schema"))?;
    let source = wire_dir().join("src");
    let stale = fs::read_dir(source.join("messages")).map_err(|e| format!("src/messages: {e}"))?;
    for entry in stale.flatten().filter(|entry| !files.contains_key(&relative(&entry.path()))) {
        fs::remove_file(entry.path()).map_err(|e| format!("{}: {e}", entry.path().display()))?;
    }
    for (name, text) in &files {
        let path = source.join(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let paths = files.keys().map(|name| source.join(name));
    let status = Command::new("rustfmt").args(["--edition", "2024"]).args(paths).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("rustfmt: {status}")),
        Err(e) => Err(format!("rustfmt: {e}")),
    }
}

/// The folder of the crate `kafka-wire`.
fn wire_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `messages/x.rs` for a path that ends so.
fn relative(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("messages/{name}")
}

/// All generated files by their path below `src`, before rustfmt.
fn generate(schema: &Path) -> Result<BTreeMap<String, String>, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let entries = fs::read_dir(schema).map_err(|e| format!("{}: {e}", schema.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let (mut messages, mut bare) = (Vec::new(), Vec::new());
    for path in &paths {
        match path.file_name().unwrap_or_default().to_string_lossy().as_ref() {
            "keys.txt" => bare = schema::parse_keys(&read(path)?)?,
            name => messages.extend(schema::parse(name, &read(path)?)?),
        }
    }
    let mut files = BTreeMap::new();
    for message in &messages {
        files.insert(format!("messages/{}.rs", emit::snake(&message.name)), emit::message(message));
    }
    files.insert("messages/mod.rs".to_owned(), emit::module(&messages));
    files.insert("api_key/table.rs".to_owned(), emit::api_keys(&messages, &bare)?);
    Ok(files)
}

#[cfg(test)]
mod tests;

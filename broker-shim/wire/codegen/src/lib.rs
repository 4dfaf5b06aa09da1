//! From the compact schema in `broker-shim/wire/schema` to the modules of `kafka-wire`.
//!
//! [`schema`] parses, [`emit`] writes Rust, [`generate`] does both for the whole folder. The tests of `kafka-wire` use
//! the parsed schema too, to make valid messages without the generated code.

#![forbid(unsafe_code)]

pub mod emit;
pub mod schema;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the crate `kafka-wire`.
#[must_use]
pub fn wire_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `messages/x.rs` for a path that ends so.
#[must_use]
pub fn relative(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("messages/{name}")
}

/// Reads all schema files: the messages in the order of their keys, and the keys without messages.
pub fn load(schema: &Path) -> Result<(Vec<schema::Message>, Vec<schema::BareKey>), String> {
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
    Ok((messages, bare))
}

/// All generated files by their path below `src`, before rustfmt.
pub fn generate(schema: &Path) -> Result<BTreeMap<String, String>, String> {
    let (messages, bare) = load(schema)?;
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

//! Writes `broker-shim/wire/src/messages/*.rs` and `api_key/table.rs` from the compact schema beside them.
//!
//! `cargo run -p kafka-wire-codegen` reads `broker-shim/wire/schema/*.txt`, writes the modules and has rustfmt bring
//! them into the house's form. The result is checked in; a test compares it with what would be written.

use kafka_wire_codegen::{generate, relative, wire_dir};
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

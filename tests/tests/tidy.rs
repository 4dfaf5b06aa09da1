//! The rules of the house that text can hold: where `unsafe` may be, which layer may name which, how long a file may
//! get, what never stands in a committed file.
//!
//! It reads the working tree (without `target` and what else is ignored), so a finding names file and line.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use corrente_tests::place;

/// Lines of a file, tests included. Generated files are as long as the protocol wants them.
const LONGEST_FILE: usize = 1000;
const GENERATED: &str = "// @generated";

/// What each layer of the engine must not name: whatever lies above it or beside it.
const ENGINE_LAYERS: &[(&str, &[&str])] = &[
    ("types", &["error", "config", "format", "io", "index", "segment", "log", "store"]),
    ("format", &["io", "index", "segment", "log", "store"]),
    ("io", &["format", "index", "segment", "log", "store"]),
    ("index", &["segment", "log", "store"]),
    ("segment", &["log", "store"]),
    ("log", &["store"]),
];

/// The same for the broker: `coordinators`, `metadata` and `convert` know no request, and nobody knows the server.
const BROKER_LAYERS: &[(&str, &[&str])] = &[
    ("config", &["metadata", "convert", "coordinators", "handlers", "net", "web", "server", "cli"]),
    ("convert", &["config", "metadata", "coordinators", "handlers", "net", "web", "server", "cli"]),
    ("metadata", &["coordinators", "handlers", "net", "web", "server", "cli"]),
    ("coordinators", &["handlers", "net", "web", "server", "cli"]),
    ("handlers", &["web", "server", "cli"]),
    ("net", &["web", "server", "cli"]),
    ("web", &["server", "cli"]),
];

/// A committed text file.
struct Source {
    /// From the root of the workspace, with `/`.
    name: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.name.ends_with(".rs")
    }

    fn is_test(&self) -> bool {
        let tests = |part: &str| {
            ["tests", "benches", "fuzz"].contains(&part) || part.ends_with("tests.rs") || part == "testing.rs"
        };
        self.name.split('/').any(tests)
    }

    /// Lines of code with their numbers: without comments, and without what stands behind `//` in a line.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(n, line)| (n + 1, line.split("//").next().unwrap_or_default()))
    }

    /// The same up to the tests at the end of the file.
    fn code_before_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }
}

#[test]
fn unsafe_is_only_in_the_io_layer_of_the_engine() {
    let mut findings = Vec::new();
    let io = "log-engine/src/io/";
    // The fuzz targets are a workspace of their own, and count allocations.
    let looked_at = |s: &&Source| s.is_rust() && !s.name.starts_with(io) && !s.name.starts_with("fuzz/");
    for source in sources().iter().filter(looked_at) {
        // A string may well speak of it, as this test does.
        let told =
            |line: &str| words(line.split('"').next().unwrap_or_default()).any(|word| word == "unsafe");
        findings.extend(
            source.code().filter(|(_, line)| told(line)).map(|(n, _)| format!("{}:{n}", source.name)),
        );
    }
    assert_none("unsafe outside log-engine/src/io", &findings);
}

#[test]
fn layers_look_down_only() {
    let mut findings = Vec::new();
    for (root, layers) in [("log-engine/src/", ENGINE_LAYERS), ("broker-shim/src/", BROKER_LAYERS)] {
        for source in sources().iter().filter(|s| s.is_rust()) {
            let Some(rest) = source.name.strip_prefix(root) else { continue };
            let layer = rest.split('/').next().unwrap_or_default().trim_end_matches(".rs");
            let Some((_, forbidden)) = layers.iter().find(|(name, _)| *name == layer) else { continue };
            // Tests may set up a whole house to look at one room.
            if source.is_test() {
                continue;
            }
            let code: String = source.code_before_tests().map(|(_, line)| format!("{line}\n")).collect();
            for name in named_modules(&code).into_iter().filter(|name| forbidden.contains(&name.as_str())) {
                findings.push(format!("{}: crate::{name}", source.name));
            }
        }
    }
    assert_none("a layer names one above it", &findings);
}

#[test]
fn the_engine_knows_no_protocol_no_runtime_and_the_protocol_no_engine() {
    let mut findings = Vec::new();
    for (manifest, forbidden) in [
        ("log-engine/Cargo.toml", &["kafka-wire", "broker-shim", "tokio", "tracing", "socket2"][..]),
        ("broker-shim/wire/Cargo.toml", &["log-engine", "broker-shim", "tokio", "tracing", "socket2"][..]),
    ] {
        let text = fs::read_to_string(place::workspace().join(manifest)).expect(manifest);
        let dependencies =
            text.split("\n[").find(|part| part.starts_with("dependencies]")).expect("dependencies");
        let named = dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        findings
            .extend(named.filter(|name| forbidden.contains(name)).map(|name| format!("{manifest}: {name}")));
    }
    assert_none("a dependency that turns the layers around", &findings);
}

/// Known mistakes are for the engine's own tests: nobody else turns the feature on that builds them in.
#[test]
fn planted_bugs_are_built_for_the_engines_tests_only() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|s| s.name.ends_with("Cargo.toml")) {
        let text = match source.name.as_str() {
            "log-engine/Cargo.toml" => {
                let normal = source.text.split("[dev-dependencies]").next().unwrap_or_default();
                normal.replace("planted-bugs = [\"test-util\"]", "")
            }
            _ => source.text.clone(),
        };
        if text.contains("planted-bugs") {
            findings.push(source.name.clone());
        }
    }
    assert_none("a feature for tests of the engine is named elsewhere", &findings);
}

#[test]
fn the_engine_has_no_clock_but_the_injected_one() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|s| s.is_rust() && s.name.starts_with("log-engine/src/")) {
        if source.name.starts_with("log-engine/src/io/") || source.is_test() {
            continue;
        }
        let reads = |line: &str| line.contains("SystemTime::now") || line.contains("Utc::now");
        let lines = source.code_before_tests().filter(|(_, line)| reads(line));
        findings.extend(lines.map(|(n, _)| format!("{}:{n}", source.name)));
    }
    assert_none("the time of day is read behind the clock's back", &findings);
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut findings = Vec::new();
    let roots =
        ["log-engine/src/", "broker-shim/src/", "broker-shim/wire/src/", "broker-shim/zookeeper/src/"];
    let sources = sources();
    let test_modules: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in sources.iter().filter(|s| s.is_rust() && !s.is_test()) {
        if test_modules.iter().any(|module| source.name.starts_with(module))
            || !roots.iter().any(|root| source.name.starts_with(root))
        {
            continue;
        }
        let lines = source.code_before_tests().filter(|(_, line)| line.contains(".unwrap()"));
        findings.extend(lines.map(|(n, _)| format!("{}:{n}", source.name)));
    }
    assert_none("unwrap", &findings);
}

#[test]
fn no_file_is_longer_than_a_thousand_lines() {
    let long =
        |s: &&Source| s.is_rust() && !s.text.starts_with(GENERATED) && s.text.lines().count() > LONGEST_FILE;
    let findings: Vec<String> = sources().iter().filter(long).map(|s| s.name.clone()).collect();
    assert_none("a file that wants to be split", &findings);
}

#[test]
fn source_is_ascii() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|s| s.is_rust()) {
        let lines = source.text.lines().enumerate().filter(|(_, line)| !line.is_ascii());
        findings.extend(lines.map(|(n, _)| format!("{}:{}", source.name, n + 1)));
    }
    assert_none("beyond ASCII", &findings);
}

/// Paths of somebody's machine say nothing on another one.
#[test]
fn no_path_of_one_machine_is_committed() {
    // Put together here, so that this file may stay in the search.
    let paths = ["work", "root", "home"].map(|folder| format!("/{folder}"));
    let mut findings = Vec::new();
    for source in sources() {
        for (n, line) in source.text.lines().enumerate() {
            if paths.iter().any(|path| names_path(line, path)) {
                findings.push(format!("{}:{}: {}", source.name, n + 1, line.trim()));
            }
        }
    }
    assert_none("a path of one machine", &findings);
}

#[test]
fn names_in_bin_are_one_line_onto_corrente() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|s| s.name.starts_with("bin/")) {
        let lines: Vec<&str> = source.text.lines().filter(|line| !line.starts_with('#')).collect();
        let one = matches!(lines[..], [line] if line.contains("corrente"));
        let mode =
            fs::metadata(place::workspace().join(&source.name)).expect("just read").permissions().mode();
        if !source.text.starts_with("#!/bin/sh\n") || !one || mode & 0o111 != 0o111 {
            findings.push(source.name.clone());
        }
    }
    assert_none("more than a name", &findings);
}

/// Modules of the crate that the code names: `crate::a::b`, `crate::{a::b, c}`.
fn named_modules(code: &str) -> BTreeSet<String> {
    let first_word = |text: &str| words(text).next().unwrap_or_default().to_owned();
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(first_word(rest));
            continue;
        };
        let mut depth = 0_u32;
        let mut start = 0;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    names.insert(first_word(&list[start..i]));
                    start = i + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    names
}

/// Beginnings of the paths of modules that a file declares for tests only: `#[cfg(test)]`, then `mod name;`.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.name.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
        _ => source.name.trim_end_matches(".rs"),
    };
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with(';'));
    let name = |pair: &[&str]| pair[1].split("mod ").nth(1).map(|name| name.trim_end_matches(';').to_owned());
    let path = |name: String| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")];
    declared.filter_map(name).flat_map(path).collect()
}

/// Whether the line has `path` as the beginning of an absolute path, and more behind it.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let mut after = line[at + path.len()..].chars();
        let absolute = before.is_none_or(|c| !(c.is_alphanumeric() || "._-/*)}<>".contains(c)));
        absolute && after.next() == Some('/') && after.next().is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

fn assert_none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

/// All text files of the workspace that could be committed.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&place::workspace(), "", &mut found);
    assert!(found.iter().any(|s| s.name == "tests/tests/tidy.rs"), "the walk has missed this very file");
    found
}

fn walk(dir: &Path, prefix: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("the workspace is readable") {
        let entry = entry.expect("the workspace is readable");
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let ignored =
            ["target", ".git", "data", "logs", "corpus", "artifacts", "node_modules", "__pycache__"];
        if ignored.contains(&name.as_str()) || name.starts_with("target-") {
            continue;
        }
        let kind = entry.file_type().expect("the workspace is readable");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
        } else if kind.is_file() {
            // What is not text (golden segments) is not looked at.
            found.extend(fs::read_to_string(entry.path()).ok().map(|text| Source { name: path, text }));
        }
    }
}

#[test]
fn the_rules_see_what_they_look_for() {
    let names = named_modules("use crate::{a::{b, c}, log, types::X};\nlet x = crate::store::open();");
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "log", "store", "types"]);
    let text = "#[cfg(test)]\npub(crate) mod model;\nmod real;".to_owned();
    assert_eq!(test_modules(&Source { name: "a/b.rs".into(), text }), ["a/b/model.rs", "a/b/model/"]);
    let home = format!("/{}", "home");
    assert!(names_path(&format!("see {home}/somebody/x"), &home));
    assert!(names_path(&format!("{home}/somebody"), &home));
    assert!(!names_path(&format!("${{HOME}}{home}/x"), &home), "not the beginning of a path");
    assert!(!names_path(&format!("{home}s"), &home));
}

//! What a directory may look like when somebody was in it: each change of each file, and heaps of changes.
//!
//! `mutations.golden` has the verdict on each single change of a log that was closed; it is written anew with
//! `UPDATE_GOLDEN=1`. Heaps of changes have no golden verdict, but the same must hold of them.

use super::*;
use crate::format::names::SegmentFile;
use crate::io::{EntryKind, OpenMode};
use std::collections::BTreeMap;
use std::fmt::Write;

const RECORDS: i64 = 24;

/// One change of a directory, by the number of a file in it.
#[derive(Clone, Copy, Debug)]
enum Change {
    Delete,
    /// To the name of an offset so much higher.
    Rename(i64),
    /// A copy under the name of an offset so much higher.
    Double(i64),
    /// Under the name of the next file.
    Onto,
    /// Renamed to a name with this behind it, or copied.
    Suffix(&'static str, bool),
    Halve,
    Empty,
    Garbage,
    Directory,
    /// A file that nobody knows.
    Unknown(&'static str),
    UnknownDirectory(&'static str),
}

const CHANGES: [Change; 22] = [
    Change::Delete,
    Change::Rename(1),
    Change::Rename(-1),
    Change::Rename(100),
    Change::Double(1),
    Change::Double(2),
    Change::Double(1000),
    Change::Onto,
    Change::Suffix(".deleted", false),
    Change::Suffix(".deleted", true),
    Change::Suffix(".cleaned", false),
    Change::Suffix(".cleaned", true),
    Change::Suffix(".swap", false),
    Change::Suffix(".swap", true),
    Change::Suffix(".bak", true),
    Change::Halve,
    Change::Empty,
    Change::Garbage,
    Change::Directory,
    Change::Unknown("notes.txt"),
    Change::Unknown("00000000000000000003.log.torn"),
    Change::UnknownDirectory("00000000000000000002.log"),
];

struct House {
    bench: Bench,
    /// Files that are nobody's business here.
    unknown: BTreeMap<String, Vec<u8>>,
}

impl House {
    fn new(close: bool) -> Self {
        let bench = Bench::small(420);
        // A start that is refused later has cut zeros by then.
        bench.storage.allow_windows(false);
        let log = bench.open();
        log.append_batch(&idempotent(7, 0, 0, 1, false), Origin::Client).unwrap();
        fill(&log, 1..RECORDS);
        log.sync().unwrap();
        if close {
            log.close().unwrap();
        }
        Self { bench, unknown: BTreeMap::new() }
    }

    fn files(&self) -> Vec<String> {
        let entries = self.bench.storage.list(Path::new(DIR)).unwrap();
        let files =
            entries.into_iter().filter(|entry| entry.kind == EntryKind::File && entry.name != ".lock");
        files.map(|entry| entry.name).collect()
    }

    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.files().into_iter().map(|name| (name.clone(), self.bench.file(&name))).collect()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let Ok(file) = self.bench.storage.open(&Path::new(DIR).join(name), OpenMode::Truncate) else {
            return;
        };
        file.write_all_at(&[bytes], 0).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        let dir = Path::new(DIR);
        // A directory may have that name already.
        let _ = self.bench.storage.rename(&dir.join(from), &dir.join(to));
    }

    fn change(&mut self, change: Change, name: &str, next: &str) {
        let bytes = self.bench.file(name);
        let shifted = |by: i64| {
            let file = SegmentFile::parse(name)?;
            let base = Offset::new((file.base.get() + by).max(0))?;
            Some(SegmentFile { base, ..file }.name())
        };
        match change {
            Change::Delete => self.bench.remove(name),
            Change::Rename(by) => drop(shifted(by).map(|to| self.rename(name, &to))),
            Change::Double(by) => drop(shifted(by).map(|to| self.put(&to, &bytes))),
            Change::Onto => self.rename(name, next),
            Change::Suffix(suffix, true) => self.put(&format!("{name}{suffix}"), &bytes),
            Change::Suffix(suffix, false) => self.rename(name, &format!("{name}{suffix}")),
            Change::Halve => self.put(name, &bytes[..bytes.len() / 2]),
            Change::Empty => self.put(name, &[]),
            Change::Garbage => self.put(name, &[0xa5; 300]),
            Change::Directory => {
                self.bench.remove(name);
                self.bench.storage.create_dir_all(&Path::new(DIR).join(name).join("inner")).unwrap();
            }
            Change::Unknown(unknown) => self.put(unknown, b"mine"),
            Change::UnknownDirectory(unknown) => {
                let _ = self.bench.storage.create_dir_all(&Path::new(DIR).join(unknown));
            }
        }
        let known = |name: &String| {
            SegmentFile::parse(name).is_some() || !name.contains(".log") && !name.ends_with(".bak")
        };
        let unknown = self.contents().into_iter().filter(|(name, _)| name == "notes.txt" || !known(name));
        self.unknown = unknown.filter(|(name, _)| !name.ends_with(".tmp")).collect();
    }

    /// Opens what is there; the verdict, in a few words. What holds of all of them is asserted.
    fn verdict(&self, what: &str) -> String {
        let before = self.contents();
        let log = match self.bench.builder().open() {
            Ok(log) => log,
            Err(error) => {
                // What is decided against is left as it is; where something is in the way of what must be written, the
                // batches stay.
                let decided = error.fault() == crate::error::Fault::Corrupt;
                let matters = |name: &String| decided || name.ends_with(".log");
                let after = self.contents();
                for (name, bytes) in before.iter().filter(|(name, _)| matters(name)) {
                    let moved = !decided && after.values().any(|now| now == bytes);
                    assert!(
                        moved || after.get(name) == Some(bytes),
                        "{what}: refused ({error}), changed {name}"
                    );
                }
                return format!("refused: {error}");
            }
        };
        let mut served = 0;
        let mut told = 0;
        for n in log.start_offset().get()..log.end_offset().get() {
            let (records, error) = dump_from(&log, offset(n));
            match records.first() {
                Some((found, text)) if *found == n => {
                    assert!(n == 0 || *text == value(n), "{what}: offset {n} is {text}");
                    served += 1;
                }
                first => {
                    assert!(error.is_some() || first.is_none(), "{what}: offset {n} is skipped silently");
                    told += 1;
                }
            }
        }
        let end = log.end_offset();
        let next = match log.append(&[NewRecord::value(b"next")]) {
            Ok(appended) => {
                assert_eq!(appended.base_offset, end, "{what}");
                format!("next {end}")
            }
            Err(error) => format!("append refused: {error}"),
        };
        let closed = log.close().map_or_else(|error| format!(", close refused: {error}"), |()| String::new());
        for (name, bytes) in &self.unknown {
            assert_eq!(self.contents().get(name), Some(bytes), "{what}: {name} was touched");
        }
        format!("from {}, {served} served, {told} refused, {next}{closed}", log.start_offset())
    }
}

fn singles(close: bool) -> String {
    let mut out = String::new();
    for change in CHANGES {
        for index in 0..House::new(close).files().len() {
            let mut house = House::new(close);
            let files = house.files();
            let next = &files[(index + 1) % files.len()];
            house.change(change, &files[index], next);
            let verdict = house.verdict(&format!("{change:?} {}", files[index]));
            writeln!(out, "{change:?} {}: {verdict}", files[index]).unwrap();
        }
    }
    out
}

#[test]
fn each_change_of_each_file_has_its_verdict() {
    let found = singles(true);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/log/tests/mutations.golden");
        std::fs::write(path, &found).unwrap();
        return;
    }
    let known = include_str!("mutations.golden");
    for (found, known) in found.lines().zip(known.lines()) {
        assert_eq!(found, known);
    }
    assert_eq!(found.lines().count(), known.lines().count());
    assert!(found.lines().count() > 500);
}

#[test]
fn each_change_of_each_file_of_a_killed_log_is_survived() {
    singles(false);
}

#[test]
fn heaps_of_changes_are_survived() {
    for seed in 0..1500_usize {
        let mut house = House::new(seed.is_multiple_of(2));
        let mut state = seed * 7919 + 13;
        let mut pick = |among: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % among
        };
        let mut story = Vec::new();
        for _ in 0..2 + seed % 4 {
            let files = house.files();
            if files.len() < 2 {
                break;
            }
            let (change, name) = (CHANGES[pick(CHANGES.len())], pick(files.len()));
            house.change(change, &files[name], &files[(name + 1) % files.len()]);
            story.push(format!("{change:?} {}", files[name]));
        }
        house.verdict(&format!("seed {seed}: {}", story.join(", ")));
    }
}
